"""What hides beside the picture inside compressed frames goes; the picture stays as it is."""

import struct
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from openjpeg.utils import encode_array
from rle.utils import encode_pixel_data

from exchange.dicomio.payloads import CopyPayload, EncapsulatedPayload, NativePayload, OffsetTable
from exchange.dicomio.transcode import compare_headers, encode_unconverted, read_unconverted
from exchange.dicomio.write import write_instance
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.pixels.boxes import BoxRule, TextBox
from redact.pixels.clean import remove_boxes
from redact.pixels.decode import FrameReader
from redact.pixels.segments import is_irreversible, without_comments
from tests.redact.ocr.drawing import ground
from tests.redact.pixels.making import describe, form_of, opened, save, save_frames, written
from tests.redact.pixels.test_codecs import encoded, jpeg

EXPLICIT = "1.2.840.10008.1.2.1"
BASELINE, LOSSLESS_J2K, LOSSY_J2K = (f"1.2.840.10008.1.2.4.{number}" for number in (50, 90, 91))
JPEG_LS, NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
DEFLATED_FRAME, RLE, PLAIN = "1.2.840.10008.1.2.8.1", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.98"
HIDDEN = b"HIDDEN^NAME!"
PICTURE = ground(96, 128)
FORM = form_of(96, 128)


def j2k(*, comment: bool = False) -> bytes:
    stream = without_comments(bytes(encode_array(PICTURE)), LOSSLESS_J2K, FORM)
    if not comment:
        return stream
    segment = b"\xff\x64" + (len(HIDDEN) + 4).to_bytes(2, "big") + b"\0\1" + HIDDEN
    data = stream.index(b"\xff\x93")
    start = stream.index(b"\xff\x90")
    length = int.from_bytes(stream[start + 6 : start + 10], "big") + len(segment)
    tile = stream[start : start + 6] + length.to_bytes(4, "big") + stream[start + 10 : data]
    return stream[:start] + tile + segment + stream[data:]


def open_ended(stream: bytes) -> bytes:
    """The last tile-part without a length: it reaches to the end of the codestream (T.800 A.4.2)."""
    start = stream.index(b"\xff\x90")
    return stream[: start + 6] + bytes(4) + stream[start + 10 :]


def boxed(stream: bytes) -> bytes:
    """A JP2 file with XML, a UUID and a label around the codestream (T.800 annex I)."""

    def box(kind: bytes, content: bytes) -> bytes:
        return (len(content) + 8).to_bytes(4, "big") + kind + content

    size = (96).to_bytes(4, "big") + (128).to_bytes(4, "big") + b"\0\1\7\7\0\0"
    head = box(b"ihdr", size) + box(b"colr", b"\1\0\0" + (17).to_bytes(4, "big"))
    file = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + box(b"jp2h", head)
    label = box(b"asoc", box(b"lbl ", HIDDEN))
    return (
        file + box(b"xml ", b"<a>" + HIDDEN + b"</a>") + label + box(b"jp2c", stream) + box(b"uuid", HIDDEN)
    )


def deflated(native: bytes = PICTURE.tobytes()) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(native) + packer.flush()


def run_lengths(*, gap: bytes = b"", behind: bytes = b"", beyond: bytes = b"", unused: bytes = b"") -> bytes:
    """One segment of RLE, of literal runs only; `beyond` is in its last run, behind the last pixel."""
    native = PICTURE.tobytes()
    runs = [native[at : at + 64] for at in range(0, len(native), 64)]
    runs[-1] += beyond
    segment = b"".join(bytes([len(run) - 1]) + run for run in runs)
    head = struct.pack("<2L", 1, 64 + len(gap)) + unused
    return head + bytes(64 - len(head)) + gap + segment + behind


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def hiding() -> dict[str, tuple[str, bytes, bytes]]:
    """Transfer syntax, the frame that hides something, and without."""
    values = PICTURE[np.newaxis, :, :, np.newaxis]
    plain, ls = jpeg(PICTURE), encoded(values, "MONOCHROME2", JPEG_LS)[0].rstrip(b"\0")
    scan = plain.index(b"\xff\xda")
    comment = segment(0xFE, HIDDEN)
    jfif = plain[2:20]
    thumbnail = segment(0xE0, jfif[4:16] + b"\x02\x02" + HIDDEN)
    adobe = segment(0xEE, b"Adobe\0\x64\0\0\0\0\0")
    native = PICTURE.tobytes()
    return {
        "behind a JPEG": (BASELINE, plain + HIDDEN, plain),
        "a second JPEG": (BASELINE, plain + plain, plain),
        "in a JPEG": (BASELINE, plain[:scan] + comment + plain[scan:], plain),
        "behind the scan": (BASELINE, plain[:-2] + comment + plain[-2:], plain),
        "between segments": (BASELINE, plain[:scan] + HIDDEN + plain[scan:], plain),
        "a comment behind bytes between": (BASELINE, plain[:scan] + b"\0" + comment + plain[scan:], plain),
        "in a thumbnail": (BASELINE, plain[:2] + thumbnail + plain[20:], plain),
        "behind Adobe's transform": (
            BASELINE,
            plain[:2] + segment(0xEE, adobe[4:] + HIDDEN) + plain[20:],
            plain[:2] + adobe + plain[20:],
        ),
        "behind a JPEG-LS": (JPEG_LS, ls + HIDDEN, ls),
        "behind a JPEG 2000": (LOSSLESS_J2K, j2k() + HIDDEN, j2k()),
        "behind an open end": (
            LOSSLESS_J2K,
            open_ended(j2k()) + HIDDEN + b"\xff\xd9",
            open_ended(j2k()),
        ),
        "in a tile of JPEG 2000": (LOSSLESS_J2K, j2k(comment=True), j2k()),
        "in a file around JPEG 2000": (LOSSLESS_J2K, boxed(j2k()), j2k()),
        "in a tile in a file": (LOSSLESS_J2K, boxed(j2k(comment=True)), j2k()),
        "behind a deflated frame": (DEFLATED_FRAME, deflated() + HIDDEN, deflated()),
        "in a deflated frame": (DEFLATED_FRAME, deflated(native + HIDDEN), deflated()),
        "behind plain values": (PLAIN, native + HIDDEN, native),
        "before an RLE segment": (RLE, run_lengths(gap=HIDDEN), run_lengths()),
        "behind an RLE segment": (RLE, run_lengths(behind=HIDDEN), run_lengths()),
        "in offsets of no segment": (RLE, run_lengths(unused=HIDDEN), run_lengths()),
        "behind the last run's pixels": (RLE, run_lengths(beyond=HIDDEN), run_lengths()),
    }


