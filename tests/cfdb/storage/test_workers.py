"""Work on many chunks: everything once, errors and Ctrl-C stop it, forked children start anew."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cfdb.options import get_options, set_options
from cfdb.storage import workers
from cfdb.storage.workers import iterate, run_all

ROOT = Path(__file__).resolve().parents[3]


def test_every_job_is_done_once() -> None:
    done: list[int] = []
    run_all(range(500), done.append)
    assert sorted(done) == list(range(500))


def test_inline_work_stays_in_the_calling_thread() -> None:
    seen: set[str] = set()
    run_all(range(5), lambda _: seen.add(threading.current_thread().name), inline=True)
    assert seen == {threading.current_thread().name}


def test_no_more_threads_than_the_option_says() -> None:
    seen: set[str] = set()
    with set_options(threads=2):
        run_all(range(200), lambda _: seen.add(threading.current_thread().name))
    assert 1 <= len(seen) <= 2


def test_work_inside_work_does_not_lock_up() -> None:
    done: list[int] = []
    with set_options(threads=1):
        run_all(range(4), lambda _: run_all(range(4), done.append))
    assert sorted(done) == sorted(list(range(4)) * 4)


def test_the_first_error_comes_out_and_stops_the_rest() -> None:
    done: list[int] = []

    def work(job: int) -> None:
        if job == 3:
            raise ValueError("job 3")
        time.sleep(0.001)
        done.append(job)

    with set_options(threads=2), pytest.raises(ValueError, match="job 3"):
        run_all(range(10_000), work)
    assert len(done) < 5_000


def test_jobs_are_made_while_others_are_done_and_their_errors_come_out() -> None:
    made, done = [], []

    def jobs(last: int) -> Iterator[int]:
        for number in range(10_000):
            if number == last:
                raise ValueError(f"job {number} cannot be made")
            made.append(number)
            yield number

    with set_options(threads=2):
        with pytest.raises(ValueError, match="job 50 cannot be made"):
            run_all(jobs(50), done.append)
        assert sorted(done) == list(range(50))

        def refuse(job: int) -> None:
            raise ValueError("refused")

        made.clear()
        with pytest.raises(ValueError, match="refused"):
            run_all(jobs(10_000), refuse)
        assert len(made) <= 2


def test_iterate_keeps_the_order_and_works_ahead() -> None:
    assert list(iterate(range(50), lambda job: job * 2, ahead=3)) == [job * 2 for job in range(50)]
    assert list(iterate(range(3), lambda job: job, ahead=0)) == [0, 1, 2]


def test_an_interrupt_waits_for_the_job_whose_result_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    started, finished = threading.Event(), threading.Event()

    def work(job: int) -> None:
        if job == 0:
            started.set()
            time.sleep(0.3)
            finished.set()

    def interrupted(_: Future[None]) -> None:
        assert started.wait(10)
        raise KeyboardInterrupt

    monkeypatch.setattr(Future, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(iterate(range(5), work, ahead=1))
    assert finished.is_set()


def test_leaving_an_iteration_early_leaves_nothing_running() -> None:
    started: list[int] = []
    results = iterate(range(1000), lambda job: started.append(job), ahead=2)
    next(results)
    results.close()
    before = len(started)
    time.sleep(0.02)
    assert len(started) == before <= 5


def test_ctrl_c_stops_the_workers() -> None:
    code = """
import signal, threading, time
from cfdb.options import set_options
from cfdb.storage.workers import run_all
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits that it is ignored
set_options(threads=2)
done = []
def work(job):
    if job == 0:
        print("started", flush=True)
    time.sleep(0.01)
    done.append(job)
try:
    run_all(range(100_000), work)
except KeyboardInterrupt:
    count = len(done)
    time.sleep(0.1)
    print("interrupted", count == len(done))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "started\n"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=20)[0] == "interrupted True\n"
        finally:
            process.kill()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_gets_its_own_pool() -> None:
    run_all(range(10), lambda _: None)
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def child() -> None:
        done: list[int] = []
        run_all(range(10), done.append)
        sender.send(sorted(done))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    assert receiver.poll(20)
    assert receiver.recv() == list(range(10))
    process.join()
    assert os.getpid() != process.pid
    process.close()
    receiver.close()
    sender.close()


def test_options_are_checked_and_restored() -> None:
    before = get_options()
    with pytest.raises(ValueError, match=r"max_load, .*threads"):
        set_options(speed=1)
    for wrong in (0, -1, True, 1.5):
        with pytest.raises(ValueError, match="positive whole number"):
            set_options(threads=wrong)
    with set_options(max_load=5):
        assert get_options().max_load == 5
    assert get_options() == before


def test_what_was_worked_on_is_let_go_although_a_thread_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    late: list[Callable[[], object]] = []

    def submit(task: Callable[[], object]) -> None:
        if late:
            late.append(task)
        else:
            late.append(task)
            task()

    monkeypatch.setattr(workers._pool, "submit", submit)
    target = np.zeros(1000)
    gone = weakref.ref(target)
    with set_options(threads=2):
        run_all([1, 2], partial(target.__setitem__, 0))
    del target
    assert len(late) == 2
    assert gone() is None
    late[1]()
