"""Which chunks does a selection touch along one axis, and which cells of each?"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cfdb.errors import SelectionError
from cfdb.format.dimension import Run, Slots
from cfdb.plan.indexing import Axis, Range

Integers = npt.NDArray[np.int64]
Picked = slice | Integers


@dataclass(frozen=True, slots=True)
class AxisPlan:
    """Chunks touched along one axis, in the order of their numbers.

    Attributes
    ----------
    chunks : list of int
        Chunk numbers (slot // chunk length), ascending, each once.
    inner : list of (slice or ndarray)
        Selected places within each chunk.
    outer : list of (slice or ndarray)
        Where they go in the output, place by place.
    covered : list of bool
        Whether all logical cells of the chunk are selected.
    """

    chunks: list[int]
    inner: list[Picked]
    outer: list[Picked]
    covered: list[bool]

    def __len__(self) -> int:
        return len(self.chunks)

    @property
    def is_simple(self) -> bool:
        """Whether slices alone describe it."""
        return all(isinstance(part, slice) for part in self.inner) and all(
            isinstance(part, slice) for part in self.outer
        )

    def counts(self, length: int) -> list[int]:
        """Give the number of cells selected in every chunk."""
        return [len(part) if isinstance(part, np.ndarray) else len(range(*part.indices(length))) for part in self.inner]

    def fills(self, length: int) -> list[bool]:
        """Tell of every chunk whether it is selected whole and in order."""
        whole = slice(0, length, 1)
        return [isinstance(part, slice) and part == whole for part in self.inner]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Columns: equally spaced places of one chunk each, going to consecutive places of the output."""

    chunk: Integers
    place: Integers
    out: Integers
    count: Integers

    @classmethod
    def joined(cls, parts: "list[_Pieces]") -> "_Pieces":
        if len(parts) == 1:
            return parts[0]
        empty = np.empty(0, np.int64)
        columns = [[getattr(part, name) for part in parts] or [empty] for name in ("chunk", "place", "out", "count")]
        return cls(*(np.concatenate(column) for column in columns))


def plan_axis(selection: Axis, slots: Slots, length: int) -> AxisPlan:
    """Plan one axis.

    Parameters
    ----------
    selection : Range or Positions
        Selected indexes.
    slots : Slots
        Where the indexes are stored.
    length : int
        Chunk length.

    Raises
    ------
    SelectionError
        If an index is out of bounds: the dimension has shrunk since it was selected.
    """
    check_bounds(selection, slots)
    if isinstance(selection, Range):
        return _plan_range(selection, slots, length)
    return _plan_positions(selection.values, slots, length)


def check_bounds(selection: Axis, slots: Slots) -> None:
    """Refuse indexes that the dimension does not have (any more)."""
    if not len(selection):
        return
    if isinstance(selection, Range):
        ends = (selection.start, selection.start + (selection.count - 1) * selection.step)
        low, high = min(ends), max(ends)
    else:
        low, high = int(selection.values.min()), int(selection.values.max())
    size = slots.size
    if low < 0 or high >= size:
        raise SelectionError(
            f"position {low if low < 0 else high} is out of bounds: the dimension has {size} positions now; select "
            "anew after it was changed"
        )


def logical_cells(chunk: int, slots: Slots, length: int) -> Picked:
    """Give the places of a chunk that hold a position now (a slice where they are consecutive)."""
    first = chunk * length
    if len(slots.runs) == 1:
        run = slots.runs[0]
        start, stop = max(run.slot - first, 0), min(run.end - first, length)
        return slice(start, stop, 1) if start < stop else slice(0, 0, 1)
    found = [
        (max(run.slot, first) - first, min(run.end, first + length) - first)
        for run in slots.runs
        if run.slot < first + length and run.end > first
    ]
    found.sort()
    if not found:
        return slice(0, 0, 1)
    if all(left[1] == right[0] for left, right in pairwise(found)):
        return slice(found[0][0], found[-1][1], 1)
    return np.concatenate([np.arange(start, stop, dtype=np.int64) for start, stop in found])


def stored_chunks(slots: Slots, length: int) -> Iterator[int]:
    """Give the numbers of the chunks that hold positions, ascending."""
    previous: int | None = None
    for run in sorted(slots.runs, key=lambda run: run.slot):
        first, last = run.slot // length, (run.end - 1) // length
        yield from range(first if previous is None else max(first, previous + 1), last + 1)
        previous = last if previous is None else max(last, previous)


def axis_pieces(slots: Slots, length: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut the indexes at chunk boundaries, in the order of the indexes.

    Yields
    ------
    tuple of int
        First index, number of indexes, chunk number, place of the first one in the chunk.
    """
    start = 0
    for run in slots.runs:
        slot = run.slot
        while slot < run.end:
            chunk, place = divmod(slot, length)
            count = min(length - place, run.end - slot)
            yield start, count, chunk, place
            start += count
            slot += count


def shrunk_chunks(before: Slots, after: Slots, length: int) -> dict[int, int]:
    """Give the numbers of the chunks that lost positions, and how many each of them has left.

    Examples
    --------
    >>> shrunk_chunks(Slots.of_size(10), Slots.of_size(10).drop(3, 7), 3)
    {1: 0, 2: 2}
    """
    chunks = np.fromiter(stored_chunks(before, length), np.int64)
    left = _logical_counts(chunks, after, length)
    lost = left < _logical_counts(chunks, before, length)
    return dict(zip(chunks[lost].tolist(), left[lost].tolist(), strict=True))


def count_chunks(slots: Slots, length: int) -> int:
    """Count the chunks that hold positions."""
    count, previous = 0, None
    for run in sorted(slots.runs, key=lambda run: run.slot):
        first, last = run.slot // length, (run.end - 1) // length
        count += last - first + 1 - (previous is not None and first == previous)
        previous = last
    return count


def _plan_range(selection: Range, slots: Slots, length: int) -> AxisPlan:
    if not selection.count:
        return AxisPlan([], [], [], [])
    backwards = selection.step < 0
    step = abs(selection.step)
    last = selection.start + (selection.count - 1) * selection.step
    low, high = min(selection.start, last), max(selection.start, last)
    parts = []
    for first, run in slots.parts(low, high + 1):
        piece = _cut(first, run, low, step, length)
        if piece is not None:
            parts.append(piece)
    pieces = _Pieces.joined(parts)
    if len(parts) > 1:
        order = np.argsort(pieces.chunk, kind="stable")
        pieces = _Pieces(*(column[order] for column in (pieces.chunk, pieces.place, pieces.out, pieces.count)))
    return _assemble(pieces, step, selection.count if backwards else None, slots, length)


def _cut(first: int, run: Run, low: int, step: int, length: int) -> _Pieces | None:
    """Cut the selected indexes of a run at chunk boundaries."""
    number = -((low - first) // step)
    skip = low + number * step - first
    count = (run.length - skip + step - 1) // step
    if count <= 0:
        return None
    slot = run.slot + skip
    if step >= length:
        slots = np.arange(count, dtype=np.int64) * step + slot
        numbers = np.arange(number, number + count, dtype=np.int64)
        return _Pieces(slots // length, slots % length, numbers, np.ones(count, np.int64))
    chunks = np.arange(slot // length, (slot + (count - 1) * step) // length + 1, dtype=np.int64)
    # number of the first selected index in each chunk: the first whose slot is not below the chunk's first slot
    starts = np.maximum(-((slot - chunks * length) // step), 0)
    ends = np.append(starts[1:], count)
    places = slot + starts * step - chunks * length
    return _Pieces(chunks, places, starts + number, ends - starts)


def _assemble(pieces: _Pieces, step: int, mirror: int | None, slots: Slots, length: int) -> AxisPlan:
    chunks, places = pieces.chunk.tolist(), pieces.place.tolist()
    outs, counts = pieces.out.tolist(), pieces.count.tolist()
    inner: list[Picked] = []
    outer: list[Picked] = []
    for place, out, count in zip(places, outs, counts, strict=True):
        stop = place + (count - 1) * step
        if mirror is None:
            inner.append(slice(place, stop + 1, step))
            outer.append(slice(out, out + count, 1))
        else:
            inner.append(slice(stop, place - 1 if place else None, -step))
            outer.append(slice(mirror - out - count, mirror - out, 1))
    cells = pieces.count
    if len(chunks) > 1 and not bool(np.all(pieces.chunk[1:] > pieces.chunk[:-1])):
        chunks, inner, outer, cells = _merge(chunks, inner, outer, counts)
    numbers = np.array(chunks, np.int64)
    covered = (cells == _logical_counts(numbers, slots, length)).tolist()
    return AxisPlan(chunks, inner, outer, covered)


def _merge(
    chunks: list[int], inner: list[Picked], outer: list[Picked], counts: list[int]
) -> tuple[list[int], list[Picked], list[Picked], Integers]:
    """Join pieces that lie in the same chunk (a chunk shared by several runs)."""
    groups: dict[int, list[int]] = {}
    for number, chunk in enumerate(chunks):
        groups.setdefault(chunk, []).append(number)
    merged_inner = [_concatenated([inner[number] for number in members]) for members in groups.values()]
    merged_outer = [_concatenated([outer[number] for number in members]) for members in groups.values()]
    cells = np.array([sum(counts[number] for number in members) for members in groups.values()], np.int64)
    return list(groups), merged_inner, merged_outer, cells


def _concatenated(parts: list[Picked]) -> Picked:
    if len(parts) == 1:
        return parts[0]
    return as_slice(np.concatenate([as_array(part) for part in parts]))


def as_array(part: Picked) -> Integers:
    """Give the places of a slice with known ends, or the array itself."""
    if isinstance(part, np.ndarray):
        return part
    stop = -1 if part.stop is None else part.stop
    return np.arange(part.start, stop, part.step, dtype=np.int64)


def as_slice(places: Integers) -> Picked:
    """Give a slice for equally spaced places, the array itself for others."""
    if places.size == 1:
        return slice(int(places[0]), int(places[0]) + 1, 1)
    step = int(places[1] - places[0])
    if step == 0 or not bool(np.all(places[1:] - places[:-1] == step)):
        return places
    stop = int(places[-1]) + (1 if step > 0 else -1)
    return slice(int(places[0]), None if stop < 0 else stop, step)


def _plan_positions(positions: Integers, slots: Slots, length: int) -> AxisPlan:
    if not positions.size:
        return AxisPlan([], [], [], [])
    found = slots.slots(positions)
    chunk = found // length
    place = found - chunk * length
    order: Integers | None = None
    if not bool(np.all(chunk[1:] >= chunk[:-1])):
        order = np.argsort(chunk, kind="stable")
        chunk, place, found = chunk[order], place[order], found[order]
    bounds = np.flatnonzero(np.diff(chunk, prepend=chunk[0] - 1)).tolist()
    bounds.append(len(chunk))
    inner: list[Picked] = []
    outer: list[Picked] = []
    cells = []
    for start, stop in pairwise(bounds):
        inner.append(as_slice(place[start:stop]))
        outer.append(slice(start, stop, 1) if order is None else as_slice(order[start:stop]))
        cells.append(stop - start if isinstance(inner[-1], slice) else len(np.unique(place[start:stop])))
    chunks = chunk[bounds[:-1]]
    covered = (np.array(cells, np.int64) == _logical_counts(chunks, slots, length)).tolist()
    return AxisPlan(chunks.tolist(), inner, outer, covered)


def _logical_counts(chunks: Integers, slots: Slots, length: int) -> Integers:
    """Count the positions each chunk holds."""
    first = chunks * length
    if not slots.runs:
        return np.zeros_like(chunks)
    if len(slots.runs) == 1:
        run = slots.runs[0]
        only: Integers = np.minimum(first + length, run.end) - np.maximum(first, run.slot)
        return np.maximum(only, 0)
    ordered = sorted(slots.runs, key=lambda run: run.slot)
    starts = np.array([run.slot for run in ordered], np.int64)
    lengths = np.array([run.length for run in ordered], np.int64)
    before = np.concatenate([[0], np.cumsum(lengths)])

    def below(slot: Integers) -> Integers:
        number = np.searchsorted(starts, slot, "right") - 1
        inside = np.clip(slot - starts[number], 0, lengths[number])
        return np.where(number < 0, 0, before[number] + inside)

    counts: Integers = below(first + length) - below(first)
    return counts
