"""Where does a value come from: the local file, the remote, or nowhere?

An own edit wins over everything; a tombstone means "deleted"; otherwise the pinned version of the remote decides if the
key exists, and a local copy counts only when it was fetched from exactly the row that version names. What arrives is
verified, handed out, and written back to the local file in batches; a busy file never blocks or fails a read.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from ebooklet.errors import CorruptValueError, FileFormatError
from ebooklet.fetched import Fetched
from ebooklet.format.checksum import Buffer
from ebooklet.format.columns import Column
from ebooklet.format.table import Row, is_pending
from ebooklet.keeping import Keeping, in_passing
from ebooklet.local.working_copy import WorkingCopy, Write
from ebooklet.offline import worst_of
from ebooklet.survey import Place, Survey, place_of, survey
from ebooklet.unpublished import Version

BATCH_BYTES = 8 << 20
READERS_BATCH_BYTES = 32 << 20  # a reader opens the file to write back, so does it less often
STREAMED = 64  # values here that are given at a time beside those that arrive
KEPT_BYTES = 64 << 20  # what a handle whose file is busy keeps in memory

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class _Flight:
    """A value that a thread is fetching; `waiting` where another thread waits for it."""

    thread: int
    waiting: Future[Fetched] | None = None


_Landed = list[tuple[Row, Fetched | Exception]]
_Asked = Sequence[tuple[Row, int]]  # rows of the remote, and the versions that copies of their values carry
Values = tuple[Sequence[int], Sequence[Buffer | None]]  # positions among the keys asked for, and values


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
    keeping
        What keeps the local file within a size, and counts.
    """

    def __init__(self, local: WorkingCopy, remote: Version, threads: int = 16, keeping: Keeping | None = None) -> None:
        self.threads = threads
        self.keeping = keeping or Keeping()
        self.settled: Callable[[], bool] = lambda: True  # whether nothing of the user's waits for a commit
        self.local = local
        self.remote = remote
        self.writing = threading.RLock()  # held by whoever changes rows of the local file
        self._cache = local  # a reader's own handle stays at its commit; what it wrote back is read through another
        self._lock = threading.Lock()
        self._flights: dict[int, _Flight] = {}
        self._kept: dict[str, Fetched] = {}
        self._kept_bytes = 0

    @property
    def copies_in(self) -> WorkingCopy:
        """The local file, as the handle sees it that copies are read through."""
        return self._cache

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
        return version, [place_of(version, row, copy, remote.get(key)) for key, row, copy in found]

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
        inline = self.survey([row.key for row in rows if self.remote.inline(row) is not None])
        for _ in self.arrivals(inline.version, inline.asked(self.missing(inline))):
            pass
        self.flush()
        found = self.survey([row.key for row in rows])
        copies = {found.keys[number] for number in np.flatnonzero(found.copy).tolist()}
        return copies, int((found.remote & ~found.copy).sum())

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys of all values: the remote's in its order, then those that exist only here."""
        rows = self.local.iter_rows(prefix, cold=False) if prefix else self.local.pending(cold=False)
        own = {row.key: row.deleted for row in rows if is_pending(row)}
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

    def survey(self, keys: Sequence[str]) -> Survey:
        """Tell where the values of many keys stand."""
        return survey(keys, self.local, self._cache, lambda: self.remote)

    def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """Return the bytes of each value without its tail, None where there is no value."""
        found = self.survey(keys)
        there = (found.own | found.remote).tolist()
        return [size if exists else None for size, exists in zip(found.sizes().tolist(), there, strict=True)]

    def is_local(self, keys: Sequence[str]) -> list[bool]:
        """Tell for each key whether its value, or its absence, is known here without a request."""
        found = self.survey(keys)
        here = ~found.remote | found.copy
        for number in np.flatnonzero(~here).tolist():
            here[number] = (
                self._arrived(found, number) is not None or found.version.inline(found.row(number)) is not None
            )
        return [bool(one) for one in here]

    def _arrived(self, found: Survey, number: int) -> Fetched | None:
        """What arrived for a key and is not in the local file yet."""
        kept = self._kept.get(found.keys[number])
        return kept if kept is not None and kept.version == found.names[number] else None

    # ---- values ------------------------------------------------------------------------------------------------

    def payloads(self, keys: Sequence[str]) -> list[Buffer | None]:
        """Return the values of `keys` without their tails, None where there is none; what is not here is fetched.

        Values may be views of something larger.
        """
        if len(keys) == 1:
            version, (place,) = self._look(keys)
            payload = self._payload_here(version, keys[0], place)
            if payload is not None and place.own is None:
                self.keeping.hit(keys, [payload])
            if payload is not None or place.remote is None:
                return [payload]
        found = self.survey(keys)
        values, missing = self._values_here(found)
        arrived: dict[str, Buffer] = {}
        once = {keys[number]: number for number in missing}.values()
        for batch in self.arrivals(found.version, found.asked(once)) if missing else ():
            arrived.update((fetched.row.key, fetched.payload) for fetched in self._all_well(batch))
        for number in missing:
            values[number] = arrived[keys[number]]
        return values

    def stream(self, keys: Sequence[str]) -> Iterator[Values] | None:
        """Give the values of `keys` as they arrive, while others are on their way; None when all of them are here.

        Yields
        ------
        (list of int, list of bytes-like or None)
            Positions in `keys`, and the values there; those that are here come first.
        """
        found = self.survey(keys)
        if not (found.remote & ~found.copy).any():
            return None
        return self._streamed(found)

    def _streamed(self, found: Survey) -> Iterator[Values]:
        missing = self.missing(found)
        here = sorted(set(range(len(found.keys))).difference(missing))
        for start in range(0, len(here), STREAMED):
            some = here[start : start + STREAMED]
            yield some, self.payloads([found.keys[number] for number in some])
        places: dict[str, list[int]] = {}
        for number in missing:
            places.setdefault(found.keys[number], []).append(number)
        once = [numbers[0] for numbers in places.values()]
        for batch in self.arrivals(found.version, found.asked(once)):
            landed = [
                (number, fetched.payload) for fetched in self._all_well(batch) for number in places[fetched.row.key]
            ]
            yield [number for number, _ in landed], [payload for _, payload in landed]

    def missing(self, found: Survey) -> list[int]:
        """Positions of the keys whose values have to be fetched."""
        absent: list[int] = np.flatnonzero(found.remote & ~found.copy).tolist()
        return [number for number in absent if self._arrived(found, number) is None] if self._kept else absent

    def _values_here(self, found: Survey) -> tuple[list[Buffer | None], list[int]]:
        """Return the values that are here, and the positions of those that are not."""
        values: list[Buffer | None] = [None] * len(found.keys)
        missing = []
        for number in np.flatnonzero(found.remote & ~found.copy).tolist():
            arrived = self._arrived(found, number) if self._kept else None
            if arrived is None:
                missing.append(number)
            else:
                values[number] = arrived.payload
                self.keeping.hit([found.keys[number]], [arrived.payload])
        own = np.flatnonzero(found.own)
        self._read_here(found, own, self.local, found.local, values)
        for number in own.tolist():
            if values[number] is None:  # pushed, discarded or deleted by another thread meanwhile
                values[number] = self.payloads([found.keys[number]])[0]
        copies = np.flatnonzero(found.copy)
        self._read_here(found, copies, self._cache, found.cache, values)
        if len(copies):
            self.keeping.hit([found.keys[n] for n in copies.tolist()], [values[n] for n in copies.tolist()])
        missing += [number for number in copies.tolist() if values[number] is None]  # damaged: the remote has the value
        return values, missing

    def _read_here(
        self, found: Survey, numbers: Any, source: WorkingCopy, columns: Column, values: list[Buffer | None]
    ) -> None:
        """Read values from the local file."""
        if not len(numbers):
            return
        keys = [found.keys[number] for number in numbers]
        try:
            payloads: Sequence[Buffer | None] = source.payloads_at(keys, columns[numbers])
        except CorruptValueError:
            payloads = [self._one_here(key) for key in keys]
        for number, payload in zip(numbers.tolist(), payloads, strict=True):
            values[number] = payload

    def _one_here(self, key: str) -> Buffer | None:
        """Read one value where reading many failed: it is damaged, or another thread moved it."""
        version, (place,) = self._look([key])
        return self._payload_here(version, key, place)

    def _payload_here(self, version: Version, key: str, place: Place) -> Buffer | None:
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

    def _own_payload(self, key: str, place: Place) -> Buffer | None:
        assert place.own is not None, "an edit of this file"
        try:
            return self.local.payload_of(place.own)
        except CorruptValueError:
            version, (now,) = self._look([key])
            if now == place:
                raise
            # Compacted, written or rolled back by another thread meanwhile.
            return self._payload_here(version, key, now) if now.remote is None else self.payloads([key])[0]

    # ---- the way from the remote ---------------------------------------------------------------------------------

    def arrivals(
        self, version: Version, asked: _Asked, before: Callable[[int], None] | None = None
    ) -> Iterator[_Landed]:
        """Fetch rows of `version`, each once even when several threads ask; gives together what arrives together.

        `before` is called with the bytes of each request before it is sent.
        """
        mine, rows, others, landed = self._claim(asked)
        if landed:
            yield landed
        try:
            for batch in version.fetch_parts(rows, threads=self.threads, before=before) if rows else ():
                landed = self._land(batch, mine)
                self.keeping.missed(version, batch)
                yield landed
        finally:
            self._abandon(mine)
        for row, name, flight in others:
            try:
                yield [(row, flight.result())]
            except CancelledError:  # whoever fetched it gave up
                yield from self.arrivals(version, [(row, name)], before)
            except Exception as error:
                yield [(row, error)]

    def _claim(
        self, asked: _Asked
    ) -> tuple[dict[str, int], list[Row], list[tuple[Row, int, "Future[Fetched]"]], _Landed]:
        """Divide rows into those this thread fetches, those others are fetching, and those that arrived meanwhile.

        What this thread itself is fetching, in an iterator that rests, is fetched again: nobody would wake that one.
        """
        thread = threading.get_ident()
        mine: dict[str, int] = {}
        rows, others = [], []
        landed: _Landed = []
        with self._lock:
            for row, name in asked:
                kept = self._kept.get(row.key)
                if kept is not None and kept.version == name:
                    landed.append((row, kept))
                elif (flight := self._flights.get(name)) is not None and flight.thread != thread:
                    flight.waiting = flight.waiting or Future()
                    others.append((row, name, flight.waiting))
                else:
                    self._flights.setdefault(name, _Flight(thread))
                    mine[row.key] = name
                    rows.append(row)
        return mine, rows, others, landed

    def _land(self, batch: Sequence[tuple[Row, Buffer | Exception]], mine: dict[str, int]) -> _Landed:
        landed: _Landed = []
        waiting: list[tuple[Future[Fetched], Fetched | Exception]] = []
        with self._lock:
            for row, data in batch:
                name = mine.pop(row.key)
                result = data if isinstance(data, Exception) else self._keep(Fetched(row, name, data))
                flight = self._flights.pop(name, None)
                if flight is not None and flight.waiting is not None:
                    waiting.append((flight.waiting, result))
                landed.append((row, result))
            most = BATCH_BYTES if self.local.writable else min(READERS_BATCH_BYTES, KEPT_BYTES)
            full = self._kept_bytes >= self.keeping.at_most(most)
        for future, result in waiting:
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        if full:
            self.flush()
        return landed

    def _abandon(self, mine: dict[str, int]) -> None:
        with self._lock:
            flights = [self._flights.pop(name, None) for name in mine.values()]
        for flight in flights:
            if flight is not None and flight.waiting is not None:
                flight.waiting.cancel()

    def _keep(self, fetched: Fetched) -> Fetched:
        before = self._kept.pop(fetched.row.key, None)
        self._kept[fetched.row.key] = fetched
        self._kept_bytes += len(fetched.data) - (len(before.data) if before is not None else 0)
        return fetched

    def flush(self) -> bool:
        """Write what was fetched to the local file; False when the file is busy and the values stay in memory."""
        with self.writing:
            with self._lock:
                batch = list(self._kept.values())
            if not batch:
                return True
            found = self.survey([fetched.row.key for fetched in batch])
            wanted = np.flatnonzero(found.remote & ~found.copy).tolist()
            stored = self._store([batch[n].as_write() for n in wanted if batch[n].version == found.names[n]])
            with self._lock:
                self._release(batch if stored else self._oldest())
            if stored and self.keeping.exceeded_by(self._cache):
                if not self.local.writable:
                    in_passing(self.local, self.keeping.trim)
                    self._cache.refresh()
                elif self.settled():
                    self.keeping.trim(self.local)
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
                if self.keeping.has_use_to_note:
                    in_passing(self.local, self.keeping.note_use)
        finally:
            if self._cache is not self.local:
                self._cache.close()
            self.local.close()
            self.keeping.release()

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

    def _all_well(self, batch: _Landed) -> list[Fetched]:
        failures = {row.key: arrived for row, arrived in batch if isinstance(arrived, Exception)}
        if failures:
            raise worst_of(self.local.name, failures)
        return [arrived for _, arrived in batch if not isinstance(arrived, Exception)]
