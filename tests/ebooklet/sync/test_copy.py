"""A copy is absent or whole, costs what it must, goes on where it stopped, and brings its history when asked."""

import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ebooklet.errors import (
    ConflictError,
    EBookletError,
    ReadOnlyError,
    RemoteExistsError,
    RemoteIntegrityError,
    UncertainOutcomeError,
)
from ebooklet.format.names import object_text
from ebooklet.stores.folder import FolderStore
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.protocol import ObjectMeta, ObjectStore
from ebooklet.stores.wrappers import CountingStore, LatencyStore, StoreWrapper
from ebooklet.sync import commit, copy
from ebooklet.sync.copy import CopyOptions, copy_database
from ebooklet.sync.history import entries_of, version_at
from ebooklet.sync.version import CachedRoot, RemoteVersion, find_version, open_version
from tests.ebooklet.sync.local_side import KEY, Client, chunk, contents, filled
from tests.ebooklet.sync.test_faults import Deadly, DeadlyStore, KilledError

COPY = "elsewhere/copy.cfdb"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "LONGEST", 0.0)


class OfAnotherKind(StoreWrapper):
    """A store whose objects cannot be copied by a server."""

    def copy(self, source_key: str, target_key: str, *, target: ObjectStore | None = None) -> bool:
        return False


class Unlisted(OfAnotherKind):
    """A web server: it lists nothing."""

    def list(self, prefix: str) -> Any:
        raise copy.UnsupportedOperationError("web servers do not list")


class Later(StoreWrapper):
    """A server whose clock is ahead of the objects that stand there."""

    def __init__(self, inner: Any, hours: float) -> None:
        super().__init__(inner)
        self.ahead = timedelta(hours=hours)

    def list(self, prefix: str) -> Any:
        for meta in super().list(prefix):
            assert meta.last_modified is not None
            yield ObjectMeta(meta.key, meta.size, "", meta.last_modified, meta.last_modified + self.ahead)


def database(store: Any, packs: int = 6) -> dict[str, bytes]:
    """Three versions, the second one tagged."""
    writer = Client(store)
    made = filled(writer, 60, 300)
    writer.push(num_groups=packs, inline=["abcdefgh/0.1"])
    writer["abcdefgh/0.7"] = made["abcdefgh/0.7"] = b"second"
    writer.push(tag="second", message="the second one")
    writer["abcdefgh/0.7"] = made["abcdefgh/0.7"] = b"third"
    del writer["abcdefgh/0.9"], made["abcdefgh/0.9"]
    writer.push()
    return made


def objects(store: ObjectStore, key: str = COPY) -> list[str]:
    return [meta.key for meta in store.list(f"{key}.objects/")]


@pytest.mark.parametrize("source_kind", [CountingStore, OfAnotherKind, Unlisted])
@pytest.mark.parametrize("history", [False, True])
def test_a_copy_holds_what_the_source_holds(source_kind: Any, history: bool, tmp_path: Path) -> None:
    inner = MemoryStore()
    made = database(inner)
    source = open_version(source_kind(inner), KEY)
    for store in (MemoryStore(), FolderStore(tmp_path / f"{history}")):
        copied = copy_database(source, store, COPY, CopyOptions(history=history))
        there = open_version(store, COPY)
        assert contents(there) == made
        assert there.uuid == copied.version.uuid != source.uuid
        assert there.root.copied_from == source.uuid
        assert copied.n_objects == len(objects(store))
        streams = source_kind is not CountingStore or isinstance(store, FolderStore)
        assert copied.n_streamed == (copied.n_objects if streams else 0)


def test_with_its_history_every_version_and_tag_comes_along() -> None:
    source, target = MemoryStore(), MemoryStore()
    database(source)
    version = open_version(source, KEY)
    copy_database(version, target, COPY, CopyOptions(history=True))
    there = open_version(target, COPY)
    assert list(entries_of(there)) == list(entries_of(version))
    assert len(list(entries_of(there))) == 3
    assert there.root.tags.keys() == {"second"}
    for store in (source, target):  # nothing is left that the copy would need
        if store is source:
            for name in objects(source, KEY):
                source.delete(name)
    second = version_at(there, there.root.tags["second"])
    assert contents(second)["abcdefgh/0.7"] == b"second"
    assert "abcdefgh/0.9" in contents(second)
    oldest = list(entries_of(there))[-1]
    assert len(contents(version_at(there, oldest.ref))) == 60


