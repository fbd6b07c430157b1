"""Compressed syntaxes: decoded exactly, cross-checked, rewritten truthfully, held when broken."""

import io
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydicom.pixels.encoders.base import get_encoder

from exchange.dicomio.payloads import CopyPayload, EncapsulatedPayload
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError, InputError
from exchange.domain.identifiers import HarvestedIdentifiers
from redact.pixels.boxes import BoxRule, TextBox
from redact.pixels.clean import clean_pixels, remove_boxes
from redact.pixels.codecs import Decoder, decode, decoders_of
from redact.pixels.decode import FrameReader
from redact.pixels.find import find_text
from redact.pixels.form import PixelForm, read_form
from redact.pixels.judging import Judge
from redact.pixels.policy import PixelPolicy
from redact.pixels.segments import without_comments
from tests.redact.ocr.drawing import ground, reader, write
from tests.redact.pixels.making import describe, form_of, native, opened, outside, save_frames, written

RLE = "1.2.840.10008.1.2.5"
J2K = "1.2.840.10008.1.2.4.90"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG = "1.2.840.10008.1.2.4.50"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
BOX = TextBox(1, 30, 10, 60, 100, BoxRule.ORDERED, 1.0)


def encoded(values: NDArray[Any], photometric: str, syntax: str) -> list[bytes]:
    encoder = get_encoder(syntax)
    options: dict[str, Any] = {
        "rows": values.shape[1],
        "columns": values.shape[2],
        "samples_per_pixel": values.shape[3],
        "number_of_frames": 1,
        "bits_allocated": values.dtype.itemsize * 8,
        "bits_stored": values.dtype.itemsize * 8,
        "pixel_representation": int(values.dtype.kind == "i"),
        "photometric_interpretation": photometric,
        "planar_configuration": 0,
    }
    return [bytes(encoder.encode(np.squeeze(frame), **options)) for frame in values]


def jpeg(picture: NDArray[np.uint8], comment: bytes = b"") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.squeeze(picture)).save(stream, "JPEG", quality=92, comment=comment)
    return stream.getvalue()


def frames(dtype: type = np.uint8, samples: int = 1) -> NDArray[Any]:
    picture: NDArray[Any] = ground(96, 128).astype(dtype)
    first = np.repeat(picture[:, :, np.newaxis], samples, axis=2)
    return np.stack([first, first + np.asarray(3, dtype), first])


@pytest.mark.parametrize(
    ("syntax", "dtype", "samples", "photometric"),
    [
        (RLE, np.uint8, 1, "MONOCHROME2"),
        (RLE, np.uint16, 1, "MONOCHROME1"),
        (RLE, np.uint8, 3, "RGB"),
        (J2K, np.uint8, 1, "MONOCHROME2"),
        (J2K, np.uint16, 1, "MONOCHROME2"),
        (J2K, np.uint8, 3, "RGB"),
        (JPEG_LS, np.uint8, 1, "MONOCHROME2"),
        (JPEG_LS, np.uint16, 1, "MONOCHROME2"),
    ],
)
def test_lossless_frames_decode_exactly_twice_and_keep_their_syntax(
    syntax: str, dtype: type, samples: int, photometric: str, tmp_path: Path
) -> None:
    values = frames(dtype, samples)
    made = save_frames(
        tmp_path / "in.dcm", describe(values, photometric), encoded(values, photometric, syntax), syntax
    )
    source = FrameReader(made.path, made.layout, made.header)
    for index in range(3):
        assert np.array_equal(source.frame(index).pixels, values[index])
    assert source.checking == "cross-checked"
    outcome = remove_boxes(made.path, made.layout, made.header, [BOX])
    after = written(made, outcome, tmp_path / "out.dcm")
    assert after.layout.transfer_syntax_uid == syntax
    result = after.frames()
    assert np.array_equal(result[0], values[0])
    assert np.array_equal(result[2], values[2])
    kept = outside(outcome, 1, values[1].shape)
    assert np.array_equal(result[1][kept], values[1][kept])


