"""What stands beside the picture inside compressed frames: comments, files around it, bytes behind its end.

Scanners and converters write names, dates and software into JPEG COM and APPn and JPEG 2000 COM. They are no
pixels: a decoder gives the same values without them. Kept are only segments that say how to decode: JFIF's
APP0, Adobe's APP14 (the colour transform) and the APP8 of JPEG-LS colour transforms, cut to what they are.

What stays is what only decoding could tell from the picture: bits behind the last coefficient of a scan, and
tables that no scan uses.
"""

import zlib

from redact.pixels.codecs import (
    DEFLATED_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    JPEG_2000_FAMILY,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_FAMILY,
    JPEG_LS,
    JPEG_RETIRED,
    RLE,
    native_size,
)
from redact.pixels.codestream import bare_codestream, padding
from redact.pixels.form import PixelForm
from redact.pixels.markers import END, SCAN, jpeg_segments
from redact.pixels.run_lengths import bare_run_lengths

# Frame headers, tables, scans, restart intervals and lines; of JPEG-LS SOF55 and its parameters (T.87 C.1).
_DECODING = frozenset({*range(0xC0, 0xC8), *range(0xC9, 0xD0), SCAN, 0xDB, 0xDC, 0xDD, 0xF7, 0xF8})
# What says how to decode in application segments, and its length; JFIF's thumbnail is a picture nobody read.
_NEEDED_APPS = {0xE0: (b"JFIF\0", 14), 0xEE: (b"Adobe", 12), 0xE8: (b"mrfx", 5)}
_THUMBNAIL = 12  # of JFIF, where the thumbnail's size stands
_WAVELET = 13  # of COD, from its marker on
_LOSSY_JPEG = frozenset({JPEG_BASELINE, JPEG_EXTENDED, *JPEG_RETIRED})


def without_comments(frame: bytes, transfer_syntax_uid: str, form: PixelForm) -> bytes:
    """The frame with nothing beside its picture: no comment, no other segment, nothing behind its end.

    Zeros behind the end are padding and stay.

    Raises:
        ValueError: It is no frame of this transfer syntax and form.
    """
    if transfer_syntax_uid in JPEG_FAMILY:
        return _bare_jpeg(frame)
    if transfer_syntax_uid in JPEG_2000_FAMILY:
        return bare_codestream(frame)
    if transfer_syntax_uid == RLE:
        return bare_run_lengths(frame, form)
    if transfer_syntax_uid == DEFLATED_FRAME:
        return _bare_deflated(frame, native_size(form))
    if transfer_syntax_uid == ENCAPSULATED_UNCOMPRESSED:
        size = native_size(form)
        return frame[:size] + padding(frame, size)
    return frame


def is_irreversible(frame: bytes, transfer_syntax_uid: str) -> bool:
    """True when the frame was coded with loss: what its stream says, where the family can do both.

    JPEG-LS by its NEAR (T.87 C.2.3), JPEG 2000 by its wavelet (T.800 A.6.1), other JPEG by its process.
    """
    if transfer_syntax_uid in JPEG_2000_FAMILY:
        place = frame.find(b"\xff\x52")
        return place >= 0 and frame[place + _WAVELET : place + _WAVELET + 1] == b"\0"
    for marker, begin, _end in jpeg_segments(frame):
        if marker == SCAN and transfer_syntax_uid in JPEG_LS:
            near = begin + 5 + 2 * frame[begin + 4]
            return frame[near : near + 1] != b"\0"
    return transfer_syntax_uid in _LOSSY_JPEG


def _bare_jpeg(frame: bytes) -> bytes:
    if not frame.startswith(b"\xff\xd8"):
        raise ValueError("a JPEG frame does not begin as one")
    kept, end = [frame[:2]], 2
    for marker, begin, end in jpeg_segments(frame):
        if marker == END:
            return b"".join(kept) + frame[begin:end] + padding(frame, end)
        kept.append(frame[begin:end] if marker in _DECODING else _application(marker, frame[begin:end]))
    return b"".join(kept)  # cut off by its writer


def _application(marker: int, segment: bytes) -> bytes:
    """What has to stay of a segment of an application."""
    begins, length = _NEEDED_APPS.get(marker, (b"", 0))
    content = segment[4 : 4 + length]
    if not length or not content.startswith(begins) or len(content) < length:
        return b""
    if marker == 0xE0:
        content = content[:_THUMBNAIL] + b"\0\0"
    return segment[:2] + (length + 2).to_bytes(2, "big") + content


def deflated(native: bytes) -> bytes:
    """A frame's values as one raw deflate stream (RFC 1951)."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(native) + packer.flush()


def _bare_deflated(frame: bytes, size: int) -> bytes:
    """The stream up to its end; where more comes out of it than the picture, the picture deflated anew."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        native = inflater.decompress(frame, size + 2)
    except zlib.error as error:
        raise ValueError("a deflated frame is damaged") from error
    if not inflater.eof or native[size:] not in (b"", b"\0"):
        return deflated(native[:size])
    end = len(frame) - len(inflater.unused_data)
    return frame[:end] + padding(frame, end)
