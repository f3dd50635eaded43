"""Many writers, one commit: workers send their packs, the owner publishes all of them at once."""

import pickle
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ebooklet
from ebooklet.errors import (
    ConflictError,
    EBookletError,
    ForkError,
    OverlapError,
    PushError,
    RemoteConnectionError,
    RemoteMissingError,
    UncertainOutcomeError,
)
from ebooklet.format.uploaded import Uploaded
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.protocol import Object, ObjectMeta, ObjectStore
from ebooklet.stores.wrappers import CountingStore, Fault, FaultyStore, StoreWrapper, Verb
from ebooklet.sync import commit

T = TypeVar("T")
KEY = "x.blt"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "LONGEST", 0.0)
    monkeypatch.setattr(commit, "RACE", 0.0)


def opened(conn: Any, flag: str = "w", path: Any = None, **options: Any) -> Any:
    return ebooklet.open(conn, path, flag, "json", cache=None, **options)


def made(store: ObjectStore | None = None, **values: Any) -> StoreConnection:
    conn = StoreConnection(KEY, MemoryStore() if store is None else store)
    with opened(conn, "n") as db:
        db.update(values or {"a": 1})
        db.push()
    return conn


def contents(conn: Any) -> dict[str, Any]:
    with opened(conn, "r") as db:
        return dict(db.items())


def work(fork: ebooklet.Fork, **values: Any) -> ebooklet.ForkResult:
    with fork.open() as part:
        for key, value in values.items():
            if value is None:
                del part[key]
            else:
                part[key] = value
    return part.result()


# ---- what it is for --------------------------------------------------------------------------------------------------


def test_what_workers_and_the_owner_did_is_published_at_once() -> None:
    conn = made(a=1, b=2, c=3)
    with opened(conn) as db:
        before = len(db.log())
        fork = db.fork()
        results = [work(fork, a=10), work(fork, d=4, c=None), work(fork)]
        db["own"] = 5
        assert contents(conn) == {"a": 1, "b": 2, "c": 3}
        merged = db.merge(results)
        assert (merged.n_results, merged.n_keys, bool(merged)) == (3, 3, True)
        assert dict(db.items()) == {"a": 10, "b": 2, "d": 4, "own": 5}
        assert contents(conn) == {"a": 1, "b": 2, "c": 3}
        assert {change.key for change in db.changes()} == {"a", "c", "d", "own"}
        db.push(message="all")
        assert len(db.log()) == before + 1
        assert dict(db.items()) == contents(conn) == {"a": 10, "b": 2, "d": 4, "own": 5}
        assert not db.has_pending
        assert not db.push()


def test_the_commit_of_many_results_is_two_requests() -> None:
    store = CountingStore(MemoryStore())
    conn = made(store)
    with opened(conn) as db:
        fork = db.fork()
        store.reset()
        results = [work(fork, **{f"k{number}": "x" * 1000}) for number in range(6)]
        assert store.reset().requests == {"get": 6, "put": 6}  # root and pack of each worker
        assert [result.n_requests for result in results] == [2] * 6
        db.merge(results)
        assert store.reset().requests == {}
        db.push()
        assert store.reset().requests == {"put": 1, "conditional_put": 1}  # snapshot, root
        assert db["k3"] == "x" * 1000
        assert store.reset().requests == {"get_range": 1}  # values come when they are touched


def test_records_are_small_and_hold_no_secret() -> None:
    store = MemoryStore()
    conn = made(store)
    with opened(conn) as db:
        fork = db.fork()
        one = work(fork, k="x" * 1_000_000)
        assert len(pickle.dumps(one)) < 2000
        assert pickle.loads(pickle.dumps(one)) == one
        with fork.open() as part:
            part.update({f"key/{number:05d}": "y" * 200 for number in range(2000)})
        assert len(pickle.dumps(part.result())) < 40 * 2000
    secret = "planted-secret-1234"
    s3 = ebooklet.S3Connection(
        access_key_id="AK", access_key=secret, db_key="x.blt", bucket="lab", endpoint_url="http://127.0.0.1:1"
    )
    assert secret.encode() not in pickle.dumps(replace(fork, connection=s3))
    assert secret not in repr(replace(fork, connection=s3))