def test_a_lossy_picture_keeps_its_decoded_values_outside_the_boxes_and_says_that_it_was_lossy(
    tmp_path: Path,
) -> None:
    picture = ground(160, 256)
    write(picture, "VANDENBERG", (14, 40))
    ds = describe(picture[np.newaxis, :, :, np.newaxis], "MONOCHROME2", LossyImageCompression="01")
    made = save_frames(tmp_path / "in.dcm", ds, [jpeg(picture)], JPEG)
    nobody = HarvestedIdentifiers()
    outcome = clean_pixels(made.path, made.layout, made.header, reader("cleaner"), PixelPolicy(), nobody)
    after = written(made, outcome, tmp_path / "out.dcm")
    assert after.header.LossyImageCompression == "01"
    judge = Judge.of(PixelPolicy().for_proof(), made.header, nobody)
    assert not find_text(after.path, after.layout, after.header, reader("prover"), judge)
    kept = outside(outcome, 0, picture.shape)
    assert np.array_equal(made.frames()[0][kept], after.frames()[0][kept])


def test_colour_jpeg_is_rewritten_in_the_colour_space_that_its_values_have(tmp_path: Path) -> None:
    colour = np.repeat(ground(96, 128)[:, :, np.newaxis], 3, axis=2).copy()
    colour[:, :, 0] //= 2
    ds = describe(colour[np.newaxis], "YBR_FULL_422")
    made = save_frames(tmp_path / "in.dcm", ds, [jpeg(colour)], JPEG)
    box = TextBox(0, 30, 10, 60, 100, BoxRule.ORDERED, 1.0)
    outcome = remove_boxes(made.path, made.layout, made.header, [box])
    told = dict(outcome.header_updates)
    assert float(told.pop("LossyImageCompressionRatio")) > 1
    assert told == {
        "PhotometricInterpretation": "YBR_FULL",
        "PlanarConfiguration": 0,
        "LossyImageCompression": "01",
        "LossyImageCompressionMethod": "ISO_10918_1",
    }
    after = written(made, outcome, tmp_path / "out.dcm")
    kept = outside(outcome, 0, colour.shape)
    assert np.array_equal(made.frames()[0][kept], after.frames()[0][kept])


def test_comments_beside_the_picture_go_and_the_values_stay(tmp_path: Path) -> None:
    picture = ground(96, 128)
    frame = jpeg(picture, b"Patient: HIDDEN^NAME")
    made = save_frames(
        tmp_path / "in.dcm", describe(picture[np.newaxis, :, :, np.newaxis], "MONOCHROME2"), [frame], JPEG
    )
    outcome = remove_boxes(made.path, made.layout, made.header, [])
    assert isinstance(outcome.payload, EncapsulatedPayload)
    assert outcome.reads["commentSegments"] == 1
    after = written(made, outcome, tmp_path / "out.dcm")
    assert b"HIDDEN" in made.path.read_bytes()
    assert b"HIDDEN" not in after.path.read_bytes()
    assert np.array_equal(made.frames()[0], after.frames()[0])


def test_untouched_compressed_frames_are_copied(tmp_path: Path) -> None:
    values = frames()
    made = save_frames(
        tmp_path / "in.dcm", describe(values, "MONOCHROME2"), encoded(values, "MONOCHROME2", RLE), RLE
    )
    outcome = remove_boxes(made.path, made.layout, made.header, [])
    assert isinstance(outcome.payload, CopyPayload)
    assert outcome.transfer_syntax_uid == RLE


@given(st.binary(max_size=200))
def test_stripping_damaged_frames_is_refused_or_repeatable(tail: bytes) -> None:
    form = form_of(2, 3)
    heads = {JPEG: b"\xff\xd8", J2K: b"\xff\x4f", RLE: (1).to_bytes(4, "little"), DEFLATED_FRAME: b"\x03\0"}
    for syntax, head in heads.items():
        with suppress(ValueError):
            stripped = without_comments(head + tail, syntax, form)
            assert without_comments(stripped, syntax, form) == stripped


def held(action: Callable[[], object]) -> HeldError:
    with pytest.raises(HeldError) as caught:
        action()
    return caught.value


