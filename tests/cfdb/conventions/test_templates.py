"""Every template is as the table of the released package has it, and holds the values its variable takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.conventions.templates import find_template, template_names

#: Code 0 means missing: with upstream's offsets -0.3 would be code 0, and no negative angle could be held.
MENDED = {"vorticity": -0.30001, "divergence": -0.30001, "orography_angle": -1.5709}
_SLACK = {"vorticity": 1e-5, "divergence": 1e-5}
#: Realistic lowest and highest values, by words in the method's name or by units; the first that fits counts.
RANGES: dict[str, tuple[float, float]] = {
    "lon": (-180, 360),
    "lat": (-90, 90),
    "pressure": (0, 108_500),
    "mslp": (87_000, 108_500),
    "vorticity": (-0.02, 0.3),
    "potential_vorticity": (-0.01, 0.05),
    "divergence": (-0.3, 0.3),
    "vertical_velocity": (-50, 80),
    "u_wind": (-100, 150),
    "v_wind": (-100, 150),
    "wind_direction": (0, 360),
    "wind": (0, 120),
    "precip": (0, 600),
    "sensible_heat_flux": (-1000, 1500),
    "moisture_flux": (-0.005, 0.01),
    "vimf": (-5000, 5000),
    "ivt": (0, 3000),
    "surface_stress": (-10, 10),
    "surface_roughness_heat": (-15, 5),
    "orography_angle": (-1.5708, 1.5708),
    "orography_slope": (0, 0.5),
    "ozone_mixing_ratio": (0, 2e-5),
    "mixing_ratio": (0, 0.04),
    "humidity": (0, 1.2),
    "specific_humidity": (0, 0.04),
    "water_content": (0, 0.02),
    "ice_water_content": (0, 0.01),
    "total_column_ozone": (0, 0.012),
    "total_column": (0, 90),
    "pwat": (0, 90),
    "snow_water_equiv": (0, 5000),
    "snow_density": (0, 917),
    "cape": (0, 6000),
    "charnock": (0, 0.1),
    "depth": (0, 11_000),
    "snow_depth": (0, 30),
    "lake_depth": (0, 1642),
    "lake_ice_depth": (0, 10),
    "skin_reservoir_content": (0, 0.01),
    "surface_roughness": (0, 5),
    "altitude": (-430, 30_000),
    "terrain_height": (-430, 8850),
    "geopotential_height": (-500, 60_000),
    "boundary_layer_height": (0, 5000),
    "std_dev": (0, 1500),
    "leaf_area": (0, 10),
    "radiation": (0, 1400),
    "lwe_soil_moisture": (0, 2000),
    "K": (180, 340),
    "1": (0, 1),
    "m": (0, 6000),
    "m3 m-3": (0, 1),
    "metres": (0, 400_000),
}


@dataclass(frozen=True)
class Row:
    kind: str
    method: str
    name: str
    dtype: str
    units: str | None
    standard_name: str | None
    long_name: str
    further: dict[str, str]


def _rows() -> list[Row]:
    rows = []
    for line in Path(__file__).with_name("template_table.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        kind, method, name, dtype, units, standard_name, long_name, further = cells + [""] * (8 - len(cells))
        pairs = dict(pair.split("=") for pair in further.split(", ") if pair)
        rows.append(Row(kind, method, name, dtype, *(None if cell == "-" else cell for cell in (units, standard_name)),
                        long_name, pairs))  # fmt: skip
    return rows


ROWS = _rows()


def test_there_are_as_many_templates_as_rows() -> None:
    for kind, key in (("coord", "coord"), ("data", "data_var")):
        assert [row.method for row in ROWS if row.kind == kind] == list(template_names(key))
    assert len(ROWS) == 114


def _create(ds: Any, row: Row, **options: Any) -> Any:
    if row.kind == "coord":
        return getattr(ds.create.coord, row.method)(**options)
    return getattr(ds.create.data_var, row.method)(("n",), **options)


def _opened(row: Row) -> Any:
    ds = cfdb.open_dataset(None, "n", "ts_ortho" if row.method in ("point", "line", "polygon") else "grid")
    ds.create.dimension("n", 2)
    return ds


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.method)
def test_a_template_creates_what_its_row_says(row: Row) -> None:
    with _opened(row) as ds:
        variable = _create(ds, row)
        assert variable.name == row.name
        dtype = variable.dtype
        said = dict(word.split("=") for word in row.dtype.split()[1:])
        assert dtype.name == row.dtype.split()[0]
        assert dtype.precision == (int(said["p"]) if "p" in said else None)
        assert (dtype.encoded, dtype.is_packed) == (said.get("enc"), "enc" in said)
        if dtype.is_packed:
            assert dtype.offset == MENDED.get(row.method, float(said["off"]))
            assert dtype.fillvalue == 0
        attrs = dict(variable.attrs)
        assert attrs.pop("units", None) == row.units == variable.units
        assert attrs.pop("standard_name", None) == row.standard_name
        assert attrs.pop("long_name") == row.long_name
        axis = row.further.get("axis")
        assert getattr(variable, "axis", None) == (axis.lower() if axis else None)
        for key, text in row.further.items():
            value = attrs.pop(key)
            if key == "flag_values":
                first, last = text.split("..")
                assert value.tolist() == list(range(int(first), int(last) + 1))
                assert value.dtype == np.uint8
            elif key == "flag_meanings":
                meanings = value.split()
                assert (meanings[0], meanings[-1]) == tuple(text.split(".."))
                assert len(meanings) == variable.attrs["flag_values"].size
            else:
                assert value == text
        assert not attrs


def _range(row: Row) -> tuple[float, float] | None:
    fitting = [key for key in RANGES if key in row.method and len(key) > 2]
    if fitting:
        return RANGES[max(fitting, key=len)]
    return RANGES.get(row.units or "")


@pytest.mark.parametrize(
    "row", [row for row in ROWS if "p=" in row.dtype and "float" in row.dtype], ids=lambda r: r.method
)
def test_a_template_holds_realistic_values(row: Row) -> None:
    limits = _range(row)
    assert limits is not None, "a range is to be added"
    values = np.array(limits, row.dtype.split()[0])
    with _opened(row) as ds:
        variable = _create(ds, row, **({"data": values} if row.kind == "coord" else {}))
        variable[...] = values
        precision = variable.dtype.precision
        rounding = 0.5 * 10.0**-precision + np.finfo(values.dtype).eps * np.abs(values)
        assert np.all(np.abs(variable.read(masked=False).astype("f8") - values) <= rounding + _SLACK.get(row.method, 0))


@pytest.mark.parametrize("method", ["time", "forecast_reference_time"])
def test_times_are_packed_to_the_minute_when_the_type_is_not_given(method: str) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        time = getattr(ds.create.coord, method)()
        assert time.dtype.encoded == "int32"
        instants = np.array(["1900-01-01", "2024-02-29T23:59", "2500-01-01"], "M8[m]")
        time.append(instants)
        assert time.values.tolist() == instants.tolist()


def test_times_of_another_resolution_keep_it() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        days = ds.create.coord.time(np.arange("2020-01-01", "2020-01-04", dtype="M8[D]"))
        assert (days.dtype == np.dtype("M8[D]"), days.dtype.is_packed, days.step) == (True, False, 1)


def test_integers_of_templates_hold_what_they_count() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        period = ds.create.coord.forecast_period(np.arange(0, 241, 3))
        assert (period.dtype.name, period.step, period.values[-1]) == ("int32", 3, 240)
        mask = ds.create.data_var.land_sea_mask(("forecast_period",))
        mask[...] = 1
        assert mask.values.sum() == 81


def test_options_go_through_and_win() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        lat = ds.create.coord.lat([10.0, 0.0], name="lat", chunk_shape=(7,), attrs={"long_name": "breadth", "a": 1})
        assert (lat.name, lat.chunk_shape, lat.attrs["long_name"], lat.attrs["a"]) == ("lat", (7,), "breadth", 1)
        assert lat.attrs["units"] == "degrees_north"
        air = ds.create.data_var.air_temp(("lat",), chunk_shape=(2,), dtype="float64", compression="none")
        assert (air.chunk_shape, air.dtype.name, air.dtype.is_packed) == ((2,), "float64", False)
        with pytest.raises(TypeError, match="no parameter 'chunkshape'; did you mean 'chunk_shape'"):
            ds.create.data_var.precip(("lat",), chunkshape=(2,))
        assert "precipitation" not in ds


def test_near_templates_are_suggested_and_all_are_listed() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        with pytest.raises(AttributeError, match="no data_var template 'air_tmp'; did you mean 'air_temp'"):
            ds.create.data_var.air_tmp(("x",))
        with pytest.raises(AttributeError, match="did you mean 'lat'"):
            ds.create.coord.latt()
        assert set(template_names("coord")) <= set(dir(ds.create.coord))
        assert set(template_names("data_var")) <= set(dir(ds.create.data_var))
        assert (
            "wind from" in ds.create.data_var.wind_direction.__doc__ or "wind" in ds.create.data_var.wind_gust.__doc__
        )
        assert find_template("air_temperature", "data_var") is find_template("air_temp", "data_var")


def test_labels_that_packing_would_move_keep_a_type_of_their_own() -> None:
    twelfth = np.arange(-12, 13) / 12
    with cfdb.open_dataset(None, "n") as ds:
        lat = ds.create.coord.lat(twelfth)
        assert lat.values.tolist() == twelfth.tolist()
        assert not lat.dtype.is_packed
        assert lat.step == pytest.approx(1 / 12, abs=1e-12)
