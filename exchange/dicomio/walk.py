"""The structural walk: a linear, non-recursive tokenizer over one data set (PS3.5 sections 7.1 to 7.5, A.4).

Rules:
1. Every byte belongs to exactly one element, item or delimiter; nothing is skipped or searched for.
2. No element ends beyond what holds it. The file is the outermost holder.
3. The stack is a list of ours, bounded by `Limits.depth`; the number of steps by `Limits.elements`.
4. Runs of plain elements are passed over at a stride (`exchange.dicomio.runs`), under the same rules.
5. Where writers are known to switch to implicit VR (in an item, in one element), we follow as pydicom does,
   so that both readings agree.
"""

import struct
from collections.abc import Set
from dataclasses import dataclass, field
from enum import Enum, auto

from exchange.dicomio.filemeta import decode_uid
from exchange.dicomio.layout import DOUBLE_FLOAT_PIXEL_DATA, FLOAT_PIXEL_DATA, PIXEL_TAGS, PixelElement
from exchange.dicomio.limits import Limits
from exchange.dicomio.refusals import exceeded, not_dicom, truncated
from exchange.dicomio.runs import Allowance, explicit_run, implicit_run, sequence_tags
from exchange.dicomio.syntaxes import Encoding
from exchange.dicomio.window import Window
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError

UNDEFINED = 0xFFFFFFFF
_ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_DIRECTORY_RECORD_SEQUENCE = 0x00041220
_LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_BINARY_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW"})
_UIDS = frozenset({_SOP_CLASS_UID, _SOP_INSTANCE_UID})
_NOTHING: frozenset[int] = frozenset()
_CAPTURED = 64 * 1024  # bytes of one captured value; what is captured has at most 64 characters (PS3.5 6.2)


class _Kind(Enum):
    ELEMENTS = auto()  # a data set or an item: holds elements
    ITEMS = auto()  # a sequence: holds items
    FRAGMENTS = auto()  # an encapsulated value: holds fragments


@dataclass(slots=True)
class _Holder:
    """What is open.

    Attributes:
        start: Of its value.
        bound: Where it must have ended.
        closed_by: Its delimiter, 0 if it ends by length.
        undecided: Whether the first element may still switch the VR encoding.
    """

    kind: _Kind
    start: int
    bound: int
    closed_by: int
    implicit_vr: bool
    little_endian: bool
    undecided: bool = False
    fragments: list[tuple[int, int]] | None = None


@dataclass(slots=True)
class _OpenPixels:
    tag: int
    vr: str
    element_offset: int
    value_offset: int


@dataclass(frozen=True, slots=True)
class Captured:
    """A top-level element's VR as written (b"" for implicit VR) and its raw value."""

    vr: bytes
    value: bytes = field(repr=False)


@dataclass(slots=True)
class WalkResult:
    """What a walk found; offsets as in the stream that was walked.

    Attributes:
        sequence_ends: Of each top-level sequence of undefined length, first byte of its value to first byte
            behind its delimiter.
    """

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    pixels: PixelElement | None = None
    end_offset: int = 0
    implicit_vr: bool = False
    elements: int = 0
    header_bytes: int = 0
    sequence_ends: dict[int, int] = field(default_factory=dict, repr=False)
    recognised: bool = field(default=False)  # an element of group 0008 was seen
    captured: dict[int, Captured] = field(default_factory=dict, repr=False)


