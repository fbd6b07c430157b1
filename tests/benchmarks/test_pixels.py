"""The pictures of `benchmarks.pixels`, and how removals are scored on them: a benchmark must not flatter."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.pixels import files, fonts
from benchmarks.pixels.contestants import Answer
from benchmarks.pixels.lettering import Canvas, Line, letter
from benchmarks.pixels.people import Script, person
from benchmarks.pixels.pictures import Form, Lettered, picture
from benchmarks.pixels.readability import same, upright
from benchmarks.pixels.scoring import Score, near
from redact.pixels.render import Window
from redact.pixels.view import View
from tests.hostile.chance import Chance


def lettered(levels: np.ndarray[tuple[int, int], np.dtype[np.float32]], seed: int, *, wide: bool) -> Lettered:
    """A picture on a ground of our own; of 16 bits its window is 0-255."""
    chance = Chance(seed)
    canvas = Canvas(levels, beyond=wide)
    lines = letter(canvas, chance, person(chance))
    form = Form.WIDE if wide else Form.GREY
    stored = np.rint(canvas.levels).astype(np.int16 if wide else np.uint8)
    return Lettered("1-1", False, "flat", form, stored, Window(0, 255), False, person(chance), tuple(lines))


def flat(level: float, side: int = 320) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.full((side, side), level, np.float32)


def test_a_seed_and_a_number_give_one_picture() -> None:
    first, second, other = picture(7, 3), picture(7, 3), picture(7, 5)
    assert np.array_equal(first.stored, second.stored)
    assert [one.text for one in first.lines] == [one.text for one in second.lines]
    assert first.stored.shape != other.stored.shape or not np.array_equal(first.stored, other.stored)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), level=st.sampled_from((0.0, 60.0, 255.0)), wide=st.booleans())
def test_text_is_what_differs_from_the_ground_and_lines_stand_apart(
    seed: int, level: float, wide: bool
) -> None:
    one = lettered(flat(level), seed, wide=wide)
    changed = one.stored != one.stored.dtype.type(level)
    text = np.zeros(one.size, int)
    for line in one.lines:
        x0, y0, x1, y1 = line.box
        assert 0 <= x0 < x1 <= one.size[1]
        assert 0 <= y0 < y1 <= one.size[0]
        text[y0:y1, x0:x1] += line.mask
        if line.style != "boxed":
            assert changed[y0:y1, x0:x1][line.mask].all()
    assert text.max(initial=0) <= 1
    # What changed and is no text is soft edge or outline, never far from a line; boxes may reach further.
    if all(line.style != "boxed" for line in one.lines):
        assert not (changed & ~near(one.size, one.lines)).any()


def test_hidden_text_is_not_in_the_window_and_is_in_the_values() -> None:
    found = [
        (one, line)
        for seed in range(20)
        for one in [lettered(flat(0), seed, wide=True)]
        for line in one.lines
        if line.hidden
    ]
    assert found
    for one, line in found:
        x0, y0, x1, y1 = line.box
        assert len(np.unique(one.shown()[y0:y1, x0:x1])) == 1
        assert len(np.unique(one.stored[y0:y1, x0:x1])) > 1


def test_what_is_removed_is_scored_pixel_by_pixel() -> None:
    one = lettered(flat(0), 4, wide=False)
    line = one.lines[0]
    x0, y0, x1, y1 = line.box
    one = replace(one, lines=(line,))
    exact, half, beside = Score(), Score(), Score()
    exact.add(one, Answer("out", boxes=(line.box,)))
    assert (exact.all.recall, exact.all.lost, exact.false) == (1.0, 0, 0)
    half.add(one, Answer("out", boxes=((x0, y0, x0 + (x1 - x0) // 3, y1),)))
    assert 0 < half.all.recall < 0.5
    assert half.all.lost == 1
    far = (0, 0, 5, 5) if y0 > 5 + line.height else (0, 315, 5, 320)
    beside.add(one, Answer("out", boxes=(far,)))
    assert (beside.all.recall, beside.all.lost, beside.false) == (0.0, 1, 25)


def test_what_is_held_is_neither_removed_nor_lost() -> None:
    one, score = lettered(flat(0), 4, wide=False), Score()
    score.add(one, Answer("held", "uncertain-text"))
    assert score.statuses == {"held": 1}
    assert (score.all.lines, score.area) == (0, 0)


@pytest.mark.parametrize("form", list(Form))
def test_files_hold_exactly_the_picture(form: Form, tmp_path: Path) -> None:
    one = next(one for number in range(40) for one in [picture(9, number)] if one.form is form)
    view = View(files.write(one, tmp_path / "one.dcm"))
    assert np.abs(view.frame(0, one.window)[0].astype(int) - one.shown()).max() <= 1


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_places_are_turned_upright(angle: int) -> None:
    drawn = fonts.ink("MRN 4821305", "Hershey simplex", 20, smooth=True, vertical=False)
    turned = fonts.turned(drawn, angle)
    ground = np.zeros((400, 400), np.uint8)
    rows, columns = turned.shape
    ground[100 : 100 + rows, 100 : 100 + columns] = np.rint(turned * 255)
    line = Line(
        "MRN 4821305", "number", Script.LATIN, "Hershey simplex", 20, angle,
        255.0, "plain", False, False, 100, 100, turned >= 0.25,
    )  # fmt: skip
    place = upright(ground, line)
    assert place is not None
    assert place.shape[1] > 2 * place.shape[0]
    still = upright(np.zeros_like(ground), line)
    assert still is None
    straight = upright(_pasted(drawn), replace(line, angle=0, mask=drawn >= 0.25))
    assert straight is not None
    assert np.abs(place.astype(int) - straight).mean() < 3


def _pasted(drawn: fonts.Ink) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    ground = np.zeros((400, 400), np.uint8)
    ground[100 : 100 + drawn.shape[0], 100 : 100 + drawn.shape[1]] = np.rint(drawn * 255)
    return ground


def test_a_line_is_read_when_three_fifths_of_it_are() -> None:
    assert same("Quillfeather, Ottoline", "xx QUILLFEATHER,0ttolin")
    assert same("MRN 4821305", "4821305")
    assert not same("MRN 4821305", "13")
    assert not same("Quillfeather, Ottoline", "General Hospital Oakenshaw")
