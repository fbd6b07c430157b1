"""What `write_instance` can put into the pixel data element."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from exchange.dicomio.layout import PIXEL_DATA, FileLayout
from exchange.dicomio.limits import MIB
from exchange.dicomio.refusals import truncated
from exchange.dicomio.stream import open_offsets, pieces

_ITEM = b"\xfe\xff\x00\xe0"
SEQUENCE_END = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"


class OffsetTable(Enum):
    """How a reader shall find the frames of encapsulated pixel data (PS3.5 A.4)."""

    NONE = auto()  # the basic offset table is there and empty
    BASIC = auto()  # 32-bit offsets; written as NONE where they do not fit
    EXTENDED = auto()  # 64-bit offsets in elements of their own; needs one fragment per frame


@dataclass(frozen=True, slots=True)
class NativePayload:
    """Uncompressed pixels.

    Attributes:
        vr: `OB`, `OW`, `OF` or `OD`.
        length: Bytes that `chunks` gives in total; padding to even length is added.
        chunks: The bytes, in the byte order of the transfer syntax written.
        tag: The pixel element.
    """

    vr: str
    length: int
    chunks: Iterable[bytes]
    tag: int = PIXEL_DATA


@dataclass(frozen=True, slots=True)
class EncapsulatedPayload:
    """Compressed frames, each a sequence of fragments; padding to even length is added to each fragment."""

    frames: Iterable[Sequence[bytes]]
    table: OffsetTable = OffsetTable.BASIC


@dataclass(frozen=True, slots=True)
class CopyPayload:
    """The pixel value of another file, byte for byte.

    Only where the transfer syntax written needs no other bytes: the same one, or any of the uncompressed
    ones. From big to little endian (and back) the bytes of each pixel are swapped, because the caller asked
    for it by the transfer syntax.
    """

    layout: FileLayout


PixelPayload = NativePayload | EncapsulatedPayload | CopyPayload


@dataclass(frozen=True, slots=True)
class PixelField:
    """A pixel value ready to be written.

    Attributes:
        tag: The pixel element.
        vr: Of it.
        length: Bytes of the value field without the sequence delimitation item; None when undefined.
        chunks: The value field, padding included, delimiter excluded.
        extended: (offsets, lengths) of an extended offset table to be written before it, or None.
        copied: True when the value is another file's, so that its extended offset table still holds.
    """

    tag: int
    vr: str
    length: int | None
    chunks: Iterable[bytes]
    extended: tuple[bytes, bytes] | None = None
    copied: bool = False


def native_field(payload: NativePayload) -> PixelField:
    """Uncompressed pixels, padded to even length."""
    return PixelField(payload.tag, payload.vr, payload.length + payload.length % 2, _padded(payload))


def _padded(payload: NativePayload) -> Iterator[bytes]:
    written = 0
    for chunk in payload.chunks:
        written += len(chunk)
        yield chunk
    if written != payload.length:
        raise truncated("the pixels given are not as long as they were said to be")
    if written % 2:
        yield b"\0"


def _swapped(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Reverse the bytes of each group of `size`, across chunk borders."""
    rest = b""
    for chunk in chunks:
        block = bytearray(rest + chunk)
        whole = len(block) - len(block) % size
        rest = bytes(block[whole:])
        del block[whole:]
        turned = bytearray(whole)
        for place in range(size):
            turned[place::size] = block[size - 1 - place :: size]
        yield bytes(turned)
    yield rest


@contextmanager
def copied_field(layout: FileLayout, swap: int) -> Iterator[PixelField]:
    """The pixel value of another file.

    Args:
        layout: Of that file; it has pixels.
        swap: Bytes of the groups whose order is reversed; 1 to copy as it is.
    """
    source = layout.pixels
    if source is None:
        raise ValueError("cannot copy pixels: the source has none")
    with open_offsets(layout) as stream:
        chunks: Iterator[bytes] = pieces(stream, source.value_offset, source.value_length)
        if swap > 1:
            chunks = _swapped(chunks, swap)
        length: int | None = None
        if not source.encapsulated:
            length = source.value_length + source.value_length % 2
            chunks = chain(chunks, (bytes(source.value_length % 2),))
        yield PixelField(source.tag, source.vr, length, chunks, copied=True)


@contextmanager
def encapsulated_field(payload: EncapsulatedPayload) -> Iterator[PixelField]:
    """Compressed frames as items behind an offset table.

    The fragments are staged (in memory while few): the table stands before them and needs their lengths.

    Raises:
        ValueError: An extended table was asked for and a frame has several fragments.
    """
    with SpooledTemporaryFile(max_size=64 * MIB) as spooled:
        stage = cast("BinaryIO", spooled)
        offsets: list[int] = []
        lengths: list[int] = []
        position = 0
        for fragments in payload.frames:
            if payload.table is OffsetTable.EXTENDED and len(fragments) != 1:
                raise ValueError("cannot write an extended offset table: a frame has several fragments")
            offsets.append(position)
            lengths.append(sum(map(len, fragments)))
            position += sum(_stage(stage, fragment) for fragment in fragments)
        table = b""
        if payload.table is OffsetTable.BASIC and position < 2**32:
            table = struct.pack(f"<{len(offsets)}L", *offsets)
        extended = None
        if payload.table is OffsetTable.EXTENDED:
            form = f"<{len(offsets)}Q"
            extended = (struct.pack(form, *offsets), struct.pack(form, *lengths))
        head = _ITEM + struct.pack("<L", len(table)) + table
        yield PixelField(PIXEL_DATA, "OB", None, chain((head,), pieces(stage, 0, position)), extended)


def _stage(stage: BinaryIO, fragment: bytes) -> int:
    padding = len(fragment) % 2
    stage.write(_ITEM + struct.pack("<L", len(fragment) + padding))
    stage.write(fragment)
    stage.write(b"\0" * padding)
    return 8 + len(fragment) + padding
