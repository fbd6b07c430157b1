"""What one profile does with each tag, before the object at hand is looked at."""

from dataclasses import dataclass
from enum import Enum, auto
from functools import cache

from pydicom.datadict import dictionary_has_tag, dictionary_is_retired, dictionary_VR

from redact.headers import tables
from redact.headers.profile import Option, Profile, SiteRule

TEXT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
DATE_VRS = frozenset({"DA", "DT", "TM"})
_RETAINING = (
    Option.RETAIN_UIDS,
    Option.RETAIN_DEVICE_IDENTITY,
    Option.RETAIN_INSTITUTION_IDENTITY,
    Option.RETAIN_PATIENT_CHARACTERISTICS,
)
_CLEANING = (
    Option.RETAIN_DEVICE_IDENTITY,
    Option.RETAIN_PATIENT_CHARACTERISTICS,
    Option.CLEAN_DESCRIPTORS,
    Option.CLEAN_STRUCTURED_CONTENT,
    Option.CLEAN_GRAPHICS,
)
_PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_TIMEZONE_OFFSET = 0x00080201


class Handling(Enum):
    """How an element is treated."""

    DROP = auto()  # goes, whatever the IOD says of it
    DISPOSE = auto()  # X, Z or D of the table, chosen by the attribute's type
    MAP_UID = auto()
    SHIFT = auto()
    KEEP_DATE = auto()
    CLEAN = auto()  # descriptor, or the content of a sequence
    KEEP = auto()  # an option retains it; identifiers are struck out of it all the same
    UNLISTED = auto()  # Table E.1-1 has no row; decided by its VR
    PRIVATE = auto()
    PIXELS = auto()  # the pixel room's
    SITE = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to a tag.

    Attributes:
        base: The Basic Profile's cell, which decides what remains when cleaning leaves nothing.
        option: The option that this handling carries out, if one.
    """

    handling: Handling
    base: str = "X/Z/D"
    option: Option | None = None
    site: SiteRule | None = None


_DROP = Decision(Handling.DROP)
_UNLISTED = Decision(Handling.UNLISTED)


class RuleBook:
    """The decisions of one profile by tag; made once a profile."""

    def __init__(self, profile: Profile) -> None:
        self._options = profile.options
        self._site = {rule.tag: rule for rule in profile.rules}
        self._decisions: dict[int, Decision] = {}

    def decision(self, tag: int) -> Decision:
        """What happens to this tag."""
        known = self._decisions.get(tag)
        if known is None:
            known = self._decisions[tag] = self._decide(tag)
        return known

    def on(self, option: Option) -> bool:
        """Whether an option of the profile is on."""
        return option in self._options

    def _decide(self, tag: int) -> Decision:
        if tag in self._site:
            return Decision(Handling.SITE, site=self._site[tag])
        if tag in _PIXEL_TAGS:
            return Decision(Handling.PIXELS)
        if tag >> 16 & 1:
            return Decision(Handling.PRIVATE)
        if tables.is_curve(tag) or tables.is_overlay(tag):
            # Overlay planes and their descriptions go together: a plane without its attributes is no plane,
            # and what a plane draws may be a name.
            return Decision(Handling.DROP, option=Option.CLEAN_GRAPHICS)
        if _is_foreign(tag):
            return _DROP
        base = tables.basic_action(tag)
        return self._listed(tag, base) if base else _UNLISTED

    def _listed(self, tag: int, base: str) -> Decision:
        if tables.option_action(tag, Option.RETAIN_MODIFIED_DATES):
            return self._dated(tag, base)
        for option in _RETAINING:
            if self.on(option) and tables.option_action(tag, option) == "K":
                return Decision(Handling.KEEP, base, option)
        for option in _CLEANING:
            if self.on(option) and tables.option_action(tag, option) == "C":
                return Decision(Handling.CLEAN, base, option)
        return Decision(Handling.MAP_UID if "U" in base else Handling.DISPOSE, base)

    def _dated(self, tag: int, base: str) -> Decision:
        """Rows of dates: a date is kept only by a date option, whatever other option would keep the row."""
        if _vr(tag) not in DATE_VRS and tag != _TIMEZONE_OFFSET:
            return Decision(Handling.DISPOSE, base)  # opaque time stamps cannot be shifted
        if self.on(Option.RETAIN_FULL_DATES):
            return Decision(Handling.KEEP_DATE, base, Option.RETAIN_FULL_DATES)
        if self.on(Option.RETAIN_MODIFIED_DATES):
            return Decision(Handling.SHIFT, base, Option.RETAIN_MODIFIED_DATES)
        return Decision(Handling.DISPOSE, base)


def _is_foreign(tag: int) -> bool:
    """Tags that have no place in a composite object's data set, or that the standard does not know.

    Groups 0000 to 0006 belong to messages, file meta and directories; group 4000 and other retired text that
    Table E.1-1 does not name held reports; group lengths are retired; FFFC is padding.
    """
    group = tag >> 16
    if group < 0x0008 or group in {0x4000, 0xFFFA, 0xFFFC} or not tag & 0xFFFF:
        return True
    if not dictionary_has_tag(tag):
        return not tables.basic_action(tag)
    return dictionary_is_retired(tag) and not tables.basic_action(tag) and _vr(tag) in TEXT_VRS | {"PN", "UN"}


def _vr(tag: int) -> str:
    return dictionary_VR(tag) if dictionary_has_tag(tag) else _NEWER_VRS.get(tag, "UN")


# Dates of rows that are newer than the dictionary.
_NEWER_VRS = {0x0040A034: "DT", 0x0040A035: "DT", 0x0040B034: "DT", 0x0040B036: "DT"}


@cache
def rule_book(profile: Profile) -> RuleBook:
    """The rule book of a profile."""
    return RuleBook(profile)
