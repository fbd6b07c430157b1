"""Cleaning content items (113104, PS3.15 E.3.4): what becomes of a value is decided by the concept name.

The walker of `redact.headers.cleaner` asks here for every item with a concept name or a value type. Values
that identify are disposed of as the row of `concepts` says: an item that may be absent goes, another gets a
value that says nothing. All other values are cleaned by their kind: text as a descriptor, dates by the date
options, UIDs mapped, codes and references by the general rules. No value is ever taken out of an item that
stays.

An item goes only from the end of its sequence: what stays, stays in its place, so that by-reference
relationships (0040,DB73) and element paths still name the same items. One that such a relationship names, or
that holds one, stays too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from redact.headers.place import Place, Result, Run
from redact.headers.profile import Option
from redact.headers.site_rules import RuleAction, SiteRule
from redact.structured.concepts import Concept, Row, identifying_base, is_technical, row_of
from redact.structured.items import (
    CONCEPT_NAME,
    CONTENT_SEQUENCE,
    UNFORMATTED_TEXT,
    VALUE_TYPE,
    VALUE_TYPES,
    concept_of,
    is_container,
    position_of,
    referenced_positions,
)
from redact.structured.values import (
    clean_number,
    clean_value,
    dispose_value,
    keep_value,
    map_reference,
    move_date,
    name_maker,
)

# Sequences that may lose items: content trees, and the acquisition context, which may be empty (Type 2).
CONTENT_SEQUENCES = frozenset({CONTENT_SEQUENCE, 0x00400555})
_KEEPING = {
    "U": Option.RETAIN_UIDS,
    "D": Option.RETAIN_DEVICE_IDENTITY,
    "I": Option.RETAIN_INSTITUTION_IDENTITY,
    "P": Option.RETAIN_PATIENT_CHARACTERISTICS,
}
_DATED = frozenset({"DATE", "TIME", "DATETIME"})
# What a site's rule may leave of a value; a value that identifies is disposed of all the same.
_LEAVING = frozenset({RuleAction.KEEP, RuleAction.SHIFT, RuleAction.YEAR})
Handler = Callable[[Run, Place], Result]


@dataclass(frozen=True, slots=True)
class ContentRule:
    """What to do with the value of one content item.

    Attributes:
        reason: Which rule says so, in words.
        identifies: Whether the item's name says that the value identifies, and no option keeps it.
    """

    handler: Handler
    reason: str
    identifies: bool = False


@dataclass(slots=True)
class ContentItem:
    """One content item while it is cleaned.

    Attributes:
        may_leave: Whether taking it out moves nothing and breaks no reference.
        leaves: Why it goes, "" where it stays: set before it is cleaned, or by a value of which nothing was
            left.
    """

    concept: Concept = field(repr=False)
    may_leave: bool
    leaves: str = ""

    def rule(self, tag: int, site: SiteRule | None, run: Run) -> ContentRule | None:
        """What to do with this attribute; None where the general rules do it, or the site's own."""
        value_type = VALUE_TYPES.get(tag)
        if value_type is None:
            return None
        row = row_of(self.concept, value_type)
        rule = self._listed(row, value_type, run) if row else self._unlisted(tag, value_type, run)
        if site is not None and not (rule is not None and rule.identifies and site.action in _LEAVING):
            return None
        return rule

    def _listed(self, row: Row, value_type: str, run: Run) -> ContentRule | None:
        option = _kept_by(row, run)
        if option is not None:
            return ContentRule(_keeping(option), f"Table E.3.4-1, option {option}")
        if value_type == "UIDREF":
            return _general(value_type, run)
        dates = run.rules.date_option
        if value_type in _DATED and "T" in row.options and dates is not None:
            return ContentRule(move_date, f"Table E.3.4-1, option {dates}")
        if value_type == "TEXT" and "C" in row.options and run.rules.on(Option.CLEAN_DESCRIPTORS):
            return ContentRule(self._cleaning(row), f"Table E.3.4-1, option {Option.CLEAN_DESCRIPTORS}")
        return self._disposing(row.base, f"Table E.3.4-1 {row.base}", identifies=not row.cleanable)

    def _unlisted(self, tag: int, value_type: str, run: Run) -> ContentRule | None:
        base = identifying_base(self.concept)
        if base and value_type != "UIDREF":
            return self._disposing(base, "content item: its name says that it identifies", identifies=True)
        if tag == UNFORMATTED_TEXT:
            return None  # has a row of its own in Table E.1-1
        if value_type == "TEXT" and is_technical(self.concept):
            return ContentRule(name_maker, "content item: a maker's name")
        return _general(value_type, run)

    def _disposing(self, base: str, reason: str, *, identifies: bool) -> ContentRule:
        def dispose(run: Run, place: Place) -> Result:
            if base == "X" and self.may_leave:
                self.leaves = reason
                return Result.REMOVED
            return dispose_value(run, place, self.concept)

        return ContentRule(dispose, reason, identifies)

    def _cleaning(self, row: Row) -> Handler:
        """Text of which nothing is left: the item goes if it may, and if nothing hangs on it."""

        def clean(run: Run, place: Place) -> Result:
            result, left = clean_value(run, place)
            if not left and row.base == "X" and self.may_leave and CONTENT_SEQUENCE not in place.ds:
                self.leaves = f"option {Option.CLEAN_DESCRIPTORS}, nothing left: Table E.3.4-1 {row.base}"
            run.done.add(Option.CLEAN_DESCRIPTORS)
            return result

        return clean


