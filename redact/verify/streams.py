"""The frames of a cleaned file as bytes: each is its picture, and nothing else.

What a reader sees of a frame says nothing of what stands beside the picture in its bytes. This reads the
bytes by the grammar of each compression, apart from the code that took such things out, and lets nothing pass
that the grammar does not need: no comment, no application's segment, no file around it, nothing behind it.
"""

import re
import zlib
from struct import unpack_from

from pydicom.dataset import Dataset

from exchange.dicomio.frames import FrameSource
from exchange.dicomio.layout import FileLayout
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError, InputError
from redact.pixels.codecs import (
    DEFLATED_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    JPEG_2000_FAMILY,
    JPEG_FAMILY,
    RLE,
    native_size,
)
from redact.pixels.form import PixelForm, read_form

_BEHIND_SCAN = re.compile(rb"\xff(?:[\x80-\xcf]|[\xd8-\xfe])")
_END = 0xD9
_APPS = {0xE0: (b"JFIF\0", 16), 0xEE: (b"Adobe", 14), 0xE8: (b"mrfx", 7)}  # what stands there, and how long
_TABLES = frozenset({*range(0xC0, 0xD0), 0xDA, 0xDB, 0xDC, 0xDD, 0xF7, 0xF8}) - {0xC8}
_J2K_SEGMENTS = frozenset({*range(0x50, 0x62), 0x63})  # 0x64 is the comment


def check_streams(layout: FileLayout, header: Dataset) -> None:
    """Let pass pixel data that is frames of its transfer syntax, and nothing but them.

    Args:
        layout: Of the cleaned file.
        header: Of the cleaned file.

    Raises:
        HeldError: PROOF_TEXT, with the frame that holds something else.
    """
    if layout.pixels is None:
        return
    try:
        with FrameSource(layout.source, layout, header) as frames:
            if frames.surplus:
                raise _held("bytes that are in no frame", "(7FE0,0010)")
            if layout.pixels.encapsulated:
                form = read_form(layout, header)
                for index in range(frames.count):
                    _check(frames.encoded(index), layout.transfer_syntax_uid, form, f"frame {index}")
    except InputError as error:
        raise _held("frames that cannot be told apart", "(7FE0,0010)") from error


def _check(frame: bytes, syntax: str, form: PixelForm, path: str) -> None:
    try:
        if syntax in JPEG_FAMILY:
            end = _end_of_jpeg(frame)
        elif syntax in JPEG_2000_FAMILY:
            end = _end_of_codestream(frame)
        elif syntax == RLE:
            end = _end_of_run_lengths(frame, form)
        elif syntax == DEFLATED_FRAME:
            end = _end_of_deflated(frame, native_size(form))
        else:
            end = native_size(form) if syntax == ENCAPSULATED_UNCOMPRESSED else len(frame)
    except (IndexError, ValueError, zlib.error) as error:
        raise _held("a frame that holds more than its picture", path) from error
    if any(frame[end:]):
        raise _held("a frame with something behind its end", path)


def _end_of_jpeg(frame: bytes) -> int:
    """SOI, then segments and scans one directly behind the other, then EOI (T.81 B.2.1); else ValueError."""
    _expect(frame[:2] == b"\xff\xd8")
    at = 2
    while at < len(frame):
        _expect(frame[at] == 0xFF)
        marker = frame[at + 1]
        if marker == _END:
            return at + 2
        length = int.from_bytes(frame[at + 2 : at + 4], "big")
        begins, fit = _APPS.get(marker, (b"", 0))
        _expect(marker in _TABLES or (fit == length and frame.startswith(begins, at + 4)))
        _expect(marker != 0xE0 or frame[at + 16 : at + 18] == b"\0\0")
        at += 2 + length
        if marker == 0xDA:
            behind = _BEHIND_SCAN.search(frame, at)
            at = behind.start() if behind else len(frame)
    return len(frame)


def _end_of_codestream(frame: bytes) -> int:
    """SOC, segments, tile-parts, EOC (T.800 A.3); else ValueError."""
    _expect(frame[:2] == b"\xff\x4f")
    at = _behind_segments(frame, 2, 0x90)
    while frame[at : at + 2] == b"\xff\x90":
        data = _behind_segments(frame, at + 12, 0x93)
        length = int.from_bytes(frame[at + 6 : at + 10], "big")
        ended = frame.find(b"\xff\xd9", data)
        at = at + length if length else ended if ended >= 0 else len(frame)
        _expect(data <= at <= len(frame))
    return at + 2 if frame[at : at + 2] == b"\xff\xd9" else at


def _behind_segments(frame: bytes, at: int, last: int) -> int:
    while frame[at + 1] != last:
        _expect(frame[at] == 0xFF and frame[at + 1] in _J2K_SEGMENTS)
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    _expect(frame[at] == 0xFF)
    return at


def _end_of_run_lengths(frame: bytes, form: PixelForm) -> int:
    """Segments whose runs are the pixels, one behind the other but for padding (G.3); else ValueError."""
    _expect(len(frame) >= 64)
    count, *starts = unpack_from("<16L", frame)
    _expect(0 < count <= 15 and not any(starts[count:]))
    pixels = form.rows * form.columns
    size = (pixels + 7) // 8 if form.bits_allocated == 1 else pixels
    at = 64
    for start in starts[:count]:
        _expect(at <= start and not frame[at:start].strip(b"\0\x80"))
        at, left = start, size
        while left > 0 and at < len(frame):
            control = frame[at]
            run = control + 1 if control < 128 else 257 - control if control > 128 else 0
            over = max(0, run - left)
            at += 1 + (run if control < 128 else run > 0)
            _expect(control > 128 or not any(frame[at - over : at] if over else b""))
            left -= run
    return len(frame) if not frame[at:].strip(b"\0\x80") else at


def _end_of_deflated(frame: bytes, size: int) -> int:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    native = inflater.decompress(frame, size + 2)
    _expect(inflater.eof and not any(native[size:]) and len(native) <= size + 1)
    return len(frame) - len(inflater.unused_data)


def _expect(holds: bool) -> None:  # noqa: FBT001 - reads as the condition that it checks
    if not holds:
        raise ValueError("not as the grammar has it")


def _held(what: str, path: str) -> HeldError:
    return HeldError(
        ReasonCode.PROOF_TEXT,
        f"cannot prove that the pixels name no one: there are {what}",
        path,
        "hold the instance and report the defect; a person may release it",
    )
