"""`FrameSource`: the same frames as pydicom's own reading, without the whole file in memory."""

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from exchange.dicomio.examine import examine
from exchange.dicomio.frames import FrameSource
from exchange.dicomio.header import read_header
from exchange.dicomio.payloads import EncapsulatedPayload, NativePayload, OffsetTable
from exchange.dicomio.write import write_instance
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError
from tests.exchange.dicomio import build

RLE = "1.2.840.10008.1.2.5"


def pydicom_frames(ds: Dataset) -> list[bytes]:
    extended = None
    if "ExtendedOffsetTable" in ds:
        extended = (ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths)
    count = int(ds.get("NumberOfFrames", 1) or 1)
    return list(generate_frames(ds.PixelData, number_of_frames=count, extended_offsets=extended))


def test_encapsulated_frames_agree_with_pydicom() -> None:
    files = frames = 0
    for path in build.pydicom_files():
        try:
            layout = examine(path)
            if layout.pixels is None or not layout.pixels.encapsulated:
                continue
            source = FrameSource(path, layout, read_header(path))
        except InputError:
            continue
        with warnings.catch_warnings(), source:
            warnings.simplefilter("ignore")  # pydicom's reading of odd files
            expected = pydicom_frames(pydicom.dcmread(path))  # noqa: TID251 - the independent reading
            assert [source.encoded(index) for index in range(source.count)] == expected, path.name
        files, frames = files + 1, frames + source.count
    assert files > 15
    assert frames > files


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "rtdose.dcm"])
def test_native_frames(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    ds = pydicom.dcmread(path)  # noqa: TID251 - the independent reading
    with FrameSource(path, examine(path), read_header(path)) as source:
        joined = b"".join(source.encoded(index) for index in range(source.count))
        assert joined == ds.PixelData
        assert source.frame_length * source.count == len(joined)
        with pytest.raises(IndexError):
            source.encoded(source.count)


@given(
    bits=st.integers(1, 40).flatmap(
        lambda size: st.lists(st.lists(st.booleans(), min_size=size, max_size=size), min_size=1, max_size=9)
    )
)
def test_one_bit_frames_start_at_bit_zero(
    bits: list[list[bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.getbasetemp() / "bits.dcm"
    packed = np.packbits(np.array(bits).ravel(), bitorder="little").tobytes()
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = build.SECONDARY_CAPTURE, "1.2.3"
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.BitsAllocated = 1, len(bits[0]), 1, 1
    ds.NumberOfFrames = len(bits)
    write_instance(out, ds, build.EXPLICIT, NativePayload("OB", len(packed), [packed]))
    with FrameSource(out, examine(out), read_header(out)) as source:
        for index, frame in enumerate(bits):
            expected = np.packbits(np.array(frame), bitorder="little").tobytes()
            assert source.encoded(index) == expected
        assert source.surplus == 0


def test_one_bit_big_endian_words_give_the_same_frames() -> None:
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    little, big = folder / "liver_1frame.dcm", folder / "liver_expb_1frame.dcm"
    if not (little.exists() and big.exists()):
        pytest.skip("this pydicom does not bring the files")
    with (
        FrameSource(little, examine(little), read_header(little)) as one,
        FrameSource(big, examine(big), read_header(big)) as other,
    ):
        assert one.encoded(0) == other.encoded(0)


def instance(tmp_path: Path, frames: list[list[bytes]], count: int, table: OffsetTable) -> Path:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = build.SECONDARY_CAPTURE, "1.2.3"
    ds.NumberOfFrames = count
    out = tmp_path / "x.dcm"
    write_instance(out, ds, RLE, EncapsulatedPayload(frames, table))
    return out


def test_without_a_table_markers_decide(tmp_path: Path) -> None:
    frames = [[b"ab", b"c\xff\xd9\0"], [b"de"], [b"fg", b"h\xff\xd9\0"]]
    path = instance(tmp_path, [frames[0], frames[1] + frames[2]], 2, OffsetTable.NONE)
    with FrameSource(path, examine(path), read_header(path)) as source:
        assert [source.encoded(index) for index in (0, 1)] == [b"abc\xff\xd9\0", b"defgh\xff\xd9\0"]


@pytest.mark.parametrize(
    ("frames", "count", "table"),
    [
        ([[b"ab"], [b"cd"]], 3, OffsetTable.BASIC),
        ([[b"ab"], [b"cd"]], 1, OffsetTable.BASIC),
        ([[b"ab"], [b"cd"]], 3, OffsetTable.EXTENDED),
        ([[b"ab"], [b"cd"]], 3, OffsetTable.NONE),
        ([[b"ab", b"cd", b"ef"]], 2, OffsetTable.NONE),
        ([[b"ab"]], 2_000_000_000, OffsetTable.NONE),
        ([[b"ab"]], -1, OffsetTable.NONE),
    ],
)
def test_frames_that_cannot_be_told_apart(
    frames: list[list[bytes]], count: int, table: OffsetTable, tmp_path: Path
) -> None:
    path = instance(tmp_path, frames, count, table)
    with pytest.raises(InputError) as caught:
        FrameSource(path, examine(path), read_header(path))
    assert caught.value.code is ReasonCode.UNDECODABLE_PIXELS


def test_surplus_behind_the_last_frame_is_told() -> None:
    path = Path(str(get_testdata_file("MR_small_padded.dcm")))
    with FrameSource(path, examine(path), read_header(path)) as source:
        assert source.surplus == 128
