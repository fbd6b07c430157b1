"""A frame as a person looks at it, before and after cleaning: both by one mapping of values to grey levels.

Each by its own would show the rest of the image in other greys once its brightest text is gone.
"""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header_at
from exchange.domain.source import Source
from redact.pixels.codecs import Pixels
from redact.pixels.decode import Frame, FrameReader
from redact.pixels.render import OUTLIERS, Picture, Renderer, Window, find_window, meaningful, stretched

_BINS = 32
_SAMPLES = 1 << 16  # enough to judge a picture by
_ENOUGH = 0.5  # of the best rendering's information: less, and the named window shows next to nothing


class View:
    """The frames of one file for the eye.

    Args:
        source: A DICOM file with pixels.

    Raises:
        InputError: It cannot be used.
        HeldError: `undecodable-pixels` or `video`.
    """

    def __init__(self, source: Source) -> None:
        layout = examine(source)
        self._header: Dataset = read_header_at(layout)
        self._frames = FrameReader(source, layout, self._header)
        self._renderer = Renderer(self._frames.form, self._header)

    @property
    def count(self) -> int:
        """How many frames there are."""
        return self._frames.count

    def frame(self, index: int, window: Window | None = None) -> tuple[Picture, Window | None]:
        """One frame, grey or RGB, and the window that it is shown by; None where it is in colour.

        Args:
            index: Of the frame.
            window: To show it by; None for the first that shows something.

        Raises:
            HeldError: `undecodable-pixels`.
        """
        frame = self._frames.frame(index)
        if frame.photometric == "PALETTE COLOR" or frame.pixels.shape[2] > 1:
            return next(iter(self._renderer.render(frame, index).values())), None
        values = meaningful(frame.pixels[:, :, 0], self._frames.form)
        window = window or self._window(values, index)
        return self._grey(values, window, frame), window

    def _grey(self, values: Pixels, window: Window, frame: Frame) -> Picture:
        shown = stretched(values, window.low, window.high)
        return 255 - shown if frame.photometric == "MONOCHROME1" else shown

    def _window(self, values: Pixels, index: int) -> Window:
        """The header's window, unless it hides what others show: then the most telling one."""
        sample = values.ravel()[:: max(1, values.size // _SAMPLES)]
        low, high = np.percentile(sample, OUTLIERS)
        named = find_window(self._header, index)
        windows = [named] if named is not None else []
        windows += [Window(float(low), float(high)), Window(float(values.min()), float(values.max()))]
        told = [_information(stretched(sample, one.low, one.high)) for one in windows]
        return next(one for one, bits in zip(windows, told, strict=True) if bits >= _ENOUGH * max(told))


def _information(picture: NDArray[np.uint8]) -> float:
    """Entropy of a picture's grey levels, in bits."""
    counts = np.bincount(picture.ravel() // (256 // _BINS), minlength=_BINS)
    shares = counts[counts > 0] / picture.size
    return float(-(shares * np.log2(shares)).sum())


def before_and_after(before: View, after: View, index: int) -> tuple[Picture, Picture]:
    """One frame of both files, by the window of the first.

    Raises:
        HeldError: `undecodable-pixels`.
    """
    shown, window = before.frame(index)
    return shown, after.frame(index, window)[0]
