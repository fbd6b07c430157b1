"""Finding candidates for lines of text: PP-OCR's DB detector, driven for medical pictures.

Differentiable binarisation (Liao et al. 2020): the network gives a probability map of *shrunk* text regions;
regions above a threshold become rectangles, which are grown back.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from exchange.domain.stage import ModelSession
from redact.ocr.lines import Map, Picture, Quad
from redact.ocr.settings import ReaderSettings

_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
_MULTIPLE = 32  # the network halves five times


class TextDetector:
    """Candidates for lines of text in one picture."""

    def __init__(self, model: ModelSession[Map], settings: ReaderSettings) -> None:
        self._model = model
        self._settings = settings

    def detect(self, picture: Picture) -> list[Quad]:
        """Candidates in a picture of three channels, in a stable order.

        Args:
            picture: rows x columns x 3, RGB.
        """
        scale = self.scale(picture.shape[0], picture.shape[1])
        scaled = picture
        if scale != 1.0:
            size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            scaled = np.asarray(cv2.resize(picture, size, interpolation=method), dtype=np.uint8)
        return self._candidates(self._probabilities(scaled), scale)

    def scale(self, rows: int, columns: int) -> float:
        """Detector pixels per picture pixel: small pictures are enlarged, huge ones shrunk."""
        settings = self._settings
        shorter, longer = min(rows, columns), max(rows, columns)
        if shorter < settings.small_picture and longer <= settings.full_scale / 2:
            return min(2.0, settings.small_picture / shorter)
        if longer <= settings.full_scale:
            return 1.0
        return max(settings.smallest_scale, settings.full_scale / longer)

    def _probabilities(self, picture: Picture) -> Map:
        """The map of a whole picture: the greater value where tiles overlap."""
        rows, columns = picture.shape[:2]
        whole = np.zeros((rows, columns), dtype=np.float32)
        for top, bottom in _spans(rows, self._settings.tile, self._settings.overlap):
            for left, right in _spans(columns, self._settings.tile, self._settings.overlap):
                part = whole[top:bottom, left:right]
                np.maximum(part, self._tile(picture[top:bottom, left:right]), out=part)
        return whole

    def _tile(self, picture: Picture) -> Map:
        rows, columns = picture.shape[:2]
        padding = ((0, -rows % _MULTIPLE), (0, -columns % _MULTIPLE), (0, 0))
        padded = np.pad(picture, padding, mode="edge") if any(map(any, padding)) else picture
        # The models were trained on BGR.
        normal = (padded[:, :, ::-1].astype(np.float32) / 255.0 - _MEAN) / _DEVIATION
        batch = np.ascontiguousarray(normal.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)
        return self._model.infer(batch)[0, 0, :rows, :columns]

    def _candidates(self, probabilities: Map, scale: float) -> list[Quad]:
        settings = self._settings
        mask = (probabilities > settings.pixel_threshold).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        thickest = max(settings.largest_side, settings.largest_share * min(probabilities.shape))
        found: list[Quad] = []
        for contour in contours:
            (x, y), (width, height), angle = cv2.minAreaRect(contour)
            # Before growing: afterwards a speck and a small line have the same size.
            if not settings.smallest_side <= min(width, height) <= thickest:
                continue
            score = _mean_inside(probabilities, np.asarray(contour, dtype=np.int32))
            if score >= settings.box_threshold:
                found.append(_grown((x, y), (width, height), angle, score, settings.grow / 2.0, scale))
        found.sort(key=lambda quad: (-quad.score, quad.centre))
        return found[: settings.most_candidates]


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
    # OpenCV's angle lies in [0, 90]: turn by quarters until the line runs as level as it can.
    while angle > 45:
        angle, width, height = angle - 90, height, width
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
