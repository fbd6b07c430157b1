"""What is packed inside a value: base64 and hexadecimal digits, zlib, gzip, bzip2, xz and zip; any in any.

A name that was packed is a name that is sent: the scans see what comes out as they see the value itself.
"""

import base64
import binascii
import bz2
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.verify.decode import looks_like_text

MAX_UNPACKED = 64 * 1024 * 1024
"""Of one value, all that comes out of it together."""

_DEPTH = 3
LEAST = 8  # bytes: in less nobody packs a name
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{12,}={0,2}")
_BASE64_URL = re.compile(rb"[A-Za-z0-9_-]{12,}={0,2}")
_LINE_END = re.compile(rb"\r?\n")
_HEXADECIMAL = re.compile(rb"(?:[0-9A-Fa-f]{2}){8,}")
_ZIP = b"PK\x03\x04"
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


class _Budget:
    """How much may still come out."""

    def __init__(self) -> None:
        self.left = MAX_UNPACKED

    def take(self, data: bytes) -> bytes:
        self.left -= len(data)
        if self.left < 0:
            raise _held("too much comes out of it")
        return data


def unpacked(value: bytes) -> Iterator[bytes]:
    """Everything that comes out of a value, each level of packing apart; nothing for an ordinary value.

    Raises:
        HeldError: PROOF_IDENTIFIER: more than `MAX_UNPACKED` comes out, it is packed more than three times,
            or encrypted.
    """
    return _unpacked(value, _Budget(), 0)


def is_packed(start: bytes) -> bool:
    """Whether bytes begin as a compressed file does."""
    return start.startswith((_ZIP, *_ZLIB, *(magic for magic, _ in _STREAMS)))


def _unpacked(value: bytes, budget: _Budget, depth: int) -> Iterator[bytes]:
    if len(value) < LEAST:
        return
    if depth >= _DEPTH:
        if is_packed(value):
            raise _held("it is packed too often")
        return
    for content in _contents(value, budget):
        if len(content) >= LEAST:
            yield content
            yield from _unpacked(content, budget, depth + 1)


def _contents(value: bytes, budget: _Budget) -> Iterator[bytes]:
    if value.startswith(_ZIP):
        yield from _members(value, budget)
    elif value.startswith(_ZLIB):
        yield from _stream(zlib.decompressobj().decompress, value, budget, zlib.error)
    for magic, opener in _STREAMS:
        if value.startswith(magic):
            yield from _stream(opener(), value, budget, (zlib.error, OSError, lzma.LZMAError, EOFError))
    yield from _spelt_out(value)


def _spelt_out(value: bytes) -> Iterator[bytes]:
    """Digits that stand for bytes, where those bytes mean something: text, or a compressed file."""
    found: dict[bytes, None] = {}
    for text in dict.fromkeys((value, _LINE_END.sub(b"", value))):
        for pattern, decode in _SPELLINGS:
            for match in pattern.finditer(text):
                with suppress(ValueError, binascii.Error):
                    found.setdefault(decode(match[0]))
    yield from (content for content in found if is_packed(content) or looks_like_text(content))


def _from_base64(digits: bytes) -> bytes:
    """Either alphabet; a digit too many, as where the text was cut off, is left out."""
    bare = digits.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    bare = bare[: len(bare) - (len(bare) % 4 == 1)]
    return base64.b64decode(bare + b"=" * (-len(bare) % 4))


_SPELLINGS: tuple[tuple[re.Pattern[bytes], Callable[[bytes], bytes]], ...] = (
    (_HEXADECIMAL, binascii.unhexlify),
    (_BASE64, _from_base64),
    (_BASE64_URL, _from_base64),
)


def _stream(
    decompress: Callable[..., bytes],
    value: bytes,
    budget: _Budget,
    errors: type[Exception] | tuple[type[Exception], ...],
) -> Iterator[bytes]:
    """A compressed stream, as far as it can be read."""
    try:
        yield budget.take(decompress(value, budget.left + 1))
    except errors:
        return  # it only began like one


def _members(value: bytes, budget: _Budget) -> Iterator[bytes]:
    """Names, comments and contents of a zip file, as far as it can be read."""
    try:
        with zipfile.ZipFile(BytesIO(value)) as opened:
            yield budget.take(opened.comment)
            for one in opened.infolist():
                yield budget.take(one.filename.encode("utf-8", "replace") + b"\n" + one.comment)
                if one.flag_bits & 0x1:
                    raise _held("it is encrypted")
                with opened.open(one) as member:
                    yield budget.take(member.read(budget.left + 1))
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, NotImplementedError):
        return


def _held(why: str) -> HeldError:
    return HeldError(
        ReasonCode.PROOF_IDENTIFIER,
        f"cannot prove that a packed value names no one: {why}",
        "",
        "have a person with the role privacy look at it",
    )


_STREAMS: tuple[tuple[bytes, Callable[[], Callable[..., bytes]]], ...] = (
    (b"\x1f\x8b\x08", lambda: zlib.decompressobj(wbits=31).decompress),
    (b"BZh", lambda: bz2.BZ2Decompressor().decompress),
    (b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor().decompress),
)
