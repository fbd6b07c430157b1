"""What stands beside the picture inside compressed frames: comments, and bytes behind its end.

Scanners and converters write names, dates and software into JPEG COM and APPn and JPEG 2000 COM. They are no
pixels: a decoder gives the same values without them. Kept are only segments that say how to decode: JFIF's
APP0, Adobe's APP14 (the colour transform) and the APP8 of JPEG-LS colour transforms.
"""

import zlib
from collections.abc import Callable

from redact.pixels.codecs import (
    DEFLATED_FRAME,
    HTJ2K,
    JPEG_2000,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LS,
    JPEG_RETIRED,
)
from redact.pixels.markers import END, SCAN, jpeg_segments

_JPEG_FAMILY = frozenset({JPEG_BASELINE, JPEG_EXTENDED, *JPEG_LOSSLESS, *JPEG_LS, *JPEG_RETIRED})
_JPEG_2000_FAMILY = frozenset({*JPEG_2000, *HTJ2K})
_JPEG_COMMENT = 0xFE
_J2K_TILE, _J2K_DATA, _J2K_COMMENT, _J2K_END = 0x90, 0x93, 0x64, b"\xff\xd9"
_J2K_TILE_LENGTHS = 0x55
_NEEDED_APPS = {0xE0: b"JFIF\0", 0xEE: b"Adobe", 0xE8: b"mrfx"}
_LONGEST_JFIF = 16  # with a thumbnail it is longer, and a thumbnail is a picture that nobody read
_TILE_HEADER = 12  # SOT with its marker
_WAVELET = 13  # of COD, from its marker on
_LOSSY_JPEG = frozenset({JPEG_BASELINE, JPEG_EXTENDED, *JPEG_RETIRED})
_INFLATED_AT_ONCE = 1 << 20


def has_comments(frame: bytes, transfer_syntax_uid: str) -> bool:
    """True when `without_comments` would change the frame."""
    return len(without_comments(frame, transfer_syntax_uid)) != len(frame)


def without_comments(frame: bytes, transfer_syntax_uid: str) -> bytes:
    """The frame without comment and application segments and what lies behind its end.

    As it is when it is not of such a family or does not parse: the decoders have already said whether it is
    usable. One zero byte behind the end is padding and stays.
    """
    if transfer_syntax_uid in _JPEG_FAMILY and frame[:2] == b"\xff\xd8":
        return _bare_jpeg(frame)
    if transfer_syntax_uid in _JPEG_2000_FAMILY and frame[:2] == b"\xff\x4f":
        return _bare_j2k(frame)
    if transfer_syntax_uid == DEFLATED_FRAME:
        return _bare_deflated(frame)
    return frame


def is_irreversible(frame: bytes, transfer_syntax_uid: str) -> bool:
    """True when the frame was coded with loss: what its stream says, where the family can do both.

    JPEG-LS by its NEAR (T.87 C.2.3), JPEG 2000 by its wavelet (T.800 A.6.1), other JPEG by its process.
    """
    if transfer_syntax_uid in _JPEG_2000_FAMILY:
        place = frame.find(b"\xff\x52")
        return place >= 0 and frame[place + _WAVELET : place + _WAVELET + 1] == b"\0"
    for marker, begin, _end in jpeg_segments(frame):
        if marker == SCAN and transfer_syntax_uid in JPEG_LS:
            near = begin + 5 + 2 * frame[begin + 4]
            return frame[near : near + 1] != b"\0"
    return transfer_syntax_uid in _LOSSY_JPEG


def _bare_jpeg(frame: bytes) -> bytes:
    kept, end = [frame[:2]], 2
    for marker, begin, end in jpeg_segments(frame):
        if not _is_jpeg_comment(marker, frame[begin + 4 : end]):
            kept.append(frame[begin:end])
        if marker == END:
            return b"".join(kept) + _padding(frame, end)
    return b"".join(kept) + frame[end:]


def _is_jpeg_comment(marker: int, segment: bytes) -> bool:
    if marker == _JPEG_COMMENT:
        return True
    if not 0xE0 <= marker <= 0xEF:
        return False
    needed = _NEEDED_APPS.get(marker)
    if needed is None or not segment.startswith(needed):
        return True
    return marker == 0xE0 and len(segment) + 2 > _LONGEST_JFIF


def _bare_j2k(frame: bytes) -> bytes:
    """Comments of the main header and of tile-parts (T.800 A.9.2), and what follows the end."""
    head, position, _ = _without(frame, 2, _J2K_TILE, _is_j2k_comment)
    tiles: list[bytes] = []
    shortened = False
    while frame[position : position + 2] == b"\xff\x90":
        length = int.from_bytes(frame[position + 6 : position + 10], "big")
        end = position + length if length else frame.rfind(_J2K_END)
        if not position + _TILE_HEADER <= end <= len(frame):
            return frame
        body, data, fewer = _without(frame[:end], position + _TILE_HEADER, _J2K_DATA, _is_j2k_comment)
        start = frame[position : position + 6]
        told = (length - fewer if length else 0).to_bytes(4, "big")
        tiles.append(start + told + frame[position + 10 : position + _TILE_HEADER] + body + frame[data:end])
        shortened = shortened or fewer > 0
        position = end
    if not tiles:
        return frame
    if shortened:  # lengths of tile-parts told in advance are optional, and now wrong
        head, _, _ = _without(head + b"\xff\x90", 0, _J2K_TILE, lambda marker, _: marker == _J2K_TILE_LENGTHS)
    if frame[position : position + 2] != _J2K_END:
        return frame[:2] + head + b"".join(tiles) + frame[position:]
    return frame[:2] + head + b"".join(tiles) + _J2K_END + _padding(frame, position + 2)


def _is_j2k_comment(marker: int, _segment: bytes) -> bool:
    return marker == _J2K_COMMENT


def _without(
    frame: bytes, position: int, last: int, unwanted: Callable[[int, bytes], bool]
) -> tuple[bytes, int, int]:
    """Segments from a position up to a marker without the unwanted ones; where it stands; bytes left out."""
    kept, fewer = [], 0
    while position + 4 <= len(frame) and frame[position] == 0xFF and frame[position + 1] != last:
        end = position + 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
        if unwanted(frame[position + 1], frame[position + 4 : end]):
            fewer += end - position
        else:
            kept.append(frame[position:end])
        position = end
    return b"".join(kept), position, fewer


def _bare_deflated(frame: bytes) -> bytes:
    inflater, rest = zlib.decompressobj(-zlib.MAX_WBITS), frame
    try:
        while rest and not inflater.eof:
            inflater.decompress(rest, _INFLATED_AT_ONCE)
            rest = inflater.unconsumed_tail
    except zlib.error:
        return frame
    end = len(frame) - len(inflater.unused_data)
    return frame[:end] + _padding(frame, end)


def _padding(frame: bytes, end: int) -> bytes:
    """The zero byte behind the end, where there is nothing else."""
    return frame[end:] if frame[end:] == b"\0" else b""
