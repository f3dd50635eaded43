"""What is stored for one chunk: payload, trailer and statistics?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from cfdb.format.casting import blank_cell
from cfdb.format.codecs import CodecPipeline
from cfdb.format.statistics import ChunkStatistics, compute
from cfdb.format.trailer import CODECS, PACKED, SHUFFLED, VARIABLE_LENGTH, build_trailer
from cfdb.storage.protocol import ChunkWrite

Array = npt.NDArray[Any]


def encode_chunks(
    pipeline: CodecPipeline, keys: Sequence[str], chunks: Sequence[Array], logical: Sequence[Array]
) -> list[ChunkWrite]:
    """Encode full chunks of cells.

    Parameters
    ----------
    pipeline : CodecPipeline
        How.
    keys : sequence of str
        Where the chunks go.
    chunks : sequence of ndarray
        All cells of each.
    logical : sequence of ndarray
        The cells of each that belong to the array: statistics are about these.
    """
    names = [codec.name for codec in pipeline.chain]
    codec = next((name for name in names if name in CODECS), "none")
    flags = (
        SHUFFLED * ("shuffle" in names)
        + VARIABLE_LENGTH * pipeline.dtype.is_variable_length
        + PACKED * pipeline.dtype.is_packed
    )
    plain = pipeline.dtype.packing is None and pipeline.dtype.kind != "t"  # cells are the values a user sees
    writes = []
    for key, cells, part, payload in zip(keys, chunks, logical, pipeline.encode_cells_many(chunks), strict=True):
        raw_length = cells.nbytes if names[0] in ("bytes", "cfdb.auto") else _raw_length(payload, codec)
        tail = build_trailer(key, payload, codec=codec, flags=flags, raw_length=raw_length)
        found = compute(part, fill_value=pipeline.fill_value) if plain else statistics_of(pipeline, part)
        writes.append(ChunkWrite(key, payload, tail, found.pack()))
    return writes


def statistics_of(pipeline: CodecPipeline, cells: Array) -> ChunkStatistics:
    """Compute the statistics of stored cells, in the values a user sees (CF times: in their numbers)."""
    dtype = pipeline.dtype
    if dtype.kind == "t":
        blank = blank_cell(dtype)
        return compute(cells, missing=np.isnan(cells) if cells.dtype.kind == "f" else cells == blank)
    return compute(pipeline.from_cells(cells), fill_value=pipeline.fill_value)


def _raw_length(payload: bytes, codec: str) -> int:
    """Count the bytes of the payload when decompressed; 0 where that is not known without doing it."""
    if codec == "none":
        return len(payload)
    return zstandard.frame_content_size(payload) if codec == "zstd" else 0
