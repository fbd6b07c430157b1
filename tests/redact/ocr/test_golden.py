"""A reader that computes something else than its weights mean is found out before it decides anything."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from exchange.domain.stage import ModelSession
from redact.ocr.golden import golden_pictures, not_golden
from redact.ocr.lines import Map, Picture, ReadLine
from redact.ocr.reader import TextReader
from tests.redact.ocr.drawing import reader

CASES = [one.name for one in golden_pictures()]


class Bent:
    """A session whose results are changed on the way out."""

    def __init__(self, session: ModelSession[Map], change: Callable[[Map], Map]) -> None:
        self.session, self.change = session, change
        self.name, self.version, self.sha256 = session.name, session.version, session.sha256
        self.provider, self.characters = session.provider, session.characters

    def infer(self, batch: Map) -> Map:
        return self.change(self.session.infer(batch))


def bent(
    detector: Callable[[Map], Map] = lambda found: found,
    recogniser: Callable[[Map], Map] = lambda found: found,
    name: str = "cleaner",
) -> list[str]:
    first, second = reader(name).models
    return list(not_golden(TextReader(Bent(first, detector), Bent(second, recogniser))))


def test_the_pictures_are_the_same_at_every_start() -> None:
    first, second = golden_pictures(), golden_pictures()
    assert all(np.array_equal(one.picture, other.picture) for one, other in zip(first, second, strict=True))
    assert [one.name for one in first if not one.text] == ["without text"]
    standing = next(one for one in first if one.picture.shape[0] > one.picture.shape[1])
    x0, y0, x1, y1 = standing.box
    assert y1 - y0 > 4 * (x1 - x0)
    assert standing.picture[y0:y1, x0:x1].max() == standing.picture.max(), "the box is where the text is"


@pytest.mark.parametrize("name", ["cleaner", "prover"])
def test_both_readers_read_all_of_them(name: str) -> None:
    assert bent(name=name) == []


def test_a_blind_detector_is_found_out() -> None:
    assert bent(detector=np.zeros_like) == [f"{name}: not read" for name in CASES[:-1]]


@pytest.mark.parametrize(("aside", "wider"), [(40, 0), (0, 60)])
def test_boxes_in_another_place_or_far_too_large_are_found_out(aside: int, wider: int) -> None:
    class Astray(TextReader):
        def read(self, picture: Picture, *views: Any, **more: Any) -> tuple[ReadLine, ...]:
            return tuple(
                replace(
                    one, y0=one.y0 + aside - wider, y1=one.y1 + aside + wider, x0=one.x0 - wider,
                    x1=one.x1 + wider,
                )
                for one in super().read(picture, *views, **more)
            )  # fmt: skip

    found = list(not_golden(Astray(*reader("cleaner").models)))
    assert found == [f"{name}: read elsewhere" for name in CASES[:-1]]


def test_a_recogniser_of_other_characters_is_found_out() -> None:
    assert set(bent(recogniser=lambda found: np.roll(found, 1, axis=2))) >= {
        "light on dark: not read",
        "small: not read",
    }


def test_one_that_is_unsure_is_found_out() -> None:
    assert bent(recogniser=lambda found: found * np.float32(0.7)) == [
        f"{name}: hardly read" for name in CASES[:-1]
    ]


def test_one_that_reads_where_nothing_is_is_found_out() -> None:
    def everywhere(found: Map) -> Map:
        found = found.copy()
        found[:, :, 20:44, 40:200] = 1.0
        return found

    def surely(found: Map) -> Map:
        found = found * np.float32(0.1)
        found[:, ::2, 40] = 1.0
        return found

    assert "without text: something was read" in bent(detector=everywhere, recogniser=surely)
