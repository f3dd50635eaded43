"""Values are handed on as they arrive: whatever is here or not, once each, with no request more than reading takes."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

import ebooklet
from ebooklet.errors import CorruptValueError, RemoteIntegrityError
from ebooklet.payloads import Write
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore, Fault, FaultyStore, StoreWrapper, Verb

T = TypeVar("T")
VALUES = {f"t/{n // 20}.{n % 20}": bytes([n]) * 1000 for n in range(200)}
FAR = {f"far/{n}": bytes([n]) * 70_000 for n in range(6)}  # each beyond the gap that is read across


@pytest.fixture
def store() -> CountingStore:
    store = CountingStore(MemoryStore())
    with ebooklet.open(StoreConnection("db.blt", store), flag="n", cache=None) as db:
        db.set_payloads(Write(key, value) for key, value in {**VALUES, **FAR}.items())
        db.push(num_groups=6)
    return store


def opened(store: StoreWrapper, path: Path | None = None, flag: str = "r") -> ebooklet.EBooklet:
    if path is None:
        return ebooklet.open(StoreConnection("db.blt", store), flag=flag, cache=None)  # type: ignore[arg-type]
    return ebooklet.open(StoreConnection("db.blt", store), path, flag)  # type: ignore[arg-type]


def gathered(parts: Iterator[tuple[object, object]] | None, keys: list[str]) -> dict[int, bytes | None]:
    assert parts is not None
    found: dict[int, bytes | None] = {}
    for numbers, payloads in parts:
        for number, payload in zip(numbers, payloads, strict=True):  # type: ignore[call-overload]
            assert number not in found, "given twice"
            found[number] = None if payload is None else bytes(payload)
    assert sorted(found) == list(range(len(keys)))
    return found


@pytest.mark.parametrize("in_file", [False, True], ids=["memory", "file"])
def test_own_local_missing_doubled_and_remote_values_come_once(
    store: CountingStore, tmp_path: Path, in_file: bool
) -> None:
    with opened(store, tmp_path / "db" if in_file else None, "w") as db:
        expected: dict[str, bytes | None] = {
            **VALUES,
            **FAR,
            "never": None,
            "t/0.3": None,
            "t/0.1": b"own",
            "new": b"own",
        }
        db.set_payloads([Write("t/0.1", b"own"), Write("new", b"own")])
        db.delete_payloads(["t/0.3"])
        db.load([f"t/{n}.4" for n in range(10)])
        keys = [*expected, "t/0.1", "t/5.5", "never", "t/3.4"]
        found = gathered(db.stream(keys), keys)
        assert found == {number: expected[key] for number, key in enumerate(keys)}
        assert db.stream(keys) is None, "everything is here now"
        assert db.get_payloads(keys) == [expected[key] for key in keys]
        assert {row.key for row in db.pending()} == {"t/0.1", "t/0.3", "new"}


def test_streaming_takes_the_requests_of_reading(store: CountingStore) -> None:
    keys = [*VALUES, *FAR]
    with opened(store) as db:
        store.reset()
        db.get_payloads(keys)
        reading = store.reset().requests
    with opened(store) as db:
        store.reset()
        gathered(db.stream(keys), keys)
        assert store.counts.requests == reading


class Holding(StoreWrapper):
    """Answers one ranged request at once, and the others when they are let go."""

    def __init__(self, inner: CountingStore) -> None:
        super().__init__(inner)
        self.first = threading.Lock()
        self.go = threading.Event()

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        if verb == "get_range" and not self.first.acquire(blocking=False):
            assert self.go.wait(30), "nobody took what had arrived"
        return thunk()


def test_what_arrived_is_given_while_the_rest_is_on_its_way(store: CountingStore) -> None:
    holding = Holding(store)
    keys = [*VALUES, *FAR]
    with opened(holding) as db:
        parts = db.stream(keys)
        assert parts is not None
        numbers, _ = next(parts)
        if not numbers:  # what was here already: nothing
            numbers, _ = next(parts)
        assert 0 < len(numbers) < len(keys)
        holding.go.set()
        assert len(numbers) + sum(len(more) for more, _ in parts) == len(keys)


def test_a_value_that_is_gone_is_an_error_and_the_others_can_be_read(store: CountingStore) -> None:
    gone = next(meta.key for meta in store.inner.list("db.blt.objects/"))
    store.inner.delete(gone)
    keys = [*VALUES, *FAR]
    with opened(store) as db:
        with pytest.raises(RemoteIntegrityError, match="gone"):
            gathered(db.stream(keys), keys)
        failed = db.load(keys)
        assert 0 < len(failed) < len(keys)
        rest = [key for key in keys if key not in failed]
        assert db.get_payloads(rest) == [{**VALUES, **FAR}[key] for key in rest]


def test_a_value_that_arrives_damaged_is_fetched_again(store: CountingStore) -> None:
    faulty = FaultyStore(store, Fault("get_range", corrupt=True))
    keys = [*VALUES, *FAR]
    with opened(faulty) as db:
        found = gathered(db.stream(keys), keys)
    assert list(dict(sorted(found.items())).values()) == [*VALUES.values(), *FAR.values()]


def test_threads_that_want_the_same_share_what_arrives(store: CountingStore) -> None:
    keys = [*VALUES, *FAR]
    holding = Holding(store)
    holding.first.acquire()  # no request is answered before it is let go
    found: list[dict[int, bytes | None]] = []
    with opened(holding) as db:
        store.reset()
        threads = [threading.Thread(target=lambda: found.append(gathered(db.stream(keys), keys))) for _ in range(2)]
        for thread in threads:
            thread.start()
        flights = db._loader._flights
        while len(flights) < len(keys) or any(
            flight.waiting is None for flight in list(flights.values())
        ):  # until the second waits for the first
            time.sleep(0.01)
        holding.go.set()
        for thread in threads:
            thread.join()
        shared = store.counts.requests["get_range"]
    assert found == [dict(enumerate([*VALUES.values(), *FAR.values()]))] * 2
    with opened(store) as db:
        store.reset()
        db.get_payloads(keys)
        assert store.counts.requests["get_range"] == shared


def test_leaving_in_the_middle_leaves_nothing_behind(store: CountingStore) -> None:
    keys = [*VALUES, *FAR]
    with opened(store) as db:
        parts = db.stream(keys)
        assert parts is not None
        next(parts)
        del parts
        assert db.get_payloads(keys) == [*VALUES.values(), *FAR.values()]


def test_two_iterators_of_one_thread_do_not_wait_for_each_other(store: CountingStore) -> None:
    keys = [*VALUES, *FAR]
    found: list[object] = []

    def read(db: ebooklet.EBooklet) -> None:
        one, other = db.stream(keys), db.stream(keys)
        assert one is not None
        assert other is not None
        begun = [next(one)]
        found.append(gathered(other, keys))
        found.append(dict(enumerate(db.get_payloads(keys))))
        found.append(gathered(iter([*begun, *one]), keys))

    with opened(store) as db:
        reader = threading.Thread(target=read, args=(db,), daemon=True)
        reader.start()
        reader.join(30)
        assert not reader.is_alive(), "it waits for itself"
    assert found == [dict(enumerate([*VALUES.values(), *FAR.values()]))] * 3


def test_an_edit_that_is_published_and_moved_while_it_is_read_is_not_missed(
    store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(store, flag="w") as db:
        db.set_payloads([Write("t/0.1", b"own"), Write("t/0.2", b"own too")])
        db.sync()
        local = db._local
        at = local.payloads_at

        def moved(keys: list[str], numbers: object) -> object:
            monkeypatch.setattr(local, "payloads_at", at)
            db.push()
            local.evict(["t/0.1"])
            local.commit()
            raise CorruptValueError("what was there is not there any more")

        monkeypatch.setattr(local, "payloads_at", moved)
        assert db.get_payloads(["t/0.1", "t/0.2"]) == [b"own", b"own too"]
