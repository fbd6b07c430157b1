"""What the codes of a PDF's fonts mean, and how wide they are (ISO 32000-1, 9.5 to 9.10).

A code means what the font's ToUnicode map says; without one, what a named encoding and glyph names say. A
code of which nobody says what it means is unknown: never guessed.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pypdf._codecs.adobe_glyphs import adobe_glyphs
from pypdf._codecs.core_font_metrics import CORE_FONT_METRICS

_SYMBOLIC = 4  # FontDescriptor flags, bit 3 (table 123)
_MOST_CODES = 70_000
_AVERAGE = 0.5  # em; of a glyph whose width nobody says
_CODECS = {"/WinAnsiEncoding": "cp1252", "/MacRomanEncoding": "mac_roman", "/StandardEncoding": "ascii"}
_PLAIN_CMAPS = frozenset({"/Identity-H", "/Identity-V"})
_SECTIONS = re.compile(rb"begin(bfchar|bfrange)(.*?)endbf", re.DOTALL)
_CODESPACE = re.compile(rb"begincodespacerange\s*<([0-9A-Fa-f]+)>")
_HEX = rb"<([0-9A-Fa-f\s]*)>"
_CHAR = re.compile(_HEX + rb"\s*" + _HEX)
_RANGE = re.compile(_HEX + rb"\s*" + _HEX + rb"\s*(?:" + _HEX + rb"|\[(.*?)\])", re.DOTALL)
_ITEM = re.compile(_HEX)
_UNI = re.compile(r"/(?:uni([0-9A-F]{4})|u([0-9A-F]{4,6}))")


class Glyph(NamedTuple):
    """One code that is shown.

    Attributes:
        text: What it means; "" where nobody says.
        width: In em.
        is_space: Whether word spacing applies to it (9.3.3): the single byte 32.
    """

    text: str
    width: float
    is_space: bool


@dataclass(frozen=True, slots=True)
class FontReader:
    """Reads strings that are shown in one font."""

    code_bytes: int
    meanings: Mapping[int, str] = field(repr=False)
    widths: Mapping[int, float] = field(repr=False)
    default_width: float

    def glyphs(self, shown: bytes) -> Iterator[Glyph]:
        """The glyphs of a string, in order."""
        size = self.code_bytes
        for at in range(0, len(shown), size):
            code = int.from_bytes(shown[at : at + size])
            width = self.widths.get(code, self.default_width)
            yield Glyph(self.meanings.get(code, ""), width, size == 1 and code == 32)


UNREADABLE = FontReader(1, {}, {}, _AVERAGE)
"""Of a font that is not there: it shows something, nobody knows what."""


def font_reader(font: Any) -> FontReader:
    """The reader of a font dictionary."""
    said = _to_unicode(font)
    if font.get("/Subtype") == "/Type0":
        return _composite(font, said)
    meanings = {**_encoded(font), **said[1]}
    widths, default = _simple_widths(font, meanings)
    return FontReader(1, meanings, widths, default)


def _to_unicode(font: Any) -> tuple[int, dict[int, str]]:
    """Bytes of a code, and what codes mean, as the ToUnicode map says (9.10.3)."""
    stream = resolved(font.get("/ToUnicode"))
    data: bytes = stream.get_data() if hasattr(stream, "get_data") else b""
    meanings: dict[int, str] = {}
    for kind, body in _SECTIONS.findall(data):
        if kind == b"bfchar":
            for code, meaning in _CHAR.findall(body):
                meanings[_number(code)] = _meaning(meaning)
        else:
            _ranges(body, meanings)
        if len(meanings) > _MOST_CODES:
            return 0, {}
    space = _CODESPACE.search(data)
    known = {code: text for code, text in meanings.items() if text and text.isprintable()}
    return (len(space[1]) + 1) // 2 if space else 0, known


def _ranges(body: bytes, meanings: dict[int, str]) -> None:
    for low, high, first, listed in _RANGE.findall(body):
        start, count = _number(low), min(_number(high) - _number(low) + 1, _MOST_CODES)
        if listed:
            for number, meaning in enumerate(_ITEM.findall(listed)[: max(count, 0)]):
                meanings[start + number] = _meaning(meaning)
            continue
        text = _meaning(first)
        for number in range(count if text else 0):
            last = ord(text[-1]) + number
            meanings[start + number] = text[:-1] + chr(last) if last <= 0x10FFFF else ""


def _number(digits: bytes) -> int:
    return int(b"".join(digits.split()) or b"0", 16)


def _meaning(digits: bytes) -> str:
    bare = b"".join(digits.split())
    data = bytes.fromhex((bare + b"0" * (len(bare) % 2)).decode("ascii"))
    return (data.decode("utf-16-be", "ignore") if len(data) > 1 else data.decode("latin-1")).strip("\0")


def _composite(font: Any, said: tuple[int, dict[int, str]]) -> FontReader:
    """A font of several bytes a code; only its ToUnicode map says what they mean."""
    size, meanings = said
    if font.get("/Encoding") not in _PLAIN_CMAPS and not size:
        return FontReader(2, {}, {}, 1.0)
    widths: dict[int, float] = {}
    descendants = resolved(font.get("/DescendantFonts")) or []
    inner = resolved(descendants[0]) if descendants else {}
    listed = [resolved(one) for one in resolved(inner.get("/W")) or []]
    while len(listed) > 1 and len(widths) <= _MOST_CODES:
        if isinstance(listed[1], list):
            widths.update({int(listed[0]) + at: _em(one) for at, one in enumerate(listed[1])})
            del listed[:2]
        elif len(listed) > 2:
            last = min(int(listed[1]), int(listed[0]) + _MOST_CODES)
            widths.update(dict.fromkeys(range(int(listed[0]), last + 1), _em(listed[2])))
            del listed[:3]
        else:
            break
    return FontReader(min(size, 4) or 2, meanings, widths, _em(inner.get("/DW", 1000)))


def _em(width: Any) -> float:
    return float(resolved(width)) / 1000


def _encoded(font: Any) -> dict[int, str]:
    """What the font's encoding says (9.6.6)."""
    encoding = resolved(font.get("/Encoding"))
    differences: list[Any] = []
    base: Any = encoding
    if hasattr(encoding, "get"):
        base = encoding.get("/BaseEncoding")
        differences = [resolved(one) for one in resolved(encoding.get("/Differences")) or []]
    codec = _CODECS.get(str(base))
    if codec is None and not _is_symbolic(font):
        codec = "ascii"  # the standard encoding differs from it in two quotation marks, which are no letters
    meanings = {} if codec is None else dict(_codec_meanings(codec))
    code = 0
    for one in differences:
        if isinstance(one, str):
            meanings[code] = _glyph_name(one)
            code += 1
        else:
            code = int(one)
    return {code: text for code, text in meanings.items() if text}


