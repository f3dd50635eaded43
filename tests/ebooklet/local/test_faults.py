"""A disk that is full or fails, an interrupt, a kill: wherever it strikes, a commit is whole or never was."""

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ebooklet.errors import CommitUncertainError
from ebooklet.local.working_copy import WorkingCopy, Write
from tests.support.crash_faults import FaultyFiles, disk_full, once, short_once, short_then_full
from tests.support.crash_workload import NAME, State, observe, observe_plain

pytestmark = pytest.mark.usefixtures("few_buckets")

BEFORE = {f"k/{number}": bytes([number]) * 30 for number in range(6)}
AFTER = {**BEFORE, "k/0": b"new", "n/0": b"n" * 900, **{f"g/{number}": b"g" for number in range(9)}}
del AFTER["k/3"]


def prepared(folder: Path) -> Path:
    path = folder / "work" / NAME
    with WorkingCopy.open(path, "n") as copy:
        copy.set_many(Write(key, value) for key, value in BEFORE.items())
        copy.commit()
    return path


def change(copy: WorkingCopy) -> None:
    copy.set_many(Write(key, value) for key, value in AFTER.items() if BEFORE.get(key) != value)
    copy.delete_many(["k/3"])
    copy.set_state("blob", b"after")


def holds(path: Path) -> tuple[dict[str, bytes], bytes | None]:
    with WorkingCopy.open(path, "w", lock_timeout=0) as copy:
        state = observe(copy)
    assert observe_plain(path)[0] == state.values
    return dict(state.values), state.blob


def run(path: Path, fault: Callable[[int, str], int | None]) -> tuple[int, BaseException | None]:
    """Change and commit on a faulty disk; return the number of operations and the error."""
    files = FaultyFiles(fault)
    copy = None
    error: BaseException | None = None
    try:
        copy = WorkingCopy.open(path, "w", files=files)
        change(copy)
        copy.commit()
    except (OSError, KeyboardInterrupt) as caught:
        error = caught
    if copy is not None:
        try:
            copy.close()
        except OSError:
            pass  # the disk still fails: rolled back by whoever opens it next
    return files.count, error


def check(path: Path, error: BaseException | None) -> str:
    """The error said what happened: nothing, or it is done, or it may be."""
    found = holds(path)
    assert found in ((BEFORE, None), (AFTER, b"after"))
    committed = found[0] == AFTER
    if error is None:
        assert committed
        return "done"
    past_mark = isinstance(error, CommitUncertainError) or "happened" in "".join(getattr(error, "__notes__", []))
    assert past_mark or not committed, f"{error!r} hides that the commit happened"
    return "uncertain" if past_mark else "rolled back"


