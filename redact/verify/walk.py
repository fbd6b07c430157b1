"""A second, independent reader of encoded data sets (PS3.5 section 7): where every element's bytes lie.

The proof must not trust the code that cleaned or wrote the file, so it does not read it back through the same
parser. This walk is iterative (nesting costs heap, never stack), linear, and yields positions instead of
values.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from mmap import mmap
from struct import Struct

from pydicom.datadict import dictionary_VR

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError

Buffer = bytes | mmap | memoryview

UNDEFINED = 0xFFFFFFFF
MAX_DEPTH = 64
MAX_ELEMENTS = 1_000_000

_ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
SPECIFIC_CHARACTER_SET = 0x00080005
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_VRS = _LONG_VRS | frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL"}
    | {b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a data set is encoded: byte order, and whether VRs are written (PS3.5 section 10)."""

    explicit: bool
    little_endian: bool


EXPLICIT_LITTLE = Syntax(explicit=True, little_endian=True)
IMPLICIT_LITTLE = Syntax(explicit=False, little_endian=True)


@dataclass(frozen=True, slots=True)
class Element:
    """One element's place in the bytes.

    Attributes:
        path: e.g. `(0040,A730)[2].(0040,A160)`; items count from 0.
        header: Offset of the tag.
        start: Offset of the value's first byte.
        end: Offset after the value's last byte; of a sequence, `start` (its content follows as elements).
        charset: Specific Character Set in force where the element stands, as encoded (b"" if none).
        depth: 0 for elements of the data set itself.
    """

    path: str
    tag: int
    vr: str
    header: int
    start: int
    end: int
    charset: bytes
    depth: int

    @property
    def is_private(self) -> bool:
        """Whether the group is odd (PS3.5 section 7.8)."""
        return bool(self.tag >> 16 & 1)

    @property
    def is_pixels(self) -> bool:
        """Whether this is Float, Double Float or Pixel Data, at any depth (icons too)."""
        return self.tag in PIXEL_TAGS


@lru_cache(maxsize=8192)
def tag_text(tag: int) -> str:
    """A tag as people write it."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def unreadable(path: str, why: str) -> HeldError:
    """The hold for bytes that do not parse: what cannot be read cannot be proved."""
    return HeldError(
        ReasonCode.PROOF_IOD,
        f"cannot re-read the cleaned file: {why}",
        path,
        "hold the instance and report the defect: the writer produced invalid bytes",
    )


@lru_cache(maxsize=8192)
def implicit_vr(tag: int) -> str:
    """The VR of an element in Implicit VR Little Endian: the dictionary's, else UN (PS3.5 section 6.2.2)."""
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1:
        return "LO" if 0x10 <= (tag & 0xFFFF) <= 0xFF else "UN"
    try:
        return dictionary_VR(tag)[:2]
    except KeyError:
        return "UN"


@dataclass(slots=True)
class _Frame:
    """A data set (`items` False) or a sequence (`items` True) that is being read."""

    end: int
    delimited: bool
    items: bool
    prefix: str
    charset: bytes
    syntax: Syntax
    index: int = 0