@pytest.mark.parametrize(
    "syntax", [RLE, J2K, JPEG_LS, JPEG, "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.201"]
)
def test_a_damaged_frame_is_held_with_its_place(syntax: str, tmp_path: Path) -> None:
    values = frames()
    good = (
        encoded(values, "MONOCHROME2", syntax) if syntax in (RLE, J2K, JPEG_LS) else [b"\xff\xd8\xff\xd9"] * 3
    )
    broken = [good[0], b"\x00" * 64, good[2]]
    made = save_frames(tmp_path / "in.dcm", describe(values, "MONOCHROME2"), broken, syntax)
    error = held(lambda: FrameReader(made.path, made.layout, made.header).frame(1))
    assert error.code is ReasonCode.UNDECODABLE_PIXELS
    assert error.path == "frame 1"
    assert str(error).startswith("cannot")


@pytest.mark.parametrize("number", ["100", "102", "103.1", "107", "108"])
def test_video_is_held_as_video(number: str, tmp_path: Path) -> None:
    syntax = f"1.2.840.10008.1.2.4.{number}"
    made = save_frames(
        tmp_path / "in.dcm", describe(frames(), "YBR_FULL_422", SamplesPerPixel=3), [b"\0" * 64] * 3, syntax
    )
    error = held(lambda: FrameReader(made.path, made.layout, made.header))
    assert error.code is ReasonCode.VIDEO
    assert "multi-frame" in error.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"PhotometricInterpretation": "CMYK"},
        {"PhotometricInterpretation": "HSV"},
        {"SamplesPerPixel": 3},
        {"PhotometricInterpretation": "YBR_ICT", "SamplesPerPixel": 3},
        {"BitsStored": 12, "HighBit": 7},
        {"Rows": 500},
        {"NumberOfFrames": 90},
    ],
)
def test_headers_that_contradict_the_pixels_are_held(changes: dict[str, Any], tmp_path: Path) -> None:
    made = native(tmp_path / "in.dcm", frames(), **changes)
    error = held(lambda: FrameReader(made.path, made.layout, made.header))
    assert error.code is ReasonCode.UNDECODABLE_PIXELS


def test_a_palette_that_is_missing_is_held(tmp_path: Path) -> None:
    made = native(tmp_path / "in.dcm", frames(), "PALETTE COLOR")
    judge = Judge.of(PixelPolicy(), made.header, HarvestedIdentifiers())
    error = held(lambda: find_text(made.path, made.layout, made.header, reader("cleaner"), judge))
    assert error.code is ReasonCode.UNDECODABLE_PIXELS


def test_decoders_that_disagree_are_held(tmp_path: Path) -> None:
    """A file that shows one picture to us and another to the receiver."""
    values = frames()
    made = save_frames(
        tmp_path / "in.dcm", describe(values, "MONOCHROME2"), encoded(values, "MONOCHROME2", J2K), J2K
    )

    def with_another(syntax: str, form: PixelForm) -> Sequence[Decoder]:
        def another(stream: bytes) -> tuple[NDArray[Any], str]:
            pixels, photometric = decoders_of(syntax, form)[0](stream)
            return pixels + 1, photometric

        return [*decoders_of(syntax, form), another]

    error = held(lambda: FrameReader(made.path, made.layout, made.header, with_another).frame(0))
    assert error.code is ReasonCode.UNDECODABLE_PIXELS
    assert "disagree" in error.message


def test_one_decoder_alone_is_said_so(tmp_path: Path) -> None:
    values = frames()
    made = save_frames(
        tmp_path / "in.dcm", describe(values, "MONOCHROME2"), encoded(values, "MONOCHROME2", J2K), J2K
    )
    alone = FrameReader(
        made.path, made.layout, made.header, lambda syntax, form: decoders_of(syntax, form)[1:]
    )
    assert np.array_equal(alone.frame(0).pixels, values[0])
    assert alone.checking == "single"


