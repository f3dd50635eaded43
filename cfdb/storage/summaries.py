"""What is known of the chunks of a part without reading them?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.format.codecs import CodecPipeline
from cfdb.format.statistics import ChunkStatistics, FloatSum, unpack
from cfdb.plan.axis import Picked, logical_cells
from cfdb.plan.chunks import ChunkGrid
from cfdb.plan.indexing import Selection
from cfdb.storage.protocol import ChunkStore
from cfdb.storage.values import statistics_of

Array = npt.NDArray[Any]

#: Notes looked up with one call.
BATCH = 4096


@dataclass(frozen=True, slots=True)
class ChunkSummary:
    """A chunk of a part of an array, and what is known of it.

    Attributes
    ----------
    key : str
        Where the chunk is stored.
    box : tuple of (slice or ndarray)
        Where its cells lie in the part: a slice, or positions, per dimension of the part.
    written : bool
        Whether it was ever written; if not, it is fill.
    statistics : ChunkStatistics or None
        Of all its cells that belong to the array; None when only reading can tell.
    exact : bool
        Whether these are the cells of the part: no more of them, no fewer, and none of them twice.
    """

    key: str
    box: tuple[Picked, ...]
    written: bool
    statistics: ChunkStatistics | None
    exact: bool


def summarise_part(
    store: ChunkStore, pipeline: CodecPipeline, grid: ChunkGrid, selection: Selection
) -> Iterator[ChunkSummary]:
    """Go through the chunks of a part in the order of their numbers; none of them is read.

    Parameters
    ----------
    store : ChunkStore
        Where the notes are.
    pipeline : CodecPipeline
        Says what a chunk that was never written holds.
    grid : ChunkGrid
        How the array is cut.
    selection : Selection
        The part.
    """
    plan = grid.plan(selection)
    keys = iter(plan.keys())
    axes = list(zip(plan.axes, grid.axes, grid.chunk_shape, strict=True))
    sizes = product(*([_count(logical_cells(chunk, slots, n), n) for chunk in part.chunks] for part, slots, n in axes))
    counts = product(*(part.counts(length) for part, _, length in axes))
    boxes = product(*(part.outer for part in plan.axes))
    covered = product(*(part.covered for part in plan.axes))
    rows = zip(sizes, counts, boxes, covered, strict=True)
    blank = _Blank(pipeline)
    while batch := list(islice(keys, BATCH)):
        for key, note in zip(batch, store.notes(batch), strict=True):
            cells, selected, box, whole = next(rows)
            number = prod(cells)
            where = tuple(slice(0, 1, 1) if axis is None else box[axis] for axis in selection.layout)
            known = blank.of(number) if note is None else _current(note, number)
            exact = all(whole) and prod(selected) == number
            yield ChunkSummary(key, where, note is not None, known, exact)


def _count(places: Picked, length: int) -> int:
    return len(places) if isinstance(places, np.ndarray) else len(range(*places.indices(length)))


def _current(note: bytes, number: int) -> ChunkStatistics | None:
    """Give the noted statistics if they are those of the cells that belong to the array now."""
    found = unpack(note)
    return found if found is not None and not found.stale and found.count == number else None


class _Blank:
    """Statistics of cells that were never written."""

    def __init__(self, pipeline: CodecPipeline) -> None:
        self._pipeline = pipeline
        self._one: ChunkStatistics | None = None

    def of(self, number: int) -> ChunkStatistics | None:
        """Give those of so many cells; None where only their values tell."""
        if self._one is None:
            self._one = statistics_of(self._pipeline, self._pipeline.blank_cells((1,)))
        one, total = self._one, self._one.total
        if isinstance(total, FloatSum):
            if one.valid:
                return None
        elif total is not None:
            total *= number
        return replace(one, valid=one.valid * number, missing=one.missing * number, total=total)
