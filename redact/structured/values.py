"""The values of content items: each is cleaned, kept, moved or replaced by one that says nothing.

An item that stays keeps a value (PS3.3 Table C.17-5, Type 1C by value type). A measurement that must not be
told is one without a value: Measured Value Sequence may be empty (PS3.3 Table C.18.1-1, Type 2).
"""

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from redact.headers.elements import TEXT_VRS, put_ascii, put_dummy, put_dummy_code, strings
from redact.headers.listed import clean_text, keep, keep_date, map_uid, shift
from redact.headers.patient import PATIENT_ID, PATIENT_NAME
from redact.headers.place import Place, Result, Run
from redact.headers.profile import Option
from redact.headers.text import clean_descriptor, clean_technical
from redact.headers.unlisted import clean_unlisted
from redact.structured.concepts import Concept, is_subject
from redact.structured.items import MEASURED_VALUE, NUMERIC_VALUE, items_of

_PERSON_NAME, _CONCEPT_CODE = 0x0040A123, 0x0040A168
_UNITS, _CODE_VALUE = 0x004008EA, 0x00080100
_OTHER_NUMBERS = (0x0040A161, 0x0040A162, 0x0040A163)
_PER_YEAR = {"a": 1.0, "mo": 12.0, "wk": 52.1786, "d": 365.2425, "h": 8765.82}  # UCUM, PS3.16 CID 7456
_OLDEST = 90


def clean_value(run: Run, place: Place) -> tuple[Result, bool]:
    """Clean text as a descriptor.

    Returns:
        What was done, and whether anything of the text is left (or it had none).
    """
    if place.vr not in TEXT_VRS:
        return _replace(place), False
    values = strings(place.ds, place.tag, place.vr)
    left = not any(values) or any(
        run.context.cleaned_text(clean_descriptor, value, place.name) for value in values
    )
    place.base = "D"
    return clean_text(run, place, clean_descriptor), left


def name_maker(run: Run, place: Place) -> Result:
    """Keep the name that a maker gave to a device or an algorithm, without identifiers."""
    if place.vr not in TEXT_VRS:
        return _replace(place)
    place.base = "D"
    return clean_text(run, place, clean_technical)


def keep_value(run: Run, place: Place) -> Result:
    """Keep what an option retains, without the patient's own identifiers; ages of nobody known are capped."""
    place.base = "D"
    if run.context.profile.retains_identity:
        return keep(run, place)
    if place.tag == MEASURED_VALUE:
        for item in items_of(place.ds, MEASURED_VALUE):
            _cap_age(item)
    elif place.tag == NUMERIC_VALUE:
        _cap_age(place.ds)
    return keep(run, place)


def map_reference(run: Run, place: Place) -> Result:
    """Map a UID, unless UIDs are retained."""
    if run.rules.on(Option.RETAIN_UIDS):
        run.done.add(Option.RETAIN_UIDS)
        return Result.KEPT
    place.base = "D"
    return map_uid(run, place)


def move_date(run: Run, place: Place) -> Result:
    """Shift or keep a date or time by the date option; without one it becomes a dummy."""
    place.base = "D"
    option = run.rules.date_option
    if option is None:
        return place.dispose()
    run.done.add(option)
    return shift(run, place) if option is Option.RETAIN_MODIFIED_DATES else keep_date(run, place)


def clean_number(run: Run, place: Place) -> Result:
    """Keep a measurement, unless it is one of the patient's numbers: then it has no value."""
    if place.tag != MEASURED_VALUE:
        place.base = "D"
        return clean_unlisted(run, place)
    for item in items_of(place.ds, MEASURED_VALUE):
        if NUMERIC_VALUE in item and run.context.matcher.has_number(strings(item, NUMERIC_VALUE, "DS")):
            return place.empty()
    return Result.DESCEND


def dispose_value(run: Run, place: Place, concept: Concept) -> Result:
    """Replace a value by one that says nothing; what names the patient by the pseudonym, or not at all."""
    if place.tag == _CONCEPT_CODE:
        put_dummy_code(place.ds, place.tag)
        return Result.REPLACED
    if place.tag == MEASURED_VALUE:
        return place.empty()
    if run.context.profile.retains_identity:
        own = PATIENT_NAME if place.tag == _PERSON_NAME else PATIENT_ID
        repeats = is_subject(concept) and run.patient.owns(place.ds, place.tag, own, dictionary_VR(place.tag))
        return Result.KEPT if repeats else _replace(place)
    if is_subject(concept) and place.tag == _PERSON_NAME:
        put_ascii(place.ds, place.tag, "PN", [run.patient.pseudonym.patient_name])
        return Result.REPLACED
    if is_subject(concept) and dictionary_VR(place.tag) in TEXT_VRS:
        put_ascii(place.ds, place.tag, dictionary_VR(place.tag), [run.patient.pseudonym.patient_id])
        return Result.REPLACED
    return _replace(place)


def _replace(place: Place) -> Result:
    put_dummy(place.ds, place.tag, dictionary_VR(place.tag))
    return Result.REPLACED


def _cap_age(item: Dataset) -> None:
    """Everybody of 90 years and more is as old (HIPAA 164.514(b)(2)(i)(C)), in the unit that the age has."""
    units = [strings(code, _CODE_VALUE, "SH") for code in items_of(item, _UNITS) if _CODE_VALUE in code]
    per_year = next((_PER_YEAR.get(unit.strip()) for values in units for unit in values), None)
    if per_year is None or NUMERIC_VALUE not in item:
        return
    try:
        years = max(float(value) for value in strings(item, NUMERIC_VALUE, "DS")) / per_year
    except ValueError:
        return  # no number: the general rules dispose of it
    if years >= _OLDEST:
        put_ascii(item, NUMERIC_VALUE, "DS", [f"{_OLDEST * per_year:g}"])
        for tag in _OTHER_NUMBERS:
            if tag in item:
                del item[tag]