class ContentTree:
    """The content items of one object."""

    def __init__(self, ds: Dataset, run: Run) -> None:
        self._run = run
        self._named = referenced_positions(ds) if CONTENT_SEQUENCE in ds else frozenset()

    def item(self, ds: Dataset, path: str, *, last: bool) -> ContentItem | None:
        """The content item that this data set or item is; None if it is none.

        Args:
            ds: The item.
            path: Its path, ends with a point; "" of the data set itself.
            last: Whether every item after it in its sequence has gone.
        """
        if CONCEPT_NAME not in ds and VALUE_TYPE not in ds:
            return None
        item = ContentItem(concept_of(ds) or Concept("", ""), last and not self._is_named(path))
        if item.may_leave and self._goes_whole(ds, item):
            item.leaves = "Table E.3.4-1 X"
        return item

    def _goes_whole(self, ds: Dataset, item: ContentItem) -> bool:
        """A container of identifiers goes with all that is in it."""
        row = row_of(item.concept, "CONTAINER") if is_container(ds) else None
        return row is not None and _kept_by(row, self._run) is None

    def _is_named(self, path: str) -> bool:
        """Whether a by-reference relationship names this item or one below it."""
        position = position_of(path)
        return position is not None and any(named[: len(position)] == position for named in self._named)


def take_out(ds: Dataset, tag: int, count: int) -> None:
    """Take the last items out of a sequence; a content sequence (Type 1C) without any goes whole."""
    if count:
        del ds[tag].value[-count:]
    if tag == CONTENT_SEQUENCE and count and not ds[tag].value:
        del ds[tag]


def _kept_by(row: Row, run: Run) -> Option | None:
    for letter, option in _KEEPING.items():
        if letter in row.options and run.rules.on(option):
            return option
    return None


def _keeping(option: Option) -> Handler:
    def keep(run: Run, place: Place) -> Result:
        run.done.add(option)
        return keep_value(run, place)

    return keep


def _general(value_type: str, run: Run) -> ContentRule | None:
    """What happens to a value under a concept that no row names."""
    handler = _BY_TYPE.get(value_type)
    if handler is None:
        return None
    option = run.rules.date_option if value_type in _DATED else None
    return ContentRule(handler, f"content item: {value_type}" + (f", option {option}" if option else ""))


_BY_TYPE: dict[str, Handler] = {
    "TEXT": lambda run, place: clean_value(run, place)[0],
    "NUM": clean_number,
    "PNAME": lambda run, place: dispose_value(run, place, Concept("", "")),
    "UIDREF": map_reference,
    **dict.fromkeys(_DATED, move_date),
}
