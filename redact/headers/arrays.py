"""Bytes that should be numbers: look-up tables, colour profiles, samples, grids, lists of points.

They stay only in attributes that hold such, only where they are no text, and only without identifiers. A
table that the object needs (Type 1, 1C), or may need for all that is known, and that holds an identifier
among its numbers is not replaced: the object would show something else.
"""

import re

from pydicom.dataelem import DataElement
from pydicom.tag import Tag

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from redact.headers.elements import is_picture_file, is_text, raw_bytes, strings
from redact.headers.place import Place, Result, Run

ARRAY_VRS = frozenset({"OD", "OF", "OL", "OV"})
# Look-up tables, colour profiles, waveform samples and calibration arrays.
_TABLES = frozenset(
    {
        0x00281101, 0x00281102, 0x00281103, 0x00281199, 0x00281201, 0x00281202, 0x00281203,
        0x00281221, 0x00281222, 0x00281223, 0x00281224, 0x00281408, 0x00282000, 0x00283006,
        0x00142050, 0x00142052, 0x54001010, 0x5400100A, 0x54000110, 0x54000112, 0x00720101,
        0x0070140B, 0x56000010, 0x56000020, 0x00660016, 0x00660023, 0x00660024, 0x00660025,
        0x00660026, 0x00660040, 0x006A0003,
    }
)  # fmt: skip
_PALETTES = frozenset({0x00281201, 0x00281202, 0x00281203, 0x00281221, 0x00281222, 0x00281223, 0x00281224})
_PHOTOMETRIC, _PIXEL_PRESENTATION, _PALETTE_SOP = 0x00280004, 0x00089205, 0x00281199
OF_COLOURS = (_PHOTOMETRIC, _PIXEL_PRESENTATION, _PALETTE_SOP)
"""What stands beside a palette and decides whether it may go."""
_ICC_PROFILE = 0x00282000
_PRINTABLE = re.compile(rb"[\x20-\x7e]{4,}")


def clean_bytes(run: Run, place: Place) -> Result:
    """Keep the bytes of OB and OW in attributes that hold tables, colour profiles or samples.

    Raises:
        HeldError: As `clean_array`.
    """
    if place.tag not in _TABLES:
        return place.dispose()
    value = _value(place)
    if place.tag == _ICC_PROFILE and value:
        words = b" ".join(_PRINTABLE.findall(value)).decode("ascii")
        if value[36:40] != b"acsp" or run.context.matcher.found(words):  # ICC.1 7.2.9: the signature
            return place.dispose()
    return clean_array(run, place)


def clean_array(run: Run, place: Place) -> Result:
    """Keep an array of numbers in which nobody is named, and which is no picture file.

    Raises:
        HeldError: `structured-content`, an identifier stands in an array that the object needs.
    """
    value = _value(place)
    if is_text(value) or is_picture_file(value):
        return _without_text(place, len(value))
    if not run.context.matcher.in_bytes(value):
        return Result.KEPT
    if place.type in {"2", "2C", "3"} or (not place.type and place.node.known):
        return place.dispose()
    if place.tag in _PALETTES and not _shows_colours(place):
        return place.remove()
    raise HeldError(
        ReasonCode.STRUCTURED_CONTENT,
        "cannot clean a table of numbers: it holds an identifier, and the object is not valid without it",
        place.name,
        "look at the object, or remove the element by a site rule",
    )


def _shows_colours(place: Place) -> bool:
    """Whether an image is shown by its palette (PS3.3 C.7.6.3.1.5, C.7.6.23); so may be what is no image."""
    if place.depth or _PHOTOMETRIC not in place.ds:
        return True
    photometric = next(iter(strings(place.ds, _PHOTOMETRIC, "CS")), "")
    return photometric == "PALETTE COLOR" or _PIXEL_PRESENTATION in place.ds or _PALETTE_SOP in place.ds


def _without_text(place: Place, length: int) -> Result:
    """Dispose of it; zeros that stand for a table are as many as its descriptor says."""
    result = place.dispose()
    if result is Result.REPLACED:
        place.ds[Tag(place.tag)] = DataElement(Tag(place.tag), place.vr, bytes(length))
    return result


def _value(place: Place) -> bytes:
    value = raw_bytes(place.ds, place.tag)
    return value if value is not None else place.ds[Tag(place.tag)].value or b""
