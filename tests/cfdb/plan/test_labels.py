"""Labels select what pandas and xarray select, in coordinates of any order."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from cfdb.errors import LabelNotFoundError, SelectionError
from cfdb.plan.indexing import Positions, Range
from cfdb.plan.labels import LabelIndex

ORDERS = ["ascending", "descending", "unsorted"]


def ordered(values: np.ndarray, order: str) -> np.ndarray:
    if order == "descending":
        return values[::-1]
    return np.random.default_rng(0).permutation(values) if order == "unsorted" else values


def positions(found: Any) -> Any:
    return found if isinstance(found, int) else found.positions().tolist()


def by_xarray(values: np.ndarray, key: Any, method: str | None = None, tolerance: Any = None) -> Any:
    array = xr.DataArray(np.arange(values.size), dims="x", coords={"x": values})
    found = array.sel(x=key, method=method, tolerance=tolerance).values
    return int(found) if found.ndim == 0 else found.tolist()


NUMBERS = st.lists(st.integers(-40, 40), min_size=1, max_size=12, unique=True).map(sorted)
CODES = st.sampled_from(["i2", "u1", "f4", "f8", "i8"])


def coordinate(numbers: list[int], code: str, order: str) -> np.ndarray:
    values = np.array([n + 40 for n in numbers] if code == "u1" else numbers, code)
    return ordered(values, order)


@settings(max_examples=90, deadline=None)
@given(NUMBERS, CODES, st.sampled_from(ORDERS), st.integers(-45, 85), st.integers(-45, 85), st.sampled_from([None, 2]))
def test_slices_and_labels_of_numbers_are_those_of_xarray(
    numbers: list[int], code: str, order: str, start: int, stop: int, step: int | None
) -> None:
    values = coordinate(numbers, code, order)
    index = LabelIndex(values, "x")
    for key in (slice(start, stop, step), slice(start, None), slice(None, stop), start):
        try:
            expected = by_xarray(values, key)
        except (KeyError, OverflowError):
            with pytest.raises(KeyError):
                index.locate(key)
            continue
        assert positions(index.locate(key)) == expected


@settings(max_examples=100, deadline=None)
@given(
    NUMBERS,
    st.floats(-50, 50).map(lambda x: round(x, 1)),
    st.sampled_from([None, 0.5, 3.0]),
    st.sampled_from(ORDERS[:2]),
)
def test_inexact_lookups_are_those_of_xarray(numbers: list[int], label: float, tolerance: float, order: str) -> None:
    values = ordered(np.array(numbers, "f8"), order)
    index = LabelIndex(values, "x")
    for method in ("nearest", "pad", "ffill", "backfill", "bfill"):
        try:
            expected = by_xarray(values, label, method, tolerance)
        except KeyError:
            with pytest.raises(LabelNotFoundError):
                index.locate(label, method, tolerance)
            continue
        assert index.locate(label, method, tolerance) == expected


@settings(max_examples=40, deadline=None)
@given(NUMBERS, st.data())
def test_lists_of_labels_keep_their_order(numbers: list[int], data: st.DataObject) -> None:
    values = ordered(np.array(numbers), "unsorted")
    wanted = data.draw(st.lists(st.sampled_from(numbers), max_size=6))
    assert positions(LabelIndex(values, "x").locate(wanted)) == [values.tolist().index(label) for label in wanted]


def test_inexact_lookups_work_in_unsorted_coordinates() -> None:
    index = LabelIndex(np.array([30.0, 10.0, 20.0]), "x")
    assert [index.locate(14, method) for method in ("nearest", "pad", "backfill")] == [1, 1, 2]


TIMES = {
    "hourly": np.arange("2019-12-30", "2020-01-04", dtype="M8[h]").astype("M8[ns]"),
    "daily": np.arange("2019-11-20", "2020-03-05", dtype="M8[D]").astype("M8[s]"),
    "monthly": np.arange("2018-01", "2021-01", dtype="M8[M]").astype("M8[ns]"),
    "half-hourly": np.arange("2020-01-01", "2020-01-03", 30, dtype="M8[m]").astype("M8[us]"),
}
DATES = [
    "2019",
    "2020",
    "2019-12",
    "2020-01",
    "2020-02",
    "2020-01-01",
    "2020-01-02",
    "2020-01-01T12",
    "2020-01-01T12:30",
]


@pytest.mark.parametrize("name", TIMES)
def test_partial_dates_are_periods_as_in_xarray(name: str) -> None:
    values = TIMES[name]
    index = LabelIndex(values, "time")
    keys: list[Any] = [*DATES, *(slice(a, b) for a in [None, *DATES] for b in [None, *DATES])]
    for key in keys:
        try:
            expected = by_xarray(values, key)
        except KeyError:
            with pytest.raises(LabelNotFoundError):
                index.locate(key)
            continue
        assert positions(index.locate(key)) == expected, key


@pytest.mark.parametrize("name", TIMES)
def test_partial_dates_are_periods_in_descending_coordinates_too(name: str) -> None:
    upwards, downwards = LabelIndex(TIMES[name], "time"), LabelIndex(TIMES[name][::-1], "time")
    last = TIMES[name].size - 1
    keys: list[Any] = [*DATES, *(slice(a, b) for a in [None, *DATES] for b in [None, *DATES])]
    for key in keys:
        mirrored = slice(key.stop, key.start) if isinstance(key, slice) else key
        try:
            expected = positions(upwards.locate(mirrored))
        except LabelNotFoundError:
            continue
        found = positions(downwards.locate(key))
        assert found == (last - expected if isinstance(expected, int) else [last - place for place in expected[::-1]])


def test_a_period_of_an_unsorted_coordinate_is_found() -> None:
    values = np.array(["2020-02-01", "2020-01-15", "2020-03-01", "2020-01-01"], "M8[s]")
    assert positions(LabelIndex(values, "time").locate("2020-01")) == [1, 3]


def test_times_take_every_usual_spelling() -> None:
    index = LabelIndex(TIMES["daily"], "time")
    for label in (
        np.datetime64("2020-01-02"),
        np.datetime64("2020-01-02T00:00", "ns"),
        datetime(2020, 1, 2),
        date(2020, 1, 2),
        pd.Timestamp("2020-01-02"),
        "2020-01-02",
        "20200102",
        "2020-01-02T00:00:00Z",
        np.array("2020-01-02", "M8[D]"),
    ):
        assert index.locate(label) == 43, label
    assert index.locate("2020-01-02T11", method="nearest") == 43
    assert positions(index.locate(["2020-01-02", "2020-01-01"])) == [43, 42]
    assert positions(index.locate(np.array(["2020-01-02", "2020-01-01"], "M8[D]"))) == [43, 42]
    with pytest.raises(SelectionError, match="time zone"):
        index.locate(datetime(2020, 1, 2, tzinfo=UTC))


def test_times_are_found_within_a_tolerance() -> None:
    index = LabelIndex(TIMES["daily"], "time")
    label = np.datetime64("2020-01-02T03:00")
    assert index.locate(label, "nearest", np.timedelta64(4, "h")) == 43
    assert index.locate(label, "nearest", timedelta(hours=4)) == 43
    with pytest.raises(LabelNotFoundError, match="tolerance"):
        index.locate(label, "nearest", np.timedelta64(2, "h"))


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_cftime_dates_are_found(order: str) -> None:
    dates = [cftime.datetime(2000, month, day, calendar="360_day") for month in (1, 2, 3) for day in (1, 15, 30)]
    values = ordered(np.array(dates, object), order)
    index = LabelIndex(values, "time")
    assert index.locate(dates[4]) == values.tolist().index(dates[4])
    assert index.locate("2000-02-30") == values.tolist().index(dates[5])
    assert [values[place] for place in positions(index.locate("2000-02"))] == ordered(
        np.array(dates[3:6]), order
    ).tolist()
    key = slice("2000-01-15", "2000-02") if order == "ascending" else slice("2000-02", "2000-01-15")
    assert [values[place] for place in positions(index.locate(key))] == ordered(np.array(dates[1:6]), order).tolist()
    assert index.locate("2000-02-16", method="nearest") == values.tolist().index(dates[4])
    for wrong in (cftime.datetime(2000, 1, 1, calendar="noleap"), "2000-02-31", 3, "monday"):
        with pytest.raises((SelectionError, KeyError)):
            index.locate(wrong)


@pytest.mark.parametrize("order", ORDERS)
def test_strings_are_found_and_similar_ones_named(order: str) -> None:
    names = ordered(np.array(["Albany", "Berlin", "Cairo", "Delhi"], np.dtypes.StringDType()), order)
    index = LabelIndex(names, "station")
    assert index.locate("Cairo") == names.tolist().index("Cairo")
    assert positions(index.locate(["Delhi", "Albany"])) == [names.tolist().index(name) for name in ("Delhi", "Albany")]
    with pytest.raises(LabelNotFoundError, match="'Berlim' is not in 'station'; similar: 'Berlin'"):
        index.locate("Berlim")
    with pytest.raises(SelectionError, match="string"):
        index.locate(3)
    if order == "ascending":
        assert positions(index.locate(slice("B", "Cairo"))) == [1, 2]


def test_a_missing_label_names_the_nearest() -> None:
    index = LabelIndex(np.array([0.0, 2.5, 5.0]), "lat")
    with pytest.raises(KeyError, match=r"1\.5 is not in 'lat'; the nearest labels are 0\.0 and 2\.5"):
        index.locate(1.5)
    with pytest.raises(LabelNotFoundError, match=r"the nearest label is 5\.0"):
        index.locate(9)
    with pytest.raises(LabelNotFoundError, match="is empty"):
        LabelIndex(np.array([]), "lat").locate(9)
    with pytest.raises(LabelNotFoundError, match="no label"):
        index.locate(np.nan)
    with pytest.raises(LabelNotFoundError, match="2019-12-30"):
        LabelIndex(TIMES["hourly"], "time").locate("2018-05")


def test_labels_of_another_kind_are_refused() -> None:
    index = LabelIndex(np.array([1.0, 2.0]), "lat")
    for wrong in ("1.0", None, [[1.0]], np.datetime64("2020"), object()):
        with pytest.raises(SelectionError, match="'lat'"):
            index.locate(wrong)
    with pytest.raises(SelectionError, match="method"):
        index.locate(1.0, method="closest")
    with pytest.raises(SelectionError, match="slice"):
        index.locate(slice(1, 2), method="nearest")
    with pytest.raises(SelectionError, match="step"):
        index.locate(slice(1, 2, 0.5))
    with pytest.raises(SelectionError, match="2 dimensions"):
        LabelIndex(np.zeros((2, 2)), "lat")


def test_noise_of_arithmetic_does_not_lose_a_label() -> None:
    values = np.linspace(0, 1, 11)
    assert values[3] != 0.3
    index = LabelIndex(values, "x")
    assert index.locate(0.3) == 3
    assert index.locate(slice(0.3, 0.6)) == Range(3, 4)
    assert LabelIndex(np.array([0.1, 0.2], "f4"), "x").locate(0.1) == 0


def test_masks_select() -> None:
    index = LabelIndex(np.array([1, 2, 3]), "x")
    assert index.locate(np.array([True, False, True])) == Positions(np.array([0, 2]))
    assert LabelIndex(np.array([False, True]), "x").locate(True) == 1
    with pytest.raises(SelectionError, match="2 entries"):
        index.locate(np.array([True, False]))


def test_backward_steps_give_the_slice_from_its_end() -> None:
    index = LabelIndex(np.arange(10, 20), "x")
    assert positions(index.locate(slice(15, 12, -1))) == [5, 4, 3, 2]


def test_durations_are_labels() -> None:
    index = LabelIndex(np.array([0, 6, 12], "m8[h]"), "step")
    assert index.locate(np.timedelta64(6, "h")) == 1
    assert index.locate(timedelta(hours=12)) == 2
    assert positions(index.locate(slice(np.timedelta64(1, "h"), np.timedelta64(12, "h")))) == [1, 2]


def test_the_nearest_of_small_integers_does_not_overflow() -> None:
    assert LabelIndex(np.array([-100, 120], "i1"), "x").locate(100, "nearest") == 1
    unsigned = LabelIndex(np.array([3, 200], "u1"), "x")
    assert unsigned.locate(5, "nearest", 5) == 0
    assert unsigned.locate(-1, "nearest", 4) == 0


def test_large_unsigned_labels_are_told_apart() -> None:
    index = LabelIndex(np.array([2**62, 2**62 + 1, 2**62 + 2], "u8"), "x")
    assert index.locate(2**62 + 1) == 1
    assert index.locate([2**62 + 1]) == Positions(np.array([1]))
    assert index.locate(slice(2**62 + 1, 2**62 + 1)) == Range(1, 1)
    assert index.locate(slice(-5, 2**70)) == Range(0, 3)


def test_dates_beyond_the_unit_of_a_coordinate_bound_it() -> None:
    index = LabelIndex(np.array(["2000-01-01", "2001-01-01", "2002-01-01"], "M8[ns]"), "x")
    assert index.locate(slice("1000", "2001")) == Range(0, 2)
    assert index.locate(slice("2001", "9999")) == Range(1, 2)
    with pytest.raises(LabelNotFoundError):
        index.locate(["9999-01-01"])
