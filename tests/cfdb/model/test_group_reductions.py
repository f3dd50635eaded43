"""Reductions group by group give what xarray's give, decode every chunk once and keep to their budget."""

import tracemalloc
import warnings
from collections.abc import Iterator
from typing import Any

import cftime
import numpy as np
import pytest
import xarray as xr

import cfdb
from cfdb.errors import MemoryLimitError
from cfdb.storage.access import ChunkAccess

DAYS = np.arange("2000-01-01", "2002-01-01", dtype="M8[D]")


@pytest.fixture
def ds() -> Iterator[Any]:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("time", data=DAYS, step=False)
        ds.create.coord.generic("x", data=np.arange(3.0), step=False)
        rng = np.random.default_rng(0)
        data = rng.normal(size=(DAYS.size, 3))
        data[rng.random(data.shape) < 0.1] = np.nan
        data[:31, 1] = np.nan
        ds.create.data_var.generic("v", ("time", "x"), data=data, chunk_shape=(50, 2), attrs={"units": "K"})
        yield ds


def lazily(ds: Any) -> xr.DataArray:
    return xr.DataArray(ds["v"].values, {"time": DAYS.astype("M8[ns]"), "x": np.arange(3.0)}, ("time", "x"))


def quiet(function: Any, *args: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **options)


@pytest.mark.parametrize("name", ["mean", "sum", "min", "max", "std", "var", "count", "median"])
@pytest.mark.parametrize("component", ["month", "season", "dayofyear"])
def test_a_climatology_is_that_of_xarray(ds: Any, name: str, component: str) -> None:
    found = getattr(ds["v"].groupby(f"time.{component}"), name)()
    want = quiet(getattr(lazily(ds).groupby(f"time.{component}"), name))
    assert found.dims == (component, "x")
    want = want.sel({component: found.coords[component].values})
    np.testing.assert_allclose(found, want.values, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["mean", "sum", "max", "count"])
def test_means_of_periods_are_those_of_xarray(ds: Any, name: str) -> None:
    found = getattr(ds["v"].groupby({"time": "M"}), name)()
    want = quiet(getattr(lazily(ds).resample(time="MS"), name))
    assert found.dims == ("time", "x")
    np.testing.assert_array_equal(found.coords["time"].values, want["time"].values.astype("M8[D]"))
    np.testing.assert_allclose(found, want.values, rtol=1e-9)


def test_more_dimensions_are_reduced_with_the_grouped_one(ds: Any) -> None:
    groups = ds["v"].groupby("time.month")
    want = quiet(lazily(ds).groupby("time.month").mean, ...)
    for found in (groups.mean("x"), groups.mean(...)):
        assert found.dims == ("month",)
        np.testing.assert_allclose(found, want.values)
    weights = xr.DataArray([1.0, 2.0, 0.0], dims="x")
    want = lazily(ds).groupby("time.month").map(lambda part: part.weighted(weights).mean(("time", "x")))
    np.testing.assert_allclose(groups.mean("x", weights=weights), want.values)


def test_two_dimensions_are_grouped_together(ds: Any) -> None:
    found = ds["v"].groupby({"time": "season", "x": 2}).max()
    data = ds["v"].values
    assert found.dims == ("time", "x")
    assert found.coords["x"].values.tolist() == [0.0, 2.0]
    assert found.values[1, 0] == np.nanmax(data[60:152, :2])


def test_groups_of_a_view_are_those_of_its_labels(ds: Any) -> None:
    found = ds["v"][400:10:-3, 1].groupby("time.month").mean()
    want = lazily(ds)[400:10:-3, 1].groupby("time.month").mean()
    np.testing.assert_allclose(found, want.values)


