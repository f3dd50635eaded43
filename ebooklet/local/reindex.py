"""What is in a file that a plain Booklet made or changed?

The chains say what a Booklet finds; the blocks' own marks say what was deleted; our last table, if it can still be
read, says what had been committed and what the remote knew. Nothing that one of them proves is thrown away.
"""

from dataclasses import dataclass, field, replace

from ebooklet.errors import CorruptFileError
from ebooklet.format.booklet_chains import ChainScan, find_block, scan_chains
from ebooklet.format.booklet_layout import (
    DEAD,
    HEADER_SIZE,
    METADATA_KEY,
    RESERVED_KEYS,
    Block,
    CommitPointer,
    Header,
    Read,
    block_at,
    walk_data,
)
from ebooklet.format.checksum import crc32c
from ebooklet.format.table import Row, Table
from ebooklet.local.record import Commit, Extent, Record, block_offset, load_commit


@dataclass(frozen=True, slots=True)
class Reindexed:
    """A file edited by a plain Booklet, read anew.

    Attributes
    ----------
    commit : Commit
        What it holds, with state blobs as of our last commit.
    whole : bool
        Whether chains and blocks agree, so that the file can be used as it is; otherwise it is to be written anew.
    changed : tuple of str
        Keys that differ from our last commit.
    """

    commit: Commit
    whole: bool
    changed: tuple[str, ...]


@dataclass(slots=True)
class _Rows:
    kept: dict[str, Row] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    rescued: bool = False


def reindex(read: Read, header: Header, size: int, pointer: CommitPointer | None, name: str) -> Reindexed:
    """Read a file anew; the caller holds the lock, shared at least.

    Raises
    ------
    CorruptFileError
        If its structure is damaged in a way that no Booklet leaves behind; `salvage` copies what is whole.
    """
    old = _last_commit(read, header, pointer, size, name)
    scan = scan_chains(read, header, size)
    linear, exact = _live_blocks(read, header, size)
    damage = [fault for fault in scan.faults if not exact or "deleted block" not in fault]
    if damage and old is None:
        raise CorruptFileError(f"{name}: {damage[0]}; ebooklet.salvage copies what is whole")
    if pointer is not None and pointer.committed > size and (scan.faults or not exact):
        raise CorruptFileError(
            f"{name}: the file has {size} bytes, its last commit ended at {pointer.committed}; "
            "ebooklet.salvage copies what is whole"
        )
    rows = _rows(read, header, scan, linear, old, name)
    reached = {block.offset for block in scan.blocks}
    whole = exact and not rows.rescued and not scan.faults and reached == {block.offset for block in linear}
    return Reindexed(_commit(read, header, size, old, rows), whole, tuple(rows.changed))


def _last_commit(read: Read, header: Header, pointer: CommitPointer | None, size: int, name: str) -> Commit | None:
    if pointer is None or pointer.committed > size:
        return None
    try:
        commit = load_commit(read, header, pointer, name)
        rows = list(commit.table.rows())
    except CorruptFileError:
        if header.data_start == HEADER_SIZE:
            return None  # only Booklet's own prune lets data begin there, and drops what was ours
        raise  # without our checksums nothing would tell damaged values from edited ones
    return replace(commit, table=Table.empty().updated(rows))


def _live_blocks(read: Read, header: Header, size: int) -> tuple[list[Block], bool]:
    """Return the blocks not marked as deleted, and whether the blocks fill the file exactly."""
    live = []
    try:
        for block in walk_data(read, header, size):
            if block.next != DEAD:
                live.append(block)  # noqa: PERF401 (what comes before the damage is kept)
    except CorruptFileError:
        return live, False
    return live, True


def _rows(read: Read, header: Header, scan: ChainScan, linear: list[Block], old: Commit | None, name: str) -> _Rows:
    found = _Rows()
    reached: dict[str, Block] = {}
    for block in scan.blocks:
        if block.key not in RESERVED_KEYS and reached.setdefault(_text(block.key, name), block) is not block:
            found.rescued = True  # Booklet finds the first of two
    before = {row.key: row for row in old.table.rows()} if old else {}
    for key, row in before.items():
        _settle(read, header, row, reached.pop(key, None), old, found)
    for key, block in reached.items():
        if old is not None and block.offset < old.committed:
            found.rescued = True  # a deletion of ours that its chain does not know yet
            continue
        found.kept[key] = _fresh(read, block, key, None)
        found.changed.append(key)
    if scan.faults:
        _rescue(read, [block for block in linear if old is None or block.offset >= old.committed], found, name)
    return found


