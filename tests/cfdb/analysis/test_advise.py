"""Advice on chunk shapes follows from numbers that reading confirms, and is never worse than what there is."""

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.analysis.advising.chunk_costs import Layout, _along, cost_of
from cfdb.analysis.advising.chunk_search import Way, find_chunk_shape, fits, slowdown
from tests.cfdb.analysis.counting import counted

small = st.integers(1, 40)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_model_is_the_mean_over_all_places_where_a_box_can_begin(data: st.DataObject) -> None:
    size = data.draw(small)
    length = data.draw(st.integers(1, size))
    chunk = data.draw(st.integers(1, 60))
    found = cost_of(Layout((size,), 4, 4, blocked=False), (chunk,), (length,))
    starts = range(size - length + 1)
    chunks = [(start + length - 1) // chunk - start // chunk + 1 for start in starts]
    assert found.chunks == pytest.approx(np.mean(chunks))
    assert found.decoded == pytest.approx(np.mean(chunks) * chunk * 4)
    assert found.used == length * 4


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_blocks_that_a_chunk_cuts_short_count_with_their_own_length(data: st.DataObject) -> None:
    size, chunk = data.draw(small), data.draw(small)
    length, block = data.draw(st.integers(1, size)), data.draw(st.integers(1, chunk))

    def block_of(place: int) -> range:
        first = place // chunk * chunk
        begin = first + (place - first) // block * block
        return range(begin, min(begin + block, first + chunk))

    starts = range(size - length + 1)
    cells = [len({c for place in range(start, start + length) for c in block_of(place)}) for start in starts]
    assert _along(size, chunk, block, length)[1] == pytest.approx(np.mean(cells))


@pytest.mark.parametrize("lengths", [(64, 1, 1), (1, 60, 40), (5, 7, 40), (1, 1, 1), (64, 60, 40)])
def test_the_predicted_chunks_and_bytes_are_those_that_reading_takes(lengths: tuple[int, int, int]) -> None:
    shape, chunk_shape = (64, 60, 40), (40, 30, 30)
    values = np.round(np.random.default_rng(0).normal(size=shape), 2).astype("float32")
    with cfdb.open_dataset(None, "n") as ds:
        t = ds.create.data_var.generic("t", ("z", "y", "x"), data=values, chunk_shape=chunk_shape)
        chunks, cells = [], []
        places = [range(size - length + 1) for size, length in zip(shape, lengths, strict=True)]
        # the axes stand for themselves: all places along each, the others at their first one
        for axis, starts in enumerate(places):
            chunks.append([])
            cells.append([])
            for start in starts:
                key = [slice(0, length) for length in lengths]
                key[axis] = slice(start, start + lengths[axis])
                with counted(ds) as counts:
                    t[tuple(key)].read()
                chunks[-1].append(len(counts.chunks))
                cells[-1].append(counts.cells)
        told = cost_of(Layout(shape, 4, 4), chunk_shape, lengths)
        first = (chunks[0][0], cells[0][0])
        assert told.chunks == pytest.approx(prod(float(np.mean(each)) for each in chunks) / first[0] ** 2)
        assert told.decoded == pytest.approx(4 * prod(float(np.mean(each)) for each in cells) / first[1] ** 2)


@st.composite
def arrays_and_ways(draw: st.DrawFn) -> tuple[Layout, list[Way], tuple[int, ...]]:
    ndim = draw(st.integers(1, 4))
    shape = tuple(draw(st.lists(st.integers(1, 3000), min_size=ndim, max_size=ndim)))
    itemsize = draw(st.sampled_from([1, 2, 4, 8, 16]))
    ways = [
        Way(str(number), tuple(draw(st.sampled_from([1, size, max(1, size // 7)])) for size in shape), weight)
        for number, weight in enumerate(draw(st.lists(st.floats(0.1, 10), min_size=1, max_size=3)))
    ]
    present = tuple(draw(st.integers(1, size)) for size in shape)
    return Layout(shape, itemsize, itemsize, draw(st.booleans())), ways, present


@settings(max_examples=60, deadline=None)
@given(arrays_and_ways())
def test_the_recommended_shape_is_never_worse_and_within_the_limits(
    case: tuple[Layout, list[Way], tuple[int, ...]],
) -> None:
    layout, ways, present = case
    found = find_chunk_shape(layout, ways, present)
    assert slowdown(layout, found, ways) <= slowdown(layout, present, ways)
    assert found == present or fits(layout, found)
    if found != present:
        assert prod(found) <= 2**18
        assert prod(found) * layout.itemsize <= 2 * 2**20
        assert all(1 <= length <= size for length, size in zip(found, layout.shape, strict=True))


def test_each_way_of_reading_gets_its_chunks() -> None:
    layout = Layout((365, 360, 720), 4, 4)
    assert find_chunk_shape(layout, [Way("map", (1, 360, 720))], (61, 60, 66)) == (1, 360, 720)
    series = find_chunk_shape(layout, [Way("series", (365, 1, 1))], (61, 60, 66))
    assert series[0] == 365
    assert prod(series) * 4 >= 2**16
    both = find_chunk_shape(layout, [Way("map", (1, 360, 720)), Way("series", (365, 1, 1))], (1, 360, 720))
    assert both[0] > 1
    assert prod(both) <= 2**18


def test_a_dataset_is_advised_by_the_names_of_its_dimensions() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["t"] = (("time", "y", "x"), np.zeros((400, 90, 180), "float32"))
        ds["height"] = (("y", "x"), np.zeros((90, 180), "float32"))
        found = ds.advise(access=["time", ("y", "x"), {"time": 30, "x": 2}], weights=[5, 1, 2])
        assert found.chunk_shapes.keys() == {"t", "height"}
        advice = found["t"]
        assert advice.is_better
        assert advice.slowdown_then < advice.slowdown_now
        assert [each.way for each in advice.costs] == ["time 400", "y 90 x x 180", "time 30 x x 2"]
        assert [each.weight for each in advice.costs] == [5, 1, 2]
        assert not found["height"].is_better
        assert "are good" in str(found)
        assert "recommended" in repr(found)
        made = ds.create.data_var.generic("t2", ("time", "y", "x"), "float32", found["t"].recommended)
        assert made.chunk_shape == advice.recommended
        with pytest.raises(KeyError, match="did you mean 'height'"):
            found["heigth"]


def test_a_part_of_a_dataset_is_advised_too() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["t"] = (("time", "y", "x"), np.zeros((400, 90, 180), "float32"))
        found = ds.isel(y=3, x=slice(0, 20)).advise(["time", "y"])
        assert found["t"].shape == (400, 1, 20)


@pytest.mark.parametrize(
    ("access", "weights", "error", "message"),
    [
        ("tme", None, cfdb.errors.SelectionError, "did you mean 'time'"),
        ([], None, ValueError, "names no way of reading"),
        ([{"time": 0}], None, ValueError, "0 is no length of 'time'"),
        (["time"], [1, 2], ValueError, "one for each of the 1 ways"),
        (["time"], [-1], ValueError, "not negative"),
        (["time"], [0], ValueError, "one of them positive"),
    ],
)
def test_ways_and_weights_that_mean_nothing_are_named(access, weights, error, message) -> None:  # type: ignore[no-untyped-def]
    ds = cfdb.open_dataset(None, "n")
    ds["t"] = ("time", np.zeros(4))
    with pytest.raises(error, match=message):
        ds.advise(access, weights)
    ds.close()
