"""Attributes say what a variable is, and templates carry the right ones."""

import numpy as np
import pytest

from cfdb.conventions.cf import axis_of, is_latitude, is_longitude, links_in, role_in_link
from cfdb.conventions.templates import find_template, template_names
from cfdb.format.casting import from_cells, to_cells


@pytest.mark.parametrize(
    ("attrs", "axis"),
    [
        ({"axis": "T"}, "t"),
        ({"axis": "Y", "units": "degrees_east"}, "y"),
        ({"standard_name": "grid_latitude", "units": "degrees"}, "y"),
        ({"units": "degrees_east"}, "x"),
        ({"units": "degreeN"}, "y"),
        ({"units": "degree_E"}, "x"),
        ({"units": "hours since 1900-01-01"}, "t"),
        ({"units": "hPa"}, "z"),
        ({"units": "m", "positive": "down"}, "z"),
        ({"standard_name": "atmosphere_hybrid_sigma_pressure_coordinate"}, "z"),
        ({"standard_name": "atmosphere_sigma_coordinate"}, "z"),
        ({"standard_name": "projection_x_coordinate", "units": "km"}, "x"),
        ({"units": "m"}, None),
        ({"units": 3}, None),
        ({}, None),
    ],
)
def test_axes_are_found_in_attributes(attrs: dict[str, object], axis: str | None) -> None:
    assert axis_of(attrs) == axis


def test_latitudes_and_longitudes_are_known() -> None:
    assert is_latitude({"units": "degrees_north"})
    assert is_latitude({"standard_name": "latitude"})
    assert is_longitude({"units": "degrees_east"})
    assert not is_longitude({"units": "degrees"})


def test_links_are_read_from_attributes() -> None:
    attrs = {
        "bounds": "time_bnds",
        "coordinates": "lat lon",
        "grid_mapping": "crs",
        "cell_measures": "area: cell_area volume: cell_volume",
        "formula_terms": "a: a b: b ps: ps",
    }
    assert links_in(attrs) == {
        "bounds": ("time_bnds",),
        "coordinates": ("lat", "lon"),
        "grid_mapping": ("crs",),
        "cell_measures": ("cell_area", "cell_volume"),
        "formula_terms": ("a", "b", "ps"),
    }
    assert links_in({"grid_mapping": "crs: x y"}) == {"grid_mapping": ("x", "y")}
    assert (role_in_link("climatology"), role_in_link("title")) == ("bounds", None)


def test_all_templates_of_upstream_exist() -> None:
    assert (len(template_names("coord")), len(template_names("data_var"))) == (14, 100)
    for kind in ("coord", "data_var"):
        for name in template_names(kind):
            template = find_template(name, kind)
            assert template is not None
            assert template.kind == kind
            assert template.attrs["long_name"]
            if template.dtype.is_packed:
                assert template.dtype.fillvalue == 0
    assert find_template("no_such", "coord") is None


def test_templates_create_cf_names_types_and_attributes() -> None:
    lat = find_template("lat", "coord")
    assert lat is not None
    assert (lat.name, lat.axis, lat.dtype == np.float64, str(lat.dtype.dtype_encoded)) == (
        "latitude",
        "y",
        True,
        "uint32",
    )
    assert lat.attrs == {
        "units": "degrees_north",
        "standard_name": "latitude",
        "long_name": "latitude",
        "axis": "Y",
        "odm2_variable_name": "latitude",
    }
    air = find_template("air_temperature", "data_var")
    assert air is not None
    assert (air.method, air.attrs["units"]) == ("air_temp", "K")
    censor = find_template("censor_code", "data_var")
    assert censor is not None
    assert censor.attrs["flag_values"].dtype == np.uint8
    assert len(censor.attrs["flag_values"]) == len(censor.attrs["flag_meanings"].split())
    point = find_template("point", "coord")
    assert point is not None
    assert (point.dtype.kind, point.axis) == ("G", "xy")


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("lat", "coord", np.array([-90, -12.345678, 0, 90])),
        ("lon", "coord", np.array([-180, 0, 174.05, 360])),
        ("air_temp", "data_var", np.array([-60, 0.25, 288.15], "f4")),
        ("time", "coord", np.array(["1900-01-01", "2024-02-29T23:59", "2262-01-01"], "M8[m]")),
        ("vorticity", "data_var", np.array([-0.3, 0, 0.00001], "f4")),
        ("mslp", "data_var", np.array([95000.5, 101325], "f4")),
    ],
)
def test_templates_hold_the_values_they_are_for(name: str, kind: str, values: np.ndarray) -> None:
    template = find_template(name, kind)
    assert template is not None
    assert from_cells(to_cells(values, template.dtype), template.dtype).tolist() == values.tolist()