def _settle(read: Read, header: Header, row: Row, block: Block | None, old: Commit | None, found: _Rows) -> None:
    """Decide what became of one key of our last commit."""
    if block is not None and (old is None or block.offset >= old.committed):
        kept = _fresh(read, block, row.key, row)
        found.kept[row.key] = kept
        if kept.version != row.version or kept.crc != row.crc:
            found.changed.append(row.key)
    elif block is not None and not row.deleted and block.value_offset == row.offset:
        # below our last commit Booklet changes nothing but times: the checksum tells, whatever the block says
        found.kept[row.key] = replace(row, timestamp=block.timestamp)
        found.rescued |= block.value_length != row.length + row.tail
    elif row.deleted:
        found.rescued |= block is not None
        found.kept[row.key] = row
    elif _was_deleted(read, header, row):
        found.changed.append(row.key)
        if row.version:
            found.kept[row.key] = replace(row, deleted=True)
    else:
        found.rescued = True
        found.kept[row.key] = row


def _was_deleted(read: Read, header: Header, row: Row) -> bool:
    """Whether the block of a row bears Booklet's mark; a block that is damaged does not."""
    block = block_at(read, block_offset(row, header), row.offset + row.length + row.tail, header.timestamp_bytes)
    return block is not None and block.key == row.key.encode() and block.is_sound and block.next == DEAD


def _fresh(read: Read, block: Block, key: str, row: Row | None) -> Row:
    """Return the row of a block: what we knew of it if it is the same value, else as an own edit."""
    if row is not None and not row.deleted and row.length + row.tail == block.value_length:
        same_place = row.offset == block.value_offset
        if same_place or crc32c(block.key, read(row.length, block.value_offset)) == row.crc:
            return replace(row, offset=block.value_offset, timestamp=block.timestamp)
    value = read(block.value_length, block.value_offset)
    return Row(key, block.value_offset, block.value_length, crc32c(block.key, value), timestamp=block.timestamp)


def _rescue(read: Read, linear: list[Block], found: _Rows, name: str) -> None:
    """Take live blocks that a plain Booklet lost from its chains when it was killed; the last one of a key counts."""
    for block in linear:
        if block.key in RESERVED_KEYS or not block.is_sound:
            continue
        key = _text(block.key, name)
        known = found.kept.get(key)
        if known is None or known.offset < block.value_offset:
            found.kept[key] = _fresh(read, block, key, None)
            found.changed.append(key)
            found.rescued = True


def _text(key: bytes, name: str) -> str:
    try:
        return key.decode()
    except UnicodeDecodeError:
        raise CorruptFileError(f"{name}: the key {key[:40]!r} is not UTF-8") from None


def _commit(read: Read, header: Header, size: int, old: Commit | None, rows: _Rows) -> Commit:
    live = sum(not row.deleted for row in rows.kept.values())
    record = old.record if old is not None else Record(number=0, live=0)
    metadata, timestamp = _metadata(read, header, size)
    if metadata and record.metadata and metadata.offset == record.metadata.offset:
        metadata = record.metadata  # not edited since: the checksum we have tells whether it is whole
    return Commit(
        header=header,
        committed=size,
        record=replace(record, live=live, directory=None, rows=b"", metadata=metadata, metadata_timestamp=timestamp),
        table=Table.empty().updated(rows.kept.values()),
    )


def _metadata(read: Read, header: Header, size: int) -> tuple[Extent | None, int]:
    block = find_block(read, header, METADATA_KEY, size)
    return metadata_extent(read, block) if block else (None, 0)


def metadata_extent(read: Read, block: Block) -> tuple[Extent, int]:
    """Return where the metadata stand, and since when."""
    value = read(block.value_length, block.value_offset)
    return Extent(block.value_offset, block.value_length, crc32c(value)), block.timestamp
