"""Many datasets opened at once, looked at with one request, and priced before they are opened."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

import cfdb
from ebooklet.errors import RemoteMissingError
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore, StoreWrapper, Verb

T = TypeVar("T")


def made(number: int, store: Any = None) -> StoreConnection:
    place = StoreConnection(f"d{number}.cfdb", CountingStore(MemoryStore()) if store is None else store)
    with cfdb.open_edataset(place, flag="n", cache=None) as ds:
        ds["t"] = (("y", "x"), np.full((3, 4), float(number)), {"units": "K"})
        ds.create.coord.lat(data=np.arange(5.0), step=False)
        ds.create.data_var.generic("deep/u", "latitude", data=np.arange(5.0))
        ds.attrs["title"] = f"dataset {number}"
    return place


def opened() -> int:
    return sum(thread.name.startswith("open") for thread in threading.enumerate())


def test_many_are_opened_in_their_order() -> None:
    places = [made(number) for number in range(12)]
    with cfdb.open_many(iter(places), threads=5, cache=None) as datasets:
        assert [float(ds["t"][0, 0]) for ds in datasets] == list(range(12))
        assert len(datasets) == 12
    assert not any(ds.is_open for ds in datasets)
    assert opened() == 0
    assert cfdb.open_many([]) == []


def test_they_are_opened_at_the_same_time() -> None:
    class Meeting(StoreWrapper):
        def __init__(self, inner: Any, barrier: threading.Barrier) -> None:
            super().__init__(inner)
            self.barrier = barrier

        def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
            self.barrier.wait(20)
            return thunk()

    barrier = threading.Barrier(4)
    places = [StoreConnection(f"d{n}.cfdb", Meeting(made(n).store(), barrier)) for n in range(4)]
    with cfdb.open_many(places, threads=4, cache=None) as datasets:
        assert len(datasets) == 4


def test_what_cannot_be_opened_is_named_and_nothing_stays_open() -> None:
    good = [made(1), made(2)]
    bad = [StoreConnection("missing.cfdb"), StoreConnection("gone.cfdb")]
    with pytest.raises(ExceptionGroup, match="2 of 4 datasets could not be opened") as caught:
        cfdb.open_many([good[0], bad[0], good[1], bad[1]], cache=None)
    assert [type(error) for error in caught.value.exceptions] == [RemoteMissingError] * 2
    assert "missing.cfdb" in caught.value.exceptions[0].__notes__[0]
    assert "gone.cfdb" in caught.value.exceptions[1].__notes__[0]
    with cfdb.open_many([good[0], bad[0], good[1]], return_exceptions=True, cache=None) as found:
        assert isinstance(found[1], RemoteMissingError)
        assert [float(ds["t"][0, 0]) for ds in (found[0], found[2])] == [1.0, 2.0]
    assert not found[0].is_open


def test_an_error_in_the_block_publishes_nothing() -> None:
    places = [made(1), made(2)]
    with (
        pytest.warns(UserWarning, match="are dropped"),
        pytest.raises(ZeroDivisionError),
        cfdb.open_many(places, flag="w", cache=None) as datasets,
    ):
        for ds in datasets:
            ds["t"][0] = 9.0
        raise ZeroDivisionError
    assert not any(ds.is_open for ds in datasets)
    with cfdb.open_many(places, flag="w", cache=None) as datasets:
        assert [float(ds["t"][0, 0]) for ds in datasets] == [1.0, 2.0]
        for ds in datasets:
            ds["t"][0] = 9.0
    with cfdb.open_many(places, cache=None) as datasets:
        assert [float(ds["t"][0, 0]) for ds in datasets] == [9.0, 9.0], "a clean end publishes"


@pytest.mark.parametrize("threads", [0, -1, True, "4", 1.5])
def test_a_number_of_threads_that_is_none_is_refused(threads: Any) -> None:
    with pytest.raises(ValueError, match="threads="):
        cfdb.open_many([made(1)], threads=threads)


def test_one_remote_is_not_taken_for_many() -> None:
    with pytest.raises(TypeError, match="open_edataset"):
        cfdb.open_many("s3://bucket/key.cfdb")


def test_metadata_take_one_request_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFDB_CACHE", str(tmp_path / "cache"))
    store = CountingStore(MemoryStore())
    place = made(3, store)
    store.reset()
    found = cfdb.read_metadata(place)
    assert (store.counts.requests, found.n_requests) == ({"get": 1}, 1)
    assert found.nbytes == store.counts.received
    assert list(tmp_path.iterdir()) == []
    assert found.attrs["title"] == "dataset 3"
    with cfdb.open_edataset(place, cache=None) as ds:
        assert found.sizes == ds.sizes
        assert set(found.variables) == set(ds.variables.keys())
        for name, said in found.variables.items():
            variable: Any = ds[name]
            assert (said.dims, said.shape, said.chunk_shape) == (variable.dims, variable.shape, variable.chunk_shape)
            assert (said.dtype, said.role) == (str(variable.dtype), variable.role)
            assert said.attrs == dict(variable.attrs)
        assert found.groups == tuple(ds.groups)
    assert found.to_dict()["variables"]["t"]["attrs"] == {"units": "K"}
    assert "t (y, x) float64" in str(found)


def test_metadata_of_what_is_missing_say_so() -> None:
    with pytest.raises(RemoteMissingError):
        cfdb.read_metadata(StoreConnection("nothing.cfdb"))


def test_anything_is_estimated() -> None:
    place = made(4)
    with cfdb.open_edataset(place, cache=None, flag="w", push_on_close=False) as ds:
        ds.create.data_var.generic("big", ("n", "m"), data=np.random.default_rng(0).normal(size=(50, 2000)))
        ds.create.data_var.generic("big2", ("n", "m"), data=np.random.default_rng(1).normal(size=(50, 2000)))
        assert cfdb.estimate(ds.changes()).action == "push"
        ds.push()
        assert cfdb.estimate(ds.changes()).n_keys == 0
    with cfdb.open_edataset(place, cache=None) as ds:
        everything = ds.load(dry_run=True)
        assert cfdb.estimate(ds) == everything
        assert cfdb.estimate(ds["big"]) == ds["big"].load(dry_run=True)
        some = cfdb.estimate(ds, select={"latitude": 2.0}, variables="big")
        assert some == ds["big"].load(dry_run=True)
        both = ds.load(variables=["big", "big2"], dry_run=True)
        assert both.n_remote == 2 * some.n_remote
        assert ds.load(variables=["big", "big2"]).fetched == both.n_remote
    found = cfdb.estimate(place, cache=None)
    assert (found.n_requests, found.nbytes) == (everything.n_requests, everything.nbytes)
    with pytest.raises(TypeError, match="variables="), cfdb.open_edataset(place, cache=None) as ds:
        cfdb.estimate(ds.changes(), variables=["t"])
