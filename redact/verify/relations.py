"""The content tree after cleaning against the original's: no identity left by name, no relation lost.

Items may have gone from the ends of their sequences, and only such as Table E.3.4-1 of PS3.15 lets go; those
that stayed stand where they stood. Each is compared with its original: it has a value where it had one; what
a concept name says to be identifying is another value now; UIDs are the mapped ones; and what a by-reference
relationship names is still there.
"""

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.headers.profile import Option
from redact.identifiers.pseudonymiser import is_placeholder
from redact.identifiers.uids import is_standard_uid
from redact.structured.concepts import is_subject, listed_base, row_of
from redact.verify import content
from redact.verify.content import VALUE_TYPE_OF, ContentNotes, ItemFacts, in_tree, item_path
from redact.verify.dates import DUMMY_DAY
from redact.verify.expectations import Expectations

_REFERENCES = frozenset({"UIDREF", "IMAGE", "COMPOSITE", "WAVEFORM"})
_STANDARD_TYPES = """
TEXT NUM CODE DATE TIME DATETIME UIDREF PNAME COMPOSITE IMAGE WAVEFORM SCOORD SCOORD3D TCOORD CONTAINER TABLE
"""
_VALUE_TYPES = frozenset(_STANDARD_TYPES.split())
_UNKNOWN = "SCT 261665006"


def check_content(
    before: ContentNotes,
    after: ContentNotes,
    expectations: Expectations,
    own: frozenset[str] = frozenset(),
) -> None:
    """Compare the content items of one object before and after.

    Args:
        before: Of the original.
        after: Of the cleaned file.
        expectations: What the profile lets remain.
        own: The patient's own name and id, where the profile retains identity: items may repeat them.

    Raises:
        HeldError: PROOF_IDENTIFIER or PROOF_IOD with the path of an item that is wrong.
    """
    check = _Check(before, after, expectations, own)
    for path, item in before.items.items():
        check.item(path, item)
    for path in after.items:
        if in_tree(path) and path not in before.items:
            raise _worse(path, "a content item stands where the original had none")
    for path, uid in after.relations.items():
        check.uid(path, before.relations.get(path, ""), uid)


class _Check:
    def __init__(
        self,
        before: ContentNotes,
        after: ContentNotes,
        expectations: Expectations,
        own: frozenset[str],
    ) -> None:
        self._before, self._after = before, after
        self._expectations = expectations
        self._own = own

    def item(self, path: str, old: ItemFacts) -> None:
        """One item of the original: it went and might, or it is there and says nothing that it must not."""
        new = self._after.items.get(path)
        if new is None:
            self._gone(path, old)
            return
        if in_tree(path) and not _is_same(old, new):
            raise _worse(path, "a content item stands where the original had another")
        for tag, value_type in VALUE_TYPE_OF.items():
            self._value(path, old, new, (tag, value_type))
        if new.reference is not None and not self._resolves(new.reference):
            raise _worse(path, "a by-reference relationship names an item that is gone")

    def _gone(self, path: str, item: ItemFacts) -> None:
        parent = path.rpartition(".")[0]
        if not in_tree(path) or (parent and parent not in self._after.items):
            return  # judged by what holds it
        row = row_of(item.concept, item.value_type)
        may_go = row is not None and row.base == "X" and item.value_type not in _REFERENCES
        if not may_go and listed_base(item.concept) != "X":
            raise _worse(path, "a content item is gone that had to stay")

    def _value(self, path: str, old: ItemFacts, new: ItemFacts, kind: tuple[int, str]) -> None:
        tag, value_type = kind
        before, after = old.value(tag), new.value(tag)
        if before and not after and tag != content.NUMBER:
            raise _worse(path, "a content item has lost its value")
        if not before or not after:
            return
        row = row_of(old.concept, value_type)
        if row is not None and self._expectations.kept_by_row(row):
            return
        if value_type == "UIDREF":
            self.uid(path, before, after)
        elif before.strip(" ^=") in self._own and is_subject(old.concept):
            return
        elif before == after and _must_change(old, value_type) and not _says_nothing(before):
            raise _left(path, "a content item under an identifying name has its value still")

    def _resolves(self, reference: tuple[int, ...]) -> bool:
        target = item_path(reference)
        return target in self._after.items or target not in self._before.items

    def uid(self, path: str, before: str, after: str) -> None:
        """A UID is the mapped one, where UIDs are mapped."""
        if not before or not after or is_standard_uid(before):
            return
        mapped = Option.RETAIN_UIDS not in self._expectations.options
        if mapped and after != self._expectations.pseudonymiser.uid(before):
            raise _left(path, "a UID is not the mapped one")


def _is_same(old: ItemFacts, new: ItemFacts) -> bool:
    """Whether one item is the cleaned other: by name, type and what it refers to."""
    same_type = old.value_type == new.value_type or old.value_type not in _VALUE_TYPES
    return same_type and old.concept == new.concept and old.reference == new.reference


def _must_change(item: ItemFacts, value_type: str) -> bool:
    row = row_of(item.concept, value_type)
    if row is None:
        return value_type == "PNAME" or bool(listed_base(item.concept))
    return not row.cleanable


def _says_nothing(value: str) -> bool:
    return is_placeholder(value) or value == _UNKNOWN or value.startswith(DUMMY_DAY)


def _left(path: str, why: str) -> HeldError:
    return HeldError(
        ReasonCode.PROOF_IDENTIFIER,
        f"cannot prove that the content names no one: {why}",
        path,
        "hold the instance and report the defect; a person with the role privacy may look at it",
    )


def _worse(path: str, why: str) -> HeldError:
    return HeldError(
        ReasonCode.PROOF_IOD,
        f"cannot prove that the content is no worse than before: {why}",
        path,
        "hold the instance and report the defect; a person may release it",
    )
