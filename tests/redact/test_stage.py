"""Clean and prove as one stage: what is claimed was done, and nothing unproved is left on the disk."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset

from agent.config.profiles import load_profile, profile_of
from exchange.dicomio.getters import text
from exchange.dicomio.header import read_header
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.identifiers.harvest import harvest
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.pixels.policy import PixelPolicy
from redact.stage import CleaningPlan, InstanceCleaner, Readers
from tests.redact.ocr.drawing import Blind
from tests.redact.pixels.making import Made, describe, native, opened, save, save_frames
from tests.support.models import readers

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"


def burned(path: Path, line: str = "QUILLFEATHER OTTOLINE", **changes: Any) -> Made:
    """A capture with a line of text in it."""
    pixels = np.full((200, 420), 40, np.uint8)
    cv2.putText(pixels, line, (8, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 220, 2, cv2.LINE_AA)
    cv2.circle(pixels, (210, 130), 50, 120, -1)
    return native(path, pixels[np.newaxis, :, :, np.newaxis], **named(), **changes)


def named() -> dict[str, Any]:
    return {"PatientName": "Quillfeather^Ottoline", "PatientID": "QF-4711-88", "StudyDate": "20240517"}


def plan(
    made: Made, both: Readers | None = None, released: frozenset[ReasonCode] = frozenset()
) -> CleaningPlan:
    return CleaningPlan(
        profile=load_profile("default"),
        pseudonymiser=Pseudonymiser(bytes(range(32)), "here"),
        identifiers=harvest(made.header),
        readers=both or readers(),
        released=released,
        canary_seed=b"test",
    )


def codes(header: Dataset) -> set[str]:
    return {str(item.CodeValue) for item in header.DeidentificationMethodCodeSequence}


def test_burned_in_text_goes_and_is_proved_gone(tmp_path: Path) -> None:
    made = burned(tmp_path / "in.dcm")
    cleaned = InstanceCleaner(plan(made)).run(made.path, tmp_path / "out.dcm")
    header = read_header(cleaned.path)
    assert cleaned.proved
    assert cleaned.pixels == "examined"
    assert cleaned.boxes
    assert header.BurnedInAnnotation == "NO"
    assert "113101" in codes(header)
    assert b"QUILLFEATHER" not in cleaned.path.read_bytes().upper()
    before, after = made.frames()[0], opened(cleaned.path).frames()[0]
    outside = np.ones(before.shape[:2], bool)
    for box in cleaned.boxes:
        outside[box.y0 : box.y1, box.x0 : box.x1] = False
    assert np.array_equal(before[outside], after[outside])
    assert not np.array_equal(before, after)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    made = burned(tmp_path / "in.dcm")
    first = InstanceCleaner(plan(made)).run(made.path, tmp_path / "1.dcm")
    second = InstanceCleaner(plan(made)).run(made.path, tmp_path / "2.dcm")
    assert first.written == second.written
    assert first.path.read_bytes() == second.path.read_bytes()


def test_what_the_first_reader_misses_the_second_has_removed(tmp_path: Path) -> None:
    made = burned(tmp_path / "in.dcm")
    both = readers()

    cleaned = InstanceCleaner(plan(made, Readers(Blind(), both.prover))).run(made.path, tmp_path / "out.dcm")
    assert cleaned.proved
    assert {str(box.rule) for box in cleaned.boxes} == {"ordered"}


def test_a_blind_prover_proves_nothing(tmp_path: Path) -> None:
    made = burned(tmp_path / "in.dcm")

    with pytest.raises(HeldError) as caught:
        InstanceCleaner(plan(made, Readers(readers().cleaner, Blind()))).run(made.path, tmp_path / "out.dcm")
    assert caught.value.code is ReasonCode.PROOF_TEXT
    assert not (tmp_path / "out.dcm").exists()


def test_without_113101_pixels_are_neither_examined_nor_called_clean(tmp_path: Path) -> None:
    made = burned(tmp_path / "in.dcm")
    using = plan(made)
    unread = replace(
        using, profile=profile_of({"profile": "header-only", "options": ["113107"]}), readers=Readers()
    )
    cleaned = InstanceCleaner(unread).run(made.path, tmp_path / "out.dcm")
    header = read_header(cleaned.path)
    assert cleaned.proved
    assert (cleaned.pixels, cleaned.boxes) == ("not examined", ())
    assert "113101" not in codes(header)
    assert "BurnedInAnnotation" not in header
    assert np.array_equal(made.frames()[0], opened(cleaned.path).frames()[0])


def broken(path: Path) -> Made:
    """A compressed instance whose only frame is no JPEG."""
    pixels = np.zeros((1, 64, 64, 1), np.uint8)
    ds = describe(pixels, "MONOCHROME2", **named())
    return save_frames(path, ds, [b"\xff\xd8 no picture at all \xff\xd9"], JPEG_BASELINE)


def test_undecodable_pixels_are_held_and_nothing_is_written(tmp_path: Path) -> None:
    made = broken(tmp_path / "in.dcm")
    with pytest.raises(HeldError) as caught:
        InstanceCleaner(plan(made)).run(made.path, tmp_path / "out.dcm")
    assert caught.value.code is ReasonCode.UNDECODABLE_PIXELS
    assert not (tmp_path / "out.dcm").exists()


def test_a_release_lets_pixels_pass_unexamined_and_claims_nothing(tmp_path: Path) -> None:
    made = broken(tmp_path / "in.dcm")
    released = frozenset({ReasonCode.UNDECODABLE_PIXELS})
    cleaned = InstanceCleaner(plan(made, released=released)).run(made.path, tmp_path / "out.dcm")
    header = read_header(cleaned.path)
    assert cleaned.pixels == "released"
    assert not cleaned.proved
    assert "113101" not in codes(header)
    assert text(header, "BurnedInAnnotation") != "NO"
    assert cleaned.proof is not None
    assert cleaned.proof.text_detection == "not examined"


def test_objects_that_cannot_be_cleaned_are_held_before_anything_is_written(tmp_path: Path) -> None:
    ds = describe(np.zeros((1, 8, 8, 1), np.uint8), "MONOCHROME2", **named())
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9.4.2"  # a voice recording
    made = save(tmp_path / "in.dcm", ds, bytes(64))
    with pytest.raises(HeldError) as caught:
        InstanceCleaner(plan(made)).run(made.path, tmp_path / "out.dcm")
    assert caught.value.code is ReasonCode.STRUCTURED_CONTENT
    assert not (tmp_path / "out.dcm").exists()


@pytest.mark.parametrize("modality", ["CT", "MR", "PT", "NM"])
def test_reformats_of_cross_sections_are_read_as_anatomy(modality: str) -> None:
    ds = Dataset()
    ds.Modality, ds.ImageType = modality, ["DERIVED", "SECONDARY", "MPR"]
    assert PixelPolicy().mode(ds).value == "strict"
    ds.Modality = "CR"
    assert PixelPolicy().mode(ds).value == "all-text"
