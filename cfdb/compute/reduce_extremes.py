"""How are the smallest and largest values, their places, and truth gathered block by block?"""

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce_blocks import positions_of
from cfdb.compute.reduce_values import Array, Block, Mask, State

Which = Literal["min", "max"]


def _worst(which: Which, dtype: np.dtype[Any]) -> Any:
    """Give the value that every other beats."""
    sign = 1 if which == "min" else -1
    if dtype.kind == "c":
        return dtype.type(complex(sign * np.inf, sign * np.inf))
    if dtype.kind == "f":
        return dtype.type(sign * np.inf)
    if dtype.kind == "b":
        return np.bool_(which == "min")
    info = np.iinfo(dtype)
    return dtype.type(info.max if which == "min" else info.min)


@dataclass(frozen=True, slots=True)
class Extreme:
    """Smallest or largest number.

    Attributes
    ----------
    which : {'min', 'max'}
        Which of them.
    dtype : numpy.dtype
        Type of the values; int64 for times.
    """

    which: Which
    dtype: np.dtype[Any]

    work_bytes = 2

    @property
    def state_bytes(self) -> int:
        """Bytes gathered for one value of the result."""
        return 8 + self.dtype.itemsize

    @property
    def _ufunc(self) -> np.ufunc:
        return np.minimum if self.which == "min" else np.maximum

    def empty(self, shape: tuple[int, ...]) -> State:
        """Nothing gathered: the extreme, and a count."""
        return np.full(shape, _worst(self.which, self.dtype), self.dtype), np.zeros(shape, np.int64)

    def partial(self, block: Block) -> State:
        """Find the extreme of a block."""
        start = _worst(self.which, self.dtype)
        found = self._ufunc.reduce(block.values, axis=block.axes, keepdims=True, initial=start, where=block.where)
        return found, block.counts()

    def merge(self, before: State, added: State) -> State:
        """Keep the more extreme."""
        return self._ufunc(before[0], added[0]), before[1] + added[1]

    def finish(self, state: State) -> tuple[Array, Mask | None]:
        """Give the extremes."""
        return state[0], state[1] == 0


@dataclass(frozen=True, slots=True)
class TextExtreme:
    """Smallest or largest string.

    Attributes
    ----------
    which : {'min', 'max'}
        Which of them.
    """

    which: Which

    state_bytes = 100
    work_bytes = 150

    def empty(self, shape: tuple[int, ...]) -> State:
        """Nothing gathered."""
        return (np.full(shape, None, object),)

    def partial(self, block: Block) -> State:
        """Find the extreme of a block, one axis after the other."""
        found: Array = block.values
        if block.valid is not None:
            found = found.copy()
            found[~block.valid] = None
        for axis in block.axes:
            found = self._joined.reduce(found, axis=axis, keepdims=True)
        return (found,)

    @property
    def _joined(self) -> Any:
        return np.frompyfunc(_smaller if self.which == "min" else _larger, 2, 1)

    def merge(self, before: State, added: State) -> State:
        """Keep the more extreme."""
        return (self._joined(before[0], added[0]),)

    def finish(self, state: State) -> tuple[Array, Mask | None]:
        """Give the extremes."""
        return state[0], None


def _smaller(left: Any, right: Any) -> Any:
    if left is None or right is None:
        return right if left is None else left
    return min(left, right)


def _larger(left: Any, right: Any) -> Any:
    if left is None or right is None:
        return right if left is None else left
    return max(left, right)


@dataclass(frozen=True, slots=True)
class Truth:
    """Whether any, or all, values are true.

    Attributes
    ----------
    every : bool
        Whether all must be.
    """

    every: bool

    state_bytes = 1
    work_bytes = 2

    @property
    def _ufunc(self) -> np.ufunc:
        return np.logical_and if self.every else np.logical_or

    def empty(self, shape: tuple[int, ...]) -> State:
        """Nothing gathered."""
        return (np.full(shape, self.every),)

    def partial(self, block: Block) -> State:
        """Look at a block."""
        return (self._ufunc.reduce(block.values, axis=block.axes, keepdims=True, where=block.where),)

    def merge(self, before: State, added: State) -> State:
        """Join what blocks say."""
        return (self._ufunc(before[0], added[0]),)

    def finish(self, state: State) -> tuple[Array, Mask | None]:
        """Give what was found."""
        return state[0], None


