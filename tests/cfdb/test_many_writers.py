"""Many writers of one dataset: in turns under the lease, or as workers whose chunks one commit publishes."""

import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import dask
import dask.bag
import numpy as np
import pytest

import cfdb
import ebooklet
from cfdb.errors import ReadOnlyError
from ebooklet import ConflictError, ForkError, LockLostError, LockTimeoutError, OverlapError
from ebooklet.places import StoreConnection
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.wrappers import CountingStore

DAYS, ROWS = 12, 30


def opened(conn: Any, flag: str = "w", path: Any = None, **options: Any) -> Any:
    return cfdb.open_edataset(conn, path, flag, cache=None, **options)


def made(conn: Any) -> None:
    with opened(conn, "n") as ds:
        ds.create.coord.generic("day", data=np.arange(DAYS), step=False)
        ds.create.coord.generic("x", data=np.arange(ROWS) / 2, step=False)
        ds.create.data_var.generic("t", ("day", "x"), dtype="float64", chunk_shape=(4, 10))
        ds.create.data_var.generic("rain", ("day", "x"), dtype="float32", chunk_shape=(4, 10))


def values(start: int) -> np.ndarray:
    return np.random.default_rng(start).normal(size=(4, ROWS))


def write_part(fork: Any, start: int) -> Any:
    """What a worker does; runs in threads and other processes."""
    with fork.open() as part:
        part["t"][start : start + 4] = values(start)
    return part.result()


def everything() -> np.ndarray:
    return np.concatenate([values(start) for start in range(0, DAYS, 4)])


@pytest.fixture
def folder(tmp_path: Path) -> str:
    uri = f"file://{tmp_path}/store/t.cfdb"
    made(uri)
    return uri


def check_published(uri: Any) -> None:
    with opened(uri, "r") as ds:
        np.testing.assert_array_equal(ds["t"].values, everything())
        assert float(ds["t"].max()) == everything().max()


# ---- workers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler", ["threads", "processes", "synchronous"])
def test_dask_delayed_writes_a_dataset(folder: str, scheduler: str) -> None:
    with opened(folder) as ds:
        fork = ds.fork()
        tasks = [dask.delayed(write_part)(fork, start) for start in range(0, DAYS, 4)]
        with ThreadPoolExecutor(2) as pool, dask.config.set(pool=pool if scheduler == "threads" else None):
            results = dask.compute(*tasks, scheduler=scheduler, num_workers=2)
        assert ds.merge(results).n_keys == 9
        np.testing.assert_array_equal(ds["t"].values, everything())
        assert ds.push()
    check_published(folder)


def test_a_bag_of_dask_writes_a_dataset(folder: str) -> None:
    with opened(folder) as ds:
        fork = ds.fork()
        starts = dask.bag.from_sequence(range(0, DAYS, 4), npartitions=3)
        with ThreadPoolExecutor(2) as pool, dask.config.set(pool=pool):
            results = starts.map(lambda start: write_part(fork, start)).compute(scheduler="threads")
        ds.merge(results)
    check_published(folder)


def test_processes_and_threads_write_a_dataset(folder: str) -> None:
    with opened(folder) as ds:
        fork = ds.fork()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            one = pool.submit(write_part, fork, 0).result()
        with ThreadPoolExecutor(2) as threads:
            others = list(threads.map(lambda start: write_part(fork, start), [4, 8]))
        ds.merge([one, *others])
    check_published(folder)


def test_the_commit_of_what_workers_wrote_is_two_requests() -> None:
    store = CountingStore(MemoryStore())
    conn = StoreConnection("t.cfdb", store)
    made(conn)
    with opened(conn) as ds:
        fork = ds.fork()
        store.reset()
        results = [write_part(fork, start) for start in range(0, DAYS, 4)]
        assert store.reset().requests == {"get": 3, "put": 3}
        ds.merge(results)
        ds.push()
        assert store.reset().requests == {"put": 1, "conditional_put": 1}
        assert ds["t"].stored().local == 0  # and are fetched when they are touched
        np.testing.assert_array_equal(ds["t"][0:4].values, values(0))
    check_published(conn)


