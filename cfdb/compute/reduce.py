"""How is an array that does not fit in memory reduced?

It is read block by block, each by one thread; what the blocks give is joined in their order, so that the result does
not depend on the number of threads.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce_blocks import Chunked, Limits, Picked, cut_blocks, positions_of
from cfdb.compute.reduce_extremes import Place
from cfdb.compute.reduce_values import Block, Mask, Reducer, State, split, with_missing
from cfdb.compute.reduce_windows import in_order
from cfdb.compute.source import Box, Source
from cfdb.errors import MemoryLimitError
from cfdb.options import get_options
from cfdb.plan.axis import as_slice
from cfdb.storage.workers import iterate

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]
#: Positions of each group along an axis.
Members = Sequence[Integers]

#: Fewer cells than this are not worth a second thread.
_FEW = 2**17


@dataclass(frozen=True, slots=True)
class Reduction:
    """What is to be reduced, and how.

    Attributes
    ----------
    source : Source
        The array.
    axes : tuple of int
        Axes that are reduced, the grouped ones included.
    groups : mapping of int to Members
        Groups along an axis; the result has one position for each.
    max_mem : int
        Bytes it may take, the result included.
    skipna : bool
        Whether missing cells are left out; otherwise they make the result missing.
    """

    source: Source
    axes: tuple[int, ...]
    groups: Mapping[int, Members] = field(default_factory=dict)
    max_mem: int = 2**29
    skipna: bool = True

    @property
    def kept(self) -> tuple[int, ...]:
        """Axes that the result has as they are."""
        return tuple(axis for axis in range(len(self.source.shape)) if axis not in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result, with length 1 where an axis is reduced."""
        lengths = {axis: len(members) for axis, members in self.groups.items()}
        return tuple(
            lengths.get(axis, 1) if axis in self.axes else length for axis, length in enumerate(self.source.shape)
        )

    def lookups(self) -> dict[int, Integers]:
        """Give the number of the group of every position, -1 for none."""
        found = {}
        for axis, members in self.groups.items():
            numbers = np.full(self.source.shape[axis], -1, np.int64)
            for number, positions in enumerate(members):
                numbers[positions] = number
            found[axis] = numbers
        return found


@dataclass(frozen=True, slots=True)
class _Budget:
    """How a reduction may use its memory."""

    limits: Limits
    whole: bool
    ahead: int


def reduce_blocks(task: Reduction, reducer: Reducer) -> Array:
    """Reduce an array block by block.

    Parameters
    ----------
    task : Reduction
        What is reduced.
    reducer : Reducer
        What is gathered.

    Returns
    -------
    ndarray or MaskedArray
        Of shape ``task.shape``.

    Raises
    ------
    MemoryLimitError
        If the result alone takes more than allowed.
    """
    if not prod(task.source.shape) or not prod(task.shape):
        return with_missing(*reducer.finish(reducer.empty(task.shape)))
    budget = _budget(task, reducer)
    cuts = cut_blocks(task.source, task.kept, (), budget.limits)
    if budget.whole:
        return with_missing(*_gather(task, reducer, task.shape, in_order(task.source, cuts), budget))
    found: Array = np.empty(0)
    for column in product(*(cuts[axis].pieces() for axis in task.kept)):
        shape = list(task.shape)
        for axis, part in zip(task.kept, column, strict=True):
            shape[axis] = positions_of(part).size
        parts = in_order(task.source, cuts, dict(zip(task.kept, column, strict=True)))
        values = with_missing(*_gather(task, reducer, tuple(shape), parts, budget))
        found = found if found.shape == task.shape else _empty_like(values, task.shape)
        found[column_index(task, column)] = values
    return _unmasked(found)


