"""History of a remote: versions are listed, named, given up, brought back; collecting never deletes what is needed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebooklet.errors import (
    ConflictError,
    EBookletError,
    PushError,
    RemoteIntegrityError,
    RemoteMissingError,
    UncertainOutcomeError,
    UUIDMismatchError,
    VersionExpiredError,
    VersionNotFoundError,
)
from ebooklet.format.history import HistoryPage
from ebooklet.format.snapshot import Entry
from ebooklet.plan.history import choose
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore, StoreWrapper, Verb
from ebooklet.sync import commit
from ebooklet.sync.collect import CollectResult, collect_garbage
from ebooklet.sync.compact import compact_database, plan_for
from ebooklet.sync.contract import PushOptions
from ebooklet.sync.expire import expire_versions
from ebooklet.sync.fsck import check_database
from ebooklet.sync.history import entries_of, find_ref, version_at
from ebooklet.sync.reachable import reachable, stored_objects
from ebooklet.sync.restore import restore_version
from ebooklet.sync.tag import delete_tag, tag_found
from ebooklet.sync.version import UNKNOWN_ETAG, CachedRoot, RemoteVersion, open_version
from tests.ebooklet.sync.local_side import KEY, Client, contents, filled, remote
from tests.ebooklet.sync.test_faults import Deadly, DeadlyStore, KilledError

T = TypeVar("T")
NOW = timedelta(0)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "LONGEST", 0.0)
    monkeypatch.setattr(commit, "RACE", 0.0)


def pushed(store: Any, count: int, start: int = 0, spread: bool = True) -> list[bytes]:
    """Push values 'start', 'start + 1'... of one key, and return the ids of the versions, the oldest first.

    With `spread` every push also adds a key, so that its pack stays in use.
    """
    client = Client.opened(store)
    ids = []
    for number in range(start, start + count):
        client["a"] = b"%d" % number
        if spread:
            client[f"k/{number}"] = b"x"
        ids.append(client.push(message=f"push {number}").commit)
    return ids


def collected(store: Any, grace: timedelta | None = NOW) -> CollectResult:
    return collect_garbage(store, KEY, grace=grace, alone=True)


def at(store: Any, wanted: Any) -> RemoteVersion:
    current = open_version(store, KEY)
    return version_at(current, find_ref(current, wanted))


def history(store: Any) -> list[bytes]:
    return [entry.id for entry in entries_of(open_version(store, KEY))]


def rolled_back(store: Any, wanted: Any, base: RemoteVersion | None = None) -> Any:
    return restore_version(base or open_version(store, KEY), wanted, 0, message="back")


def test_every_push_is_a_version_that_can_be_read() -> None:
    store = MemoryStore()
    ids = pushed(store, 5)
    assert history(store) == ids[::-1]
    for number, name in enumerate(ids):
        assert contents(at(store, name.hex()))["a"] == b"%d" % number
        assert contents(at(store, len(ids) - 1 - number))["a"] == b"%d" % number


def test_the_list_of_versions_costs_nothing_and_older_ones_a_request_for_64() -> None:
    store = CountingStore(MemoryStore())
    ids = pushed(store, 200)
    store.reset()
    current = open_version(store, KEY)
    entries = entries_of(current)
    assert [next(entries).id for _ in range(64)] == ids[:-65:-1]
    assert store.counts.total == 1
    assert [entry.id for entry in entries] == ids[-65::-1]
    assert store.counts.total == 1 + 2
    assert len(current.cached.body) < 25_000
    store.reset()
    version = at(store, ids[-60].hex())
    assert store.counts.total == 2, "an old version is opened with two requests"
    assert contents(version)["a"] == b"140"
    store.reset()
    assert contents(at(store, ids[0].hex())) == {"a": b"0", "k/0": b"x"}


def test_long_messages_do_not_make_the_root_large() -> None:
    store = MemoryStore()
    client = Client(store)
    for number in range(150):
        client["a"] = b"%d" % number
        client.push(message=f"{number} " + "very long " * 1000)
    assert len(open_version(store, KEY).cached.body) < 60_000
    assert [entry.message.split()[0] for entry in entries_of(open_version(store, KEY))] == [
        str(number) for number in reversed(range(150))
    ]


def test_a_version_is_found_by_tag_id_time_and_counting() -> None:
    store = MemoryStore()
    ids = pushed(store, 4)
    tag_found(open_version(store, KEY), "v1", 2)
    current = open_version(store, KEY)
    times = [datetime.fromtimestamp(entry.time / 1e6, UTC) for entry in entries_of(current)][::-1]
    for wanted in ("v1", ids[1].hex(), ids[1].hex()[:12], ids[1].hex()[:12].upper(), 2, times[1], times[1].isoformat()):
        assert at(store, wanted).snapshot.id == ids[1], wanted
    assert at(store, times[3] + timedelta(days=400)).snapshot.id == ids[3]
    assert at(store, f"{times[3]:%Y-%m-%d}").snapshot.id == ids[3]
    assert at(store, f"{times[3]:%Y-%m}").snapshot.id == ids[3]


@pytest.mark.parametrize(
    ("wanted", "error", "said"),
    [
        ("nothing", VersionNotFoundError, "no tags"),
        ("abcdef", VersionNotFoundError, "no version that is kept has such an id"),
        ("2001-01-01", VersionNotFoundError, "no version is that old"),
        (7, VersionNotFoundError, "only 3 versions are kept"),
        (-1, ValueError, "count back"),
        (True, TypeError, "bool"),
        (1.5, TypeError, "float"),
        (datetime(2020, 1, 1), ValueError, "time zone"),
    ],
)
def test_what_names_no_version_is_refused_with_the_reason(wanted: Any, error: type[Exception], said: str) -> None:
    store = MemoryStore()
    pushed(store, 3)
    with pytest.raises(error, match=said):
        at(store, wanted)


def test_an_ambiguous_id_names_the_candidates() -> None:
    entries = [Entry(bytes([0xAB, 0xCD, number]) + bytes(13), number, None) for number in range(3)]
    with pytest.raises(VersionNotFoundError, match="abcd0000, abcd0100"):
        choose("abcd", {}, entries)


def test_an_old_version_takes_inline_values_only_where_they_are_the_same() -> None:
    store = CountingStore(MemoryStore())
    client = Client(store)
    client["same"], client["other"] = b"s", b"old"
    client.push(inline=["same", "other"])
    client["other"] = b"new"
    client.push(inline=["same", "other"])
    old = at(store, 1)
    assert old.root.inline == {"same": b"s"}
    assert contents(old) == {"same": b"s", "other": b"old"}


def test_tags_never_conflict_and_survive_pushes_of_others() -> None:
    store = MemoryStore()
    ids = pushed(store, 2)
    stale = open_version(store, KEY)
    late = Client.opened(store)
    late["mine"] = b"1"
    pushed(store, 1, start=2)
    tag_found(stale, "v1", ids[0].hex())
    assert late.push().attempts == 2
    assert set(open_version(store, KEY).root.tags) == {"v1"}
    delete_tag(open_version(store, KEY), "v1")
    assert not open_version(store, KEY).root.tags
    with pytest.raises(VersionNotFoundError, match="no tag 'v1'"):
        delete_tag(stale, "v1")


def test_a_tag_is_one_conditional_write() -> None:
    store = CountingStore(MemoryStore())
    pushed(store, 3)
    base = open_version(store, KEY)
    store.reset()
    tag_found(base, "v1", 1)
    assert store.counts.requests == {"conditional_put": 1}


def test_expired_versions_are_gone_tagged_and_recent_ones_stay() -> None:
    store = MemoryStore()
    ids = pushed(store, 10)
    tag_found(open_version(store, KEY), "v1", ids[2].hex())
    plan, _ = expire_versions(open_version(store, KEY), keep=3)
    assert [entry.id for entry in plan.gone] == [ids[n] for n in (6, 5, 4, 3, 1, 0)]
    assert history(store) == [ids[n] for n in (9, 8, 7, 2)]
    with pytest.raises(VersionNotFoundError):
        at(store, ids[5].hex())
    assert contents(at(store, "v1"))["a"] == b"2"
    assert remote(store)["a"] == b"9"  # type: ignore[index]


def test_what_was_the_newest_version_at_the_limit_of_expiry_stays() -> None:
    store = MemoryStore()
    ids = pushed(store, 6)
    entries = list(entries_of(open_version(store, KEY)))[::-1]
    when = datetime.fromtimestamp(entries[3].time / 1e6, UTC) - timedelta(microseconds=1)
    expire_versions(open_version(store, KEY), older_than=when)
    assert history(store) == ids[:1:-1]
    assert at(store, when).snapshot.id == ids[2]


def test_a_long_history_is_kept_in_pages_when_some_of_it_expires() -> None:
    store = CountingStore(MemoryStore())
    ids = pushed(store, 200, spread=False)
    plan, _ = expire_versions(open_version(store, KEY), keep=150)
    assert [entry.id for entry in plan.stay] == ids[:49:-1]
    assert history(store) == ids[:49:-1]
    pushed(store, 70, start=200, spread=False)
    assert history(store)[70:] == ids[:49:-1]
    collected(store)
    assert contents(at(store, ids[50].hex()))["a"] == b"50"


def test_collecting_frees_what_expired_and_compacted_versions_alone_had() -> None:
    store = MemoryStore()
    client = Client(store)
    filled(client, 40, 5000)
    client.push()
    for number in range(20):
        made = filled(client, 40, 5000, f"again {number}")
        client.push()
    before = sum(meta.size for meta in store.list(KEY))
    assert not collected(store), "every version is kept"
    compact_database(open_version(store, KEY), plan_for(open_version(store, KEY)), PushOptions())
    expire_versions(open_version(store, KEY), keep=1)
    result = collected(store)
    after = sum(meta.size for meta in store.list(KEY))
    assert result.nbytes > 0.9 * before
    assert after < 1.1 * 40 * 5100
    assert result.kept_bytes + open_version(store, KEY).cached.body.__len__() == after
    assert remote(store) == made
    assert not collected(store)


def test_a_dry_run_deletes_nothing_and_tells_the_same() -> None:
    store = MemoryStore()
    pushed(store, 5, spread=False)
    expire_versions(open_version(store, KEY), keep=1)
    names = [meta.key for meta in store.list(KEY)]
    told = collect_garbage(store, KEY, grace=NOW, dry_run=True)
    assert [meta.key for meta in store.list(KEY)] == names
    done = collected(store)
    assert (told.n_objects, told.nbytes) == (done.n_objects, done.nbytes) == (4, done.nbytes)
    assert "would delete 4 objects" in str(told)


def test_what_is_younger_than_the_grace_stays() -> None:
    store = MemoryStore()
    pushed(store, 5, spread=False)
    expire_versions(open_version(store, KEY), keep=1)
    result = collect_garbage(store, KEY)
    assert (result.n_objects, result.n_young) == (0, 4)
    assert "younger than 1.0 d" in str(result)


def test_a_shorter_grace_needs_the_word_that_nobody_pushes() -> None:
    store = MemoryStore()
    pushed(store, 2)
    with pytest.raises(ValueError, match="alone=True"):
        collect_garbage(store, KEY, grace=timedelta(hours=1))


def test_other_things_beside_the_objects_are_never_touched() -> None:
    store = MemoryStore()
    pushed(store, 2)
    prefix = f"{KEY}.objects/{open_version(store, KEY).uuid.hex}/"
    others = [prefix + "lease", prefix + "a" * 25 + "b", KEY + ".objects/" + "0" * 32 + "/" + "a" * 26, KEY + "2"]
    for other in others:
        store.put(other, b"not ours")
    collected(store)
    assert {meta.key for meta in store.list(KEY)} >= {*others} - {others[1]}


def test_a_version_that_cannot_be_read_stops_the_collection() -> None:
    store = MemoryStore()
    ids = pushed(store, 3)
    ref = find_ref(open_version(store, KEY), ids[0].hex())
    assert ref is not None
    version = open_version(store, KEY)
    store.put(version.object_key(ref.object), b"damaged" * 1000)
    before = len(list(store.list(KEY)))
    with pytest.raises(RemoteIntegrityError):
        collected(store)
    assert len(list(store.list(KEY))) == before


def test_a_lost_version_is_named_and_given_up() -> None:
    store = MemoryStore()
    ids = pushed(store, 4)
    current = open_version(store, KEY)
    tag_found(current, "first", ids[0].hex())
    ref = find_ref(open_version(store, KEY), "first")
    assert ref is not None
    store.delete(current.object_key(ref.object))
    way = rf"{ids[0].hex()[:8]} of .*tagged 'first'.*gone.*delete_tag\('first'\), then expire\(keep=1\)"
    with pytest.raises(RemoteIntegrityError, match=way):
        collected(store)
    report = check_database(store, KEY)
    assert not report.ok
    assert any("delete_tag('first'), then expire(keep=1)" in text for text in report.damaged)
    delete_tag(open_version(store, KEY), "first")
    expire_versions(open_version(store, KEY), keep=1)
    collected(store)
    assert check_database(store, KEY).n_versions == 1


def test_a_missing_object_is_told() -> None:
    store = MemoryStore()
    client = Client(store)
    filled(client, 10, 300)
    client.push()
    client["other"] = b"1"
    client.push()
    version = open_version(store, KEY)
    gone = version.snapshot.packs[1]
    assert gone is not None
    expire_versions(open_version(store, KEY), keep=1)
    store.delete(version.object_key(gone.name))
    result = collected(store)
    assert not result.ok
    assert len(result.missing) == 1


class Interrupted(StoreWrapper):
    """Lets something happen before the first request of a kind."""

    def __init__(self, inner: Any, verb: Verb, then: Callable[[], Any]) -> None:
        super().__init__(inner)
        self.verb, self.then = verb, then
        self.done = False

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        if verb == self.verb and not self.done:
            self.done = True
            self.then()
        return thunk()


@pytest.mark.parametrize("verb", ["list", "delete_many", "get_range"])
def test_a_push_between_listing_and_deleting_loses_nothing(verb: Verb) -> None:
    store = MemoryStore()
    pushed(store, 5, spread=False)
    expire_versions(open_version(store, KEY), keep=2)
    for meta in list(store.list(KEY)):  # everything there is old
        _age(store, meta.key, timedelta(days=3))
    late = Client.opened(store)
    late["late"] = b"1"
    result = collect_garbage(Interrupted(store, verb, late.push), KEY)
    assert result.n_objects == 3
    assert remote(store)["late"] == b"1"  # type: ignore[index]
    for entry in list(entries_of(open_version(store, KEY))):
        contents(at(store, entry.id.hex()))


def _age(store: MemoryStore, key: str, age: timedelta) -> None:
    found = store._objects[key]
    store._objects[key] = replace(found, meta=replace(found.meta, last_modified=datetime.now(UTC) - age))


def test_a_commit_whose_packs_may_have_been_collected_is_refused_and_sent_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer that slept between the last upload and the commit."""
    store = MemoryStore()
    pushed(store, 1)
    slept = iter([0.0, *[13 * 3600.0] * 1000])
    clock = time.time
    monkeypatch.setattr("ebooklet.sync.resume.time.time", lambda: clock() + next(slept))
    client = Client.opened(store)
    client["late"] = b"1"
    with pytest.raises(PushError, match="may be collected"):
        client.push()
    monkeypatch.undo()
    assert "late" not in remote(store)  # type: ignore[operator]
    client.push()
    assert remote(store)["late"] == b"1"  # type: ignore[index]


