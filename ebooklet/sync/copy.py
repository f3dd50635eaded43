"""How does a remote database get to another place, and how does a copy that was cut short go on?

Objects are copied first, under their own names and below an identity of the copy's own; the root is put in place last,
so that the target is absent or whole. A copy that was cut short leaves its objects: repeated soon enough, it finds them
by listing the target, and sends only what is missing.
"""

import logging
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

from ebooklet.errors import (
    AccessDeniedError,
    ConflictError,
    CorruptFileError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    RemoteExistsError,
    RemoteIntegrityError,
    ShortObjectError,
    StoreError,
    UnsupportedOperationError,
)
from ebooklet.format.checksum import Buffer
from ebooklet.format.names import SUFFIX, check_database_key, object_text, objects_prefix
from ebooklet.format.scanning import PackScanner
from ebooklet.format.snapshot import HISTORY_FEATURE, Entry, Root
from ebooklet.stores.protocol import ObjectMeta, ObjectStore, Streamed
from ebooklet.sync.assemble import encode_root
from ebooklet.sync.commit import Committed, check_conditional_put, commit_root
from ebooklet.sync.delete import delete_objects
from ebooklet.sync.fetch import Progress
from ebooklet.sync.reachable import name_of, reachable, stored_objects
from ebooklet.sync.version import RemoteVersion, find_version
from ebooklet.sync.workers import completed

log = logging.getLogger("ebooklet")

