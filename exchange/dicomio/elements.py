"""The top-level elements of a header as they were read, each content once for all headers of a study.

Most elements of a slice are those of the slice before, byte for byte. Here both get the same object, so that
whoever has worked out something about an element can remember it by that object.

Only what every reader reads alike is read here: explicit or implicit VR, little endian, tags in ascending
order, no undefined length but of a sequence. pydicom reads the others.
"""

import struct
from collections.abc import Mapping, Sequence

from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement, RawDataElement, empty_value_for_VR
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from exchange.dicomio.runs import sequence_tags
from exchange.dicomio.walk import UNDEFINED

_CHARACTER_SET = 0x00080005
_LONGEST_KNOWN = 4096  # bytes of a value
_MOST_KNOWN = 16_384
# VR as a file writes it and as pydicom calls it: those with a length of 2 bytes, and of 4 (PS3.5 7.1.2).
_SHORT_VRS = {
    vr.encode(): vr
    for vr in (
        "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST",
        "TM", "UI", "UL", "US",
    )
}  # fmt: skip
_LONG_VRS = {
    vr.encode(): vr for vr in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
}
_EXPLICIT = struct.Struct("<HH2sH")
_IMPLICIT = struct.Struct("<HHL")
_LENGTH = struct.Struct("<L")
_ITEM = b"\xfe\xff\x00\xe0"
_DELIMITER = 8

# Tag, VR ("" for implicit VR) and value as they stand in a file.
Found = tuple[int, str, bytes]
_Key = tuple[int, str, bytes | None, bytes | None, bytes]


class KnownElement(RawDataElement):
    """An element that stands for every element alike; compared by identity."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


class KnownElements:
    """The elements met in the headers of one study.

    Alike are elements of which everything that decides how they are read is the same: tag, VR, value,
    encoding, the data set's character set, and a private element's creator. Large ones are met anew each
    time. Holds values: as confidential as the headers.

    Attributes:
        converted: Those that pydicom converted without a warning, and without a VR that others had to give.
    """

    def __init__(self) -> None:
        self._of_encoding: dict[bool, dict[_Key, KnownElement]] = {False: {}, True: {}}
        self.converted: set[KnownElement] = set()
        self._count = 0

    def data_set(self, found: Sequence[Found], *, implicit_vr: bool) -> Dataset:
        """A data set of these elements, in ascending order of tags, none of them converted."""
        known = self._of_encoding[implicit_vr]
        character_set: bytes | None = None
        creators: dict[int, bytes] = {}
        elements: dict[BaseTag, DataElement | RawDataElement] = {}
        for tag, vr, value in found:
            creator = None
            if tag >> 16 & 1:
                if tag & 0xFFFF <= 0xFF:
                    creators[tag] = value
                else:
                    creator = creators.get(tag >> 16 << 16 | tag >> 8 & 0xFF)
            elif tag == _CHARACTER_SET:
                character_set = value
            key = (tag, vr, creator, character_set, value)
            element: RawDataElement | None = known.get(key)
            if element is None:
                element = _element(tag, vr, value, implicit_vr)
                if len(value) <= _LONGEST_KNOWN and self._count < _MOST_KNOWN:
                    element = known[key] = KnownElement(*element)
                    self._count += 1
            elements[element.tag] = element
        return Dataset(elements)


def _element(tag: int, vr: str, value: bytes, implicit_vr: bool) -> RawDataElement:  # noqa: FBT001
    name = vr or None
    held = value or empty_value_for_VR(name, raw=True)
    # Where it stood (value_tell) says nothing of an element that stands for many.
    return RawDataElement(BaseTag(tag), name, len(value), held, 0, implicit_vr, True)  # type: ignore[arg-type]


def plain_elements(
    data: bytes, start: int, sequence_ends: Mapping[int, int], *, implicit_vr: bool
) -> list[Found] | None:
    """The top-level elements in bytes whose structure was walked; None where pydicom should read them.

    Args:
        data: Whole elements of a data set, little endian.
        start: Offset of the first of these bytes in what was walked.
        sequence_ends: As of `FileLayout`.
        implicit_vr: How they are encoded.
    """
    return (_implicit if implicit_vr else _explicit)(data, start, sequence_ends)


def _explicit(data: bytes, start: int, sequence_ends: Mapping[int, int]) -> list[Found] | None:
    found: list[Found] = []
    at, last, size = 0, -1, len(data)
    while at + 8 <= size:
        group, element, encoded, length = _EXPLICIT.unpack_from(data, at)
        vr = _SHORT_VRS.get(encoded)
        begin = at + 8
        if vr is None:
            vr = _LONG_VRS.get(encoded)
            begin = at + 12
            if vr is None or begin > size:
                return None
            (length,) = _LENGTH.unpack_from(data, at + 8)
        at = end = begin + length
        if length == UNDEFINED:
            if vr != "SQ" or begin + start not in sequence_ends:
                return None
            at = sequence_ends[begin + start] - start
            end = at - _DELIMITER
        tag = group << 16 | element
        if tag <= last or at > size:
            return None
        last = tag
        found.append((tag, vr, data[begin:end]))
    return found if at == size else None


def _implicit(data: bytes, start: int, sequence_ends: Mapping[int, int]) -> list[Found] | None:
    found: list[Found] = []
    at, last, size = 0, -1, len(data)
    while at + 8 <= size:
        group, element, length = _IMPLICIT.unpack_from(data, at)
        tag, vr, begin = group << 16 | element, "", at + 8
        at = end = begin + length
        if length == UNDEFINED:
            if begin + start not in sequence_ends or not _is_sequence(tag, data[begin : begin + 4]):
                return None
            vr = "SQ"
            at = sequence_ends[begin + start] - start
            end = at - _DELIMITER
        if tag <= last or at > size:
            return None
        last = tag
        found.append((tag, vr, data[begin:end]))
    return found if at == size else None


def _is_sequence(tag: int, first: bytes) -> bool:
    """Whether pydicom, too, takes a value of undefined length for a sequence."""
    return tag in sequence_tags() or (not dictionary_has_tag(tag) and first == _ITEM)
