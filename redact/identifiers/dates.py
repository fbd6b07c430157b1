"""Moving dates (113107): whole days into the past, times and offsets as they are.

One rule for DA, DT and time zones: the calendar date as written moves by whole days; time of day, fraction
and UTC offset stay exactly as written. So every interval of a patient is kept, across midnight and zones.
"""

import re
from datetime import date, timedelta

FIRST_YEAR = 1900
_DA = re.compile(r"(\d{4})([.]?)(\d{2})\2(\d{2})", re.ASCII)
_DT = re.compile(
    r"(\d{4})(\d{2})?(?(2)(\d{2})?)(?(3)(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?)([+-]\d{4})?", re.ASCII
)
_TM = re.compile(r"(?:[01]\d|2[0-3])(?::?[0-5]\d(?::?[0-5]\d|:?60)?(?:\.\d{1,6})?)?", re.ASCII)
_OFFSET = re.compile(r"[+-](?:0\d|1[0-4])[0-5]\d", re.ASCII)
_AGE = re.compile(r"(\d{3})([DWMY])", re.ASCII)


def shift_date(value: str, days: int) -> str:
    """A DA value (PS3.5 6.2) moved `days` whole days into the past.

    The retired form `YYYY.MM.DD` is read too and written in the present form.

    Returns:
        `YYYYMMDD`; "" where the value is no date or the result lies before 1900.
    """
    match = _DA.fullmatch(value.strip(" \0"))
    moved = _moved(match[1], match[3], match[4], days) if match else None
    return f"{moved:%Y%m%d}" if moved else ""


def shift_datetime(value: str, days: int) -> str:
    """A DT value moved `days` whole days into the past; its precision, time and UTC offset are kept.

    Where day or month are absent, the middle of the period is moved and written with the same precision.

    Returns:
        The moved value; "" where it is no date or the result lies before 1900.
    """
    match = _DT.fullmatch(value.strip(" \0"))
    if match is None:
        return ""
    year, month, day, clock, offset = match.groups()
    moved = _moved(year, month or "07", day or ("15" if month else "01"), days)
    if moved is None:
        return ""
    text = f"{moved:%Y%m%d}"[: 4 + 2 * bool(month) + 2 * bool(day)]
    return text + (clock or "") + (offset or "")


def year_of_date(value: str) -> str:
    """A DA value as 1 January of its year, which is how a DA says a year; "" where it is no date."""
    date_only = shift_date(value, 0)
    return f"{date_only[:4]}0101" if date_only else ""


def year_of_datetime(value: str) -> str:
    """The year of a DT value (PS3.5 6.2 lets the rest be left out); "" where it is no date."""
    return shift_datetime(value, 0)[:4]


def kept_time(value: str) -> str:
    """A TM value as it is; "" where it is no time of day (then it may be anything)."""
    stripped = value.strip(" \0")
    return stripped if _TM.fullmatch(stripped) else ""


def kept_offset(value: str) -> str:
    """A UTC offset `&ZZXX` as it is; "" where it is none."""
    stripped = value.strip(" \0")
    return stripped if _OFFSET.fullmatch(stripped) else ""


def capped_age(value: str) -> str:
    """An AS value as it is, ages over 89 years as `090Y`; "" where it is no age.

    Everybody of 90 and more falls into one class (HIPAA 164.514(b)(2)(i)(C)), however the age is written.
    """
    match = _AGE.fullmatch(value.strip(" \0"))
    if match is None:
        return ""
    per_year = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}[match[2]]
    return "090Y" if int(match[1]) / per_year >= 90 else match[0]


def _moved(year: str, month: str, day: str, days: int) -> date | None:
    try:
        moved = date(int(year), int(month), int(day)) - timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return moved if moved.year >= FIRST_YEAR else None
