"""Dates, element by element: each must be the original's shifted one, or empty; or its year, by a rule.

Searching a study for its original dates is not enough, because a shifted date may be another original one;
and not finding them is not enough either, because an unshifted date of day or month precision is no full
date.
"""

from datetime import date, timedelta

from exchange.domain.codes import ReasonCode
from exchange.domain.errors import HeldError
from exchange.domain.identifiers import IdentifierKind
from redact.verify.expectations import Expectations
from redact.verify.inventory import Inventory

DUMMY_DAY = "19000101"

_DATE = frozenset({IdentifierKind.DATE})
_BIRTH_DATE = "(0010,0030)"
_IN_ITEMS = frozenset({0x0040A120, 0x0040A121})


def shifted_day(day: str, days: int) -> str:
    """YYYYMMDD moved into the past, "" for what is no date; written apart from the cleaner's own shift."""
    digits = day.replace(".", "")
    if len(digits) != 8 or not digits.isdigit():
        return ""
    try:
        moved = date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) - timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return moved.strftime("%Y%m%d") if moved.year >= 1900 else ""


def check_dates(original: Inventory, cleaned: Inventory, expectations: Expectations, shift_days: int) -> None:
    """Hold a date that is neither empty nor what the shift makes of the original in the same place.

    Raises:
        HeldError: PROOF_IDENTIFIER with the element's path.
    """
    if not expectations.shifts_dates:
        return
    for path, after in cleaned.dates.items():
        tag = int(path[-10:-1].replace(",", ""), 16)
        if expectations.retained and path == _BIRTH_DATE:
            continue  # is the original's (`redact.verify.retained`)
        if not _is_expected(original.dates.get(path, ""), after, tag, expectations, shift_days):
            raise HeldError(
                ReasonCode.PROOF_IDENTIFIER,
                "cannot prove that a date was moved: it is not the shifted original",
                path,
                "hold the instance and report the defect; a person may release it",
            )


def _is_expected(before: str, after: str, tag: int, expectations: Expectations, shift_days: int) -> bool:
    """Whether a date is what a profile that does not keep dates makes of the original, or says nothing."""
    if not after or not before or after in expectations.constants(tag):
        return True
    if _as_expected(before, after, shift_days):
        return True
    if _only_years(before, after) if expectations.years(tag) else expectations.allows(tag, _DATE):
        return True
    # Content items have dates that are disposed of although dates are kept: that of a birth.
    return (tag in _IN_ITEMS or not expectations.keeps_dates) and _says_nothing(after)


def _says_nothing(value: str) -> bool:
    """Whether dummies stand where the profile keeps no dates and the object must have some."""
    return all(part.strip(" \0")[:8] in {"", DUMMY_DAY} for part in value.split("\\"))


def _only_years(before: str, after: str) -> bool:
    """Whether each date is the year of the original: 1 January of it, or (DT) the year alone."""
    olds, news = before.split("\\"), after.split("\\")
    return len(olds) == len(news) and all(
        new.strip(" \0") in {"", f"{old.strip()[:4]}0101", old.strip()[:4]}
        for old, new in zip(olds, news, strict=True)
    )


def _as_expected(before: str, after: str, shift_days: int) -> bool:
    olds, news = before.split("\\"), after.split("\\")
    return len(olds) == len(news) and all(map(_one_as_expected, olds, news, [shift_days] * len(olds)))


def _one_as_expected(before: str, after: str, shift_days: int) -> bool:
    old, new = before.strip(" \0"), after.strip(" \0")
    if not new:
        return True
    expected = shifted_day(old[:10] if "." in old[:5] else old[:8], shift_days)
    if expected:
        return new[:8] == expected
    if new[:8] == DUMMY_DAY:
        return (
            True  # stands for a date that no shift can express; says nothing, even of one that was the same
        )
    return new != old  # less than a day's precision, or no date: at least it may not be what it was
