"""How are the rows of a key table written down?

A page holds some hundred or thousand neighbouring rows, column by column. What a lookup needs is *hot*; times and notes
are *cold* and lie in a page of their own. Numbers that follow from their neighbours cost nothing: offsets are stored as
the difference from where the row before ends.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ebooklet.errors import CorruptFileError, UnsupportedFormatError
from ebooklet.format.checksum import Buffer, digest
from ebooklet.format.columns import (
    MAX_KEY_BYTES,
    Column,
    Reader,
    column,
    pack_bytes,
    pack_column,
    pack_keys,
    unpack_bytes,
    unpack_column,
    unpack_keys,
    unzigzag,
    zigzag,
)

MAX_PAGE_ROWS = 1 << 16
MAX_NOTE_BYTES = 1 << 20
_LARGEST = (1 << 63) - 1
_U32 = (1 << 32) - 1
_LIMITS = {"deleted": 1, "crc": _U32, "pack": _U32, "tail": _U32, "offset": _LARGEST, "length": _LARGEST}

_HEADER = struct.Struct("<3sBI")
_HOT, _COLD, _ROWS = b"EBH", b"EBC", b"EBR"
_VERSION = 1
_SIZES = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Row:
    """Where the value of a key stands, and what is known about it.

    Attributes
    ----------
    key : str
        The key.
    offset, length : int
        Place of the payload in its file or pack.
    crc : int
        CRC-32C over the key (UTF-8) and the payload.
    tail : int
        Bytes right after the payload that belong to the stored value too.
    pack : int
        Index into a snapshot's list of packs; 0 in a local file.
    timestamp : int
        Microseconds since the epoch.
    version : int
        Fingerprint of the remote row a local value equals; 0 = an own edit.
    deleted : bool
        Tombstone of a key that the remote still has.
    note : bytes
        Whatever the caller wants to know about the value without reading it.
    """

    key: str
    offset: int
    length: int
    crc: int
    tail: int = 0
    pack: int = 0
    timestamp: int = 0
    version: int = 0
    deleted: bool = False
    note: bytes = b""


def hot_numbers(row: Row) -> tuple[int, ...]:
    """Return what `HOT_NUMBERS` names of a row."""
    return row.offset, row.length, row.crc, row.tail, row.pack, row.version, row.deleted


@dataclass(frozen=True, slots=True)
class PageRef:
    """Where a page stands: in which object (or file), where, how long, and with which digest."""

    object: int
    offset: int
    length: int
    digest: bytes


NO_PAGE = PageRef(0, 0, 0, bytes(16))  # in place of a cold page: times and notes are kept elsewhere, or not at all


HOT_NUMBERS = ("offset", "length", "crc", "tail", "pack", "version", "deleted")  # columns of `HotPage.numbers`
OFFSET, LENGTH, CRC, TAIL, PACK, VERSION, DELETED = range(7)


@dataclass(frozen=True, slots=True, eq=False)
class HotPage:
    """The decoded columns of a page.

    Attributes
    ----------
    keys : list of str
        The keys in order.
    numbers : array of uint64, shape (rows, 7)
        What is known about each, by `HOT_NUMBERS`.
    """

    keys: list[str]
    numbers: Column

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "HotPage":
        """Make the page of rows."""
        values = zip(*map(hot_numbers, rows), strict=True) if rows else ((),) * len(HOT_NUMBERS)
        columns = [_column(name, found, len(rows)) for name, found in zip(HOT_NUMBERS, values, strict=True)]
        return cls([row.key for row in rows], np.stack(columns, axis=1))

    def replaced(self, places: Sequence[int], rows: Sequence[Row]) -> "HotPage":
        """Return the page with other rows of the same keys in some places."""
        numbers = self.numbers.copy()
        numbers[places] = HotPage.of(rows).numbers
        return HotPage(self.keys, numbers)

    @property
    def pending(self) -> int:
        """Number of rows that no remote knows."""
        return int(((self.numbers[:, VERSION] == 0) | (self.numbers[:, DELETED] != 0)).sum())

    def row(self, number: int, cold: "ColdPage | None" = None) -> Row:
        """Return one row, with time and note when the cold page is given."""
        offset, length, crc, tail, pack, version, deleted = self.numbers[number].tolist()
        timestamp, note = (cold.timestamps[number], cold.notes[number]) if cold is not None else (0, b"")
        return Row(self.keys[number], offset, length, crc, tail, pack, timestamp, version, deleted == 1, note)

    def rows(self, cold: "ColdPage | None" = None) -> list[Row]:
        """Return all rows in order."""
        times: Sequence[int] = cold.timestamps if cold is not None else [0] * len(self.keys)
        notes: Sequence[bytes] = cold.notes if cold is not None else [b""] * len(self.keys)
        return [
            Row(key, offset, length, crc, tail, pack, time, version, deleted == 1, note)
            for key, (offset, length, crc, tail, pack, version, deleted), time, note in zip(
                self.keys, self.numbers.tolist(), times, notes, strict=True
            )
        ]


@dataclass(frozen=True, slots=True)
class ColdPage:
    """Times and notes of the rows of a page."""

    timestamps: list[int]
    notes: list[bytes]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "ColdPage":
        """Make the page of rows."""
        for row in rows:
            if len(row.note) > MAX_NOTE_BYTES:
                raise ValueError(f"the note of {row.key!r} has {len(row.note)} bytes, more than {MAX_NOTE_BYTES}")
        return cls([row.timestamp for row in rows], [row.note for row in rows])

    def replaced(self, places: Sequence[int], rows: Sequence[Row]) -> "ColdPage":
        """Return the page with times and notes of other rows in some places."""
        new = ColdPage.of(rows)
        times, notes = list(self.timestamps), list(self.notes)
        for place, time, note in zip(places, new.timestamps, new.notes, strict=True):
            times[place], notes[place] = time, note
        return ColdPage(times, notes)


def encode_hot(page: HotPage) -> bytes:
    """Write hot columns."""
    count = len(page)
    keys = [key.encode() for key in page.keys]
    if any(len(key) > MAX_KEY_BYTES for key in keys):
        raise ValueError(f"the key {max(page.keys, key=len)[:40]!r}... is longer than {MAX_KEY_BYTES} bytes")
    numbers = {name: page.numbers[:, number] for number, name in enumerate(HOT_NUMBERS)}
    steps = _offset_steps(numbers["offset"], numbers, column(map(len, keys), count))
    return b"".join(
        [
            _HEADER.pack(_HOT, _VERSION, count),
            pack_keys(keys),
            *(pack_column(numbers[name]) for name in ("length", "tail", "pack")),
            pack_column(zigzag(steps)),
            *(pack_column(numbers[name]) for name in ("crc", "version", "deleted")),
        ]
    )


def decode_hot(data: Buffer) -> HotPage:
    """Read hot columns; raises `CorruptFileError` for anything `encode_hot` did not write."""
    reader = Reader(data)
    count = _read_header(reader, _HOT)
    raw_keys = unpack_keys(reader, count)
    numbers = {name: unpack_column(reader, count) for name in ("length", "tail", "pack")}
    steps = unzigzag(unpack_column(reader, count))
    numbers |= {name: unpack_column(reader, count) for name in ("crc", "version", "deleted")}
    reader.finish()
    numbers["offset"] = _offsets(steps, numbers, column(map(len, raw_keys), count))
    _check(numbers)
    try:
        keys = [key.decode() for key in raw_keys]
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"a key is no UTF-8 text: {error}") from error
    if len(set(keys)) != count:
        raise CorruptFileError("a key occurs twice in a page")
    return HotPage(keys, np.stack([numbers[name] for name in HOT_NUMBERS], axis=1))


def encode_cold(page: ColdPage) -> bytes:
    """Write times and notes."""
    count = len(page.notes)
    steps = np.diff(_column("timestamp", page.timestamps, count), prepend=np.uint64(0))
    return _HEADER.pack(_COLD, _VERSION, count) + pack_column(zigzag(steps)) + pack_bytes(page.notes)


def decode_cold(data: Buffer, count: int) -> ColdPage:
    """Read times and notes of a page of `count` rows."""
    reader = Reader(data)
    found = _read_header(reader, _COLD)
    if found != count:
        raise CorruptFileError(f"{found} times and notes for {count} rows")
    times = np.cumsum(unzigzag(unpack_column(reader, count)), dtype=np.uint64)
    notes = unpack_bytes(reader, count)
    reader.finish()
    if count and int(times.max()) > _LARGEST:
        raise CorruptFileError("a time lies outside of all ages")
    return ColdPage(times.tolist(), notes)


def encode_rows(rows: Iterable[Row], removed: Iterable[str] = ()) -> bytes:
    """Write rows and the keys of removed ones as one block, for journals and short lists of recent changes.

    Examples
    --------
    >>> rows, removed = decode_rows(encode_rows([Row("a", 0, 5, 7)], ["b"]))
    >>> rows[0].length, removed
    (5, ['b'])
    """
    kept = _blocks(list(rows))
    gone = _blocks([Row(key, 0, 0, 0) for key in removed])
    body = [part for blocks in (kept, gone) for rows in blocks for part in _block(rows)]
    data = _SIZES.pack(len(kept), len(gone)) + b"".join(body)
    return _HEADER.pack(_ROWS, _VERSION, 0) + digest(data) + data


def decode_rows(data: Buffer) -> tuple[list[Row], list[str]]:
    """Read what `encode_rows` wrote: rows, and the keys of removed ones."""
    reader = Reader(data)
    _read_header(reader, _ROWS)
    expected = bytes(reader.take(16))
    if digest(memoryview(data)[_HEADER.size + 16 :]) != expected:
        raise CorruptFileError("a list of rows is damaged: its digest does not match")
    kept, gone = reader.unpack(_SIZES)
    rows = [row for _ in range(kept) for row in _read_block(reader)]
    removed = [row.key for _ in range(gone) for row in _read_block(reader)]
    reader.finish()
    return rows, removed


def _blocks(rows: list[Row]) -> list[list[Row]]:
    return [rows[start : start + 4096] for start in range(0, len(rows), 4096)]


def _block(rows: Sequence[Row]) -> Iterable[bytes]:
    hot, cold = encode_hot(HotPage.of(rows)), encode_cold(ColdPage.of(rows))
    return _SIZES.pack(len(hot), len(cold)), hot, cold


def _read_block(reader: Reader) -> list[Row]:
    hot_size, cold_size = reader.unpack(_SIZES)
    page = decode_hot(reader.take(hot_size))
    return page.rows(decode_cold(reader.take(cold_size), len(page)))


def _read_header(reader: Reader, magic: bytes) -> int:
    found: tuple[Any, ...] = reader.unpack(_HEADER)
    if found[0] != magic:
        raise CorruptFileError(f"{bytes(found[0])!r} where {magic!r} should begin a block of the key table")
    if found[1] != _VERSION:
        raise UnsupportedFormatError(f"the key table has format {found[1]}, this release reads format {_VERSION}")
    if found[2] > MAX_PAGE_ROWS:
        raise CorruptFileError(f"a page announces {found[2]} rows, at most {MAX_PAGE_ROWS} are possible")
    return int(found[2])


def _column(name: str, values: Iterable[int], count: int) -> Column:
    try:
        return column(values, count)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"a row has a {name} outside of 0 ... 2^64: {error}") from error


def _offset_steps(offsets: Column, numbers: dict[str, Column], key_lengths: Column) -> Column:
    """Differences of the offsets from where the row before ends, row by row of each pack."""
    order = np.argsort(numbers["pack"], kind="stable")
    predicted = offsets[order] - key_lengths[order]
    ends = offsets[order] + numbers["length"][order] + numbers["tail"][order]
    predicted[1:] -= ends[:-1]
    return predicted


def _offsets(steps: Column, numbers: dict[str, Column], key_lengths: Column) -> Column:
    order = np.argsort(numbers["pack"], kind="stable")
    sizes = numbers["length"][order] + numbers["tail"][order]
    steps = steps + key_lengths[order]
    steps[1:] += sizes[:-1]
    offsets = np.empty_like(steps)
    offsets[order] = np.cumsum(steps, dtype=np.uint64)
    return offsets


def _check(numbers: dict[str, Column]) -> None:
    for name, limit in _LIMITS.items():
        if len(numbers[name]) and int(numbers[name].max()) > limit:
            raise CorruptFileError(f"a row has {name} {int(numbers[name].max())}, at most {limit} is possible")
