"""Reading pictures that follow each other: frames of a cine show the same annotations again and again.

Each picture is compared with one that was read whole. Where nothing visible differs, its lines still hold;
where little does, only that part is read; else the whole, without recognising again what has not changed.
The picture to compare with stays the same until the next whole one, so that nothing can fade in unseen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from redact.ocr.lines import BOTH, Picture, ReadLine, View
from redact.ocr.reader import TextReader

SAME = 12  # pictures whose levels nowhere differ by more show the same
_AROUND = 64  # pixels that the detector sees around what has changed
_PART = 0.6  # of the picture: where more has changed, all is read


@dataclass(frozen=True, slots=True)
class _Read:
    """A picture that was read whole."""

    picture: Picture
    lines: tuple[ReadLine, ...]


class FollowingReader:
    """Reads the pictures of one instance in the order of its frames; holds one picture of each kind."""

    def __init__(self, reader: TextReader) -> None:
        self._reader = reader
        self._read: dict[tuple[str, tuple[View, ...]], _Read] = {}

    def read(self, kind: str, picture: Picture, views: Sequence[View] = BOTH) -> tuple[ReadLine, ...]:
        """All lines of a picture.

        Args:
            kind: How it was rendered; pictures of one kind follow each other.
            picture: As for `TextReader.read`.
            views: As for `TextReader.read`.
        """
        key = kind, tuple(views)
        last = self._read.get(key)
        if last is None or last.picture.shape != picture.shape:
            return self._whole(key, picture, ())
        changed = _changed(picture, last.picture)
        place = _extent(changed)
        if place is None:
            return last.lines
        rows, columns = slice(place[0], place[1]), slice(place[2], place[3])
        if (rows.stop - rows.start) * (columns.stop - columns.start) > _PART * changed.size:
            return self._whole(key, picture, tuple(_unchanged(last.lines, changed)))
        scale = self._reader.scale(*picture.shape[:2])
        part = self._reader.read(np.ascontiguousarray(picture[rows, columns]), views, scale=scale)
        lines = {_moved(line, rows.start, columns.start) for line in part}
        return tuple(sorted(lines.union(_unchanged(last.lines, changed))))

    def _whole(
        self, key: tuple[str, tuple[View, ...]], picture: Picture, known: tuple[ReadLine, ...]
    ) -> tuple[ReadLine, ...]:
        lines = self._reader.read(picture, key[1], known=known)
        self._read[key] = _Read(picture, lines)
        return lines


def _changed(picture: Picture, other: Picture) -> NDArray[np.bool_]:
    """Where two pictures visibly differ: rows x columns."""
    import cv2  # 0.2 s, and needed where pixels are read only

    differs = np.asarray(cv2.absdiff(picture, other)) > SAME
    return np.asarray(differs.any(axis=2) if differs.ndim == 3 else differs)


def _extent(changed: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Rows and columns, half-open, of all that has changed and what is around; None where nothing has."""
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if not len(rows):
        return None
    return (
        max(0, int(rows[0]) - _AROUND),
        min(changed.shape[0], int(rows[-1]) + 1 + _AROUND),
        max(0, int(columns[0]) - _AROUND),
        min(changed.shape[1], int(columns[-1]) + 1 + _AROUND),
    )


def _unchanged(lines: Sequence[ReadLine], changed: NDArray[np.bool_]) -> Iterator[ReadLine]:
    """The lines in whose boxes nothing has changed."""
    return (line for line in lines if not changed[line.y0 : line.y1, line.x0 : line.x1].any())


def _moved(line: ReadLine, top: int, left: int) -> ReadLine:
    return replace(line, y0=line.y0 + top, y1=line.y1 + top, x0=line.x0 + left, x1=line.x1 + left)
