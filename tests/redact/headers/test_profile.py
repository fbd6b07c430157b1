"""Profiles: what they may say, and their digest."""

import pytest
from pydicom.datadict import dictionary_VR

from redact.headers.profile import CODE_MEANINGS, Option
from redact.headers.rules import Handling, rule_book
from tests.redact.headers.studies import default_profile, profile


def test_the_default_profile_is_as_the_contract_says() -> None:
    assert default_profile().profile_id == "default"
    assert {option.value for option in default_profile().options} == {
        "113107",
        "113101",
        "113103",
        "113104",
        "113105",
    }
    assert default_profile().rules == ()


def test_every_option_has_its_meaning() -> None:
    assert {option.value for option in Option} | {"113100"} == set(CODE_MEANINGS)
    assert all(len(meaning) <= 64 for meaning in CODE_MEANINGS.values())


def test_the_digest_ignores_order_and_sees_every_change() -> None:
    rule = {"keyword": "Manufacturer", "action": "remove"}
    base = profile("113105", "113107", rules=[rule])
    assert (
        base.sha256 == profile("113107", "113105", rules=[{"tag": "(0008,0070)", "action": "remove"}]).sha256
    )
    assert base.sha256 != profile("113105", rules=[rule]).sha256
    assert base.sha256 != profile("113105", "113107", rules=[{**rule, "action": "empty"}]).sha256
    assert base.sha256 != profile("113105", "113107").sha256


@pytest.mark.parametrize(
    ("tag", "options", "handling"),
    [
        (0x00100010, (), Handling.DISPOSE),
        (0x0020000D, (), Handling.MAP_UID),
        (0x0020000D, ("113110",), Handling.KEEP),
        (0x00080020, (), Handling.DISPOSE),
        (0x00080020, ("113107",), Handling.SHIFT),
        (0x00080020, ("113106",), Handling.KEEP_DATE),
        (0x00081030, (), Handling.DISPOSE),
        (0x00081030, ("113105",), Handling.CLEAN),
        (0x00101010, ("113108",), Handling.KEEP),
        (0x0018700C, ("113109",), Handling.DISPOSE),
        (0x0018700C, ("113109", "113107"), Handling.SHIFT),
        (0x00080060, (), Handling.UNLISTED),
        (0x00091001, (), Handling.PRIVATE),
        (0x60003000, (), Handling.DROP),
        (0x50000010, (), Handling.DROP),
        (0x7FE00010, (), Handling.PIXELS),
        (0x40000010, (), Handling.DROP),
        (0x00880200, ("113105",), Handling.DISPOSE),
        (0x04000561, (), Handling.DISPOSE),
    ],
)
def test_what_a_profile_does_with_a_tag(tag: int, options: tuple[str, ...], handling: Handling) -> None:
    assert rule_book(profile(*options)).decision(tag).handling is handling


def test_every_date_that_113107_names_is_shifted_or_disposed_of() -> None:
    from redact.headers._generated.confidentiality import ROWS

    book = rule_book(profile("113107"))
    for tag, (_, cells) in ROWS.items():
        if cells[6] == "C":
            handling = book.decision(tag).handling
            assert handling in {Handling.SHIFT, Handling.DISPOSE}
            if handling is Handling.DISPOSE:
                assert dictionary_VR(tag) in {"OB", "SH"}
