"""Is everything there that a remote database refers to, is it whole, and what lies around that nobody needs?"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from ebooklet.errors import (
    CorruptFileError,
    RemoteIntegrityError,
    RemoteMissingError,
    StoreError,
    UnsupportedOperationError,
)
from ebooklet.format.checksum import Buffer
from ebooklet.format.frame import FORMAT
from ebooklet.format.names import SUFFIX, object_text
from ebooklet.format.packing import FOOTER_SIZE
from ebooklet.format.scanning import PackContents, PackScanner
from ebooklet.plan.reachable import Judged, judge, named_by_root, named_by_snapshot
from ebooklet.sizes import byte_size, counted, duration_text
from ebooklet.stores.protocol import ObjectMeta, ObjectStore
from ebooklet.sync.fetch import Progress
from ebooklet.sync.reachable import name_of, reachable
from ebooklet.sync.version import RemoteVersion, open_version
from ebooklet.sync.workers import completed

PIECE = 8 << 20  # bytes read at once of an object that is verified
THREADS = 4
SHOWN = 10
_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class FsckOptions:
    """What to look at, and what to do about it.

    Attributes
    ----------
    delete_orphans : bool
        Whether to delete objects that nobody refers to.
    min_age : timedelta
        How old they must be by the server's clock.
    check_objects : bool
        Whether to read everything and verify every checksum.
    alone : bool
        The caller's word that nobody writes meanwhile: only then may `min_age` be shorter than the root says.
    abandoned : bool
        Whether objects may go although their root is missing, which means that they can never be rebuilt.
    progress : callable, optional
        Called with the bytes verified and in all.
    """

    delete_orphans: bool = False
    min_age: timedelta = _DAY
    check_objects: bool = False
    alone: bool = False
    abandoned: bool = False
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class FsckReport:
    """What was found in a remote database; true when it is whole.

    Attributes
    ----------
    uri, db_key : str
        The database.
    format_version : int or None
        Its format; None without a root that can be read.
    db_object_exists : bool
        Whether there is a root object.
    torn_teardown : bool
        Whether there are objects and no root: the end of a deletion, a copy that was cut short, or a root that is lost.
    n_versions : int
        Versions that are kept.
    expected_objects, expected_bytes : int
        Objects that these refer to and that are there, and their bytes.
    orphans : tuple of str
        Objects nobody refers to, old enough to be deleted.
    orphan_bytes : int
        Their bytes.
    swept : tuple of str
        Those that were deleted.
    skipped_young : tuple of str
        Objects nobody refers to, which somebody who writes now may be about to refer to.
    young_bytes : int
        Their bytes.
    claimed_but_missing : tuple of str
        Objects that a version refers to and that do not exist.
    damaged : tuple of str
        What else is wrong, a sentence each.
    dead_fraction : float
        The part of the values in the objects of the newest version that it does not refer to any more.
    checked_values, checked_bytes : int
        Values whose checksums were verified, and bytes read for that.
    failures : dict
        Objects that could not be deleted or read, with the error.
    n_requests : int
        Requests sent.
    """

    uri: str
    db_key: str
    format_version: int | None = None
    db_object_exists: bool = False
    torn_teardown: bool = False
    n_versions: int = 0
    expected_objects: int = 0
    expected_bytes: int = 0
    orphans: tuple[str, ...] = ()
    orphan_bytes: int = 0
    swept: tuple[str, ...] = ()
    skipped_young: tuple[str, ...] = ()
    young_bytes: int = 0
    claimed_but_missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    dead_fraction: float = 0.0
    checked_values: int = 0
    checked_bytes: int = 0
    failures: dict[str, StoreError] = field(default_factory=dict)
    n_requests: int = 0

    @property
    def ok(self) -> bool:
        """Whether everything is there and whole; objects nobody needs do no harm."""
        return self.db_object_exists and not (self.claimed_but_missing or self.damaged or self.failures)

    @property
    def nbytes(self) -> int:
        """Bytes of all objects, used or not."""
        return self.expected_bytes + self.orphan_bytes + self.young_bytes

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [f"{self.uri}: {self._verdict()}"]
        if self.db_object_exists:
            lines.append(
                f"  {counted(self.n_versions, 'version')} in {counted(self.expected_objects, 'object')}, "
                f"{byte_size(self.expected_bytes)}, "
                f"{self.dead_fraction:.0%} of the newest one's no longer used"
            )
        if self.checked_bytes:
            lines.append(f"  {counted(self.checked_values, 'value')} verified, {byte_size(self.checked_bytes)} read")
        for what, names in [("missing", self.claimed_but_missing), ("damaged", self.damaged)]:
            lines += [f"  {what}: {name}" for name in names[:SHOWN]]
            lines += [f"  ... and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
        lines += [f"  failed: {name}: {error}" for name, error in list(self.failures.items())[:SHOWN]]
        if self.orphans:
            done = f"{len(self.swept)} deleted" if self.swept else "delete_orphans=True deletes them"
            found = f"{counted(len(self.orphans), 'object')}, {byte_size(self.orphan_bytes)}"
            lines.append(f"  {found}, that nobody needs; {done}")
        if self.skipped_young:
            found = f"{counted(len(self.skipped_young), 'object')}, {byte_size(self.young_bytes)}"
            lines.append(f"  {found}, too young to be judged")
        return "\n".join(lines)

    def _verdict(self) -> str:
        if self.torn_teardown:
            return "there are objects and no root: rebuild() makes one of them"
        if not self.db_object_exists:
            return "there is no database"
        return "whole" if self.ok else "not whole"


def check_database(store: ObjectStore, key: str, options: FsckOptions | None = None) -> FsckReport:
    """Look at a database and all objects below its key, and delete what nobody needs if that is wanted.

    The root is read first, then the objects are listed; a commit refers only to objects younger than half the grace, or
    to those that the root before it refers to. Nothing that is deleted can come into use.

    Raises
    ------
    ValueError
        If objects should be deleted that writers of now rely on.
    UnsupportedOperationError
        If the server does not list objects, or does not tell the time when something should be deleted.
    """
    return _Checking(store, key, options or FsckOptions()).run()


class _Checking:
    """One look at a database."""

    def __init__(self, store: ObjectStore, key: str, options: FsckOptions) -> None:
        self.store = store
        self.key = key
        self.options = options
        self.damaged: list[str] = []
        self.failures: dict[str, StoreError] = {}
        self.values = self.read = 0

    def run(self) -> FsckReport:
        current, exists = self._root()
        self._check_age(current)
        listed = list(self.store.list(f"{self.key}{SUFFIX}/"))
        own, others = _sorted_out(self.key, listed, current.uuid if current else None)
        referred, versions, certain = self._referred(current)
        now = current.server_date if current else next((meta.server_date for meta in listed), None)
        found = judge(own, referred, now or datetime.now(UTC), self.options.min_age if now else timedelta.max)
        garbage, young = self._rest(found, others, now) if certain else ([], [])
        if current is not None:
            self._check_sizes(current, dict(own))
        if current is not None and self.options.check_objects:
            self._verify(current, found)
        may_go = self.options.delete_orphans and certain and (exists or self.options.abandoned)
        swept = self._sweep(garbage, now) if may_go else ()
        return FsckReport(
            uri=f"{self.store.uri}/{self.key}",
            db_key=self.key,
            format_version=FORMAT if current else None,
            db_object_exists=exists,
            torn_teardown=not exists and bool(listed),
            n_versions=versions,
            expected_objects=len(found.used),
            expected_bytes=sum(meta.size for _, meta in found.used),
            orphans=tuple(meta.key for meta in garbage),
            orphan_bytes=sum(meta.size for meta in garbage),
            swept=swept,
            skipped_young=tuple(meta.key for meta in young),
            young_bytes=sum(meta.size for meta in young),
            claimed_but_missing=tuple(sorted(current.object_key(name) for name in found.missing)) if current else (),
            damaged=tuple(self.damaged),
            dead_fraction=_dead_fraction(current),
            checked_values=self.values,
            checked_bytes=self.read,
            failures=self.failures,
        )

    # ---- what there is and what is referred to --------------------------------------------------------------------

    def _root(self) -> tuple[RemoteVersion | None, bool]:
        """The newest version, and whether there is a root object at all."""
        try:
            return open_version(self.store, self.key), True
        except RemoteMissingError:
            return None, False
        except RemoteIntegrityError as error:
            self.damaged.append(f"{error}; rebuild() makes a root of the objects")
            return None, True

    def _check_age(self, current: RemoteVersion | None) -> None:
        agreed = timedelta(seconds=current.root.grace) if current else _DAY
        if self.options.delete_orphans and self.options.min_age < agreed and not self.options.alone:
            raise ValueError(
                f"min_age={duration_text(self.options.min_age.total_seconds())!r} is shorter than the "
                f"{duration_text(agreed.total_seconds())} that writers rely on: what a push under way has sent could "
                "be deleted. If nobody writes meanwhile, say so by alone=True"
            )

    def _referred(self, current: RemoteVersion | None) -> tuple[frozenset[bytes], int, bool]:
        """Names that versions refer to, how many versions there are, and whether all of them could be read."""
        if current is None:
            return frozenset(), 0, not self.damaged
        try:
            known = reachable(current)
            return known.names, known.versions, True
        except RemoteIntegrityError as error:
            self.damaged.append(f"a version that is kept cannot be read, nothing can be deleted: {error}")
        names = {ref.object for ref in named_by_root(current.root)}
        return frozenset(names.union(named_by_snapshot(current.snapshot))), 1, False

    def _rest(
        self, found: Judged, others: Mapping[str, Sequence[ObjectMeta]], now: datetime | None
    ) -> tuple[list[ObjectMeta], list[ObjectMeta]]:
        """Objects nobody refers to, those of other databases and of unfinished copies included: old and young.

        Objects of one identity are as old as the youngest of them, so that a copy under way keeps all of its.
        """
        garbage: list[ObjectMeta] = [meta for _, meta in found.garbage if isinstance(meta, ObjectMeta)]
        young: list[ObjectMeta] = [meta for _, meta in found.young if isinstance(meta, ObjectMeta)]
        for group in others.values():
            times = [meta.last_modified for meta in group]
            old = now is not None and all(time is not None and now - time >= self.options.min_age for time in times)
            (garbage if old else young).extend(group)
        return garbage, young

    def _sweep(self, garbage: Sequence[ObjectMeta], now: datetime | None) -> tuple[str, ...]:
        if now is None and garbage:
            raise UnsupportedOperationError(
                f"{self.store.uri} does not tell the time, so that nobody knows how old objects are"
            )
        names = [meta.key for meta in garbage]
        failed = self.store.delete_many(names) if names else {}
        self.failures.update(failed)
        return tuple(name for name in names if name not in failed)

    # ---- whether it is whole --------------------------------------------------------------------------------------

    def _check_sizes(self, current: RemoteVersion, there: Mapping[bytes, ObjectMeta]) -> None:
        """Objects that end before their values do, and a key table that cannot be read."""
        for pack in current.snapshot.packs:
            meta = there.get(pack.name) if pack else None
            if pack and meta and meta.size < pack.size + FOOTER_SIZE:
                self.damaged.append(f"{meta.key} has {meta.size} bytes, fewer than the {pack.size} of its values")

    def _verify(self, current: RemoteVersion, found: Judged) -> None:
        """Read every object that a version refers to, and look for every value of the newest one."""
        places = self._places(current)
        todo = [(name, meta) for name, meta in found.used if isinstance(meta, ObjectMeta)]
        total = sum(meta.size for _, meta in todo)
        for number, result in completed([partial(self._scan, meta) for _, meta in todo], THREADS):
            name, meta = todo[number]
            if isinstance(result, (CorruptFileError, RemoteIntegrityError)):
                self.damaged.append(f"{meta.key}: {result}")
            elif isinstance(result, StoreError):
                self.failures[meta.key] = result
            elif isinstance(result, Exception):
                raise result
            else:
                self._compare(name, meta, result, places.get(name, array("Q")))
            self.read += meta.size
            if self.options.progress is not None:
                self.options.progress(self.read, total)

    def _places(self, current: RemoteVersion) -> dict[bytes, "array[int]"]:
        """Offset, length and checksum of every value of the newest version, by object."""
        places: dict[bytes, array[int]] = {}
        packs = current.snapshot.packs
        try:
            for row in current.iter_rows():
                pack = packs[row.pack] if row.pack < len(packs) else None
                if pack is None:
                    self.damaged.append(f"the value of {row.key!r} is in an object that does not exist")
                else:
                    places.setdefault(pack.name, array("Q")).extend((row.offset, row.length + row.tail, row.crc))
        except RemoteIntegrityError as error:
            self.damaged.append(f"the key table cannot be read: {error}")
        except StoreError as error:
            self.failures["the key table"] = error
        return places

    def _scan(self, meta: ObjectMeta) -> PackContents:
        scanner = PackScanner()
        for piece in pieces(self.store, meta):
            scanner.feed(piece)
        return scanner.finish()

    def _compare(self, name: bytes, meta: ObjectMeta, contents: PackContents, places: "array[int]") -> None:
        self.values += len(contents.rows)
        if contents.name != name:
            self.damaged.append(f"{meta.key} is another object under this name: {object_text(contents.name)}")
            return
        self.damaged += [f"the value of {key!r} in {meta.key}" for key in contents.damaged]
        there = {(row.offset, row.length + row.tail, row.crc) for row in contents.rows}
        wanted = set(zip(places[::3], places[1::3], places[2::3], strict=True))
        lost = len(wanted - there) - len(contents.damaged)
        if lost > 0:
            self.damaged.append(f"{lost} values that the key table places in {meta.key} are not there")


def pieces(store: ObjectStore, meta: ObjectMeta) -> Iterator[Buffer]:
    """Read an object in pieces, one after another."""
    for start in range(0, meta.size, PIECE):
        yield store.get_range(meta.key, start, min(PIECE, meta.size - start))


def _sorted_out(
    key: str, listed: Sequence[ObjectMeta], uuid: UUID | None
) -> tuple[list[tuple[bytes, ObjectMeta]], dict[str, list[ObjectMeta]]]:
    """The database's own objects by name, and those of others by identity; what has no such name is left alone."""
    own: list[tuple[bytes, ObjectMeta]] = []
    others: dict[str, list[ObjectMeta]] = {}
    for meta in listed:
        folder, _, text = meta.key[len(key) + len(SUFFIX) + 1 :].partition("/")
        name = name_of(text)
        if name is None:
            continue
        if uuid is not None and folder == uuid.hex:
            own.append((name, meta))
        else:
            others.setdefault(folder, []).append(meta)
    return own, others


def _dead_fraction(current: RemoteVersion | None) -> float:
    packs = [pack for pack in current.snapshot.packs if pack is not None] if current else []
    size = sum(pack.cold_offset or pack.size for pack in packs)
    return max(0.0, 1 - sum(pack.live_bytes for pack in packs) / size) if size else 0.0
