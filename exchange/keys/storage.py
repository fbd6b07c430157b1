"""The key-encryption key of the stores: it wraps the data keys of spool files and of other sealed files.

A data key never lies on a disk but wrapped. The wrapping is bound to what the key is for, so that a wrapped
key that is copied to another row or file opens nothing.
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from exchange.domain.errors import KeysError
from exchange.durable import make_folder, write_file
from exchange.keys.entropy import random_bytes
from exchange.keys.signing import read_private_file

STORAGE_KEY = "storage.key"
KEY_BYTES = 32
_NONCE = 12
_TAG = 16
WRAPPED_BYTES = _NONCE + KEY_BYTES + _TAG


class KeyEncryption(Protocol):
    """A key that wraps other keys; where it lives (a file here, a TPM or token elsewhere) is told truthfully.

    Attributes:
        protection: `file`, `tpm2`, `ftpm` or `pkcs11`.
    """

    @property
    def protection(self) -> str: ...  # noqa: D102 - described above

    def wrap(self, key: bytes, bound_to: bytes) -> bytes:
        """Wrap a 32-byte key; only whoever names the same `bound_to` can unwrap it."""

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> bytes:
        """The key.

        Raises:
            KeysError: It was wrapped by another key, for something else, or was changed.
        """


@dataclass(frozen=True, slots=True)
class FileKeyEncryption:
    """The file backend: AES-256-GCM under a key that is read once and kept in memory."""

    secret: bytes = field(repr=False)
    protection: str = "file"
    cipher: AESGCM = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what is no key.

        Raises:
            KeysError: It does not have 32 bytes.
        """
        if len(self.secret) != KEY_BYTES:
            raise KeysError(
                f"cannot use the storage key: it has {len(self.secret)} bytes, not {KEY_BYTES}",
                f"restore {STORAGE_KEY} from a backup; a new one opens nothing that is in the spool",
            )
        object.__setattr__(self, "cipher", AESGCM(self.secret))

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """The site's own: `storage.key`, exactly 32 bytes, mode 0600.

        Raises:
            KeysError: It is missing, readable by others or of another length.
        """
        return cls(read_private_file(folder / STORAGE_KEY))

    def wrap(self, key: bytes, bound_to: bytes) -> bytes:
        """As `KeyEncryption.wrap`."""
        nonce = random_bytes(_NONCE)
        return nonce + self.cipher.encrypt(nonce, key, bound_to)

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> bytes:
        """As `KeyEncryption.unwrap`."""
        if len(wrapped) == WRAPPED_BYTES:
            try:
                return self.cipher.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], bound_to)
            except InvalidTag:
                pass
        raise KeysError(
            "cannot unwrap a data key: it belongs to another storage key or another file, or was changed",
            f"restore {STORAGE_KEY} and the database from one backup",
        )


def make_storage_key(folder: Path) -> None:
    """Make the key of a site that has none yet: a new one, or one that was set up before there was one.

    Raises:
        KeysError: There is one already; keys are never overwritten.
        OSError: It cannot be written.
    """
    path = folder / STORAGE_KEY
    if path.exists():
        raise KeysError(
            f"cannot make a new key: {path} is there already", "keys are never overwritten; move it away"
        )
    make_folder(folder)
    write_file(path, secrets.token_bytes(KEY_BYTES))
