"""A database whose root is lost comes back from its objects, and what nobody can know is said."""

import struct
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
import ebooklet
from ebooklet.connection import StoreConnection
from ebooklet.errors import (
    EBookletError,
    RemoteConnectionError,
    RemoteExistsError,
    RemoteIntegrityError,
    RemoteMissingError,
    UncertainOutcomeError,
)
from ebooklet.format.checksum import crc32c
from ebooklet.format.names import object_text
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore, Fault, FaultyStore
from ebooklet.sync import commit
from ebooklet.sync.compact import compact_database, plan_for
from ebooklet.sync.contract import PushOptions
from ebooklet.sync.fsck import FsckOptions, check_database
from ebooklet.sync.history import entries_of
from ebooklet.sync.rebuild import RebuildOptions, rebuild_database
from ebooklet.sync.version import find_version, open_version
from tests.ebooklet.sync.local_side import KEY, Client, chunk, contents, filled, remote
from tests.ebooklet.sync.test_faults import Deadly, DeadlyStore, KilledError
from tests.ebooklet.test_fsck import database


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "LONGEST", 0.0)


def carrier(store: Any) -> tuple[str, int]:
    """The object with the newest version, and where that begins in it."""
    version = open_version(store, KEY)
    ref = version.root.ref
    assert ref is not None
    return version.object_key(ref.object), ref.offset


def spoil(store: Any, key: str, at: int) -> None:
    body = bytearray(store.get(key).body)
    body[at] ^= 1
    store.put(key, bytes(body))


def what_is_known(store: Any) -> dict[str, tuple[bytes, int, bytes]]:
    version = open_version(store, KEY)
    rows = list(version.iter_rows())
    values = contents(version)
    cold = version.times_and_notes(rows)
    return {row.key: (values[row.key], *known) for row, known in zip(rows, cold, strict=True)}


# ---- the root is gone ----------------------------------------------------------------------------------------------


def test_a_deleted_root_comes_back_with_everything_but_its_tags() -> None:
    store = CountingStore(MemoryStore())
    database(store)
    before, known = open_version(store, KEY), what_is_known(store)
    store.delete(KEY)
    store.reset()
    result = rebuild_database(store, KEY)
    assert store.counts.requests == {"get": 1, "list": 1, "get_range": 8, "conditional_put": 1}
    after = open_version(store, KEY)
    assert what_is_known(store) == known
    assert after.snapshot == before.snapshot
    assert after.uuid == before.uuid
    assert (after.root.kind, after.root.serializer) == (before.root.kind, before.root.serializer)
    assert [entry.id for entry in entries_of(after)] == [entry.id for entry in entries_of(before)]
    assert (result.version, result.base) == (before.snapshot.id.hex(), before.snapshot.id.hex())
    assert (result.n_versions, result.damaged, result.lost, result.recovered) == (6, (), (), ())
    assert any("tags" in sentence for sentence in result.unknown)
    writer = Client.opened(store)
    writer["after"] = b"1"
    writer.push()
    assert check_database(store, KEY, FsckOptions(check_objects=True)).ok


@pytest.mark.parametrize("body", [b"", b"nothing", bytes(1000)])
def test_a_damaged_root_is_replaced(body: bytes) -> None:
    store = MemoryStore()
    made = database(store)
    store.put(KEY, body)
    with pytest.raises(RemoteIntegrityError):
        open_version(store, KEY)
    rebuild_database(store, KEY)
    assert remote(store) == made


def test_a_root_that_can_be_read_is_not_replaced_unless_asked() -> None:
    store = MemoryStore()
    made = database(store)
    client = Client.opened(store)
    client["x"] = made["x"] = b"1"
    client.push(tag="kept")
    before = store.get(KEY).body
    with pytest.raises(RemoteExistsError, match="overwrite=True"):
        rebuild_database(store, KEY)
    assert store.get(KEY).body == before
    rebuild_database(store, KEY, RebuildOptions(overwrite=True))
    assert remote(store) == made
    assert set(open_version(store, KEY).root.tags) == {"kept"}


