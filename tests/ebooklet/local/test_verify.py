"""Verify finds every damage; salvage brings home everything else."""

import random
from pathlib import Path

import booklet
import pytest

from ebooklet.local.verify import salvage, verify
from ebooklet.local.working_copy import WorkingCopy, Write

VALUES = {f"t/{n // 30}.{n % 30}": random.Random(n).randbytes(n) for n in range(900)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data.cfdb"
    with WorkingCopy.open(path, "n", value_serializer="bytes") as copy:
        copy.set_many(Write(key, value, b"tail", note=b"n", version=5) for key, value in VALUES.items())
        copy.set_state("blob", b"state")
        copy.set_metadata({"title": "x"})
        copy.commit()
        copy.delete_many(["t/0.1"], tombstone=True)
        copy.set("t/0.0", b"zero")
        copy.commit()
    return path


def expected() -> dict[str, bytes]:
    return {**{key: value + b"tail" for key, value in VALUES.items() if key != "t/0.1"}, "t/0.0": b"zero"}


def damage(path: Path, offset: int, length: int = 1) -> None:
    raw = bytearray(path.read_bytes())
    for position in range(offset, offset + length):
        raw[position] ^= 0x55
    path.write_bytes(raw)


def content(path: Path) -> dict[str, bytes | None]:
    with WorkingCopy.open(path, "r") as copy:
        return {key: copy.get(key) for key in copy}


def test_a_whole_file_is_called_whole(path: Path) -> None:
    report = verify(path)
    assert report.ok, str(report)
    assert (report.keys, report.remarks) == (899, ())
    assert report.bytes_checked == sum(map(len, expected().values()))
    assert "whole" in str(report)
    with WorkingCopy.open(path, "w"):
        assert "a writer has the file open" in str(verify(path))
    book = booklet.open(path, "w")
    book["plain"] = b"1"
    book.close()
    assert "plain Booklet" in str(verify(path))
    with pytest.raises(FileNotFoundError):
        verify(path.with_name("none"))


def test_damaged_values_are_named_and_left_out(path: Path, tmp_path: Path) -> None:
    with WorkingCopy.open(path, "r") as copy:
        rows = [copy.row(key) for key in ("t/3.3", "t/9.9")]
    for row in rows:
        assert row is not None
        damage(path, row.offset + 5)
    report = verify(path)
    assert not report.ok
    assert [key for key in VALUES if repr(key) in str(report)] == ["t/3.3", "t/9.9"]
    saved = salvage(path, tmp_path / "saved.cfdb")
    assert (saved.verified, saved.unverified, sorted(saved.lost)) == (897, 0, ["t/3.3", "t/9.9"])
    assert content(saved.target) == {k: v for k, v in expected().items() if k not in saved.lost}
    assert verify(saved.target).ok
    with WorkingCopy.open(saved.target, "r") as copy:
        assert (copy.state("blob"), copy.get_metadata()) == (b"state", {"title": "x"})
        row = copy.row("t/4.4")
        assert row is not None
        assert (row.version, row.note) == (5, b"n")
    with pytest.raises(FileExistsError):
        salvage(path, saved.target)


def test_a_damaged_chain_is_found(path: Path) -> None:
    with WorkingCopy.open(path, "r") as copy:
        row = copy.row("t/5.5")
    assert row is not None
    damage(path, row.offset - len("t/5.5") - 32 + 14)
    report = verify(path)
    assert any("bucket" in problem for problem in report.problems)


def test_a_file_whose_record_is_lost_is_searched_for_values(path: Path, tmp_path: Path) -> None:
    with WorkingCopy.open(path, "r") as copy:
        commit = copy._commit
    raw = path.read_bytes()
    damage(path, raw.rindex(b"EBR1"), 200)
    assert commit.record.number == 3
    assert not verify(path).ok
    saved = salvage(path, tmp_path / "saved.cfdb")
    assert saved.unverified == 899
    assert content(saved.target) == expected()
    with WorkingCopy.open(saved.target, "r") as copy:
        assert copy.get_metadata() == {"title": "x"}


def test_even_without_header_and_index_values_are_found(path: Path, tmp_path: Path) -> None:
    with WorkingCopy.open(path, "r") as copy:
        row = copy.row("t/2.2")
    assert row is not None
    raw = bytearray(path.read_bytes())
    raw[:1000] = bytes(1000)
    raw[row.offset - 30 : row.offset] = bytes(30)
    path.write_bytes(raw)
    saved = salvage(path, tmp_path / "saved.cfdb")
    found = content(saved.target)
    wanted = {key: value for key, value in expected().items() if key != "t/2.2"}
    assert {key: value for key, value in wanted.items() if found.get(key) != value} == {}


def test_a_damaged_page_of_the_table_costs_no_value(path: Path, tmp_path: Path) -> None:
    with WorkingCopy.open(path, "r") as copy:
        page = copy._commit.table.pages[0]
    damage(path, page.hot.offset + 10)
    assert not verify(path).ok
    saved = salvage(path, tmp_path / "saved.cfdb")
    assert content(saved.target) == expected()
    assert saved.verified > 0
    assert saved.unverified > 0
