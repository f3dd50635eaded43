"""Which cells does a NumPy key select?

Every spelling a user may choose (integers, slices, lists, masks, ``...``, ``None``) ends here: below, a selection is
one `Range` or `Positions` per axis. Several lists or masks select orthogonally (their cross product).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import SelectionError, ShapeError

Array = npt.NDArray[Any]
Key = Any


@dataclass(frozen=True, slots=True)
class Range:
    """Positions ``start, start + step, ...``, `count` of them; nothing and one position have step 1."""

    start: int
    count: int
    step: int = 1

    def __post_init__(self) -> None:
        if self.count < 2:
            object.__setattr__(self, "step", 1)
        if not self.count:
            object.__setattr__(self, "start", 0)

    def __len__(self) -> int:
        return self.count

    def positions(self) -> npt.NDArray[np.int64]:
        """Give the positions as an array."""
        return np.arange(self.count, dtype=np.int64) * self.step + self.start

    def take(self, inner: "Axis") -> "Axis":
        """Select from this selection."""
        if isinstance(inner, Range):
            return Range(self.start + inner.start * self.step, inner.count, self.step * inner.step)
        return Positions(self.start + inner.values * self.step)

    def to_slice(self) -> slice:
        """Give the same positions as a slice."""
        stop = self.start + self.count * self.step
        if not self.count:
            return slice(0, 0, 1)
        return slice(self.start, None if stop < 0 else stop, self.step)


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Positions in any order, repeats included."""

    values: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.values.size)

    def positions(self) -> npt.NDArray[np.int64]:
        """Give the positions as an array."""
        return self.values

    def take(self, inner: "Axis") -> "Axis":
        """Select from this selection."""
        if isinstance(inner, Range):
            return Positions(self.values[inner.to_slice()])
        return Positions(self.values[inner.values])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Positions) and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash(self.values.tobytes())


Axis = Range | Positions


