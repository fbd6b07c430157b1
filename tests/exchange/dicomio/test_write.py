"""`write_instance`: what is written is what was given, byte for byte, and says so by its digests."""

import hashlib
import struct
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from exchange.dicomio.digest import dataset_sha256, pixel_sha256
from exchange.dicomio.examine import examine
from exchange.dicomio.frames import FrameSource
from exchange.dicomio.header import read_header, read_header_at
from exchange.dicomio.layout import FileLayout
from exchange.dicomio.payloads import CopyPayload, EncapsulatedPayload, NativePayload, OffsetTable
from exchange.dicomio.write import write_instance
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import InputError
from tests.exchange.dicomio import build

EXPLICIT, IMPLICIT, BIG = build.EXPLICIT, build.IMPLICIT, "1.2.840.10008.1.2.2"
DEFLATED, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"


def local(name: str) -> Path:
    return Path(str(get_testdata_file(name)))


def without_group_lengths(ds: Dataset) -> Dataset:
    """The retired group lengths are not written (PS3.5 7.2)."""
    pending = [ds]
    while pending:
        current = pending.pop()
        for tag in list(current.keys()):
            if tag.element == 0:
                del current[tag]
            elif current[tag].VR == "SQ":
                pending.extend(current[tag].value)
    return ds


def read(path: Path) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom on odd files
        return pydicom.dcmread(path, force=True)  # noqa: TID251 - the independent reading


def minimal() -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = build.SECONDARY_CAPTURE, "1.2.3.4"
    return ds


def assert_round_trip(path: Path, out: Path) -> None:
    layout = examine(path)
    header = read_header_at(layout)
    payload = CopyPayload(layout) if layout.pixels else None
    written = write_instance(out, header, layout.transfer_syntax_uid, payload)
    again = examine(out)
    assert written.sha256 == dataset_sha256(out), path.name
    assert written.byte_count == again.dataset_length
    assert written.pixel_sha256 == pixel_sha256(again)
    if layout.pixels and layout.pixels.value_length % 2 == 0:
        assert written.pixel_sha256 == pixel_sha256(layout), path.name
    assert without_group_lengths(header) == read_header_at(again), path.name


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom compares values of odd files
def test_every_pydicom_file_survives_a_round_trip(tmp_path: Path) -> None:
    count = 0
    for path in build.pydicom_files():
        if path.stat().st_size > 2_000_000:
            continue
        try:
            examine(path)
        except InputError:
            continue
        assert_round_trip(path, tmp_path / "out.dcm")
        count += 1
    assert count > 50


@pytest.mark.parametrize(
    "name", ["image_dfl.dcm", "MR_small_bigendian.dcm", "CT_small.dcm", "MR_small_RLE.dcm"]
)
def test_pixels_read_by_pydicom_are_the_same(name: str, tmp_path: Path) -> None:
    layout = examine(local(name))
    out = tmp_path / "out.dcm"
    write_instance(out, read_header_at(layout), layout.transfer_syntax_uid, CopyPayload(layout))
    assert np.array_equal(read(out).pixel_array, read(local(name)).pixel_array)
    assert read(out).file_meta.TransferSyntaxUID == layout.transfer_syntax_uid


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, DEFLATED])
@pytest.mark.parametrize(
    "name",
    [
        "MR_small_bigendian.dcm",
        "rtdose_expb_1frame.dcm",
        "SC_rgb_small_odd_big_endian.dcm",
        "ExplVR_BigEnd.dcm",
    ],
)
def test_big_endian_becomes_little_endian_when_told(name: str, syntax: str, tmp_path: Path) -> None:
    layout = examine(local(name))
    out = tmp_path / "out.dcm"
    write_instance(out, read_header_at(layout), syntax, CopyPayload(layout))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd-length pixel data
        assert np.array_equal(read(out).pixel_array, read(local(name)).pixel_array)


@given(
    values=st.binary(max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=5),
    vr=st.sampled_from(["OB", "OW"]),
)
def test_native_chunks_do_not_matter(
    values: bytes, cuts: list[int], vr: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.getbasetemp() / "native.dcm"
    borders = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    chunks = [values[begin:end] for begin, end in pairwise(borders)]
    written = write_instance(out, minimal(), EXPLICIT, NativePayload(vr, len(values), chunks))
    padded = build.even(values)
    pixels = examine(out).pixels
    assert pixels is not None
    assert (pixels.vr, pixels.value_length) == (vr, len(padded))
    assert out.read_bytes()[pixels.value_offset :] == padded
    assert written.pixel_sha256 == hashlib.sha256(padded).hexdigest()


FRAMES = st.lists(
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=3), min_size=1, max_size=6
)


