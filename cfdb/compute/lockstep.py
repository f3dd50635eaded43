"""How are several arrays read block by block, in step?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy.typing as npt

from cfdb.compute.rechunk import block_lengths, read_blocks
from cfdb.compute.source import Source
from cfdb.errors import ShapeError
from cfdb.plan.indexing import Axis, Range
from cfdb.plan.rechunk import AxisParts, picked_of, plan_rechunk

Array = npt.NDArray[Any]
#: Where a block lies along every dimension, and the values of the variables there.
Together = tuple[dict[str, Any], dict[str, Array]]


@dataclass(frozen=True, slots=True)
class Arrays:
    """Arrays that are read in step, and the blocks in which that is done.

    Attributes
    ----------
    sources : dict of Source
        The arrays by name. Each has dimensions of the first, in any order.
    dims : tuple of str
        Dimensions of the blocks, the last of which varies fastest.
    members : tuple of tuple of (Range or Positions)
        Positions of the blocks along each.
    """

    sources: dict[str, Source]
    dims: tuple[str, ...]
    members: tuple[tuple[Axis, ...], ...]

    def boxes(self) -> Iterator[dict[str, Any]]:
        """Give where the blocks lie."""
        for block in product(*self.members):
            yield {dim: picked_of(axis) for dim, axis in zip(self.dims, block, strict=True)}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Give the shape of the blocks of every array."""
        longest = {dim: max(map(len, members), default=1) for dim, members in zip(self.dims, self.members, strict=True)}
        return {name: tuple(longest[dim] for dim in source.dims) for name, source in self.sources.items()}


def widest(sources: Mapping[str, Source]) -> Source:
    """Find the array with the most dimensions, in which all others must find theirs.

    Raises
    ------
    ShapeError
        If they cannot be gone through in step; names the one that does not fit.
    """
    first_name, first = max(sources.items(), key=lambda item: len(item[1].dims))
    sizes = dict(zip(first.dims, first.shape, strict=True))
    for name, source in sources.items():
        own = dict(zip(source.dims, source.shape, strict=True))
        if any(sizes.get(dim) != size for dim, size in own.items()):
            raise ShapeError(
                f"{name!r} with {own} cannot be gone through in step with {first_name!r} with {sizes}: choose "
                "variables that share their dimensions with data_vars="
            )
    return first


def together(
    sources: Mapping[str, Source], chunk_shape: Any, members: Mapping[str, Sequence[Axis]] | None = None
) -> Arrays:
    """Cut arrays into blocks.

    Parameters
    ----------
    sources : dict of Source
        The arrays.
    chunk_shape : dict
        Length of the blocks by dimension; a dimension that is not named is whole.
    members : dict, optional
        Positions of the blocks by dimension, instead of lengths.
    """
    first = widest(sources)
    lengths = block_lengths(first, {} if chunk_shape is None else chunk_shape)
    cut = []
    for dim, size, length in zip(first.dims, first.shape, lengths, strict=True):
        given = None if members is None else members.get(dim)
        regular = tuple(Range(start, min(length, size - start)) for start in range(0, size, length))
        cut.append(regular if given is None else tuple(given))
    return Arrays(dict(sources), first.dims, tuple(cut))


def read_together(arrays: Arrays, max_mem: int, *, prefetch: bool = True) -> Iterator[Together]:
    """Read arrays block by block.

    Parameters
    ----------
    arrays : Arrays
        What is read.
    max_mem : int
        Bytes of cells that may be held by all of them together.
    prefetch : bool
        As of `read_blocks`.

    Yields
    ------
    tuple
        Where the block lies by dimension, and its values by name: arrays of the caller's own.
    """
    share = max_mem // max(1, len(arrays.sources))
    streams = {name: _stream(arrays, source, share, prefetch) for name, source in arrays.sources.items()}
    try:
        for where in arrays.boxes():
            yield where, {name: next(stream) for name, stream in streams.items()}
    finally:
        for stream in streams.values():
            stream.close()  # type: ignore[attr-defined]


def _stream(arrays: Arrays, source: Source, max_mem: int, prefetch: bool) -> Iterator[Array]:
    if source.dims == arrays.dims:
        cut = zip(source.breaks, source.shape, arrays.members, strict=True)
        plan = plan_rechunk([AxisParts.of(*axis) for axis in cut], source.itemsize, max_mem)
        return (values for _, values in read_blocks(source, plan, prefetch=prefetch))
    return _following(arrays, source, max_mem)


def _following(arrays: Arrays, source: Source, max_mem: int) -> Iterator[Array]:
    """Read what an array of fewer dimensions has at every block: held whole where there is room."""
    held = (
        source.read((slice(None),) * len(source.dims)) if prod(source.shape) * source.itemsize * 2 < max_mem else None
    )
    for where in arrays.boxes():
        box = tuple(where[dim] for dim in source.dims)
        yield source.read(box) if held is None else _part(held, box)


def _part(array: Array, box: tuple[Any, ...]) -> Array:
    for axis, picked in enumerate(box):
        array = array[(slice(None),) * axis + (picked,)]
    return array.copy()
