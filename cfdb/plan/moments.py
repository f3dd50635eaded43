"""How are dates of any calendar counted: in months, days and ticks of the clock, and back?"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.conventions.calendars import calendar_of
from cfdb.errors import GroupingError
from cfdb.plan.frequency import Frequency

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]

SEASONS = ("DJF", "MAM", "JJA", "SON")
#: What ``'time.<component>'`` may name; the names are xarray's.
COMPONENTS = (
    "year",
    "quarter",
    "season",
    "month",
    "week",
    "weekofyear",
    "day",
    "dayofyear",
    "dayofweek",
    "weekday",
    "days_in_month",
    "hour",
    "minute",
    "second",
    "microsecond",
)
#: Days from a Monday to a Thursday, such as 1970-01-01.
_THURSDAY = 3
_TICKS = {"h": 3600 * 10**6, "m": 60 * 10**6, "s": 10**6, "ms": 1000, "us": 1}


class Moments(ABC):
    """Dates of one calendar, none missing."""

    def __init__(self, values: Array) -> None:
        self.values = values

    @abstractmethod
    def field(self, name: str) -> Integers:
        """Give one part of every date: ``year`` to ``microsecond``, ``dayofyear``, ``days_in_month``."""

    @abstractmethod
    def months(self) -> Integers:
        """Count months from a January."""

    @abstractmethod
    def days(self) -> Integers:
        """Count days from a Monday."""

    @abstractmethod
    def ticks(self, unit: str) -> Integers:
        """Count units shorter than a day."""

    @abstractmethod
    def of_months(self, months: Integers) -> Array:
        """Give the first moments of months."""

    @abstractmethod
    def of_days(self, days: Integers) -> Array:
        """Give the first moments of days."""

    @abstractmethod
    def of_ticks(self, ticks: Integers, unit: str) -> Array:
        """Give the first moments of shorter units."""

    def component(self, name: str) -> Integers:
        """Give a component of every date (`COMPONENTS`); seasons by their place in `SEASONS`."""
        if name == "quarter":
            return (self.field("month") - 1) // 3 + 1
        if name == "season":
            return self.field("month") % 12 // 3
        if name in ("dayofweek", "weekday"):
            return self.days() % 7
        if name in ("week", "weekofyear"):
            # a week belongs to the year of its Thursday
            thursdays = type(self)(self.of_days(self.days() // 7 * 7 + _THURSDAY))
            return (thursdays.field("dayofyear") - 1) // 7 + 1 if thursdays.values.size else np.empty(0, np.int64)
        return self.field(name)

    def windows(self, frequency: Frequency) -> Integers:
        """Give the number of every date's window."""
        units = self._units(frequency)
        return units if frequency.count == 1 or not units.size else (units - units.min()) // frequency.count

    def starts(self, frequency: Frequency, numbers: Integers) -> Array:
        """Give the first moments of windows."""
        if not numbers.size:
            return self.values[:0]
        if frequency.count > 1:
            numbers = numbers * frequency.count + self._units(frequency).min()
        if frequency.unit == "M":
            return self.of_months(numbers * frequency.length + frequency.phase)
        if frequency.unit == "D":
            return self.of_days(numbers * frequency.length)
        return self.of_ticks(numbers, frequency.unit)

    def _units(self, frequency: Frequency) -> Integers:
        if not self.values.size:
            return np.empty(0, np.int64)
        if frequency.unit == "M":
            return (self.months() - frequency.phase) // frequency.length
        return self.days() // frequency.length if frequency.unit == "D" else self.ticks(frequency.unit)


