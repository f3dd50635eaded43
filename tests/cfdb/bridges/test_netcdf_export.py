"""Datasets go out as netCDF-4: xarray reads what was meant, and importing gives the same back."""

from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import pytest
import xarray as xr

import cfdb
from cfdb.errors import DataTypeError, VariableNotFoundError
from cfdb.format.dtypes import dtype, enum_dtype, time_dtype
from tests.support.oracle import same

from .netcdf_files import all_samples, sample
from .test_netcdf_samples import NETCDF4


def out(ds: Any, path: Path, **options: Any) -> xr.Dataset:
    ds.to_netcdf4(path, **options)
    with xr.open_dataset(path, engine="h5netcdf") as read:
        return read.load()


@pytest.mark.parametrize("name", NETCDF4)
def test_what_came_from_a_real_file_goes_back_as_it_was(name: str, tmp_path: Path) -> None:
    with cfdb.from_netcdf(sample(name), tmp_path / "x.cfdb") as ds:
        ds.to_netcdf4(tmp_path / "x.nc")
        with cfdb.from_netcdf(tmp_path / "x.nc", tmp_path / "y.cfdb") as again:
            assert list(again) == list(ds)
            assert again.sizes == ds.sizes
            assert again.unlimited_dims == ds.unlimited_dims
            assert dict(ds.attrs).items() <= dict(again.attrs).items()
            for variable in ds.variables:
                other = again[variable.name]
                assert (other.dims, other.role, other.links) == (variable.dims, variable.role, variable.links)
                assert same(np.asarray(other.read(masked=False)), np.asarray(variable.read(masked=False)))
    assert name in all_samples()


def test_xarray_reads_a_real_file_as_before(tmp_path: Path) -> None:
    source = sample("A1B_north_america.nc")
    with cfdb.from_netcdf(source, tmp_path / "x.cfdb") as ds:
        ds.to_netcdf4(tmp_path / "x.nc")
    with (
        xr.open_dataset(source, engine="h5netcdf") as old,
        xr.open_dataset(tmp_path / "x.nc", engine="h5netcdf") as new,
    ):
        xr.testing.assert_identical(old.drop_attrs(), new.drop_attrs())
        assert old["air_temperature"].attrs == new["air_temperature"].attrs


def test_packed_values_stay_packed(tmp_path: Path) -> None:
    packed = dtype("float32", precision=2, min_value=-60, max_value=60)
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.data_var.generic("t", ("x",), packed, data=[-59.99, np.nan, 60.0])
        read = out(ds, tmp_path / "x.nc")
    assert read["t"].encoding["dtype"] == packed.dtype_encoded
    np.testing.assert_allclose(read["t"].values, [-59.99, np.nan, 60.0], atol=1e-5)
    with h5netcdf.File(tmp_path / "x.nc", "r") as file:
        assert file["t"].attrs["scale_factor"] == np.float32(0.01)
    with cfdb.from_netcdf(tmp_path / "x.nc", tmp_path / "y.cfdb") as again:
        assert again["t"].dtype == packed


@pytest.mark.parametrize("unit", ["D", "h", "m", "s", "ms", "us", "ns"])
def test_times_are_cf_numbers(unit: str, tmp_path: Path) -> None:
    times = np.array(["1969-12-31", "NaT", "2020-02-29"], f"datetime64[{unit}]")
    with cfdb.open_dataset(None, "n") as ds:
        ds["when"] = ("x", times)
        read = out(ds, tmp_path / "x.nc")
    assert np.array_equal(read["when"].values.astype("datetime64[ns]"), times.astype("datetime64[ns]"), equal_nan=True)


def test_months_become_days_and_durations_stay_durations(tmp_path: Path) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["month"] = ("x", np.array(["2020-02", "NaT"], "datetime64[M]"))
        ds["span"] = ("x", np.array([90, 120], "timedelta64[m]"))
        read = out(ds, tmp_path / "x.nc")
    assert str(read["month"].values[0])[:10] == "2020-02-01"
    assert np.isnat(read["month"].values[1])
    assert read["span"].values.astype("timedelta64[m]").astype(int).tolist() == [90, 120]


def test_times_of_other_calendars_keep_units_and_calendar(tmp_path: Path) -> None:
    kind = time_dtype("days since 2000-01-01", "360_day")
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.data_var.generic("t", ("x",), kind, data=np.array([0, 59, 360]))
        read = out(ds, tmp_path / "x.nc")
    assert [str(value)[:10] for value in read["t"].values] == ["2000-01-01", "2000-02-30", "2001-01-01"]


def test_other_types_have_their_place(tmp_path: Path) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["bools"] = ("x", np.array([True, False]))
        ds["half"] = ("x", np.array([1.5, np.nan], np.float16))
        ds["letters"] = ("x", np.array([b"ab", b"c"]))
        ds["text"] = ("x", np.array(["Grüße", None], object))
        ds.create.data_var.generic("kind", ("x",), enum_dtype("uint8", {"dry": 0, "wet": 1}), data=[1, 0])
        ds.create.data_var.generic("count", ("x",), "int16", data=[5, -1], fill_value=-1)
        read = out(ds, tmp_path / "x.nc")
    assert read["bools"].dtype == bool
    assert read["bools"].values.tolist() == [True, False]
    assert read["half"].dtype == np.float32
    assert read["letters"].values.tolist() == [b"ab", b"c"]
    assert read["text"].values.tolist() == ["Grüße", ""]
    np.testing.assert_array_equal(read["count"].values, [5, np.nan])
    with cfdb.from_netcdf(tmp_path / "x.nc", tmp_path / "y.cfdb") as again:
        assert again["kind"].dtype.members == (("dry", 0), ("wet", 1))
        assert again["count"].values.mask.tolist() == [False, True]


