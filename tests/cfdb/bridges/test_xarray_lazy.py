"""xarray reads a dataset as it reads a file: lazily, with encodings, and nothing it does changes the dataset."""

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cftime
import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.bridges.xarray_lazy import labelled_to_xarray
from cfdb.errors import ClosedError, SelectionError
from cfdb.format.dtypes import dtype, enum_dtype, time_dtype
from cfdb.model.labelled import LabelledArray
from tests.cfdb.analysis.counting import counted
from tests.support.oracle import DTYPES, random_values, same

SHAPE = (12, 9, 8)
CHUNKS = (4, 3, 3)
VALUES = np.random.default_rng(3).normal(size=SHAPE).astype("f4")
TIMES = np.arange("2000-01-25", "2000-02-06", dtype="M8[D]").astype("M8[s]")
LAT = np.linspace(80, -80, 9)
LON = np.arange(0.0, 80, 10)


def fill(ds: Any) -> None:
    ds.create.coord.generic("time", data=TIMES)
    ds.create.coord.generic("lat", data=LAT, axis="y")
    ds.create.coord.generic("lon", data=LON, axis="x")
    ds.create.data_var.generic(
        "t", ("time", "lat", "lon"), "float32", CHUNKS, data=VALUES, attrs={"long_name": "temperature", "units": "K"}
    )
    ds.attrs["title"] = "test"


def in_memory() -> xr.Dataset:
    return xr.Dataset(
        {"t": (("time", "lat", "lon"), VALUES, {"long_name": "temperature", "units": "K"})},
        {
            "time": ("time", TIMES),
            "lat": ("lat", LAT, {"axis": "Y"}),
            "lon": ("lon", LON, {"axis": "X"}),
        },
        {"title": "test"},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        fill(ds)
    return tmp_path / "a.cfdb"


@pytest.fixture
def ds(path: Path) -> Iterator[Any]:
    with cfdb.open_dataset(path) as ds:
        yield ds


@pytest.fixture(scope="module")
def lazy() -> Iterator[xr.Dataset]:
    with cfdb.open_dataset(None, "n") as ds:
        fill(ds)
        yield ds.to_xarray()


def test_a_dataset_is_what_xarray_has_in_memory(ds: Any) -> None:
    xr.testing.assert_identical(ds.to_xarray(), in_memory())
    xr.testing.assert_identical(ds["t"].to_xarray(), in_memory()["t"])
    xr.testing.assert_identical(ds["lat"].to_xarray(), in_memory()["lat"])
    assert ds.to_xarray().encoding["source"].endswith("a.cfdb")


def fits_xarray(part: slice, size: int) -> bool:
    """Leave out slices backwards from before the start: xarray takes everything there, of netCDF files too."""
    return not (part.step is not None and part.step < 0 and part.start is not None and part.start < -size)


def indexer(size: int) -> st.SearchStrategy[Any]:
    ends = st.one_of(st.none(), st.integers(-size - 2, size + 2))
    return st.one_of(
        st.builds(slice, ends, ends, st.sampled_from([None, 1, 2, 3, -1, -2])).filter(
            lambda part: fits_xarray(part, size)
        ),
        st.integers(-size, size - 1),
        st.lists(st.integers(-size, size - 1), max_size=4).map(lambda found: np.array(found, int)),
        st.lists(st.booleans(), min_size=size, max_size=size).map(np.array),
    )


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_positions_select_lazily_what_they_select_in_memory(lazy: xr.Dataset, data: st.DataObject) -> None:
    found, expected = lazy["t"].copy(), in_memory()["t"]
    for _ in range(2):
        key = {dim: data.draw(indexer(size)) for dim, size in found.sizes.items() if size and data.draw(st.booleans())}
        found, expected = found.isel(key), expected.isel(key)
    xr.testing.assert_identical(found, expected)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_points_select_lazily_what_they_select_in_memory(lazy: xr.Dataset, data: st.DataObject) -> None:
    named = data.draw(st.sets(st.sampled_from(["time", "lat", "lon"]), min_size=1))
    shape = data.draw(st.sampled_from([(3,), (2, 2), (1,), (0,)]))
    points = {
        dim: xr.DataArray(
            data.draw(
                st.lists(st.integers(-size, size - 1), min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))
            ),
            dims="flat",
        ).data.reshape(shape)
        for dim, size in lazy.sizes.items()
        if dim in named
    }
    key: dict[Any, Any] = {dim: (("p", "q")[: len(shape)], values.astype(int)) for dim, values in points.items()}
    others = [dim for dim in lazy["t"].dims if dim not in named]
    if others and data.draw(st.booleans()):
        key[others[0]] = slice(None, None, -2)
    xr.testing.assert_identical(lazy["t"].isel(key), in_memory()["t"].isel(key))


