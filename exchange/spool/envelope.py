"""What a sealed file is made of, byte by byte (ADR 8).

    magic 8 ‖ salt 32 ‖ file id 16 ‖ epoch id 16 ‖ data key wrapped by the epoch key 60 ‖ header length 4
    sealed header: nonce 12 ‖ AES-256-GCM of a JSON header ‖ tag 16; all bytes before it are authenticated
    chunks: AES-256-GCM of 256 KiB each, the last one shorter ‖ tag 16; at least one chunk

Keys are HKDF-SHA256 of the file's random data key and its salt: one for the header, one for the chunks. The
chunk key also covers the file id and what was announced of the content before its first byte came; the
header, sealed last, says whose content it is (`name`), how long it is, and so how many chunks there are.
The nonce of a chunk is its index and whether it is the last.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from exchange.keys.entropy import random_bytes
from exchange.keys.storage import KEY_BYTES, WRAPPED_BYTES

MAGIC = b"LGSEAL1\n"
CHUNK = 256 * 1024
TAG = 16
NONCE = 12
NO_EPOCH = bytes(16)
_SALT = 32
_ID = 16
_PREFIX = struct.Struct(f">8s{_SALT}s{_ID}s{_ID}s{WRAPPED_BYTES}sL")
PREFIX_BYTES = _PREFIX.size
_HEADER_MAX = 1024 * 1024
_INFO_HEADER = b"lockgate/sealed/header/v1"
_INFO_CONTENT = b"lockgate/sealed/content/v1\0"


class ChangedError(ValueError):
    """A sealed file is not what was sealed: cut, extended, flipped, swapped, moved, or of another key."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """The bytes of a sealed file that are in clear; all random but `header_bytes`.

    Attributes:
        salt: Of the key derivation.
        file_id: Of the spool, the arrival id; random otherwise.
        epoch_id: Which epoch key wraps the data key; zeros when none does.
        epoch_wrapped: The data key so wrapped; zeros when it is not.
        header_bytes: Length of the sealed header.
    """

    salt: bytes
    file_id: bytes
    epoch_id: bytes
    epoch_wrapped: bytes
    header_bytes: int

    def encode(self) -> bytes:
        """As it stands in the file."""
        return _PREFIX.pack(
            MAGIC, self.salt, self.file_id, self.epoch_id, self.epoch_wrapped, self.header_bytes
        )

    @property
    def content_offset(self) -> int:
        """Where the first chunk lies."""
        return PREFIX_BYTES + self.header_bytes


def new_salt() -> bytes:
    """A fresh salt."""
    return random_bytes(_SALT)


def decode_prefix(raw: bytes) -> Prefix:
    """Read a prefix.

    Raises:
        ChangedError: It is none.
    """
    if len(raw) != PREFIX_BYTES or not raw.startswith(MAGIC):
        raise ChangedError("not a sealed file")
    _, salt, file_id, epoch_id, wrapped, header_bytes = _PREFIX.unpack(raw)
    if not NONCE + TAG <= header_bytes <= _HEADER_MAX:
        raise ChangedError("not a sealed file")
    return Prefix(salt, file_id, epoch_id, wrapped, header_bytes)


@dataclass(frozen=True, slots=True)
class Header:
    """What a sealed file says of itself; sealed, because it names patients' UIDs and peers.

    Attributes:
        name: Whose content it is: an identity, or a digest of the content.
        byte_count: Length of the content.
        meta: SOP class, SOP instance, transfer syntax: the content is a bare data set and is read under a
            fresh file meta of these; () when the content is a whole file.
        record: Further facts, as JSON; for a spool file its arrival.
    """

    name: str
    byte_count: int
    meta: tuple[str, ...] = ()
    record: dict[str, Any] = field(default_factory=dict, repr=False)

    def encode(self) -> bytes:
        """As JSON; its length does not depend on the length of the content."""
        values = {
            "name": self.name,
            "byte_count": f"{self.byte_count:>20}",
            "meta": self.meta,
            "record": self.record,
        }
        return json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def decode_header(raw: bytes) -> Header:
    """Read a header that was authenticated.

    Raises:
        ChangedError: It is none of ours.
    """
    try:
        values = json.loads(raw)
        return Header(
            name=str(values["name"]),
            byte_count=int(values["byte_count"]),
            meta=tuple(str(one) for one in values["meta"]),
            record=dict(values["record"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ChangedError("not a header of ours") from error


def seal_header(prefix: Prefix, data_key: bytes, header: bytes) -> bytes:
    """Prefix and sealed header, ready to be written at the start of the file."""
    clear, nonce = prefix.encode(), random_bytes(NONCE)
    return clear + nonce + AESGCM(_derive(data_key, prefix.salt, _INFO_HEADER)).encrypt(nonce, header, clear)


def seal_empty(prefix: Prefix, data_key: bytes, header: Header) -> bytes:
    """A whole sealed file without content, whose header tells everything."""
    encoded = header.encode()
    prefix = replace(prefix, header_bytes=sealed_header_bytes(encoded))
    chunk = content_cipher(prefix, data_key, header.meta).encrypt(chunk_nonce(0, last=True), b"", None)
    return seal_header(prefix, data_key, encoded) + chunk


def sealed_header_bytes(header: bytes) -> int:
    """Length of the sealed header that these bytes will give."""
    return NONCE + len(header) + TAG


def open_header(prefix: Prefix, data_key: bytes, sealed: bytes) -> Header:
    """Open a sealed header.

    Raises:
        ChangedError: It, the prefix or the key is another.
    """
    key = _derive(data_key, prefix.salt, _INFO_HEADER)
    try:
        return decode_header(AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], prefix.encode()))
    except (InvalidTag, ValueError) as error:
        raise ChangedError("the header was changed, or belongs to another file") from error


def content_cipher(prefix: Prefix, data_key: bytes, meta: Sequence[str]) -> AESGCM:
    """The cipher of the chunks: bound to salt, file id and what was announced of the content."""
    info = [_INFO_CONTENT, prefix.file_id]
    for one in meta:
        encoded = one.encode("utf-8", "surrogateescape")
        info += [len(encoded).to_bytes(4, "big"), encoded]
    return AESGCM(_derive(data_key, prefix.salt, b"".join(info)))


def chunk_nonce(index: int, *, last: bool) -> bytes:
    """The nonce of a chunk; unique, because the key belongs to this file only."""
    return index.to_bytes(NONCE - 1, "big") + bytes((last,))


def chunk_count(byte_count: int) -> int:
    """Chunks of a content; an empty one has one, empty as well."""
    return max(1, -(-byte_count // CHUNK))


def file_bytes(prefix: Prefix, byte_count: int) -> int:
    """Length of the whole file."""
    return prefix.content_offset + byte_count + TAG * chunk_count(byte_count)


def _derive(data_key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=salt, info=info).derive(data_key)
