"""A made-up original, and what a faultless cleaner makes of it; the tests then plant leaks."""

from collections.abc import Callable
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from exchange.dicomio.payloads import NativePayload
from exchange.dicomio.write import write_instance
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.headers.profile import Option
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.verify.dates import shifted_day
from redact.verify.expectations import Expectations

EXPLICIT, IMPLICIT, BIG, DEFLATED = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
)
PSEUDONYMISER = Pseudonymiser(bytes(range(32)), "route")
STUDY = "1.2.276.0.7230010.3.1.2.1"
PATIENT = PSEUDONYMISER.patient("", "MRN-4471180", STUDY)
EXPECTATIONS = Expectations.of(frozenset({Option.RETAIN_MODIFIED_DATES}), PSEUDONYMISER)
ROWS = COLUMNS = 64


def _known(kind: IdentifierKind, *values: str) -> set[Identifier]:
    return {Identifier(kind, value, kind.value) for value in values}


IDENTIFIERS = HarvestedIdentifiers(
    frozenset(
        _known(IdentifierKind.PATIENT_NAME, "Doering^Johanna", "Doering", "Johanna")
        | _known(IdentifierKind.PERSON, "Li^Bo", "Head^Walter")
        | _known(IdentifierKind.PATIENT_ID, "MRN-4471180")
        | _known(IdentifierKind.NUMBER, "ACC77", "1")
        | _known(IdentifierKind.PHONE, "+49 341 9711800")
        | _known(IdentifierKind.INSTITUTION, "University Hospital Musterstadt", "CT Department")
        | _known(IdentifierKind.DATE, "20190307", "19610412")
        | _known(IdentifierKind.UID, STUDY, f"{STUDY}.1", f"{STUDY}.1.1")
    )
)


def original() -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{STUDY}.1.1", STUDY, f"{STUDY}.1"
    ds.StudyDate, ds.ContentDate, ds.StudyTime = "20190307", "20190307", "101112"
    ds.AcquisitionDateTime = "20190307101112.5+0100"
    ds.AccessionNumber, ds.StudyID = "ACC77", "1"
    ds.Modality, ds.Manufacturer = "CT", "SIEMENS"
    ds.InstitutionName = "University Hospital Musterstadt"
    ds.ReferringPhysicianName, ds.OperatorsName = "Li^Bo", "Head^Walter"
    ds.StudyDescription, ds.SeriesDescription = "CT Head Doering", "HEAD 5.0 B30f"
    ds.PatientName, ds.PatientID = "Doering^Johanna", "MRN-4471180"
    ds.PatientBirthDate, ds.PatientSex = "19610412", "F"
    ds.BodyPartExamined, ds.SliceThickness = "HEAD", "5.0"
    ds.InstanceNumber, ds.SeriesNumber = "7", "2"
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 4.471180], [1, 0, 0, 0, 1, 0]
    ds.FrameOfReferenceUID = f"{STUDY}.9"
    ds.PixelSpacing = [0.5, 0.5]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns, ds.BitsAllocated, ds.BitsStored, ds.HighBit = ROWS, COLUMNS, 16, 12, 11
    ds.PixelRepresentation = 0
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "P5-08000", "SRT", "Computed tomography"
    ds.ProcedureCodeSequence = Sequence([item])
    return ds


def cleaned() -> Dataset:
    ds = original()
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        setattr(ds, keyword, PSEUDONYMISER.uid(str(ds[keyword].value)))
    day = shifted_day("20190307", PATIENT.shift_days)
    ds.StudyDate, ds.ContentDate = day, day
    ds.AcquisitionDateTime = day + "101112.5+0100"
    ds.AccessionNumber, ds.PatientBirthDate, ds.ReferringPhysicianName = "", "", ""
    ds.PatientName, ds.PatientID = PATIENT.patient_name, PATIENT.patient_id
    ds.StudyDescription = "CT Head"
    for keyword in ("InstitutionName", "OperatorsName", "StudyID"):
        delattr(ds, keyword)
    ds.StudyID = ""
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "Lockgate"
    return ds


def pixels() -> bytes:
    """16-bit noise around small values: like MR, it looks like UTF-16 letters here and there."""
    return bytes(value for at in range(ROWS * COLUMNS) for value in ((at * 7919 + at // 13) % 120, 0))


def write(path: Path, ds: Dataset, syntax: str = EXPLICIT, data: bytes | None = None) -> Path:
    payload = pixels() if data is None else data
    write_instance(path, ds, syntax, NativePayload("OW", len(payload), [payload]))
    return path


def pair(folder: Path, change: Callable[[Dataset], None], syntax: str = EXPLICIT) -> tuple[Path, Path]:
    """An original, and its cleaned form with a change made to it."""
    ds = cleaned()
    change(ds)
    return write(folder / "original.dcm", original()), write(folder / "cleaned.dcm", ds, syntax)
