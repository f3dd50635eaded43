"""What a check finds and repairs: nothing that is needed, or may come into use, is ever deleted."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest

import ebooklet
from ebooklet.connection import StoreConnection
from ebooklet.errors import EBookletError, StoreError
from ebooklet.format.names import fresh_name, object_text
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.protocol import Object, ObjectMeta
from ebooklet.stores.wrappers import CountingStore, Fault, FaultyStore, StoreWrapper, Verb
from ebooklet.sync import commit, fsck
from ebooklet.sync.compact import compact_database, plan_for
from ebooklet.sync.contract import PushOptions
from ebooklet.sync.copy import copy_database
from ebooklet.sync.fsck import FsckOptions, check_database
from ebooklet.sync.version import open_version
from tests.ebooklet.sync.local_side import KEY, Client, chunk, contents, filled, remote
from tests.ebooklet.sync.test_copy import OfAnotherKind
from tests.ebooklet.sync.test_faults import Deadly, DeadlyStore, KilledError

T = TypeVar("T")
DAYS = FsckOptions(delete_orphans=True)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "LONGEST", 0.0)


class Later(StoreWrapper):
    """The server's clock has gone on since everything was written."""

    def __init__(self, inner: Any, hours: float) -> None:
        super().__init__(inner)
        self.ahead = timedelta(hours=hours)

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        found: Any = super()._call(verb, key, thunk, size)
        if isinstance(found, Object):
            return replace(found, meta=self._later(found.meta))  # type: ignore[return-value]
        return [self._later(meta) for meta in found] if verb == "list" else found

    def _later(self, meta: ObjectMeta) -> ObjectMeta:
        return replace(meta, server_date=meta.server_date + self.ahead) if meta.server_date else meta


def database(store: Any) -> dict[str, bytes]:
    writer = Client(store)
    made = filled(writer, 40, 200)
    writer.push(num_groups=3)
    for number in range(5):
        writer[f"abcdefgh/0.{number}"] = made[f"abcdefgh/0.{number}"] = chunk(50, number)
        writer.push()
    return made


def cut_short(store: Any) -> set[str]:
    """A push that died before its commit; returns what it left."""
    before = {meta.key for meta in store.list("")}
    dying = Client.opened(store)
    dying.store = DeadlyStore(store, Deadly(1, KilledError(), applied=False, for_ever=True))
    dying["lost"] = b"1"
    with pytest.raises(KilledError):
        dying.push()
    return {meta.key for meta in store.list("")} - before


# ---- what is found -------------------------------------------------------------------------------------------------


def test_a_whole_database_takes_one_listing_and_a_look_at_each_version() -> None:
    store = CountingStore(MemoryStore())
    database(store)
    store.reset()
    report = check_database(store, KEY)
    assert (report.ok, bool(report), report.damaged, report.orphans) == (True, True, (), ())
    assert (report.n_versions, report.expected_objects) == (6, 8)
    assert report.expected_bytes == sum(meta.size for meta in store.inner.list(f"{KEY}."))
    assert store.counts.requests == {"get": 1, "list": 1, "get_range": 5}
    assert 0 < report.dead_fraction < 0.5


def test_every_checksum_is_verified_when_asked() -> None:
    store = MemoryStore()
    database(store)
    seen: list[tuple[int, int]] = []
    report = check_database(store, KEY, FsckOptions(check_objects=True, progress=lambda *at: seen.append(at)))
    assert (report.ok, report.checked_values, report.checked_bytes) == (True, 45, report.expected_bytes)
    assert seen[-1] == (report.expected_bytes, report.expected_bytes)


@pytest.mark.parametrize("at", ["payload", "entry", "table", "footer"])
def test_no_damage_escapes(at: str) -> None:
    store = MemoryStore()
    database(store)
    version = open_version(store, KEY)
    row = version.rows(["abcdefgh/0.30"])[0]
    assert row is not None
    name = version.object_key(version.snapshot.packs[row.pack].name)  # type: ignore[union-attr]
    body = bytearray(store.get(name).body)
    body[{"payload": row.offset + 5, "entry": row.offset - 20, "table": -90, "footer": -3}[at]] ^= 1
    store.put(name, bytes(body))
    report = check_database(store, KEY, FsckOptions(check_objects=True))
    assert not report.ok
    assert any(name in text for text in report.damaged)
    if at == "payload":
        assert report.damaged == (f"the value of 'abcdefgh/0.30' in {name}",)
    assert name in str(report)


def test_missing_and_shortened_objects_are_named_without_reading_any() -> None:
    store = MemoryStore()
    database(store)
    version = open_version(store, KEY)
    first, second = (version.object_key(pack.name) for pack in version.snapshot.packs[:2] if pack)
    store.put(second, store.get(second).body[:100])
    store.delete(first)
    report = check_database(store, KEY, DAYS)
    assert not report.ok
    assert report.claimed_but_missing == (first,)
    assert any(second in text for text in report.damaged)
    assert report.swept == ()


