"""Blocks cover an array once and keep to their limits; what they give is joined without losing digits."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfdb.compute.reduce import Reduction, reduce_blocks
from cfdb.compute.reduce_blocks import Limits, cut_blocks, positions_of, split_box
from cfdb.compute.reduce_extremes import Extreme, Place
from cfdb.compute.reduce_fractions import METHODS, Quantiles
from cfdb.compute.reduce_selection import Keys
from cfdb.compute.reduce_sums import FloatTotal, IntegerSum, Spread, nearest_quotient
from cfdb.compute.reduce_values import split, with_missing
from cfdb.compute.reduce_windows import in_order
from cfdb.compute.source import Source
from cfdb.errors import MemoryLimitError, SumOverflowError

I8, F8 = np.dtype(np.int64), np.dtype(np.float64)


def index(box: Any) -> Any:
    return np.ix_(*(positions_of(part) for part in box))


def source_of(array: Any, owners: list[Any] | None = None) -> Source:
    owned = tuple(np.arange(size) // 3 for size in array.shape) if owners is None else tuple(map(np.asarray, owners))
    breaks = tuple(np.flatnonzero(np.diff(each, prepend=each[:1] - 1)) for each in owned)
    dims = tuple("abcd"[: array.ndim])
    read = lambda box: array[index(box)]  # noqa: E731
    nbytes = 3**array.ndim * array.itemsize
    return Source("v", dims, array.shape, array.dtype, array.itemsize, breaks, nbytes, read, read, owned)


@settings(max_examples=100, deadline=None)
@given(
    owners=st.lists(st.lists(st.integers(-2, 3), min_size=1, max_size=8), min_size=1, max_size=3),
    cells=st.integers(1, 60),
    kept=st.integers(0, 7),
)
def test_blocks_hold_every_cell_once_and_no_more_than_allowed(owners: list[list[int]], cells: int, kept: int) -> None:
    array = np.zeros([len(each) for each in owners], int)
    axes = tuple(axis for axis in range(array.ndim) if kept >> axis & 1)
    source = source_of(array, owners)
    cuts = cut_blocks(source, axes, (), Limits(cells, cells))
    chunks = math.prod(max(each.count(number) for number in each) for each in owners)
    for box in in_order(source, cuts):
        array[index(box)] += 1
        assert array[index(box)].size <= cells
        if chunks <= cells:  # chunks stay whole
            for part, each in zip(box, map(np.asarray, owners), strict=True):
                chosen = positions_of(part)
                assert np.isin(each, each[chosen]).sum() == chosen.size
    assert (array == 1).all()


@settings(max_examples=50, deadline=None)
@given(shape=st.lists(st.integers(1, 7), max_size=3), most=st.integers(1, 50))
def test_a_box_is_split_into_parts_that_fit(shape: list[int], most: int) -> None:
    array = np.zeros(shape, int)
    for box in split_box(tuple(slice(0, size, 1) for size in shape), most):
        array[index(box) if shape else ()] += 1
        assert math.prod(positions_of(part).size for part in box) <= most
    assert (array == 1).all()


def test_axes_that_must_be_held_and_do_not_fit_are_named() -> None:
    source = source_of(np.zeros((10, 20)))
    with pytest.raises(MemoryLimitError, match="'b'"):
        cut_blocks(source, (0,), (1,), Limits(19, 19))
    assert len(list(in_order(source, cut_blocks(source, (0,), (1,), Limits(20, 20))))) == 10


def tiny(source: Source, axes: tuple[int, ...], **options: Any) -> Reduction:
    """A reduction whose blocks have a few cells each."""
    return Reduction(source, axes, max_mem=300, **options)


def test_a_small_budget_makes_several_blocks() -> None:
    array, read = np.arange(40), []
    source = source_of(array)
    counted = replace(source, read=lambda box: (read.append(1), source.read(box))[1])
    assert reduce_blocks(tiny(counted, (0,)), IntegerSum("v", I8))[0] == 780
    assert len(read) > 5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=40))
def test_sums_of_64_bit_integers_are_those_of_python(numbers: list[int]) -> None:
    source = source_of(np.array(numbers, np.int64))
    total = sum(numbers)
    if -(2**63) <= total < 2**63:
        assert reduce_blocks(tiny(source, (0,)), IntegerSum("v", I8))[0] == total
    else:
        with pytest.raises(SumOverflowError, match="dtype=float"):
            reduce_blocks(tiny(source, (0,)), IntegerSum("v", I8))
    assert reduce_blocks(tiny(source, (0,)), IntegerSum("v", F8))[0] == pytest.approx(float(total), rel=1e-15)
    mean = reduce_blocks(tiny(source, (0,)), IntegerSum("v", I8, mean=True))[0]
    assert 2 * abs(int(mean) * len(numbers) - total) <= len(numbers)


@settings(max_examples=60, deadline=None)
@given(st.integers(-(2**90), 2**90), st.integers(1, 2**31 - 1))
def test_quotients_are_to_the_nearest_halves_to_even(total: int, count: int) -> None:
    total = max(-(2**62) * count, min(2**62 * count, total))
    high, low = np.array([total >> 32]), np.array([total & (2**32 - 1)])
    floor, rest = divmod(total, count)
    want = floor + (2 * rest > count or (2 * rest == count and floor % 2 == 1))
    assert nearest_quotient(high, low, np.array([count]))[0] == want


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=40))
def test_sums_of_floats_are_compensated(numbers: list[float]) -> None:
    source = source_of(np.array(numbers), [np.arange(len(numbers))])  # a chunk each
    found = reduce_blocks(Reduction(source, (0,), max_mem=120), FloatTotal(F8))[0]  # a block each
    scale = math.fsum(map(abs, numbers))
    assert found == pytest.approx(math.fsum(numbers), rel=1e-15, abs=1e-27 * scale)


def test_what_rounding_takes_from_a_sum_is_kept() -> None:
    source = source_of(np.array([1e16, 1.0, 1.0, -1e16] * 5), [np.arange(20)])
    assert reduce_blocks(Reduction(source, (0,), max_mem=120), FloatTotal(F8))[0] == 10.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3) | st.just(math.nan), min_size=1, max_size=40), st.floats(-1e9, 1e9))
def test_variances_of_blocks_are_joined(numbers: list[float], far: float) -> None:
    array = np.array(numbers) + far
    found = reduce_blocks(tiny(source_of(array), (0,)), Spread(F8))[0]
    valid = array[~np.isnan(array)]
    assert np.isnan(found) if not valid.size else found == pytest.approx(np.var(valid), rel=1e-7, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([math.nan, -math.inf, math.inf, 0.0, 1.0, 2.0]), min_size=1, max_size=30),
    st.sampled_from(["min", "max"]),
    st.lists(st.integers(0, 3), min_size=30, max_size=30),
)
def test_the_first_extreme_is_found_in_chunks_of_any_order(numbers: list[float], which: Any, owners: list[int]) -> None:
    array = np.array(numbers)
    task = tiny(source_of(array, [owners[: array.size]]), (0,))
    if np.isnan(array).all():
        with pytest.raises(ValueError, match="missing"):
            reduce_blocks(task, Place(which, F8, array.shape))
    else:
        extreme = np.nanmin(array) if which == "min" else np.nanmax(array)
        want = np.flatnonzero(array == extreme)[0]  # NumPy's nanargmax takes NaN for -inf
        assert reduce_blocks(task, Place(which, F8, array.shape))[0] == want
        assert reduce_blocks(task, Extreme(which, F8))[0] == array[want]
    plain = array.argmin() if which == "min" else array.argmax()
    loose = tiny(task.source, (0,), skipna=False)
    assert reduce_blocks(loose, Place(which, F8, array.shape, skipna=False))[0] == plain


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(st.integers(-50, 50), min_size=4, max_size=24),
    names=st.lists(st.integers(0, 4), min_size=24, max_size=24),
    wide=st.booleans(),
)
def test_groups_are_gathered_wherever_they_stand(numbers: list[int], names: list[int], wide: bool) -> None:
    array = np.array(numbers[: len(numbers) // 2 * 2]).reshape(-1, 2)
    of = np.array(names[: len(array)])
    members = [np.flatnonzero(of == name) for name in (1, 2, 3) if (of == name).any()]  # others are in no group
    task = Reduction(source_of(array), (0,), {0: members}, max_mem=2**20 if wide else 700)
    found = reduce_blocks(task, IntegerSum("v", I8))
    want = [array[each].sum(axis=0) for each in members]
    assert found.tolist() == np.array(want).reshape(-1, 2).tolist()


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u8"])
def test_keys_sort_as_the_values(dtype: str) -> None:
    rng = np.random.default_rng(0)
    if dtype[0] == "f":
        values = np.concatenate([rng.normal(size=200), [0.0, np.inf, -np.inf, 6e4, -6e4]]).astype(dtype)
    else:
        info = np.iinfo(dtype)
        values = np.concatenate(
            [rng.integers(info.min, info.max, 200, dtype), np.array([info.min, info.max, 0], dtype)]
        )
    keys = Keys(np.dtype(dtype))
    np.testing.assert_array_equal(values[np.argsort(keys.of(values), kind="stable")], np.sort(values))
    np.testing.assert_array_equal(keys.values(keys.of(values)), values)


@pytest.mark.parametrize("method", METHODS)
def test_quantiles_of_rows_are_those_of_numpy(method: str) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 9, (6, 11)).astype(float)
    valid = rng.random(rows.shape) < 0.7
    valid[2] = False
    fractions = np.array([0.0, 0.25, 0.3, 0.5, 1.0])
    found = Quantiles(fractions, method).of_rows(rows.copy(), valid)
    for number, (row, mask) in enumerate(zip(rows, valid, strict=True)):
        want = np.quantile(row[mask], fractions, method=method) if mask.any() else np.full(5, np.nan)
        np.testing.assert_allclose(found[:, number], want)


def test_values_are_split_from_what_is_missing() -> None:
    data, valid = split(np.ma.MaskedArray([1.0, np.nan, 3.0], mask=[True, False, False]))
    assert valid is not None
    assert valid.tolist() == [False, False, True]
    assert split(np.array([1, 2]))[1] is None
    data, valid = split(np.array(["NaT", "2000-01-01"], "M8[D]"))
    assert data.dtype == np.int64
    assert valid is not None
    assert valid.tolist() == [False, True]
    mask = np.array([True, False])
    assert np.isnat(with_missing(np.array([1, 2]).view("m8[s]"), mask)[0])
    assert np.ma.is_masked(with_missing(np.array([1, 2]), mask))
    assert with_missing(np.array(["a", "b"], object), mask).tolist() == [None, "b"]
