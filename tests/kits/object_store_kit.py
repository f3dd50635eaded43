"""What every object store must do; derive from `ObjectStoreKit` and give a `store` fixture.

`ReadOnlyObjectStoreKit` is the part that a store without writing passes; its `seed` fixture puts objects there.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ebooklet.errors import (
    NotModifiedError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    PreconditionFailedError,
    ShortObjectError,
    UncertainOutcomeError,
)
from ebooklet.stores.probe import probe_conditional_put
from ebooklet.stores.protocol import CREATE, ObjectMeta, ObjectStore, Update, name_of

Seed = Callable[[str, bytes], None]

# `root` is the key of a database, so that a store which knows only one database has all of these.
ODD_KEYS = [
    "root",
    "root.objects/0123/abc",
    "root.objects/with space",
    "root.objects/a+b&c=d;e",
    "root.objects/100%/%41",
    "root.objects/what?#hash",
    "root.objects/ünïcödé/日本語",
    "root.objects/quo'te\"s",
    "root.objects/~tilde:colon,comma@at$dollar",
    "root.objects/(brackets)[square]{curly}",
    "root.objects/back\\slash",
    "root.objects/.hidden",
]
LARGE = bytes(range(256)) * 4096 * 9


class ReadOnlyObjectStoreKit:
    """Reading; `seed(key, body)` writes behind the store's back."""

    @pytest.fixture
    def store(self) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def seed(self) -> Seed:
        raise NotImplementedError

    def test_an_object_is_read_in_full(self, store: ObjectStore, seed: Seed) -> None:
        seed("root", b"hello")
        found = store.get("root")
        assert found.body == b"hello"
        assert (found.meta.key, found.meta.size) == ("root", 5)
        assert found.meta.etag
        assert '"' not in found.meta.etag

    def test_times_are_of_now_and_in_utc(self, store: ObjectStore, seed: Seed) -> None:
        seed("root", b"hello")
        meta = store.get("root").meta
        for time in (meta.last_modified, meta.server_date):
            assert time is not None
            assert time.utcoffset() == timedelta(0)
            assert abs(time - datetime.now(UTC)) < timedelta(minutes=5)

    def test_describing_agrees_with_reading(self, store: ObjectStore, seed: Seed) -> None:
        seed("root", b"hello")
        meta, read = store.head("root"), store.get("root").meta
        assert (meta.key, meta.size, meta.etag) == (read.key, read.size, read.etag)

    def test_an_empty_object_is_an_object(self, store: ObjectStore, seed: Seed) -> None:
        seed("root", b"")
        assert store.get("root").body == b""
        assert store.head("root").size == 0

    @pytest.mark.parametrize("key", ["root", "root.objects/0123/nothing"])
    def test_a_missing_object_is_not_found(self, store: ObjectStore, seed: Seed, key: str) -> None:
        for read in (store.get, store.head, lambda k: store.get_range(k, 0, 1)):
            with pytest.raises(ObjectNotFoundError, match=key):
                read(key)
        with pytest.raises(FileNotFoundError):
            store.get(key)

    @pytest.mark.parametrize("key", ODD_KEYS)
    def test_odd_keys_name_their_objects(self, store: ObjectStore, seed: Seed, key: str) -> None:
        seed(key, key.encode())
        assert store.get(key).body == key.encode()
        assert store.head(key).key == key

    def test_ranges_are_exact(self, store: ObjectStore, seed: Seed) -> None:
        body = bytes(range(200))
        seed("root", body)
        for start, length in [(0, 1), (0, 200), (199, 1), (17, 31), (5, 0)]:
            assert store.get_range("root", start, length) == body[start : start + length]
        assert store.get_ranges("root", [(150, 20), (0, 3), (0, 3)]) == [body[150:170], body[:3], body[:3]]
        assert store.get_ranges("root", []) == []

    @pytest.mark.parametrize(("start", "length"), [(0, 201), (150, 51), (200, 1), (10_000, 5)])
    def test_a_range_behind_the_end_is_an_error(self, store: ObjectStore, seed: Seed, start: int, length: int) -> None:
        seed("root", bytes(200))
        with pytest.raises(ShortObjectError):
            store.get_range("root", start, length)

    def test_large_bodies_arrive_whole(self, store: ObjectStore, seed: Seed) -> None:
        seed("root.objects/large", LARGE)
        assert store.get("root.objects/large").body == LARGE
        start = len(LARGE) - 3_000_001
        assert store.get_range("root.objects/large", start, 3_000_001) == LARGE[start:]

    def test_a_body_longer_than_the_limit_is_refused(self, store: ObjectStore, seed: Seed) -> None:
        seed("root", bytes(1000))
        with pytest.raises(ObjectTooLargeError, match="root"):
            store.get("root", limit=999)
        assert len(store.get("root", limit=1000).body) == 1000

    def test_an_unchanged_object_is_not_sent_again(self, store: ObjectStore, seed: Seed) -> None:
        seed("root", b"first")
        etag = store.get("root").meta.etag
        with pytest.raises(NotModifiedError):
            store.get("root", if_none_match=etag)
        seed("root", b"second")
        assert store.get("root", if_none_match=etag).body == b"second"

    def test_many_threads_read_at_once(self, store: ObjectStore, seed: Seed) -> None:
        body = bytes(range(256)) * 64
        seed("root", body)
        with ThreadPoolExecutor(8) as pool:
            pieces = list(pool.map(lambda start: store.get_range("root", start, 256), range(0, len(body), 256)))
        assert b"".join(pieces) == body

    def test_what_it_shows_of_itself_names_the_place(self, store: ObjectStore) -> None:
        assert "://" in store.uri
        assert "secret" not in repr(store) + store.uri


