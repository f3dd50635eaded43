"""How do pending changes become one commit of the local file?"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ebooklet.format.booklet_chains import find_block
from ebooklet.format.booklet_layout import (
    HEADER_SIZE,
    METADATA_KEY,
    TIMESTAMP_AT,
    CommitPointer,
    Header,
    encode_pointer,
    header_crc,
    parse_header,
)
from ebooklet.format.checksum import Buffer, crc32c, digest
from ebooklet.format.table import PageRef, Row, Table, encode_rows
from ebooklet.local.booklet_adapter import Appended, Metadata, link
from ebooklet.local.growth import grow, needs_growth
from ebooklet.local.record import MAX_INLINE_ROWS, Commit, Extent, Record, block_offset, encode_record, page_reader
from ebooklet.local.reindex import metadata_extent
from ebooklet.local.transaction_file import Transaction


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


@dataclass(slots=True)
class Pending:
    """What was changed since the last commit: rows (None = removed), state blobs, Booklet's metadata."""

    rows: dict[str, Row | None] = field(default_factory=dict)
    states: dict[str, bytes | None] = field(default_factory=dict)
    metadata: Metadata | None = None

    def __len__(self) -> int:
        return len(self.rows) + len(self.states) + (self.metadata is not None)


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def commit_changes(transaction: Transaction, commit: Commit, pending: Pending) -> Commit:
    """Write everything that makes the pending changes a commit, and commit it."""
    rows = _link(transaction, commit, pending)
    header = parse_header(transaction.read_at(HEADER_SIZE, 0), transaction.size, transaction.device.name)
    table = commit.table.updated(
        (row for row in rows.values() if row is not None), [key for key, row in rows.items() if row is None]
    )
    record = replace(
        commit.record,
        number=commit.record.number + 1,
        live=header.keys,
        states=_write_states(transaction, commit.record, pending),
    )
    if pending.metadata is not None:
        record = _with_metadata(transaction, header, record)
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


def _link(transaction: Transaction, commit: Commit, pending: Pending) -> dict[str, Row | None]:
    """Let Booklet know what was added and deleted; return the rows, with their final places."""
    rows = dict(pending.rows)
    before = {row.key: row for row in commit.table.get_many(list(rows)) if row is not None and not row.deleted}
    gone = [key for key, row in rows.items() if (row is None or row.deleted) and key in before]
    added = [row for row in rows.values() if row and not row.deleted and row.offset >= transaction.committed]
    header = commit.header
    keys = commit.record.live + sum(row.key not in before for row in added)
    if needs_growth(header, keys):
        grow(transaction, header, keys)
    for key, row in rows.items():
        old = before.get(key)
        if row and old and not row.deleted and row.offset == old.offset and row.timestamp != old.timestamp:
            stamp = row.timestamp.to_bytes(header.timestamp_bytes or 8, "little")[: header.timestamp_bytes]
            transaction.write_at(block_offset(row, header) + TIMESTAMP_AT, stamp)
    if gone or added or pending.metadata is not None:
        appended = [Appended(row.key, block_offset(row, header)) for row in added]
        moved = link(transaction, gone, appended, pending.metadata, keys=keys)
        for row in added:
            if row.key in moved:
                shift = moved[row.key] - block_offset(row, header)
                rows[row.key] = replace(row, offset=row.offset + shift)
    return rows


def _write_states(transaction: Transaction, record: Record, pending: Pending) -> dict[str, Extent]:
    states = dict(record.states)
    for name, data in pending.states.items():
        if data is None:
            states.pop(name, None)
        else:
            states[name] = Extent(transaction.append_dead(data), len(data), crc32c(data))
    return states


def _with_metadata(transaction: Transaction, header: Header, record: Record) -> Record:
    block = find_block(transaction.read_at, header, METADATA_KEY, transaction.size)
    assert block is not None, "Booklet did not store the metadata"
    extent, timestamp = metadata_extent(transaction.read_at, block)
    return replace(record, metadata=extent, metadata_timestamp=timestamp)


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
