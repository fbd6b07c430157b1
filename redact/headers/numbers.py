"""Binary numbers: whether one of them is a number of the patient's, and what becomes of it then.

A number counts from five digits on (`Matcher.has_value`); more values than a person has numbers are
measurements. What describes the pixels (groups 0028, 7FE0: rows, look-up tables, offsets) is bound to them
and says nothing else. An attribute that the object cannot do without (Type 1: the size of a slide, a
position, a count of samples) may well be 46080 by chance; a longer number there is no chance any more, and
without it the object would say something else.
"""

from collections.abc import Sequence
from struct import iter_unpack

from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.headers.arrays import ARRAY_VRS, clean_array
from redact.headers.elements import looks_numeric, raw_bytes
from redact.headers.place import Place, Result, Run
from redact.identifiers.matcher import Matcher

BINARY_VRS = frozenset({"US", "SS", "UL", "SL", "FL", "FD", "AT", "OD", "OF", "OL", "OV", "SV", "UV"})
_MOST_VALUES = 16
_POINTER_BYTES = 4
_BY_CHANCE = 10**6  # a required number below this may be the patient's by chance
_OF_PIXELS = frozenset({0x0028, 0x7FE0})
_SINGLE = frozenset({"FL", "OF"})
_FORMATS = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "AT": "HH", "OD": "d", "OF": "f",
    "OL": "I", "OV": "Q", "SV": "q", "UV": "Q",
}  # fmt: skip


def clean_numbers(run: Run, place: Place) -> Result:
    """Keep binary numbers that are such, and none of them the patient's.

    Raises:
        HeldError: `structured-content`, the object needs the number that is the patient's, or an array that
            holds an identifier.
    """
    if place.vr == "AT":
        _cut_to_pointers(place)
    if place.vr in ARRAY_VRS and (result := clean_array(run, place)) is not Result.KEPT:
        return result
    if not looks_numeric(place.ds, place.tag, place.vr):
        return place.dispose()
    found = patients_numbers(run.context.matcher, place.ds, place.tag, place.vr)
    if not found:
        return Result.KEPT
    if place.type != "1":
        return place.dispose()
    if max(found) < _BY_CHANCE:
        return Result.KEPT
    raise HeldError(
        ReasonCode.STRUCTURED_CONTENT,
        "cannot clean a number: it is one of the patient's, and the object is not valid without it",
        place.name,
        "look at the object, or give the element another value by a site rule",
    )


def _cut_to_pointers(place: Place) -> None:
    """Leave the whole pointers of an element that ends amid one, as every reader does."""
    raw: object = place.ds.get_item(place.tag)
    data = raw_bytes(place.ds, place.tag) or b""
    whole = len(data) // _POINTER_BYTES * _POINTER_BYTES
    if isinstance(raw, RawDataElement) and 0 < whole < len(data):
        place.ds[Tag(place.tag)] = RawDataElement(*raw._replace(value=data[:whole], length=whole))


def patients_numbers(matcher: Matcher, ds: Dataset, tag: int, vr: str) -> list[float]:
    """The values of a binary number element that are numbers of the patient's, without their signs."""
    if tag >> 16 in _OF_PIXELS:
        return []
    values = _values(ds, tag, vr)
    return [abs(value) for value in values if matcher.has_value(value, single=vr in _SINGLE)]


def _values(ds: Dataset, tag: int, vr: str) -> list[float]:
    """Few values, no pointers to attributes; of an element that is still bytes, in either byte order."""
    data = raw_bytes(ds, tag)
    value = data if data is not None else ds[Tag(tag)].value
    if isinstance(value, bytes):
        read = [one for order in "<>" for one in _unpacked(value, order, vr)]
    elif value is None:
        read = []
    else:
        read = list(value) if isinstance(value, Sequence) else [value]
        read = read if len(read) <= _MOST_VALUES else []
    if vr == "AT":
        return [int(pointer) for pointer in read if not dictionary_has_tag(int(pointer))]
    return read


def _unpacked(data: bytes, order: str, vr: str) -> list[float]:
    form = order + _FORMATS[vr]
    unit = {"H": 2, "h": 2, "d": 8, "q": 8, "Q": 8}.get(_FORMATS[vr], 4)
    if len(data) % unit or len(data) > unit * _MOST_VALUES:
        return []
    if vr == "AT":
        return [group << 16 | element for group, element in iter_unpack(form, data)]
    return [value for (value,) in iter_unpack(form, data)]
