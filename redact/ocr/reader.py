"""Reading all text of a picture: detect in it and in its negative, recognise, look closer, report."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from exchange.domain.stage import ModelSession
from redact.ocr.lines import BOTH, Map, Part, Picture, Quad, ReadLine, View, letters
from redact.ocr.settings import ReaderSettings
from redact.ocr.strips import Strip, strips_beside

_SURE = 0.8  # a reading so sure is not repeated on the negative
_SAME_PLACE = 0.5  # intersection over union
_SMALLEST_PICTURE = 8  # below this a picture cannot hold a legible character


class TextReader:
    """Reads pictures; the same picture, models and provider give the same lines.

    Every line down to the floor of the settings is reported, with its confidence: what is removed is the
    policy's decision (`redact.pixels.policy`), and a patient's own name counts at any confidence.
    """

    def __init__(
        self,
        detector: ModelSession[Map],
        recogniser: ModelSession[Map],
        settings: ReaderSettings | None = None,
    ) -> None:
        # Here, because OpenCV takes 0.2 s to import and whoever cleans headers only never needs it.
        from redact.ocr.detector import TextDetector
        from redact.ocr.recogniser import TextRecogniser

        self.settings = settings or ReaderSettings()
        self.models = (detector, recogniser)
        self._detector = TextDetector(detector, self.settings)
        self._recogniser = TextRecogniser(recogniser, self.settings)

    def scale(self, rows: int, columns: int) -> float:
        """Detector pixels per pixel of a picture of this size."""
        return self._detector.scale(rows, columns)

    def read(
        self,
        picture: Picture,
        views: Sequence[View] = BOTH,
        *,
        known: tuple[ReadLine, ...] = (),
        scale: float | None = None,
    ) -> tuple[ReadLine, ...]:
        """All lines of text in a picture, from top to bottom.

        Args:
            picture: uint8, rows x columns (grey) or rows x columns x 3 (RGB).
            views: How to look at it.
            known: Lines that were read before and still stand where they stood; they are not read again.
            scale: Detector pixels per pixel, where it is a part of a picture; `scale()` for the whole.
        """
        if min(picture.shape[:2]) < _SMALLEST_PICTURE:
            return ()
        # A constant picture (empty slices of masks and dose grids) has nothing to read.
        if picture.min() == picture.max():
            return ()
        lines: list[ReadLine] = []
        doubtful: tuple[Part, ...] = ()
        for view in views:
            if view is View.AS_IS:
                found, doubtful = self._detector.detect_and_doubt(picture, scale=scale)
                found += self._coarse(picture, scale)
            else:
                found = self._candidates(picture, view, scale)
            if view is View.NEGATIVE:
                for part in doubtful:
                    found += self._detector.detect_closer(picture, part, negative=True, scale=scale)
            lines += self._read_candidates(picture, found, (*known, *lines), negative=view is View.NEGATIVE)
        for strip in strips_beside(lines, picture.shape[0], picture.shape[1], self.settings):
            lines += self._look_closer(picture, strip)
        return tuple(_without_repeats(lines))

    def _candidates(self, picture: Picture, view: View, scale: float | None) -> list[Quad]:
        if view is not View.TURNED:
            return self._detector.detect(picture, negative=view is View.NEGATIVE, scale=scale)
        turned = np.ascontiguousarray(np.rot90(picture))
        return [_turned_back(quad, picture.shape[1]) for quad in self._detector.detect(turned, scale=scale)]

    def _coarse(self, picture: Picture, scale: float | None) -> list[Quad]:
        """Candidates so thick that the network sees them in a small copy only: letters as high as organs."""
        fine, settings = scale or self.scale(*picture.shape[:2]), self.settings
        coarse = min(fine / 2, settings.coarse_side / max(picture.shape[:2]))
        if min(picture.shape[:2]) * coarse < _SMALLEST_PICTURE:
            return []
        least = settings.coarse_least / fine
        found = self._detector.detect(picture, scale=coarse)
        return [replace(quad, huge=True) for quad in found if min(quad.size) >= least]

    def _read_candidates(
        self, picture: Picture, candidates: list[Quad], known: tuple[ReadLine, ...], *, negative: bool
    ) -> list[ReadLine]:
        """Lines of one pass; where a surely read line lies, its reading holds for the second box too."""
        lines: list[ReadLine] = []
        for quad in candidates:
            box = _line(picture, quad, "?", 0.0, negative=negative)
            read = _same_place(box, known)
            if read is None:
                text, confidence = self._recogniser.read(picture, quad, negative=negative)
            else:
                text, confidence = read.text, read.confidence
            if text and self._is_reported(quad, text, confidence):
                lines.append(_line(picture, quad, text, confidence, negative=negative))
        return lines

    def _is_reported(self, quad: Quad, text: str, confidence: float) -> bool:
        settings = self.settings
        if confidence < settings.floor or not quad.huge:
            return confidence >= settings.floor
        if letters(text) < settings.huge_characters:
            return False
        return max(quad.size) >= settings.huge_length * min(quad.size)

    def _look_closer(self, picture: Picture, strip: Strip) -> list[ReadLine]:
        """What is beside surely read lines and was not found at first: enlarged, it may be."""
        part = picture[strip.y0 : strip.y1, strip.x0 : strip.x1]
        if min(part.shape[:2]) < _SMALLEST_PICTURE or not strip.is_busy(picture):
            return []
        found: list[ReadLine] = []
        for quad in self._detector.detect(part, negative=strip.negative, scale=strip.scale):
            place = strip.whole(_line(part, quad, "?", 0.0, negative=strip.negative))
            if quad.huge or not strip.continues(place):
                continue
            text, confidence = self._recogniser.read(part, quad, negative=strip.negative)
            if text:
                found.append(replace(place, text=text, confidence=round(confidence, 4)))
        return found


def _turned_back(quad: Quad, columns: int) -> Quad:
    """Where a candidate of a picture turned by a quarter, counter-clockwise, is in the picture itself."""
    x, y = quad.centre
    return replace(quad, centre=(columns - 1 - y, x), size=(quad.size[1], quad.size[0]))


def _line(picture: Picture, quad: Quad, text: str, confidence: float, *, negative: bool) -> ReadLine:
    """The upright box around a rectangle at any angle, clipped to the picture."""
    rows, columns = picture.shape[:2]
    cosine, sine = abs(math.cos(math.radians(quad.angle))), abs(math.sin(math.radians(quad.angle)))
    half_width = (quad.size[0] * cosine + quad.size[1] * sine) / 2
    half_height = (quad.size[0] * sine + quad.size[1] * cosine) / 2
    x, y = quad.centre[0] + 0.5, quad.centre[1] + 0.5
    return ReadLine(
        x0=min(columns - 1, max(0, math.floor(x - half_width))),
        y0=min(rows - 1, max(0, math.floor(y - half_height))),
        x1=max(1, min(columns, math.ceil(x + half_width))),
        y1=max(1, min(rows, math.ceil(y + half_height))),
        text=text,
        confidence=round(confidence, 4),
        negative=negative,
        score=round(quad.score, 4),
        huge=quad.huge,
    )


def _same_place(box: ReadLine, known: tuple[ReadLine, ...]) -> ReadLine | None:
    for line in known:
        both = line.shared(box)
        if line.confidence >= _SURE and both and both >= _SAME_PLACE * (line.area + box.area - both):
            return line
    return None


def _without_repeats(lines: list[ReadLine]) -> list[ReadLine]:
    """Drop exact repeats only: two passes rarely agree on a box, and both boxes may be needed to cover it."""
    return sorted(set(lines))