THREADS = 4  # each may hold a packed object in memory
WHOLE = 32 << 20  # larger objects pass in pieces, one object at a time
PIECE = 8 << 20


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """How to copy.

    Attributes
    ----------
    history : bool
        Whether older versions and tags come along.
    overwrite : bool
        Whether a database that is at the target may be replaced; its objects are deleted after that.
    single_writer : bool
        The caller's word that nobody else writes there, where the server has no conditional writes.
    threads : int
        Copies at the same time.
    progress : callable, optional
        Called with the bytes done and in all.
    """

    history: bool = False
    overwrite: bool = False
    single_writer: bool = False
    threads: int = THREADS
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did.

    Attributes
    ----------
    version : RemoteVersion
        The copy, which has an identity of its own.
    n_objects, nbytes : int
        Objects of the copy but its root, and their bytes.
    n_reused : int
        Those an earlier attempt had copied already.
    n_streamed : int
        Those that passed through this process, and were verified there; the server copied the others itself.
    """

    version: RemoteVersion
    n_objects: int
    nbytes: int
    n_reused: int
    n_streamed: int


def copy_database(source: RemoteVersion, store: ObjectStore, key: str, options: CopyOptions | None = None) -> Copied:
    """Copy a version of a database to another place.

    The server copies the objects itself where it can; otherwise they pass through this process, a few at a time and
    large ones in pieces, and every checksum in them is verified.

    Parameters
    ----------
    source : RemoteVersion
        What to copy; read access is enough.
    store, key
        Where to.
    options : CopyOptions, optional
        How.

    Raises
    ------
    RemoteExistsError
        If there is a database that may not be overwritten, or it is the source itself.
    ConflictError
        If somebody else changes or deletes what is at the target meanwhile.
    RemoteIntegrityError
        If an object of the source is missing or damaged. The target stays as it is.
    """
    return _Copying(source, store, key, options or CopyOptions()).run()


class _Copying:
    """One copy, from the look at the target to its root."""

    def __init__(self, source: RemoteVersion, store: ObjectStore, key: str, options: CopyOptions) -> None:
        self.source = source
        self.store = store
        self.key = check_database_key(key)
        self.options = options
        self.streamed = 0

    def run(self) -> Copied:
        source, options = self.source, self.options
        source.check_writable()
        listed = self._listed()
        there = None if listed is not None and not listed else find_version(self.store, self.key)
        self._check(there)
        wanted = self._wanted()
        uuid, reused = self._begun(listed or [], wanted, there.uuid if there else None)
        prefix = objects_prefix(self.key, uuid)
        check_conditional_put(self.store, self.key, prefix, options.single_writer)
        self._copy({name: size for name, size in wanted.items() if name not in reused}, prefix, sum(wanted.values()))
        if reused:
            self._check_still_there(reused, uuid)
        version = self._commit(uuid, there)
        if there is not None:
            delete_objects(self.store, self.key, there.uuid)
        return Copied(version, len(wanted), sum(wanted.values()), len(reused), self.streamed)

    # ---- what is there and what is wanted ------------------------------------------------------------------------

    def _listed(self) -> list[ObjectMeta] | None:
        """All objects below the target's key, whosever they are; None where that is not known."""
        try:
            return list(self.store.list(f"{self.key}{SUFFIX}/"))
        except (AccessDeniedError, UnsupportedOperationError):
            return None

    def _check(self, there: RemoteVersion | None) -> None:
        if there is None:
            return
        if (there.place, there.uuid) == (self.source.place, self.source.uuid):
            raise RemoteExistsError(f"{there.place} cannot be copied onto itself; choose another key")
        if not self.options.overwrite:
            raise RemoteExistsError(f"{there.place} exists already (uuid {there.uuid}); overwrite=True replaces it")

    def _wanted(self) -> dict[bytes, int]:
        """Names of the objects that belong to the copy, and their bytes as far as they are known."""
        source = self.source
        sizes = {pack.name: pack.size for pack in source.snapshot.packs if pack is not None}
        if not self.options.history:
            return sizes
        listed = source.root.history
        if listed and listed[0].id != source.snapshot.id:
            raise ValueError(
                f"{source.place} was opened at version {source.snapshot.id.hex()[:8]}, which is not the newest: an old "
                "version is copied without its history; for all of it copy the newest version"
            )
        sizes |= self._sizes() or {}
        return {name: sizes.get(name, 0) for name in reachable(source).names}

    def _begun(
        self, listed: Sequence[ObjectMeta], wanted: Mapping[bytes, int], taken: UUID | None
    ) -> tuple[UUID, frozenset[bytes]]:
        """Identity and objects of the copy, which an attempt that was cut short may have begun."""
        attempts: dict[UUID, dict[bytes, ObjectMeta]] = {}
        for meta in listed:
            uuid, name = _parsed(meta.key[len(self.key) + len(SUFFIX) + 1 :])
            if uuid is not None and name is not None and uuid != taken:
                attempts.setdefault(uuid, {})[name] = meta
        limit = timedelta(seconds=self.source.root.grace / 2)
        alive = {uuid: found for uuid, found in attempts.items() if _is_younger(found.values(), limit)}
        best = max(alive, key=lambda uuid: len(alive[uuid].keys() & wanted.keys()), default=None)
        if best is None or not alive[best].keys() & wanted.keys():
            return uuid4(), frozenset()
        same = self._same(alive[best], wanted)
        log.info("%s/%s: %d objects were copied before", self.store.uri, self.key, len(same))
        return best, same

    def _same(self, there: Mapping[bytes, ObjectMeta], wanted: Mapping[bytes, int]) -> frozenset[bytes]:
        """Objects that are as long there as in the source; names are random, and an object is written as a whole."""
        source = self.source
        common = there.keys() & wanted.keys()
        sizes = self._sizes()
        if sizes is None:
            sizes = {name: source.store.head(source.object_key(name)).size for name in common}
        return frozenset(name for name in common if there[name].size == sizes.get(name, -1))

    def _sizes(self) -> dict[bytes, int] | None:
        """Bytes of all objects of the source, None where it cannot be listed."""
        source = self.source
        try:
            return {name: meta.size for name, meta in stored_objects(source.store, source.key, source.uuid)}
        except (AccessDeniedError, UnsupportedOperationError):
            return None

    # ---- objects -------------------------------------------------------------------------------------------------

    def _copy(self, missing: Mapping[bytes, int], prefix: str, total: int) -> None:
        done = total - sum(missing.values())
        small = [name for name, size in missing.items() if size <= WHOLE]
        large = [name for name, size in missing.items() if size > WHOLE]
        for names, threads in ((small, self.options.threads), (large, 1)):
            jobs = [partial(self._copy_object, name, missing[name], prefix + object_text(name)) for name in names]
            for number, through_here in completed(jobs, threads):
                if isinstance(through_here, Exception):
                    raise through_here
                self.streamed += through_here
                done += missing[names[number]]
                if self.options.progress is not None:
                    self.options.progress(done, total)

    def _copy_object(self, name: bytes, size: int, target_key: str) -> bool:
        """Copy one object; tells whether it passed through this process."""
        source, store = self.source.store, self.store
        source_key = self.source.object_key(name)
        try:
            if source.copy(source_key, target_key, target=None if store is source else store):
                return False
            self._pass_on(name, size, source_key, target_key)
            return True
        except (ObjectNotFoundError, ShortObjectError) as error:
            raise RemoteIntegrityError(
                f"{source.uri}/{source_key}, which the database refers to, is gone or cut short"
            ) from error

    def _pass_on(self, name: bytes, size: int, source_key: str, target_key: str) -> None:
        """Read an object, verify it, and write it: as a whole, or a large one piece by piece."""
        source, place = self.source.store, f"{self.source.store.uri}/{source_key}"
        if size <= WHOLE:
            with suppress(ObjectTooLargeError):
                body = source.get(source_key, limit=WHOLE).body
                self.store.put(target_key, list(verified([body], name, place)))
                return
        nbytes = source.head(source_key).size

        def pieces() -> Iterator[Buffer]:
            for start in range(0, nbytes, PIECE):
                yield source.get_range(source_key, start, min(PIECE, nbytes - start))

        self.store.put(target_key, Streamed(nbytes, lambda: verified(pieces(), name, place)))

    def _check_still_there(self, reused: frozenset[bytes], uuid: UUID) -> None:
        """Refuse a copy whose first objects were those of a database that somebody is deleting."""
        there = {name for name, _ in stored_objects(self.store, self.key, uuid)}
        if not reused <= there:
            raise ConflictError(
                f"objects below {self.store.uri}/{self.key} that an earlier attempt had left are being deleted by "
                "somebody else: copy again"
            )

    # ---- the root ------------------------------------------------------------------------------------------------

    def _commit(self, uuid: UUID, there: RemoteVersion | None) -> RemoteVersion:
        commit = secrets.token_bytes(16)
        alone = self.options.single_writer and not self.store.supports_conditional_put
        make = _root_with_history if self.options.history else _root_alone
        root = replace(
            make(self.source, commit),
            uuid=uuid,
            copied_from=self.source.uuid,
            mode="single_writer" if alone else "cas",
        )
        body = encode_root(root, self.source.root.inline)
        try:
            outcome = commit_root(self.store, self.key, body, commit, there, single_writer=self.options.single_writer)
        except RemoteExistsError as error:
            self._drop(uuid)
            raise RemoteExistsError(
                f"{self.store.uri}/{self.key} was made by somebody else meanwhile; overwrite=True replaces it"
            ) from error
        if not isinstance(outcome, Committed):
            self._drop(uuid)
            raise ConflictError(f"{self.store.uri}/{self.key} was changed while it was to be overwritten; copy again")
        return outcome.version

    def _drop(self, uuid: UUID) -> None:
        """Delete what was copied for nothing, unless another attempt at the same copy was faster."""
        with suppress(StoreError):
            now = find_version(self.store, self.key)
            if now is None or now.uuid != uuid:
                delete_objects(self.store, self.key, uuid)


