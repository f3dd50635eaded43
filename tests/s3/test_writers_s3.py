"""Several writers on the real S3 server: the lease, and workers whose packs one commit publishes."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

import cfdb
import ebooklet
from ebooklet.sync import lease as leases
from ebooklet.sync.lease import LeaseObject, acquire
from tests.support.s3 import RealS3, real_s3

__all__ = ["real_s3"]
pytestmark = [pytest.mark.s3, pytest.mark.timeout(300)]


def opened(conn: Any, flag: str = "w", **options: Any) -> Any:
    return ebooklet.open(conn, flag=flag, value_serializer="json", cache=None, **options)


def made(conn: Any) -> Any:
    with opened(conn, "n") as db:
        db["a"] = 0
        db.push()
    return conn


def test_many_who_add_one_under_the_lease_add_up(real_s3: RealS3) -> None:
    conn = made(real_s3.connection("turns/x.blt"))

    def add() -> None:
        with opened(conn, lock=True, lock_timeout=120) as db:
            db["a"] += 1
            db.push()

    threads = [threading.Thread(target=add) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with opened(conn, "r") as db:
        assert (db["a"], len(db.log())) == (5, 6)
    assert ebooklet.lock_info(conn) is None


def test_of_many_who_want_a_dead_ones_lease_one_gets_it(real_s3: RealS3) -> None:
    store = real_s3.connection("dead/x.blt").store(writable=True)
    conn = made(real_s3.connection("dead/x.blt"))
    with opened(conn, "r") as db:
        target = LeaseObject(store, "dead/x.blt", db.uuid)
    acquire(target, 0, term=0.5)._stop.set()  # it gives no further sign of life
    got = []
    start = threading.Barrier(4)

    def challenge() -> None:
        start.wait()
        try:
            got.append(acquire(target, 8, term=60))
        except ebooklet.LockTimeoutError:
            pass

    threads = [threading.Thread(target=challenge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    got[0].verify()
    got[0].release()
    store.close()  # type: ignore[attr-defined]


def test_a_process_that_is_killed_is_followed_after_its_term(real_s3: RealS3) -> None:
    conn = made(real_s3.connection("killed/x.blt"))
    code = (
        "import time, ebooklet\nfrom ebooklet.sync import lease\nlease.TERM = 2.0\n"
        f"conn = ebooklet.S3Connection(access_key_id={real_s3.access_key_id!r}, access_key={real_s3.access_key!r}, "
        f"db_key='killed/x.blt', bucket={real_s3.bucket!r}, endpoint_url={real_s3.endpoint_url!r})\n"
        "db = ebooklet.open(conn, flag='w', cache=None, lock='killed')\nprint('held', flush=True)\ntime.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    time.sleep(2.5)  # longer than a term: it is renewed
    with pytest.raises(ebooklet.LockTimeoutError, match="'killed'"):
        opened(conn, lock=True, lock_timeout=0)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with opened(conn, lock=True, lock_timeout=30) as db:
        db["a"] = 1
        db.push()


def test_a_lost_lease_stops_the_push(real_s3: RealS3) -> None:
    conn = made(real_s3.connection("lost/x.blt"))
    with opened(conn, lock=True) as db:
        db["a"] = 1
        assert ebooklet.break_lock(conn) is not None
        with pytest.raises(ebooklet.LockLostError):
            db.push()
        assert db.has_pending
    with opened(conn, "r") as db:
        assert db["a"] == 0
    assert leases.TERM == 60


def write_day(fork: Any, day: int) -> Any:
    with fork.open() as part:
        part["t"][day] = np.full(50, day)
    return part.result()


def test_processes_write_one_dataset(real_s3: RealS3) -> None:
    conn = real_s3.connection("many/t.cfdb", pickle_credentials=True)
    with cfdb.open_edataset(conn, flag="n", cache=None) as ds:
        ds.create.coord.generic("day", data=np.arange(6), step=False)
        ds.create.coord.generic("x", data=np.arange(50), step=False)
        ds.create.data_var.generic("t", ("day", "x"), dtype="float64", chunk_shape=(1, 50))
    with cfdb.open_edataset(conn, flag="w", cache=None) as ds:
        fork = ds.fork()
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            results = list(pool.map(write_day, [fork] * 6, range(6)))
        ds.merge(results)
        before = ds.stats.total
        ds.push()
        assert ds.stats.total - before <= 3  # snapshot, root, perhaps a question about conditional writes
    with cfdb.open_edataset(conn, cache=None) as ds:
        np.testing.assert_array_equal(ds["t"].values, np.repeat(np.arange(6.0)[:, None], 50, axis=1))
