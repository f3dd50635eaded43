"""How are quantiles of an array found that does not fit in memory?

Blocks hold all cells of the reduced axes for a part of the result: they are sorted, and the quantiles are exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce import Reduction, block_parts, take
from cfdb.compute.reduce_blocks import Limits, boxes, cut_blocks, positions_of
from cfdb.compute.reduce_values import Mask, split
from cfdb.compute.source import Box, Source
from cfdb.errors import MemoryLimitError
from cfdb.options import get_options
from cfdb.storage.workers import iterate

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: Hyndman and Fan (1996), "Sample quantiles in statistical packages": alpha and beta of the continuous methods.
_CONTINUOUS = {
    "linear": (1.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
_DISCRETE = ("lower", "higher", "nearest", "midpoint")
METHODS = (*_CONTINUOUS, *_DISCRETE)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Which quantiles are wanted.

    Attributes
    ----------
    fractions : ndarray of float64
        Between 0 and 1.
    method : str
        One of `METHODS`, as of `numpy.quantile`.
    """

    fractions: Floats
    method: str = "linear"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method={self.method!r} of a quantile: choose one of {', '.join(METHODS)}")
        if self.fractions.ndim != 1 or not bool(((self.fractions >= 0) & (self.fractions <= 1)).all()):
            raise ValueError(f"quantiles lie between 0 and 1, not at {self.fractions.tolist()}")

    def of_rows(self, rows: Array, valid: Mask | None) -> Floats:
        """Give the quantiles of every row; NaN where a row has no values.

        Parameters
        ----------
        rows : ndarray, shape (..., N)
            Numbers; changed.
        valid : ndarray of bool or None
            Which of them count.

        Returns
        -------
        ndarray, shape (Q, ...)
        """
        count = np.full(rows.shape[:-1], rows.shape[-1], np.int64)
        if valid is not None:
            count = valid.sum(-1)
            rows[~valid] = np.nan  # sorts to the end
        rows.sort(axis=-1)
        found = np.full((self.fractions.size, *rows.shape[:-1]), np.nan)
        if rows.shape[-1]:
            for number, fraction in enumerate(self.fractions.tolist()):
                found[number] = np.where(count > 0, self._pick(rows, count, fraction), np.nan)
        return found

    def _pick(self, rows: Array, count: Array, fraction: float) -> Floats:
        low, high, share = self._ends(np.maximum(count, 1), fraction)
        left = np.take_along_axis(rows, low[..., None], -1)[..., 0].astype(np.float64)
        right = np.take_along_axis(rows, high[..., None], -1)[..., 0].astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            apart = right - left
            between = np.where(share < 0.5, left + apart * share, right - apart * (1 - share))
        return np.where((left == right) | (share == 0), left, np.where(share == 1, right, between))

    def _ends(self, count: Array, fraction: float) -> tuple[Array, Array, Floats]:
        """Give the numbers of the two values between which a quantile lies, and how far from the first."""
        if self.method in _DISCRETE:
            exact = fraction * (count - 1)
            low, high = np.floor(exact), np.ceil(exact)
            if self.method == "nearest":
                low = high = np.rint(exact)
            chosen = {"lower": (low, low), "higher": (high, high)}.get(self.method, (low, high))
            return chosen[0].astype(np.int64), chosen[1].astype(np.int64), np.full(count.shape, 0.5)
        alpha, beta = _CONTINUOUS[self.method]
        exact = np.clip(count * fraction + (alpha + fraction * (1 - alpha - beta)) - 1, 0, count - 1)
        low = np.floor(exact)
        return low.astype(np.int64), np.minimum(low + 1, count - 1).astype(np.int64), exact - low


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
        If the reduced axes do not fit in memory.
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
        if not task.groups:
            raise
        return _group_by_group(task, wanted, result)
    work = _Work(task, wanted, times, task.lookups())
    for found in iterate(boxes(cuts), work, ahead=ahead):
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
