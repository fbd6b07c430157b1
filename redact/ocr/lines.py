"""What was read: lines of text with their place."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # rows x columns, or rows x columns x 3 (RGB)
Map = NDArray[np.float32]


class View(StrEnum):
    """How a picture is looked at."""

    AS_IS = "as it is"
    NEGATIVE = "negative"
    TURNED = (
        "turned by a quarter"  # the detector overlooks lines that run up or down more often than level ones
    )


BOTH = (View.AS_IS, View.NEGATIVE)


@dataclass(frozen=True, slots=True, order=True)
class ReadLine:
    """One line of text as read; its repr hides the text, which may be a patient's name.

    Attributes:
        x0, y0, x1, y1: Upright box in picture pixels, 0-based, half-open.
        text: As recognised, surrounding space removed; never empty.
        confidence: Mean probability of the recognised characters, 0-1.
        negative: Whether it was read in the picture's negative; no part of what the line is.
        score: How sure the detector is that there is writing, 0-1, whether or not it can be read; no part
            of what the line is.
        beside: Whether it was found by a closer look beside a line that was surely read; no part either.
        huge: Whether it is thicker than lines usually are, as organs are; no part either.
    """

    y0: int
    x0: int
    y1: int
    x1: int
    text: str = field(repr=False)
    confidence: float
    negative: bool = field(default=False, compare=False)
    score: float = field(default=1.0, compare=False)
    beside: bool = field(default=False, compare=False)
    huge: bool = field(default=False, compare=False)

    @property
    def area(self) -> int:
        """In pixels."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    @property
    def letters(self) -> int:
        """How many letters and digits were read."""
        return letters(self.text)

    def shared(self, other: "ReadLine") -> int:
        """The pixels that lie in both boxes."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(0, width) * max(0, height)


def letters(text: str) -> int:
    """How many letters and digits a text has."""
    return sum(mark.isalnum() for mark in text)


@dataclass(frozen=True, slots=True)
class Quad:
    """A candidate of the detector: a rectangle at any angle.

    Attributes:
        centre: x, y in picture pixels.
        size: Along the line of text, across it.
        angle: Degrees, clockwise on screen, within (-45, 45]: the direction that `size[0]` runs in.
        score: Mean of the detector's map inside.
        huge: Whether it is thicker than lines usually are: as thick as organs.
    """

    centre: tuple[float, float]
    size: tuple[float, float]
    angle: float
    score: float
    huge: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """A rectangle of a picture, half-open, in its pixels."""

    y0: int
    x0: int
    y1: int
    x1: int

    @property
    def area(self) -> int:
        """In pixels."""
        return (self.y1 - self.y0) * (self.x1 - self.x0)

    def joined(self, other: "Part") -> "Part":
        """The smallest part that holds both."""
        return Part(
            min(self.y0, other.y0),
            min(self.x0, other.x0),
            max(self.y1, other.y1),
            max(self.x1, other.x1),
        )

    def meets(self, other: "Part") -> bool:
        """Whether they overlap."""
        rows = min(self.y1, other.y1) - max(self.y0, other.y0)
        return rows > 0 and min(self.x1, other.x1) > max(self.x0, other.x0)