def test_a_fork_is_small_whatever_the_database_holds() -> None:
    conn = made(**{f"key/{number}": number for number in range(3000)})
    with opened(conn) as db:
        fork = db.fork()
        object.__setattr__(fork, "connection", None)
        assert len(pickle.dumps(fork)) < 1000


def test_a_worker_sees_the_version_of_the_fork_and_what_it_wrote() -> None:
    conn = made(a=1, b=2)
    with opened(conn) as db:
        fork = db.fork()
        with opened(conn) as other:
            other["a"] = "later"
            other.push()
        with fork.open() as part:
            assert dict(part.items()) == {"a": 1, "b": 2}
            part["b"] = 20
            assert part["b"] == 20
        db.merge(part.result())
        db.push()
    assert contents(conn) == {"a": "later", "b": 20}


def test_values_are_fetched_when_they_are_touched(tmp_path: Path) -> None:
    store = CountingStore(MemoryStore())
    conn = made(store)
    with opened(conn, path=tmp_path / "x.blt") as db:
        db.merge(work(db.fork(), k="x" * 50_000))
        assert (tmp_path / "x.blt").stat().st_size < 50_000
        store.reset()
        assert len(db["k"]) == 50_000
        assert store.reset().requests == {"get_range": 1}
        assert len(db["k"]) == 50_000
        db.push()
        store.reset()
        assert len(db["k"]) == 50_000  # the copy stays one
        assert store.reset().requests == {}


def test_large_tables_can_be_forked() -> None:
    conn = made(**{f"key/{number:06d}": number for number in range(9000)})
    with opened(conn) as db:
        fork = db.fork()
        db.merge([work(fork, **{f"key/{number:06d}": -number}) for number in (1, 4000, 8999)])
        assert (db["key/000001"], db["key/004000"], db["key/000002"], len(db)) == (-1, -4000, 2, 9000)
        db.push()
    found = contents(conn)
    assert (found["key/004000"], found["key/008999"], found["key/000002"], len(found)) == (-4000, -8999, 2, 9000)


class Reversing:
    def dumps(self, value: str) -> bytes:
        return value.encode()[::-1]

    def loads(self, data: bytes) -> str:
        return bytes(data)[::-1].decode()


def test_workers_use_the_serializer_of_the_owner() -> None:
    conn = StoreConnection(KEY)
    with ebooklet.open(conn, None, "n", Reversing(), cache=None) as db:
        db["a"] = "abc"
        db.push()
        with db.fork().open() as part:
            assert part["a"] == "abc"
            part["b"] = "xyz"
        db.merge(part.result())
        assert db["b"] == "xyz"


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.none() | st.integers(), max_size=4), max_size=4),
    st.dictionaries(st.sampled_from("abcdefgh"), st.none() | st.integers(), max_size=3),
)
def test_merging_is_what_a_dict_would_do(parts: list[dict[str, int | None]], own: dict[str, int | None]) -> None:
    start = dict.fromkeys("abcd", 100)
    conn = made(**start)
    expected: dict[str, Any] = dict(start)

    def known(changes: dict[str, int | None]) -> dict[str, int | None]:
        return {key: value for key, value in changes.items() if value is not None or key in start}

    parts, own = [known(part) for part in parts], known(own)
    touched = [key for part in (*parts, own) for key in part]
    with opened(conn) as db:
        fork = db.fork()
        results = [work(fork, **part) for part in parts]
        for key, value in own.items():
            if value is None:
                del db[key]
            else:
                db[key] = value
        if len(touched) > len(set(touched)):
            with pytest.raises(OverlapError) as caught:
                db.merge(results)
            assert set(caught.value.keys) == {key for key in touched if touched.count(key) > 1}
            return
        for key, value in {key: value for part in (*parts, own) for key, value in part.items()}.items():
            expected.pop(key, None)
            if value is not None:
                expected[key] = value
        db.merge(results)
        assert dict(db.items()) == expected
        assert len(db) == len(expected)
        db.push()
        assert dict(db.items()) == expected
    assert contents(conn) == expected


