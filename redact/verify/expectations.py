"""What a profile promises: the proof is relative to it.

Everything that is not said to remain here must be gone. The proof states its expectations from the profile
and the pseudonymiser, never from what the cleaner says it did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exchange.domain.identifiers import IdentifierKind
from redact.headers._generated import safe_private
from redact.headers._generated.confidentiality import OPTION_COLUMNS, ROWS
from redact.headers.profile import Option
from redact.headers.selectors import PrivateSelector
from redact.headers.site_rules import RuleAction, SiteRule
from redact.identifiers.pseudonymiser import Pseudonymiser
from redact.structured.concepts import Concept, Row, row_of

Kinds = frozenset[IdentifierKind]

_INSTITUTION = frozenset({IdentifierKind.INSTITUTION, IdentifierKind.ADDRESS, IdentifierKind.OTHER})
_DATE = frozenset({IdentifierKind.DATE})
# What a private element may be encoded as; UN stands for what implicit VR leaves open.
_PRIVATE_VRS = frozenset(
    {"AT", "CS", "DS", "FD", "FL", "IS", "LO", "LT", "OD", "OF", "SH", "SL", "SS", "ST", "UL", "UN", "US"}
)
_DEVICE = frozenset({IdentifierKind.NUMBER, IdentifierKind.OTHER, IdentifierKind.DATE, IdentifierKind.UID})
# Columns of PS3.15 Table E.1-1 that keep (K) an element, and what kinds of identifier that element may then
# hold.
_KEPT_BY_OPTION: Mapping[Option, tuple[str, Kinds]] = {
    Option.RETAIN_INSTITUTION_IDENTITY: ("rtnInstIdOpt", _INSTITUTION),
    Option.RETAIN_DEVICE_IDENTITY: ("rtnDevIdOpt", _DEVICE),
    Option.RETAIN_FULL_DATES: ("rtnLongFullDatesOpt", _DATE),
    Option.RETAIN_UIDS: ("rtnUIDsOpt", frozenset({IdentifierKind.UID})),
}
# The same for content items: letters of the rows of PS3.15 Table E.3.4-1.
_KEPT_IN_ITEMS: Mapping[str, tuple[Option, Kinds]] = {
    "U": (Option.RETAIN_UIDS, frozenset({IdentifierKind.UID})),
    "D": (Option.RETAIN_DEVICE_IDENTITY, _DEVICE),
    "I": (Option.RETAIN_INSTITUTION_IDENTITY, _INSTITUTION),
    "P": (Option.RETAIN_PATIENT_CHARACTERISTICS, frozenset()),
}


@dataclass(frozen=True)
class Expectations:
    """What may be found in a cleaned instance.

    Attributes:
        options: Codes of the options of PS3.15 Annex E that the profile has on.
        pseudonymiser: Gives the expected UIDs and the patient's date shift.
        may_remain: By tag, the kinds of identifiers that may stand there at any depth.
        rules: The site's own. The proof asks of each only which tags it can reach, not where, nor whether its
            condition holds: that would be the cleaner's reading of the profile once more.
        retained: Whether the patient's identity stays (`redact.verify.retained`).
    """

    options: frozenset[str]
    pseudonymiser: Pseudonymiser
    may_remain: Mapping[int, Kinds] = field(default_factory=dict)
    rules: tuple[SiteRule, ...] = ()
    retained: bool = False

    @classmethod
    def of(
        cls,
        options: frozenset[Option],
        pseudonymiser: Pseudonymiser,
        may_remain: Mapping[int, Kinds] | None = None,
        rules: Sequence[SiteRule] = (),
        *,
        retained: bool = False,
    ) -> "Expectations":
        """The expectations of a profile's options and rules, plus what else is let remain."""
        allowed = dict(may_remain or {})
        for option, (column, kinds) in _KEPT_BY_OPTION.items():
            if option in options:
                cell = OPTION_COLUMNS.index(column)
                for tag, (_, cells) in ROWS.items():
                    if cells[cell] == "K":
                        allowed[tag] = allowed.get(tag, frozenset()) | kinds
        return cls(frozenset(options), pseudonymiser, allowed, tuple(rules), retained)

    def allows(self, tag: int, kinds: Kinds) -> bool:
        """Whether identifiers of all these kinds may stand in this element."""
        if IdentifierKind.UID in kinds and Option.RETAIN_UIDS in self.options:
            kinds = kinds - {IdentifierKind.UID}
        if kinds == _DATE and self.years(tag):
            return True  # 1 January may be a day of the original, too; `check_dates` looks at each
        return kinds <= self.may_remain.get(tag, frozenset())

    def kept_by_row(self, row: Row) -> bool:
        """Whether an option keeps the values of this row's content items."""
        return any(
            letter in row.options and option in self.options for letter, (option, _) in _KEPT_IN_ITEMS.items()
        )

    def allows_in_item(self, concept: Concept, value_type: str, kinds: Kinds) -> bool:
        """Whether identifiers of all these kinds may stand in a content item's value."""
        row = row_of(concept, value_type)
        if row is None:
            return False
        kept: set[IdentifierKind] = set()
        for letter, (option, telling) in _KEPT_IN_ITEMS.items():
            if letter in row.options and option in self.options:
                kept |= telling
        return kinds <= kept

    @property
    def shifts_dates(self) -> bool:
        """Whether every original date must be gone."""
        return Option.RETAIN_FULL_DATES not in self.options

    @property
    def keeps_dates(self) -> bool:
        """Whether dates stay at all, moved or not."""
        return not {Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES}.isdisjoint(self.options)

    def years(self, tag: int) -> bool:
        """Whether a rule may have reduced the dates of this tag to their years."""
        return any(rule.action is RuleAction.YEAR and rule.selector.may_select(tag) for rule in self.rules)

    def constants(self, tag: int) -> frozenset[str]:
        """Values that a rule may have put into elements of this tag."""
        return frozenset(
            rule.value
            for rule in self.rules
            if rule.action is RuleAction.REPLACE and rule.selector.may_select(tag)
        )

    def private_allowed(self, creator: str, tag: int, vr: str) -> bool:
        """Whether this private element may be there: the standard calls it safe, or a rule keeps it.

        Args:
            creator: Of its block, "" where there is none.
            tag: Its tag.
            vr: As encoded.
        """
        if not creator or vr not in _PRIVATE_VRS:
            return False
        safe = (creator, tag >> 16, tag & 0xFF) in safe_private.ROWS
        if safe and Option.RETAIN_SAFE_PRIVATE in self.options:
            return True
        return any(
            isinstance(rule.selector, PrivateSelector) and rule.selector.selects_private(creator, tag)
            for rule in self.rules
            if rule.action is not RuleAction.REMOVE
        )
