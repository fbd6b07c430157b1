"""Reading one candidate: PP-OCR's CTC recogniser on an upright crop of 48 rows.

The recogniser is the gate: the detector alone boxes organs (8 % of the area of clean CT, MR and PET).
"""

import cv2
import numpy as np

from exchange.domain.stage import ModelSession
from redact.ocr.lines import Map, Picture, Quad
from redact.ocr.settings import ReaderSettings

_STANDING = 1.5  # from this height to width a crop is read as a line that runs up or down
_BLANK = 0  # CTC's class for "no character here"
_WRITING = 0.7  # the detector's score from which a crop is plainly writing
_PLAIN = 0.9  # a level reading as sure is not tried upside down; words that stand so read with up to .87
_STEP = 32  # crop widths are rounded to this, so that few shapes occur


class TextRecogniser:
    """Text and confidence of candidates."""

    def __init__(self, model: ModelSession[Map], settings: ReaderSettings) -> None:
        self._model = model
        self._settings = settings

    def read(self, picture: Picture, quad: Quad, *, negative: bool = False) -> tuple[str, float]:
        """The text of one candidate and the mean probability of its characters; "" and 0 when none.

        Standing crops are read turned both ways, level ones upside down, too, where they are plainly writing
        that cannot be read as it stands; the better reading counts.

        Args:
            picture: rows x columns, grey; or rows x columns x 3, RGB.
            quad: Where, in pixels of the picture.
            negative: Read its negative.
        """
        crop = cut(picture, quad)
        if crop.shape[0] < crop.shape[1] * _STANDING:
            level = self._read_level(crop, negative=negative)
            if level[1] >= _PLAIN or quad.score < _WRITING:
                return level
            return max(level, self._turned(crop, cv2.ROTATE_180, negative=negative), key=_confidence)
        readings = [
            self._turned(crop, turn, negative=negative)
            for turn in (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_90_CLOCKWISE)
        ]
        # A narrow upright character stands too: "1", "l", "I".
        readings.append(self._read_level(crop, negative=negative))
        return max(readings, key=_confidence)

    def _turned(self, crop: Picture, turn: int, *, negative: bool) -> tuple[str, float]:
        return self._read_level(np.asarray(cv2.rotate(crop, turn), dtype=np.uint8), negative=negative)

    def _read_level(self, crop: Picture, *, negative: bool) -> tuple[str, float]:
        settings = self._settings
        rows, columns = crop.shape[:2]
        width = max(1, min(settings.longest_crop, round(columns * settings.crop_height / rows)))
        level = cv2.resize(crop, (width, settings.crop_height), interpolation=cv2.INTER_LINEAR)
        values = level.astype(np.float32) / 127.5 - 1.0
        if negative:
            values = -values
        batch = np.zeros((1, 3, settings.crop_height, -(-width // _STEP) * _STEP), dtype=np.float32)
        batch[0, :, :, :width] = values if values.ndim == 2 else values[:, :, ::-1].transpose(2, 0, 1)
        return self._decode(self._model.infer(batch)[0])

    def _decode(self, probabilities: Map) -> tuple[str, float]:
        """CTC greedy decoding: the best class of each step, repeats merged, blanks dropped."""
        best = probabilities.argmax(axis=1)
        kept = best != _BLANK
        kept[1:] &= best[1:] != best[:-1]
        text = "".join(self._model.characters[index - 1] for index in best[kept]).strip()
        if not text:
            return "", 0.0
        return text, float(probabilities.max(axis=1)[kept].mean())


def _confidence(reading: tuple[str, float]) -> float:
    return reading[1]


def cut(picture: Picture, quad: Quad) -> Picture:
    """The candidate's pixels, turned level; beyond the picture's edge its border is repeated."""
    width, height = max(1, round(quad.size[0])), max(1, round(quad.size[1]))
    radians = np.deg2rad(quad.angle)
    along = np.array([np.cos(radians), np.sin(radians)])
    across = np.array([-np.sin(radians), np.cos(radians)])
    corner = np.array(quad.centre) - along * (width - 1) / 2 - across * (height - 1) / 2
    matrix = np.column_stack([along, across, corner])
    turned = cv2.warpAffine(
        picture,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(turned, dtype=np.uint8)
