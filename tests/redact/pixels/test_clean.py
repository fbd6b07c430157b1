"""Text burned into real files is gone for other weights, and nothing else changed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from exchange.dicomio.payloads import CopyPayload, NativePayload
from exchange.domain.identifiers import HarvestedIdentifiers, Identifier, IdentifierKind
from redact.pixels.boxes import BoxRule, TextBox
from redact.pixels.clean import PixelOutcome, clean_pixels, remove_boxes
from redact.pixels.find import _recurring, find_text
from redact.pixels.judging import Judge
from redact.pixels.policy import PixelPolicy
from redact.pixels.rules import TextMode
from tests.redact.ocr.drawing import ground, reader, write
from tests.redact.pixels.making import CT, Made, describe, native, outside, save, written

NOBODY = HarvestedIdentifiers()
POLICY = PixelPolicy()


def clean(made: Made, identifiers: HarvestedIdentifiers = NOBODY) -> PixelOutcome:
    return clean_pixels(made.path, made.layout, made.header, reader("cleaner"), POLICY, identifiers)


def proof(made: Made, identifiers: HarvestedIdentifiers = NOBODY) -> tuple[TextBox, ...]:
    judge = Judge.of(POLICY.for_proof(), made.header, identifiers)
    return find_text(made.path, made.layout, made.header, reader("prover"), judge)


def labelled(text: str = "JACOBSEN PETER", *, value: int = 255, rows: int = 160) -> NDArray[Any]:
    picture = ground(rows, 256)
    write(picture, text, (14, 40), value=value)
    return picture[np.newaxis, :, :, np.newaxis]


def variants() -> dict[str, tuple[NDArray[Any], str, dict[str, Any]]]:
    grey = labelled()
    signed = grey.astype(np.int16) * 8 - 1024
    colour = np.repeat(grey, 3, axis=3)
    luma = np.concatenate([grey, np.full_like(grey, 128), np.full_like(grey, 128)], axis=3)
    ct = {"SOPClassUID": CT, "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}
    return {
        "mono2-8": (grey, "MONOCHROME2", {}),
        "mono1-8": (255 - grey, "MONOCHROME1", {}),
        "mono2-16": (grey.astype(np.uint16) * 200, "MONOCHROME2", {}),
        "mono1-12": (4095 - grey.astype(np.uint16) * 16, "MONOCHROME1", {"BitsStored": 12, "HighBit": 11}),
        "signed-ct": (signed, "MONOCHROME2", {**ct, "RescaleSlope": 1, "RescaleIntercept": 0}),
        "rgb": (colour, "RGB", {}),
        "ybr": (luma, "YBR_FULL", {}),
        "wide-32": (grey.astype(np.uint32) * 100_000, "MONOCHROME2", {}),
    }


@pytest.mark.parametrize("kind", variants())
def test_burned_in_text_is_gone_and_the_rest_is_bit_identical(kind: str, tmp_path: Path) -> None:
    values, photometric, changes = variants()[kind]
    made = native(tmp_path / "in.dcm", values, photometric, **changes)
    assert proof(made), "the test's own text must be legible to the other weights"
    outcome = clean(made)
    assert outcome.touched_frames == 1
    after = written(made, outcome, tmp_path / "out.dcm")
    assert after.layout.transfer_syntax_uid == made.layout.transfer_syntax_uid
    assert not proof(after)
    (source,), (result,) = made.frames(), after.frames()
    kept = outside(outcome, 0, source.shape)
    assert np.array_equal(source[kept], result[kept])
    assert not np.array_equal(source[~kept], result[~kept])


def test_planar_colour_is_cleaned_in_every_plane(tmp_path: Path) -> None:
    colour = np.repeat(labelled(), 3, axis=3)
    planes = np.ascontiguousarray(colour.transpose(0, 3, 1, 2))
    made = save(tmp_path / "in.dcm", describe(colour, "RGB", PlanarConfiguration=1), planes.tobytes())
    outcome = clean(made)
    after = written(made, outcome, tmp_path / "out.dcm")
    assert int(after.header.PlanarConfiguration) == 1
    assert not proof(after)
    kept = outside(outcome, 0, colour.shape[1:])
    assert np.array_equal(made.frames()[0][kept], after.frames()[0][kept])


def test_shared_chrominance_is_cleaned_in_whole_pairs(tmp_path: Path) -> None:
    grey = labelled()[0, :, :, 0]
    pairs = np.stack(
        [grey[:, 0::2], grey[:, 1::2], np.full((160, 128), 90), np.full((160, 128), 140)], axis=2
    )
    ds = describe(np.zeros((1, 160, 256, 3), np.uint8), "YBR_FULL_422")
    made = save(tmp_path / "in.dcm", ds, pairs.astype(np.uint8).tobytes())
    outcome = clean(made)
    after = written(made, outcome, tmp_path / "out.dcm")
    assert not proof(after)
    kept = outside(outcome, 0, grey.shape)
    for box in outcome.boxes:
        kept[box.y0 : box.y1, box.x0 // 2 * 2 : (box.x1 + 1) // 2 * 2] = False
    assert np.array_equal(made.frames()[0][kept], after.frames()[0][kept])


def test_text_in_one_frame_only_is_found_and_the_others_keep_their_bytes(tmp_path: Path) -> None:
    frames = np.repeat(ground()[np.newaxis, :, :, np.newaxis], 6, axis=0).copy()
    write(frames[4, :, :, 0], "HENDRIKS 0815", (14, 60))
    made = native(tmp_path / "in.dcm", frames)
    outcome = clean(made)
    assert {box.frame for box in outcome.boxes} == {4}
    assert outcome.frames == 6
    assert outcome.reads["distinct"] == 2, "identical frames are read once"
    after = written(made, outcome, tmp_path / "out.dcm").frames()
    for index in (0, 1, 2, 3, 5):
        assert np.array_equal(frames[index], after[index])


def test_a_standing_annotation_is_removed_from_frames_where_it_was_missed() -> None:
    seen = [TextBox(frame, 10, 10, 20, 60, BoxRule.ALL_TEXT, 0.9) for frame in (0, 1, 3)]
    lone = TextBox(2, 80, 80, 90, 120, BoxRule.ALL_TEXT, 0.9)
    added = _recurring([*seen, lone], 5, 0.25)
    assert {box.frame for box in added} == {2, 4}
    assert {box.rule for box in added} == {BoxRule.RECURRING}


def test_without_text_the_value_is_copied_byte_for_byte(tmp_path: Path) -> None:
    made = native(tmp_path / "in.dcm", ground()[np.newaxis, :, :, np.newaxis])
    outcome = clean(made)
    assert isinstance(outcome.payload, CopyPayload)
    assert (outcome.boxes, outcome.touched_frames, outcome.header_updates) == ((), 0, {})
    after = written(made, outcome, tmp_path / "out.dcm")
    assert np.array_equal(made.frames()[0], after.frames()[0])


def test_bytes_behind_the_last_frame_are_dropped(tmp_path: Path) -> None:
    values = ground()[np.newaxis, :, :, np.newaxis]
    made = save(tmp_path / "in.dcm", describe(values, "MONOCHROME2"), values.tobytes() + b"HIDDEN NAME!" * 4)
    outcome = clean(made)
    assert isinstance(outcome.payload, NativePayload)
    after = written(made, outcome, tmp_path / "out.dcm")
    assert b"HIDDEN NAME" not in after.path.read_bytes()
    assert np.array_equal(made.frames()[0], after.frames()[0])


def test_a_side_marker_stays_on_an_original_but_not_on_a_capture(tmp_path: Path) -> None:
    values = labelled("R")
    original = native(
        tmp_path / "ct.dcm",
        values,
        SOPClassUID=CT,
        Modality="CT",
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
    )
    assert clean(original).boxes == ()
    assert POLICY.mode(original.header) is TextMode.STRICT
    assert POLICY.mode(native(tmp_path / "sc.dcm", values).header) is TextMode.ALL_TEXT


def test_the_patients_own_name_is_named_as_such(tmp_path: Path) -> None:
    known = HarvestedIdentifiers(
        frozenset({Identifier(IdentifierKind.PATIENT_NAME, "Jacobsen", "PatientName")})
    )
    made = native(tmp_path / "in.dcm", labelled())
    assert BoxRule.IDENTIFIER in {box.rule for box in clean(made, known).boxes}


def test_text_outside_the_window_is_found_by_the_full_range(tmp_path: Path) -> None:
    picture = (ground(level=40).astype(np.uint16) * 4)[np.newaxis, :, :, np.newaxis].copy()
    picture[0, 80:, :, 0] = 3000
    write(picture[0, :, :, 0], "LINDGREN", (30, 124), value=4000, size=0.8)
    made = native(tmp_path / "in.dcm", picture, WindowCenter=250, WindowWidth=500)
    after = written(made, clean(made), tmp_path / "out.dcm")
    assert proof(made)
    assert not proof(after)


def test_overlay_planes_in_unused_bits_are_cleared(tmp_path: Path) -> None:
    values = ground().astype(np.uint16)[np.newaxis, :, :, np.newaxis].copy()
    hidden = np.zeros((192, 256), np.uint8)
    write(hidden, "OVERLAY NAME", (14, 90))
    values[0, :, :, 0] |= (hidden > 0).astype(np.uint16) << 14
    ds = describe(values, "MONOCHROME2", BitsStored=12, HighBit=11)
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", 14)
    made = save(tmp_path / "in.dcm", ds, values.tobytes())
    outcome = clean(made)
    assert outcome.reads["overlayPlanes"] == 1
    (after,) = written(made, outcome, tmp_path / "out.dcm").frames()
    assert after.max() < 4096
    assert np.array_equal(after, values[0] & 0x0FFF)


def test_text_in_unused_bits_without_an_overlay_is_read_by_cleaner_and_proof(tmp_path: Path) -> None:
    """The overlay's description is gone, its bits are still there."""
    values = ground().astype(np.uint16)[np.newaxis, :, :, np.newaxis].copy()
    hidden = np.zeros((192, 256), np.uint8)
    write(hidden, "OVERLAY NAME", (14, 90))
    values[0, :, :, 0] |= (hidden > 0).astype(np.uint16) << 14
    ds = describe(values, "MONOCHROME2", BitsStored=12, HighBit=11)
    made = save(tmp_path / "in.dcm", ds, values.tobytes())
    assert proof(made)
    outcome = clean(made)
    after = written(made, outcome, tmp_path / "out.dcm")
    assert not proof(after)
    kept = outside(outcome, 0, values.shape[1:])
    assert np.array_equal(after.frames()[0][kept], values[0][kept])


