"""Pictures for a person at the console: a frame with its boxes, before and after, and sheets of many.

They show what was in the pixels; the product itself never stores one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.pixels.boxes import BoxRule, TextBox
from redact.pixels.render import Picture
from redact.pixels.verdict import Outcome

Colour = tuple[int, int, int]  # RGB
_COLOURS: dict[BoxRule, Colour] = {
    BoxRule.ALL_TEXT: (255, 64, 64),
    BoxRule.STRICT: (255, 160, 0),
    BoxRule.IDENTIFIER: (255, 0, 255),
    BoxRule.UNREAD: (255, 128, 192),
    BoxRule.UNCERTAIN: (160, 120, 255),
    BoxRule.RECURRING: (0, 200, 255),
    BoxRule.ORDERED: (255, 255, 0),
}
_OUTCOMES: dict[str, Colour] = {Outcome.KEPT: (120, 220, 120), Outcome.HELD: (255, 255, 255)}
_PAPER, _INK = 32, (235, 235, 235)
_LEAST_WIDTH = 512  # smaller frames are enlarged: labels must be legible
_THUMB, _GAP, _LINE, _COLUMN = 240, 8, 18, 160  # pixels
_ACROSS, _DOWN = 3, 4  # pairs on a page


@dataclass(frozen=True, slots=True)
class Mark:
    """A box that is drawn, half-open, in pixels of the picture; its label stands in the legend."""

    x0: int
    y0: int
    x1: int
    y1: int
    label: str
    colour: Colour


@dataclass(frozen=True, slots=True)
class Pair:
    """One frame on a contact sheet.

    Attributes:
        after: None where nothing was written.
        caption: Counters only, never an identifier.
    """

    before: Picture
    after: Picture | None
    marks: Sequence[Mark]
    caption: str


def marks_of(boxes: Iterable[TextBox]) -> tuple[Mark, ...]:
    """Boxes of one frame as they are drawn: in the colour of their rule, with rule and confidence."""
    return tuple(
        Mark(box.x0, box.y0, box.x1, box.y1, f"{box.rule} {box.confidence:.2f}", _COLOURS[box.rule])
        for box in boxes
    )


def judged_mark(box: tuple[int, int, int, int], outcome: str, rule: str | None, confidence: float) -> Mark:
    """A line as it is drawn: in the colour of the rule by which it goes, or of what becomes of it else.

    Args:
        box: x0, y0, x1, y1.
        outcome: Of `Outcome`.
        rule: By which it is removed, of `BoxRule`; None where it is not.
        confidence: Of the reading.
    """
    colour = _COLOURS[BoxRule(rule)] if rule else _OUTCOMES[outcome]
    return Mark(*box, f"{rule or outcome} {confidence:.2f}", colour)


def held_mark(box: tuple[int, int, int, int]) -> Mark:
    """A box for which an instance is held, as it is drawn; x0, y0, x1, y1."""
    return Mark(*box, str(Outcome.HELD), _OUTCOMES[Outcome.HELD])


def preview(before: Picture, after: Picture, boxes: Sequence[TextBox]) -> tuple[bytes, bytes]:
    """Two PNG files of one frame: before, with the removed boxes and a legend; and after, with them outlined.

    Args:
        before: The source frame, as `view` shows it.
        after: The cleaned frame, by the same mapping.
        boxes: Those of this frame.

    Raises:
        HeldError: `internal`: a picture cannot be encoded.
    """
    marks = marks_of(boxes)
    return png(drawn(before, marks)), png(drawn(after, marks, legend=False))


def drawn(picture: Picture, marks: Sequence[Mark], *, legend: bool = True) -> Picture:
    """A picture in colour with its marks, outlined outside their boxes.

    Args:
        picture: Grey or RGB.
        marks: What is drawn.
        legend: Whether the marks are numbered, and a strip below tells their labels by number.
    """
    rows, columns = picture.shape[:2]
    factor = max(1, -(-_LEAST_WIDTH // columns))
    canvas = _resized(picture, (columns * factor, rows * factor), cv2.INTER_NEAREST)
    _outline(canvas, marks, factor)
    if not (legend and marks):
        return canvas
    scale = max(1.0, columns * factor / 1000)
    for number, one in enumerate(marks, start=1):
        _write(canvas, str(number), (one.x1 * factor + 3, one.y1 * factor), scale, one.colour)
    return np.vstack([canvas, _legend(columns * factor, marks, scale)])


def sheets(pairs: Iterable[Pair]) -> Iterator[bytes]:
    """PNG pages of thumbnails, before beside after; one page is held at a time.

    Raises:
        HeldError: `internal`: a page cannot be encoded.
    """
    cells = iter(_cell(pair) for pair in pairs)
    while page := list(islice(cells, _ACROSS * _DOWN)):
        rows = [page[start : start + _ACROSS] for start in range(0, len(page), _ACROSS)]
        yield png(np.vstack([np.hstack(_filled(row)) for row in rows]))


def png(picture: Picture) -> bytes:
    """A picture as a PNG file.

    Raises:
        HeldError: `internal`: it cannot be encoded.
    """
    done, encoded = cv2.imencode(".png", _rgb(picture)[:, :, ::-1])
    if not done:
        raise HeldError(ReasonCode.INTERNAL, "cannot encode a preview picture")
    return encoded.tobytes()


def _rgb(picture: Picture) -> Picture:
    return picture if picture.ndim == 3 else np.repeat(picture[:, :, np.newaxis], 3, axis=2)


def _resized(picture: Picture, size: tuple[int, int], method: int) -> Picture:
    """A copy in colour, of this width and height."""
    return np.array(cv2.resize(_rgb(picture), size, interpolation=method), dtype=np.uint8)


def _outline(canvas: Picture, marks: Sequence[Mark], factor: float) -> None:
    """Lines around the boxes, so that all inside of them is seen."""
    width = max(1, canvas.shape[1] // 1000)
    for one in marks:
        x0, y0 = round(one.x0 * factor) - width, round(one.y0 * factor) - width
        x1, y1 = round(one.x1 * factor) + width - 1, round(one.y1 * factor) + width - 1
        cv2.rectangle(canvas, (x0, y0), (x1, y1), one.colour, width)


def _legend(width: int, marks: Sequence[Mark], scale: float) -> Picture:
    """Number and label of each mark, in its colour, in columns from left to right."""
    across = max(1, int(width // (_COLUMN * scale)))
    line = round(_LINE * scale)
    strip = np.full((line * -(-len(marks) // across) + 6, width, 3), _PAPER, np.uint8)
    for index, one in enumerate(marks):
        row, column = divmod(index, across)
        at = (round((column * _COLUMN + 8) * scale), line * (row + 1) - 2)
        _write(strip, f"{index + 1}  {one.label}", at, scale, one.colour)
    return strip


def _write(
    picture: Picture, text: str, at: tuple[int, int], scale: float = 1.0, colour: Colour = _INK
) -> None:
    """Write with the base line's start at x, y; moved to the left where the picture ends."""
    size, bold = 0.42 * scale, max(1, round(scale))
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, bold)
    x, y = max(0, min(at[0], picture.shape[1] - width)), max(height, min(at[1], picture.shape[0] - 1))
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, bold, cv2.LINE_AA)


def _cell(pair: Pair) -> Picture:
    """Both thumbnails with their caption, always of one size."""
    cell = np.full((_THUMB + _LINE + _GAP, 2 * _THUMB + 3 * _GAP, 3), _PAPER, np.uint8)
    _write(cell, pair.caption, (_GAP, _LINE - 5))
    for number, picture in enumerate((pair.before, pair.after)):
        x = _GAP + number * (_THUMB + _GAP)
        if picture is None:
            _write(cell, "nothing written", (x + 60, _THUMB // 2))
            continue
        small = _thumb(picture, pair.marks)
        cell[_LINE : _LINE + small.shape[0], x : x + small.shape[1]] = small
    return cell


def _thumb(picture: Picture, marks: Sequence[Mark]) -> Picture:
    rows, columns = picture.shape[:2]
    factor = _THUMB / max(rows, columns)
    size = max(1, round(columns * factor)), max(1, round(rows * factor))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    small = _resized(picture, size, method)
    _outline(small, marks, factor)
    return small


def _filled(row: Sequence[Picture]) -> list[Picture]:
    """A row of cells, the last ones empty where there are too few."""
    return [*row, *[np.full_like(row[0], _PAPER)] * (_ACROSS - len(row))]
