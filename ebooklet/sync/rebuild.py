"""How does a database come back whose root object is lost or damaged?

From its objects: the last one of every push ends with the version it made, and every value stands behind a header with
key, length, time and checksum. The newest version that is whole is taken as it is; what later objects hold, whose
version is damaged, is added value by value, the newest one of each key. The new root is put in place like any commit.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from ebooklet.errors import (
    CorruptFileError,
    ObjectNotFoundError,
    PushError,
    RemoteExistsError,
    RemoteIntegrityError,
    RemoteMissingError,
    StoreError,
)
from ebooklet.format.checksum import digest
from ebooklet.format.journal import Upload
from ebooklet.format.names import SUFFIX, check_database_key, fresh_name, objects_prefix
from ebooklet.format.packing import FOOTER_SIZE, HEADER_SIZE, leading_times_and_notes, read_footer
from ebooklet.format.scanning import PackScanner
from ebooklet.format.snapshot import HISTORY_FEATURE, MAX_ROOT, Root, Snapshot, SnapshotRef
from ebooklet.format.table import Row
from ebooklet.plan.reachable import named_by_snapshot
from ebooklet.plan.rebuild import Rebuilt, Standing, ancestry, is_half_sent, newest_values
from ebooklet.stores.protocol import ObjectMeta, ObjectStore, Update
from ebooklet.sync.assemble import Carrier, Change, Identity, assemble, encode_root
from ebooklet.sync.commit import Committed, check_conditional_put, commit_root
from ebooklet.sync.fetch import Progress
from ebooklet.sync.fsck import pieces
from ebooklet.sync.listing import entry_of
from ebooklet.sync.reachable import name_of
from ebooklet.sync.upload import Uploader
from ebooklet.sync.version import MAX_PIECE, UNKNOWN_ETAG, CachedRoot, RemoteVersion, find_version, open_version
from ebooklet.sync.workers import completed

THREADS = 8
ENDING = 64 << 10  # bytes of the end of an object that are read at once
LISTED = 64  # versions that the new root lists; older ones are found by their parents
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RebuildOptions:
    """How to rebuild.

    Attributes
    ----------
    uuid : UUID or None
        Which database, where objects of several lie below the key.
    kind, serializer : str or None
        What it holds, where no version tells.
    overwrite : bool
        Whether to replace a root that is whole.
    dry_run : bool
        Whether only to tell what would be done.
    single_writer : bool
        As for a push.
    progress : callable, optional
        Called with the objects looked at and in all.
    """

    uuid: UUID | None = None
    kind: str | None = None
    serializer: str | None = None
    overwrite: bool = False
    dry_run: bool = False
    single_writer: bool = False
    progress: Progress | None = None


def rebuild_database(store: ObjectStore, key: str, options: RebuildOptions | None = None) -> Rebuilt:
    """Make a root object of the objects that are there.

    Raises
    ------
    RemoteExistsError
        If there is a root that can be read, and `overwrite` is false.
    RemoteMissingError
        If there are no objects.
    ValueError
        If there are objects of several databases, or nothing tells what the database holds.
    RemoteIntegrityError
        If nothing can be read.
    """
    return _Rebuilding(store, key, options or RebuildOptions()).run()


@dataclass(frozen=True, slots=True)
class _Later:
    """Values that no version that is whole knows of."""

    rows: tuple[Row, ...] = ()
    uploads: tuple[Upload, ...] = ()
    damaged: tuple[str, ...] = ()


class _Rebuilding:
    """One attempt, from the objects to the root."""

    def __init__(self, store: ObjectStore, key: str, options: RebuildOptions) -> None:
        self.store = store
        self.key = check_database_key(key)
        self.options = options
        self.place = f"{store.uri}/{key}"
        self.damaged: list[str] = []
        self.unknown: list[str] = ["tags, unless the root could still be read"]

    def run(self) -> Rebuilt:
        standing, etag = self._root()
        uuid, objects = self._objects(standing)
        check_conditional_put(self.store, self.key, objects_prefix(self.key, uuid), self.options.single_writer)
        found, broken = self._versions(objects)
        base, chain = self._base(uuid, objects, found, broken, standing)
        later, ignored = self._later_objects(objects, found, broken, base, chain)
        if later:
            self.unknown.append("which keys were deleted after the newest version that is whole: they may be back")
        added = self._values(later, objects, base)
        lost = self._lost(base, objects)
        version, keys = self._commit(uuid, base, found, added, lost, standing, etag)
        return Rebuilt(
            uuid=uuid,
            version=version,
            base=base.snapshot.id.hex() if base else "",
            base_time=base.snapshot.time if base else 0,
            n_keys=keys,
            n_versions=len(chain) + bool(added.rows or lost),
            recovered=tuple(row.key for row in added.rows),
            lost=tuple(sorted(set(lost) - {row.key for row in added.rows})),
            damaged=(*self.damaged, *added.damaged),
            ignored=tuple(objects[name].key for name in ignored),
            unknown=tuple(self.unknown),
        )

    # ---- what there is -------------------------------------------------------------------------------------------

    def _root(self) -> tuple[RemoteVersion | None, str | None]:
        """The root that is there, if it can be read, and its ETag, if there is any."""
        try:
            standing = open_version(self.store, self.key)
        except RemoteMissingError:
            return None, None
        except RemoteIntegrityError:
            return None, self.store.head(self.key).etag
        if not self.options.overwrite:
            raise RemoteExistsError(
                f"{self.place} has a root that can be read; fsck() tells what else is wrong, overwrite=True makes "
                "another root all the same"
            )
        self.unknown.clear()
        return standing, standing.etag

    def _objects(self, standing: RemoteVersion | None) -> tuple[UUID, dict[bytes, ObjectMeta]]:
        """The objects of the database by name, in the order in which they were written."""
        groups: dict[str, dict[bytes, ObjectMeta]] = {}
        for meta in self.store.list(f"{self.key}{SUFFIX}/"):
            folder, _, text = meta.key[len(self.key) + len(SUFFIX) + 1 :].partition("/")
            name = name_of(text)
            if name is not None:
                groups.setdefault(folder, {})[name] = meta
        uuid = self.options.uuid or (standing.uuid if standing else None)
        if uuid is None and len(groups) > 1:
            known = "; ".join(f"{UUID(hex=folder)}: {_summary(group)}" for folder, group in groups.items())
            raise ValueError(f"below {self.place} lie objects of several databases, choose one by uuid=: {known}")
        folder = uuid.hex if uuid else next(iter(groups), "")
        if not groups.get(folder):
            raise RemoteMissingError(f"below {self.place} are no objects that a root could be made of")
        objects = sorted(groups[folder].items(), key=lambda item: (item[1].last_modified or _LONG_AGO, item[0]))
        return UUID(hex=folder), dict(objects)

    def _versions(self, objects: Mapping[bytes, ObjectMeta]) -> tuple[dict[bytes, Standing], set[bytes]]:
        """The versions at the ends of objects by id, and the objects whose end is damaged."""
        found: dict[bytes, Standing] = {}
        broken: set[bytes] = set()
        items = list(objects.items())
        for number, result in completed([partial(self._ending, *item) for item in items], THREADS):
            if isinstance(result, CorruptFileError):
                broken.add(items[number][0])
                self.damaged.append(f"{items[number][1].key}: {result}")
            elif isinstance(result, Exception):
                raise result
            elif result is not None:
                found[result.snapshot.id] = result
            if self.options.progress is not None:
                self.options.progress(number + 1, len(items))
        return found, broken

    def _ending(self, name: bytes, meta: ObjectMeta) -> Standing | None:
        """The version at the end of an object, if there is one."""
        length = min(meta.size, ENDING)
        data = self.store.get_range(meta.key, meta.size - length, length)
        _, _, (offset, size), _ = read_footer(data[-FOOTER_SIZE:])
        if not size:
            return None
        if size > MAX_ROOT or offset + size > meta.size - FOOTER_SIZE:
            raise CorruptFileError("the footer points out of the object")
        begin = meta.size - length
        body = data[offset - begin : offset - begin + size] if offset >= begin else None
        if body is None:
            body = self.store.get_range(meta.key, offset, size)
        return Standing(Snapshot.decode(body), body, SnapshotRef(name, offset, size, digest(body)))

    # ---- the newest version that is whole ------------------------------------------------------------------------

    def _base(
        self,
        uuid: UUID,
        objects: Mapping[bytes, ObjectMeta],
        found: Mapping[bytes, Standing],
        broken: set[bytes],
        standing: RemoteVersion | None,
    ) -> tuple[RemoteVersion | None, list[Standing]]:
        """The newest version that can be read, and those before it; objects with others are added to `broken`."""
        for candidate in sorted(found.values(), key=lambda one: one.snapshot.time, reverse=True):
            what = f"version {candidate.snapshot.id.hex()[:8]}"
            if is_half_sent(candidate, found, objects):
                self.damaged.append(f"{what} was left out: not all of its objects arrived, or some are lost")
                continue
            chain = ancestry(candidate, found)
            try:
                version = self._opened(uuid, chain, standing)
                for _ in version.iter_rows():
                    pass
            except (CorruptFileError, RemoteIntegrityError) as error:
                self.damaged.append(f"{what} was left out: {error}")
                broken.add(candidate.ref.object)
                continue
            self.unknown.append(
                f"whether {what}, the newest one that is whole, had been committed when the root was lost"
            )
            return version, chain
        self.unknown.append("which keys had been deleted, and the metadata: no version was whole")
        return None, []

    def _opened(self, uuid: UUID, chain: Sequence[Standing], standing: RemoteVersion | None) -> RemoteVersion:
        """The version as it would be with a root of its own."""
        newest = chain[0]
        snapshot = newest.snapshot
        kind, serializer = self._kind(snapshot, standing)
        root = Root(
            uuid,
            kind,
            serializer,
            newest.data,
            newest.ref,
            tuple(one.snapshot.id for one in chain[:LISTED]),
            tags=standing.root.tags if standing else {},
            history=tuple(entry_of(one.snapshot, one.ref) for one in chain[:LISTED]),
            older=chain[LISTED].ref if len(chain) > LISTED else None,
            uses=tuple(dict.fromkeys((*snapshot.uses, HISTORY_FEATURE))),
        )
        return RemoteVersion(self.store, self.key, CachedRoot(UNKNOWN_ETAG, root.encode()))

    def _kind(self, snapshot: Snapshot | None, standing: RemoteVersion | None) -> tuple[str, str]:
        kind = self.options.kind or (standing.root.kind if standing else snapshot.kind if snapshot else "")
        serializer = self.options.serializer or (
            standing.root.serializer if standing else snapshot.serializer if snapshot else ""
        )
        if not kind or not serializer:
            raise ValueError(
                f"nothing tells what {self.place} holds: give kind= ('cfdb', 'ebooklet', 'rcg') and value_serializer= "
                "('bytes' for a dataset)"
            )
        return kind, serializer

    def _lost(self, base: RemoteVersion | None, objects: Mapping[bytes, ObjectMeta]) -> list[str]:
        """Keys of the base whose objects are gone or too short."""
        if base is None:
            return []
        packs = base.snapshot.packs
        gone = {
            number
            for number, pack in enumerate(packs)
            if pack is not None and (pack.name not in objects or objects[pack.name].size < pack.size)
        }
        return [row.key for row in base.iter_rows() if row.pack in gone] if gone else []

    # ---- what came after it --------------------------------------------------------------------------------------

    def _later_objects(
        self,
        objects: Mapping[bytes, ObjectMeta],
        found: Mapping[bytes, Standing],
        broken: set[bytes],
        base: RemoteVersion | None,
        chain: Sequence[Standing],
    ) -> tuple[list[bytes], list[bytes]]:
        """Objects whose values belong to the database though no version says so, and those that were left alone.

        A push that died before its commit leaves objects as well. Only when the end of an object is damaged that came
        after the base, later objects are taken for those of versions that were published.
        """
        if base is None:
            return list(objects), []
        named = {name for one in chain for name in named_by_snapshot(one.snapshot)} | {one.ref.object for one in chain}
        unnamed = [name for name in objects if name not in named]
        since = objects[chain[0].ref.object].last_modified or _LONG_AGO
        later = [name for name in unnamed if (objects[name].last_modified or _LONG_AGO) >= since]
        if not broken.intersection(later):
            return [], unnamed
        return later, [name for name in unnamed if name not in set(later)]

    def _values(
        self, later: Sequence[bytes], objects: Mapping[bytes, ObjectMeta], base: RemoteVersion | None
    ) -> _Later:
        """The newest values in objects, unless the base has newer ones."""
        scanned: list[list[Row]] = []
        ends: list[int] = []
        damaged: list[str] = []
        for name in later:
            rows, end = self._scan(name, objects[name], damaged)
            scanned.append([replace(row, pack=len(scanned)) for row in rows])
            ends.append(end)
        known = self._known_times(base, {row.key for rows in scanned for row in rows})
        chosen = newest_values(scanned, known)
        used = sorted({row.pack for row in chosen.values()})
        uploads = tuple(self._upload(later[number], objects[later[number]], ends[number]) for number in used)
        place = {number: new for new, number in enumerate(used)}
        return _Later(tuple(replace(row, pack=place[row.pack]) for row in chosen.values()), uploads, tuple(damaged))

    def _scan(self, name: bytes, meta: ObjectMeta, damaged: list[str]) -> tuple[list[Row], int]:
        """All values of an object that are whole."""
        scanner = PackScanner()
        try:
            for piece in pieces(self.store, meta):
                scanner.feed(piece)
        except CorruptFileError as error:
            damaged.append(f"{meta.key}: {error}; values after it are lost")
        except ObjectNotFoundError:
            damaged.append(f"{meta.key} is gone")
        damaged += [f"the newest value of {key!r} in {meta.key}" for key in scanner.damaged]
        if scanner.name != name:
            return [], 0
        return scanner.rows, scanner.end

    def _known_times(self, base: RemoteVersion | None, keys: set[str]) -> dict[str, int]:
        if base is None:
            return {}
        rows = [row for row in base.rows(sorted(keys)) if row is not None]
        try:
            times = [time for time, _ in base.times_and_notes(rows)]
        except RemoteIntegrityError:
            return {}
        return {row.key: time for row, time in zip(rows, times, strict=True)}

    def _upload(self, name: bytes, meta: ObjectMeta, end: int) -> Upload:
        """How a version describes an object: where its values end, and its times and notes if they are whole."""
        length = min(meta.size - end, MAX_PIECE)
        cold = leading_times_and_notes(self.store.get_range(meta.key, end, length)) if length > 0 else b""
        return Upload(name, end + len(cold), end, len(cold), digest(cold))

    # ---- the root ------------------------------------------------------------------------------------------------

    def _commit(
        self,
        uuid: UUID,
        base: RemoteVersion | None,
        found: Mapping[bytes, Standing],
        added: _Later,
        lost: Sequence[str],
        standing: RemoteVersion | None,
        etag: str | None,
    ) -> tuple[str, int]:
        """Make the root; returns the id of the version it shows, and its number of keys."""
        commit = secrets.token_bytes(16)
        if base is None and not added.rows:
            raise RemoteIntegrityError(f"{self.place}: no object holds a value that is whole; nothing was changed")
        if base is not None and not added.rows and not lost:
            root, version = replace(base.root, commits=(commit, *base.root.commits)), base.snapshot.id.hex()
        else:
            told = next((one.snapshot for one in found.values() if one.snapshot.kind), None)
            kind, serializer = (base.root.kind, base.root.serializer) if base else self._kind(told, standing)
            set_again = {row.key for row in added.rows}
            change = Change(
                commit,
                added.uploads,
                added.rows,
                tuple(key for key in lost if key not in set_again),
                message="rebuilt from the objects of the database",
            )
            carrier = Carrier(fresh_name(), None, HEADER_SIZE)
            following = assemble(base, change, carrier, Identity(uuid, kind, serializer))
            root, version = following.root, commit.hex()
            if not self.options.dry_run:
                prefix = objects_prefix(self.key, uuid)
                Uploader(self.store, prefix, uuid, lambda rows: [], 1).send([], carrier, following, lambda sent: None)
        alone = self.options.single_writer and not self.store.supports_conditional_put
        root = replace(root, mode="single_writer" if alone else "cas")
        body = encode_root(root, {})
        made = RemoteVersion(self.store, self.key, CachedRoot(UNKNOWN_ETAG, body))
        if not self.options.dry_run:
            self._put(body, commit, standing, etag)
        return version, len(made)

    def _put(self, body: bytes, commit: bytes, standing: RemoteVersion | None, etag: str | None) -> None:
        if standing is None and etag is not None:
            self._replace_damaged(body, commit, etag)
            return
        outcome = commit_root(self.store, self.key, body, commit, standing, single_writer=self.options.single_writer)
        if not isinstance(outcome, Committed):
            raise RemoteExistsError(f"{self.place} was changed meanwhile; look at it again")

    def _replace_damaged(self, body: bytes, commit: bytes, etag: str) -> None:
        try:
            if self.options.single_writer and not self.store.supports_conditional_put:
                self.store.put(self.key, body)
            else:
                self.store.put(self.key, body, Update(etag))
        except StoreError as error:
            now = _readable(self.store, self.key)
            if now is None or commit not in now.root.commits:
                raise PushError(f"{self.place}: the new root was not put in place ({error}); rebuild again") from error


def _readable(store: ObjectStore, key: str) -> RemoteVersion | None:
    try:
        return find_version(store, key)
    except RemoteIntegrityError:
        return None


def _summary(group: Mapping[bytes, ObjectMeta]) -> str:
    newest = max((meta.last_modified or _LONG_AGO for meta in group.values()), default=_LONG_AGO)
    return f"{len(group)} objects, the newest of {newest:%Y-%m-%d %H:%M} UTC"
