"""A local file keeps within its size: what was used least recently leaves, edits never do, readers notice nothing."""

import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ebooklet
from ebooklet.format.table import Row, is_pending
from ebooklet.local.working_copy import WorkingCopy
from ebooklet.mapping import EBooklet
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore

KEYS = [f"t/{number:02}" for number in range(30)]
SIZE = 40_000
LIMIT = 10 * SIZE


def value(key: str) -> bytes:
    return np.random.default_rng(int(key[2:])).bytes(SIZE)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> CountingStore:
    monkeypatch.setattr("ebooklet.loading.BATCH_BYTES", SIZE)
    monkeypatch.setattr("ebooklet.loading.READERS_BATCH_BYTES", SIZE)
    found = CountingStore(MemoryStore())
    with ebooklet.open(StoreConnection("x", found), None, "n", "bytes", cache=None, num_groups=30) as db:
        for key in KEYS:
            db[key] = value(key)
        db.push()
    found.reset()
    return found


def opened(store: CountingStore, path: Path | None, flag: Any = "r", **options: Any) -> EBooklet:
    options = {"cache_bytes": LIMIT, "cache": None} | options
    return ebooklet.open(StoreConnection("x", store), path, flag, **options)


PLACES = [("r", True), ("w", True), ("r", False), ("w", False)]


@pytest.mark.parametrize(("flag", "named"), PLACES, ids=lambda each: str(each))
def test_a_file_stays_within_its_size_and_readers_notice_nothing(
    store: CountingStore, tmp_path: Path, flag: str, named: bool
) -> None:
    path = tmp_path / "x" if named else None
    with opened(store, path, flag) as db:
        for turn in (KEYS, KEYS[::-1], KEYS[::3] * 2):
            for key in turn:
                assert db[key] == value(key)
                assert db.cache_info().size <= LIMIT + 2 * SIZE
        with pytest.warns(UserWarning, match=r"may take 400 kB and 1\.20 MB are loaded"):
            assert db.load() == {}
        assert db.cache_info().size <= LIMIT + 2 * SIZE
        assert len(db) == len(KEYS), "every key is still there"
    if path is not None:
        assert path.stat().st_size <= LIMIT + 2 * SIZE


@pytest.mark.parametrize("flag", ["r", "w"])
def test_what_was_used_least_recently_leaves_across_sessions(store: CountingStore, tmp_path: Path, flag: str) -> None:
    favourites = KEYS[:3]
    for start in range(3, 27, 4):
        with opened(store, tmp_path / "x", flag) as db:
            for key in [*favourites, *KEYS[start : start + 4]]:
                assert db[key] == value(key)
    with opened(store, tmp_path / "x", flag) as db:
        here = {key for key, local in zip(KEYS, db.is_local(KEYS), strict=True) if local}
        assert set(favourites) <= here, "what is used again and again stays"
        assert set(KEYS[23:27]) <= here, "and so does what was used last"
        assert not here & set(KEYS[3:15])
        store.reset()
        for key in favourites:
            assert db[key] == value(key)
        assert store.counts.total == 0
        assert (db.cache_info().hits, db.cache_info().from_cache) == (3, True)


def test_edits_never_leave(store: CountingStore, tmp_path: Path) -> None:
    with opened(store, tmp_path / "x", "w") as db:
        for key in KEYS[:12]:
            db[key] = b"own" + value(key)
        del db[KEYS[12]]
        db.sync()
        for key in KEYS[13:]:
            assert db[key] == value(key)
        assert len(db.changes()) == 13
        db["unfinished"] = b"1"
        for key in KEYS[13:]:
            assert db[key] == value(key)
        db.rollback()
        assert "unfinished" not in db, "keeping small commits nothing of the user's"
    with opened(store, tmp_path / "x", "w") as db:
        for key in KEYS[:12]:
            assert db[key] == b"own" + value(key)
        assert KEYS[12] not in db
        db.push()
    with ebooklet.open(StoreConnection("x", store), cache=None) as db:
        assert db[KEYS[0]] == b"own" + value(KEYS[0])
        assert KEYS[12] not in db


def test_two_readers_share_a_small_file(store: CountingStore, tmp_path: Path) -> None:
    with opened(store, tmp_path / "x") as one, opened(store, tmp_path / "x") as two:
        for key, other in zip(KEYS, KEYS[::-1], strict=True):
            assert one[key] == value(key)
            assert two[other] == value(other)
        assert (tmp_path / "x").stat().st_size <= LIMIT + 3 * SIZE


