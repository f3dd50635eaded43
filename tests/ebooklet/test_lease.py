"""One writer at a time: who asks for the lease gets it alone, whatever fails and whatever the clocks say."""

import logging
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest

import ebooklet
from cfdb.testing import s3_server
from ebooklet.errors import (
    CommitModeError,
    CorruptFileError,
    ForkedHandleError,
    LockLostError,
    LockTimeoutError,
    OfflineError,
    RemoteConnectionError,
    RemoteMissingError,
    StoreError,
    UncertainOutcomeError,
    UnsupportedOperationError,
)
from ebooklet.places import StoreConnection
from ebooklet.stores.folder import FolderStore
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.protocol import OVERWRITE, Body, Object, ObjectMeta, ObjectStore, PutMode
from ebooklet.stores.wrappers import CountingStore, Fault, FaultyStore, StoreWrapper, Verb
from ebooklet.sync import lease as leases
from ebooklet.sync.lease import Lease, LeaseObject, LeaseRecord, LockInfo, acquire, break_lease
from ebooklet.sync.version import open_version
from tests.ebooklet.test_kept_dialect import Bucket, bucket

__all__ = ["bucket"]

T = TypeVar("T")
KEY = "folder/x.blt"
IDENTITY = UUID(int=7)


class Ignoring(MemoryStore):
    """A server that ignores the conditions of writes."""

    def __init__(self) -> None:
        super().__init__("old")
        self.dialect.conditional_put = None

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        return super().put(key, body)


class Refusing(Ignoring):
    """A server that refuses conditions."""

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        if mode != OVERWRITE:
            raise UnsupportedOperationError("501")
        return super().put(key, body)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "SETTLE", 0.0)
    monkeypatch.setattr(leases, "FIRST_WAIT", 0.001)


