"""Pictures for people: boxes by rule, both sides by one mapping, windows that hide, sheets."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from redact.pixels.boxes import BoxRule, TextBox, boxes_at, place
from redact.pixels.clean import remove_boxes
from redact.pixels.preview import Pair, marks_of, preview, sheets
from redact.pixels.view import View, before_and_after
from tests.redact.ocr.drawing import ground
from tests.redact.pixels.making import CT, Made, native, written

SLICE = {"SOPClassUID": CT, "Modality": "CT"}


def decoded(data: bytes) -> NDArray[Any]:
    """RGB."""
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))[:, :, ::-1]


def has(picture: NDArray[Any], colour: tuple[int, int, int]) -> bool:
    return bool((picture == np.array(colour)).all(axis=2).any())


def slices(folder: Path, values: NDArray[Any], **changes: Any) -> Made:
    return native(folder / "image.dcm", values[np.newaxis, :, :, np.newaxis], **{**SLICE, **changes})


def test_boxes_have_the_colour_of_their_rule_and_a_line_in_the_legend() -> None:
    before = ground(40, 60)
    boxes = [
        TextBox(0, 10, 10, 20, 50, BoxRule.ALL_TEXT, 0.9),
        TextBox(0, 30, 3, 38, 9, BoxRule.IDENTIFIER, 1),
    ]
    first, second = map(decoded, preview(before, np.zeros_like(before), boxes))
    assert first.shape[1] == second.shape[1] >= 512, "small frames are enlarged"
    assert first.shape[0] > second.shape[0] == 40 * (second.shape[1] // 60), (
        "the legend stands below the first"
    )
    for colour in ((255, 64, 64), (255, 0, 255)):
        assert has(first[: second.shape[0]], colour)
        assert (np.abs(first[second.shape[0] :].astype(int) - colour).max(axis=2) < 90).any()
        assert has(second, colour)
    factor = second.shape[1] // 60
    inside = first[10 * factor : 20 * factor, 10 * factor : 50 * factor]
    assert not has(inside, (255, 64, 64)), "all inside of a box is seen"


@pytest.mark.parametrize(("centre", "width"), [(40, 80), (100_000, 10), (-5000, 1), (60_000, 2)])
def test_a_window_that_hides_all_does_not_make_the_picture_black(
    tmp_path: Path, centre: int, width: int
) -> None:
    values = ground().astype(np.uint16) * 200
    picture, _ = View(slices(tmp_path, values, WindowCenter=centre, WindowWidth=width).path).frame(0)
    assert picture.std() > 20
    assert len(np.unique(picture)) > 50


def test_one_outlier_does_not_make_the_picture_black(tmp_path: Path) -> None:
    values = ground().astype(np.uint16)
    values[0, 0] = 65_535
    picture, _ = View(slices(tmp_path, values).path).frame(0)
    assert picture.std() > 20


def test_the_header_s_window_is_used_where_it_shows_something(tmp_path: Path) -> None:
    values = ground().astype(np.uint16)
    _, window = View(slices(tmp_path, values, WindowCenter=80, WindowWidth=100).path).frame(0)
    assert window is not None
    assert (window.low, window.high) == (30, 130)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_outside_the_boxes_both_pictures_are_the_same(tmp_path: Path, photometric: str) -> None:
    values = ground().astype(np.uint16)
    values[20:30, 20:60] = 4000  # the brightest: a mapping of each picture's own would change all greys
    made = native(tmp_path / "in.dcm", values[np.newaxis, :, :, np.newaxis], photometric, **SLICE)
    box = TextBox(0, 20, 20, 30, 60, BoxRule.ORDERED, 1.0)
    outcome = remove_boxes(made.path, made.layout, made.header, [box])
    cleaned = written(made, outcome, tmp_path / "out.dcm")
    before, after = before_and_after(View(made.path), View(cleaned.path), 0)
    differ = np.argwhere(before != after)
    (padded,) = outcome.boxes
    assert len(differ)
    assert differ.min(axis=0).tolist() >= [padded.y0, padded.x0]
    assert differ.max(axis=0).tolist() < [padded.y1, padded.x1]


def test_a_sheet_has_a_page_for_every_dozen_and_holds_one() -> None:
    picture = np.full((1024, 1024), 90, np.uint8)
    marks = marks_of([TextBox(0, 10, 10, 200, 500, BoxRule.STRICT, 0.9)])

    def pairs() -> Iterator[Pair]:
        for number in range(60):
            yield Pair(picture.copy(), None if number == 3 else picture.copy(), marks, f"file {number}")

    tracemalloc.start()
    pages = [decoded(page).shape for page in sheets(pairs())]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(pages) == 5
    assert len(set(pages)) == 1
    assert peak < 40 * 1024 * 1024, "60 pairs are 120 MiB"
    assert [decoded(page).shape[1] for page in sheets([Pair(picture, picture, marks, "one")])] == [
        pages[0][1]
    ]


def test_the_place_of_boxes_is_told_and_found_again() -> None:
    boxes = [TextBox(frame, 3, x, 9, x + 5, BoxRule.STRICT, 0.5) for frame in (2, 0) for x in (7, 1)]
    told = place(boxes)
    assert told == "frame 0: 1,3,6,9; 7,3,12,9, frame 2: 1,3,6,9; 7,3,12,9"
    found = boxes_at(told, BoxRule.STRICT)
    assert [(one.frame, one.x0, one.y0, one.x1, one.y1) for one in found] == [
        (one.frame, one.x0, one.y0, one.x1, one.y1) for one in sorted(boxes)
    ]
    assert place(boxes * 20).endswith(", and 48 more")
    assert boxes_at("(0008,0018)", BoxRule.STRICT) == ()
