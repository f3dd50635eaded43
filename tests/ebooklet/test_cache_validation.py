"""How often the remote is asked is counted, and what came from the cache is told truthfully."""

import struct
from pathlib import Path
from typing import Any

import pytest

import ebooklet
from ebooklet.local.working_copy import WorkingCopy
from ebooklet.mapping import EBooklet
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore

LONG = b"long" * 5000


@pytest.fixture
def store() -> CountingStore:
    found = CountingStore(MemoryStore())
    put(found, "first")
    return found


def put(store: CountingStore, text: str) -> None:
    with ebooklet.open(StoreConnection("x", store), None, "c", "bytes", cache=None) as db:
        db["a"] = text.encode() + LONG
        db["b"] = LONG
        db.push()
    store.reset()


def opened(store: CountingStore, path: Path | None, flag: Any = "r", **options: Any) -> EBooklet:
    return ebooklet.open(StoreConnection("x", store), path, flag, **options)


def asked(store: CountingStore, path: Path, **options: Any) -> tuple[str, int, int]:
    """What a reader sees, and with how many requests and bytes it was opened."""
    store.reset()
    with opened(store, path, **options) as db:
        requests, received = store.counts.total, store.counts.received
        return db["a"][:-5000].decode().partition("long")[0], requests, received


def hours_pass(path: Path, hours: float) -> None:
    with WorkingCopy.open(path, "w") as local:
        data = local.state("checked")
        assert data is not None
        local.set_state("checked", struct.pack("<Q", struct.unpack("<Q", data)[0] - int(hours * 3_600e6)))
        local.commit()


def test_every_opening_asks_unless_told_otherwise(store: CountingStore, tmp_path: Path) -> None:
    assert asked(store, tmp_path / "x")[:2] == ("first", 1)
    assert asked(store, tmp_path / "x") == ("first", 1, 0), "nothing changed, nothing is sent"
    put(store, "second")
    assert asked(store, tmp_path / "x", validate="etag")[:2] == ("second", 1)


def test_always_fetches_the_version_anew(store: CountingStore, tmp_path: Path) -> None:
    asked(store, tmp_path / "x")
    text, requests, received = asked(store, tmp_path / "x", validate="always")
    assert (text, requests) == ("first", 1)
    assert received > 0
    put(store, "second")
    assert asked(store, tmp_path / "x", validate="always")[0] == "second"


def test_never_asks_once(store: CountingStore, tmp_path: Path) -> None:
    assert asked(store, tmp_path / "x", validate="never")[:2] == ("first", 1)
    put(store, "second")
    assert asked(store, tmp_path / "x", validate="never") == ("first", 0, 0)
    with opened(store, tmp_path / "x", validate="never") as db:
        store.reset()
        assert db.pull(), "a pull asks whatever was said"
        assert db["a"].startswith(b"second")
    assert asked(store, tmp_path / "x", validate="never")[0] in ("first", "second")
    assert asked(store, tmp_path / "x")[0] == "second"


@pytest.mark.parametrize("validate", ["24h", 86_400, "1d"])
def test_an_answer_holds_for_a_time(store: CountingStore, tmp_path: Path, validate: Any) -> None:
    path = tmp_path / "x"
    assert asked(store, path, validate=validate)[:2] == ("first", 1)
    put(store, "second")
    assert asked(store, path, validate=validate) == ("first", 0, 0)
    hours_pass(path, 23)
    assert asked(store, path, validate=validate) == ("first", 0, 0)
    hours_pass(path, 1.1)
    assert asked(store, path, validate=validate)[:2] == ("second", 1)
    assert asked(store, path, validate=validate) == ("second", 0, 0), "the answer is remembered"
    hours_pass(path, 25)
    assert asked(store, path, validate=validate) == ("second", 1, 0)
    assert asked(store, path, validate=validate) == ("second", 0, 0), "so is one that nothing changed"
    hours_pass(path, -48)
    assert asked(store, path, validate=validate)[1] == 1, "an answer from the future is none"


def test_a_file_that_was_never_checked_is_checked(store: CountingStore, tmp_path: Path) -> None:
    asked(store, tmp_path / "x")
    assert asked(store, tmp_path / "x", validate="24h")[1] == 1
    assert asked(store, tmp_path / "x", validate="24h")[1] == 0


def test_writers_always_ask(store: CountingStore, tmp_path: Path) -> None:
    asked(store, tmp_path / "x", validate="never")
    put(store, "second")
    assert asked(store, tmp_path / "x", flag="w", validate="never")[:2] == ("second", 1)


@pytest.mark.parametrize("validate", ["sometimes", "", -1, None, True, "24 hours"])
def test_anything_else_is_refused(store: CountingStore, validate: Any) -> None:
    with pytest.raises(ValueError, match=r"validate=.*'etag'.*'24h'"):
        opened(store, None, cache=None, validate=validate)
    assert store.counts.total == 0


def test_what_came_from_the_cache_is_told_truthfully(store: CountingStore, tmp_path: Path) -> None:
    with opened(store, tmp_path / "x") as db:
        assert db.cache_info().from_cache, "nothing was read yet"
        db["a"]
        first = db.cache_info()
        assert (first.hits, first.misses, first.from_cache, first.validated) == (0, 1, False, True)
        assert first.miss_bytes == 5 + len(LONG)
        db["a"]
        db.load()
        db["b"]
        again = db.cache_info()
        assert (again.hits, again.misses) == (2, 2)
        assert again.hit_bytes == 5 + 2 * len(LONG)
        assert again.miss_bytes == 5 + 2 * len(LONG)
    with opened(store, tmp_path / "x", validate="never") as db:
        assert list(db.values())
        info = db.cache_info()
        assert (info.hits, info.misses, info.from_cache, info.validated) == (2, 0, True, False)
        assert (info.path, info.source, info.n_keys) == (tmp_path / "x", "memory://store/x", 2)
        assert info.size == (tmp_path / "x").stat().st_size
        assert "2 values from here" in str(info)
        assert "not asked" in str(info)


def test_a_file_that_a_damaged_copy_is_in_tells_of_the_fetch(store: CountingStore, tmp_path: Path) -> None:
    with opened(store, tmp_path / "x") as db:
        db.load()
    data = bytearray((tmp_path / "x").read_bytes())
    place = data.index(LONG)
    data[place] ^= 1
    (tmp_path / "x").write_bytes(data)
    with opened(store, tmp_path / "x") as db:
        assert [db["a"], db["b"]] == [b"first" + LONG, LONG]
        assert (db.cache_info().hits, db.cache_info().misses) == (1, 1)


def test_memory_counts_as_well(store: CountingStore) -> None:
    with opened(store, None, cache=None) as db:
        db.load()
        db["a"]
        info = db.cache_info()
        assert (info.path, info.hits, info.misses) == (None, 1, 2)
        assert "in memory" in str(info)