#: A count that says: the place is that of a missing cell.
_MISSING = -1


@dataclass(frozen=True, slots=True)
class Place:
    """Where the smallest or largest number stands first.

    Attributes
    ----------
    which : {'min', 'max'}
        Which of them.
    dtype : numpy.dtype
        Type of the values; int64 for times.
    lengths : tuple of int
        Lengths of the reduced axes, in order: places are numbered along them, the last varying fastest.
    skipna : bool
        Whether missing cells are passed over; otherwise the first of them is the place.
    """

    which: Which
    dtype: np.dtype[Any]
    lengths: tuple[int, ...]
    skipna: bool = True

    @property
    def state_bytes(self) -> int:
        """Bytes gathered for one value of the result."""
        return 16 + self.dtype.itemsize

    @property
    def work_bytes(self) -> int:
        """Bytes taken in passing for one value of a block."""
        return 2 * self.dtype.itemsize + 3

    def empty(self, shape: tuple[int, ...]) -> State:
        """Nothing gathered: the extreme, its place, a count."""
        return np.zeros(shape, self.dtype), np.zeros(shape, np.int64), np.zeros(shape, np.int64)

    def partial(self, block: Block) -> State:
        """Find the place in a block."""
        ends = tuple(range(-len(block.axes), 0))
        values = np.moveaxis(block.values, block.axes, ends)
        kept, reduced = values.shape[: values.ndim - len(ends)], values.shape[values.ndim - len(ends) :]
        rows = values.reshape(*kept, prod(reduced))
        count = np.full(kept, rows.shape[-1], np.int64)
        if block.valid is None:
            place = self._first(rows)
        else:
            valid = np.moveaxis(block.valid, block.axes, ends).reshape(rows.shape)
            place, count = self._first_valid(rows, valid)
        value = np.take_along_axis(rows, place[..., None], -1)[..., 0]
        shape = [1 if axis in block.axes else length for axis, length in enumerate(block.values.shape)]
        found = self._global(block, place, reduced)
        return value.reshape(shape), found.reshape(shape), count.reshape(shape)

    def _first(self, rows: Array) -> npt.NDArray[np.int64]:
        found: npt.NDArray[np.int64] = rows.argmin(-1) if self.which == "min" else rows.argmax(-1)
        return found

    def _first_valid(self, rows: Array, valid: Mask) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        count = valid.sum(-1, dtype=np.int64)
        place = self._first(np.where(valid, rows, _worst(self.which, self.dtype)))
        # where every value is as bad as what stands for missing ones, the first valid one is it
        taken = np.take_along_axis(valid, place[..., None], -1)[..., 0]
        place = np.where(taken, place, valid.argmax(-1))
        if self.skipna:
            return place, count
        incomplete = ~valid.all(-1)
        return np.where(incomplete, valid.argmin(-1), place), np.where(incomplete, _MISSING, count)

    def _global(self, block: Block, place: Array, reduced: tuple[int, ...]) -> npt.NDArray[np.int64]:
        """Turn places in a block into places along the reduced axes of the array."""
        inner = np.unravel_index(place, reduced)
        outer = [positions_of(block.box[axis])[found] for axis, found in zip(block.axes, inner, strict=True)]
        return np.ravel_multi_index(outer, self.lengths).astype(np.int64)

    def merge(self, before: State, added: State) -> State:
        """Keep the more extreme; of equal ones the first."""
        beats = np.less if self.which == "min" else np.greater
        better = beats(added[0], before[0]) | ((added[0] == before[0]) & (added[1] < before[1]))
        lost_before, lost_added = before[2] == _MISSING, added[2] == _MISSING
        better = np.where(lost_added & lost_before, added[1] < before[1], np.where(lost_added, True, better))
        better &= (lost_added | ~lost_before) & (added[2] != 0)
        better |= (before[2] == 0) & (added[2] != 0)
        count = np.where(lost_before | lost_added, _MISSING, before[2] + added[2])
        return np.where(better, added[0], before[0]), np.where(better, added[1], before[1]), count

    def finish(self, state: State) -> tuple[Array, Mask | None]:
        """Give the places.

        Raises
        ------
        ValueError
            If there is nothing but missing cells somewhere.
        """
        if bool((state[2] == 0).any()):
            raise ValueError("there is no place of an extreme where all cells are missing: select others, or .count()")
        return state[1], None