class Walk:
    """One walk over the data set in `[start, window.end)`."""

    def __init__(
        self, window: Window, start: int, encoding: Encoding, limits: Limits, capture: Set[int] = _NOTHING
    ) -> None:
        self._capture = capture
        self._stops = capture | _UIDS
        self.result = WalkResult(implicit_vr=encoding.implicit_vr)
        self._window = window
        self._limits = limits
        self._position = start
        self._pixels: _OpenPixels | None = None
        root = _Holder(
            _Kind.ELEMENTS, start, window.end, 0, encoding.implicit_vr, encoding.little_endian, undecided=True
        )
        self._stack = [root]

    def run(self) -> WalkResult:
        """Walk to the end.

        Raises:
            InputError: `truncated`, `limit-exceeded`, `group-0000`, `dicomdir` or `not-dicom`.
        """
        stack = self._stack
        while stack:
            holder = stack[-1]
            if self._position == holder.bound:
                self._close_by_length(holder)
            elif holder.kind is _Kind.ELEMENTS:
                self._element(holder)
            else:
                self._item(holder)
        return self.result

    def _close_by_length(self, holder: _Holder) -> None:
        if holder.closed_by:
            raise truncated("a sequence or item of undefined length is never closed")
        self._stack.pop()
        if not self._stack:
            self.result.end_offset = self._position

    def _count(self) -> None:
        self.result.elements += 1
        if self.result.elements > self._limits.elements:
            raise exceeded("the number of data elements", self._limits.elements)

    def _open(self, kind: _Kind, length: int, closed_by: int, parent: _Holder) -> _Holder:
        # Two levels of holders (sequence, item) are one level of nesting.
        if len(self._stack) > 2 * self._limits.depth:
            raise exceeded("the nesting of sequences", self._limits.depth)
        if length == UNDEFINED:
            bound = parent.bound
        else:
            bound, closed_by = self._position + length, 0
            if bound > parent.bound:
                raise truncated("a data element is longer than what holds it")
        holder = _Holder(kind, self._position, bound, closed_by, parent.implicit_vr, parent.little_endian)
        self._stack.append(holder)
        return holder

    def _take(self, holder: _Holder, offset: int, count: int) -> bytes:
        if offset + count > holder.bound:
            raise truncated("it ends inside the head of a data element")
        return self._window.take(offset, count)

    # Items and fragments

    def _item(self, holder: _Holder) -> None:
        head = self._take(holder, self._position, 8)
        group, element, length = struct.unpack("<HHL" if holder.little_endian else ">HHL", head)
        tag = group << 16 | element
        self._position += 8
        if tag == _SEQUENCE_END and holder.closed_by == _SEQUENCE_END:
            self._close_sequence(holder)
        elif tag != _ITEM:
            raise not_dicom("a sequence holds something that is no item")
        elif holder.kind is _Kind.FRAGMENTS:
            self._fragment(holder, length)
        else:
            self._count()
            item = self._open(_Kind.ELEMENTS, length, _ITEM_END, holder)
            item.undecided = not item.implicit_vr

    def _close_sequence(self, holder: _Holder) -> None:
        self._stack.pop()
        if len(self._stack) > 1:
            return
        if self._pixels is not None:
            self._finish_encapsulated(holder.fragments or [])
        else:
            self.result.sequence_ends[holder.start] = self._position

    def _fragment(self, holder: _Holder, length: int) -> None:
        self._count()
        if length == UNDEFINED or self._position + length > holder.bound:
            raise truncated("a fragment is longer than what holds it")
        if holder.fragments is not None:
            holder.fragments.append((self._position, length))
        else:
            self._weigh(length)
        self._position += length

    def _finish_encapsulated(self, items: list[tuple[int, int]]) -> None:
        opened = self._pixels
        if opened is None or not items:
            raise truncated("encapsulated pixel data without its offset table")
        self._pixels = None
        offset, length = items[0]
        if length % 4 or length > self._limits.element_bytes:
            raise not_dicom("the basic offset table has an impossible length")
        table = struct.unpack(f"<{length // 4}L", self._window.take(offset, length))
        self.result.pixels = PixelElement(
            tag=opened.tag,
            vr=opened.vr,
            element_offset=opened.element_offset,
            element_end=self._position,
            value_offset=opened.value_offset,
            value_length=self._position - 8 - opened.value_offset,
            encapsulated=True,
            fragments=tuple(items[1:]),
            offset_table=table,
        )

    # Elements

    def _run(self, holder: _Holder) -> None:
        """Pass over the plain elements that come next, as far as the window holds them."""
        at_root = len(self._stack) == 1
        if holder.undecided or not holder.little_endian or (at_root and not self.result.recognised):
            return
        buffer, base = self._window.held
        if not base <= self._position < base + len(buffer):
            return
        result, limits = self.result, self._limits
        allowed = Allowance(
            bound=holder.bound - base,
            elements=limits.elements - result.elements,
            element_bytes=limits.element_bytes,
            header_bytes=limits.header_bytes - result.header_bytes,
            stops=self._stops if at_root else _NOTHING,
        )
        run = implicit_run if holder.implicit_vr else explicit_run
        at, count, weight = run(buffer, self._position - base, allowed)
        self._position = at + base
        result.elements += count
        result.header_bytes += weight

    def _element(self, holder: _Holder) -> None:
        self._run(holder)
        if self._position == holder.bound:
            return
        self._count()
        start = self._position
        at_root = len(self._stack) == 1
        head = self._take_head(holder, at_root)
        if head is None:
            return
        if holder.undecided:
            self._decide(holder, head, at_root)
        group, element = struct.unpack("<HH" if holder.little_endian else ">HH", head[:4])
        tag = group << 16 | element
        if tag == _ITEM_END and holder.closed_by == _ITEM_END:
            self._position += 8
            self._stack.pop()
            return
        self._refuse_group(group, tag, at_root=at_root)
        vr, length = self._vr_and_length(holder, head)
        if at_root:
            self.result.recognised |= group == 0x0008
            if tag in PIXEL_TAGS:
                self._open_pixels(tag, vr, start, length)
                return
        self._value(holder, tag, vr, length)
        if at_root and tag in self._stops:
            self._remember(tag, vr, length)

    def _take_head(self, holder: _Holder, at_root: bool) -> bytes | None:  # noqa: FBT001
        """The first 8 bytes of an element, or None where only zero padding is left of the data set."""
        if at_root:
            left = holder.bound - self._position
            first = self._window.take(self._position, min(8, left))
            if first.count(0) == len(first) and self._window.only_zeros(self._position):
                self.result.end_offset = self._position
                self._stack.pop()
                return None
        return self._take(holder, self._position, 8)

    def _decide(self, holder: _Holder, head: bytes, at_root: bool) -> None:  # noqa: FBT001
        """Trust what the first element looks like rather than what was declared."""
        holder.undecided = False
        found_implicit = not (0x40 < head[4] < 0x5B and 0x40 < head[5] < 0x5B)
        if head[:2] == (b"\xfe\xff" if holder.little_endian else b"\xff\xfe"):
            return  # a delimiter has no VR
        holder.implicit_vr = found_implicit
        if at_root:
            self.result.implicit_vr = found_implicit

    def _refuse_group(self, group: int, tag: int, *, at_root: bool) -> None:
        if group == 0x0000:
            raise InputError(
                ReasonCode.GROUP_0000,
                "cannot accept the data set: it holds command elements (group 0000)",
                "have the sender remove them; they belong to messages only (PS3.7 6.3)",
            )
        if group == 0xFFFE:
            raise not_dicom("a delimiter stands where a data element should")
        if group == 0x0002:
            raise not_dicom("file meta elements stand inside the data set")
        if at_root and tag == _DIRECTORY_RECORD_SEQUENCE:
            raise dicomdir()

    def _vr_and_length(self, holder: _Holder, head: bytes) -> tuple[bytes, int]:
        """VR (b"" when implicit) and length; moves to the start of the value."""
        order = "<" if holder.little_endian else ">"
        vr = head[4:6]
        self._position += 8
        if not holder.implicit_vr:
            if vr in _LONG_VRS:
                length = struct.unpack(order + "L", self._take(holder, self._position, 4))[0]
                self._position += 4
                return vr, length
            if b"AA" <= vr <= b"ZZ":
                return vr, struct.unpack(order + "H", head[6:8])[0]
        return b"", struct.unpack(order + "L", head[4:8])[0]

    def _value(self, holder: _Holder, tag: int, vr: bytes, length: int) -> None:
        is_sequence = vr == b"SQ" or (vr in (b"", b"UN") and tag in sequence_tags())
        if length == UNDEFINED:
            kind = _Kind.FRAGMENTS if self._is_fragments(tag, vr) else _Kind.ITEMS
            self._open(kind, length, _SEQUENCE_END, holder)
        elif is_sequence:
            self._open(_Kind.ITEMS, length, 0, holder)
        else:
            if self._position + length > holder.bound:
                raise truncated("a data element is longer than what holds it")
            self._weigh(length)
            self._position += length

    def _is_fragments(self, tag: int, vr: bytes) -> bool:
        return vr in _BINARY_VRS or (not vr and tag in PIXEL_TAGS)

    def _weigh(self, length: int) -> None:
        if length > self._limits.element_bytes:
            raise exceeded("the value of one data element, in bytes,", self._limits.element_bytes)
        self.result.header_bytes += length
        if self.result.header_bytes > self._limits.header_bytes:
            raise exceeded("the header, in bytes,", self._limits.header_bytes)

    def _remember(self, tag: int, vr: bytes, length: int) -> None:
        if tag in _UIDS:
            self._remember_uid(tag, length)
        if tag in self._capture:
            # As pydicom has it, the last of several elements with one tag counts.
            self.result.captured.pop(tag, None)
            if length != UNDEFINED and vr != b"SQ":
                value = self._window.take(self._position - length, min(length, _CAPTURED))
                self.result.captured[tag] = Captured(vr, value)

    def _remember_uid(self, tag: int, length: int) -> None:
        if length == UNDEFINED or length > self._limits.uid_bytes:
            raise exceeded("the length of a SOP UID, in bytes,", self._limits.uid_bytes)
        value = decode_uid(self._window.take(self._position - length, length))
        if tag == _SOP_CLASS_UID:
            self.result.sop_class_uid = value
        else:
            self.result.sop_instance_uid = value

    def _open_pixels(self, tag: int, vr: bytes, start: int, length: int) -> None:
        if self.result.pixels is not None:
            raise not_dicom("it holds more than one pixel data element")
        implied = {FLOAT_PIXEL_DATA: "OF", DOUBLE_FLOAT_PIXEL_DATA: "OD"}.get(tag, "OW")
        name = vr.decode("ascii") if vr else implied
        root = self._stack[0]
        if length == UNDEFINED:
            self._pixels = _OpenPixels(tag, name, start, self._position)
            self._open(_Kind.FRAGMENTS, length, _SEQUENCE_END, root).fragments = []
            return
        end = self._position + length
        if end > root.bound:
            raise truncated("the pixel data is longer than the file")
        self.result.pixels = PixelElement(tag, name, start, end, self._position, length, encapsulated=False)
        self._position = end


def dicomdir() -> InputError:
    """A media directory is no SOP instance that could be exchanged."""
    return InputError(
        ReasonCode.DICOMDIR,
        "cannot accept a DICOMDIR: it is a directory of other files",
        "send the files that it lists",
    )