def test_rolling_back_brings_content_back_and_sends_no_value() -> None:
    store = CountingStore(MemoryStore())
    client = Client(store)
    old = filled(client, 50, 2000)
    client.push(inline=["abcdefgh/0.1"])
    filled(client, 50, 2000, "other")
    client["added"] = b"1"
    client.push(inline=["abcdefgh/0.1"])
    ids = history(store)
    base = open_version(store, KEY)
    store.reset()
    assert rolled_back(store, 1, base)
    assert store.counts.sent < 12_000
    assert store.counts.requests == {"get_range": 2, "put": 1, "conditional_put": 1}
    assert remote(store) == old
    assert open_version(store, KEY).root.inline == {"abcdefgh/0.1": old["abcdefgh/0.1"] + b"T" * 32}
    assert history(store)[1:] == ids
    assert open_version(store, KEY).snapshot.message == "back"
    assert not rolled_back(store, 0), "it is the newest already"
    client = Client.opened(store)
    client["after"] = b"1"
    client.push()
    assert remote(store) == {**old, "after": b"1"}
    assert not collected(store)
    assert contents(at(store, ids[0].hex()))["added"] == b"1"


def test_rolling_back_over_a_compaction_and_an_expiry_keeps_what_it_needs() -> None:
    store = MemoryStore()
    client = Client(store)
    old = filled(client, 30, 500)
    client.push()
    for number in range(5):
        client[f"abcdefgh/0.{number}"] = b"changed"
        client.push()
    compact_database(open_version(store, KEY), plan_for(open_version(store, KEY)), PushOptions())
    rolled_back(store, 6)
    expire_versions(open_version(store, KEY), keep=1)
    collected(store)
    assert remote(store) == old
    assert history(store) == [open_version(store, KEY).snapshot.id]


