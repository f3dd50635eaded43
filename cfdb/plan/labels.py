"""At which positions of a coordinate do labels lie?

The rules are those of pandas and xarray: a label selects the position that holds it, a slice takes both of its ends, a
date that is less exact than the coordinate ('2020-01') is a period. The coordinate may ascend, descend or be unsorted.
"""

import math
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cfdb.conventions.calendars import calendar_of
from cfdb.errors import LabelNotFoundError, SelectionError
from cfdb.plan.dates import Period, read_duration, read_label, resolution_of_values
from cfdb.plan.indexing import Axis, Positions, Range

Array = npt.NDArray[Any]

METHODS = {"nearest": "nearest", "pad": "pad", "ffill": "pad", "backfill": "backfill", "bfill": "backfill"}
#: Floats closer than this, relatively, are the same label: noise of arithmetic, not another position.
_NOISE = 1e-12
#: Kinds of labels without distances.
_NOT_NEAR = "TUSbc"


@dataclass(frozen=True, slots=True, eq=False)
class LabelIndex:
    """Labels of a coordinate, ready to be looked up.

    Attributes
    ----------
    values : ndarray
        The labels, 1-D, without duplicates: numbers, times, strings, bools or `cftime` objects.
    name : str
        Name of the coordinate, for messages.
    calendar : str, optional
        CF calendar of `cftime` objects; found in the values when there are any.
    order : str
        ``'ascending'``, ``'descending'`` or ``'unsorted'``.

    Examples
    --------
    >>> latitude = LabelIndex(np.array([60.0, 40.0, 20.0]), "lat")
    >>> latitude.locate(40), latitude.locate(slice(60, 30)), latitude.locate(44, method="nearest")
    (1, Range(start=0, count=2, step=1), 1)
    """

    values: Array
    name: str
    calendar: str | None = None
    order: str = field(init=False)
    _sorted: Array = field(init=False, repr=False)
    _sorter: npt.NDArray[np.int64] = field(init=False, repr=False)
    _resolution: str | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.values.ndim != 1:
            raise SelectionError(f"{self.name!r} has {self.values.ndim} dimensions: labels need a 1-D coordinate")
        order = _order(self.values)
        if order == "unsorted":
            sorter = np.argsort(self.values, kind="stable").astype(np.int64)
        else:
            sorter = np.arange(self.values.size, dtype=np.int64)[:: 1 if order == "ascending" else -1]
        if self.values.dtype.kind == "O" and self.calendar is None:
            object.__setattr__(self, "calendar", calendar_of(self.values))
        object.__setattr__(self, "order", order)
        object.__setattr__(self, "_sorter", sorter)
        object.__setattr__(self, "_sorted", self.values[sorter])
        object.__setattr__(self, "_resolution", resolution_of_values(self.values))

    def locate(self, label: Any, method: str | None = None, tolerance: Any = None) -> "int | Axis":
        """Find the positions of labels.

        Parameters
        ----------
        label : scalar, slice, or list or array of labels or bools
            What to find.
        method : str, optional
            For labels that are missing: ``'nearest'``, ``'pad'`` (``'ffill'``: the position before) or ``'backfill'``
            (``'bfill'``: the position behind). A partial date is its first instant then, no period.
        tolerance : number or timedelta, optional
            Largest distance `method` may bridge.

        Returns
        -------
        int, Range or Positions
            An int drops the dimension, as in NumPy.

        Raises
        ------
        LabelNotFoundError
            If a label is missing; the message names the nearest.
        SelectionError
            If something cannot be a label of this coordinate.
        """
        plain = tolerance is None and (
            method is None or (method in METHODS and self.values.dtype.kind not in _NOT_NEAR)
        )
        reach = None if plain else self._checked(method, tolerance)
        if isinstance(label, slice):
            if method is not None:
                raise SelectionError(f"method={method!r} cannot be used with a slice, whose ends need not exist anyway")
            return self._locate_slice(label)
        if isinstance(label, list | tuple | range | np.ndarray) or hasattr(label, "__array__"):
            array = np.asarray(label)
            if array.ndim:
                return self._locate_many(array, method, reach)
            label = array[()]
        return self._locate_one(label, method, reach)

    def _checked(self, method: str | None, tolerance: Any) -> Any:
        """Give the tolerance in the type of distances of these labels; refuse what does not go together."""
        if method is None:
            if tolerance is not None:
                raise SelectionError(
                    f"tolerance={tolerance!r} bounds what a method finds: give method='nearest' with it"
                )
            return None
        if method not in METHODS:
            raise SelectionError(f"method={method!r}: choose 'nearest', 'pad' or 'backfill'")
        kind = self.values.dtype.kind
        if kind in _NOT_NEAR and (METHODS[method] == "nearest" or tolerance is not None):
            what = "method='nearest'" if tolerance is None else "tolerance="
            raise SelectionError(f"{what} needs numbers or times: {self.name!r} holds {self._type()}")
        return None if tolerance is None else self._reach(tolerance)

    def _reach(self, tolerance: Any) -> Any:
        if np.ndim(tolerance):
            raise SelectionError(f"tolerance={tolerance!r}: give one for all labels")
        try:
            if self.values.dtype.kind in "mMO":
                reach = read_duration(tolerance)
                return reach if self.values.dtype.kind != "O" else reach.astype("m8[us]").item()
            if np.asarray(tolerance).dtype.kind not in "iuf":
                raise TypeError("give a number")
        except TypeError as error:
            raise SelectionError(f"tolerance={tolerance!r} is no distance in {self.name!r}: {error}") from error
        return tolerance

    def _locate_one(self, label: Any, method: str | None, tolerance: Any) -> "int | Axis":
        found = self._read(label)
        if method is None and found.resolution is not None and self._is_partial(found):
            return self._period(found, label)
        place = self._exact(found.start)
        if place is None and method is not None:
            place = self._near(found.start, METHODS[method], tolerance)
        if place is None:
            raise LabelNotFoundError(self._not_found(label, found.start, tolerance))
        return place

    def _locate_many(self, labels: Array, method: str | None, tolerance: Any) -> Axis:
        if labels.ndim > 1:
            raise SelectionError(
                f"{self.name!r}: labels in {labels.ndim} dimensions cannot select along one axis; take points with "
                ".sel_points() or .vloc[...]"
            )
        if labels.dtype.kind == "b" and self.values.dtype.kind != "b":
            if labels.size != self.values.size:
                raise SelectionError(f"the mask has {labels.size} entries; {self.name!r} has {self.values.size}")
            return Positions(np.flatnonzero(labels))
        at_once = self._many(labels, method, tolerance)
        if at_once is not None:
            return at_once
        found = []
        for label in labels.tolist() if labels.dtype.kind not in "mM" else labels:
            place = self._locate_one(label, method, tolerance)
            found.append(np.array([place]) if isinstance(place, int) else place.positions())
        return Positions(np.concatenate(found).astype(np.int64)) if found else Range(0, 0)

    def _many(self, labels: Array, method: str | None, tolerance: Any) -> Positions | None:
        """Find numbers or times at once; None when that does not answer it."""
        wanted = self._comparable(labels, method is None)
        if wanted is None:
            return None
        found = np.searchsorted(self._sorted, wanted)
        over = found == self._sorted.size
        above = found - over
        if bool((self._sorted[above] == wanted).all()):
            return Positions(self._sorter[above])
        below = np.maximum(found - 1, 0)
        after, before = _apart(self._sorted[above], wanted), _apart(self._sorted[below], wanted)
        best = np.where(before < after, below, above)
        exact = self._sorted[best] == wanted
        if self._sorted.dtype.kind == "f":
            exact |= np.minimum(before, after) <= _NOISE * np.abs(wanted)
        if bool(exact.all()):
            return Positions(self._sorter[best])
        if method is None:
            return None  # the first that is missing is named
        chosen, there = self._chosen(METHODS[method], (below, above, best), over)
        chosen = np.where(exact, best, chosen)
        if tolerance is not None:
            there &= _apart(self._sorted[chosen], wanted) <= tolerance
        return Positions(self._sorter[chosen]) if bool((there | exact).all()) else None

    def _chosen(self, method: str, candidates: tuple[Any, Any, Any], over: Any) -> tuple[Any, Any]:
        """Choose among the labels below, above and nearest; and tell where there is one."""
        below, above, best = candidates
        if method == "nearest":
            return best, np.ones(best.shape, np.bool_)
        upwards = (method == "backfill") != (self.order == "descending")
        # below the first label `below` was moved to it
        return (above, ~over) if upwards else (below, (above > below) | over)

    def _comparable(self, labels: Array, equal: bool) -> Array | None:
        """Bring labels into the type of the coordinate; None where NumPy would not compare them exactly.

        `equal` says that they are compared for equality alone.
        """
        kind, other = self._sorted.dtype.kind, labels.dtype.kind
        if not labels.size or not self._sorted.size:
            return None
        if kind == other == "m" and not _compare(labels.dtype, self._sorted.dtype):
            return None
        if kind == other and kind in "mM":
            wanted = labels.astype(self._sorted.dtype)
            if bool(np.all(wanted.astype(labels.dtype) == labels)):
                return wanted
            # finer than the coordinate's unit: what a method may reach; else NaT, or out of reach of the unit
            return labels if not np.can_cast(labels.dtype, self._sorted.dtype) and not np.isnat(labels).any() else None
        if kind == "f" and other in "iuf":
            with np.errstate(over="ignore"):
                numbers = labels.astype(self._sorted.dtype)
            return numbers if bool(np.isfinite(numbers).all()) else None
        if kind not in "iu" or other not in (kind, "f"):
            return None
        if other == kind and equal:
            return labels
        ends = np.array([self._sorted[0], self._sorted[-1], labels.min(), labels.max()], np.float64)
        return labels if bool((np.abs(ends) < 2**53).all()) else None

    def _locate_slice(self, key: slice) -> Range:
        step = 1 if key.step is None else key.step
        if isinstance(step, bool) or not isinstance(step, int | np.integer) or step == 0:
            raise SelectionError(f"{self.name!r}: the step of a slice of labels is a number of positions, not {step!r}")
        backwards = step < 0
        ends = (key.stop, key.start) if backwards else (key.start, key.stop)
        low = 0 if ends[0] is None else self._bound(ends[0], first=True)
        high = self.values.size if ends[1] is None else self._bound(ends[1], first=False)
        count = len(range(low, high, abs(int(step))))
        return Range(high - 1 if backwards and count else low, count, int(step))

    def _bound(self, label: Any, first: bool) -> int:
        """Give the position of the first label of a slice, or the one behind its last."""
        found = self._read(label)
        if self.order == "unsorted":
            place = self._exact(found.start)
            if place is None:
                hint = self._not_found(label, found.start, None)
                raise LabelNotFoundError(f"{hint}; a slice of an unsorted coordinate needs ends that exist")
            return place if first else place + 1
        # the end that is larger in value takes in the whole period it names
        upper = first == (self.order == "descending")
        whole = found.resolution is not None
        edge = found.stop if upper and whole else self._snapped(found.start)
        number = self._place(edge, "left" if not upper or whole else "right")
        return number if self.order == "ascending" else self.values.size - number

    def _read(self, label: Any) -> Period:
        """Bring a label into the type of the coordinate."""
        try:
            return read_label(label, self.values, self.calendar)
        except (TypeError, ValueError, OverflowError) as error:
            raise SelectionError(
                f"{label!r} of type {type(label).__name__} cannot be a label of {self.name!r} ({self._type()}): {error}"
            ) from error

    def _is_partial(self, found: Period) -> bool:
        return self._resolution is not None and found.is_coarser_than(self._resolution)

    def _period(self, found: Period, label: Any) -> Axis:
        low, high = self._place(found.start), self._place(found.stop)
        if low >= high:
            raise LabelNotFoundError(self._not_found(label, found.start, None))
        if self.order == "unsorted":
            return Positions(np.sort(self._sorter[low:high]))
        return Range(low if self.order == "ascending" else self.values.size - high, high - low)

    def _exact(self, value: Any) -> int | None:
        value = self._snapped(value)
        if value is None or value != value:
            return None
        number = self._place(value)
        if number == self._sorted.size or self._sorted[number] != value:
            return None
        return int(self._sorter[number])

    def _place(self, value: Any, side: Literal["left", "right"] = "left") -> int:
        """Count the labels below a value (`right`: or equal to it).

        NumPy would compare signed with unsigned integers as floats, and let dates overflow that are out of reach of the
        coordinate's unit.
        """
        labels = self._sorted
        if labels.dtype.kind in "iu" and isinstance(value, int | np.integer):
            limits = np.iinfo(labels.dtype)
            if not limits.min <= int(value) <= limits.max:
                return 0 if value < 0 else labels.size
            value = labels.dtype.type(value)
        elif labels.dtype.kind == "M":
            # in the unit of the labels, or NumPy would bring all of them into that of the value
            floor = value.astype(labels.dtype)
            if floor.astype(value.dtype) != value:
                if _overflows(value, labels.dtype):
                    return 0 if value.astype(np.int64) < 0 else labels.size
                side = "right"
            value = floor
        return int(labels.searchsorted(value, side))

    def _snapped(self, value: Any) -> Any:
        """Give the label that a float is but for noise, or the float itself."""
        labels = self._sorted
        if labels.dtype.kind != "f" or not labels.size or not math.isfinite(value):
            return value
        number, wanted = int(labels.searchsorted(value)), float(value)
        below, above = max(number - 1, 0), min(number, labels.size - 1)
        best = below if abs(labels.item(below) - wanted) <= abs(labels.item(above) - wanted) else above
        return labels[best] if abs(labels.item(best) - wanted) <= _NOISE * abs(wanted) else value

    def _near(self, value: Any, method: str, tolerance: Any) -> int | None:
        """Give the position of the label before, behind or nearest to a missing one."""
        if value != value:
            return None
        number = self._place(value)
        below = number - 1 if number > 0 else None
        above = number if number < self._sorted.size else None
        if self.order == "descending" and method != "nearest":
            below, above = above, below
        if method == "pad":
            chosen = below
        elif method == "backfill" or below is None:
            chosen = above
        elif above is None:
            chosen = below
        else:
            chosen = below if self._distance(below, value) < self._distance(above, value) else above
        if chosen is None or (tolerance is not None and not self._distance(chosen, value) <= tolerance):
            return None
        return int(self._sorter[chosen])

    def _distance(self, number: int, value: Any) -> Any:
        """Give how far a label is from a value; integers of few bits would overflow."""
        label = self._sorted[number]
        return abs(label.item() - value) if isinstance(label, np.integer) else abs(_in_days(label) - value)

    def _not_found(self, label: Any, value: Any, tolerance: Any) -> str:
        text = f"{label!r} is not in {self.name!r}"
        if not self.values.size:
            return f"{text}, which is empty"
        if tolerance is not None:
            text += f" (tolerance {tolerance})"
        if self.values.dtype.kind in "TU" or isinstance(value, str):
            near = get_close_matches(str(label), [str(name) for name in self.values.tolist()], 3, 0.5)
            return f"{text}; similar: {', '.join(map(repr, near))}" if near else f"{text} ({self.values.size} labels)"
        if value != value:
            return f"{text}: a missing value is no label"
        number = self._place(value)
        near = [_shown(label) for label in self._sorted[max(number - 1, 0) : number + 1]]
        return f"{text}; the nearest {'labels are' if len(near) > 1 else 'label is'} {' and '.join(near)}"

    def _type(self) -> str:
        return "cftime dates" if self.values.dtype.kind == "O" else str(self.values.dtype)


