"""Doing what a site's own rule says; identifiers are struck out of whatever it keeps."""

from collections.abc import Callable

from pydicom.dataelem import RawDataElement

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.headers.elements import TEXT_VRS, is_picture_file, is_text, put_ascii, put_text, strings
from redact.headers.listed import clean_text, kept_age, map_uid, move_dates
from redact.headers.place import Place, Result, Run
from redact.headers.profile import Option
from redact.headers.site_rules import DATED_VRS, HASHABLE_VRS, RuleAction, SiteRule, is_legal
from redact.headers.text import clean_kept, clean_technical
from redact.headers.unlisted import clean_unlisted
from redact.identifiers.dates import kept_time, shift_date, shift_datetime, year_of_date, year_of_datetime
from redact.identifiers.hashing import hashed

_STRUCK_VRS = TEXT_VRS | {"AE", "CS", "PN", "UR"}
_BYTES_VRS = frozenset({"OB", "OW"})


def carry_out(run: Run, place: Place, rule: SiteRule) -> Result:
    """Do what a rule says to an element that it selects.

    Raises:
        HeldError: `policy`, the action cannot be done to the VR that the file gives the element.
    """
    return _ACTIONS[rule.action](run, place, rule)


def _replace(_run: Run, place: Place, rule: SiteRule) -> Result:
    if not is_legal(place.vr, rule.value):
        raise _impossible(place, rule)
    put_text(place.ds, place.tag, place.vr, [rule.value])
    return Result.REPLACED


def _hash(run: Run, place: Place, rule: SiteRule) -> Result:
    if place.vr not in HASHABLE_VRS:
        raise _impossible(place, rule)
    if place.vr == "UI":
        return map_uid(run, place)
    values = strings(place.ds, place.tag, place.vr)
    if not any(value.strip() for value in values):
        return place.empty()
    new = [hashed(run.context.pseudonymiser, place.vr, value) for value in values]
    put_ascii(place.ds, place.tag, place.vr, new)
    return Result.REPLACED


def _shift(run: Run, place: Place, rule: SiteRule) -> Result:
    days = run.patient.pseudonym.shift_days
    if place.vr not in DATED_VRS:
        raise _impossible(place, rule)
    return move_dates(place, lambda date: shift_date(date, days), lambda time: shift_datetime(time, days))


def _year(_run: Run, place: Place, rule: SiteRule) -> Result:
    if place.vr not in DATED_VRS:
        raise _impossible(place, rule)
    return move_dates(place, year_of_date, year_of_datetime)


def _keep(run: Run, place: Place, _rule: SiteRule) -> Result:
    """Keep what can be searched for identifiers, without them; dates and UIDs only as the options let them.

    Ages are capped and numbers must be such, whatever a rule says.
    """
    if place.vr in _STRUCK_VRS:
        return clean_text(run, place, clean_kept if place.vr in TEXT_VRS else clean_technical)
    if place.vr == "AS":
        return kept_age(run, place)
    if place.vr == "TM":
        times = strings(place.ds, place.tag, "TM")
        return Result.KEPT if [kept_time(time) for time in times] == times else place.dispose()
    if place.vr == "UI" and run.rules.on(Option.RETAIN_UIDS):
        return Result.KEPT
    if place.vr in _BYTES_VRS:
        return Result.KEPT if _names_nobody(run, place) else place.dispose()
    return clean_unlisted(run, place)


def _names_nobody(run: Run, place: Place) -> bool:
    """Whether bytes are neither text nor a picture, nor hold an identifier in a usual encoding of text."""
    element = place.ds.get_item(place.tag)
    value = element.value if isinstance(element, RawDataElement) else place.ds[place.tag].value
    if not isinstance(value, bytes):
        return not value
    if is_text(value) or is_picture_file(value):
        return False
    return not any(run.context.matcher.found(value.decode(how, "replace")) for how in _ENCODINGS)


_ENCODINGS = ("latin-1", "utf-8", "utf-16-le", "utf-16-be")
_ACTIONS: dict[RuleAction, Callable[[Run, Place, SiteRule], Result]] = {
    RuleAction.KEEP: _keep,
    RuleAction.REMOVE: lambda _run, place, _rule: place.remove(),
    RuleAction.EMPTY: lambda _run, place, _rule: place.empty(),
    RuleAction.REPLACE: _replace,
    RuleAction.HASH: _hash,
    RuleAction.SHIFT: _shift,
    RuleAction.YEAR: _year,
}


def _impossible(place: Place, rule: SiteRule) -> HeldError:
    return HeldError(
        ReasonCode.POLICY,
        f"cannot carry out rule {rule.number} of the profile: {rule.action} does not fit VR {place.vr}",
        place.name,
        "narrow the rule, or let it remove or empty the element",
    )
