"""`encode_elements`: what was not touched is written as it was read, and reads as what pydicom writes."""

import struct
from io import BytesIO

import pytest
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from exchange.dicomio.elements import KnownElements
from exchange.dicomio.encode import encode_elements
from exchange.dicomio.examine import examine
from exchange.dicomio.header import read_header_at
from exchange.dicomio.syntaxes import Encoding
from exchange.domain.errors import InputError
from tests.exchange.dicomio import build
from tests.exchange.dicomio.test_write import without_group_lengths

EXPLICIT, IMPLICIT = Encoding(False, True, False), Encoding(True, True, False)
BIG = Encoding(False, False, False)
ENCODINGS = pytest.mark.parametrize(
    "encoding", [EXPLICIT, IMPLICIT, BIG], ids=["explicit", "implicit", "big"]
)


def raw(tag: int, vr: str | None, value: bytes, *, implicit: bool = False, little: bool = True) -> Dataset:
    ds = Dataset()
    ds[Tag(tag)] = RawDataElement(Tag(tag), vr, len(value), value, 0, implicit, little)
    return ds


def encoded(ds: Dataset, encoding: Encoding = EXPLICIT) -> bytes:
    return encode_elements(ds, sorted(ds.keys()), encoding)


def read_back(data: bytes, encoding: Encoding) -> Dataset:
    return read_dataset(BytesIO(data), encoding.implicit_vr, encoding.little_endian)


@ENCODINGS
@pytest.mark.filterwarnings("ignore")  # pydicom on odd files
def test_unconverted_headers_read_the_same_as_converted_ones(encoding: Encoding) -> None:
    """Every file of pydicom, once with all elements converted and once with none, into each encoding."""
    count = untouched = 0
    for path in build.pydicom_files():
        if path.stat().st_size > 500_000:
            continue
        try:
            layout = examine(path)
            known = KnownElements()
            converted = read_header_at(layout, known=known)
            converted.walk(lambda _ds, _element: None)  # converts
        except InputError:
            continue
        unconverted = read_header_at(layout, known=known)
        untouched += sum(isinstance(unconverted.get_item(tag), RawDataElement) for tag in unconverted.keys())  # noqa: SIM118
        try:
            through_pydicom = encoded(converted, encoding)
        except InputError:
            continue
        written = encoded(unconverted, encoding)
        same = read_back(written, encoding) == read_back(through_pydicom, encoding)
        assert same, path.name
        assert without_group_lengths(read_back(written, encoding)) == read_back(written, encoding)
        count += 1
    assert count > 50
    assert untouched > 3000


def test_an_untouched_value_keeps_its_bytes() -> None:
    """Pydicom would take the spaces out, and write the number anew."""
    ds = raw(0x00080008, "CS", b"ORIGINAL \\ PRIMARY")
    ds.update(raw(0x00180050, "DS", b" 1.50"[:4] + b"00"))
    written = encoded(ds)
    assert b"ORIGINAL \\ PRIMARY" in written
    assert b" 1.500" in written


@pytest.mark.parametrize(
    ("tag", "vr", "value", "expected"),
    [
        (0x0020000D, "UI", b"1.2.3 ", b"1.2.3\0"),
        (0x00100020, "LO", b"ABC\0", b"ABC "),
        (0x00100020, "LO", b"ABC", b"ABC "),
        (0x00100020, "UN", b"ABCD", b"ABCD"),
        (0x00280010, "US", b"\2\0", b"\2\0"),
    ],
)
def test_what_is_not_well_formed_is_made_so(tag: int, vr: str, value: bytes, expected: bytes) -> None:
    written = encoded(raw(tag, vr, value))
    assert written.endswith(expected)
    assert written[4:6] == {"UN": b"LO"}.get(vr, vr.encode())


def test_text_follows_the_character_set_that_is_written() -> None:
    """Bytes of Latin-1 must not be written as they are under a data set that says UTF-8 by now."""
    name = "Jörg^Ä"
    head = struct.pack("<HH2sH", 8, 5, b"CS", 10) + b"ISO_IR 100"
    data = head + struct.pack("<HH2sH", 0x10, 0x10, b"PN", 6) + name.encode("latin-1")
    ds = read_back(data, EXPLICIT)
    assert encoded(ds).endswith(name.encode("latin-1"))
    ds[Tag(0x00080005)] = DataElement(Tag(0x00080005), "CS", "ISO_IR 192")
    assert encoded(ds).endswith(name.encode())


def test_numbers_are_turned_for_another_byte_order() -> None:
    assert encoded(raw(0x00280010, "US", b"\2\0"), BIG).endswith(b"\0\2")
    assert encoded(raw(0x00280010, "US", b"\0\2", little=False)).endswith(b"\2\0")


def test_an_ambiguous_vr_is_decided_by_an_element_that_is_elsewhere() -> None:
    """Smallest Image Pixel Value is signed where Pixel Representation says so, wherever that stands."""
    ds = raw(0x00280106, None, b"\xff\xff", implicit=True)
    ds.update(raw(0x00280103, None, b"\1\0", implicit=True))
    written = encode_elements(ds, [Tag(0x00280106)], EXPLICIT)
    assert (written[4:6], written[-2:]) == (b"SS", b"\xff\xff")


def test_group_lengths_are_left_out() -> None:
    ds = raw(0x00280000, "UL", b"\1\0\0\0")
    ds.update(raw(0x00280010, "US", b"\2\0"))
    assert len(encoded(ds)) == 10


def test_a_value_that_cannot_be_encoded_is_not_shown() -> None:
    ds = Dataset()
    ds[Tag(0x00280010)] = DataElement(Tag(0x00280010), "US", "Mustermann")
    with pytest.raises(InputError) as caught:
        encoded(ds)
    assert "Mustermann" not in str(caught.value)
