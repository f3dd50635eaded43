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

from cfdb.errors import LabelNotFoundError, SelectionError
from cfdb.plan.dates import Period, read_label, resolution_of_values
from cfdb.plan.indexing import Axis, Positions, Range

Array = npt.NDArray[Any]

METHODS = {"nearest": "nearest", "pad": "pad", "ffill": "pad", "backfill": "backfill", "bfill": "backfill"}
#: Floats closer than this, relatively, are the same label: noise of arithmetic, not another position.
_NOISE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class LabelIndex:
    """Labels of a coordinate, ready to be looked up.

    Attributes
    ----------
    values : ndarray
        The labels, 1-D, without duplicates: numbers, times, strings, bools or `cftime` objects.
    name : str
        Name of the coordinate, for messages.
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
            (``'bfill'``: the position behind).
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
        if method is not None and method not in METHODS:
            raise SelectionError(f"method={method!r}: choose 'nearest', 'pad' or 'backfill'")
        if isinstance(label, slice):
            if method is not None:
                raise SelectionError(f"method={method!r} cannot be used with a slice, whose ends need not exist anyway")
            return self._locate_slice(label)
        if isinstance(label, list | tuple | np.ndarray) or hasattr(label, "__array__"):
            array = np.asarray(label)
            if array.ndim:
                return self._locate_many(array, method, tolerance)
            label = array[()]
        return self._locate_one(label, method, tolerance)

    def _locate_one(self, label: Any, method: str | None, tolerance: Any) -> "int | Axis":
        found = self._read(label)
        if found.resolution is not None and self._is_partial(found):
            return self._period(found, label)
        place = self._exact(found.start)
        if place is None and method is not None:
            place = self._near(found.start, METHODS[method], tolerance)
        if place is None:
            raise LabelNotFoundError(self._not_found(label, found.start, tolerance))
        return place

    def _locate_many(self, labels: Array, method: str | None, tolerance: Any) -> Axis:
        if labels.ndim > 1:
            raise SelectionError(f"{self.name!r}: labels in {labels.ndim} dimensions cannot select along one axis")
        if labels.dtype.kind == "b" and self.values.dtype.kind != "b":
            if labels.size != self.values.size:
                raise SelectionError(f"the mask has {labels.size} entries; {self.name!r} has {self.values.size}")
            return Positions(np.flatnonzero(labels))
        exact = self._exact_many(labels)
        if exact is not None:
            return exact
        found = []
        for label in labels.tolist() if labels.dtype.kind not in "mM" else labels:
            place = self._locate_one(label, method, tolerance)
            found.append(np.array([place]) if isinstance(place, int) else place.positions())
        return Positions(np.concatenate(found).astype(np.int64)) if found else Range(0, 0)

    def _exact_many(self, labels: Array) -> Positions | None:
        """Find numbers or times that all exist, at once; None when that does not answer it."""
        kinds = (labels.dtype.kind, self.values.dtype.kind)
        if not labels.size or not (kinds in (("M", "M"), ("m", "m")) or all(kind in "iuf" for kind in kinds)):
            return None
        if set(kinds) == {"i", "u"}:
            return None  # NumPy would compare them as floats
        wanted = labels.astype(self.values.dtype) if kinds[1] in "fMm" else labels
        if kinds[1] in "Mm" and not bool(np.all(wanted.astype(labels.dtype) == labels)):
            return None
        numbers = np.minimum(np.searchsorted(self._sorted, wanted), max(self._sorted.size - 1, 0))
        found = self._sorted.size and bool(np.all(self._sorted[numbers] == wanted))
        return Positions(self._sorter[numbers]) if found else None

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
            return read_label(label, self.values)
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
        elif labels.dtype.kind == "M" and _overflows(value, labels.dtype):
            return 0 if value.astype(np.int64) < 0 else labels.size
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
        if self.values.dtype.kind in "TUb" or value != value:
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
        return abs(label.item() - value) if isinstance(label, np.integer) else abs(label - value)

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
