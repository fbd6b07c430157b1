"""Boxes of text in frames, and what is done with them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class BoxRule(StrEnum):
    """Why a box is removed; published in reports and receipts."""

    ALL_TEXT = "all-text"  # the modality carries annotations: every text goes
    STRICT = "strict"  # an original image: only what is surely text
    IDENTIFIER = "identifier"  # it reads like an identifier of the patient
    UNREAD = "unread"  # plainly writing, in no script that the reader knows
    UNCERTAIN = "uncertain"  # between the gates, and profile or person want such lines removed
    RECURRING = "recurring"  # found at this place in other frames of the instance
    ORDERED = "ordered"  # asked for by a person, the proof or the device catalogue


@dataclass(frozen=True, slots=True, order=True)
class TextBox:
    """A region of one frame, in stored pixels: 0-based, half-open.

    Attributes:
        frame: Index of the frame.
        rule: Why it is removed.
        confidence: Of the reading, 0-1; 1 when ordered.
    """

    frame: int
    y0: int
    x0: int
    y1: int
    x1: int
    rule: BoxRule
    confidence: float

    def overlaps(self, other: "TextBox", share: float) -> bool:
        """True when the intersection covers at least this share of the union; frames are not compared."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        if width <= 0 or height <= 0:
            return False
        both = width * height
        return both >= share * (self.area + other.area - both)

    def covers(self, other: "TextBox", share: float) -> bool:
        """True when at least this share of the other lies inside; frames are not compared."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return width > 0 and height > 0 and width * height >= share * other.area

    @property
    def area(self) -> int:
        """In pixels."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)

    def padded(self, rows: int, columns: int) -> "TextBox":
        """The box with a margin for the soft edge of letters: an eighth of its height, two at least."""
        margin = max(2, (self.y1 - self.y0) // 8)
        return TextBox(
            self.frame,
            max(0, self.y0 - margin),
            max(0, self.x0 - margin),
            min(rows, self.y1 + margin),
            min(columns, self.x1 + margin),
            self.rule,
            self.confidence,
        )


_MOST_PLACES = 32
_FRAME = re.compile(r"frame (\d+): (\d+,\d+,\d+,\d+(?:; \d+,\d+,\d+,\d+)*)")


def place(boxes: Iterable[TextBox]) -> str:
    """Where boxes are, as holds name it: `frame 0: x0,y0,x1,y1; x0,…, frame 3: …`; of many the first."""
    frames: dict[int, list[str]] = {}
    ordered = sorted(boxes)
    for box in ordered[:_MOST_PLACES]:
        frames.setdefault(box.frame, []).append(f"{box.x0},{box.y0},{box.x1},{box.y1}")
    more = len(ordered) - _MOST_PLACES
    told = ", ".join(f"frame {frame}: {'; '.join(places)}" for frame, places in frames.items())
    return f"{told}, and {more} more" if more > 0 else told


def boxes_at(path: str, rule: BoxRule) -> tuple[TextBox, ...]:
    """The boxes that `place` named; none where a path is of another kind."""
    found = []
    for frame, places in _FRAME.findall(path):
        for one in places.split("; "):
            x0, y0, x1, y1 = map(int, one.split(","))
            found.append(TextBox(int(frame), y0, x0, y1, x1, rule, 1.0))
    return tuple(found)


def merge(boxes: Iterable[TextBox], share: float = 0.7) -> tuple[TextBox, ...]:
    """Drop boxes of one frame that mostly repeat a surer one, widening that one to cover both."""
    merged: list[TextBox] = []
    for box in sorted(boxes, key=lambda each: (each.frame, -each.confidence, each)):
        for index, kept in enumerate(merged):
            if kept.frame == box.frame and kept.overlaps(box, share):
                merged[index] = TextBox(
                    kept.frame,
                    min(kept.y0, box.y0),
                    min(kept.x0, box.x0),
                    max(kept.y1, box.y1),
                    max(kept.x1, box.x1),
                    kept.rule,
                    kept.confidence,
                )
                break
        else:
            merged.append(box)
    return tuple(sorted(merged))
