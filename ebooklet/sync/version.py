"""What is in one version of a remote database, and how is it opened?

A version never changes: it is the root object as it was when it was read, with its snapshot and key table. Pages of the
table that do not stand in the root are read when they are needed.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import chain
from uuid import UUID

import numpy as np
import numpy.typing as npt

from ebooklet.errors import (
    EBookletError,
    FileFormatError,
    NotModifiedError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    ReadOnlyError,
    RemoteIntegrityError,
    RemoteMissingError,
    ShortObjectError,
    UnsupportedFormatError,
)
from ebooklet.format.checksum import crc32c, digest, fingerprint
from ebooklet.format.columns import Column, column
from ebooklet.format.frame import seal, unseal
from ebooklet.format.names import check_database_key, object_text, objects_prefix
from ebooklet.format.packing import decode_times_and_notes, version_of, versions_of
from ebooklet.format.pages import OFFSET, PACK
from ebooklet.format.ranges import GAP
from ebooklet.format.snapshot import INLINE, MAX_ROOT, Root, Snapshot, SnapshotRef
from ebooklet.format.table import PageRef, Row, Table
from ebooklet.plan.fetch import FetchPlan, plan_fetch
from ebooklet.stores.protocol import ObjectStore
from ebooklet.sync.fetch import Found, Progress, ReadPack, fetch
from ebooklet.sync.pages import fetch_pages
from ebooklet.sync.vanished import why_gone

PAGE_ROWS, SINGLE_ROWS = 4096, 8192
MAX_PIECE = 64 << 20  # bytes of a page of the key table, or of the notes of a pack
THREADS = 16
UNKNOWN_ETAG = "0" * 32  # of a root object whose PUT was never answered; no object has it
_CACHED = b"EBCR"

Pages = MutableMapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class CachedRoot:
    """A root object as it was read, to be kept by the local file (as state ``root``) and shown again."""

    etag: str
    body: bytes

    def encode(self) -> bytes:
        """Write it."""
        return seal(_CACHED, {"requires": [], "etag": self.etag, "body": self.body})

    @classmethod
    def decode(cls, data: bytes) -> "CachedRoot":
        """Read it; `CorruptFileError` for anything else."""
        fields = unseal(_CACHED, "the cached root", data)
        return cls(fields.text("etag", 1024), fields.blob("body"))


class RemoteVersion:
    """One version of a remote database; safe to use from many threads.

    Parameters
    ----------
    store, key
        Where the database is.
    cached : CachedRoot
        Its root object.
    server_date : datetime, optional
        When it was read, by the server's clock.
    pages : mutable mapping, optional
        Keeps pages of the key table by digest between uses.

    Attributes
    ----------
    root : Root
        What the root object says.
    snapshot : Snapshot
        The version.
    table : Table
        Its keys.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: str,
        cached: CachedRoot,
        *,
        server_date: datetime | None = None,
        pages: Pages | None = None,
    ) -> None:
        self.store = store
        self.key = key
        self.cached = cached
        self.server_date = server_date
        self.pages: Pages = {} if pages is None else pages
        try:
            self.root = Root.decode(cached.body)
            self.snapshot = Snapshot.decode(self.root.snapshot)
            self.table = Table.load(self.snapshot.directory, self._read_page)
        except UnsupportedFormatError as error:
            raise UnsupportedFormatError(f"{self.place}: {error}") from error
        except FileFormatError as error:
            raise RemoteIntegrityError(f"{self.place}: {error}") from error
        self._absent = {number for number, page in enumerate(self.table.pages) if page.hot.object != INLINE}
        self._prefix = objects_prefix(key, self.root.uuid)
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._verdict: EBookletError | None = None
        self._cold: dict[int, dict[int, tuple[int, bytes]]] = {}

    def __repr__(self) -> str:
        return f"<RemoteVersion {self.snapshot.id.hex()[:8]} of {self.place}, {len(self)} keys>"

    @property
    def place(self) -> str:
        """Where the database is, for messages."""
        return f"{self.store.uri}/{self.key}"

    @property
    def uuid(self) -> UUID:
        """Identity of the database."""
        return self.root.uuid

    @property
    def etag(self) -> str:
        """ETag of the root object."""
        return self.cached.etag

    # ---- keys ----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.table)

    def __bool__(self) -> bool:
        return True  # one without keys is a version as well

    def row(self, key: str) -> Row | None:
        """Return the row of a key, without time and note."""
        return self.rows([key])[0]

    def rows(self, keys: Sequence[str]) -> list[Row | None]:
        """Return the rows of keys, without times and notes; None where there is none."""
        with self.damage():
            self._expect_keys(keys)
            return self.table.get_many(keys, cold=False)

    def columns(self, keys: Sequence[str]) -> tuple[Column, npt.NDArray[np.bool_]]:
        """Return what the key table says about keys, a row of numbers for each, and which keys there are."""
        with self.damage():
            self._expect_keys(keys)
            return self.table.columns(keys)

    def _expect_keys(self, keys: Sequence[str]) -> None:
        """Fetch the pages together that hold keys, as far as they are not here."""
        entries = self.table.pages
        self._absent = {number for number in self._absent if entries[number].hot.digest not in self.pages}
        if len(self._absent) > 1:
            self.expect({self.table.page_of(key) for key in keys} & self._absent)

    def iter_rows(self, prefix: str = "") -> Iterator[Row]:
        """Iterate over the rows whose keys begin with `prefix`, without times and notes."""
        with self.damage():
            self.expect(self.table.pages_of(prefix))
            yield from self.table.rows(prefix, cold=False)

    def expect(self, numbers: Iterable[int]) -> None:
        """Fetch pages of the table together that are about to be needed."""
        entries = self.table.pages
        refs = [entries[number].hot for number in sorted(numbers) if entries[number].hot.object != INLINE]
        fetch_pages(refs, self.read_pack, self.pages, THREADS, MAX_PIECE)

    def times_and_notes(self, rows: Sequence[Row]) -> list[tuple[int, bytes]]:
        """Return time (microseconds since the epoch) and note of rows, a request for each pack not asked before."""
        with self.damage():
            self._expect_cold({row.pack for row in rows})
            return [self._cold_of(row.pack).get(row.offset, (0, b"")) for row in rows]

    def _expect_cold(self, numbers: Iterable[int]) -> None:
        """Fetch times and notes of several packs at the same time."""
        known = self._cold.keys()
        packs = self.snapshot.packs
        wanted = {number: packs[number] for number in sorted(numbers) if number not in known and number < len(packs)}
        refs = [
            PageRef(number, pack.cold_offset, pack.cold_length, pack.cold_digest)
            for number, pack in wanted.items()
            if pack is not None and pack.cold_length
        ]
        fetch_pages(refs, self.read_pack, self.pages, THREADS, MAX_PIECE)

    def version_of(self, row: Row) -> int:
        """Return what a local copy of this row's value carries as its version."""
        return version_of(self._pack_name(row), row.offset)

    def versions_of(self, rows: Column) -> Column:
        """Return the same for many rows, given as columns."""
        numbers = rows[:, PACK]
        if len(numbers) and int(numbers.max()) >= len(self.snapshot.packs):
            raise RemoteIntegrityError(f"{self.place}: a value is in pack {int(numbers.max())}, which does not exist")
        return versions_of(self._fingerprints[numbers.astype(np.intp)], rows[:, OFFSET])

    @cached_property
    def _fingerprints(self) -> Column:
        """Of the names of the packs; 0 for one that is referred to no more."""
        found = (0 if pack is None else fingerprint(pack.name) for pack in self.snapshot.packs)
        return column(found, len(self.snapshot.packs))

    # ---- values --------------------------------------------------------------------------------------------------

    def plan(self, rows: Sequence[Row], *, gap: int = GAP) -> FetchPlan:
        """Plan how to fetch rows whose values do not stand in the root."""
        sizes = [None if pack is None else pack.size for pack in self.snapshot.packs]
        return plan_fetch(rows, sizes, gap=gap)

    def fetch(
        self, rows: Sequence[Row], *, threads: int = THREADS, progress: Progress | None = None
    ) -> Iterator[Found]:
        """Fetch values, verified: (row, payload and tail) as they arrive, or (row, error) for one that cannot be had.

        Parameters
        ----------
        rows : sequence of Row
            Rows of this version.
        threads : int
            The most requests in flight.
        progress : callable, optional
            Called with the bytes done and in all.
        """
        return chain.from_iterable(self.fetch_parts(rows, threads=threads, progress=progress))

    def fetch_parts(
        self,
        rows: Sequence[Row],
        *,
        threads: int = THREADS,
        progress: Progress | None = None,
        gap: int = GAP,
        before: Callable[[int], None] | None = None,
    ) -> Iterator[list[Found]]:
        """Do the same as `fetch`, and give together what arrives together.

        `gap` bytes may be read for nothing; `before` is called with the bytes of each request before it is sent.
        """
        asked: list[Row] = []
        here: list[Found] = []
        for row in rows:
            value = self.inline(row)
            if value is None:
                asked.append(row)
            else:
                here.append((row, value))
        if here:
            yield here
        if asked:
            read = self.read_pack if before is None else _announcing(self.read_pack, before)
            yield from fetch(self.plan(asked, gap=gap), read, self.place, threads, progress)

    def inline(self, row: Row) -> bytes | None:
        """Return payload and tail of a value that stands in the root object, None for any other."""
        value = self.root.inline.get(row.key) if row.length + row.tail else b""
        if value is None or len(value) != row.length + row.tail:
            return None
        return value if crc32c(row.key.encode(), value[: row.length]) == row.crc else None

    # ---- writing -------------------------------------------------------------------------------------------------

    def check_writable(self) -> None:
        """Raise `ReadOnlyError` if the database uses features this release does not know."""
        unknown = self.root.unknown_uses
        if unknown:
            raise ReadOnlyError(
                f"{self.place} uses {', '.join(unknown)}, which this release does not know: update cfdb"
            )

    def object_key(self, name: bytes) -> str:
        """Return the key of an object of this database."""
        return self._prefix + object_text(name)

    # ---- objects -------------------------------------------------------------------------------------------------

    def _pack_name(self, row: Row) -> bytes:
        pack = self.snapshot.packs[row.pack] if row.pack < len(self.snapshot.packs) else None
        if pack is None:
            raise RemoteIntegrityError(f"{self.place}: the value of {row.key!r} is in a pack that does not exist")
        return pack.name

    def read_pack(self, number: int, offset: int, length: int) -> bytes:
        """Read a piece of a pack."""
        pack = self.snapshot.packs[number] if number < len(self.snapshot.packs) else None
        if pack is None:
            raise RemoteIntegrityError(f"{self.place}: pack {number} does not exist")
        key = self.object_key(pack.name)
        try:
            return self.store.get_range(key, offset, length)
        except (ObjectNotFoundError, ShortObjectError) as error:
            gone = f"{self.store.uri}/{key}, which this version refers to, is gone or cut short"
            raise self._why_gone(gone) from error

    def _why_gone(self, gone: str) -> EBookletError:
        with self._asking:  # one look at the root, however many values are asked for
            if self._verdict is None:
                self._verdict = why_gone(self.store, self.key, self.uuid, self.snapshot.id, self.etag, gone)
            return type(self._verdict)(*self._verdict.args)

    def _read_page(self, ref: PageRef) -> bytes:
        if ref.object == INLINE:
            return self.snapshot.pages.get(ref.digest, b"")
        return self._piece(ref.object, ref.offset, ref.length, ref.digest)

    def _piece(self, number: int, offset: int, length: int, check: bytes) -> bytes:
        """A page or notes, read once and kept; read again when it arrives damaged."""
        data = self.pages.get(check)
        if data is not None:
            return data
        if length > MAX_PIECE:
            raise RemoteIntegrityError(f"{self.place}: a piece of the key table announces {length} bytes")
        for _ in range(2):
            data = self.read_pack(number, offset, length)
            if digest(data) == check:
                self.pages[check] = data
                return data
        raise RemoteIntegrityError(f"{self.place}: a piece of the key table is damaged: its digest does not match")

    def _cold_of(self, number: int) -> dict[int, tuple[int, bytes]]:
        with self._lock:
            found = self._cold.get(number)
            if found is None:
                found = self._cold[number] = self._read_cold(number)
            return found

    def _read_cold(self, number: int) -> dict[int, tuple[int, bytes]]:
        pack = self.snapshot.packs[number] if number < len(self.snapshot.packs) else None
        if pack is None or not pack.cold_length:
            return {}
        return decode_times_and_notes(self._piece(number, pack.cold_offset, pack.cold_length, pack.cold_digest))

    def damage(self) -> "_Damage":
        """Return a context in which damage found by the format becomes an error about this remote."""
        return _Damage(self.place)