def test_a_copy_with_history_can_be_pushed_to_and_copied_again() -> None:
    source, target = MemoryStore(), MemoryStore()
    made = database(source)
    copied = copy_database(open_version(source, KEY), target, COPY, CopyOptions(history=True)).version
    again = copy_database(copied, target, KEY, CopyOptions(history=True)).version
    writer = Client(target, again)
    writer["new"] = made["new"] = b"1"
    writer.push()
    now = open_version(target, KEY)
    assert contents(now) == made
    assert len(list(entries_of(now))) == 4
    assert contents(copied) == {key: value for key, value in made.items() if key != "new"}


def test_an_old_version_is_copied_alone() -> None:
    store = MemoryStore()
    database(store)
    newest = open_version(store, KEY)
    old = version_at(newest, newest.root.tags["second"])
    copied = copy_database(old, store, COPY).version
    assert contents(copied) == contents(old)
    with pytest.raises(ValueError, match="without its history"):
        copy_database(old, store, "with/history.cfdb", CopyOptions(history=True))
    assert find_version(store, "with/history.cfdb") is None


def test_without_history_only_what_the_newest_version_needs_is_copied() -> None:
    source, target = MemoryStore(), MemoryStore()
    writer = Client(source)
    filled(writer, 10, 1000)
    writer.push()
    for number in range(10):
        writer[f"abcdefgh/0.{number}"] = b"new"
    writer.push()
    copied = copy_database(open_version(source, KEY), target, COPY)
    assert copied.n_objects == len(objects(target)) == 1
    whole = copy_database(open_version(source, KEY), target, "whole.cfdb", CopyOptions(history=True))
    assert whole.n_objects == 2


def test_a_copy_costs_a_listing_its_objects_and_one_commit() -> None:
    source, target = CountingStore(OfAnotherKind(MemoryStore())), CountingStore(MemoryStore())
    database(source.inner, packs=9)
    version = open_version(source, KEY)
    source.reset()
    copied = copy_database(version, target, COPY)
    assert source.counts.requests == {"copy": copied.n_objects, "get": copied.n_objects}
    assert target.counts.requests == {"list": 1, "put": copied.n_objects, "conditional_put": 1}


# ---- cut short and repeated ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CountingStore, Unlisted])
@pytest.mark.parametrize("history", [False, True])
def test_a_copy_that_was_cut_short_sends_only_what_is_missing(history: bool, kind: Any) -> None:
    inner, target = MemoryStore(), MemoryStore()
    made = database(inner, packs=12)
    source = open_version(kind(inner), KEY)
    dying = DeadlyStore(OfAnotherKind(target), Deadly(6, KilledError(), applied=False, for_ever=True))
    dead_source = RemoteVersion(OfAnotherKind(inner), KEY, source.cached)
    with pytest.raises(KilledError):
        copy_database(dead_source, dying, COPY, CopyOptions(history=history, threads=1))
    begun = objects(target)
    assert len(begun) == 5
    counted = CountingStore(target)
    copied = copy_database(RemoteVersion(OfAnotherKind(source.store), KEY, source.cached), counted, COPY,
                           CopyOptions(history=history))  # fmt: skip
    assert copied.n_reused == 5
    assert counted.counts.requests["put"] == copied.n_objects - 5
    assert contents(open_version(target, COPY)) == made
    assert len(objects(target)) == copied.n_objects
    assert set(begun) <= set(objects(target))


