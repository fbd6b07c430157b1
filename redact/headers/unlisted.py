"""Attributes that Table E.1-1 does not list: the standard holds them harmless, the contents need not be.

Decided by VR, failing closed. Names of people, AE titles and addresses are disposed of. Dates are treated as
listed dates. UIDs are mapped unless they name a definition. Code strings and numbers must look like such.
Text stays as a technical name where the attribute is one (maker, model, kernel, …), as a coded meaning
where its scheme is a public one, and is cleaned like a descriptor everywhere else. Bytes stay
only in attributes that hold tables, curves of numbers or colour profiles.
"""

import re
from collections.abc import Callable

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.headers.arrays import clean_bytes
from redact.headers.elements import TEXT_VRS, strings
from redact.headers.listed import clean_codes, clean_text, keep_date, map_uid, shift
from redact.headers.numbers import BINARY_VRS, clean_numbers
from redact.headers.place import Place, Result, Run
from redact.headers.profile import Option
from redact.headers.rules import DATE_VRS
from redact.headers.text import clean_descriptor, clean_meaning, clean_technical
from redact.identifiers.schemes import is_public
from redact.identifiers.uids import is_definition
from redact.identifiers.vocabulary import is_known_word

_SPECIFIC_CHARACTER_SET = 0x00080005
_CODE_MEANING = 0x00080104
_CODING_SCHEME = 0x00080102
_CODE_VALUES = frozenset({0x00080100, 0x00080102, 0x00080103, 0x00080119, 0x00080120})
_CHARACTER_SETS = re.compile(r"(?:ISO[_ -](?:IR|2022[_ -]IR)[_ -]\d{1,3}|GB18030|GBK)?", re.ASCII)
_DECIMAL = re.compile(r" *[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})? *", re.ASCII)
# Names of makers and of what they make; the creator of a segmentation is often given as a person so called.
_MAKERS = frozenset(
    {
        0x00080070,  # Manufacturer
        0x00081090,  # ManufacturerModelName
        0x00181018,  # SecondaryCaptureDeviceManufacturerModelName
        0x00181016,  # SecondaryCaptureDeviceManufacturer
        0x00189041,  # ReceiveCoilManufacturerName
        0x00189050,  # TransmitCoilManufacturerName
    }
)
# Other names that makers give to things, which the standard lists nowhere as identifying.
_TECHNICAL = frozenset(
    {
        0x00181020,  # SoftwareVersions
        0x00181019,  # SecondaryCaptureDeviceSoftwareVersions
        0x00180024,  # SequenceName
        0x00189005,  # PulseSequenceName
        0x00181210,  # ConvolutionKernel
        0x00181250,  # ReceiveCoilName
        0x00181251,  # TransmitCoilName
        0x00181160,  # FilterType
        0x00541103,  # ReconstructionMethod
        0x00541105,  # DetectorLinesOfResponseUsed
        0x00541101,  # AttenuationCorrectionMethod
        0x00541106,  # ScatterCorrectionMethod
        0x00080115,  # CodingSchemeName
        0x00080114,  # CodingSchemeExternalID
        0x00080116,  # CodingSchemeResponsibleOrganization
        0x00180085,  # ImagedNucleus
        0x00480106,  # OpticalPathIdentifier
    }
)


def clean_unlisted(run: Run, place: Place) -> Result:
    """Clean one attribute that has no row in Table E.1-1.

    Raises:
        HeldError: A code or a number that the object needs is an identifier of the patient's: without it the
            object would say something else.
    """
    vr = place.vr
    if vr in BINARY_VRS:
        return clean_numbers(run, place)
    if vr in TEXT_VRS:
        return _text(run, place)
    handler = _BY_VR.get(vr)
    return handler(run, place) if handler else place.dispose()


def _descend(_run: Run, _place: Place) -> Result:
    return Result.DESCEND


def _code_string(run: Run, place: Place) -> Result:
    if place.tag == _SPECIFIC_CHARACTER_SET:
        valid = all(_CHARACTER_SETS.fullmatch(value) for value in strings(place.ds, place.tag, "CS"))
        return Result.KEPT if valid else place.remove()
    return clean_codes(run, place)


def _number(pattern: re.Pattern[str]) -> Callable[[Run, Place], Result]:
    def check(run: Run, place: Place) -> Result:
        values = strings(place.ds, place.tag, place.vr)
        if all(not value or pattern.fullmatch(value) for value in values):
            return place.dispose() if run.context.matcher.has_number(values) else Result.KEPT
        return place.dispose()

    return check


def _date(run: Run, place: Place) -> Result:
    match run.rules.date_option:
        case Option.RETAIN_MODIFIED_DATES:
            return shift(run, place)
        case Option.RETAIN_FULL_DATES:
            return keep_date(run, place)
        case _:
            return place.dispose()


def _uid(run: Run, place: Place) -> Result:
    originals = [uid for uid in strings(place.ds, place.tag, "UI") if uid]
    if all(is_definition(place.tag, uid) and not run.context.matcher.found(uid) for uid in originals):
        return Result.KEPT
    return map_uid(run, place)


def _text(run: Run, place: Place) -> Result:
    if place.tag in _CODE_VALUES:
        return _code_value(run, place)
    if place.tag == _CODE_MEANING:
        schemes = strings(place.ds, _CODING_SCHEME, "SH") if _CODING_SCHEME in place.ds else []
        return clean_text(
            run, place, clean_meaning if schemes and is_public(schemes[0]) else clean_descriptor
        )
    if place.tag in _MAKERS:
        return clean_text(run, place, run.context.from_maker)
    if place.tag in _TECHNICAL:
        return clean_text(run, place, clean_technical)
    return clean_text(run, place, clean_descriptor)


def _code_value(run: Run, place: Place) -> Result:
    for value in strings(place.ds, place.tag, place.vr):
        known = value.isascii() and is_known_word(value.lower())
        if not known and run.context.names_somebody(value):
            raise HeldError(
                ReasonCode.STRUCTURED_CONTENT,
                "cannot clean a code: it holds an identifier, or what its character set does not have",
                place.name,
                "look at the object, or remove this sequence by a site rule",
            )
    return Result.KEPT


def _dispose(_run: Run, place: Place) -> Result:
    return place.dispose()


_BY_VR: dict[str, Callable[[Run, Place], Result]] = {
    "SQ": _descend,
    "CS": _code_string,
    "DS": _number(_DECIMAL),
    "IS": _number(_DECIMAL),  # an IS with a fraction is wrong, but a number
    "UI": _uid,
    "OB": clean_bytes,
    "OW": clean_bytes,
    **dict.fromkeys(DATE_VRS, _date),
    **dict.fromkeys(("PN", "AE", "UR", "AS", "UN"), _dispose),
}