def test_rolling_back_never_undoes_a_push_nobody_has_seen() -> None:
    store = MemoryStore()
    pushed(store, 2)
    base = open_version(store, KEY)
    pushed(store, 1, start=2)
    with pytest.raises(ConflictError, match="came first"):
        rolled_back(store, 1, base)
    assert remote(store)["a"] == b"2"  # type: ignore[index]


def test_rolling_back_bears_that_somebody_names_a_version_meanwhile() -> None:
    store = MemoryStore()
    pushed(store, 2)
    base = open_version(store, KEY)
    tag_found(open_version(store, KEY), "v", 0)
    assert rolled_back(store, 1, base).attempts == 2
    assert set(open_version(store, KEY).root.tags) == {"v"}


def test_a_push_after_a_rollback_conflicts_with_what_it_brought_back() -> None:
    store = MemoryStore()
    pushed(store, 2)
    late = Client.opened(store)
    late["a"] = b"mine"
    rolled_back(store, 1)
    with pytest.raises(ConflictError) as caught:
        late.push()
    assert caught.value.keys == ("a",)


def test_a_reader_of_what_was_collected_is_told_why() -> None:
    store = MemoryStore()
    client = Client(store)
    filled(client, 10, 300)
    client.push()
    reader = open_version(store, KEY)
    filled(client, 10, 300, "new")
    client.push()
    assert len(contents(reader)) == 10
    expire_versions(open_version(store, KEY), keep=1)
    assert len(contents(reader)) == 10, "expired versions are readable until they are collected"
    collected(store)
    counting = CountingStore(store)
    reader.store = counting
    with pytest.raises(VersionExpiredError, match="not kept any more"):
        contents(reader)
    assert counting.counts.requests["get"] == 1, "one look tells it"
    with pytest.raises(VersionExpiredError):
        contents(reader)
    assert counting.counts.requests["get"] == 1


