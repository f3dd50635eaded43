"""Loads go on where they stopped, keep to a rate, are cancelled at once, and verify what arrives."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ebooklet
from ebooklet.bringing import How
from ebooklet.errors import RemoteConnectionError, RemoteIntegrityError
from ebooklet.mapping import EBooklet
from ebooklet.pace import Pace, RateLimit
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore, Fault, FaultyStore

KEYS = [f"t/{number:03}" for number in range(40)]
SIZE = 100_000


def value(key: str) -> bytes:
    return np.random.default_rng(int(key[2:])).bytes(SIZE)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> FaultyStore:
    """A store with forty values in ten objects; what arrives is written and committed at once."""
    monkeypatch.setattr("ebooklet.loading.BATCH_BYTES", 1)
    monkeypatch.setattr("ebooklet.loading.READERS_BATCH_BYTES", 1)
    monkeypatch.setattr("ebooklet.bringing.COMMIT_BYTES", 1)
    store = FaultyStore(MemoryStore())
    with ebooklet.open(StoreConnection("x", store), None, "n", "bytes", cache=None, num_groups=10) as db:
        for key in KEYS:
            db[key] = value(key)
        db.push()
    return store


@pytest.fixture
def store(faulty: FaultyStore) -> CountingStore:
    return CountingStore(faulty)


def opened(store: CountingStore, path: Path, flag: Any = "r", threads: int = 1) -> EBooklet:
    return ebooklet.open(StoreConnection("x", store, threads=threads), path, flag)


def missing(path: Path) -> int:
    """How many values a file lacks, asked of nobody."""
    with ebooklet.open(StoreConnection("x"), path, offline=True) as db:
        return db.is_local(KEYS).count(False)


@pytest.mark.parametrize("flag", ["r", "w"])
@pytest.mark.parametrize("interruption", [RemoteConnectionError("cut"), KeyboardInterrupt(), SystemExit()])
def test_a_load_that_was_cut_short_goes_on_where_it_stopped(
    faulty: FaultyStore, store: CountingStore, tmp_path: Path, flag: str, interruption: Any
) -> None:
    path = tmp_path / "x"
    with opened(store, path, flag) as db:
        faulty.faults.append(Fault("get_range", interruption, skip=4, times=99))
        if isinstance(interruption, Exception):
            assert len(db.load()) == 24
        else:
            with pytest.raises(type(interruption)):
                db.load()
        faulty.faults.clear()
    assert missing(path) == 24
    with opened(store, path, flag) as db:
        store.reset()
        assert db.load() == {}
        assert store.counts.requests == {"get_range": 6}
        assert all(db[key] == value(key) for key in KEYS)
        assert store.counts.total == 6


@pytest.mark.parametrize("flag", ["r", "w"])
def test_a_killed_load_keeps_what_it_had_committed(store: CountingStore, tmp_path: Path, flag: str) -> None:
    left = []
    with opened(store, tmp_path / "x", flag) as db:

        def kill(done: int, total: int) -> None:
            copy = tmp_path / f"x{done}"
            shutil.copy(tmp_path / "x", copy)  # as a process leaves it that is killed here
            left.append(missing(copy))

        db.load(progress=kill)
    assert left[0] <= 40
    assert left == sorted(left, reverse=True)
    assert left[-1] <= 4, "all but the last batch is committed"


def test_a_load_commits_nothing_of_the_users(store: CountingStore, tmp_path: Path) -> None:
    with opened(store, tmp_path / "x", "w") as db:
        db["own"] = b"unfinished"
        db.load()
        assert db.rollback() == 1
        assert "own" not in db
    with opened(store, tmp_path / "x") as db:
        assert "own" not in db


def test_every_value_is_verified(faulty: FaultyStore, store: CountingStore, tmp_path: Path) -> None:
    with opened(store, tmp_path / "x") as db:
        faulty.faults.append(Fault("get_range", corrupt=True, times=1))
        assert db.load() == {}, "what arrives damaged is fetched again"
        assert all(db[key] == value(key) for key in KEYS)
    with opened(store, tmp_path / "y") as db:
        faulty.faults.append(Fault("get_range", corrupt=True, times=99))
        failures = db.load()
        assert failures
        assert all(isinstance(error, RemoteIntegrityError) for error in failures.values())
        assert db.is_local(KEYS).count(False) == len(failures), "nothing damaged is kept"


def test_a_load_is_told_as_it_happened(store: CountingStore, tmp_path: Path) -> None:
    with opened(store, tmp_path / "x") as db:
        seen: list[tuple[int, int]] = []
        db[KEYS[0]]
        store.reset()
        result = db.bring([*KEYS, "missing"], How(counted=lambda *each: seen.append(each)))
        assert result
        assert result.ok
        assert (len(result.fetched), result.n_local) == (39, 2)
        assert (result.n_requests, result.nbytes) == (store.counts.total, 39 * SIZE)
        assert str(result) == f"39 values in {store.counts.total} requests, 3.90 MB"
    assert seen[0] == (2, 41)
    assert seen[-1] == (41, 41)
    assert seen == sorted(seen)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_cancelled_load_keeps_what_arrived_and_sends_nothing_more(
    store: CountingStore, tmp_path: Path, threads: int
) -> None:
    stop = threading.Event()
    with opened(store, tmp_path / "x", threads=threads) as db:
        store.reset()
        with pytest.raises(CancelledError, match="of 40 values"):
            db.bring(KEYS, How(counted=lambda done, total: stop.set() if done >= 12 else None, stop=stop))
        sent = store.counts.total
        assert sent < 10 if threads == 1 else sent <= 10
        assert db.is_local(KEYS).count(True) >= 12
    assert missing(tmp_path / "x") <= 28


def test_a_waiting_load_is_cancelled_at_once(store: CountingStore, tmp_path: Path) -> None:
    stop = threading.Event()
    with opened(store, tmp_path / "x") as db:
        waiting = threading.Timer(0.2, stop.set)
        waiting.start()
        with pytest.raises(CancelledError):
            db.bring(KEYS, How(max_rate=1.0, stop=stop))  # the second request would wait for days
        waiting.join()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_a_rate_is_kept_from_the_first_byte_to_the_last() -> None:
    clock = Clock()
    limit = RateLimit(1000, clock=clock, wait=clock.wait)
    sent = []
    for nbytes in (500, 2000, 1, 700):
        limit(nbytes)
        sent.append((clock.now - 100, nbytes))
    done = 0
    for moment, nbytes in sent:
        assert done <= moment * 1000 + 1e-6, "what was sent before is paid for"
        done += nbytes
    clock.now += 60
    limit(500)
    limit(500)
    assert clock.now - 100 == pytest.approx(60 + 2.501 + 0.5), "a pause saves up nothing"


def test_a_load_asks_for_its_bytes_before_each_request(
    store: CountingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    class Recorder:
        def __init__(self, rate: float, wait: Any) -> None:
            assert rate == 5e6

        def __call__(self, nbytes: int) -> None:
            assert store.counts.requests["get_range"] <= len(asked)
            asked.append(nbytes)

    monkeypatch.setattr("ebooklet.bringing.RateLimit", Recorder)
    with opened(store, tmp_path / "x") as db:
        store.reset()
        db.bring(KEYS, How(max_rate=5e6))
        assert len(asked) == store.counts.total
        assert sum(asked) == store.counts.received


def test_the_pace_follows_recent_transfers() -> None:
    pace = Pace()
    pace.add(100 << 20, 100.0)
    pace.add(640 << 20, 64.0)
    assert 9 << 20 < (pace.rate or 0) <= 10 << 20


@pytest.fixture(autouse=True)
def no_threads_stay() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name == "ebooklet-request":
            thread.join(5)
            assert not thread.is_alive()
