"""Reading generated pictures with the real weights."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.ocr.detector import TextDetector
from redact.ocr.lines import Picture, Quad, ReadLine, View
from redact.ocr.reader import TextReader
from redact.ocr.recogniser import cut
from redact.ocr.settings import ReaderSettings
from redact.pixels.policy import PixelPolicy
from redact.pixels.rules import TextMode
from tests.redact.ocr.drawing import Watched, ground, reader, write


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


@pytest.mark.parametrize("name", ["cleaner", "prover"])
def test_text_upside_down_is_read(name: str) -> None:
    picture = ground()
    write(picture, "JOHANSSON", (30, 60), size=0.6)
    turned = np.asarray(cv2.rotate(picture, cv2.ROTATE_180), dtype=np.uint8)
    assert "JOHANSSON" in texts(reader(name).read(turned))


@pytest.mark.parametrize("turn", [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE])
@pytest.mark.parametrize("shape", [(192, 256), (300, 200)])
def test_a_picture_looked_at_turned_gives_places_of_the_picture(turn: int, shape: tuple[int, int]) -> None:
    picture = ground(*shape)
    write(picture, "JOHANSSON", (30, 60), size=0.6)
    ink = np.asarray(cv2.rotate((picture.astype(np.int16) - ground(*shape) > 40).astype(np.uint8), turn)) > 0
    turned = np.asarray(cv2.rotate(picture, turn), dtype=np.uint8)
    lines = reader("cleaner").read(turned, (View.TURNED,))
    assert "JOHANSSON" in texts(lines)
    covered = np.zeros(turned.shape, dtype=bool)
    for line in lines:
        covered[line.y0 : line.y1, line.x0 : line.x1] = True
    assert covered[ink].mean() > 0.95
    assert covered.mean() < 10 * ink.mean()


@pytest.mark.parametrize("height", [100, 200])
def test_text_as_thick_as_an_organ_is_read(height: int) -> None:
    picture = ground(512, 1024)
    size = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, height, 12)
    cv2.putText(picture, "OLSEN", (40, 380), cv2.FONT_HERSHEY_SIMPLEX, size, 255, 12, cv2.LINE_AA)
    assert "OLSEN" in texts(reader("cleaner").read(picture))


@pytest.mark.parametrize(
    ("text", "height", "shape"), [("NG J.", 170, (1024, 768)), ("HOSPITAL", 180, (2200, 2200))]
)
def test_letters_that_fill_a_part_of_the_picture_are_read(
    text: str, height: int, shape: tuple[int, int]
) -> None:
    picture = np.full(shape, 40, dtype=np.uint8)
    size = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, height, 20)
    cv2.putText(picture, text, (60, shape[0] // 2), cv2.FONT_HERSHEY_SIMPLEX, size, 140, 20, cv2.LINE_AA)
    covered = np.zeros(shape, dtype=bool)
    for line in reader("cleaner").read(picture):
        if line.confidence >= 0.5:
            covered[line.y0 : line.y1, line.x0 : line.x1] = True
    assert covered[picture > 90].mean() > 0.97


def test_an_organ_is_no_huge_letter() -> None:
    picture = np.zeros((512, 512), dtype=np.uint8)
    cv2.ellipse(picture, (256, 256), (180, 130), 0, 0, 360, 200, 18)
    assert not reader("cleaner").read(picture)


def test_writing_that_cannot_be_read_is_told_by_the_detector() -> None:
    """Mirrored letters are of no script that a recogniser knows."""
    picture = ground(160, 420)
    write(picture, "KOWALCZYK ZBIGNIEW", (20, 70), size=0.8)
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    policy = PixelPolicy()
    gone = [one for one in reader("cleaner").read(mirrored) if policy.gate(one, TextMode.ALL_TEXT).rule]
    covered = np.zeros(picture.shape, dtype=bool)
    for line in gone:
        covered[line.y0 : line.y1, line.x0 : line.x1] = True
    text = mirrored.astype(int) - np.ascontiguousarray(ground(160, 420)[:, ::-1]) > 40
    assert covered[text].mean() > 0.95
    assert all(line.score >= 0.8 for line in gone)


def busy(rows: int, columns: int) -> Picture:
    """Blotches of two greys, as trabecular bone shows in a hard window."""
    noise = np.random.default_rng(4).normal(0, 1, (rows, columns)).astype(np.float32)
    blotches = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return np.where(blotches > 0, np.uint8(25), np.uint8(115))


def test_a_closer_look_finds_the_rest_of_a_line_on_a_busy_ground() -> None:
    picture = ground(96, 640)
    picture[:, 240:] = busy(96, 400)
    x0, y0, x1, y1 = write(picture, "MARGARET FITZWILLIAM 48213077", (20, 60), size=0.7, value=220)
    read = reader("cleaner").read(picture)
    without = TextReader(*reader("cleaner").models, ReaderSettings(closer_sure=2.0)).read(picture)
    assert [line for line in read if not line.beside] == list(without)
    beside = [line for line in read if line.beside]
    assert beside
    for line in beside:
        assert min(line.y1, y1) - max(line.y0, y0) > 0, "at the height of the line"
        assert line.x0 >= x0 - 4
        assert line.x1 <= x1 + 4


@pytest.mark.parametrize("colour", [False, True])
def test_margins_cost_nothing_and_change_no_place(*, colour: bool) -> None:
    inner = ground(160, 256)
    write(inner, "LINDQVIST", (40, 60))
    whole = np.zeros((512, 640), dtype=np.uint8)
    whole[200:360, 300:556] = inner
    if colour:
        whole = np.repeat(whole[:, :, np.newaxis], 3, axis=2)
    models = reader("cleaner").models
    watched = Watched(models[0])
    lines = TextReader(watched, models[1]).read(whole)
    (place,) = {(one.x0 // 16, one.y0 // 16) for one in lines if "LIND" in one.text}
    assert place == ((300 + 40) // 16, (200 + 48) // 16)
    assert watched.shapes
    assert all(rows * columns < 0.5 * 512 * 640 for _, _, rows, columns in watched.shapes)