def _codec_meanings(codec: str) -> Iterator[tuple[int, str]]:
    for code in range(32, 256):
        text = bytes([code]).decode(codec, "ignore")
        if text.isprintable():
            yield code, text


def _glyph_name(name: str) -> str:
    known = adobe_glyphs.get(name, "")
    if known:
        return str(known)
    coded = _UNI.fullmatch(name)
    return chr(int(coded[1] or coded[2], 16) % 0x110000) if coded else ""


def _is_symbolic(font: Any) -> bool:
    """Whether codes mean nothing without a map: symbol fonts, and such as draw their glyphs themselves."""
    if font.get("/Subtype") == "/Type3":
        return True
    descriptor = resolved(font.get("/FontDescriptor"))
    if descriptor is None:
        return str(font.get("/BaseFont")) in {"/Symbol", "/ZapfDingbats"}
    return bool(int(resolved(descriptor.get("/Flags", 0))) & _SYMBOLIC)


def _simple_widths(font: Any, meanings: Mapping[int, str]) -> tuple[dict[int, float], float]:
    listed = resolved(font.get("/Widths"))
    if listed:
        scale = 0.001
        if font.get("/Subtype") == "/Type3":
            scale = abs(float(resolved(font.get("/FontMatrix"))[0]))
        first = int(resolved(font.get("/FirstChar", 0)))
        widths = {first + at: float(resolved(one)) * scale for at, one in enumerate(listed[:256])}
        descriptor = resolved(font.get("/FontDescriptor")) or {}
        return widths, float(resolved(descriptor.get("/MissingWidth", 0))) * scale or _AVERAGE
    name = str(font.get("/BaseFont")).lstrip("/")
    metrics = CORE_FONT_METRICS.get(name, CORE_FONT_METRICS["Helvetica"]).character_widths
    return {code: metrics.get(text, 500) / 1000 for code, text in meanings.items()}, _AVERAGE


def resolved(value: Any) -> Any:
    """What an indirect reference refers to."""
    return value.get_object() if hasattr(value, "get_object") else value
