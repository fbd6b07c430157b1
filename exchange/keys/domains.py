"""Keys of pseudonym domains: one root secret, one derived key per domain.

Domains cannot be linked: HKDF-SHA256 (RFC 5869) with the domain's name as `info` gives independent keys.
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
        source: `site`, `file` or `ephemeral`, as the report of `lockgate clean` names it.
        protection: Where the root secret lives, told truthfully: `file` or `memory`.
    """

    root: bytes = field(repr=False)
    source: str
    protection: str

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """The site's own root secret: `domain.root`, exactly 32 bytes, mode 0600.

        Raises:
            KeysError: It is missing, readable by others or of another length.
        """
        path = folder / ROOT
        root = read_private_file(path)
        if len(root) != KEY_BYTES:
            raise KeysError(
                f"cannot use the domain secret {path}: it has {len(root)} bytes, not {KEY_BYTES}",
                "restore it from a backup; a new one gives every patient new pseudonyms",
            )
        return cls(root, "site", "file")

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

    def key(self, domain: str) -> bytes:
        """The 32-byte key of one pseudonym domain.

        Raises:
            KeysError: The name is empty.
        """
        if not domain:
            raise KeysError("cannot derive a domain key: the domain has no name", "set `pseudonym_domain`")
        return derive(self.root, _INFO + domain.encode("utf-8"))


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
