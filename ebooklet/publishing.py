"""What can be done with the remote of a local file? Push, pull, discard, delete, copy."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from uuid import UUID

from ebooklet.connection import Connection
from ebooklet.copying import CopyResult, copy_version
from ebooklet.edits import REPLACE_STATE, Edits
from ebooklet.errors import (
    ConflictError,
    OfflineError,
    PushError,
    RemoteIntegrityError,
    RemoteMissingError,
    StoreError,
    UploadsTooOldError,
    UUIDMismatchError,
)
from ebooklet.format.table import Row
from ebooklet.format.uploaded import Uploaded
from ebooklet.kept_dialect import keep_dialect, recall_dialect
from ebooklet.kept_pages import KeptPages
from ebooklet.loading import Loader
from ebooklet.local.working_copy import WorkingCopy, Write
from ebooklet.plan.compact import CompactPlan
from ebooklet.progress import Progress, reporting
from ebooklet.results import CompactResult, PushResult
from ebooklet.stores.wrappers import CountingStore
from ebooklet.sync.compact import compact_database, plan_for
from ebooklet.sync.contract import OnConflict, PushOptions
from ebooklet.sync.contract import PushResult as Pushed
from ebooklet.sync.delete import DeleteResult, delete_database
from ebooklet.sync.forks import with_uploaded
from ebooklet.sync.lease import Lease, LeaseObject, LockInfo, break_lease
from ebooklet.sync.moving import Pending, move
from ebooklet.sync.push import push
from ebooklet.sync.resume import resolve_push
from ebooklet.sync.version import RemoteVersion, find_version, open_version
from ebooklet.unpublished import Unpublished, Version

log = logging.getLogger("ebooklet")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the remote of a file is, and how it is pushed there unless the caller says otherwise.

    Attributes
    ----------
    connection : Connection
        As it was given.
    store : CountingStore
        The store, offline perhaps; it counts what this handle sends and receives.
    kind : str
        What a database made here holds.
    group_bytes, num_groups
        Size or number of packed objects.
    """

    connection: Connection
    store: CountingStore
    kind: str = "ebooklet"
    group_bytes: int | None = None
    num_groups: int | None = None

    @property
    def key(self) -> str:
        """Key of the database in its store."""
        return self.connection.db_key

    @property
    def uri(self) -> str:
        """For messages."""
        return self.connection.uri


