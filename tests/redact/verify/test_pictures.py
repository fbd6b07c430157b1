"""No picture leaves that nobody has read: the cleaner removes them, and the proof finds each by itself."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from exchange.dicomio.examine import examine
from exchange.dicomio.payloads import CopyPayload, NativePayload
from exchange.dicomio.write import write_instance
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.stage import InstanceCleaner
from redact.verify.proof import prove_instance
from tests.redact.pixels.making import Made, describe, opened, save
from tests.redact.test_stage import named, plan
from tests.redact.verify.studies import EXPECTATIONS, IDENTIFIERS, pair

SIDE = 64
_JPIP = [f"1.2.840.10008.1.2.4.{number}" for number in (94, 95, 204, 205)]


def jpeg() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((SIDE, SIDE), 90, np.uint8)).save(stream, "JPEG")
    return stream.getvalue() + bytes(len(stream.getvalue()) % 2)


def icon() -> Dataset:
    ds = describe(np.zeros((1, SIDE, SIDE, 1), np.uint8), "MONOCHROME2")
    item = Dataset()
    for keyword in ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"):
        item[keyword] = ds[keyword]
    item.BitsStored, item.HighBit, item.PixelRepresentation = 8, 7, 0
    item.add_new(0x7FE00010, "OW", bytes(SIDE * SIDE))
    return item


def put_icon(ds: Dataset) -> None:
    ds.IconImageSequence = [icon()]


def put_nested(ds: Dataset) -> None:
    ds.ReferencedImageEvidenceSequence = [icon()]


def put_overlay(ds: Dataset) -> None:
    ds.add_new(0x60000010, "US", SIDE)
    ds.add_new(0x60000011, "US", SIDE)
    ds.add_new(0x60000040, "CS", "G")
    ds.add_new(0x60000050, "SS", [1, 1])
    ds.add_new(0x60000100, "US", 1)
    ds.add_new(0x60000102, "US", 0)
    ds.add_new(0x60003000, "OW", bytes(SIDE * SIDE // 8))


def put_curve(ds: Dataset) -> None:
    ds.add_new(0x50003000, "OW", bytes(64))


def put_waveform(ds: Dataset) -> None:
    item = Dataset()
    item.WaveformBitsAllocated, item.WaveformSampleInterpretation = 8, "UB"
    item.add_new(0x54001010, "OB", jpeg())
    ds.WaveformSequence = [item]


def put_table(ds: Dataset) -> None:
    item = Dataset()
    item.LUTDescriptor = [len(jpeg()) // 2, 0, 16]
    item.add_new(0x00283006, "OW", jpeg())
    ds.VOILUTSequence = [item]


def put_offsets(ds: Dataset) -> None:
    ds.add_new(0x7FE00001, "OV", bytes(range(64)))
    ds.add_new(0x7FE00002, "OV", bytes(range(64)))


def put_provider(ds: Dataset) -> None:
    ds.PixelDataProviderURL = "https://pacs.example/jpip"


PUT: dict[str, Callable[[Dataset], None]] = {
    "icon": put_icon,
    "pixels in an item": put_nested,
    "overlay": put_overlay,
    "curve": put_curve,
    "picture file as samples": put_waveform,
    "picture file as a table": put_table,
    "offsets of no fragments": put_offsets,
    "URL of pixels": put_provider,
}


@pytest.mark.parametrize("what", [one for one in PUT if one != "offsets of no fragments"])
def test_the_proof_finds_a_picture_that_nobody_reads(what: str, tmp_path: Path) -> None:
    source, output = pair(tmp_path, PUT[what])
    with pytest.raises(HeldError, match="a picture that nobody reads") as caught:
        prove_instance(source, output, identifiers=IDENTIFIERS, expectations=EXPECTATIONS)
    assert caught.value.code is ReasonCode.PROOF_TEXT
    assert caught.value.path


@pytest.mark.parametrize(("number", "vr"), [(1, b"OV"), (2, b"OV"), (8, b"OF"), (16, b"OW")])
def test_the_proof_finds_a_second_pixel_element_and_offsets_of_nothing(
    number: int, vr: bytes, tmp_path: Path
) -> None:
    source, output = pair(tmp_path, lambda _ds: None)
    data = output.read_bytes()
    place = data.rindex(b"\xe0\x7f\x10\x00OW")
    more = b"\xe0\x7f" + bytes([number, 0]) + vr + b"\0\0" + (64).to_bytes(4, "little") + bytes(64)
    output.write_bytes(data[:place] + more + data[place:])
    second = number >= 8
    with pytest.raises(HeldError, match="does not re-read" if second else "that nobody reads") as caught:
        prove_instance(source, output, identifiers=IDENTIFIERS, expectations=EXPECTATIONS)
    assert caught.value.path == ("" if second else f"(7FE0,{number:04X})")


@pytest.mark.parametrize("what", [one for one in PUT if one != "URL of pixels"])
def test_the_cleaner_removes_every_picture_but_the_pixels(what: str, tmp_path: Path) -> None:
    ds = describe(np.full((1, SIDE, SIDE, 1), 40, np.uint8), "MONOCHROME2", **named())
    PUT[what](ds)
    if what == "offsets of no fragments":  # the writer leaves them out where it does not copy
        save(tmp_path / "first.dcm", ds, bytes(SIDE * SIDE))
        write_instance(
            tmp_path / "in.dcm", ds, "1.2.840.10008.1.2.1", CopyPayload(examine(tmp_path / "first.dcm"))
        )
        assert "ExtendedOffsetTable" in opened(tmp_path / "in.dcm").header
    else:
        save(tmp_path / "in.dcm", ds, bytes(SIDE * SIDE))
    made = opened(tmp_path / "in.dcm")
    done = InstanceCleaner(plan(made)).run(made.path, tmp_path / "out.dcm")
    assert done.proved
    after = opened(done.path)
    assert jpeg()[:64] not in done.path.read_bytes()
    assert sum("Pixel Data" in element.name for element in after.header.iterall()) == 0
    assert not [each for each in after.header if each.tag.group >> 8 in (0x50, 0x60)]
    assert "ExtendedOffsetTable" not in after.header


def referenced(folder: Path, syntax: str, *, url: bool) -> Made:
    ds = describe(np.zeros((1, SIDE, SIDE, 1), np.uint8), "MONOCHROME2", **named())
    if url:
        ds.PixelDataProviderURL = "https://pacs.example/jpip?patient=QF-4711-88"
    write_instance(folder / "in.dcm", ds, syntax, None)
    return opened(folder / "in.dcm")


@pytest.mark.parametrize("syntax", [*_JPIP, "1.2.840.10008.1.2.1"])
@pytest.mark.parametrize("url", [True, False])
def test_pixels_that_lie_elsewhere_are_held(syntax: str, url: bool, tmp_path: Path) -> None:
    made = referenced(tmp_path, syntax, url=url)
    if syntax not in _JPIP and not url:
        assert InstanceCleaner(plan(made)).run(made.path, tmp_path / "out.dcm").pixels == "none"
        return
    everything = frozenset(ReasonCode)
    for released in (frozenset[ReasonCode](), everything):
        with pytest.raises(HeldError) as caught:
            InstanceCleaner(plan(made, released=released)).run(made.path, tmp_path / "out.dcm")
        assert (caught.value.code, caught.value.path) == (ReasonCode.TRANSFER_SYNTAX, "(0028,7FE0)")
        assert "QF-4711" not in str(caught.value)
        assert not (tmp_path / "out.dcm").exists()


def test_compressed_pixels_that_are_no_fragments_are_held(tmp_path: Path) -> None:
    """A reader may take the value for a JPEG, or for plain values: we would show only one of them."""
    ds = describe(np.zeros((1, SIDE, SIDE, 1), np.uint8), "MONOCHROME2", **named())
    data = jpeg() + bytes(SIDE * SIDE - len(jpeg()))
    write_instance(tmp_path / "in.dcm", ds, "1.2.840.10008.1.2.1", NativePayload("OB", len(data), [data]))
    data = (tmp_path / "in.dcm").read_bytes()
    mark = b"UI\x14\x001.2.840.10008.1.2.1\0"
    assert mark in data
    said = b"UI\x16\x001.2.840.10008.1.2.4.50"
    length = int.from_bytes(data[140:144], "little") + 2
    changed = data[:140] + length.to_bytes(4, "little") + data[144:]
    (tmp_path / "said.dcm").write_bytes(changed.replace(mark, said))
    made = opened(tmp_path / "said.dcm")
    assert made.layout.transfer_syntax_uid == "1.2.840.10008.1.2.4.50"
    with pytest.raises(HeldError) as caught:
        InstanceCleaner(plan(made)).run(made.path, tmp_path / "out.dcm")
    assert caught.value.code is ReasonCode.UNDECODABLE_PIXELS
