"""What must be decoded so that a selection can be read?

The answer follows from the same plans that reading obeys: boxes of chunks, decoded block by block, where a selection
has steps of one; chunk by chunk otherwise. No chunk is looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.format.codecs.auto import bounds
from cfdb.plan.axis import AxisPlan
from cfdb.plan.boxes import COUNT, PLACE, plan_boxes
from cfdb.plan.chunks import ChunkGrid
from cfdb.plan.indexing import Range, Selection

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Touched:
    """Parts of chunks that a selection needs.

    Attributes
    ----------
    keys : list of str
        Their chunks; one that is visited several times stands there as often.
    decoded : ndarray of int64
        Cells of each that are decoded.
    used : ndarray of int64
        Cells of each that are selected.
    """

    keys: list[str]
    decoded: Integers
    used: Integers


def find_touched(grid: ChunkGrid, selection: Selection, block_shape: Sequence[int]) -> Touched:
    """Tell what reading a selection decodes.

    Parameters
    ----------
    grid : ChunkGrid
        The array.
    selection : Selection
        What is read.
    block_shape : sequence of int
        Shape of the parts of a chunk that are decoded apart from each other.

    Examples
    --------
    >>> from cfdb.format.dimension import Slots
    >>> from cfdb.plan.indexing import select
    >>> grid = ChunkGrid("abcdefgh", (8,), (Slots.of_size(20),))
    >>> found = find_touched(grid, select(slice(6, 9), (20,)), (4,))
    >>> found.keys, found.decoded.tolist(), found.used.tolist()
    (['abcdefgh/0', 'abcdefgh/1'], [4, 4], [2, 1])
    """
    lengths = list(zip(grid.chunk_shape, block_shape, strict=True))
    boxes = plan_boxes(grid.variable_id, selection, grid.axes, grid.chunk_shape)
    if boxes is not None:
        decoded = [
            _around(axis[PLACE], axis[PLACE] + axis[COUNT], *pair)
            for axis, pair in zip(boxes.axes, lengths, strict=True)
        ]
        return Touched(list(boxes.keys()), _crossed(decoded), _crossed([axis[COUNT] for axis in boxes.axes]))
    plan = grid.plan(selection)
    used = _crossed([np.array(axis.counts(c), np.int64) for axis, (c, _) in zip(plan.axes, lengths, strict=True)])
    decoded = [_of_axis(axis, *pair) for axis, pair in zip(plan.axes, lengths, strict=True)]
    # a chunk whose cells do not go to a slice of the result is decoded as a whole
    scattered = [np.array([isinstance(o, np.ndarray) for o in axis.outer], np.bool_) for axis in plan.axes]
    whole = reduce(np.logical_or.outer, scattered, np.zeros((), np.bool_)).ravel()
    cells = np.int64(np.prod(grid.chunk_shape, dtype=np.int64))
    return Touched(plan.keys(), np.where(whole, cells, _crossed(decoded)), used)


def bounding(selection: Selection) -> Selection:
    """Give the smallest selection without steps and lists that holds another.

    Examples
    --------
    >>> from cfdb.plan.indexing import select
    >>> bounding(select([9, 2, 5], (20,))).axes
    (Range(start=2, count=8, step=1),)
    """
    from_to = []
    for axis in selection.axes:
        positions = axis.positions()
        low, high = (int(positions.min()), int(positions.max()) + 1) if positions.size else (0, 0)
        from_to.append((low, high))
    axes = tuple(Range(low, high - low) for low, high in from_to)
    return Selection(axes, tuple(range(len(axes))), tuple(len(axis) for axis in axes))


def _around(first: Integers, stop: Integers, length: int, block: int) -> Integers:
    """Count the cells of the blocks that hold the places `first` up to, not including, `stop` of a chunk."""
    found: Integers = np.minimum(-(-stop // block) * block, length) - first // block * block
    return np.where(stop > first, found, 0)


def _of_axis(axis: AxisPlan, length: int, block: int) -> Integers:
    """Count the cells of the blocks around what is selected of every chunk along one axis."""
    places = [_ends(part, length) for part in axis.inner]
    table = np.array(places, np.int64).reshape(-1, 2)
    return _around(table[:, 0], table[:, 1], length, block)


def _ends(part: Any, length: int) -> tuple[int, int]:
    starts, counts, _ = bounds((part,), (length,))
    return starts[0], starts[0] + counts[0]


def _crossed(columns: Sequence[Integers]) -> Integers:
    """Multiply the numbers of the parts along every axis, in the order of the keys."""
    product: Integers = reduce(np.multiply.outer, columns, np.ones((), np.int64))
    return np.asarray(product).ravel()
