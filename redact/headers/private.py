"""Private elements: all go, unless the safe-private option keeps those of Table E.3.10-1."""

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from redact.headers import tables
from redact.headers.elements import ASCII_VRS, strings, vr_of
from redact.headers.rules import TEXT_VRS
from redact.identifiers.matcher import Matcher

# VRs whose content says nothing but numbers and codes; bytes, dates, UIDs and sequences of a maker's own may.
_PLAIN_VRS = frozenset(
    {"US", "SS", "UL", "SL", "FL", "FD", "OF", "OD", "AT", "DS", "IS", "CS", "SH", "LO", "ST", "LT"}
)


def clean_private(ds: Dataset, matcher: Matcher | None) -> tuple[int, int]:
    """Remove private elements at one level.

    Args:
        ds: Data set or item.
        matcher: None removes all; otherwise safe elements of plain VRs stay where no identifier is in them.

    Returns:
        How many were removed and how many kept (creators not counted).
    """
    private = [int(tag) for tag in ds.keys() if tag.is_private]  # noqa: SIM118 - does not decode
    safe = {tag for tag in private if matcher is not None and _is_safe(ds, tag, matcher)}
    creators = {(tag >> 16 << 16) | (tag >> 8 & 0xFF) for tag in safe}
    removed = 0
    for tag in private:
        if tag not in safe and tag not in creators:
            del ds[tag]
            removed += 1
    return removed, len(safe)


def _is_safe(ds: Dataset, tag: int, matcher: Matcher) -> bool:
    block = tag >> 8 & 0xFF
    creator_tag = (tag >> 16 << 16) | block
    if block < 0x10 or Tag(creator_tag) not in ds:
        return False
    creator = next(iter(strings(ds, creator_tag, "LO")), "")
    listed = tables.safe_private_vr(creator, tag)
    if listed is None:
        return False
    vr = vr_of(ds, tag)
    vr = listed if vr == "UN" else vr
    if vr not in _PLAIN_VRS:
        return False
    return vr not in TEXT_VRS | ASCII_VRS or not any(matcher.found(value) for value in strings(ds, tag, vr))
