"""Into which blocks is an array cut, so that each fits in memory and ends where chunks do?"""

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from math import prod

import numpy as np
import numpy.typing as npt

from cfdb.format.dimension import Slots
from cfdb.model.part import Part
from cfdb.plan.indexing import Axis, Range, Selection
from cfdb.storage.engine import ChunkedArray

Slices = tuple[slice, ...]
Integers = npt.NDArray[np.int64]

#: Times that a block is held while it is copied: as read, as stored cells, as encoded chunks, and the chunks around it.
COPIES = 4


def blocks_of(part: Part, max_mem: int) -> Iterator[Slices]:
    """Cut a part of a variable into blocks of whole chunks, in the order of its cells.

    Parameters
    ----------
    part : Part
        The part.
    max_mem : int
        Bytes that may be used while a block is copied; one chunk is taken in any case.
    """
    return blocks_of_selection(part._array, part._selected(), max_mem)


def blocks_of_selection(array: ChunkedArray, selection: Selection, max_mem: int) -> Iterator[Slices]:
    """Cut what is selected of an array, as `blocks_of` does."""
    grid = array.grid
    breaks = [
        np.zeros(1, np.int64)
        if axis is None
        else breaks_along(selection.axes[axis], grid.axes[axis], grid.chunk_shape[axis])
        for axis in selection.layout
    ]
    return cut(selection.shape, breaks, array.dtype.itemsize, max_mem // COPIES)


def breaks_along(axis: Axis, slots: Slots, length: int) -> Integers:
    """Give the positions along one axis at which another chunk begins; few, however long the axis."""
    if isinstance(axis, Range) and axis.step == 1:
        found = [np.empty(0, np.int64)]
        for first, run in slots.parts(axis.start, axis.start + axis.count):
            inner = np.arange((run.slot // length + 1) * length, run.end, length)
            found.append(np.concatenate([[run.slot], inner]) - run.slot + first - axis.start)
        return np.concatenate(found).astype(np.int64)
    chunks = slots.slots(axis.positions()) // length
    return np.concatenate([np.zeros(min(chunks.size, 1), np.int64), np.flatnonzero(np.diff(chunks)) + 1])


def cut(shape: Sequence[int], breaks: Sequence[Integers], itemsize: int, max_bytes: int) -> Iterator[Slices]:
    """Cut an array into blocks of at most so many bytes, but at least one chunk.

    Examples
    --------
    >>> [block for block in cut((4, 6), (np.array([0, 2]), np.array([0, 3])), 8, 100)]
    [(slice(0, 2, None), slice(0, 6, None)), (slice(2, 4, None), slice(0, 6, None))]
    """
    if 0 in shape:
        return
    edges = [np.append(axis, size) for axis, size in zip(breaks, shape, strict=True)]
    widths = [int(np.diff(axis).max()) for axis in edges]
    groups = [1] * len(widths)
    cells = max(1, max_bytes // max(1, itemsize))
    for axis in reversed(range(len(widths))):
        used = prod(width * number for width, number in zip(widths, groups, strict=True))
        chunks = len(edges[axis]) - 1
        groups[axis] = min(chunks, max(1, cells // used))
        if groups[axis] < chunks:
            break
    ends = [[*axis[:-1:number].tolist(), size] for axis, number, size in zip(edges, groups, shape, strict=True)]
    yield from product(*([slice(start, stop) for start, stop in pairwise(axis)] for axis in ends))
