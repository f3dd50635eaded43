"""Units that CF data use are recognised, and told apart by what they measure."""

import pytest

from cfdb.conventions.templates import find_template, template_names
from cfdb.conventions.units import dimensions_of

SAME = [
    ("m s-1", "m/s", "km h-1", "m.s-1", "m s^-1", "m*s**-1", "meters per second", "knots", "kilometer/hour", "cm s-1"),
    ("Pa", "hPa", "mbar", "millibars", "dbar", "N m-2", "kg m-1 s-2", "pascal", "atm", "kPa"),
    ("K", "degC", "celsius", "Celsius", "°C", "degrees_celsius", "degF", "kelvin", "deg_C"),
    ("1", "", "%", "percent", "degrees_north", "degree_east", "kg kg-1", "g/kg", "1e-3", "psu", "radians", "0.001"),
    ("W m-2", "J s-1 m-2", "W/m2", "W/m^2", "kW m-2", "watt meter-2"),
    ("kg m-2 s-1", "mm kg m-3 s-1", "kg/(m2 s)", "g m-2 d-1"),
    ("mol m-3", "umol/L", "µmol l-1", "mmol m-3"),
    ("m3 s-1", "sverdrup", "L/s"),
    ("s-1", "Hz", "1/s", "/s"),
    ("days", "h", "seconds", "hours", "minutes", "ms"),
]  # fmt: skip


@pytest.mark.parametrize("group", SAME, ids=lambda group: group[0])
def test_units_of_one_quantity_have_the_same_dimensions(group: tuple[str, ...]) -> None:
    assert {units: dimensions_of(units) for units in group} == dict.fromkeys(group, dimensions_of(group[0]))
    assert dimensions_of(group[0]) is not None


def test_units_of_different_quantities_differ() -> None:
    assert len({dimensions_of(group[0]) for group in SAME}) == len(SAME)


@pytest.mark.parametrize(
    "units", ["furlongs", "m s-", "W m-2 ?", "unknown", "(m", "m)", "meter celsiuss x", "* m", "m /"]
)
def test_what_is_no_unit_is_none(units: str) -> None:
    assert dimensions_of(units) is None


#: Units of templates that follow upstream, and that UDUNITS does not know either.
UNKNOWN = {"m of water equivalent", "units"}


def test_every_template_has_units_that_are_known() -> None:
    found = [find_template(name, kind) for kind in ("coord", "data_var") for name in template_names(kind)]
    units = {template.attrs.get("units", "") for template in found if template is not None}
    assert {each for each in units if dimensions_of(each) is None} <= UNKNOWN
