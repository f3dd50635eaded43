"""`explain` tells what a read does, without doing it."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.model.dataset import Dataset
from tests.cfdb.analysis.counting import counted
from tests.support.oracle import keys_of

SHAPE, CHUNKS = (60, 50, 40), (40, 32, 40)


@pytest.fixture(scope="module")
def ds() -> Iterator[Dataset]:
    """Decimals in chunks of several blocks, some of them never written."""
    with cfdb.open_dataset(None, "n") as ds:
        for name, size in zip("zyx", SHAPE, strict=True):
            ds.create.dimension(name, size)
        t = ds.create.data_var.generic("t", ("z", "y", "x"), "float32", CHUNKS)
        t[:40] = np.round(np.random.default_rng(0).normal(size=(40, 50, 40)), 2)
        yield ds


@pytest.mark.parametrize(
    "key",
    [
        pytest.param((), id="everything"),
        pytest.param((3,), id="map"),
        pytest.param((slice(None), 5, 6), id="series"),
        pytest.param((slice(2, 50), slice(30, 34), slice(7, 9)), id="window"),
        pytest.param((slice(None, None, 7), slice(None), 3), id="steps"),
        pytest.param((slice(None, None, -1), 3), id="backwards"),
        pytest.param((slice(None), [1, 40, 2], [3, 3, 30]), id="lists"),
        pytest.param(([5, 4, 59],), id="a list"),
        pytest.param((slice(0, 0),), id="nothing"),
        pytest.param((45,), id="never written"),
    ],
)
def test_it_tells_the_chunks_bytes_and_cells_that_reading_takes(ds: Dataset, key: tuple[Any, ...]) -> None:
    part = ds["t"][key]
    with counted(ds) as before:
        told = part.explain()
    assert (before.keys, before.cells) == ([], 0), "explaining reads no chunk"
    with counted(ds) as counts:
        part.read()
    assert told.chunks == len(counts.chunks) == told.written + told.missing
    assert told.bytes_stored == counts.nbytes
    assert told.bytes_decoded == counts.cells * 4 <= told.bytes_decoded_at_most
    assert told.bytes_result == part.nbytes
    assert (told.local, told.to_fetch, told.bytes_to_fetch) == (told.written, 0, 0)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_it_tells_what_any_selection_takes_also_where_positions_were_inserted(data: st.DataObject) -> None:
    with cfdb.open_dataset(None, "n") as ds:
        y = ds.create.coord.generic("y", data=np.arange(0.0, 90.0, 10.0), chunk_shape=(4,))
        ds.create.coord.generic("x", data=np.arange(5.0), chunk_shape=(5,))
        t = ds.create.data_var.generic("t", ("y", "x"), "float32", (4, 3))
        t[:] = np.arange(45.0).reshape(9, 5)
        y.insert(1, [5.0])
        y.insert(5, [35.0])
        t[1] = 7.0
        key = data.draw(keys_of(t.shape))
        told = t[key].explain()
        with counted(ds) as counts:
            t[key].read()
        assert told.chunks == len(counts.chunks)
        assert told.bytes_decoded == counts.cells * 4


def test_the_ratio_compares_what_is_decoded_with_what_is_used(ds: Dataset) -> None:
    assert ds["t"][:40, :32].explain().ratio == 1
    told = ds["t"][3, 4, 5].explain()
    assert told.bytes_used == 4
    assert told.ratio == told.bytes_decoded / 4
    assert ds["t"][50].explain().ratio == 1, "what was never written costs nothing"


def test_noise_is_decoded_in_whole_chunks_at_most() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        noise = np.random.default_rng(0).normal(size=(64, 64, 16)).astype("float32")
        ds.create.data_var.generic("t", ("z", "y", "x"), data=noise, chunk_shape=noise.shape)
        told = ds["t"][0].explain()
        with counted(ds) as counts:
            ds["t"][0].read()
        assert told.bytes_decoded < counts.cells * 4 == told.bytes_decoded_at_most


def test_the_memory_is_no_less_than_what_reading_takes(ds: Dataset) -> None:
    for part in (ds["t"], ds["t"][:, 3], ds["t"][[3, 9, 44]]):
        told = part.explain()
        tracemalloc.start()
        part.read()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= told.memory + 2**16
        assert told.memory <= told.bytes_result + 2**24


def test_a_series_across_maps_is_told_to_have_other_chunks() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        values = np.round(np.random.default_rng(0).normal(size=(40, 200, 300)), 1).astype("float32")
        ds.create.data_var.generic("t", ("time", "y", "x"), data=values, chunk_shape=(1, 200, 300))
        series = ds["t"][:, 3, 4].explain()
        assert series.suggested_chunk_shape is not None
        assert series.suggested_chunk_shape[0] == 40
        assert "would suit this way of reading" in str(series)
        assert ds["t"][3].explain().suggestions == (), "a map of one chunk is fine"


def test_a_scattered_list_is_told_to_read_the_range() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        values = np.round(np.random.default_rng(0).normal(size=(400, 100, 50)), 1).astype("float32")
        ds.create.data_var.generic("t", ("time", "y", "x"), data=values, chunk_shape=(200, 50, 25))
        lists = ds["t"][[0, 399, 1, 2], 3, :].explain()
        assert any("scattered" in text for text in lists.suggestions)
        assert any(".vindex" in text for text in ds["t"][0, [1, 50], [3, 49]].explain().suggestions)


def test_a_scalar_and_strings_can_be_explained() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        ds["one"] = 3.0
        ds["names"] = ("n", np.array(["a", "b"], np.dtypes.StringDType()))
        assert ds["one"].explain().chunks == 1
        told = ds["names"][:1].explain()
        assert told.written == 1
        assert "Reading names: n 1" in str(told)


def test_the_text_says_what_is_to_be_fetched(ds: Dataset) -> None:
    told = ds["t"][3].explain()
    text = str(told)
    assert "chunks   2 of shape (40, 32, 40), all written" in text
    assert "all local" in text
    assert "are fill" in str(ds["t"].explain())
    assert repr(told) == text
