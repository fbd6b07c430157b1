"""The table of concept names: complete, of real codes, and asked under retired and private codes as well."""

from importlib.resources import files
from typing import Any

import pytest
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping

from exchange.domain.identifiers import IdentifierKind
from redact.structured.concepts import (
    Concept,
    identifying_base,
    is_subject,
    kind_of,
    listed_base,
    row_of,
)

TABLE = (files("redact.structured") / "content_items.txt").read_text()
# Codes of Table E.3.4-1 that pydicom's concept names do not hold yet.
NEWER = {"130884", "130885"}


def listed(text: str) -> list[tuple[str, str, str]]:
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return [(row[3], value, row[0]) for row in rows for value in row[4:]]


def test_the_table_of_the_standard_is_whole() -> None:
    standard, _, ours = TABLE.partition("# What Table E.3.4-1 lacks")
    assert len(listed(standard)) == len(set(listed(standard))) == 211
    assert not set(listed(standard)) & set(listed(ours))


def test_every_code_is_one_of_the_standard() -> None:
    codes: Any = concepts["DCM"]
    known = {value for keyword in codes for value in codes[keyword]}
    assert {value for scheme, value, _ in listed(TABLE) if scheme == "DCM"} - known == NEWER


@pytest.mark.parametrize("scheme", ["SRT", "SNM3", "99SDM"])
def test_retired_codes_stand_for_the_present_ones(scheme: str) -> None:
    snomed = {(value, kind) for one, value, kind in listed(TABLE) if one == "SCT"}
    retired = {(mapping["SCT"][value], value, kind) for value, kind in snomed if value in mapping["SCT"]}
    assert len(retired) >= 11
    for old, new, kind in retired:
        assert Concept(scheme, old).present == Concept("SCT", new)
        assert row_of(Concept(scheme, old).present, kind) == row_of(Concept("SCT", new), kind) is not None


def test_a_row_says_what_the_profile_does() -> None:
    row = row_of(Concept("DCM", "121016"), "TEXT")
    assert row is not None
    assert (row.base, row.options, row.cleanable) == ("X", "D", False)
    dated = row_of(Concept("DCM", "111526"), "DATETIME")
    assert dated is not None
    assert (dated.base, dated.cleanable) == ("X/D", True)
    assert row_of(Concept("DCM", "121071"), "CODE") is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("121029", IdentifierKind.PATIENT_NAME),
        ("121030", IdentifierKind.PATIENT_ID),
        ("121008", IdentifierKind.PERSON),
        ("121022", IdentifierKind.NUMBER),
        ("121009", IdentifierKind.INSTITUTION),
        ("121013", IdentifierKind.OTHER),
        ("121071", None),
    ],
)
def test_kinds(value: str, kind: IdentifierKind | None) -> None:
    assert kind_of(Concept("DCM", value)) == kind
    assert is_subject(Concept("DCM", value)) == (value in {"121029", "121030"})
    assert kind_of(Concept("99LOCAL", value)) is None


@pytest.mark.parametrize(
    ("concept", "base"),
    [
        (Concept("DCM", "121008"), "D"),
        (Concept("DCM", "121022"), "X"),
        (Concept("DCM", "121071"), ""),
        (Concept("DCM", "112040"), ""),
        (Concept("99ACME", "1", "Patient Name"), "D"),
        (Concept("99ACME", "1", "MRN"), "D"),
        (Concept("99ACME", "1", "Date of birth"), "D"),
        (Concept("99ACME", "1", "Number of slices"), ""),
        (Concept("99ACME", "1", "Series description"), ""),
        (Concept("SCT", "1", "Patient Name"), ""),
    ],
)
def test_what_identifies_whatever_its_value_type(concept: Concept, base: str) -> None:
    assert identifying_base(concept) == base
    if concept.scheme == "99ACME":
        assert listed_base(concept) == ""
