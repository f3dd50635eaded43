"""Datasets on the real S3 server: it checks signatures, and its conditional PUT is atomic."""

import threading
from pathlib import Path

import numpy as np
import pytest

import cfdb
import ebooklet
from ebooklet import AccessDeniedError, BucketMissingError, RemoteMissingError, S3Connection
from ebooklet.stores.dialect import forget_all
from tests.s3.test_store_s3 import public
from tests.support.proxy import proxy_to
from tests.support.s3 import RealS3, real_s3

__all__ = ["public", "real_s3"]
pytestmark = [pytest.mark.s3, pytest.mark.timeout(300)]

SHAPE = (40, 30)


def publish(conn: S3Connection, path: Path, values: np.ndarray) -> None:
    with cfdb.open_edataset(conn, path, "n", num_groups=2) as ds:
        ds.create.coord.generic("time", data=np.arange(SHAPE[0]), step=False)
        ds.create.coord.generic("x", data=np.arange(SHAPE[1]), step=False)
        ds.create.data_var.generic("t", ("time", "x"), dtype="float64", chunk_shape=(10, 30))
        ds["t"][...] = values


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(3).normal(size=SHAPE)


def test_the_main_job(real_s3: RealS3, values: np.ndarray, tmp_path: Path) -> None:
    conn = real_s3.connection("a/x.cfdb")
    publish(conn, tmp_path / "mine.cfdb", values)
    with cfdb.open_edataset(conn, tmp_path / "yours.cfdb") as reader:
        np.testing.assert_array_equal(reader["t"][5].values, values[5])
        assert reader["t"].stored().local == 1
        with cfdb.open_edataset(conn, tmp_path / "mine.cfdb", "w") as ds:
            ds["t"][0:10] = 1.0
            assert len(ds.changes()) == 1
        np.testing.assert_array_equal(reader["t"].values, values)  # an open reader stays with its version
        assert reader.refresh()
        assert (reader["t"][0:10].values == 1.0).all()
    with cfdb.open_edataset(conn, cache=None) as ds:
        expected = values.copy()
        expected[0:10] = 1.0
        np.testing.assert_array_equal(ds["t"].values, expected)


def test_a_change_is_three_requests_once_the_server_is_known(real_s3: RealS3, values: np.ndarray) -> None:
    conn = real_s3.connection("b/x.cfdb")
    with cfdb.open_edataset(conn, flag="n", cache=None) as ds:
        ds["t"] = (("time", "x"), values)
    with cfdb.open_edataset(conn, flag="w", cache=None) as ds:
        ds["t"][0] = 1.0
    with cfdb.open_edataset(conn, flag="w", cache=None, push_on_close=False) as ds:
        ds["t"][...] = 2.0
        ds.push()
        assert ds.stats.total <= 3


