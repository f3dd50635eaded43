"""Going through a remote variable: what comes next is asked for while the caller works, so much at a time as wanted."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import pytest

import cfdb
from cfdb.model.edataset import EDataset
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore, StoreWrapper, Verb

T = TypeVar("T")
VALUES = np.random.default_rng(0).normal(size=(60, 6000))


class Watched(StoreWrapper):
    """Says when a number of pieces were asked for."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.pieces = 0
        self.changed = threading.Condition()

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        result = thunk()
        with self.changed:
            self.pieces += verb == "get_range"
            self.changed.notify_all()
        return result

    def wait_for(self, pieces: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.pieces >= pieces, 10)


@pytest.fixture(scope="module")
def published() -> CountingStore:
    store = CountingStore(MemoryStore())
    with cfdb.open_edataset(StoreConnection("x", store), flag="n", cache=None, group_bytes=10**9) as ds:
        ds.create.data_var.generic("t", ("time", "cell"), data=VALUES, chunk_shape=(1, 6000))
    return store


@pytest.fixture
def store(published: CountingStore) -> CountingStore:
    published.reset()
    return published


def opened(store: Any) -> EDataset:
    return cfdb.open_edataset(StoreConnection("x", store, threads=1), cache=None)


def blocks(ds: EDataset, how: str, prefetch: Any) -> Iterator[tuple[Any, Any]]:
    if how == "stored chunks":
        return ds["t"].iter_chunks(prefetch=prefetch)
    if how == "backwards":
        return ds["t"][::-1].iter_chunks(prefetch=prefetch)
    return ds["t"].iter_chunks({"time": 2, "cell": 6000}, 400_000, prefetch=prefetch)


HOWS = ["stored chunks", "backwards", "blocks"]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(("prefetch", "requests"), [(True, 1), (60, 1), (20, 3), (10, 6)])
def test_so_many_chunks_are_asked_for_at_a_time(store: CountingStore, how: str, prefetch: Any, requests: int) -> None:
    with opened(store) as ds:
        store.reset()
        expected = VALUES[::-1] if how == "backwards" else VALUES
        for where, block in blocks(ds, how, prefetch):
            np.testing.assert_array_equal(block, expected[where])
        if how == "blocks":  # as many as whole batches of blocks lie in
            assert requests <= store.counts.total <= 1.5 * requests
        else:
            assert store.counts.total == requests


@pytest.mark.parametrize("how", HOWS)
def test_the_next_ones_are_asked_for_while_the_caller_works(store: CountingStore, how: str) -> None:
    watched = Watched(store)
    with opened(watched) as ds:
        watched.pieces = 0
        arriving = blocks(ds, how, 10)
        next(arriving)
        assert watched.wait_for(2), "the window behind the first one is on its way"
        assert watched.pieces <= 4, "and not all of them"
        arriving.close()  # type: ignore[attr-defined]
        assert watched.pieces <= 4


@pytest.mark.parametrize("how", HOWS)
def test_who_stops_asks_for_nothing_more(store: CountingStore, how: str) -> None:
    with opened(store) as ds:
        store.reset()
        for _ in blocks(ds, how, 10):
            break
        assert store.counts.total <= 4


@pytest.mark.parametrize("prefetch", [0, -1, 1.5, "many", None])
def test_a_number_that_is_none_is_refused(store: CountingStore, prefetch: Any) -> None:
    with opened(store) as ds, pytest.raises(ValueError, match="prefetch="):
        ds["t"].iter_chunks(prefetch=prefetch)
