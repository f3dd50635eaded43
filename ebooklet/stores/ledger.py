"""How many requests were sent, how many bytes went either way, and may one more be sent?

Every request is entered in the `Ledger` of its connection before it is sent: then a `Budget` that it would exceed
refuses it. What is known only from the answer is entered when the answer begins.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, fields
from types import TracebackType

from ebooklet.errors import BudgetExceededError, NotModifiedError
from ebooklet.sizes import byte_size, parse_size
from ebooklet.stores.retry import TransientError

#: Requests that only clear away what a failure left behind; no budget refuses them.
ALWAYS_ALLOWED = frozenset({"abort_upload"})


@dataclass(frozen=True, slots=True)
class OperationStats:
    """What requests of one kind, or of all kinds, amounted to.

    Attributes
    ----------
    requests : int
        Requests sent, repeated ones included.
    sent, received : int
        Bytes of bodies.
    retries : int
        Requests that repeated one which had failed.
    errors : int
        Requests that failed or were refused.
    seconds : float
        Time until they were answered in full; requests in flight together count each.
    """

    requests: int = 0
    sent: int = 0
    received: int = 0
    retries: int = 0
    errors: int = 0
    seconds: float = 0.0

    def __add__(self, other: "OperationStats") -> "OperationStats":
        return _combined(self, other, 1)

    def __sub__(self, other: "OperationStats") -> "OperationStats":
        return _combined(self, other, -1)

    def __bool__(self) -> bool:
        return bool(self.requests or self.retries)


def _combined(one: OperationStats, other: OperationStats, sign: int) -> OperationStats:
    return OperationStats(*(getattr(one, f.name) + sign * getattr(other, f.name) for f in fields(one)))


@dataclass(frozen=True, slots=True)
class RequestStats:
    """The requests of a connection up to a moment; prints as a table.

    The difference of two of them is what happened in between.

    Attributes
    ----------
    operations : dict of str to OperationStats
        By kind: 'get', 'get_range', 'head', 'put', 'conditional_put', 'upload_part', 'list', ...

    Examples
    --------
    >>> ledger = Ledger()
    >>> with ledger.request("put", sent=1000):
    ...     pass
    >>> before = ledger.stats()
    >>> with ledger.request("get") as receipt:
    ...     receipt.received(250)
    >>> found = ledger.stats() - before
    >>> found.requests, found.received, found.nbytes, list(found.operations)
    (1, 250, 250, ['get'])
    """

    operations: dict[str, OperationStats] = field(default_factory=dict)

    @property
    def total(self) -> OperationStats:
        """All kinds together."""
        return sum(self.operations.values(), OperationStats())

    @property
    def requests(self) -> int:
        """Number of requests."""
        return self.total.requests

    @property
    def sent(self) -> int:
        """Bytes sent."""
        return self.total.sent

    @property
    def received(self) -> int:
        """Bytes received."""
        return self.total.received

    @property
    def nbytes(self) -> int:
        """Bytes sent and received."""
        return self.sent + self.received

    @property
    def retries(self) -> int:
        """Requests that repeated one which had failed."""
        return self.total.retries

    @property
    def errors(self) -> int:
        """Requests that failed or were refused."""
        return self.total.errors

    def __sub__(self, earlier: "RequestStats") -> "RequestStats":
        nothing = OperationStats()
        found = {name: now - earlier.operations.get(name, nothing) for name, now in self.operations.items()}
        return RequestStats({name: one for name, one in found.items() if one})

    def __bool__(self) -> bool:
        return bool(self.total)

    def __str__(self) -> str:
        rows = [("operation", "requests", "sent", "received", "retries", "errors", "seconds")]
        listed = [*sorted(self.operations.items()), ("total", self.total)]
        for name, one in listed:
            counts = (str(one.requests), byte_size(one.sent), byte_size(one.received))
            rows.append((name, *counts, str(one.retries), str(one.errors), f"{one.seconds:.2f}"))
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        return "\n".join(
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        )

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:  # what IPython shows
        printer.text(str(self))  # type: ignore[attr-defined]


class Budget:
    """So many requests and bytes, and not one more.

    Attributes
    ----------
    requests, nbytes : int or None
        The limits; None = without.
    requests_used, nbytes_used : int
        What has been used of them.
    """

    def __init__(self, requests: int | None = None, nbytes: int | None = None) -> None:
        if requests is None and nbytes is None:
            raise ValueError("a budget needs requests= or bytes=")
        for name, limit in (("requests", requests), ("bytes", nbytes)):
            if limit is not None and limit < 0:
                raise ValueError(f"{name}={limit!r}: it has to be 0 or more")
        self.requests, self.nbytes = requests, nbytes
        self.requests_used = self.nbytes_used = 0

    @classmethod
    def of(cls, requests: int | None, nbytes: int | str | None) -> "Budget":
        """A budget as people write it."""
        return cls(requests, None if nbytes is None else parse_size(nbytes))

    def __repr__(self) -> str:
        return f"Budget({self})"

    def __str__(self) -> str:
        said = []
        if self.requests is not None:
            said.append(f"{self.requests_used} of {self.requests} requests")
        if self.nbytes is not None:
            said.append(f"{byte_size(self.nbytes_used)} of {byte_size(self.nbytes)}")
        return ", ".join(said) + " used"

    def check(self, what: str, requests: int, nbytes: int) -> None:
        """Refuse what would exceed the limits."""
        many = self.requests is not None and self.requests_used + requests > self.requests
        much = self.nbytes is not None and nbytes > 0 and self.nbytes_used + nbytes > self.nbytes
        if many or much:
            size = f" of {byte_size(nbytes)}" if nbytes else ""
            raise BudgetExceededError(
                f"a {what} request{size} would exceed the budget ({self}) and was not made; nothing that was done "
                "before is lost: go on with a larger budget, or without one"
            )


class Receipt:
    """One request on its way; a context manager.

    Attributes
    ----------
    failed : bool
        Set where a failure does not leave the block as an exception.
    """

    __slots__ = ("_begun", "_budgets", "_expected", "_ledger", "_operation", "_received", "failed")

    def __init__(self, ledger: "Ledger", operation: str, expected: int, budgets: Sequence[Budget]) -> None:
        self._ledger = ledger
        self._operation = operation
        self._expected = expected
        self._budgets = budgets
        self._received = 0
        self._begun = time.perf_counter()
        self.failed = False

    def __enter__(self) -> "Receipt":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failed = self.failed or (error is not None and not isinstance(error, NotModifiedError))
        if isinstance(error, TransientError):
            error.operation = self._operation
        seconds = time.perf_counter() - self._begun
        with _books.lock:
            tally = self._ledger._tally(self._operation)
            tally.received += self._received
            tally.errors += failed
            tally.seconds += seconds
            for budget in self._budgets:
                budget.nbytes_used += self._received - self._expected

    def expect(self, nbytes: int | None) -> None:
        """Say how long the body of the answer is, before it is read.

        Raises
        ------
        BudgetExceededError
            If that exceeds a budget.
        """
        more = (nbytes or 0) - self._expected
        if more > 0:
            with _books.lock:
                _take(self._budgets, self._operation, 0, more)
            self._expected += more

    def received(self, nbytes: int) -> None:
        """Count bytes of the answer."""
        self._received += nbytes


class Ledger:
    """The requests of one connection, entered from any thread; a process has its own."""

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}
        self._budgets: list[Budget] = []

    def __repr__(self) -> str:
        return f"Ledger({self.stats().requests} requests)"

    def __reduce__(self) -> "tuple[type[Ledger], tuple[()]]":
        return Ledger, ()

    def stats(self) -> RequestStats:
        """What there was up to now."""
        with _books.lock:
            return RequestStats({name: OperationStats(*astuple(tally)) for name, tally in self._tallies.items()})

    def request(self, operation: str, *, sent: int = 0, expected: int = 0) -> Receipt:
        """Enter a request that is about to be sent.

        Parameters
        ----------
        operation : str
            Kind of the request.
        sent : int
            Bytes of its body.
        expected : int
            Bytes of the answer, as far as they are known.

        Raises
        ------
        BudgetExceededError
            If it would exceed a budget; then it must not be sent.
        """
        with _books.lock:
            holding = [*self._budgets, *_books.budgets]
            _take(holding, operation, 1, sent + expected)
            tally = self._tally(operation)
            tally.requests += 1
            tally.sent += sent
        return Receipt(self, operation, expected, holding)

    def retried(self, operation: str) -> None:
        """Count that a request is about to be repeated."""
        with _books.lock:
            self._tally(operation).retries += 1

    @contextmanager
    def budget(self, limits: Budget) -> Iterator[Budget]:
        """Hold the requests of this connection to a budget while the block lasts."""
        with _held(self._budgets, limits):
            yield limits

    def _tally(self, operation: str) -> "_Tally":
        found = self._tallies.get(operation)
        if found is None:
            found = self._tallies[operation] = _Tally()
        return found


@dataclass(slots=True)
class _Tally:
    """What `OperationStats` says, while it grows."""

    requests: int = 0
    sent: int = 0
    received: int = 0
    retries: int = 0
    errors: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Books:
    """What all ledgers of a process share."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    budgets: list[Budget] = field(default_factory=list)


