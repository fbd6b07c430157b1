"""Elements that Table E.1-1 lists, and those that a site's own rule names."""

from collections.abc import Callable

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.headers.elements import ASCII_VRS, put_ascii, put_text, strings
from redact.headers.place import Place, Result, Run
from redact.headers.profile import RuleAction, SiteRule
from redact.headers.rules import DATE_VRS, TEXT_VRS, Decision
from redact.headers.text import clean_code, clean_descriptor, clean_technical
from redact.identifiers.dates import capped_age, kept_offset, kept_time, shift_date, shift_datetime

_LONGEST = {"LO": 64, "SH": 16, "CS": 16, "ST": 1024, "LT": 10240}


def map_uid(run: Run, place: Place) -> Result:
    """Replace UIDs; a sequence of references stays, with its UIDs mapped (`U*`)."""
    if place.vr == "SQ":
        return Result.DESCEND
    if place.vr != "UI":
        return place.dispose()
    originals = [uid for uid in strings(place.ds, place.tag, "UI") if uid]
    if not originals:
        return Result.KEPT
    mapped = [run.context.pseudonymiser.uid(uid) for uid in originals]
    run.uids.update((old, new) for old, new in zip(originals, mapped, strict=True) if old != new)
    put_ascii(place.ds, place.tag, "UI", mapped)
    return Result.UIDS


def shift(run: Run, place: Place) -> Result:
    """Move dates (113107); keep times and offsets exactly, where they are such."""
    days = run.patient.pseudonym.shift_days
    movers: dict[str, Callable[[str], str]] = {
        "DA": lambda value: shift_date(value, days),
        "DT": lambda value: shift_datetime(value, days),
    }
    return _dated(place, movers)


def keep_date(_run: Run, place: Place) -> Result:
    """Keep dates and times that are such (113106)."""
    return _dated(place, {"DA": lambda value: value if shift_date(value, 0) else "", "DT": _kept_datetime})


def _kept_datetime(value: str) -> str:
    return value if shift_datetime(value, 0) else ""


def _dated(place: Place, movers: dict[str, Callable[[str], str]]) -> Result:
    if place.vr not in DATE_VRS | {"SH"}:
        return place.dispose()
    mover = movers.get(place.vr, kept_offset if place.vr == "SH" else kept_time)
    values = strings(place.ds, place.tag, place.vr)
    moved = [mover(value) for value in values]
    if moved == values:
        return Result.KEPT
    if any(moved):
        put_ascii(place.ds, place.tag, place.vr, moved)
        return Result.SHIFTED
    # No date at all, or before 1900: a required value gets a dummy, any other is emptied.
    return place.dummy() if place.type == "1" else place.empty()


def clean_content(run: Run, place: Place) -> Result:
    """Clean by an option: a sequence's items, a descriptor's words, a code; else as the Basic Profile."""
    if place.vr == "SQ":
        return Result.DESCEND
    if place.vr in TEXT_VRS:
        return clean_text(run, place, clean_descriptor)
    if place.vr == "CS":
        return clean_codes(run, place)
    return place.dispose()


def clean_text(run: Run, place: Place, rule: Callable[..., str]) -> Result:
    """Apply a text rule to each value; what comes out empty is disposed of."""
    values = strings(place.ds, place.tag, place.vr)
    cleaned = [run.context.cleaned_text(rule, value) for value in values]
    if cleaned == values:
        return Result.KEPT
    if not any(cleaned):
        return place.dispose()
    limit = _LONGEST.get(place.vr)
    put_text(place.ds, place.tag, place.vr, [text[:limit].rstrip() for text in cleaned])
    return Result.REPLACED


def clean_codes(run: Run, place: Place) -> Result:
    """Keep code strings that name nobody; among several values an unknown one becomes `OTHER`."""
    values = strings(place.ds, place.tag, "CS")
    cleaned = [clean_code(value, run.context.matcher) for value in values]
    if cleaned == values:
        return Result.KEPT
    if all(code is None for code in cleaned):
        return place.dispose()
    put_ascii(place.ds, place.tag, "CS", ["OTHER" if code is None else code for code in cleaned])
    return Result.REPLACED


def keep(run: Run, place: Place) -> Result:
    """Keep what an option retains (113108, 113109, 113110, 113112), without the patient's identifiers.

    What the option retains is the value itself, hence no vocabulary; a device's or an institution's own name
    is harvested too, and is no hit in its own element.
    """
    if place.vr == "SQ":
        return Result.DESCEND
    if place.vr == "AS":
        return _kept_age(place)
    if place.vr in TEXT_VRS:
        return clean_text(run, place, run.context.without_patient)
    if place.vr == "CS":
        return clean_codes(run, place)
    return Result.KEPT


def _kept_age(place: Place) -> Result:
    values = strings(place.ds, place.tag, "AS")
    capped = [capped_age(value) for value in values]
    if capped == values:
        return Result.KEPT
    if not any(capped):
        return place.dispose()
    put_ascii(place.ds, place.tag, "AS", capped)
    return Result.REPLACED


def site_rule(run: Run, place: Place, decision: Decision) -> Result:
    """Do what the site's own rule says; identifiers are struck out of what it keeps."""
    rule = decision.site
    if rule is None:
        return place.dispose()
    match rule.action:
        case RuleAction.REMOVE:
            return place.remove()
        case RuleAction.EMPTY:
            return place.empty()
        case RuleAction.REPLACE:
            return _replace(place, rule)
        case RuleAction.KEEP:
            return _keep_by_rule(run, place)


def _replace(place: Place, rule: SiteRule) -> Result:
    if place.vr not in TEXT_VRS | ASCII_VRS | {"PN"}:
        raise HeldError(
            ReasonCode.POLICY,
            "cannot apply the site's rule: 'replace' needs an element of text",
            place.name,
            "change the rule to remove or empty",
        )
    put_text(place.ds, place.tag, place.vr, [rule.value])
    return Result.REPLACED


def _keep_by_rule(run: Run, place: Place) -> Result:
    if place.vr == "SQ":
        return Result.DESCEND
    if place.vr in TEXT_VRS | ASCII_VRS | {"PN"}:
        return clean_text(run, place, clean_technical)
    return Result.KEPT
