"""Frames of an instance as stored values, one at a time: memory is bounded by a few frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from exchange.dicomio.frames import FrameSource
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.syntaxes import is_encapsulated
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError, InputError
from exchange.domain.source import Source
from redact.pixels.codecs import (
    DEFLATED_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    Decoders,
    Pixels,
    decode,
    decoders_of,
    is_supported,
    is_video,
    unpaired,
)
from redact.pixels.form import PIXEL_PATH, PixelForm, read_form, undecodable


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of stored values, exactly as decoded: no colour conversion, no rescaling.

    Attributes:
        pixels: rows x columns x samples, writable. Of native frames a view of `buffer`, so that writing
            into it changes exactly these values. Of native YBR_FULL_422: rows x columns/2 x 4 (Y1 Y2 Cb Cr).
        photometric: What the values are (after decoding; see `codecs.Decoded`).
        buffer: The native bytes behind `pixels`; empty when they are not plain values (bits, compressed).
        paired: True for the YBR_FULL_422 layout.
    """

    pixels: Pixels
    photometric: str
    buffer: bytearray
    paired: bool = False

    def full(self) -> Pixels:
        """All values as rows x columns x samples, whatever the layout; for reading only."""
        if not self.paired:
            return self.pixels
        return unpaired(self.pixels)

    def native(self, form: PixelForm) -> bytes:
        """The frame as native bytes: in the source's own layout, or interleaved little endian when decoded.

        Single bits are packed from the least significant bit on, the last byte filled with zeros.
        """
        if self.buffer:
            return bytes(self.buffer)
        if form.bits_allocated == 1:
            return np.packbits(self.pixels.astype(np.uint8).ravel(), bitorder="little").tobytes()
        return self.pixels.astype(form.dtype.newbyteorder("<")).tobytes()


class FrameReader:
    """Decodes the frames of one instance by index, and notes how they were checked."""

    def __init__(
        self, path: Source, layout: FileLayout, header: Dataset, decoders: Decoders = decoders_of
    ) -> None:
        """Check the form; nothing is decoded yet.

        Raises:
            HeldError: `video`, or `undecodable-pixels` when form or transfer syntax is not supported.
        """
        if is_video(layout.transfer_syntax_uid):
            raise HeldError(
                ReasonCode.VIDEO,
                "cannot clean video: no decoder at hand tells where it shows what the stream does not hold",
                PIXEL_PATH,
                "have it exported as a multi-frame image in any other transfer syntax; or look at the whole"
                " film, hear its sound, and release it as it is or reject it",
            )
        self.form = read_form(layout, header)
        self.decoders = decoders
        self._syntax = layout.transfer_syntax_uid
        self.encapsulated = layout.pixels is not None and layout.pixels.encapsulated
        if self.encapsulated and not is_supported(self._syntax):
            raise undecodable("no decoder for their transfer syntax")
        if not self.encapsulated and is_encapsulated(self._syntax):
            # One reader would show the plain values, another what they hold when decoded.
            raise undecodable("their transfer syntax is a compressed one, and they are no fragments")
        if not self.encapsulated and self.form.photometric in ("YBR_ICT", "YBR_RCT"):
            raise undecodable("uncompressed values in a colour space of JPEG 2000", "(0028,0004)")
        plain = not self.encapsulated or self._syntax in (DEFLATED_FRAME, ENCAPSULATED_UNCOMPRESSED)
        if plain and self.form.subsampled and self.form.columns % 2:
            raise undecodable("YBR_FULL_422 with an odd number of columns", "(0028,0011)")
        self._swapped = _swapped_bytes(layout, self.form)
        self._single = False
        self._checked = False
        self._photometric: str | None = None
        try:
            self.source = FrameSource(path, layout, header)
            self.count = self.source.count
        except InputError as error:
            raise undecodable("the frames cannot be told apart in the file") from error

    @property
    def checking(self) -> str:
        """`native`, `cross-checked` when a second decoder agreed on every frame so far, or `single`."""
        if not self.encapsulated:
            return "native"
        return "cross-checked" if self._checked and not self._single else "single"

    @property
    def photometric(self) -> str:
        """What the values of frames are once decoded; the first frame is decoded for it where it never was.

        Raises:
            HeldError: `undecodable-pixels`.
        """
        if self._photometric is None:
            self._photometric = self.frame(0).photometric
        return self._photometric

    def encoded(self, index: int) -> bytes:
        """The frame's bytes as they stand in the file.

        Raises:
            HeldError: `undecodable-pixels`: the frame is not there.
        """
        try:
            return self.source.encoded(index)
        except InputError as error:
            raise undecodable("a frame is missing or incomplete", f"frame {index}") from error

    def frame(self, index: int, encoded: bytes | None = None) -> Frame:
        """Decode one frame.

        Raises:
            HeldError: `undecodable-pixels`, with the frame in its path.
        """
        data = self.encoded(index) if encoded is None else encoded
        if not self.encapsulated:
            return self._native(data, index)
        try:
            decoded = decode(self._syntax, data, self.form, self.decoders)
        except HeldError as error:
            raise HeldError(error.code, error.message, f"frame {index}", error.hint) from error
        if decoded.checked:
            self._checked = True
        else:
            self._single = True
        if index == 0:
            self._photometric = decoded.photometric
        return Frame(decoded.pixels, decoded.photometric, bytearray())

    def _native(self, data: bytes, index: int) -> Frame:
        form = self.form
        if form.bits_allocated == 1:
            bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
            if bits.size < form.rows * form.columns:
                raise undecodable("a frame is incomplete", f"frame {index}")
            shaped = bits[: form.rows * form.columns].reshape(form.rows, form.columns, 1)
            return Frame(shaped.copy(), form.photometric, bytearray())
        shape = _native_shape(form)
        if len(data) != int(np.prod(shape)) * form.dtype.itemsize:
            raise undecodable("a frame is incomplete", f"frame {index}")
        buffer = bytearray(data)
        values = np.frombuffer(buffer, dtype=form.dtype)
        if self._swapped:
            # Bytes of 16-bit words in big endian order: a view that puts each pair right (PS3.5 8.1.1).
            buffer = bytearray(np.frombuffer(data, dtype=">u2").astype("<u2").tobytes())
            values = np.frombuffer(buffer, dtype=form.dtype)
        pixels = values.reshape(shape)
        if form.planar and form.samples > 1 and not form.subsampled:
            pixels = pixels.transpose(1, 2, 0)
        return Frame(pixels, form.photometric, buffer, paired=form.subsampled)

    def stored(self, frame: Frame) -> bytes:
        """A native frame back in the byte order of the file."""
        data = frame.native(self.form)
        return np.frombuffer(data, dtype="<u2").astype(">u2").tobytes() if self._swapped else data


def _native_shape(form: PixelForm) -> Sequence[int]:
    if form.subsampled:
        return (form.rows, form.columns // 2, 4)
    if form.planar and form.samples > 1:
        return (form.samples, form.rows, form.columns)
    return (form.rows, form.columns, form.samples)


def _swapped_bytes(layout: FileLayout, form: PixelForm) -> bool:
    """8-bit values in an OW element of a big endian file lie in swapped pairs."""
    native = layout.pixels is not None and not layout.pixels.encapsulated and layout.pixels.vr == "OW"
    if layout.little_endian or not native or form.bits_allocated != 8:
        return False
    if int(np.prod(_native_shape(form))) % 2:
        raise undecodable("big endian 8-bit frames of odd length")
    return True
