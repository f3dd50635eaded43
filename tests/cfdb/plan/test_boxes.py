"""Boxes hold every selected cell once, in the chunk and at the place where its position is stored."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfdb.errors import SelectionError
from cfdb.format.dimension import Slots
from cfdb.format.names import parse_chunk_key
from cfdb.plan.boxes import MOST_PARTS, BoxPlan, plan_boxes
from cfdb.plan.chunks import ChunkGrid
from cfdb.plan.indexing import Selection, select
from tests.cfdb.plan.test_chunks import OPERATIONS, build
from tests.support.oracle import keys_of

AXES = st.lists(st.tuples(OPERATIONS.map(build), st.integers(1, 5)), min_size=1, max_size=3)


def plan_of(grid: ChunkGrid, selection: Selection) -> BoxPlan | None:
    return plan_boxes(grid.variable_id, selection, grid.axes, grid.chunk_shape)


def slots_of(plan: BoxPlan, chunk_shape: tuple[int, ...], step: int) -> list[np.ndarray]:
    """Give the slot of every selected cell along every axis, as the boxes tell it; -1 where no box lies."""
    found = [np.full(plan.full_shape, -(2**62)) for _ in chunk_shape]
    for boxes in plan.portions(step):
        for number, key in enumerate(boxes.keys):
            parsed = parse_chunk_key(key)
            assert parsed is not None
            where = boxes.slices(number)
            for axis, slots in enumerate(found):
                assert (slots[where] == -(2**62)).all()
                start, count = boxes.starts[number, axis], boxes.counts[number, axis]
                assert 0 <= start < start + count <= chunk_shape[axis]
                line = parsed[1][axis] * chunk_shape[axis] + np.arange(start, start + count)
                slots[where] = line.reshape([-1 if axis == other else 1 for other in range(len(found))])
    return found


@settings(max_examples=150, deadline=None)
@given(st.data(), AXES, st.integers(1, 7))
def test_every_cell_lies_in_one_box(data: st.DataObject, axes: list[tuple[Slots, int]], step: int) -> None:
    grid = ChunkGrid("abcdefgh", tuple(length for _, length in axes), tuple(slots for slots, _ in axes))
    selection = select(data.draw(keys_of(grid.shape)), grid.shape)
    plan = plan_of(grid, selection)
    if plan is None:
        return
    expected = np.meshgrid(
        *(slots.slots(axis.positions()) for slots, axis in zip(grid.axes, selection.axes, strict=True)), indexing="ij"
    )
    for slots, wanted in zip(slots_of(plan, grid.chunk_shape, step), expected, strict=True):
        assert np.array_equal(slots, wanted)
    keys = list(plan.keys())
    assert len(keys) == len(plan)
    assert set(keys) == set(grid.plan(selection).keys())
    assert [key for boxes in plan.portions(step) for key in boxes.keys] == keys
    numbers = data.draw(st.lists(st.integers(0, max(len(plan) - 1, 0)), max_size=4 if keys else 0))
    some, every = plan.at(numbers), list(plan.portions(max(len(plan), 1)))
    assert some.keys == [keys[number] for number in numbers]
    if numbers:
        assert np.array_equal(some.targets, every[0].targets[numbers])
    slices = list(plan.slices(range(len(axes))))
    assert slices == [boxes.slices(number) for boxes in plan.portions(step) for number in range(len(boxes))]
    first_cells = [tuple(part.start for part in where) for where in slices]
    assert first_cells == sorted(first_cells)


@settings(max_examples=60, deadline=None)
@given(AXES)
def test_plain_slices_are_always_boxes(axes: list[tuple[Slots, int]]) -> None:
    single = [(Slots.of_size(slots.size), length) for slots, length in axes]
    grid = ChunkGrid("abcdefgh", tuple(length for _, length in single), tuple(slots for slots, _ in single))
    assert plan_of(grid, select(..., grid.shape)) is not None


def test_steps_within_a_chunk_and_scattered_inserts_are_no_boxes() -> None:
    line = ChunkGrid("abcdefgh", (4,), (Slots.of_size(40),))
    assert plan_of(line, select(slice(None, None, 2), line.shape)) is None
    assert plan_of(line, select(slice(None, None, -1), line.shape)) is None
    assert plan_of(line, select([0, 2], line.shape)) is None
    across = plan_of(line, select(slice(None, None, 5), line.shape))
    assert across is not None
    assert len(across) == 8
    slots = Slots.of_size(64)
    for place in range(60, 0, -2):
        slots = slots.insert(place, 1)
    mixed = ChunkGrid("abcdefgh", (64,), (slots,))
    assert plan_of(mixed, select(..., mixed.shape)) is None
    assert MOST_PARTS >= 1


def test_what_a_dimension_no_longer_has_is_refused() -> None:
    selection = select(slice(2, 9), (10,))
    with pytest.raises(SelectionError, match="out of bounds: the dimension has 5 positions now"):
        plan_boxes("abcdefgh", selection, [Slots.of_size(5)], (4,))


def test_what_must_be_decoded_is_counted_in_blocks() -> None:
    grid = ChunkGrid("abcdefgh", (10, 10), (Slots.of_size(20), Slots.of_size(10)))
    plan = plan_of(grid, select((slice(9, 12), slice(3, 4)), grid.shape))
    assert plan is not None
    assert plan.touched((10, 10), (10, 10)) == 200
    assert plan.touched((10, 10), (4, 5)) == (2 + 4) * 5  # the last block of a chunk is cut at its edge
    assert plan.largest == (2, 1)
