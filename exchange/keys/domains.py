"""Keys of pseudonym domains: one root secret an epoch, one derived key per domain and epoch.

Domains cannot be linked: HKDF-SHA256 (RFC 5869) with the domain's name as `info` gives independent keys. A
rotation adds a root and so an epoch; the older roots stay, because who was pseudonymised with them stays so.
"""

import base64
import binascii
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from exchange.domain.errors import KeysError
from exchange.keys.signing import read_private_file

ROOT = "domain.root"
KEY_BYTES = 32
_INFO = b"lockgate/domain-key/v1\0"


def derive(root: bytes, info: bytes) -> bytes:
    """32 bytes by HKDF-SHA256 from a root secret, without salt."""
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(root)


@dataclass(frozen=True, slots=True)
class DomainKeys:
    """The keys of all pseudonym domains.

    Attributes:
        root: Secret of the first epoch.
        later: Secrets of the epochs after it.
        source: `site`, `file` or `ephemeral`, as the report of `lockgate clean` names it.
        protection: Where the root secret lives, told truthfully: `file` or `memory`.
    """

    root: bytes = field(repr=False)
    source: str
    protection: str
    later: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def epoch(self) -> int:
        """The epoch of new patients: 0 until the first rotation."""
        return len(self.later)

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """The site's own root secrets: `domain.root`, `domain.root.1`, …, each 32 bytes, mode 0600.

        Raises:
            KeysError: One is missing, readable by others or of another length.
        """
        count = 1 + max((int(path.suffix[1:]) for path in folder.glob(f"{ROOT}.*[0-9]")), default=0)
        first, *later = (_root(epoch_file(folder, epoch)) for epoch in range(count))
        return cls(first, "site", "file", tuple(later))

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """A key file as given to `lockgate clean --key`: at least 32 bytes, raw, hex or base64.

        Text that is wholly hex, or wholly base64, is read as such (white space around it ignored); anything
        else is raw. The two spellings of one key give the same pseudonyms.

        Raises:
            KeysError: It is missing, readable by others or too short.
        """
        root = _decode(read_private_file(path))
        if len(root) < KEY_BYTES:
            raise KeysError(
                f"cannot use the key file {path}: it holds {len(root)} bytes, {KEY_BYTES} are needed",
                f"make one with `openssl rand -hex 32 > {path} && chmod 600 {path}`",
            )
        if len(set(root)) == 1:
            raise KeysError(f"cannot use the key file {path}: all its bytes are equal", "make a random one")
        return cls(root, "file", "file")

    @classmethod
    def ephemeral(cls) -> Self:
        """A random secret for this run only: its pseudonyms can never be repeated or resolved."""
        return cls(secrets.token_bytes(KEY_BYTES), "ephemeral", "memory")

    def key(self, domain: str, epoch: int = 0) -> bytes:
        """The 32-byte key of one pseudonym domain in one epoch.

        What is no pseudonym (references to people, say) keeps to the first epoch, so that it stays the same.

        Raises:
            KeysError: The name is empty, or there was no such epoch.
        """
        if not domain:
            raise KeysError("cannot derive a domain key: the domain has no name", "set `pseudonym_domain`")
        if not 0 <= epoch <= self.epoch:
            raise KeysError(
                f"cannot derive a domain key: there is no epoch {epoch}",
                f"restore {ROOT}.{epoch} from a backup",
            )
        return derive((self.root, *self.later)[epoch], _INFO + domain.encode("utf-8"))


def epoch_file(folder: Path, epoch: int) -> Path:
    """Where the root secret of an epoch lies."""
    return folder / (f"{ROOT}.{epoch}" if epoch else ROOT)


def _root(path: Path) -> bytes:
    root = read_private_file(path)
    if len(root) != KEY_BYTES:
        raise KeysError(
            f"cannot use the domain secret {path}: it has {len(root)} bytes, not {KEY_BYTES}",
            "restore it from a backup; a new one gives every patient new pseudonyms",
        )
    return root


def _decode(data: bytes) -> bytes:
    text = data.strip()
    if re.fullmatch(rb"(?:[0-9a-fA-F]{2})+", text):
        return bytes.fromhex(text.decode("ascii"))
    joined = b"".join(text.split())
    if re.fullmatch(rb"[A-Za-z0-9+/]{40,}={0,2}", joined):
        try:
            return base64.b64decode(joined, validate=True)
        except binascii.Error:
            return data
    return data
