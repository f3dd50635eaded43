"""Faults that selecting does not have; what views write to, which points are taken, what is refused with a way out."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.errors import (
    DimensionNotFoundError,
    LabelNotFoundError,
    MemoryLimitError,
    ReadOnlyError,
    SelectionError,
    ShapeError,
)
from cfdb.format.dtypes import dtype
from cfdb.storage.engine import ChunkedArray
from tests.support.oracle import same

# faults


@pytest.fixture
def small() -> Iterator[Any]:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("lat", data=[60.0, 50.0, 40.0, 30.0])
        ds.create.coord.generic("time", data=np.arange("2020-01-30", "2020-02-03", dtype="M8[D]"))
        ds["t"] = (("lat", "time"), np.arange(16.0).reshape(4, 4))
        yield ds


def test_descending_latitude_selects_where_its_values_lie(small: Any) -> None:
    assert small["lat"].values.tolist() == [60, 50, 40, 30]
    assert small["t"].sel(lat=50).values.tolist() == [4, 5, 6, 7]
    assert small["t"].sel(lat=slice(60, 40)).shape == (3, 4)
    assert small["t"].sel(lat=slice(40, 60)).shape == (0, 4)  # as in xarray: slices follow the coordinate


def test_steps_are_heeded(small: Any) -> None:
    values = np.arange(16.0).reshape(4, 4)
    assert same(small["t"][::2].values, values[::2])
    assert same(small["t"][::-1, 1::2].values, values[::-1, 1::2])
    assert same(small["t"].sel(lat=slice(60, 30, 3)).values, values[::3])


def test_numeric_slices_include_their_end_as_those_of_dates_do(small: Any) -> None:
    assert small["t"].loc[60:40].shape == (3, 4)
    assert small["t"].loc[:, "2020-01-30":"2020-02-01"].shape == (4, 3)


def test_a_month_is_selected_whole(small: Any) -> None:
    assert small["t"].loc[:, "2020-01"].coords["time"].values.astype(str).tolist() == ["2020-01-30", "2020-01-31"]


def test_a_label_between_others_is_named_with_its_neighbours(small: Any) -> None:
    with pytest.raises(KeyError, match=r"45 is not in 'lat'; the nearest labels are 40\.0 and 50\.0"):
        small["t"].loc[45]
    assert small["t"].sel(lat=44, method="nearest").values.tolist() == [8, 9, 10, 11]


def test_integers_drop_dimensions_and_dots_none_lists_and_masks_select(small: Any) -> None:
    t, values = small["t"], np.arange(16.0).reshape(4, 4)
    assert t[1].dims == ("time",)
    assert t[1, 2].values.ndim == 0
    assert t[..., 0].shape == (4,)
    assert t[None, 1].shape == (1, 4)
    assert same(t[[3, 0]].values, values[[3, 0]])
    assert same(t[np.array([True, False, True, False])].values, values[[0, 2]])
    assert same(t[np.int64(2)].values, values[2])
    t[0:2] = 7
    t[:, 3] = [1, 2, 3, 4]
    assert t.values.tolist() == [[7, 7, 7, 1], [7, 7, 7, 2], [8, 9, 10, 3], [12, 13, 14, 4]]


def test_unsigned_and_float_coordinates_find_numbers_of_other_types() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        packed = dtype("float64", precision=3, min_value=0, max_value=10)
        ds.create.coord.generic("x", data=[0.1, 0.2, 0.3], dtype=packed)
        ds.create.coord.generic("n", data=np.array([5, 200], "u1"))
        ds["t"] = (("x", "n"), np.arange(6).reshape(3, 2))
        assert ds["t"].sel(x=0.3, n=200.0).item() == 5
        assert ds["t"].sel(x=np.float64(0.2), n=np.int64(5)).item() == 2
        assert ds["t"].sel(x=[0.3, 0.1, 0.3]).shape == (3, 2)


def test_noise_of_arithmetic_does_not_lose_a_label_of_a_list() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("x", data=np.linspace(0, 1, 11))
        ds["t"] = ("x", np.arange(11))
        assert ds["x"][3].item() > 0.3
        assert ds["t"].sel(x=[0.6, 0.3]).values.tolist() == [6, 3]
        assert ds["t"].sel(x=[0.65, 0.3], method="pad").values.tolist() == [6, 3]
        assert ds["t"].sel(x=0.3, method="pad").item() == 3


def test_what_finds_labels_follows_the_coordinate() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        x = ds.create.coord.generic("x", data=[1, 2, 3])
        ds["t"] = ("x", [1.0, 2.0, 3.0])
        part = ds["t"][1:]
        assert (ds["t"].sel(x=3).item(), part.sel(x=3).item()) == (3, 3)
        x.append([9])
        ds["t"][-1] = 9.0
        assert ds["t"].sel(x=[9, 3]).values.tolist() == [9, 3]
        x.prepend([0])
        assert ds["t"].sel(x=3).item() == 3
        assert part.sel(x=1).item() == 1  # a part keeps its positions
        ds.rename(x="y")
        with pytest.raises(LabelNotFoundError, match="5 is not in 'y'"):
            ds["t"].sel(y=5)


def test_views_are_handed_to_other_processes(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        ds.create.coord.generic("x", data=[10, 20, 30])
        ds["t"] = (("x", "y"), np.arange(6.0).reshape(3, 2))
    with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
        parts = (ds["t"], ds["t"].sel(x=[30, 10])[:, 0], ds.sel(x=slice(20, 30)).isel(y=-1))
        packed = pickle.dumps(parts)
    whole, view, dataset = pickle.loads(packed)
    assert whole.values.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert (view.values.tolist(), view.coords["x"].values.tolist()) == ([4, 0], [30, 10])
    assert (dataset["t"].values.tolist(), dataset.sizes) == ([3, 5], {"x": 2})


def test_truth_values_are_labels_too() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("land", data=[True, False])
        ds["t"] = ("land", [1.0, 2.0])
        assert ds["t"].sel(land=False).item() == 2.0
        assert ds["t"].sel(land=[False, True]).values.tolist() == [2.0, 1.0]


# views


def test_views_of_a_dataset_write_through_where_it_is_writable(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
        ds.create.coord.generic("x", data=[1, 2, 3])
        ds["t"] = ("x", [1.0, 2.0, 3.0])
        view = ds.sel(x=slice(2, 3)).isel(x=[1, 0])
        assert view.writable
        assert view["t"].writable
        view["t"][0] = 9.0
        view["t"].loc[2] = 8.0
        assert ds["t"].values.tolist() == [1, 8, 9]
    with cfdb.open_dataset(tmp_path / "a.cfdb") as ds:
        view = ds.sel(x=[2])
        assert not view.writable
        assert not view["t"].writable
        for write in (
            lambda: view["t"].__setitem__(0, 1.0),
            lambda: view["t"].loc.__setitem__(2, 1.0),
            lambda: view["t"].vindex.__setitem__([0], 1.0),
            lambda: view["t"].vloc.__setitem__([2], 1.0),
        ):
            with pytest.raises(ReadOnlyError, match="flag='w'"):
                write()
        with pytest.raises(TypeError, match="assign to the variables"):
            view.loc[{"x": 2}] = 1.0
        with pytest.raises(TypeError, match="name the dimensions"):
            view.loc[2]


def test_a_selection_keeps_the_label_it_was_made_by(small: Any) -> None:
    near = small["t"].sel(lat=44, method="nearest")
    assert near.coords["lat"].item() == 40
    assert list(near.coords.keys()) == ["time", "lat"]
    assert near.coord_names == ("time", "lat")
    assert small.sel(lat=44, method="nearest")["lat"].item() == 40


def test_single_positions_are_squeezed(small: Any) -> None:
    part = small["t"][1:2, 2:3]
    assert part.squeeze().dims == ()
    assert part.squeeze("lat").dims == ("time",)
    assert part[None].squeeze().item() == 6
    assert small.isel(lat=[0]).squeeze().sizes == {"time": 4}
    assert small.isel(lat=[0]).squeeze("lat")["t"].dims == ("time",)
    for wrong in (small, small["t"]):
        with pytest.raises(ShapeError, match=r"'lat'.*4 positions"):
            wrong.squeeze("lat")
        with pytest.raises(DimensionNotFoundError):
            wrong.squeeze("x")


def test_dimensions_that_are_missing_are_passed_over_when_asked(small: Any) -> None:
    small["n"] = ("time", [1, 2, 3, 4])
    assert small["n"].isel(lat=0, time=1, missing_dims="ignore").item() == 2
    with pytest.warns(UserWarning, match="no dimension 'lat'"):
        assert small["n"].isel(lat=0, missing_dims="warn").shape == (4,)
    with pytest.raises(ValueError, match="missing_dims"):
        small["n"].isel(lat=0, missing_dims="skip")
    assert small.isel(depth=0, missing_dims="ignore").sizes == small.sizes


# points


def test_points_are_taken_by_label_and_assigned(small: Any) -> None:
    t, days = small["t"], np.array(["2020-02-02", "2020-01-30"], "M8[D]")
    assert t.vloc[[60, 30], days].tolist() == [3, 12]
    assert t[::-1].vloc[np.array([[60], [30]]), days].tolist() == [[3, 0], [15, 12]]
    t.vloc[[60, 30], days] = [-1, -2]
    assert (t[0, 3].item(), t[3, 0].item()) == (-1, -2)
    for key, error in {
        "label": (([61], days), LabelNotFoundError),
        "period": (([60], ["2020-01"]), SelectionError),
        "dims": (([60],), SelectionError),
    }.values():
        with pytest.raises(error):
            t.vloc[key]


STATIONS = st.lists(
    st.tuples(st.floats(-89, 89).map(lambda x: round(x, 2)), st.floats(0, 69).map(lambda x: round(x, 2))), max_size=6
)


@settings(max_examples=40, deadline=None)
@given(STATIONS, st.booleans())
def test_stations_are_taken_out_of_a_grid_as_in_xarray(stations: list[tuple[float, float]], view: bool) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("lat", data=np.linspace(90, -90, 13))
        ds.create.coord.generic("lon", data=np.arange(0.0, 70, 10))
        values = np.arange(3 * 13 * 7 * 2).reshape(3, 13, 7, 2)
        ds.create.data_var.generic("t", ("time", "lat", "lon", "z"), chunk_shape=(2, 5, 3, 2), data=values)
        part = ds["t"][::-1, 1:] if view else ds["t"]
        lats, lons = np.array(stations).reshape(-1, 2).T
        found = part.sel_points(lat=lats, lon=lons, method="nearest", dim="station")
        expected = part.to_xarray().sel(
            lat=xr.DataArray(lats, dims="station"), lon=xr.DataArray(lons, dims="station"), method="nearest"
        )
        assert found.dims == expected.dims
        assert same(found.values, expected.values)
        for name in ("lat", "lon"):
            assert found.coords[name].dims == ("station",)
            assert same(found.coords[name].values, expected[name].values)


def test_points_of_many_cells_are_read_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    values, sizes = np.arange(50 * 8 * 9).reshape(50, 8, 9), []
    plain = ChunkedArray.read_points
    monkeypatch.setattr(
        ChunkedArray, "read_points", lambda self, points: sizes.append(len(points[0])) or plain(self, points)
    )
    with cfdb.open_dataset(None, "n") as ds:
        t = ds.create.data_var.generic("t", ("time", "y", "x"), chunk_shape=(5, 4, 4), data=values)
        rows, columns = [0, 7, -1, 3], [8, 0, 2, 2]
        monkeypatch.setattr("cfdb.model.points.MOST_POINTS", 30)
        found = t.isel_points(y=rows, x=columns)
        assert found.dims == ("time", "points")
        assert (found.values == values[:, rows, columns]).all()
        assert max(sizes) <= 30
        assert len(sizes) == 8
        assert (t.isel_points({"time": rows}).values == values[rows]).all()


def test_arrays_of_xarray_give_points_their_dimension(small: Any) -> None:
    lat = xr.DataArray([60.0, 30.0], dims="station")
    found = small["t"].sel_points(lat=lat, time=["2020-01-30", "2020-02-02"])
    assert found.dims == ("station",)
    assert found.values.tolist() == [0, 15]
    with pytest.raises(SelectionError, match="sel_points"):
        small["t"].sel(lat=lat)
    with pytest.raises(SelectionError, match="isel_points"):
        small.isel(lat=lat.astype(int))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ({}, "name the dimensions"),
        ({"lat": [60, 30], "time": ["2020-01-30"] * 3}, "as many places"),
        ({"lon": [1]}, "no dimension 'lon'"),
        ({"lat": np.array([True, False, True, False])}, "not by a mask"),
        ({"lat": [[60]]}, "in one row"),
    ],
)
def test_points_that_make_no_sense_are_refused(small: Any, points: dict[str, Any], message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        small["t"].sel_points(points)


# what does not select


def test_variables_that_are_no_dimensions_are_refused_with_a_way_out(small: Any) -> None:
    small["height"] = ("lat", [1.0, 2.0, 3.0, 4.0])
    small["area"] = (("lat", "time"), np.zeros((4, 4)))
    small["level"] = ((), 5.0)
    for part in (small, small["t"], small.isel(time=0)):
        with pytest.raises(
            DimensionNotFoundError, match=r"along 'lat': select with isel\(lat=ds\['height'\].values == "
        ):
            part.sel(height=2.0)
        with pytest.raises(KeyError, match=r"np\.nonzero"):
            part.sel(area=2.0)
        with pytest.raises(ValueError, match="single value"):
            part.isel(level=0)
        with pytest.raises(IndexError, match="its dimensions are"):
            part.loc[{"depth": 3}]
    assert small.isel(lat=small["height"].values == 2.0)["t"].shape == (1, 4)
    with pytest.raises(DimensionNotFoundError, match="dropped by an integer"):
        small["t"][0].sel(lat=60)


def test_tolerances_are_checked(small: Any) -> None:
    t = small["t"]
    for labels, options, message in (
        ({"lat": 44}, {"tolerance": 2}, "method='nearest' with it"),
        ({"lat": 44}, {"method": "nearest", "tolerance": [1, 2]}, "one for all"),
        ({"lat": 44}, {"method": "nearest", "tolerance": np.timedelta64(1, "h")}, "give a number"),
        ({"time": "2020-01-31"}, {"method": "nearest", "tolerance": 3}, "'6h'"),
        ({"lat": 44}, {"method": "closest"}, "choose 'nearest'"),
    ):
        with pytest.raises(SelectionError, match=message):
            t.sel(labels, **options)
    with pytest.raises(KeyError, match="tolerance"):
        t.sel(lat=44, method="nearest", tolerance=3)
    small.create.coord.generic("name", data=["a", "c"])
    small["n"] = ("name", [1, 2])
    assert small["n"].sel(name="b", method="pad").item() == 1
    with pytest.raises(SelectionError, match="needs numbers or times"):
        small["n"].sel(name="b", method="nearest")


def test_times_with_a_zone_are_refused_and_utc_is_taken(small: Any) -> None:
    assert small["t"].sel(time="2020-01-31T00:00Z").shape == (4,)
    with pytest.raises(SelectionError, match="time zone"):
        small["t"].sel(time="2020-01-31T00:00+02:00")


def test_names_of_other_libraries_are_answered_with_the_way_here(small: Any) -> None:
    for part, name, way in (
        (small["t"], "resample", "var.to_xarray().resample"),
        (small["t"][0], "iloc", "brackets"),
        (small, "to_dataframe", "ds.to_xarray().to_dataframe"),
        (small["t"], "T", "var.values.T"),
        (small, "lat", r"its variable is ds\['lat'\]"),
    ):
        with pytest.raises(AttributeError, match=way.replace("(", r"\(").replace(")", r"\)")):
            getattr(part, name)
    with pytest.raises(AttributeError, match=r"no attribute 'shap'; did you mean 'shape'\?$"):
        _ = small["t"].shap
    assert not hasattr(small["t"], "_repr_unknown_")


def test_what_is_read_without_being_asked_for_has_a_limit(small: Any) -> None:
    t = small["t"]
    with cfdb.set_options(max_load=64):
        for implicit in (lambda: t.values, lambda: np.sort(t), lambda: t.item(3), lambda: 3.0 in t, lambda: t * 2):
            with pytest.raises(MemoryLimitError, match="max_load=64"):
                implicit()
        assert float(t[0, 1]) == 1.0
        assert t.read().shape == (4, 4)
        assert t.sel_points(lat=[60], time=["2020-01-30"]).values.tolist() == [0]
    with pytest.raises(ValueError, match="no single value"):
        t.item()
    with pytest.raises(ValueError, match="no single value"):
        float(t)
