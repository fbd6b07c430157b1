"""The words of a document, cleaned line by line as free text is, then across the borders of lines.

Lines are cut where the paper ends, not where a name or date does: «12 March» may stand above «1961». So what
is left of a line is read once more together with the lines after it, and what only then tells something goes.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from redact.identifiers.telling import without_telling


@dataclass(frozen=True, slots=True)
class Rule:
    """How free text is judged.

    Attributes:
        clean: What it leaves of a text; what it leaves it leaves again.
        found: Whether a text holds an identifier of the study, or a name.
    """

    clean: Callable[[str], str]
    found: Callable[[str], bool]


_MOST_LETTERS = 2  # that may stand alone, as initials do
_WINDOW = 4  # lines that are read together
_SPACED_LETTERS = re.compile(r"(?<!\S)[^\W\d_](?: [^\W\d_]){2,}(?!\S)")
_SPACED_DIGITS = re.compile(r"(?<!\S)\d(?: \d){4,}(?!\S)")
_SPACE = re.compile(r"\s+")


def plain(text: str) -> str:
    """Text as it reads: compatibility forms resolved, nothing invisible, no word in letters set apart."""
    # Decomposed and invisible characters could hide a name from what searches it.
    seen = "".join(
        " " if unicodedata.category(character).startswith(("Z", "Cc")) else character
        for character in unicodedata.normalize("NFKC", text)
        if unicodedata.category(character) not in {"Cf", "Co", "Cn", "Cs"}
    )
    return _joined(_SPACE.sub(" ", seen).strip())


def _joined(text: str) -> str:
    """Letters that stand apart as the word that they make; so many digits apart are a number, and go."""
    words = _SPACED_LETTERS.sub(lambda match: match[0].replace(" ", ""), text)
    return _SPACED_DIGITS.sub("", words)


def clean_lines(lines: Sequence[str], rule: Rule) -> list[str]:
    """The lines without what could name anyone.

    Args:
        lines: In the order in which they are read.
        rule: How they are judged.

    Returns:
        As many lines. Where lines only together told something, what is left of them stands in the first.
    """
    read = list(_columns_joined([plain(line) for line in lines]))
    cleaned = [
        rule.clean(without_telling(line, before)) for before, line in zip(["", *read], read, strict=False)
    ]
    standing = [number for number, line in enumerate(cleaned) if line]
    at = 0
    while at < len(standing):
        size = _telling_window(cleaned, standing[at : at + _WINDOW], rule)
        if not size:
            at += 1
            continue
        window = standing[at : at + size]
        cleaned[window[0]] = _left_of([cleaned[number] for number in window], rule)
        for number in window[1:]:
            cleaned[number] = ""
        standing[at : at + size] = window[:1] if cleaned[window[0]] else []
        at = max(at - _WINDOW + 1, 0)  # what stands before has other neighbours now
    return cleaned


def _columns_joined(lines: Sequence[str]) -> Iterator[str]:
    """The lines; of such as are one letter each, under one another, the word in the first."""
    for is_letter, run in groupby(lines, key=lambda line: len(line) == 1 and line.isalpha()):
        listed = list(run)
        if is_letter and len(listed) > _MOST_LETTERS:
            listed = ["".join(listed), *[""] * (len(listed) - 1)]
        yield from listed


def _telling_window(cleaned: Sequence[str], window: Sequence[int], rule: Rule) -> int:
    """How many of these lines, from the first, tell something together that each alone does not; else 0."""
    lines = [cleaned[number] for number in window]
    together = _left_of(lines, rule)
    if together == " ".join(lines):
        return 0  # as nearly always
    if together == _apart(lines[0], _left_of(lines[1:], rule)):
        return 0  # the first has no part in it; the others are found from their own start
    for size in range(len(lines), 1, -1):
        before = _left_of(lines[: size - 1], rule)
        if together != _apart(before, lines[size - 1]):
            return size
        together = before
    return 0


def _left_of(lines: Sequence[str], rule: Rule) -> str:
    """What is left of lines that are read together; cells of a table are no groups of a telephone number."""
    apart, together = " ".join(lines), ", ".join(lines)
    read = _joined(apart)
    tells = read != apart or rule.found(read) or rule.clean(together) != together
    return rule.clean(read) if tells else apart


def _apart(before: str, after: str) -> str:
    return f"{before} {after}".strip()