def test_single_bits_are_cleaned_across_byte_borders(tmp_path: Path) -> None:
    frames = np.zeros((3, 61, 67, 1), np.uint8)
    frames[:, 20:50, 10:60] = 1
    packed = np.packbits(frames.ravel(), bitorder="little").tobytes()
    ds = describe(frames, "MONOCHROME2", BitsAllocated=1, BitsStored=1, HighBit=0)
    made = save(tmp_path / "in.dcm", ds, packed)
    box = TextBox(1, 15, 5, 30, 30, BoxRule.ORDERED, 1.0)
    outcome = remove_boxes(made.path, made.layout, made.header, [box])
    after = written(made, outcome, tmp_path / "out.dcm").frames()
    assert np.array_equal(frames[0], after[0])
    assert np.array_equal(frames[2], after[2])
    kept = outside(outcome, 1, frames[1].shape)
    assert np.array_equal(frames[1][kept], after[1][kept])
    assert not np.array_equal(frames[1], after[1])


def test_cleaning_again_changes_nothing(tmp_path: Path) -> None:
    made = native(tmp_path / "in.dcm", labelled())
    once = written(made, clean(made), tmp_path / "once.dcm")
    again = clean(once)
    assert again.boxes == ()
    assert isinstance(again.payload, CopyPayload)


def test_the_proof_forgives_a_lone_sign_but_nothing_longer(tmp_path: Path) -> None:
    for text, found in (("5", False), ("57", True)):
        picture = ground()
        write(picture, text, (100, 60), size=0.9)
        made = native(tmp_path / f"{text}.dcm", picture[np.newaxis, :, :, np.newaxis])
        assert bool(proof(made)) is found
        assert clean(made).boxes, "the cleaner removes both"
