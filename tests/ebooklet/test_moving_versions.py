"""What a handle reads and keeps while its version of the remote moves: in other threads, after failures, at the end."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import booklet
import pytest

import ebooklet
from ebooklet.assembly import Assembly
from ebooklet.edits import Edits
from ebooklet.errors import AccessDeniedError, RemoteConnectionError
from ebooklet.format.order import order_key
from ebooklet.payloads import Write
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import Fault, FaultyStore, StoreWrapper

T = TypeVar("T")


@pytest.fixture
def conn(tmp_path: Path) -> StoreConnection:
    """A remote with k and gone, and metadata."""
    conn = StoreConnection("db.blt", MemoryStore())
    with ebooklet.open(conn, tmp_path / "mine", "c", value_serializer="json") as db:
        db.update(k="old", gone="old")
        db.set_metadata("old")
        db.push()
    return conn


def writer(conn: StoreConnection, path: Path) -> ebooklet.EBooklet:
    return ebooklet.open(conn, path, "w")


def change_elsewhere(conn: StoreConnection, tmp_path: Path) -> None:
    with writer(conn, tmp_path / "theirs") as theirs:
        theirs["k"] = "new"
        del theirs["gone"]
        theirs.set_metadata("new")
        theirs.push()


# ---- threads -----------------------------------------------------------------------------------------------------


def test_a_push_never_shows_the_version_before(
    conn: StoreConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writer(conn, tmp_path / "mine") as db:
        db["k"] = "new"
        del db["gone"]
        seen = []
        mark = Edits._mark_pushed

        def watched(edits: Edits, *args: Any) -> None:
            mark(edits, *args)
            reader = threading.Thread(target=lambda: seen.append((db["k"], "gone" in db)))
            reader.start()
            reader.join(20)

        monkeypatch.setattr(Edits, "_mark_pushed", watched)
        assert db.push()
        assert seen == [("new", False)]


class Meanwhile(StoreWrapper):
    """Does something between a request and its answer."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.todo: list[Callable[[], object]] = []

    def _call(self, verb: Any, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        answer = thunk()
        if verb == "get_range" and self.todo:
            self.todo.pop()()
        return answer


def test_a_value_on_its_way_arrives_although_the_version_moves(conn: StoreConnection, tmp_path: Path) -> None:
    store = Meanwhile(conn.store())
    with ebooklet.open(StoreConnection("db.blt", store), cache=None) as db:

        def move_on() -> None:
            change_elsewhere(conn, tmp_path)
            assert db.pull()

        store.todo.append(move_on)
        assert db["gone"] == "old"
        assert (db["k"], "gone" in db) == ("new", False)


# ---- pushes that failed, conflicts, changes given up ---------------------------------------------------------------


def test_a_push_that_was_given_up_does_not_hold_the_version(conn: StoreConnection, tmp_path: Path) -> None:
    faulty = FaultyStore(conn.store(), Fault("conditional_put", AccessDeniedError("no"), times=9))
    with writer(StoreConnection("db.blt", faulty), tmp_path / "mine") as db:
        db["k"] = "mine"
        with pytest.raises(ebooklet.PushError):
            db.push()
        assert db.discard() == 1
        assert not db.has_pending
    change_elsewhere(conn, tmp_path)
    for flag in ("r", "w"):
        with ebooklet.open(conn, tmp_path / "mine", flag) as db:
            assert db["k"] == "new"


@pytest.mark.parametrize("by_pull", [False, True])
def test_theirs_gives_up_metadata_as_well(by_pull: bool, conn: StoreConnection, tmp_path: Path) -> None:
    with writer(conn, tmp_path / "mine") as db:
        db.set_metadata("mine")
        change_elsewhere(conn, tmp_path)
        if by_pull:
            db.pull("theirs")
        else:
            db.push(on_conflict="theirs")
        assert (db.get_metadata(), db.has_pending) == ("new", False)


def test_discarded_metadata_of_a_new_file_are_gone(tmp_path: Path) -> None:
    with ebooklet.open(StoreConnection("db.blt"), tmp_path / "mine", "c") as db:
        db.set_metadata("mine")
        assert db.discard() == 1
        assert db.get_metadata() is None
        db.push()
        assert db.get_metadata() is None


def test_notes_do_not_bring_back_what_the_remote_deleted(conn: StoreConnection, tmp_path: Path) -> None:
    change_elsewhere(conn, tmp_path)
    with writer(conn, tmp_path / "mine") as db:
        db.set_notes({"gone": b"note", "k": b"note"})
        assert [row.key for row in db.pending()] == ["k"]
        assert db["k"] == "new"


def test_what_other_threads_fetch_waits_while_the_file_is_made_smaller(
    conn: StoreConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writer(conn, tmp_path / "mine") as db:
        compact = db._local.compact

        def smaller() -> int:
            reader = threading.Thread(target=lambda: held.append(not db._loader.writing.acquire(blocking=False)))
            reader.start()
            reader.join()
            return compact()

        held: list[bool] = []
        monkeypatch.setattr(db._local, "compact", smaller)
        db.prune()
        assert held == [True]


def test_a_note_of_what_came_from_the_remote_leaves_the_time_it_was_written(
    conn: StoreConnection, tmp_path: Path
) -> None:
    with writer(conn, tmp_path / "theirs") as db:
        (written,) = db.payload_timestamps(["k"])
        assert db["k"] == "old"  # a copy, which came later
        db.set_notes({"k": b"note"})
        assert db.payload_timestamps(["k"]) == [written]
        db.push()
    with ebooklet.open(conn, cache=None) as db:
        assert (db.notes(["k"]), db.payload_timestamps(["k"])) == ([b"note"], [written])


def test_a_note_that_changes_while_its_value_is_sent_stays_pending(tmp_path: Path) -> None:
    class Meanwhile(StoreWrapper):
        do: Callable[[], None] | None = None

        def _call(self, verb: str, key: str, thunk: Callable[[], T], size: int = 0) -> T:
            do, self.do = (self.do, None) if verb == "put" else (None, self.do)
            if do is not None:
                do()
            return thunk()

    store = Meanwhile(MemoryStore())
    with ebooklet.open(StoreConnection("db.blt", store), tmp_path / "db", "c") as db:
        db.set_payloads([Write("k", b"value", note=b"old")])
        store.do = lambda: db.set_notes({"k": b"new"})
        db.push()
        assert [row.key for row in db.pending()] == ["k"]
        assert db.notes(["k"]) == [b"new"]
        db.push()
    with ebooklet.open(StoreConnection("db.blt", store), cache=None) as db:
        assert db.notes(["k"]) == [b"new"]


# ---- the end of a remote -------------------------------------------------------------------------------------------


def test_after_deletion_the_last_version_stays_not_older_ones(conn: StoreConnection, tmp_path: Path) -> None:
    change_elsewhere(conn, tmp_path)
    with writer(conn, tmp_path / "mine") as db:
        db["own"] = 1
        db.load_items()
        db.delete_remote()
        assert dict(db.items()) == {"k": "new", "own": 1}
        assert db.get_metadata() == "new"
        db.push()
    with ebooklet.open(conn, cache=None) as db:
        assert (dict(db.items()), db.get_metadata()) == ({"k": "new", "own": 1}, "new")


def test_after_deletion_what_came_with_the_root_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    conn = StoreConnection("db.blt", MemoryStore())
    with ebooklet.open(conn, tmp_path / "mine", "c") as db:
        db.set_payloads([Write("small", b"1"), Write("large", bytes(9999))])
        db.push(inline=["small"])
    with writer(conn, tmp_path / "other") as db:
        db._publisher.delete()  # without loading what is not here
        assert list(db) == ["small"]
    assert "1 values were never loaded" in caplog.text


def test_a_reader_does_not_move_to_another_database(conn: StoreConnection, tmp_path: Path) -> None:
    with ebooklet.open(conn, tmp_path / "reader") as db:
        assert db["k"] == "old"
        with writer(conn, tmp_path / "mine") as owner:
            owner.delete_remote()
        with ebooklet.open(conn, tmp_path / "another", "c") as another:
            another.push()
        with pytest.raises(ebooklet.UUIDMismatchError):
            db.pull()
        assert db["k"] == "old"


def test_a_reader_whose_pull_fails_stays_where_it_is(conn: StoreConnection, tmp_path: Path) -> None:
    with writer(conn, tmp_path / "mine") as db:
        db["k"] = "mine"
    faulty = FaultyStore(conn.store())
    with ebooklet.open(StoreConnection("db.blt", faulty), tmp_path / "mine") as reader:
        with writer(conn, tmp_path / "mine") as db:
            db.push()
        faulty.faults.append(Fault("get", RemoteConnectionError("no network")))
        with pytest.raises(RemoteConnectionError):
            reader.pull()
        assert reader["k"] == "mine"
        assert reader.pull()
        assert reader["k"] == "mine"
        assert not reader.has_pending


@pytest.mark.parametrize("flag", ["r", "w"])
def test_a_cache_made_anew_by_another_process_keeps_its_edits(
    flag: Any, conn: StoreConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    with ebooklet.open(conn, cache=cache) as db:
        assert db["k"] == "old"
    with writer(conn, tmp_path / "mine") as owner:
        owner.delete_remote()
    with ebooklet.open(conn, tmp_path / "another", "c", value_serializer="json") as another:
        another["k"] = "another"
        another.push()
    outdated = Assembly._outdated

    def edited_meanwhile(*args: Any) -> bool:
        monkeypatch.setattr(Assembly, "_outdated", outdated)
        found = outdated(*args)
        if flag == "r":
            with ebooklet.open(conn, flag="w", cache=cache) as other:
                other["own"] = 1
        return found

    monkeypatch.setattr(Assembly, "_outdated", edited_meanwhile)
    with ebooklet.open(conn, flag=flag, cache=cache) as db:
        assert dict(db.items()) == ({"k": "another", "own": 1} if flag == "r" else {"k": "another"})
    assert len(list(cache.glob("db.blt-*"))) == 1


# ---- local files from elsewhere ------------------------------------------------------------------------------------


def test_metadata_of_a_plain_booklet_are_pushed(tmp_path: Path) -> None:
    conn = StoreConnection("db.blt", MemoryStore())
    with booklet.open(tmp_path / "plain", "n", key_serializer="str", value_serializer="json") as plain:
        plain["a"] = 1
        plain.set_metadata({"made": "elsewhere"})
    with ebooklet.open(conn, tmp_path / "plain", "c") as db:
        db.push()
        assert db.get_metadata() == {"made": "elsewhere"}
    with ebooklet.open(conn, cache=None) as db:
        assert db.get_metadata() == {"made": "elsewhere"}


def test_a_cache_that_became_something_else_fails_no_read(conn: StoreConnection, tmp_path: Path) -> None:
    path = tmp_path / "reader"
    with ebooklet.open(conn, path) as db:
        assert db["k"] == "old"
        db.sync()
        (tmp_path / "text").write_bytes(b"text" * 99)
        os.replace(tmp_path / "text", path)
        assert db["gone"] == "old"
        db.sync()
        assert dict(db.items()) == {"k": "old", "gone": "old"}


def test_an_edit_after_a_push_that_was_cut_short_is_not_given_up_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = StoreConnection("db.blt", MemoryStore())
    with ebooklet.open(place, flag="n", cache=None, value_serializer="json") as db:
        db["k"] = 0
        db.push()
    with ebooklet.open(place, tmp_path / "mine", "w") as mine:
        mine["k"] = "mine"
        mine["free"] = 1
        with ebooklet.open(place, flag="w", cache=None) as other:
            other["k"] = "theirs"
            other.push()

        def cut_short(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Edits, "settle", cut_short)
            with pytest.raises(KeyboardInterrupt):
                mine.push(on_conflict="theirs")
        mine["k"] = "later"
        mine.push()
        assert mine["k"] == "later"
    with ebooklet.open(place, cache=None) as db:
        assert dict(db.items()) == {"k": "later", "free": 1}


def test_what_a_push_sends_comes_in_the_order_of_the_key_table(conn: StoreConnection, tmp_path: Path) -> None:
    with writer(conn, tmp_path / "mine") as db:
        db.set_payloads(Write(f"t/{n % 30}.{n // 30}", b"v") for n in reversed(range(900)))
        before = [row.key for row in db.pending()]
        db.sync()
        keys = [row.key for row in db.pending()]
        assert before == keys == sorted(keys, key=order_key)
