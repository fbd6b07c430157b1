"""A partner's report and presentation state become the original patient's, in every encoding."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import UID

from exchange.dicomio.digest import dataset_sha256
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from tests.redact.reconcile.making import (
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    item,
    read,
    save,
)
from tests.redact.reconcile.returning import (
    KNOWN,
    NAME,
    PARTNERS_UID,
    PATIENT,
    PATIENT_ID,
    STUDY,
    every_value,
    marked,
    moved,
    original,
    presentation_state,
    pseudonym,
    report,
    restore,
    survey,
)
from tests.support.small_studies import instance_uid, make_instance

BIG = "1.2.840.10008.1.2.2"


@pytest.fixture(params=(IMPLICIT, EXPLICIT, DEFLATED, BIG))
def syntax(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return save(original(), tmp_path / "original.dcm")


def test_everything_that_is_a_pseudonym_is_found(syntax: str, tmp_path: Path) -> None:
    found = survey(report(), tmp_path, syntax)
    assert found.patient_id == PATIENT.patient_id
    assert set(found.patients) == {PATIENT.patient_id}
    assert set(found.uids) == KNOWN.keys()
    assert found.studies == {pseudonym(STUDY)}
    assert found.uids[pseudonym(f"{STUDY}.9")] == "(0040,A730)[3].(0040,A730)[1].(0040,A124)"


def test_a_report_comes_back_under_the_original_identity(
    syntax: str, tmp_path: Path, reference: Path
) -> None:
    done, _, written = restore(report(), tmp_path, reference, syntax)
    after = read(written)
    assert (after.PatientID, after.PatientName, after.StudyInstanceUID) == (PATIENT_ID, NAME, STUDY)
    assert "IssuerOfPatientID" not in after
    assert (after.PatientBirthDate, after.PatientSex) == ("19470312", "F")
    assert after.OtherPatientIDsSequence[0].PatientID == "ZX-9"
    assert (after.StudyDate, after.StudyTime, after.AccessionNumber, after.StudyID) == (
        "20260105", "101500", "ACC-77", "S-1",
    )  # fmt: skip
    assert after.ReferringPhysicianName == "Brackenridge^Horace"
    assert after.StudyDescription == "CT CHEST Quillfeather"
    assert done.study_instance_uid == STUDY
    assert done.series_instance_uid == after.SeriesInstanceUID == f"{PARTNERS_UID}.1"
    assert done.sop_instance_uid == after.SOPInstanceUID == f"{PARTNERS_UID}.1"
    assert done.sha256 == dataset_sha256(written)


def test_references_resolve_to_the_originals(syntax: str, tmp_path: Path, reference: Path) -> None:
    done, _, written = restore(report(), tmp_path, reference, syntax)
    after = read(written)
    (evidence,) = after.CurrentRequestedProcedureEvidenceSequence
    assert evidence.StudyInstanceUID == STUDY
    (series,) = evidence.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == f"{STUDY}.1"
    assert [one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence] == [
        instance_uid(1, 0),
        instance_uid(1, 1),
    ]
    text, name, date, inner = after.ContentSequence
    assert text.TextValue == f"Patient {PATIENT_ID}: nothing on {instance_uid(1, 1)}."
    assert name.PersonName == NAME
    assert date.Date == "20261119"
    image, frame, theirs = inner.ContentSequence
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == instance_uid(1, 0)
    assert (f"{STUDY}.9", f"{PARTNERS_UID}.77") == (frame.UID, theirs.UID)
    assert done.actions["uids"] == 8


def test_no_pseudonym_is_left_but_in_the_record(syntax: str, tmp_path: Path, reference: Path) -> None:
    for ds in (report(), presentation_state()):
        done, _, written = restore(ds, tmp_path, reference, syntax)
        said = " ".join(value for _, value in every_value(read(written)))
        assert not [one for one in (*KNOWN, PATIENT.patient_id) if one in said]
        assert set(done.left) <= set(KNOWN.values())


def test_a_presentation_state_points_to_the_image_and_its_frame(
    syntax: str, tmp_path: Path, reference: Path
) -> None:
    _, _, written = restore(presentation_state(), tmp_path, reference, syntax)
    after = read(written)
    (series,) = after.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == f"{STUDY}.1"
    assert series.ReferencedImageSequence[0].ReferencedSOPInstanceUID == instance_uid(1, 0)
    assert after.FrameOfReferenceUID == f"{STUDY}.9"
    assert (after.ContentCreatorName, after.PresentationCreationDate) == ("Reader^Remote", "20261119")


def test_marks_tell_what_is_true_now(tmp_path: Path, reference: Path) -> None:
    _, _, written = restore(report(), tmp_path, reference)
    after = read(written)
    assert after.PatientIdentityRemoved == "NO"
    assert "DeidentificationMethod" not in after
    assert "DeidentificationMethodCodeSequence" not in after
    assert after.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert after.BurnedInAnnotation == "NO"


def test_what_the_partner_said_of_his_own_work_stays(tmp_path: Path, reference: Path) -> None:
    came = report()
    _, _, written = restore(came, tmp_path, reference)
    after = read(written)
    for keyword in ("SeriesDate", "ContentDate", "ContentTime", "InstanceCreationDate", "InstitutionName"):
        assert after[keyword] == came[keyword]
    assert after.VerifyingObserverSequence == came.VerifyingObserverSequence
    assert "RequestAttributesSequence" not in after  # a foreign order


def test_what_was_replaced_can_be_had_back(syntax: str, tmp_path: Path, reference: Path) -> None:
    came = report()
    _, source, written = restore(came, tmp_path, reference, syntax)
    before, after = read(source), read(written)
    (record,) = after.OriginalAttributesSequence
    assert (record.ReasonForTheAttributeModification, record.SourceOfPreviousValues) == ("COERCE", "telerad")
    (kept,) = record.ModifiedAttributesSequence
    for one in kept:
        assert before[one.tag] == one
    assert (kept.PatientID, kept.StudyInstanceUID) == (PATIENT.patient_id, pseudonym(STUDY))
    assert "ContentSequence" in kept
    assert "ContentDate" not in kept


def test_the_same_again_gives_the_same_bytes(syntax: str, tmp_path: Path, reference: Path) -> None:
    _, _, written = restore(report(), tmp_path, reference, syntax)
    first = written.read_bytes()
    restore(report(), tmp_path, reference, syntax)
    assert written.read_bytes() == first


def test_without_the_original_ids_alone_are_restored(syntax: str, tmp_path: Path) -> None:
    _, _, written = restore(report(), tmp_path, None, syntax)
    after = read(written)
    assert (after.PatientID, after.StudyInstanceUID) == (PATIENT_ID, STUDY)
    for keyword in ("PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
        assert after[keyword].is_empty, keyword
    assert (after.StudyDate, after.StudyTime) == ("20260105", "101500")
    assert after.StudyDescription == "CT CHEST"
    assert after.ContentSequence[1]["PersonName"].is_empty


@pytest.mark.parametrize("days", [None, -400])
def test_a_date_that_cannot_be_reckoned_back_is_emptied(days: int | None, tmp_path: Path) -> None:
    """Not known how it was moved; or what comes out lies in the future, so it is none of ours."""
    ds = presentation_state()
    if days:
        ds.StudyDate = "20261101"
    done, _, written = restore(ds, tmp_path, None, shift_days=days and -days)
    after = read(written)
    assert after["StudyDate"].is_empty
    assert after["StudyTime"].is_empty
    assert after.LongitudinalTemporalInformationModified == ("REMOVED" if days else "MODIFIED")
    assert "reidentify.study-date" in {one.finding_id for one in done.findings}


def test_a_date_that_was_kept_stays(tmp_path: Path) -> None:
    ds = report()
    ds.StudyDate = "20260105"
    _, _, written = restore(ds, tmp_path, None, shift_days=0)
    assert read(written).StudyDate == "20260105"


def with_item(ds: Dataset) -> None:
    ds.ContentSequence[2].Date = moved("20260102")


COPIES: dict[str, Callable[[Dataset], object]] = {
    "a date": lambda ds: setattr(ds, "AcquisitionDate", moved("20260105")),
    "of today": lambda ds: setattr(ds, "AcquisitionDate", moved("20261120")),
    "a time": lambda ds: setattr(ds, "AcquisitionDateTime", f"{moved('20260105')}101500.5+0100"),
    "a year": lambda ds: setattr(ds, "AcquisitionDateTime", moved("20260105")[:4]),
    "in the content": with_item,
    "no date": lambda ds: setattr(ds, "AcquisitionDate", "yesterday"),
}


@pytest.mark.parametrize("case", COPIES)
def test_dates_that_may_be_copies_are_told(case: str, tmp_path: Path, reference: Path) -> None:
    """What the partner copied of the images stands as he has it, and the object goes on saying so."""
    ds = report()
    COPIES[case](ds)
    done, _, written = restore(ds, tmp_path, reference)
    assert read(written).LongitudinalTemporalInformationModified == "MODIFIED"
    assert "reidentify.dates" in {one.finding_id for one in done.findings}


@pytest.mark.parametrize(("days", "word"), [(0, "UNMODIFIED"), (None, "MODIFIED")])
def test_copies_of_dates_that_were_kept_are_true(
    days: int | None, word: str, tmp_path: Path, reference: Path
) -> None:
    ds = report()
    ds.AcquisitionDate = "20260105"
    _, _, written = restore(ds, tmp_path, reference, shift_days=days)
    assert read(written).LongitudinalTemporalInformationModified == word


def test_a_study_of_the_partners_own_keeps_what_is_said_of_it(tmp_path: Path, reference: Path) -> None:
    ds = report()
    ds.StudyInstanceUID, ds.StudyDate, ds.AccessionNumber = UID(f"{PARTNERS_UID}.2"), "20261119", "THEIRS-2"
    _, _, written = restore(ds, tmp_path, reference, study_instance_uid="")
    after = read(written)
    assert (after.StudyInstanceUID, after.StudyDate) == (f"{PARTNERS_UID}.2", "20261119")
    assert (after.PatientID, after.PatientName) == (PATIENT_ID, NAME)
    assert after["AccessionNumber"].is_empty  # a foreign order's
    assert after.StudyDescription == "CT CHEST"


def test_an_issuer_is_restored(tmp_path: Path) -> None:
    _, _, written = restore(report(), tmp_path, None, issuer="HOSPITAL-A")
    assert read(written).IssuerOfPatientID == "HOSPITAL-A"


def test_an_instance_that_left_here_does_not_come_back_as_its_original(tmp_path: Path) -> None:
    ds = marked(make_instance(1))
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(pseudonym(instance_uid(1, 0)))
    with pytest.raises(HeldError, match="left here") as held:
        restore(ds, tmp_path, None)
    assert (held.value.code, held.value.path) == (ReasonCode.REIDENTIFY, "(0008,0018)")


@pytest.mark.parametrize("declared", ["", "ISO_IR 6", "ISO_IR 100", "ISO_IR 192"])
def test_a_name_in_another_character_set(declared: str, tmp_path: Path) -> None:
    """An object that is all ASCII may say it in UTF-8; one that is not says what it can."""
    theirs = original()
    theirs.SpecificCharacterSet, theirs.PatientName = "ISO_IR 192", "Yamada^Tarou=山田^太郎"
    reference = save(theirs, tmp_path / "original.dcm")
    ds = report()
    ds.SpecificCharacterSet = declared
    if not declared:
        del ds.SpecificCharacterSet
    _, _, written = restore(ds, tmp_path, reference)
    after = read(written)
    assert after.PatientName == "Yamada^Tarou=山田^太郎"
    assert after.ContentSequence[1].PersonName == "Yamada^Tarou=山田^太郎"
    assert after.SpecificCharacterSet == "ISO_IR 192"


def test_what_an_object_cannot_say_is_left_out_and_told(tmp_path: Path) -> None:
    theirs = original()
    theirs.SpecificCharacterSet, theirs.PatientName = "ISO_IR 192", "Yamada^Tarou=山田^太郎"
    reference = save(theirs, tmp_path / "original.dcm")
    ds = report()
    ds.ContentSequence[0].TextValue += " Grüße"
    done, _, written = restore(ds, tmp_path, reference)
    after = read(written)
    assert after["PatientName"].is_empty
    assert after.ContentSequence[0].TextValue.endswith("Grüße")
    assert "reidentify.character-set" in {one.finding_id for one in done.findings}


def test_an_id_that_an_object_cannot_say_holds_it(tmp_path: Path) -> None:
    ds = report()
    ds.ContentSequence[0].TextValue += " Grüße"
    with pytest.raises(HeldError, match="cannot say whose it is") as held:
        restore(ds, tmp_path, None, patient_id="患者-7")
    assert held.value.code is ReasonCode.REIDENTIFY
    assert "患者" not in str(held.value)


def test_a_pseudonym_where_none_can_be_exchanged_holds_it(tmp_path: Path, reference: Path) -> None:
    ds = report()
    block = ds.private_block(0x0041, "PARTNER", create=True)
    block.add_new(0x01, "OB", b"\1\2" + PATIENT.patient_id.encode())
    with pytest.raises(HeldError, match="a pseudonym is left") as held:
        restore(ds, tmp_path, reference)
    assert held.value.path == "(0041,1001)"


def test_a_value_that_would_not_fit_holds_it(tmp_path: Path, reference: Path) -> None:
    ds = report()
    ds.SeriesDescription = f"{PATIENT.patient_id} " + 45 * "x"
    with pytest.raises(HeldError, match="longer than its place") as held:
        restore(ds, tmp_path, reference, patient_id="P" * 40)
    assert held.value.path == "(0008,103E)"


@pytest.mark.parametrize("length", [9, 10, 63, 64])
@pytest.mark.parametrize("theirs", ["2.25.123456789", "2.25.12345678"])
def test_uids_of_any_length_are_padded_as_they_must_be(theirs: str, length: int, tmp_path: Path) -> None:
    ds = presentation_state()
    ds.ReferencedSeriesSequence[0].SeriesInstanceUID = theirs
    uid = "1.2." + "3" * (length - 4)
    _, _, written = restore(ds, tmp_path, None, uids={**KNOWN, theirs: uid})
    assert read(written).ReferencedSeriesSequence[0].SeriesInstanceUID == uid
    value = uid.encode() + b"\0" * (length % 2)
    assert b"\x0e\x00UI" + len(value).to_bytes(2, "little") + value in written.read_bytes()


def test_private_uids_and_links_are_restored(tmp_path: Path, reference: Path) -> None:
    ds = presentation_state()
    block = ds.private_block(0x0041, "PARTNER", create=True)
    block.add_new(0x01, "UI", pseudonym(instance_uid(1, 0)))
    ds.RetrieveURL = f"https://telerad.example/studies/{pseudonym(STUDY)}/x"
    _, _, written = restore(ds, tmp_path, reference)
    after = read(written)
    assert after[0x00411001].value == instance_uid(1, 0)
    assert f"/studies/{STUDY}/x" in str(after.RetrieveURL)


def test_earlier_records_and_documents_are_not_touched(tmp_path: Path, reference: Path) -> None:
    ds = presentation_state()
    record = item(
        ModifiedAttributesSequence=[item(PatientID=PATIENT.patient_id)],
        ModifyingSystem="THEIR GATEWAY",
        ReasonForTheAttributeModification="CORRECT",
    )
    ds.OriginalAttributesSequence = [record]
    ds.EncapsulatedDocument = b"%PDF " + PATIENT.patient_id.encode() + b" "
    done, _, written = restore(ds, tmp_path, reference)
    after = read(written)
    assert after.OriginalAttributesSequence[0] == record
    assert after.EncapsulatedDocument == ds.EncapsulatedDocument
    assert "reidentify.document" in {one.finding_id for one in done.findings}


def test_pixels_of_a_partners_image_are_the_same(tmp_path: Path, reference: Path) -> None:
    ds: Dataset = marked(make_instance(1))
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"{PARTNERS_UID}.5")
    done, came, written = restore(ds, tmp_path, reference)
    assert read(written).PixelData == read(came).PixelData
    assert done.pixel_sha256
