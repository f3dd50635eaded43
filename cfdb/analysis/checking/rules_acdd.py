"""What do the Attribute Conventions for Dataset Discovery (ACDD 1.3) ask of the attributes of a dataset?"""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from cfdb.analysis.checking.facts import axis, by_name, coordinates, extremes, is_number, is_root, is_time, text
from cfdb.analysis.checking.rules import check_rule
from cfdb.conventions.cf import is_latitude, is_longitude
from cfdb.model.view import View

Found = Iterator[Any]
rule = partial(check_rule, group="acdd", section="ACDD 1.3")

_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_DURATION = re.compile(r"P(?!$)(\d+(\.\d+)?[YMWD])*(T(?=\d)(\d+(\.\d+)?[HMS])*)?")
#: Extents may differ from attributes by so much of themselves: these are often rounded.
_TOLERANCE = 1e-3


def _missing(dataset: Any, *names: str) -> Found:
    """Tell which attributes of the dataset are missing or empty."""
    if not is_root(dataset):
        return
    for name in names:
        if not text(dataset, name).strip():
            yield f"the attribute {name} is missing" if name not in dataset.attrs else f"the attribute {name} is empty"


@rule("acdd-conventions", severity="info")
def conventions(dataset: Any) -> Found:
    """Conventions names ACDD-1.3."""
    if is_root(dataset) and "ACDD-1.3" not in text(dataset, "Conventions"):
        yield None, "the attribute Conventions does not name ACDD-1.3", "ds.attrs['Conventions'] = 'CF-1.11, ACDD-1.3'"


@rule("acdd-title")
def title(dataset: Any) -> Found:
    """The dataset has a title."""
    yield from _missing(dataset, "title")


@rule("acdd-summary")
def summary(dataset: Any) -> Found:
    """A summary says in a paragraph what the dataset is."""
    yield from _missing(dataset, "summary")


@rule("acdd-keywords")
def keywords(dataset: Any) -> Found:
    """Keywords are given, separated by commas."""
    yield from _missing(dataset, "keywords")


@rule("acdd-identity", severity="info")
def identity(dataset: Any) -> Found:
    """Id and naming_authority tell the dataset from all others."""
    yield from _missing(dataset, "id", "naming_authority")


@rule("acdd-origin", severity="info")
def origin(dataset: Any) -> Found:
    """history, source and institution say where the data come from."""
    yield from _missing(dataset, "history", "source", "institution")


@rule("acdd-license", severity="info")
def licence(dataset: Any) -> Found:
    """A license says who may use the data."""
    yield from _missing(dataset, "license")


@rule("acdd-creator", severity="info")
def creator(dataset: Any) -> Found:
    """The creator is named, with a way to reach them."""
    yield from _missing(dataset, "creator_name")
    if is_root(dataset) and not (text(dataset, "creator_email") or text(dataset, "creator_url")):
        yield "the attributes creator_email and creator_url are missing"


@rule("acdd-contacts")
def contacts(dataset: Any) -> Found:
    """Addresses of creator, publisher and contributor are addresses."""
    for role in ("creator", "publisher", "contributor"):
        mail, url = text(dataset, f"{role}_email"), text(dataset, f"{role}_url")
        if mail and not _MAIL.fullmatch(mail):
            yield f"{role}_email {mail!r} is no mail address"
        if url and "://" not in url:
            yield f"{role}_url {url!r} is no URL"


@rule("acdd-vocabulary", severity="info")
def vocabulary(dataset: Any) -> Found:
    """standard_name_vocabulary says which table of names is used, where one is."""
    if any("standard_name" in variable.attrs for variable in by_name(dataset).values()):
        yield from _missing(dataset, "standard_name_vocabulary")


@rule("acdd-date-created", severity="info")
def date_created(dataset: Any) -> Found:
    """date_created says when the data were made."""
    yield from _missing(dataset, "date_created")


