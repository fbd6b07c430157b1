"""Lines as readers misread them against harvested identifiers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.ocr.matching import IdentifierMatcher


def matcher(*pairs: tuple[IdentifierKind, str]) -> IdentifierMatcher:
    items = frozenset(Identifier(kind, value, "test") for kind, value in pairs)
    return IdentifierMatcher(HarvestedIdentifiers(items))


PATIENT = matcher(
    (IdentifierKind.PATIENT_NAME, "Müller"),
    (IdentifierKind.PATIENT_NAME, "Ann"),
    (IdentifierKind.PATIENT_ID, "MRN-4821305"),
    (IdentifierKind.DATE, "19620314"),
    (IdentifierKind.INSTITUTION, "Riverside Clinic"),
)


@pytest.mark.parametrize(
    "line",
    [
        "MÜLLER^ANN",
        "Name: Muller, A",
        "MuI1er",
        "ANN",
        "4821305",
        "ID MRN4B2I305",
        "MRN-4821305 F",
        "14.03.1962",
        "03/14/1962",
        "1962-03-14",
        "14-MAR-1962",
        "DOB 14 Mar 62",
        "I4/O3/I962",
        "RIVERSlDE",
    ],
)
def test_identifiers_are_recognised_however_they_are_written(line: str) -> None:
    assert PATIENT.matches(line)


@pytest.mark.parametrize(
    "line", ["", "L", "R", "40 cm/s", "KVP 120", "2019", "PORTABLE", "Axial 5mm", "A", "MU"]
)
def test_other_text_is_no_identifier(line: str) -> None:
    assert not PATIENT.matches(line)


def test_without_identifiers_nothing_matches() -> None:
    assert not matcher().matches("SMITH^JOHN 123456")


@given(st.text(alphabet="ABCDEFGHIJKLMNOPRSTUVWXYZ", min_size=5, max_size=12), st.data())
def test_one_misread_letter_is_forgiven_in_longer_names(name: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(name) - 1))
    kept = name[:place] + name[place + 1 :]
    patient = matcher((IdentifierKind.PATIENT_NAME, name))
    assert patient.matches(name)
    if len(kept) >= 5:
        assert patient.matches(f"{kept} 04:12")


@given(st.text(max_size=60))
def test_any_line_is_answered(line: str) -> None:
    assert PATIENT.matches(line) in (True, False)
