"""Who may write to a remote database, where one at a time shall?

The object ``lease`` beside the packs names its holder, who writes it anew long before its term is over. Whoever waits
for it takes it over when its ETag stayed the same for a whole term, measured by his own clock: clocks need not agree.
Every write of it is a conditional PUT, so that of several who want it one gets it. Where a server has none, a write is
read back after a while, which is as good as can be had there.
"""

import logging
import os
import random
import secrets
import socket
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from ebooklet.errors import (
    AccessDeniedError,
    BucketMissingError,
    FileFormatError,
    ForkedHandleError,
    LockLostError,
    LockTimeoutError,
    NoCredentialsError,
    ObjectNotFoundError,
    PreconditionFailedError,
    StoreError,
    UncertainOutcomeError,
    UnsupportedOperationError,
)
from ebooklet.format.frame import seal, unseal
from ebooklet.format.names import LEASE_NAME, fresh_name, object_text, objects_prefix
from ebooklet.stores.probe import probe_conditional_put
from ebooklet.stores.protocol import CREATE, NO_ETAG, ObjectStore, Update

log = logging.getLogger("ebooklet")

TERM = 60.0  # seconds a lease outlives the last sign of its holder
LONGEST_TERM = 3600.0
ATTEMPTS = 4
FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0
SETTLE = 1.0  # seconds after which a write to a server without conditions is read back
MAX_LEASE = 1 << 16
_MAGIC, _NOBODY = b"EBLS", bytes(16)
_FINAL = (AccessDeniedError, NoCredentialsError, BucketMissingError, UnsupportedOperationError)


@dataclass(frozen=True, slots=True)
class LockInfo:
    """Who holds the lease on a database.

    Attributes
    ----------
    host : str
        Name of the computer.
    process : int
        Id of the process there.
    label : str
        What the holder says about itself (``lock='nightly import'``).
    since : datetime
        When it got the lease, by its own clock.
    term : float
        Seconds the lease lasts after each sign of life.
    silent : float or None
        Seconds since the last sign of life, by the server's clock; None where that does not tell.
    """

    host: str
    process: int
    label: str
    since: datetime
    term: float
    silent: float | None = None

    @property
    def expired(self) -> bool:
        """Whether the holder was silent for longer than its term, by the server's clock."""
        return self.silent is not None and self.silent > self.term

    def __str__(self) -> str:
        who = f"{self.label!r}, " if self.label else ""
        heard = "" if self.silent is None else f", last heard of {self.silent:.0f} s ago"
        return f"{who}process {self.process} on {self.host}, since {self.since:%Y-%m-%d %H:%M:%S} UTC{heard}"


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """What the object says."""

    holder: bytes
    info: LockInfo
    beat: int = 0

    @property
    def free(self) -> bool:
        """Whether nobody holds it."""
        return self.holder == _NOBODY

    def encode(self) -> bytes:
        """Write it."""
        info = self.info
        return seal(
            _MAGIC,
            {
                "requires": [],
                "holder": self.holder,
                "host": info.host,
                "process": info.process,
                "label": info.label,
                "since": int(info.since.timestamp()),
                "term": int(info.term * 1000),
                "beat": self.beat,
                "unique": secrets.token_bytes(8),  # two writes never have the same ETag
            },
        )

    @classmethod
    def decode(cls, data: bytes) -> "LeaseRecord":
        """Read it."""
        fields = unseal(_MAGIC, "the lease", data)
        term = fields.number("term", int(LONGEST_TERM * 1000)) / 1000
        since = datetime.fromtimestamp(fields.number("since", 1 << 36), UTC)
        info = LockInfo(fields.text("host", 255), fields.number("process"), fields.text("label", 255), since, term)
        return cls(fields.exactly("holder", 16), info, fields.number("beat"))


@dataclass(frozen=True, slots=True)
class Found:
    """The object as it was read; without record when it is damaged, without ETag when there is none."""

    etag: str | None = None
    record: LeaseRecord | None = None
    silent: float | None = None

    @property
    def free(self) -> bool:
        """Whether nobody holds the lease."""
        return self.etag is None or (self.record is not None and self.record.free)

    @property
    def info(self) -> LockInfo | None:
        """Who holds it."""
        return None if self.free or self.record is None else replace(self.record.info, silent=self.silent)

    @property
    def term(self) -> float:
        """How long it may stay the same before it is over."""
        return TERM if self.record is None else self.record.info.term


class _TakenError(Exception):
    """Another write came first."""