@rule("acdd-dates")
def dates(dataset: Any) -> Found:
    """Dates are written as ISO 8601 does, durations as 'P1D'."""
    names = ["date_created", "date_modified", "date_issued", "date_metadata_modified"]
    for name in [*names, "time_coverage_start", "time_coverage_end"]:
        given = text(dataset, name)
        if given and _moment(given) is None:
            yield None, f"{name} {given!r} is no date of ISO 8601", "write it as '2024-01-31' or '2024-01-31T12:00:00Z'"
    for name in ("time_coverage_duration", "time_coverage_resolution"):
        given = text(dataset, name)
        if given and not _DURATION.fullmatch(given):
            yield None, f"{name} {given!r} is no duration of ISO 8601", "write it as 'P10Y' or 'PT1H'"


def _moment(given: str) -> datetime | None:
    """Read a date, without its zone."""
    for form in (given, f"{given}-01", f"{given}-01-01"):
        try:
            return datetime.fromisoformat(form).replace(tzinfo=None)
        except ValueError:
            continue
    return None


def _extents(dataset: Any) -> dict[str, tuple[float, float]]:
    """Give the real extents of latitude, longitude and height."""
    found: dict[str, list[tuple[Any, Any]]] = {"lat": [], "lon": [], "vertical": []}
    for _, variable in coordinates(dataset):
        kind = _kind(variable)
        ends = extremes(variable) if kind else None
        if kind and ends is not None:
            found[kind].append(ends)
    return {
        kind: (float(min(e[0] for e in ends)), float(max(e[1] for e in ends))) for kind, ends in found.items() if ends
    }


def _kind(variable: View) -> str:
    if not is_number(variable):
        return ""
    if is_latitude(variable.attrs) or is_longitude(variable.attrs):
        return "lat" if is_latitude(variable.attrs) else "lon"
    return "vertical" if axis(variable) == "z" else ""


@rule("acdd-geospatial", severity="info")
def geospatial(dataset: Any) -> Found:
    """geospatial_lat_min and its like say where the data are, where there are coordinates."""
    for kind in _extents(dataset):
        lost = [name for end in ("min", "max") if (name := f"geospatial_{kind}_{end}") not in dataset.attrs]
        if lost and is_root(dataset):
            yield f"the attributes {' and '.join(lost)} are missing"


@rule("acdd-geospatial-extent")
def geospatial_extent(dataset: Any) -> Found:
    """geospatial_lat_min and its like are numbers, those of the coordinates."""
    for kind, ends in _extents(dataset).items():
        for end, real in zip(("min", "max"), ends, strict=True):
            name = f"geospatial_{kind}_{end}"
            given = dataset.attrs.get(name)
            if given is None:
                continue
            if isinstance(given, str) or np.size(given) != 1:
                yield None, f"{name} is {given!r}, no number", f"ds.attrs[{name!r}] = {real:g}"
            elif abs(float(given) - real) > _TOLERANCE * max(1.0, ends[1] - ends[0]):
                yield (
                    None,
                    f"{name} is {float(given):g}, the coordinates have {real:g}",
                    f"ds.attrs[{name!r}] = {real:g}",
                )


def _coverage(dataset: Any) -> tuple[Any, Any] | None:
    """Give first and last time of the coordinates along the time axis."""
    ends = [
        found
        for _, variable in coordinates(dataset)
        if is_time(variable) and variable.dims
        for found in [extremes(variable)]
        if found is not None
    ]
    return (min(end[0] for end in ends), max(end[1] for end in ends)) if ends else None


@rule("acdd-time-coverage", severity="info")
def time_coverage(dataset: Any) -> Found:
    """time_coverage_start and time_coverage_end say when the data are from, where there is a time."""
    if _coverage(dataset) is not None:
        yield from _missing(dataset, "time_coverage_start", "time_coverage_end")


@rule("acdd-time-extent")
def time_extent(dataset: Any) -> Found:
    """time_coverage_start and time_coverage_end are those of the times, to the day."""
    found = _coverage(dataset)
    for name, real in zip(("time_coverage_start", "time_coverage_end"), found or (), strict=False):
        given = _moment(text(dataset, name))
        if given is None:
            continue
        day = str(real)[:10] if isinstance(real, np.datetime64) else real.strftime("%Y-%m-%d")
        said = given.strftime("%Y-%m-%d")
        if day != said:
            yield None, f"{name} is {said}, the times have {day}", f"ds.attrs[{name!r}] = {day!r}"
