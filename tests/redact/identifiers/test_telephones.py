"""Telephone numbers go from texts in every usual form, known or not; quantities stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.headers.text import clean_code, clean_descriptor
from redact.identifiers.matcher import Matcher
from redact.identifiers.telephones import telephone_forms, without_telephone_numbers
from redact.verify.tokens import Tokens, compile_tokens

NOBODY = Matcher(HarvestedIdentifiers())


def harvested(*numbers: str) -> HarvestedIdentifiers:
    return HarvestedIdentifiers(frozenset(Identifier(IdentifierKind.PHONE, one, "x") for one in numbers))


def found_by_proof(tokens: Tokens, text: str) -> bool:
    return bool(tokens.match(text))


@pytest.mark.parametrize(
    ("harvest", "text"),
    [
        ("+44 96 9026 9575", "call 096 9026-9575"),
        ("+44 96 9026 9575", "call (096) 9026-9575"),
        ("+44 96 9026 9575", "call 96 9026 9575 today"),
        ("+44 96 9026 9575", "call 9026 9575"),
        ("+44 96 9026 9575", "call 09690269575"),
        ("+44 (0)96 9026 9575", "tel096.9026.9575"),
        ("0044 96 9026 9575", "096/90269575"),
        ("+1 (555) 123-4567", "(555) 123 4567"),
        ("+1 (555) 123-4567", "123-4567"),
        ("096 9026 9575", "+44 96 9026 9575"),
        ("096 9026 9575", "+44 (0)96 9026 9575"),
        ("tel:+449690269575", "call 096 9026-9575"),
    ],
)
def test_a_known_number_is_found_in_its_other_forms(harvest: str, text: str) -> None:
    known = harvested(harvest)
    cleaned = Matcher(known).clean(text)
    assert cleaned.hits
    assert (
        sum(character.isdigit() for character in cleaned.text) <= 3
    )  # a country code and a trunk zero name no one
    tokens = compile_tokens(known)
    assert found_by_proof(tokens, text)
    assert not found_by_proof(tokens, cleaned.text)


@pytest.mark.parametrize("text", ["120 kV 300 mAs", "9026 mm 9575", "L4-L5", "1969026957512", "512 512"])
def test_other_numbers_are_not_taken_for_a_known_one(text: str) -> None:
    known = harvested("+44 96 9026 9575")
    assert Matcher(known).clean(text).text == text
    assert not found_by_proof(compile_tokens(known), text)


@pytest.mark.parametrize(
    "number",
    [
        "096 9026-9575",
        "(096) 9026 9575",
        "+44 96 9026 9575",
        "+44 (0)96 9026 9575",
        "0341/971 18 00",
        "01.23.45.67.89",
        "555-1234",
        "555 1234",
        "555\u20111234",
        "555 \u2013 1234",
        "90 26 95 75",
        "096_9026_9575",
        "9 0 2 6 9 5 7 5",
        "044.123 45 67",
    ],
)
def test_an_unknown_number_goes_from_a_descriptor(number: str) -> None:
    assert clean_descriptor(f"brain routine {number}", NOBODY) == "brain routine"
    assert clean_descriptor(f"{number} brain", NOBODY) == "brain"


def test_a_word_that_goes_does_not_leave_a_number_together() -> None:
    assert clean_descriptor("brain 096 xyzq 9026", NOBODY) == "brain"


def test_a_code_string_is_no_telephone_number() -> None:
    assert clean_code("096 9026-9575", NOBODY) is None
    assert clean_code("1.5 2.0", NOBODY) == "1.5 2.0"


@pytest.mark.parametrize(
    "text",
    [
        "120 kV 300 mAs",
        "512 512",
        "1024 1024",
        "512 x 512 x 300",
        "3.0 x 3.0",
        "1.25 1.25 3.00",
        "0.75 0.75 1.0",
        "L4-L5",
        "T1 TE 10 TR 500",
        "b 0 500 1000",
        "b0 500 1000",
        "b50 400 800",
        "head 5.0 B30f",
        "phase 30 60 90",
        "10-20 mm",
        "t2_tse_sag_320 4 mm",
        "",
    ],
)
def test_quantities_stay_in_a_descriptor(text: str) -> None:
    assert clean_descriptor(text, NOBODY) == text


@given(
    st.lists(st.from_regex(r"\A\d{1,4}\Z"), min_size=2, max_size=6),
    st.sampled_from([" ", "-", "/", ".", ") "]),
)
def test_no_seven_digits_stay_in_different_groups(groups: list[str], separator: str) -> None:
    chain = separator.join(groups)
    left = without_telephone_numbers(chain)
    if sum(map(len, groups)) < 7:
        assert left == chain
    elif len(set(groups)) > 1 and "." not in chain:
        assert not any(character.isdigit() for character in left)


def test_forms_have_seven_digits_at_least() -> None:
    assert telephone_forms("+1 (555) 123-4567") == {
        "15551234567", "5551234567", "1234567", "551234567", "51234567",
    }  # fmt: skip
    assert telephone_forms("110") == telephone_forms("") == frozenset()
