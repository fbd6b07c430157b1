"""Reading generated pictures with the real weights."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.ocr.detector import TextDetector
from redact.ocr.lines import Picture, Quad, ReadLine
from redact.ocr.reader import TextReader
from redact.ocr.recogniser import cut
from redact.ocr.settings import ReaderSettings
from tests.redact.ocr.drawing import ground, reader, write


def texts(lines: tuple[ReadLine, ...]) -> str:
    return " ".join(line.text for line in lines).upper().replace(" ", "")


@pytest.mark.parametrize("name", ["cleaner", "prover"])
@pytest.mark.parametrize("value", [255, 0])
@pytest.mark.parametrize("size", [0.35, 0.5, 1.0])
def test_text_is_read_in_both_polarities_and_many_sizes(name: str, value: int, size: float) -> None:
    picture = ground(192, 320, level=110)
    x0, y0, x1, y1 = write(picture, "MILLER 48213", (12, 60), size=size, value=value)
    lines = reader(name).read(picture)
    assert "MILLER48213" in texts(lines)
    covered = np.zeros(picture.shape, dtype=bool)
    for line in lines:
        covered[line.y0 : line.y1, line.x0 : line.x1] = True
    assert covered[y0:y1, x0:x1].mean() > 0.9


def test_faint_text_is_read() -> None:
    picture = ground(level=60)
    write(picture, "ANDERSON", (12, 50), value=100)
    assert "ANDERSON" in texts(reader("cleaner").read(picture))


def test_colour_text_is_read() -> None:
    picture = np.repeat(ground()[:, :, np.newaxis], 3, axis=2).copy()
    write(picture, "PETERSEN", (12, 50), value=(255, 220, 0))
    assert "PETERSEN" in texts(reader("cleaner").read(picture))


@pytest.mark.parametrize("turn", [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE])
def test_text_that_runs_up_or_down_is_read(turn: int) -> None:
    picture = ground()
    write(picture, "JOHANSSON", (30, 60), size=0.6)
    turned = np.asarray(cv2.rotate(picture, turn), dtype=np.uint8)
    assert "JOHANSSON" in texts(reader("cleaner").read(turned))


def test_slanted_text_is_read() -> None:
    picture = ground(256, 320)
    write(picture, "ROBERTSON", (60, 130), size=0.7)
    matrix = cv2.getRotationMatrix2D((160, 128), 15, 1.0)
    slanted = cv2.warpAffine(picture, matrix, (320, 256), borderMode=cv2.BORDER_REPLICATE)
    assert "ROBERTSON" in texts(reader("cleaner").read(np.asarray(slanted, dtype=np.uint8)))


def test_a_picture_without_text_gives_no_sure_line() -> None:
    assert not [line for line in reader("cleaner").read(ground(256, 256)) if line.confidence >= 0.6]


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (64, 64), (64, 64, 3)])
def test_flat_and_tiny_pictures_give_nothing(shape: tuple[int, ...]) -> None:
    assert reader("cleaner").read(np.full(shape, 7, dtype=np.uint8)) == ()


def test_reading_is_deterministic_and_hides_what_it_read() -> None:
    picture = ground()
    write(picture, "SCHNEIDER", (12, 50))
    first, second = reader("cleaner").read(picture), reader("cleaner").read(picture)
    assert first == second
    assert "SCHNEIDER" in texts(first)
    assert "SCHNEIDER" not in repr(first).upper()


def test_text_across_the_border_of_two_tiles_is_covered() -> None:
    tiled = TextReader(*reader("cleaner").models, ReaderSettings(tile=256, overlap=96))
    picture = ground(128, 640)
    x0, y0, x1, y1 = write(picture, "ELIZABETH MARGARET", (150, 70), size=0.6)
    covered = np.zeros(picture.shape, dtype=bool)
    for line in tiled.read(picture):
        covered[line.y0 : line.y1, line.x0 : line.x1] = True
    assert covered[y0:y1, x0:x1].mean() > 0.9


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_nothing_is_shrunk_below_half_nor_small_pictures_at_all(rows: int, columns: int) -> None:
    detector = TextDetector(reader("cleaner").models[0], ReaderSettings())
    scale = detector.scale(rows, columns)
    assert 0.5 <= scale <= 2.0
    if max(rows, columns) <= 2048:
        assert scale >= 1.0


def test_a_crop_is_turned_level() -> None:
    picture: Picture = np.zeros((100, 100, 3), dtype=np.uint8)
    picture[20:30, 40:80] = 200
    turned = np.asarray(cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE), dtype=np.uint8)
    level = cut(picture, Quad((59.5, 24.5), (40, 10), 0.0, 1.0))
    assert level.shape == (10, 40, 3)
    assert level.min() == 200
    standing = cut(turned, Quad((74.5, 59.5), (10, 40), 0.0, 1.0))
    assert standing.shape == (40, 10, 3)
    assert standing.min() == 200
