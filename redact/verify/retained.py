"""The proof where the profile retains the patient's identity: it stays as it was, there and nowhere else.

The patient's own identifiers, of the original's `IDENTITY`, may stand in these elements, in items that repeat
them, and in texts that the profile keeps or cleans; never in an element that it removes. Identifiers of
everybody and everything else are judged as ever.
"""

import re
from collections.abc import Iterator

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import Identifier, IdentifierKind
from redact.headers.profile import IDENTITY, Option
from redact.headers.site_rules import RuleAction
from redact.headers.tables import basic_action, is_curve, is_overlay, option_action
from redact.identifiers.pseudonymiser import is_placeholder
from redact.verify.expectations import Expectations
from redact.verify.inventory import Inventory
from redact.verify.walk import Element, tag_text

_KINDS = {
    0x00080050: IdentifierKind.NUMBER,
    0x00100010: IdentifierKind.PATIENT_NAME,
    0x00100020: IdentifierKind.PATIENT_ID,
    0x00100021: IdentifierKind.NUMBER,
}
_UIDS = (0x00080018, 0x0020000D, 0x0020000E)
_REMOVED_MARK, _METHOD, _METHOD_CODES = 0x00120062, 0x00120063, 0x00120064
_TAG = re.compile(r"\(([0-9A-F]{4}),([0-9A-F]{4})\)")
_NEVER = frozenset({"AE", "PN", "UN", "UR"})
_PERSON_NAME = 0x0040A123  # of a content item: whose, its concept name says


def own_identifiers(before: Inventory) -> Iterator[Identifier]:
    """What names the patient in the original's own identity: whole values, and each part of a name."""
    for tag, kind in _KINDS.items():
        for value in before.values.get(tag, "").split("\\"):
            groups = value.split("=") if kind is IdentifierKind.PATIENT_NAME else [value]
            for group in groups:
                parts = group.split("^") if kind is IdentifierKind.PATIENT_NAME else []
                for part in dict.fromkeys((value, group, *parts)):
                    bare = part.strip(" \0^=")
                    if bare and not is_placeholder(bare):
                        yield Identifier(kind, bare, tag_text(tag))


def own_values(before: Inventory) -> frozenset[str]:
    """The patient's name and id as a content item may repeat them."""
    return frozenset(
        value.strip(" ^=") for tag in (0x00100010, 0x00100020) if (value := before.values.get(tag, ""))
    )


def stays_itself(element: Element, expectations: Expectations) -> bool:
    """Whether whatever stands here is the original's by declaration: the data set's identity, and the UIDs.

    `check_identity` compares the one whole, and the UIDs by which an instance is known. A UID that is
    retained often holds a study's or an order's number, and would be no use without it.
    """
    if not expectations.retained:
        return False
    return element.vr == "UI" or (element.depth == 0 and element.tag in IDENTITY)


def may_name_patient(element: Element, expectations: Expectations) -> bool:
    """Whether the patient's own identifiers may stand in this element, which is none of the identity."""
    if not expectations.retained:
        return False
    *above, tag = [int(group + number, 16) for group, number in _TAG.findall(element.path)]
    if any(basic_action(one) == "X" and not _stays(one, expectations) for one in above):
        return False
    if tag in IDENTITY or tag == _PERSON_NAME:
        return True
    return _kept_by_rule(tag, expectations) if element.vr in _NEVER else _stays(tag, expectations)


def _stays(tag: int, expectations: Expectations) -> bool:
    """Whether the profile keeps or cleans an attribute: Table E.1-1 does not name it, or an option does."""
    if tag >> 16 & 1 or _kept_by_rule(tag, expectations):
        return True  # which private elements stay is another question
    if is_curve(tag) or is_overlay(tag):
        return False
    if not basic_action(tag):
        return True
    return any(option_action(tag, Option(one)) in {"K", "C"} for one in expectations.options)


def _kept_by_rule(tag: int, expectations: Expectations) -> bool:
    return any(
        rule.action is RuleAction.KEEP and rule.selector.may_select(tag) for rule in expectations.rules
    )


def check_identity(before: Inventory, after: Inventory, expectations: Expectations) -> None:
    """The identity and the UIDs are the original's, and nothing claims that they were removed.

    Elements that a rule of the site reaches are judged by the scan alone.

    Raises:
        HeldError: PROOF_IDENTIFIER or PROOF_IOD with the element's path.
    """
    if after.values.get(_REMOVED_MARK) == "YES":
        raise _held(ReasonCode.PROOF_IOD, "PatientIdentityRemoved is YES", _REMOVED_MARK)
    for tag in (_METHOD, _METHOD_CODES):
        if tag_text(tag) in after.present:
            raise _held(ReasonCode.PROOF_IOD, "a method of de-identification is claimed", tag)
    ruled = [rule for rule in expectations.rules if rule.action is not RuleAction.KEEP]
    for tag in IDENTITY:
        if any(rule.selector.may_select(tag) for rule in ruled):
            continue
        if before.values.get(tag, "") != after.values.get(tag, "") or _bytes_differ(before, after, tag):
            raise _held(ReasonCode.PROOF_IDENTIFIER, "the identity is not the original's", tag)
    for tag in _UIDS:
        if before.values.get(tag, "") != after.values.get(tag, ""):
            raise _held(ReasonCode.PROOF_IDENTIFIER, "a UID is not the original's", tag)


def _bytes_differ(before: Inventory, after: Inventory, tag: int) -> bool:
    """Whether the encoded values differ, where both were read as they are encoded."""
    if not before.exact:
        return False
    return before.encoded.get(tag, b"") != after.encoded.get(tag, b"")


def _held(code: ReasonCode, why: str, tag: int) -> HeldError:
    return HeldError(
        code,
        f"cannot prove that the instance is its patient's and nothing else: {why}",
        tag_text(tag),
        "have a person with the role privacy look at it, or correct the profile and clean again",
    )