@pytest.mark.parametrize(
    "key",
    [
        {"lat": 40.0},
        {"lat": slice(60, -20)},
        {"lat": [40, -40, 40]},
        {"time": "2000-02"},
        {"time": slice("2000-01-28", "2000-02-02"), "lon": 30},
        {"time": "2000-01-31"},
    ],
)
def test_selecting_before_or_after_the_bridge_is_the_same(ds: Any, key: dict[str, Any]) -> None:
    xr.testing.assert_identical(ds.sel(key).to_xarray(), ds.to_xarray().sel(key))
    xr.testing.assert_identical(ds["t"].sel(key).to_xarray(), ds["t"].to_xarray().sel(key))
    xr.testing.assert_identical(ds.sel(key)["t"].to_xarray(), in_memory()["t"].sel(key))


def test_the_nearest_label_is_found_through_xarray(ds: Any) -> None:
    lazy = ds.to_xarray()
    xr.testing.assert_identical(
        lazy.sel(lat=43.0, lon=[12, 58], method="nearest"), in_memory().sel(lat=43.0, lon=[12, 58], method="nearest")
    )
    places = {"lat": [61.0, -3.0, -79.0], "lon": [1.0, 69.0, 33.0]}
    points = {dim: xr.DataArray(labels, dims="station") for dim, labels in places.items()}
    xr.testing.assert_identical(lazy.sel(points, method="nearest"), in_memory().sel(points, method="nearest"))


def test_integers_drop_dimensions_and_steps_are_heeded(ds: Any) -> None:
    lazy = ds.to_xarray()["t"]
    assert lazy.isel(lat=0).dims == ("time", "lon")
    assert same(lazy.isel(lat=slice(0, 9, 3)).values, VALUES[:, ::3])
    assert same(lazy.isel(lon=slice(None, None, -1)).values, VALUES[:, :, ::-1])
    assert float(lazy.sel(lat=19, lon=11, method="nearest")[0]) == VALUES[0, 3, 1]


def test_only_chunks_that_are_indexed_are_read(ds: Any) -> None:
    with counted(ds) as counts:
        lazy = ds.to_xarray()
        one = lazy["t"].sel(time="2000-01-25", lat=80, lon=0)
        part = lazy["t"].isel(time=slice(0, 4), lat=slice(0, 3))
        assert not {key for key in counts.chunks if key.startswith(ds["t"].id)}
        one.load()
        assert sum(key.startswith(ds["t"].id) for key in counts.keys) == 1
        part.load()
        assert len({key for key in counts.chunks if key.startswith(ds["t"].id)}) == 3
        other = lazy["t"].isel(time=slice(4, 8))
        assert same(other.values, VALUES[4:8])
        before = len(counts.keys)
        assert same(other.values, VALUES[4:8])
        part.mean().load()
        assert len(counts.keys) == before  # xarray keeps what it has read


def test_points_read_the_chunks_they_lie_in(ds: Any) -> None:
    lazy = ds.to_xarray()["t"]
    with counted(ds) as counts:
        lazy.isel(lat=("p", [0, 8]), lon=("p", [0, 7])).load()
        # 2 of the 9 columns of chunks, not the 4 that their rows and columns span
        assert sum(key.startswith(ds["t"].id) for key in counts.keys) == 6


