"""Comments beside the picture inside compressed frames: JPEG COM and APPn, JPEG 2000 COM.

Scanners and converters write names, dates and software there. They are no pixels: a decoder gives the same
values without them. Kept are only segments that say how to decode: JFIF's APP0, Adobe's APP14 (the colour
transform) and the APP8 of JPEG-LS colour transforms.
"""

from collections.abc import Callable

from redact.pixels.codecs import (
    HTJ2K,
    JPEG_2000,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LS,
    JPEG_RETIRED,
)

_JPEG_FAMILY = frozenset({JPEG_BASELINE, JPEG_EXTENDED, *JPEG_LOSSLESS, *JPEG_LS, *JPEG_RETIRED})
_JPEG_2000_FAMILY = frozenset({*JPEG_2000, *HTJ2K})
_JPEG_SCAN, _JPEG_COMMENT = 0xDA, 0xFE
_J2K_TILE, _J2K_COMMENT = 0x90, 0x64
_NEEDED_APPS = {0xE0: b"JFIF\0", 0xEE: b"Adobe", 0xE8: b"mrfx"}
_LONGEST_JFIF = 16  # with a thumbnail it is longer, and a thumbnail is a picture that nobody read


def has_comments(frame: bytes, transfer_syntax_uid: str) -> bool:
    """True when `without_comments` would change the frame."""
    return len(without_comments(frame, transfer_syntax_uid)) != len(frame)


def without_comments(frame: bytes, transfer_syntax_uid: str) -> bytes:
    """The frame without comment and application segments; as it is when it is not of such a family."""
    if transfer_syntax_uid in _JPEG_FAMILY and frame[:2] == b"\xff\xd8":
        return _stripped(frame, _JPEG_SCAN, _is_jpeg_comment)
    if transfer_syntax_uid in _JPEG_2000_FAMILY and frame[:2] == b"\xff\x4f":
        return _stripped(frame, _J2K_TILE, lambda marker, _: marker == _J2K_COMMENT)
    return frame


def _is_jpeg_comment(marker: int, segment: bytes) -> bool:
    if marker == _JPEG_COMMENT:
        return True
    if not 0xE0 <= marker <= 0xEF:
        return False
    needed = _NEEDED_APPS.get(marker)
    if needed is None or not segment.startswith(needed):
        return True
    return marker == 0xE0 and len(segment) + 2 > _LONGEST_JFIF


def _stripped(frame: bytes, last: int, unwanted: Callable[[int, bytes], bool]) -> bytes:
    """Copy the marker segments before the coded data, but the unwanted ones, and the coded data as it is.

    A stream that does not parse is left as it is: the decoders have already said whether it is usable.
    """
    kept, position = [frame[:2]], 2
    while position + 4 <= len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == last:
            return b"".join((*kept, frame[position:]))
        end = position + 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
        if not unwanted(marker, frame[position + 4 : end]):
            kept.append(frame[position:end])
        position = end
    return frame