def _deleted(store: MemoryStore, key: str) -> None:
    for meta in list(store.list(KEY)):
        store.delete(meta.key)


def _replaced(store: MemoryStore, key: str) -> None:
    _deleted(store, key)
    other = Client(store)
    other["a"] = b"1"
    other.push()


@pytest.mark.parametrize(
    ("what", "error", "said"),
    [
        (_deleted, RemoteMissingError, "was deleted"),
        (_replaced, UUIDMismatchError, "another database"),
        (MemoryStore.delete, RemoteIntegrityError, "gone or cut short"),
        (lambda store, key: store.put(key, b"short"), RemoteIntegrityError, "gone or cut short"),
    ],
    ids=["deleted", "replaced", "lost", "cut short"],
)
def test_a_reader_is_told_why_a_value_is_gone(what: Any, error: type[Exception], said: str) -> None:
    store = MemoryStore()
    client = Client(store)
    filled(client, 10, 300)
    client.push()
    reader = open_version(store, KEY)
    pack = reader.snapshot.packs[0]
    assert pack is not None
    what(store, reader.object_key(pack.name))
    with pytest.raises(error, match=said) as caught:
        contents(reader)
    assert type(caught.value) is error


def _tagged(store: Any, ids: list[bytes]) -> None:
    tag_found(open_version(store, KEY), "new", ids[2].hex())


