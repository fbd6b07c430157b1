"""Numbers as the encoded bytes have them, in binary or in characters, against the numbers that name somebody.

Written apart from the cleaner's. What is no leak, though the digits agree: what describes the pixels (groups
0028 and 7FE0), pointers to attributes, arrays of more values than a person has numbers, group lengths, and
a required attribute (Type 1) below a million, such as a position on a slide.
"""

import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from struct import Struct, calcsize, error, pack, unpack

from exchange.domain.identifiers import IdentifierKind
from redact.verify.walk import Element, implicit_vr

Kinds = frozenset[IdentifierKind]

MIN_DIGITS = 5
MAX_DIGITS = 64
MAX_VALUES = 16
MAX_COINCIDENCE = 999_999
_PIXEL_GROUPS = (0x0028, 0x7FE0)
_CODES = {
    "AT": "HH", "FD": "d", "FL": "f", "OD": "d", "OF": "f", "OL": "L", "OV": "Q", "SL": "l", "SS": "h",
    "SV": "q", "UL": "L", "US": "H", "UV": "Q",
}  # fmt: skip
_SINGLE_PRECISION = ("FL", "OF")
BINARY_NUMBER_VRS = frozenset(_CODES)
_DIGITS = re.compile(r"\d+")


def numbers_in(bare: str) -> Iterator[int]:
    """The numbers of five digits and more in an identifier that has no separators; not 111111."""
    for run in _DIGITS.findall(bare):
        stripped = run.lstrip("0")
        if MIN_DIGITS <= len(stripped) <= MAX_DIGITS and len(set(stripped)) > 1:
            yield int(stripped)


def least_size(vr: str) -> int:
    """How many bytes a value of this VR has at least: fewer are none, whoever reads them."""
    code = _CODES.get(vr)
    return calcsize(f"<{code}") if code else 1


def vr_of_number(element: Element) -> str:
    """The VR by which to read an element's bytes; what the file calls UN is what the dictionary says."""
    return implicit_vr(element.tag) if element.vr == "UN" else element.vr


def binary_numbers(element: Element, value: bytes, *, little_endian: bool) -> Iterator[tuple[int, bool]]:
    """The whole numbers in an element of a binary VR that may name somebody.

    Yields:
        The number without its sign, and whether it was stored in single precision.
    """
    vr = vr_of_number(element)
    if element.tag >> 16 in _PIXEL_GROUPS or not element.tag & 0xFFFF:
        return
    # PS3.5 section 6.2.2: UN is little endian whatever the transfer syntax.
    reader = Struct(("<" if little_endian or element.vr == "UN" else ">") + _CODES[vr])
    if len(value) > MAX_VALUES * reader.size:
        return
    try:
        read = list(reader.iter_unpack(value))
    except error:
        return  # no numbers: read as text by the caller
    for parts in read:
        number = parts[0] << 16 | parts[1] if vr == "AT" else parts[0]
        if vr == "AT" and implicit_vr(number) != "UN" and not number >> 16 & 1:
            continue
        if math.isfinite(number) and number == int(number):
            yield abs(int(number)), vr in _SINGLE_PRECISION


def written_number(text: str) -> int | None:
    """A DS or IS value as a whole number; None where it is none, or one too long to name somebody."""
    try:
        number = Decimal(text.strip(" \0"))
    except InvalidOperation:
        return None
    if not number.is_finite() or number.adjusted() >= MAX_DIGITS or number != int(number):
        return None
    return abs(int(number))


def find(numbers: Mapping[int, Kinds], number: int, *, single: bool) -> Kinds | None:
    """Whose number it is, None if nobody's; one of single precision stands for all that it rounds."""
    if not single or number < 1 << 24:
        return numbers.get(number)
    return next((kinds for known, kinds in numbers.items() if _rounded(known) == number), None)


def _rounded(number: int) -> int:
    try:
        (single,) = unpack("<f", pack("<f", number))
    except OverflowError:
        return number
    return int(single)