def _budget(task: Reduction, reducer: Reducer) -> _Budget:
    results = prod(task.shape)
    left = task.max_mem - results * 9
    state = 2 * results * reducer.state_bytes
    if left <= 0:
        raise MemoryLimitError(
            f"the result of reducing {task.source.name!r} has {results:,} values, more than max_mem={task.max_mem:,} "
            "bytes hold: reduce along more dimensions, select less, or raise max_mem"
        )
    whole = state <= left // 2
    room = left - state if whole else left // 2
    groups = prod(len(members) for members in task.groups.values())
    threads = 0 if prod(task.source.shape) < _FEW else get_options().threads
    chunk, share = _chunk_cells(task)
    value = 2 * task.source.itemsize + reducer.work_bytes + 1
    cost = value + -(-reducer.state_bytes // share)
    ahead = next((n for n in (threads, 1) if n and room // (cost * (n + 2)) >= chunk), 0)
    cells = room // (cost * (ahead + 2 if ahead else 1))
    if cells < chunk:  # parts of chunks may give as many results as they have cells
        cells = max(1, room // (value + reducer.state_bytes))
    most = cells if whole else max(1, (left // 2) // (2 * reducer.state_bytes * groups))
    return _Budget(Limits(cells, min(cells, most)), whole, ahead)


def _chunk_cells(task: Reduction) -> tuple[int, int]:
    """Give the cells of a chunk, and how many of them at least go into one result."""
    lengths = [Chunked.of(task.source, axis).largest for axis in range(len(task.source.shape))]
    groups = prod(min(lengths[axis], len(members)) for axis, members in task.groups.items())
    return prod(lengths), max(1, prod(lengths[axis] for axis in task.axes) // groups)


def column_index(task: Reduction, column: Sequence[Picked]) -> Any:
    """Give where the results of a column stand."""
    parts: list[Picked] = [slice(0, length, 1) for length in task.shape]
    for axis, part in zip(task.kept, column, strict=True):
        parts[axis] = part
    return _index(parts)


def _gather(
    task: Reduction, reducer: Reducer, shape: tuple[int, ...], parts: Iterator[Box], budget: _Budget
) -> tuple[Array, Mask | None]:
    """Reduce blocks, and join what they give."""
    state = reducer.empty(shape)
    lost = np.zeros(shape, np.bool_)
    work = _Work(task, reducer, budget.whole, task.lookups())
    for found in iterate(parts, work, ahead=budget.ahead):
        for index, added, incomplete in found:
            merged = reducer.merge(tuple(array[index] for array in state), added)
            for array, part in zip(state, merged, strict=True):
                array[index] = part
            if incomplete is not None:
                lost[index] |= incomplete
    values, missing = reducer.finish(state)
    if not task.skipna and not isinstance(reducer, Place):
        missing = lost if missing is None else missing | lost
    return values, missing


@dataclass(frozen=True, slots=True)
class _Work:
    """Reads a block and reduces it, group by group."""

    task: Reduction
    reducer: Reducer
    whole: bool
    lookups: Mapping[int, Integers]

    def __call__(self, box: Box) -> list[tuple[Any, State, Mask | None]]:
        values, valid = split(self.task.source.read(box))
        result = []
        for target, inner in block_parts(self.task, self.lookups, box, self.whole):
            block = Block(
                take(values, inner), None if valid is None else take(valid, inner), self.task.axes, _inner(box, inner)
            )
            incomplete = None
            if block.valid is not None and not self.task.skipna:
                incomplete = np.asarray(~block.valid.all(axis=self.task.axes, keepdims=True))
            result.append((target, self.reducer.partial(block), incomplete))
        return result


def block_parts(
    task: Reduction, lookups: Mapping[int, Integers], box: Box, whole: bool = True
) -> Iterator[tuple[Any, list[Picked | None]]]:
    """Give for every group in a block where its results go, and which cells it has (None: all along an axis).

    Parameters
    ----------
    task : Reduction
        What is reduced.
    lookups : mapping
        Of the task.
    box : Box
        The block.
    whole : bool
        Whether the results go to their place in the whole, or to an array that holds those of the block only.
    """

    def along(axis: int, part: Picked) -> list[tuple[Picked, Picked | None]]:
        if axis in lookups:
            return list(group_parts(lookups[axis][positions_of(part)]))
        if axis in task.axes:
            return [(slice(0, 1, 1), None)]
        return [(part if whole else slice(0, positions_of(part).size, 1), None)]

    for parts in product(*(along(axis, part) for axis, part in enumerate(box))):
        yield _index([target for target, _ in parts]), [local for _, local in parts]


def group_parts(numbers: Integers) -> Iterator[tuple[slice, Picked]]:
    """Give every group that occurs, and where it does."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    for start, places in zip(starts.tolist(), np.split(order, starts[1:]), strict=True):
        number = int(ordered[start])
        if number >= 0:
            yield slice(number, number + 1, 1), as_slice(places)


def take(values: Array, inner: Sequence[Picked | None]) -> Array:
    """Take the cells of a group out of a block."""
    for axis, part in enumerate(inner):
        if part is not None:
            values = values[(slice(None),) * axis + (part,)]
    return values


def _inner(box: Box, inner: Sequence[Picked | None]) -> Box:
    return tuple(part if local is None else positions_of(part)[local] for part, local in zip(box, inner, strict=True))


def _index(parts: Sequence[Picked]) -> Any:
    """Make NumPy select rows and columns."""
    if all(isinstance(part, slice) for part in parts):
        return tuple(parts)
    return np.ix_(*(positions_of(part) for part in parts))


def _empty_like(values: Array, shape: tuple[int, ...]) -> Array:
    if values.dtype.kind in "iub":
        return np.ma.MaskedArray(np.zeros(shape, values.dtype), mask=np.zeros(shape, np.bool_))
    return np.empty(shape, values.dtype)


def _unmasked(values: Array) -> Array:
    return values.data if isinstance(values, np.ma.MaskedArray) and not np.ma.is_masked(values) else values
