"""What is stored for one chunk: payload, trailer and statistics?

A chunk is given by all its cells, or by those of a box: then only the blocks that the box reaches are encoded.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from cfdb.format.casting import blank_cell
from cfdb.format.codecs import CodecPipeline
from cfdb.format.statistics import ChunkStatistics, compute
from cfdb.format.trailer import CODECS, PACKED, SHUFFLED, VARIABLE_LENGTH, build_trailer
from cfdb.storage.protocol import Buffer, ChunkWrite

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Edit:
    """What becomes of one chunk.

    Attributes
    ----------
    key : str
        Where it is stored.
    cells : ndarray
        All cells of the chunk, or those of a box.
    note : bytes
        Statistics of the cells that belong to the array.
    start : tuple of int or None
        First cell of the box; None when `cells` are all.
    payload : bytes-like or None
        What the rest of the chunk is when `cells` are a box; None: fill.
    """

    key: str
    cells: Array
    note: bytes
    start: tuple[int, ...] | None = None
    payload: Buffer | None = None


def encode_edits(pipeline: CodecPipeline, edits: Sequence[Edit]) -> list[ChunkWrite]:
    """Encode chunks, with one call for those of which all cells are given, and one for the others."""
    tail = trailers(pipeline)
    return [
        ChunkWrite(edit.key, payload, tail(edit.key, payload), edit.note)
        for edit, payload in _payloads(pipeline, edits)
    ]


def trailers(pipeline: CodecPipeline) -> Callable[[str, Buffer], bytes]:
    """Give the function that makes the trailer of a chunk, from its key and payload."""
    names = [codec.name for codec in pipeline.chain]
    codec = next((name for name in names if name in CODECS), "none")
    flags = (
        SHUFFLED * ("shuffle" in names)
        + VARIABLE_LENGTH * pipeline.dtype.is_variable_length
        + PACKED * pipeline.dtype.is_packed
    )
    fixed = prod(pipeline.shape) * pipeline.dtype.dtype_encoded.itemsize if names[0] in ("bytes", "cfdb.auto") else None

    def tail(key: str, payload: Buffer) -> bytes:
        raw_length = _raw_length(payload, codec) if fixed is None else fixed
        return build_trailer(key, payload, codec=codec, flags=flags, raw_length=raw_length)

    return tail


def _payloads(pipeline: CodecPipeline, edits: Sequence[Edit]) -> Iterator[tuple[Edit, bytes]]:
    whole = [edit for edit in edits if edit.start is None]
    if whole:
        yield from zip(whole, pipeline.encode_cells_many([edit.cells for edit in whole]), strict=True)
    boxes = [edit for edit in edits if edit.start is not None]
    if boxes:
        starts = np.array([edit.start for edit in boxes], np.int64)
        before = [edit.payload for edit in boxes]
        found = pipeline.replace_cells_many(before, [edit.cells for edit in boxes], starts)
        yield from zip(boxes, found, strict=True)


def statistics_of(pipeline: CodecPipeline, cells: Array) -> ChunkStatistics:
    """Compute the statistics of stored cells, in the values a user sees (CF times: in their numbers)."""
    dtype = pipeline.dtype
    if dtype.packing is None and dtype.kind != "t":  # cells are the values a user sees
        return compute(cells, fill_value=pipeline.fill_value)
    if dtype.kind == "t":
        blank = blank_cell(dtype)
        return compute(cells, missing=np.isnan(cells) if cells.dtype.kind == "f" else cells == blank)
    return compute(pipeline.from_cells(cells), fill_value=pipeline.fill_value)


def _raw_length(payload: Buffer, codec: str) -> int:
    """Count the bytes of the payload when decompressed; 0 where that is not known without doing it."""
    if codec == "none":
        return len(payload)
    return zstandard.frame_content_size(payload) if codec == "zstd" else 0