def test_a_new_process_with_a_local_file_asks_nothing_again(
    real_s3: RealS3, values: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "x.cfdb"
    with proxy_to(real_s3.host, real_s3.port) as proxy:

        def place(key: str = "b/y.cfdb") -> S3Connection:
            return real_s3.connection(key, endpoint_url=proxy.endpoint_url)

        forget_all()
        publish(place(), path, values)
        packs = proxy.traffic.requests["PUT"]
        assert proxy.reset().requests == {"GET": 1, "PUT": packs, "CPUT": 2}
        for number in range(2):
            forget_all()
            with cfdb.open_edataset(place(), path, "w") as ds:
                ds["t"][0] = float(number)
            assert proxy.reset().requests == {"GET": 1, "PUT": 1, "CPUT": 1}
        forget_all()
        with cfdb.open_edataset(place(), path) as ds:
            ds.copy_remote(place("b/z.cfdb"))
        copied = proxy.reset().requests
        assert copied == {"GET": 1, "LIST": 1, "COPY": copied["COPY"], "CPUT": 1}
        forget_all()
        with cfdb.open_edataset(place(), path, "w") as ds:
            ds.delete_remote(load=False)
        assert proxy.reset().requests == {"GET": 1, "LIST": 1, "DELETE": 1, "BATCHDELETE": 1}
    forget_all()


def test_copy_and_delete(real_s3: RealS3, values: np.ndarray, tmp_path: Path) -> None:
    conn, copy = real_s3.connection("c/x.cfdb"), real_s3.connection("c/copy.cfdb")
    publish(conn, tmp_path / "x.cfdb", values)
    with cfdb.open_edataset(conn, tmp_path / "x.cfdb") as ds:
        ds.copy_remote(copy)
    with cfdb.open_edataset(conn, tmp_path / "x.cfdb", "w") as ds:
        ds.delete_remote()
    assert not [key for key in real_s3.list_keys() if key.startswith("c/x.cfdb")]
    with cfdb.open_edataset(copy, cache=None) as ds:
        np.testing.assert_array_equal(ds["t"].values, values)
    with pytest.raises(RemoteMissingError, match="flag"):
        cfdb.open_edataset(conn, cache=None)


def test_wrong_keys_are_named_and_never_shown(real_s3: RealS3) -> None:
    conn = real_s3.connection("d/x.cfdb", access_key="not-the-secret")
    with pytest.raises(AccessDeniedError) as caught:
        cfdb.open_edataset(conn, cache=None)
    assert "not-the-secret" not in str(caught.value)
    assert real_s3.bucket in str(caught.value)


def test_keys_without_rights_can_neither_read_nor_push_and_lose_nothing(
    real_s3: RealS3, values: np.ndarray, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    conn = real_s3.connection("e/x.cfdb")
    publish(conn, tmp_path / "x.cfdb", values)
    assert real_s3.stranger is not None
    keys = {"access_key_id": real_s3.stranger.access_key_id, "access_key": real_s3.stranger.access_key}
    stranger = real_s3.connection("e/x.cfdb", anonymous=False, **keys)
    with pytest.raises(AccessDeniedError):
        cfdb.open_edataset(stranger, cache=None)
    request.getfixturevalue("public")  # from here on everybody may read, and only the owner write
    ds = cfdb.open_edataset(stranger, tmp_path / "y.cfdb", "w")
    ds["t"][0] = 5.0
    with pytest.raises(ebooklet.PushError, match="kept"):
        ds.close()
    with cfdb.open_edataset(conn, tmp_path / "y.cfdb", "w") as ds:
        assert len(ds.changes()) == 1
        assert (ds["t"][0].values == 5.0).all()
    with cfdb.open_edataset(conn, cache=None) as ds:
        assert (ds["t"][0].values == 5.0).all()


def test_anonymous_reads_of_a_public_bucket(
    real_s3: RealS3, public: RealS3, values: np.ndarray, tmp_path: Path
) -> None:
    publish(real_s3.connection("f/x.cfdb"), tmp_path / "x.cfdb", values)
    anonymous = S3Connection(
        db_key="f/x.cfdb", bucket=real_s3.bucket, endpoint_url=real_s3.endpoint_url, anonymous=True
    )
    for remote in (anonymous, real_s3.url("f/x.cfdb")):
        with cfdb.open_edataset(remote, cache=None) as ds:
            np.testing.assert_array_equal(ds["t"].values, values)


def test_a_bucket_that_does_not_exist_is_named(real_s3: RealS3) -> None:
    with pytest.raises((BucketMissingError, AccessDeniedError), match="no-such-bucket-here"):
        cfdb.open_edataset(real_s3.connection("x.cfdb", bucket="no-such-bucket-here"), cache=None)


def test_eight_writers_lose_no_update(real_s3: RealS3) -> None:
    """8 writers, 25 commits each, to keys of their own: every commit is there at the end, and in the history."""
    writers, commits = 8, 25
    conn = real_s3.connection("race.blt")
    with ebooklet.open(conn, flag="n", cache=None, value_serializer="json") as db:
        db["start"] = 0
        db.push()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with ebooklet.open(real_s3.connection("race.blt"), flag="w", cache=None) as db:
                for step in range(commits):
                    db[f"{number}/{step}"] = [number, step]
                    assert db.push()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with ebooklet.open(conn, cache=None) as db:
        found = dict(db.items())
    assert found == {"start": 0} | {f"{n}/{s}": [n, s] for n in range(writers) for s in range(commits)}


def test_compactions_beside_writers_lose_nothing(real_s3: RealS3) -> None:
    """3 writers with 12 commits each, two clients that compact all the while, and a reader of the first version."""
    conn = real_s3.connection("compact.blt")
    start = {f"start/{n}": n for n in range(20)}
    with ebooklet.open(conn, flag="n", cache=None, value_serializer="json") as db:
        db.update(start)
        db.push()
    reader = ebooklet.open(conn, cache=None)
    failures: list[BaseException] = []
    done = threading.Event()

    def write(number: int) -> None:
        try:
            with ebooklet.open(real_s3.connection("compact.blt"), flag="w", cache=None) as db:
                for step in range(12):
                    db[f"{number}/{step}"] = [number, step]
                    assert db.push()
        except BaseException as error:
            failures.append(error)

    def compact() -> None:
        try:
            with ebooklet.open(real_s3.connection("compact.blt"), flag="w", cache=None) as db:
                while not done.is_set():
                    db.compact()
                db.pull()
                db.compact()
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    tidying = [threading.Thread(target=compact) for _ in range(2)]
    for thread in (*writers, *tidying):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in tidying:
        thread.join()
    assert not failures
    assert dict(reader.items()) == start, "readers of an old version keep it"
    reader.close()
    with ebooklet.open(conn, cache=None) as db:
        assert dict(db.items()) == start | {f"{n}/{s}": [n, s] for n in range(3) for s in range(12)}
        assert not db.plan_compaction()
