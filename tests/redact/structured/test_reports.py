"""Real reports, and such as highdicom makes, through the whole stage: clean, proved, valid, whole."""

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.headers.profile import Profile
from tests.redact.headers.studies import corpus_files, profile, read
from tests.redact.headers.test_iod import errors
from tests.redact.structured.making import CT_IMAGE, KEY_OBJECTS, PSEUDONYMISER, code, item, leaves
from tests.redact.structured.making import plan as plan_of

OWN = ["reportsi.dcm", "reportsi_with_empty_number_tags.dcm", "test-SR.dcm"]
# Of the corpus: folder and number of reports.
FOLDERS = {
    "codec-us-misc": 1,
    "dcmjs-misc": 2,
    "dicomparser-deflate-encap": 1,
    "dose-openrem-a": 11,
    "orthanc-us-rf-misc": 1,
    "sr-seg-dcmqi": 1,
    "sr-tid1500-dwv": 7,
}
REFERENCED_INSTANCE = 0x00081155


def is_report(ds: Dataset) -> bool:
    return "ContentSequence" in ds or str(ds.get("SOPClassUID", "")).startswith("1.2.840.10008.5.1.4.1.1.88.")


def reports(folder: Path) -> list[Path]:
    found = []
    for path in corpus_files(folder):
        try:
            if is_report(read(path)):
                found.append(path)
        except Exception:  # noqa: BLE001, S112 - files that are no DICOM are the intake's business
            continue
    return found


def iod_errors(path: Path) -> Counter[str]:
    """The validator's errors, whichever UIDs they name."""
    counted: Counter[str] = Counter()
    for line, times in errors(path).items():
        counted[re.sub(r"[\d.]+$", "UID", line)] += times
    return counted


def clean_one(path: Path, folder: Path, using: Profile | None = None) -> tuple[Dataset, Dataset]:
    """Clean and prove one file; the original and the cleaned data set."""
    from redact.stage import InstanceCleaner

    original = read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = InstanceCleaner(plan_of(original, profile=using)).run(path, folder / f"{path.name}.out")
    assert outcome.proved
    assert outcome.proof is not None
    assert (outcome.proof.known_identifiers, outcome.proof.iod) == ("absent", "no worse")
    assert "113104" in outcome.method_codes
    assert not iod_errors(outcome.path) - iod_errors(path)
    return original, read(outcome.path)


def instances(ds: Dataset) -> Iterator[str]:
    """Every instance that is referred to."""
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                yield from instances(item)
        elif element.tag == REFERENCED_INSTANCE:
            yield str(element.value)


def check_relations(original: Dataset, cleaned: Dataset) -> None:
    before = [PSEUDONYMISER.uid(uid) for uid in instances(original)]
    after = list(instances(cleaned))
    # Only ReferencedPerformedProcedureStepSequence and the like (X) may have taken references with them.
    assert not Counter(after) - Counter(before)
    content = [PSEUDONYMISER.uid(uid) for item in leaves(original) for uid in _direct(item)]
    assert content == [uid for item in leaves(cleaned) for uid in _direct(item)]


def _direct(item: Dataset) -> list[str]:
    return [str(one.ReferencedSOPInstanceUID) for one in item.get("ReferencedSOPSequence") or ()]


@pytest.mark.parametrize("name", OWN)
def test_pydicoms_own_reports(name: str, tmp_path: Path) -> None:
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip("this pydicom does not ship the file")
    check_relations(*clean_one(Path(str(found)), tmp_path))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_report_of_the_corpus(folder: str, corpus: Path, tmp_path: Path) -> None:
    if not (corpus / folder).is_dir():
        pytest.skip("the corpus has no such folder")
    found = reports(corpus / folder)
    assert len(found) == FOLDERS[folder]
    for path in found:
        check_relations(*clean_one(path, tmp_path))


@pytest.mark.parametrize("folder", ["sr-seg-dcmqi", "dcmjs-misc"])
@pytest.mark.parametrize(
    "options", [("113104",), ("113104", "113106", "113109", "113108", "113112", "113110")]
)
def test_the_corpus_under_the_least_and_the_most_options(
    options: tuple[str, ...], folder: str, corpus: Path, tmp_path: Path
) -> None:
    if not (corpus / folder).is_dir():
        pytest.skip("the corpus has no such folder")
    for path in reports(corpus / folder):
        clean_one(path, tmp_path, profile(*options))


def test_a_profile_without_the_option_holds_it(tmp_path: Path) -> None:
    found = get_testdata_file("reportsi.dcm", download=False)
    with pytest.raises(HeldError, match="disposes of its content tree") as caught:
        clean_one(Path(str(found)), tmp_path, profile("113105", "113107"))
    assert (caught.value.code, caught.value.path) == (ReasonCode.STRUCTURED_CONTENT, "(0040,A730)")


def ct_images() -> list[Dataset]:
    """Two slices of pydicom's CT, in one study, of a patient of our own."""
    slices = []
    for number in range(2):
        ds = read(str(get_testdata_file("CT_small.dcm")))
        ds.SOPInstanceUID = f"{ds.SOPInstanceUID}.{number}"
        ds.PatientName, ds.PatientID, ds.PatientBirthDate = "Quillfeather^Ottoline", "QF-471188", "19610412"
        slices.append(ds)
    return slices


