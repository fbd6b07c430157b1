"""Keys from seeds: the same seed gives the same key, and ECDSA (RFC 6979) and Ed25519 the same signature."""

from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def seed(*names: str) -> bytes:
    """32 bytes that stand for these names."""
    return sha256("\0".join(("lockgate vectors", *names)).encode()).digest()


@dataclass(frozen=True)
class P256:
    """An ECDSA P-256 key that signs deterministically."""

    names: tuple[str, ...]
    private: ec.EllipticCurvePrivateKey = field(init=False)

    def __post_init__(self) -> None:
        number = int.from_bytes(seed(*self.names), "big") % (P256_ORDER - 1) + 1
        object.__setattr__(self, "private", ec.derive_private_key(number, ec.SECP256R1()))

    @property
    def spki(self) -> bytes:
        """DER SubjectPublicKeyInfo."""
        return self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def keyid(self) -> str:
        """Lower-case hex SHA-256 of the SPKI."""
        return sha256(self.spki).hexdigest()

    def sign(self, data: bytes) -> bytes:
        """DER signature with SHA-256."""
        return self.private.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def ed25519(*names: str) -> Ed25519PrivateKey:
    """A log's own key."""
    return Ed25519PrivateKey.from_private_bytes(seed("ed25519", *names))


def mldsa44(*names: str) -> MLDSA44PrivateKey:
    """A log's cosigning key; its signatures are randomised by the library."""
    return MLDSA44PrivateKey.from_seed_bytes(seed("mldsa44", *names))
