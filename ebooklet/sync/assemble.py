"""What do root object and snapshot of the next version say?

Given the version to build on and what a push changes, this makes the key table, the tail that carries table pages and
snapshot, and the root object. It sends nothing; pages of the old table that the change touches may have to be read.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from ebooklet.errors import RemoteError
from ebooklet.format.checksum import digest
from ebooklet.format.history import HistoryPage, kept_in_root
from ebooklet.format.journal import Upload
from ebooklet.format.snapshot import (
    DEFAULT_GRACE,
    ENTRY_MESSAGE,
    HISTORY_FEATURE,
    INLINE,
    MAX_INLINE,
    MAX_ROOT,
    Entry,
    Pack,
    Root,
    Snapshot,
    SnapshotRef,
)
from ebooklet.format.table import NO_PAGE, PageRef, Row, Table
from ebooklet.sync.version import PAGE_ROWS, SINGLE_ROWS, RemoteVersion

MAX_PAGES_IN_ROOT = 256 << 10
SINGLE_PUT = 1 << 20  # a root larger than this does without inline values


@dataclass(frozen=True, slots=True)
class Change:
    """What a push changes, whatever version it is built on.

    Attributes
    ----------
    commit : bytes
        Id of the commit.
    uploads : tuple of Upload
        The packs.
    rows : tuple of Row
        Rows to set; `pack` is an index into `uploads`.
    removed : tuple of str
        Keys to remove.
    message, tag : str
        What the user says about it, and the name it gets.
    metadata : bytes or None
        The user's metadata, None to leave it.
    summary : bytes
        What is in the version then, for catalogues; empty when nobody says.
    replace : bool
        Whether everything else goes.
    mode : str
        How commits are kept apart, as the root says it.
    moves : bool
        Whether values only move to other packs.
    """

    commit: bytes
    uploads: tuple[Upload, ...]
    rows: tuple[Row, ...]
    removed: tuple[str, ...] = ()
    message: str = ""
    tag: str | None = None
    metadata: bytes | None = None
    summary: bytes = b""
    replace: bool = False
    mode: str = "cas"
    moves: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """What a database is, once and for all."""

    uuid: UUID
    kind: str
    serializer: str
    grace: int = DEFAULT_GRACE


@dataclass(frozen=True, slots=True)
class Carrier:
    """The object that carries the tail: its name, its number among the packs of the push (None: its own), and where."""

    name: bytes
    upload: int | None
    offset: int


@dataclass(frozen=True, slots=True)
class NextVersion:
    """The next version, ready to be sent.

    Attributes
    ----------
    tail : tuple of bytes
        What the carrier carries.
    snapshot : (int, int)
        Offset and length of the snapshot in the carrier.
    root : Root
        The root object, without inline values.
    rows : tuple of Row
        The rows the push sets, as the version has them.
    """

    tail: tuple[bytes, ...]
    snapshot: tuple[int, int]
    root: Root
    rows: tuple[Row, ...]


def assemble(base: RemoteVersion | None, change: Change, carrier: Carrier, identity: Identity) -> NextVersion:
    """Make the next version.

    Parameters
    ----------
    base : RemoteVersion or None
        The version to build on; None makes the first one.
    change : Change
        What changes.
    carrier : Carrier
        Where the tail will stand.
    identity : Identity
        Of a new database; an old one keeps its own.
    """
    before = base.snapshot.packs if base else ()
    first = len(before)
    rows = tuple(Row(row.key, row.offset, row.length, row.crc, row.tail, first + row.pack) for row in change.rows)
    tail = _Tail(carrier, first + (carrier.upload if carrier.upload is not None else len(change.uploads)))
    table, directory, pages = _next_table(base, change, rows, tail)
    packs = _next_packs(base, change, rows, table, tail)
    parent = _parent(base, tail)
    made = Snapshot(
        id=change.commit,
        parent=parent,
        parent_id=base.snapshot.id if base else b"",
        time=max(time.time_ns() // 1000, base.snapshot.time + 1 if base else 0),
        message=change.message,
        metadata=_metadata(base, change),
        metadata_time=_metadata_time(base, change),
        summary=_summary(base, change),
        packs=packs,
        directory=directory,
        pages=pages,
        kind=identity.kind if base is None or change.replace else base.root.kind,
        serializer=identity.serializer if base is None or change.replace else base.root.serializer,
    )
    snapshot = made.encode()
    ref = tail.write_record(snapshot)
    root = _next_root(base, change, identity, snapshot, ref)
    root = with_entry(root, _entry(made, ref, change), base, parent, tail.write_record)
    return NextVersion(tuple(tail.blobs), (ref.offset, ref.length), root, rows)


def _entry(made: Snapshot, ref: SnapshotRef, change: Change) -> Entry:
    """What the history says about a new version."""
    keys = 0 if change.moves else len(change.rows) + len(change.removed)
    nbytes = sum(upload.size for upload in change.uploads)
    return Entry(made.id, made.time, ref, keys, nbytes, made.message[:ENTRY_MESSAGE])


def with_entry(
    root: Root,
    entry: Entry,
    base: RemoteVersion | None,
    parent: SnapshotRef | None,
    write: Callable[[bytes], SnapshotRef],
) -> Root:
    """Return a root whose history begins with its current version.

    Parameters
    ----------
    root : Root
        The new root.
    entry : Entry
        Its current version.
    base, parent
        The version before, and where its snapshot stands.
    write : callable
        Keeps a page of the history in the object that carries the new version.
    """
    before, older = (base.root.history, base.root.older) if base else ((), None)
    if base and parent and not before:  # a list begins now: what was before is found by the parents
        older = parent
    if before and before[0].ref is None:
        before = (replace(before[0], ref=parent), *before[1:])
    entries = (entry, *before)
    number = kept_in_root(entries)
    if number < len(entries):
        entries, spilled = entries[:number], entries[number:]
        older = write(HistoryPage(spilled, older).encode())
    uses = tuple(dict.fromkeys((*root.uses, HISTORY_FEATURE)))
    return replace(root, history=entries, older=older, uses=uses)


class _Tail:
    """Blobs that follow the values of the carrier."""

    def __init__(self, carrier: Carrier, number: int) -> None:
        self.number = number
        self.name = carrier.name
        self.listed = carrier.upload is not None
        self.begin = self.end = carrier.offset
        self.blobs: list[bytes] = []

    def add(self, blob: bytes) -> int:
        offset = self.end
        self.blobs.append(blob)
        self.end += len(blob)
        return offset

    def write_record(self, blob: bytes) -> SnapshotRef:
        return SnapshotRef(self.name, self.add(blob), len(blob), digest(blob))

    def write_page(self, blob: bytes) -> PageRef:
        return PageRef(self.number, self.add(blob), len(blob), digest(blob))


def _next_table(
    base: RemoteVersion | None, change: Change, rows: Sequence[Row], tail: _Tail
) -> tuple[Table, bytes, dict[bytes, bytes]]:
    """The key table, its directory, and the pages that go into the snapshot itself."""
    start = base.table if base and not change.replace else Table.empty(PAGE_ROWS, single_rows=SINGLE_ROWS)
    updated = start.updated(rows, () if change.replace else change.removed)
    if len(updated) <= SINGLE_ROWS:
        pages: dict[bytes, bytes] = {}

        def write_inline(blob: bytes) -> PageRef:
            pages[digest(blob)] = blob
            return PageRef(INLINE, 0, len(blob), digest(blob))

        table, directory = updated.flushed(write_inline, lambda blob: NO_PAGE)
        if sum(map(len, pages.values())) <= MAX_PAGES_IN_ROOT:
            return table, directory, {**_carried(base, table), **pages}
    table, directory = updated.flushed(tail.write_page, lambda blob: NO_PAGE)
    return table, directory, _carried(base, table)


def _carried(base: RemoteVersion | None, table: Table) -> dict[bytes, bytes]:
    """Pages of the old snapshot that the new table still has."""
    if base is None:
        return {}
    wanted = {page.hot.digest for page in table.pages if page.hot.object == INLINE}
    return {name: page for name, page in base.snapshot.pages.items() if name in wanted}


def _next_packs(
    base: RemoteVersion | None, change: Change, rows: Sequence[Row], table: Table, tail: _Tail
) -> tuple[Pack | None, ...]:
    packs: list[Pack | None] = list(base.snapshot.packs) if base else []
    live_rows: Counter[int] = Counter(row.pack for row in rows)
    live_bytes: Counter[int] = Counter()
    for row in rows:
        live_bytes[row.pack] += row.length + row.tail
    if base and not change.replace:
        for gone in base.rows([*(row.key for row in rows), *change.removed]):
            if gone is not None:
                live_rows[gone.pack] -= 1
                live_bytes[gone.pack] -= gone.length + gone.tail
    packs += [Pack(u.name, u.size, u.cold_offset, u.cold_length, u.cold_digest) for u in change.uploads]
    in_use = {page.hot.object for page in table.pages}
    if not tail.listed and tail.number in in_use:
        packs.append(Pack(tail.name, tail.begin))
    for number, pack in enumerate(packs):
        if pack is not None:
            kept = not change.replace
            count = (pack.live_rows if kept else 0) + live_rows[number]
            size = (pack.live_bytes if kept else 0) + live_bytes[number]
            alive = count > 0 or number in in_use
            packs[number] = replace(pack, live_rows=max(0, count), live_bytes=max(0, size)) if alive else None
    return tuple(packs)


def _parent(base: RemoteVersion | None, tail: _Tail) -> SnapshotRef | None:
    """Where the version before stands; one that stands nowhere but in its root is written down now."""
    if base is None:
        return None
    if base.root.ref is not None:
        return base.root.ref
    return tail.write_record(base.root.snapshot)


def _metadata(base: RemoteVersion | None, change: Change) -> bytes:
    if change.metadata is not None:
        return change.metadata
    return base.snapshot.metadata if base and not change.replace else b""


def _metadata_time(base: RemoteVersion | None, change: Change) -> int:
    if change.metadata is not None:
        return time.time_ns() // 1000
    return base.snapshot.metadata_time if base and not change.replace else 0


def _summary(base: RemoteVersion | None, change: Change) -> bytes:
    """What is in the next version: the old summary is true as long as no key was set or removed."""
    if change.summary:
        return change.summary
    same = base is not None and not change.replace and (change.moves or not (change.rows or change.removed))
    return base.snapshot.summary if base is not None and same else b""


def _next_root(
    base: RemoteVersion | None, change: Change, identity: Identity, snapshot: bytes, ref: SnapshotRef
) -> Root:
    tags = {change.tag: ref} if change.tag else {}
    if base is None:
        return Root(
            identity.uuid,
            identity.kind,
            identity.serializer,
            snapshot,
            ref,
            (change.commit,),
            change.mode,
            identity.grace,
            tags,
        )
    old = base.root
    as_new = change.replace
    return replace(
        old,
        kind=identity.kind if as_new else old.kind,
        serializer=identity.serializer if as_new else old.serializer,
        snapshot=snapshot,
        ref=ref,
        commits=(change.commit, *old.commits),
        mode=change.mode,
        tags={**old.tags, **tags},
        inline={},
    )


def choose_inline(
    known: Mapping[str, bytes], wanted: Sequence[str], new: Mapping[str, bytes], touched: Iterable[str]
) -> dict[str, bytes]:
    """Choose the values that stand in the root object.

    Parameters
    ----------
    known : mapping
        Values that stand in the root before; they stay there as long as they are wanted and fit.
    wanted : sequence of str
        Keys in order of importance.
    new : mapping
        Values (payload and tail) set by this push.
    touched : iterable of str
        Keys this push sets or removes.

    Examples
    --------
    >>> choose_inline({"a": b"old", "b": b"kept"}, ["c"], {"a": b"new", "c": b"first"}, ["a", "c"])
    {'c': b'first', 'a': b'new', 'b': b'kept'}
    """
    gone = set(touched)
    chosen: dict[str, bytes] = {}
    left = MAX_INLINE
    for key in dict.fromkeys([*wanted, *known]):
        value = new.get(key) if key in gone else known.get(key)
        if value is not None and len(key.encode()) + len(value) <= left:
            chosen[key] = value
            left -= len(key.encode()) + len(value)
    return chosen


def encode_root(root: Root, inline: Mapping[str, bytes]) -> bytes:
    """Write a root object, with inline values as long as it stays small enough for one request."""
    body = replace(root, inline=inline).encode()
    if len(body) > SINGLE_PUT and inline:
        body = replace(root, inline={}).encode()
    if len(body) > MAX_ROOT:
        raise RemoteError(
            f"the root of the database would have {len(body)} bytes, at most {MAX_ROOT} are possible: "
            f"it has {len(root.tags)} tags; use fewer, or fewer and larger packs"
        )
    return body
