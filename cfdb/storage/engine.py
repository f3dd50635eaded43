"""What can be asked of an array whose cells lie in chunks?

`ChunkedArray` puts together the one way of reading (`reading`) and the one way of writing (`writing`), and answers what
is stored. A chunk that was never written is fill; one that was and cannot be read is an error.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cfdb.format.casting import blank_cell
from cfdb.format.codecs import CodecPipeline
from cfdb.format.dimension import Slots
from cfdb.format.dtypes import dtype as plain_dtype
from cfdb.format.names import chunk_key, parse_chunk_key
from cfdb.format.statistics import ChunkStatistics, mark_stale, unpack
from cfdb.plan.axis import count_chunks, shrunk_chunks, stored_chunks
from cfdb.plan.chunks import ChunkGrid
from cfdb.plan.indexing import Selection, select_all
from cfdb.storage.access import ChunkAccess
from cfdb.storage.protocol import ChunkStore, Stored
from cfdb.storage.raw import copy_chunks
from cfdb.storage.reading import ArrayReader, Piece
from cfdb.storage.summaries import ChunkSummary, summarise_part
from cfdb.storage.values import statistics_of
from cfdb.storage.writing import ArrayWriter

Array = npt.NDArray[Any]

#: More chunks than this are not looked up one by one.
MOST_LOOKUPS = 4096


class HasSlots(Protocol):
    """An axis whose positions may grow and shrink."""

    @property
    def slots(self) -> Slots:
        """Where the positions are stored now."""


class ChunkedArray:
    """An N-dimensional array in a chunk store; may be used from several threads.

    Parameters
    ----------
    store : ChunkStore
        Where the chunks live.
    variable_id : str
        Prefix of their keys.
    pipeline : CodecPipeline
        How they are encoded.
    axes : sequence
        The axes, which may grow and shrink while the array is in use.
    describe : callable
        Gives the variable's name, for messages.
    """

    def __init__(
        self,
        store: ChunkStore,
        variable_id: str,
        pipeline: CodecPipeline,
        axes: Sequence[HasSlots],
        describe: Callable[[], str],
    ) -> None:
        self.store = store
        self.pipeline = pipeline
        self._id = variable_id
        self._axes = tuple(axes)
        self._describe = describe
        self._access = ChunkAccess(store, pipeline, describe)
        self._reader = ArrayReader(self._access)
        self._writer = ArrayWriter(self._access)

    @property
    def grid(self) -> ChunkGrid:
        """How the array is cut into chunks now."""
        return ChunkGrid(self._id, self.pipeline.shape, tuple(axis.slots for axis in self._axes))

    @property
    def shape(self) -> tuple[int, ...]:
        """Present shape."""
        return tuple(axis.slots.size for axis in self._axes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy type of what `read` gives (CF times: their numbers)."""
        return self._access.fill.dtype

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a chunk."""
        return self.pipeline.shape

    @property
    def chunk_nbytes(self) -> int:
        """Decoded size of a chunk (a guess where cells differ in size)."""
        return self._access.chunk_nbytes

    @property
    def fill(self) -> Any:
        """What a cell that was never written reads as."""
        return self._access.fill[0]

    # reading

    def read(self, selection: Selection | None = None, out: Array | None = None) -> Array:
        """Read selected cells.

        Parameters
        ----------
        selection : Selection, optional
            What to read; None is everything.
        out : ndarray, optional
            Where it goes: of shape ``selection.full_shape``, any strides.

        Returns
        -------
        ndarray
            Of shape ``selection.full_shape``.

        Raises
        ------
        CorruptChunkError
            If a chunk was written and cannot be read.
        """
        return self._reader.read(self.grid, selection, out)

    def read_cells(self, selection: Selection) -> Array:
        """Read selected cells as they are stored: codes when packed, rounded when that is declared.

        `write` takes them back with ``encoded=True``, bit for bit.
        """
        return self._reader.read_cells(self.grid, selection)

    def read_points(self, points: Sequence[Array]) -> Array:
        """Read single cells, given by their positions along every axis."""
        return self._reader.read_points(self.grid, points)

    def iterate(
        self, selection: Selection | None = None, at_a_time: int | None = None
    ) -> Iterator[tuple[tuple[slice, ...], Array]]:
        """Read chunk by chunk, in the order of the cells, the next ones while the caller works on one.

        Parameters
        ----------
        selection : Selection, optional
            What to read; None is everything.
        at_a_time : int, optional
            How many chunks to ask the store for at a time.

        Yields
        ------
        tuple
            Slices along the axes that the selection leaves (`Selection.dims`), and the cells there.
        """
        return self._reader.iterate(self.grid, selection, at_a_time)

    def pieces(self, selection: Selection | None = None) -> Iterator[Piece]:
        """Cut a selection at chunk boundaries, in the order of its cells.

        Yields
        ------
        tuple
            Slices along the axes that the selection leaves (`Selection.dims`), and the key of the chunk.
        """
        return self._reader.pieces(self.grid, selection)

    def prefetch(self, selection: Selection) -> None:
        """Bring the chunks of a selection near; where all are, they are not counted up."""

        def keys() -> Iterator[str]:
            yield from self.grid.plan(selection).keys()

        self.store.prefetch(keys())

    def codes(self) -> "ChunkedArray":
        """Give the same array as it is stored: codes where values are packed."""
        packing = self.pipeline.dtype.packing
        if packing is None:
            return self
        dtype = self.pipeline.dtype
        blank = blank_cell(dtype, self.pipeline.fill_value)
        pipeline = replace(self.pipeline, dtype=plain_dtype(dtype.dtype_encoded), fill_value=blank)
        return ChunkedArray(self.store, self._id, pipeline, self._axes, self._describe)

    # writing

    def write(self, selection: Selection, values: Array, *, encoded: bool = False) -> None:
        """Write selected cells.

        Parameters
        ----------
        selection : Selection
            Where to.
        values : ndarray
            Of shape ``selection.full_shape``.
        encoded : bool
            Whether they are stored cells (codes) already.

        Raises
        ------
        EncodingError
            If a value cannot be held; nothing is written then.
        """
        self._writer.write(self.grid, selection, values, encoded=encoded)

    def write_points(self, points: Sequence[Array], values: Array) -> None:
        """Write single cells, given by their positions along every axis."""
        self._writer.write_points(self.grid, points, values)

    # asking

    def copy_chunks(self, target: ChunkStore, max_mem: int, report: Callable[[int], None] | None = None) -> int:
        """Copy every chunk to another store, under the same key and as it is stored; give their number."""
        return copy_chunks(self._access, sorted(self.written_keys()), target, max_mem, report)

    def written_keys(self) -> set[str]:
        """Give the keys of the chunks that were written."""
        return set(self.store.keys(f"{self._id}/"))

    def written(self) -> set[tuple[int, ...]]:
        """Give the indexes of the chunks that were written."""
        parsed = (parse_chunk_key(key) for key in self.written_keys())
        return {found[1] for found in parsed if found is not None}

    def is_written(self, key: str) -> bool:
        """Tell whether one chunk was written."""
        return self.store.has([key])[0]

    def stored(self) -> Stored:
        """Tell how much is stored, and how much of it is near."""
        return self.store.stored(f"{self._id}/")

    def statistics(self) -> dict[tuple[int, ...], ChunkStatistics]:
        """Give the statistics of every chunk that was written, over the cells that belong to the array now.

        Those that were computed over other cells (the array has grown or shrunk since) are computed anew.
        """
        grid = self.grid
        present = set(grid.indexes())
        indexes = sorted(index for index in self.written() if index in present)
        notes = self.store.notes([grid.key(index) for index in indexes])
        return {index: self._current(grid, index, note) for index, note in zip(indexes, notes, strict=True)}

    def summaries(self, selection: Selection | None = None) -> Iterator[ChunkSummary]:
        """Tell what is known of every chunk of a selection without reading it, in the order of the chunks."""
        chosen = self.everything() if selection is None else selection
        return summarise_part(self.store, self.pipeline, self.grid, chosen)

    def _current(self, grid: ChunkGrid, index: tuple[int, ...], note: bytes | None) -> ChunkStatistics:
        logical = grid.logical(index)
        found = unpack(note) if note else None
        count = np.broadcast_to(np.False_, self.chunk_shape)[(*logical, ...)].size
        if found is not None and not found.stale and found.count == count:
            return found
        key = grid.key(index)
        cells = self._access.cells(key, self._access.payload(key))
        return statistics_of(self.pipeline, cells[(*logical, ...)])

    def forget_dropped(self, axis: int, before: Slots) -> None:
        """Clean up after positions of one axis were dropped.

        Chunks without any position left are deleted, the statistics of those that lost some are marked stale.

        Parameters
        ----------
        axis : int
            The axis, whose slots are the new ones already.
        before : Slots
            Its slots before.
        """
        lost = shrunk_chunks(before, self.grid.axes[axis], self.chunk_shape[axis])
        touched = {key: lost[chunk] for key, chunk in self._written_at(axis, lost)}
        self.store.delete([key for key, left in touched.items() if not left])
        stale = [key for key, left in touched.items() if left]
        notes = self.store.notes(stale)
        self.store.set_notes({key: mark_stale(note or b"") for key, note in zip(stale, notes, strict=True)})

    def _written_at(self, axis: int, chunks: Collection[int]) -> list[tuple[str, int]]:
        """Give keys of written chunks by their numbers along one axis: few are looked up, many found by listing all."""
        others = list(zip(self.grid.axes, self.chunk_shape, strict=True))
        del others[axis]
        if len(chunks) * prod(count_chunks(slots, length) for slots, length in others) > MOST_LOOKUPS:
            return [(chunk_key(self._id, index), index[axis]) for index in self.written() if index[axis] in chunks]
        numbers: list[Iterable[int]] = [stored_chunks(slots, length) for slots, length in others]
        numbers.insert(axis, chunks)
        keys = {chunk_key(self._id, index): index[axis] for index in product(*numbers)}
        return [pair for pair, here in zip(keys.items(), self.store.has(list(keys)), strict=True) if here]

    def everything(self) -> Selection:
        """Select every cell."""
        return select_all(self.shape)
