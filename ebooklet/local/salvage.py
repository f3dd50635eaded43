"""What can be saved from a damaged local file?"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ebooklet.errors import CorruptFileError, FileFormatError
from ebooklet.format.booklet_layout import (
    BLOCK_HEADER,
    DEAD,
    HEADER_SIZE,
    METADATA_KEY,
    RESERVED_KEYS,
    Block,
    Header,
    block_at,
    parse_header,
)
from ebooklet.format.checksum import crc32c
from ebooklet.format.table import Row
from ebooklet.local.building import Builder, Reserved, new_file, publish
from ebooklet.local.device import Device, Files
from ebooklet.local.growth import buckets_for
from ebooklet.local.opening import Place, Template, check_header, open_reader, real_path, reserved_slots
from ebooklet.local.record import Commit, Extent, read_extent

_SEARCH_WINDOW = 1 << 16
_LONGEST_KEY = 1024


@dataclass(frozen=True, slots=True)
class SalvageReport:
    """What was saved.

    Attributes
    ----------
    target : Path
        The new file.
    verified, unverified : int
        How many values were copied whose checksum matched, and how many that had none any more.
    lost : tuple of str
        Keys whose values are damaged.
    """

    target: Path
    verified: int
    unverified: int
    lost: tuple[str, ...]


def salvage(path: str | os.PathLike[str], target: str | os.PathLike[str]) -> SalvageReport:
    """Copy what is whole in a damaged file into a new one.

    Parameters
    ----------
    path
        The damaged file; it is not changed.
    target
        Path of the new file, which must not exist.

    Raises
    ------
    FileExistsError
        If there is something at `target`.
    """
    files = Files()
    source = files.open(real_path(path), writable=False)
    goal = real_path(target)
    try:
        header, commit = _what_is_left(source, Place(real_path(path), files))
        with new_file(files, goal, locking=False) as fresh:
            report = _copy(source, header, commit, fresh, goal)
            publish(files, fresh, goal, replacing=False)
        fresh.close()
    finally:
        source.close()
    return report


def _what_is_left(source: Device, place: Place) -> tuple[Header, Commit | None]:
    try:
        opened = open_reader(place)
        opened.device.close()
        return opened.commit.header, opened.commit
    except FileFormatError:
        pass
    try:
        header = parse_header(source.pread(HEADER_SIZE, 0), source.size(), str(place.path))
        check_header(header, str(place.path))
    except FileFormatError:
        header = Template().header()
    return header, None


def _copy(source: Device, header: Header, commit: Commit | None, fresh: Device, target: Path) -> SalvageReport:
    rows, pages_lost = _readable_rows(source, commit)
    lost = [row.key for row in rows.values() if not row.deleted and not matches(row, _stored(source, row))]
    scanned: dict[str, Block] = {}
    reserved: dict[bytes, Reserved] = {}
    if commit is None or pages_lost:
        scanned = _scanned(source, header, reserved)
    else:
        reserved = {slot.key: slot for slot in reserved_slots(source, header)}
        reserved.pop(METADATA_KEY, None)
        if (value := _state(source, commit.record.metadata)) is not None:
            reserved[METADATA_KEY] = Reserved(METADATA_KEY, value, commit.record.metadata_timestamp)
    unknown = {key: block for key, block in scanned.items() if key not in rows}
    builder = Builder(fresh, replace(header, buckets=buckets_for(len(rows) + len(unknown))))
    for row in rows.values():
        if row.deleted:
            builder.add_tombstone(row)
        elif row.key not in lost:
            builder.add(row, _stored(source, row))
    for key, block in unknown.items():
        value = source.pread(block.value_length, block.value_offset)
        builder.add(Row(key, 0, len(value), crc32c(block.key, value), timestamp=block.timestamp), value)
    builder.finish(commit.record.number + 1 if commit else 1, _states(source, commit), reserved.values())
    verified = sum(not row.deleted for row in rows.values()) - len(lost)
    return SalvageReport(target, verified, len(unknown), tuple(lost))


def _stored(source: Device, row: Row) -> bytes:
    return source.pread(row.length + row.tail, row.offset)


def _states(source: Device, commit: Commit | None) -> dict[str, bytes]:
    extents = commit.record.states if commit else {}
    found = {name: _state(source, extent) for name, extent in extents.items()}
    return {name: data for name, data in found.items() if data is not None}


def _state(source: Device, extent: Extent | None) -> bytes | None:
    try:
        return None if extent is None else read_extent(source.pread, extent, source.size(), "a state blob")
    except CorruptFileError:
        return None


def _readable_rows(source: Device, commit: Commit | None) -> tuple[dict[str, Row], bool]:
    """Return the rows of whole pages, and whether there are others."""
    rows: dict[str, Row] = {}
    if commit is None:
        return rows, True
    table = commit.table
    damaged = False
    for number in range(len(table.pages)):
        try:
            rows.update((row.key, row) for row in table.with_reader(_reader(source)).rows_of_page(number))
        except CorruptFileError:
            damaged = True
    for key, change in table.overlay().items():
        if change is None:
            rows.pop(key, None)
        else:
            rows[key] = change
    return rows, damaged


def _reader(source: Device) -> Callable[..., bytes]:
    return lambda ref: source.pread(ref.length, ref.offset)


def _scanned(source: Device, header: Header, reserved: dict[bytes, Reserved]) -> dict[str, Block]:
    """Find live blocks without any index; the last one of a key counts."""
    found: dict[str, Block] = {}
    for block in _plausible_blocks(source, header.timestamp_bytes):
        if block.next == DEAD or not block.is_sound:
            continue
        if block.key in RESERVED_KEYS:
            value = source.pread(block.value_length, block.value_offset)
            reserved[block.key] = Reserved(block.key, value, block.timestamp)
            continue
        try:
            found[block.key.decode()] = block
        except UnicodeDecodeError:
            continue
    return found


def _plausible_blocks(source: Device, timestamp_bytes: int) -> Iterator[Block]:
    """Walk from block to block; after damage, search for the next one byte by byte."""
    size = source.size()
    offset = HEADER_SIZE
    while offset < size:
        block = _plausible(source, offset, size, timestamp_bytes)
        if block is None:
            offset = _next_candidate(source, offset + 1, size, timestamp_bytes)
        else:
            yield block
            offset = block.end


def _plausible(source: Device, offset: int, size: int, timestamp_bytes: int) -> Block | None:
    block = block_at(source.pread, offset, size, timestamp_bytes)
    ours = block is not None and block.next == DEAD and block.key == b"\0" and not any(block.key_hash)
    return block if block is not None and (ours or block.is_sound) else None


def _next_candidate(source: Device, start: int, size: int, timestamp_bytes: int) -> int:
    """Return the offset of the next plausible block, the size of the file when there is none."""
    offset = start
    while offset < size - BLOCK_HEADER:
        window = source.pread(_SEARCH_WINDOW + BLOCK_HEADER, offset)
        for inside in range(min(_SEARCH_WINDOW, len(window) - BLOCK_HEADER)):
            key_length = int.from_bytes(window[inside + 19 : inside + 21], "little")
            if 0 < key_length <= _LONGEST_KEY and _plausible(source, offset + inside, size, timestamp_bytes):
                return offset + inside
        offset += _SEARCH_WINDOW
    return size


def matches(row: Row, data: bytes) -> bool:
    """Whether a stored value is the one its row describes."""
    return len(data) == row.length + row.tail and crc32c(row.key.encode(), data[: row.length]) == row.crc
