"""Labels are grouped as pandas and xarray group them; dates of other calendars as their parts say."""

from collections import defaultdict
from typing import Any

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from cfdb.errors import GroupingError
from cfdb.plan.frequency import Frequency, parse_frequency
from cfdb.plan.indexing import Range
from cfdb.plan.periods import AxisGroups, plan_groups

CALENDARS = ["360_day", "noleap", "julian", "all_leap"]


def listed(groups: AxisGroups) -> list[tuple[Any, list[int]]]:
    """The groups, checked for what always holds: in order, none empty, members ascending."""
    members = [member.positions().tolist() for member in groups.members]
    assert all(members)
    assert all(each == sorted(set(each)) for each in members)
    return list(zip(groups.labels.tolist(), members, strict=True))


def by_pandas(times: np.ndarray, frequency: str) -> list[tuple[Any, list[int]]]:
    series = pd.Series(np.arange(times.size), index=pd.DatetimeIndex(times))
    found = series.groupby(pd.Grouper(freq=frequency, closed="left", label="left", origin="start_day"))
    return [
        (label.to_datetime64().astype(times.dtype).item(), sorted(rows.tolist())) for label, rows in found if len(rows)
    ]


def dates(calendar: str, start: tuple[int, ...], number: int, hours: int) -> np.ndarray:
    first = cftime.datetime(*start, calendar=calendar)
    step = cftime.num2date([0, hours], f"hours since {first.isoformat(sep=' ')}", calendar=calendar)
    return np.array([first + (step[1] - step[0]) * n for n in range(number)], object)


TIMES = st.builds(
    lambda start, steps: np.datetime64("1950-01-01", "s") + start * 3600 + np.cumsum(steps) * 3600,
    st.integers(0, 400_000),
    st.lists(st.integers(1, 900), min_size=1, max_size=40),
)


@settings(max_examples=100, deadline=None)
@given(TIMES, st.sampled_from(["Y", "Q", "M", "D", "h", "season", "YS-OCT", "QS-FEB", "MS"]), st.booleans())
def test_calendar_periods_are_those_of_pandas(times: np.ndarray, period: str, descending: bool) -> None:
    pandas_name = {"Y": "YS", "Q": "QS", "M": "MS", "season": "QS-DEC"}.get(period, period)
    given_times = times[::-1] if descending else times
    groups = plan_groups("time", given_times, period)
    assert groups.labels.dtype == times.dtype
    assert listed(groups) == by_pandas(given_times, pandas_name)


@settings(max_examples=60, deadline=None)
@given(TIMES)
def test_weeks_begin_on_monday_as_iso_weeks(times: np.ndarray) -> None:
    groups = plan_groups("time", times, "W")
    assert all(pd.Timestamp(label).isoweekday() == 1 for label in groups.labels)
    weeks = pd.DatetimeIndex(times).isocalendar()
    expected = defaultdict(list)
    for place, key in enumerate(zip(weeks["year"], weeks["week"], strict=True)):
        expected[key].append(place)
    assert [members for _, members in listed(groups)] == list(expected.values())


@settings(max_examples=60, deadline=None)
@given(TIMES, st.sampled_from([("D", 7), ("h", 6), ("M", 5), ("Y", 2), ("h", 30)]), st.booleans())
def test_counted_periods_are_windows_from_the_unit_of_the_first_date(
    times: np.ndarray, window: tuple[str, int], descending: bool
) -> None:
    unit, count = window
    times = times[::-1] if descending else times
    whole = times.astype(f"M8[{unit}]")
    numbers = (whole - whole.min()).astype(np.int64) // count
    groups = plan_groups("time", times, f"{count}{unit}")
    expected = [
        ((whole.min() + number * count).astype(times.dtype).item(), np.flatnonzero(numbers == number).tolist())
        for number in np.unique(numbers)
    ]
    assert listed(groups) == expected


