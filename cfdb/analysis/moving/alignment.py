"""How do the labels of several inputs become those of one dimension, and where does each of them lie?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import CoordinateError

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]

#: Floats closer than this, relatively, are the same label: noise of arithmetic.
NOISE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Union:
    """Labels of a dimension after all inputs are in.

    Attributes
    ----------
    labels : ndarray
        All labels in their order.
    old : ndarray of int64
        Where the labels lie that were there before.
    positions : tuple of ndarray of int64
        Where the labels of every input lie.
    """

    labels: Array
    old: Integers
    positions: tuple[Integers, ...]

    @property
    def added(self) -> int:
        """Number of labels that were not there."""
        return int(self.labels.size - self.old.size)

    @property
    def new(self) -> Integers:
        """Where the labels lie that were not there."""
        fresh = np.ones(self.labels.size, bool)
        fresh[self.old] = False
        return np.flatnonzero(fresh)

    @property
    def inserts(self) -> list[tuple[int, int]]:
        """Pairs: before which of the old labels (their number: behind all), and how many labels come in there."""
        before = self.old - np.arange(self.old.size)
        counts = np.diff(before, prepend=0, append=self.added)
        places = np.flatnonzero(counts)
        return list(zip(places.tolist(), counts[places].tolist(), strict=True))


def unite(
    name: str,
    present: Array,
    inputs: Sequence[Array],
    *,
    step: int | float | None = None,
    noise: float = NOISE,
    identify: Callable[[Array], Array] = lambda labels: labels,
) -> Union:
    """Find the order of all labels: those present keep theirs, new ones come where they belong.

    Numbers and times follow the direction of those present; where there are less than two, that of the inputs, all of
    which must descend for a descending order. What is in no order, and strings, come behind in the order of the inputs.

    Parameters
    ----------
    name : str
        Name of the dimension, for messages.
    present : ndarray
        Labels that are there.
    inputs : sequence of ndarray
        Labels of every input, in the type of those present.
    step : number, optional
        Enforced distance: gaps are filled.
    noise : float
        Relative distance of floats that mean the same label.
    identify : callable
        Gives what tells labels apart, where it is not the labels.

    Examples
    --------
    >>> union = unite("x", np.array([30, 20, 10]), [np.array([15, 30]), np.array([40])])
    >>> union.labels, union.positions, union.inserts
    (array([40, 30, 20, 15, 10]), (array([3, 1]), array([0])), [(0, 1), (2, 1)])
    """
    if step is not None:
        return _stepped(name, present, inputs, step, noise)
    pool = _Pool(name, present, noise, identify)
    numbers = [pool.add(labels) for labels in inputs]
    labels = pool.labels
    backwards = _direction(present, inputs)
    if backwards is None:
        order = np.arange(labels.size)
    else:
        order = np.argsort(labels, kind="stable")[:: -1 if backwards else 1]
    final = np.empty(labels.size, np.int64)
    final[order] = np.arange(labels.size)
    return Union(labels[order], final[: present.size], tuple(final[found] for found in numbers))


class _Pool:
    """Labels so far, each once."""

    def __init__(self, name: str, present: Array, noise: float, identify: Callable[[Array], Array]) -> None:
        self._name = name
        self._noise = noise
        self._identify = identify
        self.labels = present

    def add(self, labels: Array) -> Integers:
        """Add what is new of an input; give the numbers of all its labels."""
        known = match(self.labels, labels, self._noise, self._identify)
        fresh = np.flatnonzero(known < 0)
        known[fresh] = self.labels.size + np.arange(fresh.size)
        if fresh.size:
            self.labels = np.concatenate([self.labels, labels[fresh]]) if self.labels.size else labels[fresh]
        twice = np.flatnonzero(np.bincount(known) > 1) if known.size else known
        if not twice.size and fresh.size > 1:
            twice = known[fresh[_repeated(self._identify(labels[fresh]), self._noise)]]
        if twice.size:
            raise CoordinateError(f"the labels of {self._name!r} to be written hold {self.labels[twice[0]]} twice")
        return known


def _repeated(labels: Array, noise: float) -> Integers:
    """Give numbers of labels that occur twice."""
    if labels.dtype.kind not in "iufmMb":
        seen: set[Any] = set()
        for number, label in enumerate(labels.tolist()):
            if label in seen:
                return np.array([number], np.int64)
            seen.add(label)
        return np.empty(0, np.int64)
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    if labels.dtype.kind == "f":
        same = np.diff(ordered) <= noise * np.abs(ordered[1:])
    else:
        same = ordered[1:] == ordered[:-1]
    return order[1:][same]


def match(
    present: Array, wanted: Array, noise: float = NOISE, identify: Callable[[Array], Array] = lambda labels: labels
) -> Integers:
    """Give the numbers of labels among those present, -1 for those that are not.

    Examples
    --------
    >>> match(np.array([0.3, 0.1]), np.array([0.1 + 0.2, 7.0]))
    array([ 0, -1])
    """
    found = np.full(wanted.size, -1, np.int64)
    if not present.size or not wanted.size:
        return found
    ours, theirs = identify(present), identify(wanted)
    if ours.dtype.kind not in "iufmMb":
        numbers = {label: number for number, label in enumerate(ours.tolist())}
        return np.array([numbers.get(label, -1) for label in theirs.tolist()], np.int64)
    order = np.argsort(ours, kind="stable")
    ordered = ours[order]
    place = np.searchsorted(ordered, theirs)
    above = np.minimum(place, ordered.size - 1)
    if ours.dtype.kind != "f":
        exact = ordered[above] == theirs
        found[exact] = order[above[exact]]
        return found
    below = np.maximum(place - 1, 0)
    nearest = np.where(np.abs(ordered[below] - theirs) <= np.abs(ordered[above] - theirs), below, above)
    limit = noise * np.abs(theirs)
    if ordered.size > 1:
        limit = np.minimum(limit, np.diff(ordered).min() / 4)
    near = np.abs(ordered[nearest] - theirs) <= limit
    found[near] = order[nearest[near]]
    return found


def _direction(present: Array, inputs: Sequence[Array]) -> bool | None:
    """Tell whether labels descend; None when they are in no order."""
    if present.dtype.kind not in "iufmM":
        return None
    several = [present] if present.size > 1 else [labels for labels in inputs if labels.size > 1]
    found = {direction_of(labels) for labels in several}
    if None in found:
        return None
    return found == {True}


def direction_of(labels: Array) -> bool | None:
    """Tell whether labels descend (True), ascend (False) or do neither (None)."""
    if bool(np.all(labels[1:] > labels[:-1])):
        return False
    return True if bool(np.all(labels[1:] < labels[:-1])) else None


def _stepped(name: str, present: Array, inputs: Sequence[Array], step: int | float, noise: float) -> Union:
    """Put labels on the grid of an enforced step; what lies between is filled in."""
    first = next((labels for labels in [present, *inputs] if labels.size), None)
    if first is None:
        return Union(present, np.empty(0, np.int64), tuple(np.empty(0, np.int64) for _ in inputs))
    origin = _number(first[:1])[0]
    places = [_places(name, labels, origin, step, noise) for labels in inputs]
    filled = np.concatenate([np.arange(present.size), *places])
    low, high = int(filled.min()), int(filled.max())
    grid = origin + np.arange(low, high + 1) * np.asarray(step, origin.dtype if origin.dtype.kind == "i" else float)
    labels = grid.astype(np.int64).view(first.dtype) if first.dtype.kind in "mM" else grid.astype(first.dtype)
    for given, found in [*zip(inputs, places, strict=True), (present, np.arange(present.size))]:
        labels[found - low] = given
    return Union(labels, np.arange(present.size) - low, tuple(found - low for found in places))


def _places(name: str, labels: Array, origin: Any, step: int | float, noise: float) -> Integers:
    """Give how many steps labels are from the first one."""
    numbers = _number(labels)
    if numbers.dtype.kind == "i":
        places, rest = np.divmod(numbers - origin, int(step))
        wrong = rest != 0
    else:
        places = np.rint((numbers - origin) / step)
        largest = float(np.abs(numbers).max()) if numbers.size else 0.0
        limit = min(abs(step) * 1e-6 + max(noise, NOISE) * largest, abs(step) / 4)
        wrong = np.abs(numbers - origin - places * step) > limit
    if wrong.any():
        label = labels[np.argmax(wrong)]
        raise CoordinateError(
            f"coordinate {name!r} has step {step}: {label} is no whole number of steps from the others"
        )
    if np.unique(places).size < places.size:
        raise CoordinateError(f"the labels of {name!r} to be written hold a label twice")
    found: Integers = places.astype(np.int64)
    return found


def _number(labels: Array) -> Array:
    numbers: Array = labels.astype(np.int64 if labels.dtype.kind in "iumM" else np.float64)
    return numbers
