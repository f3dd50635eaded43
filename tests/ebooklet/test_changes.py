"""What is pending, how it is shown, and what a push, a pull, a discard, a conflict, a fault or a crash make of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

import ebooklet
from ebooklet.errors import AccessDeniedError, RemoteConnectionError, UncertainOutcomeError
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import StoreWrapper

T = TypeVar("T")


@pytest.fixture
def conn(tmp_path: Path) -> StoreConnection:
    """A remote with a, b and c."""
    conn = StoreConnection("db.blt", MemoryStore())
    with ebooklet.open(conn, tmp_path / "mine", "c", value_serializer="json") as db:
        db.update(a=1, b=2, c=3)
        db.push(message="first")
    return conn


def writer(conn: Any, tmp_path: Path, name: str = "mine", **options: Any) -> ebooklet.EBooklet:
    return ebooklet.open(conn, tmp_path / name, "w", **options)


def remote(conn: Any) -> dict[str, Any]:
    with ebooklet.open(conn, cache=None) as db:
        return dict(db.items())


def test_records_say_what_changed(conn: StoreConnection, tmp_path: Path) -> None:
    start = datetime.now(UTC)
    with writer(conn, tmp_path) as db:
        db["a"] = "longer"
        db["new"] = 1
        del db["b"]
        changes = db.changes()
        records = {change["key"]: change for change in changes.iter_changes()}
        assert {key: change.kind for key, change in records.items()} == {"a": "changed", "new": "added", "b": "deleted"}
        assert {key: change.nbytes for key, change in records.items()} == {"a": 8, "new": 1, "b": 0}
        for change in records.values():
            assert start - timedelta(seconds=1) <= change["local_timestamp"] <= datetime.now(UTC)
        assert records["new"]["remote_timestamp"] is None
        assert records["a"].remote_timestamp < start
        assert set(dict(records["a"])) == {"key", "kind", "local_timestamp", "remote_timestamp", "nbytes"}
        with pytest.raises(KeyError, match=r"nope.*kind"):
            records["a"]["nope"]
        assert changes.pending_deletes == {"b"}
        assert (len(changes), bool(changes), changes.nbytes) == (3, True, 9)


def test_a_snapshot_of_changes_stays_as_it_was(conn: StoreConnection, tmp_path: Path) -> None:
    with writer(conn, tmp_path) as db:
        db["x"] = 1
        changes = db.changes()
        db["y"] = 1
        assert [change.key for change in changes.iter_changes()] == ["x"]
        assert len(db.changes()) == 2


def test_changes_of_earlier_handles_are_included(conn: StoreConnection, tmp_path: Path) -> None:
    for key in ("x", "y"):
        with writer(conn, tmp_path) as db:
            db[key] = 1
    with writer(conn, tmp_path) as db:
        changes = db.changes()
        assert {change.key for change in changes} == {"x", "y"}
        assert changes.push()
    assert remote(conn) == {"a": 1, "b": 2, "c": 3, "x": 1, "y": 1}


def test_printing_says_what_matters(conn: StoreConnection, tmp_path: Path) -> None:
    with writer(conn, tmp_path) as db:
        assert str(db.changes()) == "nothing to push to memory://store/db.blt"
        db["a"] = "x" * 2000
        del db["b"]
        text = str(db.changes())
        assert text.splitlines()[0] == "2 changes to push to memory://store/db.blt: 1 changed, 1 deleted, 2.00 kB"
        assert "since" in text
        assert repr(db.changes()).startswith("<Changes: 2 changes to push")
        db.update({"long " * 30: 1, **{f"k{n}": n for n in range(50)}})
        lines = str(db.changes()).splitlines()
        assert len(lines) < 20
        assert max(map(len, lines)) <= 100
        assert lines[-1].strip() == "... and 41 more"


def test_a_push_says_what_it_did(conn: StoreConnection, tmp_path: Path) -> None:
    with writer(conn, tmp_path) as db:
        assert not db.changes().push()
        assert str(db.push()) == "nothing to push"
        db["x"] = 1
        del db["a"]
        result = db.push()
        assert result
        assert (result.updated, result.failures, result.n_keys, result.n_objects) == (True, {}, 2, 2)
        assert result.nbytes > 0
        assert result.seconds > 0
        assert "2 keys" in str(result)


def test_discard_takes_back_what_is_pending(conn: StoreConnection, tmp_path: Path) -> None:
    with writer(conn, tmp_path) as db:
        db.update(a="edited", x=1)
        del db["b"]
        assert db.changes().discard(["a", "never"]) == 1
        assert db["a"] == 1
        assert len(db.changes()) == 2
        assert db.changes().discard() == 2
        assert dict(db.items()) == {"a": 1, "b": 2, "c": 3}
        assert not db.push()
        db.clear()
        assert len(db) == 0
        db.changes().discard()
        assert len(db) == 3


def test_keys_edited_during_a_push_stay_pending(conn: StoreConnection, tmp_path: Path) -> None:
    store = conn.store()

    class Meddling(StoreWrapper):
        def _call(self, verb: Any, key: str, thunk: Callable[[], T], size: int = 0) -> T:
            if verb == "put":
                db["a"] = "second"
                db["late"] = 1
                del db["new"]
                del db["b"]
                db["c"] = "first"
            return thunk()

    with writer(StoreConnection("db.blt", Meddling(store)), tmp_path) as db:
        db.update(a="first", b="first", c="first", new="first")
        assert db.push()
        pending = {change.key: change.kind for change in db.changes().iter_changes()}
        assert pending == {"a": "changed", "late": "added", "b": "deleted", "new": "deleted"}
        assert remote(conn) == {"a": "first", "b": "first", "c": "first", "new": "first"}
        assert dict(db.items()) == {"a": "second", "late": 1, "c": "first"}
    with writer(conn, tmp_path) as db:
        db.push()
    assert remote(conn) == {"a": "second", "late": 1, "c": "first"}


# ---- conflicts ---------------------------------------------------------------------------------------------------


def conflict(conn: StoreConnection, tmp_path: Path) -> ebooklet.EBooklet:
    """Mine changed a and x; meanwhile yours changed a and b."""
    mine = writer(conn, tmp_path)
    mine.update(a="mine", x="mine")
    with ebooklet.open(conn, tmp_path / "yours", "w") as yours:
        yours.update(a="yours", b="yours")
        assert yours.push()
    return mine


@pytest.mark.parametrize("act", ["push", "pull"])
def test_a_conflict_is_raised_and_keeps_everything(act: str, conn: StoreConnection, tmp_path: Path) -> None:
    with conflict(conn, tmp_path) as mine:
        with pytest.raises(ebooklet.ConflictError, match="'a'") as caught:
            getattr(mine.changes(), act)()
        assert caught.value.keys == ("a",)
        assert dict(mine.items()) == {"a": "mine", "b": 2, "c": 3, "x": "mine"}
        assert len(mine.changes()) == 2
    assert remote(conn) == {"a": "yours", "b": "yours", "c": 3}


def test_ours_writes_over_it(conn: StoreConnection, tmp_path: Path) -> None:
    with conflict(conn, tmp_path) as mine:
        assert mine.changes().push(on_conflict="ours")
        assert not mine.changes()
    assert remote(conn) == {"a": "mine", "b": "yours", "c": 3, "x": "mine"}


@pytest.mark.parametrize("by_pull", [False, True])
def test_theirs_gives_up_what_they_touched(by_pull: bool, conn: StoreConnection, tmp_path: Path) -> None:
    with conflict(conn, tmp_path) as mine:
        if by_pull:
            assert mine.pull("theirs")
            assert [change.key for change in mine.changes()] == ["x"]
            assert mine.push()
        else:
            assert mine.push(on_conflict="theirs")
        assert not mine.changes()
        assert dict(mine.items()) == {"a": "yours", "b": "yours", "c": 3, "x": "mine"}
    assert remote(conn) == {"a": "yours", "b": "yours", "c": 3, "x": "mine"}


def test_theirs_with_nothing_left_makes_no_version(conn: StoreConnection, tmp_path: Path) -> None:
    with writer(conn, tmp_path) as mine:
        with ebooklet.open(conn, tmp_path / "yours", "w") as yours:
            yours["a"] = "yours"
            yours.push()
            newest = yours.version
        mine["a"] = "mine"  # later than theirs
        mine.set_metadata({"who": "me"})
        mine.changes().discard()
        mine["a"] = "mine"
        result = mine.push(on_conflict="theirs")
        assert not result
        assert str(result) == "nothing left to push: 1 own change given up for those of others"
        assert (mine["a"], mine.version) == ("yours", newest)
        assert not mine.changes()
        assert str(mine.push()) == "nothing to push"
        mine["a"] = "mine now"
        assert str(mine.push()).startswith("pushed 1 key: 1 object, ") or mine.version != newest
    assert remote(conn)["a"] == "mine now"


def test_disjoint_changes_are_joined(conn: StoreConnection, tmp_path: Path) -> None:
    with writer(conn, tmp_path) as mine, ebooklet.open(conn, tmp_path / "yours", "w") as yours:
        mine["a"] = "mine"
        del yours["b"]
        yours["y"] = "yours"
        assert yours.push()
        assert mine["b"] == 2
        assert mine.push()
        assert dict(mine.items()) == {"a": "mine", "c": 3, "y": "yours"}
        assert yours["a"] == 1
        assert yours.changes().pull()
        assert not yours.pull()
        assert yours["a"] == "mine"


def test_a_changed_guard_is_a_conflict(conn: StoreConnection, tmp_path: Path) -> None:
    with writer(conn, tmp_path) as mine, ebooklet.open(conn, tmp_path / "yours", "w") as yours:
        mine.guard("data/", ["a"])
        mine["data/0"] = 1
        mine["free"] = 1
        mine.close()
        yours["a"] = "yours"
        yours.push()
    with writer(conn, tmp_path) as mine:
        with pytest.raises(ebooklet.ConflictError) as caught:
            mine.push()
        assert (caught.value.keys, caught.value.guards) == ((), ("a",))
        mine.discard(["data/0"])
        assert mine.push()
    assert remote(conn) == {"a": "yours", "b": 2, "c": 3, "free": 1}


def test_metadata_changed_on_both_sides_are_a_conflict(conn: StoreConnection, tmp_path: Path) -> None:
    with writer(conn, tmp_path) as mine, ebooklet.open(conn, tmp_path / "yours", "w") as yours:
        mine.set_metadata("mine")
        yours.set_metadata("yours")
        yours.push()
        with pytest.raises(ebooklet.ConflictError, match="metadata"):
            mine.push()
        mine.push(on_conflict="ours")
        yours.pull()
        assert yours.get_metadata() == "mine"


# ---- faults ------------------------------------------------------------------------------------------------------


class Failing(StoreWrapper):
    """Fails at one request."""

    def __init__(self, inner: Any, number: int, error: Exception, *, applied: bool) -> None:
        super().__init__(inner)
        self.left = number
        self.error = error
        self.applied = applied

    def _call(self, verb: Any, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        self.left -= 1
        if self.left == 0:
            if self.applied:
                thunk()
            raise self.error
        return thunk()


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("error", [RemoteConnectionError, UncertainOutcomeError, AccessDeniedError])
def test_a_fault_at_any_request_loses_nothing(
    error: type[Exception], applied: bool, conn: StoreConnection, tmp_path: Path
) -> None:
    expected, messages = {"a": 1, "b": 2, "c": 3}, []
    for number in range(1, 9):
        before = dict(expected)
        with writer(conn, tmp_path) as db:
            db.update({"a": f"{number}", f"n{number}": "x" * 3000, "b": number})
            expected |= {"a": f"{number}", f"n{number}": "x" * 3000, "b": number}
        failing = StoreConnection("db.blt", Failing(conn.store(), number, error("broken"), applied=applied))
        try:
            with writer(failing, tmp_path, group_bytes=2500) as db:
                db.push()
        except ebooklet.PushError as failure:
            messages.append(str(failure))
        assert remote(conn) in (before, expected)
        with writer(conn, tmp_path) as db:
            assert dict(db.items()) == expected
            db.push()
            assert not db.changes()
        assert remote(conn) == expected
    assert all("kept" in message for message in messages)
    assert messages or error is UncertainOutcomeError


VICTIM = """
import itertools, os, signal, sys
import ebooklet
from ebooklet.places import StoreConnection
from ebooklet.stores.folder import FolderStore
from ebooklet.stores.wrappers import StoreWrapper

