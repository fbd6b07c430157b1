"""The check of a returned instance sees what the writer might do wrong; and properties over any content."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.reconcile.verify_restored import verify_restored
from tests.redact.reconcile.making import SYNTAXES, item, read, save
from tests.redact.reconcile.returning import (
    KNOWN,
    NAME,
    PARTNERS_UID,
    PATIENT,
    PATIENT_ID,
    RESTORATION,
    STUDY,
    moved,
    original,
    pseudonym,
    report,
    restore,
    survey,
)

Change = Callable[[Dataset], object]


def kept(ds: Dataset) -> Dataset:
    found: Dataset = ds.OriginalAttributesSequence[-1].ModifiedAttributesSequence[0]
    return found


def put(**values: object) -> Change:
    """Set attributes of the data set."""

    def change(ds: Dataset) -> None:
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    return change


def nested(ds: Dataset) -> Dataset:
    found: Dataset = ds.ContentSequence[3].ContentSequence[1]
    return found


DAMAGE: dict[str, Change] = {
    "pseudonymous id": put(PatientID=PATIENT.patient_id),
    "another id": put(PatientID="0815-4712"),
    "two ids": put(PatientID=[PATIENT_ID, "4712"]),
    "no id": lambda ds: ds.__delattr__("PatientID"),
    "an issuer": put(IssuerOfPatientID="telerad"),
    "an empty issuer": put(IssuerOfPatientID=""),
    "another name": put(PatientName="Else^Somebody"),
    "pseudonymous name": put(PatientName=PATIENT.patient_name),
    "another birth date": put(PatientBirthDate="19470313"),
    "another patient's other id": lambda ds: setattr(ds.OtherPatientIDsSequence[0], "PatientID", "ZX-10"),
    "one more other id": lambda ds: ds.OtherPatientIDsSequence.append(item(PatientID="ZX-10")),
    "pseudonymous study": put(StudyInstanceUID=pseudonym(STUDY)),
    "another study": put(StudyInstanceUID=f"{STUDY}.8"),
    "another study date": put(StudyDate="20260106"),
    "moved study date": put(StudyDate=moved("20260105")),
    "another accession number": put(AccessionNumber="ACC-78"),
    "another physician": put(ReferringPhysicianName="Else^Somebody"),
    "a foreign order": put(RequestAttributesSequence=[item(RequestedProcedureID="THEIRS-1")]),
    "another description": put(StudyDescription="MR HEAD"),
    "still removed": put(PatientIdentityRemoved="YES"),
    "still a method": put(DeidentificationMethod="Lockgate"),
    "dates told wrongly": put(LongitudinalTemporalInformationModified="REMOVED"),
    "pseudonym in text": lambda ds: setattr(
        ds.ContentSequence[0], "TextValue", f"Patient {PATIENT.patient_id}: nothing on {STUDY}.1.2."
    ),
    "another text": lambda ds: setattr(ds.ContentSequence[0], "TextValue", "Something."),
    "another person": lambda ds: setattr(ds.ContentSequence[1], "PersonName", "Else^Somebody"),
    "pseudonymous reference": lambda ds: setattr(nested(ds), "UID", pseudonym(f"{STUDY}.9")),
    "another reference": lambda ds: setattr(nested(ds), "UID", f"{STUDY}.8"),
    "partner's uid": lambda ds: setattr(ds, "SeriesInstanceUID", f"{PARTNERS_UID}.3"),
    "an item lost": lambda ds: ds.ContentSequence.pop(),
    "an item more": lambda ds: ds.ContentSequence.append(ds.ContentSequence[1]),
    "partner's date": put(ContentDate="20260105"),
    "institution": put(InstitutionName="GENERAL"),
    "an element more": put(StationName="X"),
    "an element lost": lambda ds: ds.__delattr__("InstitutionName"),
    "character set": put(SpecificCharacterSet="ISO_IR 144"),
    "no history": lambda ds: ds.__delattr__("OriginalAttributesSequence"),
    "original lost": lambda ds: kept(ds).__delattr__("StudyDate"),
    "original changed": lambda ds: setattr(kept(ds), "PatientID", "LG0000000000000000"),
    "reason": lambda ds: setattr(
        ds.OriginalAttributesSequence[-1], "ReasonForTheAttributeModification", "CORRECT"
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_seen(name: str, tmp_path: Path) -> None:
    reference = save(original(), tmp_path / "original.dcm")
    _, came, written = restore(report(), tmp_path, reference)
    verify_restored(came, written, RESTORATION, reference)
    ds = read(written)
    DAMAGE[name](ds)
    save(ds, written)
    with pytest.raises(HeldError) as held:
        verify_restored(came, written, RESTORATION, reference)
    assert held.value.code is ReasonCode.REIDENTIFY
    text = str(held.value)
    assert not [one for one in (PATIENT_ID, NAME, STUDY, *KNOWN, PATIENT.patient_id) if one in text]


WITHOUT: dict[str, Change] = {
    "moved study date": put(StudyDate=moved("20260105")),
    "another study date": put(StudyDate="20260106"),
    "study time": put(StudyTime="101501"),
    "a name": put(PatientName=NAME),
    "an accession number": put(AccessionNumber="ACC-77"),
    "an admission": put(AdmissionID="A-1"),
    "an age": put(PatientAge="079Y"),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_without_the_original_nothing_else_may_be_said(name: str, tmp_path: Path) -> None:
    _, came, written = restore(report(), tmp_path, None)
    ds = read(written)
    WITHOUT[name](ds)
    save(ds, written)
    with pytest.raises(HeldError):
        verify_restored(came, written, RESTORATION, None)


def test_moved_dates_are_not_called_unmodified(tmp_path: Path) -> None:
    ds = report()
    ds.AcquisitionDate = moved("20260105")
    _, came, written = restore(ds, tmp_path, None)
    ds = read(written)
    ds.LongitudinalTemporalInformationModified = "UNMODIFIED"
    kept(ds).LongitudinalTemporalInformationModified = "MODIFIED"
    save(ds, written)
    with pytest.raises(HeldError, match="of its dates is not true"):
        verify_restored(came, written, RESTORATION, None)


def test_what_has_the_form_of_a_pseudonym_is_told(tmp_path: Path) -> None:
    """Whether it is one, only the crosswalk knows: the caller asks it."""
    ds = report()
    ds.ContentSequence[0].TextValue += f" {pseudonym('1.2.3')} LG0123456789ABCDEF"
    done, _, _ = restore(ds, tmp_path, None)
    path = "(0040,A730)[0].(0040,A160)"
    assert done.left[pseudonym("1.2.3")] == done.left["LG0123456789ABCDEF"] == path


texts = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\\"), max_size=20)
uids = st.sampled_from(
    [*KNOWN, "1.2.826.0.1.3680043.8.498.70", f"{next(iter(KNOWN))}.1", f"1.{next(iter(KNOWN))}"]
)


@st.composite
def contents(draw: st.DrawFn, depth: int = 3) -> Dataset:
    """A content item of any shape with pseudonyms anywhere in it."""
    made = item(ValueType="TEXT", TextValue=draw(texts) + draw(st.sampled_from(["", " ", "."])) + draw(uids))
    made.UID = draw(st.lists(uids, min_size=1, max_size=3))
    made.PersonName = draw(st.sampled_from([PATIENT.patient_name, "Reader^Remote", ""]))
    if depth and draw(st.booleans()):
        made.ContentSequence = draw(st.lists(contents(depth - 1), max_size=2))
        made["ContentSequence"].is_undefined_length = draw(st.booleans())
        for each in made.ContentSequence:
            each.is_undefined_length_sequence_item = draw(st.booleans())
    return made


@settings(max_examples=60, deadline=None)
@given(st.lists(contents(), max_size=3), st.sampled_from(SYNTAXES[:4]), st.booleans())
def test_any_content_is_restored_whole_or_held(
    items: list[Dataset], syntax: str, with_original: bool
) -> None:
    """No known pseudonym is left, and every other value is as it was."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        reference = save(original(), folder / "original.dcm") if with_original else None
        ds = report()
        ds.ContentSequence = items
        done, came, written = restore(ds, folder, reference, syntax)
        found = survey(read(written), folder, syntax)
        assert not found.uids.keys() & KNOWN.keys()
        assert PATIENT.patient_id not in found.patients
        before, after = _flat(read(came)), _flat(read(written))
        for uid in KNOWN:
            before = [_exchanged(value, uid, KNOWN[uid]) for value in before]
        assert [one for one in before if PATIENT.patient_id not in one] == [
            one for number, one in enumerate(after) if PATIENT.patient_id not in before[number]
        ]
        assert done.study_instance_uid == STUDY


def _flat(ds: Dataset) -> list[str]:
    found: list[str] = []
    pending = list(ds.ContentSequence)
    while pending:
        one = pending.pop()
        pending.extend(one.get("ContentSequence", ()))
        uid = one.UID if isinstance(one.UID, str) else "\\".join(one.UID)
        found += [str(one.TextValue), str(one.PersonName), uid]
    return found


def _exchanged(value: str, uid: str, instead: str) -> str:
    """By hand: a UID that is not part of a longer one."""
    at = value.find(uid)
    while at >= 0:
        before, behind = value[at - 1 : at], value[at + len(uid) : at + len(uid) + 2]
        whole = not (before.isdigit() or before == ".") and not behind[:1].isdigit()
        whole = whole and not (behind[:1] == "." and behind[1:].isdigit())
        if whole:
            value = value[:at] + instead + value[at + len(uid) :]
        at = value.find(uid, at + (len(instead) if whole else 1))
    return value
