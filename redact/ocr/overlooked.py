"""Where a line may have been overlooked: the detector answers there, and found nothing.

Small writing and writing on busy ground leaves such traces, a few pixels here and there that are too weak or
too thin for a candidate. Enlarged, and in the negative, it is found more often than not; looking so at the
whole picture would cost more than both passes over it.
"""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from redact.ocr.lines import Map, Part, Quad
from redact.ocr.settings import ReaderSettings

_BLOCK = 16  # pixels of the map; parts are made of such squares
_HALO = 20  # pixels by which the answer to a line goes beyond the line
_MOST = 64  # parts of one map; where there are more, the whole is looked at


def overlooked(
    answer: Map, candidates: Iterable[Quad], organs: Iterable[NDArray[np.int32]], settings: ReaderSettings
) -> tuple[Part, ...]:
    """Parts around every trace of an answer that nothing found explains; from top to bottom.

    Args:
        answer: The detector's map.
        candidates: What was found in it, in its pixels; small ones explain nothing, because they may be a
            piece of a line.
        organs: Contours, in its pixels, of what it takes for writing and is far too thick; specks around
            them are theirs.
        settings: From which answer on, how much around it, and which candidates are small.
    """
    rows, columns = answer.shape
    padded = np.pad(answer, ((0, -rows % _BLOCK), (0, -columns % _BLOCK)))
    blocks = padded.reshape(padded.shape[0] // _BLOCK, _BLOCK, -1, _BLOCK).max(axis=(1, 3))
    explained = np.zeros(blocks.shape, np.uint8)
    for contour in organs:
        cv2.fillPoly(explained, [contour // _BLOCK], [1])
    explained = np.asarray(cv2.dilate(explained, np.ones((3, 3), np.uint8)), dtype=np.uint8)
    for quad in candidates:
        if min(quad.size) >= settings.closer_below:
            size = (quad.size[0] + 2 * _HALO, quad.size[1] + 2 * _HALO)
            corners = cv2.boxPoints((quad.centre, size, quad.angle)) / _BLOCK
            cv2.fillPoly(explained, [np.asarray(corners, dtype=np.int32)], [1])
    traces = ((blocks > settings.trace) & (explained == 0)).astype(np.uint8)
    around = -(-settings.around // _BLOCK)
    square = np.ones((2 * around + 1, 2 * around + 1), np.uint8)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(cv2.dilate(traces, square), connectivity=8)
    parts = [Part(y, x, y + high, x + wide) for x, y, wide, high, _ in boxes[1:].tolist()]
    parts = _joined(parts) if len(parts) <= _MOST else [Part(0, 0, *blocks.shape)]
    return tuple(
        Part(part.y0 * _BLOCK, part.x0 * _BLOCK, min(rows, part.y1 * _BLOCK), min(columns, part.x1 * _BLOCK))
        for part in sorted(parts)
    )


def _joined(parts: list[Part]) -> list[Part]:
    """The same places in fewer pixels: rectangles that overlap become one where that is no larger."""
    apart: list[Part] = []
    for part in parts:
        one = part
        while (other := next((old for old in apart if _cheaper(one, old)), None)) is not None:
            apart.remove(other)
            one = one.joined(other)
        apart.append(one)
    return apart


def _cheaper(one: Part, other: Part) -> bool:
    return one.meets(other) and one.joined(other).area <= one.area + other.area
