"""How are bytes compressed, and how is a damaged or hostile frame refused before memory is taken?"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from cfdb.errors import CorruptChunkError
from cfdb.kernel.codec import Buffer
from cfdb.kernel.frames import zstd_decode


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