@dataclass(frozen=True, slots=True)
class Selection:
    """Selected cells of an array, and the shape in which they are handed over.

    Attributes
    ----------
    axes : tuple of Range or Positions
        One per axis of the array.
    layout : tuple of (int or None)
        For every axis of the result the array's axis it comes from, None for an added one. Axes of the array that are
        not named were dropped by an integer.
    shape : tuple of int
        Shape of the result.
    """

    axes: tuple[Axis, ...]
    layout: tuple[int | None, ...]
    shape: tuple[int, ...]

    @property
    def full_shape(self) -> tuple[int, ...]:
        """Number of cells along every axis of the array; 1 where an integer dropped the axis."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def size(self) -> int:
        """Number of selected cells."""
        return prod(self.full_shape)

    @property
    def dims(self) -> tuple[int, ...]:
        """Axes of the array that are left in the result, in order."""
        return tuple(axis for axis in self.layout if axis is not None)

    def to_result(self, full: Array) -> Array:
        """Bring an array of `full_shape` into the shape of the result."""
        return full.reshape(self.shape)

    def to_full(self, values: Any) -> Array:
        """Bring values for an assignment into `full_shape`; scalars and arrays broadcast as in NumPy.

        Raises
        ------
        ShapeError
            If they do not fit.
        """
        array = values if isinstance(values, np.ndarray) else np.asarray(values)
        while array.ndim > len(self.shape) and array.shape[0] == 1:
            array = array[0]
        try:
            fitted = _broadcast(array, self.shape)
        except ValueError as error:
            raise ShapeError(f"values of shape {array.shape} do not fit the selection of shape {self.shape}") from error
        return fitted.reshape(self.full_shape)

    def take(self, key: Key) -> "Selection":
        """Select from the result of this selection, as ``array[...][key]``."""
        inner = select(key, self.shape)
        axes = list(self.axes)
        added = [len(inner.axes[place]) for place, axis in enumerate(self.layout) if axis is None]
        if any(count > 1 for count in added) or (0 in added and not axes):
            raise SelectionError("an axis added by None has one position: select it with 0 or ':'")
        for place, axis in enumerate(self.layout):
            if axis is not None:
                axes[axis] = axes[axis].take(inner.axes[place])
        if 0 in added:
            axes[0] = Range(0, 0)
        layout = tuple(None if place is None else self.layout[place] for place in inner.layout)
        return Selection(tuple(axes), layout, inner.shape)


def _broadcast(array: Array, shape: tuple[int, ...]) -> Array:
    if not isinstance(array, np.ma.MaskedArray):
        return np.broadcast_to(array, shape)
    mask = np.broadcast_to(np.ma.getmaskarray(array), shape)
    return np.ma.MaskedArray(np.broadcast_to(array.data, shape), mask=mask)


def select(key: Key, shape: tuple[int, ...]) -> Selection:
    """Translate a NumPy key.

    Parameters
    ----------
    key : int, slice, ``...``, None, list or array of integers or bools, or tuple of these
        As in ``array[key]``.
    shape : tuple of int
        Shape of the array.

    Returns
    -------
    Selection

    Raises
    ------
    SelectionError
        If an index is out of bounds or cannot select.

    Examples
    --------
    >>> selection = select((3, slice(None, None, -2), [0, 2]), (5, 6, 7))
    >>> selection.shape, selection.axes[1]
    ((3, 2), Range(start=5, count=3, step=-2))
    """
    axes: list[Axis] = []
    layout: list[int | None] = []
    result: list[int] = []
    for part in _expanded(key, shape):
        if part is None:
            layout.append(None)
            result.append(1)
            continue
        number = len(axes)
        axis, dropped = _axis(part, shape[number], number)
        axes.append(axis)
        if not dropped:
            layout.append(number)
            result.append(len(axis))
    return Selection(tuple(axes), tuple(layout), tuple(result))


def select_all(shape: tuple[int, ...]) -> Selection:
    """Select every cell."""
    return Selection(tuple(Range(0, size) for size in shape), tuple(range(len(shape))), shape)


def select_axes(axes: tuple["Axis | int", ...]) -> Selection:
    """Build a selection from positions found elsewhere (labels): one per axis, an int drops its axis."""
    kept = tuple(number for number, axis in enumerate(axes) if not isinstance(axis, int))
    canonical = tuple(Range(axis, 1) if isinstance(axis, int) else axis for axis in axes)
    return Selection(canonical, kept, tuple(len(canonical[number]) for number in kept))


def _expanded(key: Key, shape: tuple[int, ...]) -> Iterator[Any]:
    """Give one part per axis, and None for added ones: ``...`` and what is left out become full slices."""
    parts = key if isinstance(key, tuple) else (key,)
    used, dots = len(parts), 0
    for part in parts:
        if part is None or part is Ellipsis:
            used -= 1
            dots += part is Ellipsis
    if dots > 1:
        raise SelectionError("an index can only have a single ellipsis ('...')")
    if used > len(shape):
        raise SelectionError(f"too many indices: {used} for {len(shape)} dimensions of shape {shape}")
    rest = [slice(None)] * (len(shape) - used)
    for part in parts:
        if part is Ellipsis:
            yield from rest
        else:
            yield part
    if not dots:
        yield from rest


def _axis(part: Any, size: int, number: int) -> tuple[Axis, bool]:
    """Translate the key of one axis; the bool says whether it drops the axis."""
    if isinstance(part, slice):
        return _from_slice(part, size, number), False
    if isinstance(part, Range):
        return _checked_range(part, size, number), False
    if isinstance(part, bool | np.bool_):
        raise SelectionError(f"axis {number}: True and False do not select; give a mask of length {size}")
    if isinstance(part, int | np.integer) and not _is_time(part):
        return Range(_position(int(part), size, number), 1), True
    if isinstance(part, Positions):
        part = part.values
    if isinstance(part, list | tuple | range | np.ndarray) or hasattr(part, "__array__"):
        return _from_array(part, size, number)
    if hasattr(part, "__index__") and not _is_time(part):
        return Range(_position(part.__index__(), size, number), 1), True
    raise SelectionError(
        f"axis {number}: {part!r} of type {type(part).__name__} cannot select positions; give integers, slices, lists "
        "or masks (labels go through .loc and .sel)"
    )


def _is_time(part: Any) -> bool:
    # NumPy calls timedelta64 an integer
    return isinstance(part, np.timedelta64)


def _position(index: int, size: int, number: int) -> int:
    if not -size <= index < size:
        raise SelectionError(f"index {index} is out of bounds for axis {number} with size {size}")
    return index + size if index < 0 else index


def _from_slice(part: slice, size: int, number: int) -> Range:
    if part.start is None and part.stop is None and part.step is None:
        return Range(0, size)
    try:
        start, stop, step = part.indices(size)
    except (TypeError, ValueError) as error:
        raise SelectionError(f"axis {number}: {part!r} cannot select positions: {error}") from error
    return Range(start, len(range(start, stop, step)), step)


def _checked_range(part: Range, size: int, number: int) -> Range:
    last = part.start + (part.count - 1) * part.step
    if part.count and not (0 <= part.start < size and 0 <= last < size):
        raise SelectionError(f"{part} is out of bounds for axis {number} with size {size}")
    return part


def _from_array(part: Any, size: int, number: int) -> tuple[Axis, bool]:
    array = np.asarray(part)
    if array.ndim == 0:
        if array.dtype.kind not in "iu":
            raise SelectionError(f"axis {number}: {part!r} of type {array.dtype} cannot select positions")
        return Range(_position(int(array), size, number), 1), True
    if array.ndim > 1:
        raise SelectionError(
            f"axis {number}: an index with {array.ndim} dimensions cannot select along one axis; use .vindex for points"
        )
    if array.dtype.kind == "b":
        if array.size != size:
            raise SelectionError(f"axis {number} has size {size}; the mask has {array.size} entries")
        return Positions(np.flatnonzero(array)), False
    if not array.size:
        return Range(0, 0), False
    if array.dtype.kind not in "iu":
        raise SelectionError(f"axis {number}: an index of type {array.dtype} cannot select positions; give integers")
    low, high = int(array.min()), int(array.max())
    for index in (low, high):
        _position(index, size, number)
    positions = array.astype(np.int64)
    if low < 0:
        positions[positions < 0] += size
    return Positions(positions), False