def test_an_attempt_that_somebody_deletes_meanwhile_never_becomes_a_database() -> None:
    source, target = MemoryStore(), MemoryStore()
    database(source)
    copy_database(open_version(source, KEY), target, COPY)
    target.delete(COPY)  # the beginning of a deletion
    left = objects(target)
    target.delete(left[0])

    class Deleting(StoreWrapper):
        def put(self, key: str, *args: Any, **options: Any) -> ObjectMeta:
            if key != COPY:
                self.inner.delete_many(left[1:])
            return super().put(key, *args, **options)

    with pytest.raises(ConflictError, match="copy again"):
        copy_database(open_version(OfAnotherKind(source), KEY), Deleting(target), COPY)
    assert find_version(target, COPY) is None
    copied = copy_database(open_version(source, KEY), target, COPY)
    assert contents(copied.version) == contents(open_version(source, KEY))


def test_an_attempt_of_long_ago_is_left_alone() -> None:
    """Somebody who repairs may be about to delete its objects."""
    inner, target = MemoryStore(), MemoryStore()
    made = database(inner)
    source = open_version(OfAnotherKind(inner), KEY)
    with pytest.raises(KilledError):
        copy_database(source, DeadlyStore(target, Deadly(4, KilledError(), False, True)), COPY, CopyOptions(threads=1))
    begun = objects(target)
    copied = copy_database(source, Later(target, hours=13), COPY)
    assert copied.n_reused == 0
    assert not any(copied.version.uuid.hex in name for name in begun)
    for name in begun:
        target.delete(name)
    assert contents(open_version(target, COPY)) == made


def test_an_object_of_another_length_is_sent_again() -> None:
    inner, target = MemoryStore(), MemoryStore()
    made = database(inner)
    source = open_version(OfAnotherKind(inner), KEY)
    with pytest.raises(KilledError):
        copy_database(source, DeadlyStore(target, Deadly(4, KilledError(), False, True)), COPY, CopyOptions(threads=1))
    first = objects(target)[0]
    target.put(first, target.get(first).body[:-1])
    copied = copy_database(source, target, COPY)
    assert copied.n_reused == 2
    assert contents(open_version(target, COPY)) == made


ENDS = [
    pytest.param(KilledError(), False, id="killed before"),
    pytest.param(KilledError(), True, id="killed after"),
    pytest.param(UncertainOutcomeError("lost answer"), True, id="lost answer"),
    pytest.param(UncertainOutcomeError("lost request"), False, id="lost request"),
]


@pytest.mark.parametrize("overwriting", [False, True], ids=["new", "overwriting"])
@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize(("error", "applied"), ENDS)
def test_failing_at_every_request_leaves_the_target_as_it_was_or_whole(
    error: BaseException, applied: bool, for_ever: bool, overwriting: bool
) -> None:
    inner = MemoryStore()
    made = database(inner, packs=3)
    source = open_version(OfAnotherKind(inner), KEY)
    options = CopyOptions(history=True, overwrite=overwriting, threads=1)
    number = 0
    while True:
        target, before = MemoryStore(), None
        if overwriting:
            before = filled(old := Client(target), 3, 20, "old")
            old.push()
            version = copy_database(old.version, target, COPY).version  # type: ignore[arg-type]
            assert contents(version) == before
        store = DeadlyStore(target, Deadly(number, error, applied, for_ever))
        try:
            copy_database(source, store, COPY, options)
        except (KilledError, EBookletError):
            assert store.struck
        now = find_version(target, COPY)
        assert (None if now is None else contents(now)) in (before, made)
        if now is None or contents(now) != made:
            assert contents(copy_database(source, target, COPY, options).version) == made
        assert contents(open_version(target, COPY)) == made
        if not store.struck:
            assert number > 5
            assert {name.split("/")[-2] for name in objects(target)} == {open_version(target, COPY).uuid.hex}
            return
        number += 1