COMPONENTS = ["year", "quarter", "month", "week", "day", "dayofyear", "dayofweek", "days_in_month", "hour", "minute"]


@settings(max_examples=80, deadline=None)
@given(TIMES, st.sampled_from(COMPONENTS))
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_components_are_those_of_xarray(times: np.ndarray, component: str) -> None:
    array = xr.DataArray(pd.DatetimeIndex(times), dims="time")
    parts = array.dt.isocalendar().week if component == "week" else getattr(array.dt, component)
    expected = [(int(value), np.flatnonzero(parts.values == value).tolist()) for value in np.unique(parts.values)]
    groups = plan_groups("time", times, f"time.{component}")
    assert groups.name == component
    assert listed(groups) == expected


def test_seasons_of_the_year_are_in_their_order_and_hold_what_xarray_puts_in_them() -> None:
    times = np.arange("1999-07", "2003-02", dtype="M8[M]").astype("M8[s]")
    array = xr.DataArray(np.arange(times.size), dims="time", coords={"time": times.astype("M8[ns]")})
    expected = {str(name): group.values.tolist() for name, group in array.groupby("time.season")}
    groups = plan_groups("time", times, "time.season")
    assert groups.labels.tolist() == ["DJF", "MAM", "JJA", "SON"]
    assert dict(listed(groups)) == expected


def test_a_season_crosses_the_year_and_its_first_one_may_be_short() -> None:
    times = np.arange("2019-11-15", "2020-03-05", dtype="M8[D]")
    groups = plan_groups("time", times, "season")
    assert groups.labels.astype(str).tolist() == ["2019-09-01", "2019-12-01", "2020-03-01"]
    assert [len(member) for member in groups.members] == [16, 91, 4]
    assert all(isinstance(member, Range) for member in groups.members)


def test_months_before_1970_and_in_the_middle_of_one() -> None:
    times = np.arange("1969-12-20", "1970-01-10", dtype="M8[D]")
    groups = plan_groups("time", times, "M")
    assert groups.labels.astype(str).tolist() == ["1969-12-01", "1970-01-01"]
    assert groups.positions == (slice(0, 12, 1), slice(12, 21, 1))