class StandardMoments(Moments):
    """Dates as datetime64."""

    _PARTS = {
        "month": ("Y", "M", 1),
        "day": ("M", "D", 1),
        "dayofyear": ("Y", "D", 1),
        "hour": ("D", "h", 0),
        "minute": ("h", "m", 0),
        "second": ("m", "s", 0),
        "microsecond": ("s", "us", 0),
    }

    def field(self, name: str) -> Integers:
        """Give one part of every date."""
        if name == "year":
            return self._numbers("Y") + 1970
        if name == "days_in_month":
            month = self._numbers("M").astype("M8[M]")
            lengths: Integers = ((month + 1).astype("M8[D]") - month.astype("M8[D]")).astype(np.int64)
            return lengths
        whole, part, first = self._PARTS[name]
        begin = self._numbers(whole).astype(f"M8[{whole}]").astype(f"M8[{part}]").astype(np.int64)
        return self._numbers(part) - begin + first

    def months(self) -> Integers:
        """Count months from 1970-01."""
        return self._numbers("M")

    def days(self) -> Integers:
        """Count days from the Monday before 1970-01-01."""
        return self._numbers("D") + _THURSDAY

    def ticks(self, unit: str) -> Integers:
        """Count units from 1970-01-01."""
        return self._numbers(unit)

    def of_months(self, months: Integers) -> Array:
        """Give the first moments of months."""
        return self._labels(months.astype("M8[M]"))

    def of_days(self, days: Integers) -> Array:
        """Give the first moments of days."""
        return self._labels((days - _THURSDAY).astype("M8[D]"))

    def of_ticks(self, ticks: Integers, unit: str) -> Array:
        """Give the first moments of shorter units."""
        return self._labels(ticks.astype(f"M8[{unit}]"))

    def _numbers(self, unit: str) -> Integers:
        found = self.values.astype(f"M8[{unit}]")
        if not np.array_equal(found.astype("M8[D]"), self.values.astype("M8[D]")) and unit not in "YM":
            raise GroupingError(f"dates as far from 1970 as {self.values.min()} cannot be counted in {unit!r}")
        return found.astype(np.int64)

    def _labels(self, found: Array) -> Array:
        """Give moments in the type of the coordinate; in a finer one only where that could not hold them."""
        same = found.astype(self.values.dtype)
        return same if np.array_equal(same.astype(found.dtype), found) else found


class OtherMoments(Moments):
    """Dates as objects of cftime."""

    _NAMES = {"dayofyear": "dayofyr", "days_in_month": "daysinmonth"}

    def field(self, name: str) -> Integers:
        """Give one part of every date."""
        return self._each(lambda date: getattr(date, self._NAMES.get(name, name)))

    def months(self) -> Integers:
        """Count months from January of year 0."""
        return self._each(lambda date: date.year * 12 + date.month - 1)

    def days(self) -> Integers:
        """Count days from the Monday before 1970-01-01."""
        start = self._start()
        return self._each(lambda date: (date - start).days + start.dayofwk)

    def ticks(self, unit: str) -> Integers:
        """Count units from 1970-01-01."""
        start, step = self._start(), timedelta(microseconds=self._length(unit))
        return self._each(lambda date: (date - start) // step)

    def of_months(self, months: Integers) -> Array:
        """Give the first moments of months."""
        start = self._start()
        return _objects(start.replace(year=month // 12, month=month % 12 + 1) for month in months.tolist())

    def of_days(self, days: Integers) -> Array:
        """Give the first moments of days."""
        start = self._start()
        return _objects(start + timedelta(days=day - start.dayofwk) for day in days.tolist())

    def of_ticks(self, ticks: Integers, unit: str) -> Array:
        """Give the first moments of shorter units."""
        start, length = self._start(), self._length(unit)
        return _objects(start + timedelta(microseconds=tick * length) for tick in ticks.tolist())

    def _start(self) -> Any:
        return self.values[0].replace(year=1970, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)

    def _length(self, unit: str) -> int:
        if unit not in _TICKS:
            raise GroupingError("dates of this calendar have no nanoseconds: group by 'us' or longer")
        return _TICKS[unit]

    def _each(self, function: Callable[[Any], int]) -> Integers:
        return np.array([function(date) for date in self.values.tolist()], np.int64)


def moments_of(name: str, values: Array, positions: Integers, wanted: str) -> Moments:
    """Take the dates at some positions.

    Parameters
    ----------
    name : str
        What they are called, for messages.
    values : ndarray
        datetime64, or objects of cftime.
    positions : ndarray of int
        Where none is missing.
    wanted : str
        What they are grouped by, for messages.

    Raises
    ------
    GroupingError
        If they are no dates.
    """
    if values.dtype.kind == "M":
        return StandardMoments(np.ma.getdata(values)[positions])
    if values.dtype.kind == "O" and (calendar_of(values) is not None or not values.size):
        return OtherMoments(values[positions])
    raise GroupingError(
        f"{name!r} cannot be grouped by {wanted!r}: its values are of type {values.dtype}, no dates; give a number of "
        "positions, or the name of a variable whose values decide"
    )


def _objects(dates: Iterable[Any]) -> Array:
    listed = list(dates)
    found = np.empty(len(listed), object)
    found[:] = listed
    return found
