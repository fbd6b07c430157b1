"""Filling what is removed with what surrounds it, so that a reader is not distracted by flat boxes.

Navier-Stokes inpainting (Bertalmio et al. 2001) of OpenCV, in stored values, one sample at a time. Nothing of
what was removed has a part in it: all boxes of a frame are unknown to it, and only what lies outside them
flows in.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from redact.pixels.boxes import TextBox
from redact.pixels.codecs import Pixels
from redact.pixels.form import PixelForm

_AROUND = 16  # pixels that flow in
_RADIUS = 3.0
_EXACT_BITS = 16  # float32 holds these values exactly


def can_inpaint(values: Pixels, form: PixelForm, photometric: str) -> bool:
    """Whether values lie on a scale, each pixel for itself: no palette, no single bits, no shared colour."""
    return (
        not form.floating
        and 1 < form.bits_allocated <= _EXACT_BITS
        and form.high_bit + 1 == form.bits_stored  # else bits below the pixel would take part
        and photometric != "PALETTE COLOR"
        and values.shape[2] == form.samples
    )


def inpainted(values: Pixels, boxes: Sequence[TextBox]) -> list[Pixels | None]:
    """What belongs into each box, by the values outside all of them; None where a box leaves nothing outside.

    Args:
        values: rows x columns x samples, as stored; not changed.
        boxes: Padded, inside the frame.
    """
    unknown = np.zeros(values.shape[:2], dtype=np.uint8)
    for box in boxes:
        unknown[box.y0 : box.y1, box.x0 : box.x1] = 1
    return [_one(values, unknown, box) for box in boxes]


def _one(values: Pixels, unknown: NDArray[np.uint8], box: TextBox) -> Pixels | None:
    import cv2  # 0.2 s, and needed where something is inpainted only

    y0, x0 = max(0, box.y0 - _AROUND), max(0, box.x0 - _AROUND)
    rows, columns = slice(y0, box.y1 + _AROUND), slice(x0, box.x1 + _AROUND)
    mask = np.ascontiguousarray(unknown[rows, columns])
    if mask.all():
        return None
    known = mask == 0
    part = values[rows, columns]
    filled = np.empty(part.shape, dtype=part.dtype.newbyteorder("="))
    for sample in range(part.shape[2]):
        plane = part[:, :, sample].astype(np.float32)
        low, high = float(plane[known].min()), float(plane[known].max())
        plane[~known] = low  # what is removed is not even an operand
        flowed = np.asarray(cv2.inpaint(plane, mask, _RADIUS, cv2.INPAINT_NS))
        filled[:, :, sample] = np.clip(np.rint(flowed), low, high)
    return filled[box.y0 - y0 : box.y1 - y0, box.x0 - x0 : box.x1 - x0]