@pytest.mark.parametrize("calendar", CALENDARS)
@pytest.mark.parametrize(
    ("period", "key"),
    [
        ("Y", lambda date: (date.year,)),
        ("M", lambda date: (date.year, date.month)),
        ("season", lambda date: ((date.year * 12 + date.month) // 3,)),
        ("D", lambda date: (date.year, date.month, date.day)),
        ("h", lambda date: (date.year, date.month, date.day, date.hour)),
    ],
)
def test_periods_of_other_calendars_hold_what_their_dates_say(calendar: str, period: str, key: Any) -> None:
    times = dates(calendar, (1968, 11, 17, 5), 60, 31 * 24 if period in ("Y", "season") else 17)
    groups = plan_groups("time", times, period)
    expected = defaultdict(list)
    for place, date in enumerate(times):
        expected[key(date)].append(place)
    assert [members for _, members in listed(groups)] == list(expected.values())
    for label, member in zip(groups.labels, groups.members, strict=True):
        first = times[member.positions()[0]]
        assert label <= first
        assert key(label) == key(first)
        assert label.calendar == calendar


@pytest.mark.parametrize("calendar", CALENDARS)
def test_components_of_other_calendars_are_those_of_their_dates(calendar: str) -> None:
    times = dates(calendar, (1850, 2, 27, 1), 50, 13 * 24 + 5)
    for component, attribute in (("month", "month"), ("dayofyear", "dayofyr"), ("day", "day"), ("hour", "hour")):
        found = plan_groups("time", times, f"time.{component}")
        parts = np.array([getattr(date, attribute) for date in times])
        expected = [(value, np.flatnonzero(parts == value).tolist()) for value in np.unique(parts).tolist()]
        assert listed(found) == expected


def test_a_month_of_the_360_day_calendar_has_thirty_days() -> None:
    groups = plan_groups("time", dates("360_day", (2000, 1, 1), 90, 24), "M")
    assert [len(member) for member in groups.members] == [30, 30, 30]
    assert groups.labels[1] == cftime.datetime(2000, 2, 1, calendar="360_day")


def test_counted_windows_of_other_calendars_begin_at_the_first_value() -> None:
    groups = plan_groups("time", dates("noleap", (2000, 2, 26, 12), 20, 24), "7D")
    assert [len(member) for member in groups.members] == [7, 7, 6]
    assert groups.labels[1] == cftime.datetime(2000, 3, 5, calendar="noleap")


def test_values_that_are_alike_belong_together_and_missing_ones_nowhere() -> None:
    region = np.array([3.0, 1.0, np.nan, 3.0, 1.0])
    groups = plan_groups("station", np.arange(5), "region", by=region)
    assert (groups.dim, groups.name) == ("station", "region")
    assert listed(groups) == [(1.0, [1, 4]), (3.0, [0, 3])]
    names = np.array(["b", "a", None, "b"], object)
    assert listed(plan_groups("station", np.arange(4), "name", by=names)) == [("a", [1]), ("b", [0, 3])]
    masked = np.ma.MaskedArray([2, 1, 2], mask=[True, False, False])
    assert listed(plan_groups("station", np.arange(3), "code", by=masked)) == [(1, [1]), (2, [2])]


def test_sizes_count_positions_whatever_their_order() -> None:
    groups = plan_groups("lat", np.array([40.0, 30.0, 20.0, 10.0, 0.0]), 2)
    assert listed(groups) == [(40.0, [0, 1]), (20.0, [2, 3]), (0.0, [4])]


def test_labels_of_a_coarse_coordinate_are_finer_only_where_they_must_be() -> None:
    days = np.arange("2020-01-01", "2020-01-04", dtype="M8[D]")
    assert plan_groups("time", days, "M").labels.dtype == days.dtype
    assert plan_groups("time", days, "7h").labels.astype("M8[h]").astype(str).tolist() == [
        "2020-01-01T00",
        "2020-01-01T21",
        "2020-01-02T18",
    ]


@pytest.mark.parametrize(
    "spec", [0, -3, True, 1.5, None, "0D", "M7", "", "fortnight", "month", "W-WED", "time.era", "x.month"]
)
def test_what_is_no_grouping_says_so_and_names_the_coordinate(spec: Any) -> None:
    days = np.arange("2020-01-01", "2020-01-04", dtype="M8[D]")
    with pytest.raises(GroupingError, match="time") as failed:
        plan_groups("time", days, spec)
    assert isinstance(failed.value, ValueError)


def test_numbers_have_no_periods() -> None:
    with pytest.raises(GroupingError, match="'lat' cannot be grouped by 'M': its values are of type float64, no dates"):
        plan_groups("lat", np.arange(3.0), "M")


def test_nothing_has_no_groups() -> None:
    nothing = np.array([], "M8[s]")
    for spec in ("M", "7D", "time.week", 3):
        assert len(plan_groups("time", nothing, spec)) == 0
    assert len(plan_groups("time", np.array(["NaT", "NaT"], "M8[s]"), "M")) == 0


def test_dates_too_far_away_are_not_grouped_wrongly() -> None:
    far = np.array(["20000-01-01", "20000-01-02"], "M8[s]")
    assert len(plan_groups("time", far, "D")) == 2
    with pytest.raises(GroupingError, match="cannot be counted in 'ns'"):
        plan_groups("time", far, "3ns")


def test_frequencies_are_read_as_pandas_writes_them() -> None:
    assert parse_frequency("t", "YS-OCT") == Frequency("M", 12, 9, 1)
    assert parse_frequency("t", "2QS-DEC") == Frequency("M", 3, 2, 2)
    assert parse_frequency("t", "W") == Frequency("D", 7, 0, 1)
