"""In which boxes should an array be read, so that blocks of another shape come out one after the other?

Blocks are wanted in the order of their cells, each once; memory is limited, and a stored chunk should be decoded as few
times as that allows. The plan names one axis: along those before it one block is worked on at a time, those behind it
are read whole, and along the axis itself blocks are read in batches. Where the blocks lie side by side, what is left of
a chunk at the end of a batch is *carried* over to the next, so that no chunk along the axis is decoded twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.plan.indexing import Axis, Range

Integers = npt.NDArray[np.int64]
Picked = slice | Integers
Box = tuple[Picked, ...]

#: A box smaller than this keeps the threads that decode it from sharing the work.
LITTLE_BYTES = 2**23
#: A larger box than this is read only if it saves decoding.
ENOUGH_BYTES = 2**25


@dataclass(frozen=True, slots=True)
class AxisParts:
    """How one axis is cut: where stored chunks begin, and which positions the wanted blocks have.

    Attributes
    ----------
    size : int
        Length of the axis.
    breaks : ndarray of int
        Positions at which another chunk begins.
    members : tuple of Range or Positions
        The positions of every block along the axis.
    edges : ndarray of int, optional
        Where the blocks begin, and where the last ends; None when they do not follow each other.
    """

    size: int
    breaks: Integers
    members: tuple[Axis, ...]
    edges: Integers | None = None

    @classmethod
    def of(cls, breaks: Integers, size: int, members: Sequence[Axis]) -> "AxisParts":
        """Look at the blocks of an axis."""
        ranges = [each for each in members if isinstance(each, Range) and each.step == 1]
        follow = len(ranges) == len(members) and all(a.start + a.count == b.start for a, b in pairwise(ranges))
        if not ranges or not follow:
            return cls(size, breaks, tuple(members))
        edges = np.array([*(each.start for each in ranges), ranges[-1].start + ranges[-1].count], np.int64)
        return cls(size, breaks, tuple(members), edges)

    @classmethod
    def regular(cls, breaks: Integers, size: int, length: int) -> "AxisParts":
        """Cut an axis into pieces of one length; the last one is what is left."""
        starts = range(0, size, length)
        edges = np.append(np.arange(0, size, length), size) if size else None
        return cls(size, breaks, tuple(Range(start, min(length, size - start)) for start in starts), edges)

    def __len__(self) -> int:
        return len(self.members)

    @property
    def tiles(self) -> bool:
        """Whether the blocks follow each other without gaps."""
        return self.edges is not None

    @property
    def lengths(self) -> Integers:
        """Number of positions of every block."""
        if self.edges is not None:
            lengths: Integers = np.diff(self.edges)
            return lengths
        return np.array([len(each) for each in self.members], np.int64)

    @property
    def longest(self) -> int:
        """Most positions of a block."""
        return int(self.lengths.max(initial=0))

    @property
    def longest_chunk(self) -> int:
        """Most positions of the axis in one chunk."""
        return int(np.diff(self.breaks, append=self.size).max(initial=0))

    def cells(self, first: int, stop: int) -> int:
        """Count the positions of consecutive blocks."""
        if self.edges is not None:
            return int(self.edges[stop] - self.edges[first])
        return sum(len(each) for each in self.members[first:stop])

    def chunks(self, first: int, stop: int) -> int:
        """Count the chunks that consecutive blocks touch."""
        if self.edges is not None:
            return int(self._touched(self.edges[[first]], self.edges[[stop]])[0])
        positions = np.concatenate([each.positions() for each in self.members[first:stop]])
        return int(np.unique(np.searchsorted(self.breaks, positions, "right")).size)

    def chunks_singly(self) -> int:
        """Count the chunks that the blocks touch, each for every block that does."""
        if self.edges is not None:
            return int(self._touched(self.edges[:-1], self.edges[1:]).sum())
        return sum(self.chunks(number, number + 1) for number in range(len(self)))

    def _touched(self, begins: Integers, ends: Integers) -> Integers:
        found: Integers = np.searchsorted(self.breaks, ends) - np.searchsorted(self.breaks, begins, "right") + 1
        return found

    def span(self, first: int, stop: int) -> tuple[int, int]:
        """Give the first position of blocks that follow each other, and the one behind the last."""
        assert self.edges is not None
        return int(self.edges[first]), int(self.edges[stop])

    def cover(self, first: int, stop: int) -> tuple[Picked, list[Picked]]:
        """Give the positions of consecutive blocks together, and where each of them lies among these."""
        if self.edges is not None:
            begin, end = self.span(first, stop)
            cuts = (self.edges[first : stop + 1] - begin).tolist()
            places: list[Picked] = [slice(low, high, 1) for low, high in pairwise(cuts)]
            return slice(begin, end, 1), places
        if stop == first + 1:
            only = self.members[first]
            return _picked(only.positions()), [slice(0, len(only), 1)]
        listed = [each.positions() for each in self.members[first:stop]]
        positions = np.unique(np.concatenate(listed))
        return _picked(positions), [_picked(np.searchsorted(positions, each)) for each in listed]


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive blocks along the axis of a plan that are read together.

    Attributes
    ----------
    first, stop : int
        Numbers of the blocks.
    begin, end : int
        Positions to read for them, where chunks are carried over; what lies before `begin` is there already.
    """

    first: int
    stop: int
    begin: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class RechunkPlan:
    """How an array is read in blocks.

    Attributes
    ----------
    parts : tuple of AxisParts
        How every axis is cut.
    axis : int
        The axis along which blocks are read in batches.
    batches : tuple of Batch
        The batches.
    carries : bool
        Whether chunks are carried over from one batch to the next.
    n_reads : int
        Stored chunks that are decoded, each as often as that happens.
    nbytes : int
        Most bytes of cells held at a time: what was read, the block that is handed over and the one before.
    """

    parts: tuple[AxisParts, ...]
    axis: int
    batches: tuple[Batch, ...]
    carries: bool
    n_reads: int
    nbytes: int

    @property
    def n_writes(self) -> int:
        """Number of blocks."""
        return prod(map(len, self.parts))

    @property
    def n_boxes(self) -> int:
        """Number of boxes that are read."""
        return prod(len(each) for each in self.parts[: self.axis]) * len(self.batches)

    @property
    def read_shape(self) -> tuple[int, ...]:
        """Largest box that is read at a time."""
        before = [each.longest for each in self.parts[: self.axis]]
        behind = [each.cells(0, len(each)) for each in self.parts[self.axis + 1 :]]
        if not self.parts:
            return ()
        return (*before, max(map(self._length, self.batches), default=0), *behind)

    def _length(self, batch: Batch) -> int:
        return batch.end - batch.begin if self.carries else self.parts[self.axis].cells(batch.first, batch.stop)

    def leads(self) -> Iterator[tuple[int, ...]]:
        """Give the numbers of the blocks along the axes before the plan's."""
        return product(*(range(len(each)) for each in self.parts[: self.axis]))

    def tails(self) -> Iterator[tuple[int, ...]]:
        """Give the numbers of the blocks along the axes behind the plan's."""
        return product(*(range(len(each)) for each in self.parts[self.axis + 1 :]))

    def box(self, lead: tuple[int, ...], along: Picked) -> Box:
        """Give what is read for some blocks."""
        before = (self.parts[axis].cover(number, number + 1)[0] for axis, number in enumerate(lead))
        behind = (each.cover(0, len(each))[0] for each in self.parts[self.axis + 1 :])
        return (*before, along, *behind)

    def block(self, numbers: tuple[int, ...]) -> Box:
        """Tell where a block lies."""
        return tuple(picked_of(each.members[number]) for each, number in zip(self.parts, numbers, strict=True))


