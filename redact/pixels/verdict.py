"""What becomes of a line of text, and why, in words that never quote it."""

from dataclasses import dataclass
from enum import StrEnum

from exchange.domain.codes import ReasonCode
from redact.pixels.boxes import BoxRule


class Outcome(StrEnum):
    """What becomes of a line."""

    REMOVED = "removed"
    KEPT = "kept"
    HELD = "held"  # the instance waits for a person


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one line.

    Attributes:
        reason: The rule and its gate, in words; nothing of what was read.
        rule: By which it is removed; None where it is not.
        code: Why it holds the instance; None where it does not.
        uncertain: Whether it lies in the band between the gates: perhaps text, perhaps anatomy.
    """

    outcome: Outcome
    reason: str
    rule: BoxRule | None = None
    code: ReasonCode | None = None
    uncertain: bool = False


def removed(rule: BoxRule, reason: str, *, uncertain: bool = False) -> Verdict:
    """It goes."""
    return Verdict(Outcome.REMOVED, reason, rule, uncertain=uncertain)


def kept(reason: str, *, uncertain: bool = False) -> Verdict:
    """It stays."""
    return Verdict(Outcome.KEPT, reason, uncertain=uncertain)


def held(code: ReasonCode, reason: str, *, uncertain: bool = False) -> Verdict:
    """A person must look."""
    return Verdict(Outcome.HELD, reason, code=code, uncertain=uncertain)
