"""What two profiles do differently: options, documents, names, rules, and every element of PS3.6."""

from collections.abc import Iterator
from typing import Literal

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import keyword_for_tag

from agent.config.answers import (
    ChangedElement,
    ChangedRule,
    ProfileDifference,
    ProfileSide,
    ShownNames,
    ShownPixels,
    Treated,
)
from agent.config.profiles import LoadedProfile
from redact.headers._generated.confidentiality import ROWS
from redact.headers.account import rule_behind
from redact.headers.profile import Option, Profile
from redact.headers.rules import Decision, RuleBook, rule_book
from redact.headers.selectors import vr_by_dictionary
from redact.headers.site_rules import SiteRule


def difference(before: LoadedProfile, after: LoadedProfile) -> ProfileDifference:
    """Compare two profiles, or two versions of one.

    Elements are compared as they stand in the data set itself, for objects for which no condition holds;
    what rules with a condition, a path or a private creator change is told rule by rule.
    """
    rules = tuple(_rules(before.profile.rules, after.profile.rules))
    elements = tuple(_elements(rule_book(before.profile), rule_book(after.profile)))
    old, new = before.profile.options, after.profile.options
    return ProfileDifference(
        before=_side(before),
        after=_side(after),
        same=not (rules or elements or old ^ new) and _alike(before.profile, after.profile),
        identityBefore=before.profile.identity,
        identityAfter=after.profile.identity,
        optionsAdded=tuple(sorted(new - old)),
        optionsRemoved=tuple(sorted(old - new)),
        documentsBefore=before.profile.documents.value,
        documentsAfter=after.profile.documents.value,
        namesBefore=shown_names(before.profile),
        namesAfter=shown_names(after.profile),
        pixelsBefore=shown_pixels(before.profile),
        pixelsAfter=shown_pixels(after.profile),
        rules=rules,
        elements=elements,
    )


def _alike(before: Profile, after: Profile) -> bool:
    return _beside(before) == _beside(after)


def _beside(profile: Profile) -> object:
    return profile.documents, profile.reason, shown_names(profile), profile.pixels.canonical()


def shown_names(profile: Profile) -> ShownNames | None:
    """What looks for names in free text; wherever its model lies, what decides its answers is pinned."""
    wanted = profile.names
    if wanted is None:
        return None
    return ShownNames(recogniser=wanted.recogniser, threshold=wanted.threshold, sha256=wanted.sha256)


def shown_pixels(profile: Profile) -> ShownPixels | None:
    """What becomes of text in pixels; None where the profile does not clean them."""
    if Option.CLEAN_PIXEL_DATA not in profile.options:
        return None
    rules = profile.pixels
    return ShownPixels(
        uncertain=rules.uncertain.value,
        markers=tuple(sorted(rules.markers)),
        modes=tuple(map(str, rules.modes)),
        fill=rules.fill.value,
    )


def _side(loaded: LoadedProfile) -> ProfileSide:
    return ProfileSide(profile=loaded.profile.profile_id, file=str(loaded.file), sha256=loaded.profile.sha256)


def _rules(before: tuple[SiteRule, ...], after: tuple[SiteRule, ...]) -> Iterator[ChangedRule]:
    """Rules by what they select and when; one that does something else to the same is changed."""
    old, new = ({_selection(rule): rule for rule in rules} for rules in (before, after))
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if was is None or now is None or was.canonical() != now.canonical():
            change: Literal["added", "removed", "changed"] = (
                "added" if was is None else "removed" if now is None else "changed"
            )
            yield ChangedRule(
                change=change,
                before=str(was) if was else None,
                after=str(now) if now else None,
                lineBefore=was.line if was else None,
                lineAfter=now.line if now else None,
            )


def _selection(rule: SiteRule) -> str:
    return f"{rule.selector.canonical()} {rule.when.canonical() if rule.when else ''}"


def _elements(before: RuleBook, after: RuleBook) -> Iterator[ChangedElement]:
    for tag in sorted(DicomDictionary.keys() | ROWS.keys()):
        vr = vr_by_dictionary(tag)
        was, now = before.decision(tag, vr), after.decision(tag, vr)
        if _effect(was) != _effect(now):
            yield ChangedElement(
                tag=f"({tag >> 16:04X},{tag & 0xFFFF:04X})",
                keyword=keyword_for_tag(tag),
                before=_treated(was, vr),
                after=_treated(now, vr),
            )


def _effect(decision: Decision) -> object:
    """What a decision comes to, wherever its rule stands in the file."""
    rule = decision.site
    done = rule.canonical()[1:3] if rule else None
    return decision.handling, decision.base, decision.option, done


def _treated(decision: Decision, vr: str) -> Treated:
    action = decision.site.action.value if decision.site else decision.handling.name.lower().replace("_", "-")
    return Treated(action=action, reason=rule_behind(decision, vr))