def plan_rechunk(parts: Sequence[AxisParts], itemsize: int, max_mem: int) -> RechunkPlan:
    """Plan how an array is read in blocks.

    Parameters
    ----------
    parts : sequence of AxisParts
        How every axis is cut.
    itemsize : int
        Bytes of a cell.
    max_mem : int
        Bytes of cells that may be held. Two blocks (the one handed over and the one before it, which the caller may
        still hold) and a stored chunk are always taken, also where they alone are more.

    Returns
    -------
    RechunkPlan
        The one that decodes the fewest chunks.

    Examples
    --------
    >>> daily = AxisParts.regular(np.array([0, 100]), 200, 10)
    >>> map_of = AxisParts.regular(np.arange(0, 50, 10), 50, 50)
    >>> plan = plan_rechunk([daily, map_of], 8, 100_000)
    >>> plan.n_writes, plan.n_reads
    (20, 10)
    """
    every = tuple(parts)
    if not every or not all(len(each) for each in every):
        return RechunkPlan(every, 0, (), False, int(not every), itemsize)
    block = prod(each.longest for each in every) * itemsize
    chunk = prod(each.longest_chunk for each in every) * itemsize
    most = max(max_mem, 2 * block + chunk)
    costs = _Costs(every, itemsize, 2 * block)
    found = [costs.one_by_one()]
    for limit in _limits(2 * block + ENOUGH_BYTES, most):
        for axis, along in enumerate(every):
            room = (limit - 2 * block) // costs.slab(axis)
            for batches, carries in ((_carrying(along, room), True), (_separate(along, room), False)):
                if batches:
                    found.append(costs.plan(axis, batches, carries))
    little = LITTLE_BYTES + 2 * block
    return min(found, key=lambda plan: (plan.n_reads, max(plan.nbytes, little), -plan.nbytes))