# ---- what does not fit -----------------------------------------------------------------------------------------------


def test_keys_that_two_workers_wrote_are_named_and_nothing_is_merged() -> None:
    conn = made()
    with opened(conn) as db:
        fork = db.fork()
        with pytest.raises(OverlapError, match="'a'") as caught:
            db.merge([work(fork, a=2, b=1), work(fork, a=3), work(fork, c=1)])
        assert caught.value.keys == ("a",)
        assert isinstance(caught.value, ConflictError)
        assert not db.has_pending
        first = work(fork, a=2)
        db.merge(first)
        with pytest.raises(OverlapError):
            db.merge(work(fork, a=4))
        assert db["a"] == 2


def test_keys_the_owner_wrote_meanwhile_are_named() -> None:
    conn = made()
    with opened(conn) as db:
        fork = db.fork()
        db["b"] = "own"
        with pytest.raises(OverlapError, match="'b'"):
            db.merge(work(fork, b=1))
        assert db["b"] == "own"


def test_what_workers_relied_on_stands_against_the_owner_who_changed_it() -> None:
    conn = made(record=1)
    with opened(conn) as db:
        fork = db.fork()
        with fork.open() as part:
            part.guard("chunks/", ["record"])
            part["chunks/1"] = 1
        db["record"] = 2
        with pytest.raises(OverlapError, match="'record'") as caught:
            db.merge(part.result())
        assert (caught.value.keys, caught.value.guards) == ((), ("record",))


def test_what_the_owner_relies_on_stands_against_workers() -> None:
    conn = made(record=1)
    with opened(conn) as db:
        fork = db.fork()
        db.guard("record", ["chunks/"])
        del db["record"]
        with pytest.raises(OverlapError):
            db.merge(work(fork, **{"chunks/1": 1}))


def test_the_owner_may_write_over_what_was_merged() -> None:
    conn = made()
    with opened(conn) as db:
        fork = db.fork()
        db.merge(work(fork, k=1, m=1, n=1))
        db["k"] = 2
        del db["m"]
        assert dict(db.items()) == {"a": 1, "k": 2, "n": 1}
        db.push()
        assert dict(db.items()) == {"a": 1, "k": 2, "n": 1}
    assert contents(conn) == {"a": 1, "k": 2, "n": 1}


def test_a_result_is_merged_once() -> None:
    conn = made()
    with opened(conn) as db:
        result = work(db.fork(), k=1)
        assert db.merge([result, result]).n_known == 1
        assert not db.merge(pickle.loads(pickle.dumps(result)))
        db.push()
        assert db.merge(result).n_known == 1
        assert not db.has_pending


def test_results_of_another_version_or_database_are_refused() -> None:
    conn, elsewhere = made(), made()
    with opened(conn) as db, opened(elsewhere) as other:
        fork = db.fork()
        result = work(fork, k=1)
        with pytest.raises(ForkError, match="of the database"):
            other.merge(result)
        db["own"] = 1
        db.push()
        with pytest.raises(ForkError, match="fork\\(\\) again"):
            db.merge(result)
        with pytest.raises(TypeError, match=r"part\.result\(\)"):
            db.merge(["result"])
        with pytest.raises(EBookletError):
            db.merge(replace(result, record=result.record[:-1] + b"!"))


def test_a_fork_needs_everything_pushed() -> None:
    with opened(StoreConnection(KEY), "n") as db:
        with pytest.raises(ForkError, match="push"):
            db.fork()
        db["a"] = 1
        db.push()
        db["b"] = 1
        with pytest.raises(ForkError, match="push"):
            db.fork()


