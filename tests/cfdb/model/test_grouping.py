"""Variables and datasets are cut into groups of dates, values and sizes; each chunk is read as few times as may be."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.errors import GroupingError, VariableNotFoundError
from cfdb.model.dataset import Dataset
from tests.cfdb.compute.test_rechunk import counting

DAYS = np.arange("1968-11-17", "1971-03-04", dtype="M8[D]").astype("M8[s]")
LAT = np.array([60.0, 40.0, 20.0, 0.0, -20.0])


def values(days: int = DAYS.size) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(days, LAT.size))


def make(ds: Dataset, times: np.ndarray, chunks: tuple[int, int] = (50, 2)) -> None:
    ds.create.coord.generic("time", data=times, step=False)
    ds.create.coord.generic("lat", data=LAT, step=False)
    ds["region"] = (("time",), np.array(["sea", "land", "ice"])[np.arange(times.size) % 3])
    ds.create.data_var.generic("t", ("time", "lat"), dtype="float64", chunk_shape=chunks)
    ds.create.data_var.generic("u", ("time", "lat"), dtype="float64", chunk_shape=(7, 5))
    ds["t"][...] = values(times.size)
    ds["u"][...] = -values(times.size)


@pytest.fixture
def ds() -> Iterator[Dataset]:
    with cfdb.open_dataset(None, "n") as ds:
        make(ds, DAYS)
        yield ds


def by_xarray(array: xr.DataArray, grouping: str) -> dict[Any, np.ndarray]:
    return {key: group.values for key, group in array.groupby(grouping)}


def labelled(view: Any) -> xr.DataArray:
    times = view.coords["time"].values.astype("M8[ns]")
    return xr.DataArray(view.values, dims=("time", "lat"), coords={"time": times, "region": ("time", _region(times))})


def _region(times: np.ndarray) -> np.ndarray:
    days = (times - DAYS[0].astype("M8[ns]")).astype("m8[D]").astype(int)
    return np.array(["sea", "land", "ice"])[days % 3]


VIEWS: dict[str, Any] = {
    "all": slice(None),
    "from mid-month": slice(11, 700),
    "every third": slice(5, None, 3),
    "backwards": slice(None, None, -1),
    "shuffled": np.random.default_rng(1).permutation(DAYS.size)[:200].tolist(),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("grouping", ["time.month", "time.year", "time.dayofyear", "region"])
def test_groups_that_do_not_follow_each_other_hold_what_xarray_puts_in_them(
    ds: Dataset, view: str, grouping: str
) -> None:
    part = ds["t"][VIEWS[view]]
    expected = by_xarray(labelled(part), grouping)
    grouped = part.groupby(grouping)
    assert len(grouped) == len(expected)
    found = dict(zip(grouped.groups[0].labels.tolist(), (block for _, block in grouped), strict=True))
    assert list(found) == sorted(expected)
    for key, block in found.items():
        np.testing.assert_array_equal(block, expected[key])


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("period", "pandas_name"), [("M", "MS"), ("season", "QS-DEC"), ("Y", "YS")])
def test_calendar_groups_are_right_on_views_in_mid_period_and_before_1970(
    ds: Dataset, view: str, period: str, pandas_name: str
) -> None:
    part = ds["t"][VIEWS[view]]
    places = pd.Series(np.arange(part.shape[0]), index=pd.DatetimeIndex(part.coords["time"].values))
    grouper = places.groupby(pd.Grouper(freq=pandas_name))
    expected = {label: part.values[np.sort(rows.to_numpy())] for label, rows in grouper if len(rows)}
    grouped = part.groupby({"time": period})
    assert [pd.Timestamp(label) for label in grouped.groups[0].labels] == list(expected)
    for (where, block), rows in zip(grouped, expected.values(), strict=True):
        np.testing.assert_array_equal(block, rows)
        np.testing.assert_array_equal(part.values[where[0]], rows)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=30),
    st.sampled_from([{"time": "M"}, {"time": "9D"}, "time.month", "region", {"time": 4, "lat": 2}, "lat"]),
    st.sampled_from([1, 700, 10**7]),
    st.integers(1, 12),
)
def test_groups_are_cut_from_the_values_whatever_the_budget(
    steps: list[int], grouping: Any, max_mem: int, chunk: int
) -> None:
    times = DAYS[0] + np.cumsum(steps) * np.timedelta64(1, "D")
    with cfdb.open_dataset(None, "n") as ds:
        make(ds, times, (chunk, 2))
        grouped = ds["t"].groupby(grouping, max_mem=max_mem)
        seen = np.zeros((times.size, LAT.size), int)
        for where, block in grouped:
            expected = values(times.size)[where[0]][:, where[1]]
            np.testing.assert_array_equal(block, expected)
            assert block.size
            rows = np.zeros(times.size, int)
            rows[where[0]] = 1
            columns = np.zeros(LAT.size, int)
            columns[where[1]] = 1
            seen += np.outer(rows, columns)
        assert (seen == 1).all(), "every cell is in one group"


def test_several_dimensions_are_grouped_at_once(ds: Dataset) -> None:
    grouped = ds["t"].groupby({"time": "Y", "lat": 2})
    shapes = [block.shape for _, block in grouped]
    assert [each.name for each in grouped.groups] == ["time", "lat"]
    assert shapes == [(n, m) for n in (45, 365, 365, 62) for m in (2, 2, 1)]
    assert len(grouped) == len(shapes)


def test_a_name_alone_gives_every_position_as_upstream(ds: Dataset) -> None:
    found = [(where, block.shape) for where, block in ds["t"].groupby("lat")]
    assert found == [((slice(0, DAYS.size, 1), slice(n, n + 1, 1)), (DAYS.size, 1)) for n in range(5)]
    assert len(list(ds["t"][:4].groupby(["time", "lat"]))) == 20


def test_sizes_and_periods_of_several_dimensions_may_be_mixed_where_upstream_refused(ds: Dataset) -> None:
    found = list(ds["t"].groupby({"time": "17D", "lat": 3}))
    assert [block.shape for _, block in found[:2]] == [(17, 3), (17, 2)]
    assert sum(block.size for _, block in found) == values().size


def test_the_names_of_a_group_are_found_in_it(ds: Dataset) -> None:
    ocean = ds.create.group("ocean")
    ocean["heat"] = (("time", "depth"), np.ones((DAYS.size, 2)))
    ocean["kind"] = (("depth",), np.array([1, 0]))
    assert [where[1] for where, _ in ocean["heat"].groupby("kind")] == [slice(1, 2, 1), slice(0, 1, 1)]
    assert len(ocean.groupby({"time": "Y"}, data_vars=["heat"])) == 4
    assert [block["heat"].shape for _, block in ocean.iter_chunks({"depth": 1})] == [(DAYS.size, 1)] * 2


def test_dates_of_a_360_day_calendar_are_grouped_by_their_months(ds: Dataset) -> None:
    first = cftime.datetime(1969, 12, 16, calendar="360_day")
    step = cftime.datetime(1969, 12, 17, calendar="360_day") - first
    ds["day"] = (("day",), np.array([first + step * n for n in range(90)], object))
    ds["rain"] = (("day",), np.arange(90.0))
    grouped = ds["rain"].groupby({"day": "M"})
    assert [(label.year, label.month, label.day) for label in grouped.groups[0].labels] == [
        (1969, 12, 1),
        (1970, 1, 1),
        (1970, 2, 1),
        (1970, 3, 1),
    ]
    assert [block.size for _, block in grouped] == [15, 30, 30, 15]
    assert [block.size for _, block in ds["rain"].groupby("day.month")] == [30, 30, 15, 15]


def test_missing_chunks_are_missing_in_their_groups(ds: Dataset) -> None:
    packing = cfdb.dtypes.dtype("float32", precision=1, min_value=0, max_value=100)
    ds.create.data_var.generic("p", ("time",), dtype=packing, chunk_shape=(20,))
    ds["p"][100:120] = 7.0
    for (where,), block in ds["p"].groupby({"time": "M"}):
        expected = np.full(DAYS.size, np.nan)
        expected[100:120] = 7.0
        np.testing.assert_array_equal(block, expected[where])


@pytest.mark.parametrize("grouping", [{"time": "M"}, {"time": "W"}, {"time": 3}, "time.month", "region", "lat"])
def test_with_room_every_chunk_is_decoded_once(ds: Dataset, grouping: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grouped = ds["t"].groupby(grouping)
    count = counting(monkeypatch)
    for _ in grouped:
        pass
    assert count[0] == ds["t"].n_chunks


def test_consecutive_groups_decode_every_chunk_once_in_little_memory(
    ds: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    grouped = ds["t"].groupby({"time": "W"}, max_mem=5000)
    count = counting(monkeypatch)
    for _ in grouped:
        pass
    assert count[0] == ds["t"].n_chunks


@pytest.mark.parametrize("grouping", ["time.month", {"time": "M"}])
def test_groups_stay_within_the_budget(grouping: Any) -> None:
    days = np.arange("2000-01-01", "2010-01-01", dtype="M8[D]")
    mb, decoding = 2**20, 2 * 2**20
    with cfdb.open_dataset(None, "n") as ds, cfdb.set_options(threads=2):
        ds.create.coord.generic("time", data=days)
        ds.create.coord.generic("x", data=np.arange(400))
        ds.create.data_var.generic("t", ("time", "x"), dtype="float64", chunk_shape=(100, 400))
        ds["t"][...] = np.arange(400) % 7  # what threads fetch is small: up to 4 MiB each of data that do not compress
        grouped = ds["t"].groupby(grouping, max_mem=4 * mb)
        next(iter(grouped))
        tracemalloc.start()
        try:
            for _, block in grouped:
                assert np.isfinite(block).all()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak <= 4 * mb + decoding


def test_a_dataset_is_cut_into_the_same_groups(ds: Dataset) -> None:
    grouped = ds.groupby({"time": "M"})
    assert "29 groups" in repr(grouped)
    total = 0
    for where, found in grouped:
        np.testing.assert_array_equal(found["t"], values()[where["time"]])
        np.testing.assert_array_equal(found["t"], -found["u"])
        assert found["region"].shape == (found["t"].shape[0],)
        total += found["t"].shape[0]
    assert total == DAYS.size
    months = ds.isel(time=slice(20, 400)).groupby("time.month", data_vars=["t"])
    assert len(list(months)) == len(months) == 12
    with pytest.raises(ValueError, match="no variables"):
        ds.groupby("time", data_vars=[])


def test_a_grouped_variable_says_what_its_groups_are(ds: Dataset) -> None:
    text = repr(ds["t"].groupby({"time": "season", "lat": 2}))
    assert text.splitlines()[0] == "<GroupBy of 't': 33 groups>"
    assert "time: 11 groups along 'time': 1968-09-01T00:00:00 ... 1971-03-01T00:00:00" in text


@pytest.mark.parametrize(
    ("grouping", "message"),
    [
        ({"time": "5X"}, "'time' cannot be grouped by '5X': give a period"),
        ({"time": "0D"}, "1 period or more"),
        ({"time": 0}, "give 1 or more"),
        ({"lat": "M"}, "'lat' cannot be grouped by 'M': its values are of type float64, no dates"),
        ("lat.month", "no dates"),
        ("time.fortnight", "dates have no 'fortnight'; there are year, quarter"),
        (("time.month", "region"), "'month' and 'region' both group 'time'"),
        ("grid", "whose dimensions are"),
        ([], "groupby needs a name"),
        (5, "groupby takes a name"),
    ],
)
def test_what_cannot_be_grouped_is_a_value_error_that_says_why(ds: Dataset, grouping: Any, message: str) -> None:
    ds["grid"] = (("time", "lat"), np.zeros((DAYS.size, LAT.size)))
    with pytest.raises(GroupingError, match=message):
        ds["t"].groupby(grouping)


def test_an_unknown_name_is_a_key_error_and_a_value_error(ds: Dataset) -> None:
    for grouping in ("level", {"level": "M"}, ["time", "level"]):
        with pytest.raises(VariableNotFoundError, match="'t' cannot be grouped by 'level'"):
            ds["t"].groupby(grouping)
    with pytest.raises(VariableNotFoundError, match="'t' cannot be grouped by ''"):
        ds["t"][:, None].groupby("")
    with pytest.raises(ValueError, match="max_mem"):
        ds["t"].groupby("time", max_mem=0)
