"""What reading and writing a remote costs: requests and bytes."""

import pytest

from ebooklet.errors import RemoteExistsError, UUIDMismatchError
from ebooklet.format.snapshot import Snapshot
from ebooklet.stores.folder import FolderStore
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore
from ebooklet.sync.contract import PushOptions
from ebooklet.sync.copy import CopyOptions, copy_database
from ebooklet.sync.delete import delete_database
from ebooklet.sync.push import push
from ebooklet.sync.version import CachedRoot, open_version, read_snapshot
from tests.ebooklet.sync.local_side import KEY, Client, chunk, contents, filled, remote

SHAPES = [pytest.param(28, 240_000, id="28 chunks"), pytest.param(2000, 19_000, id="2000 chunks")]
PACK = 8 << 20


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(MemoryStore())


@pytest.mark.parametrize(("count", "size"), SHAPES)
def test_every_workload_stays_within_its_requests(store: CountingStore, count: int, size: int) -> None:
    writer = Client(store)
    made = filled(writer, count, size)
    writer["ds"] = b"structure"
    writer["time/0"] = chunk(2000, "time")
    made |= {"ds": b"structure", "time/0": chunk(2000, "time")}
    packs = -(-count * (size + 80) // PACK)
    result = writer.push(group_bytes=PACK, inline=["ds", "time/0"])
    assert store.counts.requests == {"put": packs, "conditional_put": 1}
    assert result.objects == packs + 1
    assert result.nbytes == store.counts.sent
    store.reset()

    reader = open_version(store, KEY)
    assert reader.inline(reader.rows(["ds"])[0]) == b"structure"
    assert len(reader) == len(made)
    assert dict(reader.fetch(reader.rows(["time/0"])))[reader.row("time/0")] == chunk(2000, "time")
    assert store.counts.requests == {"get": 1}
    assert store.counts.received < 15_000 + 2009
    store.reset()

    row = reader.row("abcdefgh/0.20")
    assert row is not None
    assert [value[: row.length] for _, value in reader.fetch([row])] == [made["abcdefgh/0.20"]]
    assert store.counts.requests == {"get_range": 1}
    assert store.counts.received == row.length + row.tail
    store.reset()

    assert contents(reader) == made
    assert store.counts.total <= -(-count * (size + 80) // 4_000_000)
    store.reset()

    again = open_version(store, KEY, CachedRoot.decode(reader.cached.encode()))
    assert store.counts.requests == {"get": 1}
    assert store.counts.received == 0
    assert len(again) == len(made)
    store.reset()

    editor = Client(store, again)
    for number in range(max(1, count // 100)):
        key = f"abcdefgh/{number}.7" if number < count // 40 else f"abcdefgh/0.{number % 28}"
        editor.write(key, chunk(size, f"new {number}"), tail=b"T" * 32)
        made[key] = chunk(size, f"new {number}")
    editor.push()
    assert store.counts.requests == {"put": 1, "conditional_put": 1}
    assert store.counts.sent < max(1, count // 100) * (size + 100) + 40_000
    assert remote(store) == made
    store.reset()

    live = sum(pack is not None for pack in editor.version.snapshot.packs)
    target = CountingStore(MemoryStore("other"))
    copied = copy_database(editor.version, target, "copy.cfdb").version
    assert store.counts.total + target.counts.total <= live + 2
    assert contents(copied) == made
    store.reset()

    assert delete_database(store, KEY, editor.version).n_objects == packs + 2
    assert store.counts.total == 1 + 2 * -(-packs // 1000)
    assert list(store.list(KEY)) == []


def test_a_writer_whose_version_is_old_needs_three_requests(store: CountingStore) -> None:
    writer = Client(store)
    filled(writer, 100, 500)
    writer.push()
    late = Client.opened(store)
    writer["abcdefgh/0.0"] = b"changed"
    writer.push()
    store.reset()
    fresh = Client(store, open_version(store, KEY))
    fresh["abcdefgh/0.1"] = b"changed too"
    fresh.push()
    assert store.counts.requests == {"get": 1, "put": 1, "conditional_put": 1}
    store.reset()
    late["abcdefgh/0.2"] = b"and that"
    late.push()
    assert store.counts.requests == {"put": 2, "conditional_put": 2, "get": 1}


def test_nothing_to_push_sends_nothing(store: CountingStore) -> None:
    writer = Client(store)
    filled(writer, 3, 100)
    writer.push()
    store.reset()
    assert not writer.push(message="nothing changed")
    assert store.counts.total == 0


def test_a_push_without_values_takes_two_requests(store: CountingStore) -> None:
    writer = Client(store)
    made = filled(writer, 3, 100)
    writer.push()
    store.reset()
    del writer["abcdefgh/0.1"]
    del made["abcdefgh/0.1"]
    writer.push(metadata=b'{"a": 1}')
    assert store.counts.requests == {"put": 1, "conditional_put": 1}
    assert remote(store) == made
    assert open_version(store, KEY).snapshot.metadata == b'{"a": 1}'


def test_everything_can_be_deleted_and_written_again(store: CountingStore) -> None:
    writer = Client(store)
    made = filled(writer, 30, 100)
    writer.push()
    for key in made:
        del writer[key]
    writer.push()
    assert remote(store) == {}
    assert not any(writer.version.snapshot.packs)  # type: ignore[union-attr]
    writer["one"] = b"1"
    writer.push()
    assert remote(store) == {"one": b"1"}


def test_notes_cost_one_request_for_each_pack(store: CountingStore) -> None:
    writer = Client(store)
    filled(writer, 60, 100)
    writer.push(num_groups=3)
    store.reset()
    reader = open_version(store, KEY)
    rows = list(reader.iter_rows())
    notes = reader.times_and_notes(rows)
    assert [note for _, note in notes] == [b"statistics of " + row.key.encode() for row in rows]
    assert [time for time, _ in notes] == [writer.rows[row.key].timestamp for row in rows]
    assert store.counts.requests == {"get": 1, "get_range": 3}
    reader.times_and_notes(rows)
    assert store.counts.total == 4


def test_a_large_table_is_cut_and_an_edit_sends_only_what_changed(store: CountingStore) -> None:
    writer = Client(store)
    made = {f"abcdefgh/{n}": n.to_bytes(4, "little") for n in range(20_000)}
    for key, value in made.items():
        writer[key] = value
    writer.push()
    assert len(open_version(store, KEY).cached.body) < 10_000
    store.reset()
    reader = open_version(store, KEY)
    row = reader.row("abcdefgh/12345")
    assert row is not None
    assert store.counts.requests == {"get": 1, "get_range": 1}
    assert len(list(reader.iter_rows())) == 20_000
    assert store.counts.requests == {"get": 1, "get_range": 2}  # all other pages in one
    editor = Client(store, reader)
    editor["abcdefgh/12345"] = b"new"
    made["abcdefgh/12345"] = b"new"
    store.reset()
    editor.push()
    assert store.counts.requests == {"put": 1, "conditional_put": 1}
    assert store.counts.sent < 60_000
    assert remote(store) == made


def test_long_values_are_shared_by_several_requests(store: CountingStore) -> None:
    writer = Client(store)
    made = {"long": chunk(17 << 20, "long"), "short": b"s", "empty": b""}
    for key, value in made.items():
        writer[key] = value
    writer.push()
    store.reset()
    reader = open_version(store, KEY)
    steps: list[tuple[int, int]] = []
    rows = list(reader.iter_rows())
    found = {row.key: value for row, value in reader.fetch(rows, progress=lambda *step: steps.append(step))}
    assert found == made
    assert store.counts.requests == {"get": 1, "get_range": 6}
    assert steps[-1] == ((17 << 20) + 1, (17 << 20) + 1)


def test_num_groups_gives_that_many_packs(store: CountingStore) -> None:
    writer = Client(store)
    filled(writer, 20, 1000)
    writer.push(num_groups=4)
    assert store.counts.requests == {"put": 4, "conditional_put": 1}
    sizes = [pack.live_rows for pack in open_version(store, KEY).snapshot.packs if pack]
    assert sizes == [5, 5, 5, 5]


def test_deleting_thousands_of_objects_takes_two_requests_for_each_thousand(store: CountingStore) -> None:
    writer = Client(store)
    filled(writer, 2300, 10)
    objects = writer.push(num_groups=2300).objects
    assert 2000 < objects < 3000
    store.put(f"{KEY}.bak", b"a neighbour")
    store.put(f"{KEY}.objects/other/x", b"of a database that was here before")
    store.reset()
    assert delete_database(store, KEY, writer.version).n_objects == objects
    assert store.counts.total == 1 + 2 * 3
    assert [meta.key for meta in store.list("")] == [f"{KEY}.bak", f"{KEY}.objects/other/x"]


def test_deleting_looks_whose_database_it_is_now(store: CountingStore) -> None:
    writer = Client(store)
    made = filled(writer, 3, 10)
    writer.push()
    late = Client.opened(store)
    writer["more"] = made["more"] = b"1"
    writer.push()
    copied = copy_database(writer.version, store, "copy.cfdb").version  # type: ignore[arg-type]
    body = store.get("copy.cfdb").body
    store.put(KEY, body)
    with pytest.raises(UUIDMismatchError, match="another database now"):
        delete_database(store, KEY, late.version)
    assert store.get(KEY).body == body
    store.put(KEY, writer.version.cached.body)  # type: ignore[union-attr]
    assert delete_database(store, KEY, late.version).n_objects == 3, "a later version of the same database"
    assert contents(copied) == made


def test_a_copy_is_a_database_of_its_own(store: CountingStore) -> None:
    writer = Client(store)
    made = filled(writer, 10, 100)
    writer.push(inline=["abcdefgh/0.3"], tag="first")
    source = open_version(store, KEY)
    copied = copy_database(source, store, "copy.cfdb").version
    assert (copied.root.copied_from, copied.root.tags) == (source.uuid, {})
    assert copied.uuid != source.uuid
    with pytest.raises(RemoteExistsError, match="overwrite=True"):
        copy_database(source, store, "copy.cfdb")
    delete_database(store, KEY, source)
    assert contents(open_version(store, "copy.cfdb")) == made
    assert copied.root.ref is None
    editor = Client(store, copied)
    tagged = push(store, "copy.cfdb", editor, copied, PushOptions(tag="as copied")).version
    assert tagged.root.tags == {"as copied": tagged.root.ref}
    assert tagged.snapshot.parent is not None
    assert Snapshot.decode(read_snapshot(tagged, tagged.snapshot.parent)) == copied.snapshot
    with pytest.raises(RemoteExistsError, match="onto itself"):
        copy_database(tagged, store, "copy.cfdb", CopyOptions(overwrite=True))
    again = copy_database(tagged, store, "again.cfdb").version
    replaced = copy_database(again, store, "copy.cfdb", CopyOptions(overwrite=True)).version
    assert contents(replaced) == made
    assert {meta.key.split("/")[1] for meta in store.list("copy.cfdb.objects/")} == {replaced.uuid.hex}


def test_a_copy_streams_between_stores_of_different_kinds(store: CountingStore, tmp_path) -> None:  # type: ignore[no-untyped-def]
    writer = Client(store)
    made = filled(writer, 30, 1000)
    writer.push(num_groups=3)
    folder = FolderStore(tmp_path)
    assert contents(copy_database(writer.version, folder, "copy.cfdb").version) == made
    assert contents(open_version(folder, "copy.cfdb")) == made
