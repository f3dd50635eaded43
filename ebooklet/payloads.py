"""How are payloads read, written and committed in one local file over a version of a remote?"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from uuid import UUID

from ebooklet.bringing import ANYHOW, How, Loaded, LoadPlan, bring, plan_load
from ebooklet.edits import Edits
from ebooklet.errors import ClosedError, ReadOnlyError
from ebooklet.estimate import Estimate
from ebooklet.format.checksum import Buffer
from ebooklet.format.table import Row, is_pending
from ebooklet.loading import Loader, Values
from ebooklet.local.committing import Pending, Write
from ebooklet.offline import worst_of
from ebooklet.pace import Pace
from ebooklet.progress import Progress, reporting
from ebooklet.sizes import byte_size
from ebooklet.survey import Place
from ebooklet.times import microseconds

__all__ = ["OnError", "Payloads", "Write"]

OnError = Literal["rollback", "keep"]


class Payloads:
    """Payloads by key, without serializers; safe to use from many threads.

    Parameters
    ----------
    loader
        Reads of the local file and the remote version.
    edits
        What waits in the local file.
    writable
        Whether this handle may write.
    on_error
        What an exception that leaves ``with`` does: roll back to the last `sync`, or keep what was written.
    """

    def __init__(self, loader: Loader, edits: Edits, *, writable: bool, on_error: OnError = "rollback") -> None:
        self._loader = loader
        self._local = loader.local
        self._edits = edits
        self._writable = writable
        self._on_error = on_error
        self._edited: set[str] = set()  # what was changed since the last sync
        loader.settled = self._is_settled

    # ---- what it is --------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Path of the local file, for messages."""
        return self._local.name

    @property
    def file_path(self) -> Path | None:
        """Path of the local file; None in memory."""
        return self._local.path

    @property
    def writable(self) -> bool:
        """Whether this handle may write."""
        return self._writable

    @property
    def closed(self) -> bool:
        """Whether the handle was closed."""
        return self._local.closed

    @property
    def uuid(self) -> UUID:
        """Identity of the database, the same here and on the remote."""
        return self._local.uuid

    # ---- reading -----------------------------------------------------------------------------------------------

    def get_payload(self, key: str) -> bytes | None:
        """Return the payload of `key`, or None when it was never written."""
        return self.get_payloads([key])[0]

    def get_payloads(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return payloads in the order of `keys`; what is not here is fetched together."""
        return [None if payload is None else bytes(payload) for payload in self.get_views(keys)]

    def get_views(self, keys: Sequence[str]) -> list[Buffer | None]:
        """Return the same as `get_payloads`; payloads may be views of something larger, which spares copies."""
        self._check_open()
        return self._loader.payloads(keys)

    def stream(self, keys: Sequence[str]) -> Iterator[Values] | None:
        """Give payloads as they arrive, while others are on their way; None when all of them are here.

        Yields
        ------
        (list of int, list of bytes-like or None)
            Positions in `keys`, and the payloads there (None where there is none), which may be views of something
            larger.
        """
        self._check_open()
        values = self._loader.stream(keys)
        return None if values is None else self._streamed(values)

    def _streamed(self, values: Iterator[Values]) -> Iterator[Values]:
        yield from values
        self._loader.flush()
        self._commit_copies()

    def places(self, keys: Sequence[str]) -> list[Place]:
        """Tell where the value of each key stands: an own edit, on the remote, with or without a copy here."""
        self._check_open()
        return self._loader.places(keys)

    def rows(self, keys: Sequence[str]) -> list[Row | None]:
        """Return the row that decides about each key, without time and note; None when there is no value."""
        return [place.row for place in self.places(keys)]

    def has(self, keys: Sequence[str]) -> list[bool]:
        """Tell which keys exist."""
        return [row is not None for row in self.rows(keys)]

    def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """Return the payload bytes of each key, None where there is no value."""
        self._check_open()
        return self._loader.sizes(keys)

    def notes(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the note kept beside each value, None where there is no value."""
        return [None if row is None else row.note for row in self.full_rows(keys)]

    def payload_timestamps(self, keys: Sequence[str]) -> list[int | None]:
        """Return when each value was written in microseconds since the epoch, None where there is no value."""
        return [None if row is None else row.timestamp for row in self.full_rows(keys)]

    def full_rows(self, keys: Sequence[str]) -> list[Row | None]:
        """Return rows with time and note; those of the remote come with one request for each pack, once."""
        places = self.places(keys)
        own = [place.own.key for place in places if place.own is not None]
        remote = [place.remote for place in places if place.remote is not None]
        found = dict(zip(own, self._local.rows(own), strict=True))
        for row, (time, note) in zip(remote, self._loader.remote.times_and_notes(remote), strict=True):
            found[row.key] = replace(row, timestamp=time, note=note)
        return [found.get(key) for key in keys]

    def iter_keys(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys that begin with `prefix`."""
        self._check_open()
        return self._loader.keys(prefix)

    def count(self) -> int:
        """Return the number of keys."""
        self._check_open()
        return self._loader.count()

    def is_local(self, keys: Sequence[str]) -> list[bool]:
        """Tell for each key whether its value, or its absence, is known here without a request."""
        self._check_open()
        return self._loader.is_local(keys)

    def prefetch(self, keys: Iterable[str]) -> None:
        """Bring values here that will be read soon, no more than stay until then; the first failure is raised."""
        self._check_open()
        loaded = self._carry_out(plan_load(self._loader, list(keys), most=self._loader.keeping.room), ANYHOW)
        if loaded.failures:
            raise worst_of(self.name, loaded.failures)

    def load(self, keys: Sequence[str] | None = None, *, progress: Progress = None) -> dict[str, Exception]:
        """Bring the values of `keys`, of all by default, into the local file.

        Returns
        -------
        dict
            What failed, by key; empty when everything is here.
        """
        wanted = list(self.iter_keys()) if keys is None else keys
        with reporting(progress, f"load {self.name}") as report:
            return self.bring(wanted, How(progress=report)).failures

    def bring(self, keys: Sequence[str], how: How = ANYHOW, *, ordered: bool = False) -> Loaded:
        """Bring the values of `keys` into the local file; see `plan_load` and `How`."""
        self._check_open()
        plan = plan_load(self._loader, keys, ordered=ordered)
        limit, total = self._loader.keeping.limit, plan.local_bytes + plan.nbytes
        if self._loader.keeping.room is not None and limit is not None and total > limit and plan.nbytes:
            warnings.warn(
                f"{self.name} may take {byte_size(limit)} and {byte_size(total)} are loaded: what arrives first leaves "
                "it again",
                stacklevel=3,
            )
        return self._carry_out(plan, how)

    def _carry_out(self, plan: LoadPlan, how: How) -> Loaded:
        return bring(self._loader, plan, replace(how, checkpoint=self._commit_copies, pace=self._pace()))

    def estimate_load(self, keys: Sequence[str] | None = None, *, ordered: bool = False) -> Estimate:
        """Tell what bringing the values of `keys` here takes: exactly the requests and bytes of `load`.

        This needs no request where the key table is here, as it is of all but large databases.
        """
        self._check_open()
        wanted = list(self.iter_keys()) if keys is None else keys
        return plan_load(self._loader, wanted, ordered=ordered).estimate(self._pace())

    def _pace(self) -> Pace | None:
        return None

    def _is_settled(self) -> bool:
        return not self._edited

    def _commit_copies(self) -> None:
        """Commit what was fetched, if nothing of the user's would be committed with it."""
        with self._loader.writing:
            if self._local.writable and not self._edited:
                self._local.commit()

    # ---- writing -----------------------------------------------------------------------------------------------

    def set_payloads(self, items: Iterable[Write]) -> None:
        """Write payloads, with their tails and notes; from any thread."""
        self._check_writable()
        writes = list(items)
        with self._loader.writing:
            self._edited.update(item.key for item in writes)
            self._local.set_many(writes)

    def set_notes(self, notes: Mapping[str, bytes]) -> None:
        """Change notes of existing values; a value that came from the remote becomes an own edit by that."""
        self._check_writable()
        with self._loader.keeping.everything():
            self.prefetch(notes)
            self._set_notes(notes)

    def _set_notes(self, notes: Mapping[str, bytes]) -> None:
        with self._loader.writing:
            self._edited.update(notes)
            held = [place.own or place.copy for place in self._loader.places(list(notes))]
            rows = self._local.rows([row.key for row in held if row is not None])
            written = dict(zip(notes, self.payload_timestamps(list(notes)), strict=True))  # copies came later
            self._local.update_rows(
                replace(row, note=notes[row.key], version=0, timestamp=written[row.key] or row.timestamp)
                for row in rows
                if row is not None
            )

    def delete_payloads(self, keys: Iterable[str]) -> None:
        """Delete keys; missing ones are no error."""
        self._check_writable()
        wanted = list(keys)
        with self._loader.writing:
            known = {row.key for row in self._loader.remote.rows(wanted) if row is not None}
            in_flight = self._edits.push_in_progress  # then the remote may come to have any of them
            self._edited.update(wanted)
            self._local.delete_many(wanted, tombstone=lambda key: in_flight or key in known)

    def guard(self, prefix: str, keys: Sequence[str]) -> None:
        """Let pending keys that begin with `prefix` rely on the values of `keys` (all below one that ends in ``/``).

        A push is refused with `ConflictError` when another commit has changed one of those meanwhile.
        """
        self._check_writable()
        self._edits.add_guards(prefix, keys)

    # ---- transactions ------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Make everything written so far durable in the local file; nothing is sent."""
        self._check_open()
        self._loader.flush()
        if self._local.writable:
            with self._loader.writing:
                self._local.commit()
                self._edited.clear()

    def rollback(self) -> int:
        """Drop what was written since the last `sync` and return how many keys that were."""
        self._check_writable()
        with self._loader.writing:
            self._local.rollback()
            dropped = len(self._edited)
            self._edited.clear()
            return dropped

    def savepoint(self) -> tuple[Pending, frozenset[str]]:
        """Return what was written since the last `sync`, for `restore`."""
        self._check_writable()
        with self._loader.writing:
            return self._local.savepoint(), frozenset(self._edited)

    def restore(self, savepoint: tuple[Pending, frozenset[str]]) -> None:
        """Drop what was written since a savepoint."""
        self._check_writable()
        with self._loader.writing:
            pending, edited = savepoint
            self._local.restore(pending)
            self._edited.clear()
            self._edited.update(edited)

    def prune(self, timestamp: int | str | datetime | None = None) -> int:
        """Free space in the local file and return how many bytes it became smaller.

        Parameters
        ----------
        timestamp
            Copies of remote values that came before this moment are dropped as well and fetched again when they are
            touched (microseconds since the epoch, ISO string or datetime). Own edits stay.
        """
        self._check_writable()
        limit = microseconds(timestamp)
        with self._loader.writing:  # what other threads fetch meanwhile waits
            self.sync()
            if limit is not None:
                old = [row.key for row in self._local.iter_rows() if not is_pending(row) and row.timestamp < limit]
                self._local.evict(old)
                self._local.commit()
            return self._local.compact()

    def close(self) -> None:
        """Commit to the local file and close it; changes stay pending there, nothing is sent."""
        if self.closed:
            return
        try:
            self.sync()
        finally:
            self._loader.close()

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or self.closed or not self._writable or self._on_error == "keep":
            self.close()
            return
        try:
            dropped = self.rollback()
        finally:
            self._loader.close()
        if dropped:
            lost = "1 change" if dropped == 1 else f"{dropped} changes"
            warnings.warn(
                f"{self.name}: {kind.__name__} left the with block, {lost} since the last sync() dropped; "
                "call sync() to keep what was done so far, or open with on_error='keep'",
                stacklevel=2,
            )

    def _check_open(self) -> None:
        if self._local.closed:
            raise ClosedError(f"{self.name} is closed; open it again")

    def _check_writable(self) -> None:
        self._check_open()
        if not self._writable:
            raise ReadOnlyError(f"{self.name} was opened with flag 'r'; open it with 'w' to change it")
