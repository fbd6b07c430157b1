"""A site's own rules: what they are, and which of them no profile may hold."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydicom.config import RAISE
from pydicom.valuerep import validate_value

from redact.headers.conditions import Condition, exclusive
from redact.headers.elements import ASCII_VRS, TEXT_VRS
from redact.headers.selectors import (
    PathSelector,
    PrivateSelector,
    Selector,
    TagSelector,
    VrSelector,
    overlap,
    vr_by_dictionary,
)

Objection = tuple[str, str]  # what is wrong, what to write instead

WRITABLE_VRS = TEXT_VRS | ASCII_VRS | {"PN"}
_LINES_VRS = frozenset({"LT", "ST", "UT"})
HASHABLE_VRS = TEXT_VRS | {"PN", "AE", "CS", "DS", "IS", "UI", "UR"}
DATED_VRS = frozenset({"DA", "DT"})
# Values that a private element may have and stay: numbers and words that can be searched for identifiers.
PLAIN_PRIVATE_VRS = frozenset(
    {"US", "SS", "UL", "SL", "FL", "FD", "OF", "OD", "AT", "DS", "IS", "CS", "SH", "LO", "ST", "LT"}
)
LONGEST_VALUE = 1024
_DRAWN = frozenset({0x50, 0x60})  # curves and overlays, by the high byte of the group: they always go whole
_UNREACHED = frozenset({0xFFFA, 0xFFFC})  # signatures, which no longer hold, and padding
# What the cleaner itself writes, what says how to read the rest, and what other rooms answer for.
_RESERVED = frozenset(
    {
        0x00080005,  # SpecificCharacterSet
        0x00080016,  # SOPClassUID
        0x00080018,  # SOPInstanceUID
        0x0020000D,  # StudyInstanceUID
        0x0020000E,  # SeriesInstanceUID
        0x00100010,  # PatientName
        0x00100020,  # PatientID
        0x00120062,  # PatientIdentityRemoved
        0x00120063,  # DeidentificationMethod
        0x00120064,  # DeidentificationMethodCodeSequence
        0x00280002,  # SamplesPerPixel
        0x00280004,  # PhotometricInterpretation
        0x00280006,  # PlanarConfiguration
        0x00280008,  # NumberOfFrames
        0x00280010,  # Rows
        0x00280011,  # Columns
        0x00280100,  # BitsAllocated
        0x00280101,  # BitsStored
        0x00280102,  # HighBit
        0x00280103,  # PixelRepresentation
        0x00280301,  # BurnedInAnnotation
        0x00280303,  # LongitudinalTemporalInformationModified
        0x00420011,  # EncapsulatedDocument
        0x00686300,  # HPGLDocument
        0x7FE00008,  # FloatPixelData
        0x7FE00009,  # DoubleFloatPixelData
        0x7FE00010,  # PixelData
    }
)


class RuleAction(StrEnum):
    """What a site's own rule does to an element, before the table is asked."""

    KEEP = "keep"  # after the identifiers harvested from the study were struck out of it
    REMOVE = "remove"
    EMPTY = "empty"
    REPLACE = "replace"
    HASH = "hash"  # a value that only the key of the pseudonym domain can make, the same for the same value
    SHIFT = "shift"  # a date, as 113107 does it
    YEAR = "year"  # a date reduced to its year


_VRS_OF: dict[RuleAction, frozenset[str]] = {
    RuleAction.REPLACE: WRITABLE_VRS,
    RuleAction.HASH: HASHABLE_VRS,
    RuleAction.SHIFT: DATED_VRS,
    RuleAction.YEAR: DATED_VRS,
}
_ADVICE = {
    RuleAction.REPLACE: "use keep, empty or remove",
    RuleAction.HASH: "hash takes text, codes, UIDs, DS and IS; dates are shifted",
    RuleAction.SHIFT: "shift takes DA and DT",
    RuleAction.YEAR: "year takes DA and DT",
}
_UNREACHABLE = ("no rule reaches this element: Lockgate answers for it itself", "leave the rule out")


@dataclass(frozen=True, slots=True)
class SiteRule:
    """One rule of a site.

    Attributes:
        value: New value of `replace`, else "".
        when: Condition on the object; None always holds.
        number: Its place in the profile, from 1; 0 where it comes from no file.
        line: In the profile's file; 0 where it comes from no file.
    """

    selector: Selector
    action: RuleAction
    value: str = ""
    when: Condition | None = None
    number: int = 0
    line: int = 0

    @property
    def rank(self) -> tuple[int, int, int]:
        """How specific it is; a condition makes a rule more specific than the same one without."""
        return (*self.selector.rank, int(self.when is not None))

    def canonical(self) -> list[object]:
        """The same for rules that do the same; numbers and lines do not count."""
        form: list[object] = [self.selector.canonical(), self.action.value, self.value]
        return form if self.when is None else [*form, self.when.canonical()]

    def __str__(self) -> str:
        said = f"{self.action} {self.selector}"
        if self.action is RuleAction.REPLACE:
            said += f" by {self.value!r}"
        return said if self.when is None else f"{said} when {self.when}"


