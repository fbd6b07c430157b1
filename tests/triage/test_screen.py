"""`screen_study`: every injected fault is found, no benign variant raises an alarm."""

import copy
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from exchange.dicomio.header import read_header
from exchange.domain.errors import InputError
from exchange.domain.findings import Finding, Severity
from triage.quality.screen import screen_study
from triage.quality.summary import summarise

Study = list[Dataset]


def a_slice(number: int, *, series: int = 1, spacing: float = 5.0, tilt_degrees: float = 0.0) -> Dataset:
    tilt = math.radians(tilt_degrees)
    ds = Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID = f"1.2.3.4.{series}.{number}"
    ds.StudyInstanceUID = "1.2.3.4"
    ds.SeriesInstanceUID = f"1.2.3.4.{series}"
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientID, ds.PatientName = "A-77", "Muster^Maria"
    ds.PatientBirthDate, ds.PatientSex, ds.AccessionNumber = "19600229", "F", "ACC9"
    ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesDescription = "Thorax"
    ds.InstanceNumber, ds.AcquisitionNumber = number, 1
    ds.Rows = ds.Columns = 512
    ds.PixelSpacing, ds.SliceThickness = [0.7, 0.7], spacing
    ds.ConvolutionKernel, ds.FrameOfReferenceUID = "B30f", "1.2.3.9"
    ds.ImageOrientationPatient = [1, 0, 0, 0, round(math.cos(tilt), 6), round(-math.sin(tilt), 6)]
    ds.ImagePositionPatient = [-180.0, -170.5, round(-300 + number * spacing, 4)]
    return ds


def a_study(count: int = 20, **options: float) -> Study:
    return [a_slice(number, **options) for number in range(1, count + 1)]  # type: ignore[arg-type]


def found(findings: tuple[Finding, ...], *severities: Severity) -> set[str]:
    return {one.finding_id for one in findings if not severities or one.severity in severities}


def set_on(*numbers: int, **values: object) -> Callable[[Study], Study]:
    def change(study: Study) -> Study:
        for number in numbers:
            for keyword, value in values.items():
                setattr(study[number], keyword, value)
        return study

    return change


def without(*numbers: int) -> Callable[[Study], Study]:
    return lambda study: [ds for index, ds in enumerate(study) if index not in numbers]


def same_uid_other_content(study: Study) -> Study:
    twin = copy.deepcopy(study[3])
    twin.SliceThickness = 4.0
    return [*study, twin]


def moved(study: Study) -> Study:
    study[8].ImagePositionPatient[2] += 1.6
    return study


def two_phases_one_hole(study: Study) -> Study:
    late = [copy.deepcopy(ds) for ds in study]
    for number, ds in enumerate(late):
        ds.SOPInstanceUID = f"1.2.3.4.8.{number}"
        ds.InstanceNumber = 100 + number
    return study + late[:9] + late[10:]


