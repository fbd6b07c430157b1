"""Golden pictures: does a reader still read what every working one reads?

A digest says that the weights are the pinned ones, not that this machine computes what they mean: a provider
may lack precision, an operator may be broken. The pictures are drawn here, the same on every machine, with
text as devices burn it in; a reader that does not read them, or reads what is not there, must not decide
about a patient's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

import numpy as np
from rapidfuzz import fuzz

from redact.ocr.lines import Picture, ReadLine
from redact.ocr.matching import ALIKE, folded_text
from redact.ocr.reader import TextReader

_CONFIDENCE = 0.75  # the strict gate is 0.6: what is read here is read far better
_NOTHING = 0.45  # the lower gate is 0.5: nothing may come near it where nothing is
_PLACE = 0.9  # of the drawn text, inside the line's box
_ROOM = 4.0  # the line's box is at most so many times as large as the text
_ROWS, _COLUMNS = 48, 160  # small: each start pays for them


@dataclass(frozen=True, slots=True)
class Golden:
    """A picture, and what is to be read in it.

    Attributes:
        name: Of the case, for messages.
        text: "" where there is none.
        box: x0, y0, x1, y1 of the drawn text.
    """

    name: str
    picture: Picture
    text: str = ""
    box: tuple[int, int, int, int] = (0, 0, 0, 0)


def golden_pictures() -> tuple[Golden, ...]:
    """The set: light on dark, dark on light, small, turned by a quarter, and a picture without text."""
    return (
        _drawn("light on dark", "BERG 4711", 90, 235, 0.6),
        _drawn("dark on light", "LAKE 2063", 190, 20, 0.6),
        _drawn("small", "MERIDIAN 58", 70, 230, 0.4),
        _turned(_drawn("turned by a quarter", "FIELD 936", 60, 240, 0.6)),
        Golden("without text", _ground(100)),
    )


@cache
def golden_sha256() -> str:
    """Digest of the set: every case's name, text, place and pixels."""
    digest = sha256()
    for one in golden_pictures():
        digest.update(repr((one.name, one.text, one.box, one.picture.shape)).encode("utf-8"))
        digest.update(np.ascontiguousarray(one.picture).tobytes())
    return digest.hexdigest()


def not_golden(reader: TextReader) -> Iterator[str]:
    """What a reader does wrong, a phrase for each picture; nothing where it works.

    Raises:
        ModelError: A model failed.
    """
    for one in golden_pictures():
        lines = reader.read(one.picture)
        if not one.text:
            if any(line.confidence >= _NOTHING for line in lines):
                yield f"{one.name}: something was read"
        elif not any(_is_it(line, one) for line in lines):
            yield f"{one.name}: {_missed(lines, one)}"


def _missed(lines: Sequence[ReadLine], one: Golden) -> str:
    """Why no line is the one."""
    alike = [line for line in lines if _alike(line, one)]
    if not alike:
        return "not read"
    return "read elsewhere" if any(line.confidence >= _CONFIDENCE for line in alike) else "hardly read"


def _is_it(line: ReadLine, one: Golden) -> bool:
    return _alike(line, one) and line.confidence >= _CONFIDENCE and _in_place(line, one)


def _alike(line: ReadLine, one: Golden) -> bool:
    return fuzz.ratio(folded_text(line.text), folded_text(one.text)) >= ALIKE


def _in_place(line: ReadLine, one: Golden) -> bool:
    x0, y0, x1, y1 = one.box
    width, height = min(x1, line.x1) - max(x0, line.x0), min(y1, line.y1) - max(y0, line.y0)
    drawn, read = (x1 - x0) * (y1 - y0), (line.x1 - line.x0) * (line.y1 - line.y0)
    return width > 0 and height > 0 and width * height >= _PLACE * drawn and read <= _ROOM * drawn


def _ground(level: int) -> Picture:
    """A soft ground with a round organ: whole numbers only, so that it is the same on every machine."""
    y, x = np.mgrid[0:_ROWS, 0:_COLUMNS]
    away = (x - 132) ** 2 + 2 * (y - 26) ** 2
    return np.asarray(level - 24 + x // 8 + np.maximum(0, 40 - away // 24), dtype=np.uint8)


def _drawn(name: str, text: str, level: int, value: int, size: float) -> Golden:
    import cv2  # 0.2 s, and needed where pixels are read only

    picture, font, thick = _ground(level), cv2.FONT_HERSHEY_SIMPLEX, 2 if size > 0.5 else 1
    (width, height), _ = cv2.getTextSize(text, font, size, thick)
    x, y = 10, 32
    cv2.putText(picture, text, (x, y), font, size, value, thick, cv2.LINE_8)
    return Golden(name, picture, text, (x, y - height, x + width, y))


def _turned(one: Golden) -> Golden:
    """By 90° counter-clockwise: the line runs upwards."""
    x0, y0, x1, y1 = one.box
    picture = np.ascontiguousarray(np.rot90(one.picture))
    return Golden(one.name, picture, one.text, (y0, _COLUMNS - x1, y1, _COLUMNS - x0))
