"""Runs of plain elements: the common case of the structural walk, many elements at a stride.

A plain element has a value of defined length that needs no further look. A run ends before whatever is not
plain, breaks a limit, reaches beyond its holder or beyond the bytes at hand; `exchange.dicomio.walk` then
treats that element by itself, refusals included.
"""

import struct
from collections.abc import Set
from dataclasses import dataclass
from functools import cache

from pydicom._dicom_dict import DicomDictionary

_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SV UC UN UR UT UV".split())  # not SQ; UN may hold items
_EXPLICIT = struct.Struct("<HH2sH")
_IMPLICIT = struct.Struct("<HHL")
_LENGTH = struct.Struct("<L")
_HEAD = 12
# Groups at which the walk looks closely: commands, file meta, directories below; pixels, delimiters above.
_LAST_BEFORE, _FIRST_BEHIND = 0x0004, 0x7FE0


@cache
def sequence_tags() -> frozenset[int]:
    """Tags that are sequences by the dictionary, for data sets that do not say."""
    return frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a run may take; offsets count in its buffer.

    Attributes:
        bound: End of the holder.
        elements: How many.
        element_bytes: Value of one of them.
        header_bytes: Values of all.
        stops: Tags before which a run ends.
    """

    bound: int
    elements: int
    element_bytes: int
    header_bytes: int
    stops: Set[int]


def explicit_run(buffer: bytes, at: int, allowed: Allowance) -> tuple[int, int, int]:
    """Pass over plain elements of explicit VR, little endian.

    Returns:
        Where the run ended, how many elements it passed, and the bytes of their values.
    """
    count = weight = 0
    last, bound, stops, sequences = len(buffer) - _HEAD, allowed.bound, allowed.stops, sequence_tags()
    while at <= last and count < allowed.elements:
        group, element, vr, length = _EXPLICIT.unpack_from(buffer, at)
        tag = group << 16 | element
        if vr in _SHORT_VRS:
            end = at + 8 + length
        elif vr in _LONG_VRS:
            (length,) = _LENGTH.unpack_from(buffer, at + 8)
            end = at + _HEAD + length
        else:
            break
        if not _LAST_BEFORE < group < _FIRST_BEHIND or end > bound or tag in stops:
            break
        if vr == b"UN" and tag in sequences:
            break
        if length > allowed.element_bytes or weight + length > allowed.header_bytes:
            break
        weight += length
        count += 1
        at = end
    return at, count, weight


def implicit_run(buffer: bytes, at: int, allowed: Allowance) -> tuple[int, int, int]:
    """Pass over plain elements of implicit VR, little endian; as `explicit_run`."""
    count = weight = 0
    last, bound, stops, sequences = len(buffer) - _HEAD, allowed.bound, allowed.stops, sequence_tags()
    while at <= last and count < allowed.elements:
        group, element, length = _IMPLICIT.unpack_from(buffer, at)
        tag, end = group << 16 | element, at + 8 + length
        if not _LAST_BEFORE < group < _FIRST_BEHIND or end > bound or tag in stops or tag in sequences:
            break
        if length > allowed.element_bytes or weight + length > allowed.header_bytes:
            break
        weight += length
        count += 1
        at = end
    return at, count, weight
