"""What one profile does with each element, before its value is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache, lru_cache

from pydicom.datadict import dictionary_has_tag, dictionary_is_retired, dictionary_VR
from pydicom.dataset import Dataset

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.headers import tables
from redact.headers.elements import TEXT_VRS
from redact.headers.profile import IDENTITY, Option, Profile
from redact.headers.selectors import PathSelector, PrivateSelector, Trail
from redact.headers.site_rules import SiteRule, is_reserved

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
_GRAPHIC_ANNOTATION = 0x00700001
_DRAWINGS = frozenset({0x00700009, 0x00700209})  # GraphicObjectSequence, CompoundGraphicSequence
_MOST_DECISIONS = 50_000


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
    DUMMY_GRAPHIC = auto()  # what is drawn in annotations, where no option cleans it
    PIXELS = auto()  # the pixel room's
    OWN = auto()  # the patient's own identity, which the profile retains
    SITE = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to a tag.

    Attributes:
        base: The Basic Profile's cell, which decides what remains when cleaning leaves nothing; "" for what
            has no place in an object at all.
        option: The option that this handling carries out, if one.
        site: The site's rule that it carries out, if one.
    """

    handling: Handling
    base: str = "X/Z/D"
    option: Option | None = None
    site: SiteRule | None = None


class RuleBook:
    """The decisions of one profile for objects for which the same of its rules hold.

    Args:
        options: Of Annex E, that are on.
        rules: Those of the site that hold.
        retained: Whether the patient's identity stays.
    """

    def __init__(
        self, options: frozenset[Option], rules: Sequence[SiteRule], *, retained: bool = False
    ) -> None:
        self._options = options
        self._retained = retained
        ranked = sorted(rules, key=lambda rule: rule.rank, reverse=True)
        self._private = [rule for rule in ranked if isinstance(rule.selector, PrivateSelector)]
        self._public = [rule for rule in ranked if not isinstance(rule.selector, PrivateSelector)]
        self._everywhere = not any(isinstance(rule.selector, PathSelector) for rule in self._public)
        self._decisions: dict[tuple[int, str, Trail], Decision] = {}

    def decision(self, tag: int, vr: str = "", trail: Trail = ()) -> Decision:
        """What happens to an element.

        Args:
            tag: Its tag.
            vr: Its VR, as the file or the dictionary gives it.
            trail: Tags of the sequences that it stands in, from the root.

        Raises:
            HeldError: Two rules of the site select it, and neither is more specific.
        """
        key = (tag, vr, () if self._everywhere else trail)
        known = self._decisions.get(key)
        if known is None:
            if len(self._decisions) >= _MOST_DECISIONS:
                self._decisions.clear()
            known = self._decisions[key] = self._decide(tag, vr, trail)
        return known

    @property
    def keeps_private(self) -> bool:
        """Whether any private element could stay."""
        return bool(self._private) or self.on(Option.RETAIN_SAFE_PRIVATE)

    def private_rule(self, creator: str, tag: int) -> SiteRule | None:
        """The site's rule for a private element in a block of this creator.

        Raises:
            HeldError: Two rules of the site select it, and neither is more specific.
        """
        if not self._private:
            return None
        return _first([rule for rule in self._private if _selects(rule, creator, tag)], tag)

    def on(self, option: Option) -> bool:
        """Whether an option of the profile is on."""
        return option in self._options

    @property
    def date_option(self) -> Option | None:
        """The option that says what becomes of dates, if one is on."""
        on = (one for one in (Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES) if self.on(one))
        return next(on, None)

    def _decide(self, tag: int, vr: str, trail: Trail) -> Decision:
        if tag in _PIXEL_TAGS:
            return Decision(Handling.PIXELS)
        if tag >> 16 & 1:
            return Decision(Handling.PRIVATE, "X")
        rule = None if is_reserved(tag) else self._site_rule(tag, vr, trail)
        if rule is not None:
            return Decision(Handling.SITE, tables.basic_action(tag) or "X/Z/D", site=rule)
        if self._retained and IDENTITY.get(tag) == vr:
            return Decision(Handling.OWN, tables.basic_action(tag))
        if tables.is_curve(tag) or tables.is_overlay(tag):
            # Overlay planes and their descriptions go together: a plane without its attributes is no plane,
            # and what a plane draws may be a name.
            return Decision(
                Handling.DROP, "X", Option.CLEAN_GRAPHICS if self.on(Option.CLEAN_GRAPHICS) else None
            )
        if _is_foreign(tag):
            return Decision(Handling.DROP, tables.basic_action(tag))
        if tag in _DRAWINGS and not self.on(Option.CLEAN_GRAPHICS):
            return Decision(Handling.DUMMY_GRAPHIC, tables.basic_action(_GRAPHIC_ANNOTATION))
        base = tables.basic_action(tag)
        if base:
            return self._listed(tag, base)
        return Decision(Handling.UNLISTED, option=self.date_option if vr in DATE_VRS else None)

    def _site_rule(self, tag: int, vr: str, trail: Trail) -> SiteRule | None:
        return _first([rule for rule in self._public if rule.selector.selects(tag, vr, trail)], tag)

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
        option = self.date_option
        if option is None:
            return Decision(Handling.DISPOSE, base)
        handling = Handling.KEEP_DATE if option is Option.RETAIN_FULL_DATES else Handling.SHIFT
        return Decision(handling, base, option)


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


def _selects(rule: SiteRule, creator: str, tag: int) -> bool:
    return isinstance(rule.selector, PrivateSelector) and rule.selector.selects_private(creator, tag)


def _first(selecting: Sequence[SiteRule], tag: int) -> SiteRule | None:
    """The most specific of the rules that select an element; they are ordered so."""
    if len(selecting) > 1 and selecting[0].rank == selecting[1].rank:
        # `check` refuses what can be foreseen; an attribute with more values than PS3.6 gives it cannot.
        raise HeldError(
            ReasonCode.POLICY,
            f"cannot choose between rules {selecting[0].number} and {selecting[1].number} of the profile",
            f"({tag >> 16:04X},{tag & 0xFFFF:04X})",
            "narrow one of them",
        )
    return selecting[0] if selecting else None


@cache
def rule_book(profile: Profile) -> RuleBook:
    """The rule book of a profile for objects for which no condition of its rules holds."""
    return _conditional_book(profile, ())


def rule_book_for(profile: Profile, ds: Dataset) -> RuleBook:
    """The rule book of a profile for this object, whose attributes are as they came."""
    holding = tuple(rule for rule in profile.rules if rule.when is not None and rule.when.holds(ds))
    return _conditional_book(profile, holding) if holding else rule_book(profile)


@lru_cache(maxsize=256)
def _conditional_book(profile: Profile, holding: tuple[SiteRule, ...]) -> RuleBook:
    rules = [*(rule for rule in profile.rules if rule.when is None), *holding]
    return RuleBook(profile.options, rules, retained=profile.retains_identity)
