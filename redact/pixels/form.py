"""The form of an instance's pixels: what PS3.3 C.7.6.3 says of them, checked before anything is decoded."""

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from exchange.dicomio.getters import integer, text
from exchange.dicomio.layout import DOUBLE_FLOAT_PIXEL_DATA, FLOAT_PIXEL_DATA, FileLayout
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError

PIXEL_PATH = "(7FE0,0010)"
_SAMPLES = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
}
_FLOATS = {FLOAT_PIXEL_DATA: 32, DOUBLE_FLOAT_PIXEL_DATA: 64}
_INTEGER_WIDTHS = (8, 16, 32, 64)
_LARGEST_FRAME = 1 << 30  # samples; beyond it one frame would not fit the memory of a box


@dataclass(frozen=True, slots=True)
class PixelForm:
    """How pixel values are laid out. Names follow the keywords of the Image Pixel module.

    Attributes:
        floating: True for Float and Double Float Pixel Data.
        little_endian: Byte order of native values.
    """

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    planar: int
    floating: bool
    little_endian: bool

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The numpy type of one native value; bytes for single bits, which are unpacked."""
        if self.bits_allocated == 1:
            return np.dtype(np.uint8)
        kind = "f" if self.floating else "i" if self.signed else "u"
        return np.dtype(f"{'<' if self.little_endian else '>'}{kind}{self.bits_allocated // 8}")

    @property
    def subsampled(self) -> bool:
        """True where native chrominance is shared by two neighbours (PS3.3 C.7.6.3.1.2, YBR_FULL_422)."""
        return self.photometric == "YBR_FULL_422"


def undecodable(why: str, path: str = PIXEL_PATH) -> HeldError:
    """The hold for pixels that cannot be read: what cannot be read cannot be cleaned."""
    return HeldError(
        ReasonCode.UNDECODABLE_PIXELS,
        f"cannot read the pixels: {why}",
        path,
        "review the instance by hand, or have the sender re-send it uncompressed",
    )


def read_form(layout: FileLayout, header: Dataset) -> PixelForm:
    """The form of the pixels of one instance.

    Raises:
        HeldError: `undecodable-pixels`: a photometric interpretation, width or size that is not supported, or
            a header that contradicts itself.
    """
    if layout.pixels is None:
        raise undecodable("the instance has none")
    floating = layout.pixels.tag in _FLOATS
    bits_allocated = _FLOATS.get(layout.pixels.tag, integer(header, "BitsAllocated", 0))
    bits_stored = bits_allocated if floating else integer(header, "BitsStored", bits_allocated)
    form = PixelForm(
        rows=integer(header, "Rows", 0),
        columns=integer(header, "Columns", 0),
        samples=integer(header, "SamplesPerPixel", 1),
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        high_bit=bits_allocated - 1 if floating else integer(header, "HighBit", bits_stored - 1),
        signed=floating or integer(header, "PixelRepresentation", 0) == 1,
        photometric=text(header, "PhotometricInterpretation").strip() or "MONOCHROME2",
        planar=integer(header, "PlanarConfiguration", 0),
        floating=floating,
        little_endian=layout.little_endian,
    )
    _check(form)
    return form


def _check(form: PixelForm) -> None:
    if form.photometric not in _SAMPLES:
        raise undecodable("their photometric interpretation is not supported", "(0028,0004)")
    if form.samples != _SAMPLES[form.photometric]:
        raise undecodable("samples per pixel and photometric interpretation contradict", "(0028,0002)")
    if form.rows <= 0 or form.columns <= 0 or form.rows * form.columns * form.samples > _LARGEST_FRAME:
        raise undecodable("rows and columns are missing or beyond what is supported", "(0028,0010)")
    if form.bits_allocated not in _INTEGER_WIDTHS and (form.bits_allocated, form.samples) != (1, 1):
        raise undecodable("bits allocated is not 1, 8, 16, 32 or 64", "(0028,0100)")
    if not 0 < form.bits_stored <= form.high_bit + 1 <= form.bits_allocated:
        raise undecodable("bits stored, high bit and bits allocated contradict", "(0028,0101)")
    if form.planar not in (0, 1):
        raise undecodable("planar configuration is neither 0 nor 1", "(0028,0006)")