class Publisher:
    """Moves a local file and its remote towards each other.

    Parameters
    ----------
    place
        The remote.
    loader, edits
        The two sides of the local file.
    base
        The version of the remote that edits are based on; None when there is none.
    """

    def __init__(self, place: Place, loader: Loader, edits: Edits, base: RemoteVersion | None) -> None:
        self.place = place
        self.base = base
        self.detached = False
        self.lease: Lease | None = None
        self._loader = loader
        self._edits = edits
        self._pages = KeptPages(loader.local)
        if not place.connection.single_writer:
            recall_dialect(loader.local, place.store.dialect)
        self._adopt(base)

    def push(self, wanted: PushOptions, progress: Progress = None) -> PushResult:
        """Publish everything pending as one commit.

        Parameters
        ----------
        wanted
            What the caller says about it; what the local file knows is filled in here.
        progress
            True, or a function called with the bytes sent and in all.
        """
        started = time.monotonic()
        store, before = self.place.store, self.place.store.counts.total
        with reporting(progress, f"push {self.place.uri}") as report, self._failing("push"):
            taken_up = self.resolve()
            if self.base is None:
                self._edits.belong_to(self.place.uri)
            options = replace(
                self._filled(wanted),
                uuid=self._loader.local.uuid,
                kind=self.place.kind,
                serializer=self._loader.local.value_serializer,
                metadata=self._edits.metadata if self.base else self._edits.first_metadata,
                replace=self._edits.replaces,
                guards=self._edits.guards(),
                progress=report,
            )
            result = self._pushed(options)
        self._follow(result.version)
        self.detached = False
        return PushResult(
            updated=bool(result) or taken_up,
            n_keys=len(result.rows) + len(result.removed),
            n_objects=result.objects,
            nbytes=result.nbytes,
            n_requests=store.counts.total - before,
            seconds=time.monotonic() - started,
            version=result.version.snapshot.id.hex(),
            n_dropped=len(result.dropped) + (result.dropped_metadata is not None),
        )

    def _pushed(self, options: PushOptions) -> Pushed:
        """Push; what workers sent so long ago that it might be collected is fetched and sent anew."""
        place = self.place
        try:
            return push(place.store, place.key, self._edits, self.base, replace(options, uploaded=self._edits.merged))
        except UploadsTooOldError:
            if not self._edits.merged:
                raise
        self.take_in_merged()
        return push(place.store, place.key, self._edits, self.base, options)

    def take_in_merged(self) -> None:
        """Fetch the values that workers have sent and make own edits of them."""
        merged = self._edits.merged
        if not merged or self.base is None:
            return
        own = {row.key for row in self._loader.local.pending(cold=False)}
        seen = with_uploaded(self.base, merged)
        gone = [key for key in merged.removed if key not in own]
        try:
            self._edits.take_in(_values(seen, {row.key: row for row in merged.rows if row.key not in own}), gone)
        except RemoteIntegrityError as error:
            raise PushError(
                f"what workers have sent to {self.place.uri} was collected as garbage, as it waited too long for its "
                f"commit: {error}. Give it up by changes().discard(), and let the workers do it again"
            ) from error
        self._follow(self.base)

    def merge(self, uploaded: Uploaded) -> None:
        """Let what workers sent wait for the next push, and read it from now on."""
        self._edits.merge(uploaded)
        self._follow(self.base)

    @property
    def published(self) -> Version:
        """What the remote has, whatever is pending: nothing, if it is to be replaced."""
        return Unpublished() if self.base is None or self._edits.replaces else self.base

    def _filled(self, wanted: PushOptions) -> PushOptions:
        """What the place says where the caller says nothing."""
        place = self.place
        return replace(
            wanted,
            group_bytes=wanted.group_bytes if wanted.group_bytes is not None else place.group_bytes,
            num_groups=wanted.num_groups if wanted.num_groups is not None else place.num_groups,
            single_writer=place.connection.single_writer,
            verify_lease=self.lease.verify if self.lease is not None else None,
        )

    def vouch(self) -> bool:
        """Tell whether a commit may do without protection by the server: nobody else writes, or the lease is held."""
        self.verify_lease()
        return self.place.connection.single_writer or self.lease is not None

    def verify_lease(self) -> None:
        """Raise `LockLostError` if this handle held the lease and lost it."""
        if self.lease is not None:
            self.lease.verify()

    def release_lease(self) -> None:
        """Let others have the lease, if this handle holds it."""
        if self.lease is not None:
            self.lease.release()

    def lock_info(self) -> LockInfo | None:
        """Tell who holds the lease; None when nobody does."""
        return self._lease_object.read().info

    def break_lock(self) -> LockInfo | None:
        """End the lease whoever holds it, and tell who did."""
        return break_lease(self._lease_object)

    @property
    def _lease_object(self) -> LeaseObject:
        return LeaseObject(self.place.store, self.place.key, self._loader.local.uuid)

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        """Say of an error of the store what became of the pending changes."""
        try:
            yield
        except StoreError as error:
            raise PushError(
                f"the {what} to {self.place.uri} failed: {error}. Every pending change is kept in "
                f"{self._loader.local.name}; {what}() again"
            ) from error

    def plan_compaction(self, group_bytes: int | None = None) -> CompactPlan:
        """Plan a compaction of the newest version."""
        return plan_for(self._newest(), group_bytes=self.place.group_bytes if group_bytes is None else group_bytes)

    def _newest(self) -> RemoteVersion:
        version = open_version(self.place.store, self.place.key, None if self.base is None else self.base.cached)
        check_identity(version, self._loader.local.name, self._loader.local.uuid)
        self._adopt(version)
        return version

    def compact(self, wanted: PushOptions, progress: Progress = None) -> CompactResult:
        """Rewrite objects of the remote of which little is in use, as one commit that changes no value."""
        store, before = self.place.store, self.place.store.counts.total
        with reporting(progress, f"compact {self.place.uri}") as report, self._failing("compact"):
            self.resolve()
            version = self._newest()
            options = replace(self._filled(wanted), progress=report)
            plan = plan_for(version, group_bytes=options.group_bytes)
            message = wanted.message or f"compacted {len(plan.packs)} objects"
            result = compact_database(version, plan, replace(options, message=message))
        if result and self.base is not None and result.version.snapshot.parent_id == self.base.snapshot.id:
            columns, _ = self.base.columns([row.key for row in result.rows])
            old = self.base.versions_of(columns).tolist()
            moves = {row.key: (was, now) for was, (row, now) in zip(old, result.versions(), strict=True)}
            self._edits.take_over_moves(moves, result.version)
            self._follow(result.version)
        return CompactResult(plan, bool(result), len(result.rows), result.nbytes, store.counts.total - before)

    def resolve(self) -> bool:
        """Find out what became of a push that was cut short; True when it had committed."""
        if not self._edits.push_in_progress:
            return False
        current = find_version(self.place.store, self.place.key)
        result = resolve_push(self._edits, current)
        if result is None:
            return False
        self._edits.settle(result)
        self._follow(result.version)
        log.info("an earlier push to %s had committed before it was cut short", self.place.uri)
        return True

    def pull(self, on_conflict: OnConflict = "raise") -> bool:
        """Move to the newest version and keep pending changes on top of it; False when there is no newer one."""
        local, edits = self._loader.local, self._edits
        if not local.writable:
            return self._follow_file()
        self._loader.flush()
        self.resolve()
        current = open_version(self.place.store, self.place.key, edits.base)
        if self.base is not None and current.snapshot.id == self.base.snapshot.id:
            return False
        check_identity(current, local.name, local.uuid)
        pending = Pending(tuple(edits.pending()), edits.guards(), edits.metadata, edits.replaces)
        left = move(pending, self.base, current, on_conflict)
        if left.dropped:
            edits.discard(left.dropped)
        edits.forget_metadata(left.dropped_metadata)
        edits.rest_on(current.cached)
        local.commit()
        return self._follow(current)

    def _follow_file(self) -> bool:
        """Move a reader to the newest commit of its file and the version that goes with it; if that fails, nowhere."""
        local = self._loader.local
        with ExitStack() as stack:
            now = local
            with suppress(FileNotFoundError):
                now = stack.enter_context(WorkingCopy.open(local.path, "r"))
            version = newest(self.place, Edits(now))
            if version is not None:
                check_identity(version, local.name, now.uuid)
        moved = self._follow(version)  # before the rows, which may have been published by it
        return local.refresh() or moved

    def _follow(self, version: RemoteVersion | None) -> bool:
        """Read from this version from now on; False when it is the one read so far."""
        same = version is not None and self.base is not None and version.snapshot.id == self.base.snapshot.id
        self._adopt(version)
        self.base = version
        self._loader.pin(shown(version, self._edits))
        return not same

    def rest_on(self, version: RemoteVersion) -> None:
        """Read and edit a version that a commit without pending changes made."""
        self._edits.rest_on(version.cached)
        self._loader.local.commit()
        self._follow(version)

    def _adopt(self, version: RemoteVersion | None) -> None:
        """Let a version find pages of its key table in the local file."""
        if version is not None and version.pages is not self._pages:
            self._pages.update(version.pages)
            version.pages = self._pages

    def keep_dialect(self) -> None:
        """Keep what was learned about the server in the local file; the next commit there writes it."""
        keep_dialect(self._loader.local, self.place.store.dialect)

    def keep_pages(self) -> None:
        """Keep pages of the key table that arrived in the local file, if it is not busy."""
        if self.base is not None:
            self._pages.save(self.base)

    def discard(self, keys: Iterable[str] | None = None) -> int:
        """Give up pending changes; what was fetched stays."""
        if keys is None and self._edits.replaces:
            self._edits.set_state(REPLACE_STATE, None)
        dropped = self._edits.discard(keys)
        self._follow(self.base)
        return dropped

    def deletion(self) -> DeleteResult:
        """Tell what `delete` would delete."""
        return delete_database(self.place.store, self.place.key, self.base, dry_run=True)

    def delete(self, *, unchanged: bool = False) -> DeleteResult:
        """Delete the remote; what is in the local file becomes pending, to be published again when asked.

        With `unchanged`, nothing is deleted if somebody has committed what this handle has never seen.
        """
        self.verify_lease()
        self.take_in_merged()
        copies, lost = self._loader.copies()
        if lost:
            log.warning(
                "%s: %d values were never loaded into %s and are gone with it",
                self.place.uri, lost, self._loader.local.name,
            )  # fmt: skip
        metadata = self._edits.metadata
        if metadata is None and self.base is not None and not self._edits.replaces:
            metadata = self.base.snapshot.metadata or None
        try:
            result = delete_database(self.place.store, self.place.key, self.base, unchanged=unchanged)
        except ConflictError as error:
            raise ConflictError(
                f"{error}, as {self._loader.local.name} would not hold it: pull() first, or give it up by load=False"
            ) from error
        self._edits.detach(copies, metadata)
        self._follow(None)
        self.detached = True
        log.info("%s", result)
        return result

    def copy(
        self, remote_conn: object, history: bool = False, overwrite: bool = False, progress: Progress = None
    ) -> CopyResult:
        """Copy the version this file is based on to another place."""
        if self.base is None:
            raise RemoteMissingError(f"there is nothing at {self.place.uri} to be copied; push() first")
        return copy_version(self.base, self.place.store, remote_conn, history, overwrite, progress)


