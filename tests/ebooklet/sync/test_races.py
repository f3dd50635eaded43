"""Writers race, readers read: no update is lost, no mix is seen."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from ebooklet.errors import ConflictError, PushError, RemoteExistsError
from ebooklet.format.checksum import digest
from ebooklet.format.snapshot import Snapshot, SnapshotRef
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.protocol import OVERWRITE, Body, ObjectMeta, ObjectStore, PutMode
from ebooklet.stores.wrappers import StoreWrapper
from ebooklet.sync import commit
from ebooklet.sync.version import open_version, read_snapshot
from tests.ebooklet.sync.local_side import KEY, Client, contents, filled, remote


@pytest.fixture(autouse=True)
def short_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "RACE", 0.02)


def together(jobs: list[Callable[[], None]]) -> None:
    """Run in threads and raise what went wrong in any."""
    failures: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_eight_writers_lose_no_update() -> None:
    store = MemoryStore()
    filled(first := Client(store), 5, 20)
    first.push()

    def writer(number: int) -> None:
        client = Client.opened(store)
        for turn in range(25):
            client[f"writer{number}/{turn}"] = f"{number} {turn}".encode()
            client.push(threads=1)

    together([lambda number=number: writer(number) for number in range(8)])  # type: ignore[misc]
    found = remote(store)
    assert found is not None
    assert {key: value for key, value in found.items() if key.startswith("writer")} == {
        f"writer{number}/{turn}": f"{number} {turn}".encode() for number in range(8) for turn in range(25)
    }
    version = open_version(store, KEY)
    times, length = [version.snapshot.time], 1
    snapshot = version.snapshot
    while snapshot.parent is not None:
        snapshot = Snapshot.decode(read_snapshot(version, snapshot.parent))
        times.append(snapshot.time)
        length += 1
    assert length == 201
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == len(times)


def test_of_writers_that_make_a_database_one_wins() -> None:
    store = MemoryStore()
    made = []

    def maker(number: int) -> None:
        client = Client(store)
        client["who"] = str(number).encode()
        try:
            client.push()
            made.append(number)
        except RemoteExistsError:
            assert len(client.pending()) == 1

    together([lambda number=number: maker(number) for number in range(8)])  # type: ignore[misc]
    assert len(made) == 1
    assert remote(store) == {"who": str(made[0]).encode()}


def test_readers_never_see_half_a_push() -> None:
    store = MemoryStore()
    writer = Client(store)
    done = threading.Event()

    def write_all(turn: int) -> None:
        for number in range(40):
            writer[f"t/{number}"] = b"%d" % turn
        writer.push(num_groups=3)

    write_all(0)
    seen: set[bytes] = set()

    def write() -> None:
        for turn in range(1, 40):
            write_all(turn)
        done.set()

    def read() -> None:
        pinned = open_version(store, KEY)
        before = contents(pinned)
        while not done.is_set():
            found = remote(store)
            assert found is not None
            assert len(found) == 40
            assert len(set(found.values())) == 1
            seen.update(found.values())
        assert contents(pinned) == before

    together([write, read, read])
    assert len(seen) > 1


def test_giving_up_everything_makes_no_version() -> None:
    store, one, other = two_clients()
    one["mine"] = b"one"
    other["mine"] = b"other"
    newest = one.push().version.snapshot.id
    result = other.push(on_conflict="theirs")
    assert not result
    assert result.dropped == ("mine",)
    assert result.version.snapshot.id == newest == open_version(store, KEY).snapshot.id
    assert other.pending() == []
    other["mine"] = b"again"
    assert other.push()


def test_equal_keys_conflict_and_are_named() -> None:
    store, one, other = two_clients()
    one["abcdefgh/0.1"] = b"one"
    one["mine"] = b"one"
    other["abcdefgh/0.1"] = b"other"
    other["abcdefgh/0.2"] = b"other"
    one.push()
    with pytest.raises(ConflictError, match="changed on both sides") as caught:
        other.push()
    assert caught.value.keys == ("abcdefgh/0.1",)
    found = remote(store)
    assert found is not None
    assert found["abcdefgh/0.1"] == b"one"
    assert len(other.pending()) == 2
    result = other.push(on_conflict="theirs")
    assert result.dropped == ("abcdefgh/0.1",)
    found = remote(store)
    assert found is not None
    assert (found["abcdefgh/0.1"], found["abcdefgh/0.2"], found["mine"]) == (b"one", b"other", b"one")
    assert other.pending() == []


def test_ours_writes_over_it() -> None:
    store, one, other = two_clients()
    one["abcdefgh/0.1"] = b"one"
    del one["abcdefgh/0.2"]
    one.push()
    other["abcdefgh/0.1"] = b"other"
    other["abcdefgh/0.2"] = b"other"
    other.push(on_conflict="ours")
    found = remote(store)
    assert found is not None
    assert (found["abcdefgh/0.1"], found["abcdefgh/0.2"]) == (b"other", b"other")


def test_equal_edits_and_equal_deletions_do_not_conflict() -> None:
    store, one, other = two_clients()
    for client in (one, other):
        client["abcdefgh/0.1"] = b"same"
        del client["abcdefgh/0.2"]
    one["a"] = b"1"
    other["b"] = b"2"
    one.push()
    other.push()
    found = remote(store)
    assert found is not None
    assert found["abcdefgh/0.1"] == b"same"
    assert "abcdefgh/0.2" not in found
    assert {"a", "b"} <= found.keys()


def test_a_deletion_conflicts_with_a_change() -> None:
    _, one, other = two_clients()
    one["abcdefgh/0.1"] = b"one"
    one.push()
    del other["abcdefgh/0.1"]
    with pytest.raises(ConflictError):
        other.push()


def test_a_changed_guard_conflicts_although_keys_are_disjoint() -> None:
    store, one, other = two_clients()
    one["d/time"] = b"longer"
    one.push()
    guards = {"abcdefgh/": ("v/t", "d/time")}
    other["abcdefgh/9.9"] = b"at the end"
    other["elsewhere"] = b"fine"
    with pytest.raises(ConflictError, match="d/time") as caught:
        other.push(guards=guards)
    assert (caught.value.keys, caught.value.guards) == ((), ("d/time",))
    result = other.push(guards=guards, on_conflict="theirs")
    assert result.dropped == ("abcdefgh/9.9",)
    found = remote(store)
    assert found is not None
    assert found["elsewhere"] == b"fine"
    assert "abcdefgh/9.9" not in found


def test_a_guard_that_ends_in_a_slash_stands_for_all_keys_below() -> None:
    _, one, other = two_clients()
    one["abcdefgh/7.7"] = b"new"
    one.push()
    other["v/t"] = b"gone"
    with pytest.raises(ConflictError) as caught:
        other.push(guards={"v/t": ("abcdefgh/",)})
    assert caught.value.guards == ("abcdefgh/7.7",)


def test_unchanged_guards_do_not_stand_in_the_way() -> None:
    store, one, other = two_clients()
    one["abcdefgh/0.5"] = b"one"
    one.push()
    other["abcdefgh/0.6"] = b"other"
    other.push(guards={"abcdefgh/": ("v/t", "d/time")})
    found = remote(store)
    assert found is not None
    assert (found["abcdefgh/0.5"], found["abcdefgh/0.6"]) == (b"one", b"other")


def test_metadata_changed_on_both_sides_conflicts() -> None:
    store, one, other = two_clients()
    one.push(metadata=b'"one"')
    with pytest.raises(ConflictError, match="metadata"):
        other.push(metadata=b'"other"')
    other["abcdefgh/0.1"] = b"other"
    other.push(metadata=b'"other"', on_conflict="theirs")
    assert open_version(store, KEY).snapshot.metadata == b'"one"'


def test_a_replacement_keeps_identity_and_history_and_conflicts_with_any_change() -> None:
    store, one, other = two_clients()
    before = open_version(store, KEY)
    one["only"] = b"this"
    result = one.push(replace=True)
    assert remote(store) == {"only": b"this"}
    version = result.version
    assert version.uuid == before.uuid
    assert version.snapshot.parent == before.root.ref
    assert [pack.live_rows for pack in version.snapshot.packs if pack] == [1]
    other["mine"] = b"x"
    with pytest.raises(ConflictError):
        other.push(replace=True)
    other.push(replace=True, on_conflict="ours")
    assert remote(store) == {"mine": b"x"}


def test_tags_never_conflict() -> None:
    store, one, other = two_clients()
    ref = other.version.root.ref  # type: ignore[union-attr]
    one["a"] = b"1"
    one.push(tag="edited")
    other.push(tag="as it was")
    version = open_version(store, KEY)
    assert version.root.tags["as it was"] == ref
    assert version.root.tags["edited"] == version.root.ref
    assert remote(store)["a"] == b"1"  # type: ignore[index]


def test_a_version_is_later_than_its_parent_whatever_the_clock_says() -> None:
    store, one, _ = two_clients()
    version = open_version(store, KEY)
    data = replace(version.snapshot, time=1 << 60).encode()
    ref = SnapshotRef(b"n" * 16, 0, len(data), digest(data))
    store.put(KEY, replace(version.root, snapshot=data, ref=ref).encode())
    one.version = open_version(store, KEY)
    one["a"] = b"1"
    assert one.push().version.snapshot.time == (1 << 60) + 1


def test_versions_can_be_reached_by_their_parents() -> None:
    _, one, _ = two_clients()
    one["a"] = b"1"
    one.push(message="added a")
    del one["a"]
    version = one.push(message="removed a").version
    messages = []
    snapshot = version.snapshot
    while True:
        messages.append(snapshot.message)
        if snapshot.parent is None:
            break
        data = read_snapshot(version, snapshot.parent)
        snapshot = Snapshot.decode(data)
    assert messages == ["removed a", "added a", ""]


def two_clients() -> tuple[MemoryStore, Client, Client]:
    store = MemoryStore()
    first = Client(store)
    filled(first, 30, 30)
    first["v/t"] = b"variable"
    first["d/time"] = b"dimension"
    first.push()
    return store, Client.opened(store), Client.opened(store)


class WithoutETags(StoreWrapper):
    """Answers writes of the root without saying as what they were stored."""

    def __init__(self, inner: ObjectStore, *, swallows: bool) -> None:
        super().__init__(inner)
        self.swallows = swallows
        self.puts = 0

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        if key != KEY:
            return self.inner.put(key, body, mode)
        self.puts += 1
        meta = ObjectMeta(key, 0, "", None, None) if self.swallows else self.inner.put(key, body, mode)
        return replace(meta, etag="")


def test_a_write_answered_without_an_etag_is_looked_up() -> None:
    inner = MemoryStore()
    writer = Client(inner)
    made = filled(writer, 5, 50)
    writer.push()
    store = WithoutETags(inner, swallows=False)
    client = Client.opened(store)
    made["mine"] = client["mine"] = b"1"
    assert client.push()
    assert (store.puts, list(client.pending())) == (1, [])
    assert remote(inner) == made


def test_a_write_that_was_answered_and_not_carried_out_leaves_everything_pending() -> None:
    inner = MemoryStore()
    writer = Client(inner)
    made = filled(writer, 5, 50)
    writer.push()
    client = Client.opened(WithoutETags(inner, swallows=True))
    client["mine"] = b"1"
    with pytest.raises(PushError, match="pending change is kept"):
        client.push()
    assert [row.key for row in client.pending()] == ["mine"]
    assert remote(inner) == made
