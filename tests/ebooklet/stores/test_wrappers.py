import time

import pytest

from ebooklet.errors import AccessDeniedError, ObjectNotFoundError
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.protocol import CREATE, ObjectStore, Update
from ebooklet.stores.wrappers import CountingStore, Fault, FaultyStore, LatencyStore, StoreWrapper
from tests.kits.object_store_kit import ObjectStoreKit


class TestWrappedStore(ObjectStoreKit):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return CountingStore(LatencyStore(FaultyStore(MemoryStore()), 0))


def test_requests_are_counted_by_verb() -> None:
    store = CountingStore(MemoryStore())
    etag = store.put("a", b"123", CREATE).etag
    store.put("a", [b"45", b"678"], Update(etag))
    store.put("b", b"")
    store.get("a")
    store.get_ranges("a", [(0, 1), (1, 1)])
    store.head("a")
    store.copy("a", "c")
    list(store.list(""))
    store.delete("c")
    store.delete_many(["a", "b"])
    with pytest.raises(ObjectNotFoundError):
        store.get("a")
    counts = store.reset()
    assert counts.requests == {
        "conditional_put": 2,
        "put": 1,
        "get": 2,
        "get_range": 2,
        "head": 1,
        "copy": 1,
        "list": 1,
        "delete": 1,
        "delete_many": 1,
    }
    assert (counts.total, counts.sent, counts.received) == (12, 8, 7)
    assert counts.log[0] == ("conditional_put", "a")
    assert store.counts.total == 0


@pytest.mark.parametrize(("objects", "requests"), [(0, 1), (999, 1), (1000, 1), (1001, 2), (2500, 3)])
def test_long_listings_and_deletions_count_a_request_for_each_thousand(objects: int, requests: int) -> None:
    store = CountingStore(MemoryStore())
    keys = [f"{n:04}" for n in range(objects)]
    for key in keys:
        store.inner.put(key, b"")
    assert [meta.key for meta in store.list("")] == keys
    store.delete_many(keys)
    assert store.counts.requests["list"] == requests
    assert store.counts.requests["delete_many"] == (requests if objects else 0)


def test_a_wrapped_target_of_a_copy_is_unwrapped() -> None:
    source, target = CountingStore(MemoryStore()), CountingStore(MemoryStore())
    source.put("a", b"x")
    assert source.copy("a", "b", target=target) is True
    assert target.get("b").body == b"x"


def test_latency_and_bandwidth_take_time() -> None:
    store = LatencyStore(MemoryStore(), 0.02, bandwidth=100_000)
    begun = time.monotonic()
    store.put("a", bytes(2000))
    store.get("a")
    assert time.monotonic() - begun >= 2 * (0.02 + 0.02)


def test_faults_hit_the_requests_they_name() -> None:
    denied = AccessDeniedError("denied")
    store = FaultyStore(MemoryStore(), Fault("get", denied, key="b", skip=1, times=2))
    for key in "ab":
        store.put(key, b"x")
    results = []
    for _ in range(4):
        store.get("a")
        try:
            store.get("b")
            results.append(True)
        except AccessDeniedError:
            results.append(False)
    assert results == [True, False, False, True]


def test_a_fault_comes_before_or_after_the_request_is_applied() -> None:
    for applied in (False, True):
        store = FaultyStore(MemoryStore(), Fault("put", AccessDeniedError("denied"), applied=applied))
        with pytest.raises(AccessDeniedError):
            store.put("a", b"x")
        assert [meta.key for meta in store.list("")] == (["a"] if applied else [])


def test_answers_are_damaged() -> None:
    store = FaultyStore(MemoryStore())
    store.put("a", b"1234")
    store.faults = [Fault("get_range", truncate=2), Fault("get", corrupt=True), Fault("head", corrupt=True)]
    assert store.get_range("a", 0, 4) == b"12"
    assert store.get("a").body == b"\xce234"
    assert store.head("a").size == 4
    assert store.get("a").body == b"1234"


def test_wrappers_show_what_they_wrap() -> None:
    store = StoreWrapper(MemoryStore("lab"))
    assert store.uri == "memory://lab"
    assert repr(store) == "StoreWrapper(MemoryStore('memory://lab', 0 objects))"
    assert store.dialect is store.inner.dialect