def test_what_a_push_left_that_never_ended_is_not_published() -> None:
    store = MemoryStore()
    made = database(store)
    dying = Client.opened(store)
    filled(dying, 30, 100, "never")
    dying.store = DeadlyStore(store, Deadly(3, KilledError(), applied=False, for_ever=True))
    with pytest.raises(KilledError):
        dying.push(num_groups=4)
    store.delete(KEY)
    result = rebuild_database(store, KEY)
    assert remote(store) == made
    assert result.recovered == ()
    assert len(result.ignored) >= 1


def test_a_version_of_which_objects_never_arrived_is_left_out() -> None:
    store = MemoryStore()
    made = database(store)
    writer = Client.opened(store)
    filled(writer, 30, 100, "half")
    writer.push(num_groups=3)
    lost = next(pack for pack in reversed(writer.version.snapshot.packs[:-1]) if pack)  # type: ignore[union-attr]
    store.delete(writer.version.object_key(lost.name))  # type: ignore[union-attr]
    store.delete(KEY)
    result = rebuild_database(store, KEY)
    assert remote(store) == made
    assert "left out" in result.damaged[0]


def test_nothing_to_rebuild_is_said() -> None:
    with pytest.raises(RemoteMissingError, match="no objects"):
        rebuild_database(MemoryStore(), KEY)


def test_objects_of_several_databases_need_a_choice() -> None:
    store = MemoryStore()
    made = database(store)
    uuid = open_version(store, KEY).uuid
    store.delete(KEY)
    other = database(store)
    assert made == other
    writer = Client.opened(store)
    writer["other"] = b"1"
    writer.push()
    store.delete(KEY)
    with pytest.raises(ValueError, match=str(uuid)):
        rebuild_database(store, KEY)
    assert rebuild_database(store, KEY, RebuildOptions(uuid=uuid)).uuid == uuid
    assert remote(store) == made


def test_a_dry_run_writes_nothing() -> None:
    store = MemoryStore()
    database(store)
    key, offset = carrier(store)
    spoil(store, key, offset + 30)
    store.delete(KEY)
    before = {meta.key: meta.etag for meta in store.list("")}
    result = rebuild_database(store, KEY, RebuildOptions(dry_run=True))
    assert result.recovered == ("abcdefgh/0.4",)
    assert {meta.key: meta.etag for meta in store.list("")} == before


# ---- versions are damaged as well ----------------------------------------------------------------------------------


def test_values_behind_a_damaged_version_are_added_to_the_one_before() -> None:
    store = MemoryStore()
    made = database(store)
    known = what_is_known(store)
    key, offset = carrier(store)
    spoil(store, key, offset + 30)
    store.delete(KEY)
    result = rebuild_database(store, KEY)
    assert remote(store) == made
    assert what_is_known(store) == known
    assert result.recovered == ("abcdefgh/0.4",)
    assert result.version != result.base
    assert any(key in text for text in result.damaged)
    assert any("deleted" in sentence for sentence in result.unknown)
    assert open_version(store, KEY).snapshot.parent_id.hex() == result.base
    assert check_database(store, KEY).claimed_but_missing == ()


def test_a_damaged_key_table_leads_to_the_version_before() -> None:
    store = MemoryStore()
    writer = Client(store)
    made = {f"abcdefgh/{n}": n.to_bytes(4, "little") for n in range(9000)}
    for key, value in made.items():
        writer[key] = value
    writer.push()
    writer["abcdefgh/7"] = made["abcdefgh/7"] = b"newer"
    writer.push()
    last = len(writer.version.snapshot.packs) - 1  # type: ignore[union-attr]
    page = next(page.hot for page in writer.version.table.pages if page.hot.object == last)  # type: ignore[union-attr]
    spoil(store, carrier(store)[0], page.offset + 20)
    store.delete(KEY)
    result = rebuild_database(store, KEY)
    assert remote(store) == made
    assert result.recovered == ("abcdefgh/7",)
    assert any("left out" in text for text in result.damaged)