class Walk:
    """One pass over `buffer[start:end]`; iterate it once.

    Args:
        buffer: The (inflated) file.
        start: Offset of the first element.
        end: Offset after the last byte that belongs to the data set.
        syntax: How it is encoded.

    Raises:
        HeldError: PROOF_IOD with the path at which the bytes stop making sense.
    """

    def __init__(self, buffer: Buffer, start: int, end: int, syntax: Syntax) -> None:
        self._buffer = buffer
        self._position = start
        self._end = end
        self._count = 0
        self._stack = [_Frame(end, False, False, "", b"", syntax)]
        self._readers = {
            True: (Struct("<HH"), Struct("<H"), Struct("<I")),
            False: (Struct(">HH"), Struct(">H"), Struct(">I")),
        }

    def __iter__(self) -> Iterator[Element]:
        """Yield every element in file order, sequences before their content."""
        while self.more:
            yield from self.stretch()

    @property
    def more(self) -> bool:
        """Whether the data set goes on after what was read of it."""
        if self._position > self._end:
            raise unreadable("", "an element runs past the end of its container")
        return self._position < self._end

    @property
    def position(self) -> int:
        """Offset of what is read next."""
        return self._position

    @property
    def end(self) -> int:
        """Offset after the last byte that belongs to the data set."""
        return self._end

    @property
    def charset(self) -> bytes:
        """Specific Character Set in force in the data set itself, as encoded."""
        return self._stack[0].charset

    def stretch(self) -> Iterator[Element]:
        """Yield the next element of the data set itself, and after it everything that is in it.

        Take all of it before anything else is asked of the walk.
        """
        stack = self._stack
        yield self._element(stack[0])
        while len(stack) > 1:
            frame = stack[-1]
            if self._position >= frame.end:
                self._close(frame)
            elif frame.items:
                self._enter_item(frame)
            elif not self._item_ends(frame):
                yield self._element(frame)

    def tag_ahead(self) -> int:
        """Tag of the next element of the data set itself."""
        return self._tag(self._stack[0].syntax)

    def skip(self, end: int, elements: int) -> bool:
        """Pass over what is known to be so many elements, up to an offset; unless that exceeds the limit."""
        if self._count + elements > MAX_ELEMENTS:
            return False
        self._count += elements
        self._position = end
        return True

    def _close(self, frame: _Frame) -> None:
        if self._position > frame.end:
            raise unreadable(frame.prefix, "an element runs past the end of its container")
        if frame.delimited:
            raise unreadable(frame.prefix, "a sequence or item is not closed")
        self._stack.pop()

    def _push(self, frame: _Frame) -> None:
        if len(self._stack) > 2 * MAX_DEPTH:
            raise unreadable("", "nesting deeper than the limit")
        self._stack.append(frame)

    def _tag(self, syntax: Syntax) -> int:
        if self._position + 8 > self._end:
            raise unreadable("", "an element header is cut off")
        group, element = self._readers[syntax.little_endian][0].unpack_from(self._buffer, self._position)
        return int(group) << 16 | int(element)

    def _u32(self, offset: int, syntax: Syntax) -> int:
        if offset + 4 > self._end:
            raise unreadable("", "an element header is cut off")
        return int(self._readers[syntax.little_endian][2].unpack_from(self._buffer, offset)[0])

    def _enter_item(self, sequence: _Frame) -> None:
        tag = self._tag(sequence.syntax)
        length = self._u32(self._position + 4, sequence.syntax)
        self._position += 8
        if tag == _SEQUENCE_END and sequence.delimited:
            self._stack.pop()
            return
        if tag != _ITEM:
            raise unreadable(sequence.prefix, "something other than an item stands in a sequence")
        delimited = length == UNDEFINED
        end = sequence.end if delimited else self._position + length
        if end > sequence.end:
            raise unreadable(sequence.prefix, "an item is longer than its sequence")
        prefix = f"{sequence.prefix}[{sequence.index}]."
        sequence.index += 1
        self._push(_Frame(end, delimited, False, prefix, sequence.charset, sequence.syntax))

    def _item_ends(self, frame: _Frame) -> bool:
        """Whether the item's delimiter comes next; goes past it, if so."""
        if not frame.delimited or self._tag(frame.syntax) != _ITEM_END:
            return False
        self._position += 8
        self._stack.pop()
        return True

    def _element(self, frame: _Frame) -> Element:
        header = self._position
        tag = self._tag(frame.syntax)
        path = frame.prefix + tag_text(tag)
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise unreadable(path, "more elements than the limit")
        vr, start, length = self._header(tag, path, frame.syntax)
        if vr == "SQ" or (length == UNDEFINED and tag not in PIXEL_TAGS):
            return self._sequence(frame, (path, tag, vr, header, start, length))
        end = self._fragments_end(start, path, frame.syntax) if length == UNDEFINED else start + length
        if end > frame.end:
            raise unreadable(path, "a value is longer than what holds it")
        if tag == SPECIFIC_CHARACTER_SET:
            frame.charset = bytes(self._buffer[start:end])
        self._position = end
        return Element(path, tag, vr, header, start, end, frame.charset, self._depth())

    def _depth(self) -> int:
        return (len(self._stack) - 1) // 2

    def _header(self, tag: int, path: str, syntax: Syntax) -> tuple[str, int, int]:
        """VR, offset of the value and its length (PS3.5 section 7.1)."""
        at = self._position
        if not syntax.explicit:
            return implicit_vr(tag), at + 8, self._u32(at + 4, syntax)
        vr = bytes(self._buffer[at + 4 : at + 6])
        if vr not in _VRS:
            raise unreadable(path, "an element has no known VR")
        if vr in _LONG_VRS:
            return vr.decode("ascii"), at + 12, self._u32(at + 8, syntax)
        short = self._readers[syntax.little_endian][1].unpack_from(self._buffer, at + 6)[0]
        return vr.decode("ascii"), at + 8, int(short)

    def _sequence(self, frame: _Frame, head: tuple[str, int, str, int, int, int]) -> Element:
        path, tag, vr, header, start, length = head
        # UN of undefined length holds a sequence in Implicit VR Little Endian (PS3.5 section 6.2.2 note 2)
        syntax = IMPLICIT_LITTLE if vr == "UN" and frame.syntax.explicit else frame.syntax
        delimited = length == UNDEFINED
        end = frame.end if delimited else start + length
        if end > frame.end:
            raise unreadable(path, "a sequence is longer than what holds it")
        self._position = start
        element = Element(path, tag, "SQ", header, start, start, frame.charset, self._depth())
        self._push(_Frame(end, delimited, True, path, frame.charset, syntax))
        return element

    def _fragments_end(self, start: int, path: str, syntax: Syntax) -> int:
        """Offset after the sequence delimiter of encapsulated pixel data (PS3.5 section A.4)."""
        self._position = start
        while True:
            tag = self._tag(syntax)
            length = self._u32(self._position + 4, syntax)
            self._position += 8
            if tag == _SEQUENCE_END:
                return self._position
            if tag != _ITEM or length == UNDEFINED or self._position + length > self._end:
                raise unreadable(path, "an encapsulated fragment is malformed")
            self._position += length
