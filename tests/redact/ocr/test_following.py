"""Reading frames of a cine: what stands still is read once, what comes and goes is found."""

import cv2
import numpy as np
import pytest

from redact.ocr.following import SAME, FollowingReader
from redact.ocr.lines import Picture, ReadLine
from redact.ocr.reader import TextReader
from tests.redact.ocr.drawing import Watched, ground, reader, write


def watched() -> tuple[FollowingReader, Watched, Watched]:
    detector, recogniser = (Watched(model) for model in reader("cleaner").models)
    return FollowingReader(TextReader(detector, recogniser)), detector, recogniser


def texts(lines: tuple[ReadLine, ...]) -> set[str]:
    return {line.text.upper().replace(" ", "") for line in lines if line.confidence >= 0.5}


def with_sector(frame: int, *, colour: bool = False) -> Picture:
    """An annotated ultrasound frame: names stand still, speckle moves in a sector."""
    picture = np.zeros((400, 560), dtype=np.uint8)
    write(picture, "HALVORSEN INGRID", (12, 24))
    write(picture, "ST OLAV HOSPITAL", (12, 46))
    speckle = np.random.default_rng(frame).normal(90, 30, (200, 200))
    picture[140:340, 220:420] = np.clip(cv2.GaussianBlur(speckle, (0, 0), 2), 0, 255)
    return np.repeat(picture[:, :, np.newaxis], 3, axis=2) if colour else picture


@pytest.mark.parametrize("colour", [False, True])
def test_what_stands_still_is_read_once_and_only_what_moves_is_looked_at(*, colour: bool) -> None:
    following, detector, recogniser = watched()
    first = following.read("window", with_sector(0, colour=colour))
    assert {"HALVORSENINGRID", "STOLAVHOSPITAL"} <= texts(first)
    whole = max(rows * columns for _, _, rows, columns in detector.shapes)
    detector.shapes.clear()
    assert any(columns >= 300 for *_, columns in recogniser.shapes)
    recogniser.shapes.clear()
    for frame in range(1, 6):
        lines = following.read("window", with_sector(frame, colour=colour))
        assert texts(lines) >= texts(first)
    assert all(rows * columns < 0.6 * whole for _, _, rows, columns in detector.shapes)
    assert all(columns < 300 for *_, columns in recogniser.shapes), "names are not recognised again"


def test_equal_pictures_are_not_looked_at_again() -> None:
    following, detector, _ = watched()
    first = following.read("window", with_sector(0))
    detector.shapes.clear()
    assert following.read("window", with_sector(0)) == first
    assert not detector.shapes
    assert following.read("full range", with_sector(0)) == first
    assert detector.shapes, "pictures of another kind are others"


@pytest.mark.parametrize("at", [(20, 200), (250, 260), (300, 380)])
def test_a_name_that_flashes_up_in_one_frame_is_found_there_and_only_there(at: tuple[int, int]) -> None:
    following, *_ = watched()
    for frame in range(4):
        picture = with_sector(frame)
        written = picture.copy()
        x0, y0, x1, y1 = write(written, "KAZIMIERA", at, size=0.7)
        picture = written if frame == 2 else picture
        lines = [one for one in following.read("window", picture) if one.confidence >= 0.5]
        if frame == 2:
            covered = np.zeros(picture.shape, dtype=bool)
            for one in lines:
                covered[one.y0 : one.y1, one.x0 : one.x1] = True
            assert covered[y0:y1, x0:x1].mean() > 0.9
        assert ("KAZIMIERA" in texts(tuple(lines))) == (frame == 2)


def test_a_name_that_changes_in_place_is_read_anew() -> None:
    following, *_ = watched()
    for name in ("HALVORSEN", "LINDQVIST", "HALVERSON"):
        picture = ground(200, 320, level=30)
        write(picture, name, (20, 60), size=0.7)
        assert name in texts(following.read("window", picture))


def test_nothing_fades_in_unseen() -> None:
    """Each frame differs from the one before by less than can be seen."""
    following, *_ = watched()
    base = ground(200, 320, level=40)
    ink = np.zeros_like(base)
    write(ink, "HALVORSEN", (20, 60), size=0.7, value=1)
    lines: tuple[ReadLine, ...] = ()
    for step in range(16):
        lines = following.read("window", base + ink * np.uint8(step * (SAME - 4)))
    assert "HALVORSEN" in texts(lines)
