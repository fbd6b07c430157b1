"""De-identification profiles: options of PS3.15 Annex E plus a site's own rules.

A profile is data (`config/profiles/*.yaml`); `agent.config.profiles` reads it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from json import dumps
from typing import Literal

from redact.headers.site_rules import Objection, RuleAction, SiteRule, conflicts, names_dates, objections
from redact.pixels.rules import PixelRules

BASIC_PROFILE_CODE = "113100"


class Option(StrEnum):
    """Options of PS3.15 Annex E by their code in CID 7050 (scheme DCM)."""

    CLEAN_PIXEL_DATA = "113101"
    CLEAN_RECOGNIZABLE_VISUAL_FEATURES = "113102"
    CLEAN_GRAPHICS = "113103"
    CLEAN_STRUCTURED_CONTENT = "113104"
    CLEAN_DESCRIPTORS = "113105"
    RETAIN_FULL_DATES = "113106"
    RETAIN_MODIFIED_DATES = "113107"
    RETAIN_PATIENT_CHARACTERISTICS = "113108"
    RETAIN_DEVICE_IDENTITY = "113109"
    RETAIN_UIDS = "113110"
    RETAIN_SAFE_PRIVATE = "113111"
    RETAIN_INSTITUTION_IDENTITY = "113112"


CODE_MEANINGS: Mapping[str, str] = {
    "113100": "Basic Application Confidentiality Profile",
    "113101": "Clean Pixel Data Option",
    "113102": "Clean Recognizable Visual Features Option",
    "113103": "Clean Graphics Option",
    "113104": "Clean Structured Content Option",
    "113105": "Clean Descriptors Option",
    "113106": "Retain Longitudinal Temporal Information Full Dates Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113109": "Retain Device Identity Option",
    "113110": "Retain UIDs Option",
    "113111": "Retain Safe Private Option",
    "113112": "Retain Institution Identity Option",
}


class Documents(StrEnum):
    """What becomes of encapsulated documents (PS3.3 A.45)."""

    HOLD = "hold"  # they wait for a person, unread
    REBUILD = "rebuild"  # PDF and CDA are written anew from their cleaned words; models are held


@dataclass(frozen=True, slots=True)
class NameRecognition:
    """That a recogniser reads free text, and takes names from it that the vocabulary lets stay.

    Attributes:
        recogniser: Its name as it is installed.
        threshold: The least confidence, 0 to 1, at which what it finds counts as a name.
        sha256: What must decide its answers, by digest; "" where any version will do.
        model: Folder of its model, "" where it has none of its own. No part of the profile's digest: what
            lies there is pinned by `sha256`.
    """

    recogniser: str
    threshold: float
    sha256: str = ""
    model: str = ""


IDENTITY: Mapping[int, str] = {
    0x00080050: "SH",  # AccessionNumber
    0x00100010: "PN",  # PatientName
    0x00100020: "LO",  # PatientID
    0x00100021: "LO",  # IssuerOfPatientID
    0x00100030: "DA",  # PatientBirthDate
    0x00100040: "CS",  # PatientSex
}
"""What a profile with `identity: retained` keeps to the byte, with its VR; of items what repeats it."""

_DATE_OPTIONS = frozenset({Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES})
_NOT_UNDER_A_NAME = {
    RuleAction.SHIFT: "a moved date would be a false one of a patient whose name stands beside it",
    RuleAction.HASH: "there is no pseudonym domain whose key could make a hash",
}


@dataclass(frozen=True, slots=True)
class Profile:
    """The Basic Profile with these options and rules.

    Attributes:
        profile_id: Name that routes and receipts use.
        options: Options of Annex E that are on.
        rules: The site's own, in the order of the file; `conflicts` of them is empty.
        documents: What becomes of encapsulated documents.
        reason: Why the patient's identity is kept; "" where it is removed.
        names: What looks for names in free text; None where nothing does.
        pixels: What becomes of text in pixels; counts with 113101 only.
    """

    profile_id: str
    options: frozenset[Option]
    rules: tuple[SiteRule, ...] = ()
    documents: Documents = Documents.HOLD
    reason: str = ""
    names: NameRecognition | None = None
    pixels: PixelRules = field(default_factory=PixelRules)

    @property
    def retains_identity(self) -> bool:
        """Whether the object stays its patient's: `IDENTITY` stays, the rest is reduced."""
        return bool(self.reason)

    @property
    def identity(self) -> Literal["removed", "retained"]:
        """As the receipt states it."""
        return "retained" if self.retains_identity else "removed"

    @property
    def sha256(self) -> str:
        """Digest of the canonical form: the same options and rules give the same digest in any order."""
        form: dict[str, object] = {
            "profile": self.profile_id,
            "options": sorted(self.options),
            "rules": sorted((rule.canonical() for rule in self.rules), key=dumps),
        }
        if self.documents is not Documents.HOLD:  # profiles that do not name it keep their digest
            form["documents"] = self.documents.value
        if self.retains_identity:
            form["identity"], form["reason"] = "retained", self.reason
        if self.names is not None:
            wanted = self.names
            form["names"] = [wanted.recogniser, repr(float(wanted.threshold)), wanted.sha256]
        if self.pixels != PixelRules():
            form["pixels"] = self.pixels.canonical()
        return sha256(dumps(form, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def moves_dates(self) -> bool:
        """Whether dates remain that are not the original ones: moved, or reduced to their year."""
        moving = {RuleAction.SHIFT, RuleAction.YEAR}
        return Option.RETAIN_MODIFIED_DATES in self.options or any(
            rule.action in moving for rule in self.rules
        )


def documents_objection(
    documents: Documents, options: Collection[Option], *, retained: bool = False
) -> Objection | None:
    """What is wrong with rebuilding documents under these options, if anything."""
    if documents is Documents.REBUILD and retained:
        return (
            "rebuild with identity: retained: a document would lose the identity that the rest keeps",
            "write hold",
        )
    if documents is Documents.REBUILD and Option.CLEAN_DESCRIPTORS not in options:
        return (
            "rebuild keeps words of documents, and without 113105 (Clean Descriptors) no words stay",
            "add 113105 to the options, or write hold",
        )
    return None


def objections_to(
    options: Collection[Option], rules: Sequence[SiteRule], *, retained: bool = False
) -> Iterator[tuple[SiteRule | None, Objection]]:
    """What is wrong with a profile as a whole; None stands for its options."""
    if retained:
        yield from _objections_to_retained(options, rules)
    if {Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES} <= set(options):
        yield None, ("113106 (full dates) and 113107 (modified dates) contradict each other", "leave one")
    if Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES in options:
        yield (
            None,
            (
                "113102: no stage of this version cleans recognizable visual features",
                "leave it out, and let no study of heads take this route",
            ),
        )
    dated = _DATE_OPTIONS & set(options)
    for rule in rules:
        if not dated and rule.action is RuleAction.KEEP and names_dates(rule):
            yield rule, ("a date is kept by 113106 only", "use shift or year, or the option 113106 or 113107")
        for objection in objections(rule):
            yield rule, objection
    for earlier, later in conflicts(rules):
        place = f" (line {earlier.line})" if earlier.line else ""
        yield (
            later,
            (
                f"rule {later.number} can select what rule {earlier.number}{place} selects,"
                " and neither is more specific",
                "narrow one, or give both a when: that excludes the other's",
            ),
        )


def _objections_to_retained(
    options: Collection[Option], rules: Sequence[SiteRule]
) -> Iterator[tuple[SiteRule | None, Objection]]:
    """Under a kept identity nothing is given another one: no UID, no date, no hash."""
    if Option.RETAIN_UIDS not in options:
        yield (
            None,
            (
                "identity: retained needs 113110: new UIDs would make a second study of the same patient",
                "add 113110 (Retain UIDs)",
            ),
        )
    if Option.RETAIN_MODIFIED_DATES in options:
        yield (
            None,
            (
                f"113107 (modified dates) with identity: retained: {_NOT_UNDER_A_NAME[RuleAction.SHIFT]}",
                "use 113106, or no date option: then they go",
            ),
        )
    for rule in rules:
        if rule.action in _NOT_UNDER_A_NAME:
            yield (
                rule,
                (
                    f"{rule.action} with identity: retained: {_NOT_UNDER_A_NAME[rule.action]}",
                    "use keep, empty or remove",
                ),
            )
