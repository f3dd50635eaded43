"""Variables and datasets are gone through by chunks, by blocks and in step; nothing is made up or left out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cftime
import numpy as np
import pytest

import cfdb
from cfdb.compute import windows
from cfdb.errors import ClosedError, ShapeError, VariableNotFoundError
from cfdb.model.dataset import Dataset
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore

SHAPE, CHUNKS = (13, 8, 10), (4, 3, 10)


@pytest.fixture
def ds() -> Iterator[Dataset]:
    with cfdb.open_dataset(None, "n") as ds:
        for name, size in zip(("time", "lat", "lon"), SHAPE, strict=True):
            ds.create.coord.generic(name, data=np.arange(size))
        ds.create.data_var.generic("t", ("time", "lat", "lon"), dtype="float64", chunk_shape=CHUNKS)
        ds["t"][...] = values()
        yield ds


def values() -> np.ndarray:
    return np.arange(13 * 8 * 10, dtype="f8").reshape(SHAPE)


def packed(**given: Any) -> Any:
    return cfdb.dtypes.dtype("float32", precision=1, min_value=0, max_value=100, **given)


# one variable


def test_without_a_shape_the_stored_chunks_come_as_upstream_documents_it(ds: Dataset) -> None:
    starts = []
    for where, block in ds["t"].iter_chunks(include_data=True):
        starts.append(tuple(part.start for part in where))
        np.testing.assert_array_equal(block, values()[where])
    assert starts == [(t, y, 0) for t in (0, 4, 8, 12) for y in (0, 3, 6)]
    assert list(ds["t"].iter_chunks(include_data=False)) == [where for where, _ in ds["t"].iter_chunks()]


@pytest.mark.parametrize(
    ("chunk_shape", "expected"),
    [
        ({"time": 5}, (5, 8, 10)),
        ({"lon": 4, "time": -1}, (13, 8, 4)),
        ({}, SHAPE),
        ((1, -1, 100), (1, 8, 10)),
        ([2, 3, 4], (2, 3, 4)),
    ],
)
def test_lengths_by_dimension_leave_the_others_whole(ds: Dataset, chunk_shape: Any, expected: tuple[int, ...]) -> None:
    found = list(ds["t"].iter_chunks(chunk_shape))
    assert found[0][1].shape == expected
    assert found[-1][0][0].stop == 13
    again = np.zeros(SHAPE)
    for where, block in found:
        again[where] += block
    np.testing.assert_array_equal(again, values())
    assert [where for where, _ in found] == list(ds["t"].iter_chunks(chunk_shape, include_data=False))


@pytest.mark.parametrize(
    ("chunk_shape", "error", "message"),
    [
        ({"level": 2}, VariableNotFoundError, "names 'level'; the dimensions of 't' are 'time', 'lat', 'lon'"),
        ((1, 2), ShapeError, "has 2 lengths; 't' has 3 dimensions"),
        ({"time": 0}, ShapeError, "0 is no length"),
        ({"time": 1.5}, ShapeError, r"1\.5 is no length"),
        ({"time": True}, ShapeError, "True is no length"),
        ("time", ShapeError, "give a dict"),
        (5, ShapeError, "give a dict"),
    ],
)
def test_a_wrong_shape_is_refused_before_anything_is_read(
    ds: Dataset, chunk_shape: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ds["t"].iter_chunks(chunk_shape)


def test_an_unknown_dimension_is_a_key_error_and_a_bad_budget_a_value_error(ds: Dataset) -> None:
    with pytest.raises(KeyError):
        ds["t"].iter_chunks({"level": 2})
    for max_mem in (0, -1, True, "much"):
        with pytest.raises(ValueError, match="max_mem="):
            ds["t"].iter_chunks({"time": 1}, max_mem=max_mem)  # type: ignore[arg-type]


def test_a_closed_dataset_is_not_gone_through(tmp_path: Path) -> None:
    with cfdb.open_dataset(tmp_path / "x.cfdb", "n") as ds:
        ds["t"] = (("x",), np.arange(4))
    with pytest.raises(ClosedError):
        ds["t"].iter_chunks({"x": 2})


def test_codes_come_as_they_are_stored_and_blanks_as_the_reserved_code(ds: Dataset) -> None:
    ds.create.data_var.generic("p", ("time", "lat"), dtype=packed(), chunk_shape=(4, 3))
    given = np.linspace(1, 99, 8)
    ds["p"][2] = given
    codes = packed().encode(given)
    for shape in (None, {"time": 13}, {"time": 3, "lat": 2}):
        found = np.zeros((13, 8), packed().dtype_encoded)
        for where, block in ds["p"].iter_chunks(shape, decoded=False):
            assert block.dtype == packed().dtype_encoded
            found[where] = block
        np.testing.assert_array_equal(found[2], codes)
        assert not found[:2].any()
        assert not found[3:].any()


def test_missing_chunks_of_packed_values_are_missing_through_every_path(ds: Dataset) -> None:
    ds.create.data_var.generic("p", ("time", "lat"), dtype=packed(), chunk_shape=(4, 3))
    ds["p"][0:2, 0:2] = 50.0
    expected = np.full((13, 8), np.nan, "f4")
    expected[0:2, 0:2] = 50.0
    paths: dict[str, list[tuple[Any, np.ndarray]]] = {
        "chunks": list(ds["p"].iter_chunks()),
        "blocks": list(ds["p"].iter_chunks({"time": 3, "lat": 5})),
        "one by one": list(ds["p"].iter_chunks({"time": 1, "lat": 1}, max_mem=1)),
        "rechunked": list(ds["p"].rechunker().rechunk((5, 8))),
        "groups": list(ds["p"].groupby({"time": 3})),
        "mapped": list(ds["p"].map(lambda where, data: data, n_workers=0)),
        "mapped blocks": list(ds["p"].map(lambda where, data: data, {"lat": 3}, n_workers=0)),
        "in step": [((w["time"], w["lat"]), v["p"]) for w, v in ds.iter_chunks({"time": 5}, data_vars="p")],
    }
    for name, parts in paths.items():
        found = np.zeros((13, 8), "f4")
        for where, block in parts:
            found[where] = block
        np.testing.assert_array_equal(found, expected, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "int16", "bool", "datetime64[s]", "str", "complex64"])
def test_chunks_that_were_never_written_read_the_same_through_every_path(ds: Dataset, dtype: str) -> None:
    ds.create.data_var.generic("empty", ("time", "lat"), dtype=dtype, chunk_shape=(4, 3))
    expected = ds["empty"].values
    for shape in (None, {"time": 3, "lat": 3}):
        for where, block in ds["empty"].iter_chunks(shape):
            np.testing.assert_array_equal(block, expected[where])


def test_a_declared_fill_is_masked_also_across_chunks_that_are_carried_over(ds: Dataset) -> None:
    ds.create.data_var.generic("count", ("time", "lat"), dtype="int16", chunk_shape=(4, 3), fill_value=-1)
    ds["count"][::2] = np.arange(8)
    expected = ds["count"].values
    assert isinstance(expected, np.ma.MaskedArray)
    for max_mem in (1, 600, 10**6):
        for where, block in ds["count"].iter_chunks({"time": 3}, max_mem=max_mem):
            assert isinstance(block, np.ma.MaskedArray)
            assert block.fill_value == -1
            np.testing.assert_array_equal(block.mask, expected.mask[where])
            np.testing.assert_array_equal(block.filled(), expected.filled()[where])
    for _, block in ds["count"].iter_chunks({"time": 3}, masked=False):
        assert not isinstance(block, np.ma.MaskedArray)


def test_dates_strings_and_scalars_are_gone_through(ds: Dataset) -> None:
    dates = np.array([cftime.datetime(2000, 2, day, calendar="360_day") for day in range(1, 14)], object)
    ds["when"] = (("time",), dates)
    ds["name"] = (("time",), np.array([f"station {n}" * n for n in range(13)]))
    ds["scalar"] = ((), 3.5)
    for name in ("when", "name"):
        expected = ds[name].values
        for shape in (None, {"time": 5}):
            for where, block in ds[name].iter_chunks(shape):
                assert block.tolist() == expected[where].tolist()
    for shape in (None, {}, ()):
        ((where, block),) = ds["scalar"].iter_chunks(shape)
        assert (where, float(block)) == ((), 3.5)
    assert [block.tolist() for _, block in ds["time"].iter_chunks(6)] == [[*range(6)], [*range(6, 12)], [12]]
    assert ds["when"].iter_chunks(decoded=False).__next__()[1].dtype.kind in "if"


def test_the_size_of_strings_is_inferred_from_what_is_stored_and_nothing_stored_is_no_error(ds: Dataset) -> None:
    ds.create.data_var.generic("text", ("time",), dtype="str", chunk_shape=(5,))
    assert ds["text"].infer_itemsize() >= 1
    assert ds["text"].rechunker().calc_n_reads_rechunker({"time": 4}, 10**6) == (3, 4)
    ds["text"][5:] = "x" * 1000
    assert 1000 <= ds["text"].infer_itemsize() <= 1100
    assert ds["t"].infer_itemsize() == 8


def test_cells_come_with_their_index(ds: Dataset) -> None:
    found = dict(ds["t"][2:6, 1].items())
    assert found[(3, 9)] == values()[5, 1, 9]
    assert len(found) == 4 * 10


def test_the_first_chunk_of_a_part_with_an_added_axis(ds: Dataset) -> None:
    assert ds["t"][:, None, 2].get_chunk().shape == (4, 1, 10)
    assert next(ds["t"][8:, None, 7].written_chunks()) == (slice(0, 4, 1), slice(0, 1, 1), slice(0, 10, 1))


def test_asking_for_nothing_in_advance_gives_the_same(ds: Dataset) -> None:
    for part in (ds["t"], ds["t"][::-2, None, 3:, 1]):
        for shape in (None, (2, 1, 3)):
            plain, alike = list(part.iter_chunks(shape)), list(part.iter_chunks(shape, prefetch=False))
            assert [where for where, _ in plain] == [where for where, _ in alike]
            assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(plain, alike, strict=True))


def test_an_empty_dimension_has_no_blocks(ds: Dataset) -> None:
    ds.create.coord.generic("later", dtype="int64")
    ds.create.data_var.generic("none", ("later", "lat"), dtype="float32")
    for shape in (None, {"later": 3}, {}):
        assert list(ds["none"].iter_chunks(shape)) == []
    assert list(ds["none"].groupby("later")) == []
    assert list(ds.iter_chunks({"later": 2}, data_vars="none")) == []
    assert list(ds["none"].map(lambda where, data: 1, n_workers=0)) == []
    assert ds["none"].rechunker().calc_n_reads_rechunker((2, 8)) == (0, 0)


def test_going_on_while_the_variable_changes_gives_values_of_then_or_now(ds: Dataset) -> None:
    blocks = ds["t"].iter_chunks({"time": 2}, max_mem=5000)
    next(blocks)
    ds["t"][...] = 1.0
    for where, block in blocks:
        assert ((block == 1.0) | (block == values()[where])).all()


# several variables


def fill(ds: Dataset) -> None:
    ds.create.data_var.generic("u", ("time", "lat", "lon"), dtype="float32", chunk_shape=(13, 2, 2))
    ds["u"][...] = -values()
    ds["mask"] = (("lat", "lon"), values()[0] % 3 == 0)
    ds["weight"] = (("lon", "time"), values()[:, 0].T)
    ds["constant"] = ((), 2)


@pytest.mark.parametrize("max_mem", [1, 10**4, 10**8])
def test_variables_are_read_in_step_and_those_of_fewer_dimensions_give_what_they_have_there(
    ds: Dataset, max_mem: int
) -> None:
    fill(ds)
    expected = {name: ds[name].values for name in ds.data_var_names}
    steps = list(ds.iter_chunks({"time": 5, "lat": 4}, max_mem=max_mem))
    assert [(where["time"].start, where["lat"].start) for where, _ in steps] == [
        (t, y) for t in (0, 5, 10) for y in (0, 4)
    ]
    for where, found in steps:
        assert list(found) == list(ds.data_var_names)
        for name, block in found.items():
            np.testing.assert_array_equal(block, expected[name][tuple(where[dim] for dim in ds[name].dims)])
            block[...] = 0
    assert [where for where, _ in steps] == list(ds.iter_chunks({"time": 5, "lat": 4}, include_data=False))


def test_views_are_gone_through_in_step_where_they_lie(ds: Dataset) -> None:
    fill(ds)
    view = ds.isel(time=slice(3, 11), lat=[6, 1, 2])
    for where, found in view.iter_chunks({"time": 3}, data_vars=["t", "mask"]):
        np.testing.assert_array_equal(found["t"], values()[3:11][where["time"]][:, [6, 1, 2]])
        np.testing.assert_array_equal(found["mask"], ds["mask"].values[[6, 1, 2]])


def test_a_variable_that_shares_no_dimensions_is_named(ds: Dataset) -> None:
    ds["other"] = (("station",), np.arange(4.0))
    with pytest.raises(ValueError, match=r"'other' with \{'station': 4\} cannot be gone through in step with 't'"):
        ds.iter_chunks({"time": 2})
    with pytest.raises(KeyError, match="nothing"):
        ds.iter_chunks({"time": 2}, data_vars=["nothing"])
    with pytest.raises(KeyError, match="level"):
        ds.iter_chunks({"level": 2}, data_vars=["t"])
    with pytest.raises(ValueError, match="no variables"):
        ds.iter_chunks({"time": 2}, data_vars=[])
    assert list(ds.iter_chunks({"time": 2}, data_vars=[], include_data=False)) == []


def test_the_rechunker_of_a_dataset_adds_up_its_variables(ds: Dataset) -> None:
    fill(ds)
    together = ds.rechunker(["t", "u"])
    apart = [ds[name].rechunker() for name in ("t", "u")]
    shape = {"time": 1}
    assert together.calc_ideal_read_chunk_mem(shape) == sum(each.calc_ideal_read_chunk_mem(shape) for each in apart)
    counts = [each.calc_n_reads_rechunker(shape, 10_000) for each in apart]
    assert together.calc_n_reads_rechunker(shape, 20_000) == tuple(map(sum, zip(*counts, strict=True)))
    assert sum(found["u"].sum() for _, found in together.rechunk(shape)) == -values().sum()


# a remote


@pytest.fixture(scope="module")
def published() -> CountingStore:
    store = CountingStore(MemoryStore())
    with cfdb.open_edataset(StoreConnection("x.cfdb", store), flag="n", cache=None) as ds:
        for name, size in (("time", 60), ("lat", 40), ("lon", 50)):
            ds.create.coord.generic(name, data=np.arange(size))
        for name in ("t", "u"):
            ds.create.data_var.generic(name, ("time", "lat", "lon"), dtype="float32", chunk_shape=(1, 40, 50))
            ds[name][...] = np.random.default_rng(0).normal(size=(60, 40, 50))
    return store


@pytest.mark.parametrize("how", ["chunks", "blocks", "pixels", "small", "groups", "in step"])
def test_a_remote_is_asked_once_for_each_window_of_blocks(published: CountingStore, how: str) -> None:
    with cfdb.open_edataset(StoreConnection("x.cfdb", published), cache=None) as ds:
        ds["t"].coords["time"].load()
        published.reset()
        jobs: dict[str, Any] = {
            "chunks": lambda: ds["t"].iter_chunks(),
            "blocks": lambda: ds["t"].iter_chunks({"time": 7}),
            "pixels": lambda: ds["t"].iter_chunks({"lat": 10, "lon": 5}),
            "small": lambda: ds["t"].iter_chunks({"time": 1}, max_mem=40_000),
            "groups": lambda: ds["t"].groupby({"time": 13}),
            "in step": lambda: ds.iter_chunks({"time": 6}),
        }
        assert sum(1 for _ in jobs[how]()) > 1
        assert published.counts.total == (2 if how == "in step" else 1)


def test_windows_follow_each_other_and_closing_early_asks_for_no_more(
    published: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW_BYTES", 12 * 40 * 50 * 4)
    with cfdb.open_edataset(StoreConnection("x.cfdb", published), cache=None) as ds:
        published.reset()
        blocks = ds["t"].iter_chunks({"time": 1}, max_mem=40_000)
        next(blocks)
        blocks.close()  # type: ignore[attr-defined]
        assert 1 <= published.counts.total <= 3, "the window of the block, and the next ones"
    with cfdb.open_edataset(StoreConnection("x.cfdb", published), cache=None) as ds:
        ds["t"].coords["time"].load()
        published.reset()
        assert sum(1 for _ in ds["t"].iter_chunks({"time": 1}, max_mem=40_000)) == 60
        assert published.counts.total == 60 / 12
