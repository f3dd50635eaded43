"""What does CF ask of coordinates: their axes, units, order and extent?"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from cfdb.analysis.checking.facts import (
    axis,
    by_name,
    coordinates,
    described,
    extremes,
    indexes,
    is_number,
    is_root,
    is_time,
    links,
    resolve,
    text,
    values_of,
    variables,
)
from cfdb.analysis.checking.rules import check_rule
from cfdb.conventions.calendars import CALENDARS, is_time_units, parse_units
from cfdb.conventions.cf import axis_of, is_latitude, is_longitude
from cfdb.conventions.units import LATITUDES, LONGITUDES, dimensions_of
from cfdb.errors import EncodingError

Found = Iterator[Any]
rule = partial(check_rule, group="cf")

_FEATURES = ("point", "timeseries", "trajectory", "profile", "timeseriesprofile", "trajectoryprofile")
_ROLES = ("timeseries_id", "profile_id", "trajectory_id", "mesh_topology", "location_index_set")
_PRESSURE = dimensions_of("Pa")


@rule("cf-axis", severity="error", section="CF 4")
def axis_attribute(dataset: Any) -> Found:
    """The attribute axis is X, Y, Z or T, and agrees with units and standard_name."""
    for name, variable in coordinates(dataset):
        given = text(variable, "axis").upper()
        if not given or variable.dtype.kind == "G":
            continue
        if given not in ("X", "Y", "Z", "T"):
            yield name, f"axis is {given!r}", "use 'X', 'Y', 'Z' or 'T'"
            continue
        others = {key: value for key, value in variable.attrs.items() if key != "axis"}
        told = "t" if is_time(variable) else axis_of(others)
        if told is not None and told.upper() != given:
            yield name, f"axis is {given!r}, units and standard_name say {told.upper()!r}"


@rule("cf-axis-unique", severity="error", section="CF 4")
def axis_unique(dataset: Any) -> Found:
    """A variable has one coordinate with the attribute axis for each axis."""
    for name, variable in described(dataset):
        seen: dict[str, str] = {}
        for dim in variable.dims:
            coordinate = by_name(dataset).get(dim)
            given = "" if coordinate is None else text(coordinate, "axis").upper()
            if given and given in seen:
                yield name, f"its coordinates {seen[given]!r} and {dim!r} both have axis {given!r}"
            seen[given] = dim


@rule("cf-latitude-units", severity="error", section="CF 4.1")
def latitude_units(dataset: Any) -> Found:
    """A latitude has the units degrees_north."""
    for name, variable in coordinates(dataset):
        if text(variable, "standard_name") == "latitude" and variable.units not in LATITUDES:
            yield name, f"a latitude has units {variable.units!r}", f"ds[{name!r}].attrs['units'] = 'degrees_north'"


@rule("cf-longitude-units", severity="error", section="CF 4.2")
def longitude_units(dataset: Any) -> Found:
    """A longitude has the units degrees_east."""
    for name, variable in coordinates(dataset):
        if text(variable, "standard_name") == "longitude" and variable.units not in LONGITUDES:
            yield name, f"a longitude has units {variable.units!r}", f"ds[{name!r}].attrs['units'] = 'degrees_east'"


@rule("cf-latitude-range", severity="error", section="CF 4.1")
def latitude_range(dataset: Any) -> Found:
    """Latitudes lie between -90 and 90."""
    for name, variable in coordinates(dataset):
        found = extremes(variable) if is_latitude(variable.attrs) and is_number(variable) else None
        if found is not None and not (found[0] >= -90 and found[1] <= 90):
            yield name, f"latitudes go from {found[0]:g} to {found[1]:g}"


@rule("cf-longitude-range", section="CF 4.2")
def longitude_range(dataset: Any) -> Found:
    """Longitudes lie between -180 and 360, and do not go around more than once."""
    for name, variable in coordinates(dataset):
        found = extremes(variable) if is_longitude(variable.attrs) and is_number(variable) else None
        if found is not None and not (found[0] >= -180 and found[1] <= 360 and found[1] - found[0] <= 360):
            yield name, f"longitudes go from {found[0]:g} to {found[1]:g}"


@rule("cf-positive", severity="error", section="CF 4.3")
def positive(dataset: Any) -> Found:
    """A vertical coordinate that is no pressure says which direction is positive: up or down."""
    for name, variable in coordinates(dataset):
        given = text(variable, "positive").lower()
        if given and given not in ("up", "down"):
            yield name, f"positive is {given!r}", "use 'up' or 'down'"
        elif not given and axis(variable) == "z" and dimensions_of(variable.units or "") != _PRESSURE:
            yield name, "a vertical coordinate without positive", f"ds[{name!r}].attrs['positive'] = 'up'"


@rule("cf-time-units", severity="error", section="CF 4.4")
def time_units(dataset: Any) -> Found:
    """Times that are numbers have units as 'days since 2000-01-01', of fixed length."""
    for name, variable in variables(dataset):
        units = variable.units or ""
        is_axis = text(variable, "axis").upper() == "T" or text(variable, "standard_name") == "time"
        if is_number(variable) and is_axis and not is_time_units(units):
            yield name, f"a time has units {units!r}", "write them as 'days since 2000-01-01', or store datetime64"
        elif is_time_units(units):
            try:
                parse_units(units)
            except EncodingError as error:
                yield name, str(error)


@rule("cf-calendar", severity="error", section="CF 4.4.1")
def calendar(dataset: Any) -> Found:
    """A calendar is one of CF's."""
    for name, variable in variables(dataset):
        given = text(variable, "calendar")
        if given and given.lower() not in CALENDARS:
            yield name, f"the calendar {given!r} is none of CF's", f"use one of {', '.join(CALENDARS)}"


