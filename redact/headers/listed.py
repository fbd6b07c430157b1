"""Elements that Table E.1-1 lists."""

from collections.abc import Callable

from redact.headers.elements import TEXT_VRS, put_ascii, put_text, strings
from redact.headers.numbers import BINARY_VRS, clean_numbers
from redact.headers.place import Place, Result, Run
from redact.headers.rules import DATE_VRS
from redact.headers.text import clean_code, clean_descriptor
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
    return move_dates(place, lambda value: shift_date(value, days), lambda value: shift_datetime(value, days))


def keep_date(_run: Run, place: Place) -> Result:
    """Keep dates and times that are such (113106)."""
    return move_dates(place, lambda value: value if shift_date(value, 0) else "", _kept_datetime)


def _kept_datetime(value: str) -> str:
    return value if shift_datetime(value, 0) else ""


def move_dates(place: Place, of_date: Callable[[str], str], of_datetime: Callable[[str], str]) -> Result:
    """Put other dates in place of these; times and offsets stay, where they are such.

    Args:
        place: An element of VR DA, DT, TM or (a UTC offset) SH; any other is disposed of.
        of_date: What becomes of a DA value; "" where it is none.
        of_datetime: The same of a DT value.
    """
    if place.vr not in DATE_VRS | {"SH"}:
        return place.dispose()
    movers = {"DA": of_date, "DT": of_datetime, "TM": kept_time, "SH": kept_offset}
    values = strings(place.ds, place.tag, place.vr)
    moved = [movers[place.vr](value) for value in values]
    if moved == values:
        return Result.KEPT
    if any(moved):
        put_ascii(place.ds, place.tag, place.vr, moved)
        return Result.SHIFTED
    # No date at all, or before 1900: a required value gets a dummy, any other is emptied.
    return place.dummy() if place.type == "1" or place.base == "D" else place.empty()


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
    cleaned = [run.context.cleaned_text(rule, value, place.name) for value in values]
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
        return kept_age(run, place)
    if place.vr in TEXT_VRS:
        return clean_text(run, place, run.context.without_patient)
    if place.vr == "CS":
        return clean_codes(run, place)
    if place.vr in BINARY_VRS:
        return clean_numbers(run, place)
    if place.vr in {"DS", "IS"} and run.context.matcher.has_number(strings(place.ds, place.tag, place.vr)):
        return place.dispose()
    return Result.KEPT


def kept_age(run: Run, place: Place) -> Result:
    """Keep ages that are such, those over 89 years as one class unless the patient is named beside them."""
    values = strings(place.ds, place.tag, "AS")
    capped = [capped_age(value) for value in values]
    if capped == values or (all(capped) and run.context.profile.retains_identity):
        return Result.KEPT
    if not any(capped):
        return place.dispose()
    put_ascii(place.ds, place.tag, "AS", capped)
    return Result.REPLACED
