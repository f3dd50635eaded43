"""What the file knows of its chunks answers without reading them, and tells which of them hold what is looked for."""

import math
import tracemalloc
from collections.abc import Iterator
from typing import Any

import cftime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.errors import DataTypeError, MemoryLimitError
from cfdb.format.statistics import mark_stale
from cfdb.storage.access import ChunkAccess
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore

STORED = ("max", "min", "sum", "mean", "count", "any", "all")
OPS = {"gt": np.greater, "ge": np.greater_equal, "lt": np.less, "le": np.less_equal, "eq": np.equal}


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of the chunks whose payloads were fetched."""
    keys: list[str] = []
    one, many = ChunkAccess.payload, ChunkAccess.payloads

    def payload(self: Any, key: str) -> Any:
        keys.append(key)
        return one(self, key)

    def payloads(self: Any, wanted: Any) -> Any:
        if len(wanted) > 1:
            keys.extend(wanted)
        return many(self, wanted)

    monkeypatch.setattr(ChunkAccess, "payload", payload)
    monkeypatch.setattr(ChunkAccess, "payloads", payloads)
    return keys


def values(kind: str) -> tuple[Any, dict[str, Any]]:
    rng = np.random.default_rng(5)
    numbers = rng.normal(size=(20, 30)) * 50
    numbers[rng.random(numbers.shape) < 0.2] = np.nan
    numbers[4:8, 10:20] = np.nan
    if kind == "f4":
        return numbers.astype("f4"), {}
    if kind == "f8":
        numbers[0, :3] = np.inf, -np.inf, 0
        return numbers, {}
    if kind == "packed":
        return numbers, {"dtype": cfdb.dtypes.dtype("float32", precision=1, min_value=-300, max_value=300)}
    if kind == "rounded":
        return numbers, {"dtype": "f8", "precision": 1}
    whole = np.where(np.isnan(numbers), -999, numbers).astype("i2")
    if kind == "filled":
        return whole, {"fill_value": -999}
    if kind == "u1":
        return (whole % 200).astype("u1"), {}
    if kind == "bool":
        return whole > 0, {}
    if kind == "time":
        times = np.datetime64("2000-01-01") + whole.astype("m8[D]")
        times[whole == -999] = "NaT"
        return times, {}
    return np.array([f"w{number:05d}" for number in whole.flat], "T").reshape(whole.shape), {}


KINDS = ["f4", "f8", "packed", "rounded", "filled", "u1", "bool", "time", "str"]


@pytest.fixture
def ds() -> Iterator[Any]:
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.coord.generic("y", data=np.arange(20) * 10, step=False)
        ds.create.coord.generic("x", data=np.arange(30) + 100.5, step=False)
        yield ds


def make(ds: Any, kind: str) -> Any:
    data, options = values(kind)
    return ds.create.data_var.generic("v", ("y", "x"), data=data, chunk_shape=(4, 10), **options)


def same(left: Any, right: Any) -> bool:
    if left is np.ma.masked or right is np.ma.masked:
        return left is right
    if isinstance(left, float | np.floating):
        return (
            bool(np.isclose(left, right, rtol=1e-12, atol=0, equal_nan=True)) if left.dtype == "f8" else left == right
        )
    return bool(left == right)


# without reading


PAIRS = [
    (kind, name)
    for kind in KINDS
    for name in STORED
    if kind not in ("time", "str") or name in ("min", "max", "count") or (kind, name) == ("time", "mean")
]


@pytest.mark.parametrize(("kind", "name"), PAIRS)
def test_what_the_file_knows_is_not_read_and_is_what_reading_gives(
    ds: Any, fetched: list[str], kind: str, name: str
) -> None:
    v = make(ds, kind)
    found = getattr(v, name)()
    # whether there is a zero among numbers of both signs, and the mean of dates, only reading can tell
    if name != "all" and (kind, name) != ("time", "mean"):
        assert not fetched
    v._array.store.set_notes(dict.fromkeys(v._array.written_keys(), b""))
    assert same(np.asarray(found)[()], np.asarray(getattr(v, name)())[()])
    assert fetched


@pytest.mark.parametrize("name", ["max", "sum", "count", "mean"])
def test_only_border_chunks_of_a_part_are_read(ds: Any, fetched: list[str], name: str) -> None:
    v = make(ds, "f4")
    part = v[2:15, 10:29]
    want = getattr(np, f"nan{name}")(part.values.astype("f8")) if name != "count" else np.sum(~np.isnan(part.values))
    fetched.clear()
    assert getattr(part, name)() == pytest.approx(want, rel=1e-6)
    assert len(set(fetched)) == len(fetched) == 6  # of 8


def test_statistics_that_are_stale_or_absent_are_not_used(ds: Any, fetched: list[str]) -> None:
    v = make(ds, "f8")
    v[19, 29] = 1e6
    fetched.clear()
    assert v[:, 20:].max() == 1e6
    assert not fetched
    ds["x"].truncate(stop=127.5)
    assert v.shape == (20, 28)
    assert v[:, 20:].max() == np.nanmax(v.values[:, 20:]) < 1e6


def test_chunks_never_written_count_as_what_they_read_as(ds: Any, fetched: list[str]) -> None:
    v = ds.create.data_var.generic("v", ("y", "x"), "i4", chunk_shape=(4, 10))
    w = ds.create.data_var.generic("w", ("y", "x"), "f4", chunk_shape=(4, 10))
    v[0, 0], w[0, 0] = 5, 5
    fetched.clear()
    assert (v.min(), v.sum(), v.count(), v.mean(), v.all()) == (0, 5, 600, 5 / 600, False)
    assert (w.min(), w.sum(), w.count(), w.all()) == (5, 5, 1, True)
    assert not fetched


def test_all_stops_at_the_first_zero(ds: Any, fetched: list[str]) -> None:
    data = np.random.default_rng(0).normal(size=(20, 30))
    v = ds.create.data_var.generic("v", ("y", "x"), data=data, chunk_shape=(1, 30))
    assert v.all()
    assert len(fetched) == 20
    fetched.clear()
    v[3] = 0
    fetched.clear()
    assert not v.all()
    assert not fetched  # the chunk is known to hold only zeros


def test_sums_without_reading_are_compensated() -> None:
    data = np.array([1e16, 1.0, -1e16, 1.0] * 1000)
    with cfdb.open_dataset(None, "n") as ds:
        v = ds.create.data_var.generic("v", "x", data=data, chunk_shape=(7,))
        assert v.sum() == math.fsum(data)


def test_a_remote_dataset_answers_without_a_request() -> None:
    store = CountingStore(MemoryStore())
    data = np.random.default_rng(0).normal(size=(50, 2000)).astype("f4")
    with cfdb.open_edataset(StoreConnection("k/x.cfdb", store), flag="n", cache=None, push_on_close=False) as ds:
        ds.create.data_var.generic("t", ("a", "b"), data=data, chunk_shape=(1, 2000))
        ds.push()
    with cfdb.open_edataset(StoreConnection("k/x.cfdb", store), flag="r", cache=None, push_on_close=False) as ds:
        store.reset()
        t = ds["t"]
        assert t.max() == data.max()
        assert store.counts.total <= 1  # what is known of the chunks comes at once
        assert store.counts.received < 5_000
        store.reset()
        assert t.mean() == pytest.approx(data.mean(dtype="f8"), rel=1e-6)
        assert t[10:20].min() == data[10:20].min()
        bound = np.sort(data.max(axis=1))[-3]
        assert len(t.where_chunks(ge=bound)) == 3
        assert store.counts.total == 0
        assert len(t.where(ge=bound)) == int((data >= bound).sum())
        assert store.counts.total <= 3
        assert t[3, :50].max() == data[3, :50].max()


def test_the_statistics_of_chunks_can_be_looked_at(ds: Any, fetched: list[str]) -> None:
    v = make(ds, "f4")
    found = list(v[2:].chunk_statistics())
    assert len(found) == 15
    assert [each.exact for each in found] == [False] * 3 + [True] * 12
    assert not fetched
    each = found[5]
    part = v[2:][each.box].values
    assert (each.statistics.maximum, each.statistics.missing) == (np.nanmax(part), np.isnan(part).sum())


# where


CONDITIONS = st.dictionaries(st.sampled_from(sorted(OPS)), st.integers(-60, 60), min_size=1, max_size=3)
KEYS = [(), (slice(None, None, -3), slice(2, 25)), (5,), (..., [3, 29, 3]), (slice(0), ...), (None, slice(4, 9))]


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(KINDS[:8]),
    given_=CONDITIONS,
    key=st.sampled_from(KEYS),
    chunks=st.sampled_from([(4, 10), (3, 7), (20, 1)]),
)
def test_what_is_found_is_what_nonzero_finds(
    kind: str, given_: dict[str, int], key: Any, chunks: tuple[int, ...]
) -> None:
    data, options = values(kind)
    bounds: dict[str, Any] = given_
    if kind == "time":
        bounds = {name: np.datetime64("2000-01-01") + bound for name, bound in given_.items()}
    if kind == "u1":
        bounds = {name: abs(bound) for name, bound in given_.items()}
    with cfdb.open_dataset(None, "n") as ds:
        v = ds.create.data_var.generic("v", ("y", "x"), data=data, chunk_shape=chunks, **options)[key]
        loaded = v.read()
        mask = np.ones(loaded.shape, bool)
        for name, bound in bounds.items():
            mask &= np.ma.filled(OPS[name](loaded, bound), False)
        found = v.where(**bounds)
        for axis, want in zip(found.positions, np.nonzero(mask), strict=True):
            np.testing.assert_array_equal(axis, want)
        np.testing.assert_array_equal(found.values, np.ma.getdata(loaded)[mask])
        covered = np.zeros(loaded.shape, bool)
        boxes = v.where_chunks(**bounds)
        for box in boxes:
            covered[np.ix_(*(np.arange(size)[axis] for axis, size in zip(box, loaded.shape, strict=True)))] = True
        assert not (mask & ~covered).any()
        assert found.chunks_read == len(boxes)
        assert found.chunks_read + found.chunks_skipped == v.n_chunks


def test_only_chunks_that_may_hold_something_are_read(ds: Any, fetched: list[str]) -> None:
    data = np.arange(600.0).reshape(20, 30)
    v = ds.create.data_var.generic("v", ("y", "x"), data=data, chunk_shape=(4, 10))
    found = v.where(gt=100, le=110)
    assert len(found) == 10
    assert len([key for key in fetched if key.startswith(v.id)]) == 2
    assert (found.chunks_read, found.chunks_skipped) == (2, 13)
    assert found.positions[0].tolist() == [3] * 10
    assert found.labels["y"].tolist() == [30] * 10
    assert found.labels["x"][0] == 111.5
    assert next(iter(found)) == ((3, 11), 101.0)
    assert "10 matches in 'v': 2 chunks read, 13 skipped" in repr(found)
    assert v.where_chunks(gt=1000) == []
    assert len(v.where(gt=1000)) == 0
    assert "0 matches" in repr(v.where(gt=1000))


def test_a_bound_is_compared_as_numpy_does(ds: Any) -> None:
    data = np.full((20, 30), 0.1, "f4")
    ds["v"] = (("y", "x"), data)
    assert len(ds["v"].where(eq=0.1)) == (data == 0.1).sum() == 600
    assert len(ds["v"].where(gt=np.float64(0.1))) == (data > np.float64(0.1)).sum()
    assert len(ds["v"].where(gt=math.nan)) == 0


def test_times_and_strings_are_found_by_text(ds: Any) -> None:
    times = np.datetime64("2020-01-01") + np.arange(20)
    ds.create.data_var.generic("when", "y", data=times, chunk_shape=(5,))
    found = ds["when"].where(ge="2020-01-06", lt="2020-01-08")
    assert found.values.astype(str).tolist() == ["2020-01-06", "2020-01-07"]
    assert found.chunks_read == 1
    assert ds["y"].where(gt=180).values.tolist() == [190]
    names = np.array([f"n{number:02d}" for number in range(20)], "T")
    ds.create.data_var.generic("who", "y", data=names, chunk_shape=(5,))
    assert ds["who"].where(eq="n07").positions[0].tolist() == [7]
    assert ds["who"].where(eq="n07").chunks_read == 1
    dates = cftime.num2date(np.arange(20), "days since 2000-02-25", "360_day")
    ds["day"] = ("y", dates)
    assert ds["day"].where(gt="2000-03-01", le=dates[8]).values.tolist() == dates[7:9].tolist()


def test_missing_values_fulfil_nothing(ds: Any) -> None:
    ds.create.data_var.generic("i", "y", "i4", fill_value=-9, data=np.full(20, -9, "i4"), chunk_shape=(5,))
    ds.create.data_var.generic("f", "y", "f4", chunk_shape=(5,))
    for name in ("i", "f"):
        assert ds[name].where_chunks(le=0) == []
        assert len(ds[name].where(le=0)) == 0


def test_a_limit_stops_the_search(ds: Any) -> None:
    v = ds.create.data_var.generic("v", ("y", "x"), data=np.arange(600.0).reshape(20, 30), chunk_shape=(1, 30))
    found = v.where(ge=0, limit=7)
    assert found.values.tolist() == list(range(7))
    assert not found.complete
    assert found.chunks_read < 20
    assert "may be more" in repr(found)
    assert v.where(ge=595, limit=100).complete


def test_what_is_found_keeps_to_its_budget() -> None:
    budget = 2_000_000
    data = np.random.default_rng(0).normal(size=(300, 200, 100)).astype("f4")
    with cfdb.open_dataset(None, "n") as ds:
        v = ds.create.data_var.generic("v", ("a", "b", "c"), data=data, chunk_shape=(5, 40, 100))
        with pytest.raises(MemoryLimitError, match="limit="):
            v.where(gt=0, max_mem=budget)
        v[:10].where(gt=4, max_mem=budget)
        tracemalloc.start()
        try:
            found = v.where(gt=3.5, max_mem=budget)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < budget
        assert len(found) == (data > 3.5).sum()


def test_a_mask_is_xarrays_business(ds: Any) -> None:
    v = make(ds, "f4")
    with pytest.raises(TypeError, match="to_xarray"):
        v.where(v > 0)
    with pytest.raises(TypeError, match="gt="):
        v.where()
    with pytest.raises(TypeError, match="one value"):
        v.where(gt=[1, 2])
    with pytest.raises(DataTypeError, match="'v'"):
        v.where(gt="high")
    ds["z"] = ("y", np.zeros(20, complex))
    with pytest.raises(DataTypeError, match="no order"):
        ds["z"].where(gt=0)
    with pytest.raises(ValueError, match="limit"):
        v.where(gt=0, limit=0)


@pytest.mark.parametrize("kind", ["f4", "f8", "filled", "time", "str", "bool"])
def test_results_in_which_whole_chunks_go_are_not_read(ds: Any, fetched: list[str], kind: str) -> None:
    data, options = values(kind)
    v = ds.create.data_var.generic("v", ("y", "x"), data=data, chunk_shape=(1, 7), **options)
    fetched.clear()
    names = [name for known, name in PAIRS if known == kind and name != "all"]
    found = {name: getattr(v[::-2], name)("x") for name in names if (kind, name) != ("time", "mean")}
    assert not [key for key in fetched if key.startswith(v.id)]
    v._array.store.set_notes(dict.fromkeys(v._array.written_keys(), b""))
    for name, each in found.items():
        want = getattr(v[::-2], name)("x")
        assert each.dtype == want.dtype
        if each.dtype.kind in "fiu":
            np.testing.assert_allclose(np.asarray(each), np.asarray(want), rtol=1e-12)
        else:
            np.testing.assert_array_equal(each, want)
    assert [key for key in fetched if key.startswith(v.id)]


@pytest.mark.parametrize("name", ["std", "median"])
def test_a_remote_dataset_is_reduced_with_few_requests(name: str) -> None:
    store = CountingStore(MemoryStore())
    data = np.random.default_rng(0).normal(size=(500, 4000)).astype("f4")
    with cfdb.open_edataset(StoreConnection("k/x.cfdb", store), flag="n", cache=None, push_on_close=False) as ds:
        ds.create.data_var.generic("t", ("a", "b"), data=data, chunk_shape=(1, 4000))
        ds.push()
    with cfdb.open_edataset(StoreConnection("k/x.cfdb", store), flag="r", cache=None, push_on_close=False) as ds:
        store.reset()
        found = getattr(ds["t"], name)("a", max_mem=3_000_000)
    np.testing.assert_allclose(found, getattr(np, name)(data.astype("f8"), axis=0), rtol=1e-5, atol=1e-6)
    assert store.counts.received < 1.05 * data.nbytes
    assert store.counts.total <= math.ceil(store.counts.received / 4e6) + 3


def test_statistics_of_cells_that_were_dropped_do_not_come_back(ds: Any) -> None:
    v = ds.create.data_var.generic("v", ("y", "x"), "f4", chunk_shape=(20, 30))
    v[...] = 1
    v[:, 29] = 9
    assert v.max() == 9
    ds["x"].truncate(stop=128.5)
    ds["x"].append([129.5])  # the chunk has as many cells as before
    assert v.max() == np.nanmax(v.values) == 1
    assert v.count() == 20 * 29
    notes = v._array.store.notes(sorted(v._array.written_keys()))
    v._array.store.set_notes(
        {key: mark_stale(note) for key, note in zip(sorted(v._array.written_keys()), notes, strict=True)}
    )
    assert next(v.chunk_statistics()).statistics is None
    assert v.max() == 1
    assert len(v.where_chunks(gt=5)) == 1  # only reading can tell
