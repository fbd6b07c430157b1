"""`read_header` and the typed getters: nothing but data or an InputError, and no values in logs or errors."""

import logging
import re
import warnings
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from exchange.dicomio import getters
from exchange.dicomio.elements import KnownElements
from exchange.dicomio.header import read_header
from exchange.domain.errors import InputError
from tests.exchange.dicomio import build


def write(path: Path, *elements: bytes) -> Path:
    """Tags in ascending order, as they should be: the UIDs stand behind SpecificCharacterSet."""
    first = [one for one in elements if one.startswith(b"\x08\0\x05\0")]
    others = [one for one in elements if one not in first]
    path.write_bytes(build.meta() + b"".join((*first, build.uids(), *others)))
    return path


def test_odd_values_are_kept_and_neither_warned_of_nor_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(
        tmp_path / "x",
        build.element(0x00080020, b"DA", b"SECRETDATE"),
        build.element(0x00080005, b"CS", b"ISO_IR 999"),
        build.element(0x00100010, b"PN", b"SECRET^\xff\xfeNAME "),
        build.element(0x00100020, b"LO", b"S" * 70),
        build.element(0x00101010, b"AS", b"SECRET"),
        build.element(0x0020000D, b"UI", b"SECRET UID"),
        build.element(0x00280030, b"DS", b"SECRET\\1"),
    )
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        header = read_header(path)
        shown = str(header)
    assert "SECRET" in shown
    assert caught == []
    assert "SECRET" not in caplog.text


def test_what_pydicom_cannot_convert_is_refused_without_its_words(tmp_path: Path) -> None:
    path = write(tmp_path / "x", build.element(0x00280010, b"US", b"SEC"))
    with pytest.raises(InputError) as caught:
        read_header(path)
    assert "SEC" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_pixel_element_is_left_out_and_what_follows_is_there(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x",
        build.element(0x00280010, b"US", b"\1\0"),
        build.element(0x7FE00010, b"OW", b"abcd"),
        build.element(0xFFFCFFFC, b"OB", b"\0\0"),
    )
    header = read_header(path)
    assert "PixelData" not in header
    assert header.Rows == 1
    assert (0xFFFC, 0xFFFC) in header
    assert header.file_meta.TransferSyntaxUID == build.EXPLICIT


def test_file_meta_is_repaired_from_the_data_set(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(build.uids(b"9.8.7"))
    meta = read_header(path).file_meta
    assert meta.MediaStorageSOPInstanceUID == "9.8.7"
    assert meta.MediaStorageSOPClassUID == build.SECONDARY_CAPTURE
    assert meta.TransferSyntaxUID == build.EXPLICIT


def test_getters() -> None:
    ds = Dataset()
    ds.PatientName, ds.ImageType, ds.Rows, ds.StudyInstanceUID = "A^B", ["ORIGINAL", "PRIMARY"], 512, "1.2.3"
    ds.NumberOfFrames, ds.PatientComments, ds.ReferencedStudySequence = "3", None, [Dataset(), Dataset()]
    assert getters.text(ds, "PatientName") == "A^B"
    assert getters.text(ds, "ImageType") == "ORIGINAL\\PRIMARY"
    assert getters.texts(ds, "ImageType") == ["ORIGINAL", "PRIMARY"]
    assert getters.text(ds, "PatientComments") == getters.text(ds, "PatientID") == ""
    assert getters.texts(ds, "ReferencedStudySequence") == []
    assert getters.uid(ds, "StudyInstanceUID") == "1.2.3"
    assert getters.integer(ds, "Rows", 0) == 512
    assert getters.integer(ds, "NumberOfFrames", 1) == 3
    assert getters.integer(ds, "Columns", 7) == getters.integer(ds, "PatientName", 7) == 7
    assert len(getters.items(ds, "ReferencedStudySequence")) == 2
    assert getters.items(ds, "PatientName") == getters.items(ds, "RequestAttributesSequence") == []


@pytest.mark.parametrize("path", build.pydicom_files(), ids=lambda path: path.name)
def test_what_was_converted_before_reads_the_same(path: Path) -> None:
    known = KnownElements()
    try:
        header = read_header(path)
    except InputError as refused:
        for _ in range(2):
            with pytest.raises(InputError, match=re.escape(str(refused))):
                read_header(path, known=known)
        return
    assert read_header(path, known=known) == header
    assert read_header(path, known=known) == header


def test_what_cannot_be_converted_is_refused_after_headers_that_could(tmp_path: Path) -> None:
    known = KnownElements()
    good = write(tmp_path / "good", build.element(0x00280010, b"US", b"\1\0"))
    bad = write(tmp_path / "bad", build.element(0x00280010, b"US", b"SEC"))
    read_header(good, known=known)
    for _ in range(2):
        with pytest.raises(InputError):
            read_header(bad, known=known)


def test_the_same_bytes_in_another_character_set_are_read_anew(tmp_path: Path) -> None:
    known = KnownElements()
    name = build.element(0x00100010, b"PN", b"M\xfcller^Eva")
    latin = write(tmp_path / "latin", build.element(0x00080005, b"CS", b"ISO_IR 100"), name)
    greek = write(tmp_path / "greek", build.element(0x00080005, b"CS", b"ISO_IR 126"), name)
    assert read_header(latin, known=known).PatientName == "Müller^Eva"
    assert read_header(greek, known=known).PatientName == read_header(greek).PatientName != "Müller^Eva"