def test_a_fork_of_a_database_that_is_gone_or_another_one_cannot_be_opened() -> None:
    store = MemoryStore()
    conn = made(store)
    with opened(conn) as db:
        fork = db.fork()
        db.delete_remote()
    with pytest.raises(RemoteMissingError):
        fork.open()
    made(store)
    with pytest.raises(ForkError, match="another database"):
        fork.open()


def test_workers_only_write() -> None:
    conn = made()
    with opened(conn) as db:
        with db.fork().open() as part:
            for call in (part.push, part.pull, part.compact, part.fork, part.delete_remote, part.collect):
                with pytest.raises(ForkError, match="the owner's"):
                    call()
            with pytest.raises(ForkError):
                part.rollback(to=1)
            part["k"] = 1
            assert part.rollback() == 1
        assert part.result().n_keys == 0
    assert contents(conn) == {"a": 1}


def test_an_exception_in_a_worker_sends_nothing() -> None:
    store = MemoryStore()
    conn = made(store)
    with opened(conn) as db:
        before = len(list(store.list("")))
        with pytest.raises(KeyError), db.fork().open() as part:
            part["k"] = 1
            raise KeyError
        with pytest.raises(ForkError, match="no result"):
            part.result()
        assert len(list(store.list(""))) == before


def test_merged_results_can_be_given_up() -> None:
    conn = made()
    with opened(conn) as db:
        fork = db.fork()
        db.merge([work(fork, k=1, m=2)])
        assert db.changes().discard(["k"]) == 1
        assert dict(db.items()) == {"a": 1, "m": 2}
        assert db.changes().discard() == 1
        assert dict(db.items()) == {"a": 1}
        assert not db.push()


def test_what_was_sent_for_nothing_is_collected() -> None:
    store = MemoryStore()
    conn = made(store)
    with opened(conn) as db:
        fork = db.fork()
        kept, lost = work(fork, k=1), work(fork, m=2)
        db.merge(kept)
        db.push()
        collected = db.collect(grace="0s", alone=True)
        assert (collected.n_objects, collected.missing) == (1, ())
        assert db["k"] == 1
        with pytest.raises(ForkError):
            db.merge(lost)


def test_other_commits_are_rebased_on_or_named() -> None:
    conn = made(a=1, b=2)
    with opened(conn) as db:
        db.merge(work(db.fork(), a=10, c=3))
        with opened(conn) as other:
            other["b"] = 20
            other.push()
        db.push()
        assert contents(conn) == {"a": 10, "b": 20, "c": 3}
        db.merge(work(db.fork(), a=11, d=4))
        with opened(conn) as other:
            other["a"] = "theirs"
            other.push()
        with pytest.raises(ConflictError):
            db.push()
        assert db["a"] == 11
        db.push(on_conflict="theirs")
        assert dict(db.items()) == contents(conn) == {"a": "theirs", "b": 20, "c": 3, "d": 4}


def test_pulling_keeps_what_was_merged_on_top() -> None:
    conn = made(a=1, b=2)
    with opened(conn) as db:
        db.merge(work(db.fork(), a=10))
        with opened(conn) as other:
            other["b"] = 20
            other.push()
        assert db.pull()
        assert dict(db.items()) == {"a": 10, "b": 20}
        db.push()
    assert contents(conn) == {"a": 10, "b": 20}


def test_compacting_leaves_what_was_merged_pending() -> None:
    conn = made(a=1)
    with opened(conn) as db:
        for number in range(4):
            db[f"n{number}"] = number
            db.push()
        db.merge(work(db.fork(), a=10))
        assert db.compact()
        assert (db["a"], db["n2"]) == (10, 2)
        assert contents(conn)["a"] == 1
        db.push()
    assert contents(conn) == {"a": 10, "n0": 0, "n1": 1, "n2": 2, "n3": 3}


