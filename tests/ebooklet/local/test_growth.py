"""What does a local file cost when it grows to 10^3, 10^4, 10^5 keys? Counted: flat, or in step with what changed."""

import cProfile
import pstats
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ebooklet.format.table import PAGE_ROWS
from ebooklet.local.working_copy import WorkingCopy, Write
from tests.ebooklet.local.test_costs import CountingFiles

SIZES = (1_000, 10_000, 100_000)
SIDE = 320


@dataclass(frozen=True)
class Grown:
    """A file of so many tiny values."""

    path: Path
    keys: list[str]

    @property
    def directory(self) -> int:
        """Most bytes that the list of its pages takes."""
        return 400 + 100 * (len(self.keys) // (PAGE_ROWS // 4) + 1)


@pytest.fixture(scope="module", params=SIZES)
def grown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    path = tmp_path_factory.mktemp("grown") / "data.cfdb"
    keys = [f"abcdefgh/{number // SIDE}.{number % SIDE}" for number in range(request.param)]
    with WorkingCopy.open(path, "n") as copy:
        copy.set_many(Write(key, b"%d" % number, b"tail", b"note") for number, key in enumerate(keys))
        copy.set_many(Write(f"other/{number}", b"value") for number in range(10))
        copy.commit()
        assert copy.stats.writes < 1000 + len(keys) // 100
    yield Grown(path, keys)
    path.unlink()


def test_a_key_costs_the_same_room(grown: Grown) -> None:
    assert grown.path.stat().st_size < 130 * len(grown.keys)


def test_opening_reads_the_list_of_pages_and_a_lookup_one_page(grown: Grown) -> None:
    files = CountingFiles()
    with WorkingCopy.open(grown.path, "r", files=files) as copy:
        assert len(files.reads) == 3
        assert sum(files.reads) < grown.directory + 1000
        middle = len(grown.keys) // 2
        assert copy.payload(grown.keys[middle]) == b"%d" % middle
        assert copy.stats.reads == 2
        assert copy.stats.bytes_read < 12_000
        assert copy.payload(grown.keys[middle]) is not None
        assert copy.stats.reads == 3
        assert copy.get("abcdefgh/0.-1") is None


def test_a_small_commit_writes_a_little(grown: Grown) -> None:
    with WorkingCopy.open(grown.path, "w") as copy:
        for step in range(3):
            stats = copy.stats
            before = (stats.bytes_written, stats.bytes_read, stats.reads, stats.writes, stats.fsyncs)
            copy.set(grown.keys[step * 321], b"%d" % (step * 321))
            copy.commit()
            after = (stats.bytes_written, stats.bytes_read, stats.reads, stats.writes, stats.fsyncs)
            written, read, reads, writes, fsyncs = (now - then for now, then in zip(after, before, strict=True))
            assert written < 2500
            assert read < 20_000
            assert reads <= 20
            assert writes <= 10
            assert fsyncs == 3


def test_a_commit_that_folds_rewrites_the_pages_it_touches(grown: Grown) -> None:
    with WorkingCopy.open(grown.path, "w") as copy:
        numbers = range(400)
        before = (copy.stats.bytes_written, copy.stats.fsyncs)
        copy.set_many(Write(grown.keys[number], b"%d" % number, b"tail", b"note") for number in numbers)
        copy.commit()
        touched = 20  # tiles of 22 x 22 slots that two rows of 320 cross, each a page at most
        assert copy.stats.bytes_written - before[0] < 400 * 150 + touched * 6000 + grown.directory
        assert copy.stats.fsyncs - before[1] == 3


def test_totals_and_keys_of_a_prefix_read_its_pages_once(grown: Grown) -> None:
    with WorkingCopy.open(grown.path, "r") as copy:
        assert copy.totals("other/").values == 10
        assert copy.stats.reads <= 2
        assert list(copy.keys("other/")) == [f"other/{number}" for number in range(10)]
        assert copy.stats.reads <= 2
        pages = len(copy._commit.table.pages)
        found = copy.totals("abcdefgh/")
        assert (found.values, found.nbytes) == (len(grown.keys), sum(len(str(n)) for n in range(len(grown.keys))))
        assert copy.stats.reads <= pages + 2
        assert list(copy.keys())[-1] == "other/9"


def test_all_values_come_in_large_reads(grown: Grown) -> None:
    with WorkingCopy.open(grown.path, "r") as copy:
        pages = len(copy._commit.table.pages)
        found = copy.payloads(grown.keys)
        assert [bytes(value or b"") for value in found] == [b"%d" % number for number in range(len(grown.keys))]
        assert copy.stats.reads < pages + 20 + len(grown.keys) // 500


def test_work_grows_with_what_is_written() -> None:
    def calls(count: int) -> int:
        keys = [f"t/{number // 50}.{number % 50}" for number in range(count)]
        profile = cProfile.Profile()
        with WorkingCopy.open(None, "n", expected_keys=20_000) as copy:
            copy.set_many(Write(key, b"value") for key in keys[:100])
            copy.commit()
            profile.enable()
            for _ in range(2):  # new keys, then the same once more
                copy.set_many(Write(key, b"value") for key in keys)
                copy.commit()
            copy.payloads(keys)
            copy.rows(keys)
            copy.delete_many(keys[::2])
            copy.commit()
            profile.disable()
        return pstats.Stats(profile).total_calls  # type: ignore[attr-defined, no-any-return]

    calls(500)  # what is imported and made once
    assert calls(8000) < 2.4 * calls(4000)
