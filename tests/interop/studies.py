"""Studies with one invented patient planted in them, made from pydicom's own files or any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread  # noqa: TID251 - tests build their input; the product uses dicomio
from pydicom.encaps import encapsulate
from pydicom.uid import generate_uid

from tests.support.outgoing import example

HEADERS_ONLY = """\
profile: headers
title: Basic Profile, modified dates, clean descriptors; pixels are left alone
options: ["113107", "113105"]
rules: []
"""
"""A profile for tests that are about something else than pixels: no model is run."""


@dataclass(frozen=True)
class Patient:
    """Everything that names the invented patient; none of it may come out on the other side."""

    family: str = "Quillfeather"
    given: str = "Ottoline"
    patient_id: str = "QF471188"
    other_id: str = "ZX90210QF"
    accession: str = "ACQ99123"
    physician: str = "Brackenridge"
    address: str = "Wobblethorpe Lane"

    @property
    def words(self) -> tuple[str, ...]:
        """What to search for."""
        return (
            self.family, self.given, self.patient_id, self.other_id, self.accession, self.physician,
            self.address,
        )  # fmt: skip


PATIENT = Patient()


@dataclass(frozen=True)
class Instance:
    """One file of a made study: where it lies, and its original UIDs."""

    path: Path
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    number: int


def uid_of(*names: str | int) -> str:
    """The same UID for the same names, in every run."""
    return str(generate_uid(entropy_srcs=["lockgate-interop", *map(str, names)]))


def plant(ds: Dataset, patient: Patient = PATIENT) -> None:
    """Put the patient where a header has one, and where careless cleaners forget it."""
    ds.PatientName = f"{patient.family}^{patient.given}"
    ds.PatientID = patient.patient_id
    ds.OtherPatientIDs = [patient.other_id]
    ds.PatientBirthDate = "19470312"
    ds.PatientSex = "F"
    ds.PatientAddress = patient.address
    ds.AccessionNumber = patient.accession
    ds.ReferringPhysicianName = f"{patient.physician}^Horace"
    ds.StudyDescription = f"HEAD W/O CONTRAST {patient.family}"
    ds.SeriesDescription = f"AX T2 {patient.given.upper()}"
    ds.ImageComments = f"seen with Dr. {patient.physician}, {patient.patient_id}"
    block = ds.private_block(0x0011, "INTEROP VENDOR", create=True)
    block.add_new(0x01, "LO", f"{patient.family}, {patient.given}")


def place(ds: Dataset, name: str, series: int, number: int) -> None:
    """Put a data set at its place in the study of this name; it refers to the first of its series."""
    ds.StudyInstanceUID = uid_of(name, "study")
    ds.SeriesInstanceUID = uid_of(name, "series", series)
    ds.SOPInstanceUID = uid_of(name, "instance", series, number)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.FrameOfReferenceUID = uid_of(name, "frame")
    ds.SeriesNumber = series
    ds.InstanceNumber = number
    ds.StudyDate = ds.SeriesDate = "20240517"
    reference = Dataset()
    reference.ReferencedSOPClassUID = ds.SOPClassUID
    reference.ReferencedSOPInstanceUID = uid_of(name, "instance", series, 1)
    ds.ReferencedImageSequence = [reference]


def build(
    folder: Path,
    name: str,
    sources: Sequence[Sequence[Path]],
    patient: Patient = PATIENT,
    *,
    pixels: bool = True,
) -> list[Instance]:
    """Write a study below `folder`: one series for each sequence of source files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for series, files in enumerate(sources, start=1):
        for number, source in enumerate(files, start=1):
            ds = dcmread(source)
            plant(ds, patient)
            place(ds, name, series, number)
            if not pixels:
                del ds.PixelData
            path = folder / f"{name}-{series}-{number}.dcm"
            ds.save_as(path)
            made.append(Instance(path, ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID, number))
    return made


def small_study(folder: Path, name: str, count: int = 2) -> list[Instance]:
    """A study of one series of `count` 64x64 images."""
    return build(folder, name, [[example("MR_small.dcm")] * count])


def bare_study(folder: Path, name: str, count: int = 2) -> list[Instance]:
    """The same without pixels: with the profile `headers` nothing is to be read by a model."""
    return build(folder, name, [[example("MR_small.dcm")] * count], pixels=False)


def undecodable_study(folder: Path, name: str) -> list[Instance]:
    """One image in RLE whose segments are no RLE: no proof can be had of its pixels."""
    made = build(folder, name, [[example("MR_small_RLE.dcm")]])
    ds = dcmread(made[0].path)
    ds.PixelData = encapsulate([b"\xff" * 512])
    ds.save_as(made[0].path)
    return made


def paths(study: Sequence[Instance]) -> list[Path]:
    """Where the files of a study lie."""
    return [one.path for one in study]


def mentions(words: Sequence[str], blob: bytes) -> list[str]:
    """Which words are in these bytes, as UTF-8 or UTF-16 of either order, in any case of ASCII letters."""
    low = blob.lower()
    spelled = ((word, word.lower()) for word in words)
    return [
        word
        for word, small in spelled
        if any(small.encode(charset) in low for charset in ("utf-8", "utf-16-le", "utf-16-be"))
    ]


def files_mentioning(words: Sequence[str], folder: Path) -> dict[str, list[str]]:
    """Files below `folder`, by relative path, whose bytes or names have one of the words."""
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = str(path.relative_to(folder))
        blob = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        hits = sorted({*mentions(words, blob), *mentions(words, relative.encode())})
        if hits:
            found[relative] = hits
    return found
