"""How are chunks brought near, now or in the background, and what did that bring?"""

import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any

from cfdb.errors import TransferLimitError
from cfdb.model.doors import door
from cfdb.model.structure import Structure
from cfdb.options import get_options
from cfdb.plan.chunks import ChunkPlan
from cfdb.storage.protocol import ChunkStore, HowToLoad

SECONDS_TO_END = 60.0  # a request in flight is waited for
Order = str | Callable[[tuple[int, ...]], Any] | None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Outcome of a load; a load in which anything failed raises.

    Attributes
    ----------
    fetched : int
        Chunks that were not local and are now.
    present : int
        Chunks that were local already, or never written.
    nbytes : int
        Bytes of the chunks that were fetched.
    n_requests : int
        Requests they came with.
    failures : dict
        Always empty: kept so that every result has it.
    """

    fetched: int
    present: int
    nbytes: int = 0
    n_requests: int = 0
    failures: dict[str, Exception] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything asked for is here."""
        return not self.failures

    def __str__(self) -> str:
        text: str = door("print_load")(self)
        return text


Work = Callable[[threading.Event, Callable[[int, int], None]], LoadResult]


class LoadJob:
    """A load in the background; it ends with its dataset."""

    def __init__(
        self, name: str, work: Callable[[threading.Event, Callable[[int, int], None]], LoadResult], total: int
    ) -> None:
        self._name = name
        self._stop = threading.Event()
        self._progress = (0, total)
        self._result: LoadResult | None = None
        self._error: BaseException | None = None
        self._seen = False
        self._thread = threading.Thread(target=self._run, args=(work,), name=f"load {name}", daemon=True)
        self._thread.start()

    def _run(self, work: Work) -> None:
        try:
            self._result = work(self._stop, self._report)
        except BaseException as error:
            self._error = error

    def _report(self, done: int, total: int) -> None:
        self._progress = (done, total)

    @property
    def progress(self) -> tuple[int, int]:
        """Chunks that are here, and chunks in all."""
        return self._progress

    @property
    def done(self) -> bool:
        """Whether it has ended, one way or the other."""
        return not self._thread.is_alive()

    def result(self, timeout: float | None = None) -> LoadResult:
        """Wait for its end.

        Raises
        ------
        TimeoutError
            If it takes longer than `timeout` seconds.
        concurrent.futures.CancelledError
            If it was cancelled, or its dataset closed; what had arrived stays.
        """
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"the load of {self._name} is still going on after {timeout} s")
        self._seen = True
        if self._error is not None:
            raise self._error
        assert self._result is not None, "it ended well"
        return self._result

    def cancel(self) -> None:
        """End it after the requests in flight; what has arrived stays, and another load goes on from there."""
        self._stop.set()

    def end(self) -> None:
        """Cancel it, wait, and warn of an error nobody has asked about."""
        self.cancel()
        if self._thread is not threading.current_thread():
            self._thread.join(SECONDS_TO_END)
        if self._error is not None and not self._seen and not isinstance(self._error, CancelledError):
            warnings.warn(f"the background load of {self._name} failed: {self._error!r}", stacklevel=4)

    def __repr__(self) -> str:
        state = "going on" if not self.done else "ended" if self._error is None else f"failed: {self._error!r}"
        return f"<LoadJob {self._name}: {self._progress[0]} of {self._progress[1]} chunks, {state}>"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a load was asked for, in the words of the caller."""

    progress: Any = None
    order: Order = None
    max_rate: Any = None
    background: bool = False
    dry_run: bool = False

    def carry_out(self, name: str, structure: Structure, plans: Sequence[ChunkPlan]) -> Any:
        """Load the chunks of plans: a `LoadResult`, a `LoadJob`, or an estimate."""
        keys = chunk_keys(plans, self.order)
        store, ordered = structure.store, self.order is not None
        if self.dry_run:
            return store.estimate(keys, ordered).priced(get_options().prices)
        check_transfer(store, keys, name, ordered)
        if not self.background:
            with door("reporting")(self.progress, f"load {name}", unit=" chunks") as report:
                return _load(store, keys, HowToLoad(ordered, self.max_rate, report))
        if self.progress is True:
            raise ValueError("progress=True with background=True: look at the progress of the LoadJob that is returned")
        job = LoadJob(name, partial(self._in_background, store, keys), len(keys))
        structure.root.add_job(job)
        return job

    def _in_background(
        self, store: ChunkStore, keys: Sequence[str], stop: threading.Event, report: Callable[[int, int], None]
    ) -> LoadResult:
        def both(done: int, total: int) -> None:
            report(done, total)
            if callable(self.progress):
                self.progress(done, total)

        return _load(store, keys, HowToLoad(self.order is not None, self.max_rate, both, stop))


def _load(store: ChunkStore, keys: Sequence[str], how: HowToLoad) -> LoadResult:
    found = store.load(keys, how)
    for key, error in found.failures.items():
        error.add_note(
            f"{len(found.failures)} of {len(keys)} chunks could not be loaded, {key!r} first; the others are here, and "
            "another load() fetches only what is missing"
        )
        raise error
    return LoadResult(found.fetched, len(keys) - found.fetched, found.nbytes, found.n_requests)


def chunk_keys(plans: Iterable[ChunkPlan], order: Order = None) -> list[str]:
    """Give the keys of chunks, each once, in an order.

    Parameters
    ----------
    plans
        The chunks, variable by variable.
    order
        None or ``'C'``: as they come, the last axis varying fastest; ``'F'``: the first axis varying fastest; a
        function: by what it returns for the numbers of a chunk along the axes.
    """
    if order is None or (isinstance(order, str) and order == "C"):
        return list(dict.fromkeys(chain.from_iterable(plan.keys() for plan in plans)))
    if isinstance(order, str) and order == "F":
        found = [pair for plan in plans for pair in sorted(_numbered(plan), key=lambda pair: pair[0][::-1])]
    elif callable(order):
        ranked = [(order(index), key) for plan in plans for index, key in _numbered(plan)]
        found = sorted(ranked, key=itemgetter(0))
    else:
        raise ValueError(f"order={order!r}: choose 'C', 'F', or a function of the numbers of a chunk, or leave it out")
    return list(dict.fromkeys(key for _, key in found))


def _numbered(plan: ChunkPlan) -> Iterable[tuple[tuple[int, ...], str]]:
    return zip(plan.indexes(), plan.keys(), strict=True)


def check_transfer(store: ChunkStore, keys: Sequence[str], name: str, ordered: bool = False) -> None:
    """Refuse a load that would fetch more than the option `max_fetch` allows, before the first request."""
    limit = get_options().max_fetch
    if limit is None:
        return
    estimate = store.estimate(keys, ordered)
    if estimate.nbytes > limit:
        raise TransferLimitError(
            f"loading {name} would fetch {estimate.nbytes:,} bytes in {estimate.n_requests:,} requests, more than "
            f"max_fetch={limit:,}: select less, or raise the limit with cfdb.set_options(max_fetch=...)"
        )
