"""Which chunk shape of so many bytes suits an array that nobody said how to read?"""

from bisect import bisect_right
from collections.abc import Sequence
from math import prod

from cfdb.errors import ShapeError

#: Numbers with at least as many divisors as any smaller one: their least common multiples stay small.
_DIVISIBLE = (
    *(1, 2, 3, 4, 6, 8, 10, 12, 18, 20, 24, 30, 36, 48, 60, 72, 84, 90, 96, 108, 120, 168, 180, 240, 336, 360, 420),
    *(480, 504, 540, 600, 630, 660, 672, 720, 840, 1080, 1260, 1440, 1680, 2160, 2520),
)


def guess_chunk_shape(shape: Sequence[int], itemsize: int, target_chunk_size: int = 2**21) -> tuple[int, ...]:
    """Choose a chunk shape near to a cube.

    Lengths that do not span the dimension are numbers with many divisors, so that chunks of two arrays, or of an array
    and the blocks it is read in, often have borders in common.

    Parameters
    ----------
    shape : sequence of int
        Shape of the array.
    itemsize : int
        Bytes of a cell.
    target_chunk_size : int
        Most bytes of a chunk.

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> guess_chunk_shape((365, 360, 720), 4, 2**20)
    (60, 60, 72)
    """
    if any(size < 1 for size in shape):
        raise ShapeError(f"an array of shape {tuple(shape)} has no cells to cut into chunks: give lengths of 1 or more")
    if itemsize < 1 or target_chunk_size < 1:
        raise ValueError(f"itemsize={itemsize!r}, target_chunk_size={target_chunk_size!r}: give positive numbers")
    budget = max(1, int(target_chunk_size) // int(itemsize))
    lengths = [int(size) for size in shape]
    if prod(lengths) <= budget:
        return tuple(lengths)
    order = sorted(range(len(lengths)), key=lambda axis: lengths[axis])
    # the smallest first: what they leave of the budget goes to the larger ones
    for left, axis in zip(range(len(order), 0, -1), order, strict=True):
        wanted = max(1, int(budget ** (1 / left) + 1e-9))
        if lengths[axis] > wanted:
            lengths[axis] = _divisible(wanted)
        budget = max(1, budget // lengths[axis])
    return tuple(lengths)


def _divisible(most: int) -> int:
    """Give the largest number with many divisors that is not more."""
    if most >= _DIVISIBLE[-1]:
        return most // _DIVISIBLE[-1] * _DIVISIBLE[-1]
    return _DIVISIBLE[bisect_right(_DIVISIBLE, most) - 1]
