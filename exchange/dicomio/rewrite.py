"""`rewrite`: one encoded element with values in it exchanged, at any depth, and every other byte as it was.

The nested counterpart of `Splice`: what is not exchanged is copied, and only the lengths of what holds an
exchanged value are written anew. Strict: where writers switch the encoding inside a sequence, nothing is
guessed and the element is refused.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pydicom.datadict import dictionary_has_tag, dictionary_VR

from exchange.dicomio.layout import PIXEL_TAGS
from exchange.dicomio.limits import Limits
from exchange.dicomio.refusals import exceeded, not_dicom, truncated
from exchange.dicomio.syntaxes import Encoding
from exchange.dicomio.walk import UNDEFINED

_ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
_CHARACTER_SET = 0x00080005
_LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
_LONGEST_SHORT = 0xFFFE  # bytes of a value whose length is written in two bytes, and even
_DEFAULTS = Limits()


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it is encoded, and where it stands.

    Attributes:
        path: e.g. `(0040,A730)[2].(0040,A160)`; items count from 0.
        vr: As written; the dictionary's where the file gives none or UN.
        charset: SpecificCharacterSet in force where it stands, as encoded.
        content: With its padding.
    """

    path: str
    tag: int
    vr: str
    charset: bytes
    content: bytes = field(repr=False)


Change = Callable[[Value], bytes | None]
"""The new content, padded or not, or None where it stays as it is."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """What is in force where an element stands."""

    prefix: str
    charset: bytes
    implicit_vr: bool
    order: str
    depth: int


@dataclass(frozen=True, slots=True)
class _Head:
    """An element's head; `vr` as written, "" for implicit VR."""

    tag: int
    vr: str
    length: int
    start: int
    content: int


def rewrite(
    raw: bytes, encoding: Encoding, charset: bytes, change: Change, limits: Limits = _DEFAULTS
) -> bytes:
    """Ask `change` of every value in an element, sequences inside out, and write what it says.

    Args:
        raw: One element, head included; `raw` itself comes back where nothing changes.
        encoding: Of the data set.
        charset: The data set's SpecificCharacterSet, as encoded.
        change: Not asked of sequences and of fragments (PS3.5 A.4).
        limits: How deep sequences may nest.

    Raises:
        InputError: `not-dicom`, `truncated` or `limit-exceeded`: it is not encoded as PS3.5 7 says, or a new
            value does not fit its element.
    """
    order = "<" if encoding.little_endian else ">"
    scope = _Scope("", charset, encoding.implicit_vr, order, 0)
    new, end = _Rewriter(raw, change, limits).element(0, len(raw), scope)
    if end != len(raw):
        raise not_dicom("an element is shorter than its place")
    return new