def _announcing(read: ReadPack, before: Callable[[int], None]) -> ReadPack:
    def announced(number: int, offset: int, length: int) -> bytes:
        before(length)
        return read(number, offset, length)

    return announced


class _Damage:
    def __init__(self, place: str) -> None:
        self.place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UnsupportedFormatError):
            return
        if isinstance(error, FileFormatError):
            raise RemoteIntegrityError(f"{self.place}: {error}") from error


def open_version(
    store: ObjectStore, key: str, cached: CachedRoot | None = None, *, pages: Pages | None = None
) -> RemoteVersion:
    """Open the current version of a remote database with one request.

    Parameters
    ----------
    store, key
        Where the database is.
    cached : CachedRoot, optional
        The root object as it was last seen; nothing is transferred when it is still the same.
    pages : mutable mapping, optional
        Keeps pages of the key table by digest between uses.

    Raises
    ------
    RemoteMissingError
        If there is no database.
    RemoteIntegrityError
        If there is something else, or it is damaged.
    UnsupportedFormatError
        If it needs a newer release.
    """
    check_database_key(key)
    try:
        found = store.get(key, if_none_match=cached.etag if cached else None, limit=MAX_ROOT)
    except NotModifiedError:
        if cached is None:
            raise
        return RemoteVersion(store, key, cached, pages=pages)
    except ObjectNotFoundError as error:
        raise RemoteMissingError(f"there is no database at {store.uri}/{key}; flag 'c' or 'n' makes one") from error
    except ObjectTooLargeError as error:
        raise RemoteIntegrityError(f"{store.uri}/{key} is no database: {error}") from error
    meta = found.meta
    return RemoteVersion(store, key, CachedRoot(meta.etag, found.body), server_date=meta.server_date, pages=pages)


def find_version(store: ObjectStore, key: str, *, pages: Pages | None = None) -> RemoteVersion | None:
    """Open the current version of a remote database, None when there is none."""
    try:
        return open_version(store, key, pages=pages)
    except RemoteMissingError:
        return None


def read_snapshot(version: RemoteVersion, ref: SnapshotRef) -> bytes:
    """Read a snapshot of the database from where it stands, verified."""
    data = read_object(version.store, version.object_key(ref.object), ref.offset, ref.length)
    if digest(data) != ref.digest:
        raise RemoteIntegrityError(f"{version.place}: the snapshot in {object_text(ref.object)} is damaged")
    return data


def read_object(store: ObjectStore, key: str, offset: int, length: int) -> bytes:
    """Read a piece of an object that a version refers to: that it is gone is damage."""
    try:
        return store.get_range(key, offset, length)
    except (ObjectNotFoundError, ShortObjectError) as error:
        raise RemoteIntegrityError(f"{store.uri}/{key}, which the database refers to, is gone or cut short") from error