def test_without_any_version_the_newest_value_of_each_key_wins() -> None:
    store = MemoryStore()
    made = database(store)
    version = open_version(store, KEY)
    compact_database(version, plan_for(version), PushOptions())
    for meta in store.list(f"{KEY}."):
        spoil(store, meta.key, meta.size - 3)
    store.delete(KEY)
    with pytest.raises(ValueError, match="kind="):
        rebuild_database(store, KEY)
    result = rebuild_database(store, KEY, RebuildOptions(kind="ebooklet", serializer="bytes"))
    assert remote(store) == made
    assert (result.base, len(result.recovered)) == ("", len(made))
    assert open_version(store, KEY).root.kind == "ebooklet"


def test_a_damaged_value_is_named_and_an_older_one_stands_in() -> None:
    store = MemoryStore()
    made = database(store)
    version = open_version(store, KEY)
    row = version.rows(["abcdefgh/0.4"])[0]
    key, offset = carrier(store)
    spoil(store, key, offset + 30)
    spoil(store, key, row.offset + 3)  # type: ignore[union-attr]
    store.delete(KEY)
    result = rebuild_database(store, KEY)
    assert any("newest value of 'abcdefgh/0.4'" in text for text in result.damaged)
    assert remote(store) == {**made, "abcdefgh/0.4": chunk(200, "4")}


def test_values_whose_objects_are_gone_are_listed_and_leave_the_table() -> None:
    store = MemoryStore()
    made = database(store)
    version = open_version(store, KEY)
    gone = next(row.pack for row in version.iter_rows() if row.key == "abcdefgh/0.20")
    lost = {row.key for row in version.iter_rows() if row.pack == gone}
    store.delete(version.object_key(version.snapshot.packs[gone].name))  # type: ignore[union-attr]
    store.delete(KEY)
    result = rebuild_database(store, KEY)
    assert set(result.lost) == lost
    assert remote(store) == {key: value for key, value in made.items() if key not in lost}


def test_an_object_of_zeros_among_the_others_costs_nothing_but_a_line() -> None:
    store = MemoryStore()
    made = database(store)
    store.put(carrier(store)[0].rpartition("/")[0] + "/" + "a" * 26, bytes(5000))
    store.put(carrier(store)[0].rpartition("/")[0] + "/lease", b"{}")
    store.delete(KEY)
    result = rebuild_database(store, KEY)
    assert remote(store) == made
    assert any("a" * 26 in text for text in result.damaged)


def test_what_cannot_be_reached_is_no_damage() -> None:
    """A version that the network hides must not give way to an older one."""
    inner = MemoryStore()
    writer = Client(inner)
    for number in range(9000):
        writer[f"abcdefgh/{number}"] = number.to_bytes(4, "little")
    writer.push()
    writer["abcdefgh/7"] = b"newer"
    writer.push()
    made = remote(inner)
    inner.delete(KEY)
    reads = 0
    while True:
        store = FaultyStore(inner, Fault("get_range", RemoteConnectionError("reset"), skip=reads, times=99))
        try:
            rebuild_database(store, KEY)
            break
        except RemoteConnectionError:
            assert find_version(inner, KEY) is None
            reads += 1
    assert reads > 2, "the ends, and then the pages of the key table"
    assert remote(inner) == made


def test_a_footer_that_points_far_out_of_its_object_costs_a_line() -> None:
    store = MemoryStore()
    made = database(store)
    foot = struct.pack("<8sQQQQ16s", b"EBPEND\x01\n", 1, 2, 0, 2**40, bytes(16))
    key = carrier(store)[0].rpartition("/")[0] + "/" + object_text(b"x" * 16)
    store.put(key, bytes(100_000) + foot + struct.pack("<I", crc32c(foot)))
    store.delete(KEY)
    result = rebuild_database(store, KEY)
    assert result.damaged[0] == f"{key}: the footer points out of the object"
    assert remote(store) == made


