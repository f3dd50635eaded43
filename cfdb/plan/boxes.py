"""Which boxes of which chunks make up a selection, as columns of numbers?

A box is a part of a selection that lies in one chunk and is selected with steps of one. Per axis the parts are few;
their cross product is made in portions, by NumPy and without an object per chunk.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, product
from math import prod

import numpy as np
import numpy.typing as npt

from cfdb.format.dimension import Slots
from cfdb.plan.axis import check_bounds
from cfdb.plan.indexing import Axis, Range, Selection

Integers = npt.NDArray[np.int64]

#: Most parts of a chunk along an axis whose positions were inserted in several places.
MOST_PARTS = 2
#: So many parts are cut without NumPy, which takes longer to start.
FEW = 8
#: Rows of an axis' table.
CHUNK, PLACE, COUNT, OUT = range(4)


@dataclass(frozen=True, slots=True)
class Boxes:
    """A portion of the boxes of a selection.

    Attributes
    ----------
    keys : list of str
        The chunk of every box.
    starts, counts, targets : ndarray of int64
        First cell in the chunk, number of cells, and first cell in the selection; of shape (boxes, axes).
    """

    keys: list[str]
    starts: Integers
    counts: Integers
    targets: Integers

    def __len__(self) -> int:
        return len(self.keys)

    def some(self, numbers: list[int]) -> "Boxes":
        """Give some of the boxes."""
        keys = [self.keys[number] for number in numbers]
        return Boxes(keys, self.starts[numbers], self.counts[numbers], self.targets[numbers])

    def slices(self, number: int) -> tuple[slice, ...]:
        """Tell where in the selection a box lies."""
        pairs = zip(self.targets[number].tolist(), self.counts[number].tolist(), strict=True)
        return tuple(slice(start, start + count, 1) for start, count in pairs)


@dataclass(frozen=True, slots=True)
class BoxPlan:
    """The boxes of a selection, in the order of its cells: the last axis varies fastest.

    Attributes
    ----------
    variable_id : str
        Prefix of the keys.
    axes : tuple of ndarray
        One table per axis, a column per part of the axis; rows `CHUNK`, `PLACE`, `COUNT`, `OUT`.
    full_shape : tuple of int
        Shape of the selection.
    """

    variable_id: str
    axes: tuple[Integers, ...]
    full_shape: tuple[int, ...]

    def __len__(self) -> int:
        return prod(axis.shape[1] for axis in self.axes)

    @property
    def largest(self) -> tuple[int, ...]:
        """Shape that holds every box."""
        return tuple(int(axis[COUNT].max()) for axis in self.axes)

    def keys(self, start: int = 0, stop: int | None = None) -> Iterator[str]:
        """Give the chunks of the boxes, one by one."""
        first = [f"{self.variable_id}/{chunk}" for chunk in self.axes[0][CHUNK].tolist()]
        others = [list(map(str, axis[CHUNK].tolist())) for axis in self.axes[1:]]
        if not others:
            return islice(first, start, stop)
        return map(".".join, islice(product(first, *others), start, stop))

    def slices(self, kept: Sequence[int]) -> Iterator[tuple[slice, ...]]:
        """Tell where every box lies along some axes; the others must be single parts."""
        columns = [zip(self.axes[axis][OUT].tolist(), self.axes[axis][COUNT].tolist(), strict=True) for axis in kept]
        return product(*([slice(out, out + count, 1) for out, count in column] for column in columns))

    def portions(self, step: int) -> Iterator[Boxes]:
        """Give the boxes, `step` at a time."""
        total, keys = len(self), self.keys()
        if total == 1:
            yield _boxes(list(keys), np.concatenate(self.axes, axis=1)[:, None, :])
            return
        for start in range(0, total, step):
            numbers = np.arange(start, min(start + step, total))
            yield _boxes(list(islice(keys, numbers.size)), self._columns(numbers))

    def at(self, numbers: Sequence[int]) -> Boxes:
        """Give boxes by their numbers."""
        table = self._columns(np.asarray(numbers, np.int64))
        places = (".".join(map(str, chunk)) for chunk in table[CHUNK].tolist())
        return _boxes([f"{self.variable_id}/{place}" for place in places], table)

    def _columns(self, numbers: Integers) -> Integers:
        table = np.empty((4, numbers.size, len(self.axes)), np.int64)
        parts = np.unravel_index(numbers, tuple(axis.shape[1] for axis in self.axes))
        for number, (axis, part) in enumerate(zip(self.axes, parts, strict=True)):
            table[:, :, number] = axis[:, part]
        return table

    def touched(self, chunk_shape: Sequence[int], block_shape: Sequence[int]) -> int:
        """Count the cells of the blocks that the boxes touch: what must be decoded."""
        total = 1
        for axis, length, block in zip(self.axes, chunk_shape, block_shape, strict=True):
            first = axis[PLACE] // block * block
            last = -(-(axis[PLACE] + axis[COUNT]) // block) * block
            total *= int(np.sum(np.minimum(last, length) - first))
        return total


def _boxes(keys: list[str], table: Integers) -> Boxes:
    return Boxes(keys, table[PLACE], table[COUNT], table[OUT])


def plan_boxes(
    variable_id: str, selection: Selection, axes: Sequence[Slots], chunk_shape: Sequence[int]
) -> BoxPlan | None:
    """Cut a selection into boxes.

    Returns
    -------
    BoxPlan or None
        None when that is no good: the array has no axes, or steps would make many boxes of one chunk.

    Raises
    ------
    SelectionError
        If an index is out of bounds: the dimension has shrunk since it was selected.

    Examples
    --------
    >>> from cfdb.plan.indexing import select
    >>> plan = plan_boxes("abcdefgh", select(slice(2, 8), (10,)), [Slots.of_size(10)], (4,))
    >>> list(plan.keys()), [axis.tolist() for axis in plan.axes]
    (['abcdefgh/0', 'abcdefgh/1'], [[[0, 1], [2, 0], [2, 4], [0, 2]]])
    """
    if not axes:
        return None
    tables = []
    for axis, slots, length in zip(selection.axes, axes, chunk_shape, strict=True):
        table = _table(axis, slots, length)
        if table is None:
            return None
        tables.append(table)
    return BoxPlan(variable_id, tuple(tables), selection.full_shape)


def _table(axis: Axis, slots: Slots, length: int) -> Integers | None:
    check_bounds(axis, slots)
    if not len(axis):
        return np.empty((4, 0), np.int64)
    if isinstance(axis, Range) and axis.step == 1:
        if len(slots.runs) == 1:
            return _of_run(slots.runs[0].slot + axis.start, axis.count, 0, length)
        parts = slots.parts(axis.start, axis.start + axis.count)
        table = np.concatenate(
            [_of_run(run.slot, run.length, first - axis.start, length) for first, run in parts], axis=1
        )
        return None if table.shape[1] > MOST_PARTS * np.unique(table[CHUNK]).size else table
    return _of_slots(slots.slots(axis.positions()), length)


def _of_run(slot: int, count: int, out: int, length: int) -> Integers:
    """Cut consecutive slots at chunk boundaries."""
    first, last = slot // length, (slot + count - 1) // length
    if first == last:
        return np.array(((first,), (slot - first * length,), (count,), (out,)), np.int64)
    if last - first < FEW:
        edges = [slot, *range((first + 1) * length, slot + count, length), slot + count]
        parts = [(at // length, at % length, end - at, at - slot + out) for at, end in pairwise(edges)]
        return np.array(parts, np.int64).T
    chunks = np.arange(first, last + 1, dtype=np.int64)
    begins = chunks * length
    ends = begins + length
    ends[-1] = slot + count
    starts = begins.copy()
    starts[0] = slot
    return np.stack((chunks, starts - begins, ends - starts, starts - (slot - out)))


def _of_slots(found: Integers, length: int) -> Integers | None:
    """Cut slots in any order where the chunk changes or they do not follow each other; None when that is too often."""
    chunks = found // length
    changes = np.empty(found.size, np.bool_)
    changes[0] = True
    changes[1:] = np.diff(found) != 1
    changes[1:] |= np.diff(chunks) != 0
    outs = np.flatnonzero(changes)
    if outs.size > np.unique(chunks).size:
        return None
    counts = np.diff(outs, append=found.size)
    return np.stack((chunks[outs], found[outs] - chunks[outs] * length, counts, outs))
