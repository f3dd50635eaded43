"""Compaction: fewer and fuller objects, the same values, nothing of anybody's commit lost, whatever fails."""

import random
import re

import pytest

from ebooklet.errors import EBookletError, RemoteIntegrityError, UncertainOutcomeError, UUIDMismatchError
from ebooklet.format.snapshot import Snapshot
from ebooklet.plan.compact import plan_compaction
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore
from ebooklet.sync import commit, compact
from ebooklet.sync.compact import compact_database, plan_for
from ebooklet.sync.contract import PushOptions, PushResult
from ebooklet.sync.version import RemoteVersion, open_version, read_snapshot
from tests.ebooklet.sync.local_side import KEY, Client, chunk, contents, filled, remote
from tests.ebooklet.sync.test_faults import Deadly, DeadlyStore, KilledError


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "LONGEST", 0.0)
    monkeypatch.setattr(commit, "RACE", 0.0)


def scattered(store: CountingStore | MemoryStore, pushes: int = 40) -> dict[str, bytes]:
    """A grid of values of which many were replaced one by one."""
    writer = Client(store)
    made = filled(writer, 400, 200)
    writer.push(num_groups=4)
    rng = random.Random(0)
    for number in range(pushes):
        key = f"abcdefgh/{rng.randrange(10)}.{rng.randrange(40)}"
        made[key] = chunk(200, number)
        writer.write(key, made[key], tail=b"T" * 32, note=b"note %d" % number)
        writer.push()
    return made


def compacted(version: RemoteVersion, **options: object) -> PushResult:
    return compact_database(version, plan_for(version), PushOptions(**options))  # type: ignore[arg-type]


def what_is_known(version: RemoteVersion) -> dict[str, tuple[bytes, int, bytes]]:
    rows = list(version.iter_rows())
    cold = version.times_and_notes(rows)
    values = {row.key: bytes(value) for row, value in version.fetch(rows)}  # type: ignore[arg-type]
    return {row.key: (values[row.key], *known) for row, known in zip(rows, cold, strict=True)}


def test_many_small_packs_become_one_and_every_value_time_and_note_stays() -> None:
    store = CountingStore(MemoryStore())
    made = scattered(store)
    before = what_is_known(open_version(store, KEY))
    version = open_version(store, KEY)
    plan = plan_for(version)
    assert len(plan.packs) == sum(pack is not None for pack in version.snapshot.packs)
    store.reset()
    result = compact_database(version, plan, PushOptions(message="tidy"))
    assert result
    assert store.counts.total == plan.reads + plan.writes
    assert store.counts.received < 2 * plan.moved
    after = open_version(store, KEY)
    assert contents(after) == made
    assert what_is_known(after) == before
    assert after.snapshot.message == "tidy"
    assert sum(pack is not None for pack in after.snapshot.packs) == 1
    assert not plan_for(after), "nothing is left to do"
    assert not compacted(after)


def test_reading_takes_fewer_requests_afterwards() -> None:
    store = CountingStore(MemoryStore())
    scattered(store, pushes=60)
    version = open_version(store, KEY)
    plan = plan_for(version)

    def reads() -> int:
        reader = open_version(store, KEY)
        store.reset()
        contents(reader)
        return store.counts.total

    assert reads() == plan.reads_before > 30
    compact_database(version, plan, PushOptions())
    assert reads() <= plan.reads_after == 1


def test_full_packs_stay_where_they_are() -> None:
    store = CountingStore(MemoryStore())
    writer = Client(store)
    made = filled(writer, 40, 50_000)
    writer.push(group_bytes=1 << 20)
    large = {pack.name for pack in writer.version.snapshot.packs if pack}  # type: ignore[union-attr]
    for number in range(5):
        made[f"abcdefgh/0.{number}"] = chunk(100, number)
        writer[f"abcdefgh/0.{number}"] = made[f"abcdefgh/0.{number}"]
        writer.push()
    version = open_version(store, KEY)
    plan = plan_for(version, group_bytes=1 << 20)
    store.reset()
    result = compact_database(version, plan, PushOptions(group_bytes=1 << 20))
    after = open_version(store, KEY)
    assert contents(after) == made
    assert large <= {pack.name for pack in after.snapshot.packs if pack}
    assert len(result.rows) == 5
    assert store.counts.sent < 30_000


def test_packs_that_were_cut_to_be_sent_at_the_same_time_stay() -> None:
    store = MemoryStore()
    writer = Client(store)
    filled(writer, 60, 300_000)
    writer.push()
    version = open_version(store, KEY)
    assert len(version.snapshot.packs) == 4
    assert not plan_for(version)


def test_a_pack_that_is_mostly_dead_is_given_up() -> None:
    store = MemoryStore()
    writer = Client(store)
    filled(writer, 40, 50_000)
    writer.push()
    made = filled(writer, 30, 50_000, "new")
    writer.push()
    version = open_version(store, KEY)
    plan = plan_for(version, group_bytes=1 << 20)
    assert [(use.number, use.rows) for use in plan.packs] == [(0, 10)]
    compact_database(version, plan, PushOptions())
    after = open_version(store, KEY)
    assert after.snapshot.packs[0] is None
    assert {key: value for key, value in contents(after).items() if key in made} == made


@pytest.mark.parametrize("size", [0, -1, "x", 1.5, True])
def test_a_size_that_is_none_is_refused(size: object) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(f"group_bytes={size!r}")):
        plan_compaction([], [], group_bytes=size)  # type: ignore[arg-type]