@given(frames=FRAMES)
def test_encapsulated_frames_come_back_with_a_basic_table(
    frames: list[list[bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.getbasetemp() / "basic.dcm"
    ds = minimal()
    ds.NumberOfFrames = len(frames)
    write_instance(out, ds, RLE, EncapsulatedPayload(frames))
    with FrameSource(out, examine(out), read_header(out)) as source:
        expected = [b"".join(map(build.even, frame)) for frame in frames]
        assert [source.encoded(index) for index in range(source.count)] == expected


@given(frames=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6))
def test_encapsulated_frames_come_back_with_an_extended_table(
    frames: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.getbasetemp() / "extended.dcm"
    ds = minimal()
    ds.NumberOfFrames = len(frames)
    write_instance(out, ds, RLE, EncapsulatedPayload([[each] for each in frames], OffsetTable.EXTENDED))
    with FrameSource(out, examine(out), read_header(out)) as source:
        assert [source.encoded(index) for index in range(source.count)] == frames
    assert len(read(out).ExtendedOffsetTableLengths) == 8 * len(frames)


def test_fresh_meta_and_nothing_of_the_old(tmp_path: Path) -> None:
    source = tmp_path / "in.dcm"
    raw = bytearray(local("CT_small.dcm").read_bytes())
    raw[:20] = b"PATIENT^NAME^PLANTED"
    source.write_bytes(raw)
    out = tmp_path / "out.dcm"
    header = read_header(source)
    header.file_meta.SendingApplicationEntityTitle = "CALLER"
    write_instance(out, header, EXPLICIT, CopyPayload(examine(source)))
    data = out.read_bytes()
    assert data[:128] == bytes(128)
    assert b"CALLER" not in data
    assert b"PLANTED" not in data
    (group_length,) = struct.unpack("<L", data[140:144])
    assert 128 + 4 + 12 + group_length == examine(out).dataset_offset


def test_elements_behind_the_pixels_are_kept(tmp_path: Path) -> None:
    ds = minimal()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName = "Größe^日本"
    ds.DigitalSignaturesSequence = []
    block = ds.private_block(0x7FE1, "ACME", create=True)
    block.add_new(0x01, "LO", "behind, ümlaut")
    out = tmp_path / "out.dcm"
    write_instance(out, ds, EXPLICIT, NativePayload("OW", 4, [b"abcd"]))
    header = read_header(out)
    assert str(header.PatientName) == "Größe^日本"
    assert header[0x7FE11001].value == "behind, ümlaut"
    assert header == ds


def assert_refused(code: ReasonCode, out: Path, ds: Dataset, syntax: str, payload: object) -> None:
    with pytest.raises(InputError) as caught:
        write_instance(out, ds, syntax, payload)  # type: ignore[arg-type]
    assert caught.value.code is code
    assert list(out.parent.iterdir()) == []


def test_refuses_what_does_not_fit_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.dcm"
    native, fragments = NativePayload("OB", 2, [b"ab"]), EncapsulatedPayload([[b"ab"]])
    copy = CopyPayload(examine(local("MR_small_RLE.dcm")))
    assert_refused(ReasonCode.TRANSFER_SYNTAX, out, minimal(), "1.2.3", None)
    assert_refused(ReasonCode.TRANSFER_SYNTAX, out, minimal(), RLE, native)
    assert_refused(ReasonCode.TRANSFER_SYNTAX, out, minimal(), EXPLICIT, fragments)
    assert_refused(ReasonCode.TRANSFER_SYNTAX, out, minimal(), EXPLICIT, copy)
    assert_refused(ReasonCode.MISSING_UID, out, Dataset(), EXPLICIT, None)
    assert_refused(ReasonCode.TRUNCATED, out, minimal(), EXPLICIT, NativePayload("OB", 4, [b"ab"]))


def test_an_unencodable_value_does_not_show_in_the_error(tmp_path: Path) -> None:
    ds = minimal()
    ds.add_new(0x00280010, "US", 5)
    ds["Rows"].VR = "US"
    ds["Rows"]._value = "SECRET^NAME"
    with pytest.raises(InputError) as caught:
        write_instance(tmp_path / "x", ds, EXPLICIT, None)
    assert caught.value.code is ReasonCode.INTERNAL
    assert "SECRET" not in str(caught.value)


def test_a_source_that_shrinks_is_noticed(tmp_path: Path) -> None:
    source, out = tmp_path / "in.dcm", tmp_path / "out.dcm"
    source.write_bytes(local("CT_small.dcm").read_bytes())
    layout = examine(source)
    header = read_header_at(layout)
    source.write_bytes(source.read_bytes()[:-5000])
    with pytest.raises(InputError) as caught:
        write_instance(out, header, EXPLICIT, CopyPayload(layout))
    assert caught.value.code is ReasonCode.TRUNCATED
    assert not out.exists()


def test_copy_of_a_file_without_pixels_is_a_programming_error(tmp_path: Path) -> None:
    layout: FileLayout = examine(local("rtplan.dcm"))
    with pytest.raises(ValueError, match="source has none"):
        write_instance(tmp_path / "x", read_header_at(layout), IMPLICIT, CopyPayload(layout))


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom compares values of odd files
def test_a_sample_of_the_corpus_survives_a_round_trip(corpus: Path, tmp_path: Path) -> None:
    """One small file of each folder and transfer syntax; the whole corpus was run while this was written."""
    seen: set[tuple[str, str]] = set()
    for path in sorted(corpus.glob("*/*")):
        if path.stat().st_size > 1_000_000:
            continue
        try:
            layout = examine(path)
        except InputError:
            continue
        key = (path.parent.name, layout.transfer_syntax_uid)
        if key in seen or path.name == "at_invalid.dcm":  # an AT of 3 bytes does not come back as it was
            continue
        seen.add(key)
        assert_round_trip(path, tmp_path / "out.dcm")
    assert len(seen) > 30
