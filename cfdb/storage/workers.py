"""How is work on many chunks shared between threads?

One pool serves the process: its threads are started when first needed, up to the number of `cfdb.options`, and anew
in a forked child. The calling thread only waits, so that Ctrl-C reaches it at once: it then tells the workers to stop
after the chunk they have in hand, and waits for that. (The executor of the standard library is not used: an interrupt
while it starts a thread leaves one behind that keeps the interpreter from ending.)
"""

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from functools import partial
from typing import Generic, TypeVar

from cfdb.options import get_options

T = TypeVar("T")
R = TypeVar("R")

THREAD_NAME = "cfdb-shared"


class _Pool:
    """The threads of the process; each does one task after another."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew: the threads of the parent do not exist in a forked child."""
        self._tasks: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._started = 0

    def submit(self, task: Callable[[], object]) -> None:
        """Have `task` done by a thread of the pool; it must not raise."""
        self._tasks.put(task)
        with self._lock:
            if self._started < get_options().threads:
                self._started += 1
                name = f"{THREAD_NAME}-{self._started}"
                threading.Thread(target=_serve, args=(self._tasks,), name=name, daemon=True).start()


def _serve(tasks: "queue.SimpleQueue[Callable[[], object]]") -> None:
    while True:
        tasks.get()()


_pool = _Pool()
os.register_at_fork(after_in_child=_pool.forget)


class _Run(Generic[T]):
    """One call of `run_all`: hands out jobs, remembers the first error, knows who is still at work."""

    def __init__(self, jobs: Iterable[T], work: Callable[[T], object]) -> None:
        self._work = work
        self._waiting = iter(jobs)
        self._active = 0
        self._stopped = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def pull(self) -> None:
        """Do one job after another, in a thread of the pool."""
        while True:
            with self._changed:
                if self._stopped:
                    return
                try:
                    job = next(self._waiting)
                except BaseException as error:
                    self._end(None if isinstance(error, StopIteration) else error)
                    return
                self._active += 1
            failed: BaseException | None = None
            try:
                self._work(job)
            except BaseException as error:
                failed = error
            with self._changed:
                self._active -= 1
                if failed is not None:
                    self._end(failed)
                self._changed.notify_all()

    def _end(self, error: BaseException | None) -> None:
        """Hand out nothing more; the caller holds the lock."""
        self._error = self._error or error
        self._stopped = True
        self._changed.notify_all()

    def wait(self) -> None:
        """Wait for the end of all jobs, of the first that fails, or for Ctrl-C."""
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped)
        finally:
            self.stop()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Hand out nothing more and wait for the jobs in hand."""
        with self._changed:
            self._stopped = True
            self._changed.wait_for(lambda: not self._active)
            # threads that have not looked in yet shall not keep what was worked on in memory until they do
            self._waiting, self._work = iter(()), _nothing


def _nothing(_: object) -> None:
    """Do nothing."""


def run_all(jobs: Iterable[T], work: Callable[[T], object], *, inline: bool = False) -> None:
    """Do `work` for every job, in any order.

    Parameters
    ----------
    jobs : iterable
        What to do; one call of `work` each. It is gone through by the threads that do the work, one at a time.
    work : callable
        Called from several threads at once.
    inline : bool
        Use the calling thread only (small jobs).

    Raises
    ------
    Exception
        The first that `work` raises; jobs not started by then are left out.
    """
    if inline or _in_pool():
        for job in jobs:
            work(job)
        return
    run = _Run(jobs, work)
    try:
        for _ in range(get_options().threads):
            _pool.submit(run.pull)
    except BaseException:
        run.stop()
        raise
    run.wait()


def iterate(jobs: Iterable[T], work: Callable[[T], R], *, ahead: int) -> Iterator[R]:
    """Yield the results of `work` in the order of the jobs, working up to `ahead` jobs in advance.

    Closing the iterator early waits for the jobs in hand and leaves the others out.
    """
    if ahead < 1 or _in_pool():
        yield from map(work, jobs)
        return
    window: deque[Future[R]] = deque()
    try:
        for job in jobs:
            future: Future[R] = Future()
            window.append(future)
            _pool.submit(partial(_fulfil, future, work, job))
            if len(window) > ahead:
                yield _first(window)
        while window:
            yield _first(window)
    finally:
        wait([future for future in window if not future.cancel()])


def _first(window: deque[Future[R]]) -> R:
    """Wait for the next result; until it is there its job counts as one in hand."""
    result = window[0].result()
    window.popleft()
    return result


def _fulfil(future: Future[R], work: Callable[[T], R], job: T) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work(job))
    except BaseException as error:
        future.set_exception(error)


def _in_pool() -> bool:
    return threading.current_thread().name.startswith(THREAD_NAME)