def newest(place: Place, edits: Edits) -> RemoteVersion | None:
    """Return the version a handle reads: the one its pending edits are based on, else the newest; None without any."""
    base = edits.base
    if base is not None and edits:
        return RemoteVersion(place.store, place.key, base)
    try:
        return open_version(place.store, place.key, base)
    except (RemoteMissingError, OfflineError):
        if base is None:
            return None
        raise


def shown(version: RemoteVersion | None, edits: Edits) -> Version:
    """Return what a handle reads below its own edits: a version of the remote, with what was merged."""
    if version is None or edits.replaces:
        return Unpublished()
    merged = edits.merged
    return with_uploaded(version, merged) if merged else version


def _values(version: RemoteVersion, rows: Mapping[str, Row]) -> Iterator[Write]:
    """Fetch values, to be written as own edits with the times and notes of `rows`."""
    for row, data in version.fetch([row for row in version.rows(list(rows)) if row is not None]):
        if isinstance(data, Exception):
            raise data
        was = rows[row.key]
        yield Write(row.key, data[: row.length], bytes(data[row.length :]), was.note, was.timestamp)


def check_identity(version: RemoteVersion, name: str, uuid: UUID) -> None:
    """Refuse to join a local file and a remote that are different databases."""
    if version.uuid != uuid:
        raise UUIDMismatchError(
            f"{name} is the database {uuid}, {version.place} is {version.uuid}: give another file_path, or open with "
            "flag 'n' to replace what is there"
        )
