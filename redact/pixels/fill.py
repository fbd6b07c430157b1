"""Removing what is inside a box, in stored values; nothing outside it changes."""

from collections.abc import Iterable, Sequence

import numpy as np
from pydicom.dataset import Dataset

from exchange.dicomio.getters import integer
from redact.pixels.boxes import TextBox
from redact.pixels.codecs import Pixels
from redact.pixels.decode import Frame
from redact.pixels.form import PixelForm
from redact.pixels.inpaint import can_inpaint, inpainted
from redact.pixels.rules import Fill

_RING = 3  # pixels around a box whose values say what its background is
_FIRST_OVERLAY, _LAST_OVERLAY = 0x6000, 0x601E


def remove(frame: Frame, boxes: Iterable[TextBox], form: PixelForm, fill: Fill = Fill.BACKGROUND) -> None:
    """Overwrite the padded boxes, in every sample: with the background around them, or with what flows in.

    Where values lie on no scale (palettes, single bits) or share their colour, it is always the background.
    """
    rows, columns = form.rows, form.columns
    padded = [box.padded(rows, columns) for box in boxes]
    flowed: Sequence[Pixels | None] = [None] * len(padded)
    if fill is Fill.INPAINT and not frame.paired and can_inpaint(frame.pixels, form, frame.photometric):
        flowed = inpainted(frame.pixels, padded)
    # All of them first: a neighbour already filled must not decide the next one's.
    grounds = [
        _background(frame, box, form) if flow is None else flow
        for box, flow in zip(padded, flowed, strict=True)
    ]
    for box, ground in zip(padded, grounds, strict=True):
        if frame.paired:  # chrominance is shared by two neighbours: whole pairs go
            frame.pixels[box.y0 : box.y1, box.x0 // 2 : (box.x1 + 1) // 2] = ground[[0, 0, 1, 2]]
        else:
            frame.pixels[box.y0 : box.y1, box.x0 : box.x1] = ground


def _background(frame: Frame, box: TextBox, form: PixelForm) -> Pixels:
    """One value per sample that is the ground of the box: of what lies around it, the median.

    Of a palette the most frequent index: between two indices lies any colour. Where the box fills the frame,
    the value shown as black.
    """
    values = frame.full()
    y0, x0 = max(0, box.y0 - _RING), max(0, box.x0 - _RING)
    around = values[y0 : box.y1 + _RING, x0 : box.x1 + _RING]
    outside = np.ones(around.shape[:2], dtype=bool)
    outside[box.y0 - y0 : box.y1 - y0, box.x0 - x0 : box.x1 - x0] = False
    ring = around[outside]
    if not len(ring):
        return _black(frame, form)
    if frame.photometric == "PALETTE COLOR":
        found, counts = np.unique(ring[:, 0], return_counts=True)
        return np.asarray([found[counts.argmax()]], dtype=values.dtype)
    # The lower median: a value that occurs, not a mean of two.
    return np.asarray(np.sort(ring, axis=0)[(len(ring) - 1) // 2], dtype=values.dtype)


def _black(frame: Frame, form: PixelForm) -> Pixels:
    values = frame.full()
    if frame.photometric.startswith("YBR"):
        middle = 1 << (form.bits_stored - 1)
        return np.asarray([0, middle, middle], dtype=values.dtype)
    extreme = values.max(axis=(0, 1)) if frame.photometric == "MONOCHROME1" else values.min(axis=(0, 1))
    return np.asarray(extreme, dtype=values.dtype)


def embedded_overlays(header: Dataset, form: PixelForm) -> int:
    """How many overlay planes lie in unused bits of the pixels (retired: PS3.5 8.1.2, no Overlay Data)."""
    if form.bits_allocated <= form.bits_stored or form.floating:
        return 0
    used = range(form.high_bit + 1 - form.bits_stored, form.high_bit + 1)
    found = 0
    for group in range(_FIRST_OVERLAY, _LAST_OVERLAY + 1, 2):
        bits = header.get((group, 0x0100))
        if bits is None or (group, 0x3000) in header:
            continue
        position = header.get((group, 0x0102))
        found += int(position is not None and _position(position.value) not in used)
    return found


def _position(value: object) -> int:
    return integer(_one(value), "HighBit", 0)


def _one(value: object) -> Dataset:
    """Carry a repeating group's value through the typed getter."""
    carrier = Dataset()
    carrier.HighBit = value
    return carrier


def clear_unused_bits(frame: Frame, form: PixelForm) -> bool:
    """Sign extend (signed) or clear (unsigned) the bits that hold no pixel; True when any changed."""
    native = frame.pixels.astype(frame.pixels.dtype.newbyteorder("="))
    low = form.high_bit + 1 - form.bits_stored
    up = form.bits_allocated - 1 - form.high_bit
    cleared = ((native << up) >> (form.bits_allocated - form.bits_stored)) << low
    changed = not np.array_equal(cleared, native)
    if changed:
        frame.pixels[...] = cleared
    return changed