def test_the_version_before_stays_readable_in_full() -> None:
    store = MemoryStore()
    made = scattered(store)
    pinned = open_version(store, KEY)
    result = compacted(open_version(store, KEY))
    assert contents(pinned) == made
    parent = result.version.snapshot.parent
    assert parent is not None
    assert Snapshot.decode(read_snapshot(result.version, parent)) == pinned.snapshot


def test_inline_values_stay_inline() -> None:
    store = CountingStore(MemoryStore())
    writer = Client(store)
    filled(writer, 10, 50)
    writer.push(inline=["abcdefgh/0.1"])
    for number in range(3):
        writer[f"abcdefgh/0.{number}"] = b"changed"
        writer.push()
    compacted(open_version(store, KEY))
    store.reset()
    reader = open_version(store, KEY)
    assert reader.inline(reader.rows(["abcdefgh/0.1"])[0]) == b"changed"  # type: ignore[arg-type]
    assert store.counts.total == 1


def test_what_others_commit_meanwhile_is_kept() -> None:
    """Changed, written again with another note, deleted and added while the compaction was under way."""
    store = MemoryStore()
    made = scattered(store)
    version = open_version(store, KEY)
    plan = plan_for(version)
    other = Client.opened(store)
    other.write("abcdefgh/0.1", b"theirs")
    other.write("abcdefgh/0.2", made["abcdefgh/0.2"], tail=b"T" * 32, note=b"the same value, another note")
    other["added"] = b"new"
    del other["abcdefgh/0.3"]
    other.push()
    expected = what_is_known(open_version(store, KEY))
    result = compact_database(version, plan, PushOptions())
    assert result.attempts == 2
    assert len(result.rows) == len(plan.rows) - 3
    assert what_is_known(open_version(store, KEY)) == expected


def test_pending_edits_of_others_do_not_conflict_with_a_compaction() -> None:
    store = MemoryStore()
    made = scattered(store)
    late = Client.opened(store)
    late["abcdefgh/0.5"] = made["abcdefgh/0.5"] = b"mine"
    compacted(open_version(store, KEY))
    late.push(guards={"abcdefgh/": ("abcdefgh/0.6",)})
    assert remote(store) == made


def test_a_replacement_does_not_conflict_with_a_compaction() -> None:
    store = MemoryStore()
    scattered(store)
    late = Client.opened(store)
    late["only"] = b"this"
    assert compacted(open_version(store, KEY))
    late.push(replace=True)
    assert remote(store) == {"only": b"this"}


def test_two_compactions_at_once_leave_one_valid_remote() -> None:
    store = MemoryStore()
    made = scattered(store)
    version = open_version(store, KEY)
    assert compacted(version)
    second = compacted(version)
    assert not second, "everything was moved already"
    assert remote(store) == made


def test_another_database_is_never_touched() -> None:
    store = MemoryStore()
    scattered(store)
    version = open_version(store, KEY)
    store.delete(KEY)
    other = Client(store)
    other["mine"] = b"1"
    other.push()
    with pytest.raises(UUIDMismatchError):
        compacted(version)
    assert remote(store) == {"mine": b"1"}


def test_more_than_fits_into_memory_goes_through_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "IN_MEMORY", 1000)
    store = MemoryStore()
    made = scattered(store)
    assert compacted(open_version(store, KEY))
    assert remote(store) == made


def test_a_damaged_value_stops_it_by_name_and_changes_nothing() -> None:
    store = MemoryStore()
    scattered(store, pushes=5)
    version = open_version(store, KEY)
    row = version.rows(["abcdefgh/0.7"])[0]
    assert row is not None
    name = version.object_key(version.snapshot.packs[row.pack].name)  # type: ignore[union-attr]
    body = bytearray(store.get(name).body)
    body[row.offset] ^= 1
    store.put(name, bytes(body))
    with pytest.raises(RemoteIntegrityError, match=r"abcdefgh/0\.7"):
        compacted(version)
    assert open_version(store, KEY).snapshot == version.snapshot


ENDS = [
    pytest.param(KilledError(), False, id="killed before"),
    pytest.param(KilledError(), True, id="killed after"),
    pytest.param(UncertainOutcomeError("lost answer"), True, id="lost answer"),
    pytest.param(UncertainOutcomeError("lost request"), False, id="lost request"),
]


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize(("error", "applied"), ENDS)
def test_failing_at_every_request_leaves_the_old_version_or_the_new_one(
    error: BaseException, applied: bool, for_ever: bool
) -> None:
    number = 0
    while True:
        inner = MemoryStore()
        made = scattered(inner, pushes=8)
        before = what_is_known(open_version(inner, KEY))
        version = open_version(inner, KEY)
        plan = plan_for(version)
        store = DeadlyStore(inner, Deadly(number, error, applied, for_ever))
        version.store = store
        try:
            compact_database(version, plan, PushOptions())
        except (KilledError, EBookletError):
            assert store.struck
        now = open_version(inner, KEY)
        assert now.snapshot.id == version.snapshot.id or now.snapshot.parent_id == version.snapshot.id
        assert what_is_known(now) == before
        assert contents(version.__class__(inner, KEY, version.cached)) == made, "readers of the old version"
        writer = Client.opened(inner)
        writer["after"] = b"it can be written to"
        writer.push()
        again = open_version(inner, KEY)
        compacted(again)
        assert remote(inner) == {**made, "after": b"it can be written to"}
        if not store.struck:
            assert number > 10
            return
        number += 1
