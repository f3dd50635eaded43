"""How is a whole file written anew: on creation, by flag 'n', by compaction, by repair, by salvage?

Always in the same way: blocks, chains, key table and commit pointer go into a new file under a random name, which is
flushed, locked, and then takes the path; open readers keep the old file.
"""

import contextlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ebooklet.format.booklet_layout import (
    CHAIN_END,
    HEADER_SIZE,
    METADATA_KEY,
    POINTER_AT,
    POINTER_BYTES,
    CommitPointer,
    Header,
    bucket_of,
    dead_prefix,
    encode_header,
    encode_pointer,
    encode_prefix,
    header_crc,
    key_hash,
)
from ebooklet.format.checksum import crc32c, digest
from ebooklet.format.table import PageRef, Row, Table
from ebooklet.local.device import Device, FileDevice, Files, write_all
from ebooklet.local.lock import try_lock
from ebooklet.local.record import Extent, Record, encode_record

_BUFFER = 4 << 20
_MARK = ".ebooklet-"


@dataclass(frozen=True, slots=True)
class Reserved:
    """One of Booklet's reserved slots (the metadata are one)."""

    key: bytes
    value: bytes
    timestamp: int


@dataclass(slots=True)
class Builder:
    """Writes a new file front to back; `finish` makes it whole.

    Parameters
    ----------
    device
        An empty file or memory.
    header
        What the new file's header says; its places and number of keys are computed.
    """

    device: Device
    header: Header
    _size: int = 0
    _buffer: list[bytes] = field(default_factory=list)
    _waiting: int = 0
    _heads: dict[int, int] = field(default_factory=dict)
    _rows: list[Row] = field(default_factory=list)
    _live: int = 0

    def __post_init__(self) -> None:
        start = HEADER_SIZE + self.header.buckets * POINTER_BYTES
        self.header = replace(self.header, version=5, index_offset=HEADER_SIZE, data_start=start)
        self._size = start

    def add(self, row: Row, value: bytes) -> None:
        """Append a value (payload and tail) with its row."""
        offset = self._append(row.key.encode(), value, row.timestamp)
        self._rows.append(replace(row, offset=offset))
        self._live += 1

    def add_tombstone(self, row: Row) -> None:
        """Keep the row of a deleted key."""
        self._rows.append(row)

    def finish(self, number: int, states: Mapping[str, bytes], reserved: Iterable[Reserved] = ()) -> None:
        """Write what stands after the values, and the header, and flush.

        Parameters
        ----------
        number
            Number of the commit that the file begins with.
        states
            Small named blobs.
        reserved
            Values of Booklet's reserved slots.
        """
        metadata, timestamp = None, 0
        for slot in reserved:
            extent = Extent(self._append(slot.key, slot.value, slot.timestamp), len(slot.value), crc32c(slot.value))
            if slot.key == METADATA_KEY:
                metadata, timestamp = extent, slot.timestamp
        record = Record(
            number=number,
            live=self._live,
            directory=self._table(),
            states={name: self._extent(data) for name, data in states.items()},
            metadata=metadata,
            metadata_timestamp=timestamp,
        )
        encoded = encode_record(record)
        offset = self._append_dead(encoded)
        self._flush()
        self._write_front(CommitPointer(number, offset, len(encoded), self._size, 0, 0))
        self.device.sync()

    def _table(self) -> Extent | None:
        if not self._rows:
            return None

        def write(page: bytes) -> PageRef:
            return PageRef(0, self._append_dead(page), len(page), digest(page))

        _, directory = Table.empty().updated(self._rows).flushed(write)
        return self._extent(directory)

    def _extent(self, data: bytes) -> Extent:
        return Extent(self._append_dead(data), len(data), crc32c(data))

    def _append(self, key: bytes, value: bytes, timestamp: int) -> int:
        bucket = bucket_of(key_hash(key), self.header.buckets)
        prefix = encode_prefix(
            key, len(value), timestamp, self._heads.get(bucket, CHAIN_END), self.header.timestamp_bytes
        )
        self._heads[bucket] = self._size
        return self._put(prefix, value)

    def _append_dead(self, payload: bytes) -> int:
        return self._put(dead_prefix(len(payload), self.header.timestamp_bytes), payload)

    def _put(self, prefix: bytes, payload: bytes) -> int:
        offset = self._size + len(prefix)
        self._buffer += (prefix, payload)
        self._size = offset + len(payload)
        self._waiting += len(prefix) + len(payload)
        if self._waiting >= _BUFFER:
            self._flush()
        return offset

    def _flush(self) -> None:
        write_all(self.device, self._size - self._waiting, self._buffer)
        self._buffer.clear()
        self._waiting = 0

    def _write_front(self, pointer: CommitPointer) -> None:
        front = bytearray(encode_header(replace(self.header, keys=self._live)))
        packed = encode_pointer(replace(pointer, header_crc=header_crc(bytes(front))))
        front[POINTER_AT : POINTER_AT + len(packed)] = packed
        index = bytearray(CHAIN_END.to_bytes(POINTER_BYTES, "little")) * self.header.buckets
        for bucket, offset in self._heads.items():
            index[bucket * POINTER_BYTES : (bucket + 1) * POINTER_BYTES] = offset.to_bytes(POINTER_BYTES, "little")
        write_all(self.device, 0, [front, index])


@contextlib.contextmanager
def new_file(files: Files, path: Path, *, locking: bool) -> Iterator[FileDevice]:
    """Open a locked file under a random name beside `path`; it is removed unless it is published."""
    temporary = path.with_name(f"{path.name}{_MARK}{secrets.token_hex(8)}")
    device = files.create(temporary)
    try:
        if locking:
            try_lock(device)
        yield device
    except BaseException:
        device.close()
        with contextlib.suppress(OSError):
            files.unlink(temporary)
        raise


def publish(files: Files, device: FileDevice, path: Path, *, replacing: bool) -> None:
    """Let a finished file take the path, durably.

    Parameters
    ----------
    replacing
        Whether the caller holds the lock of the file that has the path now; otherwise there must be none.

    Raises
    ------
    FileExistsError
        If somebody else created the path in the meantime.
    """
    temporary = Path(device.name)
    if replacing:
        files.replace(temporary, path)
    else:
        files.link(temporary, path)
        files.unlink(temporary)
    device.name = str(path)
    files.sync_folder(path.parent)


def remove_leftovers(files: Files, path: Path) -> None:
    """Remove unpublished files that killed writers left beside `path`; the caller is its writer."""
    for leftover in path.parent.glob(f"{_escaped(path.name)}{_MARK}*"):
        with contextlib.suppress(OSError):
            device = files.open(leftover, writable=False)
            try:
                if try_lock(device):
                    files.unlink(leftover)
            finally:
                device.close()


def _escaped(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
