"""Finding candidates for lines of text: PP-OCR's DB detector, driven for medical pictures.

Differentiable binarisation (Liao et al. 2020): the network gives a probability map of *shrunk* text regions;
regions above a threshold become rectangles, which are grown back.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from exchange.domain.stage import ModelSession
from redact.ocr.lines import Map, Part, Picture, Quad
from redact.ocr.overlooked import overlooked
from redact.ocr.settings import ReaderSettings

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
_MULTIPLE = 32  # the network halves five times
_LEVELS = np.arange(256, dtype=np.float64)
# What the network is given for each grey level, by channel; those of the negative are the same backwards.
_NORMAL = np.array(
    [(_LEVELS / 255.0 - mean) / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)],
    dtype=np.float32,
)
_NEGATIVE = np.ascontiguousarray(_NORMAL[:, ::-1])
_FLAT = 1  # levels by which a margin's pixels may differ and still show nothing


class TextDetector:
    """Candidates for lines of text in one picture."""

    def __init__(self, model: ModelSession[Map], settings: ReaderSettings) -> None:
        self._model = model
        self._settings = settings

    def detect(self, picture: Picture, *, negative: bool = False, scale: float | None = None) -> list[Quad]:
        """Candidates in a picture, in a stable order.

        Args:
            picture: rows x columns, grey; or rows x columns x 3, RGB.
            negative: Look at its negative.
            scale: Detector pixels per picture pixel; what `scale()` says where nothing is said.
        """
        return self._look(picture, scale or self.scale(*picture.shape[:2]), negative=negative).found

    def detect_and_doubt(
        self, picture: Picture, *, scale: float | None = None
    ) -> tuple[list[Quad], tuple[Part, ...]]:
        """Candidates in a picture's normal view, and the parts where some may have been overlooked.

        Args:
            picture: As for `detect`.
            scale: As for `detect`.
        """
        scale = scale or self.scale(*picture.shape[:2])
        look = self._look(picture, scale, negative=False)
        parts = overlooked(
            look.answer, (_on_map(quad, look, scale) for quad in look.found), look.organs, self._settings
        )
        return look.found, tuple(_of_picture(part, look, scale, *picture.shape[:2]) for part in parts)

    def detect_closer(
        self, picture: Picture, part: Part, *, negative: bool, scale: float | None = None
    ) -> list[Quad]:
        """Candidates in a part of a picture, enlarged; in pixels of the whole picture.

        Args:
            picture: As for `detect`.
            part: Where.
            negative: As for `detect`.
            scale: As for `detect`, before it is enlarged.
        """
        scale = (scale or self.scale(*picture.shape[:2])) * self._settings.closer
        inner = picture[part.y0 : part.y1, part.x0 : part.x1]
        answer = self._answer(inner, scale, negative=negative)
        found, _ = self._candidates(answer, scale, min(picture.shape[:2]) * scale)
        return [_moved(quad, part.y0, part.x0) for quad in found]

    def scale(self, rows: int, columns: int) -> float:
        """Detector pixels per picture pixel: small pictures are enlarged, huge ones shrunk."""
        settings = self._settings
        shorter, longer = min(rows, columns), max(rows, columns)
        if shorter < settings.small_picture and longer <= settings.full_scale / 2:
            return min(2.0, settings.small_picture / shorter)
        if longer <= settings.full_scale:
            return 1.0
        return max(settings.smallest_scale, settings.full_scale / longer)

    def _look(self, picture: Picture, scale: float, *, negative: bool) -> "_Look":
        top, left, inner = _without_margins(picture)
        answer = self._answer(inner, scale, negative=negative)
        found, organs = self._candidates(answer, scale, min(picture.shape[:2]) * scale)
        return _Look(top, left, answer, [_moved(quad, top, left) for quad in found], organs)

    def _answer(self, picture: Picture, scale: float, *, negative: bool) -> Map:
        """The network's map of a picture, at detector scale."""
        if scale != 1.0:
            size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            picture = np.asarray(cv2.resize(picture, size, interpolation=method), dtype=np.uint8)
        return self._probabilities(picture, _NEGATIVE if negative else _NORMAL)

    def _probabilities(self, picture: Picture, levels: Map) -> Map:
        """The map of a whole picture: the greater value where tiles overlap."""
        rows, columns = picture.shape[:2]
        whole = np.zeros((rows, columns), dtype=np.float32)
        for top, bottom in _spans(rows, self._settings.tile, self._settings.overlap):
            for left, right in _spans(columns, self._settings.tile, self._settings.overlap):
                part = whole[top:bottom, left:right]
                np.maximum(part, self._tile(picture[top:bottom, left:right], levels), out=part)
        return whole

    def _tile(self, picture: Picture, levels: Map) -> Map:
        rows, columns = picture.shape[:2]
        below, right = -rows % _MULTIPLE, -columns % _MULTIPLE
        if below or right:
            padded = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
            picture = np.asarray(padded, dtype=np.uint8)
        batch = np.empty((1, 3, *picture.shape[:2]), dtype=np.float32)
        for channel in range(3):
            # The models were trained on BGR, with the means in that order.
            plane = picture if picture.ndim == 2 else np.ascontiguousarray(picture[:, :, 2 - channel])
            cv2.LUT(plane, levels[channel], dst=batch[0, channel])
        return self._model.infer(batch)[0, 0, :rows, :columns]

    def _candidates(
        self, probabilities: Map, scale: float, shorter: float
    ) -> tuple[list[Quad], list[NDArray[np.int32]]]:
        """Grown rectangles, in pixels of what was not scaled; and contours on the map that are far too thick.

        Args:
            probabilities: The map, at detector scale.
            scale: Detector pixels per picture pixel.
            shorter: The whole picture's shorter side, at detector scale.
        """
        settings = self._settings
        mask = (probabilities > settings.pixel_threshold).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        usual = settings.largest_side
        found: list[Quad] = []
        organs: list[NDArray[np.int32]] = []
        for each in contours:
            contour = np.asarray(each, dtype=np.int32)
            (x, y), (width, height), angle = cv2.minAreaRect(contour)
            # Before growing: afterwards a speck and a small line have the same size.
            thickness = min(width, height)
            if thickness > usual:
                organs.append(contour)
            if not settings.smallest_side <= thickness <= max(usual, settings.huge_share * shorter):
                continue
            score = _mean_inside(probabilities, contour)
            if score >= settings.box_threshold:
                grown = _grown((x, y), (width, height), angle, score, settings.grow / 2.0, scale)
                found.append(replace(grown, huge=thickness > usual))
        found.sort(key=lambda quad: (-quad.score, quad.centre))
        return found[: settings.most_candidates], organs


