"""Which stretch of time does a label name?

A label of a time coordinate is an instant or, written as text, a period as long as what it leaves open: '2020-01' is a
month, '2020-01-01T12' an hour.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.conventions.calendars import calendar_of, parse_period, same_calendar
from cfdb.conventions.calendars import resolution_of as resolution_of_dates

Array = npt.NDArray[Any]

#: From coarse to fine.
_RESOLUTIONS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")
_STEPS = {"h": "D", "m": "h", "s": "m", "ms": "s", "us": "ms", "ns": "us", "ps": "ns", "fs": "ps", "as": "fs"}
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})?")
_ZONE = re.compile(r"T.*[+-]\d{2}(:?\d{2})?")
_DURATION = re.compile(r"([-+]?\d+)\s*([A-Za-z]+)")
_UNITS = {
    spelling: unit
    for unit, spellings in {
        "W": "W w week weeks",
        "D": "D d day days",
        "h": "h H hour hours hr",
        "m": "m min minute minutes",
        "s": "s S sec second seconds",
        "ms": "ms millisecond milliseconds",
        "us": "us microsecond microseconds",
        "ns": "ns nanosecond nanoseconds",
    }.items()
    for spelling in spellings.split()
}


@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """A label, read.

    Attributes
    ----------
    start : scalar
        The instant, or the first one of the period.
    stop : scalar or None
        First instant behind the period.
    resolution : str or None
        What the text gave last: ``Y M D h m s ...``; None when it is an instant.
    """

    start: Any
    stop: Any = None
    resolution: str | None = None

    def is_coarser_than(self, resolution: str) -> bool:
        """Tell whether it leaves open what the coordinate tells apart."""
        return self.resolution is not None and _RESOLUTIONS.index(self.resolution) < _RESOLUTIONS.index(resolution)


def read_label(label: Any, values: Array, calendar: str | None = None) -> Period:
    """Bring a label into the type of a coordinate's values.

    Parameters
    ----------
    label
        What the user gave.
    values : ndarray
        Values of the coordinate.
    calendar : str, optional
        CF calendar when they are `cftime` objects.

    Raises
    ------
    TypeError, ValueError
        If it cannot be one.

    Examples
    --------
    >>> period = read_label("2020-02", np.array([], "M8[s]"))
    >>> period.start, period.stop
    (np.datetime64('2020-02'), np.datetime64('2020-03'))
    """
    kind = values.dtype.kind
    if kind == "M":
        return _read_time(label)
    if kind == "m":
        duration = read_duration(label)
        np.promote_types(duration.dtype, values.dtype)  # months have no length in days: a TypeError
        return Period(duration)
    if kind == "O" and calendar is not None:
        return _read_date(label, calendar)
    if kind in "TUSO":
        if not isinstance(label, bytes if kind == "S" else str):
            raise TypeError("give a string")
        return Period(label)
    return Period(_read_number(label, values.dtype))


def resolution_of_values(values: Array) -> str | None:
    """Give the coarsest resolution that holds all values of a time coordinate; None for other kinds.

    Examples
    --------
    >>> resolution_of_values(np.array(["2020-01-01", "2020-01-02"], "M8[ns]"))
    'D'
    """
    if values.dtype.kind == "O":
        return resolution_of_dates(values) if calendar_of(values) is not None else None
    if values.dtype.kind != "M":
        return None
    unit = np.datetime_data(values.dtype)[0]
    present = values[~np.isnat(values)]
    while unit in _STEPS and bool(np.all(present.astype(f"datetime64[{_STEPS[unit]}]") == present)):
        unit = _STEPS[unit]
    return unit


def _read_time(label: Any) -> Period:
    if isinstance(label, str):
        match = _COMPACT.fullmatch(label.strip())
        text = "-".join(part for part in match.groups() if part) if match else label.strip()
        if len(text) > len("2000-01-01"):
            text = text.upper().replace(" ", "T").removesuffix("Z")
            if _ZONE.search(text):
                raise ValueError("its time zone must be removed first; times are kept without one")
        instant = np.datetime64(text)
        unit = np.datetime_data(instant.dtype)[0]
        if np.isnat(instant):
            return Period(instant)
        return Period(instant, instant + 1, unit)
    if isinstance(label, np.datetime64):
        return Period(label)
    if isinstance(label, datetime):
        if label.tzinfo is not None:
            raise ValueError("its time zone must be removed first; times are kept without one")
        nanoseconds = getattr(label, "nanosecond", 0)
        instant = np.datetime64(label, "us") if not nanoseconds else np.datetime64(label.isoformat(), "ns")
        return Period(instant)
    if isinstance(label, date):
        return Period(np.datetime64(label, "D"))
    raise TypeError("give a datetime or an ISO date")


def read_duration(label: Any) -> Any:
    """Read a duration: a timedelta, or text such as ``'6h'``.

    Examples
    --------
    >>> read_duration("90 min"), read_duration(timedelta(days=1))
    (np.timedelta64(90,'m'), np.timedelta64(86400000000,'us'))
    """
    if isinstance(label, np.timedelta64):
        return label
    if isinstance(label, timedelta):
        return np.timedelta64(label)
    match = _DURATION.fullmatch(label.strip()) if isinstance(label, str) else None
    if match is None or match[2] not in _UNITS:
        raise TypeError("give a timedelta, or text such as '6h'")
    return np.array(int(match[1]), f"timedelta64[{_UNITS[match[2]]}]")[()]


def _read_date(label: Any, calendar: str) -> Period:
    if isinstance(label, str):
        return Period(*parse_period(label, calendar))
    found = getattr(label, "calendar", None)
    if not isinstance(found, str):
        raise TypeError(f"give a cftime date of calendar {calendar!r} or an ISO date")
    if not same_calendar(found, calendar):
        raise TypeError(f"it is a date of calendar {found!r}, not {calendar!r}")
    return Period(label)


def _read_number(label: Any, dtype: np.dtype[Any]) -> Any:
    if isinstance(label, str | bytes | np.datetime64 | np.timedelta64):
        raise TypeError("give a number")
    if not isinstance(label, int | float | np.number | np.bool_):
        raise TypeError("give a number")
    if dtype == np.float64:
        return dtype.type(label)
    if dtype.kind == "f":
        # as xarray: 0.1 finds the float32 nearest to 0.1
        with np.errstate(over="ignore"):
            return dtype.type(label)
    return label
