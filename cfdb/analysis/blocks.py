"""Into which blocks is an array cut, so that each fits in memory and ends where chunks do?"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from cfdb.compute.source import Source

Slices = tuple[slice, ...]
Integers = npt.NDArray[np.int64]

#: Times that a block is held while it is copied: as read, as stored cells, as encoded chunks, and the chunks around it.
COPIES = 4


def blocks_of(source: Source, max_mem: int) -> Iterator[Slices]:
    """Cut an array into blocks of whole chunks, in the order of its cells.

    Parameters
    ----------
    source : Source
        The array.
    max_mem : int
        Bytes that may be used while a block is copied; one chunk is taken in any case.
    """
    return cut(source.shape, source.breaks, source.itemsize, max_mem // COPIES)


def cut(shape: Sequence[int], breaks: Sequence[Integers], itemsize: int, max_bytes: int) -> Iterator[Slices]:
    """Cut an array into blocks of at most so many bytes, but at least one chunk.

    Examples
    --------
    >>> [block for block in cut((4, 6), (np.array([0, 2]), np.array([0, 3])), 8, 100)]
    [(slice(0, 2, None), slice(0, 6, None)), (slice(2, 4, None), slice(0, 6, None))]
    """
    if 0 in shape:
        return
    edges = [np.append(axis, size) for axis, size in zip(breaks, shape, strict=True)]
    widths = [int(np.diff(axis).max()) for axis in edges]
    groups = [1] * len(widths)
    cells = max(1, max_bytes // max(1, itemsize))
    for axis in reversed(range(len(widths))):
        used = prod(width * number for width, number in zip(widths, groups, strict=True))
        chunks = len(edges[axis]) - 1
        groups[axis] = min(chunks, max(1, cells // used))
        if groups[axis] < chunks:
            break
    ends = [[*axis[:-1:number].tolist(), size] for axis, number, size in zip(edges, groups, shape, strict=True)]
    yield from product(*([slice(start, stop) for start, stop in zip(axis[:-1], axis[1:])] for axis in ends))
