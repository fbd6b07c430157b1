"""De-identification profiles: options of PS3.15 Annex E plus a site's own rules.

A profile is data (`config/profiles/*.yaml`). The caller reads the file and hands the mapping in, so that this
module needs no YAML library and errors can be shown with the file's own positions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from json import dumps
from typing import Any

from pydicom.datadict import tag_for_keyword

from exchange.domain.errors import ConfigurationError

BASIC_PROFILE_CODE = "113100"
_PROFILE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_ALLOWED_KEYS = frozenset({"profile", "title", "options", "rules"})


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


class RuleAction(StrEnum):
    """What a site's own rule does to an element, before the table is asked."""

    KEEP = "keep"  # after the identifiers harvested from the study were struck out of it
    REMOVE = "remove"
    EMPTY = "empty"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class SiteRule:
    """One rule of a site: what happens to one tag wherever it stands.

    Attributes:
        tag: 32-bit tag.
        action: What to do.
        value: New value of `replace`, else "".
    """

    tag: int
    action: RuleAction
    value: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """The Basic Profile with these options and rules.

    Attributes:
        profile_id: Name that routes and receipts use.
        options: Options of Annex E that are on.
        rules: Site rules, at most one a tag.
    """

    profile_id: str
    options: frozenset[Option]
    rules: tuple[SiteRule, ...] = ()

    @property
    def sha256(self) -> str:
        """Digest of the canonical form: the same options and rules give the same digest in any order."""
        form = {
            "profile": self.profile_id,
            "options": sorted(self.options),
            "rules": sorted([f"{rule.tag:08X}", rule.action.value, rule.value] for rule in self.rules),
        }
        return sha256(dumps(form, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def parse_profile(data: Mapping[str, Any]) -> Profile:
    """Make a profile of what a YAML file holds.

    Args:
        data: `profile` (name), `options` (list of CID 7050 codes) and optionally `title` and `rules` (list of
            `{tag | keyword, action, value}`).

    Raises:
        ConfigurationError: Something is missing, unknown or contradictory; the message names it.
    """
    unknown = sorted(str(key) for key in data.keys() - _ALLOWED_KEYS)
    if unknown:
        raise ConfigurationError(
            f"cannot read the profile: unknown key {unknown[0]!r}",
            f"allowed are {', '.join(sorted(_ALLOWED_KEYS))}",
        )
    name = data.get("profile")
    if not isinstance(name, str) or not _PROFILE_ID.fullmatch(name):
        raise ConfigurationError(
            "cannot read the profile: 'profile' must be its name",
            "use lower-case letters, digits and hyphens",
        )
    options = _options(data.get("options", []))
    return Profile(name, options, _rules(data.get("rules", [])))


def _options(listed: object) -> frozenset[Option]:
    if not isinstance(listed, list):
        raise ConfigurationError("cannot read the profile: 'options' must be a list of codes of CID 7050")
    options = set()
    for code in listed:
        try:
            options.add(Option(str(code)))
        except ValueError:
            raise ConfigurationError(
                f"cannot read the profile: option {str(code)!r} is not known",
                f"allowed are {', '.join(option.value for option in Option)}",
            ) from None
    if {Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES} <= options:
        raise ConfigurationError(
            "cannot read the profile: 113106 (full dates) and 113107 (modified dates) contradict each other",
            "name one of them",
        )
    return frozenset(options)


def _rules(listed: object) -> tuple[SiteRule, ...]:
    if not isinstance(listed, list):
        raise ConfigurationError("cannot read the profile: 'rules' must be a list")
    rules: dict[int, SiteRule] = {}
    for number, entry in enumerate(listed, start=1):
        rule = _rule(number, entry)
        if rule.tag in rules:
            raise ConfigurationError(f"cannot read the profile: rule {number} repeats an earlier rule's tag")
        rules[rule.tag] = rule
    return tuple(sorted(rules.values(), key=lambda rule: rule.tag))


def _rule(number: int, entry: object) -> SiteRule:
    if not isinstance(entry, dict) or entry.keys() - {"tag", "keyword", "action", "value"}:
        raise ConfigurationError(
            f"cannot read the profile: rule {number} has an unknown form",
            "write {keyword: …, action: keep|remove|empty|replace, value: …}",
        )
    try:
        action = RuleAction(str(entry.get("action")))
    except ValueError:
        raise ConfigurationError(
            f"cannot read the profile: rule {number} has no known action",
            "use keep, remove, empty or replace",
        ) from None
    value = entry.get("value", "")
    if not isinstance(value, str) or (action is RuleAction.REPLACE) != bool(value):
        raise ConfigurationError(f"cannot read the profile: rule {number}: 'value' is for replace, as text")
    return SiteRule(_rule_tag(number, entry), action, value)


def _rule_tag(number: int, entry: Mapping[str, Any]) -> int:
    written = entry.get("tag")
    match = _TAG.fullmatch(str(written)) if written is not None else None
    if match:
        return int(match[1] + match[2], 16)
    tag = tag_for_keyword(str(entry.get("keyword", "")))
    if tag is None:
        raise ConfigurationError(
            f"cannot read the profile: rule {number} names no element",
            "give 'keyword' as in PS3.6 or 'tag' as (gggg,eeee)",
        )
    return int(tag)
