"""How are quantiles found of more cells than fit in memory?

By counting, a few bits at a time: values are turned into unsigned integers that sort as they do; the first pass counts
their leading bits, which tells those of the value at every rank that is wanted; each further pass counts the next bits
of what is left. Two to eight passes give the values themselves, whatever their distribution.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce import Reduction, column_index
from cfdb.compute.reduce_blocks import AxisCut, Limits, Picked, cut_blocks, positions_of
from cfdb.compute.reduce_fractions import Floats, Quantiles, between
from cfdb.compute.reduce_values import Mask, split
from cfdb.compute.reduce_windows import in_order
from cfdb.compute.source import Box
from cfdb.errors import MemoryLimitError
from cfdb.options import get_options
from cfdb.storage.workers import iterate

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]

#: Bits that are counted at a time, where the counters fit.
_DIGITS = (16, 12, 8)


@dataclass(frozen=True, slots=True)
class Keys:
    """Unsigned integers that sort as the values they stand for.

    Attributes
    ----------
    dtype : numpy.dtype
        Of the values: floats, integers or bools.
    """

    dtype: np.dtype[Any]

    @property
    def unsigned(self) -> np.dtype[Any]:
        """Type of the integers."""
        return np.dtype(f"u{self.dtype.itemsize}")

    @property
    def bits(self) -> int:
        """Number of their bits."""
        return 8 * self.dtype.itemsize

    def of(self, values: Array) -> Array:
        """Give the integers of values."""
        plain: Array = np.ascontiguousarray(values, self.dtype).view(self.unsigned)
        sign = self.unsigned.type(1 << (self.bits - 1))
        if self.dtype.kind == "i":
            plain = plain ^ sign
        if self.dtype.kind == "f":
            plain = np.where(plain & sign, ~plain, plain | sign)
        return plain

    def values(self, keys: Array) -> Array:
        """Give the values of integers."""
        plain = keys.astype(self.unsigned)
        sign = self.unsigned.type(1 << (self.bits - 1))
        if self.dtype.kind == "i":
            plain = plain ^ sign
        elif self.dtype.kind == "f":
            plain = np.where(plain & sign, plain ^ sign, ~plain)
        found: Array = plain.view(self.dtype)
        return found


@dataclass(slots=True)
class _Search:
    """Ranks that are looked for in rows of values, and what is known of the values there.

    Attributes
    ----------
    row, rank, prefix : ndarray of int
        Of every rank: the row, how many values come before it among those that start like it, and how it starts.
    """

    row: Integers
    rank: Integers
    prefix: npt.NDArray[np.uint64]

    def brackets(self) -> list[tuple[int, int]]:
        """Give rows and starts that must be told apart, each once."""
        return sorted(set(zip(self.row.tolist(), self.prefix.tolist(), strict=True)))

    def narrow(self, brackets: Sequence[tuple[int, int]], counts: Integers, digit: int) -> None:
        """Take in how often the next bits occur."""
        below = np.cumsum(counts, axis=1)
        numbers = {bracket: number for number, bracket in enumerate(brackets)}
        for each in range(self.row.size):
            found = below[numbers[int(self.row[each]), int(self.prefix[each])]]
            following = int(np.searchsorted(found, self.rank[each], "right"))
            self.rank[each] -= found[following - 1] if following else 0
            self.prefix[each] = (int(self.prefix[each]) << digit) | following


@dataclass(frozen=True, slots=True)
class _Counting:
    """One pass: reads blocks and counts the next bits in them."""

    task: Reduction
    keys: Keys
    brackets: tuple[tuple[int, int], ...]
    done: int
    digit: int

    def __call__(self, box: Box) -> tuple[Integers, Integers]:
        """Give the counts of each bracket, and how many values each row has that count, and has not."""
        rows, valid = _rows(self.task, *split(self.task.source.read(box)))
        counts = np.zeros((len(self.brackets), 1 << self.digit), np.int64)
        lost = np.zeros(len(rows), np.int64) if valid is None else (~valid).sum(-1)
        shift = self.keys.unsigned.type(self.keys.bits - self.done - self.digit)
        mask = self.keys.unsigned.type((1 << self.digit) - 1)
        for number, (row, prefix) in enumerate(self.brackets):
            found = self.keys.of(rows[row] if valid is None else rows[row][valid[row]])
            if self.done:
                found = found[found >> self.keys.unsigned.type(self.keys.bits - self.done) == prefix]
            counts[number] = np.bincount(((found >> shift) & mask).astype(np.int64), minlength=1 << self.digit)
        return counts, lost


def _rows(task: Reduction, values: Array, valid: Mask | None) -> tuple[Array, Mask | None]:
    """Give one row of values per result."""
    ends = tuple(range(-len(task.axes), 0))
    kept = prod(length for axis, length in enumerate(values.shape) if axis not in task.axes)
    rows = np.moveaxis(values, task.axes, ends).reshape(kept, -1)
    return rows, None if valid is None else np.moveaxis(valid, task.axes, ends).reshape(kept, -1)


@dataclass(frozen=True, slots=True)
class _Budget:
    """How cells are cut, how many bits are counted at a time, and how many blocks are in the making."""

    cuts: tuple[AxisCut, ...]
    digit: int
    ahead: int


def _budget(task: Reduction, wanted: Quantiles, result_bytes: int) -> _Budget:
    left = task.max_mem - 3 * result_bytes
    cost = 3 * task.source.itemsize + 26
    chunk = task.source.chunk_nbytes // max(1, task.source.itemsize)
    threads = get_options().threads
    ahead = threads if left // 2 // ((threads + 2) * cost) >= chunk else 0
    ranks = 2 * wanted.fractions.size
    digit = next((bits for bits in _DIGITS if ranks * (8 << bits) * (ahead + 4) <= left // 2), 0)
    if not digit:
        raise MemoryLimitError(
            f"the quantiles of {task.source.name!r} need counters that take more than half of "
            f"max_mem={task.max_mem:,} bytes: raise max_mem, or ask for fewer quantiles at a time"
        )
    most = max(1, left // 2 // ((ahead + 2 if ahead else 1) * cost))
    rows = max(1, left // 2 // (ranks * (8 << digit) * (ahead + 4)))
    cuts = cut_blocks(task.source, task.kept, (), Limits(most, min(most, rows)))
    return _Budget(cuts, digit, ahead)


def select_quantiles(task: Reduction, wanted: Quantiles, result: Array) -> Array:
    """Find quantiles without holding the cells.

    Parameters
    ----------
    task : Reduction
        What is reduced, without groups.
    wanted : Quantiles
        What is wanted.
    result : ndarray
        Of shape ``(Q, *task.shape)``; missing wherever nothing is put.

    Returns
    -------
    ndarray
        The same.

    Raises
    ------
    MemoryLimitError
        If not even the counters fit.
    """
    budget = _budget(task, wanted, result.nbytes)
    for column in product(*(budget.cuts[axis].pieces() for axis in task.kept)):
        index = column_index(task, column)
        shape = result[(slice(None), *index)].shape
        result[(slice(None), *index)] = _column(task, wanted, budget, column, result.dtype).reshape(shape)
    return result


def _column(
    task: Reduction, wanted: Quantiles, budget: _Budget, column: Sequence[Picked], dtype: np.dtype[Any]
) -> Array:
    """Find the quantiles of some results; one row each."""
    source = task.source.dtype
    keys = Keys(np.dtype(np.int64) if source.kind in "mM" else np.dtype(np.uint8) if source.kind == "b" else source)
    number = prod(positions_of(part).size for part in column)
    rows = tuple((row, 0) for row in range(number))
    step = min(budget.digit, keys.bits)

    def count(brackets: tuple[tuple[int, int], ...], done: int, digit: int) -> tuple[Integers, Integers]:
        work = _Counting(task, keys, brackets, done, digit)
        parts = in_order(task.source, budget.cuts, dict(zip(task.kept, column, strict=True)))
        return _added(iterate(parts, work, ahead=budget.ahead))

    counts, lost = count(rows, 0, step)
    valid = counts.sum(axis=1)
    ends = [wanted.ends(np.maximum(valid, 1), fraction) for fraction in wanted.fractions.tolist()]
    ranks = np.stack([np.stack(each[:2]) for each in ends])  # quantile, end, row
    row = np.broadcast_to(np.arange(number), ranks.shape).reshape(-1)
    search = _Search(row[valid[row] > 0], ranks.reshape(-1)[valid[row] > 0], np.zeros(row.size, np.uint64))
    search.prefix = search.prefix[: search.row.size]
    search.narrow(rows, counts, step)
    done = step
    while done < keys.bits and search.row.size:
        step = min(budget.digit, keys.bits - done)
        brackets = tuple(search.brackets())
        search.narrow(brackets, count(brackets, done, step)[0], step)
        done += step
    found = np.zeros(row.size, keys.dtype)
    found[valid[row] > 0] = keys.values(search.prefix)
    missing = (valid == 0) | ((lost > 0) & (not task.skipna))
    return _interpolated(found.reshape(ranks.shape), np.stack([each[2] for each in ends]), missing, dtype)


def _added(found: Iterator[tuple[Integers, Integers]]) -> tuple[Integers, Integers]:
    counts, lost = next(found)
    for more, without in found:
        counts += more
        lost = lost + without
    return counts, lost


def _interpolated(values: Array, shares: Floats, missing: Mask, dtype: np.dtype[Any]) -> Array:
    """Give the quantiles between the values at both ends."""
    left, right = values[:, 0], values[:, 1]
    if dtype.kind == "i":  # times: far from 0, near each other
        apart = np.rint(between(np.zeros(shares.shape), (right - left).astype(np.float64), shares))
        ticks = left + apart.astype(np.int64)
        return np.where(missing, np.iinfo(np.int64).min, ticks)
    found = between(left.astype(np.float64), right.astype(np.float64), shares)
    return np.where(missing, np.nan, found)