def verified(pieces: Iterator[Buffer] | Sequence[Buffer], name: bytes, place: str) -> Iterator[Buffer]:
    """Pass a packed object on piece by piece, and raise before its end if it is not what its checksums say.

    Raises
    ------
    RemoteIntegrityError
        If it is damaged, cut short, or another object.
    """
    scanner = PackScanner()
    try:
        last: Buffer | None = None
        for piece in pieces:
            scanner.feed(piece)
            if last is not None:
                yield last
            last = piece
        found = scanner.finish()
    except CorruptFileError as error:
        raise RemoteIntegrityError(f"{place}: {error}") from error
    if found.damaged:
        raise RemoteIntegrityError(f"{place}: the value of {found.damaged[0]!r} is damaged; fsck() lists all of them")
    if found.name != name:
        raise RemoteIntegrityError(f"{place} is another object under this name: {object_text(found.name)}")
    if last is not None:
        yield last


def _root_alone(source: RemoteVersion, commit: bytes) -> Root:
    snapshot = replace(source.snapshot, id=commit, parent=None, parent_id=b"")
    nbytes = sum(pack.size for pack in snapshot.packs if pack)
    return replace(
        source.root,
        snapshot=snapshot.encode(),
        ref=None,
        commits=(commit,),
        tags={},
        history=(Entry(commit, snapshot.time, None, len(source), nbytes),),
        older=None,
        uses=tuple(dict.fromkeys((*source.root.uses, HISTORY_FEATURE))),
    )


def _root_with_history(source: RemoteVersion, commit: bytes) -> Root:
    return replace(source.root, commits=(commit, *source.root.commits))


def _parsed(text: str) -> tuple[UUID | None, bytes | None]:
    """Identity and name from the end of an object's key."""
    folder, _, name = text.partition("/")
    try:
        uuid = UUID(hex=folder)
    except ValueError:
        return None, None
    return (uuid, name_of(name)) if uuid.hex == folder else (None, None)


def _is_younger(found: Collection[ObjectMeta], limit: timedelta) -> bool:
    """Whether something was written so lately that nobody takes the attempt for abandoned."""
    times: list[tuple[datetime, datetime]] = [
        (meta.server_date, meta.last_modified)
        for meta in found
        if meta.server_date is not None and meta.last_modified is not None
    ]
    return any(now - written < limit for now, written in times)
