"""How is a local file kept in step with a remote?

The floor below :class:`~ebooklet.mapping.EBooklet`: keys and payloads, no serializers. cfdb stores chunks through it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Literal

from ebooklet.comparing import ComparisonReport, compare_with_remote
from ebooklet.connection import Connection
from ebooklet.copying import CopyResult
from ebooklet.edits import Edits
from ebooklet.errors import OfflineError
from ebooklet.format.table import Row
from ebooklet.keeping import CacheInfo
from ebooklet.loading import Loader
from ebooklet.offline import is_offline
from ebooklet.pace import Pace, pace_of
from ebooklet.payloads import OnError, Payloads, Write
from ebooklet.plan.compact import CompactPlan
from ebooklet.plan.push import GROUP_BYTES, PushPlan, plan_push
from ebooklet.progress import Progress
from ebooklet.publishing import Publisher
from ebooklet.results import CompactResult, PushResult
from ebooklet.stores.wrappers import Counts
from ebooklet.sync.contract import OnConflict, PushOptions
from ebooklet.sync.delete import DeleteResult
from ebooklet.sync.lease import Lease, LockInfo
from ebooklet.sync.version import RemoteVersion
from ebooklet.times import microseconds

__all__ = ["OnError", "SyncedFile", "Write"]


class SyncedFile(Payloads):
    """Payloads by key in a local file, over one pinned version of a remote.

    Parameters
    ----------
    loader, edits
        The two sides of the local file.
    publisher
        What can be done with the remote.
    writable, on_error
        As for `Payloads`.
    """

    def __init__(
        self, loader: Loader, edits: Edits, publisher: Publisher, *, writable: bool, on_error: OnError = "rollback"
    ) -> None:
        super().__init__(loader, edits, writable=writable, on_error=on_error)
        self._publisher = publisher

    # ---- what it is --------------------------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        """What the database holds: 'ebooklet', 'rcg', 'cfdb'..."""
        return self._publisher.place.kind

    @property
    def connection(self) -> Connection:
        """The connection it was opened with."""
        return self._publisher.place.connection

    @property
    def remote_uri(self) -> str:
        """Where the remote is, for messages; never with credentials."""
        return self._publisher.place.uri

    @property
    def stats(self) -> Counts:
        """Requests to the remote and bytes of their bodies, since this handle was opened."""
        return self._publisher.place.store.counts

    @property
    def base(self) -> RemoteVersion | None:
        """The version of the remote this handle reads and edits; None when nothing was published."""
        return self._publisher.base

    @property
    def detached(self) -> bool:
        """Whether this handle deleted its remote: only an explicit `push` publishes again."""
        return self._publisher.detached

    @property
    def offline(self) -> bool | Literal["auto"]:
        """Whether the remote is out of reach: True when opened so, ``'auto'`` when it could not be reached."""
        return is_offline(self._publisher.place.store)

    @property
    def lock(self) -> Lease | None:
        """The lease this handle holds; None without ``lock=True``."""
        return self._publisher.lease

    @property
    def group_bytes(self) -> int:
        """Size of the packed objects that a push aims for, where `num_groups` says nothing."""
        chosen = self._publisher.place.group_bytes
        return GROUP_BYTES if chosen is None else chosen

    def cache_info(self) -> CacheInfo:
        """Tell how much was read from the local file and how much was fetched since this handle was opened.

        Returns
        -------
        CacheInfo
            It prints as text.
        """
        self._check_open()
        keeping = self._loader.keeping
        held = self._local if self._local.writable else self._loader.copies_in
        counts = (keeping.hits, keeping.misses, keeping.hit_bytes, keeping.miss_bytes)
        return CacheInfo(self.file_path, self.remote_uri, held.size, len(held), *counts, keeping.validated)

    def _pace(self) -> Pace | None:
        return pace_of(self._publisher.place.store.uri)

    def set_metadata(self, data: object, timestamp: int | str | datetime | None = None) -> None:
        """Keep a JSON value about the whole database; pushed with the next push."""
        self._check_writable()
        self._edits.set_metadata(data, microseconds(timestamp))
        self._edited.add("metadata")

    def get_metadata(self, include_timestamp: bool = False) -> Any:
        """Return what `set_metadata` kept, None without any; with `include_timestamp` ``(value, microseconds)``."""
        self._check_open()
        base = self.base
        if self._edits.metadata is None and base is not None and not self._edits.replaces:
            data, stamp = base.snapshot.metadata, base.snapshot.metadata_time
            value = json.loads(data) if data else None
        else:
            value, stamp = self._local.get_metadata(), self._local.metadata_timestamp or 0
        return (value, stamp if value is not None else None) if include_timestamp else value

    def sync(self) -> None:
        """Make everything written so far durable in the local file; nothing is sent."""
        self._check_open()
        if self._local.writable:
            self._publisher.keep_pages()
            self._publisher.keep_dialect()
        super().sync()

    def close(self) -> None:
        """Commit to the local file and close it; changes stay pending there, nothing is sent."""
        if self.closed:
            return
        try:
            self._publisher.keep_pages()
            super().close()
        finally:
            self._publisher.release_lease()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._publisher.release_lease()

    # ---- the lease ---------------------------------------------------------------------------------------------

    def lock_info(self) -> LockInfo | None:
        """Tell who holds the lease on the remote, this handle perhaps; None when nobody does."""
        self._check_open()
        return self._publisher.lock_info()

    def break_lock(self) -> LockInfo | None:
        """End the lease on the remote whoever holds it, and tell who did; see :func:`ebooklet.break_lock`."""
        self._check_open()
        return self._publisher.break_lock()

    # ---- what is pending ---------------------------------------------------------------------------------------

    def pending(self) -> Iterator[Row]:
        """Iterate over own edits and tombstones, with times and notes."""
        self._check_open()
        return self._edits.pending()

    def base_rows(self, keys: Sequence[str]) -> list[Row | None]:
        """Return the rows of keys in the version that edits are based on, whatever is pending."""
        return self._publisher.published.rows(keys)

    def base_times(self, rows: Sequence[Row]) -> list[int]:
        """Return when the values of rows of that version were written; asks the remote once for each pack."""
        return [time for time, _ in self._publisher.published.times_and_notes(rows)]

    @property
    def has_pending(self) -> bool:
        """Whether anything waits for a push."""
        self._check_open()
        return bool(self._edits)

    @property
    def metadata_pending(self) -> bool:
        """Whether metadata wait for a push."""
        return self._edits.metadata is not None

    @property
    def replaced_keys(self) -> int | None:
        """How many keys of the remote the next push replaces (flag 'n'); None when it adds to them."""
        return len(self.base) if self.base is not None and self._edits.replaces else None

    def objects_to_push(self, pending: Iterable[Row]) -> int:
        """Return how many objects a push of these rows writes: packs (or a snapshot of its own), and the root."""
        return self._plan_push(pending).requests

    def bytes_to_push(self, pending: Iterable[Row]) -> int:
        """Return the bytes of the packs that a push of these rows writes."""
        return self._plan_push(pending).nbytes

    def _plan_push(self, pending: Iterable[Row]) -> PushPlan:
        place = self._publisher.place
        sent = self._edits.merged.rows
        return plan_push(pending, group_bytes=place.group_bytes, num_groups=place.num_groups, reused=sent)

    # ---- whether it is whole -----------------------------------------------------------------------------------

    def verify(self, remote: bool = True, *, describe: Callable[[str], str] = repr) -> ComparisonReport:
        """Read every value in the local file, and compare its checksum with what the remote says of its key.

        Nothing is fetched but parts of the key table that are not known yet. Whether the remote itself is whole tells
        :func:`ebooklet.fsck`.

        Parameters
        ----------
        remote
            Whether to compare with the version of the remote that this handle reads; otherwise only the checksums of
            the local file are verified.
        describe
            Names a key in messages.

        Returns
        -------
        ComparisonReport
            True when nothing is wrong; prints as text.
        """
        self._check_open()
        base = self.base
        return compare_with_remote(
            self._loader.copies_in,
            self._loader.remote if remote else None,
            self.remote_uri,
            base.snapshot.id.hex() if remote and base is not None else "",
            describe,
        )

    # ---- the remote --------------------------------------------------------------------------------------------

    def push(
        self,
        *,
        message: str = "",
        tag: str | None = None,
        inline: Iterable[str] | Callable[[], Iterable[str]] = (),
        num_groups: int | None = None,
        group_bytes: int | None = None,
        on_conflict: OnConflict = "raise",
        progress: Progress = None,
        force_push: bool = False,
        summary: Callable[[], bytes] | None = None,
    ) -> PushResult:
        """Publish everything pending as one commit that others see at once or not at all.

        Parameters
        ----------
        message, tag
            What to say about the new version, and a name for it.
        inline
            Keys of small values to keep in the root object, the most important first, or a function that gives them.
        num_groups, group_bytes
            Number or size of the packed objects.
        on_conflict
            ``'raise'``, ``'ours'`` (write over the other commit) or ``'theirs'`` (give up the own changes it touched).
        progress
            True for a bar, or a function called with the bytes sent and in all.
        force_push
            Accepted for scripts made for the released package; there is nothing to force here.
        summary
            Gives, as JSON of at most 64 kB, what is in the database, for catalogues; only called when there is
            something to push.

        Returns
        -------
        PushResult
            True when a new version was published, false when there was nothing to push.

        Raises
        ------
        ConflictError
            If another commit changed the same keys, or records that pending changes rely on.
        PushError
            If it failed. In either case every pending change is kept and can be pushed again.
        """
        options = PushOptions(
            message=message,
            tag=tag,
            inline=inline,
            num_groups=num_groups,
            group_bytes=group_bytes,
            on_conflict=on_conflict,
            summary=summary,
        )
        self._check_writable()
        self.sync()
        if self.offline and self.has_pending:
            raise OfflineError(
                f"offline: what waits in {self.name} cannot be pushed to {self.remote_uri} and stays there; open it "
                "with offline=False and push() again"
            )
        return self._publisher.push(options, progress)

    def plan_compaction(self, *, group_bytes: int | None = None) -> CompactPlan:
        """Tell which objects of the remote `compact` would rewrite, with what costs and gain; prints as a sentence.

        Parameters
        ----------
        group_bytes
            Size of a new object, 16 MiB by default.
        """
        self._check_open()
        return self._publisher.plan_compaction(group_bytes)

    def compact(self, *, message: str = "", group_bytes: int | None = None, progress: Progress = None) -> CompactResult:
        """Rewrite objects of the remote of which little is in use, or that are small and many, as one commit.

        No value changes: pending edits stay pending, other writers and readers are not disturbed, and what another
        commit changes meanwhile is left alone. Objects that are no longer needed stay for older versions until these
        have expired.

        Parameters
        ----------
        message
            What to say about the new version.
        group_bytes
            Size of a new object, 16 MiB by default.
        progress
            True for a bar, or a function called with the bytes read and in all.

        Returns
        -------
        CompactResult
            What was done; false when there was nothing to do.

        Raises
        ------
        PushError
            If it failed: the remote is as it was, or compacted; doing it again finds out.
        """
        self._check_writable()
        self.sync()
        return self._publisher.compact(PushOptions(message=message, group_bytes=group_bytes), progress)

    def pull(self, on_conflict: OnConflict = "raise") -> bool:
        """Move to the newest version of the remote and keep pending changes on top; False when there is no newer one.

        Raises
        ------
        ConflictError
            If both sides changed the same keys; ``on_conflict='theirs'`` gives up the own changes of these.
        """
        self._check_open()
        if self._writable:
            self.sync()
        return self._publisher.pull(on_conflict)

    def discard(self, keys: Iterable[str] | None = None) -> int:
        """Give up pending changes of `keys`, of everything by default, and return how many there were."""
        self._check_writable()
        self.sync()
        return self._publisher.discard(keys)

    def delete_remote(self, *, load: bool = True, dry_run: bool = False) -> DeleteResult:
        """Delete the remote database; what is in the local file stays and becomes pending again.

        Parameters
        ----------
        load
            Whether to fetch first what is not here, so that the local file holds everything. Without, it is lost.
        dry_run
            Whether only to tell what would be deleted.

        Returns
        -------
        DeleteResult
            The objects with their sizes; prints as a list.

        Raises
        ------
        ConflictError
            If others have pushed what is not here, unless ``load=False``; nothing was deleted.
        """
        if dry_run:
            self._check_open()
            return self._publisher.deletion()
        self._check_writable()
        self.sync()
        with self._loader.keeping.everything():
            if load:
                for failure in self.bring(list(self.iter_keys())).failures.values():
                    raise failure
            return self._publisher.delete(unchanged=load)

    def copy_remote(
        self, remote_conn: object, history: bool = False, overwrite: bool = False, *, progress: Progress = None
    ) -> CopyResult:
        """Copy the remote to another place, where it gets an identity of its own; pending changes stay behind.

        A copy that was cut short leaves nothing that can be opened; repeated within half a day it goes on.

        Parameters
        ----------
        remote_conn
            Where to; anything that can be opened.
        history
            Whether older versions and tags come along.
        overwrite
            Whether a database that is there may be replaced.
        progress
            True for a bar, or a function called with the bytes done and in all.

        Returns
        -------
        CopyResult
            Prints as a sentence. It counts as false, as it did when it was a dictionary of what had failed; ask `ok`.

        Raises
        ------
        RemoteExistsError
            If there is a database, and `overwrite` is false.
        RemoteMissingError
            If nothing was pushed yet.
        """
        self._check_open()
        return self._publisher.copy(remote_conn, history, overwrite, progress)
