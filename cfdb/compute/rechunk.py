"""How is an array read in blocks, as a plan says?"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.source import Box, Source
from cfdb.compute.windows import Windows
from cfdb.errors import ShapeError, VariableNotFoundError
from cfdb.options import size_of
from cfdb.plan.chunks import orthogonal
from cfdb.plan.rechunk import AxisParts, Batch, RechunkPlan, plan_rechunk

Array = npt.NDArray[Any]
Block = tuple[Box, Array]
#: Positions where a piece of an array begins along the axis of a plan, and the piece.
Piece = tuple[int, Array]


def plan_source(source: Source, lengths: Sequence[int], max_mem: int) -> RechunkPlan:
    """Plan how an array is read in blocks of one shape; those at the edges are smaller."""
    parts = [AxisParts.regular(*axis) for axis in zip(source.breaks, source.shape, lengths, strict=True)]
    return plan_rechunk(parts, source.itemsize, max_mem)


def suits_workers(source: Source, lengths: Sequence[int], max_mem: int) -> bool:
    """Tell whether blocks can be read each by itself without decoding many chunks over and over."""
    plan = plan_source(source, lengths, max_mem)
    singly = prod(each.chunks_singly() for each in plan.parts)
    return singly <= 2 * plan.n_reads


def read_blocks(source: Source, plan: RechunkPlan, *, prefetch: bool | int = True) -> Iterator[Block]:
    """Read an array in blocks.

    Parameters
    ----------
    source : Source
        The array.
    plan : RechunkPlan
        Made for it.
    prefetch : bool or int
        Whether chunks are brought near many at a time, about so many if it is a number, while the caller works on the
        blocks before them.

    Yields
    ------
    tuple
        Where the block lies, and its values: an array of the caller's own.
    """
    if not plan.parts:
        yield (), source.read(())
        return
    nbytes = None if prefetch is True else prefetch * source.chunk_nbytes
    windows = Windows(source, plan, nbytes) if prefetch and plan.n_boxes > 1 else None
    try:
        for lead in plan.leads():
            if plan.carries:
                yield from _carrying(source, plan, lead, windows)
            else:
                yield from _separate(source, plan, lead, windows)
    finally:
        if windows is not None:
            windows.close()


def _separate(source: Source, plan: RechunkPlan, lead: tuple[int, ...], windows: Windows | None) -> Iterator[Block]:
    """Read batch after batch, and cut each into its blocks."""
    tails, tail_places = list(plan.tails()), _tail_places(plan)
    for number, batch in enumerate(plan.batches):
        if windows is not None:
            windows.enter(lead, number)
        along, places = plan.parts[plan.axis].cover(batch.first, batch.stop)
        held: Array | None = source.read(plan.box(lead, along))
        alone = len(places) * len(tails) == 1
        for block, place in zip(range(batch.first, batch.stop), places, strict=True):
            for tail, behind in zip(tails, tail_places, strict=True):
                assert held is not None
                where = plan.block((*lead, block, *tail))
                if alone:
                    only, held = held, None
                    yield where, only
                else:
                    yield where, _cut(held, (*_whole(held, len(lead)), place, *behind))
        held = None  # the next batch needs the room


def _carrying(source: Source, plan: RechunkPlan, lead: tuple[int, ...], windows: Windows | None) -> Iterator[Block]:
    """Read batch after batch up to the end of a chunk, and keep what belongs to later blocks."""
    tails, tail_places = list(plan.tails()), _tail_places(plan)
    along = plan.parts[plan.axis]
    held: list[Piece] = []
    for number, batch in enumerate(plan.batches):
        if windows is not None:
            windows.enter(lead, number)
        if batch.end > batch.begin:
            held.append((batch.begin, source.read(plan.box(lead, slice(batch.begin, batch.end, 1)))))
        for block in range(batch.first, batch.stop):
            begin, end = along.span(block, block + 1)
            for tail, behind in zip(tails, tail_places, strict=True):
                values = _gathered(held, plan.axis, (begin, end), behind)
                yield plan.block((*lead, block, *tail)), values
                del values
        held = _left(held, plan, batch)


def _gathered(held: list[Piece], axis: int, span: tuple[int, int], behind: tuple[Any, ...]) -> Array:
    """Put a block together from the pieces that hold it."""
    begin, end = span
    pieces = []
    for first, piece in held:
        low, high = max(begin, first), min(end, first + piece.shape[axis])
        if low < high:
            index = (*_whole(piece, axis), slice(low - first, high - first, 1), *behind)
            pieces.append((low - begin, high - begin, piece, index))
    if len(pieces) == 1:
        return _cut(pieces[0][2], pieces[0][3])
    shape = list(pieces[0][2].shape)
    shape[axis] = end - begin
    shape[axis + 1 :] = [_length(place) for place in behind]
    first_piece = pieces[0][2]
    masked = isinstance(first_piece, np.ma.MaskedArray)
    found: Array = (np.ma.empty if masked else np.empty)(shape, first_piece.dtype)
    if isinstance(first_piece, np.ma.MaskedArray):
        found.fill_value = first_piece.fill_value  # type: ignore[attr-defined]
    for low, high, piece, index in pieces:
        found[(slice(None),) * axis + (slice(low, high),)] = piece[orthogonal(index)]
    return found


def _left(held: list[Piece], plan: RechunkPlan, batch: Batch) -> list[Piece]:
    """Keep copies of what later blocks need, so that the rest is given back."""
    along = plan.parts[plan.axis]
    if batch.stop == len(along):
        return []
    start = along.span(batch.stop, batch.stop + 1)[0]
    kept = []
    for first, piece in held:
        stop = first + piece.shape[plan.axis]
        if stop > start:
            begin = max(first, start)
            index = (*_whole(piece, plan.axis), slice(begin - first, stop - first, 1))
            kept.append((begin, piece if begin == first else piece[index].copy()))
    return kept


def _tail_places(plan: RechunkPlan) -> list[tuple[Any, ...]]:
    covers = [each.cover(0, len(each))[1] for each in plan.parts[plan.axis + 1 :]]
    return list(product(*covers))


def _whole(array: Array, axes: int) -> tuple[slice, ...]:
    return tuple(slice(0, length, 1) for length in array.shape[:axes])


def _cut(array: Array, index: tuple[Any, ...]) -> Array:
    """Give a part as an array of its own; all of it is the array itself."""
    if all(isinstance(part, slice) for part in index):
        part = array[index]
        return array if part.shape == array.shape else part.copy()
    found: Array = array[orthogonal(index)]
    return found


def _length(place: Any) -> int:
    return place.stop - place.start if isinstance(place, slice) else len(place)


def block_lengths(source: Source, chunk_shape: Any) -> tuple[int, ...]:
    """Read the shape of blocks a user asks for.

    Parameters
    ----------
    source : Source
        The array.
    chunk_shape : dict, sequence of int or int
        Lengths by dimension, where those not named are whole; or one per dimension. -1 is a whole dimension.

    Raises
    ------
    VariableNotFoundError
        If a dimension is named that the array does not have.
    ShapeError
        If a length is none.
    """
    if isinstance(chunk_shape, Mapping):
        unknown = [name for name in chunk_shape if name not in source.dims]
        if unknown:
            raise VariableNotFoundError(
                f"chunk_shape names {unknown[0]!r}; the dimensions of {source.name!r} are "
                f"{', '.join(map(repr, source.dims))}"
            )
        wishes: list[Any] = [chunk_shape.get(dim, -1) for dim in source.dims]
    elif isinstance(chunk_shape, int | np.integer) and len(source.dims) == 1:
        wishes = [chunk_shape]
    elif isinstance(chunk_shape, Sequence) and not isinstance(chunk_shape, str):
        wishes = list(chunk_shape)
    else:
        raise ShapeError(
            f"chunk_shape={chunk_shape!r}: give a dict of lengths by dimension, or one length for each of "
            f"{', '.join(map(repr, source.dims))}"
        )
    if len(wishes) != len(source.dims):
        raise ShapeError(
            f"chunk_shape={chunk_shape!r} has {len(wishes)} lengths; {source.name!r} has {len(source.dims)} dimensions"
        )
    return tuple(_block_length(wish, size, chunk_shape) for wish, size in zip(wishes, source.shape, strict=True))


def _block_length(wish: Any, size: int, given: Any) -> int:
    whole = wish is None or wish == -1
    if not whole and (isinstance(wish, bool) or not isinstance(wish, int | np.integer) or wish < 1):
        raise ShapeError(f"chunk_shape={given!r}: {wish!r} is no length; give a positive whole number, or -1 for all")
    return max(1, size if whole else min(int(wish), size))


def check_budget(max_mem: Any) -> int:
    """Give a memory budget in bytes; anything but a positive number, or a text that says one, is an error.

    Examples
    --------
    >>> check_budget(2**20), check_budget("20MB")
    (1048576, 20000000)
    """
    given = size_of("max_mem", max_mem) if isinstance(max_mem, str) else max_mem
    if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not given > 0:
        raise ValueError(f"max_mem={max_mem!r}: give a number of bytes, such as 2**29, or a text as '500MB'")
    return int(given)


def iter_boxes(shape: Sequence[int], lengths: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Give where the blocks of one shape lie, in the order of their cells."""
    cuts = [
        [slice(start, min(start + length, size), 1) for start in range(0, size, length)]
        for size, length in zip(shape, lengths, strict=True)
    ]
    return product(*cuts)
