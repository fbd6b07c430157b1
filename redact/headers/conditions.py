"""When a site rule holds: tests of the object's own attributes, joined by all, any and not.

A condition is asked once an object, of the data set as it came, before anything is cleaned. Texts are
compared without regard to case and padding; of an attribute with several values one that fits is enough.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from pydicom.datadict import dictionary_VM
from pydicom.dataset import Dataset

from redact.headers.elements import strings, vr_of
from redact.headers.selectors import named

Canonical = list["str | Canonical"]
_MOST_ALTERNATIVES = 256


@dataclass(frozen=True, slots=True)
class IsIn:
    """The attribute has one of these values.

    Attributes:
        values: Folded to lower case.
    """

    tag: int
    values: frozenset[str]

    def holds(self, ds: Dataset) -> bool:
        """Whether it holds for an object."""
        return not self.values.isdisjoint(_values(ds, self.tag))

    def canonical(self) -> Canonical:
        """The same for the same condition, however it was written."""
        return ["in", f"{self.tag:08X}", *sorted(self.values)]

    def __str__(self) -> str:
        return f"{named(self.tag)} is {' or '.join(sorted(self.values))}"


@dataclass(frozen=True, slots=True)
class Matches:
    """Some part of the attribute's value matches a regular expression."""

    tag: int
    pattern: str

    def holds(self, ds: Dataset) -> bool:
        """Whether it holds for an object."""
        return any(map(self.fits, _values(ds, self.tag)))

    def fits(self, value: str) -> bool:
        """Whether one value does."""
        return _compiled(self.pattern).search(value) is not None

    def canonical(self) -> Canonical:
        """The same for the same condition, however it was written."""
        return ["matches", f"{self.tag:08X}", self.pattern]

    def __str__(self) -> str:
        return f"{named(self.tag)} matches {self.pattern}"


@dataclass(frozen=True, slots=True)
class IsPresent:
    """The attribute is there with a value."""

    tag: int

    def holds(self, ds: Dataset) -> bool:
        """Whether it holds for an object."""
        return any(_values(ds, self.tag))

    def canonical(self) -> Canonical:
        """The same for the same condition, however it was written."""
        return ["present", f"{self.tag:08X}"]

    def __str__(self) -> str:
        return f"{named(self.tag)} is present"


@dataclass(frozen=True, slots=True)
class Every:
    """All of these hold."""

    parts: "tuple[Condition, ...]"

    def holds(self, ds: Dataset) -> bool:
        """Whether it holds for an object."""
        return all(part.holds(ds) for part in self.parts)

    def canonical(self) -> Canonical:
        """The same for the same condition, however it was written."""
        return ["all", *sorted((part.canonical() for part in self.parts), key=repr)]

    def __str__(self) -> str:
        return " and ".join(f"({part})" if isinstance(part, Some) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of these holds."""

    parts: "tuple[Condition, ...]"

    def holds(self, ds: Dataset) -> bool:
        """Whether it holds for an object."""
        return any(part.holds(ds) for part in self.parts)

    def canonical(self) -> Canonical:
        """The same for the same condition, however it was written."""
        return ["any", *sorted((part.canonical() for part in self.parts), key=repr)]

    def __str__(self) -> str:
        return " or ".join(f"({part})" if isinstance(part, Every) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Negation:
    """This does not hold."""

    part: "Condition"

    def holds(self, ds: Dataset) -> bool:
        """Whether it holds for an object."""
        return not self.part.holds(ds)

    def canonical(self) -> Canonical:
        """The same for the same condition, however it was written."""
        return ["not", self.part.canonical()]

    def __str__(self) -> str:
        return f"not ({self.part})"


Test = IsIn | Matches | IsPresent
Condition = Test | Every | Some | Negation
_Literal = tuple[Test, bool]  # a test, and whether it must hold


def folded(value: str) -> str:
    """A value as conditions compare it."""
    return value.strip(" \0").casefold()


def exclusive(one: Condition, other: Condition) -> bool:
    """Whether it is certain that both never hold for one object; False where that cannot be shown."""
    left, right = _alternatives(one, wanted=True), _alternatives(other, wanted=True)
    if len(left) * len(right) > _MOST_ALTERNATIVES:
        return False
    return all(_contradictory((*first, *second)) for first in left for second in right)


def _alternatives(condition: Condition, *, wanted: bool) -> list[tuple[_Literal, ...]]:
    """The ways in which it comes out as wanted (disjunctive normal form)."""
    match condition:
        case Negation(part):
            return _alternatives(part, wanted=not wanted)
        case Every(parts) | Some(parts):
            choices = [_alternatives(part, wanted=wanted) for part in parts]
            if isinstance(condition, Some) is wanted:
                return [way for ways in choices for way in ways]
            joined: list[tuple[_Literal, ...]] = [()]
            for ways in choices:
                joined = [(*before, *way) for before in joined for way in ways][: _MOST_ALTERNATIVES + 1]
            return joined
        case _:
            return [((condition, wanted),)]


def _contradictory(literals: tuple[_Literal, ...]) -> bool:
    return any(
        _clash(first, second) or _clash(second, first)
        for index, first in enumerate(literals)
        for second in literals[:index]
    )


def _clash(first: _Literal, second: _Literal) -> bool:
    """Whether a test that must hold rules out what is said of another one on the same attribute."""
    (test, wanted), (other, other_wanted) = first, second
    if not wanted or test.tag != other.tag:
        return False
    if other_wanted:
        # Of an attribute with several values one may fit the one test, another the other.
        return dictionary_VM(test.tag) == "1" and isinstance(test, IsIn) and not _some_fit(test, other)
    if test == other or isinstance(other, IsPresent):
        return True
    return isinstance(test, IsIn) and all(
        _some_fit(IsIn(test.tag, frozenset({one})), other) for one in test.values
    )


def _some_fit(test: IsIn, other: Test) -> bool:
    match other:
        case IsIn():
            return not test.values.isdisjoint(other.values)
        case Matches():
            return any(map(other.fits, test.values))
        case _:
            return True


def _values(ds: Dataset, tag: int) -> list[str]:
    if tag not in ds:
        return []
    return [value for part in strings(ds, tag, vr_of(ds, tag)) if (value := folded(part))]


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
