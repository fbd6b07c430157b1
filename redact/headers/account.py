"""An account of a cleaning: what was done to each element, and which rule says so. No values.

The cleaner takes it down as it decides, where somebody asks; nothing here decides anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.dataset import Dataset

from redact.headers.place import Place, Result
from redact.headers.rules import Decision, Handling
from redact.headers.site_rules import SiteRule


@dataclass(frozen=True, slots=True)
class Treatment:
    """What was done to one element.

    Attributes:
        path: e.g. `(0040,0275)[0].(0040,0007)`.
        result: None where the element was not there before.
        reason: Which rule says so: of the site, Table E.1-1, an option, or the VR.
        rule: The site's rule, where one decided.
    """

    path: str
    tag: int
    result: Result | None
    reason: str
    rule: SiteRule | None = None


class Account:
    """What was done to one object, by element path; what is said last of an element counts."""

    def __init__(self) -> None:
        self._treatments: dict[str, Treatment] = {}

    @property
    def treatments(self) -> tuple[Treatment, ...]:
        """In the order in which the elements were met."""
        return tuple(self._treatments.values())

    def element(self, place: Place, decision: Decision, result: Result, reason: str = "") -> None:
        """Take down one element; where the reason is not given, it is the decision's."""
        name = place.name
        reason = reason or reason_of(place, decision, result)
        self._treatments[name] = Treatment(name, place.tag, result, reason, decision.site)

    def item(self, path: str, tag: int, reason: str) -> None:
        """Take down that a content item went, with all that was said of its elements.

        Args:
            path: Of the item, ends with a point.
            tag: Of its sequence.
            reason: In words.
        """
        name = path.removesuffix(".")
        self._treatments = {one: said for one, said in self._treatments.items() if not one.startswith(path)}
        self._treatments[name] = Treatment(name, tag, Result.REMOVED, reason)

    def written(self, ds: Dataset, tags: Iterable[int], reason: str) -> None:
        """Take down what is about to be written into the data set itself, whatever stood there."""
        for tag in tags:
            name = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
            was_there = name in self._treatments or tag in ds
            result = Result.REPLACED if was_there else None
            self._treatments[name] = Treatment(name, tag, result, reason)


def reason_of(place: Place, decision: Decision, result: Result) -> str:
    """The rule behind what was done, in words."""
    if decision.handling is Handling.PIXELS and place.depth:
        return "pixels below the top level"
    reason = rule_behind(decision, place.vr)
    if decision.handling is Handling.OWN and result is not Result.KEPT:
        return f"not the patient's own: Table E.1-1 {decision.base}"
    retains = decision.option and decision.handling not in {Handling.DROP, Handling.UNLISTED}
    left_nothing = retains and result in {Result.REMOVED, Result.EMPTIED}
    return f"{reason}, nothing left: Table E.1-1 {decision.base}" if left_nothing else reason


def rule_behind(decision: Decision, vr: str) -> str:
    """The rule behind a decision, in words: the site's, a cell of the table, an option, or the VR."""
    if decision.site is not None:
        return rule_name(decision.site)
    option = f"option {decision.option}" if decision.option else ""
    match decision.handling:
        case Handling.UNLISTED:
            return f"not listed: VR {vr}" + (f", {option}" if option else "")
        case Handling.PIXELS:
            return "pixel data"
        case Handling.OWN:
            return "identity: retained"
        case Handling.PRIVATE:
            return f"Table E.1-1 {decision.base}: private"
        case Handling.DROP:
            return f"Table E.1-1 {decision.base}" if decision.base else "no place in an object"
        case _:
            return option or f"Table E.1-1 {decision.base}"


def rule_name(rule: SiteRule) -> str:
    """A site's rule by its number and line."""
    return f"site rule {rule.number}" + (f" (line {rule.line})" if rule.line else "")
