"""Which blocks is a chunk made of, and where do they lie in its payload?

::

    u8 version (1), u8 flags (bit 0: in blocks; else one block is the whole chunk), u16 zero
    u32 number of blocks, u32 length of each
    the blocks, in the C order of their grid
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from cfdb.errors import CorruptChunkError
from cfdb.kernel.codec import BlockCodec, Buffer

VERSION = 1
BLOCKED = 1
_HEAD = struct.Struct("<BBHI")

Slices = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """The blocks of a chunk: a chunk without axes has one of length 1.

    Attributes
    ----------
    chunk, block : tuple of int
        Shape of the chunk, and of a block that is not cut by its far edges.
    """

    chunk: tuple[int, ...]
    block: tuple[int, ...]

    @classmethod
    def of(cls, codec: BlockCodec, blocked: bool) -> "Grid":
        """Give the grid of a codec's chunks."""
        chunk = codec.chunk_shape or (1,)
        return cls(chunk, (codec.block_shape or (1,)) if blocked else chunk)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return tuple(-(-length // size) for length, size in zip(self.chunk, self.block, strict=True))

    @property
    def number(self) -> int:
        """Number of blocks."""
        return prod(self.counts)

    def places(self, at: Sequence[int]) -> Slices:
        """Give the cells of a block in the chunk."""
        return tuple(
            slice(i * size, min((i + 1) * size, length))
            for i, size, length in zip(at, self.block, self.chunk, strict=True)
        )

    def __iter__(self) -> Iterator[Slices]:
        """Give the cells of every block, in C order."""
        return (self.places(at) for at in product(*map(range, self.counts)))

    def touched(self, start: Sequence[int], count: Sequence[int]) -> Iterator[tuple[int, Slices]]:
        """Give number and cells of the blocks that a box reaches."""
        if 0 in count:
            return
        counts = self.counts
        ranges = [
            range(s // size, (s + c - 1) // size + 1) for s, c, size in zip(start, count, self.block, strict=True)
        ]
        for at in product(*ranges):
            number = 0
            for i, along in zip(at, counts, strict=True):
                number = number * along + i
            yield number, self.places(at)


def join_blocks(blocks: Sequence[bytes], blocked: bool) -> bytes:
    """Write a payload."""
    head = _HEAD.pack(VERSION, BLOCKED * blocked, 0, len(blocks))
    return b"".join([head, np.array([len(block) for block in blocks], "<u4").tobytes(), *blocks])


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload whose table of blocks was read and checked.

    Attributes
    ----------
    grid : Grid
        The blocks.
    data : memoryview
        All bytes.
    offsets : list of int
        Where each block begins, and the end of the last.
    """

    grid: Grid
    data: memoryview
    offsets: list[int]

    def block(self, number: int) -> memoryview:
        """Give the bytes of a block."""
        return self.data[self.offsets[number] : self.offsets[number + 1]]


def read_payload(codec: BlockCodec, payload: Buffer) -> Payload:
    """Read the table of blocks.

    Raises
    ------
    CorruptChunkError
        If it does not fit the codec or the length of the payload.
    """
    data = memoryview(payload).cast("B")
    if len(data) < _HEAD.size:
        raise CorruptChunkError("a chunk ends in its header")
    version, flags, zero, number = _HEAD.unpack_from(data)
    if version != VERSION:
        raise CorruptChunkError(f"a chunk is of version {version}, which is unknown")
    if flags & ~BLOCKED or zero:
        raise CorruptChunkError("a chunk has unknown flags")
    grid = Grid.of(codec, bool(flags & BLOCKED))
    if number != grid.number:
        raise CorruptChunkError(f"a chunk names {number} blocks where {grid.number} belong")
    first = _HEAD.size + 4 * number
    if len(data) < first:
        raise CorruptChunkError("a chunk ends in its header")
    lengths = np.frombuffer(data, "<u4", number, _HEAD.size).astype(np.int64)
    offsets = [first, *(first + np.cumsum(lengths)).tolist()]
    if offsets[-1] != len(data):
        raise CorruptChunkError("the blocks of a chunk do not add up to its length")
    return Payload(grid, data, offsets)