def deflated(raw: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(raw) + packer.flush()


@pytest.mark.parametrize(
    ("syntax", "pack"), [("1.2.840.10008.1.2.8.1", deflated), ("1.2.840.10008.1.2.1.98", bytes)]
)
def test_deflated_and_plain_frames_are_read(
    syntax: str, pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    values = frames()
    packed = [pack(frame.tobytes()) for frame in values]
    made = save_frames(tmp_path / "in.dcm", describe(values, "MONOCHROME2"), packed, syntax)
    assert all(np.array_equal(a, b) for a, b in zip(made.frames(), values, strict=True))


@given(st.sampled_from([RLE, J2K, JPEG_LS, JPEG, "1.2.840.10008.1.2.8.1"]), st.binary(max_size=300))
def test_hostile_streams_are_held_and_nothing_else(syntax: str, stream: bytes) -> None:
    form = PixelForm(8, 8, 1, 8, 8, 7, False, "MONOCHROME2", 0, False, True)
    with suppress(HeldError):
        assert decode(syntax, stream, form).pixels.shape == (8, 8, 1)


@pytest.mark.parametrize("surplus", range(1, 20))
def test_a_run_that_is_too_long_is_held(surplus: int) -> None:
    """Over it a decoder in Rust panics, which is no Exception."""
    rows, columns = 4, 5
    size = rows * columns + surplus
    segment = bytes([size - 1]) + bytes(range(size))
    header = b"".join(number.to_bytes(4, "little") for number in (2, 64, 64 + len(segment)))
    form = PixelForm(rows, columns, 1, 16, 16, 15, False, "MONOCHROME2", 0, False, True)
    with suppress(HeldError):
        assert decode(RLE, header.ljust(64, b"\0") + segment * 2, form).pixels.shape == (rows, columns, 1)


def test_every_corpus_picture_decodes_or_is_held(corpus: Path) -> None:
    """Ends of every real file decode; touched once, everything outside the box is as before."""
    seen = {"read": 0, "held": 0}
    for path in sorted((corpus / "codec-ct-ge-all-ts").iterdir())[:40]:
        try:
            made = opened(path)
            if made.layout.pixels is None:
                continue
            form = read_form(made.layout, made.header)
            source = FrameReader(made.path, made.layout, made.header)
            last = source.frame(source.count - 1)
            assert last.full().shape == (form.rows, form.columns, form.samples)
            seen["read"] += 1
        except (HeldError, InputError):
            seen["held"] += 1
    assert seen["read"] > 10
    assert seen["held"] == 0


def broken_heads() -> dict[str, bytes]:
    """What a damaged head makes of a JPEG; GDCM alone ends the process over each of them."""
    whole = jpeg(ground(96, 128))
    tables = whole.index(b"\xff\xdb")
    length = int.from_bytes(whole[tables + 2 : tables + 4], "big")
    return {
        "a table is longer than it says": whole[: tables + 3] + bytes([length - 9]) + whole[tables + 4 :],
        "bytes between two segments": whole[:tables] + b"12345678" + whole[tables:],
        "JFIF of another version": whole[:11] + b"\x1a" + whole[12:],
        "a restart before the scan": whole[: tables + 1] + b"\xd3" + whole[tables + 2 :],
        "no marker at all": whole[: tables + 1] + b"\0" + whole[tables + 2 :],
    }


@pytest.mark.parametrize("how", broken_heads())
@pytest.mark.parametrize("syntax", [JPEG, "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57"])
def test_a_damaged_head_of_a_jpeg_ends_no_process(how: str, syntax: str, tmp_path: Path) -> None:
    """Pillow alone decides where it can; what only GDCM could read is held."""
    values = frames()[:1]
    stream = broken_heads()[how]
    made = save_frames(tmp_path / "in.dcm", describe(values, "MONOCHROME2"), [stream], syntax)
    reader = FrameReader(made.path, made.layout, made.header)
    with suppress(HeldError):
        reader.frame(0)
        assert syntax != "1.2.840.10008.1.2.4.57"
        assert reader.checking == "single"


def test_a_whole_head_is_for_both_decoders(tmp_path: Path) -> None:
    stream = jpeg(ground(96, 128))
    fill = stream.index(b"\xff\xdb")
    values = frames()[:1]
    padded = stream[:fill] + b"\xff\xff" + stream[fill:]  # fill bytes (T.81 B.1.1.2)
    for each in (stream, padded):
        made = save_frames(tmp_path / "in.dcm", describe(values, "MONOCHROME2"), [each], JPEG)
        reader = FrameReader(made.path, made.layout, made.header)
        reader.frame(0)
        assert reader.checking == "cross-checked"
