"""How are selected cells written?

Portions of chunks are encoded with one call and stored with one call, by several threads. Chunks whose cells are all
replaced are not read; others are changed cell by cell in their encoded form, so that untouched cells keep every bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.format.names import parse_chunk_key
from cfdb.plan.chunks import ChunkGrid, ChunkProjection, plan_points
from cfdb.plan.indexing import Selection
from cfdb.storage.access import ChunkAccess
from cfdb.storage.claims import Claims
from cfdb.storage.portions import shared, sliced
from cfdb.storage.values import encode_chunks
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
        if not encoded and (self._are_cells(values) or not self._always_fits(values)):
            values, encoded = to_cells(values), True

        def work(batch: Sequence[ChunkProjection]) -> None:
            chosen = [values[(*part.out_selection, ...)] for part in batch]  # arrays also where they have no dimension
            self._store(grid, batch, chosen if encoded else [to_cells(part) for part in chosen])

        if not plan.covers_all:
            self.access.store.prefetch(part.key for part in plan if not part.covers_chunk)
        share = shared(len(plan), len(plan) * self.access.chunk_nbytes)
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

    def _are_cells(self, values: Array) -> bool:
        """Whether values are stored as they are: turning all of them into cells takes no copy."""
        target = self.access.pipeline.dtype
        plain = target.packing is None and target.precision is None and target.kind in "biufcmM"
        return plain and values.dtype == target.dtype_encoded and not isinstance(values, np.ma.MaskedArray)

    def _always_fits(self, values: Array) -> bool:
        """Whether values are encoded without ever failing, so that chunks need not be tried first."""
        if isinstance(values, np.ma.MaskedArray):
            return False
        target, dtype = self.access.pipeline.dtype, values.dtype
        packing = target.packing
        if packing is None:
            return dtype == target.dtype_encoded and dtype.kind in "biufcmM"
        return target.kind == "f" and packing.fill is not None and dtype.kind in "biuf"

    def _store(self, grid: ChunkGrid, parts: Sequence[ChunkProjection], chosen: Sequence[Array]) -> None:
        """Put cells into their chunks, and these into the store."""
        keys = [part.key for part in parts]
        with self._claims.hold(keys):
            partial = [part.key for part in parts if not part.covers_chunk]
            payloads = dict(zip(partial, self.access.payloads(partial), strict=True)) if partial else {}
            chunks, logical = [], []
            for part, cells in zip(parts, chosen, strict=True):
                full = cells
                if not part.fills_chunk:
                    full = self.access.cells(part.key, payloads.get(part.key))
                    full[part.chunk_selection] = cells
                chunks.append(full)
                logical.append(full if part.fills_chunk else full[(*grid.logical(part.index), ...)])
            self.access.store.set_many(encode_chunks(self.access.pipeline, keys, chunks, logical))
