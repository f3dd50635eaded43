"""A source tells where chunks begin along the axes of any selection, and reads its boxes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.compute.source import Source
from cfdb.model.dataset import Dataset

SHAPE, CHUNKS = (11, 9), (4, 3)


@pytest.fixture
def ds() -> Iterator[Dataset]:
    with cfdb.open_dataset(None, "n") as ds:
        for name, size in zip("yx", SHAPE, strict=True):
            ds.create.coord.generic(name, data=np.arange(size))
        ds.create.data_var.generic("t", ("y", "x"), dtype="int32", chunk_shape=CHUNKS)
        ds["t"][...] = np.arange(99).reshape(SHAPE)
        yield ds


def breaks(source: Source) -> list[list[int]]:
    return [each.tolist() for each in source.breaks]


def positions_where_the_chunk_changes(slots: list[int], length: int) -> list[int]:
    chunks = [slot // length for slot in slots]
    return [place for place, chunk in enumerate(chunks) if place == 0 or chunk != chunks[place - 1]]


def test_a_whole_variable_breaks_at_its_chunks(ds: Dataset) -> None:
    source = ds["t"]._source()
    assert (source.name, source.dims, source.shape, source.dtype) == ("t", ("y", "x"), SHAPE, np.int32)
    assert breaks(source) == [[0, 4, 8], [0, 3, 6]]


@pytest.mark.parametrize(
    ("key", "slots"),
    [
        ((slice(3, 10), slice(None)), [list(range(3, 10)), list(range(9))]),
        ((slice(None, None, 3), slice(1, None, 2)), [[0, 3, 6, 9], [1, 3, 5, 7]]),
        ((slice(None, None, -1), slice(8, 1, -3)), [list(range(10, -1, -1)), [8, 5, 2]]),
        (([7, 0, 1, 10], [2, 2, 3]), [[7, 0, 1, 10], [2, 2, 3]]),
        ((5, slice(None)), [list(range(9))]),
        ((slice(4, 4), slice(None)), [[], list(range(9))]),
    ],
)
def test_the_breaks_of_a_view_are_where_its_chunk_changes(ds: Dataset, key: Any, slots: list[list[int]]) -> None:
    source = ds["t"][key]._source()
    lengths = CHUNKS[-len(slots) :]
    assert breaks(source) == [
        positions_where_the_chunk_changes(*each) if each[0] else [] for each in zip(slots, lengths, strict=True)
    ]


def test_prepended_and_inserted_positions_break_where_they_are_stored(ds: Dataset) -> None:
    ds["y"].prepend(np.array([-2, -1]))
    source = ds["t"]._source()
    assert breaks(source)[0] == [0, 2, 6, 10]
    ds["y"].insert(4, np.array([100, 101]))
    source = ds["t"]._source()
    slots = ds["t"]._member.dims[0].slots.slots(np.arange(15)).tolist()
    assert breaks(source)[0] == positions_where_the_chunk_changes(slots, CHUNKS[0]) == [0, 2, 4, 6, 8, 12]


def test_an_added_axis_has_one_position(ds: Dataset) -> None:
    source = ds["t"][:, None, 2:]._source()
    assert source.shape == (11, 1, 7)
    assert breaks(source) == [[0, 4, 8], [0], [0, 1, 4]]


def test_boxes_are_read_as_numpy_does(ds: Dataset) -> None:
    view = ds["t"][::-1, [0, 5, 8]]
    source, values = view._source(), view.values
    np.testing.assert_array_equal(source.read((slice(2, 7), slice(1, 3))), values[2:7, 1:3])
    np.testing.assert_array_equal(source.read((np.array([9, 0, 4]), np.array([2, 0]))), values[[9, 0, 4]][:, [2, 0]])