def test_an_object_that_was_written_under_another_name_is_not_read() -> None:
    store, other = MemoryStore(), MemoryStore()
    made = database(store)
    writer = Client(other)
    writer["abcdefgh/0.30"] = b"of somebody else, and newer"
    writer.push()
    key, offset = carrier(store)
    spoil(store, key, offset + 30)
    foreign = key.rpartition("/")[0] + "/" + object_text(b"x" * 16)
    store.put(foreign, other.get(carrier(other)[0]).body)
    spoil(store, foreign, -3)
    store.delete(KEY)
    rebuild_database(store, KEY)
    assert remote(store) == made


HOSTILE = st.one_of(
    st.binary(max_size=300),
    st.tuples(
        st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)
    ),
)


@settings(max_examples=80, deadline=None)
@given(HOSTILE, st.booleans())
def test_objects_made_by_somebody_else_cost_lines_and_no_more(made_up: Any, entries: bool) -> None:
    """Footers and headers of entries may claim anything, with checksums that are right."""
    store = MemoryStore()
    made = {"a": b"1", "b": b"2"}
    writer = Client(store)
    writer["a"], writer["b"] = b"1", b"2"
    writer.push()
    uuid = open_version(store, KEY).uuid
    name = b"n" * 16
    if isinstance(made_up, bytes):
        body = made_up
    else:
        head = struct.pack("<8s16s16s", b"EBPACK\x01\n", uuid.bytes, name)
        body = head + struct.pack("<I", crc32c(head))
        if entries:
            entry = struct.pack("<2sHIQQI", b"\xebE", 1, made_up[0] % 2**32, made_up[1], made_up[2], made_up[3] % 2**32)
            body += entry + struct.pack("<I", crc32c(entry, b"a")) + b"a" + b"some bytes"
        foot = struct.pack("<8sQQQQ16s", b"EBPEND\x01\n", *made_up, bytes(16))
        body += foot + struct.pack("<I", crc32c(foot))
    key = f"{KEY}.objects/{uuid.hex}/{object_text(name)}"
    store.put(key, body)
    assert check_database(store, KEY, FsckOptions(check_objects=True)).ok, "nobody refers to it"
    store.delete(KEY)
    result = rebuild_database(store, KEY)
    found = remote(store)
    assert found is not None
    assert found.items() >= {"b": b"2"}.items()
    assert found == made or result.recovered == ("a",)