def document_of(hd: Any, content: Any, evidence: list[Dataset]) -> Dataset:
    """An Enhanced SR of highdicom."""
    made: Dataset = hd.sr.Comprehensive3DSR(
        evidence=evidence,
        content=content[0],
        series_instance_uid="1.2.276.99.2",
        sop_instance_uid="1.2.276.99.2.1",
        series_number=5,
        instance_number=1,
        manufacturer="ACME",
        institution_name="Brambleholt Clinic",
        is_verified=True,
        verifying_observer_name="Wetherby^Ann",
        verifying_organization="Brambleholt Clinic",
    )
    return made


def measurement_report(hd: Any, images: list[Dataset]) -> Any:
    """A TID 1500 report: a person and a device as observers, one measured region."""
    from highdicom.sr.coding import CodedConcept

    sr = hd.sr
    person = sr.ObserverContext(
        observer_type=CodedConcept("121006", "DCM", "Person"),
        observer_identifying_attributes=sr.PersonObserverIdentifyingAttributes(
            name="Wetherby^Ann", login_name="awetherby", organization_name="Brambleholt Clinic"
        ),
    )
    device = sr.ObserverContext(
        observer_type=CodedConcept("121007", "DCM", "Device"),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid="1.2.276.99.7", name="brambleholt-ws3", serial_number="SER-77123", physical_location="Room 12"
        ),
    )
    region = sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=_square(),
        source_image=sr.SourceImageForRegion(
            referenced_sop_class_uid=images[0].SOPClassUID,
            referenced_sop_instance_uid=images[0].SOPInstanceUID,
        ),
    )
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid="1.2.276.99.8", identifier="Quillfeather's nodule"),
        referenced_region=region,
        finding_type=CodedConcept("27925004", "SCT", "Nodule"),
        measurements=[
            sr.Measurement(
                name=CodedConcept("42798000", "SCT", "Area"),
                value=1.7,
                unit=CodedConcept("mm2", "UCUM", "mm2"),
            )
        ],
    )
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_person_context=person, observer_device_context=device
        ),
        procedure_reported=CodedConcept("24627-2", "LN", "CT Chest"),
        imaging_measurements=[group],
        title=CodedConcept("126000", "DCM", "Imaging Measurement Report"),
    )


def _square() -> Any:
    import numpy as np

    return np.array([[10.0, 10.0], [20.0, 10.0], [20.0, 20.0], [10.0, 10.0]])


@pytest.mark.filterwarnings("ignore")
def test_a_measurement_report_of_highdicom(tmp_path: Path) -> None:
    hd = pytest.importorskip("highdicom")
    images = ct_images()
    path = tmp_path / "report.dcm"
    document_of(hd, measurement_report(hd, images), images).save_as(path, enforce_file_format=True)
    ds = read(path)
    ds.ContentSequence.extend(
        [
            item("PNAME", code("121029"), PersonName="Quillfeather^Ottoline", relationship="HAS OBS CONTEXT"),
            item("DATE", code("121031"), Date="19610412", relationship="HAS OBS CONTEXT"),
        ]
    )
    ds.save_as(path, enforce_file_format=True)
    original, cleaned = clean_one(path, tmp_path)
    check_relations(original, cleaned)
    (observer,) = cleaned.VerifyingObserverSequence
    assert (str(observer.VerifyingObserverName), observer.VerifyingOrganization) == ("REMOVED", "REMOVED")
    listed = cleaned.CurrentRequestedProcedureEvidenceSequence[0]
    assert listed.StudyInstanceUID == cleaned.StudyInstanceUID
    whole = (tmp_path / "report.dcm.out").read_bytes().lower()
    for secret in (b"wetherby", b"brambleholt", b"quillfeather", b"471188", b"77123", b"19610412"):
        assert secret not in whole


@pytest.mark.filterwarnings("ignore")
def test_a_key_object_note_of_highdicom(tmp_path: Path) -> None:
    hd = pytest.importorskip("highdicom")
    from highdicom.sr.coding import CodedConcept

    images = ct_images()
    content = hd.ko.KeyObjectSelection(
        document_title=CodedConcept("113000", "DCM", "Of Interest"),
        referenced_objects=images,
        description="Nodule of Ottoline Quillfeather, ask Dr Wetherby",
    )
    ds = hd.ko.KeyObjectSelectionDocument(
        evidence=images,
        content=content,
        series_instance_uid="1.2.276.99.3",
        series_number=7,
        sop_instance_uid="1.2.276.99.3.1",
        instance_number=1,
        manufacturer="ACME",
    )
    assert ds.SOPClassUID == KEY_OBJECTS
    path = tmp_path / "note.dcm"
    ds.save_as(path, enforce_file_format=True)
    original, cleaned = clean_one(path, tmp_path)
    check_relations(original, cleaned)
    assert [one.TextValue for one in leaves(cleaned) if "TextValue" in one] == ["Nodule of Dr"]
    named = [uid for one in leaves(cleaned) for uid in _direct(one)]
    assert named == [PSEUDONYMISER.uid(str(one.SOPInstanceUID)) for one in images]
    assert CT_IMAGE in {str(one.SOPClassUID) for one in images}
