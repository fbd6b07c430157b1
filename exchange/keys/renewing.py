"""A new receipt key in the place of one that is revoked, or that never was."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from exchange.domain.errors import KeysError
from exchange.durable import make_folder, write_file
from exchange.keys.certifying import certify_appliance, pem
from exchange.keys.installing import keep_former
from exchange.keys.inventory import authority_key
from exchange.keys.revoking import read_revoked
from exchange.keys.signing import SIGNING_CERTIFICATE, SIGNING_KEY, FileKeyStore, keyid_of, spki_of
from exchange.keys.site import private_pem

_BACKDATE = timedelta(minutes=5)  # verifiers' clocks are a little behind


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A receipt key that was made, or certified.

    Attributes:
        certified: Whether the site CA on this box certified it; else a CA elsewhere must.
        replaced: Key id of the revoked key in whose place it is, "" for none.
    """

    keyid: str
    certified: bool
    replaced: str = ""


def make_receipt_key(folder: Path, names: tuple[str, str], now: datetime) -> MadeKey:
    """Make a receipt key (ECDSA P-256, PEM, mode 0600) where there is none, or a revoked one.

    The revoked private half is destroyed; its certificate is kept. The site CA certifies the new key when its
    private key is on this box. A key that was made and not certified is certified, not made anew.

    Args:
        folder: The keys folder.
        names: Site and appliance.
        now: Start of validity; timezone-aware.

    Raises:
        KeysError: A key that is not revoked is there, or the CA cannot be used; nothing was changed.
        OSError: A file cannot be written.
    """
    authority = authority_key(folder)
    replaced, private = _present(folder)
    if private is None:
        private = ec.generate_private_key(ec.SECP256R1())
        make_folder(folder)
        keep_former(folder)
        write_file(folder / SIGNING_KEY, private_pem(private))
    if authority is not None:
        start = now.astimezone(UTC).replace(microsecond=0) - _BACKDATE
        certificate = certify_appliance(*authority, private.public_key(), names, start)
        write_file(folder / SIGNING_CERTIFICATE, pem(certificate), 0o644)
    return MadeKey(keyid_of(spki_of(private.public_key())), authority is not None, replaced)


def _present(folder: Path) -> tuple[str, ec.EllipticCurvePrivateKey | None]:
    """The revoked key in whose place a new one goes, and the key that only lacks a certificate."""
    if not (folder / SIGNING_KEY).exists():
        return "", None
    store = FileKeyStore(folder)
    keyid = store.keyid()
    if keyid in read_revoked(folder):
        return keyid, None
    try:
        store.signing()
    except KeysError:
        return "", store.uncertified().private
    raise KeysError(
        f"cannot make a new receipt key: {folder / SIGNING_KEY} is there already and in use",
        "keys are never overwritten; if it must not be used any more: lockgate keys revoke",
    )
