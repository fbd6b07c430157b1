"""What differs between two files: names, never values."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmwrite
from pydicom.uid import UID

from exchange.dicomio import difference as module
from exchange.dicomio.difference import Difference, difference
from exchange.domain.errors import InputError
from tests.support.small_studies import PATIENT, make_instance

NOTHING = Difference((), pixels=False, transfer_syntax=False)


def write(path: Path, ds: Dataset) -> Path:
    dcmwrite(path, ds, enforce_file_format=True)
    return path


def compared(folder: Path, change: Callable[[Dataset], None]) -> Difference:
    """Of an instance and the same one after `change`; both ways round it must be the same."""
    other = make_instance(1)
    change(other)
    one, two = write(folder / "one.dcm", make_instance(1)), write(folder / "two.dcm", other)
    found = difference(one, two)
    assert difference(two, one) == found
    return found


def test_the_same_content_differs_in_nothing(tmp_path: Path) -> None:
    assert compared(tmp_path, lambda _: None) == NOTHING


def test_changed_added_and_removed_elements_are_named_in_the_order_of_their_tags(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        ds.PatientName = "Someone^Else"
        ds.StudyDescription = "ADDED"
        del ds.KVP

    found = compared(tmp_path, change)
    assert found.paths == ("StudyDescription", "PatientName", "KVP")
    assert not found.pixels


def test_pixels_are_compared(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        ds.PixelData = bytes(len(ds.PixelData))

    assert compared(tmp_path, change) == Difference((), pixels=True, transfer_syntax=False)


def test_inside_sequences_the_way_is_told(tmp_path: Path) -> None:
    def nested(value: str) -> Callable[[Dataset], None]:
        def change(ds: Dataset) -> None:
            inner = Dataset()
            inner.CodeValue, inner.CodingSchemeDesignator, inner.CodeMeaning = value, "DCM", "a"
            outer = Dataset()
            outer.ScheduledProtocolCodeSequence = [inner]
            ds.RequestAttributesSequence = [Dataset(), outer]

        return change

    one, two = make_instance(1), make_instance(1)
    nested("1")(one)
    nested("2")(two)
    found = difference(write(tmp_path / "one.dcm", one), write(tmp_path / "two.dcm", two))
    assert found.paths == ("RequestAttributesSequence[2].ScheduledProtocolCodeSequence[1].CodeValue",)
    assert found.keywords == ("RequestAttributesSequence",)


def test_sequences_of_different_length_are_named_once(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        ds.RequestAttributesSequence = [Dataset(), Dataset()]

    assert compared(tmp_path, change).paths == ("RequestAttributesSequence",)


def test_private_elements_are_named_by_their_tags(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        ds.private_block(0x0011, "LGTEST", create=True).add_new(0x01, "LO", "SECRET")

    assert compared(tmp_path, change).paths == ("(0011,0010)", "(0011,1001)")


def test_another_encoding_of_the_same_is_told(tmp_path: Path) -> None:
    other = make_instance(1)
    other.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2")
    found = difference(write(tmp_path / "one.dcm", make_instance(1)), write(tmp_path / "two.dcm", other))
    assert (found.transfer_syntax, found.pixels, found.paths) == (True, False, ())


def test_numbers_that_are_none_do_not_differ_from_themselves(tmp_path: Path) -> None:
    ds = make_instance(1)
    ds.add_new(0x00189073, "FD", float("nan"))
    assert difference(write(tmp_path / "one.dcm", ds), write(tmp_path / "two.dcm", ds)) == NOTHING


def test_no_more_is_listed_than_anybody_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PATHS", 2)

    def change(ds: Dataset) -> None:
        ds.PatientName, ds.PatientID, ds.StudyDescription = "A", "B", "C"

    assert len(compared(tmp_path, change).paths) == 2


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(b"no DICOM at all" * 40)
    with pytest.raises(InputError):
        difference(write(tmp_path / "one.dcm", make_instance(1)), bad)


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(["PatientName", "PatientID", "StudyDescription", "SeriesDescription", "StationName"]),
        st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=12),
    )
)
def test_exactly_the_changed_elements_are_named_and_no_value(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("difference")

    def change(ds: Dataset) -> None:
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    before = make_instance(1)
    found = compared(folder, change)
    assert set(found.paths) == {key for key, value in values.items() if str(before.get(key, "")) != value}
    assert not any(planted in repr(found) for planted in PATIENT)
