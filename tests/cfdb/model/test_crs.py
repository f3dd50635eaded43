"""A dataset says which coordinate reference system its coordinates are in, as pyproj knows it."""

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Point

import cfdb
from cfdb.conventions import crs as systems
from cfdb.errors import CoordinateError, VariableNotFoundError

CUSTOM = pyproj.CRS.from_proj4("+proj=laea +lat_0=-41 +lon_0=173 +x_0=1000 +y_0=2000 +ellps=GRS80 +units=m")


@pytest.fixture
def grid() -> Any:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.lat([60.0, 50.0], axis=None)
        ds.create.coord.lon([0.0, 10.0, 20.0], axis=None)
        ds["t"] = (("latitude", "longitude"), np.zeros((2, 3)))
        yield ds


@pytest.fixture
def stations() -> Any:
    with cfdb.open_dataset(None, "n", "ts_ortho") as ds:
        ds.create.coord.generic("geom", [Point(0, 0), Point(1, 1)])
        ds.create.coord.generic("station", ["a", "b"])
        yield ds


@pytest.mark.parametrize(
    "given_crs",
    [4326, "EPSG:2193", "epsg:27700", CUSTOM, CUSTOM.to_wkt(), CUSTOM.to_cf(), "+proj=utm +zone=60 +south", "OGC:CRS84",
     pyproj.CRS(3857).to_json_dict()],
    ids=lambda crs: str(crs)[:20],
)  # fmt: skip
def test_a_system_is_set_kept_and_given_as_pyproj_has_it(tmp_path: Path, given_crs: Any) -> None:
    path, expected = (
        tmp_path / "d.cfdb",
        CUSTOM if given_crs == CUSTOM.to_cf() else pyproj.CRS.from_user_input(given_crs),
    )
    with cfdb.open_dataset(path, "n") as ds:
        assert ds.crs is None
        ds.create.coord.generic("e", [1.0, 2.0])
        ds.create.coord.generic("n", [1.0, 2.0])
        made = ds.create.crs.from_user_input(given_crs, x_coord="e", y_coord="n")
        assert isinstance(made, pyproj.CRS)
        assert made == ds.crs == expected
    with cfdb.open_dataset(path) as ds:
        assert ds.crs == expected
        assert ds.axes == {"x": "e", "y": "n"}
        assert ds.isel(e=0).crs == expected
        assert ds.sel(n=slice(1, 1)).crs == expected


def test_known_systems_are_written_down_short() -> None:
    assert systems.to_text(pyproj.CRS(2193)) == "EPSG:2193"
    assert systems.to_text(pyproj.CRS.from_wkt(pyproj.CRS(4326).to_wkt())) == "EPSG:4326"
    assert systems.from_text(systems.to_text(CUSTOM)) == CUSTOM


def test_axes_can_be_set_when_data_variables_exist(grid: Any) -> None:
    grid.create.crs.from_user_input(4326, x_coord="longitude", y_coord="latitude")
    assert (grid["longitude"].axis, grid["latitude"].axis) == ("x", "y")
    grid.create.crs.from_user_input("OGC:CRS84")  # the axes are known now
    assert grid.crs == pyproj.CRS("OGC:CRS84")
    grid.create.crs.remove()
    assert grid.crs is None
    assert grid.axes == {"y": "latitude", "x": "longitude"}


def test_geometries_are_one_axis(stations: Any) -> None:
    stations.create.crs.from_user_input(2193, xy_coord="geom")
    assert (stations["geom"].axis, stations.crs.to_epsg()) == ("xy", 2193)
    stations.create.crs.from_user_input(4326)
    assert stations.crs.to_epsg() == 4326


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"crs": "EPSG:99999999"}, ValueError, "names no coordinate reference system"),
        ({"crs": object()}, ValueError, "names no coordinate reference system"),
        ({}, ValueError, "name x_coord= and y_coord="),
        ({"x_coord": "longitude"}, ValueError, "name x_coord= and y_coord="),
        ({"y_coord": "latitude"}, CoordinateError, "name x_coord= and y_coord="),
        ({"x_coord": "longitude", "y_coord": "latitud"}, VariableNotFoundError, "did you mean 'latitude'"),
        ({"x_coord": "latitude", "y_coord": "longitude"}, CoordinateError, "is a latitude; exchange the two"),
        ({"x_coord": "t", "y_coord": "latitude"}, CoordinateError, "'t' is no coordinate"),
        ({"xy_coord": "latitude"}, TypeError, "holds float64: name a coordinate of geometries"),
        ({"xy_coord": "latitude", "x_coord": "longitude"}, ValueError, "either xy_coord, or x_coord and y_coord"),
        ({"x_coord": "longitude", "y_coord": "name"}, TypeError, "holds str, no numbers"),
        ({"x_coord": "longitude", "y_coord": "depth"}, CoordinateError, "has axis 'z'"),
    ],
)
def test_errors_leave_nothing_half_set(grid: Any, options: Any, error: type[Exception], message: str) -> None:
    grid.create.coord.depth([1.0, 2.0])
    grid.create.coord.generic("name", ["a", "b"])
    with pytest.raises(error, match=message):
        grid.create.crs.from_user_input(**{"crs": 4326, **options})
    assert grid.crs is None
    assert grid.axes == {"z": "depth"}


