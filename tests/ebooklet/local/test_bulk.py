"""Thousands of payloads at once: the same bytes as one by one, in few reads, every one checked."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebooklet.errors import ClosedError, CorruptValueError
from ebooklet.format.table import Row, Table
from ebooklet.local.bulk import GAP, PORTION, portions
from ebooklet.local.working_copy import WorkingCopy, Write


@given(
    st.lists(
        st.tuples(st.integers(0, 8 * PORTION), st.one_of(st.integers(0, 3 * GAP), st.integers(0, 2 * PORTION))),
        max_size=40,
    )
)
def test_portions_hold_every_value_once_and_little_else(values: list[tuple[int, int]]) -> None:
    offsets = np.array([offset for offset, _ in values], dtype=np.uint64)
    lengths = np.array([length for _, length in values], dtype=np.uint64)
    positions = np.arange(len(values)) * 3
    seen = []
    reach = 0
    for portion in portions(offsets, lengths, positions):
        assert portion.length <= PORTION or len(portion.positions) == 1
        end = portion.offset
        for position, start, stop in zip(portion.positions, portion.starts, portion.ends, strict=True):
            offset, length = values[position // 3]
            assert (portion.offset + start, stop - start) == (offset, length)
            assert 0 <= start <= stop <= portion.length
            assert offset - max(end, reach) <= GAP or start == 0
            end = max(end, offset + length)
            reach = max(reach, end)
            seen.append(position)
        assert end == portion.offset + portion.length
    assert sorted(seen) == positions.tolist()


@pytest.mark.parametrize("sizes", [(0, 40), (1500, 3000), (40_000, 200_000), (0, 3 * PORTION)])
def test_payloads_are_what_a_dict_holds(tmp_path: Path, sizes: tuple[int, int]) -> None:
    rng = random.Random(str(sizes))
    count = 2000 if sizes[1] < 10_000 else 40
    model: dict[str, bytes] = {}

    def write(copy: WorkingCopy, keys: list[str]) -> None:
        new = {key: rng.randbytes(rng.randint(*sizes)) for key in keys}
        copy.set_many(Write(key, value, b"tail", b"note") for key, value in new.items())
        model.update(new)

    def compare(copy: WorkingCopy) -> None:
        for some in (keys, keys[:1], [], rng.sample(keys, count // 3), [*keys[:20], "none", *keys[:20], "t/-1.0"]):
            found = copy.payloads(some)
            assert [None if value is None else bytes(value) for value in found] == [model.get(key) for key in some]

    keys = [f"t/{number // 50}.{number % 50}" for number in range(count)]
    with WorkingCopy.open(tmp_path / "data.cfdb", "n") as copy:
        write(copy, keys)
        compare(copy)
        copy.commit()
        compare(copy)
        write(copy, keys[::7])
        compare(copy)
        copy.commit()
        gone, marked = keys[3::11], keys[5::13]
        copy.delete_many(gone)
        copy.delete_many(marked, tombstone=True)
        for key in {*gone, *marked}:
            model.pop(key, None)
        compare(copy)
        copy.commit()
        write(copy, keys[1::5])
        copy.commit()
        compare(copy)
    with WorkingCopy.open(tmp_path / "data.cfdb", "r") as copy:
        compare(copy)
    with pytest.raises(ClosedError):
        copy.payloads(keys)


def test_neighbours_are_read_together_and_their_pages_once(tmp_path: Path) -> None:
    count, size = 4000, 2000
    keys = [f"t/{number // 80}.{number % 80}" for number in range(count)]
    with WorkingCopy.open(tmp_path / "data.cfdb", "n") as copy:
        copy.set_many(Write(key, key.encode() * (size // len(key))) for key in keys)
        copy.commit()
        pages = len(copy._commit.table.pages)
    with WorkingCopy.open(tmp_path / "data.cfdb", "r") as copy:
        found = copy.payloads(keys)
        assert isinstance(found[0], memoryview)
        assert found[0].readonly
        assert copy.stats.reads <= pages + count * 2100 // PORTION + 2
        before = copy.stats.reads
        assert copy.payloads(keys[7:8]) == [found[7]]
        assert copy.stats.reads == before + 1
        before = copy.stats.bytes_read
        copy.payloads([keys[0], keys[-1]])
        assert copy.stats.bytes_read - before <= 2 * size


def test_a_few_small_values_do_not_hold_what_lies_between_them(tmp_path: Path) -> None:
    with WorkingCopy.open(tmp_path / "data.cfdb", "n") as copy:
        copy.set_many(Write(f"{kind}{n}", b"x" * size) for n in range(300) for kind, size in (("a", 5), ("b", 7000)))
        found = copy.payloads([f"a{n}" for n in range(300)])
        assert {type(value) for value in found} == {bytes}
        assert set(found) == {b"x" * 5}


def test_a_damaged_value_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data.cfdb"
    keys = [f"t/{number}" for number in range(50)]
    with WorkingCopy.open(path, "n") as copy:
        copy.set_many(Write(key, bytes([number]) * 900) for number, key in enumerate(keys))
        copy.commit()
        row = copy.row("t/31")
        assert row is not None
        whole = path.read_bytes()
    for change in (row.offset, row.offset + 899):
        path.write_bytes(whole[:change] + b"?" + whole[change + 1 :])
        with WorkingCopy.open(path, "r") as copy:
            with pytest.raises(CorruptValueError, match="'t/31' is damaged"):
                copy.payloads(keys)
            assert [bytes(value or b"")[:1] for value in copy.payloads(keys[32:])] == [
                bytes([n]) for n in range(32, 50)
            ]
    with WorkingCopy.open(path, "r") as copy:
        path.write_bytes(whole[: row.offset + 10])
        with pytest.raises(CorruptValueError, match=r"'t/31' is damaged .*; 10 bytes are left of it"):
            copy.payloads(keys[25:32])
        with pytest.raises(CorruptValueError, match=r"'t/40' is damaged .*; 0 bytes"):
            copy.payloads(keys[40:])


def test_a_row_that_points_anywhere_costs_no_memory(tmp_path: Path) -> None:
    with WorkingCopy.open(tmp_path / "data.cfdb", "n") as copy:
        copy.set("a", b"1")
        row = copy.row("a")
        assert row is not None
        for offset, length in ((0, 2**63 - 1), (2**63 - 1, 1), (2**62, 2**62), (copy._device.size(), 1)):
            copy._pending.rows["a"] = type(row)("a", offset, length, row.crc)
            with pytest.raises(CorruptValueError, match="'a' is damaged"):
                copy.payloads(["a"])


def test_threads_read_while_the_file_is_written_and_compacted(tmp_path: Path) -> None:
    keys = [f"t/{number}" for number in range(400)]
    failures: list[BaseException] = []
    done = threading.Event()

    def read(copy: WorkingCopy) -> None:
        try:
            while not done.is_set():
                for key, value in zip(keys, copy.payloads(keys), strict=True):
                    assert value is not None
                    assert bytes(value[: len(key)]) == key.encode()
                for key in keys[::20]:
                    for value in (copy.payload(key), copy.get(key)):
                        assert value is not None
                        assert bytes(value[: len(key)]) == key.encode()
        except BaseException as error:
            failures.append(error)

    with WorkingCopy.open(tmp_path / "data.cfdb", "n") as copy:
        copy.set_many(Write(key, key.encode() * 300) for key in keys)
        copy.commit()
        threads = [threading.Thread(target=read, args=(copy,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for step in range(12):
            copy.set_many(Write(key, key.encode() * (300 + step)) for key in keys[step::3])
            if step % 4 == 3:
                copy.rollback()
            copy.commit()
            if step % 4 == 1:
                copy.compact()
        done.set()
        for thread in threads:
            thread.join()
    assert not failures


class Interrupted(WorkingCopy):
    """A copy in which another thread does something whenever the committed table was looked at, or a page was read."""

    meanwhile: Callable[["Interrupted"], object] | None = None
    _seen: Any = None

    @property
    def _commit(self) -> Any:
        seen = self._seen
        self.interrupt()
        return seen

    @_commit.setter
    def _commit(self, commit: Any) -> None:
        self._seen = commit

    @property
    def waiting(self) -> bool:
        return self.meanwhile is not None

    def interrupt(self) -> None:
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act(self)


@pytest.mark.parametrize("count", [1, 2, 20])
def test_a_commit_or_compaction_in_between_hides_no_change(count: int) -> None:
    keys = [f"t/{number}" for number in range(count)]
    with Interrupted.open(None, "n") as copy:
        assert isinstance(copy, Interrupted)
        copy.set_many(Write(key, b"old") for key in keys)
        copy.commit()
        reads: list[Callable[[], list[Any]]] = [
            lambda: copy.payloads(keys),
            lambda: [copy.payload(key) for key in keys],
            lambda: copy.get_many(keys),
            lambda: [None if row is None else copy.payload_of(row) for row in copy.rows(keys)],
            lambda: copy.payloads_at(keys, copy.columns(keys)[0]),
        ]
        for number, read in enumerate(reads):
            new = b"new %d" % number
            copy.set_many(Write(key, new) for key in keys)
            copy.meanwhile = Interrupted.commit
            assert [bytes(value) for value in read()] == [new] * count
            assert not copy.waiting
            copy.commit()
        for read in reads[:3]:
            copy.set("t/", b"what the copy leaves out" * 40)
            copy.set_many(Write(key, new) for key in keys)
            copy.delete_many(["t/"])
            copy.commit()
            copy.meanwhile = Interrupted.compact
            assert [bytes(value) for value in read()] == [new] * count


def test_a_key_written_in_between_leaves_the_others_their_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [f"t/{number}" for number in range(6)]
    with WorkingCopy.open(tmp_path / "data.cfdb", "n") as copy:
        copy.set_many(Write(key, key.encode(), note=key.encode()) for key in keys)
        copy.commit()
        copy.set("other", b"pending")
        get_many = Table.get_many

        def written_after(table: Table, wanted: Sequence[str], *, cold: bool = True) -> list[Row | None]:
            found = get_many(table, wanted, cold=cold)
            monkeypatch.undo()
            copy.set("t/1", b"t/1", note=b"t/1")
            return found

        for read in (lambda: copy.rows(keys), lambda: copy.get_many(keys)):
            monkeypatch.setattr(Table, "get_many", written_after)
            found = [value.note if isinstance(value, Row) else value for value in read()]
            assert found == [key.encode() for key in keys]
            copy.rollback()
            copy.set("other", b"pending")


def test_what_is_written_beside_a_compaction_is_not_lost(tmp_path: Path) -> None:
    old = {f"t/{number}": b"%d" % number * 300 for number in range(40)}
    path = tmp_path / "data.cfdb"

    def values() -> Iterator[Write]:
        """Another thread compacts when the write has begun."""
        thread = threading.Thread(target=copy.compact)
        thread.start()
        thread.join()
        yield Write("new", b"precious" * 100)

    with WorkingCopy.open(path, "n") as copy:
        for _ in range(2):
            copy.set_many(Write(key, value) for key, value in old.items())
            copy.commit()
        copy.set_many(values())
        copy.commit()
        assert copy.payload("new") == b"precious" * 100
    with WorkingCopy.open(path, "r") as copy:
        assert {key: copy.payload(key) for key in copy} == {**old, "new": b"precious" * 100}


def test_threads_write_commit_and_compact(tmp_path: Path) -> None:
    path = tmp_path / "data.cfdb"
    failures: list[BaseException] = []
    kept: list[dict[str, bytes]] = [{}, {}]
    done = threading.Event()

    def write(number: int) -> None:
        rng = random.Random(number)
        try:
            for step in range(150):
                new = {f"{number}/{rng.randrange(30)}": b"%d %d" % (number, step) * rng.randrange(200) for _ in "abc"}
                copy.set_many(Write(key, value) for key, value in new.items())
                kept[number].update(new)
                if step % 5 == 0:
                    copy.commit()
        except BaseException as error:
            failures.append(error)

    def compact() -> None:
        while not done.is_set():
            try:
                copy.compact()
            except ValueError:  # changes are pending
                copy.commit()
            except BaseException as error:
                failures.append(error)
                return

    with WorkingCopy.open(path, "n") as copy:
        threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
        threads.append(threading.Thread(target=compact))
        for thread in threads:
            thread.start()
        for thread in threads[:2]:
            thread.join()
        done.set()
        threads[2].join()
        assert not failures
        copy.commit()
    with WorkingCopy.open(path, "r") as copy:
        assert {key: copy.payload(key) for key in copy} == {**kept[0], **kept[1]}
