"""How are many requests kept in flight, and given up at once?"""

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

T = TypeVar("T")
_STEP = 0.2
_WAITING = 4  # results that may wait for the consumer, beside those in the hands of the workers


def completed(jobs: Sequence[Callable[[], T]], threads: int) -> Iterator[tuple[int, T | Exception]]:
    """Carry out jobs in threads and give their results as they come: (number of the job, result or exception).

    Closing the iterator, or an exception where it is consumed, starts no further job and waits for none.

    Parameters
    ----------
    jobs : sequence of callable
        What to do.
    threads : int
        The most jobs at the same time; one alone is done by the caller's own thread.

    Examples
    --------
    >>> sorted(completed([lambda: 1, lambda: 2], threads=2))
    [(0, 1), (1, 2)]
    """
    if len(jobs) <= 1 or threads <= 1:
        for number, job in enumerate(jobs):
            yield number, _passed_on(_attempt(job))
        return
    crew = _Crew(jobs)
    workers = [
        threading.Thread(target=crew.work, name="ebooklet-request", daemon=True) for _ in range(min(threads, len(jobs)))
    ]
    for worker in workers:
        worker.start()
    try:
        for _ in jobs:
            number, result = crew.next_result()
            yield number, _passed_on(result)
        for worker in workers:
            worker.join()
    finally:
        crew.stop.set()


class _Crew(Generic[T]):
    """Threads that take jobs from one list."""

    def __init__(self, jobs: Sequence[Callable[[], T]]) -> None:
        self.results: Queue[tuple[int, T | BaseException]] = Queue(_WAITING)
        self.stop = threading.Event()
        self._jobs = enumerate(jobs)
        self._lock = threading.Lock()

    def next_result(self) -> tuple[int, T | BaseException]:
        """Wait for a result, in short steps so that Ctrl-C is noticed at once on every platform."""
        while True:
            try:
                return self.results.get(timeout=_STEP)
            except Empty:
                continue

    def work(self) -> None:
        while not self.stop.is_set():
            with self._lock:
                number, job = next(self._jobs, (-1, None))
            if job is None:
                return
            result = _attempt(job)
            while not self.stop.is_set():
                try:
                    self.results.put((number, result), timeout=_STEP)
                    break
                except Full:
                    continue


def _attempt(job: Callable[[], T]) -> T | BaseException:
    try:
        return job()
    except BaseException as error:
        return error


def _passed_on(result: T | BaseException) -> T | Exception:
    """Raise what is no plain failure of a job, as if the job had been done by the caller's own thread."""
    if isinstance(result, BaseException) and not isinstance(result, Exception):
        raise result
    return result