class _Rewriter:
    def __init__(self, raw: bytes, change: Change, limits: Limits) -> None:
        self._raw = raw
        self._change = change
        self._limits = limits

    def element(self, at: int, end: int, scope: _Scope) -> tuple[bytes, int]:
        """The element at `at` as it is to be, and where the next one stands."""
        head = self._head(at, end, scope)
        if head.length == UNDEFINED and self._is_fragments(head):
            after = self._after_fragments(head.content, end, scope.order)
            return self._raw[at:after], after
        if head.vr == "SQ" or head.length == UNDEFINED or (not head.vr and _dictionary_vr(head.tag) == "SQ"):
            return self._sequence(head, end, scope)
        after = head.content + head.length
        if after > end:
            raise truncated("a data element is longer than what holds it")
        content = self._raw[head.content : after]
        vr = head.vr if head.vr not in {"", "UN"} else _dictionary_vr(head.tag)
        new = self._change(Value(_path(scope, head.tag), head.tag, vr, scope.charset, content))
        if new is None or new == content:
            return self._raw[at:after], after
        padding = (b"\0" if vr == "UI" else b" ") * (len(new) % 2)
        return self._with_length(head, len(new + padding), scope.order) + new + padding, after

    def _sequence(self, head: _Head, end: int, scope: _Scope) -> tuple[bytes, int]:
        if scope.depth >= self._limits.depth:
            raise exceeded("the nesting of sequences", self._limits.depth)
        delimited = head.length == UNDEFINED
        bound = end if delimited else head.content + head.length
        if bound > end:
            raise truncated("a sequence is longer than what holds it")
        # UN of undefined length holds items in implicit VR little endian (PS3.5 6.2.2 note 2).
        unknown = head.vr == "UN"
        inner = replace(
            scope,
            prefix=_path(scope, head.tag),
            implicit_vr=scope.implicit_vr or unknown,
            order="<" if unknown else scope.order,
            depth=scope.depth + 1,
        )
        items, after = self._items(head.content, bound, inner, delimited=delimited)
        if items == self._raw[head.content : after]:
            return self._raw[head.start : after], after
        length = UNDEFINED if delimited else len(items)
        return self._with_length(head, length, scope.order) + items, after

    def _items(self, at: int, end: int, scope: _Scope, *, delimited: bool) -> tuple[bytes, int]:
        """The items of a sequence, its delimiter included."""
        parts: list[bytes] = []
        while at < end:
            tag, length = self._item_head(at, end, scope.order)
            if tag == _SEQUENCE_END and delimited:
                parts.append(self._raw[at : at + 8])
                return b"".join(parts), at + 8
            if tag != _ITEM:
                raise not_dicom("a sequence holds something that is no item")
            item, after = self._item(at, length, end, replace(scope, prefix=f"{scope.prefix}[{len(parts)}]."))
            parts.append(item)
            at = after
        if delimited:
            raise truncated("a sequence of undefined length is never closed")
        return b"".join(parts), at

    def _item(self, at: int, length: int, end: int, scope: _Scope) -> tuple[bytes, int]:
        delimited = length == UNDEFINED
        bound = end if delimited else at + 8 + length
        if bound > end:
            raise truncated("an item is longer than its sequence")
        parts: list[bytes] = []
        position = at + 8
        while position < bound:
            if delimited and self._item_head(position, bound, scope.order)[0] == _ITEM_END:
                parts.append(self._raw[position : position + 8])
                return self._raw[at : at + 8] + b"".join(parts), position + 8
            new, after = self.element(position, bound, scope)
            if self._head(position, bound, scope).tag == _CHARACTER_SET:
                head = self._head(position, bound, scope)
                scope = replace(scope, charset=self._raw[head.content : after])
            parts.append(new)
            position = after
        if delimited:
            raise truncated("an item of undefined length is never closed")
        content = b"".join(parts)
        tag = self._raw[at : at + 4]
        return tag + struct.pack(scope.order + "L", len(content)) + content, position

    def _head(self, at: int, end: int, scope: _Scope) -> _Head:
        if at + 8 > end:
            raise truncated("it ends inside the head of a data element")
        group, element = struct.unpack_from(scope.order + "HH", self._raw, at)
        tag = group << 16 | element
        if scope.implicit_vr:
            (length,) = struct.unpack_from(scope.order + "L", self._raw, at + 4)
            return _Head(tag, "", length, at, at + 8)
        vr = self._raw[at + 4 : at + 6]
        if not b"AA" <= vr <= b"ZZ":
            raise not_dicom("an element among others with a VR has none")
        if vr not in _LONG_VRS:
            (length,) = struct.unpack_from(scope.order + "H", self._raw, at + 6)
            return _Head(tag, vr.decode("ascii", "replace"), length, at, at + 8)
        if at + 12 > end:
            raise truncated("it ends inside the head of a data element")
        (length,) = struct.unpack_from(scope.order + "L", self._raw, at + 8)
        return _Head(tag, vr.decode("ascii"), length, at, at + 12)

    def _with_length(self, head: _Head, length: int, order: str) -> bytes:
        raw = self._raw[head.start : head.content]
        if head.vr and head.content - head.start == 8:
            if length > _LONGEST_SHORT:
                raise exceeded("the length of a value, in bytes,", _LONGEST_SHORT)
            return raw[:-2] + struct.pack(order + "H", length)
        return raw[:-4] + struct.pack(order + "L", length)

    def _item_head(self, at: int, end: int, order: str) -> tuple[int, int]:
        if at + 8 > end:
            raise truncated("it ends inside the head of an item")
        group, element, length = struct.unpack_from(order + "HHL", self._raw, at)
        return group << 16 | element, length

    def _is_fragments(self, head: _Head) -> bool:
        return head.vr in _BINARY_VRS or (not head.vr and head.tag in PIXEL_TAGS)

    def _after_fragments(self, at: int, end: int, order: str) -> int:
        while True:
            tag, length = self._item_head(at, end, order)
            at += 8
            if tag == _SEQUENCE_END:
                return at
            if tag != _ITEM or length == UNDEFINED or at + length > end:
                raise truncated("a fragment is longer than what holds it")
            at += length


def _path(scope: _Scope, tag: int) -> str:
    return f"{scope.prefix}({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _dictionary_vr(tag: int) -> str:
    """The VR that PS3.6 gives a tag; UN for what it does not know."""
    return dictionary_VR(tag)[:2] if dictionary_has_tag(tag) else "UN"
