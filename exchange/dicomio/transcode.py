"""Another transfer syntax for the same instance, without loss, and the proof that nothing else changed.

Targets are the two uncompressed little endian syntaxes that every peer takes. Sources are the uncompressed
ones, deflated, and those whose compression loses nothing by definition of the syntax; from or to a lossy
syntax nothing is made.
"""

import struct
from collections.abc import Collection, Sequence
from copy import copy
from io import BytesIO

from pydicom.charset import default_encoding
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import correct_ambiguous_vr_element, write_data_element
from pydicom.tag import BaseTag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from exchange.dicomio.digest import pixel_sha256
from exchange.dicomio.header import header_bytes, read_header_at
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.quiet import quiet
from exchange.dicomio.syntaxes import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, Encoding
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError

_J = "1.2.840.10008.1.2.4."
_LOSSLESS_COMPRESSED = frozenset(
    {
        "1.2.840.10008.1.2.5",  # RLE
        "1.2.840.10008.1.2.1.98",  # Encapsulated Uncompressed
        "1.2.840.10008.1.2.8.1",  # Deflated Image Frame
        *(f"{_J}{number}" for number in (57, 70)),  # JPEG lossless
        f"{_J}80",  # JPEG-LS lossless
        f"{_J}90",  # JPEG 2000 lossless
        *(f"{_J}{number}" for number in (201, 202)),  # HTJ2K lossless
    }
)
_SOURCES = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED}) | _LOSSLESS_COMPRESSED
_TARGETS = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
# Values that pydicom keeps as bytes; in big endian they are turned here (PS3.5 6.2, 7.3).
_ITEM = b"\xfe\xff\x00\xe0"
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
# What stands for how the pixels are encoded, and is not written with other pixels.
_OF_ENCODING = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00003})


def possible_targets(transfer_syntax_uid: str) -> tuple[str, ...]:
    """Transfer syntaxes into which instances of this one can be brought without loss, the better first."""
    if transfer_syntax_uid not in _SOURCES:
        return ()
    return tuple(target for target in _TARGETS if target != transfer_syntax_uid)


def read_unconverted(layout: FileLayout) -> Dataset:
    """The header with its values as the bytes that stand in the file, in little endian.

    Raises:
        InputError: It cannot be read, or an element's byte order is not known (`transfer-syntax`).
        OSError: The file cannot be read.
    """
    if not layout.little_endian:  # its values must become other bytes
        ds = read_header_at(layout)
        _turn_words(ds)
        return ds
    read_header_at(layout)  # refuses what pydicom cannot convert, at the door
    with quiet():
        return read_dataset(BytesIO(header_bytes(layout)), layout.implicit_vr, is_little_endian=True)


def encode_unconverted(ds: Dataset, tags: Sequence[BaseTag], encoding: Encoding) -> bytes:
    """Elements in little endian, each value byte for byte as it was read; for `write_instance`.

    Decoding and encoding a text again can give other bytes (escape sequences of ISO 2022, empty components).
    """
    return b"".join(_element(ds, tag, encoding.implicit_vr) for tag in tags if tag.element)


def _element(ds: Dataset, tag: BaseTag, implicit_vr: bool) -> bytes:  # noqa: FBT001 - a property of the target
    unconverted = ds.get_item(tag)
    vr = _vr(ds, tag)
    value = _sequence(ds, tag, implicit_vr) if vr == "SQ" else _raw(ds, unconverted)
    value += b"\0" * (len(value) % 2)
    if not implicit_vr and vr not in EXPLICIT_VR_LENGTH_32 and len(value) > 0xFFFF:
        vr = "UN"  # PS3.5 6.2.2
    head = struct.pack("<HH", tag.group, tag.element)
    if implicit_vr:
        return head + struct.pack("<L", len(value)) + value
    form = "<2sHL" if vr in EXPLICIT_VR_LENGTH_32 else "<2sH"
    lengths = (0, len(value)) if vr in EXPLICIT_VR_LENGTH_32 else (len(value),)
    return head + struct.pack(form, vr.encode("ascii"), *lengths) + value


def _sequence(ds: Dataset, tag: BaseTag, implicit_vr: bool) -> bytes:  # noqa: FBT001 - as `_element`
    items = []
    for item in ds[tag].value or ():
        content = b"".join(_element(item, one, implicit_vr) for one in sorted(item.keys()) if one.element)
        items.append(_ITEM + struct.pack("<L", len(content)) + content)
    return b"".join(items)