def test_chunks_and_encoding_come_along(ds: Any) -> None:
    lazy = ds.to_xarray()
    assert lazy["t"].encoding["preferred_chunks"] == {"time": 4, "lat": 3, "lon": 3}
    part = ds["t"][2:, ::2].to_xarray()
    assert part.encoding["preferred_chunks"] == {"time": (2, 4, 4), "lat": 3, "lon": 3}
    assert ds["t"][1].to_xarray().encoding["preferred_chunks"] == {"lat": 3, "lon": 3}


@pytest.fixture
def threads() -> Iterator[None]:
    """Let dask compute in threads that end with the test."""
    with ThreadPoolExecutor(2) as pool, dask.config.set(scheduler="threads", pool=pool):
        yield


@pytest.mark.usefixtures("threads")
def test_dask_computes_in_threads_and_what_it_holds_can_be_handed_to_other_processes(path: Path) -> None:
    expected = in_memory()["t"].mean("time")
    with cfdb.open_dataset(path) as ds:
        chunked = ds.to_xarray().chunk({"time": 4, "lat": 3})
        assert chunked["t"].data.numblocks == (3, 3, 1)
        xr.testing.assert_allclose(chunked["t"].mean("time").compute(), expected)
        copies = pickle.dumps((chunked, ds.to_xarray(), ds["t"][::-1].to_xarray()))
        again = ds.to_xarray().chunk({"time": 4, "lat": 3})
        assert chunked["t"].data.name == again["t"].data.name
        assert (
            chunked["t"].data.name != ds.isel(lat=slice(None, None, -1)).to_xarray().chunk({"time": 4})["t"].data.name
        )
    chunked, lazy, view = pickle.loads(copies)
    xr.testing.assert_allclose(chunked["t"].mean("time").compute(), expected)
    xr.testing.assert_identical(lazy, in_memory())
    xr.testing.assert_identical(view, in_memory()["t"][::-1])


@pytest.mark.usefixtures("threads")
def test_a_dataset_that_is_being_written_can_be_chunked(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "b.cfdb", "n") as ds:
        fill(ds)
        first = ds.to_xarray()["t"].chunk({"time": 4})
        assert float(first.max().compute()) == VALUES.max()
        ds["t"][0] = 99.0
        second = ds.to_xarray()["t"].chunk({"time": 4})
        assert second.data.name != first.data.name
        assert float(second.max().compute()) == 99.0


def test_nothing_that_xarray_does_changes_the_dataset(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "b.cfdb", "n") as ds:
        fill(ds)
        lazy = ds.to_xarray()
        lazy["t"][0] = 0.0
        lazy["lat"].attrs["units"] = "changed"
        lazy.attrs["title"] = "changed"
        assert float(lazy["t"][0].sum()) == 0.0
        xr.testing.assert_identical(ds.to_xarray(), in_memory())


def test_a_closed_dataset_says_so(path: Path) -> None:
    with cfdb.open_dataset(path) as ds:
        lazy = ds.to_xarray()
        kept = ds.to_xarray().load()
        variable = ds["t"]
    with pytest.raises(ClosedError, match=r"a\.cfdb is closed"):
        lazy["t"].load()
    for closed in (ds, variable):
        with pytest.raises(ClosedError):
            closed.to_xarray()
    xr.testing.assert_identical(kept, in_memory())


# kinds of values


@pytest.mark.parametrize("name", DTYPES)
def test_values_of_every_type_come_as_xarray_has_them(name: str) -> None:
    values = random_values(dtype(name), (5, 4), 2)
    with cfdb.open_dataset(None, "n") as ds:
        ds["v"] = (("y", "x"), values)
        lazy = ds.to_xarray()["v"]
        expected = values.astype(object) if name == "str" else values
        expected = values.astype("M8[s]") if name == "datetime64[D]" else expected
        assert lazy.dtype == expected.dtype
        assert same(lazy[1:, ::2].values, expected[1:, ::2])
        assert same(lazy[2, 3].values, expected[2, 3, ...])


