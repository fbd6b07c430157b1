"""Runs of glyphs put together to lines, as they are read: a name may be shown letter by letter."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from redact.documents.pdf_page import Piece

_SAME_LINE = 0.45  # of the size of letters: how far apart the baselines of one line may be
_WORD_GAP = 0.15  # of the size: kerning is less, a space more
_COLUMN_GAP = 1.2
_BACK = -0.6  # a run that begins so far before the end of the last one is not its continuation
_AGAIN = 0.1  # the same run, so little apart, is one run drawn bold: an «l» is 0.22 wide


@dataclass(frozen=True, slots=True)
class Segment:
    """Words that stand together on a line.

    Attributes:
        x, y: Where the baseline begins, in points.
        angle: Of the baseline, in degrees.
        size: Of the letters, in points.
    """

    x: float
    y: float
    angle: int
    size: float
    text: str = field(repr=False)


def segments_of(pieces: Sequence[Piece]) -> list[Segment]:
    """The segments of one page as they are read: by direction, from the top, from the left."""
    found: list[Segment] = []
    ordered = sorted(pieces, key=lambda piece: piece.angle)
    for _, turned in groupby(ordered, key=lambda piece: piece.angle):
        for line in _lines(list(turned)):
            found += _segments(line)
    return found


def _lines(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Pieces with one baseline, from the top."""
    line: list[Piece] = []
    for piece in sorted(pieces, key=lambda one: (-_across(one), _along(one))):
        if line and abs(_across(line[0]) - _across(piece)) > _SAME_LINE * max(line[0].size, 1.0):
            yield line
            line = []
        line.append(piece)
    if line:
        yield line


def _segments(line: Sequence[Piece]) -> Iterator[Segment]:
    ordered = sorted(line, key=_along)
    first, text, end = ordered[0], ordered[0].text, _along(ordered[0]) + ordered[0].width
    last = first
    for piece in ordered[1:]:
        size = max(last.size, piece.size, 1.0)
        if piece.text == last.text and abs(_along(piece) - _along(last)) < _AGAIN * size:
            continue
        gap = (_along(piece) - end) / size
        if gap > _COLUMN_GAP:
            yield _segment(first, text)
            first, text = piece, piece.text
        else:
            text += (" " if gap > _WORD_GAP or gap < _BACK else "") + piece.text
        last, end = piece, max(end, _along(piece) + piece.width)
    yield _segment(first, text)


def _segment(first: Piece, text: str) -> Segment:
    return Segment(first.x, first.y, first.angle, first.size, text)


def _along(piece: Piece) -> float:
    turn = math.radians(piece.angle)
    return piece.x * math.cos(turn) + piece.y * math.sin(turn)


def _across(piece: Piece) -> float:
    turn = math.radians(piece.angle)
    return piece.y * math.cos(turn) - piece.x * math.sin(turn)
