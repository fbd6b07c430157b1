"""One element at its place, what can be done to it, and what one run over a data set remembers."""

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset

from redact.headers.elements import is_code_sequence, put_dummy, put_dummy_code, put_empty
from redact.headers.outcome import HeaderContext
from redact.headers.patient import PatientElements
from redact.headers.profile import Option
from redact.headers.rules import RuleBook
from redact.headers.tables import TypeNode

if TYPE_CHECKING:
    from redact.headers.account import Account


class Result(Enum):
    """What was done to an element; the values are the counters of `ActionCounts`."""

    REMOVED = "removed"
    EMPTIED = "emptied"
    REPLACED = "replaced"
    SHIFTED = "shifted"
    UIDS = "uids"
    KEPT = "kept"
    DESCEND = "descend"  # a sequence that stays: its items are cleaned next


@dataclass(slots=True)
class Run:
    """What one run over one data set needs and remembers."""

    context: HeaderContext
    rules: RuleBook
    patient: PatientElements
    account: "Account | None" = None
    uids: dict[str, str] = field(default_factory=dict, repr=False)
    done: set[Option] = field(default_factory=set)


@dataclass(slots=True)
class Place:
    """An element in a data set or item.

    Attributes:
        vr: As the file or the dictionary gives it.
        base: The Basic Profile's cell for the tag; `X/Z/D` where the table has no row.
        node: Where the data set or item stands in the IOD.
        path: Of the data set or item, ends with a point unless empty.
    """

    ds: Dataset = field(repr=False)
    tag: int
    vr: str
    base: str
    node: TypeNode
    path: str
    depth: int

    @property
    def type(self) -> str:
        """The attribute's Type in the IOD at hand; "" where unknown."""
        return self.node.type_of(self.tag)

    @property
    def name(self) -> str:
        """The element path, for findings and errors."""
        return f"{self.path}({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})"

    def remove(self) -> Result:
        """Take the element out."""
        del self.ds[self.tag]
        return Result.REMOVED

    def empty(self) -> Result:
        """Leave the element without a value."""
        put_empty(self.ds, self.tag, self.vr)
        return Result.EMPTIED

    def dummy(self) -> Result:
        """Put a value that says nothing; sequences other than codes get their items cleaned instead."""
        if self.vr == "SQ":
            if not is_code_sequence(self.ds, self.tag):
                return Result.DESCEND
            put_dummy_code(self.ds, self.tag)
            return Result.REPLACED
        put_dummy(self.ds, self.tag, self.vr)
        return Result.REPLACED

    def dispose(self) -> Result:
        """X, Z or D as the table says, chosen by the attribute's Type where it leaves a choice.

        A single X or Z of the table gives way to what the IOD at hand needs: a required value (Type 1) gets a
        dummy, a required element (Type 2) stays empty. Where the Type is unknown, of the actions that the
        table allows the one is taken that keeps the object valid in any case (PS3.15 E.1.1).
        """
        # An attribute that a known IOD does not have here is an extension (PS3.4 B.2.3), hence Type 3.
        kind = self.type or ("3" if self.node.known else "")
        allowed = self.base.replace("/U*", "").split("/")
        if kind == "1" or allowed == ["D"]:
            return self.dummy()
        if kind == "2":
            return self.empty()
        if allowed == ["X"]:
            return self.remove()
        if kind == "3" and "X" in allowed:
            return self.remove()
        if kind in {"1C", ""} and "D" in allowed:
            return self.dummy()
        return self.empty() if "Z" in allowed else self.remove()
