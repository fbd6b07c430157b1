"""Private elements: all go, unless the safe-private option or a rule of the site keeps them.

What stays has a plain VR and is searched for identifiers: nothing of a maker's own bytes, dates, UIDs and
sequences, which nobody can read. A creator stays with the first element of its block that does.
"""

from collections.abc import Iterator, Sequence

from pydicom.dataset import Dataset

from redact.headers import tables
from redact.headers.elements import ASCII_VRS, TEXT_VRS, is_opaque, strings, vr_of
from redact.headers.numbers import BINARY_VRS, patients_numbers
from redact.headers.place import Place, Result, Run
from redact.headers.profile import Option
from redact.headers.rules import Decision, Handling
from redact.headers.selectors import PrivateSelector
from redact.headers.site_actions import carry_out
from redact.headers.site_rules import PLAIN_PRIVATE_VRS, RuleAction, SiteRule
from redact.headers.tables import NOWHERE

_GOES = Decision(Handling.PRIVATE, "X")
_SAFE = Decision(Handling.KEEP, "X", Option.RETAIN_SAFE_PRIVATE)

Treated = tuple[Place, Decision, Result]


def clean_private(run: Run, ds: Dataset, private: Sequence[int], path: str) -> Iterator[Treated]:
    """Clean the private elements of one level; creators that stay with a block are not counted.

    Args:
        run: Its rules say what stays.
        ds: Data set or item.
        private: Tags of its private elements.
        path: Of the data set or item, ends with a point unless empty.
    """
    depth = path.count("[")
    creators = {
        tag: next(iter(strings(ds, tag, "LO")), "").strip() for tag in private if 0x10 <= tag & 0xFFFF <= 0xFF
    }
    staying = set()
    for tag in private:
        if tag & 0xFFFF > 0xFF:
            place = Place(ds, tag, vr_of(ds, tag), "X", NOWHERE, path, depth)
            decision, result = _element(run, place, creators.get(creator_tag(tag), ""))
            if result is not Result.REMOVED:
                staying.add(creator_tag(tag))
            yield place, decision, result
    for tag in private:
        if tag & 0xFFFF <= 0xFF and not (tag in staying and tag in creators):
            place = Place(ds, tag, "LO", "X", NOWHERE, path, depth)
            yield place, _GOES, place.remove()


def creator_tag(tag: int) -> int:
    """The tag of the private creator of the block that an element is in (PS3.5 7.8.1)."""
    return (tag >> 16 << 16) | (tag >> 8 & 0xFF)


def _element(run: Run, place: Place, creator: str) -> tuple[Decision, Result]:
    rule = run.rules.private_rule(creator, place.tag) if creator else None
    if rule is not None:
        return Decision(Handling.SITE, "X", site=rule), _by_rule(run, place, creator, rule)
    if creator and run.rules.on(Option.RETAIN_SAFE_PRIVATE):
        listed = tables.safe_private_vr(creator, place.tag)
        if listed is not None:
            place.vr = place.vr if place.vr != "UN" else listed
            safe = _readable(place) and not _names_somebody(run, place)
            return _SAFE, Result.KEPT if safe else place.remove()
    return _GOES, place.remove()


def _by_rule(run: Run, place: Place, creator: str, rule: SiteRule) -> Result:
    if rule.action is RuleAction.REMOVE:
        return place.remove()
    if place.vr == "UN" and isinstance(rule.selector, PrivateSelector):
        place.vr = rule.selector.vr or tables.safe_private_vr(creator, place.tag) or "UN"
    return carry_out(run, place, rule) if _readable(place) else place.remove()


def _readable(place: Place) -> bool:
    return place.vr in PLAIN_PRIVATE_VRS and not is_opaque(place.ds, place.tag, place.vr)


def _names_somebody(run: Run, place: Place) -> bool:
    if place.vr in BINARY_VRS:
        return bool(patients_numbers(run.context.matcher, place.ds, place.tag, place.vr))
    if place.vr not in TEXT_VRS | ASCII_VRS:
        return False
    return any(run.context.names_somebody(value) for value in strings(place.ds, place.tag, place.vr))