def test_of_two_copies_to_one_place_one_wins_and_stays_whole() -> None:
    inner, target = MemoryStore(), MemoryStore()
    made = database(inner)
    source = open_version(OfAnotherKind(inner), KEY)

    class Overtaken(StoreWrapper):
        def put(self, key: str, body: Any, mode: Any = copy.Streamed) -> ObjectMeta:
            if key == COPY:
                copy_database(source, target, COPY)
            return self.inner.put(key, body, *([] if mode is copy.Streamed else [mode]))

    with pytest.raises(RemoteExistsError, match="meanwhile"):
        copy_database(source, Overtaken(target), COPY)
    there = open_version(target, COPY)
    assert contents(there) == made
    assert {name.split("/")[-2] for name in objects(target)} == {there.uuid.hex}


# ---- memory --------------------------------------------------------------------------------------------------------


def test_a_large_object_passes_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "WHOLE", 1 << 20)
    monkeypatch.setattr(copy, "PIECE", 1 << 18)
    here, there = FolderStore(tmp_path / "a"), FolderStore(tmp_path / "b")
    writer = Client(here)
    writer["long"] = chunk(24 << 20, "long")
    writer.push(num_groups=1)
    source = open_version(CountingStore(OfAnotherKind(here)), KEY)
    tracemalloc.start()
    try:
        copied = copy_database(source, there, COPY)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
    assert copied.n_streamed == 1
    assert contents(copied.version) == {"long": writer.values["long"]}


def test_large_objects_pass_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "WHOLE", 1 << 10)
    monkeypatch.setattr(copy, "PIECE", 1 << 12)
    inner, target = MemoryStore(), MemoryStore()
    made = filled(writer := Client(inner), 60, 3000)
    writer.push(num_groups=4)
    store = CountingStore(OfAnotherKind(LatencyStore(inner, 0.001)))
    copied = copy_database(open_version(store, KEY), target, COPY)
    assert contents(copied.version) == made
    asked = [key for verb, key in store.counts.log if verb == "get_range"]
    assert len(asked) > 40
    turns = [key for number, key in enumerate(asked) if number == 0 or asked[number - 1] != key]
    assert len(turns) == 4


# ---- damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False], ids=["at once", "in pieces"])
@pytest.mark.parametrize("at", ["value", "end", "name"])
def test_damage_is_found_on_the_way_and_nothing_of_it_is_written(
    at: str, whole: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not whole:
        monkeypatch.setattr(copy, "WHOLE", 100)
        monkeypatch.setattr(copy, "PIECE", 1000)
    inner = MemoryStore()
    filled(writer := Client(inner), 30, 200)
    writer.push(num_groups=2)
    source = open_version(inner, KEY)
    names = [source.object_key(pack.name) for pack in source.snapshot.packs if pack]
    body = bytearray(inner.get(names[0]).body)
    body[{"value": 100, "end": -80, "name": 0}[at]] ^= 1
    inner.put(names[0], inner.get(names[1]).body if at == "name" else bytes(body))
    for target in (MemoryStore(), FolderStore(tmp_path)):
        with pytest.raises(RemoteIntegrityError, match=r"damaged|another object|no pack"):
            copy_database(RemoteVersion(OfAnotherKind(inner), KEY, source.cached), target, COPY)
        assert find_version(target, COPY) is None
        assert not any(name.endswith(names[0].split("/")[-1]) for name in objects(target))


def test_a_missing_object_is_named() -> None:
    inner = MemoryStore()
    database(inner)
    source = open_version(inner, KEY)
    pack = next(pack for pack in source.snapshot.packs if pack)
    inner.delete(source.object_key(pack.name))
    for kind in (CountingStore, OfAnotherKind):
        with pytest.raises(RemoteIntegrityError, match=object_text(pack.name)):
            copy_database(RemoteVersion(kind(inner), KEY, source.cached), MemoryStore(), COPY)


def test_a_database_with_features_of_a_later_release_is_not_copied_in_part() -> None:
    store = MemoryStore()
    database(store)
    version = open_version(store, KEY)
    body = copy.replace(version.root, uses=("from-the-future",)).encode()
    later = RemoteVersion(store, KEY, CachedRoot("x", body))
    with pytest.raises(ReadOnlyError, match="from-the-future"):
        copy_database(later, MemoryStore(), COPY)
