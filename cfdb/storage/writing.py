"""How are selected cells written?

Portions of chunks are encoded with one call and stored with one call, by several threads. Chunks whose cells are all
replaced are not read; others are changed cell by cell in their encoded form, so that untouched cells keep every bit.
Of chunks in blocks only those are encoded that get new cells; the others are copied, or are fill.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.format.names import parse_chunk_key
from cfdb.plan.chunks import ChunkGrid, ChunkPlan, ChunkProjection, plan_points
from cfdb.plan.indexing import Selection
from cfdb.storage.access import ChunkAccess
from cfdb.storage.claims import Claims
from cfdb.storage.portions import shared, sliced
from cfdb.storage.protocol import Buffer
from cfdb.storage.values import Edit, encode_edits, statistics_of
from cfdb.storage.workers import run_all

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class ArrayWriter:
    """Writes the cells of one variable; may be used from several threads.

    Attributes
    ----------
    access : ChunkAccess
        Fetches and decodes its chunks.
    """

    access: ChunkAccess
    _claims: Claims = field(default_factory=Claims)

    def write(self, grid: ChunkGrid, selection: Selection, values: Array, *, encoded: bool) -> None:
        """Write values of shape ``selection.full_shape``, or (`encoded`) stored cells."""
        plan = grid.plan(selection)
        if not len(plan):
            return
        to_cells = self.access.pipeline.to_cells
        if not encoded and not self._can_wait(values):
            values, encoded = to_cells(values), True

        def work(batch: Sequence[ChunkProjection]) -> None:
            chosen = [values[(*part.out_selection, ...)] for part in batch]  # arrays also where they have no dimension
            self._store(grid, batch, chosen if encoded else [to_cells(part) for part in chosen])

        if not plan.covers_all:
            self.access.store.prefetch(part.key for part in plan if not part.covers_chunk)
        share = shared(len(plan), self._cost(plan))
        run_all(sliced(plan, share.step), work, inline=share.inline)

    def write_points(self, grid: ChunkGrid, points: Sequence[Array], values: Array) -> None:
        """Write single cells, given by their positions along every axis."""
        cells = self.access.pipeline.to_cells(values)
        found = list(plan_points(grid, points))
        self.access.store.prefetch([key for key, _, _ in found])
        for some in sliced(found, shared(len(found), len(found) * self.access.chunk_nbytes).step):
            parts, chosen = [], []
            for key, places, numbers in some:
                parsed = parse_chunk_key(key)
                index = () if parsed is None else parsed[1]
                parts.append(ChunkProjection(index, key, places, (), (), covers_chunk=False, fills_chunk=False))
                chosen.append(cells[numbers])
            self._store(grid, parts, chosen)

    def _cost(self, plan: ChunkPlan) -> int:
        """Estimate the bytes of the blocks that get new cells."""
        access, cost = self.access, self.access.chunk_nbytes
        for axis, selected, block, length in zip(
            plan.axes, plan.full_shape, access.block_shape, plan.chunk_shape, strict=True
        ):
            reached = -(-selected // (len(axis) * block)) * block
            cost = cost * min(reached, length) // length
        return len(plan) * max(1, cost)

    def _can_wait(self, values: Array) -> bool:
        """Whether turning values into cells takes work and never fails, so that each thread may do its part of it."""
        if isinstance(values, np.ma.MaskedArray):
            return False
        target, dtype = self.access.pipeline.dtype, values.dtype
        if target.packing is not None:
            return target.kind == "f" and target.packing.fill is not None and dtype.kind in "biuf"
        return dtype == target.dtype_encoded and (target.precision is not None or target.keep_bits is not None)

    def _store(self, grid: ChunkGrid, parts: Sequence[ChunkProjection], chosen: Sequence[Array]) -> None:
        """Put cells into their chunks, and these into the store."""
        keys = [part.key for part in parts]
        with self._claims.hold(keys):
            partial = [part.key for part in parts if not part.covers_chunk]
            payloads = dict(zip(partial, self.access.payloads(partial), strict=True)) if partial else {}
            edits = [
                self._edit(grid, part, cells, payloads.get(part.key)) for part, cells in zip(parts, chosen, strict=True)
            ]
            self.access.store.set_many(encode_edits(self.access.pipeline, edits))

    def _edit(self, grid: ChunkGrid, part: ChunkProjection, cells: Array, payload: Buffer | None) -> Edit:
        """Say what becomes of one chunk: it is put together only where that is needed."""
        key, access = part.key, self.access
        if part.fills_chunk:
            return Edit(key, cells, self._note(cells))
        box = _as_box(part.chunk_selection) if access.pipeline.edits_blocks(payload) else None
        if box is not None and part.covers_chunk:
            return Edit(key, cells, self._note(cells), _start(box))
        logical = grid.logical(part.index)
        present = _as_box(logical)
        if box is not None and present is not None:
            those = access.cells_of_box(key, payload, present)
            those[tuple(_moved(here, -there.start) for here, there in zip(box, present, strict=True))] = cells
            return Edit(key, cells, self._note(those), _start(box), payload)
        full = access.cells(key, payload)
        full[part.chunk_selection] = cells
        return Edit(key, full, self._note(full[(*logical, ...)]))

    def _note(self, cells: Array) -> bytes:
        return statistics_of(self.access.pipeline, cells).pack()


def _as_box(index: tuple[Any, ...]) -> tuple[slice, ...] | None:
    """See an index as slices with steps of one, at least one cell each; None when it is something else."""
    if not index or not all(isinstance(part, slice) and part.step in (None, 1) for part in index):
        return None
    return index if all(part.start < part.stop for part in index) else None


def _start(box: tuple[slice, ...]) -> tuple[int, ...]:
    return tuple(part.start for part in box)


def _moved(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)