_books = _Books()


def _begin_anew() -> None:
    # a thread of the parent may have held the lock
    _books.lock = threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)


def _take(budgets: Sequence[Budget], operation: str, requests: int, nbytes: int) -> None:
    """Take from all budgets or, if one is exceeded, from none; the lock is held."""
    if operation not in ALWAYS_ALLOWED:
        for budget in budgets:
            budget.check(operation, requests, nbytes)
    for budget in budgets:
        budget.requests_used += requests
        budget.nbytes_used += nbytes


@contextmanager
def _held(budgets: list[Budget], budget: Budget) -> Iterator[None]:
    with _books.lock:
        budgets.append(budget)
    try:
        yield
    finally:
        with _books.lock:
            budgets.remove(budget)


@contextmanager
def budget(*, requests: int | None = None, bytes: int | str | None = None) -> Iterator[Budget]:
    """Hold all requests of this process to a budget while the block lasts.

    The request that would exceed it is not sent: `BudgetExceededError` is raised instead. It counts for every
    connection and every thread, also for those that load or write in the background; `conn.budget()` holds one
    connection alone. Budgets may be nested, and each is kept.

    Parameters
    ----------
    requests : int, optional
        The most requests, repeated ones included.
    bytes : int or str, optional
        The most bytes of bodies, sent and received: a number or '2GB'. An object whose length only the answer tells is
        given up before its body is read.

    Yields
    ------
    Budget
        Shows what has been used.

    Raises
    ------
    BudgetExceededError
        From whatever needs the request. What was done before stays: values that have arrived are kept, pending changes
        are, and a push goes on where it was.

    Examples
    --------
    >>> import ebooklet
    >>> with ebooklet.budget(requests=100, bytes="50MB") as used:
    ...     pass
    >>> print(used)
    0 of 100 requests, 0 B of 50.0 MB used
    """
    held = Budget.of(requests, bytes)
    with _held(_books.budgets, held):
        yield held
