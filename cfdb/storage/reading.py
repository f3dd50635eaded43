"""How are selected cells read?

What is selected with steps of one is read as boxes: portions of a few MB are fetched with one call, decoded with one
call and put straight to their destination, by several threads. Other selections take the chunks one by one.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from math import prod
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from cfdb.errors import CorruptChunkError
from cfdb.options import get_options
from cfdb.plan.boxes import Boxes, BoxPlan, plan_boxes
from cfdb.plan.chunks import ChunkGrid, ChunkPlan, ChunkProjection, plan_points
from cfdb.plan.indexing import Selection, select_all
from cfdb.storage.access import ChunkAccess
from cfdb.storage.boxes import Box, cut
from cfdb.storage.portions import is_little, shared, sliced, stepwise, window
from cfdb.storage.protocol import Arrived
from cfdb.storage.workers import iterate, run_all

Array = npt.NDArray[Any]
Part = tuple[tuple[slice, ...], Array]
Piece = tuple[tuple[slice, ...], str]


@dataclass(frozen=True, slots=True)
class ArrayReader:
    """Reads the cells of one variable; may be used from several threads.

    Attributes
    ----------
    access : ChunkAccess
        Fetches and decodes its chunks.
    """

    access: ChunkAccess

    def read(self, grid: ChunkGrid, selection: Selection | None, out: Array | None) -> Array:
        """Read selected cells, of shape ``selection.full_shape``."""
        chosen = select_all(grid.shape) if selection is None else selection
        plan = plan_boxes(grid.variable_id, chosen, grid.axes, grid.chunk_shape)
        target = np.empty(chosen.full_shape, self.access.fill.dtype) if out is None else out
        if plan is None:
            self._read_projections(grid.plan(chosen), target)
        elif len(plan):
            self._read_boxes(plan, target)
        return target

    def _read_boxes(self, plan: BoxPlan, target: Array) -> None:
        arriving = self.access.store.stream(plan.keys())
        if arriving is not None and self._read_arriving(plan, arriving, target):
            return
        share = shared(len(plan), self._cost(plan))
        run_all(plan.portions(share.step), lambda boxes: self.access.read_boxes(boxes, target), inline=share.inline)

    def _read_arriving(self, plan: BoxPlan, arriving: Generator[Arrived, None, None], target: Array) -> bool:
        """Decode boxes while others are on their way; tell whether all came well."""

        def put(part: Arrived) -> None:
            numbers, payloads = part
            self.access.put_boxes(plan.at(numbers), payloads, target)

        try:
            for _ in iterate(arriving, put, ahead=2 * get_options().threads):
                pass
        except CorruptChunkError:
            return False  # what is damaged is found and named when all are read again
        finally:
            arriving.close()  # else whoever reads the same chunks waits for what this asked for
        return True

    def _cost(self, plan: BoxPlan) -> int:
        """Count the bytes that must be decoded; where nothing is to be shared, those of whole chunks."""
        number = len(plan)
        most = number * self.access.chunk_nbytes
        if number == 1 or is_little(most):
            return most
        shape = self.access.pipeline.shape
        return plan.touched(shape, self.access.block_shape) * self.access.chunk_nbytes // max(1, prod(shape))

    def _read_projections(self, plan: ChunkPlan, target: Array) -> None:
        if not len(plan):
            return
        self.access.store.prefetch(plan.keys())
        projections = list(plan)
        share = shared(len(projections), len(projections) * self.access.chunk_nbytes)
        run_all(sliced(projections, share.step), lambda batch: self._read_batch(batch, target), inline=share.inline)

    def _read_batch(self, batch: Sequence[ChunkProjection], target: Array) -> None:
        payloads = self.access.payloads([part.key for part in batch])
        for part, payload in zip(batch, payloads, strict=True):
            if payload is None:
                target[part.out_selection] = self.access.fill[0]
            elif any(isinstance(index, np.ndarray) for index in part.out_selection):
                target[part.out_selection] = self.access.decode(part.key, payload)[part.chunk_selection]
            else:
                where = target[(*part.out_selection, ...)]
                self.access.decode_into(part.key, payload, where, part.chunk_selection)

    def read_cells(self, grid: ChunkGrid, selection: Selection) -> Array:
        """Read selected cells as they are stored (codes when packed), of shape ``selection.full_shape``."""
        pipeline = self.access.pipeline
        target = np.empty(selection.full_shape, pipeline.dtype.dtype_encoded)
        blank = pipeline.blank_cells(())[()]

        def work(batch: Sequence[ChunkProjection]) -> None:
            payloads = self.access.payloads([part.key for part in batch])
            for part, payload in zip(batch, payloads, strict=True):
                if payload is None:
                    target[part.out_selection] = blank
                else:
                    target[part.out_selection] = self.access.cells(part.key, payload)[part.chunk_selection]

        projections = list(grid.plan(selection))
        self.access.store.prefetch(part.key for part in projections)
        share = shared(len(projections), len(projections) * self.access.chunk_nbytes)
        run_all(sliced(projections, share.step), work, inline=share.inline)
        return target

    # single cells

    def read_points(self, grid: ChunkGrid, points: Sequence[Array]) -> Array:
        """Read single cells, given by their positions along every axis."""
        parts = list(plan_points(grid, points))
        target = np.empty(len(points[0]), self.access.fill.dtype)
        self.access.store.prefetch([key for key, _, _ in parts])
        share = shared(len(parts), len(parts) * self.access.chunk_nbytes)
        run_all(sliced(parts, share.step), lambda batch: self._read_cells(batch, target), inline=share.inline)
        return target

    def _read_cells(self, batch: Sequence[tuple[str, Any, Any]], target: Array) -> None:
        payloads = self.access.payloads([key for key, _, _ in batch])
        for (key, places, numbers), payload in zip(batch, payloads, strict=True):
            if payload is None:
                target[numbers] = self.access.fill[0]
            else:
                target[numbers] = self._cells_of(key, payload, places)

    def _cells_of(self, key: str, payload: Any, places: tuple[Array, ...]) -> Array:
        """Decode the smallest box of a chunk that holds some of its cells, and take them.

        Cells of varying length are built one by one: no others.
        """
        if self.access.pipeline.dtype.is_variable_length:
            taken = np.empty(len(places[0]), self.access.fill.dtype)
            self.access.decode_into(key, payload, taken, places)
            return taken
        low = np.array([axis.min() for axis in places], np.int64)
        shape = np.array([axis.max() for axis in places], np.int64) + 1 - low
        around = np.empty(shape, self.access.fill.dtype)
        self.access.decode_boxes(Boxes([key], low[None], shape[None], np.zeros_like(low)[None]), [payload], around)
        found: Array = around[tuple(axis - start for axis, start in zip(places, low, strict=True))]
        return found

    # chunk by chunk

    def pieces(self, grid: ChunkGrid, selection: Selection | None) -> Iterator[Piece]:
        """Cut a selection at chunk boundaries, in the order of its cells."""
        chosen = select_all(grid.shape) if selection is None else selection
        plan = plan_boxes(grid.variable_id, chosen, grid.axes, grid.chunk_shape)
        if plan is not None:
            return zip(plan.slices(chosen.dims), plan.keys(), strict=True)
        return ((tuple(box.slices[axis] for axis in chosen.dims), box.key) for box in cut(grid.plan(chosen)))

    def iterate(self, grid: ChunkGrid, selection: Selection | None, at_a_time: int | None = None) -> Iterator[Part]:
        """Read chunk by chunk, in the order of the cells, the next ones while the caller works on one.

        Slices and cells are those of the axes that the selection leaves; the store is asked for so many chunks at a
        time, one time ahead.
        """
        chosen = select_all(grid.shape) if selection is None else selection
        plan = plan_boxes(grid.variable_id, chosen, grid.axes, grid.chunk_shape)
        if plan is None:
            return self._iterate_one_by_one(grid.plan(chosen), chosen.dims, at_a_time)
        return self._iterate_boxes(plan, chosen.dims, at_a_time) if len(plan) else iter(())

    def _iterate_boxes(self, plan: BoxPlan, kept: tuple[int, ...], at_a_time: int | None) -> Iterator[Part]:
        number, cost = len(plan), self._cost(plan)
        step, ahead = stepwise(number, cost)
        slices, largest = plan.slices(kept), plan.largest
        if at_a_time is not None:
            step, ahead = min(step, at_a_time), min(ahead, 1)
        portions = self._prefetched(plan, step, at_a_time or max(step, window(number, cost)))
        for parts in iterate(portions, partial(self._stacked, largest, kept), ahead=ahead):
            yield from zip(islice(slices, len(parts)), parts, strict=True)

    def _prefetched(self, plan: BoxPlan, step: int, most: int) -> Iterator[Boxes]:
        total = len(plan)
        firsts = range(0, total, most)
        windows = (dict.fromkeys(plan.keys(first, first + most)) for first in firsts)
        with self._asked_ahead(windows, len(firsts)) as arriving:
            asked = 0
            for number, boxes in enumerate(plan.portions(step)):
                while asked < total and asked < (number + 1) * step:
                    next(arriving, None)
                    asked += most
                yield boxes

    @contextmanager
    def _asked_ahead(self, windows: Iterable[Iterable[str]], number: int) -> Iterator[Iterator[None]]:
        """Bring windows near one after the other, the next one while the caller works on one."""
        found = iterate(windows, self.access.store.prefetch, ahead=min(1, number - 1))
        arriving = cast("Generator[None, None, None]", found)
        try:
            yield arriving
        finally:
            arriving.close()

    def _stacked(self, largest: tuple[int, ...], kept: tuple[int, ...], boxes: Boxes) -> Sequence[Array]:
        """Decode boxes into one array, one above the other, and give their parts of it."""
        number = len(boxes)
        stack = np.empty((number * largest[0], *largest[1:]), self.access.fill.dtype)
        targets = np.zeros_like(boxes.targets)
        targets[:, 0] = np.arange(number) * largest[0]
        self.access.read_boxes(replace(boxes, targets=targets), stack)
        parts: Array = stack.reshape(number, *(largest[axis] for axis in kept))
        whole = (boxes.counts == largest).all(axis=1)
        if whole.all():
            return _rows(parts)
        shapes = boxes.counts[:, kept].tolist()
        return [part[tuple(map(slice, shape))] for part, shape in zip(_rows(parts), shapes, strict=True)]

    def _iterate_one_by_one(self, plan: ChunkPlan, kept: tuple[int, ...], at_a_time: int | None) -> Iterator[Part]:
        boxes = list(cut(plan))
        _, ahead = stepwise(1, self.access.chunk_nbytes)
        most = at_a_time or window(1, self.access.chunk_nbytes)
        return iterate(self._prefetched_one_by_one(boxes, most), partial(self._read_box, kept), ahead=ahead)

    def _prefetched_one_by_one(self, boxes: Sequence[Box], most: int) -> Iterator[Box]:
        parts = list(sliced(boxes, most))
        with self._asked_ahead((dict.fromkeys(box.key for box in part) for part in parts), len(parts)) as arriving:
            for part in parts:
                next(arriving, None)
                yield from part

    def _read_box(self, kept: tuple[int, ...], box: Box) -> Part:
        values = np.empty(box.shape, self.access.fill.dtype)
        payload = self.access.payload(box.key)
        if payload is None:
            values[...] = self.access.fill[0]
        else:
            self.access.decode_into(box.key, payload, values, box.places)
        return tuple(box.slices[axis] for axis in kept), values.reshape([box.shape[axis] for axis in kept])


def _rows(array: Array) -> list[Array]:
    """Give the parts along the first axis, as arrays where they are single cells too."""
    return list(array) if array.ndim > 1 else [array[number, ...] for number in range(len(array))]