def test_another_object_under_a_name_is_found() -> None:
    store = MemoryStore()
    database(store)
    version = open_version(store, KEY)
    first, second = (version.object_key(pack.name) for pack in version.snapshot.packs[:2] if pack)
    store.put(first, store.get(second).body)
    report = check_database(store, KEY, FsckOptions(check_objects=True))
    assert any("another object" in text for text in report.damaged)


def test_values_the_table_places_where_there_are_none_are_counted() -> None:
    store = MemoryStore()
    database(store)
    version = open_version(store, KEY)
    first = next(pack for pack in version.snapshot.packs if pack)
    other = MemoryStore()
    writer = Client(other)
    writer["something else"] = chunk(20_000, "else")
    writer.push()
    version_there = open_version(other, KEY)
    body = bytearray(other.get(version_there.object_key(version_there.snapshot.packs[0].name)).body)  # type: ignore[union-attr]
    header = store.get(version.object_key(first.name)).body[:44]
    store.put(version.object_key(first.name), header + bytes(body[44:]))
    report = check_database(store, KEY, FsckOptions(check_objects=True))
    assert any("are not there" in text for text in report.damaged)


def test_verifying_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsck, "PIECE", 1 << 18)
    store = MemoryStore()
    writer = Client(store)
    writer["long"] = chunk(24 << 20, "long")
    writer.push(num_groups=1)
    tracemalloc.start()
    try:
        assert check_database(store, KEY, FsckOptions(check_objects=True)).checked_values == 1
        assert tracemalloc.get_traced_memory()[1] < 3 << 20
    finally:
        tracemalloc.stop()


def test_an_error_of_the_server_is_no_damage() -> None:
    store = MemoryStore()
    database(store)
    packs = open_version(store, KEY).snapshot.packs
    name = object_text(packs[0].name)  # type: ignore[union-attr]
    faulty = FaultyStore(store, Fault("get_range", StoreError("busy"), key=name, times=9))
    report = check_database(faulty, KEY, FsckOptions(check_objects=True))
    assert not report.ok
    assert [name in key for key in report.failures] == [True]


# ---- what is deleted -----------------------------------------------------------------------------------------------


def test_leftovers_go_when_they_are_old_enough_and_not_before() -> None:
    store = MemoryStore()
    made = database(store)
    left = cut_short(store)
    assert len(left) == 1
    young = check_database(Later(store, 23), KEY, DAYS)
    assert (set(young.skipped_young), young.orphans, young.swept, young.ok) == (left, (), (), True)
    told = check_database(Later(store, 25), KEY)
    assert (set(told.orphans), told.swept, told.ok) == (left, (), True)
    assert told.orphan_bytes == sum(store.head(name).size for name in left)
    assert "delete_orphans=True" in str(told)
    done = check_database(Later(store, 25), KEY, DAYS)
    assert set(done.swept) == set(done.orphans) == left
    again = check_database(Later(store, 25), KEY, DAYS)
    assert (again.orphans, again.nbytes) == ((), again.expected_bytes)
    assert remote(store) == made


def test_objects_of_older_versions_and_of_compactions_stay() -> None:
    store = MemoryStore()
    made = database(store)
    compact_database(version := open_version(store, KEY), plan_for(version), PushOptions())
    before = [meta.key for meta in store.list("")]
    report = check_database(Later(store, 100), KEY, DAYS)
    assert (report.orphans, [meta.key for meta in store.list("")]) == ((), before)
    assert contents(version) == made


def test_a_push_under_way_loses_nothing_to_a_check() -> None:
    store = MemoryStore()
    made = database(store)

    class Checked(StoreWrapper):
        def put(self, key: str, body: Any, *mode: Any) -> ObjectMeta:
            if key == KEY:
                report = check_database(Later(store, 11.9), KEY, DAYS)
                assert len(report.skipped_young) == 1
            return self.inner.put(key, body, *mode)

    writer = Client.opened(store)
    writer.store = Checked(store)
    writer["new"] = made["new"] = b"1"
    writer.push()
    assert remote(store) == made


def test_a_copy_under_way_keeps_even_its_oldest_objects() -> None:
    store, target = MemoryStore(), MemoryStore()
    made = database(store)
    source = open_version(OfAnotherKind(store), KEY)

    class Aging(StoreWrapper):
        def list(self, prefix: str) -> Any:
            for number, meta in enumerate(self.inner.list(prefix)):
                assert meta.last_modified is not None
                yield replace(meta, last_modified=meta.last_modified - timedelta(hours=0 if number == 5 else 40))

    class Checked(StoreWrapper):
        def put(self, key: str, body: Any, *mode: Any) -> ObjectMeta:
            if key == KEY:
                report = check_database(Aging(target), KEY, replace(DAYS, abandoned=True))
                assert (report.swept, len(report.skipped_young)) == ((), 8)
            return self.inner.put(key, body, *mode)

    copy_database(source, Checked(target), KEY)
    assert remote(target) == made