class LeaseObject:
    """The object in its store, and how it is changed.

    Parameters
    ----------
    store, key, uuid
        The database.
    """

    def __init__(self, store: ObjectStore, key: str, uuid: UUID) -> None:
        self.store = store
        self.place = f"{store.uri}/{key}"
        self.uuid = uuid
        self._prefix = objects_prefix(key, uuid)
        self.name = self._prefix + LEASE_NAME

    def read(self) -> Found:
        """Read it."""
        try:
            found = self.store.get(self.name, limit=MAX_LEASE)
        except ObjectNotFoundError:
            return Found()
        meta, silent = found.meta, None
        if meta.server_date is not None and meta.last_modified is not None:
            silent = max(0.0, (meta.server_date - meta.last_modified) / timedelta(seconds=1))
        try:
            return Found(meta.etag, LeaseRecord.decode(found.body), silent)
        except FileFormatError:
            return Found(meta.etag, None, silent)

    def protects(self) -> bool:
        """Tell whether the server honours conditional writes; asked once per bucket."""
        return probe_conditional_put(self.store, self._prefix + object_text(fresh_name()))

    def write(self, before: str | None, record: LeaseRecord) -> str:
        """Write `record` over the object of the ETag `before` (None: over nothing); return the new ETag.

        Raises
        ------
        _TakenError
            If there is another one.
        """
        body = record.encode()
        if not self.protects():
            return self._write_plainly(before, record, body)
        problem: StoreError = UncertainOutcomeError(f"{self.name}: no answer")
        for attempt in range(ATTEMPTS):
            try:
                meta = self.store.put(self.name, body, CREATE if before is None else Update(before))
                if meta.etag:
                    return meta.etag
            except _FINAL:
                raise
            except StoreError as error:
                problem = error
            found = self.read()
            if found.record is not None and _same(found.record, record):
                return found.etag or NO_ETAG
            if found.etag != before or (isinstance(problem, PreconditionFailedError) and attempt):
                raise _TakenError
            time.sleep(random.uniform(0.5, 1.0) * FIRST_WAIT * 2.0**attempt)
        raise problem

    def _write_plainly(self, before: str | None, record: LeaseRecord, body: bytes) -> str:
        """Do it without conditions: look, write, and when somebody new writes, look again after a while."""
        found = self.read()
        if found.etag != before:
            raise _TakenError
        self.store.put(self.name, body)
        if not record.beat:
            time.sleep(SETTLE * random.uniform(1.0, 1.5))
        found = self.read()
        if found.record is None or not _same(found.record, record):
            raise _TakenError
        return found.etag or NO_ETAG


def _same(one: LeaseRecord, other: LeaseRecord) -> bool:
    return (one.holder, one.beat) == (other.holder, other.beat)


class _Holding:
    """A lease that is held, as its thread and its owner see it."""

    def __init__(self, target: LeaseObject, record: LeaseRecord, etag: str) -> None:
        self.target = target
        self.record = record
        self.etag = etag
        self.lost: str | None = None
        self.released = False
        self.lock = threading.Lock()

    def renew(self) -> None:
        """Give a sign of life; raises `LockLostError` when another one holds the lease."""
        with self.lock:
            if self.released:
                return
            if self.lost is None:
                following = replace(self.record, beat=self.record.beat + 1)
                try:
                    self.etag = self.target.write(self.etag, following)
                    self.record = following
                except _TakenError:
                    self.lost = str(self.target.read().info or "another writer, or broken by hand")
            if self.lost is not None:
                raise LockLostError(
                    f"the lease on {self.target.place} was lost to {self.lost}. Nothing was published, every "
                    "pending change is kept: close this handle, open it again with lock=True, then push"
                )

    def release(self) -> None:
        """Let others have it."""
        with self.lock:
            if self.released or self.lost is not None:
                return
            self.released = True
            gone = replace(self.record, holder=_NOBODY, beat=self.record.beat + 1)
            try:
                self.target.write(self.etag, gone)
            except _TakenError:
                pass
            except StoreError as error:
                log.warning(
                    "%s: the lease could not be released (%s); it ends by itself in %.0f s",
                    self.target.place, error, self.record.info.term,
                )  # fmt: skip


def _keep_alive(holding: _Holding, stop: threading.Event) -> None:
    """Renew a lease until it is released or lost; the thread holds neither handle nor process."""
    term = holding.record.info.term
    wait = term / 3
    while not stop.wait(wait):
        try:
            holding.renew()
            wait = term / 3
        except LockLostError as error:
            log.warning("%s", error)
            return
        except Exception as error:
            log.warning("%s: the lease could not be renewed: %s", holding.target.place, error)
            wait = term / 10


