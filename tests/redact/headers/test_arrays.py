"""Words in bytes that should be numbers go, a table without them stays as it is."""

from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.headers.cleaner import clean_header
from redact.headers.elements import is_text
from redact.identifiers.matcher import Matcher
from tests.redact.headers.studies import context, small

NAME = "Duquesne^Philippa"
XA, UNKNOWN = "1.2.840.10008.5.1.4.1.1.12.1", "1.2.3.999"
PLACES = [
    ("LUTData", "OW"), ("VectorGridData", "OF"), ("SelectorODValue", "OD"), ("TrackPointIndexList", "OL"),
    ("SelectorOVValue", "OV"),
]  # fmt: skip
WORDS = [
    NAME.encode(),
    NAME.upper().encode() + b" " * 7,
    b"Philippa",
    b"\x7f\0\1\2" * 4 + b"DUQUESNE, philippa" + bytes(14),
    NAME.encode("utf-16-le"),
    b"\0\1" * 3 + NAME.encode("utf-16-be"),
    b"\1\2\3\4MRN-4711-9923\0\0\0",
    b"\1\2\3\4" + b"09690269575",
    "Jürgen Größe".encode(),  # nobody that is known: letters from end to end
]


def planted(data: bytes, keyword: str, vr: str, **others: Any) -> Dataset:
    ds = small(
        PatientName=NAME, PatientID="MRN-4711-9923", PatientTelephoneNumbers="+44 96 90269575", **others
    )
    padded = data + bytes(-len(data) % 8)
    ds[Tag(keyword)] = RawDataElement(Tag(keyword), vr, len(padded), padded, 0, False, True)
    return ds


@pytest.mark.parametrize(("keyword", "vr"), PLACES)
@pytest.mark.parametrize("words", WORDS)
def test_words_in_an_array_go(keyword: str, vr: str, words: bytes) -> None:
    ds = planted(words, keyword, vr)
    clean_header(ds, context(planted(words, keyword, vr)))
    assert Tag(keyword) not in ds


@pytest.mark.parametrize(("keyword", "vr"), PLACES)
@pytest.mark.parametrize(
    "numbers",
    [
        pack("<256H", *range(0, 65536, 256)),
        pack("<64d", *(0.5 * number for number in range(64))),
        pack("<64f", *(1.7 * number for number in range(64))),
        pack("<64L", *range(64)),
        bytes(range(256)),
        bytes(64),
        b"",
        bytes(8) + b"Doe" + bytes(5),
    ],
)
def test_numbers_in_an_array_stay(keyword: str, vr: str, numbers: bytes) -> None:
    ds = planted(numbers, keyword, vr)
    clean_header(ds, context(planted(numbers, keyword, vr)))
    assert bytes(ds[keyword].value or b"") == numbers


def lut(data: bytes, sop_class: str = XA) -> Dataset:
    """An object with a modality LUT, where LUT Data is Type 1."""
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [len(data) // 2, 0, 16], "US"
    item.LUTData = data
    item["LUTData"].VR = "OW"
    item["LUTDescriptor"].VR = "US"
    return small(PatientName=NAME, ModalityLUTSequence=[item], SOPClassUID=sop_class)


def test_a_table_of_words_that_the_object_needs_becomes_one_of_zeros() -> None:
    words = b"Duquesne Philippa of nowhere  "
    ds = lut(words)
    clean_header(ds, context(lut(words)))
    assert ds.ModalityLUTSequence[0].LUTData == bytes(len(words))


@pytest.mark.parametrize("sop_class", [XA, UNKNOWN])
def test_a_table_that_the_object_needs_is_held_for_a_name_among_its_numbers(sop_class: str) -> None:
    data = pack("<32H", *range(32)) + NAME.encode() + b"\0"
    with pytest.raises(HeldError) as held:
        clean_header(lut(data, sop_class), context(lut(data)))
    assert held.value.code is ReasonCode.STRUCTURED_CONTENT
    assert held.value.path == "(0028,3000)[0].(0028,3006)"
    assert "Duquesne" not in str(held.value)


@given(st.lists(st.floats(1e-3, 1e6), min_size=2, max_size=8))
def test_doubles_are_no_text(values: list[float]) -> None:
    assert not is_text(pack(f"<{len(values)}d", *values))


@given(st.binary(max_size=64), st.binary(max_size=64), st.sampled_from(["latin-1", "utf-16-le", "utf-16-be"]))
def test_a_name_is_found_wherever_it_stands(before: bytes, after: bytes, encoding: str) -> None:
    known = Matcher(
        HarvestedIdentifiers(frozenset({Identifier(IdentifierKind.PATIENT_NAME, "Müller^Änne", "x")}))
    )
    assert known.in_bytes(before + "MÜLLER ÄNNE".encode(encoding) + after)
    assert known.in_bytes(before + "Müller".encode(encoding) + after)
    assert not known.in_bytes(b"Mul" + before.replace(b"l", b""))


SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
PALETTE = "RedPaletteColorLookupTableData"


def with_palette(photometric: str, **others: Any) -> Dataset:
    words = b"\1\2\3\4" + NAME.encode() + bytes(490)
    return planted(
        words, PALETTE, "OW", SOPClassUID=SECONDARY_CAPTURE, PhotometricInterpretation=photometric, **others
    )


def test_a_palette_by_which_nothing_is_shown_goes_with_the_name_in_it() -> None:
    ds = with_palette("MONOCHROME2")
    clean_header(ds, context(with_palette("MONOCHROME2")))
    assert PALETTE not in ds


@pytest.mark.parametrize("others", [{}, {"PixelPresentation": "COLOR"}])
def test_a_palette_by_which_the_image_is_shown_is_held(others: dict[str, Any]) -> None:
    photometric = "MONOCHROME2" if others else "PALETTE COLOR"
    ds = with_palette(photometric, **others)
    with pytest.raises(HeldError) as caught:
        clean_header(ds, context(with_palette(photometric, **others)))
    assert caught.value.code is ReasonCode.STRUCTURED_CONTENT
