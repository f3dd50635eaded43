"""Whatever kills a writer, wherever: the file holds the state before or after, for every kind of reader."""

import contextlib
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import booklet
import pytest

from ebooklet.errors import FileFormatError
from ebooklet.local.device import write_all
from ebooklet.local.transaction import Transaction
from ebooklet.local.verify import verify
from ebooklet.local.working_copy import WorkingCopy, Write
from tests.support.crash import Image, Op, RecordingFiles, prefixes
from tests.support.crash_workload import (
    NAME,
    State,
    Tally,
    Workload,
    allowed,
    enumerate_kills,
    lose_power,
    observe,
)

pytestmark = pytest.mark.usefixtures("few_buckets")


def recorded(folder: Path, seed: int) -> Workload:
    work = Workload(folder / "work", seed=seed)
    work.run()
    work.replace_file()
    return work


@pytest.mark.parametrize("seed", range(3))
def test_every_kill_leaves_the_state_before_or_after_also_within_recovery(folder: Path, seed: int) -> None:
    work = recorded(folder, seed)
    kinds = {op[0] for op in work.files.log}
    assert kinds >= {"w", "fsync", "t", "replace", "link", "unlink", "create", "dirsync"}
    tally = Tally()
    enumerate_kills(work, folder / "room", tally, tears=2, nested=1 if seed == 0 else 5)
    assert not tally.failures, tally.failures[:5]
    assert tally.tried["kill"] > 250
    assert tally.tried["nested"] > (800 if seed == 0 else 100)


@pytest.mark.parametrize("seed", range(3))
def test_power_loss_leaves_the_state_before_or_after(folder: Path, seed: int) -> None:
    work = recorded(folder, seed)
    tally = Tally()
    lose_power(work, folder / "room", tally, images=4)
    assert not tally.failures, tally.failures[:5]
    assert tally.tried["power"] > 600


def test_without_flushes_power_loss_destroys_files(folder: Path) -> None:
    work = recorded(folder, 0)
    tally = Tally()
    lose_power(work, folder / "room", tally, images=1, flushes=False)
    assert len(tally.failures) > tally.tried["power"] / 2


class Unjournaled(Transaction):
    """What the file would be without its journal: writes happen where and when they are made."""

    def write_at(self, offset: int, data: bytes) -> None:
        write_all(self.device, offset, [data])
        self.size = max(self.size, offset + len(data))

    def commit(self, pointer: Callable[[int, int], bytes]) -> None:
        self.device.sync()
        self.write_at(80, pointer(self.size, 0))
        self.device.sync()
        self.committed = self.size


def test_without_the_journal_kills_destroy_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ebooklet.local.opening.Transaction", Unjournaled)
    monkeypatch.setattr(Workload, "roll_back", lambda self: None)
    work = recorded(folder, 0)
    monkeypatch.undo()
    tally = Tally()
    enumerate_kills(work, folder / "room", tally, tears=0)
    assert len(tally.failures) > 20


def test_readers_at_every_step_see_a_whole_commit_and_keep_it(folder: Path) -> None:
    work = Workload(folder / "work", seed=5)
    held: list[tuple[WorkingCopy, State]] = []
    rng = random.Random(0)

    def look(op: Op) -> None:
        expected = allowed(work.files.log, len(work.files.log), work.states)
        if not work.path.exists():
            return
        reader = WorkingCopy.open(work.path, "r")
        seen = observe(reader)
        assert seen in (expected or [State()])
        held.append((reader, seen))
        for older, state in rng.sample(held, min(4, len(held))):
            assert observe(older) == state

    work.files.after = look
    try:
        work.run()
        for reader, state in held:
            assert observe(reader) == state
            reader.refresh()
            assert observe(reader) == work.states[-1]
    finally:
        for reader, _ in held:
            reader.close()
    assert len(held) > 120


def _killed_images(work: Workload) -> list[tuple[int, Image]]:
    return [
        (done, image.copy()) for done, image in prefixes(work.files.log, 1, random.Random(0)) if NAME in image.names
    ]


