"""How are bytes compressed, and how is a damaged or hostile frame refused before memory is taken?"""

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

import zstandard

from cfdb.errors import CorruptChunkError

Buffer = bytes | bytearray | memoryview


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


def zstd_decode(payload: Buffer, limit: int, exact: bool) -> bytes:
    """Decompress one frame.

    Parameters
    ----------
    payload : bytes-like
        The frame; what follows it is passed over.
    limit : int
        Largest size accepted.
    exact : bool
        Whether the size must be `limit` to the byte.

    Raises
    ------
    CorruptChunkError
        If the frame is damaged or larger than allowed.
    """
    try:
        size = zstandard.frame_content_size(payload)
        if size < 0 or size > limit or (exact and size != limit):
            raise CorruptChunkError(f"a compressed chunk claims {size} bytes where {limit} belong")
        data = _contexts.decompressor.decompress(payload, max_output_size=max(size, 1))
    except zstandard.ZstdError as error:
        raise CorruptChunkError(f"a compressed chunk is damaged: {error}") from error
    if len(data) != size:
        raise CorruptChunkError(f"a compressed chunk holds {len(data)} bytes and claims {size}")
    return data


def lz4_encode(data: Any, level: int) -> bytes:
    """Compress into one lz4 block behind its size, as numcodecs does (extra ``lz4``)."""
    options: dict[str, Any] = {"mode": "high_compression", "compression": level} if level > 2 else {}
    packed: bytes = _lz4_block().compress(bytes(data), store_size=True, **options)
    return packed


def lz4_decode(payload: Buffer, limit: int, exact: bool) -> bytes:
    """Decompress one lz4 block; limits as in `zstd_decode`."""
    size = int.from_bytes(payload[:4], "little")
    if len(payload) < 5 or size > limit or (exact and size != limit):
        raise CorruptChunkError(f"a compressed chunk claims {size} bytes where {limit} belong")
    block = _lz4_block()
    try:
        data: bytes = block.decompress(bytes(payload[4:]), uncompressed_size=size)
    except (block.LZ4BlockError, ValueError) as error:
        raise CorruptChunkError(f"a compressed chunk is damaged: {error}") from error
    if len(data) != size:
        raise CorruptChunkError(f"a compressed chunk holds {len(data)} bytes and claims {size}")
    return data


def _lz4_block() -> Any:
    try:
        return import_module("lz4.block")
    except ImportError as error:
        raise ImportError("compression='lz4' needs the package lz4: pip install 'cfdb[lz4]'") from error


Decoder = Callable[[Buffer, int, bool], bytes]
DECODERS: dict[str, Decoder] = {"zstd": zstd_decode, "lz4": lz4_decode}
