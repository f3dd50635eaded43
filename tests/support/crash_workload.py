"""A small workload on a local file, and what may be found after it was interrupted anywhere."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import booklet

from ebooklet.local.device import Files
from ebooklet.local.working_copy import WorkingCopy
from tests.support.crash import Image, Op, PowerLoss, RecordingFiles, prefixes

NAME = "data.cfdb"


@dataclass(frozen=True)
class State:
    """Everything a handle sees."""

    values: tuple[tuple[str, bytes], ...] = ()
    tombstones: tuple[str, ...] = ()
    blob: bytes | None = None
    metadata: Any = None


def observe(copy: WorkingCopy) -> State:
    rows = list(copy.iter_rows())
    values = [(row.key, copy.get(row.key)) for row in rows if not row.deleted]
    assert len(copy) == len(values), (len(copy), len(values))
    return State(
        tuple(sorted((key, value) for key, value in values if value is not None)),
        tuple(sorted(row.key for row in rows if row.deleted)),
        copy.state("blob"),
        copy.get_metadata(),
    )


def observe_plain(path: Path) -> tuple[tuple[tuple[str, bytes], ...], Any]:
    book = booklet.open(path, "r")
    try:
        by_iteration = sorted(book.items())
        by_lookup = sorted((key, book[key]) for key in book)
        assert by_iteration == by_lookup
        assert len(book) == len(by_lookup)
        return tuple(by_lookup), book.get_metadata()
    finally:
        book.close()


@dataclass
class Workload:
    """Runs changes through a working copy and marks in the log what was intended and what was acknowledged."""

    folder: Path
    files: RecordingFiles = field(default_factory=RecordingFiles)
    seed: int = 0
    states: list[State] = field(default_factory=lambda: [State()])

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.path = self.folder / NAME
        self.copy: WorkingCopy = None  # type: ignore[assignment]

    def commit(self, copy: WorkingCopy) -> None:
        self.states.append(observe(copy))
        self.files.mark("will", len(self.states) - 1)
        copy.commit()
        self.files.mark("acked", len(self.states) - 1)

    def put(self, *keys: str, version: int = 0) -> None:
        for key in keys:
            self.copy.set(key, self.rng.randbytes(self.rng.choice([0, 5, 40, 700])), b"tail", version=version)

    def run(self) -> None:
        self.files.mark("will", 0)
        self.copy = WorkingCopy.open(self.path, "c", files=self.files)
        self.files.mark("acked", 0)
        self.put(*(f"k/{number}" for number in range(7)))
        self.commit(self.copy)
        self.put(*(f"k/{number}" for number in range(0, 6, 2)), "new")
        self.copy.delete_many(["k/1"])
        self.copy.delete_many(["k/5"], tombstone=True)
        self.copy.set_state("blob", b"first")
        self.commit(self.copy)
        self.roll_back()
        self.put("n/0", "n/0", "k/1", version=7)
        self.copy.set_metadata({"title": "one"})
        self.commit(self.copy)
        self.grow()
        self.copy.evict(["n/0"])
        self.copy.update_rows([self.row("k/0", version=9)])
        self.put("k/5")
        self.commit(self.copy)
        self.compact()
        self.put("last", "k/0")
        self.copy.delete_many(["k/2"])
        self.copy.set_metadata({"title": "two"})
        self.copy.set_state("blob", None)
        self.commit(self.copy)
        self.copy.close()

    def row(self, key: str, **changes: int) -> Any:
        from dataclasses import replace

        row = self.copy.row(key)
        assert row is not None
        return replace(row, **changes)

    def roll_back(self) -> None:
        self.put("r/0", "k/0", "r/1")
        self.copy.delete_many(["k/3"])
        self.copy.rollback()

    def grow(self) -> None:
        self.put(*(f"g/{number}.{number % 3}" for number in range(12)))
        self.copy.delete_many(["k/4"])
        self.commit(self.copy)

    def compact(self) -> None:
        self.files.mark("will", len(self.states) - 1)
        self.copy.compact()
        self.files.mark("acked", len(self.states) - 1)

    def replace_file(self) -> None:
        """Flag 'n': either everything is as it was, or everything is gone."""
        self.states.append(State())
        self.files.mark("will", len(self.states) - 1)
        self.copy = WorkingCopy.open(self.path, "n", files=self.files)
        self.files.mark("acked", len(self.states) - 1)
        self.put("fresh")
        self.commit(self.copy)
        self.copy.close()


def allowed(log: Sequence[Op], done: int, states: Sequence[State]) -> list[State] | None:
    """States that may be found after `done` operations; None when there may be no file yet."""
    acked, will = None, 0
    for op in log[: done + 1]:
        if op[0] == "mark" and op[1] == "acked":
            acked = op[2]
        elif op[0] == "mark" and op[1] == "will":
            will = op[2]
    if acked is None:
        return None
    return [states[acked]] if will <= acked else [states[acked], states[will]]


def check(
    folder: Path, expected: Sequence[State] | None, *, files: Files | None = None, go_on: bool = False
) -> State | None:
    """Look at a folder as a reader, as the next writer, and as a plain Booklet."""
    path = folder / NAME
    if not path.exists():
        assert expected is None, "the file is gone"
        return None
    expected = [State()] if expected is None else expected
    with WorkingCopy.open(path, "r") as reader:
        seen = observe(reader)
    assert seen in expected, "a reader sees neither the state before nor the one after"
    with WorkingCopy.open(path, "w", files=files) as writer:
        recovered = observe(writer)
        assert recovered == seen, "recovery ended in another state than the reader saw"
        if go_on:
            writer.set("after", b"crash")
            writer.commit()
            writer.delete_many(["after"])
            writer.commit()
    values, metadata = observe_plain(path)
    assert values == recovered.values, "plain Booklet sees something else"
    assert metadata == recovered.metadata
    with WorkingCopy.open(path, "r") as reader:
        assert observe(reader) == recovered
    leftovers = [name.name for name in folder.iterdir() if name.name != NAME]
    assert not leftovers, leftovers
    return recovered


@dataclass
class Tally:
    """How many images were tried, and which failed."""

    tried: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def attempt(self, kind: str, where: int, trial: Callable[[], object]) -> None:
        self.tried[kind] += 1
        try:
            trial()
        except Exception as error:
            self.failures.append(f"{kind} after {where}: {type(error).__name__}: {str(error)[:200]}")


def enumerate_kills(
    work: Workload,
    room: Path,
    tally: Tally,
    *,
    tears: int = 1,
    every: int = 1,
    nested: int = 0,
    start: Image | None = None,
) -> None:
    """Try every prefix; every `nested`-th of them again with a kill at every point of its recovery."""
    rng = random.Random(work.seed)
    for number, (done, image) in enumerate(prefixes(work.files.log, tears, rng, start)):
        if number % every:
            continue
        expected = allowed(work.files.log, done, work.states)
        image.put(room)
        recording = RecordingFiles()
        if nested and not number % nested:
            recording.inodes = {(room / name).stat().st_ino: inode for name, inode in image.names.items()}
            tally.attempt("kill", done, lambda e=expected, r=recording: check(room, e, files=r))
            inner = [op for op in recording.log if op[0] != "mark"]
            for _, second in list(prefixes(inner, tears, rng, image.copy())):
                second.put(room)
                tally.attempt("nested", done, lambda e=expected: check(room, e))
        else:
            tally.attempt("kill", done, lambda e=expected, n=number: check(room, e, go_on=n % 10 == 0))


def lose_power(
    work: Workload,
    room: Path,
    tally: Tally,
    *,
    images: int,
    every: int = 1,
    flushes: bool = True,
    start: Image | None = None,
) -> None:
    """Try `images` images after every `every`-th operation."""
    loss = PowerLoss(random.Random(work.seed), start)
    for done, op in enumerate(work.files.log):
        if flushes or op[0] not in ("fsync", "dirsync"):
            loss.step(op)
        if done % every or op[0] == "mark":
            continue
        expected = allowed(work.files.log, done + 1, work.states)
        for _ in range(images):
            loss.image().put(room)
            tally.attempt("power", done, lambda e=expected: check(room, e))
