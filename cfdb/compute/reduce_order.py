"""How are quantiles of an array found that does not fit in memory?

Blocks hold all cells of the reduced axes for a part of the result, and are sorted. Where these cells do not fit, the
values are found by counting (see `reduce_selection`). Both are exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce import Reduction, block_parts, take
from cfdb.compute.reduce_blocks import Limits, cut_blocks, positions_of
from cfdb.compute.reduce_fractions import Floats, Quantiles
from cfdb.compute.reduce_selection import select_quantiles
from cfdb.compute.reduce_values import Mask, split
from cfdb.compute.reduce_windows import in_order
from cfdb.compute.source import Box, Source
from cfdb.errors import MemoryLimitError
from cfdb.options import get_options
from cfdb.storage.workers import iterate

Array = npt.NDArray[Any]


def reduce_quantiles(task: Reduction, wanted: Quantiles) -> Floats | Array:
    """Find quantiles.

    Parameters
    ----------
    task : Reduction
        What is reduced.
    wanted : Quantiles
        What is wanted.

    Returns
    -------
    ndarray
        Of shape ``(Q, *task.shape)``; float64, for times int64 ticks with the smallest integer where there are none.

    Raises
    ------
    MemoryLimitError
        If not even the counters fit in memory.
    """
    times = task.source.dtype.kind in "mM"
    result = np.full((wanted.fractions.size, *task.shape), np.nan)
    if times:
        result = np.full(result.shape, np.iinfo(np.int64).min, np.int64)
    if not prod(task.source.shape) or not result.size:
        return result
    try:
        cuts, ahead = _cuts(task, result.nbytes)
    except MemoryLimitError:
        if task.groups:
            return _group_by_group(task, wanted, result)
        return select_quantiles(task, wanted, result)
    work = _Work(task, wanted, times, task.lookups())
    for found in iterate(in_order(task.source, cuts), work, ahead=ahead):
        for index, values in found:
            result[index] = values
    return result


def _cuts(task: Reduction, result_bytes: int) -> Any:
    left = task.max_mem - 2 * result_bytes
    cost = 3 * task.source.itemsize + 26
    cells = prod(task.source.shape[axis] for axis in task.axes)
    threads = get_options().threads if prod(task.source.shape) > cells else 0
    ahead = next((n for n in (threads, 1) if n and left // (cost * (n + 2)) >= cells), 0)
    most = max(1, left // (cost * (ahead + 2 if ahead else 1)))
    return cut_blocks(task.source, task.kept, task.axes, Limits(most, most)), ahead


def _group_by_group(task: Reduction, wanted: Quantiles, result: Array) -> Array:
    """Find the quantiles of one group after the other: chunks that several share are read for each."""
    axis, members = next(iter(task.groups.items()))
    others = {each: value for each, value in task.groups.items() if each != axis}
    for number, positions in enumerate(members):
        part = replace(task, source=narrowed(task.source, axis, positions), groups=others)
        result[(slice(None),) * (axis + 1) + (slice(number, number + 1),)] = reduce_quantiles(part, wanted)
    return result


def narrowed(source: Source, axis: int, positions: npt.NDArray[np.int64]) -> Source:
    """Give a part of an array: some positions along one axis."""

    def outer(box: Box) -> Box:
        return tuple(positions[positions_of(part)] if number == axis else part for number, part in enumerate(box))

    owners = source.owners[axis][positions]
    breaks = np.flatnonzero(np.diff(owners, prepend=owners[:1] - 1))
    return replace(
        source,
        shape=_with(source.shape, axis, positions.size),
        owners=_with(source.owners, axis, owners),
        breaks=_with(source.breaks, axis, breaks),
        read=lambda box: source.read(outer(box)),
        prefetch=lambda box: source.prefetch(outer(box)),
    )


def _with(parts: Sequence[Any], axis: int, part: Any) -> tuple[Any, ...]:
    return (*parts[:axis], part, *parts[axis + 1 :])


@dataclass(frozen=True, slots=True)
class _Work:
    """Reads a block and finds its quantiles, group by group."""

    task: Reduction
    wanted: Quantiles
    times: bool
    lookups: Mapping[int, npt.NDArray[np.int64]]

    def __call__(self, box: Box) -> list[tuple[Any, Array]]:
        values, valid = split(self.task.source.read(box))
        result = []
        for target, inner in block_parts(self.task, self.lookups, box):
            part = take(values, inner)
            mask = None if valid is None else take(valid, inner)
            result.append(((slice(None), *target), self._reduced(part, mask)))
        return result

    def _reduced(self, values: Array, valid: Mask | None) -> Array:
        axes, ends = self.task.axes, tuple(range(-len(self.task.axes), 0))
        shape = [1 if axis in axes else length for axis, length in enumerate(values.shape)]
        kept = [length for axis, length in enumerate(values.shape) if axis not in axes]
        rows = np.moveaxis(values, axes, ends).reshape(*kept, -1)
        mask = None if valid is None else np.moveaxis(valid, axes, ends).reshape(rows.shape)
        base = 0
        if self.times:
            base = int(rows.min(where=True if mask is None else mask, initial=np.iinfo(np.int64).max))
            rows = rows - base
        numbers = rows.astype(np.float32 if rows.dtype == np.float32 else np.float64, copy=True)
        found = self.wanted.of_rows(numbers, mask)
        if mask is not None and not self.task.skipna:
            found[:, ~mask.all(-1)] = np.nan
        if self.times:
            return _ticks(found, base).reshape(-1, *shape)
        return found.reshape(-1, *shape)


def _ticks(found: Floats, base: int) -> npt.NDArray[np.int64]:
    empty = np.isnan(found)
    ticks = np.rint(np.where(empty, 0.0, found)).astype(np.int64) + base
    return np.where(empty, np.iinfo(np.int64).min, ticks)
