"""Pseudonyms are found in whatever somebody else wrote around them, and parts of other words are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.identifiers.pseudonym_forms import exchanged, exchanged_text, patients_in, uids_in
from redact.identifiers.pseudonymiser import Pseudonymiser

PSEUDONYMISER = Pseudonymiser(bytes(32), "site")
UID = PSEUDONYMISER.uid("1.2.3")
PATIENT = PSEUDONYMISER.patient("", "0815", "").patient_id


@given(st.text(min_size=1), st.text("0123456789.", min_size=1))
def test_every_pseudonym_has_the_form(patient_id: str, uid: str) -> None:
    made = PSEUDONYMISER.patient("", patient_id, "1.2.3").patient_id
    assert patients_in(made.encode()) == {made}
    mapped = PSEUDONYMISER.uid(uid)
    assert uids_in(mapped.encode()) == ({mapped} if mapped.startswith("2.25.") else set())


@pytest.mark.parametrize("around", ["{}", "{}\0", " {}", "{}.", "see {}, too", "x\\{}\\y", "/{}/", "={}^"])
def test_it_is_found_inside_other_text(around: str) -> None:
    value = around.format(UID).encode()
    assert uids_in(value) == {UID}
    assert exchanged(value, {UID: b"9"}) == around.format("9").encode()
    assert patients_in(around.format(PATIENT).encode()) == {PATIENT}


@pytest.mark.parametrize("around", ["1.{}", "{}.1", "{}1", "1{}"])
def test_part_of_another_uid_is_none(around: str) -> None:
    value = around.format(UID)
    assert UID not in uids_in(value.encode())
    assert exchanged_text(value, {UID: "9"}) == value


@pytest.mark.parametrize("around", ["A{}", "{}A", "{}0"])
def test_part_of_another_word_is_none(around: str) -> None:
    assert patients_in(around.format(PATIENT).encode()) == set()


def test_what_is_unknown_stays() -> None:
    assert exchanged(f"{UID} {PATIENT}".encode(), {PATIENT: b"0815"}) == f"{UID} 0815".encode()
    assert exchanged_text(f"{UID} {PATIENT}", {}) == f"{UID} {PATIENT}"