def test_an_axis_of_another_coordinate_is_not_taken(grid: Any) -> None:
    grid.create.coord.generic("x", [1, 2], axis="x")
    with pytest.raises(CoordinateError, match="it is the axis of 'x' already"):
        grid.create.crs.from_user_input(4326, x_coord="longitude", y_coord="latitude")
    assert (grid.crs, grid["latitude"].axis) == (None, None)


def test_reading_only_sets_nothing(tmp_path: Path) -> None:
    path = tmp_path / "d.cfdb"
    cfdb.open_dataset(path, "n").close()
    with cfdb.open_dataset(path) as ds:
        assert ds.crs is None
        with pytest.raises(ValueError, match="open for reading only"):
            ds.create.crs.from_user_input(4326)


def test_a_rollback_takes_the_system_back(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "d.cfdb", "n") as ds:
        ds.create.coord.lat([1.0])
        ds.create.coord.lon([1.0])
        ds.sync()
        ds.create.crs.from_user_input(4326)
        ds.rollback()
        assert ds.crs is None


class TestGridMapping:
    def _with(self, ds: Any, name: str, crs: Any) -> None:
        ds.create.variable(name, (), "int32", role="grid_mapping", attrs=systems.to_cf(pyproj.CRS(crs)))

    def test_names_the_system_when_none_was_set(self, grid: Any) -> None:
        self._with(grid, "mapping", 2193)
        assert grid.crs == pyproj.CRS(2193)
        grid.create.crs.from_user_input(4326, x_coord="longitude", y_coord="latitude")
        assert grid.crs == pyproj.CRS(4326)

    def test_of_several_systems_names_none(self, grid: Any) -> None:
        self._with(grid, "one", 2193)
        self._with(grid, "two", 2193)
        assert grid.crs == pyproj.CRS(2193)
        self._with(grid, "three", 4326)
        assert grid.crs is None

    def test_of_single_parameters_is_read(self, grid: Any) -> None:
        attrs = {
            "grid_mapping_name": "lambert_conformal_conic",
            "standard_parallel": np.array([30.0, 60.0]),
            "longitude_of_central_meridian": np.float32(10.0),
            "latitude_of_projection_origin": 45.0,
            "earth_radius": 6371229.0,
        }
        grid.create.variable("lcc", (), "int32", role="grid_mapping", attrs=attrs)
        assert grid.crs.coordinate_operation.method_name == "Lambert Conic Conformal (2SP)"
        assert grid.crs.ellipsoid.semi_major_metre == 6371229.0

    def test_that_says_nothing_names_none(self, grid: Any) -> None:
        grid.create.variable("crs", (), "int32", role="grid_mapping", attrs={"long_name": "who knows"})
        grid.create.variable("bad", (), "int32", role="grid_mapping", attrs={"grid_mapping_name": "mercury"})
        assert grid.crs is None

    @pytest.mark.parametrize("crs", [4326, 2193, 3857, 27700, 32760, CUSTOM], ids=lambda crs: str(crs)[:12])
    def test_attributes_come_back(self, crs: Any) -> None:
        wanted = pyproj.CRS.from_user_input(crs)
        assert systems.from_cf(systems.to_cf(wanted)) == wanted


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(167, 178), st.floats(-47, -35)), min_size=1, max_size=5))
def test_places_are_transformed_as_pyproj_does_and_back(places: list[tuple[float, float]]) -> None:
    lon, lat = np.array(places).T
    x, y = systems.transform(4326, "EPSG:2193", lon, lat)
    expected = pyproj.Transformer.from_crs(4326, 2193, always_xy=True).transform(lon, lat)
    assert np.array_equal((x, y), expected)
    back = systems.transform("EPSG:2193", 4326, x, y)
    assert np.allclose(back, (lon, lat), atol=1e-7)


def test_a_system_goes_through_netcdf(tmp_path: Path, grid: Any) -> None:
    grid.create.crs.from_user_input("EPSG:4258", x_coord="longitude", y_coord="latitude")
    grid.to_netcdf4(tmp_path / "a.nc")
    with cfdb.from_netcdf(tmp_path / "a.nc", tmp_path / "b.cfdb") as ds:
        assert ds.crs == pyproj.CRS(4258)
        assert ds.axes == {"y": "latitude", "x": "longitude"}
