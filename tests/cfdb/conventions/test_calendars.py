"""CF time numbers and dates are two spellings of the same instants."""

from datetime import timedelta

import cftime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfdb.conventions.calendars import (
    CALENDARS,
    calendar_of,
    check_calendar,
    decode_times,
    encode_times,
    is_time_units,
    parse_period,
    parse_units,
    resolution_of,
    uses_datetime64,
)
from cfdb.errors import EncodingError

UNITS = st.sampled_from(["microseconds", "milliseconds", "seconds", "minutes", "hours", "days"])
REFERENCES = st.sampled_from(
    ["1970-01-01", "1850-01-01 00:00:00", "2000-02-28T12:30:15", "1900-01-01 06:00", "1583-1-1"]
)
OTHERS = [calendar for calendar in CALENDARS if not uses_datetime64(calendar)]


@settings(max_examples=90, deadline=None)
@given(st.lists(st.integers(-(10**5) * 5, 10**6), max_size=8), UNITS, REFERENCES)
def test_standard_dates_are_those_of_cftime_and_come_back(numbers: list[int], unit: str, reference: str) -> None:
    units = f"{unit} since {reference}"
    for calendar in ("proleptic_gregorian", "standard"):
        found = decode_times(np.array(numbers, np.int64), units, calendar)
        expected = cftime.num2date(np.array(numbers, np.int64), units, calendar)
        if found.dtype.kind == "M":
            texts = [str(value.astype("M8[us]")) for value in found]
            assert texts == [date.isoformat(timespec="microseconds") for date in np.atleast_1d(expected)]
        else:
            assert calendar == "standard"
            assert found.tolist() == np.atleast_1d(expected).tolist()
        assert encode_times(found, units, calendar).tolist() == numbers


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 10**6), max_size=6), UNITS, REFERENCES, st.sampled_from(OTHERS))
def test_dates_of_other_calendars_come_back(numbers: list[int], unit: str, reference: str, calendar: str) -> None:
    units = f"{unit} since {reference}"
    found = decode_times(np.array(numbers, np.int64), units, calendar)
    assert found.dtype == object
    for date, number in zip(found.tolist(), numbers, strict=True):
        assert date == cftime.num2date(number, units, calendar)
    assert encode_times(found, units, calendar).tolist() == numbers
    if numbers:
        assert check_calendar(calendar_of(found) or "")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-(10**9), 10**9), max_size=8), UNITS)
def test_float_numbers_are_exact_to_the_microsecond(seconds: list[int], unit: str) -> None:
    times = np.array(seconds, "M8[s]")
    units = f"{unit} since 1970-01-01"
    numbers = encode_times(times, units, "standard", "f8")
    found = decode_times(numbers, units, "standard", "us")
    # a float of days resolves about a microsecond this far from the reference
    assert bool(np.all(np.abs((found - times).astype(np.int64)) <= 2))


def test_a_day_of_a_float_is_not_rounded_through_nanoseconds() -> None:
    found = decode_times(np.array([0.5, 1.25, 18262.75]), "days since 1970-01-01")
    assert found.astype(str).tolist() == ["1970-01-01T12:00:00", "1970-01-02T06:00:00", "2020-01-01T18:00:00"]


def test_missing_times_stay_missing() -> None:
    units = "hours since 2000-01-01"
    assert np.isnat(decode_times(np.array([np.nan, 1]), units)).tolist() == [True, False]
    smallest = np.iinfo("i4").min
    assert np.isnat(decode_times(np.array([smallest, 1], "i4"), units)).tolist() == [True, False]
    assert np.isnat(decode_times(np.ma.MaskedArray([5, 1], [True, False]), units)).tolist() == [True, False]
    assert decode_times(np.array([np.nan, 1.0]), units, "360_day").tolist()[0] is None
    assert encode_times(np.array(["NaT", "2000-01-02"], "M8[s]"), units, dtype="i4").tolist() == [smallest, 24]
    dates = np.array([None, cftime.datetime(2000, 1, 2, calendar="360_day")], object)
    assert encode_times(dates, units, "360_day", "i4").tolist() == [smallest, 24]
    assert np.isnan(encode_times(dates, units, "360_day", "f4")[0])
    with pytest.raises(EncodingError, match="uint16"):
        encode_times(dates, units, "360_day", "u2")


def test_references_of_any_spelling_are_read() -> None:
    same = [
        "days since 2000-01-01",
        "day since 2000-1-1 0:0:0",
        "DAYS SINCE 2000-01-01T00:00:00Z",
        "d since 2000-01-01 00:00 UTC",
    ]
    for units in same:
        assert decode_times([1], units)[0] == np.datetime64("2000-01-02")
    assert decode_times([0], "hours since 2000-01-01 06:00 +02:00")[0] == np.datetime64("2000-01-01T04:00")
    assert decode_times([0], "hours since 2000-01-01 06:00 -0230")[0] == np.datetime64("2000-01-01T08:30")
    assert decode_times([0], "hours since 2000-01-01 06:00 +02", "360_day")[0].hour == 4
    assert decode_times([1], "seconds since 1970-01-01 00:00:00.25")[0] == np.datetime64("1970-01-01T00:00:01.25")
    assert decode_times([1], "weeks since 1970-01-01")[0] == np.datetime64("1970-01-08")


