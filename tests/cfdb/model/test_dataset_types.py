"""The type of a dataset says which coordinates its dimensions may have."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely import Point

import cfdb
from cfdb.errors import CoordinateError, CoordinateTypeError

GRIDS = ["grid", "grid_forecast"]
SERIES = ["ts_ortho", "ts_forecast"]


def _open(kind: str) -> Any:
    return cfdb.open_dataset(None, "n", kind)


@pytest.mark.parametrize("kind", [*GRIDS, *SERIES])
def test_a_type_is_kept_and_only_series_at_stations_are_a_cf_feature(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "d.cfdb"
    cfdb.open_dataset(path, "n", kind).close()
    with cfdb.open_dataset(path, dataset_type="grid") as ds:
        assert ds.dataset_type == kind
        assert dict(ds.attrs) == ({"featureType": "timeSeries"} if kind == "ts_ortho" else {})


@pytest.mark.parametrize("kind", GRIDS)
def test_a_grid_has_no_dimension_of_geometries(kind: str) -> None:
    with _open(kind) as ds:
        for create in (
            lambda: ds.create.coord.point([Point(0, 0)]),
            lambda: ds.create.coord.generic("g", dtype="polygon"),
            lambda: ds.create.coord.generic("g", [Point(0, 0)]),
            lambda: ds.__setitem__("g", ("g", [Point(0, 0)])),
        ):
            for error in (TypeError, ValueError, CoordinateTypeError):
                with pytest.raises(error, match="dataset_type='ts_ortho'"):
                    create()
        assert (len(ds), ds.sizes) == (0, {})
        ds["outline"] = ("region", np.array([Point(0, 0), None], object))
        assert ds["outline"].dtype.name == "point"


@pytest.mark.parametrize("kind", SERIES)
@pytest.mark.parametrize("name", ["lat", "latitude", "lon", "Longitude", "x", "y"])
def test_series_have_no_horizontal_dimension_of_a_grids_name(kind: str, name: str) -> None:
    with _open(kind) as ds:
        for create in (
            lambda: ds.create.coord.generic(name, data=[1.0, 2.0]),
            lambda: ds.__setitem__(name, (name, [1.0, 2.0])),
            lambda: ds.create.variable(name, name, data=[1.0, 2.0], role="coordinate"),
        ):
            for error in (TypeError, CoordinateError):
                with pytest.raises(error, match="belongs to a grid"):
                    create()
        assert (len(ds), ds.sizes) == (0, {})


@pytest.mark.parametrize("kind", SERIES)
@pytest.mark.parametrize("axis", ["x", "Y"])
def test_series_have_no_horizontal_axis(kind: str, axis: str) -> None:
    with _open(kind) as ds:
        with pytest.raises(TypeError, match=f"axis='{axis.lower()}'"):
            ds.create.coord.generic("easting", [1.0, 2.0], axis=axis)
        assert len(ds) == 0
        easting = ds.create.coord.generic("easting", [1.0, 2.0])
        with pytest.raises(TypeError, match="belongs to a grid"):
            easting.update_axis(axis)
        assert easting.axis is None


@pytest.mark.parametrize("kind", SERIES)
def test_series_have_times_heights_and_the_places_of_their_stations(kind: str) -> None:
    with _open(kind) as ds:
        ds.create.coord.generic("station", ["a", "b"])
        ds.create.coord.time(np.arange("2020", "2023", dtype="M8[Y]").astype("M8[D]"))
        ds.create.coord.height([2.0, 10.0])
        lat = ds.create.coord.lat([50.0, 40.0], dims="station", name="lat")
        assert (lat.role, lat.dims, "axis" in lat.attrs) == ("auxiliary", ("station",), False)
        assert ds.axes == {"t": "time", "z": "height"}


def test_a_forecast_is_labelled_by_its_start_and_lead_time() -> None:
    with _open("ts_forecast") as ds:
        start = ds.create.coord.forecast_reference_time(np.arange("2020-01-01", "2020-01-03", 6, "M8[h]"))
        lead = ds.create.coord.forecast_period(np.arange(0, 49, 3), attrs={"units": "hours"})
        ds.create.coord.point([(170.5, -45.9), (174.8, -41.3)])
        rain = ds.create.data_var.precip(("point", "forecast_reference_time", "forecast_period"))
        rain[...] = 1.25
        assert (start.axis, lead.axis, start.step, lead.step) == ("t", None, 6, 3)
        found = rain.sel(point=(174.8, -41.3), forecast_reference_time="2020-01-01T06", forecast_period=24)
        assert found.item() == 1.25


def test_an_unknown_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dataset_type='cube': choose one of 'grid', 'ts_ortho'"):
        cfdb.open_dataset(tmp_path / "d.cfdb", "n", "cube")
    assert not (tmp_path / "d.cfdb").exists()


def test_a_station_is_not_renamed_to_a_latitude() -> None:
    with _open("ts_ortho") as ds:
        ds.create.coord.generic("station", ["a"])
        with pytest.raises(CoordinateTypeError, match="belongs to a grid"):
            ds.rename(station="lat")
        ds.rename(station="site")
        assert ds.dims == ("site",)
