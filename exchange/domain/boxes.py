"""Text regions in frames."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class TextBox:
    """A region of one frame where text was found and removed (or must be looked at).

    Coordinates are 0-based, half-open, in stored pixels. The recognised text is never kept.

    Attributes:
        rule: Why: `all-text`, `identifier`, `detector-only`, …
        confidence: 0..1 as the recogniser gave it.
    """

    frame: int
    x0: int
    y0: int
    x1: int
    y1: int
    rule: str
    confidence: float