def test_deleting_the_remote_keeps_what_was_merged() -> None:
    conn = made(a=1)
    with opened(conn) as db:
        db.merge(work(db.fork(), b=2))
        db.delete_remote()
        assert dict(db.items()) == {"a": 1, "b": 2}
        db.push()
    assert contents(conn) == {"a": 1, "b": 2}


# ---- what fails ------------------------------------------------------------------------------------------------------


def test_an_owner_that_dies_before_the_commit_still_has_what_was_merged(tmp_path: Path) -> None:
    conn, path = made(), tmp_path / "x.blt"
    db = opened(conn, path=path)
    db.merge(work(db.fork(), k=1, m=2))
    copy = tmp_path / "after.blt"
    copy.write_bytes(path.read_bytes())  # what is left on the disk
    db.close()
    with opened(conn, path=copy) as db:
        assert dict(db.items()) == {"a": 1, "k": 1, "m": 2}
        db.push()
    assert contents(conn) == {"a": 1, "k": 1, "m": 2}
    with opened(conn, "r", path=copy) as db:
        assert not db.has_pending


class Dies(BaseException):
    """The process ends here."""


class Deadly(StoreWrapper):
    """Ends the process at one request, carried out or not."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.left: int | None = None
        self.applied, self.struck = False, False
        self.error: BaseException = Dies()

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        if self.left is not None:
            self.left -= 1
            if self.left == -1:
                self.struck = True
                if self.applied:
                    thunk()
                raise self.error
        return thunk()


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("error", [Dies(), UncertainOutcomeError("lost"), RemoteConnectionError("reset")])
def test_an_owner_that_dies_at_any_request_publishes_all_or_nothing(
    tmp_path: Path, applied: bool, error: BaseException
) -> None:
    number = 0
    while True:
        inner = MemoryStore()
        made(inner)
        store = Deadly(inner)
        conn, path = StoreConnection(KEY, store), tmp_path / f"{applied}{type(error).__name__}{number}.blt"
        store.applied, store.error = applied, error
        new = {"a": 1, "k": 1, "m": 2, "own": 3}
        with opened(conn, path=path) as db:
            fork = db.fork()
            results = [work(fork, k=1), work(fork, m=2)]
            db.merge(results)
            db["own"] = 3
            db.sync()
            store.left = number
            try:
                db.push()
            except (Dies, EBookletError):
                pass
            store.left = None
        assert contents(conn) in ({"a": 1}, new)
        with opened(conn, path=path) as db:
            assert dict(db.items()) == new
            db.merge(results)  # which were merged already
            db.push()
            assert not db.has_pending
            assert dict(db.items()) == new
            packs = [pack.name for pack in db.base.snapshot.packs if pack is not None]
            assert len(packs) == len(set(packs))
        assert contents(conn) == new
        if not store.struck:
            return
        number += 1
        assert number < 20


def test_a_commit_whose_answer_was_lost_is_not_published_again(tmp_path: Path) -> None:
    inner = MemoryStore()
    made(inner)
    store = Deadly(inner)
    conn, path = StoreConnection(KEY, store), tmp_path / "x.blt"
    with opened(conn, path=path) as db:
        db.merge(work(db.fork(), k=1))
        store.left, store.applied = 1, True  # the root, after the snapshot
        with pytest.raises(Dies):
            db.push()
        store.left = None
    assert contents(conn) == {"a": 1, "k": 1}
    with opened(conn, path=path) as db:
        assert not db.has_pending
        assert not db.push()


def test_what_workers_wrote_is_read_where_the_root_keeps_small_values() -> None:
    conn = made(a=1, b=2)
    with opened(conn) as db:
        db["own"] = 1
        db.push(inline=["a", "b", "own"])
        db.merge(work(db.fork(), a=10, k=3))
        db["own"] = 2
        db.push(inline=["a", "b", "own", "k"])
        assert sorted(db.base.root.inline) == ["own"]
    assert contents(conn) == {"a": 10, "b": 2, "k": 3, "own": 2}


@pytest.mark.parametrize("applied", [False, True])
def test_a_worker_that_dies_at_any_request_leaves_nothing_but_garbage(applied: bool) -> None:
    number = 0
    while True:
        store = Deadly(MemoryStore())
        conn = made(store)
        with opened(conn) as db:
            fork = db.fork()
            store.applied, store.left = applied, number
            try:
                work(fork, k=1)
            except Dies:
                pass
            store.left = None
            assert contents(conn) == {"a": 1}
            db.merge(work(fork, k=2))
            db.push()
        assert contents(conn) == {"a": 1, "k": 2}
        if not store.struck:
            return
        number += 1
        assert number < 10


def test_an_upload_that_fails_is_an_error_in_the_worker() -> None:
    store = FaultyStore(MemoryStore())
    conn = made(store)
    with opened(conn) as db:
        fork = db.fork()
        store.faults.append(Fault("put", RemoteConnectionError("reset")))
        part = fork.open()
        part["k"] = 1
        with pytest.raises(RemoteConnectionError):
            part.result()
        assert part.result().n_keys == 1  # once more


class Aging(StoreWrapper):
    """A server whose clock can be moved on."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.hours = 0

    def put(self, key: str, *args: Any, **options: Any) -> ObjectMeta:
        meta = super().put(key, *args, **options)
        return replace(meta, last_modified=self.now, server_date=self.now)

    def get(self, key: str, **options: Any) -> Object:
        found = super().get(key, **options)
        return replace(found, meta=replace(found.meta, server_date=self.now))

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(hours=self.hours)


