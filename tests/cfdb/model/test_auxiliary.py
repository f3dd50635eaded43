"""Coordinates that label no dimension: 2-D, scalar, along another dimension; bounds and grid mappings."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.errors import DataTypeError, InvalidNameError, ShapeError, VariableNotFoundError
from tests.support.records import records_of


@pytest.fixture
def ds() -> Any:
    with cfdb.open_dataset(None, "n") as ds:
        yield ds


def fill(ds: Any) -> None:
    """A curvilinear grid in a projection, with a height and a run number."""
    ds.create.coord.generic("time", data=np.arange("2020-01-01", "2020-01-04", dtype="datetime64[D]"))
    ds.create.dimension("y", 2)
    ds.create.dimension("x", 3)
    ds.create.coord.generic("lat", data=np.arange(6.0).reshape(2, 3), dims=("y", "x"))
    ds.create.coord.generic("height", data=2.0, dims=(), attrs={"units": "m"})
    ds.create.coord.generic("run", data=[7, 8, 9], dims="time")
    ds["t"] = (("time", "y", "x"), np.arange(18.0).reshape(3, 2, 3))
    ds["series"] = ("time", [1.0, 2.0, 3.0])


class TestBelonging:
    def test_coordinates_belong_where_their_dimensions_do(self, ds: Any) -> None:
        fill(ds)
        assert ds.coord_names == ("time", "lat", "height", "run")
        assert ds.data_var_names == ("t", "series")
        assert ds["t"].coord_names == ("time", "lat", "height", "run")
        assert ds["series"].coord_names == ("time", "height", "run")
        assert list(ds["t"].coords.keys()) == ["time", "lat", "height", "run"]
        assert (ds["height"].shape, ds["height"].item(), ds["height"].units) == ((), 2.0, "m")
        assert ds["lat"].coord_names == ("height",)

    def test_views_restrict_them(self, ds: Any) -> None:
        fill(ds)
        view = ds["t"][1:, 0, ::-1]
        assert {name: each.shape for name, each in view.coords.items()} == {
            "time": (2,), "lat": (3,), "height": (), "run": (2,),
        }  # fmt: skip
        assert view.coords["lat"].values.tolist() == [2, 1, 0]
        assert view.coords["run"].values.tolist() == [8, 9]
        single = ds.sel(time="2020-01-02").isel(x=1)
        assert single["run"].item() == 8
        assert single["lat"].values.tolist() == [1, 4]
        assert single["t"].coords["run"].item() == 8
        assert single.coords["lat"].values.tolist() == [1, 4]

    def test_a_link_names_coordinates_too(self, ds: Any) -> None:
        fill(ds)
        ds["depth"] = ("y", [0.0, 5.0])
        assert "depth" not in ds["t"].coords
        ds["t"].update_links({"coordinates": ("lat", "depth")})
        assert "depth" in ds["t"].coords
        assert (ds["depth"].role, ds.data_var_names) == ("auxiliary", ("t", "series"))

    def test_xarray_shows_the_same(self, ds: Any) -> None:
        pytest.importorskip("xarray")
        fill(ds)
        for name in ("t", "series"):
            found = ds[name].to_xarray()
            assert set(found.coords) == set(ds[name].coord_names)
            for coord in ds[name].coord_names:
                assert np.array_equal(found.coords[coord].values, ds[coord].read())

    def test_they_are_durable_and_follow_the_growth_of_their_dimension(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
            fill(ds)
        with cfdb.open_dataset(tmp_path / "a.cfdb", "w") as ds:
            ds["time"].append(np.array(["2020-01-04"], "datetime64[D]"))
            assert ds["run"].shape == (4,)
            ds["run"][-1] = 10
            ds.resize(x=4)
            assert ds["lat"].shape == (2, 4)
            assert np.isnan(ds["lat"].values[:, 3]).all()
            ds["time"].drop(np.datetime64("2020-01-01"))
            assert ds["run"].values.tolist() == [8, 9, 10]


class TestScalars:
    def test_scalar_variables_are_read_and_written(self, ds: Any) -> None:
        ds["s"] = 5
        ds["text"] = "word"
        ds.create.variable("none", (), "float32")
        assert (ds["s"].shape, ds["s"].values.ndim, ds["s"].item(), int(ds["s"]), ds["s"].ndim) == ((), 0, 5, 5, 0)
        assert (ds["text"].item(), np.isnan(ds["none"].item()), ds["s"].dims) == ("word", True, ())
        ds["s"][...] = 6
        ds["s"][()] += 1
        assert ds["s"][()].item() == 7
        with pytest.raises(TypeError, match="no length"):
            len(ds["s"])
        with pytest.raises(IndexError):
            ds["s"][0]

    def test_dimensions_without_coordinates_are_selected_by_position(self, ds: Any) -> None:
        fill(ds)
        assert (ds.sizes["y"], "y" in ds, "y" in ds["t"].coords) == (2, False, False)
        assert ds["t"].isel(y=1, x=0, time=0).item() == 3.0
        with pytest.raises(IndexError, match="no coordinate"):
            ds["t"].sel(y=1)


class TestBounds:
    def test_bounds_are_created_linked_and_found(self, tmp_path: Path) -> None:
        with cfdb.open_dataset(tmp_path / "a.cfdb", "n") as ds:
            fill(ds)
            edges = np.array([["2020-01-01", "2020-01-02"], ["2020-01-02", "2020-01-03"], ["2020-01-03", "2020-01-04"]])
            ds.create.bounds("time", edges.astype("datetime64[D]"))
            ds.create.bounds("lat", np.zeros((2, 3, 4)), name="corners")
        with cfdb.open_dataset(tmp_path / "a.cfdb", "w") as ds:
            bounds = ds["time"].bounds
            assert (bounds.name, bounds.role, bounds.dims, bounds.dtype) == (
                "time_bnds", "bounds", ("time", "nv"), ds["time"].dtype,
            )  # fmt: skip
            assert (ds["lat"].bounds.shape, ds["lat"].bounds.dims) == ((2, 3, 4), ("y", "x", "nv4"))
            assert ds.data_var_names == ("t", "series")
            assert (ds["t"].bounds, ds["t"].grid_mapping) == (None, None)
            ds["time"].append(np.array(["2020-01-04"], "datetime64[D]"))
            assert (bounds.shape, bool(np.isnat(bounds.values[3]).all())) == ((4, 2), True)
            del ds["time_bnds"]
            assert (ds["time"].bounds, ds["time"].links) == (None, {})

    def test_attributes_name_them_as_well(self, ds: Any) -> None:
        fill(ds)
        ds["crs"] = 0
        ds["t"].attrs["grid_mapping"] = "crs: time"
        assert ds["t"].grid_mapping.name == "crs"
        ds["series"].update_links({"grid_mapping": "crs"})
        assert (ds["series"].grid_mapping.name, ds["crs"].role) == ("crs", "grid_mapping")

    def test_what_does_not_fit_changes_nothing(self, ds: Any) -> None:
        fill(ds)
        before = records_of(ds)
        calls = (
            (lambda: ds.create.bounds("time", np.zeros((2, 2))), ShapeError, r"need the shape \(3, 2\)"),
            (lambda: ds.create.bounds("lat", np.zeros((2, 2, 2))), ShapeError, "bounds of 'lat' need"),
            (lambda: ds.create.bounds("nothing", [[1, 2]]), VariableNotFoundError, "'nothing'"),
            (lambda: ds.create.bounds("time", np.array([["a", "b"]] * 3)), DataTypeError, "datetime64"),
            (lambda: ds["t"].update_links({"bounds": "q"}), VariableNotFoundError, "'q'"),
            (lambda: ds["t"].update_links({"bounds": "t"}), InvalidNameError, "its own bounds"),
            (lambda: ds["t"].update_links({"bounds": "run", "grid_mapping": 3}), TypeError, "give names"),
            (lambda: ds.create.variable("v", "time", "f4", links=["run"]), TypeError, "give a dict"),
        )
        for call, error, message in calls:
            with pytest.raises(error, match=message):
                call()
            assert records_of(ds) == before
