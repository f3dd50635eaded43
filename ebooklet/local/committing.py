"""How do pending changes become one commit of the local file?"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ebooklet.format.booklet_layout import (
    DEAD,
    HEADER_SIZE,
    METADATA_KEY,
    TIMESTAMP_AT,
    CommitPointer,
    Header,
    encode_pointer,
    encode_prefix,
    header_crc,
    parse_header,
)
from ebooklet.format.checksum import Buffer, crc32c, digest
from ebooklet.format.pages import DELETED, OFFSET
from ebooklet.format.table import PageRef, Row, Table, encode_rows
from ebooklet.local.device import write_all
from ebooklet.local.growth import grow, needs_growth
from ebooklet.local.linking import Appended, link
from ebooklet.local.record import MAX_INLINE_ROWS, Commit, Extent, Record, block_offset, encode_record, page_reader
from ebooklet.local.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Write:
    """A value to be stored.

    Attributes
    ----------
    key : str
        Its name.
    payload : bytes-like
        The value, covered by the row's checksum.
    tail : bytes
        Bytes that follow the payload in the stored value (a cfdb chunk's trailer).
    note : bytes
        Kept in the row (chunk statistics).
    timestamp : int, optional
        Microseconds since the epoch; now, when not given.
    version : int
        Fingerprint of the remote row it is a copy of, 0 for an own edit.
    """

    key: str
    payload: Buffer
    tail: bytes = b""
    note: bytes = b""
    timestamp: int | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Metadata:
    """A value of Booklet's metadata slot, as JSON, and since when (now, when not given)."""

    data: bytes
    timestamp: int | None = None


@dataclass(slots=True)
class Pending:
    """What was changed since the last commit: rows (None = removed), state blobs, Booklet's metadata."""

    rows: dict[str, Row | None] = field(default_factory=dict)
    states: dict[str, bytes | None] = field(default_factory=dict)
    metadata: Metadata | None = None

    def copy(self) -> "Pending":
        """Return the same changes, to which others can be added apart from these."""
        return Pending(dict(self.rows), dict(self.states), self.metadata)

    def __len__(self) -> int:
        return len(self.rows) + len(self.states) + (self.metadata is not None)


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def commit_changes(transaction: Transaction, commit: Commit, pending: Pending) -> Commit:
    """Write everything that makes the pending changes a commit, and commit it."""
    record = replace(commit.record, number=commit.record.number + 1)
    appended = []
    if pending.metadata is not None:
        block, record = _write_metadata(transaction, commit.header, pending.metadata, record)
        appended.append(block)
    _link(transaction, commit, pending.rows, appended)
    header = parse_header(transaction.read_at(HEADER_SIZE, 0), transaction.size, transaction.device.name)
    table = commit.table.updated(
        (row for row in pending.rows.values() if row is not None),
        [key for key, row in pending.rows.items() if row is None],
    )
    record = replace(record, live=header.keys, states=_write_states(transaction, record, pending))
    return write_commit(transaction, header, table, record)


def write_commit(transaction: Transaction, header: Header, table: Table, record: Record) -> Commit:
    """Write table and record, and commit."""
    table, record = _write_table(transaction, table, record)
    encoded = encode_record(record)
    offset = transaction.append_dead(encoded)
    checksum = header_crc(transaction.read_at(HEADER_SIZE, 0))

    def pointer(committed: int, journal: int) -> bytes:
        return encode_pointer(CommitPointer(record.number, offset, len(encoded), committed, journal, checksum))

    transaction.commit(pointer)
    return Commit(header, transaction.committed, record, table)


def _link(transaction: Transaction, commit: Commit, rows: Mapping[str, Row | None], appended: list[Appended]) -> None:
    """Let Booklet find what was added and no longer what was deleted."""
    header = commit.header
    before, there = commit.table.columns(list(rows))
    live = (there & (before[:, DELETED] == 0)).tolist()
    gone, moved, added = [], [], 0
    for (key, row), was_live, offset in zip(rows.items(), live, before[:, OFFSET].tolist(), strict=True):
        if row is None or row.deleted:
            if was_live:
                gone.append(key.encode())
        elif row.offset >= transaction.committed:
            added += not was_live
            appended.append(Appended(key.encode(), block_offset(row, header)))
        elif was_live and row.offset == offset:
            moved.append(row)
    keys = commit.record.live + added
    if needs_growth(header, keys):
        grow(transaction, header, keys)
        header = parse_header(transaction.read_at(HEADER_SIZE, 0), transaction.size, transaction.device.name)
    _write_times(transaction, commit, moved)
    if gone or appended:
        link(transaction, header, gone, appended, keys=keys)


def _write_times(transaction: Transaction, commit: Commit, rows: list[Row]) -> None:
    """Write the times of values that stay where they are, if they changed."""
    size = commit.header.timestamp_bytes
    if not rows or not size:
        return
    for row, old in zip(rows, commit.table.get_many([row.key for row in rows]), strict=True):
        if old is not None and row.timestamp != old.timestamp:
            stamp = row.timestamp.to_bytes(size, "little")
            transaction.write_at(block_offset(row, commit.header) + TIMESTAMP_AT, stamp)


def _write_states(transaction: Transaction, record: Record, pending: Pending) -> dict[str, Extent]:
    states = dict(record.states)
    for name, data in pending.states.items():
        if data is None:
            states.pop(name, None)
        else:
            states[name] = Extent(transaction.append_dead(data), len(data), crc32c(data))
    return states


def _write_metadata(
    transaction: Transaction, header: Header, metadata: Metadata, record: Record
) -> tuple[Appended, Record]:
    """Append a block with Booklet's metadata, which is to be linked; return it, and the record that names it."""
    timestamp = now() if metadata.timestamp is None else metadata.timestamp
    prefix = encode_prefix(METADATA_KEY, len(metadata.data), timestamp, DEAD, header.timestamp_bytes)
    offset = transaction.reserve(len(prefix) + len(metadata.data))
    write_all(transaction.device, offset, [prefix, metadata.data])
    extent = Extent(offset + len(prefix), len(metadata.data), crc32c(metadata.data))
    return Appended(METADATA_KEY, offset), replace(record, metadata=extent, metadata_timestamp=timestamp)


def _write_table(transaction: Transaction, table: Table, record: Record) -> tuple[Table, Record]:
    """Keep a few changed rows in the record; fold many into pages."""
    overlay = table.overlay()
    if len(overlay) <= MAX_INLINE_ROWS:
        removed = [key for key, row in overlay.items() if row is None]
        rows = encode_rows([row for row in overlay.values() if row is not None], removed) if overlay else b""
        return table, replace(record, rows=rows)
    flushed, directory = table.flushed(_page_writer(transaction))
    extent = Extent(transaction.append_dead(directory), len(directory), crc32c(directory))
    reader = page_reader(transaction.device.pread)
    return flushed.with_reader(reader), replace(record, directory=extent, rows=b"")


def _page_writer(transaction: Transaction) -> Callable[[bytes], PageRef]:
    def write(page: bytes) -> PageRef:
        return PageRef(0, transaction.append_dead(page), len(page), digest(page))

    return write