def test_a_record_grows_with_the_chunks_not_with_their_values() -> None:
    conn = StoreConnection("t.cfdb")
    made(conn)
    with opened(conn) as ds:
        fork = ds.fork()
        assert len(pickle.dumps(write_part(fork, 0))) < 2500
        object.__setattr__(fork.db, "connection", None)
        assert len(pickle.dumps(fork)) < 1500


def test_own_changes_are_published_with_those_of_the_workers(folder: str) -> None:
    with opened(folder) as ds:
        fork = ds.fork()
        results = [write_part(fork, start) for start in range(0, DAYS, 4)]
        before = len(ds._store.db.log())
        ds["rain"][0:4] = 1.0
        ds.attrs["title"] = "joined"
        ds["new"] = ("x", np.arange(ROWS))
        ds.merge(results)
        ds.push()
        assert len(ds._store.db.log()) == before + 1
    check_published(folder)
    with opened(folder, "r") as ds:
        assert ds.attrs["title"] == "joined"
        assert (ds["rain"][0:4].values == 1).all()
        assert ds["new"].values.tolist() == list(range(ROWS))


def test_statistics_of_workers_count_after_the_merge(folder: str) -> None:
    with opened(folder) as ds:
        ds.merge([write_part(ds.fork(), 0)])
        assert float(ds["t"][0:4].max()) == values(0).max()
        assert ds["t"].stored().chunks == 3


def test_a_chunk_that_two_workers_wrote_is_named(folder: str) -> None:
    def half(fork: Any, rows: slice) -> Any:
        with fork.open() as part:
            part["t"][rows, 0:10] = 1.0
        return part.result()

    with opened(folder) as ds:
        fork = ds.fork()
        with pytest.raises(OverlapError, match=r"chunk \(0, 0\) of 't'") as caught:
            ds.merge([half(fork, slice(0, 2)), half(fork, slice(2, 4)), half(fork, slice(4, 8))])
        assert isinstance(caught.value, ConflictError)
        assert not ds.changes()
        assert np.isnan(np.ma.filled(ds["t"].values, np.nan)).all()
        ds.merge([half(fork, slice(0, 4)), half(fork, slice(4, 8))])


def test_a_chunk_written_here_and_by_a_worker_is_named(folder: str) -> None:
    with opened(folder) as ds:
        fork = ds.fork()
        ds["t"][9, 25] = 5.0
        with pytest.raises(OverlapError, match=r"chunk \(2, 2\) of 't'"):
            ds.merge([write_part(fork, 8)])
        assert float(ds["t"][9, 25]) == 5.0


def test_a_variable_deleted_here_stands_against_the_workers(folder: str) -> None:
    with opened(folder) as ds:
        fork = ds.fork()
        result = write_part(fork, 0)
        del ds["t"]
        with pytest.raises(OverlapError, match="'t'"):
            ds.merge(result)


def test_a_worker_reads_the_version_of_the_fork_and_completes_chunks_of_it(folder: str) -> None:
    with opened(folder) as ds:
        ds["t"][0:4] = 7.0
        ds.push()
        fork = ds.fork()
        with opened(folder) as other:
            other["rain"][0:4] = 3.0
        with fork.open() as part:
            assert (part["t"][0:4].values == 7.0).all()
            part["t"][1, 3] = 8.0
            assert float(part["t"][1, 3]) == 8.0
            assert part["t"].attrs == ds["t"].attrs
        ds.merge(part.result())
        ds.push()
    with opened(folder, "r") as ds:
        assert (ds["rain"][0:4].values == 3.0).all()
        assert (float(ds["t"][1, 3]), float(ds["t"][1, 4])) == (8.0, 7.0)


