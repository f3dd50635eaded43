"""Loads of a dataset in the background, and loads that fail on the way."""

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any, TypeVar

import numpy as np
import pytest

import cfdb
from cfdb.model.edataset import EDataset
from ebooklet.errors import RemoteConnectionError
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore, Fault, FaultyStore, StoreWrapper, Verb

T = TypeVar("T")
VALUES = np.random.default_rng(0).normal(size=(20, 20_000))


class Gate(StoreWrapper):
    """Lets requests for pieces through when it is open."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.open = threading.Event()
        self.reached = threading.Event()

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        if verb == "get_range":
            self.reached.set()
            assert self.open.wait(20)
        return thunk()


@pytest.fixture
def faulty() -> FaultyStore:
    store = FaultyStore(MemoryStore())
    with cfdb.open_edataset(StoreConnection("x", store), flag="n", cache=None, group_bytes=200_000) as ds:
        ds.create.data_var.generic("t", ("time", "cell"), data=VALUES, chunk_shape=(1, 20_000))
        ds["t"].attrs["units"] = "K"
    return store


@pytest.fixture
def gate(faulty: FaultyStore) -> Iterator[Gate]:
    found = Gate(faulty)
    yield found
    found.open.set()


def opened(store: Any, threads: int = 1) -> EDataset:
    return cfdb.open_edataset(StoreConnection("x", store, threads=threads), cache=None)


def test_a_load_in_the_background_leaves_the_caller_free(gate: Gate) -> None:
    with opened(gate) as ds:
        seen: list[tuple[int, int]] = []
        job = ds["t"].load(lambda *each: seen.append(each), background=True)
        assert gate.reached.wait(10)
        assert not job.done
        assert job.progress == (0, 20)
        assert "going on" in repr(job)
        with pytest.raises(TimeoutError, match="still going on"):
            job.result(0.01)
        gate.open.set()
        result = job.result(20)
        assert (result.fetched, result.present, result.ok) == (20, 0, True)
        assert (job.done, job.progress) == (True, (20, 20))
        assert seen[-1] == (20, 20)
        counted = CountingStore(gate)
        assert ds["t"].load(dry_run=True).n_requests == counted.counts.total == 0
        np.testing.assert_array_equal(ds["t"].values, VALUES)


def test_reads_beside_a_background_load_fetch_nothing_twice(gate: Gate) -> None:
    store = CountingStore(gate)
    with opened(store) as ds:
        store.reset()
        expected = ds["t"].load(dry_run=True).nbytes
        job = ds["t"].load(background=True)
        assert gate.reached.wait(10)
        threading.Timer(0.05, gate.open.set).start()
        np.testing.assert_array_equal(ds["t"][3:9].values, VALUES[3:9])
        job.result(20)
        assert store.counts.received == expected


def test_a_cancelled_job_keeps_what_arrived(gate: Gate) -> None:
    with opened(gate) as ds:
        job = ds["t"].load(background=True)
        assert gate.reached.wait(10)
        job.cancel()
        gate.open.set()
        with pytest.raises(CancelledError):
            job.result(20)
        assert 0 < ds["t"].load(dry_run=True).n_local < 20
        assert ds["t"].load().fetched < 20


def test_a_dataset_ends_its_loads(gate: Gate) -> None:
    with opened(gate) as ds:
        job = ds["t"].load(background=True)
        assert gate.reached.wait(10)
        threading.Timer(0.05, gate.open.set).start()
    assert job.done
    with pytest.raises(CancelledError):
        job.result()


def test_an_error_in_the_background_comes_with_the_result(faulty: FaultyStore) -> None:
    faulty.faults.append(Fault("get_range", RemoteConnectionError("cut"), skip=3, times=99))
    with opened(faulty) as ds:
        job = ds["t"].load(background=True)
        with pytest.raises(RemoteConnectionError) as caught:
            job.result(20)
        assert "another load() fetches only what is missing" in caught.value.__notes__[0]
        assert "failed" in repr(job)
        faulty.faults.clear()
        assert 0 < ds["t"].load().fetched < 20


def test_an_error_nobody_asked_about_is_a_warning_at_the_end(faulty: FaultyStore) -> None:
    faulty.faults.append(Fault("get_range", RemoteConnectionError("cut"), times=99))
    ds = opened(faulty)
    job = ds["t"].load(background=True)
    while not job.done:
        pass
    with pytest.warns(UserWarning, match="background load of t failed"):
        ds.close()


def test_a_bar_of_a_background_load_is_refused(faulty: FaultyStore) -> None:
    with opened(faulty) as ds, pytest.raises(ValueError, match="LoadJob"):
        ds["t"].load(True, background=True)


def test_a_failed_load_says_how_much_is_here(faulty: FaultyStore) -> None:
    with opened(faulty) as ds:
        faulty.faults.append(Fault("get_range", RemoteConnectionError("cut"), skip=2, times=99))
        with pytest.raises(RemoteConnectionError) as caught:
            ds.load()
        assert "of 20 chunks could not be loaded" in caught.value.__notes__[0]
        faulty.faults.clear()
        before = ds["t"].load(dry_run=True)
        assert before.n_local > 0
        assert ds.load().fetched == before.n_remote
        assert str(ds.load()) == "nothing to fetch: 20 chunks here"


def test_loads_of_a_group_are_its_own(gate: Gate) -> None:
    gate.open.set()
    with cfdb.open_edataset(StoreConnection("x", gate), flag="w", cache=None) as ds:
        ds.create.data_var.generic("deep/u", ("x",), data=np.arange(1000.0), chunk_shape=100)
    with opened(gate) as ds:
        assert ds.groups["deep"].load(background=True).result(20).fetched == 10
        assert ds["t"].load(dry_run=True).n_local == 0
    gc.collect()
