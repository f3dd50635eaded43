"""Results of interpolation written into datasets, and what it costs to get there."""

import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely

import cfdb
from cfdb.errors import CoordinateError
from cfdb.storage.booklet_store import BookletStore

LAT = np.arange(60.0, 49.0, -1.0)
LON = np.arange(0.0, 12.0)
TIME = np.arange("2024-01-01", "2024-01-31", dtype="datetime64[D]")


def make(ds: Any, chunk_shape: Any = None, members: int = 0) -> Any:
    ds.create.coord.time(data=TIME, step=False)
    ds.create.coord.lat(data=LAT, step=False)
    ds.create.coord.lon(data=LON, step=False)
    dims: tuple[str, ...] = ("time", "latitude", "longitude")
    data = LAT[:, None] + 2 * LON + np.arange(TIME.size)[:, None, None]
    if members:
        ds["member"] = ("member", np.arange(members))
        dims, data = ("member", *dims), data + 1000.0 * np.arange(members)[:, None, None, None]
    return ds.create.data_var.generic("t", dims, data=data, chunk_shape=chunk_shape, attrs={"units": "K"})


@pytest.fixture
def ds() -> Any:
    with cfdb.open_dataset(None, "n") as dataset:
        yield dataset


@pytest.fixture
def new() -> Any:
    with cfdb.open_dataset(None, "n") as dataset:
        yield dataset


def test_a_result_becomes_a_variable_with_its_coordinates(ds: Any, new: Any) -> None:
    t = make(ds)
    ds.create.crs.from_user_input(4326)
    found = t.interp().to_grid(0.5)
    written = found.write(new, "fine", precision=2)
    assert written.dims == ("time", "latitude", "longitude")
    assert written.attrs["units"] == "K"
    assert new.crs == pyproj.CRS(4326)
    assert new.axes == {"t": "time", "y": "latitude", "x": "longitude"}
    assert new["latitude"].attrs["units"] == "degrees_north"
    np.testing.assert_array_equal(new["time"].values, TIME)
    for label, field in found:
        np.testing.assert_allclose(written.loc[label].values, field, atol=0.006)
    again = t.interp().to_grid(0.5).write(new, "again")  # the coordinates are there
    assert again.dims == written.dims


def test_a_result_of_one_field_is_written_without_further_dimensions(ds: Any, new: Any) -> None:
    t = make(ds)
    written = t[3].interp().to_grid(2.0).write(new)
    assert written.dims == ("latitude", "longitude")
    np.testing.assert_allclose(written.values, t[3, ::2, ::2].values)


def test_other_names_for_the_coordinates_of_the_same_dataset(ds: Any) -> None:
    t = make(ds)
    found = t.interp().to_grid(2.0)
    before = set(ds)
    with pytest.raises(CoordinateError, match=r"'latitude' with other labels.*names="):
        found.write(ds, "coarse")
    assert set(ds) == before
    written = found.write(ds, "coarse", names={"latitude": "lat2", "longitude": "lon2"})
    assert written.dims == ("time", "lat2", "lon2")
    np.testing.assert_allclose(written.values, t[:, ::2, ::2].values)


def test_a_failed_write_leaves_nothing_behind(ds: Any, new: Any) -> None:
    ds["level"] = ("level", np.arange(3.0))
    make(ds)
    ds["u"] = (("time", "level", "latitude", "longitude"), np.zeros((30, 3, 11, 12)))
    heights = np.tile(np.arange(3.0)[:, None, None], (30, 1, 11, 12))
    heights[20, 2] = 0.5  # turns back
    ds["z"] = (("time", "level", "latitude", "longitude"), heights)
    with pytest.raises(ValueError, match="132 of 132 columns"):
        ds["u"].interp(z="level").regrid_levels([1.0], "z").write(new)
    assert not list(new)
    assert not new.dims
    with pytest.raises(TypeError):
        ds["t"].interp().to_grid().write(new, nonsense=1)
    assert not list(new)


def test_another_reference_system_is_refused(ds: Any, new: Any) -> None:
    t = make(ds)
    ds.create.crs.from_user_input(4326)
    t.interp().to_grid().write(new)
    with pytest.raises(ValueError, match="write elsewhere"):
        t.interp().to_grid(100_000, to_crs=3035).write(new, "map", names={"time": "t2"})
    assert list(new) == ["time", "latitude", "longitude", "t"]


def test_points_are_written_as_stations_or_with_their_places(ds: Any, new: Any) -> None:
    t = make(ds)
    ds.create.crs.from_user_input(4326)
    where = shapely.points([[1.5, 52.5], [3.0, 55.0]])
    found = t.interp().to_points(list(where))
    with cfdb.open_dataset(None, "n", dataset_type="ts_ortho") as stations:
        written = found.write(stations)
        assert written.dims == ("time", "point")
        assert stations["point"].values.tolist() == where.tolist()
        assert stations.axes["xy"] == "point"
        assert stations.crs == pyproj.CRS(4326)
        again = stations["t"].interp().to_points([(1.5, 52.5)])
        np.testing.assert_allclose(next(again)[1], [55.5])
    written = found.write(new)
    np.testing.assert_array_equal(new["longitude"].values, [1.5, 3.0])
    assert written.links["coordinates"] == ("longitude", "latitude")
    np.testing.assert_allclose(written[0].values, [55.5, 61.0])
    assert new.crs == pyproj.CRS(4326)
    assert type(written.interp()).__name__ == "PointInterp"


