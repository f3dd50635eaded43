"""Real files: every netCDF file of iris-sample-data, compared with h5netcdf variable by variable."""

from pathlib import Path

import h5netcdf
import numpy as np
import pytest

import cfdb

from .netcdf_files import all_samples, assert_holds, sample

#: Files that are not netCDF-4, and what the error says.
REFUSED = {
    "space_weather.nc": "netCDF-3",
    "mesh_C4_synthetic_float.nc": "netCDF-3",
}
NETCDF4 = [name for name in all_samples() if name not in REFUSED]


def test_all_files_are_looked_at() -> None:
    assert len(NETCDF4) >= 13
    assert set(REFUSED) <= set(all_samples())


@pytest.mark.parametrize("name", NETCDF4)
def test_every_variable_and_attribute_comes_along(name: str, tmp_path: Path) -> None:
    with cfdb.from_netcdf(sample(name), tmp_path / "x.cfdb") as ds:
        assert_holds(ds, sample(name))


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_other_files_are_refused_with_the_way_out(name: str, tmp_path: Path) -> None:
    with pytest.raises(cfdb.errors.FormatError, match=REFUSED[name]):
        cfdb.from_netcdf(sample(name), tmp_path / "x.cfdb")


@pytest.fixture(scope="module")
def a1b(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("a1b") / "a1b.cfdb"
    cfdb.from_netcdf(sample("A1B_north_america.nc"), path, chunks={"air_temperature": (12, 37, 49)}).close()
    return path


def test_a1b_has_its_roles_links_and_chunks(a1b: Path) -> None:
    with cfdb.open_dataset(a1b) as ds:
        roles = {variable.name: variable.role for variable in ds.variables}
        assert roles == {
            "air_temperature": "data",
            "latitude_longitude": "grid_mapping",
            "time": "coordinate",
            "time_bnds": "bounds",
            "latitude": "coordinate",
            "longitude": "coordinate",
            "forecast_period": "auxiliary",
            "forecast_reference_time": "auxiliary",
            "height": "auxiliary",
        }
        assert ds["air_temperature"].links == {
            "grid_mapping": ("latitude_longitude",),
            "coordinates": ("forecast_period", "forecast_reference_time", "height"),
        }
        assert ds["time"].links == {"bounds": ("time_bnds",)}
        assert ds.data_var_names == ("air_temperature",)
        assert ds["air_temperature"].chunk_shape == (12, 37, 49)
        assert ds["air_temperature"].stored().chunks == 20
        assert {name: ds[name].axis for name in ("time", "latitude", "longitude")} == {
            "time": "t",
            "latitude": "y",
            "longitude": "x",
        }


def test_a1b_times_are_dates_of_their_calendar_and_bounds_too(a1b: Path) -> None:
    with cfdb.open_dataset(a1b) as ds:
        time, bounds = ds["time"].values, ds["time_bnds"].values
        assert str(time[0]) == "1860-06-01 00:00:00"
        assert time[0].calendar == "360_day"
        assert str(bounds[0, 0]) == "1859-12-01 00:00:00"
        assert ds["time"].attrs["calendar"] == "360_day"
        assert "units" not in ds["time_bnds"].attrs
        assert ds["forecast_reference_time"].values.shape == ()


def test_a1b_is_selected_by_label(a1b: Path) -> None:
    with h5netcdf.File(sample("A1B_north_america.nc"), "r") as file, cfdb.open_dataset(a1b) as ds:
        expected = file["air_temperature"][:, 3, 5]
        lat, lon = file["latitude"][3], file["longitude"][5]
        series = ds["air_temperature"].sel(latitude=lat, longitude=lon)
        assert np.array_equal(series.values, expected)


def test_without_a_target_the_dataset_is_in_memory() -> None:
    with cfdb.from_netcdf(sample("A1B_north_america.nc"), None, chunks={"time": 12}) as ds:
        assert ds["air_temperature"].chunk_shape == (12, 37, 49)
        assert ds.writable