EDITS = st.lists(
    st.dictionaries(st.sampled_from("abcdef"), st.one_of(st.none(), st.binary(max_size=40)), min_size=1, max_size=4),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(EDITS, st.integers(0, 2), st.booleans(), st.integers(0, 10_000))
def test_any_history_comes_back_but_for_deletions_nobody_can_know(
    edits: list[dict[str, bytes | None]], spoiled: int, root_damaged: bool, where: int
) -> None:
    """A dict is the oracle; the versions of the last pushes are spoiled."""
    store = MemoryStore()
    writer = Client(store)
    states: list[dict[str, bytes]] = []
    tails: list[tuple[str, int, int]] = []
    state: dict[str, bytes] = {}
    for edit in edits:
        for key, value in edit.items():
            if value is not None:
                writer[key] = state[key] = value
            elif key in state:
                del writer[key], state[key]
        if not writer.push(num_groups=2):
            continue
        ref = writer.version.root.ref  # type: ignore[union-attr]
        tails.append((writer.version.object_key(ref.object), ref.offset, ref.length))  # type: ignore[union-attr]
        states.append(dict(state))
    if not tails:
        return
    spoiled = min(spoiled, len(tails))
    for key, offset, length in tails[len(tails) - spoiled :]:
        spoil(store, key, offset + where % length)
    if root_damaged:
        spoil(store, KEY, 40)
    else:
        store.delete(KEY)
    if spoiled == len(tails) and not any(states):
        return
    try:
        rebuild_database(store, KEY, RebuildOptions(kind="ebooklet", serializer="bytes"))
    except RemoteIntegrityError:
        assert spoiled == len(tails)
        return
    found = remote(store)
    assert found is not None
    assert {key: found.get(key) for key in states[-1]} == states[-1]
    back = found.keys() - states[-1].keys()
    written = {key for edit in edits for key in edit}
    assert back <= (written if spoiled else set())
    if not spoiled:
        assert found == states[-1]


ENDS = [
    pytest.param(KilledError(), False, id="killed before"),
    pytest.param(KilledError(), True, id="killed after"),
    pytest.param(UncertainOutcomeError("lost answer"), True, id="lost answer"),
    pytest.param(UncertainOutcomeError("lost request"), False, id="lost request"),
]


@pytest.mark.parametrize("root", ["deleted", "damaged"])
@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize(("error", "applied"), ENDS)
def test_failing_at_every_request_loses_nothing(error: BaseException, applied: bool, for_ever: bool, root: str) -> None:
    number = 0
    while True:
        inner = MemoryStore()
        made = database(inner)
        spoil(inner, carrier(inner)[0], carrier(inner)[1] + 30)
        if root == "deleted":
            inner.delete(KEY)
        else:
            inner.put(KEY, b"damaged")
        objects = {meta.key for meta in inner.list(f"{KEY}.")}
        store = DeadlyStore(inner, Deadly(number, error, applied, for_ever))
        try:
            rebuild_database(store, KEY)
        except (KilledError, EBookletError):
            assert store.struck
        assert objects <= {meta.key for meta in inner.list(f"{KEY}.")}
        try:
            assert remote(inner) == made
        except (AssertionError, RemoteIntegrityError):
            rebuild_database(inner, KEY)
        assert remote(inner) == made
        if not store.struck:
            assert number > 8
            return
        number += 1


# ---- as users do it ------------------------------------------------------------------------------------------------


def test_a_dataset_comes_back() -> None:
    store = MemoryStore()
    conn = StoreConnection("x.cfdb", store)
    with cfdb.open_edataset(conn, cache=None, flag="n") as ds:
        ds["t"] = ("x", [1.5, 2.5])
        ds.push()
        ds["t"][0] = 9.0
    store.delete("x.cfdb")
    told = ebooklet.rebuild(conn, dry_run=True)
    assert (told.dry_run, "would rebuild" in str(told)) == (True, True)
    with pytest.raises(ebooklet.RemoteMissingError):
        cfdb.open_edataset(conn, cache=None)
    result = ebooklet.rebuild(conn)
    assert result.ok
    assert result.exact
    assert result.n_requests == 5
    assert "not known: tags" in str(result)
    with cfdb.open_edataset(conn, cache=None) as ds:
        assert list(ds["t"].values) == [9.0, 2.5]
        assert ds.verify().ok


def test_a_uuid_may_be_text() -> None:
    store = MemoryStore()
    conn = StoreConnection(KEY, store)
    database(store)
    uuid = open_version(store, KEY).uuid
    store.delete(KEY)
    with pytest.raises(RemoteMissingError):
        ebooklet.rebuild(conn, uuid=str(uuid4()))
    assert ebooklet.rebuild(conn, uuid=str(uuid)).uuid == str(uuid)


def test_a_push_that_died_at_its_very_end_cannot_be_told_from_one_that_was_published() -> None:
    """Its writer finds it published, and pushes nothing twice."""
    store = MemoryStore()
    made = database(store)
    dying = Client.opened(store)
    dying.store = DeadlyStore(store, Deadly(1, KilledError(), applied=False, for_ever=True))
    dying["at the end"] = made["at the end"] = b"1"
    with pytest.raises(KilledError):
        dying.push()
    store.delete(KEY)
    assert check_database(store, KEY).torn_teardown
    result = ebooklet.rebuild(StoreConnection(KEY, store))
    assert "had been committed" in str(result)
    assert remote(store) == made
    dying.store = counted = CountingStore(store)
    assert dying.push()
    assert "put" not in counted.counts.requests
    assert remote(store) == made
