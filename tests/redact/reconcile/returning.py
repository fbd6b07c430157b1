"""A patient's study, what a partner has of it, and what he makes of that; and the stage run over it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.reconcile.history import Provenance
from redact.reconcile.returned import Restoration, Returned, survey_returned
from redact.reconcile.stage import ReconciledInstance, restore_instance
from tests.redact.reconcile.making import EXPLICIT, item, save, to
from tests.support.small_studies import BASIC_TEXT_SR, instance_uid, make_instance, study_uid

PSEUDONYMISER = Pseudonymiser(bytes(range(32)), "general-hospital")
ISSUER, PATIENT_ID, NAME = "general-hospital", "0815-4711", "Quillfeather^Ottoline"
PATIENT = PSEUDONYMISER.patient("", PATIENT_ID, "")
STUDY = study_uid(1)
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
PARTNERS_UID = "1.2.826.0.1.3680043.8.498.7"
MADE = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


def original(number: int = 0) -> Dataset:
    """An image as it left the PACS."""
    ds = make_instance(1, number)
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientID, ds.PatientName = PATIENT_ID, NAME
    ds.PatientBirthDate, ds.PatientSex = "19470312", "F"
    ds.OtherPatientIDsSequence = Sequence([item(PatientID="ZX-9", IssuerOfPatientID="OTHER")])
    ds.StudyDate, ds.StudyTime, ds.StudyID = "20260105", "101500", "S-1"
    ds.AccessionNumber, ds.ReferringPhysicianName = "ACC-77", "Brackenridge^Horace"
    ds.StudyDescription = "CT CHEST Quillfeather"
    return ds


def pseudonym(uid: str) -> str:
    """What the partner has for a UID."""
    return PSEUDONYMISER.uid(uid)


def marked(ds: Dataset) -> Dataset:
    """What every object that leaves says of itself, and a copy of it, too."""
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientID, ds.PatientName = PATIENT.patient_id, PATIENT.patient_name
    ds.PatientBirthDate = ds.PatientSex = ds.AccessionNumber = ds.ReferringPhysicianName = ds.StudyID = ""
    ds.StudyInstanceUID = pseudonym(STUDY)
    ds.StudyDate, ds.StudyTime = moved("20260105"), "101500"
    ds.StudyDescription = "CT CHEST"
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = ["Lockgate headers", "PS3.15 2026c Table E.1-1"]
    ds.DeidentificationMethodCodeSequence = Sequence([item(CodeValue="113100")])
    ds.LongitudinalTemporalInformationModified = "MODIFIED"
    ds.BurnedInAnnotation = "NO"
    return ds


def moved(day: str) -> str:
    """A date as the partner has it."""
    from redact.identifiers.dates import shift_date

    return shift_date(day, PATIENT.shift_days)


def _new(sop_class: str, modality: str, number: int) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = UID(sop_class)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = UID(f"{PARTNERS_UID}.{number}")
    marked(ds)
    ds.SeriesInstanceUID, ds.Modality, ds.Manufacturer = UID(f"{PARTNERS_UID}.1"), modality, "PARTNER"
    ds.SeriesNumber, ds.InstanceNumber = 900, number
    ds.SeriesDate = ds.ContentDate = ds.InstanceCreationDate = "20261119"
    ds.ContentTime = "230000"
    ds.InstitutionName = "Telerad GmbH"
    ds.RequestAttributesSequence = Sequence([item(RequestedProcedureID="THEIRS-1")])
    return ds


def _reference(number: int) -> Dataset:
    return item(
        ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2",
        ReferencedSOPInstanceUID=pseudonym(instance_uid(1, number)),
    )


def _content(kind: str, **values: object) -> Dataset:
    code = item(CodeValue="121071", CodingSchemeDesignator="DCM", CodeMeaning="Finding")
    values["ConceptNameCodeSequence"] = Sequence([code])
    return item(RelationshipType="CONTAINS", ValueType=kind, **values)


def report() -> Dataset:
    """A partner's report about two of the images: text, names, UIDs and references, nested."""
    ds = _new(BASIC_TEXT_SR, "SR", 1)
    ds.ValueType, ds.CompletionFlag, ds.VerificationFlag = "CONTAINER", "COMPLETE", "VERIFIED"
    series = item(
        SeriesInstanceUID=pseudonym(f"{STUDY}.1"),
        ReferencedSOPSequence=Sequence([_reference(0), _reference(1)]),
    )
    ds.CurrentRequestedProcedureEvidenceSequence = Sequence(
        [item(StudyInstanceUID=pseudonym(STUDY), ReferencedSeriesSequence=Sequence([series]))]
    )
    ds.VerifyingObserverSequence = Sequence(
        [item(VerifyingObserverName="Reader^Remote", VerificationDateTime="20261119231500")]
    )
    inner = _content(
        "CONTAINER",
        ContentSequence=Sequence(
            [
                _content("IMAGE", ReferencedSOPSequence=Sequence([_reference(0)])),
                _content("UIDREF", UID=pseudonym(f"{STUDY}.9")),
                _content("UIDREF", UID=f"{PARTNERS_UID}.77"),
            ]
        ),
    )
    inner["ContentSequence"].is_undefined_length = True
    ds.ContentSequence = Sequence(
        [
            _content(
                "TEXT", TextValue=f"Patient {PATIENT.patient_id}: nothing on {pseudonym(instance_uid(1, 1))}."
            ),
            _content("PNAME", PersonName=PATIENT.patient_name),
            _content("DATE", Date="20261119"),
            inner,
        ]
    )
    return ds


