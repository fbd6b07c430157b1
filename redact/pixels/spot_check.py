"""Spot checks: which instances a route shows to a person before they leave, though they are clean.

Readers find lines of text. A surgical plan, a worksheet or a dense overlay can say whose it is in ways that
no reader knows; whoever sends such pictures may want somebody to look at them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from pydicom.dataset import Dataset

from exchange.dicomio.getters import integer
from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.headers.conditions import Condition
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.pixels.boxes import TextBox, place

_OVERLAYS = range(0x6000, 0x6020, 2)
_OVERLAY_ROWS, _OVERLAY_DATA = 0x0010, 0x3000
_DRAWINGS = (0x00700001, 0x00700009)  # Graphic Annotation Sequence, Graphic Object Sequence


@dataclass(frozen=True, slots=True)
class SpotRule:
    """All that a rule says must hold of an instance.

    Attributes:
        when: A condition on its header as it came; None: any.
        drawings: Whether it must carry overlay planes or graphic annotations.
        boxes: Text regions removed from one of its frames, at least; 0: any.
        area: Share of one of its frames that was removed, at least; 0: any.
        one_in: Of so many studies one, chosen by a keyed digest of the study; 1: every one.
        number: Of the rule in the file, from 1.
    """

    when: Condition | None = None
    drawings: bool = False
    boxes: int = 0
    area: float = 0.0
    one_in: int = 1
    number: int = 0

    def asks(self, header: Dataset) -> bool:
        """Whether it holds of a header, as it came."""
        return (self.when is None or self.when.holds(header)) and (not self.drawings or _has_drawings(header))

    def takes(self, boxes: Sequence[TextBox], rows: int, columns: int) -> bool:
        """Whether it holds of what was removed; `boxes` in the order of frames."""
        most = max(Counter(box.frame for box in boxes).values(), default=0)
        return most >= self.boxes and (not self.area or _largest_share(boxes, rows, columns) >= self.area)

    def draws(self, pseudonymiser: Pseudonymiser, study_instance_uid: str) -> bool:
        """Whether it takes this study; the same for all instances of it, and whenever it is asked.

        Args:
            pseudonymiser: Its key decides, so that nobody outside can tell which studies are looked at.
            study_instance_uid: As it leaves.
        """
        drawn = int(pseudonymiser.source_ref("spot-check", study_instance_uid)[:16], 16)
        return drawn % self.one_in == 0

    def __str__(self) -> str:
        parts = [
            str(self.when) if self.when else "",
            "with drawings" if self.drawings else "",
            f"{self.boxes} boxes on a frame or more" if self.boxes else "",
            f"{self.area:.0%} of a frame removed or more" if self.area else "",
            f"one study in {self.one_in}" if self.one_in > 1 else "",
        ]
        return f"spot check {self.number}: {', '.join(filter(None, parts)) or 'everything'}"


def stop_for_spot_check(
    rules: Sequence[SpotRule],
    pseudonymiser: Pseudonymiser,
    study_instance_uid: str,
    boxes: Sequence[TextBox],
    size: tuple[int, int],
) -> None:
    """Stop a cleaned instance for a person where a rule takes it.

    Args:
        rules: Those that hold of its header as it came.
        pseudonymiser: Of the route's domain.
        study_instance_uid: As it leaves.
        boxes: What was removed.
        size: Rows and columns.

    Raises:
        HeldError: `spot-check`, with the boxes and the rule.
    """
    ordered = sorted(boxes)
    for rule in rules:
        if rule.takes(ordered, *size) and rule.draws(pseudonymiser, study_instance_uid):
            raise HeldError(
                ReasonCode.SPOT_CHECK,
                str(rule),
                place(ordered),
                "look at the picture, and at what was removed; release or reject the hold",
            )


def size_of(header: Dataset) -> tuple[int, int]:
    """Rows and columns; zeros where it has none."""
    return integer(header, "Rows", 0), integer(header, "Columns", 0)


def _has_drawings(header: Dataset) -> bool:
    """Overlay planes (those in unused bits have no data of their own) or graphic annotations."""
    planes = any(
        (group, element) in header for group in _OVERLAYS for element in (_OVERLAY_ROWS, _OVERLAY_DATA)
    )
    return planes or any(tag in header for tag in _DRAWINGS)


def _largest_share(boxes: Sequence[TextBox], rows: int, columns: int) -> float:
    """Of a frame, what lies inside its boxes; each pixel counts once."""
    largest = 0
    for _, group in groupby(boxes, key=lambda box: box.frame):
        inside = np.zeros((rows, columns), dtype=bool)
        for box in group:
            inside[box.y0 : box.y1, box.x0 : box.x1] = True
        largest = max(largest, int(np.count_nonzero(inside)))
    return largest / max(1, rows * columns)
