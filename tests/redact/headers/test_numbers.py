"""The patient's numbers in binary VRs go; measurements, pointers and what pixels need stay."""

from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.headers.cleaner import clean_header
from redact.identifiers.matcher import Matcher
from tests.redact.headers.studies import context, profile, small

NUMBER = 956923723
SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


def matcher(*numbers: str) -> Matcher:
    items = frozenset(Identifier(IdentifierKind.PATIENT_ID, number, "x") for number in numbers)
    return Matcher(HarvestedIdentifiers(items))


def stays(keyword: str, value: Any, patient_id: str = f"MRN-{NUMBER}", **others: Any) -> bool:
    ds = small(**{"PatientID": patient_id, keyword: value, **others})
    clean_header(ds, context(small(PatientID=patient_id)))
    return keyword in ds and ds[keyword].value == value


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("SelectorULValue", NUMBER),
        ("SelectorULValue", [1, NUMBER]),
        ("SelectorSLValue", -NUMBER),
        ("SelectorUVValue", NUMBER),
        ("SelectorSVValue", NUMBER),
        ("SelectorFDValue", float(NUMBER)),
        ("SelectorFLValue", 956923712.0),  # what single precision leaves of it
        ("SelectorATValue", Tag(NUMBER)),
        ("SelectorOLValue", pack("<2L", 7, NUMBER)),
        ("SelectorOVValue", pack(">Q", NUMBER)),
        ("SelectorODValue", pack("<d", NUMBER)),
        ("SelectorOFValue", pack("<f", NUMBER)),
        ("TableTopVerticalPosition", "9.56923723E8"),
        ("TableTopVerticalPosition", f"-{NUMBER}.0"),
    ],
)
def test_a_number_of_the_patient_goes(keyword: str, value: Any) -> None:
    assert not stays(keyword, value)


@pytest.mark.parametrize(("keyword", "value"), [("SelectorUSValue", 47110), ("SelectorSSValue", -23110)])
def test_short_words_hold_numbers_of_five_digits(keyword: str, value: int) -> None:
    assert not stays(keyword, value, patient_id=str(abs(value)))
    assert stays(keyword, value, patient_id="4711")


@pytest.mark.parametrize(
    ("keyword", "value", "patient_id"),
    [
        ("SelectorULValue", NUMBER + 1, f"MRN-{NUMBER}"),
        ("SelectorULValue", 4711, "4711"),  # four digits
        ("Rows", 47110, "47110"),  # group 0028
        ("FrameIncrementPointer", Tag(0x00181063), str(0x00181063)),
        ("DimensionIndexPointer", Tag(0x00209056), str(0x00209056)),
        ("ExtendedOffsetTable", pack("<2Q", 0, 1048576), "1048576"),
        ("SelectorULValue", [*range(NUMBER, NUMBER + 17)], str(NUMBER)),  # a list of indices
        ("SelectorOLValue", pack("<17L", *[NUMBER] * 17), str(NUMBER)),
        ("SelectorFDValue", NUMBER + 0.5, str(NUMBER)),
        ("SelectorFDValue", float("nan"), str(NUMBER)),
        ("TableTopVerticalPosition", "956923723.5", str(NUMBER)),
        ("TableTopVerticalPosition", "1E300", str(NUMBER)),
    ],
)
def test_other_numbers_stay(keyword: str, value: Any, patient_id: str) -> None:
    if value != value:
        ds = small(PatientID=patient_id, **{keyword: value})
        clean_header(ds, context(small(PatientID=patient_id)))
        assert keyword in ds
    else:
        assert stays(keyword, value, patient_id)


def test_what_a_slide_needs_stays_by_chance_and_holds_without_it() -> None:
    assert stays("TotalPixelMatrixColumns", 46080, "46080", SOPClassUID=SLIDE)
    with pytest.raises(HeldError) as held:
        stays("TotalPixelMatrixColumns", NUMBER, SOPClassUID=SLIDE)
    assert (held.value.code, held.value.path) == (ReasonCode.STRUCTURED_CONTENT, "(0048,0006)")
    assert str(NUMBER) not in str(held.value)


def test_bytes_of_either_order_and_of_un_are_read() -> None:
    for vr, data, little in (
        ("UL", pack(">L", NUMBER), False),
        ("UN", pack("<L", NUMBER), True),
        ("UL", pack("<L", NUMBER), True),
    ):
        ds = small(PatientID=str(NUMBER))
        tag = Tag("SelectorULValue")
        ds[tag] = RawDataElement(tag, vr, len(data), data, 0, False, little)
        clean_header(ds, context(small(PatientID=str(NUMBER))))
        assert tag not in ds


def test_what_an_option_or_a_rule_keeps_is_looked_at_too() -> None:
    rules: list[dict[str, Any]] = [
        {"private": {"creator": "ACME", "element": 0x11}, "action": "keep"},
        {"tag": "(0072,0078)", "action": "keep"},
    ]
    ds = small(PatientID=str(NUMBER), PatientWeight=f"{NUMBER}", PatientSize="1.83", SelectorULValue=NUMBER)
    ds.private_block(0x0029, "ACME", create=True).add_new(0x11, "UL", NUMBER)
    clean_header(ds, context(small(PatientID=str(NUMBER)), using=profile("113108", rules=rules)))
    assert "PatientWeight" not in ds
    assert ds.PatientSize == 1.83
    assert "SelectorULValue" not in ds
    assert (0x0029, 0x1011) not in ds


@given(st.integers(10_000, 2**63))
def test_a_number_is_found_however_it_is_written(number: int) -> None:
    own = matcher(f"MRN-0{number}")
    assert own.has_value(number)
    assert own.has_value(-number)
    assert own.has_value(float(number))
    assert own.has_number([f"+00{number}.00"])
    assert not own.has_value(number + 1)
    assert not own.has_number([f"{number}1", f"{number}.5", "", "x"])
