"""Which fragments make which frame (PS3.5 A.4): extended table, basic table, or by what must be so."""

from collections.abc import Sequence
from itertools import pairwise
from typing import BinaryIO

from exchange.dicomio.layout import PixelElement
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError

Span = tuple[int, int]  # (offset, length) of bytes in the stream of the layout
_END_OF_IMAGE = b"\xff\xd9"  # JPEG EOI, JPEG-LS EOI and JPEG 2000 EOC


def undecodable(why: str) -> InputError:
    """Pixel data whose frames cannot be told apart or do not fit the header."""
    return InputError(
        ReasonCode.UNDECODABLE_PIXELS, f"cannot read the frames: {why}", "have the sender repair the object"
    )


def frame_spans(
    pixels: PixelElement, count: int, extended: Sequence[Span], stream: BinaryIO
) -> tuple[tuple[Span, ...], ...]:
    """The fragments of each frame, in order.

    Args:
        pixels: Encapsulated pixel data.
        count: NumberOfFrames.
        extended: (offset, length) per frame of the extended offset table, empty when there is none.
        stream: Where the fragments lie; read only when their last bytes must decide.

    Raises:
        InputError: `undecodable-pixels`, no reading gives `count` frames.
    """
    fragments = pixels.fragments
    if extended:
        frames = _by_extended_table(fragments, extended)
    elif pixels.offset_table:
        frames = _by_basic_table(fragments, pixels.offset_table)
    elif count == 1 and fragments:
        frames = [fragments]
    elif len(fragments) == count:
        frames = [(fragment,) for fragment in fragments]
    else:
        frames = _by_marker(fragments, stream)
    if len(frames) != count:
        raise undecodable("their number is not NumberOfFrames")
    return tuple(frames)


def _starts(fragments: Sequence[Span]) -> dict[int, int]:
    """Offset of each fragment's item, counted from the first fragment's item, to its index."""
    first = fragments[0][0]
    return {offset - first: index for index, (offset, _) in enumerate(fragments)}


def _by_extended_table(fragments: Sequence[Span], table: Sequence[Span]) -> list[tuple[Span, ...]]:
    """Each frame is one fragment, perhaps without its padding (PS3.3 C.7.6.3.1.8)."""
    if not fragments:
        raise undecodable("there is no fragment")
    starts = _starts(fragments)
    frames: list[tuple[Span, ...]] = []
    for offset, length in table:
        index = starts.get(offset)
        if index is None or length > fragments[index][1]:
            raise undecodable("the extended offset table points elsewhere")
        frames.append(((fragments[index][0], length),))
    return frames


def _by_basic_table(fragments: Sequence[Span], table: Sequence[int]) -> list[tuple[Span, ...]]:
    if not fragments:
        raise undecodable("there is no fragment")
    starts = _starts(fragments)
    indexes = [starts.get(offset, -1) for offset in table]
    # Strictly ascending from the first fragment: every fragment belongs to exactly one frame.
    if indexes[0] != 0 or any(left >= right for left, right in pairwise(indexes)):
        raise undecodable("the basic offset table points elsewhere")
    ends = [*indexes[1:], len(fragments)]
    return [tuple(fragments[begin:end]) for begin, end in zip(indexes, ends, strict=True)]


def _by_marker(fragments: Sequence[Span], stream: BinaryIO) -> list[tuple[Span, ...]]:
    """A frame ends with the fragment whose last bytes hold an end-of-image marker."""
    frames: list[tuple[Span, ...]] = []
    frame: list[Span] = []
    for offset, length in fragments:
        frame.append((offset, length))
        tail = min(10, length)
        stream.seek(offset + length - tail)
        if _END_OF_IMAGE in stream.read(tail):
            frames.append(tuple(frame))
            frame = []
    if frame:
        raise undecodable("there is no offset table and the last frame has no end")
    return frames
