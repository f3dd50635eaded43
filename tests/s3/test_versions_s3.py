"""Versions on the real S3 server: its clock, its listing, its conditional writes."""

import threading
from pathlib import Path

import numpy as np
import pytest

import cfdb
import ebooklet
from tests.support.s3 import RealS3, real_s3

__all__ = ["real_s3"]
pytestmark = [pytest.mark.s3, pytest.mark.timeout(300)]


def test_versions_from_the_first_push_to_the_collection(real_s3: RealS3, tmp_path: Path) -> None:
    conn = real_s3.connection("versions/x.cfdb")
    values = np.random.default_rng(0).normal(size=(40, 30))
    with cfdb.open_edataset(conn, tmp_path / "mine.cfdb", "n") as ds:
        ds["t"] = (("y", "x"), values)
        ds.push(message="first", tag="v1")
        for number in range(3):
            ds["t"][...] = np.random.default_rng(number + 1).normal(size=(40, 30))
            ds.push(message=f"push {number}")
        assert [version.message for version in ds.log()] == ["push 2", "push 1", "push 0", "first"]
        assert ds.diff("v1", values=True)["t"].values.changed == 1200
        assert ds.rollback(to="v1")
        np.testing.assert_array_equal(ds["t"].values, values)
        assert len(ds.expire(keep=1).expired) == 3
        waiting = ds.collect()
        assert (waiting.n_objects, waiting.n_young, waiting.ok) == (0, 3, True)
        done = ds.collect(grace=0, alone=True)
        assert (done.n_objects, done.ok) == (3, True)
        assert not ds.collect(grace=0, alone=True)
    with cfdb.open_edataset(conn, cache=None, version="v1") as old:
        assert old.stats.total == 2
        np.testing.assert_array_equal(old["t"].values, values)


def test_names_given_at_once_are_all_kept(real_s3: RealS3, tmp_path: Path) -> None:
    conn = real_s3.connection("versions/db.blt")
    with ebooklet.open(conn, tmp_path / "first.blt", "n") as db:
        db["a"] = b"1"
        db.push()

    def name(number: int) -> None:
        with ebooklet.open(conn, tmp_path / f"{number}.blt", "w") as db:
            db.tag(f"v{number}")
            db[f"k{number}"] = b"1"
            db.push()

    workers = [threading.Thread(target=name, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with ebooklet.open(conn, cache=None) as db:
        assert set(db.tags()) == {f"v{number}" for number in range(4)}
        assert set(db) == {"a", *(f"k{number}" for number in range(4))}
        assert len(db.log()) == 5


def test_a_reader_of_what_was_collected_is_told_so(real_s3: RealS3, tmp_path: Path) -> None:
    conn = real_s3.connection("versions/gone.blt")
    with ebooklet.open(conn, tmp_path / "first.blt", "n") as db:
        db["a"] = bytes(100_000)
        db.push()
        with ebooklet.open(conn, cache=None) as reader:
            db["a"] = bytes(100_001)
            db.push()
            db.expire(keep=1)
            db.collect(grace=0, alone=True)
            with pytest.raises(ebooklet.VersionExpiredError):
                reader["a"]
