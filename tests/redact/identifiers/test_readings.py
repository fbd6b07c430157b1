"""Text in another character set than the declared one is cleaned by what it means; the unreadable goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from exchange.domain.errors import HeldError
from exchange.domain.identifiers import HarvestedIdentifiers
from redact.headers.cleaner import clean_header
from redact.headers.text import clean_descriptor
from redact.identifiers.harvest import harvest
from redact.identifiers.matcher import Matcher
from redact.identifiers.readings import ascii_words, readable, utf8_reading
from tests.redact.headers.studies import context, encoded, profile, small

NOBODY = Matcher(HarvestedIdentifiers())
NAMES = ("שרון^דבורה", "Müller^Jörg", "Люкceмбypг^Ивaн", "القبانجي^نزار", "山田^太郎")


def with_bytes(charset: str, **values: bytes) -> Dataset:
    ds = small(SpecificCharacterSet=charset)
    vrs = {"PatientName": "PN", "CodeValue": "SH"}
    for keyword, value in values.items():
        tag, data = Tag(keyword), value + b" " * (len(value) % 2)
        ds[tag] = RawDataElement(tag, vrs.get(keyword, "LO"), len(data), data, 0, False, True)
    return ds


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 101", "ISO_IR 144", "ISO_IR 148"])
def test_utf_8_in_another_character_set_goes(name: str, charset: str) -> None:
    family = name.split("^")[0].encode()
    ds = with_bytes(
        charset,
        PatientName=name.encode(),
        StudyDescription=b"thorax for " + family,
        SeriesDescription=b"thorax " + family[:-1],  # cut, maybe in the middle of a character
        Manufacturer=b"ACME " + family + b" works",
    )
    clean_header(ds, context(with_bytes(charset, PatientName=name.encode())))
    assert ds.StudyDescription == "thorax for"
    assert ds.SeriesDescription == "thorax"
    assert ds.Manufacturer == "ACME works"


@pytest.mark.parametrize("charset", ["ISO_IR 192", "ISO_IR 127", "ISO_IR 13", "GB18030"])
def test_what_cannot_be_decoded_goes_with_its_word(charset: str) -> None:
    wrong = b"Sm\xff\xfeth"
    ds = with_bytes(charset, StudyDescription=b"thorax " + wrong + b" brain", Manufacturer=b"ACME " + wrong)
    clean_header(ds, context(small()))
    assert ds.StudyDescription == "thorax brain"
    assert ds.Manufacturer == "ACME"
    for left in (wrong, "\ufffd".encode()):
        assert left not in encoded(ds)


def test_a_code_value_that_cannot_be_decoded_is_held() -> None:
    item = with_bytes("ISO_IR 192", CodeValue=b"A\xffB")
    item.CodingSchemeDesignator, item.CodeMeaning = "99X", "brain"
    ds = small(SpecificCharacterSet="ISO_IR 192", AnatomicRegionSequence=[item])
    with pytest.raises(HeldError, match="cannot clean a code"):
        clean_header(ds, context(small(), using=profile("113105", "113107")))


def test_both_readings_of_a_name_are_harvested() -> None:
    found = {item.value for item in harvest(with_bytes("ISO_IR 100", PatientName=NAMES[0].encode())).items}
    assert {"שרון", "דבורה", NAMES[0]} <= found


@pytest.mark.parametrize(
    "text", ["", "brain", "Müller", "ÄÖÜ °C", "Île-de-France", "Größe 3 µm²", "Ивaн", "山田"]
)
def test_text_that_is_what_it_is_declared(text: str) -> None:
    assert utf8_reading(text) == ""
    assert readable(text) == text


@given(
    st.text(st.characters(min_codepoint=0xA0, max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1)
)
def test_utf_8_read_as_latin_1_is_recognised(text: str) -> None:
    assert utf8_reading(text.encode().decode("latin-1")) == text


@given(st.text())
def test_no_reading_leaves_what_nobody_can_read(text: str) -> None:
    assert "\ufffd" not in readable(text)
    assert ascii_words(text).isascii()
    left = clean_descriptor(readable(text), NOBODY)
    assert not [one for one in left if one == "\ufffd" or "\x80" <= one <= "\x9f"]


@pytest.mark.parametrize("text", ["10° 3.0×3.0 mm²", "T1 – axial", "0.5 ± 0.1"])
def test_everyday_symbols_stay(text: str) -> None:
    assert clean_descriptor(text, NOBODY) == text
