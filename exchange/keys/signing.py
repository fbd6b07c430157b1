"""The signing interface, and its file backend.

A receipt key is ECDSA P-256. The pipeline sees only `SigningKey`; where the private half lives (a file here,
a TPM or a PKCS#11 token elsewhere) is told by `protection`, and every receipt repeats that word.
"""

import os
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from stat import S_IMODE, S_ISREG
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from exchange.domain.errors import KeysError
from exchange.keys.revoking import read_revoked

SIGNING_KEY = "signing.key"
SIGNING_CERTIFICATE = "signing.crt"
MAX_KEY_FILE = 1 << 20  # bytes; a PEM key or chain is a few kilobytes


class SigningKey(Protocol):
    """A key that signs receipts.

    Attributes:
        spki: DER SubjectPublicKeyInfo.
        keyid: Lower-case hex SHA-256 of `spki`; names the key in DSSE signatures.
        chain_pem: The key's certificate first, then its intermediates; never the site CA.
        protection: Where the private key lives: `file`, `tpm2`, `ftpm`, `pkcs11`.
    """

    @property
    def spki(self) -> bytes: ...  # noqa: D102 - described above
    @property
    def keyid(self) -> str: ...  # noqa: D102
    @property
    def chain_pem(self) -> bytes: ...  # noqa: D102
    @property
    def protection(self) -> str: ...  # noqa: D102

    def sign(self, data: bytes) -> bytes:
        """ECDSA P-256 with SHA-256 over `data`, as a DER `Ecdsa-Sig-Value`."""


def spki_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """The DER SubjectPublicKeyInfo of a public key."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def keyid_of(spki: bytes) -> str:
    """The name of a key: lower-case hex SHA-256 of its DER SubjectPublicKeyInfo."""
    return sha256(spki).hexdigest()


@dataclass(frozen=True, slots=True)
class FileSigningKey:
    """A signing key whose private half was read from a file; a `SigningKey`."""

    private: ec.EllipticCurvePrivateKey = field(repr=False)
    chain_pem: bytes = field(repr=False)
    spki: bytes = field(repr=False)
    keyid: str
    protection: str = "file"

    def sign(self, data: bytes) -> bytes:
        """ECDSA P-256 with SHA-256 over `data`, DER."""
        return self.private.sign(data, ec.ECDSA(hashes.SHA256()))


@dataclass(frozen=True, slots=True)
class RevokedKey:
    """What stands in the place of a key that was revoked while the appliance runs: it signs nothing."""

    spki: bytes = field(repr=False)
    keyid: str
    chain_pem: bytes = field(repr=False)
    protection: str

    def sign(self, data: bytes) -> bytes:  # noqa: ARG002 - no data is signed
        """Never.

        Raises:
            KeysError: Always.
        """
        raise _revoked(self.keyid)


def refuse_revoked(folder: Path, keyid: str) -> None:
    """Refuse a key that the keys folder lists as revoked.

    Raises:
        KeysError: It is listed, or the list cannot be understood.
    """
    if keyid in read_revoked(folder):
        raise _revoked(keyid)


def _revoked(keyid: str) -> KeysError:
    return KeysError(
        f"cannot sign with key {keyid[:16]}: it is revoked", "make a new one: lockgate keys init"
    )


def read_private_file(path: Path) -> bytes:
    """Read a secret file that only its owner may read.

    Mode and content are taken from one open descriptor, so that the file cannot be swapped in between.

    Raises:
        KeysError: It is missing, not a regular file, too large, or readable by group or others.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeysError(
            f"cannot read the key file {path}: {error.strerror}", "run `lockgate init`, or correct `keys:`"
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not S_ISREG(status.st_mode):
            raise KeysError(f"cannot use the key file {path}: it is not a regular file", "name a plain file")
        if S_IMODE(status.st_mode) & 0o077:
            raise KeysError(
                f"cannot use the key file {path}: its mode {S_IMODE(status.st_mode):04o} lets others read it",
                f"run `chmod 600 {path}`; replace the key if others may have read it",
            )
        data = file.read(MAX_KEY_FILE + 1)
    if len(data) > MAX_KEY_FILE:
        raise KeysError(f"cannot use the key file {path}: it is larger than 1 MiB", "name the right file")
    return data


@dataclass(frozen=True, slots=True)
class FileKeyStore:
    """The file backend: one folder with `signing.key` (PEM PKCS#8, 0600) and `signing.crt` (PEM chain)."""

    folder: Path

    def keyid(self) -> str:
        """The name of the receipt key, whether or not it may still sign.

        Raises:
            KeysError: The file is missing, readable by others, not PEM, or not P-256.
        """
        return keyid_of(spki_of(self._private().public_key()))

    def uncertified(self) -> FileSigningKey:
        """The receipt-signing key without its certificate: for a request, never for a receipt.

        Raises:
            KeysError: The file is missing, readable by others, not PEM, not P-256, or the key is revoked.
        """
        private = self._private()
        spki = spki_of(private.public_key())
        refuse_revoked(self.folder, keyid_of(spki))
        return FileSigningKey(private, b"", spki, keyid_of(spki))

    def signing(self) -> FileSigningKey:
        """Load the appliance's receipt-signing key.

        Raises:
            KeysError: A file is missing, readable by others, not PEM, not P-256, the certificate is of
                another key, or the key is revoked.
        """
        key = self.uncertified()
        path = self.folder / SIGNING_CERTIFICATE
        try:
            chain_pem = path.read_bytes()
            leaf = x509.load_pem_x509_certificates(chain_pem)[0]
            certified = leaf.public_key()
        except OSError as error:
            raise KeysError(
                f"cannot read the signing certificate {path}: {error.strerror}",
                "have the key certified: lockgate keys csr, then lockgate keys install",
            ) from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeysError(f"cannot use the signing certificate {path}: it is not PEM X.509") from error
        if not isinstance(certified, ec.EllipticCurvePublicKey) or spki_of(certified) != key.spki:
            raise KeysError(
                f"cannot use the signing key in {self.folder}: {SIGNING_CERTIFICATE} certifies another key",
                "restore both files from one backup, or lockgate keys csr and lockgate keys install",
            )
        return FileSigningKey(key.private, chain_pem, key.spki, key.keyid)

    def _private(self) -> ec.EllipticCurvePrivateKey:
        path = self.folder / SIGNING_KEY
        data = read_private_file(path)
        try:
            private = serialization.load_pem_private_key(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            # The library's text may quote the input; it is dropped from what is shown.
            raise KeysError(f"cannot use the signing key {path}: it is not an unencrypted PEM key") from error
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
            raise KeysError(
                f"cannot use the signing key {path}: it is not ECDSA P-256", "run `lockgate init`"
            )
        return private