class Deadly(StoreWrapper):
    numbers = itertools.count(1)

    def _call(self, verb, key, thunk, size=0):
        last = next(self.numbers) == int(sys.argv[3])
        if last and sys.argv[4] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = thunk()
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

conn = StoreConnection("db.blt", Deadly(FolderStore(sys.argv[1])))
with ebooklet.open(conn, sys.argv[2], "w", num_groups=3) as db:
    db.push()
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_killed_in_the_middle_of_a_push(when: str, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    url = f"file://{folder}/db.blt"
    expected: dict[str, Any] = {f"k{n}": "x" * 1000 for n in range(10)}
    with ebooklet.open(url, tmp_path / "mine", "c", value_serializer="json") as db:
        db.update(expected)
        db.push()
    environment = os.environ | {"PYTHONPATH": str(Path(ebooklet.__file__).parent.parent)}
    killed = 0
    for number in range(1, 6):
        before = dict(expected)
        with ebooklet.open(url, tmp_path / "mine", "w") as db:
            edits = {f"k{n}": f"{number}" * 1000 for n in range(0, 10, 2)}
            db.update(edits)
            expected |= edits
        command = [sys.executable, "-c", VICTIM, str(folder), str(tmp_path / "mine"), str(number), when]
        killed += subprocess.run(command, env=environment, timeout=60).returncode == -signal.SIGKILL
        assert remote(url) in (before, expected)
        with ebooklet.open(url, tmp_path / "mine") as db:
            assert dict(db.items()) == expected
        with ebooklet.open(url, tmp_path / "mine", "w") as db:
            db.push()
            assert not db.changes()
        assert remote(url) == expected
    assert killed == 4, "three packs and the root"
