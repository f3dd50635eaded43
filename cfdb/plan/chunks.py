"""Which chunks does a selection touch, and how large should chunks be?

A plan is pure: it can be printed, counted and tested without reading anything. Executors obey it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from cfdb.errors import ShapeError
from cfdb.format.dimension import Slots
from cfdb.plan.axis import (
    AxisPlan,
    as_array,
    as_slice,
    axis_pieces,
    check_bounds,
    count_chunks,
    logical_cells,
    plan_axis,
    stored_chunks,
)
from cfdb.plan.indexing import Positions, Selection, select_all

MAX_ELEMENTS = 2**18
MAX_BYTES = 2 * 2**20
#: Length an empty or unlimited dimension counts with when chunk shapes are chosen.
EXPECTED_SIZE = 1000

Index = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ChunkProjection:
    """What one chunk contributes to a selection.

    Attributes
    ----------
    index : tuple of int
        Number of the chunk along every axis; may be negative.
    key : str
        Where the chunk is stored.
    chunk_selection : tuple
        NumPy index of the selected cells in the full chunk.
    out_selection : tuple
        NumPy index of the same cells in the output of shape `Selection.full_shape`.
    shape : tuple of int
        Shape both of them select.
    covers_chunk : bool
        Whether all logical cells of the chunk are selected: when writing, it need not be read.
    fills_chunk : bool
        Whether `chunk_selection` is the whole array of the chunk in its order.
    """

    index: tuple[int, ...]
    key: str
    chunk_selection: Index
    out_selection: Index
    shape: tuple[int, ...]
    covers_chunk: bool
    fills_chunk: bool


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """Chunks touched by a selection, in the order of their indexes.

    Attributes
    ----------
    variable_id : str
        Prefix of the keys.
    axes : tuple of AxisPlan
        One per axis.
    chunk_shape : tuple of int
        Shape of a chunk.
    full_shape : tuple of int
        Shape of the output the projections refer to.
    """

    variable_id: str
    axes: tuple[AxisPlan, ...]
    chunk_shape: tuple[int, ...]
    full_shape: tuple[int, ...]

    def __len__(self) -> int:
        return prod(len(axis) for axis in self.axes)

    @property
    def covers_all(self) -> bool:
        """Whether all logical cells of every chunk are selected."""
        return all(all(axis.covered) for axis in self.axes)

    def indexes(self) -> Iterator[tuple[int, ...]]:
        """Give the chunk indexes."""
        return product(*(axis.chunks for axis in self.axes))

    def keys(self) -> list[str]:
        """Give the chunk keys, in the order of the projections."""
        return _keys(self.variable_id, [axis.chunks for axis in self.axes])

    def __iter__(self) -> Iterator[ChunkProjection]:
        if not self.axes:
            return iter((ChunkProjection((), f"{self.variable_id}/s", (), (), (), True, True),))
        pairs = list(zip(self.axes, self.chunk_shape, strict=True))
        inner: Iterator[Index] = product(*(axis.inner for axis in self.axes))
        outer: Iterator[Index] = product(*(axis.outer for axis in self.axes))
        if not all(axis.is_simple for axis in self.axes):
            inner, outer = map(orthogonal, inner), map(orthogonal, outer)
        return map(
            ChunkProjection,
            self.indexes(),
            self.keys(),
            inner,
            outer,
            product(*(axis.counts(length) for axis, length in pairs)),
            map(all, product(*(axis.covered for axis in self.axes))),
            map(all, product(*(axis.fills(length) for axis, length in pairs))),
        )


def _keys(variable_id: str, axes: Sequence[Sequence[int]]) -> list[str]:
    if not axes:
        return [f"{variable_id}/s"]
    keys = [f"{variable_id}/{chunk}" for chunk in axes[0]]
    for chunks in axes[1:]:
        tails = [f".{chunk}" for chunk in chunks]
        keys = [key + tail for key in keys for tail in tails]
    return keys


def orthogonal(index: Index) -> Index:
    """Make NumPy select the cross product of slices and arrays (at most one array works by itself)."""
    arrays = sum(isinstance(part, np.ndarray) for part in index)
    if arrays < 2:
        return index
    return np.ix_(*(as_array(part) for part in index))


@dataclass(frozen=True, slots=True)
class ChunkGrid:
    """How an array is cut into chunks.

    Attributes
    ----------
    variable_id : str
        Prefix of the chunk keys.
    chunk_shape : tuple of int
        Shape of every chunk, those at the edges included.
    axes : tuple of Slots
        Where the positions along every axis are stored.

    Examples
    --------
    >>> grid = ChunkGrid("abcdefgh", (4,), (Slots.of_size(10),))
    >>> from cfdb.plan.indexing import select
    >>> [(part.key, part.covers_chunk) for part in grid.plan(select(slice(2, 8), grid.shape))]
    [('abcdefgh/0', False), ('abcdefgh/1', True)]
    """

    variable_id: str
    chunk_shape: tuple[int, ...]
    axes: tuple[Slots, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return tuple(axis.size for axis in self.axes)

    def __len__(self) -> int:
        """Count the chunks that hold cells of the array."""
        return prod(count_chunks(axis, length) for axis, length in zip(self.axes, self.chunk_shape, strict=True))

    def plan(self, selection: Selection | None = None) -> ChunkPlan:
        """Plan which chunks a selection touches (None: everything)."""
        chosen = select_all(self.shape) if selection is None else selection
        axes = tuple(
            plan_axis(axis, slots, length)
            for axis, slots, length in zip(chosen.axes, self.axes, self.chunk_shape, strict=True)
        )
        return ChunkPlan(self.variable_id, axes, self.chunk_shape, chosen.full_shape)

    def indexes(self) -> Iterator[tuple[int, ...]]:
        """Give the indexes of all chunks that hold cells of the array, in order."""
        return product(*(stored_chunks(axis, length) for axis, length in zip(self.axes, self.chunk_shape, strict=True)))

    def keys(self) -> list[str]:
        """Give the keys of all chunks that hold cells of the array, in the order of `indexes`."""
        axes = [list(stored_chunks(axis, length)) for axis, length in zip(self.axes, self.chunk_shape, strict=True)]
        return _keys(self.variable_id, axes)

    def key(self, index: tuple[int, ...]) -> str:
        """Give the key of one chunk."""
        return f"{self.variable_id}/{'.'.join(map(str, index)) if index else 's'}"

    def logical(self, index: tuple[int, ...]) -> Index:
        """Give the NumPy index of the cells of a chunk that belong to the array now."""
        parts = zip(index, self.axes, self.chunk_shape, strict=True)
        return orthogonal(tuple(logical_cells(chunk, slots, length) for chunk, slots, length in parts))

    def boxes(self) -> Iterator[tuple[tuple[slice, ...], tuple[int, ...], Index]]:
        """Cut the array at chunk boundaries, in the order of its cells.

        Yields
        ------
        tuple
            Slices of the array, index of the chunk that holds them, slices of the chunk.
        """
        pieces = [list(axis_pieces(axis, length)) for axis, length in zip(self.axes, self.chunk_shape, strict=True)]
        for parts in product(*pieces):
            yield (
                tuple(slice(start, start + count) for start, count, _, _ in parts),
                tuple(chunk for _, _, chunk, _ in parts),
                tuple(slice(place, place + count) for _, count, _, place in parts),
            )


def plan_points(grid: ChunkGrid, points: Sequence[Any]) -> Iterator[tuple[str, Index, Any]]:
    """Plan a pointwise selection (`.vindex`); a position out of bounds is a `SelectionError`.

    Parameters
    ----------
    grid : ChunkGrid
        The array.
    points : sequence of ndarray of int
        Non-negative positions along every axis, 1-D and of equal length.

    Yields
    ------
    tuple
        Chunk key, NumPy index of the points in the chunk, their numbers in the output (slice or array).
    """
    for slots, axis in zip(grid.axes, points, strict=True):
        check_bounds(Positions(np.asarray(axis, np.int64)), slots)
    found = [slots.slots(np.asarray(axis, np.int64)) for slots, axis in zip(grid.axes, points, strict=True)]
    if not found or not found[0].size:
        return
    chunks = np.stack([slot // length for slot, length in zip(found, grid.chunk_shape, strict=True)])
    places = np.stack([slot % length for slot, length in zip(found, grid.chunk_shape, strict=True)])
    order = np.lexsort(chunks[::-1])
    chunks, places = chunks[:, order], places[:, order]
    bounds = np.flatnonzero(np.any(chunks[:, 1:] != chunks[:, :-1], axis=0)) + 1
    for start, stop in zip([0, *bounds.tolist()], [*bounds.tolist(), order.size], strict=True):
        key = grid.key(tuple(chunks[:, start].tolist()))
        yield key, tuple(places[:, start:stop]), as_slice(order[start:stop])


def choose_chunk_shape(
    shape: Sequence[int],
    itemsize: int,
    unlimited: Sequence[bool] | None = None,
    requested: Sequence[int] | Mapping[str, int] | int | None = None,
    dims: Sequence[str] = (),
) -> tuple[int, ...]:
    """Choose the shape of a variable's chunks.

    At most 2^18 elements and 2 MiB, near to a cube; a dimension that is empty or unlimited counts as
    ``max(size, 1000)``.

    Parameters
    ----------
    shape : sequence of int
        Present shape.
    itemsize : int
        Bytes of a stored cell.
    unlimited : sequence of bool, optional
        Which dimensions are declared to grow.
    requested : tuple, dict or int, optional
        Lengths wished for: one per dimension, or by name; -1 is the whole dimension. What a dict leaves out is chosen.
    dims : sequence of str
        Names of the dimensions, for `requested` by name.

    Raises
    ------
    ShapeError
        If the request does not fit the shape.

    Examples
    --------
    >>> choose_chunk_shape((365, 360, 720), 4)
    (61, 60, 66)
    >>> choose_chunk_shape((365, 360, 720), 4, requested={"time": 1, "lat": -1, "lon": -1}, dims=("time", "lat", "lon"))
    (1, 360, 720)
    """
    grows = [False] * len(shape) if unlimited is None else list(unlimited)
    expected = [
        max(size, EXPECTED_SIZE) if size == 0 or grow else size for size, grow in zip(shape, grows, strict=True)
    ]
    fixed = _requested(requested, expected, tuple(dims))
    budget = max(1, min(MAX_ELEMENTS, MAX_BYTES // max(itemsize, 1)))
    budget = max(1, budget // prod(length for length in fixed if length is not None))
    free = [number for number, length in enumerate(fixed) if length is None]
    lengths = [1 if length is None else length for length in fixed]
    # smallest dimensions first: what they leave of the budget goes to the larger ones
    for left, number in zip(range(len(free), 0, -1), sorted(free, key=lambda number: expected[number]), strict=True):
        target = max(1, int(budget ** (1 / left) + 1e-9))
        lengths[number] = _even_cut(expected[number], target)
        budget = max(1, budget // lengths[number])
    return tuple(lengths)


def _even_cut(size: int, target: int) -> int:
    """Give a length of at most `target` that cuts `size` into pieces of nearly equal length."""
    if size <= target:
        return max(size, 1)
    pieces = -(-size // target)
    return -(-size // pieces)


def _requested(requested: Any, expected: list[int], dims: tuple[str, ...]) -> list[int | None]:
    if requested is None:
        return [None] * len(expected)
    if isinstance(requested, Mapping):
        unknown = [name for name in requested if name not in dims]
        if unknown:
            raise ShapeError(f"chunk_shape names {unknown[0]!r}; the dimensions are {', '.join(map(repr, dims))}")
        wishes: list[Any] = [requested.get(name) for name in dims]
    else:
        wishes = [requested] if isinstance(requested, int | np.integer) else list(requested)
    if len(wishes) != len(expected):
        raise ShapeError(f"chunk_shape={requested!r} has {len(wishes)} lengths for {len(expected)} dimensions")
    return [_length(wish, size, requested) for wish, size in zip(wishes, expected, strict=True)]


def _length(wish: Any, size: int, requested: Any) -> int | None:
    if wish is None:
        return None
    if isinstance(wish, bool) or not isinstance(wish, int | np.integer) or (wish < 1 and wish != -1):
        raise ShapeError(
            f"chunk_shape={requested!r}: {wish!r} is no chunk length; give a positive whole number, or -1 for all"
        )
    return max(size, 1) if wish == -1 else int(wish)