def _expired(store: Any, ids: list[bytes]) -> None:
    expire_versions(open_version(store, KEY), keep=2)


def _restored(store: Any, ids: list[bytes]) -> None:
    rolled_back(store, ids[2].hex())


def _collected(store: Any, ids: list[bytes]) -> None:
    collected(store)


def _untagged(store: Any, ids: list[bytes]) -> None:
    if "old" in open_version(store, KEY).root.tags:
        delete_tag(open_version(store, KEY), "old")


ENDS = [
    pytest.param(KilledError(), False, id="killed before"),
    pytest.param(KilledError(), True, id="killed after"),
    pytest.param(UncertainOutcomeError("lost answer"), True, id="lost answer"),
    pytest.param(UncertainOutcomeError("lost request"), False, id="lost request"),
]


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize(("error", "applied"), ENDS)
@pytest.mark.parametrize("work", [_tagged, _untagged, _expired, _restored, _collected])
def test_failing_at_every_request_leaves_every_kept_version_whole(
    work: Callable[[Any, list[bytes]], None], error: BaseException, applied: bool, for_ever: bool
) -> None:
    number = 0
    while True:
        inner = MemoryStore()
        ids = pushed(inner, 6)
        tag_found(open_version(inner, KEY), "old", 4)
        if work is _collected:
            expire_versions(open_version(inner, KEY), keep=3)
        store = DeadlyStore(inner, Deadly(number, error, applied, for_ever))
        try:
            work(store, ids)
        except (KilledError, EBookletError):
            assert store.struck
        check(inner, ids)
        work(inner, ids)
        check(inner, ids)
        collected(inner)
        check(inner, ids)
        if not store.struck:
            return
        number += 1


