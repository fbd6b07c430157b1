"""Data sets that the header tests clean: real files, and small ones with strings planted everywhere."""

import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread  # noqa: TID251 - tests read what tests wrote
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from agent.config.profiles import load_profile, profile_of
from redact.headers.outcome import HeaderContext
from redact.headers.profile import Profile
from redact.identifiers.harvest import harvest
from redact.identifiers.pseudonymiser import Pseudonymiser

KEY = bytes(range(32))


def default_profile() -> Profile:
    return load_profile("default")


def profile(*options: str, rules: list[dict[str, Any]] | None = None) -> Profile:
    return profile_of({"profile": "test", "options": list(options), "rules": rules or []})


def context(*data_sets: Dataset, using: Profile | None = None, key: bytes = KEY) -> HeaderContext:
    return HeaderContext.of(
        using or default_profile(), Pseudonymiser(key, "test-route"), [harvest(ds) for ds in data_sets]
    )


def read(path: Path | str) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dcmread(path, force=True, stop_before_pixels=True)


def ct() -> Dataset:
    """A real CT of pydicom's own test files."""
    return read(str(get_testdata_file("CT_small.dcm")))


def small(**attributes: Any) -> Dataset:
    """A CT header with these attributes."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, "1.2.3.4.5"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3.4", "1.2.3.4.1"
    ds.PatientName, ds.PatientID = "Doe^Jane", "MRN-4711-99"
    ds.Modality, ds.StudyDate = "CT", "20200229"
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def encoded(ds: Dataset) -> bytes:
    """The bytes of a data set as it would leave."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcmwrite(buffer, ds, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


def reread(ds: Dataset) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dcmread(BytesIO(encoded(ds)), force=True)


def corpus_files(corpus: Path) -> Iterator[Path]:
    for path in sorted(corpus.rglob("*")):
        if path.is_file() and path.suffix not in {".csv", ".json", ".md"}:
            yield path


def every_value(ds: Dataset) -> Iterator[tuple[str, Any]]:
    """Each leaf element's path and value."""
    for element in ds:
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                for path, value in every_value(item):
                    yield f"{element.tag}[{number}].{path}", value
        else:
            yield str(element.tag), element.value