@pytest.mark.parametrize("adds", [True, False])
def test_a_plain_session_between_crash_and_recovery_loses_nothing(folder: Path, adds: bool) -> None:
    """Its edits, and everything committed before the crash, are there afterwards; what was uncommitted may be."""
    work = Workload(folder / "work", seed=2)
    work.run()
    room = folder / "room"
    tried = 0
    for done, image in _killed_images(work):
        expected = allowed(work.files.log, done, work.states)
        image.put(room)
        path = room / NAME
        book = booklet.open(path, "w")
        had = {key: book[key] for key in list(book) if key in book}
        victim = min(had, default=None)
        if adds:
            book["plain"] = b"added by plain Booklet"
        if victim is not None:
            with contextlib.suppress(OverflowError):  # it deletes, and then counts -1 keys: the header was not yet ours
                del book[victim]
        book.close()
        with WorkingCopy.open(path, "r") as reader:
            seen = observe(reader)
        with WorkingCopy.open(path, "w") as writer:
            recovered = observe(writer)
            writer.set("later", b"1")
            writer.commit()
        assert recovered == seen
        values = dict(recovered.values)
        assert values.pop("plain", None) == (b"added by plain Booklet" if adds else None)
        if victim in values and values[victim] != had[victim]:
            # our commit had replaced the value that plain Booklet still saw and deleted: the newer one stays
            assert values.pop(victim) == dict((expected or [State()])[-1].values)[victim]
        assert victim not in values
        candidates = [{k: v for k, v in state.values if k != victim} for state in expected or [State()]]
        assert values in candidates, (done, sorted(values), [sorted(state) for state in candidates])
        book = booklet.open(path, "r")
        assert dict(book.items()) == {**dict(recovered.values), "later": b"1"}
        assert all(book[key] == value for key, value in recovered.values)
        book.close()
        tried += 1
    assert tried > 170


def test_a_kill_while_a_plain_file_is_taken_over_leaves_its_content(folder: Path) -> None:
    work = Workload(folder / "work", seed=3)
    path = work.path
    with WorkingCopy.open(path, "n") as copy:
        copy.set_many([])
        copy.set("ours", b"1")
        copy.set_state("blob", b"kept")
        copy.commit()
    book = booklet.open(path, "w")
    book.update({f"p/{number}": bytes([number]) * number for number in range(20)})
    book.close()
    start = Image({NAME: 1}, {1: bytearray(path.read_bytes())})
    work.files.inodes = {path.stat().st_ino: 1}
    with WorkingCopy.open(path, "w", files=work.files) as copy:
        work.states = [observe(copy)]
    log: list[Op] = [("mark", "acked", 0), *work.files.log]
    work.files = RecordingFiles()
    work.files.log = log
    tally = Tally()
    enumerate_kills(work, folder / "room", tally, tears=2, nested=1, start=start)
    lose_power(work, folder / "room", tally, images=10, start=start)
    assert not tally.failures, tally.failures[:5]
    assert len(work.states[0].values) == 21


def test_broken_chains_of_a_killed_plain_booklet_are_put_right(folder: Path) -> None:
    """A plain Booklet killed inside an overwrite loses keys from its chains; our last table knows them."""
    path = folder / "work" / NAME
    with WorkingCopy.open(path, "n") as copy:
        for number in range(40):
            copy.set(f"k/{number}", bytes([number]) * 20)
        copy.commit()
    raw = bytearray(path.read_bytes())
    # what Booklet's overwrite does first: the old block is marked as deleted, which cuts its chain
    with WorkingCopy.open(path, "r") as copy:
        row = copy.row("k/7")
    assert row is not None
    block = row.offset - len("k/7") - 32
    raw[block + 13 : block + 19] = bytes(6)
    raw[33:37] = b"\xff\xff\xff\xff"
    path.write_bytes(raw)
    with WorkingCopy.open(path, "w") as copy:
        kept = dict(observe(copy).values)
    assert kept == {f"k/{number}": bytes([number]) * 20 for number in range(40) if number != 7}
    book = booklet.open(path, "r")
    assert {key: book[key] for key in book} == kept
    book.close()


