"""Values find their place by label; a write that fails leaves nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.errors import CFDBError, CoordinateError, DataTypeError, EncodingError, ShapeError
from tests.support.oracle import same


def grid(x: Any, y: Any, *, start: float = 0.0, chunks: tuple[int, int] = (2, 2), dtype: Any = "float64") -> Any:
    ds = cfdb.open_dataset(None, "n")
    ds.create.coord.generic("x", data=np.asarray(x), chunk_shape=(3,))
    ds.create.coord.generic("y", data=np.asarray(y))
    ds.create.data_var.generic("t", ("x", "y"), dtype, chunks)
    ds["t"][:] = start + np.arange(len(x) * len(y), dtype="float64").reshape(len(x), len(y))
    return ds


def state(ds: Any) -> Any:
    everything = {name: (ds[name].dims, ds[name].read(masked=False).tolist(), dict(ds[name].attrs)) for name in ds}
    return ds.sizes, dict(ds.attrs), str(everything)


LABELS = st.lists(st.integers(0, 9), unique=True, min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(LABELS, LABELS, LABELS, LABELS, st.sampled_from(["dataset", "xarray", "dict"]), st.booleans())
def test_upsert_does_what_xarray_does(x: Any, y: Any, x2: Any, y2: Any, kind: str, swapped: bool) -> None:
    values = 100.0 + np.arange(len(x2) * len(y2)).reshape(len(x2), len(y2))
    dims, data = (("y", "x"), values.T) if swapped else (("x", "y"), values)
    other: Any = xr.Dataset({"t": (dims, data)}, {"x": x2, "y": y2})
    with grid(x, y) as ds:
        oracle = xr.Dataset({"t": (("x", "y"), ds["t"].values)}, {"x": x, "y": y})
        oracle = other.transpose("x", "y").combine_first(oracle)
        if kind == "dict":
            other = {"t": (dims, data), "x": np.array(x2), "y": y2}
        elif kind == "dataset":
            made = cfdb.open_dataset(None, "n")
            made["t"] = (dims, data)
            made["x"], made["y"] = ("x", x2), ("y", y2)
            other = made
        ds.write(other)
        oracle = oracle.sel(x=ds["x"].values, y=ds["y"].values)
        assert sorted(ds["x"].values.tolist()) == sorted({*x, *x2})
        assert same(ds["t"].values, oracle["t"].transpose("x", "y").values)
        if len(x) > 1 and x == sorted(x, reverse=True):
            assert ds["x"].values.tolist() == sorted({*x, *x2}, reverse=True)
        if kind == "dataset":
            other.close()


def test_writing_twice_makes_no_duplicates() -> None:
    new = {"t": (("x", "y"), np.ones((2, 1))), "x": [2, 3], "y": [5]}
    with grid([1, 2], [5]) as ds:
        first = ds.write(new)
        second = ds.write(new)
        assert (first.added, second.added) == ({"x": 1}, {})
        assert ds["x"].values.tolist() == [1, 2, 3]
        assert ds["t"].values[:, 0].tolist() == [0.0, 1.0, 1.0]
        assert str(second) == "added no labels; written t 2 cells"


def test_descending_labels_stay_descending() -> None:
    with grid([30.0, 20.0, 10.0], [1]) as ds:
        ds.write(xr.Dataset({"t": (("x", "y"), [[7.0], [8.0], [9.0]])}, {"x": [5.0, 25.0, 40.0], "y": [1]}))
        assert ds["x"].values.tolist() == [40.0, 30.0, 25.0, 20.0, 10.0, 5.0]
        assert ds["t"].values[:, 0].tolist() == [9.0, 0.0, 8.0, 1.0, 2.0, 7.0]


def test_untouched_chunks_are_not_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    def written(length: int) -> int:
        with grid(np.arange(length) * 2, [0], chunks=(10, 1)) as ds:
            store, keys = ds._structure.store, []
            before = store.set_many
            monkeypatch.setattr(
                store, "set_many", lambda items: before(keys.append(item.key) or item for item in items)
            )
            ds.write({"t": (("x", "y"), np.ones((3, 1))), "x": [4, 5, 2 * length], "y": [0]})
            return len([key for key in keys if "/" in key[3:]])

    assert written(100) == written(1000) <= 6


def test_append_takes_new_labels_behind_only() -> None:
    with grid([1, 2], [5, 6]) as ds:
        ds.write({"t": (("x", "y"), np.ones((1, 2))), "x": [3], "y": [6, 5]}, mode="append")
        assert ds["t"].values[2].tolist() == [1.0, 1.0]
        for x, words in (([3, 4], "x=3 exists"), ([0], "belongs before"), ([1], "no new label")):
            before = state(ds)
            with pytest.raises(CoordinateError, match=words):
                ds.write({"t": (("x", "y"), np.ones((len(x), 2))), "x": x, "y": [5, 6]}, mode="append")
            assert state(ds) == before


def test_mode_error_refuses_cells_that_hold_a_value() -> None:
    with grid([1, 2], [5, 6]) as ds:
        ds["t"][1, 1] = np.nan
        ds.write({"t": (("x", "y"), [[9.0]]), "x": [2], "y": [6]}, mode="error")
        ds.write({"t": (("x", "y"), [[8.0, 8.0]]), "x": [3], "y": [5, 6]}, mode="error")
        before = state(ds)
        with pytest.raises(CoordinateError, match="x=2, y=6"):
            ds.write({"t": (("x", "y"), [[7.0], [7.0]]), "x": [4, 2], "y": [6]}, mode="error")
        assert state(ds) == before
    with grid([1, 2], [5], dtype="int32") as ds:
        with pytest.raises(CoordinateError, match="x=1, y=5"):
            ds.write({"t": (("x", "y"), [[7]]), "x": [1], "y": [5]}, mode="error")
        ds.write({"t": (("x", "y"), [[7]]), "x": [3], "y": [5]}, mode="error")
        assert ds["t"].values[:, 0].tolist() == [0, 1, 7]


def test_a_step_is_respected_and_gaps_are_filled() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("time", data=np.array(["2020-01-01", "2020-01-02"], "M8[h]"), step=True)
        ds["t"] = ("time", [1.0, 2.0])
        ds.write({"t": ("time", [5.0]), "time": np.array(["2020-01-04"], "M8[D]")})
        assert ds["time"].size == 4
        assert same(ds["t"].values, np.array([1.0, 2.0, np.nan, 5.0]))
        before = state(ds)
        with pytest.raises(CoordinateError, match="no whole number of steps"):
            ds.write({"t": ("time", [5.0]), "time": np.array(["2020-01-05T05"], "M8[h]")})
        assert state(ds) == before


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"t": (("x", "y"), np.array([["a"]])), "x": [9], "y": [5]}, DataTypeError),
        ({"t": (("x", "z"), [[1.0]]), "x": [9], "z": [5]}, ShapeError),
        ({"t": (("x", "y"), [[1.0]]), "x": [9, 10], "y": [5]}, ShapeError),
        ({"t": (("x", "y"), [[1.0]]), "x": [9]}, ShapeError),
        ({"t": (("x", "y"), [[1.0], [1.0]]), "x": [9, 9], "y": [5]}, CoordinateError),
        ({"i": (("x",), [1e9]), "x": [9]}, EncodingError),
        ({"new": (("x",), [1.0], {"bad": object()}), "x": [9]}, (TypeError, ValueError)),
        ({"i": (("x",), np.ma.masked_all(1, "int8")), "x": [9]}, CFDBError),
        ({"x": ("k", [1.0])}, ShapeError),
        (3, TypeError),
    ],
)  # fmt: skip
def test_a_failing_write_leaves_nothing(other: Any, error: Any, tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        ds["x"], ds["y"] = ("x", [1, 2]), ("y", [5, 6])
        ds["t"] = (("x", "y"), np.zeros((2, 2)))
        ds["i"] = ("x", np.zeros(2, "int8"))
        ds.sync()
        ds.attrs["pending"] = 1
        ds["t"][0, 0] = 3.0
        before = state(ds)
        with pytest.raises(error):
            ds.write(other)
        assert state(ds) == before
    with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
        assert state(ds) == before


def test_an_error_in_the_middle_of_lazy_values_leaves_nothing() -> None:
    class Broken:
        shape, dtype, dims = (40, 1), np.dtype(float), ("x", "y")

        def __getitem__(self, key: Any) -> Any:
            if key[0].start > 10:
                raise OSError("gone")
            return np.ones((key[0].stop - key[0].start, 1))

    with grid([1, 2], [5]) as ds:
        before = state(ds)
        with pytest.raises(OSError, match="gone"):
            ds.write({"t": Broken(), "x": np.arange(40), "y": [5]}, max_mem=600)
        assert state(ds) == before
        ds["t"][0, 0] = 5.0
        assert float(ds["t"][0, 0]) == 5.0


def test_missing_variables_are_created_with_everything() -> None:
    with grid([1], [5]) as ds, cfdb.open_dataset(None, "n") as other:
        other.create.coord.generic("z", data=["a", "b"], attrs={"long_name": "site"})
        packed = cfdb.dtypes.dtype("float32", 1, -100, 100)
        other.create.variable("map", (), "int32", role="grid_mapping")
        other.create.data_var.generic(
            "p", ("z",), packed, (1,), data=[1.5, np.nan], units="K", fill_value=None, links={"grid_mapping": "map"}
        )
        result = ds.write(other)
        assert set(result.created) == {"z", "p", "map"}
        assert same(ds["p"].values, other["p"].values)
        assert ds["p"].chunk_shape == (1,)
        assert (ds["p"].dtype, ds["p"].units) == (packed, "K")
        assert ds["p"].links == {"grid_mapping": ("map",)}
        assert ds["z"].attrs["long_name"] == "site"


def test_packed_codes_stay_bit_for_bit() -> None:
    packed = cfdb.dtypes.dtype("float32", 1, 0, 4e8)
    with cfdb.open_dataset(None, "n") as ds, cfdb.open_dataset(None, "n") as other:
        for each, labels, codes in ((ds, [1, 2, 3], [4_000_000_001, 7, 9]), (other, [2, 9], [3_999_999_999, 0])):
            each["x"] = ("x", labels)
            each.create.data_var.generic("p", ("x",), packed, (3,))
            each["p"].set((), np.array(codes, "uint32"), decoded=False)
        ds.write(other)
        assert ds["p"]._array.read_cells(ds["p"]._selected()).tolist() == [4_000_000_001, 3_999_999_999, 9, 0]


def test_float_labels_with_noise_are_the_same() -> None:
    with grid([0.1, 0.2, 0.3], [1]) as ds:
        ds.write({"t": (("x", "y"), [[9.0]]), "x": np.array([0.1 + 0.2]), "y": [1]})
        ds.write({"t": (("x", "y"), [[8.0]]), "x": np.array([0.1], "float32"), "y": [1]})
        assert ds["t"].values[:, 0].tolist() == [8.0, 1.0, 9.0]


def test_a_part_of_a_variable_and_an_xarray_array_are_written() -> None:
    with grid([1, 2, 3], [5, 6]) as ds, grid([2, 3, 4], [6, 7], start=100) as other:
        ds.write(other["t"][1:, :1])
        assert ds["t"].sel(x=3, y=6).item() == 102.0
        ds.write(xr.DataArray([[1.0]], {"x": [9], "y": [6]}, ("x", "y"), name="t"))
        assert ds["t"].sel(x=9, y=6).item() == 1.0
        with pytest.raises(TypeError, match="needs a name"):
            ds.write(xr.DataArray([[1.0]], {"x": [9], "y": [6]}, ("x", "y")))
        with pytest.raises(ShapeError, match="lists or slices"):
            ds.write(other.isel(x=0))
        with pytest.raises(ValueError, match="itself"):
            ds.write(ds)
        with pytest.raises(ValueError, match="mode='insert'"):
            ds.write({}, mode="insert")


def test_a_dimension_without_labels_gets_those_that_come_with_values_for_all_of_it() -> None:
    with cfdb.open_dataset(None, "n") as ds, grid([7, 8], [1]) as other:
        ds["t"] = (("x", "y"), [[1.0], [2.0]])
        ds.write(other)
        assert (ds["x"].values.tolist(), ds["t"].values[:, 0].tolist()) == ([7, 8], [0.0, 1.0])
        ds.write({"t": (("x", "y"), [[5.0]]), "x": [8], "y": [1]})
        assert ds["t"].values[:, 0].tolist() == [0.0, 5.0]
        ds["u"] = ("k", [1.0, 2.0])
        with pytest.raises(ShapeError, match="no labels in the target"):
            ds.write({"u": ("k", [1.0]), "k": [3]})


def test_a_group_shares_the_dimensions_around_it() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["day"] = ("day", [1, 2])
        group = ds.create.group("ocean")
        group.write({"t": (("day", "depth"), [[5.0], [6.0]]), "day": [2, 3], "depth": [10.0]})
        assert list(ds) == ["day", "ocean/depth", "ocean/t"]
        assert ds["day"].values.tolist() == [1, 2, 3]
        assert ds["ocean/t"].dims == ("day", "ocean/depth")
        assert same(ds["ocean/t"].values, np.array([[np.nan], [5.0], [6.0]]))


def test_groups_are_written_to() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.group("ocean")
        group = ds.groups["ocean"]
        group.write({"t": (("x",), [1.0, 2.0]), "x": [1, 2]})
        group.write({"t": (("x",), [3.0]), "x": [3]})
        assert ds["ocean/t"].values.tolist() == [1.0, 2.0, 3.0]
        assert ds["ocean/x"].values.tolist() == [1, 2, 3]


def test_calendar_dates_and_strings_are_labels() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        times = xr.date_range("2000-02-28", periods=3, calendar="360_day", use_cftime=True)
        ds.write(xr.Dataset({"t": (("time", "site"), np.ones((2, 1)))}, {"time": times[:2], "site": ["b"]}))
        ds.write(xr.Dataset({"t": (("time", "site"), np.zeros((2, 1)))}, {"time": times[1:], "site": ["a"]}))
        assert ds["time"].values.tolist() == times.tolist()
        assert ds["site"].values.tolist() == ["b", "a"]
        assert same(ds["t"].values, np.array([[1.0, np.nan], [1.0, 0.0], [np.nan, 0.0]]))


def test_missing_chunks_of_the_source_stay_missing() -> None:
    with cfdb.open_dataset(None, "n") as ds, cfdb.open_dataset(None, "n") as other:
        other["x"] = ("x", np.arange(10))
        other.create.data_var.generic("t", ("x",), "float64", (2,))
        other["t"][4:6] = 1.0
        ds.write(other)
        assert ds["t"]._array.written() == {(2,)}


def test_progress_counts_blocks() -> None:
    seen: list[Any] = []
    with grid([1, 2], [5]) as ds:
        ds.write(
            {"t": (("x", "y"), np.ones((4, 1))), "x": range(4), "y": [5]}, max_mem=1, progress=lambda *n: seen.append(n)
        )
    assert seen[-1][0] == seen[-1][1] == len(seen) > 1


def test_lazy_values_are_read_in_blocks_within_the_limit() -> None:
    """A dask array is computed block by block: what it makes at a time is counted."""
    array, config = pytest.importorskip("dask.array"), pytest.importorskip("dask").config
    made: list[int] = []

    def rows(block_info: Any = None) -> Any:
        shape = block_info[None]["chunk-shape"]
        made.append(int(np.prod(shape)) * 8)
        return np.full(shape, float(len(made)))

    lazy = array.map_blocks(rows, chunks=((64,) * 16, (256,)), dtype=float, meta=np.empty((0, 0)))
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("x", data=np.arange(4))
        ds.create.dimension("k", 256)
        ds.create.data_var.generic("t", ("x", "k"), "float64", (64, 256))
        seen: list[Any] = []
        other = xr.Dataset({"t": (("x", "k"), lazy)}, {"x": np.arange(1024)})
        with config.set(scheduler="synchronous"):
            ds.write(other, max_mem=2**20, progress=lambda *counts: seen.append(counts))
        assert seen[-1][1] == 16
        assert sum(made) == 1024 * 256 * 8
        assert not np.isnan(ds["t"].values).any()


def test_numbers_with_names_are_written_where_they_mean_the_same() -> None:
    sky = cfdb.dtypes.enum_dtype("uint8", {"clear": 0, "rain": 1})
    other_way = cfdb.dtypes.enum_dtype("uint8", {"rain": 0, "clear": 1})
    with cfdb.open_dataset(None, "n") as ds, cfdb.open_dataset(None, "n") as other, cfdb.open_dataset(None, "n") as odd:
        for each, dtype, labels in ((ds, sky, [1, 2]), (other, sky, [2, 3]), (odd, other_way, [2, 3])):
            each["x"] = ("x", labels)
            each.create.data_var.generic("sky", ("x",), dtype, data=["rain", "clear"])
        ds.write(other)
        assert ds["sky"].flags.decode().tolist() == ["rain", "rain", "clear"]
        ds.write({"x": ("x", [4]), "sky": ("x", ["rain"])})
        assert ds["sky"].flags.decode().tolist() == ["rain", "rain", "clear", "rain"]
        for numbers in (odd, odd.to_xarray()):
            with pytest.raises(DataTypeError, match="mean other things"):
                ds.write(numbers)
        ds.write(other.to_xarray())
        assert ds["sky"].flags.decode().tolist() == ["rain", "rain", "clear", "rain"]
