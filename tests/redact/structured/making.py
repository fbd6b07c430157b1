"""Small structured reports: content items with the names of PS3.16, and one study to put them in."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from agent.config.profiles import load_profile
from redact.headers.profile import Profile
from redact.identifiers.harvest import harvest
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.stage import CleanedInstance, CleaningPlan, InstanceCleaner, Readers

COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"
KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.276.0.7230010.3.1.2.77"
IMAGE = f"{STUDY}.1.5"
PSEUDONYMISER = Pseudonymiser(bytes(range(32)), "reports")
PATIENT = ("Quillfeather^Ottoline", "QF-471188")
# What stands in every report made here and must be nowhere afterwards.
SECRETS = ("Quillfeather", "Ottoline", "471188", "Brambleholt", "Wetherby", "QX88123", "20240517", "19610412")


def code(value: str, scheme: str = "DCM", meaning: str = "Something") -> Dataset:
    """One code; `121008` alone is a DCM code."""
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = value, scheme, meaning
    return ds


def item(
    value_type: str,
    concept: Dataset | None,
    *children: Dataset,
    relationship: str = "CONTAINS",
    **values: Any,
) -> Dataset:
    """A content item with these values and children."""
    ds = Dataset()
    ds.RelationshipType, ds.ValueType = relationship, value_type
    if concept is not None:
        ds.ConceptNameCodeSequence = [concept]
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    if value_type == "CONTAINER":
        ds.ContinuityOfContent = "SEPARATE"
    if children:
        ds.ContentSequence = list(children)
    return ds


def text(concept: str, value: str, *children: Dataset, scheme: str = "DCM", **values: Any) -> Dataset:
    """A TEXT item."""
    return item("TEXT", code(concept, scheme), *children, TextValue=value, **values)


def number(concept: str, value: str, unit: str = "mm", *, scheme: str = "DCM") -> Dataset:
    """A NUM item."""
    measured = Dataset()
    measured.NumericValue = value
    measured.MeasurementUnitsCodeSequence = [code(unit, "UCUM", unit)]
    return item("NUM", code(concept, scheme), MeasuredValueSequence=[measured])


def coded(concept: str, value: Dataset, *, scheme: str = "DCM") -> Dataset:
    """A CODE item."""
    return item("CODE", code(concept, scheme), ConceptCodeSequence=[value])


def image(uid: str = IMAGE, concept: str = "121112") -> Dataset:
    """An IMAGE item."""
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CT_IMAGE, uid
    return item("IMAGE", code(concept), ReferencedSOPSequence=[reference])


def by_reference(*position: int) -> Dataset:
    """An item that is another one, by its position (the root is 1)."""
    ds = Dataset()
    ds.RelationshipType, ds.ReferencedContentItemIdentifier = "INFERRED FROM", list(position)
    return ds


def report(*items: Dataset, sop_class: str = COMPREHENSIVE, **attributes: Any) -> Dataset:
    """A report with these items at its root, about one image."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, f"{STUDY}.2.1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY, f"{STUDY}.2"
    ds.PatientName, ds.PatientID = PATIENT
    ds.PatientBirthDate, ds.PatientSex = "19610412", "F"
    ds.StudyDate, ds.StudyTime, ds.ContentDate, ds.ContentTime = "20240517", "1015", "20240517", "1016"
    ds.Modality, ds.Manufacturer, ds.AccessionNumber = "SR", "ACME", "QX88123"
    ds.ReferringPhysicianName, ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "Wetherby^Ann", "1", 1, 1
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.PerformedProcedureCodeSequence = []
    ds.CompletionFlag, ds.VerificationFlag, ds.PreliminaryFlag = "COMPLETE", "UNVERIFIED", "FINAL"
    ds.CurrentRequestedProcedureEvidenceSequence = [evidence(IMAGE)]
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = [code("126000", "DCM", "Imaging Measurement Report")]
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    if items:
        ds.ContentSequence = list(items)
    return ds


def evidence(*uids: str) -> Dataset:
    """One study with one series of these images."""
    images = []
    for uid in uids:
        one = Dataset()
        one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = CT_IMAGE, uid
        images.append(one)
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = f"{STUDY}.1", images
    study = Dataset()
    study.StudyInstanceUID, study.ReferencedSeriesSequence = STUDY, [series]
    return study


def save(path: Path, ds: Dataset, *, syntax: str = "1.2.840.10008.1.2.1") -> Path:
    """Write an original."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.save_as(path, enforce_file_format=True)
    return path


def plan(*originals: Dataset, profile: Profile | None = None) -> CleaningPlan:
    """How these are cleaned; no pixels are read."""
    found = [harvest(ds) for ds in originals]
    return CleaningPlan(
        profile=profile or load_profile("default"),
        pseudonymiser=PSEUDONYMISER,
        identifiers=found[0].union(found[1:]),
        readers=Readers(),
        canary_seed=b"reports",
    )


def through(folder: Path, ds: Dataset, *others: Dataset, profile: Profile | None = None) -> CleanedInstance:
    """Clean and prove a data set whose study holds others as well."""
    source = save(folder / "original.dcm", ds)
    cleaner = InstanceCleaner(plan(ds, *others, profile=profile))
    return cleaner.run(source, folder / "cleaned.dcm")


def leaves(ds: Dataset) -> Iterable[Dataset]:
    """Every content item below this one."""
    for child in ds.get("ContentSequence") or ():
        yield child
        yield from leaves(child)


def named(ds: Dataset, concept: str) -> list[Dataset]:
    """The content items with this concept name."""
    return [
        one
        for one in leaves(ds)
        if "ConceptNameCodeSequence" in one and one.ConceptNameCodeSequence[0].CodeValue == concept
    ]