class ObjectStoreKit(ReadOnlyObjectStoreKit):
    """Everything; `store` is a new, empty, writable store with conditional writes."""

    @pytest.fixture
    def seed(self, store: ObjectStore) -> Seed:
        def write(key: str, body: bytes) -> None:
            store.put(key, body)

        return write

    def test_a_put_says_what_it_wrote(self, store: ObjectStore) -> None:
        meta = store.put("a", b"hello")
        assert meta == ObjectMeta("a", 5, store.head("a").etag, meta.last_modified, meta.server_date)

    def test_a_body_may_come_in_parts(self, store: ObjectStore) -> None:
        store.put("a", [b"one", bytearray(b"two"), memoryview(b"three")])
        assert store.get("a").body == b"onetwothree"
        store.put("a", bytearray(b"whole"))
        assert store.get("a").body == b"whole"

    def test_overwriting_replaces_all_of_it(self, store: ObjectStore) -> None:
        first = store.put("a", b"a long first version")
        second = store.put("a", b"short")
        assert store.get("a").body == b"short"
        assert first.etag != second.etag

    def test_the_same_bytes_have_the_same_etag(self, store: ObjectStore) -> None:
        assert store.put("a", b"same").etag == store.put("b", b"same").etag

    def test_keys_may_begin_with_each_other(self, store: ObjectStore) -> None:
        keys = ["a", "a/b", "a/b/c", "a.objects/x", "ab"]
        for order in (keys, keys[::-1]):
            for key in order:
                store.put(key, key.encode())
            assert [store.get(key).body for key in keys] == [key.encode() for key in keys]
            assert [meta.key for meta in store.list("a")] == sorted(keys)
            for key in order:
                store.delete(key)
            assert list(store.list("")) == []

    def test_deleted_objects_are_gone(self, store: ObjectStore) -> None:
        store.put("a", b"x")
        store.delete("a")
        store.delete("a")
        with pytest.raises(ObjectNotFoundError):
            store.get("a")

    def test_many_are_deleted_at_once(self, store: ObjectStore) -> None:
        keys = [f"d.objects/{n:02}" for n in range(12)] + ODD_KEYS
        for key in keys:
            store.put(key, b"")
        store.put("stays", b"")
        assert store.delete_many([*keys, "never/was"]) == {}
        assert store.delete_many([]) == {}
        assert [meta.key for meta in store.list("")] == ["stays"]

    def test_a_listing_is_ordered_and_goes_on_after_its_first_page(self, store: ObjectStore) -> None:
        keys = sorted([f"p/{n:03}" for n in range(25)] + ["p/é", "p/~", "p/10", "p/1/0"], key=str.encode)
        for key in [*reversed(keys), "q/other", "p"]:
            store.put(key, key.encode())
        found = list(store.list("p/"))
        assert [meta.key for meta in found] == keys
        assert [meta.size for meta in found] == [len(key.encode()) for key in keys]
        assert all(meta.etag in {"", store.head(meta.key).etag} for meta in found)
        assert all(meta.last_modified is not None and meta.server_date is not None for meta in found)
        assert [meta.key for meta in store.list("p/00")] == [f"p/{n:03}" for n in range(10)]
        assert list(store.list("nothing")) == []

    def test_a_folder_is_listed_without_looking_into_its_folders(self, store: ObjectStore) -> None:
        inner = [f"p/{n:02}/{m}" for n in range(12) for m in "ab"] + ["p/é/x", "p/10.objects/u/v", "p/10/c/d"]
        outer = [f"p/{n:02}.txt" for n in range(12)] + ["p/~"]
        for key in [*inner, *outer, "q/other", "p"]:
            store.put(key, b"12")
        found = list(store.list_folder("p/"))
        folders = {f"p/{key.split('/')[1]}/" for key in inner}
        assert [name_of(one) for one in found] == sorted([*outer, *folders], key=str.encode)
        assert all(one.size == 2 and one.last_modified for one in found if not isinstance(one, str))
        assert [name_of(one) for one in store.list_folder("")] == ["p", "p/", "q/"]
        assert [name_of(one) for one in store.list_folder("p/10/")] == ["p/10/a", "p/10/b", "p/10/c/"]
        assert list(store.list_folder("nothing/")) == []

    def test_odd_keys_are_listed_as_they_were_given(self, store: ObjectStore) -> None:
        for key in ODD_KEYS:
            store.put(key, b"")
        assert [meta.key for meta in store.list("")] == sorted(ODD_KEYS, key=str.encode)

    def test_a_copy_is_an_object_of_its_own(self, store: ObjectStore) -> None:
        store.put("root.objects/what? 100%", b"hello")
        assert store.copy("root.objects/what? 100%", "b/c") is True
        store.delete("root.objects/what? 100%")
        assert store.get("b/c").body == b"hello"
        with pytest.raises(ObjectNotFoundError):
            store.copy("nothing", "b/d")

    def test_another_kind_of_store_is_not_copied_to(self, store: ObjectStore) -> None:
        class Other:
            uri = "other://"

        store.put("a", b"")
        assert store.copy("a", "b", target=Other()) is False  # type: ignore[arg-type]

    def test_create_meets_an_object(self, store: ObjectStore) -> None:
        store.put("a", b"first", CREATE)
        with pytest.raises(PreconditionFailedError, match="a"):
            store.put("a", b"second", CREATE)
        assert store.get("a").body == b"first"
        store.delete("a")
        store.put("a", b"third", CREATE)
        assert store.get("a").body == b"third"

    def test_update_needs_the_etag_that_is_there(self, store: ObjectStore) -> None:
        first = store.put("a", b"first")
        second = store.put("a", b"second", Update(first.etag))
        with pytest.raises(PreconditionFailedError, match="a"):
            store.put("a", b"third", Update(first.etag))
        assert store.get("a").body == b"second"
        third = store.put("a", b"third", Update(second.etag))
        assert store.get("a").meta.etag == third.etag

    def test_update_does_not_bring_back_what_is_gone(self, store: ObjectStore) -> None:
        first = store.put("a", b"first")
        store.delete("a")
        with pytest.raises(PreconditionFailedError, match="a"):
            store.put("a", b"second", Update(first.etag))
        with pytest.raises(ObjectNotFoundError):
            store.get("a")

    def test_conditional_writes_are_known_to_be_honoured(self, store: ObjectStore) -> None:
        assert probe_conditional_put(store, "probe-c0ffee") is True
        assert store.supports_conditional_put is True
        assert list(store.list("")) == []

    def test_one_of_many_creators_wins(self, store: ObjectStore) -> None:
        for turn in range(3):
            won, unsure = _race(8, lambda who, key=f"race-{turn}": store.put(key, str(who).encode(), CREATE))
            there = int(store.get(f"race-{turn}").body)
            assert won == [there] or (not won and there in unsure)

    def test_no_update_of_many_is_lost(self, store: ObjectStore) -> None:
        store.put("counter", b"0")

        def increment(_: int) -> None:
            while True:
                found = store.get("counter")
                claim = f"{int(found.body.split()[0]) + 1} {threading.get_ident()}".encode()
                try:
                    store.put("counter", claim, Update(found.meta.etag))
                except PreconditionFailedError:
                    continue
                except UncertainOutcomeError:
                    if store.get("counter").body != claim:
                        continue
                return

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(increment, range(24)))
        assert int(store.get("counter").body.split()[0]) >= 24


def _race(count: int, write: Callable[[int], ObjectMeta]) -> tuple[list[int], list[int]]:
    """Which of `count` threads, released together, were told to have won, and which were told nothing (Ceph: 500)."""
    start = threading.Barrier(count)
    won, unsure = [], []

    def run(who: int) -> None:
        start.wait()
        try:
            write(who)
        except PreconditionFailedError:
            return
        except UncertainOutcomeError:
            unsure.append(who)
        else:
            won.append(who)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(run, range(count)))
    return won, unsure
