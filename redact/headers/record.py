"""What a cleaned data set says of its own cleaning (PS3.15 E.1.1, PS3.3 C.12.1.1.3 and C.7.1.1)."""

from collections.abc import Iterable
from functools import lru_cache

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from exchange.dicomio.encode import encoded_element
from redact.headers import tables
from redact.headers.elements import put_ascii
from redact.headers.profile import BASIC_PROFILE_CODE, CODE_MEANINGS, Option, Profile

_IDENTITY_REMOVED = 0x00120062
_METHOD = 0x00120063
_METHOD_CODES = 0x00120064
_LONGITUDINAL = 0x00280303
# Codes that the pixel room earns, not the header: never written here.
_PIXEL_OPTIONS = frozenset({Option.CLEAN_PIXEL_DATA, Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES})


def written(profile: Profile) -> tuple[int, ...]:
    """The tags that `write_method` writes."""
    if profile.retains_identity:
        return _IDENTITY_REMOVED, _LONGITUDINAL
    return _IDENTITY_REMOVED, _METHOD, _METHOD_CODES, _LONGITUDINAL


def write_method(ds: Dataset, profile: Profile, done: Iterable[Option]) -> tuple[str, ...]:
    """Write whether the identity was removed, how, and what became of dates.

    A method belongs to identity that was removed only (PS3.3 C.7.1.1); where it is retained none is written.
    What an earlier de-identification wrote there is replaced: only what was done here is known.

    Returns:
        The codes of CID 7050 of what was done, in ascending order.
    """
    put_ascii(ds, _LONGITUDINAL, "CS", [_dates_word(profile)])
    if profile.retains_identity:
        put_ascii(ds, _IDENTITY_REMOVED, "CS", ["NO"])
        for tag in (_METHOD, _METHOD_CODES):
            if tag in ds:
                del ds[tag]
        return tuple(sorted(option.value for option in set(done) - _PIXEL_OPTIONS))
    codes = (BASIC_PROFILE_CODE, *sorted(option.value for option in set(done) - _PIXEL_OPTIONS))
    put_ascii(ds, _IDENTITY_REMOVED, "CS", ["YES"])
    year = tables.edition().split(" ", 1)[0]
    put_ascii(ds, _METHOD, "LO", [f"Lockgate {profile.profile_id}"[:64], f"PS3.15 {year} Table E.1-1"])
    if _METHOD_CODES in ds:
        del ds[_METHOD_CODES]
    add_method_codes(ds, codes)
    return codes


def add_method_codes(ds: Dataset, codes: Iterable[str]) -> None:
    """Add codes of CID 7050 to DeidentificationMethodCodeSequence, where they are not yet there.

    Raises:
        KeyError: A code is not in CID 7050.
    """
    written = ds.DeidentificationMethodCodeSequence if _METHOD_CODES in ds else ()
    everything = tuple(sorted({str(item.CodeValue) for item in written} | set(codes)))
    implicit_vr, little_endian = ds.original_encoding
    if implicit_vr is None or little_endian is None:
        ds.DeidentificationMethodCodeSequence = _items(everything)
    else:
        ds[_METHOD_CODES] = _encoded_items(everything, implicit_vr, little_endian)


def _items(codes: Iterable[str]) -> Sequence:
    items = []
    for code in codes:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator = code, "DCM"
        item.CodeMeaning = CODE_MEANINGS[code]
        items.append(item)
    return Sequence(items)


@lru_cache(maxsize=256)
def _encoded_items(codes: tuple[str, ...], implicit_vr: bool, little_endian: bool) -> RawDataElement:  # noqa: FBT001
    ds = Dataset()
    ds.DeidentificationMethodCodeSequence = _items(codes)
    ds.set_original_encoding(implicit_vr, little_endian)
    return encoded_element(ds, _METHOD_CODES)


def embedded_overlay_bits(ds: Dataset) -> tuple[int, ...]:
    """Bits of the pixel cells that hold overlay planes (retired: PS3.5 8.1.2; (60xx,3000) absent)."""
    bits = set()
    for tag in [int(key) for key in ds.keys()]:  # noqa: SIM118 - does not decode
        if tables.is_overlay(tag) and tag & 0xFFFF == 0x0102 and (tag & 0xFFFF0000) | 0x3000 not in ds:
            value = ds[tag].value
            if isinstance(value, int) and 0 <= value < 32:
                bits.add(value)
    return tuple(sorted(bits))


def _dates_word(profile: Profile) -> str:
    if profile.moves_dates:
        return "MODIFIED"
    return "UNMODIFIED" if Option.RETAIN_FULL_DATES in profile.options else "REMOVED"