def _apart(labels: Array, wanted: Array) -> Any:
    """Give the distances of labels; integers of few bits, or without a sign, would overflow."""
    if labels.dtype.kind in "iu" or wanted.dtype.kind in "iu":
        labels, wanted = labels.astype(np.float64), wanted.astype(np.float64)
    return np.abs(_in_days(labels) - wanted)


def _in_days(labels: Any) -> Any:
    """Give years and months as days: their differences have no fixed length."""
    dtype = getattr(labels, "dtype", None)  # dates of other calendars have none
    coarse = dtype is not None and dtype.kind == "M" and np.datetime_data(dtype)[0] in ("Y", "M")
    return labels.astype("datetime64[D]") if coarse else labels


def _compare(one: np.dtype[Any], other: np.dtype[Any]) -> bool:
    """Tell whether durations can be compared: those in months have no length in days."""
    try:
        np.promote_types(one, other)
    except TypeError:
        return False
    return True


def _overflows(instant: Any, target: np.dtype[Any]) -> bool:
    """Tell whether a date is out of reach of a finer unit."""
    if np.isnat(instant) or np.promote_types(instant.dtype, target) != target:
        return False
    return bool(instant.astype(target).astype(instant.dtype) != instant)


def _shown(label: Any) -> str:
    return label.isoformat() if hasattr(label, "isoformat") else str(label)


def _order(values: Array) -> str:
    if values.size < 2:
        return "ascending"
    before, behind = values[:-1], values[1:]
    if bool(np.all(before < behind)):
        return "ascending"
    return "descending" if bool(np.all(before > behind)) else "unsorted"