def presentation_state() -> Dataset:
    """A partner's GSPS on an image, in its frame of reference."""
    ds = _new(GSPS, "PR", 2)
    ds.ContentLabel, ds.ContentDescription, ds.ContentCreatorName = "ARROW", "", "Reader^Remote"
    ds.PresentationCreationDate, ds.PresentationCreationTime = "20261119", "231000"
    ds.FrameOfReferenceUID = pseudonym(f"{STUDY}.9")
    ds.ReferencedSeriesSequence = Sequence(
        [item(SeriesInstanceUID=pseudonym(f"{STUDY}.1"), ReferencedImageSequence=Sequence([_reference(0)]))]
    )
    ds.PresentationLUTShape = "IDENTITY"
    return ds


KNOWN = {
    pseudonym(uid): uid for uid in (STUDY, f"{STUDY}.1", f"{STUDY}.9", instance_uid(1, 0), instance_uid(1, 1))
}
RESTORATION = Restoration(
    patient_id=PATIENT_ID,
    issuer="",
    pseudonyms=frozenset({PATIENT.patient_id}),
    uids=KNOWN,
    study_instance_uid=STUDY,
    shift_days=PATIENT.shift_days,
    provenance=Provenance("telerad", "lockgate edge-01", MADE),
)


def restore(
    ds: Dataset, folder: Path, reference: Path | None, syntax: str = EXPLICIT, **changes: object
) -> tuple[ReconciledInstance, Path, Path]:
    """The stage over one data set: what it says, what came and what was written."""
    came, written = save(ds, folder / "came.dcm", syntax), folder / "written.dcm"
    restoration = replace(RESTORATION, **changes)  # type: ignore[arg-type]
    return restore_instance(came, restoration, reference, to(written)), came, written


def survey(ds: Dataset, folder: Path, syntax: str = EXPLICIT) -> Returned:
    """What the survey finds in a data set."""
    return survey_returned(save(ds, folder / "came.dcm", syntax))


def every_value(ds: Dataset) -> Iterator[tuple[str, str]]:
    """Keyword and text of every element at every depth, the record of earlier values apart."""
    for one in ds:
        if one.VR == "SQ":
            for each in one.value if one.keyword != "OriginalAttributesSequence" else ():
                yield from every_value(each)
        else:
            yield one.keyword, str(one.value)
