"""Labels of several inputs become one sequence, and every label is found in it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfdb.analysis.moving.alignment import match, unite
from cfdb.errors import CoordinateError
from cfdb.format.dimension import Slots

NUMBERS = st.lists(st.integers(-20, 20), unique=True, max_size=8)


@settings(max_examples=100, deadline=None)
@given(NUMBERS, st.lists(NUMBERS, max_size=3), st.booleans())
def test_sorted_labels_stay_sorted_and_every_label_is_found(present: Any, inputs: Any, down: bool) -> None:
    order = slice(None, None, -1 if down else 1)
    present = np.array(sorted(present)[order], int)
    inputs = [np.array(sorted(each)[order], int) for each in inputs]
    union = unite("x", present, inputs)
    oracle = np.unique(np.concatenate([present, *inputs]))
    assert sorted(union.labels.tolist()) == oracle.tolist()
    assert union.labels[union.old].tolist() == present.tolist()
    for each, found in zip(inputs, union.positions, strict=True):
        assert union.labels[found].tolist() == each.tolist()
    longest = max([present.size, *(each.size for each in inputs)])
    if present.size > 1 or (present.size == 0 and longest > 1):
        assert union.labels.tolist() == oracle[order].tolist()


@settings(max_examples=60, deadline=None)
@given(NUMBERS, NUMBERS)
def test_inserts_bring_new_labels_to_their_positions(present: Any, new: Any) -> None:
    present = np.array(sorted(present), int)
    union = unite("x", present, [np.array(new, int)])
    before = Slots.of_size(present.size)
    after = before.insert_many(union.inserts)
    assert after.size == union.labels.size
    assert after.slots(union.old).tolist() == before.slots(range(present.size)).tolist()
    assert len(set(after.slots(range(after.size)).tolist())) == after.size
    one_by_one = before
    for done, (at, count) in enumerate(union.inserts):
        one_by_one = one_by_one.insert(at + sum(n for _, n in union.inserts[:done]), count)
    assert one_by_one.size == after.size


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_that_differ_by_noise_are_one_label(dtype: str) -> None:
    present = np.arange(0, 10, 0.1).astype(dtype)
    other = (np.arange(0, 100) / 10).astype(dtype)
    union = unite("x", present, [other], noise=4 * float(np.finfo(dtype).eps))
    assert union.added == 0
    assert union.positions[0].tolist() == list(range(100))


def test_close_labels_stay_apart() -> None:
    assert match(np.array([1.0, 1.0 + 1e-13]), np.array([1.0 + 1e-13])).tolist() == [1]
    assert match(np.array([1e9, 1e9 + 1]), np.array([1e9 + 0.4]), noise=1e-6).tolist() == [-1]


def test_one_label_twice_is_refused() -> None:
    for labels in ([3, 3], [3, 7, 7]):
        with pytest.raises(CoordinateError, match="twice"):
            unite("x", np.array([3]), [np.array(labels)])
    with pytest.raises(CoordinateError, match="twice"):
        unite("x", np.array(["a"]), [np.array(["b", "b"])])


def test_a_step_fills_gaps_on_both_sides() -> None:
    union = unite("x", np.array([10, 8]), [np.array([2]), np.array([14, 12])], step=-2)
    assert union.labels.tolist() == [14, 12, 10, 8, 6, 4, 2]
    assert [found.tolist() for found in union.positions] == [[6], [0, 1]]
    with pytest.raises(CoordinateError, match="no whole number of steps"):
        unite("x", np.array([10, 8]), [np.array([3])], step=-2)
    days = np.array(["2020-01-01", "2020-01-02"], "M8[ns]")
    late = np.array(["2020-01-04"], "M8[ns]")
    assert (
        unite("t", days, [late], step=86400 * 10**9).labels.tolist()
        == np.arange(days[0], late[0] + np.timedelta64(1, "D"), np.timedelta64(1, "D")).tolist()
    )


def test_directions_that_differ_become_ascending_and_what_is_not_sorted_comes_in_order() -> None:
    assert unite("x", np.array([], int), [np.array([3, 1]), np.array([2, 4])]).labels.tolist() == [1, 2, 3, 4]
    assert unite("x", np.array([], int), [np.array([3, 1]), np.array([2])]).labels.tolist() == [3, 2, 1]
    assert unite("x", np.array([2, 9, 5]), [np.array([7, 1])]).labels.tolist() == [2, 9, 5, 7, 1]
    assert unite("x", np.array(["b", "c"]), [np.array(["a", "c"])]).labels.tolist() == ["b", "c", "a"]