def _vr(ds: Dataset, tag: BaseTag) -> str:
    """The VR to be written; of an ambiguous one whichever the data set decides (PS3.6 table 6-1)."""
    with quiet():
        element = ds[tag]
        if len(element.VR) > 2:
            return str(correct_ambiguous_vr_element(copy(element), ds, is_little_endian=True).VR)[:2]
    return str(element.VR)


def native_copy(before: FileLayout, after: FileLayout) -> bool:
    """Whether both pixel values are the same native bytes in the same byte order."""
    if before.pixels is None or after.pixels is None or before.pixels.encapsulated:
        return False
    if not (before.little_endian and after.little_endian):
        return False
    return pixel_sha256(before) == pixel_sha256(after)


def compare_headers(before: FileLayout, after: FileLayout, updated: Collection[str]) -> str:
    """Read both headers again and compare them, value by value as the bytes that stand in the files.

    Args:
        before: The source.
        after: What was written, in little endian.
        updated: Keywords of elements that other pixels changed.

    Returns:
        What differs and may not, "" when nothing does; no value.
    """
    first, second = read_unconverted(before), read_unconverted(after)
    return _difference(first, second, {tag_for_keyword(keyword) for keyword in updated} | _OF_ENCODING)


def _difference(first: Dataset, second: Dataset, left_out: Collection[int | None] = ()) -> str:
    """What differs between two data sets, items of sequences included; retired group lengths do not count."""
    tags = [{tag for tag in ds.keys() if tag.element and tag not in left_out} for ds in (first, second)]  # noqa: SIM118
    if tags[0] != tags[1]:
        return "elements were lost or added"
    for tag in sorted(tags[0]):
        one, other = first.get_item(tag), second.get_item(tag)
        with quiet():
            sequences = [ds[tag].VR == "SQ" for ds in (first, second)]
        if all(sequences):
            items = [list(ds[tag].value) for ds in (first, second)]
            if len(items[0]) != len(items[1]):
                return f"items of {tag} were lost or added"
            found = next(filter(None, map(_difference, *items)), "")
            if found:
                return found
        elif any(sequences):
            # A private sequence of unknown VR is read as bytes: those that the sequence is written as.
            if _encoded(first, tag) != _encoded(second, tag):
                return f"element {tag} changed"
        elif not _same(_raw(first, one), _raw(second, other)):
            return f"element {tag} changed"
    return ""


def _same(one: bytes, other: bytes) -> bool:
    """Equal but for padding at the end, which has no meaning (PS3.5 6.2)."""
    return one == other or one.rstrip(b"\0 ") == other.rstrip(b"\0 ")


def _raw(ds: Dataset, element: DataElement | RawDataElement) -> bytes:
    if isinstance(element, RawDataElement):
        return element.value or b""
    return _encoded(ds, element.tag)


def _encoded(ds: Dataset, tag: BaseTag) -> bytes:
    """An element's value as implicit VR little endian writes it."""
    raw = BytesIO()
    buffer = DicomIO(raw)
    buffer.is_implicit_VR, buffer.is_little_endian = True, True
    try:
        with quiet():
            write_data_element(buffer, ds[tag], ds.get("SpecificCharacterSet") or default_encoding)
    except Exception:  # noqa: BLE001 - the boundary to pydicom for one file; its texts may quote values
        raise _unfit("an element cannot be encoded") from None
    return raw.getvalue()[8:]  # without tag and length


def _turn_words(ds: Dataset) -> None:
    """Bring binary values of a big endian data set into little endian order, sequences included."""
    pending = [ds]
    while pending:
        for element in pending.pop():
            if element.VR == "SQ":
                pending.extend(element.value)
            elif element.VR == "UN" and element.value:
                raise _unfit("the byte order of an element of unknown VR is not known")
            elif (size := _WORDS.get(element.VR)) and isinstance(element.value, bytes):
                element.value = _turned(element.value, size)


def _turned(value: bytes, size: int) -> bytes:
    if len(value) % size:
        raise _unfit("a binary element has an impossible length")
    turned = bytearray(len(value))
    for place in range(size):
        turned[place::size] = value[size - 1 - place :: size]
    return bytes(turned)


def _unfit(why: str) -> InputError:
    return InputError(
        ReasonCode.TRANSFER_SYNTAX,
        f"cannot bring the instance into another transfer syntax: {why}",
        "let the peer accept the transfer syntax that it has",
    )