def is_reserved(tag: int) -> bool:
    """Whether no rule of a site reaches this public tag, at any depth."""
    group = tag >> 16
    return (
        tag in _RESERVED or group >> 8 in _DRAWN or group in _UNREACHED or group < 0x0008 or not tag & 0xFFFF
    )


def is_legal(vr: str, value: str) -> bool:
    """Whether text is a value of this VR (PS3.5 6.2), in characters that every character set has."""
    if vr not in WRITABLE_VRS or not value.isascii() or not (value.isprintable() or vr in _LINES_VRS):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            validate_value(vr, value, RAISE)
    except (ValueError, UserWarning):
        return False
    return True


def objections(rule: SiteRule) -> Iterator[Objection]:
    """What is wrong with one rule, whatever else the profile says."""
    if (rule.action is RuleAction.REPLACE) != bool(rule.value):
        yield "value is for replace, and replace needs one", "write value: text, or another action"
    elif len(rule.value) > LONGEST_VALUE:
        yield f"the value has more than {LONGEST_VALUE} characters", "shorten it"
    if isinstance(rule.selector, PrivateSelector):
        yield from _private(rule, rule.selector)
    elif isinstance(rule.selector, VrSelector):
        for vr in sorted(rule.selector.vrs):
            yield from _by_vr(rule, vr)
    elif (tag := _only_tag(rule.selector)) is not None:
        yield from _by_tag(rule, tag)
    elif isinstance(rule.selector, TagSelector) and _only_drawn(rule.selector):
        yield _UNREACHABLE


def conflicts(rules: Sequence[SiteRule]) -> Iterator[tuple[SiteRule, SiteRule]]:
    """Pairs of rules of the same rank that can select the same element of one object, the later one last."""
    for place, later in enumerate(rules):
        for earlier in rules[:place]:
            if later.rank == earlier.rank and overlap(earlier.selector, later.selector):
                if earlier.when and later.when and exclusive(earlier.when, later.when):
                    continue
                yield earlier, later


def names_dates(rule: SiteRule) -> bool:
    """Whether a rule speaks of dates: one by its tag, or their VRs."""
    if isinstance(rule.selector, VrSelector):
        return not DATED_VRS.isdisjoint(rule.selector.vrs)
    tag = _only_tag(rule.selector)
    return tag is not None and vr_by_dictionary(tag) in DATED_VRS


def _only_tag(selector: Selector) -> int | None:
    if isinstance(selector, PathSelector):
        return selector.steps[-1]
    return selector.tag if isinstance(selector, TagSelector) and selector.exact else None


def _only_drawn(selector: TagSelector) -> bool:
    return selector.mask >> 24 == 0xFF and selector.tag >> 24 in _DRAWN


def _by_tag(rule: SiteRule, tag: int) -> Iterator[Objection]:
    if is_reserved(tag):
        yield _UNREACHABLE
        return
    vr = vr_by_dictionary(tag)
    if vr != "UN":
        yield from _by_vr(rule, vr)


def _by_vr(rule: SiteRule, vr: str) -> Iterator[Objection]:
    allowed = _VRS_OF.get(rule.action)
    if allowed is not None and vr not in allowed:
        yield f"{rule.action} cannot be done to VR {vr}", _ADVICE[rule.action]
    elif rule.action is RuleAction.REPLACE and not is_legal(vr, rule.value):
        yield f"the value is none of VR {vr}", "ASCII characters in the form and length of PS3.5 table 6.2-1"
    elif rule.action is RuleAction.KEEP and vr == "UN":
        yield "what has no known VR cannot be kept: nobody can read it", "use remove"


def _private(rule: SiteRule, selector: PrivateSelector) -> Iterator[Objection]:
    if rule.action in {RuleAction.SHIFT, RuleAction.YEAR}:
        yield "private dates are not known as such", "use remove"
    if selector.vr and selector.vr not in PLAIN_PRIVATE_VRS:
        yield (
            f"a private element of VR {selector.vr} never stays",
            f"of plain VRs it may: {', '.join(sorted(PLAIN_PRIVATE_VRS))}",
        )
    if selector.vr and selector.element is None:
        yield "vr is said of a whole creator", "name the element that has it"