FAULTS: dict[str, Callable[[int], Callable[[int, str], int | None]]] = {
    "disk full": disk_full,
    "EIO": lambda at: once(at, OSError(errno.EIO, "Input/output error")),
    "short, then full": lambda at: short_then_full(at, 3),
    "interrupt": lambda at: once(at, KeyboardInterrupt()),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_at_any_operation_leaves_a_whole_commit_and_says_which(folder: Path, kind: str) -> None:
    total, error = run(prepared(folder), lambda number, what: None)
    assert error is None
    outcomes = []
    for at in range(total):
        path = prepared(folder)
        _, error = run(path, FAULTS[kind](at))
        outcomes.append(check(path, error))
    assert total > 15
    assert {"rolled back", "uncertain"} <= set(outcomes)
    assert outcomes == sorted(outcomes, key=["rolled back", "uncertain", "done"].index)


def test_short_writes_are_continued(folder: Path) -> None:
    path = prepared(folder)
    total, _ = run(path, lambda number, what: None)
    for at in range(total):
        path = prepared(folder)
        _, error = run(path, short_once(at, 1))
        assert error is None
        assert holds(path) == (AFTER, b"after")


def test_a_failed_flush_is_never_repeated(folder: Path) -> None:
    path = prepared(folder)
    flushes: list[int] = []

    def fault(number: int, kind: str) -> None:
        if kind == "fsync":
            flushes.append(number)
            raise OSError(errno.EIO, "Input/output error")

    copy = WorkingCopy.open(path, "w", files=FaultyFiles(fault))
    change(copy)
    with pytest.raises(OSError, match="Input/output error") as caught:
        copy.commit()
    assert not isinstance(caught.value, CommitUncertainError)
    assert observe(copy) == State(tuple(sorted(BEFORE.items())))
    with pytest.raises(CommitUncertainError, match="reopen"):
        copy.set("k/0", b"again")
    copy.close()
    assert len(flushes) == 1
    assert holds(path) == (BEFORE, None)


def test_a_write_that_fails_in_the_middle_of_others_leaves_a_hole_nobody_sees(folder: Path) -> None:
    path = prepared(folder)
    waiting, go_on = threading.Event(), threading.Event()
    errors: list[OSError] = []

    def fault(number: int, kind: str) -> None:
        if number == 0:
            waiting.set()
            assert go_on.wait(10)
            raise OSError(errno.EIO, "Input/output error")

    def fail(copy: WorkingCopy) -> None:
        try:
            copy.set("lost", b"1" * 50)
        except OSError as error:
            errors.append(error)

    with WorkingCopy.open(path, "w", files=FaultyFiles(fault)) as copy:
        thread = threading.Thread(target=fail, args=[copy])
        thread.start()
        assert waiting.wait(10)
        copy.set("other", b"reserved behind the write that is going to fail")
        go_on.set()
        thread.join()
        assert len(errors) == 1
        copy.set("later", b"2")
        copy.commit()
        assert "lost" not in copy
    values = holds(path)[0]
    assert values["later"] == b"2"
    assert "other" in values
    assert "lost" not in values


@pytest.mark.parametrize("stride", [int(os.environ.get("CFDB_INTERRUPTS", "9"))])
def test_an_interrupt_at_any_line_of_a_commit_leaves_a_whole_commit_and_says_which(folder: Path, stride: int) -> None:
    """Ctrl-C strikes between any two lines of our code, not only at the disk."""
    room = folder / "room"
    room.mkdir()
    whole = prepared(folder).read_bytes()
    path = room / NAME
    outcomes = []
    at = 0
    while True:
        path.write_bytes(whole)
        copy = WorkingCopy.open(path, "w")
        change(copy)
        error: BaseException | None = None
        struck: list[str] = []
        sys.settrace(interrupting(at, struck))
        try:
            copy.commit()
        except KeyboardInterrupt as caught:
            error = caught
        finally:
            sys.settrace(None)
        failure = copy._transaction.failure if copy._transaction else ""
        complete = not failure and not copy.changes and {key: copy.get(key) for key in copy} == AFTER
        copy.close()
        found = holds(path)
        assert found in ((BEFORE, None), (AFTER, b"after"))
        if not struck:
            assert error is None
            assert found[0] == AFTER
            break
        assert error is not None, f"the interrupt at {struck} was swallowed"
        # from the mark on the handle is unusable and says why, before it everything is rolled back
        said = "".join(getattr(error, "__notes__", []))
        assert ("happened" in said) == bool(failure), said
        assert failure or "rolled back" in said or not copy.changes
        assert failure or complete or found[0] == BEFORE, f"the interrupt at {struck} hides a commit"
        outcomes.append((found[0] == AFTER, bool(failure)))
        at += stride
    assert set(outcomes) >= {(True, True), (False, False)}, set(outcomes)
    assert len(outcomes) > 20


def interrupting(at: int, struck: list[str]) -> Any:
    """Trace function that raises KeyboardInterrupt at the n-th line executed inside the package."""
    left = [at]

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if "ebooklet/local" not in frame.f_code.co_filename or frame.f_code.co_qualname == "TransactionFile.close":
            return None  # (Python swallows what a file's finalizer raises)
        if event == "line":
            left[0] -= 1
            if left[0] < 0:
                sys.settrace(None)
                struck.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
                raise KeyboardInterrupt
        return trace

    return trace


ZYGOTE = """
import os, random, sys
import booklet
from ebooklet.local.working_copy import WorkingCopy, Write

def say(*words):
    # One write a line: a killed writer must not leave half of one (print writes word by word without a buffer).
    os.write(1, (" ".join(map(str, words)) + chr(10)).encode())

def work(path, seed):
    rng = random.Random(seed)
    copy = WorkingCopy.open(path, "c", lock_timeout=20)
    done = int((copy.state("round") or b"0").decode())
    say("ready", os.getpid())
    while True:
        done += 1
        stamp = str(done).encode()
        copy.set_many(Write(f"k/{rng.randrange(60)}", stamp + b":" + bytes(rng.randrange(3000))) for _ in range(20))
        copy.set_many([Write("first", stamp), Write("last", stamp)])
        copy.delete_many([f"k/{rng.randrange(60)}"])
        copy.set_state("round", stamp)
        copy.commit()
        say("done", done)
        if rng.random() < 0.2:
            copy.compact()

for seed in sys.stdin:
    child = os.fork()
    if not child:
        work(sys.argv[1], int(seed))
    os.waitpid(child, 0)
    say("dead", 0)
"""


def kill_writers(path: Path, trials: int, rng: random.Random) -> int:
    """Let writers run, kill them at random, look at what they leave; return the commits seen."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", ZYGOTE, str(path)]
    acked = 0
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, bufsize=1
    ) as zygote:
        assert zygote.stdin is not None
        assert zygote.stdout is not None
        for trial in range(trials):
            zygote.stdin.write(f"{trial}\n")
            word, pid = zygote.stdout.readline().split()
            assert word == "ready"
            time.sleep(rng.uniform(0, 0.04))
            os.kill(int(pid), signal.SIGKILL)
            while (line := zygote.stdout.readline().split())[0] != "dead":
                acked = int(line[1])
            acked = look_after_a_kill(path, acked)
    return acked


def look_after_a_kill(path: Path, acked: int) -> int:
    """Every acknowledged round is there, whole; return the round found."""
    with WorkingCopy.open(path, "r") as reader:
        seen = observe(reader)
    with WorkingCopy.open(path, "w", lock_timeout=10) as writer:
        assert observe(writer) == seen
        found = int((writer.state("round") or b"0").decode())
        assert found in (acked, acked + 1), "a committed round is gone"
        if found:
            assert writer.get("first") == writer.get("last") == str(found).encode()
    assert observe_plain(path)[0] == seen.values
    return found


def test_writers_killed_at_random_lose_nothing(folder: Path) -> None:
    assert kill_writers(folder / "work" / NAME, 200, random.Random(1)) > 200


def snapshot(copy: WorkingCopy) -> int:
    """Everything a handle sees belongs to one commit; return which."""
    blob = copy.state("round")
    stamps = {copy.get("first"), copy.get("last"), blob}
    assert len(stamps) == 1, stamps
    newest = int(blob or b"0")
    values = copy.get_many(list(copy.keys("k/")))
    assert all(value is not None and int(value.split(b":")[0]) <= newest for value in values)
    return newest


def watch_a_writer(path: Path, looks: int) -> set[int]:
    """Open, hold and refresh readers while another process commits and compacts; return the commits seen."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    seen: set[int] = set()
    held: list[tuple[WorkingCopy, int]] = []
    with subprocess.Popen(
        [sys.executable, "-c", ZYGOTE, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        bufsize=1,
    ) as zygote:
        assert zygote.stdin is not None
        assert zygote.stdout is not None
        zygote.stdin.write("3\n")
        pid = int(zygote.stdout.readline().split()[1])
        drain = threading.Thread(target=zygote.stdout.read)
        drain.start()
        try:
            for look in range(looks):
                copy = WorkingCopy.open(path, "r")
                held.append((copy, snapshot(copy)))
                seen.add(held[-1][1])
                older, expected = held[look // 2]
                assert snapshot(older) == expected
                if look % 5 == 0:
                    older.refresh()
                    assert snapshot(older) >= expected
                    held[look // 2] = (older, snapshot(older))
        finally:
            os.kill(pid, signal.SIGKILL)
            zygote.stdin.close()
            drain.join()
            for copy, _ in held:
                copy.close()
    return seen


def test_readers_in_another_process_see_whole_commits_while_they_are_made(folder: Path) -> None:
    assert len(watch_a_writer(folder / "work" / NAME, 150)) > 5
