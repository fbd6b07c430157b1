"""What a profile promises: the proof is relative to it.

Everything that is not said to remain here must be gone. The proof states its expectations from the profile
and the pseudonymiser, never from what the cleaner says it did.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exchange.domain.identifiers import IdentifierKind
from redact.headers._generated.confidentiality import OPTION_COLUMNS, ROWS
from redact.headers.profile import Option
from redact.identifiers.pseudonymiser import Pseudonymiser

Kinds = frozenset[IdentifierKind]

_INSTITUTION = frozenset({IdentifierKind.INSTITUTION, IdentifierKind.ADDRESS, IdentifierKind.OTHER})
_DEVICE = frozenset({IdentifierKind.NUMBER, IdentifierKind.OTHER, IdentifierKind.DATE, IdentifierKind.UID})
# Columns of PS3.15 Table E.1-1 that keep (K) an element, and what kinds of identifier that element may then
# hold.
_KEPT_BY_OPTION: Mapping[Option, tuple[str, Kinds]] = {
    Option.RETAIN_INSTITUTION_IDENTITY: ("rtnInstIdOpt", _INSTITUTION),
    Option.RETAIN_DEVICE_IDENTITY: ("rtnDevIdOpt", _DEVICE),
    Option.RETAIN_FULL_DATES: ("rtnLongFullDatesOpt", frozenset({IdentifierKind.DATE})),
    Option.RETAIN_UIDS: ("rtnUIDsOpt", frozenset({IdentifierKind.UID})),
}


@dataclass(frozen=True)
class Expectations:
    """What may be found in a cleaned instance.

    Attributes:
        options: Codes of the options of PS3.15 Annex E that the profile has on.
        pseudonymiser: Gives the expected UIDs and the patient's date shift.
        may_remain: By tag, the kinds of identifiers that may stand there at any depth.
    """

    options: frozenset[str]
    pseudonymiser: Pseudonymiser
    may_remain: Mapping[int, Kinds] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        options: frozenset[Option],
        pseudonymiser: Pseudonymiser,
        may_remain: Mapping[int, Kinds] | None = None,
    ) -> "Expectations":
        """The expectations of a profile's options, plus what a site's own rules let remain."""
        allowed = dict(may_remain or {})
        for option, (column, kinds) in _KEPT_BY_OPTION.items():
            if option in options:
                cell = OPTION_COLUMNS.index(column)
                for tag, (_, cells) in ROWS.items():
                    if cells[cell] == "K":
                        allowed[tag] = allowed.get(tag, frozenset()) | kinds
        return cls(frozenset(options), pseudonymiser, allowed)

    def allows(self, tag: int, kinds: Kinds) -> bool:
        """Whether identifiers of all these kinds may stand in this element."""
        if IdentifierKind.UID in kinds and Option.RETAIN_UIDS in self.options:
            kinds = kinds - {IdentifierKind.UID}
        return kinds <= self.may_remain.get(tag, frozenset())

    @property
    def shifts_dates(self) -> bool:
        """Whether every original date must be gone."""
        return Option.RETAIN_FULL_DATES not in self.options

    @property
    def private_allowed(self) -> bool:
        """Whether private elements may be there at all."""
        return Option.RETAIN_SAFE_PRIVATE in self.options
