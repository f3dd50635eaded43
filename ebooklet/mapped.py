"""How is a function called on all values, in several processes?"""

import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import Any

Pair = tuple[str, Any]
Function = Callable[[str, Any], Pair | None]

IN_FLIGHT = 2  # items for each worker


def map_items(func: Function, items: Iterable[Pair], n_workers: int | None = None) -> Iterator[Pair]:
    """Call a function on pairs of key and value.

    Parameters
    ----------
    func
        Called with key and value; gives another pair, or None for nothing.
    items
        The pairs; few of them are held at a time.
    n_workers
        Processes; None is one for each processor, 0 calls the function in this process, in order.

    Yields
    ------
    tuple
        What `func` gives, in the order it is done.

    Raises
    ------
    TypeError
        If the function cannot be handed to other processes.
    """
    workers = _count(n_workers)
    if workers == 0:
        return (found for key, value in items if (found := _checked(func(key, value))) is not None)
    try:
        pickle.dumps(func)
    except Exception as error:
        raise TypeError(
            f"{func!r} cannot be handed to other processes ({error}): define it at the top of a module, or choose "
            "n_workers=0"
        ) from error
    return _in_processes(func, iter(items), workers)


def _in_processes(func: Function, items: Iterator[Pair], workers: int) -> Iterator[Pair]:
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running: set[Future[Pair | None]] = set()
        try:
            while True:
                running |= {pool.submit(func, *pair) for pair in islice(items, workers * IN_FLIGHT - len(running))}
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (found for future in done if (found := _checked(future.result())) is not None)
        finally:
            for future in running:
                future.cancel()


def _checked(found: Any) -> Pair | None:
    if found is None or (isinstance(found, tuple) and len(found) == 2):
        return found
    raise TypeError(f"the function gave {found!r}: a pair of key and value is wanted, or None")


def _count(n_workers: int | None) -> int:
    if n_workers is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    if isinstance(n_workers, bool) or not isinstance(n_workers, int) or n_workers < 0:
        raise ValueError(f"n_workers={n_workers!r}: give a number of processes; 0 works in this process")
    return n_workers