@pytest.mark.parametrize(("code", "expected"), [("i1", "f4"), ("u2", "f4"), ("i4", "f8"), ("i8", "f8"), ("?", "f4")])
def test_integers_with_a_declared_fill_become_floats_as_in_xarray(code: str, expected: str, tmp_path: Path) -> None:
    values = np.array([1, 0, 1, 0]).astype(code)
    fill_value = values.dtype.type(0)
    path = tmp_path / "a.cfdb"
    with cfdb.open_dataset(path, "n") as ds:
        ds.create.data_var.generic("v", "x", values.dtype, data=values, fill_value=fill_value)
        lazy = ds.to_xarray()["v"]
        assert same(lazy.values, np.array([1, np.nan, 1, np.nan], expected))
        if code != "?":
            assert lazy.encoding["_FillValue"] == fill_value
            oracle = xr.conventions.decode_cf_variable("v", xr.Variable("x", values, {"_FillValue": fill_value}))
            assert oracle.dtype == lazy.dtype
    with cfdb.open_dataset(path, masked=False) as ds:
        assert same(ds.to_xarray()["v"].values, values)
        assert ds.to_xarray()["v"].attrs["_FillValue"] == fill_value


def test_missing_strings_and_times_stay_missing() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        names = np.array(["a", None, ""], np.dtypes.StringDType(na_object=None))
        ds["name"] = ("x", names)
        ds.create.data_var.generic("when", "x", "datetime64[s]", data=np.array(["2000", "NaT", "2001"], "M8[s]"))
        lazy = ds.to_xarray()
        assert lazy["name"].values.tolist() == ["a", None, ""]
        assert np.isnat(lazy["when"].values).tolist() == [False, True, False]


def test_packed_values_carry_their_packing_into_a_netcdf_file(tmp_path: Path) -> None:
    packed = dtype("float32", precision=2, min_value=-100, max_value=100)
    values = np.array([1.25, np.nan, -99.99, 100.0], "f4")
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.data_var.generic("v", "x", packed, data=values)
        lazy = ds.to_xarray()
        encoding = lazy["v"].encoding
        assert encoding["dtype"] == np.dtype("u2")
        assert (encoding["scale_factor"], encoding["add_offset"], encoding["_FillValue"]) == (0.01, -101.0, 0)
        np.testing.assert_allclose(lazy["v"].values, values, atol=1e-5)
        lazy.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf", mask_and_scale=False) as raw:
        assert raw["v"].dtype == np.dtype("u2")
        assert raw["v"].values.tolist() == [10225, 0, 101, 20100]


@pytest.mark.parametrize("calendar", ["360_day", "noleap", "julian"])
def test_dates_of_other_calendars_make_a_cftime_index(calendar: str) -> None:
    dates = [cftime.datetime(2000, month, 3, calendar=calendar) for month in range(1, 7)]
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("time", data=dates, dtype=time_dtype("hours since 1999-01-01", calendar))
        ds["t"] = ("time", np.arange(6.0))
        lazy = ds.to_xarray()
        assert isinstance(lazy.indexes["time"], xr.CFTimeIndex)
        assert lazy["time"].encoding["calendar"] == calendar
        assert lazy["t"].sel(time="2000-02").values.tolist() == [1.0]
        xr.testing.assert_identical(ds.sel(time=slice("2000-02", "2000-04")).to_xarray(), lazy.isel(time=slice(1, 4)))


def test_times_of_units_that_xarray_does_not_know_are_converted() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("month", data=np.arange("2000-01", "2000-05", dtype="M8[M]"))
        ds["age"] = ("month", np.array([1, 2, 3, 4], "m8[M]"), {"long_name": "age"})
        lazy = ds.to_xarray()
        assert lazy["month"].dtype == np.dtype("M8[s]")
        assert same(lazy["month"].values, ds["month"].values.astype("M8[s]"))
        assert same(lazy["age"].values, np.array([1, 2, 3, 4]))
        assert lazy["age"].attrs["units"] == "months"


