"""How much does a way of reading cost with a chunk shape, before anything is read?

A way of reading is a box of some lengths that begins anywhere in the array. The model gives the mean over all places
where it can begin, exactly: the chunks it touches, and the bytes of the blocks that must be decoded for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from cfdb.format.codecs import choose_block_shape
from cfdb.plan.chunks import MAX_BYTES

#: Bytes that could be decoded while a chunk is found, checked and begun.
CHUNK_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class Layout:
    """An array and how its chunks are decoded.

    Attributes
    ----------
    shape : tuple of int
        Shape of the array.
    itemsize : int
        Bytes of a stored cell: decides on the blocks.
    valuesize : int
        Bytes of a cell when it is read.
    blocked : bool
        Whether chunks are decoded block by block.
    """

    shape: tuple[int, ...]
    itemsize: int
    valuesize: int
    blocked: bool = True

    def block_shape(self, chunk_shape: Sequence[int]) -> tuple[int, ...]:
        """Give the shape of the parts of a chunk that are decoded apart from each other."""
        return choose_block_shape(chunk_shape, self.itemsize) if self.blocked else tuple(chunk_shape)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one reading costs, in the mean over the places where it can begin.

    Attributes
    ----------
    chunks : float
        Chunks touched.
    decoded : float
        Bytes decoded.
    used : int
        Bytes of the result.
    """

    chunks: float
    decoded: float
    used: int

    @property
    def weighed(self) -> float:
        """Bytes decoded, and for every chunk the bytes that take as long as its handling."""
        return self.decoded + self.chunks * CHUNK_BYTES

    @property
    def slowdown(self) -> float:
        """How many times as much as with chunks made for this way alone."""
        least = self.used + CHUNK_BYTES * -(-self.used // MAX_BYTES)
        return self.weighed / max(1, least)


def cost_of(layout: Layout, chunk_shape: Sequence[int], lengths: Sequence[int]) -> Cost:
    """Tell what reading a box costs.

    Parameters
    ----------
    layout : Layout
        The array.
    chunk_shape : sequence of int
        Shape of its chunks.
    lengths : sequence of int
        Shape of the box.

    Examples
    --------
    >>> cost_of(Layout((365, 360, 720), 4, 4), (61, 60, 66), (365, 1, 1)).chunks
    6.0
    """
    blocks = layout.block_shape(chunk_shape)
    parts = [_along(*numbers) for numbers in zip(layout.shape, chunk_shape, blocks, lengths, strict=True)]
    cells = prod(cells for _, cells in parts)
    return Cost(prod(chunks for chunks, _ in parts), cells * layout.valuesize, prod(lengths) * layout.valuesize)


@lru_cache(maxsize=2**14)
def _along(size: int, chunk: int, block: int, length: int) -> tuple[float, float]:
    """Give the mean numbers of chunks touched and of cells decoded along one axis."""
    if not length:
        return 0.0, 0.0
    starts = size - length + 1
    chunks = _sum_of_quotients(size, chunk) - _sum_of_quotients(length - 1, chunk) - _sum_of_quotients(starts, chunk)
    cells = (
        _sum_of_ends(size, chunk, block) - _sum_of_ends(length - 1, chunk, block) - _sum_of_begins(starts, chunk, block)
    )
    return (chunks + starts) / starts, cells / starts


def _sum_of_quotients(count: int, divisor: int) -> int:
    """Add up ``place // divisor`` for the places 0 up to, not including, `count`.

    Examples
    --------
    >>> _sum_of_quotients(7, 3) == sum(place // 3 for place in range(7))
    True
    """
    whole, rest = divmod(count, divisor)
    return divisor * (whole * (whole - 1) // 2) + whole * rest


def _sum_of_begins(count: int, chunk: int, block: int) -> int:
    """Add up, for the places below `count`, where the block begins that holds the place."""
    whole, rest = divmod(count, chunk)
    inside = whole * _sum_of_quotients(chunk, block) + _sum_of_quotients(rest, block)
    return chunk * _sum_of_quotients(count, chunk) + block * inside


def _sum_of_ends(count: int, chunk: int, block: int) -> int:
    """Add up, for the places below `count`, where the block ends that holds the place; blocks end with their chunk."""
    whole, rest = divmod(count, chunk)
    inside = whole * _ends_within(chunk, chunk, block) + _ends_within(rest, chunk, block)
    return chunk * _sum_of_quotients(count, chunk) + inside


def _ends_within(count: int, chunk: int, block: int) -> int:
    whole, rest = divmod(count, block)
    return block * block * (whole * (whole + 1) // 2) + rest * min((whole + 1) * block, chunk)
