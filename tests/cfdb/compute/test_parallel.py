"""Functions are called on blocks by processes: each block once, few in memory, errors named, an end at once."""

import os
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.compute.parallel import bounded, count_workers, map_blocks
from cfdb.errors import NotPicklableError, WorkerError
from cfdb.model.handing import loader

SHAPE, CHUNKS = (20, 12), (3, 5)
Where = tuple[slice, ...]


def values() -> np.ndarray:
    return np.arange(240.0).reshape(SHAPE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.cfdb"
    with cfdb.open_dataset(path, "n") as ds:
        for name, size in zip("yx", SHAPE, strict=True):
            ds.create.coord.generic(name, data=np.arange(size))
        for name in "tu":
            ds.create.data_var.generic(name, ("y", "x"), dtype="float64", chunk_shape=CHUNKS)
        ds["t"][...] = values()
        ds["u"][:3] = 1.0
    return path


@pytest.fixture(autouse=True)
def no_worker_is_left() -> Iterator[None]:
    yield
    assert not active_children()


# what workers call: they import this module


def total(where: Where, data: np.ndarray) -> float:
    return float(data.sum())


def whole(where: Any, data: Any) -> Any:
    return data


def of_the_first_rows(where: Where, data: np.ndarray) -> float | None:
    return float(data[0, 0]) if where[0].start < 6 else None


def process(where: Where, data: np.ndarray) -> int:
    return os.getpid()


def fails_at_six(where: Where, data: np.ndarray) -> None:
    if where[0].start == 6:
        raise ZeroDivisionError("no such thing")


class Odd(Exception):
    """Cannot be pickled: it takes two arguments."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("odd")


def fails_oddly(where: Where, data: np.ndarray) -> None:
    raise Odd(1, 2)


def dies(where: Where, data: np.ndarray) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


# the blocks


@pytest.mark.parametrize("flag", ["r", "w"])
@pytest.mark.parametrize("chunk_shape", [None, {"y": 7}, (20, 5)])
@pytest.mark.parametrize("n_workers", [0, 2])
def test_every_block_is_worked_on_once(path: Path, flag: str, chunk_shape: Any, n_workers: int) -> None:
    with cfdb.open_dataset(path, flag) as ds:
        found = list(ds["t"].map(whole, chunk_shape, n_workers=n_workers))
        expected = list(ds["t"].iter_chunks(chunk_shape, include_data=False))
    assert sorted(map(str, expected)) == sorted(str(where) for where, _ in found)
    for where, data in found:
        np.testing.assert_array_equal(data, values()[where])


def test_blocks_that_were_never_written_are_worked_on_as_fill(path: Path) -> None:
    with cfdb.open_dataset(path) as ds:
        for chunk_shape in (None, {"y": 3}):
            found = list(ds["u"].map(whole, chunk_shape, n_workers=1))
            assert len(found) == (21 if chunk_shape is None else 7)
            for where, data in found:
                assert np.isnan(data).all() == (where[0].start >= 3)


def test_none_is_left_out(path: Path) -> None:
    with cfdb.open_dataset(path) as ds:
        found = {where[0].start: value for where, value in ds["t"].map(of_the_first_rows, {"y": 3}, n_workers=2)}
    assert found == {0: 0.0, 3: 36.0}


@pytest.mark.parametrize("method", ["forkserver", "spawn", "fork"])
def test_other_processes_do_the_work_however_they_are_started(path: Path, method: str) -> None:
    with cfdb.open_dataset(path) as ds:
        assert ds["t"].values.sum() == values().sum()  # the threads of this process are at hand
        found = {pid for _, pid in ds["t"][2:].map(process, n_workers=2, method=method)}
    assert os.getpid() not in found
    assert 1 <= len(found) <= 2


def test_views_and_several_variables_are_mapped(path: Path) -> None:
    for flag in ("r", "w"):
        with cfdb.open_dataset(path, flag) as ds:
            view = ds["t"][::-1, [3, 0, 11]]
            for where, data in view.map(whole, {"y": 6}, n_workers=2):
                np.testing.assert_array_equal(data, view.values[where])
            found = list(ds.isel(x=slice(2, 9)).map(whole, {"y": 8}, data_vars=["t", "u"], n_workers=2))
        assert sorted(where["y"].start for where, _ in found) == [0, 8, 16]
        for where, data in found:
            assert list(data) == ["t", "u"]
            np.testing.assert_array_equal(data["t"], values()[where["y"], 2:9])


# memory


def test_no_more_blocks_are_in_flight_than_workers_and_one() -> None:
    given = [0]

    def blocks() -> Iterator[tuple[int, int]]:
        for number in range(30):
            given[0] += 1
            yield number, number

    taken = 0
    for _, _ in map_blocks(whole, blocks(), load=None, n_workers=2):
        taken += 1
        time.sleep(0.002)
        assert given[0] - taken <= 2 + 1
    assert taken == 29 + 1


def test_little_memory_means_few_workers() -> None:
    assert bounded(8, 100, 10_000) == 8
    assert bounded(8, 1000, 10_000) == 4
    assert bounded(8, 10_000, 10_000) == 1
    assert bounded(0, 10, 10) == 0


def test_the_number_of_workers_is_that_of_the_processors_or_a_whole_number() -> None:
    assert count_workers(None) >= 1
    assert count_workers(3) == 3
    for wrong in (-1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="n_workers="):
            count_workers(wrong)


def test_data_do_not_travel_where_workers_can_open_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cfdb.open_dataset(path) as ds:
        part = ds["t"]
        monkeypatch.setattr(type(part._array), "read", None)
        monkeypatch.setattr(type(part._array), "iterate", None)
        assert sum(value for _, value in part.map(total, {"y": 6}, n_workers=2)) == values().sum()


def test_one_process_reads_where_single_blocks_would_decode_the_same_chunks_over_and_over(path: Path) -> None:
    with cfdb.open_dataset(path) as ds:
        part = ds["t"]
        assert loader(part, part._source(), (3, 5), 2**29) is not None
        assert loader(part, part._source(), (1, 12), 2**29) is None
        assert sum(value for _, value in part.map(total, {"y": 1}, n_workers=2)) == values().sum()


def test_the_memory_of_the_process_that_reads_is_bounded(tmp_path: Path) -> None:
    mb = 2**20
    with cfdb.open_dataset(tmp_path / "large.cfdb", "n") as ds:
        ds["t"] = (("y", "x"), np.zeros((5000, 500)))
        assert ds["t"].nbytes > 19 * mb
        tracemalloc.start()
        try:
            found = list(ds["t"].map(total, {"y": 100}, max_mem=8 * mb, n_workers=2))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(found) == 50
    assert peak <= 8 * mb + 2 * mb


# misuse, and the end


@pytest.mark.parametrize("n_workers", [0, 2])
def test_what_the_function_raises_comes_back_with_the_block_named(path: Path, n_workers: int) -> None:
    with cfdb.open_dataset(path) as ds:
        with pytest.raises(ZeroDivisionError, match="no such thing") as failed:
            list(ds["t"].map(fails_at_six, {"y": 6}, n_workers=n_workers))
        assert "for the block (slice(6, 12, 1), slice(0, 12, 1))" in failed.value.__notes__[0]
        if n_workers:
            assert 'raise ZeroDivisionError("no such thing")' in failed.value.__notes__[0]
        assert ds["t"].values.shape == SHAPE


def test_an_exception_that_cannot_travel_comes_as_text(path: Path) -> None:
    with cfdb.open_dataset(path) as ds, pytest.raises(RuntimeError, match="Odd: odd"):
        list(ds["t"].map(fails_oddly, n_workers=1))


def test_a_worker_that_dies_is_an_error_and_not_a_wait(path: Path) -> None:
    with (
        cfdb.open_dataset(path) as ds,
        pytest.raises(WorkerError, match=r"ended by signal 9 .* block \(slice\(0, 3, 1\)"),
    ):
        list(ds["t"].map(dies, n_workers=1))


def test_a_function_that_cannot_travel_is_refused_with_a_way_out(path: Path) -> None:
    def inner(where: Where, data: np.ndarray) -> int:
        return 1

    with cfdb.open_dataset(path) as ds:
        for function in (inner, lambda where, data: 1):
            with pytest.raises(NotPicklableError, match=r"top of a module .* n_workers=0"):
                ds["t"].map(function, n_workers=2)
        assert sum(one for _, one in ds["t"].map(inner, n_workers=0)) == 21


def test_closing_early_ends_the_workers(path: Path) -> None:
    with cfdb.open_dataset(path) as ds:
        results = ds["t"].map(process, n_workers=2)
        next(results)
        assert active_children()
        results.close()  # type: ignore[attr-defined]
        assert not active_children()


def test_wrong_words_are_refused_before_a_process_is_started(path: Path) -> None:
    with cfdb.open_dataset(path) as ds:
        for wrong in ({"n_workers": -1}, {"max_mem": 0}, {"chunk_shape": {"z": 1}}, {"method": "magic"}):
            with pytest.raises((ValueError, KeyError)):
                ds["t"].map(total, **{"n_workers": 1, **wrong})  # type: ignore[arg-type]


def script(folder: Path, text: str) -> Path:
    path = folder / "script.py"
    path.write_text(textwrap.dedent(text))
    return path


def test_ctrl_c_ends_everything_although_a_worker_sleeps(path: Path, tmp_path: Path) -> None:
    running = script(
        tmp_path,
        f"""
        import signal, time
        import cfdb

        def sleeps(where, data):
            print("at work", flush=True)
            time.sleep(60)

        if __name__ == "__main__":
            signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let jobs in the background ignore it
            with cfdb.open_dataset({str(path)!r}) as ds:
                list(ds["t"].map(sleeps, n_workers=1))
        """,
    )
    with subprocess.Popen(
        [sys.executable, running], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "at work\n"
        time.sleep(0.5)  # until it waits for the worker: an interrupt that meets a finalizer is lost in Python
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=50)
    assert child.returncode != 0
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_a_script_without_its_guard_is_told_so(path: Path, tmp_path: Path) -> None:
    unguarded = script(
        tmp_path,
        f"""
        import cfdb

        def one(where, data):
            return 1

        with cfdb.open_dataset({str(path)!r}) as ds:
            print(sum(number for _, number in ds["t"].map(one, n_workers=1, method="spawn")))
        """,
    )
    done = subprocess.run([sys.executable, unguarded], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "__name__ == '__main__'" in done.stderr.splitlines()[-1]


def test_the_script_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(cfdb.__file__).parent.parent / "docs/how-to/iterate.md").read_text()
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"np": np}
    exec(page.split("```python\n")[1].split("```")[0], namespace)
    namespace["ds"].close()
    (tmp_path / "warmest.py").write_text(page.split("```py\n")[1].split("```")[0])
    done = subprocess.run([sys.executable, "warmest.py"], capture_output=True, text=True, timeout=60, check=True)
    assert len(done.stdout.splitlines()) == 9