def test_geometries_are_objects() -> None:
    shapely = pytest.importorskip("shapely")
    points = [shapely.Point(1, 2), shapely.Point(3, 4)]
    with cfdb.open_dataset(None, "n", dataset_type="ts_ortho") as ds:
        ds.create.coord.point(data=points)
        ds["t"] = ("point", [1.0, 2.0])
        lazy = ds.to_xarray()
        assert lazy["point"].values.tolist() == points
        assert lazy["t"].sel(point=points[1]).item() == 2.0


# relations


def test_auxiliary_and_scalar_coordinates_are_coordinates(tmp_path: Path) -> None:
    source = xr.Dataset(
        {"t": (("y", "x"), np.arange(6.0).reshape(2, 3), {"grid_mapping": "crs"})},
        {
            "y": [1, 2],
            "x": [1, 2, 3],
            "lat": (("y", "x"), np.full((2, 3), 5.0)),
            "height": 2.0,
            "crs": ((), 0, {"grid_mapping_name": "latitude_longitude"}),
        },
    )
    source["x"].attrs["bounds"] = "x_bnds"
    source = source.assign_coords(x_bnds=(("x", "nv"), np.arange(6.0).reshape(3, 2)))
    for variable in source.variables.values():
        variable.encoding["_FillValue"] = None
    source.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf", decode_coords="all") as expected:
        cfdb.from_netcdf(tmp_path / "a.nc", tmp_path / "a.cfdb")
        with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
            lazy = ds.to_xarray()
            lazy.attrs.pop("crs_wkt", None)
            assert set(lazy.coords) == set(expected.coords)
            xr.testing.assert_identical(lazy.load(), expected.load())
            assert lazy["t"].encoding["grid_mapping"] == "crs"
            assert lazy["x"].encoding["bounds"] == "x_bnds"
            assert set(ds["t"].coords.keys()) == {"y", "x", "lat", "height"}
            assert ds["t"][1].coords["lat"].shape == (3,)
            assert ds["t"][1].coords["y"].item() == 2
            xr.testing.assert_equal(ds["t"][1].to_xarray(), ds["t"].to_xarray()[1])
            xr.testing.assert_equal(ds.isel(y=1).to_xarray(), lazy.isel(y=1))


