"""Pseudonyms: stable under a key, unlinkable across domains, never merging or splitting patients."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from redact.identifiers.pseudonymiser import (
    MAX_SHIFT_DAYS,
    Pseudonymiser,
    is_placeholder,
    normalised_patient_id,
)
from redact.identifiers.uids import is_definition, is_standard_uid, is_valid_uid

KEY, OTHER = bytes(32), bytes(range(32))
ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
uids = st.from_regex(r"\A1\.[2-9](\.(0|[1-9][0-9]{0,8})){2,6}\Z")


@given(uids)
def test_a_uid_maps_to_a_valid_uuid8(uid: str) -> None:
    new = Pseudonymiser(KEY, "r").uid(uid)
    assert re.fullmatch(r"2\.25\.[1-9]\d{0,38}", new)
    assert len(new) <= 44
    number = int(new[5:])
    assert number >> 76 & 0xF == 8
    assert number >> 62 & 0x3 == 2
    assert is_valid_uid(new)


@given(uids)
def test_uids_depend_on_key_and_revision_only(uid: str) -> None:
    assume(not is_standard_uid(uid))
    first = Pseudonymiser(KEY, "a").uid(uid)
    assert first == Pseudonymiser(KEY, "b").uid(uid) == Pseudonymiser(KEY, "a").uid(uid + "\0")
    assert first != Pseudonymiser(OTHER, "a").uid(uid)
    assert first != Pseudonymiser(KEY, "a", revision=1).uid(uid)


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.2.16.4"])
def test_the_standards_uids_are_never_mapped(uid: str) -> None:
    assert Pseudonymiser(KEY, "r").uid(uid) == uid


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.SMITH", "1.2.840.100080.1", "SMITH", "1.2.840.10008.01", "1..2"]
)
def test_what_only_looks_standard_is_mapped_as_a_string(uid: str) -> None:
    assert Pseudonymiser(KEY, "r").uid(uid).startswith("2.25.")


def test_an_empty_uid_stays_empty() -> None:
    assert Pseudonymiser(KEY, "r").uid(" \0") == ""


def test_definitions_stay_in_their_elements_only() -> None:
    assert is_definition(0x00080016, "1.3.46.670589.5.0.1.1")
    assert not is_definition(0x00080018, "1.3.46.670589.5.0.1.1")
    assert not is_definition(0x00080016, "private class of Smith")


@given(ids, ids, st.text(max_size=10), st.text(max_size=10))
def test_patients_are_neither_merged_nor_split(one: str, two: str, issuer: str, study: str) -> None:
    assume(not is_placeholder(one) and not is_placeholder(two))
    pseudonyms = Pseudonymiser(KEY, "route")
    first, second = pseudonyms.patient(issuer, one, study), pseudonyms.patient(issuer, two, "another study")
    same = normalised_patient_id(one) == normalised_patient_id(two)
    assert (first.patient_id == second.patient_id) == same
    assert (first.key_ref == second.key_ref) == same
    assert 1 <= first.shift_days <= MAX_SHIFT_DAYS
    assert len(first.patient_id) <= 64
    assert one not in first.patient_id or len(one) < 4


def test_padding_does_not_split_and_issuers_do() -> None:
    pseudonyms = Pseudonymiser(KEY, "route")
    assert pseudonyms.patient("", " 12345 ", "s") == pseudonyms.patient("", "12345", "t")
    assert pseudonyms.patient("", "12345", "s") == pseudonyms.patient("route", "12345", "s")
    assert pseudonyms.patient("other", "12345", "s") != pseudonyms.patient("route", "12345", "s")


@pytest.mark.parametrize(
    "patient_id", ["", "  ", "0", "0000", "UNKNOWN", "anonymous", "Anon 00", "N/A", "none", "9999", "XXX"]
)
def test_placeholders_hold_for_one_study(patient_id: str) -> None:
    pseudonyms = Pseudonymiser(KEY, "route")
    one, two = pseudonyms.patient("", patient_id, "1.2"), pseudonyms.patient("", patient_id, "1.3")
    assert one.placeholder
    assert one.patient_id != two.patient_id


@pytest.mark.parametrize("patient_id", ["1", "4711", "A0", "TESTER", "12300"])
def test_real_ids_are_no_placeholders(patient_id: str) -> None:
    assert not is_placeholder(patient_id)


def test_references_to_the_source_need_the_key() -> None:
    pseudonyms = Pseudonymiser(KEY, "r")
    assert pseudonyms.source_ref("study", "1.2") == Pseudonymiser(KEY, "q").source_ref("study", "1.2")
    assert pseudonyms.source_ref("study", "1.2") != Pseudonymiser(OTHER, "r").source_ref("study", "1.2")
    assert pseudonyms.source_ref("a", "bc") != pseudonyms.source_ref("ab", "c")
    assert re.fullmatch("[0-9a-f]{64}", pseudonyms.source_ref("study", "1.2"))


def test_short_keys_and_negative_revisions_are_refused_and_keys_never_shown() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Pseudonymiser(b"short", "r")
    with pytest.raises(ValueError, match="negative"):
        Pseudonymiser(KEY, "r", -1)
    assert "x00" not in repr(Pseudonymiser(KEY, "r"))