def test_what_waited_too_long_is_sent_anew() -> None:
    store = Aging(MemoryStore())
    conn = made(store)
    with opened(conn) as db:
        result = work(db.fork(), k="late", a=None)
        store.hours = 13
        db.merge(result)
        db["own"] = 1
        db.push()
        (name,) = (upload.name for upload in result.uploaded().uploads)
        assert name not in {pack.name for pack in db.base.snapshot.packs if pack is not None}
    assert contents(conn) == {"k": "late", "own": 1}


def test_what_was_collected_before_the_merge_is_an_error_that_keeps_everything() -> None:
    inner = MemoryStore()
    store = Aging(inner)
    conn = made(store)
    with opened(conn) as db:
        db.merge(work(db.fork(), k="late"))
        store.hours = 13
        pack = max(inner.list("x.blt.objects/"), key=lambda meta: meta.last_modified or datetime.now(UTC))
        inner.delete(pack.key)
        with pytest.raises(PushError):
            db.push()
        assert db.has_pending
    assert contents(conn) == {"a": 1}


def test_workers_may_write_at_the_same_time() -> None:
    conn = made()
    with opened(conn) as db:
        fork = db.fork()
        results: list[ebooklet.ForkResult] = []
        threads = [threading.Thread(target=lambda n=n: results.append(work(fork, **{f"k{n}": n}))) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        db.merge(results)
        db.push()
    assert contents(conn) == {"a": 1, **{f"k{n}": n for n in range(8)}}


def test_nothing_of_a_worker_stays_on_its_disk(tmp_path: Path) -> None:
    conn = made()
    with opened(conn) as db:
        with db.fork().open(tmp_path) as part:
            part["k"] = 1
            assert list(tmp_path.iterdir())
        assert not list(tmp_path.iterdir())
        part = db.fork().open(tmp_path)
        part.close()
        assert not list(tmp_path.iterdir())


def test_a_record_reads_back_as_it_was() -> None:
    conn = made()
    with opened(conn) as db:
        found = work(db.fork(), k=1, a=None).uploaded()
    assert Uploaded.decode(found.encode()) == found
    assert found.keys == ("k", "a")
