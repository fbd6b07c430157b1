"""Where something may have been overlooked, on maps as the detector gives them."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.ocr.lines import Map, Part, Quad
from redact.ocr.overlooked import overlooked
from redact.ocr.settings import ReaderSettings
from tests.redact.ocr.drawing import reader

SETTINGS = ReaderSettings()
LINE = Quad(centre=(100.0, 60.0), size=(120.0, 24.0), angle=0.0, score=0.9)


def answer(*traces: tuple[int, int], rows: int = 400, columns: int = 500) -> Map:
    made = np.zeros((rows, columns), np.float32)
    for row, column in traces:
        made[row, column] = 2 * SETTINGS.trace
    return made


def holds(part: Part, row: int, column: int) -> bool:
    return part.y0 <= row < part.y1 and part.x0 <= column < part.x1


def test_nothing_that_answers_is_nothing_overlooked() -> None:
    assert overlooked(answer(), [], [], SETTINGS) == ()


def test_a_trace_is_looked_at_with_what_is_around_it() -> None:
    (part,) = overlooked(answer((200, 250)), [], [], SETTINGS)
    assert part.y0 <= 200 - SETTINGS.around < 200 + SETTINGS.around < part.y1
    assert part.x0 <= 250 - SETTINGS.around < 250 + SETTINGS.around < part.x1
    assert part.area < 0.2 * 400 * 500


def test_a_line_that_was_found_explains_what_is_at_it_and_nothing_else() -> None:
    assert overlooked(answer((60, 100), (70, 150)), [LINE], [], SETTINGS) == ()
    assert len(overlooked(answer((60, 100), (60, 300)), [LINE], [], SETTINGS)) == 1


def test_a_small_candidate_explains_nothing() -> None:
    small = Quad(LINE.centre, (120.0, SETTINGS.closer_below - 1), 0.0, 0.9)
    assert len(overlooked(answer((60, 100)), [small], [], SETTINGS)) == 1


def test_an_organ_explains_itself_and_the_specks_around_it() -> None:
    disc = np.zeros((400, 500), np.uint8)
    cv2.circle(disc, (250, 200), 90, 1, cv2.FILLED)
    contours, _ = cv2.findContours(disc, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    organs = [np.asarray(contour, dtype=np.int32) for contour in contours]
    assert overlooked(answer((200, 250), (200, 345)), [], organs, SETTINGS) == ()
    assert len(overlooked(answer((200, 400)), [], organs, SETTINGS)) == 1


def test_parts_that_overlap_become_one_where_that_is_no_larger() -> None:
    assert len(overlooked(answer((100, 100), (100, 180)), [], [], SETTINGS)) == 1
    assert len(overlooked(answer((100, 100), (300, 400)), [], [], SETTINGS)) == 2


def test_too_many_parts_are_the_whole() -> None:
    traces = [(row, column) for row in range(100, 3000, 300) for column in range(100, 3000, 300)]
    whole = overlooked(answer(*traces, rows=3000, columns=3000), [], [], SETTINGS)
    assert whole == (Part(0, 0, 3000, 3000),)


@given(st.lists(st.tuples(st.integers(0, 299), st.integers(0, 364)), min_size=1, max_size=12))
def test_every_trace_lies_in_a_part_of_the_map(traces: list[tuple[int, int]]) -> None:
    parts = overlooked(answer(*traces, rows=300, columns=365), [], [], SETTINGS)
    assert all(any(holds(part, *trace) for part in parts) for trace in traces)
    assert all(0 <= part.y0 < part.y1 <= 300 and 0 <= part.x0 < part.x1 <= 365 for part in parts)
    assert list(parts) == sorted(parts)


@pytest.mark.parametrize(("seed", "size", "grey"), [(28, 0.36, 150), (29, 0.28, 161), (55, 0.42, 150)])
def test_small_writing_on_a_busy_ground_is_found_by_a_closer_look(seed: int, size: float, grey: int) -> None:
    chance = np.random.default_rng(seed)
    soft = cv2.GaussianBlur(chance.normal(110, 90, (256, 320)).astype(np.float32), (0, 0), 2.5)
    picture = np.clip(soft + chance.normal(0, 10, (256, 320)), 0, 255).astype(np.uint8)
    cv2.putText(picture, "DOE^JANE", (120, 130), cv2.FONT_HERSHEY_SIMPLEX, size, grey, 1, cv2.LINE_AA)
    lines = reader("cleaner").read(picture)
    over = [line for line in lines if line.y0 < 130 < line.y1 + 8 and line.x0 < 170 and line.x1 > 125]
    assert any(line.letters >= 4 and line.confidence > 0.7 for line in over)