def test_threads_read_right_while_values_leave(store: CountingStore, tmp_path: Path) -> None:
    wrong: list[str] = []

    def read(db: EBooklet, seed: int) -> None:
        keys = np.random.default_rng(seed).choice(KEYS, 40).tolist()
        wrong.extend(key for key in keys if db[key] != value(key))

    for flag in ("r", "w"):
        with opened(store, tmp_path / flag, flag) as db:
            threads = [threading.Thread(target=read, args=(db, seed)) for seed in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert not wrong


def test_without_a_limit_nothing_leaves(store: CountingStore, tmp_path: Path) -> None:
    with opened(store, tmp_path / "x", cache_bytes=None) as db:
        db.load()
        assert all(db.is_local(KEYS))


@pytest.mark.parametrize("size", ["much", "-1", -5, True])
def test_what_is_no_size_is_refused(store: CountingStore, size: Any) -> None:
    with pytest.raises(ValueError, match=r"is not a size|cache_bytes="):
        opened(store, None, cache_bytes=size)


rows = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 100), st.booleans(), st.booleans()).map(
        lambda each: (each[0], each[1], 0 if each[2] else 7, each[3])
    ),
    max_size=12,
)


@given(rows, st.integers(-50, 600))
@settings(max_examples=100, deadline=None)
def test_the_fewest_and_oldest_copies_are_chosen(made: list[tuple[int, int, int, bool]], excess: int) -> None:
    from ebooklet.eviction import choose

    table = [
        Row(f"{n:02}", 0, length, 0, timestamp=time, version=version, deleted=deleted and not version)
        for n, (time, length, version, deleted) in enumerate(made)
    ]
    leaving = choose(table, excess)
    assert not any(is_pending(row) for row in leaving)
    copies = sorted((row for row in table if not is_pending(row)), key=lambda row: (row.timestamp, row.key))
    assert leaving == copies[: len(leaving)], "the oldest"
    freed = [row.length + 2 for row in leaving]
    assert sum(freed) >= excess or len(leaving) == len(copies), "enough"
    assert not leaving or sum(freed[:-1]) < excess, "and not one more"


def test_an_eviction_says_what_it_freed(tmp_path: Path) -> None:
    from ebooklet.eviction import evict
    from ebooklet.local.working_copy import Write

    with WorkingCopy.open(tmp_path / "x", "n") as local:
        local.set_many(Write(key, value(key), version=9) for key in KEYS)
        local.set("own", b"1" * SIZE)
        local.commit()
        before = local.size
        assert before == (tmp_path / "x").stat().st_size
        done = evict(local, LIMIT)
        assert before - done.freed == local.size == (tmp_path / "x").stat().st_size
        assert local.size <= LIMIT
        assert LIMIT - local.size < 2 * SIZE, "not more than needed"
        assert (done.n_keys, done.nbytes) == (len(KEYS) - len(local) + 1, (len(KEYS) - len(local) + 1) * SIZE)
        assert local.get("own") == b"1" * SIZE
        assert not evict(local, LIMIT).n_keys
        evict(local, 0)
        assert list(local) == ["own"]


def test_what_is_asked_for_in_advance_is_not_fetched_twice(store: CountingStore) -> None:
    with opened(store, None) as db:
        store.reset()
        for start in range(0, 30, 10):
            db.prefetch(KEYS[start : start + 10])
            assert [bytes(each or b"") for each in db.get_views(KEYS[start : start + 10])] == [
                value(key) for key in KEYS[start : start + 10]
            ]
        assert store.counts.received == 30 * SIZE


def test_notes_of_values_that_do_not_fit_together_are_all_set(store: CountingStore, tmp_path: Path) -> None:
    with opened(store, tmp_path / "x", "w") as db:
        db.set_notes({key: key.encode() for key in KEYS})
        assert db.notes(KEYS) == [key.encode() for key in KEYS]
        assert len(db.changes()) == len(KEYS)
        assert all(db[key] == value(key) for key in KEYS)


def test_deleting_the_remote_loses_nothing_to_the_limit(store: CountingStore, tmp_path: Path) -> None:
    with opened(store, tmp_path / "x", "w") as db:
        db.delete_remote()
        assert len(db.changes()) == len(KEYS)
        assert all(db[key] == value(key) for key in KEYS)


def test_memory_stays_within_the_limit() -> None:
    store = CountingStore(MemoryStore())
    with ebooklet.open(StoreConnection("x", store), None, "n", "bytes", cache=None, num_groups=100) as db:
        for number in range(100):
            db[f"t/{number:03}"] = np.random.default_rng(number).bytes(200_000)
        db.push()
    with ebooklet.open(StoreConnection("x", store, threads=1), cache=None, cache_bytes="2MB") as db:
        tracemalloc.start()
        for number in range(100):
            assert len(db[f"t/{number:03}"]) == 200_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 5 * 2_000_000, "the values before and after a rewriting, and what arrives"
