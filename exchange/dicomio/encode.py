"""Elements of a data set to bytes: those that nobody has touched as they were read, the others by pydicom.

Decoding a value only to encode it again is most of what writing a header costs, and does nothing where the
bytes are well-formed already. What is not (a wrong padding, a character set that may have changed, an unknown
VR, another byte order) goes through pydicom.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from types import MappingProxyType

from pydicom.charset import default_encoding
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomIO
from pydicom.filewriter import correct_ambiguous_vr, write_data_element
from pydicom.tag import BaseTag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from exchange.dicomio.quiet import quiet
from exchange.dicomio.splice import element_value, encode_element
from exchange.dicomio.syntaxes import Encoding
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError

# Strings whose bytes mean the same in every character set as long as they are ASCII (PS3.5 6.1.2).
_STRINGS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"}
)
_BINARY = frozenset(
    {"AT", "FD", "FL", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"}
)
_LONGEST_SHORT = 0xFFFF
_NOTHING: Mapping[int, bytes] = MappingProxyType({})
# What decides how an element of ambiguous VR is read and written (PS3.5 Annex A.1, PS3.6 table 6-1).
DECIDING = (0x00280103, 0x00280100, 0x00283002, 0x54001004)


class EncodedElement(RawDataElement):
    """A value as this module has encoded it: written as it is in the same encoding, converted on demand."""

    __slots__ = ()


def encoded_element(ds: Dataset, tag: int) -> RawDataElement:
    """An element of a data set that was read, in the data set's character set and original encoding.

    Unlike a `DataElement`, it can stand in several data sets: nothing can change it.

    Returns:
        What stands there, if it is written as it was read; else an `EncodedElement`.

    Raises:
        InputError: `internal`: it cannot be encoded.
    """
    implicit_vr, little_endian = (bool(one) for one in ds.original_encoding)
    encoding = Encoding(implicit_vr=implicit_vr, little_endian=little_endian, deflated=False)
    key = BaseTag(tag)
    now: object = ds.get_item(key)
    if isinstance(now, RawDataElement) and _as_read(now, encoding) is not None:
        return now
    raw = encode_elements(ds, (key,), encoding)
    value = element_value(raw, encoding)
    vr = str(ds[key].VR) if implicit_vr else raw[4:6].decode("ascii")
    return EncodedElement(key, vr, len(value), value, 0, implicit_vr, little_endian)


def encode_elements(
    ds: Dataset,
    tags: Sequence[BaseTag],
    encoding: Encoding,
    extended: tuple[bytes, bytes] | None = None,
    exact: Mapping[int, bytes] = _NOTHING,
) -> bytes:
    """Some elements of a data set, in its character set; retired group lengths are left out.

    Args:
        ds: The whole data set.
        tags: Which of its elements, in order.
        encoding: How they are to be written.
        extended: Extended Offset Table and its Lengths, added behind them.
        exact: By tag, padded values of text elements that are written as they are, whatever the data set
            makes of them.

    Raises:
        InputError: `internal`: an element cannot be encoded.
    """
    plain: dict[BaseTag, bytes] = {}
    for tag in tags:
        element: object = ds.get_item(tag)
        encoded = _as_read(element, encoding) if isinstance(element, RawDataElement) else None
        if int(tag) in exact:
            encoded = encode_element(int(tag), dictionary_VR(tag), exact[int(tag)], encoding)
        if encoded is not None:
            plain[tag] = encoded
    others = Dataset()
    try:
        with quiet():
            for tag in tags:
                if tag not in plain:
                    others[tag] = ds[tag]  # converted there: it knows in which character set it was read
            added = _add_tables(others, extended) if extended else ()
            made = _through_pydicom(ds, others, encoding)
    except Exception:  # noqa: BLE001 - the boundary to pydicom for one file; its texts may quote values
        raise InputError(
            ReasonCode.INTERNAL, "cannot write the instance: an element cannot be encoded"
        ) from None
    everything = plain | made
    return b"".join(everything[tag] for tag in (*tags, *added) if tag.element or tag.group <= 0x0006)


def _add_tables(others: Dataset, extended: tuple[bytes, bytes]) -> tuple[BaseTag, ...]:
    before = set(others.keys())
    others.ExtendedOffsetTable, others.ExtendedOffsetTableLengths = extended
    return tuple(tag for tag in sorted(others.keys()) if tag not in before)


def _as_read(element: RawDataElement, encoding: Encoding) -> bytes | None:
    """An element with its value as it was read; None where that is not known to be well-formed there."""
    value = element.value or b""
    vr = element.VR or _dictionary_vr(element.tag)
    if isinstance(element, EncodedElement) and _same(element, encoding):
        fit = True
    elif vr in _STRINGS:
        fit = value.isascii() and b"\x1b" not in value and b"\0" not in value
    elif vr == "UI":
        fit = value.isascii() and b" " not in value and b"\0" not in value[:-1]
    else:
        fit = vr in _BINARY and _same(element, encoding)
    if len(value) % 2 or not fit:
        return None
    if not encoding.implicit_vr and vr not in EXPLICIT_VR_LENGTH_32 and len(value) > _LONGEST_SHORT:
        return None
    return encode_element(int(element.tag), vr, value, encoding)


def _same(element: RawDataElement, encoding: Encoding) -> bool:
    return (element.is_implicit_VR, element.is_little_endian) == (
        encoding.implicit_vr,
        encoding.little_endian,
    )


def _dictionary_vr(tag: BaseTag) -> str:
    """The dictionary's VR, which may be an ambiguous one; "" of private and unknown elements."""
    return dictionary_VR(tag) if dictionary_has_tag(tag) else ""


def _through_pydicom(ds: Dataset, others: Dataset, encoding: Encoding) -> dict[BaseTag, bytes]:
    """Each of these elements, converted and encoded."""
    wanted = list(others.keys())
    if not wanted:
        return {}
    for tag in DECIDING:
        if tag in ds and tag not in others:
            others[tag] = ds[tag]
    converted = correct_ambiguous_vr(others, encoding.little_endian)
    character_set = ds.get("SpecificCharacterSet") or default_encoding
    return {tag: _encoded(converted[tag], character_set, encoding) for tag in wanted}


def _encoded(element: DataElement, character_set: str | list[str], encoding: Encoding) -> bytes:
    raw = BytesIO()
    buffer = DicomIO(raw)
    buffer.is_implicit_VR, buffer.is_little_endian = encoding.implicit_vr, encoding.little_endian
    write_data_element(buffer, element, character_set)
    return raw.getvalue()
