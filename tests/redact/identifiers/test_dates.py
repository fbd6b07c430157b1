"""Moving dates: whole days, times and offsets exactly, nothing before 1900."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redact.identifiers.dates import capped_age, kept_offset, kept_time, shift_date, shift_datetime

days = st.integers(1, 3650)


@given(st.dates(date(1911, 1, 1), date(2100, 1, 1)), days)
def test_dates_move_by_whole_days(day: date, shift: int) -> None:
    expected = f"{day - timedelta(days=shift):%Y%m%d}"
    assert shift_date(f"{day:%Y%m%d}", shift) == expected
    assert shift_date(f"{day:%Y.%m.%d}", shift) == expected
    assert shift_datetime(f"{day:%Y%m%d}235959.123456-1130", shift) == f"{expected}235959.123456-1130"


@given(st.dates(date(1920, 1, 1)), st.dates(date(1920, 1, 1)), days)
def test_intervals_are_kept(one: date, two: date, shift: int) -> None:
    moved = [shift_date(f"{day:%Y%m%d}".rjust(8, "0"), shift) for day in (one, two)]
    first, second = (date(int(text[:4]), int(text[4:6]), int(text[6:])) for text in moved)
    assert second - first == two - one


@pytest.mark.parametrize(
    "value",
    ["", "00010101", "19000101", "18991231", "20201301", "2020-01-01", "Smith", "202001", "20200101Doe"],
)
def test_what_is_no_date_or_too_old_is_emptied(value: str) -> None:
    assert shift_date(value, 1) == ""


@given(st.text(max_size=30), days)
def test_nothing_but_a_date_comes_out(value: str, shift: int) -> None:
    assert shift_date(value, shift) == "" or shift_date(value, shift).isdigit()
    assert set(shift_datetime(value, shift)) <= set("0123456789.+-")
    assert set(kept_time(value)) <= set("0123456789.:")


@pytest.mark.parametrize(
    ("value", "shifted"),
    [
        ("2020", "2019"), ("202003", "202002"), ("20200310", "20200209"), ("2020031012", "2020020912"),
        ("2020+0100", "2019+0100"), ("20200310120000", "20200209120000"), ("202003101", ""), ("now", ""),
    ],
)  # fmt: skip
def test_partial_datetimes_keep_their_precision(value: str, shifted: str) -> None:
    assert shift_datetime(value, 30 if len(value) > 5 and value[4] != "+" else 200) == shifted


@pytest.mark.parametrize("value", ["12", "1230", "123059", "123059.5", "12:30:59", "235960", "00"])
def test_times_are_kept(value: str) -> None:
    assert kept_time(value) == value


@pytest.mark.parametrize("value", ["24", "1260", "noon", "12345", "123059.1234567", "12 Smith"])
def test_what_is_no_time_is_emptied(value: str) -> None:
    assert kept_time(value) == ""


def test_offsets() -> None:
    assert kept_offset("+0530 ") == "+0530"
    assert kept_offset("Smith") == kept_offset("+2500") == ""


@pytest.mark.parametrize(
    ("age", "kept"),
    [
        ("089Y", "089Y"),
        ("090Y", "090Y"),
        ("103Y", "090Y"),
        ("999M", "999M"),
        ("030D", "030D"),
        ("old", ""),
        ("45Y", ""),
    ],
)
def test_ages_over_89_fall_into_one_class(age: str, kept: str) -> None:
    assert capped_age(age) == kept
