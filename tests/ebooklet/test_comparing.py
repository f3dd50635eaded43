"""A local file and its remote are compared without fetching a value."""

from pathlib import Path

import numpy as np
import pytest

import cfdb
import ebooklet
from ebooklet.connection import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore

DATA = {f"k{number}": bytes([number]) * 100 for number in range(20)}


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(MemoryStore())


@pytest.fixture
def conn(store: CountingStore) -> StoreConnection:
    made = StoreConnection("x.blt", store)
    with ebooklet.open(made, cache=None, flag="n") as db:
        db.update(DATA)
        db.push(num_groups=4)
    return made


def damage(path: Path, value: bytes) -> None:
    body = path.read_bytes()
    assert body.count(value) == 1
    path.write_bytes(body.replace(value, b"#" + value[1:]))


def test_copies_that_match_are_counted_and_nothing_is_fetched(
    conn: StoreConnection, store: CountingStore, tmp_path: Path
) -> None:
    with ebooklet.open(conn, tmp_path / "x.blt", "w") as db:
        for number in range(8):
            db[f"k{number}"]
        db["k1"] = b"mine"
        db["new"] = b"mine too"
        del db["k9"]
        db.sync()
        store.reset()
        report = db.verify()
        assert store.counts.total == 0
        assert report.ok
        assert report
        assert (report.copies, report.absent) == (7, 11)
        assert sorted(report.pending) == ["k1", "k9", "new"]
        assert (report.outdated, report.problems) == ((), ())
        assert report.bytes_checked >= 7 * 100 + 12
        assert "7 values are here as the remote has them, 11 are not here" in str(report)


def test_a_damaged_copy_is_named(conn: StoreConnection, tmp_path: Path) -> None:
    with ebooklet.open(conn, tmp_path / "x.blt") as db:
        db.load()
    damage(tmp_path / "x.blt", DATA["k7"])
    with ebooklet.open(conn, tmp_path / "x.blt") as db:
        for remote in (True, False):
            report = db.verify(remote)
            assert not report.ok
            assert report.problems == ("the value of 'k7' is damaged here: its checksum does not match",)
            assert report.copies == 19
            assert report.absent == 0


def test_copies_of_another_version_are_told_apart(conn: StoreConnection, tmp_path: Path) -> None:
    with ebooklet.open(conn, tmp_path / "x.blt") as db:
        db.load()
    with ebooklet.open(conn, cache=None, flag="w") as other:
        other["k3"] = b"newer"
        del other["k4"]
        other.push()
    with ebooklet.open(conn, tmp_path / "x.blt") as db:
        report = db.verify()
        assert report.ok
        assert (sorted(report.outdated), report.copies, report.absent) == (["k3", "k4"], 18, 0)


def test_a_copy_that_claims_to_be_the_remotes_and_is_not_is_found(conn: StoreConnection, tmp_path: Path) -> None:
    with ebooklet.open(conn, tmp_path / "x.blt", "w") as db:
        db.load()
        local = db._loader.local
        version = local.row("k5").version
        local.set("k5", b"forged", version=version)
        local.commit()
        report = db.verify()
        assert report.problems == ("the value of 'k5' is another one than the remote's",)
        assert db.verify(remote=False).ok


def test_before_the_first_push_everything_is_pending(tmp_path: Path) -> None:
    with ebooklet.open(StoreConnection("new.blt"), tmp_path / "x.blt", "c") as db:
        db["a"] = b"1"
        db.sync()
        report = db.verify()
        assert (report.ok, report.pending, report.copies, report.version) == (True, ("a",), 0, "")


def test_a_dataset_names_the_chunk(tmp_path: Path) -> None:
    conn = StoreConnection("x.cfdb")
    values = np.random.default_rng(0).normal(size=(40,))
    with cfdb.open_edataset(conn, tmp_path / "mine.cfdb", "n") as ds:
        ds["t"] = ("x", values)
    with cfdb.open_edataset(conn, tmp_path / "x.cfdb") as ds:
        ds.load()
        report = ds.verify()
        assert report.ok
        assert report.copies > 0
    body = bytearray((tmp_path / "x.cfdb").read_bytes())
    with ebooklet.open(conn, tmp_path / "x.cfdb", kind="cfdb") as db:
        key = max(db.keys(), key=lambda key: len(db.get_payload(key)))
        row = db._loader.copies_in.row(key)
    body[row.offset + 10] ^= 1
    (tmp_path / "x.cfdb").write_bytes(bytes(body))
    with cfdb.open_edataset(conn, tmp_path / "x.cfdb") as ds:
        report = ds.verify()
        assert not report.ok
        assert "is damaged here" in report.problems[0]
        assert key not in report.problems[0]
        assert "t" in report.problems[0]
