"""What a tool made of each file of a set: written, held with a reason, or lost."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path


class Status(StrEnum):
    """What became of one file."""

    OUT = "out"
    HELD = "held"
    CRASHED = "crashed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One file's outcome.

    Attributes:
        output: Where it was written, relative to the tool's output folder; None unless it came out.
        reason: Why it was held (a published code) or what it crashed with (a type); "" otherwise.
    """

    status: Status
    output: str | None = None
    reason: str = ""


Outcomes = dict[str, Outcome]


def read_outcomes(path: Path) -> Outcomes:
    """Outcomes by input file, from JSON."""
    data = json.loads(path.read_text("utf-8"))
    return {name: Outcome(Status(one["status"]), one["output"], one["reason"]) for name, one in data.items()}


def write_outcomes(path: Path, outcomes: Outcomes) -> None:
    """As JSON."""
    path.write_text(json.dumps({name: asdict(one) for name, one in outcomes.items()}), "utf-8")
