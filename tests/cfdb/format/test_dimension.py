"""Slots follow a list through every growth and loss, and are never used twice."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfdb.errors import CoordinateError, FormatError
from cfdb.format.dimension import REACH, SIDE, Run, Slots, Stretch

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "prepend", "insert", "drop", "truncate", "drop_positions"]),
        st.integers(0, 30),
        st.integers(0, 6),
    ),
    max_size=14,
)


class Oracle:
    """A list of values and, for every value, the slot it got when it came."""

    def __init__(self) -> None:
        self.slots = Slots()
        self.values: list[int] = []
        self.home: dict[int, int] = {}
        self.used: set[int] = set()
        self.count = 0

    def new(self, number: int) -> list[int]:
        self.count += number
        return list(range(self.count - number, self.count))

    def apply(self, name: str, first: int, second: int) -> None:
        size = len(self.values)
        at = first % (size + 1)
        if name == "append":
            self.slots, self.values = self.slots.append(second), self.values + self.new(second)
        elif name == "prepend":
            self.slots, self.values = self.slots.prepend(second), self.new(second) + self.values
        elif name == "insert":
            self.slots = self.slots.insert(at, second)
            self.values[at:at] = self.new(second)
        elif name == "drop":
            self.slots = self.slots.drop(at, min(at + second, size))
            del self.values[at : at + second]
        elif name == "truncate":
            self.slots = self.slots.truncate(min(second, at), at)
            self.values = self.values[min(second, at) : at]
        elif size:
            gone = {first % size, second % size}
            self.slots = self.slots.drop_positions(gone)
            self.values = [value for place, value in enumerate(self.values) if place not in gone]
        self.check()

    def check(self) -> None:
        size = len(self.values)
        assert self.slots.size == size
        slots = self.slots.slots(range(size)).tolist()
        for value, slot in zip(self.values, slots, strict=True):
            if value not in self.home:
                assert slot not in self.used, "a slot was used twice"
                self.home[value] = slot
                self.used.add(slot)
            assert self.home[value] == slot, "a cell moved"
        assert [self.slots.slot(index) for index in range(size)] == slots
        assert self.slots.indexes(slots).tolist() == list(range(size))
        others = [slot for slot in self.used if slot not in set(slots)]
        assert self.slots.indexes(others).tolist() == [-1] * len(others)
        assert Slots.from_record(self.slots.to_record()) == self.slots


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_slots_follow_a_list(steps: list[tuple[str, int, int]]) -> None:
    oracle = Oracle()
    for step in steps:
        oracle.apply(*step)


def test_single_steps_at_both_ends_keep_one_run() -> None:
    slots = Slots.of_size(1)
    for _ in range(2000):
        slots = slots.append(1).prepend(1)
    assert slots.runs == (Run(-2000, 4001),)


def test_single_steps_inserted_at_one_place_keep_three_runs() -> None:
    upwards = downwards = Slots.of_size(10)
    for number in range(500):
        upwards = upwards.insert(5 + number, 1)
        downwards = downwards.insert(5, 1)
    assert len(upwards.runs) == len(downwards.runs) == 3
    assert upwards.runs[1] == Run(SIDE, 500)
    assert downwards.runs[1] == Run(SIDE - 499, 500)


def test_a_window_that_moves_on_stays_one_run() -> None:
    slots = Slots.of_size(5)
    for _ in range(100):
        slots = slots.append(1).drop(0, 1)
    assert slots.runs == (Run(100, 5),)


def test_scattered_inserts_share_their_slots_densely() -> None:
    slots = Slots.of_size(100)
    for at in range(2, 100, 7):
        slots = slots.insert(at, 1)
    assert slots.side == Stretch(SIDE, SIDE + 14)


def test_dropped_cells_do_not_come_back() -> None:
    slots = Slots.of_size(10).truncate(0, 5).append(5)
    assert slots.slots(range(10)).tolist() == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    emptied = Slots.of_size(3).drop(0, 3)
    assert emptied.append(1).slot(0) == 3
    assert emptied.prepend(1).slot(0) == -1


def test_sizes_beyond_32_bits_cost_nothing() -> None:
    slots = Slots.of_size(2**40).insert(2**39, 5).drop(2**38, 2**38 + 1)
    assert slots.size == 2**40 + 4
    assert slots.slots([2**40 + 3]).tolist() == [2**40 - 1]
    assert len(slots.runs) == 4


def test_more_than_the_reach_is_refused() -> None:
    with pytest.raises(CoordinateError, match="cannot take more than"):
        Slots.of_size(REACH).append(1)


def test_positions_out_of_range_are_refused() -> None:
    slots = Slots.of_size(3)
    for change in (
        lambda: slots.insert(4, 1),
        lambda: slots.insert(-1, 1),
        lambda: slots.drop(2, 4),
        lambda: slots.drop(2, 1),
        lambda: slots.drop_positions([3]),
        lambda: slots.append(-1),
    ):
        with pytest.raises(CoordinateError):
            change()


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        {"runs": [0], "main": [0, 1]},
        {"runs": [0, 0], "main": [0, 1]},
        {"runs": [0, -1], "main": [0, 1]},
        {"runs": [0, 5], "main": [0, 4]},
        {"runs": [0, 3, -2, 3], "main": [0, 9]},
        {"runs": [0, 2**60], "main": [0, 2**61]},
        {"runs": [0, 1], "main": [5, 9]},
        {"runs": ["a", 1], "main": [0, 1]},
        {"runs": [0, True], "main": [0, 1]},
        {"runs": 3, "main": [0, 1]},
        {"runs": [0, 1], "main": [0]},
    ],
)
def test_damaged_records_are_refused(record: Any) -> None:
    with pytest.raises(FormatError, match="damaged"):
        Slots.from_record(record)
