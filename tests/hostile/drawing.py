"""Text drawn into pixels: the same picture for who draws it and for who looks whether it is still there."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Mask = NDArray[np.bool_]


@cache
def mask(text: str, height: int) -> Mask:
    """The strokes of a text as rows x columns, cut to the text, `height` pixels a line."""
    font = ImageFont.load_default(height)
    left, top, right, bottom = (round(corner) for corner in font.getbbox(text))
    picture = Image.new("L", (right - left, bottom - top), 0)
    ImageDraw.Draw(picture).text((-left, -top), text, fill=255, font=font)
    return np.asarray(picture) > 127


def resembles(region: NDArray[np.generic], strokes: Mask) -> float:
    """How much a region still shows the strokes: the absolute correlation, 0 to 1; 0 where it is uniform."""
    values = region.astype(np.float64)
    if values.ndim == 3:
        values = values.mean(axis=2)
    if values.shape != strokes.shape or values.std() == 0:
        return 0.0
    return float(abs(np.corrcoef(values.ravel(), strokes.astype(np.float64).ravel())[0, 1]))
