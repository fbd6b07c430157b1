"""The log's keys: Ed25519 signs its checkpoints, ML-DSA-44 cosigns them, a third opens its private rows.

The log's name (its origin) is made of the first key, so that it names no site: two sites never share one.
"""

import base64
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from exchange.domain.errors import KeysError
from exchange.durable import make_folder, write_file
from exchange.keys.signing import read_private_file

LOG_KEY = "log.key"
LOG_COSIGNER_KEY = "log-mldsa.key"
LOG_PRIVATE_KEY = "log-private.key"
KEY_BYTES = 32

# Signature types of C2SP signed-note and tlog-cosignature.
ED25519 = 0x01
MLDSA44_COSIGNATURE = 0x06


def note_key_id(name: str, kind: int, public: bytes) -> bytes:
    """C2SP signed-note: the four bytes that stand for a key beside its name."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def vkey(name: str, kind: int, public: bytes) -> str:
    """C2SP signed-note: a verifier key, one line without its end."""
    encoded = base64.b64encode(bytes([kind]) + public).decode("ascii")
    return f"{name}+{note_key_id(name, kind, public).hex()}+{encoded}"


@dataclass(frozen=True, slots=True)
class LogKeys:
    """What signs the log and seals its private rows.

    Attributes:
        signer: Signs checkpoints.
        cosigner: The log's own cosignature, against a computer that breaks the first.
        private: 32 bytes, for the private rows.
        protection: Where they live, told truthfully.
    """

    signer: Ed25519PrivateKey = field(repr=False)
    cosigner: MLDSA44PrivateKey = field(repr=False)
    private: bytes = field(repr=False)
    protection: str = "file"

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """The site's own: two PEM files and 32 bytes, each mode 0600.

        Raises:
            KeysError: One is missing, readable by others, or no such key.
        """
        signer = _pem(folder / LOG_KEY)
        cosigner = _pem(folder / LOG_COSIGNER_KEY)
        private = read_private_file(folder / LOG_PRIVATE_KEY)
        if not isinstance(signer, Ed25519PrivateKey) or not isinstance(cosigner, MLDSA44PrivateKey):
            raise KeysError(
                f"cannot use the log's keys in {folder}: {LOG_KEY} must be Ed25519, "
                f"{LOG_COSIGNER_KEY} ML-DSA-44",
                "restore them from a backup",
            )
        if len(private) != KEY_BYTES:
            raise KeysError(
                f"cannot use {folder / LOG_PRIVATE_KEY}: it has {len(private)} bytes, not {KEY_BYTES}",
                "restore it from a backup; a new one opens no private row",
            )
        return cls(signer, cosigner, private)

    @property
    def public(self) -> bytes:
        """The Ed25519 public key, 32 bytes."""
        return self.signer.public_key().public_bytes_raw()

    @property
    def name(self) -> str:
        """16 hex digits that stand for the key."""
        return sha256(self.public).hexdigest()[:16]

    def origin(self, generation: int) -> str:
        """The name of the log in this generation; one more after each recovery that begins a new log."""
        return f"lockgate.log/{self.name}/{generation}"

    def vkeys(self, generation: int) -> tuple[str, str]:
        """What a verifier needs: the log's key, and its cosigner's."""
        origin = self.origin(generation)
        return (
            vkey(origin, ED25519, self.public),
            vkey(f"{origin}/mldsa", MLDSA44_COSIGNATURE, self.cosigner.public_key().public_bytes_raw()),
        )


def make_log_keys(folder: Path) -> LogKeys:
    """Make the keys of a log that has none: of a new site, or of one that had a journal.

    The key that names the log is written last, so that after a crash they are made again as a whole.

    Raises:
        KeysError: It is there already; keys are never overwritten.
        OSError: One cannot be written.
    """
    if (folder / LOG_KEY).exists():
        raise KeysError(
            f"cannot make new keys: {folder / LOG_KEY} is there already",
            "keys are never overwritten; move it away",
        )
    make_folder(folder)
    write_file(folder / LOG_PRIVATE_KEY, secrets.token_bytes(KEY_BYTES))
    write_file(folder / LOG_COSIGNER_KEY, _private_pem(MLDSA44PrivateKey.generate()))
    write_file(folder / LOG_KEY, _private_pem(Ed25519PrivateKey.generate()))
    return LogKeys.from_folder(folder)


def write_vkeys(trust: Path, keys: LogKeys, generation: int) -> tuple[Path, ...]:
    """Put the verifier keys of a generation into a trust folder, where they are not there yet.

    Returns:
        Their files, the log's first; each holds one line.

    Raises:
        OSError: One cannot be written.
    """
    make_folder(trust, 0o755)
    files = []
    for suffix, line in zip(("", "-mldsa"), keys.vkeys(generation), strict=True):
        path = trust / f"log-{keys.name}-{generation}{suffix}.vkey"
        data = line.encode("ascii") + b"\n"
        if not path.exists() or path.read_bytes() != data:
            write_file(path, data, 0o644)
        files.append(path)
    return tuple(files)


def _pem(path: Path) -> object:
    data = read_private_file(path)
    try:
        return serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The library's text may quote the input; it is dropped from what is shown.
        raise KeysError(f"cannot use the log key {path}: it is not an unencrypted PEM key") from error


def _private_pem(key: Ed25519PrivateKey | MLDSA44PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