@pytest.mark.filterwarnings("ignore:.*non-conformant padding")  # as the stage does: pydicom says it aloud
@pytest.mark.parametrize("where", hiding())
def test_what_hides_in_a_frame_goes_and_the_picture_stays(where: str, tmp_path: Path) -> None:
    syntax, full, bare = hiding()[where]
    assert without_comments(full, syntax, FORM) == bare
    assert without_comments(bare, syntax, FORM) == bare
    ds = describe(PICTURE[np.newaxis, :, :, np.newaxis], "MONOCHROME2")
    made = save_frames(tmp_path / "in.dcm", ds, [full], syntax)
    after = written(made, remove_boxes(made.path, made.layout, made.header, []), tmp_path / "out.dcm")
    assert after.layout.transfer_syntax_uid == syntax
    assert HIDDEN not in after.path.read_bytes()
    frame = FrameReader(after.path, after.layout, after.header).encoded(0)
    assert frame.startswith(bare)
    assert len(frame) - len(bare) <= 2
    assert np.array_equal(made.frames()[0], after.frames()[0])


@pytest.mark.parametrize(("dtype", "samples"), [("u1", 3), ("u2", 1), ("u4", 1)])
def test_gaps_between_rle_segments_go_and_padding_is_left_alone(dtype: str, samples: int) -> None:
    values = np.random.default_rng(1).integers(0, 200, (96, 128, samples)).astype(dtype)
    form = form_of(96, 128, dtype, samples)
    shape = {"rows": 96, "columns": 128, "samples_per_pixel": samples}
    stream = bytes(
        encode_pixel_data(values.tobytes(), None, "<", bits_allocated=form.bits_allocated, **shape)
    )
    assert without_comments(stream, RLE, form) == stream
    count, *offsets = struct.unpack_from("<16L", stream)
    cut = [*offsets[:count], len(stream)]
    segments = [stream[begin:end] for begin, end in pairwise(cut)]
    for gap, kept in ((HIDDEN, stream), (b"\0" * 6, None)):
        starts = [64 + sum(len(one) + len(gap) for one in segments[:at]) for at in range(count)]
        spread = struct.pack("<16L", count, *starts, *[0] * (15 - count))
        spread += b"".join(one + gap for one in segments)
        assert without_comments(spread, RLE, form) == (spread if kept is None else kept)


@pytest.mark.parametrize(
    ("syntax", "frame"),
    [
        (BASELINE, b"\0" + jpeg(PICTURE)),
        (LOSSLESS_J2K, b"\0\0" + j2k()),
        (LOSSLESS_J2K, j2k()[:-2] + HIDDEN),
        (LOSSLESS_J2K, boxed(j2k()).replace(b"jp2c", b"free")),
        (RLE, run_lengths()[:40]),
        (RLE, b"\2" + run_lengths()[1:]),
        (DEFLATED_FRAME, b"\xff" * 20),
    ],
)
def test_what_is_no_frame_of_its_syntax_is_held(syntax: str, frame: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"frame|file"):
        without_comments(frame, syntax, FORM)
    ds = describe(PICTURE[np.newaxis, :, :, np.newaxis], "MONOCHROME2")
    made = save_frames(tmp_path / "in.dcm", ds, [frame], syntax)
    with pytest.raises(HeldError) as caught:
        remove_boxes(made.path, made.layout, made.header, [])
    assert caught.value.code is ReasonCode.UNDECODABLE_PIXELS