def test_complex_numbers_are_refused_before_a_file_exists(tmp_path: Path) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["z"] = ("x", np.array([1j]))
        ds["t"] = ("x", np.array([1.0]))
        with pytest.raises(DataTypeError, match=r"'z' is complex.*exclude"):
            ds.to_netcdf4(tmp_path / "x.nc")
        assert list(tmp_path.iterdir()) == []
        assert list(out(ds, tmp_path / "x.nc", exclude_data_vars=["z"])) == ["t"]


def test_an_error_leaves_the_file_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.nc").write_bytes(b"old")
    with cfdb.open_dataset(None, "n") as ds:
        ds["t"] = ("x", np.arange(3.0))

        def fail(*_: Any, **__: Any) -> Any:
            raise OSError("disk full")

        monkeypatch.setattr("cfdb.bridges.netcdf_export._stream", fail)
        with pytest.raises(OSError, match="disk full"):
            ds.to_netcdf4(tmp_path / "x.nc")
    assert [path.name for path in tmp_path.iterdir()] == ["x.nc"]
    assert (tmp_path / "x.nc").read_bytes() == b"old"


def test_parts_groups_and_unwritten_chunks(tmp_path: Path) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["x"] = ("x", np.arange(10, 20))
        ds.create.data_var.generic("t", ("x",), "float32", chunk_shape=3)
        ds["t"][2:5] = [1, 2, 3]
        ds["ocean/s"] = ("x", np.arange(10.0))
        ds["t"].attrs["odd"] = {"a": None}
        view = ds.sel(x=slice(12, 17))
        view.to_netcdf4(tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc", engine="h5netcdf") as read:
        assert read["x"].values.tolist() == [12, 13, 14, 15, 16, 17]
        np.testing.assert_array_equal(read["t"].values, [1, 2, 3, np.nan, np.nan, np.nan])
        assert read["t"].attrs["odd"] == '{"a": null}'
        assert read.attrs["Conventions"].startswith("CF-1.")
    with xr.open_dataset(tmp_path / "x.nc", group="ocean", engine="h5netcdf") as ocean:
        assert ocean["s"].values.tolist() == [2, 3, 4, 5, 6, 7]


def test_the_reference_system_goes_along_as_a_grid_mapping(tmp_path: Path) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["lat"], ds["lon"], ds["n"] = ("lat", [50.0, 40.0]), ("lon", [1.0, 2.0]), ("n", [1, 2])
        ds["t"], ds["u"] = (("lat", "lon"), np.zeros((2, 2))), ("n", np.zeros(2))
        ds.create.crs.from_user_input(4326, x_coord="lon", y_coord="lat")
        ds.to_netcdf4(tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc", engine="h5netcdf", decode_coords="all") as read:
        assert read["t"].encoding["grid_mapping"] == "spatial_ref"
        assert "grid_mapping" not in {**read["u"].attrs, **read["u"].encoding}
        assert read["lat"].attrs["axis"] == "Y"
    with cfdb.from_netcdf(tmp_path / "x.nc", tmp_path / "y.cfdb") as again:
        assert again.crs.to_epsg() == 4326


def test_groups_keep_their_attributes_and_go_out_alone(tmp_path: Path) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["x"] = ("x", [10, 20])
        ds.create.group("ocean/deep").attrs["title"] = "below"
        ds["ocean/s"] = ("x", [1.0, 2.0])
        ds["ocean"].to_netcdf4(tmp_path / "o.nc")
        ds.to_netcdf4(tmp_path / "x.nc")
    with cfdb.from_netcdf(tmp_path / "x.nc", tmp_path / "y.cfdb") as again:
        assert again["ocean/deep"].attrs["title"] == "below"
        assert again["ocean/s"].dims == ("x",)
    with xr.open_dataset(tmp_path / "o.nc", engine="h5netcdf") as read:
        assert read["s"].sel(x=20) == 2


def test_data_variables_are_chosen_and_coordinates_come_along(tmp_path: Path) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["x"] = ("x", np.arange(2))
        ds["y"] = ("y", np.arange(3))
        ds["t"], ds["u"] = ("x", np.zeros(2)), ("y", np.zeros(3))
        assert sorted(out(ds, tmp_path / "x.nc", include_data_vars=["t"]).variables) == ["t", "x", "y"]
        with pytest.raises(VariableNotFoundError, match="did you mean"):
            ds.to_netcdf4(tmp_path / "y.nc", include_data_vars=["tt"])
        with pytest.raises(ValueError, match="choose one of them"):
            ds.to_netcdf4(tmp_path / "y.nc", include_data_vars=["t"], exclude_data_vars=["u"])


def test_a_file_is_converted_by_name(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "x.cfdb", "n") as ds:
        ds["x"] = ("x", np.array([10, 20, 30]))
        ds["t"] = ("x", np.array([1.0, 2.0, 3.0]))
    cfdb.cfdb_to_netcdf4(tmp_path / "x.cfdb", tmp_path / "x.nc", sel_loc={"x": slice(20, 30)}, compression=None)
    with xr.open_dataset(tmp_path / "x.nc", engine="h5netcdf") as read:
        assert read["t"].sel(x=20) == 2
    with pytest.raises(ValueError, match="exclude each other"):
        cfdb.cfdb_to_netcdf4(tmp_path / "x.cfdb", tmp_path / "y.nc", sel={"x": 0}, sel_loc={"x": 10})