def _limits(first: int, most: int) -> Iterator[int]:
    """Give budgets to try, each double the one before."""
    while first < most:
        yield first
        first *= 2
    yield most


class _Costs:
    """Weighs ways of reading blocks against each other."""

    def __init__(self, parts: tuple[AxisParts, ...], itemsize: int, held: int) -> None:
        self._parts = parts
        self._itemsize = itemsize
        self._held = held
        self._singly = [each.chunks_singly() for each in parts]
        self._whole = [each.chunks(0, len(each)) for each in parts]

    def slab(self, axis: int) -> int:
        """Give the bytes of one position along an axis: one block before it, everything behind it."""
        before = prod(each.longest for each in self._parts[:axis])
        return before * prod(each.cells(0, len(each)) for each in self._parts[axis + 1 :]) * self._itemsize

    def one_by_one(self) -> RechunkPlan:
        """Read every block by itself, straight to where it is handed over."""
        axis = len(self._parts) - 1
        batches = tuple(Batch(number, number + 1) for number in range(len(self._parts[axis])))
        return RechunkPlan(self._parts, axis, batches, False, prod(self._singly), self._held)

    def plan(self, axis: int, batches: tuple[Batch, ...], carries: bool) -> RechunkPlan:
        """Read blocks in batches along an axis."""
        along = self._parts[axis]
        if carries:
            here = self._whole[axis]
            most = max(batch.end - along.span(batch.first, batch.stop)[0] for batch in batches)
        else:
            here = sum(along.chunks(batch.first, batch.stop) for batch in batches)
            most = max(along.cells(batch.first, batch.stop) for batch in batches)
        reads = prod(self._singly[:axis]) * here * prod(self._whole[axis + 1 :])
        return RechunkPlan(self._parts, axis, batches, carries, reads, most * self.slab(axis) + self._held)


def _carrying(along: AxisParts, room: int) -> tuple[Batch, ...]:
    """Batch blocks so that reading ends where chunks end; nothing when there is no room for that."""
    if not along.tiles:
        return ()
    low, high = along.span(0, len(along))
    stops = along.lengths.cumsum() + low
    ends = np.append(along.breaks[(along.breaks > low) & (along.breaks < high)], high)
    batches, first, begin = [], 0, low
    while first < len(along):
        start = along.span(first, first + 1)[0]
        number = int(np.searchsorted(ends, start + room, "right")) - 1
        end = int(ends[number]) if number >= 0 else begin
        stop = int(np.searchsorted(stops, end, "right"))
        if stop <= first:
            return ()
        batches.append(Batch(first, stop, begin, end))
        first, begin = stop, end
    return tuple(batches)


def _separate(along: AxisParts, room: int) -> tuple[Batch, ...]:
    """Batch blocks as far as there is room; nothing when there is none for one of them."""
    if along.longest > room:
        return ()
    stops = along.lengths.cumsum()
    batches, first = [], 0
    while first < len(along):
        before = int(stops[first - 1]) if first else 0
        stop = int(np.searchsorted(stops, before + room, "right"))
        batches.append(Batch(first, stop))
        first = stop
    return tuple(batches)


def _picked(positions: Integers) -> Picked:
    """Give a slice for positions that follow each other."""
    if not positions.size:
        return slice(0, 0, 1)
    first, last = int(positions[0]), int(positions[-1])
    follows = last - first == positions.size - 1 and bool(np.all(np.diff(positions) == 1))
    return slice(first, last + 1, 1) if follows else positions


def picked_of(axis: Axis) -> Any:
    """Give an index for the positions of a block: a slice where they follow each other."""
    if isinstance(axis, Range) and axis.step == 1:
        return slice(axis.start, axis.start + axis.count, 1)
    return axis.positions()
