"""What RLE frames hold beside their segments (PS3.5 annex G): unused offsets, gaps, runs past the last pixel.

Decoders stop at the last pixel of a segment, so what lies behind it is shown by none.
"""

import struct

from redact.pixels.form import PixelForm

_HEADER = struct.Struct("<16L")  # number of segments, and their offsets
_MOST_SEGMENTS = 15
_NO_DATA = b"\0\x80"  # padding, and the run that is none


def bare_run_lengths(frame: bytes, form: PixelForm) -> bytes:
    """The frame with its pixels only; as it is where only padding stands beside them.

    Raises:
        ValueError: It is no RLE frame of this form.
    """
    offsets = _offsets(frame, form)
    size = form.rows * form.columns
    size = -(-size // 8) if form.bits_allocated == 1 else size
    segments, hides = [], any(frame[4 + 4 * len(offsets) : _HEADER.size])
    position = _HEADER.size
    for begin, limit in zip(offsets, [*offsets[1:], len(frame)], strict=True):
        hides |= _says_something(frame[position:begin])
        segment, position, cut = _segment(frame, begin, limit, size)
        segments.append(segment + b"\0" * (len(segment) % 2))
        hides |= cut
    if not hides and not _says_something(frame[position:]):
        return frame
    starts = [_HEADER.size]
    for segment in segments[:-1]:
        starts.append(starts[-1] + len(segment))
    unused = [0] * (_MOST_SEGMENTS - len(segments))
    return _HEADER.pack(len(segments), *starts, *unused) + b"".join(segments)


def _offsets(frame: bytes, form: PixelForm) -> list[int]:
    if len(frame) < _HEADER.size:
        raise ValueError("an RLE frame is too short")
    count, *offsets = _HEADER.unpack_from(frame)
    if count != form.samples * -(-form.bits_allocated // 8) or count > _MOST_SEGMENTS:
        raise ValueError("an RLE frame has another number of segments than its form")
    offsets = offsets[:count]
    if offsets != sorted(set(offsets)) or offsets[0] < _HEADER.size or offsets[-1] >= len(frame):
        raise ValueError("the segments of an RLE frame are not one behind the other")
    return offsets


def _segment(frame: bytes, begin: int, limit: int, size: int) -> tuple[bytes, int, bool]:
    """The runs of `size` bytes (G.3.2), where the last of them ends, and whether it was cut."""
    position, left, run = begin, size, begin
    while left > 0 and position < limit:
        run, control = position, frame[position]
        if control < 128:
            left -= control + 1
            position += control + 2
        elif control > 128:
            left -= 257 - control
            position += 2
        else:
            position += 1
    position = min(position, limit)
    if left < 0 and frame[run] < 128 and _says_something(frame[position + left : position]):
        return (
            frame[begin:run] + bytes([frame[run] + left]) + frame[run + 1 : position + left],
            position,
            True,
        )
    return frame[begin:position], position, False


def _says_something(data: bytes) -> bool:
    return bool(data.strip(_NO_DATA))
