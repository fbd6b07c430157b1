"""Pictures with known text: a ground by chance, lines drawn on it, and the pixels that are text."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.pixels import grounds_made, grounds_real
from benchmarks.pixels.lettering import Canvas, Line, letter
from benchmarks.pixels.people import Person, person
from redact.pixels.render import Picture as Shown
from redact.pixels.render import Window, stretched
from tests.hostile.chance import Chance

_SIZES = (256, 384, 512, 512, 640, 768, 1024, 1024, 1536, 2048, 3072, 4096)
_CT = Window(-160.0, 240.0)
_REAL_SIDES = (512, 512, 512, 1024, 1024, 2048, 4096)  # small originals are enlarged towards these
_LARGEST = 5  # times; beyond it there are only blocks


class Form(StrEnum):
    """How the values are stored."""

    RGB = "RGB, 8 bits"
    GREY = "grey, 8 bits"
    WIDE = "grey, 16 bits"


@dataclass(frozen=True, slots=True)
class Lettered:
    """A picture with text.

    Attributes:
        name: Of the picture, from seed and number.
        real: Whether the ground is a real image.
        ground: Its file or kind.
        stored: uint8 or int16, rows x columns or rows x columns x 3.
        window: By which it is shown, in stored values.
        original: Whether it pretends to be an original of a scanner (no BurnedInAnnotation): read strictly.
        person: Of the header.
        lines: Drawn; they do not overlap.
    """

    name: str
    real: bool
    ground: str
    form: Form
    stored: NDArray[np.generic]
    window: Window
    original: bool
    person: Person
    lines: tuple[Line, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.stored.shape[0], self.stored.shape[1]

    def shown(self) -> Shown:
        """As a viewer shows it, grey or RGB."""
        if self.form is not Form.WIDE:
            return np.asarray(self.stored, np.uint8)
        return stretched(self.stored, self.window.low, self.window.high)


def pictures(seed: int, count: int) -> Iterator[Lettered]:
    """The first `count` pictures of a seed, in turns on real and made grounds; each depends on its number."""
    for number in range(count):
        yield picture(seed, number)


def picture(seed: int, number: int) -> Lettered:
    """One picture."""
    chance = Chance(f"{seed}/{number}")
    real = number % 2 == 0
    name, levels, form, window = _real(chance) if real else _made(chance)
    who = person(chance)
    canvas = Canvas(levels, beyond=form is Form.WIDE)
    lines = letter(canvas, chance, who)
    return Lettered(
        name=f"{seed}-{number:04}",
        real=real,
        ground=name,
        form=form,
        stored=_stored(canvas.levels, form, window),
        window=window,
        original=form is Form.WIDE and chance.random() < 0.5,
        person=who,
        lines=tuple(lines),
    )


def _real(chance: Chance) -> tuple[str, NDArray[np.float32], Form, Window]:
    one = grounds_real.ground(chance.choice(grounds_real.paths()))
    values = _enlarged(one.values, chance)
    levels = (values - one.window.low) * (255 / (one.window.high - one.window.low))
    if values.ndim == 3:
        return one.name, levels, Form.RGB, one.window
    form = chance.choice((Form.WIDE, Form.WIDE, Form.GREY, Form.RGB))
    if form is Form.WIDE:
        return one.name, levels, form, one.window
    levels = np.clip(levels, 0, 255)
    return one.name, np.repeat(levels[..., None], 3, 2) if form is Form.RGB else levels, form, Window(0, 255)


def _enlarged(values: NDArray[np.float32], chance: Chance) -> NDArray[np.float32]:
    """Enlarged by a whole number towards a size by chance, as workstations do."""
    smaller, larger = sorted(values.shape[:2])
    factor = max(min(_LARGEST, round(chance.choice(_REAL_SIDES) / larger)), -(-256 // smaller), 1)
    if factor == 1:
        return values.copy()
    way = chance.choice((cv2.INTER_NEAREST, cv2.INTER_LINEAR))  # neither overshoots
    return np.asarray(cv2.resize(values, None, fx=factor, fy=factor, interpolation=way), np.float32)


def _made(chance: Chance) -> tuple[str, NDArray[np.float32], Form, Window]:
    side = chance.choice(_SIZES)
    rows, columns = side, max(256, min(4096, round(side * chance.choice((1.0, 1.0, 0.75, 1.33)))))
    kind, levels = grounds_made.made(chance, rows, columns)
    form = chance.choice(tuple(Form))
    if form is Form.RGB:
        levels = np.repeat(levels[..., None], 3, 2)
        if chance.random() < 0.3:
            levels *= np.asarray([chance.uniform(0.6, 1) for _ in range(3)], np.float32)
    return kind, levels, form, _CT if form is Form.WIDE else Window(0, 255)


def _stored(levels: NDArray[np.float32], form: Form, window: Window) -> NDArray[np.generic]:
    if form is not Form.WIDE:
        return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)
    values = window.low + levels * ((window.high - window.low) / 255)
    return np.asarray(np.clip(np.rint(values), -32768, 32767), np.int16)