def check(store: Any, ids: list[bytes]) -> None:
    """Every version that is kept says what it said, or what the one says that it brought back."""
    for entry in entries_of(open_version(store, KEY)):
        version = at(store, entry.id.hex())
        number = ids.index(entry.id) if version.snapshot.message != "back" else 2
        assert contents(version) == {"a": b"%d" % number, **{f"k/{one}": b"x" for one in range(number + 1)}}
    names = {name for name, _ in stored_objects(store, KEY, open_version(store, KEY).uuid)}
    assert reachable(open_version(store, KEY)).names <= names


def test_a_database_that_was_emptied_keeps_its_history_and_its_tags() -> None:
    store = MemoryStore()
    ids = pushed(store, 1, spread=False)
    tag_found(open_version(store, KEY), "full", 0)
    client = Client.opened(store)
    del client["a"]
    ids.append(client.push().commit)
    ids += pushed(store, 1, start=7)
    assert history(store) == ids[::-1]
    assert open_version(store, KEY).snapshot.parent_id == ids[1]
    assert contents(at(store, "full")) == {"a": b"0"}


STEPS = st.lists(
    st.sampled_from(["push", "push", "push", "tag", "untag", "expire", "compact", "collect", "back", "replace"]),
    min_size=3,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.randoms(use_true_random=False))