def test_the_structure_stays_as_it_is_in_a_worker(folder: str) -> None:
    with opened(folder) as ds, ds.fork().open() as part:

        def set_attribute() -> None:
            part["t"].attrs["units"] = "K"

        def add_variable() -> None:
            part["new"] = ("x", np.zeros(ROWS))

        def delete() -> None:
            del part["t"]

        for change in (
            set_attribute,
            add_variable,
            delete,
            lambda: part["day"].append([DAYS]),
            lambda: part.create.coord.generic("y", data=[1, 2]),
            lambda: part.rename({"t": "temperature"}),
        ):
            with pytest.raises(ReadOnlyError, match="a worker changes values only"):
                change()
        for call in (part.push, part.pull, part.fork, part.delete_remote, part.compact):
            with pytest.raises(ReadOnlyError, match=r"result\(\)"):
                call()
        part["t"][0:4] = values(0)
    assert part.result().n_keys == 3


def test_an_exception_in_a_worker_sends_nothing(folder: str) -> None:
    with opened(folder) as ds:
        fork = ds.fork()
        with pytest.raises(KeyError), fork.open() as part:
            part["t"][0:4] = 1.0
            raise KeyError
        with pytest.raises(ForkError, match="no result"):
            part.result()


def test_a_fork_needs_everything_pushed(folder: str) -> None:
    with opened(folder) as ds:
        ds["t"][0] = 1.0
        with pytest.raises(ForkError, match=r"push\(\) before fork\(\)"):
            ds.fork()


def test_an_owner_that_ends_before_the_push_still_has_what_was_merged(folder: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.cfdb"
    with opened(folder, path=path, push_on_close=False) as ds:
        fork = ds.fork()
        ds.merge([write_part(fork, start) for start in range(0, DAYS, 4)])
    with opened(folder, "r") as ds:
        assert ds["t"].stored().chunks == 0
    with opened(folder, path=path) as ds:
        assert len(ds.changes()) == 9
        assert "t" in str(ds.changes())
    check_published(folder)


def test_merged_parts_can_be_given_up(folder: str) -> None:
    with opened(folder) as ds:
        ds.merge(write_part(ds.fork(), 0))
        assert ds.discard(["t"]) == 3
        assert ds["t"].stored().chunks == 0
        assert not ds.push()


# ---- in turns --------------------------------------------------------------------------------------------------------


def test_writers_take_turns_under_the_lease(folder: str) -> None:
    with opened(folder, lock="reanalysis") as ds:
        with pytest.raises(LockTimeoutError, match="'reanalysis', process"):
            opened(folder, lock=True, lock_timeout=0)
        info = ds.lock_info()
        assert (info.label, ebooklet.lock_info(folder).label) == ("reanalysis", "reanalysis")
        ds["t"][0:4] = values(0)
    with opened(folder, lock=True, lock_timeout=0) as ds:
        np.testing.assert_array_equal(ds["t"][0:4].values, values(0))


def test_a_lost_lease_keeps_every_change(folder: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.cfdb"
    ds = opened(folder, path=path, lock=True)
    ds["t"][0:4] = values(0)
    with opened(folder, "r") as other:
        assert other.break_lock() is not None
    with pytest.raises(LockLostError):
        ds.push()
    with pytest.raises(LockLostError):
        ds.close()
    with opened(folder, "r") as other:
        assert other["t"].stored().chunks == 0
    with opened(folder, path=path, lock=True) as ds:
        assert len(ds.changes()) == 3
    with opened(folder, "r") as other:
        np.testing.assert_array_equal(other["t"][0:4].values, values(0))


def test_workers_of_a_locked_dataset_need_no_lease(folder: str) -> None:
    with opened(folder, lock=True) as ds:
        fork = ds.fork()
        ds.merge([write_part(fork, start) for start in range(0, DAYS, 4)])
    check_published(folder)
