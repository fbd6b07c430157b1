"""An account of a reading: each line that was read, and what becomes of it. It holds text of the pixels.

The reading pass takes it down where somebody asks (`lockgate ocr`); nothing here decides anything, and
nothing of it may reach a log, a report or a file's name.
"""

from dataclasses import dataclass, field

from redact.ocr.lines import ReadLine
from redact.pixels.verdict import Verdict


@dataclass(frozen=True, slots=True)
class JudgedLine:
    """One line of one picture of a frame.

    Attributes:
        rendering: Which picture: `window`, `full range`, `lookup table`, `palette` or `colour`.
    """

    frame: int
    rendering: str
    line: ReadLine
    verdict: Verdict


@dataclass(slots=True)
class Account:
    """What was read in an instance.

    Attributes:
        only: The frame that is asked about; None for all.
        lines: In the order of frames and pictures; from top to bottom in each.
        same_as: Frame to the earlier one with the same bytes, whose lines hold for it too.
    """

    only: int | None = None
    lines: list[JudgedLine] = field(default_factory=list, repr=False)
    same_as: dict[int, int] = field(default_factory=dict)
