"""How does an array read and write its chunks?

One read loop and one write loop serve every selection. Reading decodes each chunk straight to its destination; writing
takes chunks whose cells are all replaced without reading them, and changes the others cell by cell in their encoded
form, so that untouched cells keep every bit. A chunk that was never written is fill; one that was and cannot be read is
an error.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cfdb.errors import CorruptChunkError
from cfdb.format.casting import blank_cell
from cfdb.format.codecs import CodecPipeline
from cfdb.format.dimension import Slots
from cfdb.format.names import chunk_key, parse_chunk_key
from cfdb.format.statistics import ChunkStatistics, mark_stale, unpack
from cfdb.plan.axis import count_chunks, shrunk_chunks, stored_chunks
from cfdb.plan.chunks import ChunkGrid, ChunkPlan, ChunkProjection, plan_points
from cfdb.plan.indexing import Selection, select_all
from cfdb.storage.boxes import Box, cut
from cfdb.storage.protocol import ChunkStore
from cfdb.storage.values import encode_chunk, statistics_of
from cfdb.storage.workers import iterate, run_all

Array = npt.NDArray[Any]
Report = Callable[[int, int], None]

#: Work on less than this many bytes stays in the calling thread.
INLINE_BYTES = 2**18
#: Bytes (decoded) that one request to the store should bring.
BATCH_BYTES = 2**22
#: Bytes (decoded) asked for in advance while iterating, and at a time while loading.
WINDOW_BYTES = 2**26
#: More chunks than this are not looked up one by one.
MOST_LOOKUPS = 4096
_STRIPES = 64


class HasSlots(Protocol):
    """An axis whose positions may grow and shrink."""

    @property
    def slots(self) -> Slots:
        """Where the positions are stored now."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a variable takes up.

    Attributes
    ----------
    chunks : int
        Chunks that were written.
    nbytes : int
        Their encoded size.
    local : int
        How many of them can be read without a request.
    local_bytes : int
        Their encoded size.
    """

    chunks: int
    nbytes: int
    local: int
    local_bytes: int


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
        self._locks = tuple(threading.Lock() for _ in range(_STRIPES))
        blank = np.empty(1, pipeline.dtype.dtype_encoded)
        blank[0] = blank_cell(pipeline.dtype, pipeline.fill_value)
        self._fill = pipeline.from_cells(blank)

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
        return self._fill.dtype

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a chunk."""
        return self.pipeline.shape

    @property
    def chunk_nbytes(self) -> int:
        """Decoded size of a chunk (a guess where cells differ in size)."""
        return max(1, prod(self.pipeline.shape) * max(self.pipeline.dtype.itemsize, self.dtype.itemsize))

    @property
    def fill(self) -> Any:
        """What a cell that was never written reads as."""
        return self._fill[0]

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
        plan = self.grid.plan(selection)
        target = np.empty(plan.full_shape, self.dtype) if out is None else out
        if not len(plan):
            return target
        self.store.prefetch(plan.keys())
        batches = self._batches(plan)
        run_all(batches, lambda batch: self._read_batch(batch, target), inline=target.nbytes < INLINE_BYTES)
        return target

    def read_points(self, points: Sequence[Array]) -> Array:
        """Read single cells, given by their positions along every axis."""
        parts = list(plan_points(self.grid, points))
        target = np.empty(len(points[0]), self.dtype)
        self.store.prefetch([key for key, _, _ in parts])
        for key, places, numbers in parts:
            payload = self._payload(key)
            target[numbers] = self._fill[0] if payload is None else self._decode(key, payload)[places]
        return target

    def iterate(self, selection: Selection | None = None) -> Iterator[tuple[tuple[slice, ...], Array]]:
        """Read chunk by chunk, in the order of the cells, the next ones while the caller works on one.

        Yields
        ------
        tuple
            Slices of the selection (of shape `full_shape`), and the cells there.
        """
        boxes = list(self.boxes(selection))
        size = self.chunk_nbytes
        ahead = 0 if size < INLINE_BYTES // 8 else max(1, min(4, WINDOW_BYTES // size))
        window = max(1, WINDOW_BYTES // size)
        yield from iterate(self._prefetched(boxes, window), self._read_box, ahead=ahead)

    def boxes(self, selection: Selection | None = None) -> Iterator[Box]:
        """Cut a selection at chunk boundaries, in the order of its cells."""
        return cut(self.grid.plan(selection))

    def load(self, selection: Selection | None = None, report: Report | None = None) -> tuple[int, int]:
        """Bring the chunks of a selection near.

        Parameters
        ----------
        selection : Selection, optional
            What to load; None is everything.
        report : callable, optional
            Called with the chunks done and the chunks in all.

        Returns
        -------
        tuple of int
            Chunks that were brought, chunks that were there.
        """
        keys = self.grid.plan(selection).keys()
        wanted = [key for key, near in zip(keys, self.store.local(keys), strict=True) if not near]
        step = max(1, WINDOW_BYTES // self.chunk_nbytes)
        if report is not None:
            report(0, len(wanted))
        for start in range(0, len(wanted), step):
            self.store.prefetch(wanted[start : start + step])
            if report is not None:
                report(min(start + step, len(wanted)), len(wanted))
        return len(wanted), len(keys) - len(wanted)

    def _batches(self, plan: ChunkPlan) -> list[list[ChunkProjection]]:
        projections = list(plan)
        step = max(1, min(64, BATCH_BYTES // self.chunk_nbytes))
        return [projections[start : start + step] for start in range(0, len(projections), step)]

    def _read_batch(self, batch: list[ChunkProjection], target: Array) -> None:
        try:
            payloads = self.store.get_many([part.key for part in batch])
        except CorruptChunkError:
            payloads = [self._payload(part.key) for part in batch]  # names the chunk
        for part, payload in zip(batch, payloads, strict=True):
            if payload is None:
                target[part.out_selection] = self._fill[0]
            elif any(isinstance(index, np.ndarray) for index in part.out_selection):
                target[part.out_selection] = self._decode(part.key, payload)[part.chunk_selection]
            else:
                self._decode_into(part.key, payload, target[(*part.out_selection, ...)], part.chunk_selection)

    def _read_box(self, box: Box) -> tuple[tuple[slice, ...], Array]:
        values = np.empty(box.shape, self.dtype)
        payload = self._payload(box.key)
        if payload is None:
            values[...] = self._fill[0]
        else:
            self._decode_into(box.key, payload, values, box.places)
        return box.slices, values

    def _prefetched(self, boxes: list[Box], window: int) -> Iterator[Box]:
        for start in range(0, len(boxes), window):
            part = boxes[start : start + window]
            self.store.prefetch(list(dict.fromkeys(box.key for box in part)))
            yield from part

    def _payload(self, key: str) -> bytes | None:
        try:
            return self.store.get(key)
        except CorruptChunkError as error:
            raise self._damaged(key, error) from error

    def _decode(self, key: str, payload: bytes) -> Array:
        try:
            return self.pipeline.decode(payload)
        except CorruptChunkError as error:
            raise self._damaged(key, error) from error

    def _decode_into(self, key: str, payload: bytes, target: Array, places: tuple[Any, ...]) -> None:
        try:
            self.pipeline.decode_into(payload, target, places)
        except CorruptChunkError as error:
            raise self._damaged(key, error) from error

    def _damaged(self, key: str, error: Exception) -> CorruptChunkError:
        place = key.partition("/")[2]
        return CorruptChunkError(
            f"chunk {place} of variable {self._describe()!r} in {self.store.name} was written and cannot be read "
            f"(key {key!r}): {error}"
        )

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
        grid = self.grid
        plan = grid.plan(selection)
        if not len(plan):
            return
        if not encoded and not self._always_fits(values):
            values, encoded = self.pipeline.to_cells(values), True
        source = values

        def work(part: ChunkProjection) -> None:
            chosen = source[(*part.out_selection, ...)]  # an array also where it has no dimension
            self._write_chunk(grid, part, chosen if encoded else self.pipeline.to_cells(chosen))

        size = source.size * self.pipeline.dtype.itemsize
        parts = list(plan)
        changed = [part.key for part in parts if not part.covers_chunk]
        if changed:
            self.store.prefetch(changed)
        run_all(parts, work, inline=size < INLINE_BYTES)

    def write_points(self, points: Sequence[Array], values: Array) -> None:
        """Write single cells, given by their positions along every axis."""
        grid = self.grid
        cells = self.pipeline.to_cells(values)
        parts = list(plan_points(grid, points))
        self.store.prefetch([key for key, _, _ in parts])
        for key, places, numbers in parts:
            parsed = parse_chunk_key(key)
            index = () if parsed is None else parsed[1]
            part = ChunkProjection(index, key, places, (), (), covers_chunk=False, fills_chunk=False)
            self._write_chunk(grid, part, cells[numbers])

    def _always_fits(self, values: Array) -> bool:
        """Whether values are encoded without ever failing, so that chunks need not be tried first."""
        if isinstance(values, np.ma.MaskedArray):
            return False
        target, dtype = self.pipeline.dtype, values.dtype
        packing = target.packing
        if packing is None:
            return dtype == target.dtype_encoded and dtype.kind in "biufcmM"
        return target.kind == "f" and packing.fill is not None and dtype.kind in "biuf"

    def _write_chunk(self, grid: ChunkGrid, part: ChunkProjection, cells: Array) -> None:
        with self._locks[hash(part.key) % _STRIPES]:
            if not part.fills_chunk:
                payload = None if part.covers_chunk else self._payload(part.key)
                full = self.pipeline.blank() if payload is None else self._cells(part.key, payload)
                full[part.chunk_selection] = cells
                cells = full
            self.store.set_many([encode_chunk(self.pipeline, part.key, cells, grid.logical(part.index))])

    def _cells(self, key: str, payload: bytes) -> Array:
        try:
            return self.pipeline.decode_cells(payload)
        except CorruptChunkError as error:
            raise self._damaged(key, error) from error

    # asking

    def written(self) -> set[tuple[int, ...]]:
        """Give the indexes of the chunks that were written."""
        parsed = (parse_chunk_key(key) for key in self.store.keys(f"{self._id}/"))
        return {found[1] for found in parsed if found is not None}

    def is_written(self, key: str) -> bool:
        """Tell whether one chunk was written."""
        return self.store.has([key])[0]

    def stored(self) -> Stored:
        """Tell how much is stored, and how much of it is near."""
        keys = list(self.store.keys(f"{self._id}/"))
        sizes = [size or 0 for size in self.store.sizes(keys)]
        near = self.store.local(keys)
        return Stored(
            len(keys), sum(sizes), sum(near), sum(size for size, here in zip(sizes, near, strict=True) if here)
        )

    def statistics(self) -> dict[tuple[int, ...], ChunkStatistics]:
        """Give the statistics of every chunk that was written, over the cells that belong to the array now.

        Those that were computed over other cells (the array has grown or shrunk since) are computed anew.
        """
        grid = self.grid
        present = set(grid.indexes())
        indexes = sorted(index for index in self.written() if index in present)
        notes = self.store.notes([grid.key(index) for index in indexes])
        return {index: self._current(grid, index, note) for index, note in zip(indexes, notes, strict=True)}

    def _current(self, grid: ChunkGrid, index: tuple[int, ...], note: bytes | None) -> ChunkStatistics:
        logical = grid.logical(index)
        found = unpack(note) if note else None
        count = np.broadcast_to(np.False_, self.chunk_shape)[(*logical, ...)].size
        if found is not None and not found.stale and found.count == count:
            return found
        key = grid.key(index)
        payload = self._payload(key)
        cells = self.pipeline.blank() if payload is None else self._cells(key, payload)
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
