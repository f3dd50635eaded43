"""How do values get into the file, from several threads at once?

Room is reserved under the lock, the values are written outside of it, and only then do their rows count. Blocks are
written as dead ones: until their commit no Booklet sees them.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from ebooklet.format.booklet_layout import DEAD, dead_prefix, encode_prefix
from ebooklet.format.checksum import Buffer, crc32c
from ebooklet.format.table import Row
from ebooklet.local.committing import Write, now
from ebooklet.local.device import write_all
from ebooklet.local.transaction import Transaction

_BATCH_ITEMS = 4096
_BATCH_BYTES = 4 << 20
_SMALL = 4 << 10  # values below are joined with their neighbours, not given to the system one by one


def batches(items: Iterable[Write]) -> Iterator[list[Write]]:
    """Cut writes into portions of a few MiB."""
    batch: list[Write] = []
    size = 0
    for item in items:
        batch.append(item)
        size += len(item.payload)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_ITEMS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Appender:
    """Appends value blocks to a transaction.

    Parameters
    ----------
    lock
        Guards the transaction; taken for moments only.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._calm = threading.Condition(lock)
        self._closing = False
        self._busy: dict[object, int] = {}
        self._unwritten: dict[int, int] = {}

    def append(
        self,
        current: Callable[[], Transaction],
        items: Sequence[Write],
        timestamp_bytes: int,
        publish: Callable[[list[Row]], None],
    ) -> None:
        """Write a batch of values and publish their rows; no commit, rollback or compaction comes in between."""
        stamp = now()
        parts, places = _encoded(items, stamp, timestamp_bytes)
        total = sum(map(len, parts))
        token = object()
        try:
            with self._calm:
                while self._closing:
                    self._calm.wait()
                transaction = current()  # asked now: a compaction replaces it
                start = transaction.size
                # noted before it is reserved: an interrupt in between leaves nothing unaccounted for
                self._unwritten[start] = total
                self._busy[token] = threading.get_ident()
                transaction.reserve(total)
            write_all(transaction.device, start, parts)
            found = zip(items, places, strict=True)
            rows = [_row(item, start + offset, length, crc, stamp) for item, (offset, length, crc) in found]
            with self._calm:
                del self._unwritten[start]
                publish(rows)
        finally:
            with self._calm:
                self._busy.pop(token, None)
                self._calm.notify_all()

    def wait(self) -> None:
        """Wait for writes under way in other threads; the caller holds the lock."""
        own = threading.get_ident()
        self._closing = True
        try:
            while any(thread != own for thread in self._busy.values()):
                self._calm.wait()
        finally:
            self._closing = False
            self._calm.notify_all()

    def fill(self, transaction: Transaction, timestamp_bytes: int) -> None:
        """Give back room that was not written, or make dead blocks of it; the caller holds the lock."""
        for start in sorted(self._unwritten, reverse=True):
            length = self._unwritten[start]
            if start + length >= transaction.size:
                transaction.size = min(start, transaction.size)
            else:
                prefix = dead_prefix(length - len(dead_prefix(0, timestamp_bytes)), timestamp_bytes)
                write_all(transaction.device, start, [prefix])
        self._unwritten.clear()
        if transaction.device.size() > transaction.size:
            transaction.device.truncate(transaction.size)

    def forget(self) -> None:
        """Forget failed writes: what they were part of was rolled back."""
        self._unwritten.clear()


def _encoded(
    items: Sequence[Write], stamp: int, timestamp_bytes: int
) -> tuple[list[Buffer], list[tuple[int, int, int]]]:
    """Return the bytes to write, and for each value its offset from the start of them, length and checksum."""
    parts: list[Buffer] = []
    places = []
    joined = bytearray()
    done = 0  # bytes in parts
    for item in items:
        key = item.key.encode()
        payload = item.payload if isinstance(item.payload, bytes) else memoryview(item.payload).cast("B")
        timestamp = stamp if item.timestamp is None else item.timestamp
        joined += encode_prefix(key, len(payload) + len(item.tail), timestamp, DEAD, timestamp_bytes)
        places.append((done + len(joined), len(payload), crc32c(key, payload)))
        if len(payload) < _SMALL:
            joined += payload
        else:
            parts += (joined, payload)
            done += len(joined) + len(payload)
            joined = bytearray()
        joined += item.tail
    return [*parts, joined], places


def _row(item: Write, offset: int, length: int, crc: int, stamp: int) -> Row:
    timestamp = stamp if item.timestamp is None else item.timestamp
    return Row(item.key, offset, length, crc, len(item.tail), 0, timestamp, item.version, False, bytes(item.note))
