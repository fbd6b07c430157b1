"""What the cleaner once got wrong, each with the least that shows it; found by the hostile set.

A new one begins as an expected failure (they are strict), whose mark goes when it is mended.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread  # noqa: TID251 - tests build their input
from pydicom.data import get_testdata_file
from pydicom.uid import ImplicitVRLittleEndian

from tests.hostile.cleaning import clean_folder
from tests.hostile.drafts import put, tag_of
from tests.hostile.encode import part10
from tests.hostile.matching import in_bytes
from tests.hostile.outcome import Outcomes, Status
from tests.hostile.reading import Opened
from tests.interop.studies import HEADERS_ONLY

pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("ignore")]

NUMBER = "956923723"
Plant = Callable[[Dataset], None]


def binary_number(ds: Dataset) -> None:
    put(ds, tag_of("SelectorULValue"), "UL", int(NUMBER).to_bytes(4, "little"))


def number_in_ds(ds: Dataset) -> None:
    put(ds, tag_of("SelectorDSValue"), "DS", NUMBER.encode())


def national_phone(ds: Dataset) -> None:
    ds.PatientTelephoneNumbers = "+44 96 9026 9575"
    ds.StudyDescription = "brain routine, call 096 9026-9575"


def unknown_phone(ds: Dataset) -> None:
    ds.StudyDescription = "brain routine, call 096 9026-9575"


def hebrew_in_latin(ds: Dataset) -> None:
    """UTF-8 where ISO_IR 100 is declared: hardly a letter is left of it, nothing that looks like a word."""
    ds.SpecificCharacterSet = "ISO_IR 100"
    put(ds, tag_of("PatientName"), "PN", "שרון^דבורה".encode())
    put(ds, tag_of("StudyDescription"), "LO", "thorax for שרון".encode())


def arabic_in_utf_8(ds: Dataset) -> None:
    """ISO 8859-6 where UTF-8 is declared: replacement characters, each of which a byte stands for."""
    ds.SpecificCharacterSet = "ISO_IR 192"
    put(ds, tag_of("PatientName"), "PN", "القبانجي^نزار".encode("iso8859_6"))
    put(ds, tag_of("StudyDescription"), "LO", "القبانجي_نزار - brain routine".encode("iso8859_6"))


def table_without_descriptor(ds: Dataset) -> None:
    """Implicit VR, and a VR that depends on an element that is not there."""
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    put(ds, tag_of("LUTData"), "OW", bytes(8))


def name_in_grid(ds: Dataset) -> None:
    """A name among numbers that the object can do without."""
    put(ds, tag_of("VectorGridData"), "OF", bytes(12) + b"Duquesne^Philippa" + bytes(3))
    ds.OtherPatientNames = "Duquesne^Philippa"


PLANTS: dict[str, tuple[Plant, str]] = {
    "binary number": (binary_number, NUMBER),
    "number in DS": (number_in_ds, NUMBER),
    "national phone": (national_phone, "9026-9575"),
    "unknown phone": (unknown_phone, "9026-9575"),
    "hebrew in latin": (hebrew_in_latin, "שרון"),
    "arabic in utf-8": (arabic_in_utf_8, "القبانجي"),
    "name in grid": (name_in_grid, "Duquesne"),
    "table without descriptor": (table_without_descriptor, NUMBER),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("defects")


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> Outcomes:
    """All of them cleaned in one run; each is a patient of its own."""
    (folder / "files").mkdir()
    for number, (name, (plant, _)) in enumerate(PLANTS.items()):
        ds = dcmread(str(get_testdata_file("CT_small.dcm")))
        del ds.PixelData
        for element in list(ds):
            if element.tag.is_private or element.tag.group > 0x7FE0:
                del ds[element.tag]
        ds.PatientID, ds.PatientName = (
            f"MRN-9569-23723-{number}" if number > 1 else "MRN-9569-23723",
            "Doe^Jane",
        )
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = (
            f"1.2.3.{number}{end}" for end in ("", ".1", ".2")
        )
        plant(ds)
        syntax = ds.file_meta.TransferSyntaxUID
        meta = {0x00020010: ("UI", str(syntax).encode()), 0x00020002: ("UI", str(ds.SOPClassUID).encode())}
        (folder / "files" / f"{name}.dcm").write_bytes(part10(ds, syntax, bytes(128), meta))
    profile = folder / "headers.yaml"
    profile.write_text(HEADERS_ONLY)
    return clean_folder(folder / "files", folder / "out", profile=str(profile))


@pytest.mark.parametrize("name", PLANTS)
def test_it_comes_out_without_the_word(name: str, outcomes: Outcomes, folder: Path) -> None:
    outcome = outcomes[f"{name}.dcm"]
    assert outcome.status is Status.OUT, outcome.reason
    opened = Opened(folder / "out" / str(outcome.output))
    _, word = PLANTS[name]
    assert not in_bytes(word, "iso8859_6", opened.everything())
    assert opened.text("(0072,0078)") != word
    assert "\ufffd" not in (opened.text("(0008,1030)") or "")
