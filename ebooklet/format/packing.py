"""How are values packed into one object, and found again when everything else is lost?

A pack is a header, entries (a header of their own, key, payload, tail), times and notes of these entries, in the last
pack of a push also pages of the key table and the snapshot, and a footer. Reading the entries from front to back gives
all rows.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

import numpy as np

from ebooklet.errors import CorruptFileError, FileFormatError
from ebooklet.format.checksum import Buffer, crc32c, digest, fingerprint
from ebooklet.format.columns import MAX_KEY_BYTES, Column, Reader, column, pack_column, unpack_column, unzigzag, zigzag
from ebooklet.format.pages import MAX_PAGE_ROWS, ColdPage, Row, decode_cold, encode_cold

_HEADER = struct.Struct("<8s16s16sI")
_ENTRY = struct.Struct("<2sHIQQII")
_FOOTER = struct.Struct("<8sQQQQ16sI")
_COLD = struct.Struct("<3sBI")
_MAGIC, _END, _MARK, _COLD_MAGIC = b"EBPACK\x01\n", b"EBPEND\x01\n", b"\xebE", b"EBN"

HEADER_SIZE = _HEADER.size
FOOTER_SIZE = _FOOTER.size
MAX_TAIL = 0xFFFFFFFF
# the mixing of SplitMix64: places next to each other get fingerprints that have nothing in common
_U64 = (1 << 64) - 1
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIXING = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))


def version_of(pack_name: bytes, offset: int) -> int:
    """Return the fingerprint of a place in the remote: what a local copy of the value there carries as its version."""
    mixed = (fingerprint(pack_name) + offset * int(_STEP)) & _U64
    for shift, factor in _MIXING:
        mixed = ((mixed ^ (mixed >> int(shift))) * int(factor)) & _U64
    return (mixed ^ (mixed >> 31)) or 1


def versions_of(packs: Column, offsets: Column) -> Column:
    """Return the fingerprints of many places, which are never zero.

    Parameters
    ----------
    packs : array of uint64
        Fingerprints of the packs' names.
    offsets : array of uint64
        Offsets in them.
    """
    mixed: Column = packs + offsets * _STEP
    for shift, factor in _MIXING:
        mixed = (mixed ^ (mixed >> shift)) * factor
    mixed ^= mixed >> np.uint64(31)
    mixed[mixed == 0] = 1
    return mixed


@dataclass(frozen=True, slots=True)
class Layout:
    """A pack that is laid out but not yet written.

    Attributes
    ----------
    rows : tuple of Row
        Where each value will stand.
    end : int
        Where the entries end.
    cold : bytes
        Times and notes; they begin at `end`.
    """

    rows: tuple[Row, ...]
    end: int
    cold: bytes

    @property
    def size(self) -> int:
        """Where values, times and notes end, and a tail may begin."""
        return self.end + len(self.cold)


def entry_size(row: Row) -> int:
    """Return how many bytes the entry of a row takes in a pack."""
    return _ENTRY.size + len(row.key.encode()) + row.length + row.tail


def lay_out(rows: Iterable[Row], pack: int) -> Layout:
    """Give every value its place in a pack, in the order of `rows`.

    Examples
    --------
    >>> layout = lay_out([Row("a", 0, 100, 7), Row("b", 0, 50, 8)], pack=3)
    >>> [(row.pack, row.offset) for row in layout.rows], layout.end
    ([(3, 77), (3, 210)], 260)
    """
    placed = []
    position = HEADER_SIZE
    for row in rows:
        offset = position + _ENTRY.size + len(row.key.encode())
        placed.append(Row(row.key, offset, row.length, row.crc, row.tail, pack, row.timestamp, note=row.note))
        position = offset + row.length + row.tail
    return Layout(tuple(placed), position, encode_times_and_notes(placed))


def pack_parts(
    uuid: UUID,
    name: bytes,
    layout: Layout,
    read: Callable[[Sequence[Row]], Iterable[Buffer]],
    tail: Sequence[bytes] = (),
    snapshot: tuple[int, int] = (0, 0),
) -> Iterator[Buffer]:
    """Give the bytes of a pack in parts; values are passed on, not copied.

    Parameters
    ----------
    uuid, name
        The database, and the object.
    layout : Layout
        What stands in it.
    read : callable
        Gives payload and tail of each row, in order.
    tail : sequence of bytes
        What follows times and notes.
    snapshot : (int, int)
        Offset and length of the snapshot in the pack.
    """
    yield _header(uuid, name)
    for row, value in zip(layout.rows, read(layout.rows), strict=True):
        if len(value) != row.length + row.tail or crc32c(row.key.encode(), memoryview(value)[: row.length]) != row.crc:
            raise CorruptFileError(f"the value of {row.key!r} changed while it was packed, or is damaged")
        yield _entry(row)
        yield value
    yield layout.cold
    yield from tail
    check = digest(b"".join([layout.cold, *tail]))
    body = _FOOTER.pack(_END, len(layout.rows), layout.end, *snapshot, check, 0)[:-4]
    yield body + struct.pack("<I", crc32c(body))


def scan_pack(data: Buffer) -> Iterator[Row]:
    """Find all values of a pack by reading it from front to back, without its tail; notes are lost.

    Raises
    ------
    CorruptFileError
        If it is no pack, or where an entry is damaged; the rows before it have been given.
    """
    view = memoryview(data)
    check_header(view)
    position = HEADER_SIZE
    while bytes(view[position : position + 2]) == _MARK:
        row = _scan_entry(view, position)
        yield row
        position = row.offset + row.length + row.tail


def check_header(data: Buffer) -> tuple[UUID, bytes]:
    """Return database and name of a pack from its first bytes."""
    if len(data) < HEADER_SIZE:
        raise CorruptFileError(f"a pack of {len(data)} bytes is too short")
    magic, uuid, name, check = _HEADER.unpack_from(data)
    if magic != _MAGIC or crc32c(bytes(data[: HEADER_SIZE - 4])) != check:
        raise CorruptFileError("an object is no pack: its header is damaged or another's")
    return UUID(bytes=uuid), name


@dataclass(frozen=True, slots=True)
class EntryHead:
    """What the header of an entry says about key and value that follow it.

    Attributes
    ----------
    key_size, length, tail : int
        Bytes of key, payload and tail.
    timestamp : int
        Microseconds since the epoch.
    crc : int
        CRC-32C of key and payload.
    checksum : int
        CRC-32C of header and key.
    """

    SIZE: ClassVar[int] = _ENTRY.size

    key_size: int
    length: int
    tail: int
    timestamp: int
    crc: int
    checksum: int

    def check(self, head: bytes, key: bytes, position: int) -> None:
        """Raise `CorruptFileError` unless this and the key are as they were written."""
        if crc32c(head[:-4], key) != self.checksum:
            raise CorruptFileError(f"the entry at {position} of a pack is damaged")


def entry_head(data: Buffer) -> EntryHead:
    """Read the header of an entry from its first bytes; it is to be checked with the key."""
    _, key_size, tail, length, timestamp, crc, checksum = _ENTRY.unpack_from(data)
    return EntryHead(key_size, length, tail, timestamp, crc, checksum)


def starts_entry(data: Buffer) -> bool:
    """Tell from two bytes whether an entry begins there."""
    return bytes(data[:2]) == _MARK


def read_footer(data: Buffer) -> tuple[int, int, tuple[int, int], bytes]:
    """Return what the footer of a pack says: number of entries, where they end, place of the snapshot, digest.

    Raises
    ------
    CorruptFileError
        If it is damaged.
    """
    if len(data) != FOOTER_SIZE:
        raise CorruptFileError(f"a footer has {FOOTER_SIZE} bytes, not {len(data)}")
    magic, entries, end, offset, length, check, checksum = _FOOTER.unpack_from(data)
    if magic != _END or crc32c(bytes(data[:-4])) != checksum:
        raise CorruptFileError("a pack is cut short, or its footer is damaged")
    return entries, end, (offset, length), check


def encode_times_and_notes(rows: Sequence[Row]) -> bytes:
    """Write times and notes of the rows of a pack, by offset."""
    blocks = []
    for start in range(0, len(rows), MAX_PAGE_ROWS):
        some = rows[start : start + MAX_PAGE_ROWS]
        offsets = column((row.offset for row in some), len(some))
        steps = pack_column(zigzag(np.diff(offsets, prepend=np.uint64(0))))
        cold = encode_cold(ColdPage.of(some))
        blocks.append(_COLD.pack(_COLD_MAGIC, 1, len(some)) + struct.pack("<II", len(steps), len(cold)) + steps + cold)
    return b"".join(blocks)


def leading_times_and_notes(data: Buffer) -> bytes:
    """Return the times and notes that `data` begins with, whatever follows them; nothing if they are damaged."""
    position = 0
    while bytes(data[position : position + 3]) == _COLD_MAGIC and len(data) >= position + _COLD.size + 8:
        steps, cold = struct.unpack_from("<II", data, position + _COLD.size)
        position += _COLD.size + 8 + steps + cold
    found = bytes(data[:position])
    try:
        decode_times_and_notes(found)
    except (FileFormatError, ValueError):
        return b""
    return found if position <= len(data) else b""


def decode_times_and_notes(data: Buffer) -> dict[int, tuple[int, bytes]]:
    """Read times and notes of a pack by offset."""
    reader = Reader(data)
    found: dict[int, tuple[int, bytes]] = {}
    while reader.left:
        magic, number, count = _COLD.unpack(reader.take(_COLD.size))
        if magic != _COLD_MAGIC or number != 1 or count > MAX_PAGE_ROWS:
            raise CorruptFileError("the notes of a pack are damaged")
        sizes = reader.take(8)
        steps_size, cold_size = struct.unpack("<II", sizes)
        steps = Reader(reader.take(steps_size))
        offsets = np.cumsum(unzigzag(unpack_column(steps, count)), dtype=np.uint64).tolist()
        steps.finish()
        cold = decode_cold(reader.take(cold_size), count)
        found.update(zip(offsets, zip(cold.timestamps, cold.notes, strict=True), strict=True))
    return found


def _header(uuid: UUID, name: bytes) -> bytes:
    body = _HEADER.pack(_MAGIC, uuid.bytes, name, 0)[:-4]
    return body + struct.pack("<I", crc32c(body))


def _entry(row: Row) -> bytes:
    key = row.key.encode()
    if len(key) > MAX_KEY_BYTES or row.tail > MAX_TAIL:
        raise ValueError(f"the key {row.key[:40]!r}... is longer than {MAX_KEY_BYTES} bytes")
    head = _ENTRY.pack(_MARK, len(key), row.tail, row.length, row.timestamp, row.crc, 0)[:-4]
    return head + struct.pack("<I", crc32c(head, key)) + key


def _scan_entry(view: memoryview, position: int) -> Row:
    if len(view) - position < _ENTRY.size:
        raise CorruptFileError(f"a pack ends within the entry at {position}")
    _, key_size, tail, length, timestamp, crc, check = _ENTRY.unpack_from(view, position)
    offset = position + _ENTRY.size + key_size
    key = bytes(view[position + _ENTRY.size : offset])
    if crc32c(bytes(view[position : position + _ENTRY.size - 4]), key) != check:
        raise CorruptFileError(f"the entry at {position} of a pack is damaged")
    payload = view[offset : offset + length]
    if len(view) < offset + length + tail or crc32c(key, payload) != crc:
        raise CorruptFileError(f"the value at {offset} of a pack is damaged")
    try:
        return Row(key.decode(), offset, length, crc, tail, 0, timestamp)
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"a key at {position} of a pack is no UTF-8 text") from error
