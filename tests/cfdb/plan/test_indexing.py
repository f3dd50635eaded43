"""Keys select what NumPy selects; several lists select their cross product."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cfdb.errors import SelectionError, ShapeError
from cfdb.plan.chunks import orthogonal
from cfdb.plan.indexing import Positions, Range, Selection, select, select_all, select_axes

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)


def read(array: np.ndarray, selection: Selection) -> np.ndarray:
    """Read through the canonical form: cross product of positions, then the layout of the result."""
    index = tuple(axis.positions() for axis in selection.axes)
    full = array[np.ix_(*index)] if index else array
    assert full.shape == selection.full_shape
    return selection.to_result(full)


def axis_keys(size: int) -> st.SearchStrategy[Any]:
    slices = st.slices(size)
    if not size:
        return slices
    integers = st.integers(-size, size - 1)
    lists = st.lists(integers, max_size=4)
    masks = hnp.arrays(np.bool_, size)
    arrays = lists.map(lambda values: np.array(values, np.int16))
    return st.one_of(slices, integers, integers.map(np.int64), lists, masks, arrays, integers.map(np.array))


def is_array(part: Any) -> bool:
    return isinstance(part, list) or (isinstance(part, np.ndarray) and part.ndim > 0)


def oracle(array: np.ndarray, parts: list[Any]) -> np.ndarray:
    """Apply one key per axis after the other, from the last to the first."""
    for axis in reversed(range(len(parts))):
        part = parts[axis]
        if isinstance(part, list):
            part = np.array(part, np.int64)
        array = array[(slice(None),) * axis + (part,)]
    return array


@settings(max_examples=100, deadline=None)
@given(SHAPES, st.data())
def test_keys_select_what_numpy_selects(shape: tuple[int, ...], data: st.DataObject) -> None:
    array = np.arange(int(np.prod(shape))).reshape(shape)
    count = data.draw(st.integers(0, len(shape)))
    parts = [data.draw(axis_keys(size)) for size in shape[:count]]
    selection = select(tuple(parts), shape)
    expected = oracle(array, parts)
    assert selection.shape == expected.shape
    assert np.array_equal(read(array, selection), expected)


@settings(max_examples=100, deadline=None)
@given(SHAPES, st.data())
def test_basic_keys_with_dots_and_new_axes_are_numpys(shape: tuple[int, ...], data: st.DataObject) -> None:
    array = np.arange(int(np.prod(shape))).reshape(shape)
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, max_dims=8))
    selection = select(key, shape)
    assert selection.shape == array[key].shape
    assert np.array_equal(read(array, selection), array[key])


@settings(max_examples=100, deadline=None)
@given(SHAPES, st.data())
def test_a_selection_of_a_selection_is_a_selection(shape: tuple[int, ...], data: st.DataObject) -> None:
    array = np.arange(int(np.prod(shape))).reshape(shape)
    selection = select_all(shape)
    expected = array
    for _ in range(2):
        key = data.draw(hnp.basic_indices(expected.shape, allow_newaxis=True, max_dims=6))
        if data.draw(st.booleans()) and expected.ndim and expected.shape[0]:
            key = data.draw(st.lists(st.integers(-expected.shape[0], expected.shape[0] - 1), min_size=1, max_size=3))
            assume(selection.layout[0] is not None)
        try:
            selection = selection.take(key)
        except SelectionError:
            assert None in selection.layout
            return
        expected = expected[np.array(key) if isinstance(key, list) else key]
        assert selection.shape == expected.shape
        assert np.array_equal(read(array, selection), expected)


@settings(max_examples=90, deadline=None)
@given(SHAPES, st.data())
def test_values_are_assigned_as_in_numpy(shape: tuple[int, ...], data: st.DataObject) -> None:
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, max_dims=8))
    selection = select(key, shape)
    target, expected = np.zeros(shape, int), np.zeros(shape, int)
    values = np.arange(1, int(np.prod(selection.shape)) + 1).reshape(selection.shape)
    for given_values in (values, 7, values[:1] if values.ndim else 3, values[None, None] if values.ndim else 4):
        expected[key] = given_values
        index = tuple(axis.positions() for axis in selection.axes)
        full = selection.to_full(given_values)
        assert full.shape == selection.full_shape
        target[np.ix_(*index) if index else ()] = full
        assert np.array_equal(target, expected)


def test_masked_values_keep_their_mask() -> None:
    selection = select((0, slice(None)), (2, 3))
    full = selection.to_full(np.ma.MaskedArray([1, 2, 3], [True, False, False]))
    assert full.tolist() == [[None, 2, 3]]
    assert selection.to_full(np.ma.masked).tolist() == [[None] * 3]


def test_values_that_do_not_fit_name_both_shapes() -> None:
    with pytest.raises(ShapeError, match=r"\(4,\) do not fit the selection of shape \(3,\)"):
        select(slice(0, 3), (5,)).to_full(np.arange(4))


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [
        (5, (5,), "index 5 is out of bounds for axis 0 with size 5"),
        ((0, -4), (5, 3), "index -4 is out of bounds for axis 1 with size 3"),
        ([0, 7], (5,), "index 7 is out of bounds"),
        (0, (0,), "index 0 is out of bounds for axis 0 with size 0"),
        ((0, 0), (5,), "too many indices: 2 for 1 dimensions"),
        (1.0, (5,), "1.0 of type float cannot select"),
        ("a", (5,), "labels go through .loc"),
        ([1.0], (5,), "type float64"),
        (["a"], (5,), "type <U1"),
        (True, (5,), "give a mask of length 5"),
        (np.array([True]), (5,), "the mask has 1 entries"),
        (np.ones((2, 2), bool), (2, 2), "use .vindex"),
        ((..., ...), (5,), "single ellipsis"),
        (slice("a", None), (5,), "cannot select"),
        (slice(None, None, 0), (5,), "cannot select"),
        (np.timedelta64(1), (5,), "timedelta64"),
        (np.array(1.0), (5,), "float64"),
        ({}, (5,), "dict"),
    ],
)
def test_what_cannot_select_is_refused_by_name(key: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(IndexError) as caught:
        select(key, shape)
    assert isinstance(caught.value, SelectionError)
    assert message in str(caught.value)


def test_selections_found_elsewhere_drop_axes_of_integers() -> None:
    selection = select_axes((3, Range(1, 2), Positions(np.array([4, 0]))))
    assert (selection.shape, selection.full_shape, selection.dims) == ((2, 2), (1, 2, 2), (1, 2))


def test_sizes_beyond_32_bits_select() -> None:
    size = 2**40
    selection = select((slice(-3, None), 2**39), (size, size))
    assert selection.axes == (Range(size - 3, 3), Range(2**39, 1))
    assert select(slice(None, None, -1), (size,)).shape == (size,)


def test_orthogonal_indexes_select_the_cross_product() -> None:
    array = np.arange(24).reshape(2, 3, 4)
    index = (np.array([1, 0]), slice(2, None, -1), np.array([3, 3, 0]))
    assert np.array_equal(array[orthogonal(index)], array[[1, 0]][:, ::-1][:, :, [3, 3, 0]])
