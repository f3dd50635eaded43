"""Statistics are exact or absent, survive packing, and add up over chunks."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cfdb.errors import FormatError
from cfdb.format.statistics import ChunkStatistics, compute, exact_sum, mark_stale, merge, unpack

SHAPES = hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=12)
INTEGERS = st.sampled_from(["i1", "u1", "i4", "u4", "i8", "u8", "?"]).flatmap(lambda code: hnp.arrays(code, SHAPES))


def as_fractions(values: np.ndarray) -> list[Fraction]:
    return [Fraction(value) for value in values.astype("f8").ravel().tolist()]


@settings(max_examples=100, deadline=None)
@given(INTEGERS)
def test_integers_are_summed_exactly(values: np.ndarray) -> None:
    found = compute(values)
    cells = [int(value) for value in values.ravel().tolist()]
    assert (found.valid, found.missing, found.sum) == (len(cells), 0, sum(cells))
    assert (found.minimum, found.maximum) == ((min(cells), max(cells)) if cells else (None, None))
    assert unpack(found.pack()) == found


def test_large_integers_are_summed_without_overflow() -> None:
    for code in ("i8", "u8"):
        limits = np.iinfo(code)
        values = np.array([limits.max] * 5000 + [limits.min] * 3, code)
        assert exact_sum(values) == 5000 * int(limits.max) + 3 * int(limits.min)
        assert unpack(compute(values).pack()).sum == exact_sum(values)


MODERATE = hnp.arrays("f8", SHAPES, elements=st.one_of(st.floats(-1e300, 1e300), st.just(np.nan)))
FLOATS = st.sampled_from(["f2", "f4", "f8"]).flatmap(
    lambda code: hnp.arrays(code, SHAPES, elements=st.floats(width=int(code[1]) * 8, allow_infinity=False))
)


@settings(max_examples=100, deadline=None)
@given(FLOATS)
def test_floats_are_summed_with_twice_their_precision(values: np.ndarray) -> None:
    found = compute(values)
    present = values[~np.isnan(values)]
    assert (found.valid, found.missing) == (present.size, values.size - present.size)
    assert unpack(found.pack()) == found
    if not present.size:
        assert found.minimum is None
        return
    assert (found.minimum, found.maximum) == (present.min(), present.max())
    exact = sum(as_fractions(present))
    if abs(exact) < Fraction(2) ** 1020:
        scale = sum(abs(value) for value in as_fractions(present))
        limit = scale * Fraction(2) ** (-100 if values.dtype == "f8" else -50)
        total = Fraction(found.total.value) + Fraction(found.total.rest)  # type: ignore[union-attr]
        assert abs(total - exact) <= limit + Fraction(2) ** -1060


def test_cancelling_floats_keep_their_small_part() -> None:
    rng = np.random.default_rng(0)
    large = rng.normal(size=70_000) * 10.0 ** rng.integers(-20, 12, 70_000)
    values = np.concatenate([large, -large, [1.0]])
    assert compute(rng.permutation(values)).sum == pytest.approx(math.fsum(values.tolist()), abs=1e-9)
    assert compute(np.array([1e308, 1e308, -1e308])).sum == 1e308


def test_infinities_are_extremes_and_sum_as_in_numpy() -> None:
    for code in ("f4", "f8"):
        found = compute(np.array([np.inf, 1, np.nan], code))
        assert (found.maximum, found.sum, found.missing) == (np.inf, np.inf, 1)
        assert math.isnan(compute(np.array([np.inf, -np.inf], code)).sum or 0)
        assert unpack(found.pack()) == found
        assert merge([found, compute(np.array([-np.inf], code))]).missing == 1  # type: ignore[union-attr]


def test_times_count_in_their_own_unit_and_have_no_sum() -> None:
    found = compute(np.array(["1970-01-03", "NaT", "1970-01-02"], "M8[D]"))
    assert (found.minimum, found.maximum, found.sum, found.valid, found.missing) == (1, 2, None, 2, 1)
    assert unpack(found.pack()) == found
    assert compute(np.array([1, 5, "NaT"], "m8[s]")).sum == 6


def test_strings_and_bytes_have_short_extremes_only() -> None:
    found = compute(np.array(["b", None, "aé"], np.dtypes.StringDType(na_object=None)))
    assert (found.minimum, found.maximum, found.valid, found.missing) == ("aé", "b", 2, 1)
    assert unpack(found.pack()) == found
    assert compute(np.array(["x" * 65, "a"], object)).maximum is None
    raw = compute(np.array([b"b", b"a"]))
    assert (raw.minimum, raw.maximum, unpack(raw.pack())) == (b"a", b"b", raw)
    assert compute(np.array([None, 3], object)).valid == 1


def test_complex_values_are_counted_only() -> None:
    found = compute(np.array([1 + 1j, np.nan]))
    assert (found.valid, found.missing, found.minimum, found.sum) == (1, 1, None, None)
    assert unpack(found.pack()) == found


def test_fill_values_and_masks_mean_missing() -> None:
    values = np.array([[-9, 1], [5, 7]], "i2")
    found = compute(values, fill_value=np.int16(-9), missing=np.array([[False, False], [False, True]]))
    assert (found.valid, found.missing, found.sum, found.minimum) == (2, 2, 6, 1)
    assert compute(np.array([1.0, np.nan]), fill_value=np.nan).missing == 1
    assert compute(np.array(["a", "-"], object), fill_value="-").valid == 1


def test_only_logical_cells_count_when_they_are_what_is_given() -> None:
    chunk = np.arange(12).reshape(3, 4)
    assert compute(chunk[1:, ::2]).sum == int(chunk[1:, ::2].sum())


@settings(max_examples=100, deadline=None)
@given(st.lists(MODERATE, min_size=1, max_size=4), st.lists(INTEGERS, min_size=1, max_size=4))
def test_statistics_of_parts_make_those_of_the_whole(floats: list[np.ndarray], integers: list[np.ndarray]) -> None:
    for arrays in (floats, [array.astype("i8") for array in integers if array.dtype != "u8"]):
        flat = [array.ravel() for array in arrays]
        merged = merge([compute(array) for array in flat])
        if not flat:
            assert merged is None
            continue
        whole = compute(np.concatenate(flat))
        assert merged is not None
        assert (merged.valid, merged.missing) == (whole.valid, whole.missing)
        assert (merged.minimum, merged.maximum) == (whole.minimum, whole.maximum)
        if isinstance(whole.sum, float):
            largest = max((abs(value) for array in flat for value in array.tolist() if value == value), default=0.0)
            assert merged.sum == pytest.approx(whole.sum, rel=1e-15, abs=1e-24 * largest)


def test_stale_statistics_stay_stale() -> None:
    found = compute(np.arange(3))
    assert unpack(mark_stale(found.pack())) == found.as_stale()
    assert merge([found, found.as_stale()]).stale  # type: ignore[union-attr]
    assert mark_stale(b"") == b""


def test_statistics_of_a_newer_release_are_absent() -> None:
    assert unpack(b"") is None
    assert unpack(b"\x09anything") is None
    assert mark_stale(b"\x09anything") == b""


def test_damaged_statistics_are_refused() -> None:
    for values in (np.arange(3), np.array(["a", "b"], object), np.arange(3.0)):
        note = compute(values).pack()
        for length in range(1, len(note)):
            with pytest.raises(FormatError, match="damaged"):
                unpack(note[:length])
    for place in range(len(note)):
        for value in range(256):
            damaged: Any = bytearray(note)
            damaged[place] = value
            try:
                assert isinstance(unpack(bytes(damaged)), ChunkStatistics | None)
            except FormatError:
                pass


def test_notes_are_small() -> None:
    assert len(compute(np.arange(3.0)).pack()) == 51
    assert len(compute(np.array(["2000-01-01"], "M8[s]")).pack()) == 35