FAULTS: dict[str, tuple[Callable[[Study], Study], str, Severity]] = {
    "other patient id": (set_on(7, PatientID="B-78"), "identity.patient-id-differs", Severity.BLOCK),
    "other name": (set_on(7, PatientName="Muster^Max"), "identity.patient-name-differs", Severity.BLOCK),
    "other birth date": (
        set_on(1, PatientBirthDate="19600301"),
        "identity.patient-birth-date-differs",
        Severity.BLOCK,
    ),
    "other sex": (set_on(1, 2, PatientSex="M"), "identity.patient-sex-differs", Severity.BLOCK),
    "other order": (set_on(1, AccessionNumber="ACC8"), "identity.accession-number-differs", Severity.BLOCK),
    "other study": (
        set_on(0, StudyInstanceUID="1.2.3.5"),
        "identity.study-instance-uid-differs",
        Severity.BLOCK,
    ),
    "no series uid": (set_on(0, SeriesInstanceUID=""), "conformance.missing-uid", Severity.BLOCK),
    "uid conflict": (same_uid_other_content, "completeness.uid-conflict", Severity.BLOCK),
    "one slice lost": (without(9), "completeness.missing-slice", Severity.FLAG),
    "three slices lost": (without(4, 5, 13), "completeness.missing-slice", Severity.FLAG),
    "slice moved": (moved, "completeness.uneven-slices", Severity.FLAG),
    "hole in one of two phases": (two_phases_one_hole, "completeness.missing-slice", Severity.FLAG),
    "number gap": (without(9), "completeness.instance-number-gap", Severity.NOTE),
    "other matrix": (set_on(4, Rows=256, Columns=256), "uniformity.mixed-rows", Severity.FLAG),
    "other spacing": (set_on(4, PixelSpacing=[0.5, 0.5]), "uniformity.mixed-spacing", Severity.FLAG),
    "other thickness": (set_on(4, SliceThickness=1.0), "uniformity.mixed-thickness", Severity.FLAG),
    "other kernel": (set_on(4, ConvolutionKernel="B70s"), "uniformity.mixed-kernel", Severity.FLAG),
    "other frame": (
        set_on(4, FrameOfReferenceUID="1.9"),
        "uniformity.mixed-frame-of-reference",
        Severity.FLAG,
    ),
    "turned slice": (
        set_on(4, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]),
        "uniformity.mixed-orientation",
        Severity.FLAG,
    ),
    "no charset": (
        set_on(*range(20), SpecificCharacterSet=None, PatientName="Müster^Maria"),
        "conformance.character-set",
        Severity.NOTE,
    ),
    "utf-8 as latin": (
        set_on(*range(20), PatientName="MÃ¼ster^Maria"),
        "conformance.character-set",
        Severity.NOTE,
    ),
    "unknown charset": (
        set_on(*range(20), SpecificCharacterSet="ISO_IR 999"),
        "conformance.character-set",
        Severity.NOTE,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_finds_fault(fault: str) -> None:
    inject, finding_id, severity = FAULTS[fault]
    findings = screen_study(inject(a_study()))
    assert (finding_id, severity) in {(one.finding_id, one.severity) for one in findings}


def localizer() -> Dataset:
    ds = a_slice(21)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    ds.Rows, ds.Columns, ds.PixelSpacing = 888, 512, [1.0, 1.0]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    return ds


def two_phases() -> Study:
    early, late = a_study(), a_study(14)
    for number, ds in enumerate(late):
        ds.SOPInstanceUID, ds.InstanceNumber = f"1.2.3.4.7.{number}", 21 + number
        ds.AcquisitionNumber = 2
        ds.ImagePositionPatient[2] += 15.0  # the second phase covers less
    return early + late


def jitter() -> Study:
    study = a_study()
    for number, ds in enumerate(study):
        ds.ImagePositionPatient[2] += 0.004 * (-1) ** number
        ds.ImageOrientationPatient = [1, 1e-6 * number, 0, 0, 1, -1e-7 * number]
        ds.PixelSpacing = [0.7 + 1e-6 * number, 0.7]
    return study


def radial() -> Study:
    study = a_study(12)
    for number, ds in enumerate(study):
        turn = math.radians(15 * number)
        ds.ImageOrientationPatient = [math.cos(turn), math.sin(turn), 0, 0, 0, -1]
    return study


def overlapping() -> Study:
    return [a_slice(number, spacing=2.5) for number in range(1, 21)]


BENIGN: dict[str, Callable[[], Study]] = {
    "plain": a_study,
    "reversed": lambda: a_study()[::-1],
    "gantry tilt": lambda: a_study(tilt_degrees=17.5),
    "localizer in the series": lambda: [*a_study(), localizer()],
    "two phases of different coverage": two_phases,
    "float jitter": jitter,
    "radial": radial,
    "overlapping reconstruction": overlapping,
    "single image": lambda: a_study(1),
    "two images": lambda: a_study(2),
    "name written with and without carets": lambda: set_on(3, PatientName="MUSTER^Maria^^")(a_study()),
    "second series elsewhere": lambda: a_study() + [a_slice(n, series=2, spacing=1.0) for n in range(1, 9)],
}


@pytest.mark.parametrize("variant", BENIGN)
def test_benign_variant_raises_no_alarm(variant: str) -> None:
    assert found(screen_study(BENIGN[variant]()), Severity.BLOCK, Severity.FLAG) == set()


def test_empty_study_blocks() -> None:
    assert found(screen_study([]), Severity.BLOCK) == {"completeness.empty-study"}


def test_same_instance_twice_is_a_note_only() -> None:
    study = a_study()
    findings = screen_study([*study, copy.deepcopy(study[2])])
    assert found(findings) == {"completeness.duplicate-instance"}


def test_value_that_is_only_missing_is_a_note() -> None:
    findings = screen_study(set_on(3, AccessionNumber="")(a_study()))
    assert found(findings) == {"identity.accession-number-partial"}


def test_content_digest_of_the_caller_decides_about_conflicts() -> None:
    ds = a_slice(1)
    same = screen_study([summarise(ds, "a" * 64), summarise(ds, "a" * 64)])
    other = screen_study([summarise(ds, "a" * 64), summarise(ds, "b" * 64)])
    assert found(same) == {"completeness.duplicate-instance"}
    assert "completeness.uid-conflict" in found(other, Severity.BLOCK)


@pytest.mark.parametrize("fault", FAULTS)
def test_evidence_holds_no_values(fault: str) -> None:
    study = FAULTS[fault][0](a_study())
    told = " ".join(one.evidence for one in screen_study(study)) + repr(summarise(study[0]))
    for secret in ("A-77", "B-78", "Muster", "Maria", "19600229", "ACC9", "1.2.3.4", "Thorax"):
        assert secret not in told


@settings(max_examples=25)
@given(st.permutations(range(12)))
def test_order_of_instances_does_not_matter(order: list[int]) -> None:
    study = FAULTS["one slice lost"][0](a_study(13))
    assert screen_study([study[index] for index in order]) == screen_study(study)


@settings(max_examples=50)
@given(
    st.sampled_from(["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]),
    st.binary(max_size=12),
)
def test_unreadable_numbers_never_raise(keyword: str, junk: bytes) -> None:
    study = a_study(5)
    del study[1][keyword]
    study[1].add_new(keyword, "LO", junk.decode("latin-1"))
    screen_study(study)


@pytest.mark.parametrize(
    "folder", ["ct-head-philips-full28", "mr-fmap-ge-full32", "mr-fmap-siemens-full36", "mr-ge-2series"]
)
def test_real_studies_raise_no_alarm(corpus: Path, folder: str) -> None:
    study = []
    for path in sorted((corpus / folder).rglob("*")):
        try:
            study.append(summarise(read_header(path)))
        except (InputError, IsADirectoryError):  # the corpus holds broken files on purpose
            continue
    assert len(study) > 5
    assert found(screen_study(study), Severity.BLOCK, Severity.FLAG) == set()
