"""Whatever fails, and whenever: the remote is the old version or the new one, and a repeated push loses nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from ebooklet.errors import (
    AccessDeniedError,
    ConflictError,
    EBookletError,
    ObjectNotFoundError,
    PreconditionFailedError,
    PushError,
    RemoteConnectionError,
    RemoteIntegrityError,
    StoreError,
    UncertainOutcomeError,
    UnsupportedOperationError,
)
from ebooklet.format.journal import PUSH_STATE
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.protocol import OVERWRITE, Body, ObjectMeta, PutMode, Update
from ebooklet.stores.wrappers import CountingStore, Fault, FaultyStore, StoreWrapper, Verb
from ebooklet.sync import commit
from ebooklet.sync.version import open_version
from tests.ebooklet.sync.local_side import KEY, Client, chunk, contents, filled, remote

T = TypeVar("T")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "LONGEST", 0.0)
    monkeypatch.setattr(commit, "RACE", 0.0)


class KilledError(BaseException):
    """The process ends here."""


@dataclass
class Deadly:
    """What happens at the request of this number."""

    number: int
    error: BaseException
    applied: bool
    for_ever: bool = False


class DeadlyStore(StoreWrapper):
    """Fails at one request, or from one request on."""

    def __init__(self, inner: Any, deadly: Deadly) -> None:
        super().__init__(inner)
        self.deadly = deadly
        self.seen = 0
        self.struck = False

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        number = self.seen
        self.seen += 1
        deadly = self.deadly
        if number == deadly.number or (deadly.for_ever and number > deadly.number):
            self.struck = True
            if deadly.applied and number == deadly.number:
                thunk()
            raise deadly.error
        return thunk()


def prepared() -> tuple[MemoryStore, Client, dict[str, bytes]]:
    store = MemoryStore()
    writer = Client(store)
    made = filled(writer, 30, 50)
    writer.push(num_groups=2, inline=["abcdefgh/0.1"])
    return store, writer, made


def edit(client: Client, made: dict[str, bytes]) -> dict[str, bytes]:
    """Change, add and remove."""
    after = dict(made)
    for number in range(12):
        key = f"abcdefgh/0.{number}" if number % 2 else f"new/{number}"
        client.write(key, chunk(60, f"edited {key}"), note=b"n")
        after[key] = chunk(60, f"edited {key}")
    del client["abcdefgh/0.20"]
    after.pop("abcdefgh/0.20", None)
    return after


ERRORS = [
    UncertainOutcomeError("lost"),
    RemoteConnectionError("reset"),
    StoreError("500"),
    PreconditionFailedError("412"),
    ObjectNotFoundError("404"),
    AccessDeniedError("403"),
    KilledError(),
]


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after applying"])
@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for ever"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("creating", [False, True], ids=["changing", "creating"])
def test_a_fault_at_any_request_leaves_old_or_new(
    error: BaseException, applied: bool, for_ever: bool, creating: bool
) -> None:
    number = 0
    while True:
        if creating:
            store = MemoryStore()
            client, old, new = Client(store), None, {}
            new = filled(client, 12, 50)
        else:
            store, _, old = prepared()
            client = Client.opened(store)
            new = edit(client, old)
        faulty = DeadlyStore(store, Deadly(number, error, applied, for_ever))
        client.store = faulty
        try:
            client.push(num_groups=3, threads=1)
        except (EBookletError, KilledError):
            assert remote(store) in (old, new)
        else:
            assert remote(store) == new
        if not faulty.struck:
            assert number >= 4
            return
        client.store = store
        client.push(num_groups=3, threads=1)
        assert remote(store) == new
        assert client.pending() == []
        assert client.states == {}
        assert not client.push()
        number += 1


@pytest.mark.parametrize("creating", [False, True], ids=["changing", "creating"])
@pytest.mark.parametrize("applied", [False, True], ids=["not applied", "applied"])
def test_an_unknown_outcome_is_found_out_by_reading_the_root_once(creating: bool, applied: bool) -> None:
    inner = MemoryStore() if creating else prepared()[0]
    store = CountingStore(inner)
    client = Client.opened(inner)
    client["one"] = b"1"
    client.store = FaultyStore(store, Fault("conditional_put", UncertainOutcomeError("lost"), applied=applied))
    result = client.push()
    assert result.attempts == 1
    assert store.counts.requests == {"put": 1, "get": 1, "conditional_put": 1}  # the fault hides one more
    assert open_version(inner, KEY).root.commits.count(result.commit) == 1
    assert open_version(inner, KEY).snapshot.id == result.commit


def test_what_others_commit_before_a_lost_answer_is_read_back_is_not_overlooked() -> None:
    store, _, made = prepared()
    client = Client.opened(store)
    client["mine"] = b"1"

    class Overtaken(StoreWrapper):
        def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
            found = thunk()
            if verb != "conditional_put":
                return found
            other = Client.opened(store)
            other["abcdefgh/0.1"] = b"theirs"
            other.push()
            raise UncertainOutcomeError("lost")

    client.store = Overtaken(store)
    assert client.push().attempts == 1
    client.store = store
    client["abcdefgh/0.1"] = b"mine"  # made without having seen theirs
    with pytest.raises(ConflictError) as caught:
        client.push()
    assert caught.value.keys == ("abcdefgh/0.1",)
    assert remote(store) == {**made, "mine": b"1", "abcdefgh/0.1": b"theirs"}


def test_a_crash_after_the_commit_is_settled_before_new_edits_are_pushed() -> None:
    store, _, made = prepared()
    client = Client.opened(store)
    made = edit(client, made)
    client.store = FaultyStore(store, Fault("conditional_put", UncertainOutcomeError("lost"), applied=True))
    client.store.faults += [Fault("get", RemoteConnectionError("down"), times=10)]
    with pytest.raises(PushError, match="not known"):
        client.push()
    assert remote(store) == made
    other = Client.opened(store)
    other["others/1"] = made["others/1"] = b"by another"
    other.push()
    client["abcdefgh/0.3"] = made["abcdefgh/0.3"] = b"edited after the crash"
    client["abcdefgh/0.20"] = made["abcdefgh/0.20"] = b"written again"
    client.store = store
    result = client.push()
    assert {row.key for row in result.rows} == {"abcdefgh/0.3", "abcdefgh/0.20"}
    assert remote(store) == made
    assert client.pending() == []


def test_a_database_made_by_a_push_that_was_never_answered_is_edited_under_its_uuid() -> None:
    store = MemoryStore()
    client = Client(store)
    made = filled(client, 5, 50)
    client.store = DeadlyStore(store, Deadly(1, KilledError(), applied=True))
    with pytest.raises(KilledError):
        client.push()
    client.store = store
    client["one"] = made["one"] = b"1"
    client.push()
    assert remote(store) == made
    assert {meta.key.split("/")[2] for meta in store.list(KEY + ".objects/")} == {open_version(store, KEY).uuid.hex}


def test_uploads_of_a_push_that_was_cut_short_are_reused() -> None:
    inner = MemoryStore()
    store = CountingStore(inner)
    client = Client(store)
    made = filled(client, 40, 2000)
    client.store = FaultyStore(store, Fault("put", RemoteConnectionError("down"), skip=3, times=100))
    with pytest.raises(RemoteConnectionError):
        client.push(num_groups=4, threads=1)
    assert PUSH_STATE in client.states
    client.store = store
    client["abcdefgh/0.1"] = made["abcdefgh/0.1"] = chunk(2000, "edited meanwhile")
    store.reset()
    result = client.push(num_groups=4, threads=1)
    assert store.counts.sent < 11 * 2100 + 2000 + 10_000
    assert len(result.rows) == 40
    assert remote(store) == made


def test_old_uploads_are_not_reused() -> None:
    store = CountingStore(MemoryStore())
    client = Client(store)
    made = filled(client, 40, 2000)
    client.store = FaultyStore(store, Fault("put", RemoteConnectionError("down"), skip=3, times=100))
    with pytest.raises(RemoteConnectionError):
        client.push(num_groups=4, threads=1)
    client.store = store
    store.reset()
    client.push(num_groups=4, threads=1, grace=0)
    assert store.counts.sent > 40 * 2000
    assert remote(store) == made


def test_a_name_that_exists_is_never_taken_for_an_upload() -> None:
    store = CountingStore(MemoryStore())
    client = Client(store)
    made = filled(client, 10, 200)
    client.store = DeadlyStore(store, Deadly(0, KilledError(), applied=True))
    with pytest.raises(KilledError):
        client.push()
    client.store = store
    store.reset()
    client.push()
    assert store.counts.requests["put"] == 1
    assert store.counts.sent > 2000
    assert remote(store) == made


class OtherDialect(MemoryStore):
    """Answers with 500 where another would say 412, as Ceph does."""

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        try:
            return super().put(key, body, mode)
        except PreconditionFailedError as error:
            raise UncertainOutcomeError("500") from error


def test_a_lost_race_that_looks_like_a_server_error_is_a_lost_race() -> None:
    store = OtherDialect()
    writer = Client(store)
    made = filled(writer, 5, 50)
    writer.push()
    late = Client.opened(store)
    writer["one"] = made["one"] = b"1"
    writer.push()
    late["two"] = made["two"] = b"2"
    assert late.push().attempts == 2
    assert remote(store) == made


class Ignoring(MemoryStore):
    """Ignores the conditions of a PUT."""

    def __init__(self) -> None:
        super().__init__()
        self.dialect.conditional_put = None

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        return super().put(key, body)


class Refusing(Ignoring):
    """Refuses conditional PUTs."""

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        if mode != OVERWRITE:
            raise UnsupportedOperationError("501")
        return super().put(key, body)


@pytest.mark.parametrize("kind", [Ignoring, Refusing])
def test_without_conditional_writes_one_must_say_to_be_alone(kind: type[MemoryStore]) -> None:
    store = kind()
    client = Client(store)
    made = filled(client, 5, 50)
    with pytest.raises(UnsupportedOperationError, match="single_writer=True"):
        client.push()
    assert list(store.list("")) == []
    client.push(single_writer=True)
    assert remote(store) == made
    assert open_version(store, KEY).root.mode == "single_writer"
    made = edit(client, made)
    with pytest.raises(UnsupportedOperationError, match="single_writer=True"):
        client.push()
    client.push(single_writer=True)
    assert remote(store) == made


def test_a_single_writer_still_notices_another_one() -> None:
    store = Ignoring()
    client = Client(store)
    made = filled(client, 5, 50)
    client.push(single_writer=True)
    other = Client.opened(store)
    other["one"] = made["one"] = b"1"
    other.push(single_writer=True)
    client["two"] = made["two"] = b"2"
    client.push(single_writer=True)
    assert remote(store) == made


def test_the_servers_dialect_is_asked_for_once() -> None:
    inner = MemoryStore()
    inner.dialect.conditional_put = None
    store = CountingStore(inner)
    client = Client(store)
    filled(client, 5, 50)
    client.push()
    assert store.counts.requests == {"put": 1, "conditional_put": 2}
    store.reset()
    client["one"] = b"1"
    client.push()
    assert store.counts.requests == {"put": 1, "conditional_put": 1}
    assert len(list(inner.list(""))) == 3


@pytest.mark.parametrize("fault", [{"corrupt": True}, {"truncate": 100}], ids=["corrupt", "truncated"])
def test_a_value_that_arrives_damaged_is_fetched_again(fault: dict[str, Any]) -> None:
    store, _, made = prepared()
    faulty = FaultyStore(store, Fault("get_range", times=1, **fault))
    reader = open_version(faulty, KEY)
    assert contents(reader) == made


def test_a_page_that_arrives_damaged_is_fetched_again() -> None:
    store = MemoryStore()
    client = Client(store)
    for number in range(8500):
        client.write(f"t/{number}", b"%d" % number, note=b"n%d" % number)
    client.push()
    reader = open_version(FaultyStore(store, Fault("get_range", corrupt=True)), KEY)
    row = reader.row("t/8000")
    assert row is not None
    reader.store.faults.append(Fault("get_range", corrupt=True))  # type: ignore[attr-defined]
    assert reader.times_and_notes([row]) == [(client.rows["t/8000"].timestamp, b"n8000")]


def test_a_value_that_stays_damaged_fails_alone_and_by_name() -> None:
    store, _, made = prepared()
    reader = open_version(store, KEY)
    row = reader.row("abcdefgh/0.7")
    assert row is not None
    pack = reader.snapshot.packs[row.pack]
    assert pack is not None
    name = reader.object_key(pack.name)
    body = bytearray(store.get(name).body)
    body[row.offset + 3] ^= 1
    store.put(name, bytes(body))
    found = {row.key: value for row, value in reader.fetch(list(reader.iter_rows()))}
    failure = found.pop("abcdefgh/0.7")
    assert isinstance(failure, RemoteIntegrityError)
    assert "abcdefgh/0.7" in str(failure)
    assert {key: value[:50] for key, value in found.items() if not isinstance(value, Exception)} == {
        key: value for key, value in made.items() if key != "abcdefgh/0.7"
    }


def test_a_missing_pack_is_damage_never_fill() -> None:
    store, _, made = prepared()
    reader = open_version(store, KEY)
    for meta in list(store.list(KEY + ".objects/")):
        store.delete(meta.key)
    found = list(reader.fetch(list(reader.iter_rows())))
    assert len(found) == len(made)
    failures = [value for _, value in found if isinstance(value, Exception)]
    assert all(isinstance(failure, RemoteIntegrityError) for failure in failures)
    assert len(failures) == len(made) - 1  # one value stands in the root


def test_a_root_that_vanished_is_not_made_again() -> None:
    store, writer, _ = prepared()
    store.delete(KEY)
    writer["one"] = b"1"
    with pytest.raises(EBookletError, match="deleted"):
        writer.push()
    assert remote(store) is None
    assert len(writer.pending()) == 1


def test_another_database_in_the_same_place_is_refused() -> None:
    store, writer, _ = prepared()
    store.delete(KEY)
    other = Client(store)
    filled(other, 2, 20)
    other.push()
    writer["one"] = b"1"
    with pytest.raises(EBookletError, match="another database"):
        writer.push()
    late = Client(store)
    late["two"] = b"2"
    with pytest.raises(EBookletError, match="made by another writer"):
        late.push()


def test_an_update_never_asks_for_an_empty_etag() -> None:
    store, _, made = prepared()
    client = Client.opened(store)
    made = edit(client, made)
    asked: list[PutMode] = []

    class Watching(StoreWrapper):
        def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
            asked.append(mode)
            return super().put(key, body, mode)

    class LostThenOvertaken(Watching):
        def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
            found = thunk()
            if verb == "conditional_put" and len(asked) == 2:
                other = Client.opened(store)
                other["others/1"] = made["others/1"] = b"1"
                other.push()
                raise UncertainOutcomeError("lost")
            return found

    client.store = LostThenOvertaken(store)
    client.push()
    client["one"] = made["one"] = b"1"
    client.push()
    assert remote(store) == made
    assert all(len(mode.etag) == 32 for mode in asked if isinstance(mode, Update))