@rule("cf-monotonic", severity="error", section="CF 1.3")
def monotonic(dataset: Any) -> Found:
    """The values of a coordinate of numbers or times rise, or fall."""
    for name, variable in indexes(dataset):
        if not (is_number(variable) or is_time(variable)) or "cf_role" in variable.attrs or variable.size < 2:
            continue
        values = values_of(variable)
        if values is not None and not (
            bool(np.all(values[1:] > values[:-1])) or bool(np.all(values[1:] < values[:-1]))
        ):
            mend = "sort the data along it; identifiers get the attribute cf_role, or become texts"
            yield name, "its values do not rise or fall throughout", mend


@rule("cf-dimension-order", severity="info", section="CF 2.4")
def dimension_order(dataset: Any) -> Found:
    """Dimensions stand in the order of time, vertical, y and x."""
    for name, variable in described(dataset):
        known = by_name(dataset)
        axes = [axis(known[dim]) if dim in known else "" for dim in variable.dims]
        places = ["tzyx".index(each) for each in axes if each in ("t", "z", "y", "x")]
        if places != sorted(places):
            yield name, f"its dimensions stand in the order {', '.join(variable.dims)}"


@rule("cf-dimension-coordinate", severity="info", section="CF 5")
def dimension_coordinate(dataset: Any) -> Found:
    """Every dimension of a data variable has a coordinate, its own or an auxiliary one."""
    for name, variable in described(dataset):
        linked = [resolve(dataset, variable, each) for each in links(dataset, variable).get("coordinates", ())]
        covered = {dim for each in linked if each is not None for dim in each.dims}
        for dim in variable.dims:
            if dim and dim not in by_name(dataset) and dim not in covered and variable.role == "data":
                yield name, f"the dimension {dim!r} has no coordinate", f"ds.create.coord.generic({dim!r}, data=...)"


@rule("cf-feature-type", section="CF 9.4")
def feature_type(dataset: Any) -> Found:
    """A dataset of stations or other features says which they are in featureType."""
    given = text(dataset, "featureType").lower()
    if given and given not in _FEATURES:
        yield None, f"featureType is {given!r}", "use 'timeSeries', 'point', 'trajectory', 'profile' ..."
    elif not given and is_root(dataset) and _dataset_type(dataset).startswith("ts"):
        yield None, "a dataset of stations without featureType", "ds.attrs['featureType'] = 'timeSeries'"


def _dataset_type(dataset: Any) -> str:
    return str(dataset._labels.structure.dataset.dataset_type)


@rule("cf-role", severity="error", section="CF 9.5")
def roles(dataset: Any) -> Found:
    """cf_role is one of CF's, and each stands once."""
    seen: dict[str, str] = {}
    for name, variable in variables(dataset):
        given = variable.attrs.get("cf_role")
        if given is None:
            continue
        if given not in _ROLES:
            yield name, f"cf_role is {given!r}", f"use one of {', '.join(_ROLES)}"
        elif given in seen:
            yield name, f"{seen[given]!r} has the cf_role {given!r} already"
        seen.setdefault(str(given), name)
