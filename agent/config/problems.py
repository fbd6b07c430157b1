"""What is wrong with a configuration, and where: every mistake as `file:line:col: what, instead`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import OSA

from exchange.domain.errors import ConfigurationError

Severity = Literal["error", "warning"]
Words = tuple[str, str]  # what is wrong, and what to write instead


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake.

    Attributes:
        file: The file as it was named.
        line: 1-based; 0 when the file could not be read.
        column: 1-based.
        message: What is wrong.
        instead: What to write or do instead.
        severity: Warnings do not stop a start.
    """

    file: str
    line: int
    column: int
    message: str
    instead: str
    severity: Severity = "error"

    def __str__(self) -> str:
        kind = "warning: " if self.severity == "warning" else ""
        tail = f"; {self.instead}" if self.instead else ""
        return f"{self.file}:{self.line}:{self.column}: {kind}{self.message}{tail}"


class MistakesError(ConfigurationError):
    """A site file, or a profile's, has mistakes.

    Attributes:
        problems: All of them, warnings too, in the order of the file.
    """

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        errors = [problem for problem in self.problems if problem.severity == "error"]
        noun = "mistake" if len(errors) == 1 else "mistakes"
        super().__init__(f"cannot use {file}: {len(errors)} {noun}", f"first: {errors[0]}" if errors else "")


def nearest(word: str, known: Sequence[str]) -> str:
    """The known word that `word` was probably meant to be; "" when none is near.

    Transpositions, insertions, deletions and replacements count one each; about one in three characters may
    be wrong.
    """
    most = max(1, len(word) // 3)
    best = min(known, key=lambda name: (OSA.distance(word.casefold(), name.casefold()), name), default="")
    return best if best and OSA.distance(word.casefold(), best.casefold()) <= most else ""


def did_you_mean(word: str, known: Sequence[str], noun: str = "") -> str:
    """Advice on an unknown word: the nearest name and what is allowed."""
    near = nearest(word, known)
    allowed = f"allowed are {', '.join(known)}" if known else f"no {noun or 'name'} is defined"
    return f"did you mean {near}? {allowed}" if near else allowed