@pytest.fixture(params=["memory", "folder", "ignoring", "refusing"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    makers: dict[str, Callable[[], ObjectStore]] = {
        "memory": MemoryStore,
        "folder": lambda: FolderStore(str(tmp_path / "store")),
        "ignoring": Ignoring,
        "refusing": Refusing,
    }
    return makers[request.param]()


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.during: Callable[[], object] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.during()


def lease_of(store: ObjectStore, timeout: float = 0.0, clock: Clock | None = None, **options: Any) -> Lease:
    clock = clock or Clock()
    return acquire(LeaseObject(store, KEY, IDENTITY), timeout, clock=clock, sleep=clock.sleep, **options)


def abandoned(store: ObjectStore, term: float = 60.0) -> None:
    """Leave a lease behind as a holder does who dies."""
    record = LeaseRecord(os.urandom(16), LockInfo("far", 99, "gone", datetime(2001, 1, 1, tzinfo=UTC), term))
    LeaseObject(store, KEY, IDENTITY).write(LeaseObject(store, KEY, IDENTITY).read().etag, record)


# ---- the protocol ----------------------------------------------------------------------------------------------------


def test_a_released_lease_is_free_for_the_next_one(store: ObjectStore) -> None:
    lease_of(store).release()
    assert LeaseObject(store, KEY, IDENTITY).read().info is None
    second = lease_of(store, label="second")
    info = LeaseObject(store, KEY, IDENTITY).read().info
    assert info is not None
    assert (info.label, info.process, info.expired) == ("second", os.getpid(), False)
    second.verify()
    second.release()


def test_a_holder_that_lives_is_waited_for_and_named(store: ObjectStore) -> None:
    clock, holder = Clock(), lease_of(store, label="nightly import")
    clock.during = holder.verify
    with pytest.raises(LockTimeoutError, match=rf"'nightly import', process {os.getpid()} on .*after 300 s"):
        lease_of(store, 300, clock)
    assert 1300 <= clock.now < 1301
    holder.verify()
    holder.release()


def test_a_holder_that_died_is_followed_after_its_term(store: ObjectStore) -> None:
    abandoned(store, term=60)
    clock = Clock()
    lease_of(store, 300, clock).release()
    assert 1060 <= clock.now < 1062


def test_a_wait_shorter_than_the_term_is_not_enough(store: ObjectStore) -> None:
    abandoned(store, term=60)
    clock = Clock()
    with pytest.raises(LockTimeoutError, match="'gone', process 99 on far, since 2001-01-01"):
        lease_of(store, 59, clock)
    assert clock.now < 1059.1


class Skewed(StoreWrapper):
    """A server whose clock, and that of who left the lease, says anything."""

    def __init__(self, inner: ObjectStore, by: timedelta) -> None:
        super().__init__(inner)
        self.by = by

    def get(self, key: str, **options: Any) -> Object:
        found = super().get(key, **options)
        there, now = found.meta.last_modified, datetime.now(UTC) + self.by
        meta = ObjectMeta(found.meta.key, found.meta.size, found.meta.etag, there, now)
        return Object(meta, found.body)


@pytest.mark.parametrize("years", [-30, 0, 30])
def test_clocks_need_not_agree(years: int) -> None:
    store = Skewed(MemoryStore(), timedelta(days=365 * years))
    abandoned(store, term=60)
    clock = Clock()
    lease_of(store, 300, clock).release()
    assert 1060 <= clock.now < 1062


def test_force_takes_over_at_once_what_the_server_says_is_over() -> None:
    store = Skewed(MemoryStore(), timedelta(seconds=61))
    abandoned(store, term=60)
    clock = Clock()
    with pytest.raises(LockTimeoutError, match="force_lock=True takes it over"):
        lease_of(store, 0, clock)
    lease_of(store, 0, clock, force=True).release()
    assert clock.now == 1000


def test_force_leaves_a_living_holder_alone() -> None:
    store = MemoryStore()
    holder = lease_of(store)
    with pytest.raises(LockTimeoutError, match=r"break_lock\(conn\)"):
        lease_of(store, force=True)
    holder.verify()
    holder.release()


def test_of_many_who_want_it_one_gets_it(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path))
    abandoned(store, term=0.05)
    got: list[Lease] = []
    start = threading.Barrier(8)

    def challenge() -> None:
        start.wait()
        try:
            got.append(acquire(LeaseObject(store, KEY, IDENTITY), 0.5, term=60))
        except LockTimeoutError:
            pass

    threads = [threading.Thread(target=challenge) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    got[0].verify()
    got[0].release()


def test_a_broken_lease_is_lost_to_its_holder(store: ObjectStore) -> None:
    holder = lease_of(store, label="slow")
    broken = break_lease(LeaseObject(store, KEY, IDENTITY))
    assert broken is not None
    assert broken.label == "slow"
    other = lease_of(store, label="fast")
    with pytest.raises(LockLostError, match="'fast'"):
        holder.verify()
    holder.release()  # which leaves the other one alone
    other.verify()
    other.release()
    assert break_lease(LeaseObject(store, KEY, IDENTITY)) is None


def test_a_damaged_lease_ends_after_the_usual_term() -> None:
    store = MemoryStore()
    store.put(LeaseObject(store, KEY, IDENTITY).name, b"rubbish")
    clock = Clock()
    with pytest.raises(LockTimeoutError, match="cannot be read"):
        lease_of(store, 30, clock)
    lease_of(store, 300, clock).release()
    assert 1090 <= clock.now < 1093


def test_a_term_without_end_is_refused() -> None:
    info = LockInfo("h", 1, "", datetime(2020, 1, 1, tzinfo=UTC), 1e9)
    with pytest.raises(CorruptFileError):
        LeaseRecord.decode(LeaseRecord(bytes(range(16)), info).encode())


def test_the_lease_is_renewed_while_it_is_held() -> None:
    store = CountingStore(MemoryStore())
    lease = acquire(LeaseObject(store, KEY, IDENTITY), 0, term=0.15)
    deadline = time.monotonic() + 20
    while store.counts.requests["conditional_put"] < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(LockTimeoutError):
        acquire(LeaseObject(store, KEY, IDENTITY), 0.0)
    lease.release()
    sent = store.counts.total
    time.sleep(0.2)
    assert store.counts.total == sent  # the thread has ended


def test_a_lease_nobody_holds_on_to_is_not_renewed_for_ever() -> None:
    store = MemoryStore()
    lease = lease_of(store, term=0.1)
    before = {thread for thread in threading.enumerate() if thread.name == "ebooklet-lease"}
    del lease
    for thread in before:
        thread.join(10)
        assert not thread.is_alive()


class Fails(StoreWrapper):
    """Fails at one request, or from one on, carried out or not."""

    def __init__(self, inner: ObjectStore, number: int, *, applied: bool, for_ever: bool) -> None:
        super().__init__(inner)
        self.left, self.applied, self.for_ever, self.struck = number, applied, for_ever, False

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        self.left -= 1
        if self.left == -1 or (self.for_ever and self.left < 0):
            self.struck = True
            if self.applied and self.left == -1:
                thunk()
            raise UncertainOutcomeError("lost") if verb == "conditional_put" else RemoteConnectionError("reset")
        return thunk()


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("for_ever", [False, True])
@pytest.mark.parametrize("kind", [MemoryStore, Ignoring])
def test_a_fault_at_any_request_never_makes_two_holders(kind: type[MemoryStore], applied: bool, for_ever: bool) -> None:
    number = 0
    while True:
        inner = kind()
        inner.supports_conditional_put or leases.probe_conditional_put(inner, "probe")
        faulty = Fails(inner, number, applied=applied, for_ever=for_ever)
        held = None
        try:
            held = lease_of(faulty, 10)
            held.verify()
        except (StoreError, LockTimeoutError):
            pass
        if held is not None and not (faulty.struck and for_ever):
            with pytest.raises(LockTimeoutError):
                lease_of(inner, 0)
            held.release()
        clock = Clock()
        lease_of(inner, 300, clock).release()  # at the latest when the term is over
        assert clock.now < 1062
        if not faulty.struck:
            return
        number += 1
        assert number < 30


def test_a_release_that_is_lost_ends_with_the_term(caplog: pytest.LogCaptureFixture) -> None:
    inner = MemoryStore()
    store = FaultyStore(inner)
    lease = lease_of(store)
    store.faults.append(Fault("conditional_put", StoreError("500"), times=-1))
    with caplog.at_level(logging.WARNING, "ebooklet"):
        lease.release()
    assert "ends by itself in 60 s" in caplog.text
    clock = Clock()
    lease_of(inner, 300, clock).release()
    assert 1060 <= clock.now < 1062


# ---- handles ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def conn() -> StoreConnection:
    made = StoreConnection(KEY, MemoryStore())
    with ebooklet.open(made, flag="n", value_serializer="str", cache=None) as db:
        db["a"] = "1"
        db.push()
    return made


def opened(conn: Any, flag: str = "w", **options: Any) -> ebooklet.EBooklet:
    return ebooklet.open(conn, flag=flag, value_serializer="str", cache=None, **options)


def test_a_second_writer_waits_and_sees_what_the_first_has_left(conn: StoreConnection) -> None:
    first = opened(conn, lock="first")
    seen: list[str] = []

    def second() -> None:
        with opened(conn, lock="second", lock_timeout=30) as db:
            seen.append(db["a"])
            db["a"] += "3"
            db.push()

    thread = threading.Thread(target=second)
    thread.start()
    first["a"] += "2"
    first.push()
    first.close()
    thread.join(60)
    assert seen == ["12"]
    with opened(conn, "r") as db:
        assert db["a"] == "123"
        assert db.lock_info() is None


def test_who_cannot_wait_is_told_who_it_is(conn: StoreConnection) -> None:
    with opened(conn, lock="import of May"):
        with pytest.raises(LockTimeoutError, match=f"'import of May', process {os.getpid()} on "):
            opened(conn, lock=True, lock_timeout=0)
        info = ebooklet.lock_info(conn)
        assert info is not None
        assert info.label == "import of May"
        with opened(conn) as db:  # nobody has to ask for the lease
            assert db.lock_info() is not None
    assert ebooklet.lock_info(conn) is None


def test_a_lost_lease_stops_the_push_and_keeps_everything(conn: StoreConnection, tmp_path: Path) -> None:
    path = tmp_path / "x.blt"
    with ebooklet.open(conn, path, "w", lock=True) as db:
        db["b"] = "2"
        assert ebooklet.break_lock(conn) is not None
        with opened(conn, lock=True, lock_timeout=0) as other:
            other["c"] = "3"
            other.push()
        with pytest.raises(LockLostError, match="every pending change is kept"):
            db.push()
        with pytest.raises(LockLostError):
            db.delete_remote()
        with pytest.raises(LockLostError):
            db.push()
    with opened(conn, "r") as db:
        assert dict(db.items()) == {"a": "1", "c": "3"}
    with ebooklet.open(conn, path, "w", lock=True) as db:
        assert db.changes()
        db.push()
    with opened(conn, "r") as db:
        assert dict(db.items()) == {"a": "1", "b": "2", "c": "3"}


def test_a_handle_that_an_exception_leaves_gives_the_lease_back(conn: StoreConnection) -> None:
    with pytest.raises(KeyError), opened(conn, lock=True) as db:
        db["nothing"]
    assert ebooklet.lock_info(conn) is None


def test_an_opening_that_fails_gives_the_lease_back(conn: StoreConnection) -> None:
    with pytest.raises(ValueError, match="value_serializer"):
        ebooklet.open(conn, flag="w", value_serializer="json", cache=None, lock=True)
    assert ebooklet.lock_info(conn) is None


def test_a_new_database_is_made_under_its_lease() -> None:
    conn = StoreConnection(KEY, MemoryStore())
    with opened(conn, "c", lock="maker") as db:
        db["a"] = "1"
        db.push()
        info = ebooklet.lock_info(conn)
        assert info is not None
        assert info.label == "maker"


def test_waiting_to_replace_leaves_the_local_file_alone(conn: StoreConnection, tmp_path: Path) -> None:
    path = tmp_path / "x.blt"
    with ebooklet.open(conn, path, "w") as db:
        db["mine"] = "kept"
    with opened(conn, lock=True), pytest.raises(LockTimeoutError):
        ebooklet.open(conn, path, "n", lock=True, lock_timeout=0)
    with ebooklet.open(conn, path, "w") as db:
        assert db["mine"] == "kept"


def test_readers_take_no_lease(conn: StoreConnection) -> None:
    with pytest.raises(ValueError, match="handles that write"):
        opened(conn, "r", lock=True)
    with pytest.raises(ValueError, match="handles that write"):
        opened(conn, "r", lock=True, version=0)
    with pytest.raises(RemoteMissingError):
        ebooklet.lock_info(StoreConnection("other.blt", MemoryStore()))
    with pytest.raises(OfflineError):
        opened(conn, lock=True, offline=True)


def test_the_lease_costs_few_requests() -> None:
    store = CountingStore(MemoryStore())
    conn = StoreConnection(KEY, store)
    with opened(conn, "n") as db:
        db["a"] = "1"
        db.push()
    store.reset()
    with opened(conn, lock=True) as db:
        assert store.reset().requests == {"get": 3, "conditional_put": 1}  # root, lease, lease, root
        db["b"] = "2"
        db.push()
        assert store.reset().requests == {"put": 1, "conditional_put": 2}  # pack, lease, root
    assert store.reset().requests == {"conditional_put": 1}


def test_deleting_the_remote_takes_the_lease_with_it(conn: StoreConnection) -> None:
    with opened(conn, lock=True) as db:
        db.delete_remote()
    left = [meta.key for meta in conn.store().list("")]
    assert left == []


def test_a_process_that_ends_without_closing_is_not_held_up(tmp_path: Path) -> None:
    code = (
        "import ebooklet\n"
        f"db = ebooklet.open('file://{tmp_path}/x.blt', flag='c', value_serializer='str', cache=None, lock='dies')\n"
        "db['a'] = '1'\ndb.push()\nprint('done', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "done\n", done.stderr
    info = ebooklet.lock_info(f"file://{tmp_path}/x.blt")
    assert info is None or info.label == "dies"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_neither_uses_nor_releases_the_lease(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path))
    lease = lease_of(store)
    pid = os.fork()
    if not pid:
        try:
            lease.verify()
        except ForkedHandleError:
            lease.release()
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    lease.verify()
    lease.release()


def test_what_is_said_of_a_holder_travels() -> None:
    info = LockInfo("h", 1, "l", datetime(2020, 1, 1, tzinfo=UTC), 60.0, 3.2)
    assert pickle.loads(pickle.dumps(info)) == info
    assert str(info) == "'l', process 1 on h, since 2020-01-01 00:00:00 UTC, last heard of 3 s ago"


# ---- how commits are kept apart --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Ignoring, Refusing])
def test_a_database_of_a_plain_server_is_written_under_the_lease(kind: type[MemoryStore]) -> None:
    store = kind()
    conn, alone = StoreConnection(KEY, store), StoreConnection(KEY, store, single_writer=True)
    with opened(conn, "c", lock=True) as db:
        db["a"] = "1"
        db.push()
        db["a"] = "2"
        db.push(tag="two")
        db.push(tag="named afterwards")
        db.tag("and once more")
        db["gone"] = "1"
        db.push()
        db.rollback("two")
    assert open_version(store, KEY).root.mode == "lease"
    for wrong, error in ((conn, ebooklet.PushError), (alone, CommitModeError)):
        with opened(wrong) as db:
            db["a"] = "3"
            with pytest.raises(error, match="lock=True"):
                db.push()
    with opened(conn, lock=True) as db:
        db["b"] = "3"
        db.push()
    with opened(conn, "r") as db:
        assert dict(db.items()) == {"a": "2", "b": "3"}


def test_workers_write_for_the_holder_of_the_lease() -> None:
    conn = StoreConnection(KEY, Ignoring())
    with opened(conn, "c", lock=True) as db:
        db["a"] = "1"
        db.push()
        with db.fork().open() as part:
            part["b"] = "2"
        db.merge(part.result())
        db.push()
    with opened(conn, "r") as db:
        assert dict(db.items()) == {"a": "1", "b": "2"}


def test_a_single_writer_is_taken_by_its_word_only() -> None:
    store = Ignoring()
    alone, other = StoreConnection(KEY, store, single_writer=True), StoreConnection(KEY, store)
    with opened(alone, "c") as db:
        db["a"] = "1"
        db.push()
    assert open_version(store, KEY).root.mode == "single_writer"
    with opened(other, lock=True) as db:
        db["a"] = "2"
        with pytest.raises(CommitModeError, match="single_writer=True"):
            db.push()
    with opened(alone, lock=True) as db:
        db["a"] = "2"
        db.push()
    assert open_version(store, KEY).root.mode == "lease"


def test_a_server_that_came_to_honour_conditions_is_used_when_nobody_commits_in_the_old_way() -> None:
    store = Ignoring()
    alone = StoreConnection(KEY, store, single_writer=True)
    with opened(alone, "c") as db:
        db["a"] = "1"
        db.push()
    better = MemoryStore("better")
    for meta in store.list(""):
        better.put(meta.key, store.get(meta.key).body)
    with opened(StoreConnection(KEY, better)) as db:
        db["a"] = "2"
        with pytest.raises(CommitModeError, match="single_writer=True"):
            db.push()
        with pytest.raises(CommitModeError, match="single_writer=True"):
            db.push(tag="t")
    with opened(StoreConnection(KEY, better, single_writer=True)) as db:
        db["a"] = "2"
        db.push()
    assert open_version(better, KEY).root.mode == "cas"
    with opened(StoreConnection(KEY, better)) as db:
        db["a"] = "3"
        db.push()


def test_what_conditional_writes_protected_is_not_written_without() -> None:
    store = MemoryStore()
    with opened(StoreConnection(KEY, store), "c") as db:
        db["a"] = "1"
        db.push()
    worse = Ignoring()
    for meta in store.list(""):
        worse.put(meta.key, store.get(meta.key).body)
    for conn in (StoreConnection(KEY, worse, single_writer=True), StoreConnection(KEY, worse)):
        with opened(conn, lock=True) as db:
            db["a"] = "2"
            with pytest.raises(CommitModeError, match=r"copy_remote\(\)"):
                db.push()


def test_leases_of_different_databases_at_one_key_are_different() -> None:
    store = MemoryStore()
    one, other = LeaseObject(store, KEY, uuid4()), LeaseObject(store, KEY, uuid4())
    first, second = acquire(one, 0), acquire(other, 0)
    first.release()
    second.release()


# ---- servers ---------------------------------------------------------------------------------------------------------


def turns(conn: Any) -> None:
    """Let several writers add to one number."""
    with opened(conn, "c", lock=True) as db:
        db["a"] = ""
        db.push()

    def add() -> None:
        with opened(conn, lock=True, lock_timeout=60) as db:
            db["a"] += "x"
            db.push()

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with opened(conn, "r") as db:
        assert db["a"] == "xxx"
    assert ebooklet.lock_info(conn) is None


def test_writers_take_turns_on_a_server() -> None:
    with s3_server() as server:
        conn = server.connection(KEY)
        turns(conn)
        assert open_version(conn.store(), KEY).root.mode == "cas"
        with opened(conn, lock=True) as db:
            db["a"] = "y"
            assert ebooklet.break_lock(conn) is not None
            with pytest.raises(LockLostError):
                db.push()
        conn.store().close()


def test_writers_take_turns_on_a_server_that_ignores_conditions(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SETTLE", 0.5)
    bucket.conditional, bucket.name = False, {"Server": "Careless/1"}
    bucket.new_process()
    conn = bucket.connection()
    turns(conn)
    assert open_version(conn.store(), conn.db_key).root.mode == "lease"
    with opened(conn) as db:
        db["a"] = "y"
        with pytest.raises(ebooklet.PushError, match="lock=True"):
            db.push()
