"""Frames of a file, one at a time, read by offset."""

import struct
import weakref
from contextlib import ExitStack
from typing import BinaryIO

from pydicom.dataset import Dataset

from exchange.dicomio.fragments import Span, frame_spans, undecodable
from exchange.dicomio.getters import integer, text
from exchange.dicomio.layout import DOUBLE_FLOAT_PIXEL_DATA, FLOAT_PIXEL_DATA, FileLayout, PixelElement
from exchange.dicomio.stream import open_offsets, pieces
from exchange.domain.source import Source


class FrameSource:
    """The frames of one file as they are encoded in it; never the whole file in memory.

    Not for use by two threads at once. The file stays open until `close`, the end of a `with` block, or the
    collection of this object.

    Attributes:
        count: Number of frames (NumberOfFrames, 1 when absent), 0 without pixel data.
        frame_length: Bytes of a native frame, rounded up for 1-bit; 0 when encapsulated.
        surplus: Bytes of the value that are in no frame, padding to even length not counted (a native value
            behind its last frame, fragments that no frame has, an offset table that nobody reads): whoever
            copies the value copies them too.
    """

    def __init__(self, path: Source, layout: FileLayout, header: Dataset) -> None:
        """Open the file and find its frames.

        Args:
            path: The file (`layout.source`).
            layout: What `examine` found.
            header: What `read_header` gave.

        Raises:
            InputError: `undecodable-pixels`, the header does not fit the pixel data.
            OSError: The file cannot be read.
        """
        if path != layout.source:
            raise ValueError("cannot read frames: the layout is of another file")
        self._little_endian = layout.little_endian
        self._pixels = layout.pixels
        self._spans: tuple[tuple[Span, ...], ...] = ()
        self._frame_bits = 0
        self.count = integer(header, "NumberOfFrames", 1) or 1 if layout.pixels else 0
        self.surplus = 0
        with ExitStack() as opened:
            self._stream: BinaryIO = opened.enter_context(open_offsets(layout))
            if layout.pixels is not None:
                self._find(layout.pixels, header)
            self._close = weakref.finalize(self, opened.pop_all().close)
        self.frame_length = (self._frame_bits + 7) // 8

    def __enter__(self) -> "FrameSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; harmless when closed."""
        self._close()

    def encoded(self, index: int) -> bytes:
        """One frame as it is encoded.

        Native: its bytes in the byte order of the data set; a 1-bit frame starts at bit 0 of its first byte,
        least significant bit first, unused bits zero. Encapsulated: its fragments joined.

        Args:
            index: From 0.

        Raises:
            IndexError: There is no such frame.
            InputError: The file changed since it was examined.
        """
        if not 0 <= index < self.count or self._pixels is None:
            raise IndexError("no such frame")
        if self._pixels.encapsulated:
            return b"".join(self._read(offset, length) for offset, length in self._spans[index])
        if self._frame_bits % 8 == 0:
            return self._read(self._pixels.value_offset + index * self.frame_length, self.frame_length)
        return self._bits(self._pixels, index)

    def _find(self, pixels: PixelElement, header: Dataset) -> None:
        # Each frame needs at least one bit or one fragment; this bounds what a hostile count can cost.
        if not 0 < self.count <= 8 * max(pixels.value_length, 1):
            raise undecodable("NumberOfFrames is impossible")
        if pixels.encapsulated:
            extended = _extended_table(header)
            self._spans = frame_spans(pixels, self.count, extended, self._stream)
            # Beside an extended offset table the basic one shall be empty (PS3.5 A.4); nobody reads it then.
            self.surplus = _outside(pixels, self._spans) + (4 * len(pixels.offset_table) if extended else 0)
            return
        self._frame_bits = _frame_bits(pixels, header)
        needed = (self._frame_bits * self.count + 7) // 8
        if not self._frame_bits or needed > pixels.value_length:
            raise undecodable("the pixel data is shorter than its frames")
        self.surplus = pixels.value_length - needed - needed % 2 if pixels.value_length > needed else 0

    def _read(self, offset: int, length: int) -> bytes:
        return b"".join(pieces(self._stream, offset, length))

    def _bits(self, pixels: PixelElement, index: int) -> bytes:
        """A frame that may start inside a byte (PS3.5 8.1.1: frames of 1-bit pixels are packed)."""
        first, last = index * self._frame_bits, (index + 1) * self._frame_bits
        begin, end = first // 8, (last + 7) // 8
        swapped = not self._little_endian and pixels.vr == "OW"
        if swapped:  # whole words, to put their bytes into bit order
            begin, end = begin - begin % 2, end + end % 2
        raw = self._read(pixels.value_offset + begin, end - begin)
        if swapped:
            raw = b"".join(raw[at : at + 2][::-1] for at in range(0, len(raw), 2))
        packed = int.from_bytes(raw, "little") >> (first - begin * 8)
        return (packed & ((1 << self._frame_bits) - 1)).to_bytes(self.frame_length, "little")


def _outside(pixels: PixelElement, frames: tuple[tuple[Span, ...], ...]) -> int:
    """Bytes of fragments that are in no frame; one behind a frame's end is padding."""
    ends = {offset: length for frame in frames for offset, length in frame}
    left = (length - ends.get(offset, 0) for offset, length in pixels.fragments)
    return sum(bytes_left for bytes_left in left if bytes_left > 1)


def _extended_table(header: Dataset) -> list[Span]:
    offsets, lengths = header.get("ExtendedOffsetTable"), header.get("ExtendedOffsetTableLengths")
    if not isinstance(offsets, bytes) or not isinstance(lengths, bytes) or not offsets:
        return []
    if len(offsets) != len(lengths) or len(offsets) % 8:
        raise undecodable("the extended offset table has an impossible length")
    form = f"<{len(offsets) // 8}Q"
    return list(zip(struct.unpack(form, offsets), struct.unpack(form, lengths), strict=True))


def _frame_bits(pixels: PixelElement, header: Dataset) -> int:
    """Bits of one native frame (PS3.5 8.1, PS3.3 C.7.6.3.1.2 for YBR_FULL_422)."""
    allocated = {FLOAT_PIXEL_DATA: 32, DOUBLE_FLOAT_PIXEL_DATA: 64}.get(
        pixels.tag, integer(header, "BitsAllocated", 0)
    )
    size = integer(header, "Rows", 0) * integer(header, "Columns", 0)
    samples = integer(header, "SamplesPerPixel", 1)
    bits = size * samples * allocated
    if text(header, "PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits // 3 * 2
    return max(bits, 0)
