"""How much work may a local file do? Counted, not timed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ebooklet.local.device import FileDevice, Files
from ebooklet.local.working_copy import WorkingCopy, Write

ROWS = 10_000


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.cfdb"
    with WorkingCopy.open(path, "n", expected_keys=2 * ROWS) as copy:
        copy.set_many(Write(f"t/{n // 100}.{n % 100}", b"%d" % n, note=b"note") for n in range(ROWS))
        copy.commit()
    return path


def test_an_empty_file_is_small(tmp_path: Path) -> None:
    path = tmp_path / "empty.cfdb"
    WorkingCopy.open(path, "n").close()
    assert path.stat().st_size < 2500
    with WorkingCopy.open(path, "w") as copy:
        copy.set_many(Write(f"a/{n}", b"") for n in range(30))
        copy.commit()
    assert path.stat().st_size < 8000


def test_opening_and_looking_up_touch_a_few_pages_of_many(large: Path) -> None:
    with WorkingCopy.open(large, "r") as copy:
        assert copy.stats.reads == 0  # (what opening read is counted by the device it opened)
        assert copy.payload("t/50.50") == b"5050"
        assert copy.stats.reads <= 2
        assert copy.stats.bytes_read < 12_000
        copy.rows(["t/50.51", "t/50.52"])
        assert copy.stats.reads <= 3
        assert copy.get("t/none") is None


class CountingFiles(Files):
    """Counts what opening itself reads."""

    def __init__(self) -> None:
        self.reads: list[int] = []

    def open(self, path: Path, writable: bool) -> FileDevice:
        device = super().open(path, writable)
        original = device.pread

        def pread(length: int, offset: int) -> bytes:
            self.reads.append(length)
            return original(length, offset)

        device.pread = pread  # type: ignore[method-assign]
        return device


def test_opening_reads_header_record_and_directory(large: Path) -> None:
    files = CountingFiles()
    WorkingCopy.open(large, "r", files=files).close()
    assert len(files.reads) == 3
    assert sum(files.reads) < 4000


def test_a_commit_writes_what_changed(large: Path) -> None:
    with WorkingCopy.open(large, "w") as copy:
        for step in range(5):
            stats = copy.stats
            reads, written, fsyncs = stats.bytes_read, stats.bytes_written, stats.fsyncs
            copy.set(f"t/{step}.{step}", b"x" * 10)
            copy.commit()
            assert stats.fsyncs - fsyncs == 3
            assert stats.bytes_written - written < 2500
            assert stats.bytes_read - reads < 20_000
    size = large.stat().st_size
    with WorkingCopy.open(large, "w") as copy:
        written = copy.stats.bytes_written
        copy.set_many(Write(f"t/7.{n % 100}" if n < 100 else f"u/{n}", b"") for n in range(400))
        copy.commit()
        assert copy.stats.bytes_written - written < 120_000
    assert large.stat().st_size - size < 120_000


def test_a_commit_without_changes_does_nothing(large: Path) -> None:
    with WorkingCopy.open(large, "w") as copy:
        copy.commit()
        assert (copy.stats.writes, copy.stats.fsyncs, copy.commit_number) == (0, 0, 2)


def test_readers_neither_write_nor_lock(large: Path) -> None:
    before = (large.stat().st_size, large.stat().st_mtime_ns, sorted(os.listdir(large.parent)))
    with WorkingCopy.open(large, "r") as copy:
        assert sum(1 for _ in copy) == ROWS
        with WorkingCopy.open(large, "w", lock_timeout=0):
            assert copy.payload("t/3.3") == b"303"
    assert (large.stat().st_size, large.stat().st_mtime_ns, sorted(os.listdir(large.parent))) == before


def test_offsets_beyond_four_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "sparse.cfdb"
    with WorkingCopy.open(path, "n") as copy:
        copy.set("before", b"1" * 100)
        copy.commit()
        transaction = copy._transaction
        assert transaction is not None
        # a hole of 5 GB in two dead blocks; the file system stores nothing of it
        for length in (2**32 - 100, 2**30):
            offset = transaction.reserve(length)
            from ebooklet.format.booklet_layout import dead_prefix

            copy._device.pwrite([dead_prefix(length - len(dead_prefix(0)))], offset)
        copy.set("behind", b"2" * 100, note=b"far")
        copy.set("before2", b"3")
        copy.commit()
        if path.stat().st_blocks * 512 > 2**30:
            pytest.skip("the file system does not keep holes")
        copy.set("behind", b"4" * 50)
        copy.commit()
    with WorkingCopy.open(path, "w") as copy:
        row = copy.row("behind")
        assert row is not None
        assert row.offset > 5 * 10**9
        assert (copy.get("behind"), copy.get("before"), copy.get("before2")) == (b"4" * 50, b"1" * 100, b"3")
        copy.delete_many(["before"])
        copy.commit()
        assert copy.compact() > 5 * 10**9
        assert copy.get("behind") == b"4" * 50


def test_importing_the_package_imports_no_booklet() -> None:
    code = (
        "import sys; import ebooklet.local.working_copy, ebooklet.local.verify, ebooklet; "
        "assert not {'booklet', 'boto3', 'portalocker', 'orjson'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_on_windows_opening_a_file_says_what_to_do(tmp_path: Path) -> None:
    code = (
        "import sys, asyncio, booklet, numpy, zstandard, msgpack, google_crc32c, tempfile, uuid, socket\n"
        "sys.modules['fcntl'] = None\n"
        "sys.platform = 'win32'\n"
        "from ebooklet.local.working_copy import WorkingCopy\n"
        "from ebooklet.errors import LockUnavailableError\n"
        "with WorkingCopy.open(None, 'n') as copy: copy.set('a', b'1'); copy.commit(); assert copy.get('a') == b'1'\n"
        "try: WorkingCopy.open('x', 'r')\n"
        "except LockUnavailableError as error: assert 'Windows' in str(error)\n"
        "else: raise AssertionError\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)
