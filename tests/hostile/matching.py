"""Whether a planted word is still in a text or in bytes: in any case, without marks and separators."""

import re
import unicodedata
import zlib
from functools import cache

_SHORT = 5
_SCAN_BYTES, _SCAN_DISTINCT = 6, 4
_ESCAPES = re.compile(rb"\x1b[$()-/]+[@-~]")
_STREAM = re.compile(rb"stream\r?\n")
_EXTRA = {"ß": "ss", "ł": "l", "ø": "o", "đ": "d"}


def folded(text: str) -> str:
    """Letters and digits only, without case and diacritics."""
    return "".join(character for character in _plain(text) if character.isalnum())


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(_EXTRA.get(one, one) for one in decomposed if not unicodedata.combining(one))


def in_text(word: str, text: str) -> bool:
    """Whether a word is in a text; a short one only as a word of its own."""
    token = folded(word)
    if not token:
        return False
    if len(token) < _SHORT and token.isascii():
        return re.search(rf"(?<![^\W_]){re.escape(_plain(word))}(?![^\W_])", _plain(text)) is not None
    return token in folded(text)


@cache
def forms(word: str, codec: str) -> frozenset[bytes]:
    """The word's bytes, ASCII letters in lower case, in the codecs that it may be met in."""
    made = set()
    for variant in {word, word.upper(), word.lower()}:
        for name in (codec, "utf-8", "latin-1", "utf-16-le", "utf-16-be"):
            try:
                made.add(_ESCAPES.sub(b"", variant.encode(name)).lower())
            except UnicodeEncodeError:
                continue
    return frozenset(made)


def in_bytes(word: str, codec: str, lowered: bytes) -> bool:
    """Whether a word is in bytes, which are given in lower case."""
    return any(form in lowered for form in forms(word, codec) if len(form) >= 3)


def scannable(word: str, codec: str) -> frozenset[bytes]:
    """The forms, where the word's own is long and varied enough not to occur by chance among pixels."""
    own = _ESCAPES.sub(b"", word.encode(codec, "replace")).lower()
    if len(own) < _SCAN_BYTES or len(set(own)) < _SCAN_DISTINCT:
        return frozenset()
    return frozenset(form for form in forms(word, codec) if len(form) >= _SCAN_BYTES)


def unpacked(data: bytes, *, deflated_from: int | None = None) -> bytes:
    """A file's bytes, followed by what is compressed in it: a deflated data set, streams of a PDF."""
    found = [data]
    if deflated_from is not None:
        found.append(_inflated(data[deflated_from:], -zlib.MAX_WBITS))
    if b"%PDF" in data:
        found += [_inflated(data[match.end() :], zlib.MAX_WBITS) for match in _STREAM.finditer(data)]
    return b"\n".join(found)


def _inflated(data: bytes, bits: int) -> bytes:
    try:
        return zlib.decompressobj(wbits=bits).decompress(data)
    except zlib.error:
        return b""
