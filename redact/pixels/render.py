"""Pictures for reading: stored values as a viewer could show them, in 8 bits.

Text that is invisible in one rendering can be plain in another (white on white bone in a soft window, faint
in the full range), so values are rendered by their window and by their full range wherever the two differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from exchange.dicomio.getters import items, texts
from redact.ocr.following import SAME
from redact.pixels.codecs import Pixels
from redact.pixels.decode import Frame
from redact.pixels.form import PixelForm
from redact.pixels.palette import coloured

Picture = NDArray[np.uint8]

_LUT_ERRORS = (AttributeError, ValueError, TypeError, LookupError, NotImplementedError, OverflowError)
OUTLIERS = (0.5, 99.5)  # percentiles, where the header names no window


@dataclass(frozen=True, slots=True)
class Window:
    """A linear window, in stored values (PS3.3 C.11.2.1.2)."""

    low: float
    high: float


class Renderer:
    """Renders the frames of one instance."""

    def __init__(self, form: PixelForm, header: Dataset, *, unused_bits: bool = True) -> None:
        """Without `unused_bits`, bits that hold no pixel are not shown: for whoever clears them anyway."""
        self._form = form
        self._header = header
        self._unused_bits = unused_bits

    def render(self, frame: Frame, index: int) -> Mapping[str, Picture]:
        """Pictures of a frame by name, mostly one or two: grey (rows x columns) or RGB (rows x columns x 3).

        The names are `window`, `full range`, `lookup table`, `palette`, `indices` and `colour`; bits that
        hold no pixel but something else are pictures of their own, one for each bit (`unused bit 13`).

        Raises:
            HeldError: `undecodable-pixels`: a palette is missing or broken.
        """
        beside = unused_planes(frame.pixels, self._form) if self._unused_bits else {}
        if frame.photometric == "PALETTE COLOR":
            return self._palette(frame) | beside
        if frame.pixels.shape[2] > 1:
            return {"colour": self._colour(frame)} | beside
        return {**self._grey(frame, index), **beside}

    def _grey(self, frame: Frame, index: int) -> Mapping[str, Picture]:
        values = meaningful(frame.pixels[:, :, 0], self._form)
        full = stretched(values, float(values.min()), float(values.max()))
        windowed, name = self._by_tables(values), "lookup table"
        if windowed is None:
            name = "window"
            window = find_window(self._header, index)
            if window is None:
                low, high = np.percentile(values, OUTLIERS)
                window = Window(float(low), float(high))
            windowed = stretched(values, window.low, window.high)
        if frame.photometric == "MONOCHROME1":
            full, windowed = 255 - full, 255 - windowed
        # A window that hides all (it does not fit the values) shows nothing to a viewer either.
        if windowed.min() == windowed.max() or _alike(full, windowed):
            return {"full range": full}
        return {name: windowed, "full range": full}

    def _by_tables(self, values: Pixels) -> Picture | None:
        """Rendering by lookup tables where the header has them; None where it has none that work."""
        if not items(self._header, "ModalityLUTSequence") and not items(self._header, "VOILUTSequence"):
            return None
        if not np.issubdtype(values.dtype, np.integer):
            return None
        try:
            shown = apply_voi_lut(apply_modality_lut(values, self._header), self._header)
        except _LUT_ERRORS:
            return None  # the plain renderings remain: a broken table must not hide text
        return stretched(shown, float(shown.min()), float(shown.max()))

    def _palette(self, frame: Frame) -> dict[str, Picture]:
        """The colours; and the indices, where the palette gives several of them one colour."""
        indices = meaningful(frame.pixels[:, :, 0], self._form)
        colours = coloured(indices, self._header, self._form)
        _, first = np.unique(indices, return_index=True)
        if len(np.unique(colours.reshape(-1, 3)[first], axis=0)) < len(first):
            plain = stretched(indices, float(indices.min()), float(indices.max()))
            return {"palette": colours, "indices": plain}
        return {"palette": colours}

    def _colour(self, frame: Frame) -> Picture:
        values = meaningful(frame.full(), self._form)
        shift = max(0, self._form.bits_stored - 8)
        levels = np.clip(values.astype(np.int64) >> shift, 0, 255).astype(np.uint8)
        return _to_rgb(levels) if frame.photometric.startswith("YBR") else np.ascontiguousarray(levels)


def meaningful(values: Pixels, form: PixelForm) -> Pixels:
    """Values without their unused bits, sign extended (PS3.5 8.1.1): those may hold overlays or anything."""
    if form.floating:
        return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    native = values.astype(values.dtype.newbyteorder("="))
    if form.bits_stored == form.bits_allocated or form.bits_allocated == 1:
        return native
    up = form.bits_allocated - 1 - form.high_bit
    return np.asarray((native << up) >> (form.bits_allocated - form.bits_stored))


def unused_planes(values: Pixels, form: PixelForm) -> dict[str, Picture]:
    """Bits that hold no pixel as black and white pictures by name, where they are not the sign or zero.

    Nothing where they hold what PS3.5 8.1.1 has there, as they mostly do.
    """
    if form.floating or form.bits_stored == form.bits_allocated or form.bits_allocated == 1:
        return {}
    low = form.high_bit + 1 - form.bits_stored
    odd = values.astype(values.dtype.newbyteorder("=")) ^ (meaningful(values, form) << low)
    if not odd.any():
        return {}
    planes = {bit: (odd >> bit & 1).any(axis=2) for bit in range(form.bits_allocated)}
    return {
        f"unused bit {bit}": np.where(plane, np.uint8(255), np.uint8(0))
        for bit, plane in planes.items()
        if plane.any()
    }


def find_window(header: Dataset, index: int) -> Window | None:
    """The first window that the header names for a frame, as stored values; None when it names none."""
    groups: list[Dataset] = [header]
    per_frame = items(header, "PerFrameFunctionalGroupsSequence")
    for group in (*per_frame[index : index + 1], *items(header, "SharedFunctionalGroupsSequence")[:1]):
        groups += (
            items(group, "FrameVOILUTSequence")[:1] + items(group, "PixelValueTransformationSequence")[:1]
        )
    centre, width = _first(groups, "WindowCenter"), _first(groups, "WindowWidth")
    if centre is None or width is None or width < 1:
        return None
    slope, intercept = _first(groups, "RescaleSlope") or 1.0, _first(groups, "RescaleIntercept") or 0.0
    ends = sorted(((centre + side * width / 2) - intercept) / slope for side in (-1, 1))
    return Window(ends[0], ends[1])


def _first(groups: list[Dataset], keyword: str) -> float | None:
    for group in groups:
        for value in texts(group, keyword)[:1]:
            try:
                number = float(value)
            except ValueError:
                continue
            if np.isfinite(number):
                return number
    return None


def stretched(values: NDArray[Any], low: float, high: float) -> Picture:
    """Values between two ends as grey levels, those beyond them as the ends'; black where the ends meet."""
    if high <= low:
        return np.zeros(values.shape, dtype=np.uint8)
    scaled = (values.astype(np.float64) - low) * (255.0 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _alike(first: Picture, second: Picture) -> bool:
    return int(np.abs(first.astype(np.int16) - second.astype(np.int16)).max()) <= SAME


def _to_rgb(levels: Picture) -> Picture:
    """YBR_FULL to RGB (PS3.3 C.7.6.3.1.2), for reading only."""
    y, blue, red = (levels[:, :, sample].astype(np.float32) for sample in range(3))
    blue, red = blue - 128.0, red - 128.0
    rgb = np.stack([y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue], axis=2)
    return np.asarray(np.clip(np.rint(rgb), 0, 255), dtype=np.uint8)
