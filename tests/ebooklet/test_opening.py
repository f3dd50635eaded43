"""Flags, what each of them needs, requests, caches shared by processes, plain Booklets, offline work."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import booklet
import pytest

import ebooklet
from ebooklet.errors import NotABookletError, RemoteConnectionError
from ebooklet.local.working_copy import WorkingCopy
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore

DATA = {f"k{n}": [n] * 50 for n in range(30)}


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(MemoryStore())


@pytest.fixture
def conn(store: CountingStore) -> StoreConnection:
    return StoreConnection("db.blt", store)


@pytest.fixture
def remote(conn: StoreConnection, store: CountingStore, tmp_path: Path) -> StoreConnection:
    """A remote with `DATA`."""
    with ebooklet.open(conn, tmp_path / "origin.blt", "c", value_serializer="json") as db:
        db.update(DATA)
        db.push()
    store.counts.requests.clear()
    return conn


def requests(store: CountingStore) -> dict[str, int]:
    counted = dict(store.counts.requests)
    store.counts.requests.clear()
    return counted


# ---- flags -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["r", "w"])
def test_with_nothing_at_all_both_places_are_named(flag: Any, conn: StoreConnection, tmp_path: Path) -> None:
    with pytest.raises(ebooklet.RemoteMissingError, match=r"db\.blt.*nothing\.blt.*flag 'c'") as caught:
        ebooklet.open(conn, tmp_path / "nothing.blt", flag)
    assert isinstance(caught.value, FileNotFoundError)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flag", ["a", "r+", "x", ""])
def test_other_flags_are_explained(flag: Any, conn: StoreConnection) -> None:
    with pytest.raises(ValueError, match=r"'r' .*'w' .*'c' .*'n'"):
        ebooklet.open(conn, flag=flag)


@pytest.mark.parametrize("options", [{"num_groups": 0}, {"group_bytes": 0}, {"push_packers": 0}, {"offline": "maybe"}])
def test_impossible_parameters_are_named(options: dict[str, Any], conn: StoreConnection) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        ebooklet.open(conn, **options)


def test_c_makes_what_r_and_w_then_open(conn: StoreConnection, store: CountingStore, tmp_path: Path) -> None:
    path = tmp_path / "db.blt"
    with ebooklet.open(conn, path, "c", value_serializer="json") as db:
        db["a"] = 1
    with ebooklet.open(conn, path) as db:
        assert db["a"] == 1
    with ebooklet.open(conn, path, "w") as db:
        db["b"] = 2
        assert db.push()
    assert store.counts.requests["conditional_put"] == 1


def test_n_replaces_only_when_pushed(remote: StoreConnection, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with ebooklet.open(remote, tmp_path / "reader") as reader:
        with caplog.at_level(logging.INFO, "ebooklet"), ebooklet.open(remote, tmp_path / "new", "n") as db:
            assert len([r for r in caplog.records if "30 keys" in r.message]) == 1
            assert len(db) == 0
            uuid = db.uuid
            db["only"] = "this"
        with ebooklet.open(remote, cache=None) as other:
            assert len(other) == 30
        with ebooklet.open(remote, tmp_path / "new", "w") as db:
            assert dict(db.items()) == {"only": "this"}
            assert "replaces all 30 keys" in str(db.changes())
            db.push()
            assert dict(db.items()) == {"only": "this"}
            db["more"] = 1
            db.push()
        assert reader["k3"] == [3] * 50
        assert reader.pull()
        assert dict(reader.items()) == {"only": "this", "more": 1}
        assert reader.uuid == uuid


def test_a_replacement_can_be_given_up(remote: StoreConnection, tmp_path: Path) -> None:
    with ebooklet.open(remote, tmp_path / "new", "n") as db:
        db["only"] = "this"
        db.changes().discard()
        assert len(db) == 30
        assert not db.push()


def test_a_replacement_may_have_another_serializer(remote: StoreConnection, tmp_path: Path) -> None:
    with ebooklet.open(remote, tmp_path / "new", "n", value_serializer="str") as db:
        db["a"] = "text"
        db.push()
    with ebooklet.open(remote, cache=None) as db:
        assert dict(db.items()) == {"a": "text"}


def test_num_groups_is_the_number_of_packed_objects(conn: StoreConnection, tmp_path: Path) -> None:
    with ebooklet.open(conn, tmp_path / "db", "n", value_serializer="json", num_groups=5) as db:
        db.update(DATA)
        assert db.push().n_objects == 6
        db["k1"] = 0
        assert db.push(num_groups=1).n_objects == 2


def test_another_kind_is_named_with_its_opener(remote: StoreConnection, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"'ebooklet'.*ebooklet\.open"):
        ebooklet.open_rcg(remote, tmp_path / "group")
    with pytest.raises(TypeError, match=r"'ebooklet'.*ebooklet\.open"):
        ebooklet.open(remote, tmp_path / "origin.blt", remote_conn_group=True)


def test_files_of_another_kind_are_refused(conn: StoreConnection, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a Booklet at all, but rather long" * 20)
    with pytest.raises(NotABookletError):
        ebooklet.open(conn, tmp_path / "text", "w")


def test_two_databases_are_never_joined(remote: StoreConnection, tmp_path: Path) -> None:
    with ebooklet.open(StoreConnection("other.blt"), tmp_path / "other.blt", "c", value_serializer="json") as db:
        db["mine"] = 1
        uuid = db.uuid
    for flag in ("r", "w", "c"):
        with pytest.raises(ebooklet.UUIDMismatchError, match=str(uuid)):
            ebooklet.open(remote, tmp_path / "other.blt", flag)
    with ebooklet.open(StoreConnection("other.blt"), tmp_path / "other.blt") as db:
        assert db["mine"] == 1


def test_a_cache_file_follows_a_remote_that_became_another(
    remote: StoreConnection, store: CountingStore, tmp_path: Path
) -> None:
    with ebooklet.open(remote, cache=tmp_path / "cache") as db:
        assert db["k1"] == [1] * 50
    with ebooklet.open(remote, tmp_path / "origin.blt", "w") as db:
        db.delete_remote()
    with ebooklet.open(remote, tmp_path / "again", "c", value_serializer="str") as db:
        db["new"] = "text"
        db.push()
    with ebooklet.open(remote, cache=tmp_path / "cache") as db:
        assert dict(db.items()) == {"new": "text"}
    assert len(list((tmp_path / "cache").glob("db.blt-*"))) == 1


def test_a_deleted_remote_is_not_made_again_silently(remote: StoreConnection, tmp_path: Path) -> None:
    with ebooklet.open(remote, tmp_path / "mine", "w") as db:
        db.load_items()
    with ebooklet.open(remote, tmp_path / "origin.blt", "w") as db:
        db.delete_remote()
        assert db.detached
        assert dict(db.items()) == DATA
        assert {change.kind for change in db.changes().iter_changes()} == {"added"}
    with pytest.raises(ebooklet.RemoteMissingError, match="deleted"):
        ebooklet.open(remote, tmp_path / "mine", "w")
    with pytest.warns(UserWarning, match="is gone"), ebooklet.open(remote, tmp_path / "mine") as db:
        assert dict(db.items()) == DATA
    with ebooklet.open(remote, tmp_path / "mine", "c") as db:
        assert dict(db.items()) == DATA
        assert len(db.changes()) == len(DATA)
    with ebooklet.open(remote, tmp_path / "origin.blt", "w") as db:
        assert db.push()
    with ebooklet.open(remote, cache=None) as db:
        assert dict(db.items()) == DATA


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize("flag", ["w", "c"])
def test_a_file_of_one_remote_makes_no_second_one_at_a_wrong_address(
    remote: StoreConnection, store: CountingStore, tmp_path: Path, flag: Any, edited: bool
) -> None:
    with ebooklet.open(remote, tmp_path / "mine", "w") as db:
        db.load_items()
        if edited:
            db["mine"] = "kept"
    wrong = StoreConnection("bd.blt", store)
    if flag == "c" or not edited:
        with pytest.raises(ebooklet.RemoteMissingError, match=r"bd\.blt.*belongs to .*db\.blt.*copy_remote"):
            ebooklet.open(wrong, tmp_path / "mine", flag)
    with ebooklet.open(remote, tmp_path / "mine", "w") as db:
        assert dict(db.items()) == DATA | ({"mine": "kept"} if edited else {})
    assert not list(store.list("bd.blt"))


def test_a_file_never_published_may_go_elsewhere_and_belongs_there_from_then_on(
    store: CountingStore, tmp_path: Path
) -> None:
    first, second = StoreConnection("first.blt", store), StoreConnection("second.blt", store)
    with ebooklet.open(first, tmp_path / "mine", "c", value_serializer="json") as db:
        db["a"] = 1
    with ebooklet.open(second, tmp_path / "mine", "c") as db:
        assert db.push()
        db.delete_remote()
    with ebooklet.open(second, tmp_path / "mine", "c") as db:
        assert db.push()
    with pytest.raises(ebooklet.RemoteMissingError, match=r"first\.blt.*belongs to .*second\.blt"):
        ebooklet.open(first, tmp_path / "mine", "c")


@pytest.mark.parametrize("edited", [False, True])
def test_a_part_of_a_deleted_remote_is_never_made_a_new_one(
    remote: StoreConnection, tmp_path: Path, edited: bool
) -> None:
    first = next(iter(DATA))
    with ebooklet.open(remote, tmp_path / "part", "w") as db:
        assert db[first] == DATA[first]
        if edited:
            db["mine"] = "kept"
    with ebooklet.open(remote, tmp_path / "origin.blt", "w") as db:
        db.delete_remote()
    with pytest.raises(ebooklet.RemoteMissingError, match="left as it is"):
        ebooklet.open(remote, tmp_path / "part", "c")
    with ebooklet.open(remote, tmp_path / "part", offline=True) as db:
        assert db[first] == DATA[first]
        assert db.get("mine") == ("kept" if edited else None)


def test_edits_of_a_deleted_remote_are_published_as_a_new_one_when_all_is_here(
    remote: StoreConnection, tmp_path: Path
) -> None:
    with ebooklet.open(remote, tmp_path / "mine", "w") as db:
        db.load_items()
        db["mine"] = "kept"
    with ebooklet.open(remote, tmp_path / "origin.blt", "w") as db:
        db.delete_remote()
    with ebooklet.open(remote, tmp_path / "mine", "c") as db:
        assert db.push()
    with ebooklet.open(remote, cache=None) as db:
        assert dict(db.items()) == DATA | {"mine": "kept"}


def test_deleting_leaves_nothing_behind(remote: StoreConnection, store: CountingStore, tmp_path: Path) -> None:
    with ebooklet.open(remote, tmp_path / "origin.blt", "w") as db:
        requests(store)
        db.delete_remote()
        assert requests(store) == {"delete": 1, "list": 1, "delete_many": 1}
    assert list(store.list("")) == []


def test_a_copy_is_a_database_of_its_own(remote: StoreConnection, tmp_path: Path) -> None:
    target = StoreConnection("copy.blt", MemoryStore())
    with ebooklet.open(remote, tmp_path / "reader") as db:
        assert db.copy_remote(target).ok
        with pytest.raises(ebooklet.RemoteExistsError):
            db.copy_remote(target)
        db.copy_remote(target, overwrite=True)
        uuid = db.uuid
    with ebooklet.open(target, cache=None) as db:
        assert dict(db.items()) == DATA
        assert db.uuid != uuid
    with (
        ebooklet.open(StoreConnection("new.blt"), tmp_path / "unpublished", "c") as db,
        pytest.raises(ebooklet.RemoteMissingError, match="push"),
    ):
        db.copy_remote(target)


# ---- plain Booklets ----------------------------------------------------------------------------------------------


def test_a_plain_booklet_is_attached_and_pushed(conn: StoreConnection, tmp_path: Path) -> None:
    path = tmp_path / "plain.blt"
    with booklet.open(path, "n", key_serializer="str", value_serializer="pickle") as plain:
        plain["a"] = [1, 2]
        plain["b"] = {"c": None}
    with ebooklet.open(conn, path, "w") as db:
        assert dict(db.items()) == {"a": [1, 2], "b": {"c": None}}
        assert {change.key: change.kind for change in db.changes().iter_changes()} == {"a": "added", "b": "added"}
        assert db.push()
    with ebooklet.open(conn, cache=None) as db:
        assert dict(db.items()) == {"a": [1, 2], "b": {"c": None}}


def test_edits_made_with_plain_booklet_wait_for_the_push(remote: StoreConnection, tmp_path: Path) -> None:
    path = tmp_path / "origin.blt"
    with booklet.open(path, "w") as plain:
        assert plain["k1"] == [1] * 50
        plain["k1"] = "changed"
        plain["new"] = "added"
        del plain["k2"]
    with ebooklet.open(remote, path, "w") as db:
        changes = {change.key: change.kind for change in db.changes().iter_changes()}
        assert changes == {"k1": "changed", "new": "added", "k2": "deleted"}
        assert db["k1"] == "changed"
        db.push()
    with ebooklet.open(remote, cache=None) as db:
        expected = DATA | {"k1": "changed", "new": "added"}
        del expected["k2"]
        assert dict(db.items()) == expected


# ---- requests ----------------------------------------------------------------------------------------------------


def test_requests_of_a_reader(remote: StoreConnection, store: CountingStore, tmp_path: Path) -> None:
    with ebooklet.open(remote, tmp_path / "db") as db:
        assert requests(store) == {"get": 1}
        assert len(db) == 30
        assert "k1" in db
        assert requests(store) == {}
        assert db["k7"] == [7] * 50
        assert requests(store) == {"get_range": 1}
        assert db["k7"] == [7] * 50
        assert requests(store) == {}
        assert db.load_items() == {}
        assert requests(store) == {"get_range": 1}
        assert dict(db.items()) == DATA
    with ebooklet.open(remote, tmp_path / "db") as db:
        assert requests(store) == {"get": 1}
        assert store.counts.received < 40_000
        assert dict(db.items()) == DATA
        assert requests(store) == {}


def test_an_unchanged_root_is_not_sent_again(remote: StoreConnection, store: CountingStore, tmp_path: Path) -> None:
    for flag in ("r", "w"):
        path = tmp_path / f"db-{flag}"
        for expected in (True, False):
            store.counts.received = 0
            ebooklet.open(remote, path, flag).close()
            assert (store.counts.received > 0) == expected


def test_a_reader_keeps_a_newer_root_for_the_next_opening(
    remote: StoreConnection, store: CountingStore, tmp_path: Path
) -> None:
    ebooklet.open(remote, tmp_path / "db").close()
    with ebooklet.open(remote, tmp_path / "origin.blt", "w") as db:
        db["k1"] = 0
        db.push()
    for expected in (True, False):
        store.counts.received = 0
        with ebooklet.open(remote, tmp_path / "db") as db:
            assert (store.counts.received > 0) == expected
            assert db["k1"] == 0


def test_requests_of_a_writer(remote: StoreConnection, store: CountingStore, tmp_path: Path) -> None:
    with ebooklet.open(remote, tmp_path / "db", "w") as db:
        db["k3"] = "edited"
        db.sync()
        assert requests(store) == {"get": 1}
        result = db.push()
        assert requests(store) == {"put": 1, "conditional_put": 1}
        assert (result.n_requests, result.n_objects, result.n_keys) == (2, 2, 1)
        assert not db.push()
        assert requests(store) == {}


def test_inline_values_need_no_request(conn: StoreConnection, store: CountingStore, tmp_path: Path) -> None:
    with ebooklet.open(conn, tmp_path / "db", "c", value_serializer="json") as db:
        db.update(DATA)
        db.push(inline=["k3", "k4"])
    with ebooklet.open(conn, cache=None) as db:
        requests(store)
        assert db.is_local(["k3", "k5"]) == [True, False]
        assert db["k3"] == [3] * 50
        assert requests(store) == {}


def test_memory_alone(remote: StoreConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFDB_CACHE", str(tmp_path / "cache"))
    with ebooklet.open(remote, cache=None) as db:
        assert dict(db.items()) == DATA
        assert not db.writable
    with ebooklet.open(remote, flag="w", cache=None) as db:
        db["k1"] = 0
        db.push()
    assert not (tmp_path / "cache").exists()
    with ebooklet.open(remote) as db:
        assert db["k1"] == 0
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_folder_that_cannot_be_written_is_no_obstacle_to_reading(
    remote: StoreConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "read-only")

    monkeypatch.setattr("ebooklet.local.opening.new_file", refuse)
    with ebooklet.open(remote, tmp_path / "db") as db:
        assert dict(db.items()) == DATA
    assert not (tmp_path / "db").exists()


# ---- one cache file, many handles and processes -----------------------------------------------------------------


def test_a_busy_cache_never_blocks_or_fails_a_read(
    remote: StoreConnection, store: CountingStore, tmp_path: Path
) -> None:
    path = tmp_path / "db"
    with ebooklet.open(remote, path) as reader:
        with WorkingCopy.open(path, "w"):
            assert reader["k1"] == [1] * 50
            assert reader.load_items() == {}
            requests(store)
            assert dict(reader.items()) == DATA
            assert requests(store) == {}
            with ebooklet.open(remote, path) as second:
                assert second["k2"] == [2] * 50
        assert dict(reader.items()) == DATA
    requests(store)
    with ebooklet.open(remote, path) as reader:
        assert dict(reader.items()) == DATA
    assert requests(store) == {"get": 1}


def test_values_a_busy_cache_cannot_take_are_bounded(
    remote: StoreConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ebooklet.loading.BATCH_BYTES", 500)
    monkeypatch.setattr("ebooklet.loading.KEPT_BYTES", 1000)
    path = tmp_path / "db"
    with ebooklet.open(remote, path) as reader, WorkingCopy.open(path, "w"):
        for key, value in DATA.items():
            assert reader[key] == value
            assert reader._loader._kept_bytes <= 1000
        assert dict(reader.items()) == DATA


def test_a_reader_is_pinned_whatever_happens_to_its_file(remote: StoreConnection, tmp_path: Path) -> None:
    path = tmp_path / "db"
    with ebooklet.open(remote, path) as reader:
        assert reader["k1"] == [1] * 50
        with ebooklet.open(remote, path, "w") as writer:
            writer["k1"], writer["k2"], writer["new"] = "edit", "edit", "edit"
            del writer["k3"]
        assert reader["k2"] == [2] * 50  # fetched and written back after the edit
        assert reader.load_items() == {}
        assert dict(reader.items()) == DATA
        with ebooklet.open(remote, path, "w") as writer:
            assert writer["k2"] == "edit"
            writer.push()
            writer.prune()
        assert dict(reader.items()) == DATA
        assert reader.pull()
        assert reader["k2"] == "edit"
        assert "k3" not in reader


def test_a_damaged_copy_is_fetched_again_an_own_edit_raises(remote: StoreConnection, tmp_path: Path) -> None:
    path = tmp_path / "db"
    with ebooklet.open(remote, path, "w") as db:
        db.load_items()
        db["own"] = "x" * 200
    with WorkingCopy.open(path, "r") as copy:
        rows = copy.row("k5"), copy.row("own")
    with path.open("r+b") as file:
        for row in rows:
            assert row is not None
            file.seek(row.offset + 5)
            file.write(b"?")
    for flag in ("r", "w", "r"):
        with ebooklet.open(remote, path, flag) as db:
            assert db["k5"] == [5] * 50
            with pytest.raises(ebooklet.CorruptValueError, match="'own'"):
                db["own"]


READER = """
import sys
import ebooklet
with ebooklet.open(sys.argv[1], sys.argv[2]) as db:
    for _ in range(3):
        for n in range(200):
            assert db[f"k{n}"] == [n] * 50, n