def test_a_file_cut_short_is_refused_unless_its_structure_is_whole(folder: Path) -> None:
    path = folder / "work" / NAME
    with WorkingCopy.open(path, "n") as copy:
        for number in range(30):
            copy.set(f"k/{number}", bytes([number]) * 30)
        copy.commit()
        for number in range(0, 30, 3):
            copy.set(f"k/{number}", b"again")
        copy.commit()
        state = observe(copy)
    whole = path.read_bytes()
    accepted = set()
    for size in range(0, len(whole), 37):
        for flag in ("r", "w"):
            path.write_bytes(whole[:size])
            try:
                copy = WorkingCopy.open(path, flag)  # type: ignore[arg-type]
            except (FileFormatError, FileNotFoundError):
                continue
            with copy:  # cut right behind the last value: only records of commits are gone
                assert observe(copy).values == state.values
            accepted.add(size)
    assert len(accepted) <= 2
    path.write_bytes(whole)
    book = booklet.open(path, "w")
    book.prune()
    book.close()
    assert path.stat().st_size < len(whole)
    for flag in ("r", "w", "r"):
        with WorkingCopy.open(path, flag) as copy:  # type: ignore[arg-type]
            assert observe(copy).values == state.values


@pytest.mark.parametrize("few", [True, False])
def test_reserved_slots_and_files_without_timestamps_go_through_everything(folder: Path, few: bool) -> None:
    path = folder / "work" / NAME
    book = booklet.open(path, "n", key_serializer="str", value_serializer="bytes", n_buckets=11, init_timestamps=few)
    book.update({f"k/{number}": bytes([number]) for number in range(9)})
    book.set_reserved(1, b"one")
    book.set_reserved(2, b"two")
    book.set_metadata({"title": "plain"})
    book.close()
    values = {f"k/{number}": bytes([number]) for number in range(9)}
    with WorkingCopy.open(path, "w") as copy:
        for start in (10, 60):
            values.update({f"k/{number}": bytes([number]) for number in range(start, 2 * start)})
            copy.set_many(Write(key, value, timestamp=5) for key, value in values.items())
            copy.commit()
        row = copy.row("k/3")
        assert row is not None
        copy.update_rows([replace(row, timestamp=6)])
        copy.delete_many(["k/5"])
        del values["k/5"]
        copy.commit()
        assert copy._commit.header.index_offset != 200
        assert verify(path, locking=False).ok
        copy.compact()
        assert copy.get_metadata() == {"title": "plain"}
        assert dict(observe(copy).values) == values
    assert verify(path).ok
    book = booklet.open(path, "w")
    assert {key: book[key] for key in book} == values
    assert (book.get_reserved(1), book.get_reserved(2)) == (b"one", b"two")
    assert book.get_metadata() == {"title": "plain"}
    if few:
        assert book.get_timestamp("k/3") == 6
    book["plain"] = b"1"
    book.close()
    with WorkingCopy.open(path, "w") as copy:
        assert dict(observe(copy).values) == {**values, "plain": b"1"}


def test_a_damaged_commit_pointer_is_found_again_in_the_newest_commit_block(folder: Path) -> None:
    work = Workload(folder / "work", seed=4)
    work.run()
    raw = bytearray(work.path.read_bytes())
    for torn in (bytes([255]) * 3 + bytes(45), raw[80:100] + bytes(28), raw[80:127] + b"?"):
        work.path.write_bytes(raw[:80] + torn + raw[128:])
        for flag in ("r", "w", "r"):
            with WorkingCopy.open(work.path, flag) as copy:  # type: ignore[arg-type]
                assert observe(copy) == work.states[-1]