def test_quantiles_of_groups_and_truth(ds: Any) -> None:
    groups = ds["v"].groupby("time.year")
    found = groups.quantile([0.1, 0.9])
    want = lazily(ds).groupby("time.year").quantile([0.1, 0.9])
    assert found.dims == ("quantile", "year", "x")
    np.testing.assert_allclose(found, want.transpose("quantile", "year", "x").values)
    assert groups.any().values.all()
    assert groups.all("x").dims == ("year",)


def test_quantiles_fall_back_to_one_group_at_a_time(ds: Any) -> None:
    data = np.random.default_rng(1).normal(size=(DAYS.size, 40))
    v = ds.create.data_var.generic("w", ("time", "y"), data=data, chunk_shape=(100, 40))
    budget = 150_000
    found = v.groupby("time.month", max_mem=budget).median("y")
    want = [np.median(data[lazily(ds)["time.month"].values == month]) for month in range(1, 13)]
    np.testing.assert_allclose(found, want)
    assert v.median(max_mem=budget) == np.median(data)
    with pytest.raises(MemoryLimitError, match="max_mem"):
        v.groupby("time.month", max_mem=1000).median("y")


def test_results_carry_labels_and_attributes(ds: Any) -> None:
    found = ds["v"].groupby("time.month").mean()
    assert (found.name, dict(found.attrs)) == ("v", {"units": "K"})
    assert found.coords["month"].values.tolist() == list(range(1, 13))
    ds["climatology"] = found
    assert ds["climatology"].dims == ("month", "x")
    assert ds["month"].values.tolist() == list(range(1, 13))


def test_other_calendars_are_grouped() -> None:
    times = cftime.num2date(np.arange(720), "days since 2000-01-01", "360_day")
    with cfdb.open_dataset(None, "n") as ds:
        ds["time"] = ("time", times)
        ds.create.data_var.generic("v", "time", data=np.arange(720.0), chunk_shape=(100,))
        found = ds["v"].groupby("time.month").mean()
        want = xr.DataArray(np.arange(720.0), {"time": times}, ("time",)).groupby("time.month").mean()
        np.testing.assert_allclose(found, want.values)


def test_a_climatology_larger_than_memory_decodes_every_chunk_once(monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []
    boxes = ChunkAccess.decode_boxes

    def counted(self: Any, found: Any, *args: Any) -> None:
        keys.extend(found.keys)
        boxes(self, found, *args)

    monkeypatch.setattr(ChunkAccess, "decode_boxes", counted)
    budget = 3_000_000
    data = np.random.default_rng(0).normal(size=(DAYS.size, 60, 60)).astype("f4")
    assert data.nbytes > 3 * budget
    with cfdb.open_dataset(None, "n") as ds:
        ds["time"] = ("time", DAYS)
        v = ds.create.data_var.generic("v", ("time", "y", "x"), data=data, chunk_shape=(31, 25, 60))
        v[:40].groupby("time.month", max_mem=budget).mean()
        keys.clear()
        tracemalloc.start()
        try:
            found = v.groupby("time.month", max_mem=budget).mean()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < budget
        assert sorted(keys) == sorted(v._array.written_keys())
    months = xr.DataArray(DAYS.astype("M8[ns]"), dims="time").dt.month.values
    want = np.stack([data[months == month].mean(0, dtype="f8") for month in range(1, 13)])
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-6)


def test_variables_of_a_dataset_are_reduced_together(ds: Any) -> None:
    ds.create.data_var.generic("n", ("time", "x"), data=np.arange(DAYS.size * 3).reshape(-1, 3))
    ds.create.data_var.generic("who", ("time", "x"), data=np.full((DAYS.size, 3), "a", "T"))
    found = ds.groupby("time.month").mean()
    assert list(found) == ["v", "n"]
    for name, each in found.items():
        np.testing.assert_array_equal(each.values, ds[name].groupby("time.month").mean().values)
    assert list(ds.groupby({"time": "M"}).max()) == ["v", "n", "who"]
    assert ds.groupby("time.year").quantile([0.5], "x")["n"].dims == ("quantile", "year")
