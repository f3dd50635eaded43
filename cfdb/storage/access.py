"""How do the payloads of chunks come out of a store and become cells?

Errors name variable, chunk and file here, whoever reads.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import CorruptChunkError
from cfdb.format.casting import blank_cell
from cfdb.format.codecs import CodecPipeline
from cfdb.plan.boxes import Boxes
from cfdb.storage.protocol import Buffer, ChunkStore

Array = npt.NDArray[Any]


class ChunkAccess:
    """Fetches and decodes the chunks of one variable; may be used from several threads.

    Parameters
    ----------
    store : ChunkStore
        Where the chunks live.
    pipeline : CodecPipeline
        How they are encoded.
    describe : callable
        Gives the variable's name, for messages.
    """

    def __init__(self, store: ChunkStore, pipeline: CodecPipeline, describe: Callable[[], str]) -> None:
        self.store = store
        self.pipeline = pipeline
        self._describe = describe
        blank = np.empty(1, pipeline.dtype.dtype_encoded)
        blank[0] = blank_cell(pipeline.dtype, pipeline.fill_value)
        self.fill = pipeline.from_cells(blank)
        self.block_shape = pipeline.block_shape
        #: Decoded size of a chunk (a guess where cells differ in size).
        self.chunk_nbytes = max(1, prod(pipeline.shape) * max(pipeline.dtype.itemsize, self.fill.itemsize))

    def payloads(self, keys: Sequence[str]) -> Sequence[Buffer | None]:
        """Fetch payloads, None for chunks that were never written."""
        if len(keys) == 1:
            return [self.payload(keys[0])]
        try:
            return self.store.get_many(keys)
        except CorruptChunkError:
            return [self.payload(key) for key in keys]  # names the chunk

    def payload(self, key: str) -> bytes | None:
        """Fetch one payload."""
        try:
            return self.store.get(key)
        except CorruptChunkError as error:
            raise self.damaged(key, error) from error

    def read_boxes(self, boxes: Boxes, target: Array) -> None:
        """Fetch and decode boxes straight to where they belong; what was never written is fill."""
        self.put_boxes(boxes, self.payloads(boxes.keys), target)

    def put_boxes(self, boxes: Boxes, payloads: Sequence[Buffer | None], target: Array) -> None:
        """Decode boxes that were fetched straight to where they belong."""
        if None in payloads:
            there = [number for number, payload in enumerate(payloads) if payload is not None]
            for number in set(range(len(boxes))).difference(there):
                target[boxes.slices(number)] = self.fill[0]
            boxes, payloads = boxes.some(there), [payloads[number] for number in there]
        if payloads:
            self.decode_boxes(boxes, payloads, target)

    def decode_boxes(self, boxes: Boxes, payloads: Sequence[Any], target: Array) -> None:
        """Decode boxes straight to where they belong."""
        try:
            self.pipeline.decode_boxes(payloads, boxes.starts, boxes.counts, target, boxes.targets)
        except CorruptChunkError:
            self._find_damaged(boxes, payloads, target)
            raise

    def _find_damaged(self, boxes: Boxes, payloads: Sequence[Any], target: Array) -> None:
        """Decode one box after another, to name the one that is damaged."""
        for number, (key, payload) in enumerate(zip(boxes.keys, payloads, strict=True)):
            box = boxes.some([number])
            try:
                self.pipeline.decode_boxes([payload], box.starts, box.counts, target, box.targets)
            except CorruptChunkError as error:
                raise self.damaged(key, error) from error

    def decode(self, key: str, payload: Buffer) -> Array:
        """Decode the values of a chunk."""
        try:
            return self.pipeline.decode(payload)
        except CorruptChunkError as error:
            raise self.damaged(key, error) from error

    def decode_into(self, key: str, payload: Buffer, target: Array, places: tuple[Any, ...]) -> None:
        """Decode selected values of a chunk to where they belong."""
        try:
            self.pipeline.decode_into(payload, target, places)
        except CorruptChunkError as error:
            raise self.damaged(key, error) from error

    def cells(self, key: str, payload: Buffer | None) -> Array:
        """Decode the stored cells of a chunk; those of one that was never written are blank."""
        if payload is None:
            return self.pipeline.blank()
        try:
            return self.pipeline.decode_cells(payload)
        except CorruptChunkError as error:
            raise self.damaged(key, error) from error

    def cells_of_box(self, key: str, payload: Buffer | None, box: tuple[slice, ...]) -> Array:
        """Decode the stored cells of a box of a chunk; those of one that was never written are blank."""
        starts, counts = [part.start for part in box], [part.stop - part.start for part in box]
        try:
            return self.pipeline.cells_of_box(payload, starts, counts)
        except CorruptChunkError as error:
            raise self.damaged(key, error) from error

    def damaged(self, key: str, error: Exception) -> CorruptChunkError:
        """Say of a chunk that it cannot be read."""
        place = key.partition("/")[2]
        return CorruptChunkError(
            f"chunk {place} of variable {self._describe()!r} in {self.store.name} was written and cannot be read "
            f"(key {key!r}): {error}"
        )