def test_any_history_is_what_a_list_of_dicts_says(steps: list[str], chance: Any) -> None:
    store = MemoryStore()
    client = Client(store)
    client["k0"] = b"0"
    kept: list[tuple[bytes, dict[str, bytes]]] = [(client.push().commit, {"k0": b"0"})]
    tags: dict[str, bytes] = {}
    for number, step in enumerate(steps):
        now = dict(kept[-1][1])
        client = Client.opened(store)
        current = open_version(store, KEY)
        if step in ("push", "replace"):
            now = now if step == "push" else {}
            for _ in range(chance.randint(1, 4)):
                key = f"k{chance.randint(0, 9)}"
                if key in now and chance.random() < 0.3:
                    del client[key]
                    del now[key]
                else:
                    client[key] = now[key] = chance.randbytes(chance.choice([1, 300]))
            kept.append((client.push(replace=step == "replace").commit, now))
        elif step == "tag":
            name, (ident, _) = f"t{chance.randint(0, 2)}", chance.choice(kept)
            tag_found(current, name, ident.hex())
            tags[name] = ident
        elif step == "untag" and tags:
            last = sorted(tags)[-1]
            delete_tag(current, last)
            del tags[last]
        elif step == "expire":
            keep = chance.randint(1, 4)
            expire_versions(current, keep=keep)
            kept = [one for place, one in enumerate(kept) if place >= len(kept) - keep or one[0] in tags.values()]
        elif step == "compact":
            result = compact_database(current, plan_for(current), PushOptions())
            if result:
                kept.append((result.commit, now))
        elif step == "collect":
            collected(store)
        elif step == "back":
            ident, then = chance.choice(kept)
            result = restore_version(current, ident.hex(), 0)
            if result:
                kept.append((result.commit, then))
        assert history(store) == [ident for ident, _ in reversed(kept)], (number, step)
    collected(store)
    for ident, said in kept:
        assert contents(at(store, ident.hex())) == said
    for name, ident in tags.items():
        assert at(store, name).snapshot.id == ident
    current = open_version(store, KEY)
    assert {name for name, _ in stored_objects(store, KEY, current.uuid)} == reachable(current).names


def test_a_page_of_the_history_comes_back_and_nothing_else_is_believed() -> None:
    page = HistoryPage((Entry(bytes(16), 5, None, 1, 2, "said"),))
    data = page.encode()
    assert HistoryPage.decode(data) == page
    for place in range(len(data)):
        with pytest.raises(EBookletError):
            HistoryPage.decode(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


def _walks(version: RemoteVersion) -> Iterator[bytes]:
    return (entry.id for entry in entries_of(version))


def test_a_database_that_lists_no_versions_is_followed_by_its_parents_and_lists_them_from_the_next_push_on() -> None:
    store = MemoryStore()
    ids = pushed(store, 4)
    current = open_version(store, KEY)
    root = replace(current.root, history=(), older=None, uses=())
    store.put(KEY, root.encode())
    assert list(_walks(RemoteVersion(store, KEY, CachedRoot(UNKNOWN_ETAG, root.encode())))) == ids[::-1]
    more = pushed(store, 2, start=4)
    assert history(store) == [*reversed(more), *reversed(ids)]
    expire_versions(open_version(store, KEY), keep=3)
    assert history(store) == [*reversed(more), ids[3]]