def test_auxiliary_coordinates_are_lazy_too(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        ds["lat"] = (("y", "x"), np.zeros((4, 4)))
        ds["t"] = (("y", "x"), np.zeros((4, 4)))
        ds["t"].update_links({"coordinates": "lat"})
    with cfdb.open_dataset(tmp_path / "a.cfdb") as ds, counted(ds) as counts:
        lazy = ds.to_xarray()
        assert "lat" in lazy.coords
        assert not counts.chunks


def test_the_coordinate_reference_system_is_a_grid_mapping() -> None:
    pyproj = pytest.importorskip("pyproj")
    with cfdb.open_dataset(None, "n") as ds:
        fill(ds)
        ds["n"] = ("time", np.zeros(12))
        ds.create.crs.from_user_input(4326, x_coord="lon", y_coord="lat")
        for lazy in (ds.to_xarray(), ds.isel(time=0).to_xarray(), ds.isel(lat=0).to_xarray()):
            assert pyproj.CRS.from_cf(lazy["spatial_ref"].attrs) == ds.crs
            assert pyproj.CRS.from_wkt(lazy.attrs["crs_wkt"]) == ds.crs
            assert lazy["t"].encoding["grid_mapping"] == "spatial_ref"
        assert "grid_mapping" not in ds.to_xarray()["n"].encoding
        assert ds["t"].to_xarray().encoding["grid_mapping"] == "spatial_ref"
        xr.testing.assert_identical(ds["t"].to_xarray(), ds.to_xarray()["t"])


def test_groups_come_one_by_one_or_as_a_tree() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        fill(ds)
        ocean = ds.create.group("ocean")
        ocean.create.coord.generic("depth", data=[0.0, 10.0])
        ocean["salt"] = (("time", "depth"), np.arange(24.0).reshape(12, 2))
        ocean.attrs["title"] = "ocean"
        assert set(ds.to_xarray().variables) == {"time", "lat", "lon", "t"}
        salt = ocean.to_xarray()
        assert set(salt.variables) == {"time", "depth", "salt"}
        assert salt["salt"].sel(time="2000-01-26", depth=10).item() == 3.0
        assert salt.attrs["title"] == "ocean"
        assert ds["ocean/salt"].to_xarray().dims == ("time", "depth")
        tree = ds.to_datatree()
        assert tree["/ocean"].attrs == {"title": "ocean"}
        xr.testing.assert_identical(tree["/ocean/salt"].drop_vars(["lat", "lon"], errors="ignore"), salt["salt"])
        xr.testing.assert_identical(tree.to_dataset(), ds.to_xarray())


def test_an_axis_without_a_name_is_refused() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["t"] = ("x", [1.0])
        with pytest.raises(SelectionError, match="expand_dims"):
            ds["t"][None].to_xarray()


def test_empty_parts_come_too() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("x", dtype="float64")
        ds.create.coord.generic("y", data=[1, 2])
        ds.create.data_var.generic("t", ("y", "x"), "float32")
        lazy = ds.to_xarray()
        assert lazy["t"].values.shape == (2, 0)
        assert ds.isel(y=slice(0, 0)).to_xarray()["t"].load().shape == (0, 0)


def test_labelled_arrays_become_xarrays() -> None:
    x = LabelledArray("x", ("x",), np.array([1.0, 2.0]), {}, {"units": "m"})
    masked = np.ma.MaskedArray([1, 2], [False, True])
    found = labelled_to_xarray(LabelledArray("t", ("x",), masked, {"x": x}, {"units": "K"}))
    expected = xr.DataArray([1, np.nan], {"x": ("x", [1.0, 2.0], {"units": "m"})}, "x", "t", {"units": "K"})
    xr.testing.assert_identical(found, expected)


def test_labels_that_were_selected_stay_coordinates_of_a_coordinate(ds: Any) -> None:
    for key in (2, slice(1, 5), slice(None)):
        xr.testing.assert_identical(ds["lat"][key].to_xarray(), in_memory()["lat"][key])


def test_what_xarray_was_given_can_be_written_back() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["x"] = ("x", [1, 2, 3])
        ds.create.data_var.generic("count", ("x",), "int16", fill_value=-1, data=np.array([-1, 2, 3], "i2"))
        ds.create.data_var.generic("sky", ("x",), "enum", data=["clear", None, "rain"])
        given = ds.to_xarray().load()
        with ds.copy(None) as other:
            other["count"][...] = other["sky"][...] = 0
            other.write(given)
            assert other["count"].values.tolist() == [None, 2, 3]
            assert other["sky"].flags.decode().tolist() == ["clear", None, "rain"]


def test_masked_integers_and_enumerations_come_back_as_what_they_were() -> None:
    with cfdb.open_dataset(None, "n") as ds, cfdb.open_dataset(None, "n") as other:
        ds.create.data_var.generic("n", ("x",), "int16", data=[5, -1, 7], fill_value=-1)
        kind = enum_dtype("uint8", {"dry": 0, "wet": 1})
        ds.create.data_var.generic("e", ("x",), kind, data=np.ma.MaskedArray([0, 1, 1], [0, 1, 0]), fill_value=255)
        seen = ds.to_xarray()
        other["n"], other["e"] = seen["n"], seen["e"]
        assert other["n"].dtype == np.int16
        assert other["n"].values.mask.tolist() == [False, True, False]
        assert other["e"].dtype == np.uint8
        assert other["e"].flags.decode().tolist()[0] == "dry"
        ds["n"] = seen["n"]  # onto what is there
        assert ds["n"].values.tolist() == [5, None, 7]
        halves = seen["n"].copy(data=[0.5, np.nan, 1.0])
        other["halves"] = halves
        assert other["halves"].dtype.kind == "f"
