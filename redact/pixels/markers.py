"""Marker segments of JPEG, JPEG-LS and JPEG 2000 (ITU-T T.81 annex B, T.87 annex C, T.800 annex A)."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

SCAN, END = 0xDA, 0xD9
_JFIF = 0xE0
_START = 0xD8
_FRAME_HEADERS = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xF7})  # SOF0-3 and SOF55 (JPEG-LS)
_J2K_START = b"\xff\x4f\xff\x51"  # SOC and SIZ
_SIZ = struct.Struct(">2H4L16xHB")  # length, capabilities; extent, offset of the image; components, depth
# A marker that is neither stuffing, nor a restart, nor a fill byte (T.81 B.1.1.5).
_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What a stream says of its own picture (T.81 B.2.2).

    Attributes:
        precision: Bits of a sample.
        rows: 0 where they are told behind the first scan.
    """

    precision: int
    rows: int
    columns: int
    components: int


def jpeg_segments(stream: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, begin and end of each segment behind SOI up to EOI; a scan has its coded data behind it.

    What is no segment is passed over, as decoders do.
    """
    position = 2
    while following := _MARKER.search(stream, position):
        position = following.start()
        marker = stream[position + 1]
        if marker == END:
            yield marker, position, position + 2
            return
        end = position + 2 + int.from_bytes(stream[position + 2 : position + 4], "big")
        if marker == SCAN:
            found = _MARKER.search(stream, end)
            end = found.start() if found else len(stream)
        yield marker, position, min(end, len(stream))
        position = end


def is_unbroken(stream: bytes) -> bool:
    """Whether segments follow each other from SOI to the first scan, each where the one before it ends.

    Readers skip what stands between (T.81 B.1.1.2 has only fill bytes there), or do not.
    """
    position = 2
    for marker, begin, end in jpeg_segments(stream):
        between = stream[position:begin].strip(b"\xff")
        if between or marker == _START or (marker == _JFIF and not _is_known_jfif(stream[begin:end])):
            return False
        if marker == SCAN:
            return stream[:2] == b"\xff\xd8"
        position = end
    return False


def _is_known_jfif(segment: bytes) -> bool:
    """APP0 that is not JFIF is passed over; of JFIF there is one major version."""
    return segment[4:9] != b"JFIF\0" or segment[9:10] == b"\1"


def frame_header(stream: bytes) -> FrameHeader:
    """The stream's first frame header.

    Raises:
        ValueError: There is none.
    """
    for marker, begin, end in jpeg_segments(stream):
        if marker in _FRAME_HEADERS and end - begin >= 10:
            content = stream[begin + 4 : end]
            rows, columns = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
            return FrameHeader(content[0], rows, columns, content[5])
    raise ValueError("the stream has no frame header")


def j2k_header(stream: bytes) -> FrameHeader:
    """What the SIZ segment of a JPEG 2000 codestream says (T.800 A.5.1).

    Raises:
        ValueError: There is none.
    """
    begin = stream.find(_J2K_START) + len(_J2K_START)
    if begin < len(_J2K_START) or begin + _SIZ.size > len(stream):
        raise ValueError("the stream has no size")
    _, _, right, bottom, left, top, components, depth = _SIZ.unpack_from(stream, begin)
    return FrameHeader((depth & 0x7F) + 1, bottom - top, right - left, components)
