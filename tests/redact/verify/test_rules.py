"""The proof and a site's own rules: what a rule lets stay passes, there and nowhere else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from agent.config.profiles import profile_of
from exchange.dicomio.header import read_header
from exchange.domain.errors import HeldError
from redact.headers.profile import Option, Profile
from redact.identifiers.harvest import harvest
from redact.stage import CleanedInstance, CleaningPlan, InstanceCleaner, Readers
from redact.verify.dates import shifted_day
from redact.verify.expectations import Expectations
from redact.verify.proof import prove_instance
from tests.redact.verify.studies import (
    EXPECTATIONS,
    IDENTIFIERS,
    IMPLICIT,
    PATIENT,
    PSEUDONYMISER,
    cleaned,
    original,
    pair,
    write,
)

Rule = dict[str, Any]


def ruled(*rules: Rule, options: tuple[str, ...] = ("113107",)) -> Profile:
    return profile_of({"profile": "ruled", "options": list(options), "rules": list(rules)})


def expectations(*rules: Rule, options: tuple[str, ...] = ("113107",)) -> Expectations:
    profile = ruled(*rules, options=options)
    return Expectations.of(profile.options, PSEUDONYMISER, rules=profile.rules)


def verdict(folder: Path, change: Callable[[Dataset], None], wanted: Expectations, syntax: str = "") -> str:
    """`passes`, or the path at which the instance is held."""
    source, output = pair(folder, change, *([syntax] if syntax else []))
    try:
        prove_instance(source, output, identifiers=IDENTIFIERS, expectations=wanted)
    except HeldError as held:
        return held.path
    return "passes"


def private(creator: str, vr: str = "DS", value: object = "1.5") -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        ds.private_block(0x0029, creator, create=True).add_new(0x11, vr, value)

    return change


KEEP = {"private": {"creator": "ACME CSA", "element": 0x11}, "action": "keep"}


@pytest.mark.parametrize(
    ("rule", "change", "expected"),
    [
        (KEEP, private("ACME CSA"), "passes"),
        (KEEP, private("OTHER"), "(0029,1011)"),
        ({**KEEP, "action": "remove"}, private("ACME CSA"), "(0029,1011)"),
        (
            {"private": {"creator": "ACME CSA", "element": 0x12}, "action": "keep"},
            private("ACME CSA"),
            "(0029,1011)",
        ),
        (
            {"private": {"creator": "ACME CSA", "group": 0x31}, "action": "keep"},
            private("ACME CSA"),
            "(0029,1011)",
        ),
        (KEEP, private("ACME CSA", "OB", b"\0\1"), "(0029,1011)"),
        (KEEP, private("ACME CSA", "UI", "1.2.3"), "(0029,1011)"),
        (KEEP, private("ACME CSA", "LO", "Johanna"), "(0029,1011)"),
    ],
)
def test_private_elements_pass_where_a_rule_keeps_them(
    tmp_path: Path, rule: Rule, change: Callable[[Dataset], None], expected: str
) -> None:
    assert verdict(tmp_path, change, expectations(rule)) == expected


def test_private_elements_of_implicit_vr_are_known_by_their_creator(tmp_path: Path) -> None:
    assert verdict(tmp_path, private("ACME CSA"), expectations(KEEP), IMPLICIT) == "passes"
    assert verdict(tmp_path, private("ACME CSA"), EXPECTATIONS, IMPLICIT) == "(0029,1011)"


def test_the_safe_private_option_lets_only_safe_ones_stay(tmp_path: Path) -> None:
    safe = Expectations.of(
        frozenset({Option.RETAIN_MODIFIED_DATES, Option.RETAIN_SAFE_PRIVATE}), PSEUDONYMISER
    )

    def elscint(number: int) -> Callable[[Dataset], None]:
        def change(ds: Dataset) -> None:
            ds.private_block(0x01F1, "ELSCINT1", create=True).add_new(number, "DS", "1.5")

        return change

    assert verdict(tmp_path, elscint(0x07), safe) == "passes"
    assert verdict(tmp_path, elscint(0x08), safe) == "(01F1,1008)"


def dated(value: str, keyword: str = "StudyDate") -> Callable[[Dataset], None]:
    return lambda ds: setattr(ds, keyword, value)


YEARS = {"vr": ["DA", "DT"], "action": "year"}


@pytest.mark.parametrize(
    ("rule", "keyword", "value", "expected"),
    [
        (YEARS, "StudyDate", "20190101", "passes"),
        (YEARS, "StudyDate", "20190301", "(0008,0020)"),
        (YEARS, "StudyDate", "20180101", "(0008,0020)"),
        (YEARS, "StudyDate", "20190307", "(0008,0020)"),
        (YEARS, "AcquisitionDateTime", "2019", "passes"),
        (YEARS, "AcquisitionDateTime", "201903", "(0008,002A)"),
        ({"keyword": "SeriesDate", "action": "year"}, "StudyDate", "20190101", "(0008,0020)"),
        (
            {"keyword": "StudyDate", "action": "replace", "value": "20000101"},
            "StudyDate",
            "20000101",
            "passes",
        ),
        (
            {"keyword": "StudyDate", "action": "replace", "value": "20000101"},
            "StudyDate",
            "20000102",
            "(0008,0020)",
        ),
    ],
)
def test_dates_pass_as_a_rule_makes_them(
    tmp_path: Path, rule: Rule, keyword: str, value: str, expected: str
) -> None:
    assert verdict(tmp_path, dated(value, keyword), expectations(rule)) == expected


def test_dummy_dates_pass_only_where_the_profile_keeps_none(tmp_path: Path) -> None:
    def without_dates(ds: Dataset) -> None:
        ds.StudyDate = ds.AcquisitionDateTime = ""
        ds.ContentDate = "19000101"

    assert verdict(tmp_path, without_dates, expectations(options=())) == "passes"
    assert verdict(tmp_path, without_dates, EXPECTATIONS) == "(0008,0023)"


def test_a_birth_date_may_be_shifted_by_a_rule_and_no_other_way(tmp_path: Path) -> None:
    shifted = shifted_day("19610412", PATIENT.shift_days)
    rule = expectations({"keyword": "PatientBirthDate", "action": "shift"})
    assert verdict(tmp_path, dated(shifted, "PatientBirthDate"), rule) == "passes"
    assert verdict(tmp_path, dated("19610412", "PatientBirthDate"), rule) == "(0010,0030)"


def test_a_keep_rule_lets_no_identifier_stay(tmp_path: Path) -> None:
    kept = expectations({"keyword": "StudyDescription", "action": "keep"})
    assert verdict(tmp_path, dated("CT Head Doering", "StudyDescription"), kept) == "(0008,1030)"
    ds = cleaned()
    ds.StudyDescription = "CT Head"
    source = write(tmp_path / "a.dcm", original())
    prove_instance(source, write(tmp_path / "b.dcm", ds), identifiers=IDENTIFIERS, expectations=kept)


EVERYTHING: tuple[Rule, ...] = (
    {"keyword": "StudyDescription", "action": "keep"},
    {"keyword": "InstitutionName", "action": "hash"},
    {"keyword": "AccessionNumber", "action": "hash"},
    {"keyword": "StationName", "action": "replace", "value": "SCANNER"},
    {"keyword": "SeriesDate", "action": "year"},
    {"keyword": "PatientBirthDate", "action": "shift"},
    {"tag": "0018,11xx", "action": "empty", "when": {"Modality": "MR"}},
    {"vr": ["UT", "LT"], "action": "remove"},
    {"path": "**.TypeOfPatientID", "action": "remove"},
    {"private": {"creator": "GEMS_ACQU_01"}, "action": "keep"},
    {"private": {"creator": "GEMS_ACQU_01", "element": 0x24}, "action": "remove"},
)


def cleaned_for_real(profile: Profile, name: str, folder: Path) -> tuple[CleanedInstance, Dataset]:
    source = Path(str(get_testdata_file(name)))
    plan = CleaningPlan(profile, PSEUDONYMISER, harvest(read_header(source)), Readers(), canary_seed=b"rules")
    done = InstanceCleaner(plan).run(source, folder / "out.dcm")
    return done, read_header(done.path)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "MR_small_implicit.dcm", "rtplan.dcm"])
def test_cleaner_and_proof_agree_on_every_kind_of_rule(tmp_path: Path, name: str) -> None:
    done, ds = cleaned_for_real(ruled(*EVERYTHING), name, tmp_path)
    assert done.proved
    kept = [tag for tag in list(ds.keys()) if tag.is_private and tag.element > 0xFF]
    assert bool(kept) is (name == "CT_small.dcm")
    if name == "CT_small.dcm":
        assert ds.StudyDescription == "e+1"
        assert ds.SeriesDate == "19970101"
        assert ds.StationName == "SCANNER"
        assert len(ds.InstitutionName) == 16
        assert "GantryDetectorTilt" in ds
