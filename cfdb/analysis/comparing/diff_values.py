"""How do the values of a variable differ between two versions of a dataset?

Cells are matched by where they are stored: a cell that others were inserted before is still itself. Chunks are compared
one after the other, so that memory holds a few of them, however many differ.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.comparing.difference import EDGES, Index, ValueDifference, VariableDifference
from cfdb.format.names import chunk_key
from cfdb.model.records import Member

#: Bytes of decoded chunks that are fetched together.
TOGETHER = 16 << 20
#: Cells that are compared at once, where chunks are larger.
MOST_CELLS = 1 << 20

Positions = npt.NDArray[np.int64]
Block = tuple[Positions, ...]


def compare_values(old: Any, new: Any, was: Member, now: Member, found: VariableDifference) -> ValueDifference:
    """Compare the values of chunks that differ.

    Parameters
    ----------
    old, new : Dataset
        Both versions, open.
    was, now : Member
        The variable in both.
    found : VariableDifference
        Which chunks differ.
    """
    sums = _Sums(seconds=_seconds(now))
    if len(was.dims) != len(now.dims):
        return sums.result()
    matched = [Matched.of(*pair) for pair in zip(was.dims, now.dims, strict=True)]
    alike = was.record.chunk_shape == now.record.chunk_shape and all(one.by_slot for one in matched)
    indexes = sorted((*found.added, *found.changed, *found.deleted)) if alike else _all_chunks(now)
    variables = old[was.path], new[now.path]
    for some in _batches(indexes, now):
        if alike:
            for dataset, member in ((old, was), (new, now)):
                dataset._structure.store.prefetch([chunk_key(member.id, index) for index in some])
        for index in some:
            block = [
                one.of_chunk(n, length) for one, n, length in zip(matched, index, now.record.chunk_shape, strict=True)
            ]
            sums.count_cells(block)
            for part in _parts(block):
                before = variables[0][tuple(_selector(one.old) for one in part)]
                after = variables[1][tuple(_selector(one.new) for one in part)]
                sums.add(np.ma.asanyarray(before.values), np.ma.asanyarray(after.values))
    return sums.result()


def _batches(indexes: Sequence[Index], member: Member) -> Iterator[list[Index]]:
    size = max(1, prod(member.record.chunk_shape) * max(1, np.dtype(member.record.dtype).itemsize))
    rest = iter(indexes)
    while some := list(islice(rest, max(1, TOGETHER // size))):
        yield some


def _all_chunks(member: Member) -> list[Index]:
    """Numbers of all chunks that hold positions, where those of both versions do not mean the same."""
    axes = []
    for dim, length in zip(member.dims, member.record.chunk_shape, strict=True):
        slots = dim.slots.slots(range(dim.size))
        axes.append(np.unique(slots // length).tolist())
    return list(product(*axes))


def _seconds(member: Member) -> bool:
    return np.dtype(member.record.dtype).kind in "mM"


@dataclass(frozen=True, slots=True)
class Shared:
    """Positions along a dimension that both versions have, in the old and the new one, and how many only one has."""

    old: Positions
    new: Positions
    removed: int = 0
    added: int = 0


@dataclass(frozen=True, slots=True)
class Matched:
    """A dimension in both versions.

    Attributes
    ----------
    old, new : Slots
        Positions and where they are stored.
    by_slot : bool
        Whether cells are known by where they are stored; otherwise, after everything was moved, by their positions.
    """

    old: Any
    new: Any
    by_slot: bool

    @classmethod
    def of(cls, old: Any, new: Any) -> "Matched":
        """Match the positions of a dimension in two versions."""
        moved = old.slots.size == new.slots.size and old.slots.main.high <= min(
            (run.slot for run in new.slots.runs), default=0
        )
        return cls(old.slots, new.slots, old.id == new.id and not (moved and old.slots.size > 0))

    def of_chunk(self, number: int, length: int) -> Shared:
        """Give the positions in a chunk."""
        slots = np.arange(number * length, (number + 1) * length)
        new = self.new.indexes(slots)
        if not self.by_slot:
            inside = new[new >= 0]
            both = inside[inside < self.old.size]
            return Shared(both, both, 0, len(inside) - len(both))
        old = self.old.indexes(slots)
        both = (old >= 0) & (new >= 0)
        return Shared(old[both], new[both], int((old >= 0).sum() - both.sum()), int((new >= 0).sum() - both.sum()))


def _parts(block: Sequence[Shared]) -> Iterator[list[Shared]]:
    """Divide a block along its first dimension so that a part has a bounded number of cells."""
    if any(not len(one.new) for one in block):
        return
    if not block:
        yield []
        return
    rest = prod(len(one.new) for one in block[1:])
    step = max(1, MOST_CELLS // rest)
    first = block[0]
    for start in range(0, len(first.new), step):
        yield [Shared(first.old[start : start + step], first.new[start : start + step]), *block[1:]]


def _selector(positions: Positions) -> Any:
    """A slice where positions follow each other, else a list."""
    first, last = int(positions[0]), int(positions[-1])
    if last - first + 1 == len(positions) and bool((np.diff(positions) == 1).all()):
        return slice(first, last + 1)
    return positions.tolist()


@dataclass(slots=True)
class _Sums:
    """What is known after some blocks."""

    seconds: bool
    cells: int = 0
    changed: int = 0
    appeared: int = 0
    disappeared: int = 0
    added: int = 0
    removed: int = 0
    compared: int = 0
    largest: float = 0.0
    total: float = 0.0
    histogram: Any = field(default_factory=lambda: np.zeros(len(EDGES) + 1, np.int64))

    def count_cells(self, block: Sequence[Shared]) -> None:
        both = prod(len(one.new) for one in block)
        self.removed += prod(len(one.old) + one.removed for one in block) - both
        self.added += prod(len(one.new) + one.added for one in block) - both

    def add(self, old: Any, new: Any) -> None:
        """Compare two arrays of the same shape."""
        self.cells += int(np.size(new))
        missing = missing_cells(old), missing_cells(new)
        differs = changed_cells(old, new, *missing)
        self.changed += int(differs.sum())
        self.appeared += int((missing[0] & ~missing[1]).sum())
        self.disappeared += int((missing[1] & ~missing[0]).sum())
        both = differs & ~missing[0] & ~missing[1]
        if not both.any():
            return
        distances = absolute_differences(np.ma.getdata(old)[both], np.ma.getdata(new)[both])
        if distances is None:
            return
        distances = distances[np.isfinite(distances)]
        if distances.size:
            self.compared += distances.size
            self.largest = max(self.largest, float(distances.max()))
            self.total += float(distances.sum())
            self.histogram += np.bincount(np.searchsorted(EDGES, distances, "right"), minlength=len(EDGES) + 1)

    def result(self) -> ValueDifference:
        known = self.compared > 0
        return ValueDifference(
            self.cells,
            self.changed,
            self.appeared,
            self.disappeared,
            self.added,
            self.removed,
            self.largest if known else float("nan"),
            self.total / self.compared if known else float("nan"),
            tuple(self.histogram.tolist()),
        )


def missing_cells(values: Any) -> npt.NDArray[np.bool_]:
    """Tell which cells are missing: masked, NaN, NaT or None."""
    data = np.ma.getdata(values)
    missing: npt.NDArray[np.bool_] = np.ma.getmaskarray(values).copy()
    if data.dtype.kind in "fc":
        missing |= np.isnan(data)
    elif data.dtype.kind in "mM":
        missing |= np.isnat(data)
    elif data.dtype.kind == "O":
        missing |= np.array([one is None for one in data.ravel()], np.bool_).reshape(data.shape)
    return missing


def changed_cells(old: Any, new: Any, was: npt.NDArray[np.bool_], now: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tell which cells differ; two missing ones are the same."""
    differs = np.asarray(np.ma.getdata(old) != np.ma.getdata(new), np.bool_)
    found: npt.NDArray[np.bool_] = (differs & ~(was & now)) | (was ^ now)
    return found


def absolute_differences(old: Any, new: Any) -> npt.NDArray[np.float64] | None:
    """Give absolute differences in double precision; None for what is no number. Times in seconds."""
    kind = new.dtype.kind
    if kind in "mM":
        return np.asarray(np.abs((new - old) / np.timedelta64(1, "s")), np.float64)
    if kind in "iu":
        low, high = np.minimum(old, new), np.maximum(old, new)
        wide = np.result_type(old, new)
        return np.asarray(high.astype(wide) - low.astype(wide), np.float64) if wide.kind == "u" else _signed(low, high)
    if kind in "f":
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(np.abs(new.astype(np.float64) - old.astype(np.float64)), np.float64)
    if kind == "c":
        return np.asarray(np.abs(new.astype(np.complex128) - old.astype(np.complex128)), np.float64)
    return None


def _signed(low: Any, high: Any) -> npt.NDArray[np.float64]:
    """Differences of signed integers, which wrap to what they are as unsigned ones."""
    with np.errstate(over="ignore"):
        return np.asarray(high.astype(np.int64).view(np.uint64) - low.astype(np.int64).view(np.uint64), np.float64)
