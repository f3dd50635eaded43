"""How is a function called on many blocks by several processes, in bounded memory?

Every worker is a process of its own with a pipe to this one, and has one block at a time; the next block is read while
they are at work. So no more blocks are in memory than there are workers, and one. Workers are started afresh (by a
``forkserver``, or ``spawn``): a fork of this process, whose threads it would not have, could wait for ever for a lock
that one of them held.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from cfdb.errors import NotPicklableError, WorkerError
from cfdb.options import set_options

#: What is done with a block: where it lies and its values in, anything out.
Function = Callable[[Any, Any], Any]
#: Where a block lies, and its values (None: the worker reads them itself).
Task = tuple[Any, Any]
Load = Callable[[Any], Any]

#: What the server of processes imports once, so that each worker starts within milliseconds.
PRELOADED = ("cfdb.opening", "cfdb.compute.parallel")
#: Seconds a worker gets to end by itself.
PATIENCE = 0.5


class _Worker:
    """A process that calls the function on one block after the other."""

    def __init__(self, context: Any, job: bytes) -> None:
        self._pipe: Connection
        self._pipe, other = context.Pipe()
        self.process: BaseProcess = context.Process(target=_work, args=(other, job), daemon=True)
        self.process.start()
        other.close()
        self.where: Any = None
        self.busy = False

    @property
    def pipe(self) -> Connection:
        """Where its results arrive; also readable once it has ended."""
        return self._pipe

    def give(self, task: Task) -> None:
        """Hand a block over."""
        self.where, self.busy = task[0], True
        try:
            self._pipe.send(task)
        except OSError as error:
            raise self._ended() from error

    def take(self) -> tuple[Any, Any]:
        """Give what the function gave; what it raised is raised again, with a note that names the block."""
        try:
            failed, outcome = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        self.busy = False
        if failed:
            raise outcome
        return self.where, outcome

    def _ended(self) -> WorkerError:
        self.process.join(PATIENCE)
        code = self.process.exitcode
        why = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        return WorkerError(
            f"a worker of map() {why} while it had the block {self.where}. A script that calls map() must do so below "
            "\"if __name__ == '__main__':\", since the workers import it; signal 9 mostly means that memory ran out "
            "(n_workers= and max_mem= bound it); n_workers=0 calls the function in this process"
        )

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self.busy:
            self.process.terminate()
        else:
            with contextlib.suppress(OSError):
                self._pipe.send(None)

    def join(self) -> None:
        """Wait for its end."""
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self._pipe.close()
        self.process.close()


def map_blocks(
    func: Function, tasks: Iterator[Task], *, load: Load | None, n_workers: int, method: str | None = None
) -> Iterator[tuple[Any, Any]]:
    """Call a function on blocks, and give what it gives as it comes, None left out.

    Parameters
    ----------
    func : callable
        Called with where a block lies, and its values.
    tasks : iterator
        The blocks; read one at a time, when a worker can take it.
    load : callable, optional
        Reads the values of a block in the worker; the tasks bring none then.
    n_workers : int
        Number of processes; 0 calls the function in this one.
    method : str, optional
        How processes are started: ``'forkserver'``, ``'spawn'`` or ``'fork'``.

    Raises
    ------
    NotPicklableError
        If the function cannot be handed to another process.
    WorkerError
        If a worker ended by itself.
    """
    if not n_workers:
        return _inline(func, tasks, load)
    job, chosen = _packed(func, load), method or start_method()
    context = multiprocessing.get_context(chosen)
    if chosen == "forkserver":
        context.set_forkserver_preload(["__main__", *PRELOADED])
    return _in_processes(job, tasks, n_workers, context)


def start_method() -> str:
    """Give the way in which processes are started when nothing is said."""
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def count_workers(n_workers: Any) -> int:
    """Give a number of workers; None is one for each processor this process may use."""
    if n_workers is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    if isinstance(n_workers, bool) or not isinstance(n_workers, int) or n_workers < 0:
        raise ValueError(f"n_workers={n_workers!r}: give a number of processes; 0 works in this process")
    return n_workers


def bounded(number: int, nbytes: int, max_mem: int) -> int:
    """Give as many workers as may have a block each within half of a memory budget, and one more in reserve."""
    return min(number, max(1, max_mem // 2 // max(1, nbytes) - 1))


def _inline(func: Function, tasks: Iterator[Task], load: Load | None) -> Iterator[tuple[Any, Any]]:
    for where, data in tasks:
        try:
            result = func(where, data if load is None else load(where))
        except Exception as error:
            error.add_note(_note(where))
            raise
        if result is not None:
            yield where, result


def _in_processes(job: bytes, tasks: Iterator[Task], number: int, context: Any) -> Iterator[tuple[Any, Any]]:
    workers: list[_Worker] = []
    try:
        task = next(tasks, None)
        while task is not None or any(worker.busy for worker in workers):
            idle = next((worker for worker in workers if not worker.busy), None)
            if task is not None and idle is None and len(workers) < number:
                idle = _Worker(context, job)
                workers.append(idle)
            if task is not None and idle is not None:
                idle.give(task)
                del task
                task = next(tasks, None)
                continue
            busy = {worker.pipe: worker for worker in workers if worker.busy}
            for pipe in wait(list(busy)):
                where, result = busy[pipe].take()  # type: ignore[index]
                if result is not None:
                    yield where, result
                    del result
    finally:
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join()


def _packed(func: Function, load: Load | None) -> bytes:
    main = sys.modules["__main__"]
    ways = (
        "define it at the top of a module that the workers can import (no lambda, no function inside a function), or "
        "use n_workers=0, which calls it in this process"
    )
    if getattr(func, "__module__", None) == "__main__" and not hasattr(main, "__file__"):
        raise NotPicklableError(f"map() cannot hand {func!r} of this session to other processes: {ways}")
    try:
        return pickle.dumps((func, load))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise NotPicklableError(f"map() cannot hand {func!r} to other processes ({error}): {ways}") from error


def _note(where: Any) -> str:
    return f"raised by the function given to map(), for the block {where}"


# in the worker


def _work(pipe: Connection, job: bytes) -> None:
    """Call the function on what comes through a pipe, until None does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asked
    func: Function | None = None
    load: Load | None = None
    with set_options(threads=1), contextlib.suppress(EOFError, BrokenPipeError):
        while (task := pipe.recv()) is not None:
            where, data = task
            del task
            try:
                if func is None:
                    func, load = pickle.loads(job)
                result = func(where, data if load is None else load(where))
                message = pickle.dumps((False, result))
                del result
            except BaseException as error:
                message = _failure(error, where)
            del data
            pipe.send_bytes(message)
            del message


def _failure(error: BaseException, where: Any) -> bytes:
    """Pack an exception; one that cannot be packed goes as text."""
    text = "".join(traceback.format_exception(error)).rstrip()
    error.add_note(f"{_note(where)}; in the worker:\n{text}")
    try:
        message = pickle.dumps((True, error))
        pickle.loads(message)
    except Exception:
        replaced = RuntimeError(f"{type(error).__name__}: {error}")
        replaced.add_note(f"{_note(where)}; in the worker:\n{text}")
        return pickle.dumps((True, replaced))
    return message
