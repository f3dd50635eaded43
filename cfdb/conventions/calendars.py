"""How do CF's time numbers become dates, and dates numbers, in every calendar and without rounding?

The standard calendars give ``datetime64``; the others (``360_day``, ``noleap`` ...) give `cftime` objects. Missing
times are NaT and None; among the numbers they are NaN or the smallest integer.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import EncodingError

Array = npt.NDArray[Any]

STANDARD_CALENDARS = ("standard", "gregorian", "proleptic_gregorian")
_SAME = {"gregorian": "standard", "365_day": "noleap", "366_day": "all_leap"}
CALENDARS = (*STANDARD_CALENDARS, "julian", "noleap", "365_day", "all_leap", "366_day", "360_day")

#: Units of CF in microseconds, with the spellings UDUNITS accepts.
_UNITS = {
    "microseconds": (1, "microsecond microseconds microsec microsecs us"),
    "milliseconds": (10**3, "millisecond milliseconds millisec millisecs msec msecs ms"),
    "seconds": (10**6, "second seconds sec secs s"),
    "minutes": (60 * 10**6, "minute minutes min mins"),
    "hours": (3600 * 10**6, "hour hours hr hrs h"),
    "days": (86400 * 10**6, "day days d"),
    "weeks": (7 * 86400 * 10**6, "week weeks"),
}
_SPELLINGS = {spelling: name for name, (_, spellings) in _UNITS.items() for spelling in spellings.split()}
_PATTERN = re.compile(r"\s*([A-Za-z]+)\s+since\s+(\S.*?)\s*", re.IGNORECASE)
_DATE = re.compile(
    r"(?P<year>[-+]?\d{1,6})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2})"
    r"(?:[T ]\s*(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:\.(?P<fraction>\d{0,9}))?)?)?)?)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[-+]\d{1,2}:?(?:\d{2})?)?"
)
_GREGORIAN_START = np.datetime64("1582-10-15", "us")
_TICKS = {"D": 86400 * 10**6, "h": 3600 * 10**6, "m": 60 * 10**6, "s": 10**6, "ms": 10**3, "us": 1}
#: Parts of a date by length: what a partial date such as '2020-01' leaves open.
RESOLUTIONS = ("Y", "M", "D", "h", "m", "s", "us")


@dataclass(frozen=True, slots=True)
class TimeUnits:
    """CF units of time, taken apart.

    Attributes
    ----------
    unit : str
        ``microseconds`` to ``weeks``.
    reference : tuple of int
        Year, month, day, hour, minute, second, microsecond, in UTC of its calendar.
    zone : int
        Minutes the reference was ahead of UTC.
    """

    unit: str
    reference: tuple[int, int, int, int, int, int, int]
    zone: int = 0

    @property
    def microseconds(self) -> int:
        """Length of the unit."""
        return _UNITS[self.unit][0]


def is_time_units(units: Any) -> bool:
    """Tell whether units look like CF's units of time.

    Examples
    --------
    >>> is_time_units("hours since 1900-01-01"), is_time_units("hours")
    (True, False)
    """
    return isinstance(units, str) and _PATTERN.fullmatch(units) is not None


def uses_datetime64(calendar: str) -> bool:
    """Tell whether dates of a calendar are ``datetime64`` to the user."""
    return calendar.lower() in STANDARD_CALENDARS


def parse_units(units: str) -> TimeUnits:
    """Take CF units of time apart.

    Raises
    ------
    EncodingError
        If they are none, or of months or years, whose length CF leaves open.

    Examples
    --------
    >>> parse_units("hours since 1900-01-01 06:00").unit
    'hours'
    """
    match = _PATTERN.fullmatch(units)
    if match is None:
        raise EncodingError(f"units {units!r} are no units of time: write them as in 'days since 2000-01-01'")
    name = _SPELLINGS.get(match[1].lower())
    if name is None:
        raise EncodingError(f"units {units!r}: {match[1]!r} has no fixed length; use one of {', '.join(_UNITS)}")
    date = _DATE.fullmatch(match[2])
    if date is None:
        raise EncodingError(f"units {units!r}: {match[2]!r} is no date")
    return TimeUnits(name, _parts(date), _zone(date["zone"]))


def decode_times(numbers: Any, units: str, calendar: str = "standard", resolution: str | None = None) -> Array:
    """Turn CF numbers into dates.

    Parameters
    ----------
    numbers : array-like of integers or floats
        Time since the reference. NaN, masked cells and the smallest integer of the type are missing.
    units, calendar : str
        CF's attributes.
    resolution : str, optional
        ``D`` to ``ns``, of the ``datetime64`` to be given; by default ``s``, or ``us`` where seconds do not suffice.

    Returns
    -------
    ndarray
        ``datetime64`` for the standard calendars (objects where Gregorian and Julian dates mix), `cftime` objects for
        the others.

    Examples
    --------
    >>> decode_times([0, 1], "days since 2000-02-28", "proleptic_gregorian")
    array(['2000-02-28T00:00:00', '2000-02-29T00:00:00'], dtype='datetime64[s]')
    """
    calendar = check_calendar(calendar)
    missing = _missing_numbers(numbers)
    filled = np.where(missing, 0, np.ma.getdata(numbers))
    if not uses_datetime64(calendar):
        return _to_cftime(filled, missing, units, calendar)
    ticks = _microseconds(filled, parse_units(units)) + _origin(units, calendar)
    if calendar != "proleptic_gregorian" and bool(np.any(ticks[~missing] < _GREGORIAN_START.astype(np.int64))):
        return _to_cftime(filled, missing, units, calendar)
    times = np.asarray(ticks).astype("datetime64[us]")
    times[missing] = np.datetime64("NaT")
    return _rescaled(times, resolution)


def encode_times(times: Any, units: str, calendar: str = "standard", dtype: Any = np.int64) -> Array:
    """Turn dates into CF numbers.

    Parameters
    ----------
    times : array of datetime64 or of `cftime` objects
        NaT and None are missing.
    units, calendar : str
        CF's attributes.
    dtype : dtype
        Integer or float type of the numbers.

    Raises
    ------
    EncodingError
        If a date is not a whole number of these units and the type is an integer, or does not fit.

    Examples
    --------
    >>> encode_times(np.array(["2000-01-02", "NaT"], "M8[D]"), "hours since 2000-01-01", dtype="float64")
    array([24., nan])
    """
    calendar = check_calendar(calendar)
    array = np.asarray(times)
    parsed, target = parse_units(units), np.dtype(dtype)
    if array.dtype.kind == "M":
        if not uses_datetime64(calendar):
            raise EncodingError(f"datetime64 is Gregorian: give cftime objects of calendar {calendar!r}")
        missing = np.isnat(array)
        ticks = _ticks(array, missing) - _origin(units, calendar)
    else:
        missing = np.array([value is None for value in array.flat], np.bool_).reshape(array.shape)
        ticks = _cftime_ticks(array, missing, units, calendar)
    return _numbers(ticks, missing, parsed, target)


def check_calendar(calendar: str) -> str:
    """Give CF's name of a calendar in lower case.

    Raises
    ------
    EncodingError
        If CF has no such calendar.
    """
    name = calendar.lower()
    if name not in CALENDARS:
        raise EncodingError(f"calendar {calendar!r} is none of {', '.join(CALENDARS)}")
    return name


def same_calendar(one: str, other: str) -> bool:
    """Tell whether two names of CF mean the same calendar.

    Examples
    --------
    >>> same_calendar("365_day", "noleap"), same_calendar("360_day", "noleap")
    (True, False)
    """
    return _SAME.get(one, one) == _SAME.get(other, other)


def calendar_of(times: Array) -> str | None:
    """Give the calendar of an array of `cftime` objects; None when it holds anything else."""
    first = next((value for value in times.flat if value is not None), None)
    found = getattr(first, "calendar", None)
    return found if isinstance(found, str) and found in CALENDARS else None


def parse_period(text: str, calendar: str) -> tuple[Any, Any, str]:
    """Read a date, complete or partial, in a calendar of `cftime`.

    Parameters
    ----------
    text : str
        ISO date such as ``'2020'``, ``'2020-01'`` or ``'2020-01-30T12'``.
    calendar : str
        CF calendar.

    Returns
    -------
    tuple
        First instant, first instant after the period, and the resolution (one of `RESOLUTIONS`).

    Raises
    ------
    ValueError
        If it is no date of the calendar.

    Examples
    --------
    >>> start, stop, resolution = parse_period("2020-02", "360_day")
    >>> start.isoformat(), stop.isoformat(), resolution
    ('2020-02-01T00:00:00', '2020-03-01T00:00:00', 'M')
    """
    match = _DATE.fullmatch(text.strip())
    if match is None or match["zone"]:
        raise ValueError(f"{text!r} is no date")
    import cftime

    parts = _parts(match)
    names = ("year", "month", "day", "hour", "minute", "second", "fraction")
    resolution = RESOLUTIONS[max(place for place, name in enumerate(names) if match[name])]
    start = cftime.datetime(*parts, calendar=calendar)
    if resolution == "Y":
        stop = cftime.datetime(_next_year(parts[0], start.has_year_zero), 1, 1, calendar=calendar)
    elif resolution == "M":
        year, month = (parts[0], parts[1] + 1) if parts[1] < 12 else (_next_year(parts[0], start.has_year_zero), 1)
        stop = cftime.datetime(year, month, 1, calendar=calendar)
    else:
        stop = start + timedelta(microseconds=_TICKS[resolution])
    return start, stop, resolution


def resolution_of(times: Array) -> str:
    """Give the coarsest of ``D h m s us`` that holds an array of `cftime` objects exactly."""
    finest = 2
    for value in times.flat:
        if value is None:
            continue
        parts = (value.hour, value.minute, value.second, value.microsecond)
        finest = max([finest, *(place + 3 for place, part in enumerate(parts) if part)])
    return RESOLUTIONS[finest]


def _next_year(year: int, has_year_zero: bool) -> int:
    return 1 if year == -1 and not has_year_zero else year + 1


def _parts(date: "re.Match[str]") -> tuple[int, int, int, int, int, int, int]:
    fraction = int((date["fraction"] or "").ljust(6, "0")[:6])
    month, day = int(date["month"] or 1), int(date["day"] or 1)
    hour, minute, second = (int(date[name] or 0) for name in ("hour", "minute", "second"))
    return int(date["year"]), month, day, hour, minute, second, fraction


def _zone(text: str | None) -> int:
    """Minutes ahead of UTC."""
    if not text or text in ("Z", "UTC", "GMT"):
        return 0
    digits = text[1:].replace(":", "")
    hours, minutes = (int(digits), 0) if len(digits) <= 2 else (int(digits[:-2]), int(digits[-2:]))
    return (hours * 60 + minutes) * (-1 if text[0] == "-" else 1)


@lru_cache(maxsize=256)
def _origin(units: str, calendar: str) -> int:
    """Microseconds from 1970-01-01 to the reference of the units."""
    parsed = parse_units(units)
    year, month, day, *clock = parsed.reference
    if calendar == "proleptic_gregorian" or (year, month, day) >= (1582, 10, 15):
        days = (
            int(
                (np.datetime64(f"{year:05d}" if year < 0 else f"{year:04d}", "Y").astype("datetime64[M]") + month - 1)
                .astype("datetime64[D]")
                .astype(np.int64)
            )
            + day
            - 1
        )
        _check_day(units, year, month, day)
    else:
        days = -_days_until_1970(units, parsed.reference[:3], calendar)
    hour, minute, second, fraction = clock
    return ((days * 24 + hour) * 60 + minute - parsed.zone) * 60 * 10**6 + second * 10**6 + fraction


def _check_day(units: str, year: int, month: int, day: int) -> None:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    lengths = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    if not (1 <= month <= 12 and 1 <= day <= lengths[month - 1]):
        raise EncodingError(f"units {units!r}: there is no such day")


def _days_until_1970(units: str, date: tuple[int, ...], calendar: str) -> int:
    import cftime

    try:
        reference = cftime.datetime(*date, calendar=calendar)
    except ValueError as error:
        raise EncodingError(f"units {units!r}: {error}") from error
    return int((cftime.datetime(1970, 1, 1, calendar=calendar) - reference).days)


def _missing_numbers(numbers: Any) -> npt.NDArray[np.bool_]:
    data = np.ma.getdata(numbers)
    if data.dtype.kind == "f":
        missing = ~np.isfinite(data)
    elif data.dtype.kind == "i":
        missing = data == np.iinfo(data.dtype).min
    else:
        missing = np.zeros(data.shape, np.bool_)
    return np.asarray(missing | np.ma.getmaskarray(numbers))


def _microseconds(numbers: Array, units: TimeUnits) -> npt.NDArray[np.int64]:
    """Multiply by the unit: exactly for integers, to the nearest microsecond for floats."""
    if numbers.dtype.kind in "iub":
        limit = 2**62 // units.microseconds
        if numbers.size and (int(numbers.max()) > limit or int(numbers.min()) < -limit):
            raise EncodingError(f"a time of {numbers.max()} {units.unit} is beyond what datetime64 holds")
        return numbers.astype(np.int64) * units.microseconds
    whole = np.floor(numbers.astype(np.float64))
    if numbers.size and float(np.abs(whole).max()) > 2**62 // units.microseconds:
        raise EncodingError(f"a time of {np.abs(whole).max()} {units.unit} is beyond what datetime64 holds")
    rest = np.rint((numbers - whole) * units.microseconds)
    ticks: npt.NDArray[np.int64] = whole.astype(np.int64) * units.microseconds + rest.astype(np.int64)
    return ticks


def _rescaled(times: Array, resolution: str | None) -> Array:
    if resolution is None:
        seconds = times.astype("datetime64[s]")
        return seconds if bool(np.all((seconds == times) | np.isnat(times))) else times
    target = np.dtype(f"datetime64[{resolution}]")
    found = times.astype(target)
    if not bool(np.all((found == times) | np.isnat(times))):
        raise EncodingError(
            f"a time cannot be held by {target}: choose a finer resolution or, far from 1970, a coarser one"
        )
    return found


def _ticks(times: Array, missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    ticks = times.astype("datetime64[us]")
    if not bool(np.all((ticks.astype(times.dtype) == times) | missing)):
        raise EncodingError("a time is finer than a microsecond or too far from 1970")
    return np.asarray(np.where(missing, 0, ticks.astype(np.int64)))


def _to_cftime(numbers: Array, missing: npt.NDArray[np.bool_], units: str, calendar: str) -> Array:
    import cftime

    parsed = parse_units(units)
    start = _reference_date(units, calendar)
    found = np.empty(numbers.shape, object)
    ticks = _microseconds(numbers, parsed)
    text = f"microseconds since {start.isoformat(sep=' ')}"
    if numbers.size:
        found[...] = cftime.num2date(ticks, text, calendar, only_use_cftime_datetimes=True)
    found[missing] = None
    return found


@lru_cache(maxsize=256)
def _reference_date(units: str, calendar: str) -> Any:
    import cftime

    parsed = parse_units(units)
    try:
        date = cftime.datetime(*parsed.reference, calendar=calendar)
    except ValueError as error:
        raise EncodingError(f"units {units!r} in calendar {calendar!r}: {error}") from error
    return date - timedelta(minutes=parsed.zone) if parsed.zone else date


def _cftime_ticks(times: Array, missing: npt.NDArray[np.bool_], units: str, calendar: str) -> npt.NDArray[np.int64]:
    start = _reference_date(units, calendar)
    wrong = next((value for value in times[~missing].flat if not _is_date(value, calendar)), None)
    if wrong is not None:
        raise EncodingError(f"{wrong!r} is no date of calendar {calendar!r}")
    ticks = np.zeros(times.shape, np.int64)
    one = timedelta(microseconds=1)
    ticks[~missing] = [(value - start) // one for value in times[~missing]]
    return ticks


def _is_date(value: Any, calendar: str) -> bool:
    found = getattr(value, "calendar", None)
    return isinstance(found, str) and same_calendar(found, calendar)


def _numbers(
    ticks: npt.NDArray[np.int64], missing: npt.NDArray[np.bool_], units: TimeUnits, target: np.dtype[Any]
) -> Array:
    whole, rest = np.divmod(ticks, units.microseconds)
    if target.kind == "f":
        numbers = (whole + rest / units.microseconds).astype(target)
        numbers[missing] = np.nan
        return np.asarray(numbers)
    if bool(rest.any()):
        raise EncodingError(
            f"a time is no whole number of {units.unit} since the reference: choose finer units or a float type"
        )
    limits = np.iinfo(target)
    if whole.size and (whole.max() > limits.max or whole.min() < limits.min):
        raise EncodingError(f"a time does not fit in {target}: choose coarser units or a larger type")
    found = whole.astype(target)
    if missing.any():
        if target.kind == "u":
            raise EncodingError(f"{target} has no number for missing times")
        found[missing] = limits.min
    return found
