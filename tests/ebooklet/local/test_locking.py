"""One writer at a time, with a finite wait and a name; readers wait for nobody."""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import booklet
import pytest

from ebooklet.errors import LockTimeoutError, LockUnavailableError
from ebooklet.local.device import Files
from ebooklet.local.lock import describe_holder, note_path
from ebooklet.local.working_copy import WorkingCopy

ROOT = str(Path(__file__).parents[3])
HOLD = """
import sys
from ebooklet.local.working_copy import WorkingCopy
copy = WorkingCopy.open(sys.argv[1], "w")
print("open", flush=True)
sys.stdin.readline()
copy.set("child", b"1")
copy.commit()
if "compact" in sys.argv:
    copy.compact()
copy.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data.cfdb"
    with WorkingCopy.open(path, "n") as copy:
        copy.set("a", b"1")
        copy.commit()
    return path


def holder(path: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(path), *arguments]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    return child


def release(child: subprocess.Popen[str]) -> None:
    child.communicate("go\n", timeout=30)
    assert child.returncode == 0


@pytest.mark.parametrize("mode", ["", "compact"])
def test_a_second_writer_is_told_who_holds_the_file_or_waits_for_it(path: Path, mode: str) -> None:
    child = holder(path, mode)
    with pytest.raises(LockTimeoutError, match=rf"process {child.pid}\)") as caught:
        WorkingCopy.open(path, "w", lock_timeout=0.1)
    assert isinstance(caught.value, TimeoutError)
    with WorkingCopy.open(path, "r") as reader:
        assert reader.get("a") == b"1"
    found: list[bytes | None] = []

    def wait() -> None:
        with WorkingCopy.open(path, "w", lock_timeout=30) as copy:
            found.append(copy.get("child"))
            copy.set("waited", b"2")
            copy.commit()

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    release(child)
    thread.join(30)
    assert found == [b"1"]
    with WorkingCopy.open(path, "r") as reader:
        assert reader.get("waited") == b"2"


def test_a_writer_that_waits_across_a_replacement_writes_to_the_new_file(path: Path) -> None:
    first = WorkingCopy.open(path, "w")
    outcome: list[object] = []

    def wait() -> None:
        with WorkingCopy.open(path, "w", lock_timeout=30) as copy:
            outcome.append(dict.fromkeys(copy))
            copy.set("second", b"2")
            copy.commit()

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.15)
    first.set("first", b"1")
    first.commit()
    first.compact()
    first.set("after", b"3")
    first.commit()
    time.sleep(0.1)
    first.close()
    thread.join(30)
    assert outcome == [{"a": None, "after": None, "first": None}]
    with WorkingCopy.open(path, "r") as reader:
        assert set(reader) == {"a", "first", "after", "second"}


def test_two_creators_make_one_file(tmp_path: Path) -> None:
    path = tmp_path / "new.cfdb"
    errors: list[BaseException] = []

    def create(name: str) -> None:
        try:
            with WorkingCopy.open(path, "c", lock_timeout=30) as copy:
                copy.set(name, b"1")
                copy.commit()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=create, args=[f"k{n}"]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    with WorkingCopy.open(path, "r") as reader:
        assert set(reader) == {f"k{n}" for n in range(8)}
    assert [file.name for file in tmp_path.iterdir()] == ["new.cfdb"]


def test_plain_booklet_and_our_writer_exclude_each_other(path: Path) -> None:
    with (
        WorkingCopy.open(path, "w"),
        pytest.raises(Exception, match="lock"),
    ):
        booklet.open(path, "w", timeout=0.1)
    book = booklet.open(path, "w", timeout=0.1)
    with pytest.raises(LockTimeoutError, match="plain Booklet"):
        WorkingCopy.open(path, "w", lock_timeout=0)
    with WorkingCopy.open(path, "r") as reader:
        assert reader.get("a") == b"1"
    book.close()


def test_a_reader_waits_only_for_a_plain_writer_of_a_plain_file(tmp_path: Path) -> None:
    path = tmp_path / "plain.blt"
    book = booklet.open(path, "n", key_serializer="str", value_serializer="bytes", n_buckets=11)
    book["a"] = b"1"
    book.sync()
    with pytest.raises(LockTimeoutError):
        WorkingCopy.open(path, "r", lock_timeout=0.1)
    with WorkingCopy.open(path, "r", locking=False) as reader:
        assert reader.get("a") == b"1"
    book.close()
    with WorkingCopy.open(path, "r", lock_timeout=0) as reader:
        assert reader.get("a") == b"1"
        assert reader.commit_number == 0


def test_leftovers_of_killed_writers_are_removed_those_in_use_are_not(path: Path) -> None:
    (path.parent / "data.cfdb.ebooklet-00").write_bytes(b"half a file")
    used = path.parent / "data.cfdb.ebooklet-01"
    used.write_bytes(b"being written")
    with used.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        WorkingCopy.open(path, "w").close()
        assert {other.name for other in path.parent.iterdir()} == {"data.cfdb", used.name}
    WorkingCopy.open(path, "w").close()
    assert [other.name for other in path.parent.iterdir()] == ["data.cfdb"]


def test_the_note_names_the_writer_and_is_never_needed(path: Path) -> None:
    with WorkingCopy.open(path, "w"):
        note = json.loads(note_path(path).read_text())
        assert (note["pid"], note["host"]) == (os.getpid(), socket.gethostname())
        assert "another handle in this process" in describe_holder(path)
        for text in ("", "[]", '{"pid": "x"}', "\xff"):
            note_path(path).write_text(text)
            assert "left no note" in describe_holder(path)
        note_path(path).write_text(json.dumps({**note, "host": "elsewhere"}))
        assert "on elsewhere" in describe_holder(path)
        note_path(path).write_text(json.dumps({**note, "pid": 2**22 + 1}))
        assert "left no note" in describe_holder(path)
        note_path(path).unlink()
        note_path(path).mkdir()
    note_path(path).rmdir()
    with WorkingCopy.open(path, "w"):
        pass
    assert not note_path(path).exists()


def test_a_file_system_without_locks_is_named_and_can_be_used_without(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(LockUnavailableError, match="locking=False"):
        WorkingCopy.open(path, "w")
    with WorkingCopy.open(path, "w", locking=False) as copy:
        copy.set("b", b"2")
        copy.commit()
    with WorkingCopy.open(path, "r") as copy:
        assert copy.get("b") == b"2"


def test_symbolic_links_lead_to_the_file_itself(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "link.cfdb"
    link.parent.mkdir()
    link.symlink_to(path)
    with WorkingCopy.open(link, "w") as copy:
        assert copy.path == path
        copy.compact()
        with pytest.raises(LockTimeoutError):
            WorkingCopy.open(path, "w", lock_timeout=0)
    assert link.is_symlink()
    assert [other.name for other in link.parent.iterdir()] == ["link.cfdb"]


def test_a_file_system_without_hard_links_still_takes_new_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with WorkingCopy.open(tmp_path / "x", "c") as copy:
        copy.set("a", b"1")
        copy.commit()
    with WorkingCopy.open(tmp_path / "x", "c") as copy:
        assert copy.get("a") == b"1"
        with pytest.raises(FileExistsError):
            Files().link(tmp_path / "y", tmp_path / "x")
