"""What lies in a keys folder: purpose, key id, protection, certificate, validity; nothing secret."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.domain.errors import KeysError
from exchange.keys.domains import ROOT
from exchange.keys.installing import FORMER
from exchange.keys.log import LOG_COSIGNER_KEY, LOG_KEY, LOG_PRIVATE_KEY
from exchange.keys.revoking import Revocation, read_revoked
from exchange.keys.signing import SIGNING_CERTIFICATE, SIGNING_KEY, FileKeyStore, keyid_of, read_private_file
from exchange.keys.site import CA_CERTIFICATE, CA_KEY, CROSSWALK_KEY
from exchange.keys.storage import STORAGE_KEY


@dataclass(frozen=True, slots=True)
class KeptKey:
    """One key.

    Attributes:
        purpose: `receipts`, `site-ca`, `pseudonyms` (with the epoch's number), `crosswalk`, `storage`,
            `log` (which).
        state: `current`, `former`, `revoked`, `uncertified`, or `unusable: why`.
        keyid: Of a key pair; "" for a secret, of which nothing is shown.
        protection: Where the private half or the secret lives: `file`, or `elsewhere` when not on this box.
        certificate: None for secrets.
        revoked: When and why it was revoked.
    """

    purpose: str
    state: str
    keyid: str = ""
    protection: str = "file"
    certificate: x509.Certificate | None = None
    revoked: Revocation | None = None

    def days_left(self, now: datetime) -> int | None:
        """Whole days until the certificate ends, negative after it; None without one."""
        return None if self.certificate is None else (self.certificate.not_valid_after_utc - now).days


def keys_in(folder: Path) -> tuple[KeptKey, ...]:
    """The keys of a folder: those in use, then former certificates, then secrets.

    Raises:
        KeysError: The list of revoked keys cannot be understood.
        OSError: The folder cannot be read.
    """
    revoked = read_revoked(folder)
    former = sorted((folder / FORMER).glob("*.crt"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    in_use = _receipt_key(folder, revoked)
    certificates = [_former(path, revoked) for path in former]
    return (
        in_use,
        *(one for one in certificates if one.certificate != in_use.certificate),
        *_authority(folder, revoked),
        *_secrets(folder),
    )


def _receipt_key(folder: Path, revoked: dict[str, Revocation]) -> KeptKey:
    certificate = _certificate(folder / SIGNING_CERTIFICATE)
    keyid = "" if certificate is None else _keyid(certificate)
    try:
        key = FileKeyStore(folder).uncertified()
    except KeysError as error:
        entry = revoked.get(keyid)
        protection = "file" if (folder / SIGNING_KEY).exists() else "elsewhere"
        state = "revoked" if entry else f"unusable: {error.message}"
        return KeptKey("receipts", state, keyid, protection, certificate, entry)
    if keyid != key.keyid:  # made anew, and not certified yet
        return KeptKey("receipts", "uncertified", key.keyid, key.protection)
    return KeptKey("receipts", "current", keyid, key.protection, certificate)


def _former(path: Path, revoked: dict[str, Revocation]) -> KeptKey:
    certificate = _certificate(path)
    keyid = "" if certificate is None else _keyid(certificate)
    entry = revoked.get(keyid)
    return KeptKey("receipts", "revoked" if entry else "former", keyid, "file", certificate, entry)


def _authority(folder: Path, revoked: dict[str, Revocation]) -> tuple[KeptKey, ...]:
    certificate = _certificate(folder / CA_CERTIFICATE)
    if certificate is None:
        return ()
    keyid = _keyid(certificate)
    entry = revoked.get(keyid)
    protection = "file" if (folder / CA_KEY).exists() else "elsewhere"
    return (KeptKey("site-ca", "revoked" if entry else "current", keyid, protection, certificate, entry),)


def _secrets(folder: Path) -> tuple[KeptKey, ...]:
    found = []
    for path in sorted(folder.glob(f"{ROOT}*")):
        epoch = path.name.removeprefix(ROOT).lstrip(".") or "0"
        if epoch.isdigit():
            found.append(_secret(path, f"pseudonyms, epoch {epoch}"))
    for name, purpose in _NAMED:
        if (folder / name).exists():
            found.append(_secret(folder / name, purpose))
    return tuple(found)


_NAMED = (
    (CROSSWALK_KEY, "crosswalk"),
    (STORAGE_KEY, "storage"),
    (LOG_KEY, "log, Ed25519"),
    (LOG_COSIGNER_KEY, "log, ML-DSA-44"),
    (LOG_PRIVATE_KEY, "log, private rows"),
)


def _secret(path: Path, purpose: str) -> KeptKey:
    try:
        read_private_file(path)
    except KeysError as error:
        return KeptKey(purpose, f"unusable: {error.message}")
    return KeptKey(purpose, "current")


def _certificate(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError):
        return None


def _keyid(certificate: x509.Certificate) -> str:
    return keyid_of(
        certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate's DER, lower-case hex: what people compare by telephone."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def authority_key(folder: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None:
    """The site CA's private key and certificate; None when the key is not on this box.

    Raises:
        KeysError: It is there and cannot be used, or it is revoked.
    """
    if not (folder / CA_KEY).exists():
        return None
    certificate = _certificate(folder / CA_CERTIFICATE)
    try:
        private = serialization.load_pem_private_key(read_private_file(folder / CA_KEY), password=None)
    except (ValueError, TypeError) as error:
        raise KeysError("cannot use the site CA's key: it is no unencrypted PEM key") from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or certificate is None:
        raise KeysError(
            f"cannot use the site CA's key: {CA_CERTIFICATE} is missing, or it is of another kind"
        )
    if _keyid(certificate) in read_revoked(folder):
        raise KeysError(
            "cannot certify with the site CA: its key is revoked", "have a hospital CA certify it"
        )
    return private, certificate
