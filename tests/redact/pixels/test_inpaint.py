"""Filling boxes with what surrounds them: nothing of the text, and not one other pixel."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from agent.config.profiles import profile_of
from redact.identifiers.harvest import harvest
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.pixels.boxes import BoxRule, TextBox
from redact.pixels.decode import Frame
from redact.pixels.fill import remove
from redact.pixels.rules import Fill
from redact.stage import CleaningPlan, InstanceCleaner
from tests.redact.ocr.drawing import ground, write
from tests.redact.pixels.making import native, opened
from tests.redact.pixels.test_render import form
from tests.support.models import readers

BOX = TextBox(0, 20, 30, 34, 120, BoxRule.ORDERED, 1.0)


def filled(
    values: NDArray[Any], fill: Fill, *boxes: TextBox, photometric: str = "MONOCHROME2"
) -> NDArray[Any]:
    after = values.copy()
    remove(Frame(after, photometric, bytearray()), boxes or (BOX,), form(values), fill)
    return after


def inside(shape: tuple[int, ...], *boxes: TextBox) -> NDArray[np.bool_]:
    mask = np.zeros(shape[:2], dtype=bool)
    for box in boxes or (BOX,):
        padded = box.padded(*shape[:2])
        mask[padded.y0 : padded.y1, padded.x0 : padded.x1] = True
    return mask


def slope(dtype: Any, samples: int = 1) -> NDArray[Any]:
    """A ground that rises in both directions, over negative values where there are any."""
    y, x = np.mgrid[0:96, 0:160]
    top = min(2000, int(np.iinfo(dtype).max)) - int(np.iinfo(dtype).min) // 64
    values = (y + x) * (top / 256) + int(np.iinfo(dtype).min) // 64
    return np.repeat(values[:, :, np.newaxis], samples, axis=2).astype(dtype)


@pytest.mark.parametrize(("dtype", "samples"), [("u1", 1), ("u1", 3), ("u2", 1), ("i2", 1)])
def test_what_lies_around_flows_in(dtype: str, samples: int) -> None:
    before = slope(np.dtype(dtype), samples)
    written = before.copy()
    written[22:30, 40:100:4] = np.iinfo(before.dtype).max
    photometric = "RGB" if samples == 3 else "MONOCHROME2"
    after = filled(written, Fill.INPAINT, photometric=photometric)
    mask = inside(before.shape)
    assert np.array_equal(after[~mask], before[~mask])
    flat = filled(written, Fill.BACKGROUND, photometric=photometric)
    errors = [np.abs(one[mask].astype(float) - before[mask]).mean() for one in (after, flat)]
    assert errors[0] < 0.25 * errors[1], "nearer to the ground than one value is"
    assert np.array_equal(after, filled(before, Fill.INPAINT, photometric=photometric)), "nothing of the text"


@given(
    arrays(np.uint16, (24, 31, 1)),
    st.integers(0, 26), st.integers(0, 20), st.integers(1, 31), st.integers(1, 24), st.integers(0, 65535),
)  # fmt: skip
def test_what_was_inside_has_no_part_and_nothing_outside_changes(
    values: NDArray[np.uint16], x: int, y: int, width: int, height: int, ink: int
) -> None:
    boxes = (
        TextBox(0, y, x, min(24, y + height), min(31, x + width), BoxRule.ORDERED, 1.0),
        TextBox(0, 2, 2, 6, 9, BoxRule.ORDERED, 1.0),
    )
    mask = inside(values.shape, *boxes)
    after = filled(values, Fill.INPAINT, *boxes)
    assert np.array_equal(after[~mask], values[~mask])
    other = values.copy()
    other[mask] = ink
    if not mask.all():  # where a box fills the frame the value shown as black is the image's own
        assert np.array_equal(after, filled(other, Fill.INPAINT, *boxes))


@pytest.mark.parametrize("photometric", ["PALETTE COLOR", "MONOCHROME2"])
def test_indices_and_floats_are_filled_with_the_background(photometric: str) -> None:
    values = slope(np.uint8) if photometric == "PALETTE COLOR" else slope(np.uint16).astype(np.float32)
    both = [filled(values, fill, photometric=photometric) for fill in Fill]
    assert np.array_equal(both[0], both[1])


def test_a_profile_asks_for_it_and_the_proof_passes(tmp_path: Path) -> None:
    picture = ground(192, 320, level=90)
    write(picture, "JACOBSEN PETER 48213", (14, 60), size=0.6)
    made = native(tmp_path / "in.dcm", picture[np.newaxis, :, :, np.newaxis], BurnedInAnnotation="YES")
    done = {}
    for fill in Fill:
        plan = CleaningPlan(
            profile=profile_of(
                {"profile": "p", "options": ["113101", "113105"], "pixels": {"fill": fill.value}}
            ),
            pseudonymiser=Pseudonymiser(bytes(range(32)), "here"),
            identifiers=harvest(made.header),
            readers=readers(),
            canary_seed=b"test",
        )
        cleaned = InstanceCleaner(plan).run(made.path, tmp_path / f"{fill}.dcm")
        assert cleaned.proved
        assert cleaned.boxes
        done[fill] = opened(cleaned.path).frames()[0]
    original = ground(192, 320, level=90)[..., np.newaxis].astype(float)
    errors = {fill: np.abs(values.astype(float) - original).max() for fill, values in done.items()}
    assert errors[Fill.INPAINT] < errors[Fill.BACKGROUND]


def test_the_digest_of_a_profile_tells_the_fill_and_is_the_old_one_without() -> None:
    texts = [
        {"profile": "p", "options": ["113101"], "pixels": pixels} for pixels in ({}, {"fill": "background"})
    ]
    plain, named = (profile_of(text).sha256 for text in texts)
    assert plain == named
    inpaint = profile_of({"profile": "p", "options": ["113101"], "pixels": {"fill": "inpaint"}})
    assert inpaint.sha256 != plain
