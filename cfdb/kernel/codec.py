"""Which cells does the codec take, in which blocks? Parameters and results that both kernels share."""

from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np

Buffer: TypeAlias = "bytes | bytearray | memoryview"

#: Levels that zstd knows.
LEVELS = (-7, 22)
#: A chunk may take up this much when decoded.
MAX_BYTES = 2**31


@dataclass(frozen=True, slots=True)
class BlockCodec:
    """Parameters of ``cfdb.auto``.

    Attributes
    ----------
    dtype : np.dtype
        Stored cells, little-endian, of fixed size.
    chunk_shape, block_shape : tuple of int
        Shape of a chunk, () allowed, and of the blocks in it (cut to the chunk where they are longer).
    width : int
        Bytes of what is shuffled: the itemsize, its half for complex numbers, 1 for bytes.
    level : int
        Level of zstd.

    Examples
    --------
    >>> BlockCodec(np.dtype("<f4"), (30, 40), (100, 20), 4).block_shape
    (30, 20)
    """

    dtype: np.dtype[Any]
    chunk_shape: tuple[int, ...]
    block_shape: tuple[int, ...]
    width: int
    level: int = 1

    def __post_init__(self) -> None:
        dtype, chunk, block = self.dtype, self.chunk_shape, self.block_shape
        if dtype.kind not in "biufcmMSV" or not dtype.itemsize or dtype.hasobject or dtype != dtype.newbyteorder("<"):
            raise ValueError(f"cells of {dtype} cannot be encoded: they need a fixed size and little-endian order")
        if len(block) != len(chunk) or min((*chunk, *block), default=1) < 1:
            raise ValueError(f"block_shape={block} does not fit chunk_shape={chunk}: give one length >= 1 per axis")
        if self.width < 1 or dtype.itemsize % self.width:
            raise ValueError(f"width={self.width} does not divide the {dtype.itemsize} bytes of a cell of {dtype}")
        if not LEVELS[0] <= self.level <= LEVELS[1]:
            raise ValueError(f"level={self.level}: zstd knows {LEVELS[0]} to {LEVELS[1]}")
        object.__setattr__(self, "block_shape", tuple(min(b, c) for b, c in zip(block, chunk, strict=True)))
        if prod(chunk) * dtype.itemsize > MAX_BYTES:
            raise ValueError(f"a chunk of shape {chunk} takes more than {MAX_BYTES} bytes; choose smaller chunks")


@dataclass(frozen=True, slots=True)
class Conversion:
    """Unpacking of codes to floats.

    Attributes
    ----------
    base : int or None
        Added to the codes before they are divided by `factor`; None: `offset` is added afterwards.
    factor, offset : float
        See `base`.
    fill : int or None
        Code that becomes NaN.
    """

    base: int | None
    factor: float
    offset: float
    fill: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Statistics of numbers.

    Attributes
    ----------
    valid, missing : int
        Number of cells that are a number, and that are NaN.
    minimum, maximum : number or None
        Of the valid cells.
    total, rest : number
        Their sum, and what a float lacks of it.
    """

    valid: int
    missing: int
    minimum: float | int | None
    maximum: float | int | None
    total: float | int
    rest: float = 0.0
