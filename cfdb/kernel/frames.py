"""How are bytes compressed with zstd, and how is a damaged or hostile frame refused before memory is taken?"""

import threading
from typing import Any

import zstandard

from cfdb.errors import CorruptChunkError
from cfdb.kernel.codec import Buffer


class _Contexts(threading.local):
    """Contexts of one thread: zstd's are not to be shared."""

    def __init__(self) -> None:
        self.compressors: dict[tuple[int, bool], zstandard.ZstdCompressor] = {}
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def zstd_encode(data: Any, level: int, checksum: bool = False) -> bytes:
    """Compress into one frame that names its size."""
    compressor = _contexts.compressors.get((level, checksum))
    if compressor is None:
        compressor = zstandard.ZstdCompressor(level=level, write_checksum=checksum, write_content_size=True)
        _contexts.compressors[level, checksum] = compressor
    return compressor.compress(data)


def zstd_decode(payload: Buffer, limit: int, exact: bool, alone: bool = False) -> bytes:
    """Decompress one frame.

    Parameters
    ----------
    payload : bytes-like
        The frame.
    limit : int
        Largest size accepted.
    exact : bool
        Whether the size must be `limit` to the byte.
    alone : bool
        Whether nothing may follow the frame; otherwise that is passed over.

    Raises
    ------
    CorruptChunkError
        If the frame is damaged or larger than allowed.
    """
    try:
        size = zstandard.frame_content_size(payload)
        if size < 0 or size > limit or (exact and size != limit):
            raise CorruptChunkError(f"a compressed chunk claims {size} bytes where {limit} belong")
        data = _contexts.decompressor.decompress(payload, max_output_size=max(size, 1), allow_extra_data=not alone)
    except zstandard.ZstdError as error:
        raise CorruptChunkError(f"a compressed chunk is damaged: {error}") from error
    if len(data) != size:
        raise CorruptChunkError(f"a compressed chunk holds {len(data)} bytes and claims {size}")
    return data
