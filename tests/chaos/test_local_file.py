"""The long fault runs of the local file; CFDB_CHAOS multiplies their size (1 = the numbers of a release)."""

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.ebooklet.local.conftest import few_buckets, folder
from tests.ebooklet.local.test_crash_enumeration import recorded
from tests.ebooklet.local.test_faults import (
    kill_writers,
)
from tests.ebooklet.local.test_faults import (
    test_an_interrupt_at_any_line_of_a_commit_leaves_a_whole_commit_and_says_which as interrupt_lines,
)
from tests.ebooklet.local.test_hostile_files import look, prepared
from tests.support.crash_workload import NAME, Tally, enumerate_kills, lose_power

__all__ = ["few_buckets", "folder"]

SIZE = float(os.environ.get("CFDB_CHAOS", "1"))

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(7200)]


def times(number: int) -> int:
    return max(1, round(number * SIZE))


def report(what: str, tried: object) -> None:
    print(f"\n{what}: {tried}")


def test_a_thousand_kills(folder: Path) -> None:
    commits = kill_writers(folder / "work" / NAME, times(1000), random.Random(7))
    report("SIGKILL", f"{times(1000)} kills over {commits} commits, none lost")


@pytest.mark.usefixtures("few_buckets")
def test_kills_and_power_losses_of_many_workloads(folder: Path) -> None:
    tally = Tally()
    for seed in range(times(10)):
        for old in (folder / "work").iterdir():
            old.unlink()
        work = recorded(folder, seed)
        enumerate_kills(work, folder / "room", tally, tears=4, nested=1)
        lose_power(work, folder / "room", tally, images=20)
    report("enumerated", dict(tally.tried))
    assert not tally.failures, tally.failures[:5]


@pytest.mark.usefixtures("few_buckets")
def test_an_interrupt_at_every_line_of_a_commit(folder: Path) -> None:
    interrupt_lines(folder, 1)


@pytest.mark.parametrize("journal", [False, True])
def test_ten_thousand_mutated_files(folder: Path, journal: bool) -> None:
    path, state = prepared(folder, journal=journal)
    whole = path.read_bytes()
    rng = random.Random(3)
    outcomes: Counter[str] = Counter()
    for trial in range(times(10_000)):
        raw = bytearray(whole)
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        if trial % 9 == 0:
            start = rng.randrange(len(raw))
            raw[start : start + 4096] = bytes(len(raw[start : start + 4096]))
        if trial % 13 == 0:
            del raw[rng.randrange(len(raw)) :]
        path.write_bytes(raw)
        outcomes[look(path, state, writing=True)] += 1
    report("mutated", dict(outcomes))
