"""What works with a connection, and what does not?"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from ebooklet.errors import (
    AccessDeniedError,
    BucketMissingError,
    NoCredentialsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    RemoteConnectionError,
    StoreError,
    UnsupportedOperationError,
)
from ebooklet.stores.body import http_date
from ebooklet.stores.dialect import Dialect
from ebooklet.stores.protocol import CREATE, ObjectStore
from ebooklet.stores.s3 import S3Store
from ebooklet.uri import OBJECTS_SUFFIX

T = TypeVar("T")

# S3 refuses requests whose clock is 15 minutes off.
TOLERATED_SKEW = 300.0
_WORDS = {True: "yes", False: "no", None: "not known"}


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """What was found; None = not tried, or not to be told from the answers.

    Attributes
    ----------
    uri : str
        The place of the database.
    reachable, bucket_exists, database_exists : bool or None
        Whether the server answers, and what is there.
    may_list, may_read, may_write, conditional_put : bool or None
        What is allowed, and whether writes on a condition are honoured.
    credentials : str
        Where the keys come from, never the keys; empty when there are none.
    clock_skew : float or None
        Seconds by which the server's clock is ahead.
    latency : float or None
        Seconds of the fastest request.
    n_requests : int
        Requests that were sent.
    problems : tuple of str
        What does not work, and the way out.
    """

    uri: str
    reachable: bool | None = None
    bucket_exists: bool | None = None
    database_exists: bool | None = None
    may_list: bool | None = None
    may_read: bool | None = None
    may_write: bool | None = None
    conditional_put: bool | None = None
    credentials: str = ""
    clock_skew: float | None = None
    latency: float | None = None
    n_requests: int = 0
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing failed that is needed to read, and to write if that was tried."""
        return not self.problems

    def __str__(self) -> str:
        facts = {
            "server answers": _WORDS[self.reachable],
            "bucket exists": _WORDS[self.bucket_exists],
            "database exists": _WORDS[self.database_exists],
            "may list": _WORDS[self.may_list],
            "may read": _WORDS[self.may_read],
            "may write": _WORDS[self.may_write],
            "conditional writes": _WORDS[self.conditional_put],
            "credentials": self.credentials or "none, requests are not signed",
            "clock of the server": "not known" if self.clock_skew is None else f"{self.clock_skew:+.0f} s",
            "latency": "not known" if self.latency is None else f"{self.latency * 1000:.0f} ms",
            "requests": str(self.n_requests),
        }
        lines = [f"{self.uri}: {'works' if self.ok else 'does not work'}"]
        lines += [f"  {name + ':':<21}{value}" for name, value in facts.items()]
        return "\n".join(lines + [f"  problem: {problem}" for problem in self.problems])


def check_store(store: ObjectStore, uri: str, db_key: str, *, write: bool = False) -> ConnectionReport:
    """Try what can be done in a store, in two requests, or five with `write`.

    Parameters
    ----------
    store : ObjectStore
        The store, made for this alone.
    uri : str
        Where the database is.
    db_key : str
        Key of the database.
    write : bool
        Also write, write on a condition and delete an object beside the database.

    Examples
    --------
    >>> from ebooklet.stores.memory import MemoryStore
    >>> report = check_store(MemoryStore(), "memory://store/x.cfdb", "x.cfdb", write=True)
    >>> report.ok, report.may_write, report.conditional_put, report.database_exists
    (True, True, True, False)
    """
    trial = _Trial(store)
    if isinstance(store, S3Store):
        store.dialect = trial.dialect
        store.page_size = 1
    trial.try_list(db_key)
    if trial.facts.get("reachable") and trial.facts.get("bucket_exists") is not False:
        trial.try_read(db_key)
        if write:
            trial.try_write(f"{db_key}{OBJECTS_SUFFIX}/check-{uuid.uuid4().hex}")
    skew = trial.dialect.skew
    if skew is not None and abs(skew) > TOLERATED_SKEW:
        off = "slow" if skew > 0 else "fast"
        trial.problems.append(f"the clock of this computer is {abs(skew):.0f} s {off}: set it")
    source = ""
    if isinstance(store, S3Store):
        source = store.source if trial.facts.get("reachable") else "not known"
    if isinstance(store, S3Store):
        store.close()
    return ConnectionReport(
        uri,
        **trial.facts,
        credentials=source,
        clock_skew=skew,
        latency=min(trial.times, default=None),
        n_requests=max(trial.n_requests, trial.dialect.answers),
        problems=tuple(trial.problems),
    )


