"""How are many values brought here so that a load that was cut short goes on where it stopped?

What is not here is planned first, in steps; the plan tells what it will cost, and carrying it out sends exactly those
requests. What arrives is written to the local file and committed in batches: loading again fetches only the rest.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field

import numpy as np

from ebooklet.estimate import Estimate
from ebooklet.fetched import Fetched
from ebooklet.format.table import Row
from ebooklet.loading import Loader, Progress
from ebooklet.pace import Pace, RateLimit
from ebooklet.sizes import byte_size, counted
from ebooklet.unpublished import Version

STEP_KEYS = 1 << 16  # values whose requests are planned together
ORDERED_BYTES = 32 << 20  # the same, where values are to arrive in an order of the caller's
COMMIT_BYTES = 32 << 20  # after so many what arrived is committed


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load brought; true when nothing failed.

    Attributes
    ----------
    fetched : tuple of str
        Keys whose values came with a request.
    n_local : int
        Keys that needed none: their values, or absence, were known here, or came with the root object.
    nbytes : int
        Bytes of the values that arrived.
    n_requests : int
        Requests they came with.
    failures : dict
        What failed, by key.
    """

    fetched: tuple[str, ...] = ()
    n_local: int = 0
    nbytes: int = 0
    n_requests: int = 0
    failures: dict[str, Exception] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether everything asked for is here."""
        return not self.failures

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        failed = f"; {len(self.failures)} failed" if self.failures else ""
        fetched, requests = counted(len(self.fetched), "value"), counted(self.n_requests, "request")
        return f"{fetched} in {requests}, {byte_size(self.nbytes)}{failed}"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What has to be fetched so that values are here.

    Attributes
    ----------
    version : Version
        The version of the remote.
    steps : tuple
        Rows of the remote with the versions their copies carry; each step is planned and fetched for itself.
    n_local, local_bytes : int
        Keys that need no transfer, and the bytes of their values.
    """

    version: Version
    steps: tuple[tuple[tuple[Row, int], ...], ...]
    n_local: int
    local_bytes: int

    @property
    def n_keys(self) -> int:
        """Values that have to be brought here, those that came with the root object included."""
        return sum(map(len, self.steps))

    @property
    def nbytes(self) -> int:
        """Bytes of the values that have to be brought here."""
        return sum(row.length + row.tail for step in self.steps for row, _ in step)

    def estimate(self, pace: Pace | None = None) -> Estimate:
        """Tell what carrying it out takes; values that came with the root object count as here."""
        rate = None if pace is None else pace.rate
        plans = [self.version.plan([row for row, _ in step if self.version.inline(row) is None]) for step in self.steps]
        nbytes = sum(plan.transferred for plan in plans)
        return Estimate(
            "load",
            self.n_local + self.n_keys,
            self.n_local + self.n_keys - sum(len(plan.rows) + len(plan.impossible) for plan in plans),
            sum(len(plan.requests) for plan in plans),
            nbytes,
            self.local_bytes + self.nbytes - sum(plan.wanted for plan in plans),
            None if rate is None else nbytes / rate,
        )


def plan_load(loader: Loader, keys: Sequence[str], *, ordered: bool = False, most: int | None = None) -> LoadPlan:
    """Plan what has to be fetched so that the values of `keys` are here.

    Parameters
    ----------
    loader
        Reads of the local file and the remote.
    keys
        Which values; those that do not exist count as here.
    ordered
        Whether values shall arrive about in the order of `keys`, not in the order that takes the fewest requests.
    most
        Bytes after which the rest is left out.
    """
    wanted = list(dict.fromkeys(keys))
    found = loader.survey(wanted)
    missing = loader.missing(found)
    sizes = found.sizes()
    if most is not None:
        missing = missing[: int(np.searchsorted(np.cumsum(sizes[np.array(missing, np.intp)]), most, "right"))]
    asked = found.asked(missing)
    local_bytes = int(sizes.sum()) - int(sizes[np.array(missing, np.intp)].sum())
    return LoadPlan(found.version, tuple(_steps(asked, ordered)), len(wanted) - len(missing), local_bytes)


