"""Where does a value come from: the local file, the remote, or nowhere?

An own edit wins over everything; a tombstone means "deleted"; otherwise the pinned version of the remote decides if the
key exists, and a local copy counts only when it was fetched from exactly the row that version names. What arrives is
verified, handed out, and written back to the local file in batches; a busy file never blocks or fails a read.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass

from ebooklet.errors import CorruptValueError, FileFormatError
from ebooklet.format.table import Row, is_pending
from ebooklet.local.working_copy import WorkingCopy, Write
from ebooklet.unpublished import Version

BATCH_BYTES = 8 << 20
KEPT_BYTES = 64 << 20  # what a handle whose file is busy keeps in memory

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the value of a key stands; nowhere when the key does not exist.

    Attributes
    ----------
    own
        The local row of an edit that no remote knows.
    remote
        The row of the pinned version of the remote, unless an own edit hides it.
    copy
        The local row that holds a copy of the value `remote` names.
    """

    own: Row | None = None
    remote: Row | None = None
    copy: Row | None = None

    @property
    def row(self) -> Row | None:
        """The row that decides about the value."""
        return self.own or self.remote


NOWHERE = Place()
_Claims = dict[int, "tuple[Row, Future[Fetched]]"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A stored value that arrived from the remote and is not yet in the local file."""

    row: Row
    version: int
    data: bytes

    @property
    def payload(self) -> bytes:
        """The value without its tail."""
        return self.data[: self.row.length] if self.row.tail else self.data

    def as_write(self) -> Write:
        """What the local file has to store."""
        payload, tail = self.data[: self.row.length], self.data[self.row.length :]
        return Write(self.row.key, payload, tail=tail, version=self.version)


class Loader:
    """Reads values of one local file over one pinned version of its remote; safe to use from many threads.

    Parameters
    ----------
    local
        The local file, or a file in memory.
    remote
        The version of the remote that reads are pinned to.
    threads
        Requests that may be in flight.
    """

    def __init__(self, local: WorkingCopy, remote: Version, threads: int = 16) -> None:
        self.threads = threads
        self.local = local
        self.remote = remote
        self.writing = threading.RLock()  # held by whoever changes rows of the local file
        self._cache = local  # a reader's own handle stays at its commit; what it wrote back is read through another
        self._lock = threading.Lock()
        self._flights: dict[int, Future[Fetched]] = {}
        self._kept: dict[str, Fetched] = {}
        self._kept_bytes = 0

    def pin(self, remote: Version) -> None:
        """Read from another version of the remote from now on."""
        self.flush()
        self.remote = remote

    # ---- what exists -------------------------------------------------------------------------------------------

    def places(self, keys: Sequence[str]) -> list[Place]:
        """Tell where the value of each key stands."""
        return self._look(keys)[1]

    def _look(self, keys: Sequence[str]) -> tuple[Version, list[Place]]:
        """Return the version in use and, by it, the place of each key."""
        local = self.local.rows(keys, cold=False)
        version = self.remote  # after the local rows, as a push moves on to its version before it marks them
        asked = [key for key, row in zip(keys, local, strict=True) if row is None or not is_pending(row)]
        copies = local if self._cache is self.local else self._cache.rows(keys, cold=False)
        remote = dict(zip(asked, version.rows(asked), strict=True)) if asked else {}
        found = zip(keys, local, copies, strict=True)
        return version, [_place(version, row, copy, remote.get(key)) for key, row, copy in found]

    def _kept_of(self, version: Version, place: Place) -> Fetched | None:
        """What arrived for a place and is not in the local file yet."""
        if place.remote is None:
            return None
        kept = self._kept.get(place.remote.key)
        return kept if kept is not None and kept.version == version.version_of(place.remote) else None

    def copies(self) -> tuple[set[str], int]:
        """Return the keys whose values of the remote are in the local file, and how many others are not.

        Values that came with the root object are brought here first, which needs no request.
        """
        rows = list(self.remote.iter_rows())
        self.load([row.key for row in rows if self.remote.inline(row) is not None])
        places = self.places([row.key for row in rows])
        copies = {place.copy.key for place in places if place.copy is not None}
        return copies, sum(place.remote is not None and place.copy is None for place in places)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys of all values: the remote's in its order, then those that exist only here."""
        own = {row.key: row.deleted for row in self.local.pending(cold=False) if row.key.startswith(prefix)}
        for row in self.remote.iter_rows(prefix):
            if not own.pop(row.key, False):
                yield row.key
        yield from (key for key, deleted in own.items() if not deleted)

    def count(self) -> int:
        """Return the number of keys."""
        own = list(self.local.pending(cold=False))
        remote = self.remote.rows([row.key for row in own])
        added = sum(not row.deleted and there is None for row, there in zip(own, remote, strict=True))
        gone = sum(row.deleted and there is not None for row, there in zip(own, remote, strict=True))
        return len(self.remote) + added - gone

    def is_local(self, keys: Sequence[str]) -> list[bool]:
        """Tell for each key whether its value, or its absence, is known here without a request."""
        version, places = self._look(keys)
        return [
            place.remote is None
            or place.copy is not None
            or self._kept_of(version, place) is not None
            or version.inline(place.remote) is not None
            for place in places
        ]

    # ---- values ------------------------------------------------------------------------------------------------

    def payloads(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of `keys` without their tails, None where there is none; what is not here is fetched."""
        found: dict[str, bytes] = {}
        missing: list[Row] = []
        version, places = self._look(keys)
        for key, place in zip(keys, places, strict=True):
            payload = self._payload_here(version, key, place)
            if payload is not None:
                found[key] = payload
            elif place.remote is not None:
                missing.append(place.remote)
        for row, arrived in self._arrivals(version, missing):
            if isinstance(arrived, Exception):
                raise arrived
            found[row.key] = arrived.payload
        return [found.get(key) for key in keys]

    def _payload_here(self, version: Version, key: str, place: Place) -> bytes | None:
        if place.own is not None:
            return self._own_payload(key, place)
        kept = self._kept_of(version, place)
        if kept is not None:
            return kept.payload
        if place.copy is None:
            return None
        try:
            return self._cache.payload_of(place.copy)
        except CorruptValueError:
            return None  # a damaged copy: the remote still has the value

    def _own_payload(self, key: str, place: Place) -> bytes | None:
        assert place.own is not None, "an edit of this file"
        try:
            return self.local.payload_of(place.own)
        except CorruptValueError:
            version, (now,) = self._look([key])
            if now == place:
                raise
            # Compacted, written or rolled back by another thread meanwhile.
            return self._payload_here(version, key, now)

    def load(self, keys: Iterable[str], progress: Progress | None = None) -> dict[str, Exception]:
        """Bring values here without returning them, and return what failed, by key."""
        wanted = list(dict.fromkeys(keys))
        version, places = self._look(wanted)
        missing = [
            place.remote
            for place in places
            if place.remote is not None and place.copy is None and self._kept_of(version, place) is None
        ]
        total, done = sum(row.length + row.tail for row in missing), 0
        failures: dict[str, Exception] = {}
        for row, arrived in self._arrivals(version, missing):
            if isinstance(arrived, Exception):
                failures[row.key] = arrived
            else:
                done += len(arrived.data)
                if progress is not None:
                    progress(done, total)
        self.flush()
        return failures

    # ---- the way from the remote ---------------------------------------------------------------------------------

    def _arrivals(self, version: Version, rows: Sequence[Row]) -> Iterator[tuple[Row, Fetched | Exception]]:
        """Fetch `rows` of `version`, each once even when several threads ask; yields in the order of arrival."""
        mine, others = self._claim(version, rows)
        try:
            for row, data in version.fetch([row for row, _ in mine.values()], threads=self.threads) if mine else ():
                name = version.version_of(row)
                yield row, self._land(row, name, data, mine.pop(name)[1])
        finally:
            self._abandon(mine)
        for row, flight in others:
            try:
                yield row, flight.result()
            except CancelledError:  # whoever fetched it gave up
                yield from self._arrivals(version, [row])
            except Exception as error:
                yield row, error

    def _claim(self, version: Version, rows: Sequence[Row]) -> tuple[_Claims, list[tuple[Row, Future[Fetched]]]]:
        mine: _Claims = {}
        others = []
        with self._lock:
            for row in rows:
                name = version.version_of(row)
                flight = self._flights.get(name)
                if flight is not None:
                    others.append((row, flight))
                else:
                    self._flights[name] = flight = Future()
                    mine[name] = (row, flight)
        return mine, others

    def _land(self, row: Row, version: int, data: bytes | Exception, flight: Future[Fetched]) -> Fetched | Exception:
        if isinstance(data, Exception):
            with self._lock:
                self._flights.pop(version, None)
            flight.set_exception(data)
            return data
        fetched = Fetched(row, version, data)
        with self._lock:
            self._keep(fetched)
            self._flights.pop(version, None)
            full = self._kept_bytes >= BATCH_BYTES
        flight.set_result(fetched)
        if full:
            self.flush()
        return fetched

    def _abandon(self, claims: _Claims) -> None:
        with self._lock:
            for version in claims:
                self._flights.pop(version, None)
        for _, flight in claims.values():
            flight.cancel()

    def _keep(self, fetched: Fetched) -> None:
        before = self._kept.pop(fetched.row.key, None)
        self._kept[fetched.row.key] = fetched
        self._kept_bytes += len(fetched.data) - (len(before.data) if before is not None else 0)

    def flush(self) -> bool:
        """Write what was fetched to the local file; False when the file is busy and the values stay in memory."""
        with self.writing:
            with self._lock:
                batch = list(self._kept.values())
            if not batch:
                return True
            version, places = self._look([fetched.row.key for fetched in batch])
            found = zip(batch, places, strict=True)
            writes = [fetched.as_write() for fetched, place in found if self._kept_of(version, place) is fetched]
            stored = self._store(writes)
            with self._lock:
                self._release(batch if stored else self._oldest())
            return stored

    def _store(self, writes: list[Write]) -> bool:
        if self.local.writable:
            self.local.set_many(writes)
            return True
        try:
            if self._cache is self.local:
                self._cache = WorkingCopy.open(self.local.path, "r")
            return self._cache.write_back(writes)
        except (OSError, FileFormatError):
            return False  # replaced or removed meanwhile: the pinned handle still reads

    def close(self) -> None:
        """Close the local file; what was fetched is written back first if that is possible without waiting."""
        try:
            if not self.local.closed:
                self.flush()
        finally:
            if self._cache is not self.local:
                self._cache.close()
            self.local.close()

    def _oldest(self) -> list[Fetched]:
        """What has to leave memory while the file is busy."""
        excess, leaving = self._kept_bytes - KEPT_BYTES, []
        for fetched in self._kept.values():
            if excess <= 0:
                break
            leaving.append(fetched)
            excess -= len(fetched.data)
        return leaving

    def _release(self, batch: Iterable[Fetched]) -> None:
        for fetched in batch:
            if self._kept.get(fetched.row.key) is fetched:
                del self._kept[fetched.row.key]
                self._kept_bytes -= len(fetched.data)


def _place(version: Version, local: Row | None, copy: Row | None, remote: Row | None) -> Place:
    if local is not None and is_pending(local):
        return NOWHERE if local.deleted else Place(own=local)
    if remote is None:
        return NOWHERE
    is_copy = copy is not None and not is_pending(copy) and copy.version == version.version_of(remote)
    return Place(remote=remote, copy=copy if is_copy else None)