def test_references_before_the_gregorian_reform_count_julian_days() -> None:
    for units in ("days since 0001-01-01", "hours since 1-1-1", "days since 1500-03-01"):
        number = cftime.date2num(cftime.datetime(2000, 1, 1, calendar="standard"), units, "standard")
        assert decode_times([int(number)], units, "standard")[0] == np.datetime64("2000-01-01")
        assert encode_times(np.array(["2000-01-01"], "M8[D]"), units, "standard").tolist() == [number]
    assert decode_times([0], "days since 0001-01-01", "proleptic_gregorian")[0] == np.datetime64("0001-01-01")
    assert decode_times([0], "days since -0044-03-15", "proleptic_gregorian")[0] == np.datetime64("-0044-03-15")
    early = decode_times([0], "days since 1500-01-01", "standard")
    assert early[0] == cftime.datetime(1500, 1, 1, calendar="standard")


@pytest.mark.parametrize(
    "units",
    [
        "days",
        "months since 2000-01-01",
        "years since 2000-01-01",
        "days since yesterday",
        "days since 2000-02-30",
        "furlongs since 2000-01-01",
    ],
)
def test_units_that_count_no_time_are_refused(units: str) -> None:
    with pytest.raises(EncodingError, match="units"):
        decode_times([0], units)
    with pytest.raises(EncodingError):
        decode_times([0], units.replace("02-30", "02-31"), "360_day")


def test_units_of_time_are_recognised() -> None:
    assert is_time_units("days since 2000-01-01")
    assert not any(is_time_units(units) for units in ("days", "K", None, 3, "since"))
    assert parse_units("hours since 2000-01-01").microseconds == 3600 * 10**6


def test_what_numbers_cannot_hold_is_refused() -> None:
    times = np.array(["2000-01-01T12"], "M8[h]")
    with pytest.raises(EncodingError, match="no whole number of days"):
        encode_times(times, "days since 2000-01-01")
    with pytest.raises(EncodingError, match="int8"):
        encode_times(times, "hours since 1900-01-01", dtype="i1")
    with pytest.raises(EncodingError, match="beyond"):
        decode_times([2**62], "days since 1970-01-01")
    with pytest.raises(EncodingError, match="beyond"):
        decode_times([1e300], "days since 1970-01-01")
    with pytest.raises(EncodingError, match="cftime objects of calendar '360_day'"):
        encode_times(times, "days since 2000-01-01", "360_day")
    with pytest.raises(EncodingError, match="no date of calendar 'noleap'"):
        encode_times(np.array([cftime.datetime(2000, 1, 1, calendar="360_day")]), "days since 2000-01-01", "noleap")
    with pytest.raises(EncodingError, match="calendar 'martian'"):
        decode_times([0], "days since 2000-01-01", "martian")
    with pytest.raises(EncodingError, match="finer than a microsecond"):
        encode_times(np.array([1], "M8[ns]"), "days since 2000-01-01")
    with pytest.raises(EncodingError, match="units"):
        decode_times([0], "days since 1500-02-30", "standard")
    with pytest.raises(EncodingError, match="finer"):
        decode_times([0.5], "days since 2000-01-01", resolution="D")


def test_a_resolution_is_honoured() -> None:
    assert decode_times([1], "days since 2000-01-01", resolution="D").dtype == "M8[D]"
    assert decode_times([1], "days since 2000-01-01", resolution="ns").dtype == "M8[ns]"


@pytest.mark.parametrize("calendar", OTHERS)
def test_periods_follow_each_other(calendar: str) -> None:
    for text, step in (
        ("2000", None),
        ("2000-12", None),
        ("2001-02-28", 86400),
        ("2000-01-01T05", 3600),
        ("2000-01-01T05:06:07", 1),
    ):
        start, stop, _ = parse_period(text, calendar)
        if step is not None:
            assert stop - start == timedelta(seconds=step)
        following, _, _ = parse_period(stop.isoformat(), calendar)
        assert following == stop
    for wrong in ("monday", "2000-13", "2001-02-31", ""):
        with pytest.raises(ValueError):
            parse_period(wrong, calendar)


def test_the_resolution_of_dates_is_found() -> None:
    def dates(*clock: int) -> np.ndarray:
        return np.array([None, cftime.datetime(2000, 1, 1, *clock, calendar="noleap")], object)

    assert [resolution_of(dates(*clock)) for clock in ((), (6,), (6, 30), (0, 0, 1), (0, 0, 0, 5))] == [
        "D",
        "h",
        "m",
        "s",
        "us",
    ]
    assert calendar_of(np.array([None, "x"], object)) is None