def _steps(asked: Sequence[tuple[Row, int]], ordered: bool) -> Iterator[tuple[tuple[Row, int], ...]]:
    step: list[tuple[Row, int]] = []
    nbytes = 0
    for row, name in asked:
        step.append((row, name))
        nbytes += row.length + row.tail
        if len(step) >= STEP_KEYS or (ordered and nbytes >= ORDERED_BYTES):
            yield tuple(step)
            step, nbytes = [], 0
    if step:
        yield tuple(step)


@dataclass(frozen=True, slots=True)
class How:
    """How a plan is carried out.

    Attributes
    ----------
    progress : callable, optional
        Called with the bytes that arrived and in all.
    counted : callable, optional
        Called with how many of the values are here and how many there are, at the start and as they arrive.
    max_rate : float, optional
        Bytes per second.
    stop : threading.Event, optional
        Ends the load when it is set.
    checkpoint : callable, optional
        Makes what arrived durable.
    pace : Pace, optional
        Where to enter how fast it went.
    """

    progress: Progress | None = None
    counted: Callable[[int, int], object] | None = None
    max_rate: float | None = None
    stop: threading.Event | None = None
    checkpoint: Callable[[], object] = lambda: None
    pace: Pace | None = None


ANYHOW = How()


def bring(loader: Loader, plan: LoadPlan, how: How) -> Loaded:
    """Carry out a plan; what arrived before it was cut short stays.

    Raises
    ------
    CancelledError
        If it was told to stop.
    """
    stop = how.stop or threading.Event()
    toll = _Toll(None if how.max_rate is None else RateLimit(how.max_rate, wait=stop.wait))
    tally = _Tally(plan, how)
    started = time.monotonic()
    try:
        for batch in _batches(loader, plan, toll):
            if tally.enter(batch):
                loader.flush()
                how.checkpoint()
            if stop.is_set():
                raise CancelledError(f"the load was cancelled after {len(tally.fetched)} of {plan.n_keys} values")
    finally:
        loader.flush()
        how.checkpoint()
    if how.pace is not None and how.max_rate is None and toll.nbytes and not tally.failures:
        how.pace.add(toll.nbytes, time.monotonic() - started)
    n_local = plan.n_local + plan.n_keys - len(tally.fetched) - len(tally.failures)
    return Loaded(tuple(tally.fetched), n_local, tally.nbytes, toll.requests, tally.failures)


class _Toll:
    """Counts the requests that are about to be sent, and lets them wait where a rate is set."""

    def __init__(self, limit: RateLimit | None) -> None:
        self.requests = 0
        self.nbytes = 0
        self._limit = limit
        self._lock = threading.Lock()

    def __call__(self, nbytes: int) -> None:
        with self._lock:
            self.requests += 1
            self.nbytes += nbytes
        if self._limit is not None:
            self._limit(nbytes)


class _Tally:
    """What arrived so far."""

    def __init__(self, plan: LoadPlan, how: How) -> None:
        self.fetched: list[str] = []
        self.failures: dict[str, Exception] = {}
        self.nbytes = 0
        self._plan, self._how = plan, how
        self._total, self._kept, self._here = plan.nbytes, 0, plan.n_local
        self._report()

    def enter(self, batch: Sequence[tuple[Row, Fetched | Exception]]) -> bool:
        """Enter what arrived together; tell whether it is time to make it durable."""
        for row, arrived in batch:
            if isinstance(arrived, Exception):
                self.failures[row.key] = arrived
                continue
            self.nbytes += len(arrived.data)
            self._here += 1
            if self._plan.version.inline(row) is None:
                self.fetched.append(row.key)
        self._report()
        due = self.nbytes - self._kept >= COMMIT_BYTES
        if due:
            self._kept = self.nbytes
        return due

    def _report(self) -> None:
        if self._how.counted is not None:
            self._how.counted(self._here, self._plan.n_local + self._plan.n_keys)
        if self._how.progress is not None and self.nbytes:
            self._how.progress(self.nbytes, self._total)


def _batches(loader: Loader, plan: LoadPlan, toll: "_Toll") -> Iterator[list[tuple[Row, Fetched | Exception]]]:
    for step in plan.steps:
        yield from loader.arrivals(plan.version, step, toll)
