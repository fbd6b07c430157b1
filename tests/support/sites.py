"""Site folders and certificates for tests: written like a hospital's, on temporary disks."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Pair:
    """A self-signed certificate and its key, as files."""

    cert: Path
    key: Path


def write_pair(folder: Path, name: str, end: datetime, begin: datetime | None = None) -> Pair:
    """A P-256 certificate that is valid until `end`, with its private key (mode 0600)."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin or end - timedelta(days=800))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    pair.cert.write_bytes(certificate.public_bytes(Encoding.PEM))
    pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    pair.key.chmod(0o600)
    return pair


def site_folder(folder: Path) -> Path:
    """A folder as `init` leaves it, without real keys: keys, trust, outgoing, and valid TLS files."""
    for name in ("keys", "trust", "outgoing", "state"):
        (folder / name).mkdir(parents=True)
    far = NOW + timedelta(days=400)
    for name in ("edge", "other", "ca"):
        write_pair(folder / "tls", name, far)
    write_pair(folder / "tls", "dead", NOW - timedelta(days=1))
    write_pair(folder / "tls", "soon", NOW + timedelta(days=10))
    write_pair(folder / "tls", "future", far, begin=NOW + timedelta(days=2))
    (folder / "tls" / "text.pem").write_text("no certificate")
    return folder


def running_as_root() -> bool:
    """Whether modes do not stop us."""
    return os.geteuid() == 0
