"""What was removed against what is text: recall by tag, lines lost, area removed beside any text."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.pixels.contestants import Answer, Box
from benchmarks.pixels.lettering import Line
from benchmarks.pixels.pictures import Lettered

Mask = NDArray[np.bool_]

ALL = ("all", "")
_LOST = 0.5  # a line of which less is covered


@dataclass
class Tally:
    """Text pixels and lines, and how many of them were removed."""

    pixels: int = 0
    covered: int = 0
    lines: int = 0
    lost: int = 0
    shares: float = 0.0

    def add(self, pixels: int, covered: int) -> None:
        """One line."""
        self.pixels += pixels
        self.covered += covered
        self.shares += covered / pixels
        self.lines += 1
        self.lost += covered < _LOST * pixels

    @property
    def recall(self) -> float:
        """Share of the text's pixels; 1 where there were none."""
        return self.covered / self.pixels if self.pixels else 1.0

    @property
    def mean(self) -> float:
        """Of the lines' own shares: a large line counts like a small one."""
        return self.shares / self.lines if self.lines else 1.0


@dataclass
class Score:
    """Of one contestant on pictures of one origin.

    Attributes:
        tags: Tallies by (dimension, value), those of all lines under `ALL`.
        false: Pixels removed that are not within a line's height of any line.
        area: Pixels of the pictures.
        statuses: How many pictures came out, were held, crashed.
        kept: Why pictures did not come out.
        weak: The lines least covered, worst first: share, picture, line.
    """

    tags: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    false: int = 0
    area: int = 0
    statuses: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    kept: Counter[str] = field(default_factory=Counter)
    weak: list[tuple[float, str, Line]] = field(default_factory=list)

    def add(self, picture: Lettered, answer: Answer) -> None:
        """One picture; a held one, or one that crashed the contestant, counts as that and nothing else."""
        self.statuses[answer.status] += 1
        if answer.status != "out":
            self.kept[f"{answer.status} {answer.reason}".strip()] += 1
            return
        removed = filled(picture.size, answer.boxes)
        for line in picture.lines:
            x0, y0, x1, y1 = line.box
            pixels = int(line.mask.sum())
            covered = int((line.mask & removed[y0:y1, x0:x1]).sum())
            for tag in (ALL, *line.tags().items()):
                self.tags[tag].add(pixels, covered)
            self.weak.append((covered / pixels, picture.name, line))
        self.weak = sorted(self.weak, key=lambda each: each[0])[:40]
        self.area += removed.size
        self.false += int((removed & ~near(picture.size, picture.lines)).sum())

    @property
    def all(self) -> Tally:
        """Of all lines."""
        return self.tags[ALL]

    @property
    def false_share(self) -> float:
        """Of the pictures' area."""
        return self.false / self.area if self.area else 0.0


def filled(size: tuple[int, int], boxes: Iterable[Box]) -> Mask:
    """The pixels inside any of the boxes."""
    mask = np.zeros(size, bool)
    for x0, y0, x1, y1 in boxes:
        mask[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True
    return mask


def near(size: tuple[int, int], lines: Sequence[Line]) -> Mask:
    """The pixels within a line's height of any line's text."""
    mask = np.zeros(size, bool)
    for line in lines:
        by = line.height
        x0, y0, x1, y1 = line.box
        whole = np.pad(line.mask.astype(np.uint8), by)
        # The hull of the text: between its letters is no foreign ground.
        points = cv2.findNonZero(whole)
        cv2.fillConvexPoly(whole, cv2.convexHull(points), 1)
        grown = cv2.dilate(whole, np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0
        top, left = max(0, by - y0), max(0, by - x0)
        place = mask[max(0, y0 - by) : y1 + by, max(0, x0 - by) : x1 + by]
        place |= grown[top : top + place.shape[0], left : left + place.shape[1]]
    return mask
