"""Installing the certificate that a CA, a hospital's for instance, issued for the appliance's receipt key."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import verification
from cryptography.x509.oid import NameOID

from exchange.domain.errors import KeysError
from exchange.durable import make_folder, write_file
from exchange.keys.certifying import APPLIANCE_RECEIPT_EKU, pem
from exchange.keys.revoking import read_revoked
from exchange.keys.signing import SIGNING_CERTIFICATE, SigningKey, keyid_of

FORMER = "former"
_MAX_DEPTH = 4  # intermediates; as the verifier allows


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate that was checked, and what vouches for it.

    Attributes:
        chain: The key's own first, then intermediates; without the anchor.
        anchor: The CA whose certificate a verifier must trust.
    """

    chain: tuple[x509.Certificate, ...]
    anchor: x509.Certificate

    @property
    def leaf(self) -> x509.Certificate:
        """The key's own certificate."""
        return self.chain[0]


def read_certificates(data: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM file.

    Raises:
        KeysError: There is none, or one cannot be read.
    """
    try:
        found = x509.load_pem_x509_certificates(data)
        for one in found:
            _ = one.extensions, one.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise KeysError(
            "cannot install this: it is no PEM file of certificates", "ask the CA for PEM"
        ) from error
    return found


def check_certificates(
    given: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    key: SigningKey,
    names: tuple[str, str],
    now: datetime,
) -> Certified:
    """Check what a CA issued, as a verifier of receipts will.

    Args:
        given: In any order: the key's certificate, intermediates and, where it is among them, the CA itself.
        anchors: CAs that are trusted already.
        key: The appliance's receipt key.
        names: Site and appliance.
        now: Timezone-aware.

    Raises:
        KeysError: What does not fit, and what to ask the CA for.
    """
    leaf = next((one for one in given if keyid_of(_spki(one)) == key.keyid), None)
    if leaf is None:
        raise KeysError(
            "cannot install this certificate: it certifies another key",
            f"the key here is {key.keyid[:16]}; send its request again: lockgate keys csr",
        )
    _check_role(leaf)
    _check_names(leaf, names)
    _check_time(leaf, now)
    roots = [one for one in given if one is not leaf and one.subject == one.issuer]
    others = [one for one in given if one is not leaf and one not in roots]
    return _path(leaf, others, [*anchors, *roots], now)


def install_certificates(folder: Path, trust: Path, certified: Certified) -> tuple[Path | None, Path]:
    """Put the certificate in use; the former one is kept, and the CA is put into the site's trust folder.

    Returns:
        Where the former certificate lies now (None if there was none), and where the CA lies.

    Raises:
        KeysError: The key or a CA above it is revoked; nothing was changed.
        OSError: A file cannot be written.
    """
    revoked = read_revoked(folder)
    if any(keyid_of(_spki(one)) in revoked for one in (*certified.chain, certified.anchor)):
        raise KeysError("cannot install this certificate: its key, or one above it, is revoked")
    former = keep_former(folder)
    make_folder(trust, 0o755)
    name = keyid_of(_spki(certified.anchor))[:12]
    known = [path for path in sorted(trust.glob("*.pem")) if _holds(path, certified.anchor)]
    anchor = known[0] if known else trust / f"site-ca-{name}.pem"
    if not known:
        write_file(anchor, pem(certified.anchor), 0o644)
    write_file(folder / SIGNING_CERTIFICATE, b"".join(map(pem, certified.chain)), 0o644)
    return former, anchor


def keep_former(folder: Path) -> Path | None:
    """Keep a copy of the certificate in use, named by its fingerprint; None where there is none.

    Raises:
        OSError: It cannot be written.
    """
    path = folder / SIGNING_CERTIFICATE
    if not path.exists():
        return None
    data = path.read_bytes()
    fingerprint = read_certificates(data)[0].fingerprint(hashes.SHA256()).hex()
    kept = folder / FORMER / f"signing-{fingerprint[:16]}.crt"
    if not kept.exists():
        make_folder(kept.parent)
        write_file(kept, data, 0o644)
    return kept


def _holds(path: Path, certificate: x509.Certificate) -> bool:
    try:
        return certificate in x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError:
        return False


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _check_role(leaf: x509.Certificate) -> None:
    extensions = leaf.extensions
    try:
        purposes = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        allowed = extensions.get_extension_for_class(x509.KeyUsage).value
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound as error:
        raise KeysError(
            "cannot install this certificate: it does not state its use",
            "ask the CA to copy the request's basicConstraints, keyUsage and extendedKeyUsage",
        ) from error
    if APPLIANCE_RECEIPT_EKU not in purposes:
        raise KeysError(
            "cannot install this certificate: it is not one for signing exchange receipts",
            f"ask the CA for the extended key usage {APPLIANCE_RECEIPT_EKU.dotted_string}, as in the request",
        )
    if not allowed.digital_signature or constraints.ca:
        raise KeysError(
            "cannot install this certificate: it may not sign, or it is a CA's",
            "ask for keyUsage digitalSignature and basicConstraints CA:FALSE",
        )


def _check_names(leaf: x509.Certificate, names: tuple[str, str]) -> None:
    oids = (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    found = [[one.value for one in leaf.subject.get_attributes_for_oid(oid)] for oid in oids]
    if found != [[name] for name in names]:
        raise KeysError(
            "cannot install this certificate: its subject is not this site and appliance",
            f"ask for O={names[0]} and CN={names[1]}, each once",
        )


def _check_time(leaf: x509.Certificate, now: datetime) -> None:
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now < begin:
        raise KeysError(
            f"cannot install this certificate: it is valid from {begin:%Y-%m-%d %H:%M} UTC only",
            "wait, or correct the clock",
        )
    if now > end:
        raise KeysError(
            f"cannot install this certificate: it expired on {end:%Y-%m-%d}", "ask the CA for a new one"
        )


def _path(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    now: datetime,
) -> Certified:
    if not anchors:
        raise KeysError(
            "cannot install this certificate: no CA is known that vouches for it",
            "give the CA's certificate with --anchor, its fingerprint compared with the CA by another way",
        )
    policy = verification.PolicyBuilder().store(verification.Store(list(anchors))).time(now)
    policy = policy.max_chain_depth(_MAX_DEPTH).extension_policies(
        # The same as the verifier asks for, so that what is installed here is accepted there.
        ee_policy=verification.ExtensionPolicy.permit_all(),
        ca_policy=verification.ExtensionPolicy.webpki_defaults_ca(),
    )
    try:
        *chain, anchor = policy.build_client_verifier().verify(leaf, list(others)).chain
    except (verification.VerificationError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeysError(
            f"cannot install this certificate: it does not hold under the known CAs ({_words(error)})",
            "give intermediates in the same file and the CA with --anchor; all must be valid CA certificates",
        ) from error
    return Certified(tuple(chain), anchor)


def _words(error: Exception) -> str:
    """What the library says, in one line; certificates of a site hold nothing of patients."""
    return " ".join(str(error).split())[:160] or type(error).__name__
