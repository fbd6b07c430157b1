"""The answer key: for each instance what was planted where, what must be gone, kept, moved or mapped.

Places are element paths such as `(0040,A730)[0].(0040,A160)`, or one of the regions that are no element:
`preamble`, `file name`, `frames` (inside the pixel data's bytes), `file` (anywhere in the file).
"""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

PREAMBLE, FILE_NAME, FRAMES, WHOLE_FILE = "preamble", "file name", "frames", "file"
REGIONS = frozenset({PREAMBLE, FILE_NAME, FRAMES, WHOLE_FILE})


class Action(StrEnum):
    """The ten actions of the MIDI-B challenge."""

    TAG_RETAINED = "tag retained"
    TEXT_NOT_NULL = "text not null"
    TEXT_RETAINED = "text retained"
    TEXT_REMOVED = "text removed"
    DATE_SHIFTED = "date shifted"
    UID_CHANGED = "UID changed"
    UID_CONSISTENT = "UID consistent"
    PATIENT_ID_CONSISTENT = "patient ID consistent"
    PIXELS_HIDDEN = "pixels hidden"
    PIXELS_RETAINED = "pixels retained"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the output must satisfy.

    Attributes:
        place: Element path or region.
        words: TEXT_REMOVED: none of these may be left there; PIXELS_HIDDEN: what was drawn.
        value: What stood there, or the phrase that must stay (TEXT_RETAINED).
        scan: Whether the words are searched in every byte of the file as well; dates are not, because a
            shifted date may equal another original one.
        box: Columns and rows x0, y0, x1, y1 of what was drawn, 0-based, half-open.
    """

    action: Action
    place: str
    words: tuple[str, ...] = ()
    value: str = ""
    scan: bool = True
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to another instance of the set: at `place` stands the UID of `target`, a file."""

    place: str
    target: str


@dataclass(slots=True)
class Instance:
    """One generated file.

    Attributes:
        file: Relative to the set's folder.
        patient, study: Keys within the set; two instances of one study have the same.
        origin: The real file that it was made from.
        plants: Names of the groups of places that were used.
        codec: What its text bytes are.
    """

    file: str
    patient: str
    study: str
    modality: str
    origin: str
    transfer_syntax: str
    charset: str
    codec: str
    plants: tuple[str, ...] = ()
    checks: list[Check] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)


@dataclass(slots=True)
class AnswerKey:
    """The whole set."""

    seed: int
    instances: list[Instance]

    def write(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1), "utf-8")

    @classmethod
    def read(cls, path: Path) -> "AnswerKey":
        """Read what `write` wrote."""
        data = json.loads(path.read_text("utf-8"))
        return cls(data["seed"], [_instance(one) for one in data["instances"]])


def _instance(data: dict[str, Any]) -> Instance:
    data["plants"] = tuple(data["plants"])
    data["checks"] = [_check(**check) for check in data["checks"]]
    data["references"] = [Reference(**reference) for reference in data["references"]]
    return Instance(**data)


def _check(  # the fields of Check, with lists as JSON gives them
    action: str, place: str, words: list[str], value: str, scan: bool, box: list[int] | None
) -> Check:
    corners = (box[0], box[1], box[2], box[3]) if box else None
    return Check(Action(action), place, tuple(words), value, scan, corners)


def tag_path(tag: int) -> str:
    """A tag as it stands in an element path."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
