"""Another transfer syntax without loss: values stay the bytes that they were, and any change is found."""

import subprocess
from pathlib import Path

import pytest
from pydicom import Dataset, Sequence, dcmread  # noqa: TID251 - tests build their input
from pydicom.data import get_charset_files
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

from exchange.dicomio.examine import examine
from exchange.dicomio.payloads import CopyPayload
from exchange.dicomio.transcode import (
    compare_headers,
    encode_unconverted,
    native_copy,
    possible_targets,
    read_unconverted,
)
from exchange.dicomio.write import write_instance
from tests.support import dcmtk
from tests.support.outgoing import example

EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
NAMES = [
    "CT_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "ExplVR_BigEnd.dcm",
    "image_dfl.dcm",
    "rtplan.dcm",
    "reportsi.dcm",
    "waveform_ecg.dcm",
]
NATIVE = [(name, target) for name in NAMES for target in (EXPLICIT, IMPLICIT)]


def brought(source: Path, target: Path, syntax: str) -> str:
    """Bring a native file into a syntax; what differs then."""
    layout = examine(source)
    pixels = CopyPayload(layout) if layout.pixels else None
    write_instance(target, read_unconverted(layout), syntax, pixels, encode_unconverted)
    return compare_headers(layout, examine(target), ())


@pytest.mark.parametrize(("name", "syntax"), NATIVE)
def test_native_syntaxes_round_trip(name: str, syntax: str, tmp_path: Path) -> None:
    layout = examine(example(name))
    assert syntax in (*possible_targets(layout.transfer_syntax_uid), layout.transfer_syntax_uid)
    assert brought(example(name), tmp_path / "there.dcm", syntax) == ""
    there = examine(tmp_path / "there.dcm")
    assert (there.transfer_syntax_uid, there.sop_instance_uid) == (syntax, layout.sop_instance_uid)
    if layout.pixels and layout.little_endian:
        assert native_copy(layout, there)
    # And back: the same values again.
    back = IMPLICIT if syntax == EXPLICIT else EXPLICIT
    assert brought(tmp_path / "there.dcm", tmp_path / "back.dcm", back) == ""


@pytest.mark.interop
@pytest.mark.skipif(not dcmtk.tool("dcmconv"), reason="DCMTK is not installed")
@pytest.mark.parametrize("name", ["MR_small_bigendian.dcm", "ExplVR_BigEnd.dcm", "CT_small.dcm"])
def test_dcmtk_writes_the_same_data_set(name: str, tmp_path: Path) -> None:
    """Another implementation's conversion holds the same values."""
    theirs = tmp_path / "theirs.dcm"
    subprocess.run([dcmtk.tool("dcmconv"), "+ti", str(example(name)), str(theirs)], check=True, timeout=30)
    assert brought(example(name), tmp_path / "ours.dcm", IMPLICIT) == ""
    assert compare_headers(examine(theirs), examine(tmp_path / "ours.dcm"), ()) == ""
    assert native_copy(examine(theirs), examine(tmp_path / "ours.dcm"))


@pytest.mark.parametrize("name", ["chrX1.dcm", "chrX2.dcm", "chrKoreanMulti.dcm", "chrH32.dcm", "chrI2.dcm"])
def test_text_is_not_decoded_on_the_way(name: str, tmp_path: Path) -> None:
    (source,) = get_charset_files(name)
    assert brought(Path(source), tmp_path / "there.dcm", IMPLICIT) == ""
    before, after = dcmread(source), dcmread(tmp_path / "there.dcm")
    raw = before.get_item("PatientName").value
    assert raw
    assert after.get_item("PatientName").value == raw


def built(folder: Path, syntax: str) -> Path:
    """A small file with nested, private and binary elements."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "2.25.1"
    ds.RedPaletteColorLookupTableData = bytes(range(16))  # OW
    item = Dataset()
    item.LUTExplanation, item.LUTDescriptor = "1", [4, 0, 16]
    item.add_new("LUTData", "OW", bytes(range(8)))
    ds.ModalityLUTSequence = Sequence([item])
    block = ds.private_block(0x0029, "SOMEBODY", create=True)
    inner = Dataset()
    inner.PatientComments = "x"
    block.add_new(0x01, "SQ", Sequence([inner]))
    block.add_new(0x02, "LO", "value")
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    path = folder / "built.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path


def test_private_sequences_and_words_survive(tmp_path: Path) -> None:
    assert brought(built(tmp_path, EXPLICIT), tmp_path / "there.dcm", IMPLICIT) == ""
    found = dcmread(tmp_path / "there.dcm")
    assert found.RedPaletteColorLookupTableData == bytes(range(16))
    assert found[0x0029, 0x1002].value == b"value "


def test_words_of_big_endian_are_turned(tmp_path: Path) -> None:
    assert brought(built(tmp_path, BIG), tmp_path / "there.dcm", EXPLICIT) == ""
    turned = bytes(place ^ 1 for place in range(16))
    assert dcmread(tmp_path / "there.dcm").RedPaletteColorLookupTableData == turned


@pytest.mark.parametrize("harm", ["value", "nested", "lost", "added", "item"])
def test_any_change_is_found(harm: str, tmp_path: Path) -> None:
    source = built(tmp_path, EXPLICIT)
    before = examine(source)
    ds = dcmread(source)
    match harm:
        case "value":
            ds[0x0029, 0x1002].value = "Value"
        case "nested":
            ds.ModalityLUTSequence[0].LUTExplanation = "2"
        case "lost":
            del ds.RedPaletteColorLookupTableData
        case "added":
            ds.PatientComments = "more"
        case _:
            ds.ModalityLUTSequence.append(Dataset())
    ds.save_as(tmp_path / "after.dcm")
    assert compare_headers(before, examine(tmp_path / "after.dcm"), ()) != ""


def test_nothing_is_made_from_or_to_a_lossy_syntax() -> None:
    lossy = ["50", "51", "81", "91", "203", "93", "110", "102"]
    assert not any(possible_targets(f"1.2.840.10008.1.2.4.{number}") for number in lossy)
    assert possible_targets("1.2.3") == ()
    assert possible_targets("1.2.840.10008.1.2.4.70") == (EXPLICIT, IMPLICIT)
