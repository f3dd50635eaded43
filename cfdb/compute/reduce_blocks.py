"""In which blocks is an array reduced, so that memory stays bounded and no chunk is decoded twice?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from cfdb.compute.source import Box, Source
from cfdb.errors import MemoryLimitError

Integers = npt.NDArray[np.int64]
Picked = slice | Integers

#: Cells of a block beyond which larger ones gain nothing.
MOST_CELLS = 2**20


@dataclass(frozen=True, slots=True)
class AxisCut:
    """An axis cut into pieces: positions in the order of the chunks that hold them, and where each piece starts."""

    order: Integers
    starts: Integers

    def __len__(self) -> int:
        return int(self.starts.size)

    def pieces(self) -> Iterator[Picked]:
        """Give the positions of every piece, ascending; slices where they follow each other."""
        stops = [*self.starts[1:].tolist(), self.order.size]
        for start, stop in zip(self.starts.tolist(), stops, strict=True):
            positions = np.sort(self.order[start:stop])
            first, last = int(positions[0]), int(positions[-1])
            whole = last - first == positions.size - 1
            yield slice(first, last + 1, 1) if whole else positions


@dataclass(frozen=True, slots=True)
class Chunked:
    """An axis as its chunks cut it."""

    order: Integers
    starts: Integers

    @classmethod
    def of(cls, source: Source, axis: int) -> "Chunked":
        """Sort the positions along an axis by their chunks."""
        if source.owners:
            owners = source.owners[axis]
        else:
            owners = np.repeat(
                np.arange(source.breaks[axis].size), np.diff([*source.breaks[axis].tolist(), source.shape[axis]])
            )
        order = np.argsort(owners, kind="stable")
        sorted_owners = owners[order]
        starts = np.flatnonzero(np.diff(sorted_owners, prepend=sorted_owners[:1] - 1))
        return cls(order.astype(np.int64), starts.astype(np.int64))

    @property
    def size(self) -> int:
        """Number of positions."""
        return int(self.order.size)

    @property
    def largest(self) -> int:
        """Positions of the largest chunk."""
        return int(np.diff(self.starts, append=self.order.size).max(initial=1))

    def cut(self, length: int) -> AxisCut:
        """Cut into pieces of at most so many positions: of whole chunks where these are not longer."""
        if length >= self.size:
            return AxisCut(self.order, self.starts[:1])
        if length >= self.largest:
            return AxisCut(self.order, self.starts[:: max(1, length // self.largest)])
        stops = [*self.starts[1:].tolist(), self.order.size]
        parts = [np.arange(start, stop, length) for start, stop in zip(self.starts.tolist(), stops, strict=True)]
        return AxisCut(self.order, np.concatenate(parts).astype(np.int64))


@dataclass(frozen=True, slots=True)
class Limits:
    """How many cells a block may have.

    Attributes
    ----------
    cells : int
        In all.
    kept : int
        Along the axes that are kept.
    """

    cells: int
    kept: int


def cut_blocks(source: Source, kept: Sequence[int], held: Sequence[int], limits: Limits) -> tuple[AxisCut, ...]:
    """Cut every axis so that no block, a piece of each, is larger than allowed.

    Parameters
    ----------
    source : Source
        What is reduced; no axis is empty.
    kept : sequence of int
        Axes that the result has.
    held : sequence of int
        Axes of which a block must hold everything.
    limits : Limits
        How many cells a block may have.

    Raises
    ------
    MemoryLimitError
        If the axes that must be held are too much.
    """
    axes = [Chunked.of(source, axis) for axis in range(len(source.shape))]
    lengths = [axis.size if number in held else axis.largest for number, axis in enumerate(axes)]
    if prod(lengths[axis] for axis in held) > limits.cells:
        names = ", ".join(repr(source.dims[axis]) for axis in held)
        raise MemoryLimitError(
            f"{source.name!r} has {prod(lengths[axis] for axis in held):,} cells along {names}, which must be in "
            f"memory at once; max_mem has room for {limits.cells:,}: raise max_mem, or reduce along fewer dimensions"
        )
    free = [axis for axis in range(len(axes)) if axis not in held]
    _shrink(lengths, [axis for axis in free if axis in kept], kept, limits.kept)
    _shrink(lengths, free, range(len(axes)), limits.cells)
    most = min(limits.cells, max(MOST_CELLS, prod(lengths)))
    for axis in reversed(free):
        room = most // prod(lengths)
        if axis in kept:
            room = min(room, limits.kept // prod(lengths[each] for each in kept))
        if lengths[axis] >= axes[axis].largest:
            lengths[axis] = min(axes[axis].size, lengths[axis] * max(1, room))
    return tuple(axis.cut(length) for axis, length in zip(axes, lengths, strict=True))


def _shrink(lengths: list[int], axes: Sequence[int], counted: Sequence[int], most: int) -> None:
    """Shorten axes, the first ones first, until there are no more cells along the counted ones than allowed."""
    for axis in axes:
        cells = prod(lengths[each] for each in counted)
        if cells > most:
            lengths[axis] = max(1, lengths[axis] * most // cells)


def split_box(box: Box, most: int) -> Iterator[Box]:
    """Cut a box into some of at most so many cells."""
    counts = [positions_of(part).size for part in box]
    lengths = list(counts)
    _shrink(lengths, range(len(lengths)), range(len(lengths)), max(1, most))
    if lengths == counts:
        yield box
        return
    yield from product(*(_parts(part, length) for part, length in zip(box, lengths, strict=True)))


def _parts(part: Picked, length: int) -> list[Picked]:
    positions = positions_of(part)
    return [positions[start : start + length] for start in range(0, positions.size, length)]


def positions_of(part: Picked) -> Integers:
    """Give the positions of a slice with known ends, or the array itself."""
    if not isinstance(part, slice):
        return part
    step = part.step or 1
    stop = (-1 if step < 0 else 0) if part.stop is None else part.stop
    return np.arange(part.start, stop, step, dtype=np.int64)
