"""Which cells does the codec take, in which blocks? Parameters and results that both kernels share."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Buffer: TypeAlias = "bytes | bytearray | memoryview"


@dataclass(frozen=True, slots=True)
class BlockCodec:
    """Parameters of ``cfdb.auto``.

    Attributes
    ----------
    dtype : np.dtype
        Stored cells, little-endian, of fixed size.
    chunk_shape, block_shape : tuple of int
        Shape of a chunk, () allowed, and of the blocks in it.
    width : int
        Bytes of what is shuffled: the itemsize, its half for complex numbers, 1 for bytes.
    level : int
        Level of zstd.
    """

    dtype: np.dtype[Any]
    chunk_shape: tuple[int, ...]
    block_shape: tuple[int, ...]
    width: int
    level: int = 1


@dataclass(frozen=True, slots=True)
class Conversion:
    """Unpacking of codes to floats, as `cfdb.format.packing.Packing.unpack_floats` does it."""

    base: int | None
    factor: float
    offset: float
    fill: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Statistics of numbers; `rest` is what `total` lacks."""

    valid: int
    missing: int
    minimum: float | int | None
    maximum: float | int | None
    total: float | int
    rest: float = 0.0
