"""How many requests, and how many bytes, does the work on a remote dataset cost? Counted at a store, never timed."""

from collections import Counter
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import pytest

import cfdb
from cfdb.model.edataset import EDataset
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore

KEY = "big/x.cfdb"
MB4 = 4 << 20


@dataclass(frozen=True)
class Case:
    """A dataset of so many chunks, all along the first dimension of a grid."""

    chunks: int
    cells: int  # of a chunk

    def values(self) -> np.ndarray:
        return np.random.default_rng(1).normal(size=(self.chunks, self.cells)).astype("float32")


CASES = {28: Case(28, 60_000), 2000: Case(2000, 4_000)}


@pytest.fixture(scope="module", params=list(CASES), ids=lambda chunks: f"{chunks} chunks")
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(scope="module")
def published(case: Case) -> tuple[CountingStore, Counter[str]]:
    """The store with the dataset in it, and what writing it cost."""
    store = CountingStore(MemoryStore())
    with cfdb.open_edataset(StoreConnection(KEY, store), flag="n", cache=None, push_on_close=False) as ds:
        ds.create.coord.generic("time", data=np.arange(case.chunks), step=False)
        ds.create.coord.generic("cell", data=np.arange(case.cells), step=False)
        ds.create.data_var.generic("t", ("time", "cell"), dtype="float32", chunk_shape=(1, case.cells))
        ds["t"][...] = case.values()
        store.reset()
        ds.push()
    return store, store.reset().requests


@pytest.fixture
def store(published: tuple[CountingStore, Counter[str]]) -> CountingStore:
    published[0].reset()
    return published[0]


def opened(store: CountingStore, path: Path | None = None, flag: str = "r") -> EDataset:
    connection = StoreConnection(KEY, store)
    if path is None:
        return cfdb.open_edataset(connection, flag=flag, cache=None, push_on_close=False)
    return cfdb.open_edataset(connection, path, flag=flag, push_on_close=False)


def test_writing_everything_costs_its_packs_one_commit_and_one_question(
    case: Case, published: tuple[CountingStore, Counter[str]]
) -> None:
    store, requests = published
    packs = ceil(sum(meta.size for meta in store.inner.list("")) / (16 << 20))
    learning = 1
    assert requests.total() <= packs + 1 + learning
    assert not requests["list"]
    assert not requests["head"]


def test_a_cold_open_with_coordinates_is_one_small_request(store: CountingStore, case: Case) -> None:
    with opened(store) as ds:
        assert ds["time"].values[-1] == case.chunks - 1
        assert "t" in str(ds)
    assert store.counts.total == 1
    coordinates = 2 * 8 * (case.chunks + case.cells)
    assert store.counts.received < 15_000 + coordinates


def test_one_chunk_after_opening_is_one_request(store: CountingStore, case: Case) -> None:
    with opened(store) as ds:
        store.reset()
        np.testing.assert_array_equal(ds["t"][case.chunks // 2].values, case.values()[case.chunks // 2])
    assert store.counts.total == 1
    assert store.counts.received < 2 * 4 * case.cells


def test_a_full_read_is_its_bytes_in_pieces_of_four_megabytes(store: CountingStore, case: Case) -> None:
    with opened(store) as ds:
        store.reset()
        np.testing.assert_array_equal(ds["t"].values, case.values())
    packs = sum(1 for meta in store.inner.list("") if meta.size > 10_000 and ".objects" in meta.key)
    assert store.counts.total <= ceil(store.counts.received / MB4) + packs


def test_load_fetches_in_the_same_few_requests(store: CountingStore, case: Case) -> None:
    with opened(store) as ds:
        store.reset()
        ds["t"].load()
        requests, received = store.counts.total, store.counts.received
        packs = sum(1 for meta in store.inner.list("") if ".objects" in meta.key)
        assert requests <= ceil(received / MB4) + packs
        np.testing.assert_array_equal(ds["t"].values, case.values())
        assert store.counts.total == requests, "everything is here"


def test_opening_again_with_nothing_new_is_one_request_without_a_body(
    store: CountingStore, case: Case, tmp_path: Path
) -> None:
    opened(store, tmp_path / "x.cfdb").close()
    store.reset()
    with opened(store, tmp_path / "x.cfdb") as ds:
        assert ds["time"].values[0] == 0
    assert store.counts.total == 1
    assert store.counts.received == 0


def test_a_session_that_changes_nothing_sends_nothing(store: CountingStore, case: Case) -> None:
    with cfdb.open_edataset(StoreConnection(KEY, store), flag="w", cache=None) as ds:
        assert ds["time"].values[0] == 0
    assert set(store.counts.requests) == {"get"}


def test_a_change_of_one_percent_is_three_requests_and_its_bytes(store: CountingStore, case: Case) -> None:
    changed = max(1, case.chunks // 100)
    with opened(store, flag="w") as ds:
        ds["t"][:changed] = case.values()[:changed]
        ds.push()
    assert store.counts.total <= 3  # open, pack, commit
    assert not store.counts.requests["list"]
    table = 20 * case.chunks + 30_000
    inline = 64_000
    assert store.counts.sent < changed * case.cells * 4 + 2 * table + inline


def test_deleting_leaves_nothing_and_costs_what_it_must(case: Case) -> None:
    store = CountingStore(MemoryStore())
    with cfdb.open_edataset(StoreConnection(KEY, store), flag="n", cache=None, num_groups=4) as ds:
        ds["t"] = ("x", np.random.default_rng(0).normal(size=100_000))
        ds.push()
        objects = sum(1 for _ in store.inner.list(""))
        store.reset()
        ds.delete_remote()
    assert store.counts.total <= 1 + 2 * ceil(objects / 1000)
    assert list(store.inner.list("")) == []