@dataclass(frozen=True, slots=True)
class _Look:
    """What one pass over a picture gave.

    Attributes:
        top, left: Where in the picture its map begins.
        answer: The map, at detector scale.
        found: Candidates, in picture pixels.
        organs: Contours on the map that are far too thick for writing.
    """

    top: int
    left: int
    answer: Map
    found: list[Quad]
    organs: list[NDArray[np.int32]]


def _moved(quad: Quad, down: int, right: int) -> Quad:
    return replace(quad, centre=(quad.centre[0] + right, quad.centre[1] + down))


def _on_map(quad: Quad, look: _Look, scale: float) -> Quad:
    """A candidate in pixels of the map."""
    return replace(
        quad,
        centre=((quad.centre[0] - look.left) * scale, (quad.centre[1] - look.top) * scale),
        size=(quad.size[0] * scale, quad.size[1] * scale),
    )


def _of_picture(part: Part, look: _Look, scale: float, rows: int, columns: int) -> Part:
    """A part of the map in pixels of the picture."""
    return Part(
        look.top + int(part.y0 / scale),
        look.left + int(part.x0 / scale),
        min(rows, look.top + math.ceil(part.y1 / scale)),
        min(columns, look.left + math.ceil(part.x1 / scale)),
    )


def _without_margins(picture: Picture) -> tuple[int, int, Picture]:
    """Where the picture begins that has anything in it, and that: black margins cost as much as anatomy.

    A rim of `_MULTIPLE` pixels stays, because the network judges a line by what is around it.
    """
    corner = [float(level) for level in np.atleast_1d(picture[0, 0])]
    low, high = (tuple(level + side * _FLAT for level in corner) for side in (-1, 1))
    empty = cv2.inRange(picture, low, high)
    seen = np.asarray(empty) == 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return 0, 0, picture
    top, left = max(0, int(rows[0]) - _MULTIPLE), max(0, int(columns[0]) - _MULTIPLE)
    bottom, right = int(rows[-1]) + 1 + _MULTIPLE, int(columns[-1]) + 1 + _MULTIPLE
    return top, left, picture[top:bottom, left:right]


def _grown(
    centre: tuple[float, float],
    size: tuple[float, float],
    angle: float,
    score: float,
    half_ratio: float,
    scale: float,
) -> Quad:
    """A rectangle in picture pixels, each side moved out by area x ratio / perimeter, angle normalised."""
    width, height = size
    outward = 2.0 * width * height * half_ratio / (width + height)
    width, height = width + outward, height + outward
    # OpenCV's angle lies in (0, 90] or in [-90, 0), by version: turn by quarters until the line runs as level
    # as it can. A level line taken for a standing one would be read three times.
    while angle > 45:
        angle, width, height = angle - 90, height, width
    while angle <= -45:
        angle, width, height = angle + 90, height, width
    return Quad(
        centre=((centre[0] + 0.5) / scale - 0.5, (centre[1] + 0.5) / scale - 0.5),
        size=(width / scale, height / scale),
        angle=angle,
        score=score,
    )


def _mean_inside(probabilities: Map, contour: NDArray[np.int32]) -> float:
    left, top, width, height = cv2.boundingRect(contour)
    mask = np.zeros((height, width), dtype=np.uint8)
    cv2.drawContours(mask, [contour], -1, 1, cv2.FILLED, offset=(-left, -top))
    return float(cv2.mean(probabilities[top : top + height, left : left + width], mask)[0])


def _spans(length: int, tile: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Cover 0..length by spans of at most `tile` that overlap."""
    start = 0
    while True:
        end = min(start + tile, length)
        yield start, end
        if end == length:
            return
        start = end - overlap
