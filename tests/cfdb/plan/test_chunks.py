"""Plans touch the right cells of the right chunks, whatever has been appended, inserted and dropped."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfdb.errors import ShapeError
from cfdb.format.dimension import SIDE, Slots
from cfdb.format.names import parse_chunk_key
from cfdb.plan.axis import shrunk_chunks
from cfdb.plan.chunks import ChunkGrid, choose_chunk_shape, plan_points
from cfdb.plan.indexing import Selection, select, select_all

Operation = tuple[str, int, int]
OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["append", "prepend", "insert", "drop"]), st.integers(0, 9), st.integers(0, 9)),
    max_size=6,
)


def build(operations: list[Operation]) -> Slots:
    slots = Slots.of_size(3)
    for name, first, second in operations:
        if name == "insert":
            slots = slots.insert(first % (slots.size + 1), second)
        elif name == "drop":
            start = first % (slots.size + 1)
            slots = slots.drop(start, min(slots.size, start + second))
        else:
            slots = getattr(slots, name)(second)
    return slots


@settings(max_examples=100, deadline=None)
@given(OPERATIONS.map(build), st.sets(st.integers(0, 20)), st.integers(1, 5))
def test_chunks_that_lose_positions_are_those_whose_slots_are_gone(before: Slots, gone: set[int], length: int) -> None:
    after = before.drop_positions(sorted(position for position in gone if position < before.size))

    def counted(slots: Slots) -> Counter[int]:
        return Counter((slots.slots(range(slots.size)) // length).tolist())

    had, left = counted(before), counted(after)
    assert shrunk_chunks(before, after, length) == {chunk: left[chunk] for chunk in had if left[chunk] < had[chunk]}


AXES = st.lists(st.tuples(OPERATIONS.map(build), st.integers(1, 5)), min_size=0, max_size=3)


class Chunks:
    """An array kept in chunks, read and written by plans only."""

    def __init__(self, grid: ChunkGrid) -> None:
        self.grid = grid
        self.stored: dict[str, np.ndarray] = {}

    def chunk(self, key: str) -> np.ndarray:
        return self.stored.setdefault(key, np.full(self.grid.chunk_shape, -1))

    def write(self, selection: Selection, values: Any) -> None:
        full = selection.to_full(values)
        for part in self.grid.plan(selection):
            # a covered chunk is written without being read: nothing of it may be needed
            chunk = np.full(self.grid.chunk_shape, -2) if part.covers_chunk else self.chunk(part.key)
            chunk[part.chunk_selection] = full[part.out_selection]
            assert full[part.out_selection].shape == part.shape
            self.stored[part.key] = chunk

    def read(self, selection: Selection) -> np.ndarray:
        full = np.full(selection.full_shape, -3)
        for part in self.grid.plan(selection):
            chunk = self.chunk(part.key)
            assert chunk[part.chunk_selection].shape == part.shape
            if part.fills_chunk:
                assert np.array_equal(chunk[part.chunk_selection], chunk)
            full[part.out_selection] = chunk[part.chunk_selection]
        return selection.to_result(full)


def keys_for(shape: tuple[int, ...]) -> st.SearchStrategy[tuple[Any, ...]]:
    def one(size: int) -> st.SearchStrategy[Any]:
        lists = (
            st.lists(st.integers(-size, size - 1), max_size=4, unique_by=lambda n: n % size) if size else st.just([])
        )
        return st.one_of(st.slices(size), lists)

    return st.tuples(*(one(size) for size in shape))


@settings(max_examples=90, deadline=None)
@given(AXES, st.data())
def test_reads_and_writes_by_plan_are_those_of_numpy(axes: list[tuple[Slots, int]], data: st.DataObject) -> None:
    grid = ChunkGrid("abcdefgh", tuple(length for _, length in axes), tuple(slots for slots, _ in axes))
    chunks, array = Chunks(grid), np.arange(int(np.prod(grid.shape))).reshape(grid.shape)
    chunks.write(select_all(grid.shape), array)
    for number in range(2):
        key = data.draw(keys_for(grid.shape))
        index = np.ix_(*(np.arange(size)[part] for size, part in zip(grid.shape, key, strict=True))) if key else ()
        selection = select(key, grid.shape)
        assert np.array_equal(chunks.read(selection), array[index])
        values = 1000 * (number + 1) + np.arange(int(np.prod(selection.shape))).reshape(selection.shape)
        chunks.write(selection, values)
        array[index] = values
        assert np.array_equal(chunks.read(select_all(grid.shape)), array)


@settings(max_examples=80, deadline=None)
@given(AXES)
def test_a_grid_counts_and_names_exactly_the_chunks_that_hold_cells(axes: list[tuple[Slots, int]]) -> None:
    grid = ChunkGrid("abcdefgh", tuple(length for _, length in axes), tuple(slots for slots, _ in axes))
    plan = grid.plan()
    indexes = list(grid.indexes())
    assert [part.index for part in plan] == indexes == sorted(set(indexes))
    assert plan.keys() == grid.keys() == [grid.key(index) for index in indexes] == [part.key for part in plan]
    assert len(grid) == len(plan) == len(indexes)
    assert all(part.covers_chunk for part in plan)
    keys = grid.keys()
    assert [parse_chunk_key(key) for key in keys] == [("abcdefgh", index) for index in indexes]


@settings(max_examples=80, deadline=None)
@given(AXES)
def test_logical_cells_of_all_chunks_are_the_cells_of_the_array(axes: list[tuple[Slots, int]]) -> None:
    grid = ChunkGrid("abcdefgh", tuple(length for _, length in axes), tuple(slots for slots, _ in axes))
    chunks = Chunks(grid)
    chunks.write(select_all(grid.shape), np.arange(int(np.prod(grid.shape))).reshape(grid.shape))
    cells = [cell for index in grid.indexes() for cell in chunks.chunk(grid.key(index))[grid.logical(index)].flat]
    assert sorted(cells) == list(range(int(np.prod(grid.shape))))


@settings(max_examples=80, deadline=None)
@given(AXES)
def test_boxes_cut_the_array_in_its_own_order(axes: list[tuple[Slots, int]]) -> None:
    grid = ChunkGrid("abcdefgh", tuple(length for _, length in axes), tuple(slots for slots, _ in axes))
    chunks, array = Chunks(grid), np.arange(int(np.prod(grid.shape))).reshape(grid.shape)
    chunks.write(select_all(grid.shape), array)
    seen = np.zeros(grid.shape, int)
    firsts = []
    for cells, index, places in grid.boxes():
        assert np.array_equal(array[cells], chunks.chunk(grid.key(index))[places])
        seen[cells] += 1
        firsts.append(tuple(part.start for part in cells))
    assert bool(np.all(seen == 1))
    assert firsts == sorted(firsts)


@settings(max_examples=100, deadline=None)
@given(AXES.filter(lambda axes: axes and all(slots.size for slots, _ in axes)), st.data())
def test_points_are_read_from_their_chunks(axes: list[tuple[Slots, int]], data: st.DataObject) -> None:
    grid = ChunkGrid("abcdefgh", tuple(length for _, length in axes), tuple(slots for slots, _ in axes))
    chunks, array = Chunks(grid), np.arange(int(np.prod(grid.shape))).reshape(grid.shape)
    chunks.write(select_all(grid.shape), array)
    count = data.draw(st.integers(0, 6))
    points = [
        np.array(data.draw(st.lists(st.integers(0, size - 1), min_size=count, max_size=count)), int)
        for size in grid.shape
    ]
    out = np.full(count, -1)
    keys = []
    for key, places, numbers in plan_points(grid, points):
        out[numbers] = chunks.chunk(key)[places]
        keys.append(key)
    assert np.array_equal(out, array[tuple(points)])
    assert len(keys) == len(set(keys))


def test_a_scalar_variable_has_one_chunk() -> None:
    grid = ChunkGrid("abcdefgh", (), ())
    (part,) = grid.plan(select((), ()))
    assert (part.key, part.index, part.chunk_selection, part.covers_chunk) == ("abcdefgh/s", (), (), True)
    assert len(grid) == 1
    assert grid.key(()) == "abcdefgh/s"


def test_a_repeated_position_does_not_cover_a_chunk() -> None:
    grid = ChunkGrid("abcdefgh", (3,), (Slots.of_size(3),))
    assert not next(iter(grid.plan(select([0, 1, 1], (3,))))).covers_chunk
    assert next(iter(grid.plan(select([2, 0, 1, 1], (3,))))).covers_chunk


def test_a_chunk_whose_other_cells_were_dropped_is_covered_by_the_rest() -> None:
    grid = ChunkGrid("abcdefgh", (4,), (Slots.of_size(6).drop(1, 3),))
    (part,) = grid.plan(select(slice(0, 2), grid.shape))
    assert part.covers_chunk
    assert part.chunk_selection == (slice(0, 4, 3),)
    assert grid.logical((0,))[0].tolist() == [0, 3]


def test_growth_adds_chunks_and_moves_none() -> None:
    grid = ChunkGrid("abcdefgh", (4,), (Slots.of_size(8),))
    grown = ChunkGrid("abcdefgh", (4,), (Slots.of_size(8).append(1).prepend(2).insert(4, 1),))
    assert grid.keys() == ["abcdefgh/0", "abcdefgh/1"]
    assert grown.keys() == ["abcdefgh/-1", "abcdefgh/0", "abcdefgh/1", "abcdefgh/2", f"abcdefgh/{SIDE // 4}"]


def test_a_dimension_beyond_32_bits_is_planned_where_it_is_touched() -> None:
    size = 2**40
    grid = ChunkGrid("abcdefgh", (1000, 7), (Slots.of_size(size), Slots.of_size(7)))
    keys = [part.key for part in grid.plan(select((slice(size - 1500, None), 3), grid.shape))]
    last = (size - 1) // 1000
    assert keys == [f"abcdefgh/{last - 1}.0", f"abcdefgh/{last}.0"]
    assert len(grid) == last + 1
    (sparse,) = grid.plan(select((slice(None, None, 2**39), 0), grid.shape)).axes[:1]
    assert sparse.chunks == [0, 2**39 // 1000]


def test_plans_print_what_will_happen() -> None:
    grid = ChunkGrid("abcdefgh", (4, 4), (Slots.of_size(6), Slots.of_size(4)))
    assert "chunk_selection=(slice(0, 2, 1), slice(1, 2, 1))" in repr(list(grid.plan(select((slice(4, 6), 1), (6, 4)))))


@pytest.mark.parametrize(
    ("shape", "itemsize"),
    [
        ((365, 360, 720), 4),
        ((10**7,), 8),
        ((0, 3), 4),
        ((1, 1, 1), 1),
        ((5,), 8),
        ((100, 100, 100, 100), 16),
        ((0,), 8),
    ],
)
def test_automatic_chunks_stay_within_the_budget_and_the_shape(shape: tuple[int, ...], itemsize: int) -> None:
    chunks = choose_chunk_shape(shape, itemsize)
    cells = int(np.prod(chunks))
    assert cells <= 2**18
    assert cells * itemsize <= 2**21
    assert all(1 <= length <= max(size, 1000 if not size else 1) for length, size in zip(chunks, shape, strict=True))
    expected = int(np.prod([size or 1000 for size in shape]))
    assert cells >= min(expected, 2**18, 2**21 // itemsize) // 4


def test_an_unlimited_or_empty_dimension_counts_as_a_thousand() -> None:
    assert choose_chunk_shape((0,), 4) == (1000,)
    assert choose_chunk_shape((3,), 4, unlimited=[True]) == (1000,)
    assert choose_chunk_shape((3000,), 4, unlimited=[True]) == (3000,)
    assert choose_chunk_shape((3,), 4) == (3,)
    assert choose_chunk_shape((), 4) == ()


def test_chunk_shapes_are_wished_for_by_tuple_dict_and_minus_one() -> None:
    dims = ("time", "lat", "lon")
    shape = (100, 30, 40)
    assert choose_chunk_shape(shape, 4, None, (5, -1, 7), dims) == (5, 30, 7)
    assert choose_chunk_shape(shape, 4, None, {"time": 1, "lon": -1, "lat": 200}, dims) == (1, 200, 40)
    assert choose_chunk_shape(shape, 4, None, {"time": 1}, dims)[0] == 1
    assert choose_chunk_shape((100,), 4, None, 25) == (25,)
    assert choose_chunk_shape((0,), 4, None, -1) == (1000,)


@pytest.mark.parametrize("wish", [(1, 2), (0, 1, 1), (1, 1, -2), ("a", 1, 1), (1.5, 1, 1), (True, 1, 1), {"depth": 1}])
def test_chunk_shapes_that_do_not_fit_are_refused(wish: Any) -> None:
    with pytest.raises(ShapeError, match="chunk_shape"):
        choose_chunk_shape((4, 4, 4), 4, None, wish, ("time", "lat", "lon"))