@dataclass(slots=True)
class _Heard(Dialect):
    """Listens to the headers of all answers."""

    answers: int = 0
    skew: float | None = None

    def heed(self, headers: Mapping[str, str]) -> None:
        """Count an answer and compare the clocks."""
        self.answers += 1
        told = http_date(headers, "date")
        if told is not None:
            self.skew = (told - datetime.now(UTC)).total_seconds()


@dataclass(slots=True)
class _Trial:
    """Tries one thing after another, and takes down what came of it."""

    store: ObjectStore
    dialect: _Heard = field(default_factory=_Heard)
    facts: dict[str, bool] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    n_requests: int = 0

    def try_list(self, db_key: str) -> None:
        """May one list, and is there a bucket at all?"""
        error = self._try(lambda: list(islice(self.store.list(db_key), 1)))
        if isinstance(error, RemoteConnectionError | NoCredentialsError):
            if isinstance(error, RemoteConnectionError):
                self.facts["reachable"] = False
            self.problems.append(str(error))
            return
        self.facts["reachable"] = True
        if isinstance(error, BucketMissingError):
            self.facts |= {"bucket_exists": False, "may_list": False}
            self.problems.append(str(error))
        elif error is None:
            self.facts |= {"bucket_exists": True, "may_list": True}
        elif isinstance(error, AccessDeniedError):
            self.facts["may_list"] = False  # no problem as such: opening a database lists nothing

    def try_read(self, db_key: str) -> None:
        """May one read, and is there a database?"""
        error = self._try(lambda: self.store.head(db_key))
        if error is None:
            self.facts |= {"bucket_exists": True, "database_exists": True, "may_read": True}
        elif isinstance(error, ObjectNotFoundError):
            self.facts |= {"database_exists": False, "may_read": True}
        else:
            if isinstance(error, AccessDeniedError):
                self.facts["may_read"] = False
            self.problems.append(str(error))

    def try_write(self, key: str) -> None:
        """May one write, and is a condition honoured? Leaves nothing behind."""
        error = self._try(lambda: self.store.put(key, b"check", CREATE))
        if isinstance(error, UnsupportedOperationError):
            self.facts["conditional_put"] = False
            error = self._try(lambda: self.store.put(key, b"check"))
        if error is not None:
            self.facts["may_write"] = False
            self.problems.append(str(error))
            return
        self.facts |= {"bucket_exists": True, "may_write": True}
        if "conditional_put" not in self.facts:
            again = self._try(lambda: self.store.put(key, b"again", CREATE))
            if again is None or isinstance(again, PreconditionFailedError):
                self.facts["conditional_put"] = again is not None
            else:
                self.problems.append(f"whether conditions of writes are honoured is not known: {again}")
        left = self._try(lambda: self.store.delete(key))
        if left is not None:
            self.problems.append(f"{key} was written and cannot be deleted: {left}")
        if self.facts.get("conditional_put") is False:
            self.problems.append(
                "the server ignores conditions of writes: give single_writer=True if nobody else writes this database"
            )

    def _try(self, request: Callable[[], T]) -> StoreError | None:
        self.n_requests += 1
        begun = time.perf_counter()
        try:
            request()
        except RemoteConnectionError as error:
            return error
        except NoCredentialsError as error:
            self.n_requests -= 1  # nothing was sent
            return error
        except UnsupportedOperationError as error:
            self.n_requests -= 1  # refused here; what a server refused has been heard
            return error
        except StoreError as error:
            self.times.append(time.perf_counter() - begun)
            return error
        self.times.append(time.perf_counter() - begun)
        return None