class Lease:
    """A lease that this process holds; made by `acquire`.

    Parameters
    ----------
    target
        The object.
    record, etag
        What was written there.
    """

    def __init__(self, target: LeaseObject, record: LeaseRecord, etag: str) -> None:
        self.uuid = target.uuid
        self._process = os.getpid()
        self._holding = _Holding(target, record, etag)
        self._stop = threading.Event()
        self._end = weakref.finalize(self, _stop, self._stop, self._process)
        threading.Thread(
            target=_keep_alive, args=(self._holding, self._stop), name="ebooklet-lease", daemon=True
        ).start()

    def verify(self) -> None:
        """Make sure, with a request, that the lease is still held, and hold it for another term.

        Raises
        ------
        LockLostError
            If it is not.
        """
        if os.getpid() != self._process:
            raise ForkedHandleError("a lease cannot be used by a forked process: open the database there")
        self._holding.renew()

    def release(self) -> None:
        """Let others have it; failing that it ends with its term. In a forked process, nothing happens."""
        self._end()
        if os.getpid() == self._process:
            self._holding.release()


def _stop(stop: threading.Event, process: int) -> None:
    """End the thread of a lease; in a forked process there is none, and its locks may be held by nobody there."""
    if os.getpid() == process:
        stop.set()


def acquire(
    target: LeaseObject,
    timeout: float,
    *,
    force: bool = False,
    label: str = "",
    term: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Lease:
    """Get a lease, waiting for its holder at most `timeout` seconds.

    Parameters
    ----------
    target : LeaseObject
        The lease.
    timeout : float
        Seconds to wait.
    force : bool
        Take over at once a lease that is over by the server's clock, without watching it for its term.
    label : str
        What to tell others about this holder.
    term : float, optional
        Seconds the lease lasts without a sign of life.
    clock, sleep : callable
        How time passes.

    Raises
    ------
    LockTimeoutError
        If it is still held by another one; the message says by whom.
    """
    term = TERM if term is None else term
    info = LockInfo(socket.gethostname()[:255], os.getpid(), label[:255], datetime.now(UTC), term)
    mine = LeaseRecord(secrets.token_bytes(16), info)
    deadline = clock() + timeout
    seen, since, wait = NO_ETAG, clock(), FIRST_WAIT
    while True:
        found, problem = _looked(target)
        now = clock()
        if found is not None:
            if found.etag != seen:
                seen, since = found.etag or "", now
            over = now - since >= found.term or (force and found.silent is not None and found.silent > found.term)
            if found.free or over:
                try:
                    return Lease(target, mine, target.write(found.etag, mine))
                except _TakenError:
                    found = None
        left = deadline - clock()
        if left <= 0:
            if problem is not None:
                raise problem
            raise _timed_out(target, timeout)
        until_over = LONGEST_WAIT if found is None else max(0.0, since + found.term - now) + 0.01
        sleep(min(wait * random.uniform(0.5, 1.0), left, until_over))
        wait = min(2 * wait, LONGEST_WAIT)


def _looked(target: LeaseObject) -> tuple[Found | None, StoreError | None]:
    try:
        return target.read(), None
    except _FINAL:
        raise
    except StoreError as error:
        return None, error


def _timed_out(target: LeaseObject, timeout: float) -> LockTimeoutError:
    found = target.read()
    info = found.info
    holder = str(info) if info is not None else "another one, whose record cannot be read"
    way = "wait longer (lock_timeout=), or break it with ebooklet.break_lock(conn) if that writer is gone for good"
    if found.silent is not None and found.silent > found.term:
        way = "it is over: force_lock=True takes it over at once"
    return LockTimeoutError(
        f"the lease on {target.place} is held by {holder}; after {timeout:g} s it was not free: {way}"
    )


def break_lease(target: LeaseObject) -> LockInfo | None:
    """End a lease whoever holds it, and tell who did; its next push raises `LockLostError`."""
    for _ in range(ATTEMPTS):
        found = target.read()
        if found.free:
            return None
        info = found.info or LockInfo("", 0, "", datetime.fromtimestamp(0, UTC), TERM)
        beat = found.record.beat + 1 if found.record is not None else 1
        try:
            target.write(found.etag, LeaseRecord(_NOBODY, info, beat))
        except _TakenError:
            continue
        return info
    raise LockTimeoutError(f"the lease on {target.place} changed while it was to be broken: try again")
