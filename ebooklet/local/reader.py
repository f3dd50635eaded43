"""What can be read from an open local file, without a lock and from any thread?

A reader is pinned to one commit: its table and everything it names stay readable whatever a writer does.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import numpy as np
import numpy.typing as npt

from ebooklet.errors import CorruptFileError, CorruptValueError
from ebooklet.format.booklet_layout import HEADER_SIZE, POINTER_BYTES, dead_prefix
from ebooklet.format.checksum import Buffer, crc32c
from ebooklet.format.columns import Column
from ebooklet.format.pages import DELETED
from ebooklet.format.table import Row, Table, Totals
from ebooklet.local.bulk import read_payloads
from ebooklet.local.committing import Pending
from ebooklet.local.device import Device
from ebooklet.local.handles import Handle
from ebooklet.local.opening import Opened, Place
from ebooklet.local.record import Commit, page_reader, read_extent
from ebooklet.local.serializers import Serializer, name_of, serializer
from ebooklet.local.stats import MeteredDevice, Stats
from ebooklet.local.transaction import Transaction

T = TypeVar("T")


class Reader(Handle):
    """The reading half of a working copy: a commit, and changes of this handle on top of it."""

    def __init__(self, opened: Opened, place: Place | None, *, trust_pickle: bool = False) -> None:
        super().__init__(str(place.path) if place else opened.device.name)
        self.stats = Stats()
        self._place = place
        self._trust_pickle = trust_pickle
        self._lock = threading.RLock()
        self._pending = Pending()
        self._use(opened.device, opened.commit, opened.transaction)

    def _use(self, device: Device, commit: Commit, transaction: Transaction | None) -> None:
        """Read from, and write to, this device from now on."""
        self._device = MeteredDevice(device, self.stats)
        if transaction is not None:
            transaction.device = self._device
        table = commit.table.with_reader(page_reader(self._device.pread))
        self._commit = Commit(commit.header, commit.committed, commit.record, table)
        self._transaction = transaction

    # -- what it is --------------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path | None:
        """Path of the file, None in memory."""
        return self._place.path if self._place else None

    @property
    def writable(self) -> bool:
        """Whether this handle writes."""
        return self._transaction is not None

    @property
    def uuid(self) -> UUID:
        """Identity of the file."""
        return self._commit.header.uuid

    @property
    def value_serializer(self) -> str:
        """Name of the serializer that the file's header carries."""
        return name_of(self._commit.header.value_code, self.name)

    @property
    def serializer(self) -> Serializer:
        """How values become objects: plain data only where pickle is concerned, unless the caller trusts it."""
        return serializer(self.value_serializer, trusted=self._trust_pickle)

    @property
    def trusts_pickle(self) -> bool:
        """Whether the caller asked for pickled values to be unpickled."""
        return self._trust_pickle

    @property
    def commit_number(self) -> int:
        """Number of the commit this handle sees."""
        return self._commit.record.number

    @property
    def changes(self) -> int:
        """How many changes wait for `commit`."""
        return len(self._pending)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "writable" if self.writable else "readable"
        return f"<WorkingCopy {self.name} ({state}, commit {self.commit_number})>"

    # -- reading -----------------------------------------------------------------------------------------------------

    def row(self, key: str) -> Row | None:
        """Return the row of a key (of a deleted one too, if it waits to be pushed)."""
        return self.rows([key])[0]

    def rows(self, keys: Sequence[str], *, cold: bool = True) -> list[Row | None]:
        """Return the rows of keys, None where there is none; ``cold=False`` spares times and notes."""
        return self._rows(keys, cold=cold)

    def _rows(self, keys: Sequence[str], *, cold: bool) -> list[Row | None]:
        self._check_open()
        pending, table = self._layers()
        if not pending:
            return table.get_many(keys, cold=cold)
        # looked at once: another thread may write one of them meanwhile
        changed = {key: pending[key] for key in keys if key in pending}
        stored = iter(table.get_many([key for key in keys if key not in changed], cold=cold))
        return [changed[key] if key in changed else next(stored) for key in keys]

    def _layers(self) -> tuple[dict[str, Row | None], Table]:
        """Return what is pending, and the table below it: in this order no commit in between hides a change."""
        pending = self._pending
        return pending.rows, self._commit.table

    def get(self, key: str) -> bytes | None:
        """Return a stored value: payload and tail."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return stored values, None where there is none."""

        def read() -> list[bytes | None]:
            rows = self._rows(keys, cold=False)
            return [None if row is None or row.deleted else self._value(row) for row in rows]

        return self._steadily(read)

    def payload(self, key: str) -> bytes | None:
        """Return the payload of a value, without its tail."""

        def read() -> bytes | None:
            row = self._rows([key], cold=False)[0]
            return None if row is None or row.deleted else self.payload_of(row)

        return self._steadily(read)

    def payloads(self, keys: Sequence[str]) -> list[bytes | memoryview | None]:
        """Return the payloads of many values, without their tails, None where there is none.

        Neighbours are read together: a payload may be a read-only view of a few MiB that it shares with others.

        Raises
        ------
        CorruptValueError
            If a value is damaged; the message names its key.
        """

        def read() -> list[bytes | memoryview | None]:
            device = self._device
            pending, table = self._layers()
            numbers, there = table.columns(keys, pending)
            return read_payloads(device.pread, device.size(), keys, numbers, there, self._damaged)

        return self._steadily(read)

    def _steadily(self, read: Callable[[], T]) -> T:
        """Read, and anew when another thread compacted, refreshed, committed or rolled back meanwhile."""
        while True:
            self._check_open()
            commit, pending = self._commit, self._pending
            try:
                return read()
            except (CorruptValueError, OSError):
                with self._lock:
                    if commit is self._commit and pending is self._pending:
                        raise

    def columns(self, keys: Sequence[str]) -> tuple[Column, npt.NDArray[np.bool_]]:
        """Return what the table says about keys, as `Table.columns` does; changes of this handle count."""
        self._check_open()
        pending, table = self._layers()
        return table.columns(keys, pending)

    def payloads_at(self, keys: Sequence[str], numbers: Column) -> list[bytes | memoryview | None]:
        """Return the payloads at the places that `columns` gave for these keys."""
        self._check_open()
        device = self._device
        there = np.ones(len(keys), dtype=np.bool_)
        return read_payloads(device.pread, device.size(), keys, numbers, there, self._damaged)

    def payload_of(self, row: Row) -> bytes:
        """Return the payload that a row of this handle describes."""
        self._check_open()
        data = self._device.pread(row.length, row.offset)
        self._verify(row, data, data)
        return data

    def value_of(self, row: Row) -> bytes:
        """Return payload and tail that a row of this handle describes."""
        self._check_open()
        return self._value(row)

    def _value(self, row: Row) -> bytes:
        data = self._device.pread(row.length + row.tail, row.offset)
        self._verify(row, data, memoryview(data)[: row.length] if row.tail else data)
        return data

    def _verify(self, row: Row, data: bytes, payload: Buffer) -> None:
        if len(payload) != row.length or crc32c(row.key.encode(), payload) != row.crc:
            self._damaged(row.key, len(data) if len(payload) < row.length else None)

    def _damaged(self, key: str, left: int | None) -> NoReturn:
        self._check_open()
        cut = "" if left is None else f"; {left} bytes are left of it"
        raise CorruptValueError(
            f"{self.name}: the value of {key!r} is damaged (its checksum does not match{cut}); "
            "write or fetch it again, or copy what is whole with ebooklet.salvage"
        )

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys that begin with `prefix`, in the order of the table."""
        self._check_open()
        return self._table().keys(prefix)

    def totals(self, prefix: str = "") -> Totals:
        """Count the values whose keys begin with `prefix` and their bytes, without a look at each row."""
        self._check_open()
        return self._table().totals(prefix)

    @property
    def size(self) -> int:
        """Bytes of the file, or of the memory it takes."""
        return self._device.size()

    def room(self) -> tuple[int, int]:
        """Give the size of the file, and about what it would be if it were compacted; a look at each row."""
        header, pages = self._commit.header, self._commit.table.pages
        # what stands before a value, besides its key: that of a dead block is one byte longer
        prefix = len(dead_prefix(0, header.timestamp_bytes)) - 1
        live = HEADER_SIZE + header.buckets * POINTER_BYTES
        live += sum(len(key.encode()) + prefix for key in self.keys())
        live += sum(row.length + row.tail for row in self.iter_rows(cold=False) if not row.deleted)
        live += sum(entry.hot.length + entry.cold.length + 2 * (prefix + 1) for entry in pages)
        states = [self._commit.record.metadata, *self._commit.record.states.values()]
        live += sum(extent.length + prefix + 1 for extent in states if extent is not None)
        return self._device.size(), live

    def iter_rows(self, prefix: str = "", *, cold: bool = True) -> Iterator[Row]:
        """Iterate over rows, deleted ones that wait to be pushed included; ``cold=False`` spares times and notes."""
        self._check_open()
        return self._table().rows(prefix, cold=cold)

    def pending(self, *, cold: bool = True) -> Iterator[Row]:
        """Iterate over the rows that no remote knows: own edits, and deleted keys that a remote still has."""
        self._check_open()
        return self._table().pending(cold=cold)

    def _table(self) -> Table:
        with self._lock:
            rows = dict(self._pending.rows)
            table = self._commit.table
        removed = [key for key, row in rows.items() if row is None]
        return table.updated((row for row in rows.values() if row is not None), removed)

    def __len__(self) -> int:
        self._check_open()
        with self._lock:
            rows = dict(self._pending.rows)
            live, table = self._commit.record.live, self._commit.table
        before, there = table.columns(list(rows))
        lost = int((there & (before[:, DELETED] == 0)).sum())
        return live - lost + sum(row is not None and not row.deleted for row in rows.values())

    def __iter__(self) -> Iterator[str]:
        return self.keys()

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: str) -> bool:
        row = self._rows([key], cold=False)[0]
        return row is not None and not row.deleted

    # -- state and metadata ------------------------------------------------------------------------------------------

    def state(self, name: str) -> bytes | None:
        """Return a named blob kept beside the values."""
        self._check_open()
        pending = self._pending.states
        if name in pending:
            return pending[name]
        extent = self._commit.record.states.get(name)
        if extent is None:
            return None
        return read_extent(self._device.pread, extent, self._commit.committed, f"{self.name}: state {name!r}")

    def get_metadata(self) -> Any:
        """Return the JSON value of Booklet's metadata slot, None when there is none."""
        self._check_open()
        pending = self._pending.metadata
        if pending is not None:
            return json.loads(pending.data)
        extent = self._commit.record.metadata
        if extent is None:
            return None
        data = read_extent(self._device.pread, extent, self._commit.committed, f"{self.name}: the metadata block")
        try:
            return json.loads(data)
        except ValueError as error:
            raise CorruptFileError(f"{self.name}: the metadata are no JSON ({error})") from error

    @property
    def metadata_timestamp(self) -> int | None:
        """When the committed metadata were set (microseconds since the epoch), None without any."""
        return self._commit.record.metadata_timestamp if self._commit.record.metadata else None