def test_what_stood_here_before_is_an_orphan_too_and_neighbours_are_not() -> None:
    store = MemoryStore()
    made = database(store)
    name = object_text(fresh_name())
    store.put(f"{KEY}.objects/{'0' * 32}/{name}", b"of a database that was replaced")
    store.put(f"{KEY}.objects/{'0' * 32}/lease", b"no object")
    store.put(f"{KEY}.bak", b"a neighbour")
    store.put(f"{KEY}2", b"another")
    assert check_database(Later(store, 25), KEY, DAYS).swept == (f"{KEY}.objects/{'0' * 32}/{name}",)
    assert store.get(f"{KEY}.bak").body
    assert store.get(f"{KEY}2").body
    assert store.get(f"{KEY}.objects/{'0' * 32}/lease").body
    assert remote(store) == made


def test_objects_without_a_root_only_go_when_the_user_says_that_they_may() -> None:
    store = MemoryStore()
    database(store)
    root = store.get(KEY).body
    store.delete(KEY)
    report = check_database(Later(store, 100), KEY, DAYS)
    assert (report.torn_teardown, report.db_object_exists, report.ok, report.swept) == (True, False, False, ())
    assert "rebuild()" in str(report)
    store.put(KEY, root)
    assert check_database(store, KEY).ok
    store.delete(KEY)
    assert check_database(Later(store, 23), KEY, replace(DAYS, abandoned=True)).swept == ()
    assert len(check_database(Later(store, 25), KEY, replace(DAYS, abandoned=True)).swept) == 8
    assert not list(store.list(""))
    nothing = check_database(store, KEY)
    assert (nothing.ok, nothing.torn_teardown, str(nothing)) == (
        False,
        False,
        f"{store.uri}/{KEY}: there is no database",
    )


@pytest.mark.parametrize("kind", ["root", "history"])
def test_nothing_is_deleted_while_nobody_knows_what_is_needed(kind: str) -> None:
    store = MemoryStore()
    database(store)
    cut_short(store)
    if kind == "root":
        body = bytearray(store.get(KEY).body)
        body[100] ^= 1
        store.put(KEY, bytes(body))
    else:
        version = open_version(store, KEY)
        ref = version.root.history[3].ref
        assert ref is not None
        body = bytearray(store.get(version.object_key(ref.object)).body)
        body[ref.offset + 30] ^= 1
        store.put(version.object_key(ref.object), bytes(body))
    before = [meta.key for meta in store.list("")]
    report = check_database(Later(store, 100), KEY, replace(DAYS, abandoned=True))
    assert (report.ok, report.swept, report.orphans) == (False, (), ())
    assert report.db_object_exists
    assert report.damaged
    assert [meta.key for meta in store.list("")] == before


def test_a_short_age_needs_a_word_that_nobody_writes() -> None:
    store = MemoryStore()
    database(store)
    left = cut_short(store)
    with pytest.raises(ValueError, match="alone=True"):
        check_database(store, KEY, FsckOptions(delete_orphans=True, min_age=timedelta(0)))
    report = check_database(store, KEY, FsckOptions(delete_orphans=True, min_age=timedelta(0), alone=True))
    assert set(report.swept) == left


def test_what_cannot_be_deleted_is_told() -> None:
    store = MemoryStore()
    database(store)
    (name,) = cut_short(store)

    class Refusing(StoreWrapper):
        def delete_many(self, keys: Any) -> dict[str, StoreError]:
            return {key: StoreError("refused") for key in keys}

    report = check_database(Refusing(Later(store, 25)), KEY, DAYS)
    assert (report.swept, list(report.failures), report.ok) == ((), [name], False)


@pytest.mark.parametrize("applied", [False, True])
def test_whatever_fails_the_database_stays_whole(applied: bool) -> None:
    number = 0
    while True:
        inner = MemoryStore()
        made = database(inner)
        cut_short(inner)
        store = DeadlyStore(Later(inner, 25), Deadly(number, KilledError(), applied, True))
        try:
            check_database(store, KEY, replace(DAYS, check_objects=True))
        except (KilledError, EBookletError):
            assert store.struck
        assert remote(inner) == made
        assert check_database(inner, KEY, FsckOptions(check_objects=True)).ok
        if not store.struck:
            assert number > 8
            return
        number += 1


# ---- as users do it ------------------------------------------------------------------------------------------------


def test_a_check_by_connection_prints_what_it_found() -> None:
    conn = StoreConnection("x.blt")
    with ebooklet.open(conn, cache=None, flag="n") as db:
        db["a"] = b"1"
        db.push()
    report = ebooklet.fsck(conn, check_objects=True, min_age="2d", lock_timeout=1)
    assert report.ok
    assert report.n_requests == 3
    assert "x.blt: whole" in str(report)
    assert isinstance(report, ebooklet.FsckReport)
    with pytest.raises(ValueError, match="not a duration"):
        ebooklet.fsck(conn, min_age="a while")
    with pytest.raises(ebooklet.UnsupportedOperationError):
        check_database(_web(), "x.blt")


def _web() -> Any:
    from tests.ebooklet.sync.test_copy import Unlisted

    store = MemoryStore()
    database(store)
    inner = Unlisted(store)
    inner.inner.put("x.blt", store.get(KEY).body)
    return inner
