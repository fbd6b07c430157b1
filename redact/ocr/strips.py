"""Where to look again, closer: beside lines that were surely read, where the rest of them may stand.

On a busy ground the detector finds a part of a line (`MRN`) and overlooks what follows (the number). The
strip that a sure line lies in is enlarged and looked at once more; what is found at its height continues it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from redact.ocr.lines import Picture, ReadLine
from redact.ocr.settings import ReaderSettings

_REACH = 10.0  # along the line, in heights of it
_AIR = 0.6  # across it
_LEAST_CHARACTERS = 2
_LEVEL = 1.2  # width to height from which a line runs along the rows
_LARGEST_SCALE = 3.0
_ALIGNED = 0.5  # of the smaller height
_SIZES = (0.5, 2.0)  # height of what continues a line, as a share of its own
_COVERED = 0.8
_BLUR = 15  # pixels
_SHARP = 24  # grey levels above or below what is around
_EDGE = 3  # of letters, soft
_BUSY = 0.005  # share of the strip that is sharp
_MOST = 12  # strips of one picture: beyond it is a page of text, which is found as it is


@dataclass(frozen=True, slots=True)
class Strip:
    """A part of a picture to be looked at again.

    Attributes:
        y0, x0, y1, x1: In picture pixels, half-open.
        scale: Detector pixels per picture pixel.
        negative: Which picture the lines were read in.
        lines: The sure lines in it.
    """

    y0: int
    x0: int
    y1: int
    x1: int
    scale: float
    negative: bool
    lines: tuple[ReadLine, ...]

    def is_busy(self, picture: Picture) -> bool:
        """Whether anything sharp stands around its lines: on a smooth ground nothing was overlooked."""
        import cv2  # 0.2 s, and needed where pixels are read only

        part = picture[self.y0 : self.y1, self.x0 : self.x1]
        grey = part if part.ndim == 2 else part.max(axis=2)
        sharp = cv2.absdiff(grey, cv2.blur(grey, (_BLUR, _BLUR))) > _SHARP
        for line in self.lines:
            top, left = max(0, line.y0 - self.y0 - _EDGE), max(0, line.x0 - self.x0 - _EDGE)
            sharp[top : line.y1 - self.y0 + _EDGE, left : line.x1 - self.x0 + _EDGE] = False
        return bool(sharp.mean() > _BUSY)

    def whole(self, line: ReadLine) -> ReadLine:
        """A line of the strip in pixels of the whole picture."""
        return replace(
            line,
            y0=line.y0 + self.y0,
            y1=line.y1 + self.y0,
            x0=line.x0 + self.x0,
            x1=line.x1 + self.x0,
            beside=True,
        )

    def continues(self, line: ReadLine) -> bool:
        """Whether a line of the whole picture stands at the height of a sure one, and not inside it."""
        if any(line.shared(sure) >= _COVERED * line.area for sure in self.lines):
            return False
        return any(_is_aligned(line, sure) for sure in self.lines)


def strips_beside(
    lines: Iterable[ReadLine], rows: int, columns: int, settings: ReaderSettings
) -> tuple[Strip, ...]:
    """The strips of surely read level lines, those that overlap joined; none twice for both negatives."""
    strips: list[Strip] = []
    for line in sorted(lines):
        height, width = line.y1 - line.y0, line.x1 - line.x0
        sure = line.confidence >= settings.closer_sure and line.letters >= _LEAST_CHARACTERS
        if not sure or width < _LEVEL * height:
            continue
        air, reach = round(_AIR * height), round(_REACH * height)
        strip = Strip(
            max(0, line.y0 - air),
            max(0, line.x0 - reach),
            min(rows, line.y1 + air),
            min(columns, line.x1 + reach),
            min(_LARGEST_SCALE, max(1.0, settings.closer_height / height)),
            line.negative,
            (line,),
        )
        _add(strips, strip)
    return tuple(strips[:_MOST])


def _add(strips: list[Strip], new: Strip) -> None:
    """Join it with the one that it mostly overlaps, or append it."""
    for index, old in enumerate(strips):
        both = (min(old.y1, new.y1) - max(old.y0, new.y0)), (min(old.x1, new.x1) - max(old.x0, new.x0))
        if min(both) <= 0:
            continue
        union = (
            min(old.y0, new.y0),
            min(old.x0, new.x0),
            max(old.y1, new.y1),
            max(old.x1, new.x1),
        )
        area = (union[2] - union[0]) * (union[3] - union[1])
        if area <= _area(old) + _area(new):
            strips[index] = Strip(*union, max(old.scale, new.scale), old.negative, (*old.lines, *new.lines))
            return
    strips.append(new)


def _area(strip: Strip) -> int:
    return (strip.y1 - strip.y0) * (strip.x1 - strip.x0)


def _is_aligned(line: ReadLine, sure: ReadLine) -> bool:
    height, own = line.y1 - line.y0, sure.y1 - sure.y0
    both = min(line.y1, sure.y1) - max(line.y0, sure.y0)
    return _SIZES[0] * own <= height <= _SIZES[1] * own and both >= _ALIGNED * min(height, own)
