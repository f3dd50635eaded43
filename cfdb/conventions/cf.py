"""What do CF's attributes say about a variable: its axis, its role, its units, its neighbours?"""

import re
from collections.abc import Mapping
from typing import Any

from cfdb.conventions.calendars import is_time_units

AXES = ("x", "y", "z", "t", "xy", "xyz")

#: Attributes that describe how values are written down; ours to write, never the user's attributes when importing.
ENCODING_ATTRIBUTES = frozenset({"_FillValue", "scale_factor", "add_offset", "_Unsigned", "_ChunkSizes", "_Storage"})
#: Attributes the netCDF-4 library keeps for itself.
HIDDEN_ATTRIBUTES = frozenset(
    {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict"}
    | {"_NCProperties", "_DeflateLevel", "_Shuffle", "_Endianness", "_Fletcher32", "_IsNetcdf4", "_SuperblockVersion"}
)
#: Attributes that name other variables, and whether they pair them with terms (``term: name``).
LINK_ATTRIBUTES = {
    "bounds": False,
    "climatology": False,
    "coordinates": False,
    "ancillary_variables": False,
    "node_coordinates": False,
    "node_count": False,
    "part_node_count": False,
    "interior_ring": False,
    "geometry": False,
    "grid_mapping": True,
    "cell_measures": True,
    "formula_terms": True,
}
_ROLES = {
    "bounds": "bounds",
    "climatology": "bounds",
    "grid_mapping": "grid_mapping",
    "ancillary_variables": "ancillary",
    "cell_measures": "cell_measure",
    "formula_terms": "formula_term",
    "coordinates": "auxiliary",
}
_LATITUDE = {"degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"}
_LONGITUDE = {"degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"}
_PRESSURE = {"pa", "hpa", "mbar", "millibar", "bar", "atm", "dbar", "decibar", "kpa"}
_STANDARD_AXES = {
    "latitude": "y",
    "longitude": "x",
    "grid_latitude": "y",
    "grid_longitude": "x",
    "projection_x_coordinate": "x",
    "projection_y_coordinate": "y",
    "time": "t",
    "forecast_reference_time": "t",
    "height": "z",
    "altitude": "z",
    "depth": "z",
    "air_pressure": "z",
    "model_level_number": "z",
}
_VERTICAL = re.compile(r".*(sigma|_coordinate$|^geopotential_height$)")


def axis_of(attrs: Mapping[str, Any]) -> str | None:
    """Tell which axis a coordinate's attributes make it.

    Parameters
    ----------
    attrs : mapping
        Its attributes: ``axis``, ``standard_name``, ``units``, ``positive`` are looked at, in this order.

    Returns
    -------
    str or None
        ``'x'``, ``'y'``, ``'z'`` or ``'t'``.

    Examples
    --------
    >>> axis_of({"units": "degrees_north"}), axis_of({"units": "days since 2000-01-01"}), axis_of({"units": "K"})
    ('y', 't', None)
    """
    axis = _text(attrs, "axis").lower()
    if axis in AXES:
        return axis
    standard_name = _text(attrs, "standard_name")
    if standard_name in _STANDARD_AXES:
        return _STANDARD_AXES[standard_name]
    units = _text(attrs, "units")
    lowered = units.lower().replace(" ", "_")
    if lowered in _LATITUDE:
        return "y"
    if lowered in _LONGITUDE:
        return "x"
    if is_time_units(units):
        return "t"
    vertical = _text(attrs, "positive").lower() in ("up", "down") or lowered in _PRESSURE
    return "z" if vertical or _is_vertical(standard_name) else None


def is_latitude(attrs: Mapping[str, Any]) -> bool:
    """Tell whether the attributes are those of a latitude."""
    units = _text(attrs, "units").lower().replace(" ", "_")
    return _text(attrs, "standard_name") == "latitude" or units in _LATITUDE


def is_longitude(attrs: Mapping[str, Any]) -> bool:
    """Tell whether the attributes are those of a longitude."""
    units = _text(attrs, "units").lower().replace(" ", "_")
    return _text(attrs, "standard_name") == "longitude" or units in _LONGITUDE


def links_in(attrs: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Give the names of the variables that attributes refer to.

    Examples
    --------
    >>> links_in({"bounds": "time_bnds", "cell_measures": "area: cell_area", "units": "K"})
    {'bounds': ('time_bnds',), 'cell_measures': ('cell_area',)}
    """
    found = {}
    for name, paired in LINK_ATTRIBUTES.items():
        words = _text(attrs, name).split()
        if paired and any(word.endswith(":") for word in words):
            words = [word for word in words if not word.endswith(":")]
        if words:
            found[name] = tuple(words)
    return found


def role_in_link(attribute: str) -> str | None:
    """Give the role of variables that others name under an attribute.

    Examples
    --------
    >>> role_in_link("bounds"), role_in_link("units")
    ('bounds', None)
    """
    return _ROLES.get(attribute)


def _is_vertical(standard_name: str) -> bool:
    return standard_name.startswith(("atmosphere_", "ocean_")) and _VERTICAL.match(standard_name) is not None


def _text(attrs: Mapping[str, Any], name: str) -> str:
    value = attrs.get(name)
    return value if isinstance(value, str) else ""