def test_several_dimensions_are_written_in_their_places(ds: Any, new: Any) -> None:
    t = make(ds, members=3)
    written = t.interp().to_grid(1.0).write(new)
    assert written.dims == ("member", "time", "latitude", "longitude")
    assert written.chunk_shape[0] == 1
    np.testing.assert_allclose(written.values, t.values)
    written = t.interp(iter_dim="time").to_grid(1.0).write(new, "other")
    assert written.dims == ("time", "member", "latitude", "longitude")
    np.testing.assert_allclose(written.values, t.values.transpose(1, 0, 2, 3))


# costs


def count_reads(monkeypatch: pytest.MonkeyPatch, prefix: str) -> Counter[str]:
    """Count how often each chunk of a variable is asked for."""
    counts: Counter[str] = Counter()
    get, get_many = BookletStore.get, BookletStore.get_many

    def count(keys: Any) -> None:
        counts.update(key for key in keys if key.startswith(prefix))

    def one(self: BookletStore, key: str) -> Any:
        count([key])
        return get(self, key)

    def many(self: BookletStore, keys: Any) -> Any:
        count(keys)
        return get_many(self, keys)

    monkeypatch.setattr(BookletStore, "get", one)
    monkeypatch.setattr(BookletStore, "get_many", many)
    return counts


@pytest.mark.parametrize("chunk_shape", [(7, 5, 6), (1, 11, 12), (30, 3, 3)])
def test_every_chunk_is_read_once(ds: Any, monkeypatch: pytest.MonkeyPatch, chunk_shape: Any) -> None:
    t = make(ds, chunk_shape)
    counts = count_reads(monkeypatch, f"{t.id}/")
    for _ in t.interp().to_grid(0.5):
        pass
    assert set(counts.values()) == {1}
    assert len(counts) == t.n_chunks


def test_every_chunk_is_read_once_along_two_dimensions(ds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    t = make(ds, (2, 7, 6, 6), members=4)
    counts = count_reads(monkeypatch, f"{t.id}/")
    labels = [label for label, _ in t.interp().to_grid(2.0, order=1)]
    assert labels[1] == {"member": 0, "time": TIME[1]}
    assert set(counts.values()) == {1}
    assert len(counts) == t.n_chunks


def test_levels_that_do_not_change_are_read_once(ds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make(ds)
    ds["level"] = ("level", np.arange(3.0))
    ds["u"] = (("time", "level", "latitude", "longitude"), np.zeros((30, 3, 11, 12)))
    ds["z"] = (("level", "latitude", "longitude"), np.tile(np.arange(3.0)[:, None, None], (1, 11, 12)))
    counts = count_reads(monkeypatch, f"{ds['z'].id}/")
    for _ in ds["u"].interp(z="level").regrid_levels([0.5], "z"):
        pass
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("max_mem", [1, 5000, 10**6])
def test_little_memory_gives_the_same(ds: Any, monkeypatch: pytest.MonkeyPatch, max_mem: int) -> None:
    t = make(ds, (1, 7, 6, 6), members=2)
    counts = count_reads(monkeypatch, f"{t.id}/")
    fields = np.stack([field for _, field in t.interp(max_mem=max_mem).to_grid()])
    np.testing.assert_allclose(fields.reshape(t.shape), t.values)
    # once for the check above, and once for the interpolation: or for each of 7 fields in a chunk
    assert max(counts.values()) <= (2 if max_mem > 10**5 else 8)


def test_memory_is_bounded_by_a_few_fields(tmp_path: Path) -> None:
    shape = (60, 200, 250)  # 24 MB; a field is 0.4 MB
    with cfdb.open_dataset(tmp_path / "long.cfdb", "n") as ds, cfdb.open_dataset(tmp_path / "out.cfdb", "n") as out:
        ds.create.coord.lat(data=np.linspace(60, 40, 200), step=False)
        ds.create.coord.lon(data=np.linspace(0, 24.9, 250), step=False)
        ds["time"] = ("time", np.arange(60))
        t = ds.create.data_var.generic("t", ("time", "latitude", "longitude"), "float64", chunk_shape=(4, 100, 125))
        for start in range(0, 60, 4):
            t[start : start + 4] = np.random.default_rng(start).random((4, 200, 250))
        ds.sync()
        warm = t[0].interp().to_grid()
        next(warm)
        limit = 4 * 200 * 250 * 8
        tracemalloc.start()
        found = t.interp(max_mem=limit).to_grid(order=3)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in found:
            pass
        reading = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        found.write(out, chunk_shape=(4, 100, 125), max_mem=limit)
        writing = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        np.testing.assert_allclose(out["t"][7].values, t[7].values)
    assert reading < limit + 20 * 200 * 250 * 8
    assert writing < reading + 3 * limit
    assert reading < np.prod(shape) * 8 / 2