print("done")
"""


@pytest.fixture
def folder_remote(tmp_path: Path) -> str:
    url = f"file://{tmp_path}/store/db.blt"
    with ebooklet.open(url, tmp_path / "origin.blt", "c", value_serializer="json") as db:
        db.update({f"k{n}": [n] * 50 for n in range(200)})
        db.push()
    return url


def test_processes_share_a_cache_file(folder_remote: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", READER, folder_remote, str(tmp_path / "shared")]
    environment = os.environ | {"PYTHONPATH": str(Path(ebooklet.__file__).parent.parent)}
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(3)]
    outputs = [reader.communicate(timeout=120)[0] for reader in readers]
    assert outputs == ["done\n"] * 3
    with WorkingCopy.open(tmp_path / "shared", "r") as copy:
        assert len(copy) > 0
    with ebooklet.open(folder_remote, tmp_path / "shared", offline=True) as db:
        assert db["k0"] == [0] * 50


def test_a_second_writer_waits_and_hears_who_writes(remote: StoreConnection, tmp_path: Path) -> None:
    with (
        ebooklet.open(remote, tmp_path / "db", "w"),
        pytest.raises(ebooklet.LockTimeoutError, match=str(os.getpid())),
    ):
        ebooklet.open(remote, tmp_path / "db", "w", lock_timeout=0.05)


# ---- offline -----------------------------------------------------------------------------------------------------


class Unplugged(MemoryStore):
    """A store whose network can be pulled."""

    plugged = True

    def get(self, *args: Any, **options: Any) -> Any:
        self._check()
        return super().get(*args, **options)

    def get_range(self, *args: Any) -> bytes:
        self._check()
        return super().get_range(*args)

    def _check(self) -> None:
        if not self.plugged:
            raise RemoteConnectionError("no route to host")


@pytest.fixture
def network(tmp_path: Path) -> tuple[Unplugged, StoreConnection]:
    store = Unplugged()
    conn = StoreConnection("db.blt", store)
    with ebooklet.open(conn, tmp_path / "origin.blt", "c", value_serializer="json") as db:
        db.update(DATA)
        db.push()
    return store, conn


def test_offline_serves_what_is_here(network: tuple[Unplugged, StoreConnection], tmp_path: Path) -> None:
    store, conn = network
    with pytest.raises(ebooklet.OfflineError, match=r"db\.blt.*does not exist"):
        ebooklet.open(conn, tmp_path / "db", offline=True)
    with ebooklet.open(conn, tmp_path / "db") as db:
        db.load_items(["k1", "k2"])
    store.plugged = False
    with pytest.raises(RemoteConnectionError):
        ebooklet.open(conn, tmp_path / "db")
    with ebooklet.open(conn, tmp_path / "db", offline=True) as db:
        assert db["k1"] == [1] * 50
        assert len(db) == 30
        with pytest.raises(ebooklet.OfflineError, match=r"'k3' is not in .*offline=False"):
            db["k3"]
        assert set(db.load_items(["k2", "k3"])) == {"k3"}


def test_pages_of_a_large_table_stay_here(network: tuple[Unplugged, StoreConnection], tmp_path: Path) -> None:
    """Opening again asks for no page of the key table, and offline work finds its keys."""
    store, conn = network
    with writer_of(conn, tmp_path) as db:
        db.update({f"many/{n}": n for n in range(9000)})
        db.push()
    counting = CountingStore(store)
    counted = StoreConnection("db.blt", counting)
    paths = {"r": tmp_path / "reader", "w": tmp_path / "writer"}
    for flag, path in paths.items():
        for again in (False, True):
            requests(counting)
            with ebooklet.open(counted, path, flag) as db:
                assert db["many/7"] == 7
                assert db["many/8000"] == 8000
                assert len(list(db)) == 9030
            assert ("get_range" in requests(counting)) != again
    store.plugged = False
    for path in paths.values():
        with ebooklet.open(conn, path, offline=True) as db:
            assert db["many/8000"] == 8000
            assert "many/8999" in db
            with pytest.raises(ebooklet.OfflineError):
                db["many/8999"]


def writer_of(conn: StoreConnection, tmp_path: Path) -> ebooklet.EBooklet:
    return ebooklet.open(conn, tmp_path / "origin.blt", "w")


def test_work_goes_on_offline_and_is_pushed_later(network: tuple[Unplugged, StoreConnection], tmp_path: Path) -> None:
    store, conn = network
    ebooklet.open(conn, tmp_path / "db", "w").close()
    store.plugged = False
    with ebooklet.open(conn, tmp_path / "db", "w", offline=True) as db:
        db["k1"] = "edited"
        with pytest.raises(ebooklet.OfflineError):
            db.push()
    store.plugged = True
    with ebooklet.open(conn, tmp_path / "db", "w") as db:
        assert db.push()
        assert db["k1"] == "edited"


def test_auto_falls_back_with_one_warning(network: tuple[Unplugged, StoreConnection], tmp_path: Path) -> None:
    store, conn = network
    with ebooklet.open(conn, tmp_path / "db", offline="auto") as db:
        assert db["k1"] == [1] * 50
    store.plugged = False
    with (
        pytest.warns(UserWarning, match="no route to host") as caught,
        ebooklet.open(conn, tmp_path / "db", offline="auto") as db,
    ):
        assert db["k1"] == [1] * 50
        with pytest.raises(ebooklet.OfflineError):
            db["k2"]
    assert len(caught) == 1


def test_pending_values_are_readable_without_the_remote(
    network: tuple[Unplugged, StoreConnection], tmp_path: Path
) -> None:
    store, _ = network
    store.plugged = False
    lonely = StoreConnection("new.blt", store)
    with ebooklet.open(StoreConnection("new.blt"), tmp_path / "db", "c", value_serializer="json") as db:
        db["a"] = 1
    with ebooklet.open(lonely, tmp_path / "db", offline=True) as db:
        assert dict(db.items()) == {"a": 1}


def test_nothing_is_printed_unless_asked() -> None:
    script = "import logging, cfdb, ebooklet\nfor name in 'cfdb', 'ebooklet': logging.getLogger(name).warning('heard')"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("", "")