def test_bytes_behind_single_bits_go(tmp_path: Path) -> None:
    values = (PICTURE[np.newaxis, :, :, np.newaxis] > 90).astype(np.uint8)
    ds = describe(values, "MONOCHROME2", BitsAllocated=1, BitsStored=1, HighBit=0)
    made = save(tmp_path / "in.dcm", ds, np.packbits(values.ravel(), bitorder="little").tobytes() + HIDDEN)
    after = written(made, remove_boxes(made.path, made.layout, made.header, []), tmp_path / "out.dcm")
    assert HIDDEN not in after.path.read_bytes()
    assert np.array_equal(after.frames()[0], values[0])


def test_a_basic_table_beside_an_extended_one_is_not_copied(tmp_path: Path) -> None:
    ds = describe(np.stack([PICTURE, PICTURE])[..., np.newaxis], "MONOCHROME2")
    path = tmp_path / "in.dcm"
    frames = [(jpeg(PICTURE),), (jpeg(PICTURE),)]
    write_instance(path, ds, BASELINE, EncapsulatedPayload(frames, OffsetTable.EXTENDED))
    data = path.read_bytes()
    empty = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0"
    place = data.index(empty) + len(empty)
    assert data[place : place + 4] == bytes(4)
    path.write_bytes(data[:place] + len(HIDDEN).to_bytes(4, "little") + HIDDEN + data[place + 4 :])
    made = opened(path)
    after = written(made, remove_boxes(made.path, made.layout, made.header, []), tmp_path / "out.dcm")
    assert HIDDEN not in after.path.read_bytes()
    assert len(after.header.ExtendedOffsetTable) == 16
    assert all(np.array_equal(a, b) for a, b in zip(made.frames(), after.frames(), strict=True))


@pytest.mark.parametrize("touched", [True, False])
def test_the_total_length_of_fragments_stays_only_with_them(touched: bool, tmp_path: Path) -> None:
    values = np.stack([PICTURE, PICTURE])[..., np.newaxis]
    ds = describe(values, "MONOCHROME2", EncapsulatedPixelDataValueTotalLength=2 * len(j2k()))
    path = tmp_path / "first.dcm"
    write_instance(path, ds, LOSSLESS_J2K, EncapsulatedPayload([(j2k(),), (j2k(),)]))
    write_instance(tmp_path / "in.dcm", ds, LOSSLESS_J2K, CopyPayload(opened(path).layout))
    made = opened(tmp_path / "in.dcm")
    boxes = [TextBox(1, 10, 10, 30, 40, BoxRule.ORDERED, 1.0)] if touched else []
    after = written(made, remove_boxes(made.path, made.layout, made.header, boxes), tmp_path / "out.dcm")
    assert ("EncapsulatedPixelDataValueTotalLength" in after.header) == (not touched)
    # Another syntax for another peer: what is not written with other pixels is no change of the header.
    target = tmp_path / "native.dcm"
    native = NativePayload("OB", values.size, [values.tobytes()])
    write_instance(target, read_unconverted(made.layout), EXPLICIT, native, encode_unconverted)
    assert compare_headers(made.layout, opened(target).layout, frozenset()) == ""


def test_fragments_that_no_frame_has_are_not_copied(tmp_path: Path) -> None:
    ds = describe(np.stack([PICTURE, PICTURE])[..., np.newaxis], "MONOCHROME2")
    frames = [(jpeg(PICTURE),), (jpeg(PICTURE),), (HIDDEN,)]
    path = tmp_path / "in.dcm"
    write_instance(path, ds, BASELINE, EncapsulatedPayload(frames, OffsetTable.EXTENDED))
    ds = opened(path).header
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        setattr(ds, keyword, ds[keyword].value[:16])
    layout = opened(path).layout
    write_instance(tmp_path / "more.dcm", ds, BASELINE, CopyPayload(layout))
    made = opened(tmp_path / "more.dcm")
    assert HIDDEN in made.path.read_bytes()
    after = written(made, remove_boxes(made.path, made.layout, made.header, []), tmp_path / "out.dcm")
    assert HIDDEN not in after.path.read_bytes()
    assert all(np.array_equal(a, b) for a, b in zip(made.frames(), after.frames(), strict=True))


def test_a_stream_tells_whether_it_lost_something() -> None:
    values = PICTURE[np.newaxis, :, :, np.newaxis]
    assert is_irreversible(jpeg(PICTURE), BASELINE)
    assert not is_irreversible(j2k(), LOSSY_J2K)
    assert is_irreversible(bytes(encode_array(PICTURE, compression_ratios=[8])), LOSSY_J2K)
    lossless = encoded(values, "MONOCHROME2", JPEG_LS)[0]
    assert not is_irreversible(lossless, NEAR)
    place = lossless.index(b"\xff\xda") + 7  # NEAR behind one component
    assert is_irreversible(lossless[:place] + b"\2" + lossless[place + 1 :], NEAR)
