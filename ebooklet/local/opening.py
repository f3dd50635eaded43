"""How is a local file found, locked, checked and, where a crash or a plain Booklet left something, put in order?"""

import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

from ebooklet.errors import CorruptFileError, LockUnavailableError, UnsupportedFormatError, UntrustedFileError
from ebooklet.format.booklet_chains import find_block
from ebooklet.format.booklet_layout import (
    HEADER_SIZE,
    KEYS_AT,
    METADATA_KEY,
    RESERVED_KEYS,
    STR_CODE,
    Header,
    has_pointer,
    header_crc,
    parse_header,
    parse_pointer,
)
from ebooklet.format.checksum import crc32c
from ebooklet.local.building import Builder, Reserved, new_file, publish, remove_leftovers
from ebooklet.local.committing import now, write_commit
from ebooklet.local.device import Device, FileDevice, Files, MemoryDevice
from ebooklet.local.growth import buckets_for
from ebooklet.local.lock import is_current, leave_note, try_lock, unlock, wait_for_lock
from ebooklet.local.record import Commit, check_writable, load_commit, read_extent
from ebooklet.local.recovery import inspect, recover
from ebooklet.local.reindex import Reindexed, reindex
from ebooklet.local.serializers import NAMES, PICKLES, code_of, name_of
from ebooklet.local.transaction import Transaction

_TORN_READS = 200
_TORN_WAIT = 0.001


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is and how it is to be used."""

    path: Path
    files: Files
    locking: bool = True
    timeout: float = 300.0


@dataclass(frozen=True, slots=True)
class Template:
    """What a new file is made with."""

    serializer: str = "bytes"
    keys: int = 0
    uuid: UUID | None = None

    def header(self) -> Header:
        """Return the header of a new file."""
        return Header(
            uuid=self.uuid or uuid4(),
            version=5,
            buckets=buckets_for(self.keys),
            value_code=code_of(self.serializer),
            key_code=STR_CODE,
            keys=0,
            has_timestamps=True,
            file_timestamp=now(),
            index_offset=HEADER_SIZE,
            data_start=HEADER_SIZE,
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A file, ready for use."""

    device: Device
    commit: Commit
    transaction: Transaction | None = None


def real_path(path: str | os.PathLike[str]) -> Path:
    """Return the path behind symbolic links; only POSIX systems are supported."""
    if sys.platform == "win32":
        raise LockUnavailableError(
            errno.ENOSYS, "local files are not supported on Windows yet; use WSL, or cache=None to work in memory", path
        )
    return Path(os.path.realpath(path))


def check_header(header: Header, name: str) -> None:
    """Refuse what would have to be executed, or is not keyed by strings."""
    name_of(header.value_code, name)
    if header.key_code != STR_CODE:
        key_type = NAMES[header.key_code - 1] or "bytes" if header.key_code else "custom"
        if header.key_code == 0 or key_type in PICKLES:
            raise UntrustedFileError(f"{name}: keys were written as {key_type}; only 'str' keys are read")
        raise UnsupportedFormatError(
            f"{name}: keys are of type {key_type!r}; copy them to a Booklet with key_serializer='str'"
        )


# -- readers ---------------------------------------------------------------------------------------------------------


def open_reader(place: Place) -> Opened:
    """Open a file to read its newest commit: no lock is kept, nothing is written."""
    device = place.files.open(place.path, writable=False)
    try:
        return Opened(device, read_newest(device, place))
    except BaseException:
        device.close()
        raise


def read_newest(device: FileDevice, place: Place) -> Commit:
    """Return the newest commit of an open file."""
    name = str(place.path)
    raw = _stable_header(device)
    size = device.size()
    _check_not_empty(size, name)
    header = parse_header(raw, size, name)
    check_header(header, name)
    pointer = parse_pointer(raw)
    agrees = pointer is not None and header_crc(raw) == pointer.header_crc
    if pointer is not None and agrees and pointer.committed == size:
        return load_commit(device.pread, header, pointer, name)
    if not place.locking:
        if pointer is not None and pointer.committed <= size:
            return load_commit(device.pread, header, pointer, name)
        return _read_under_lock(device, name)
    if not try_lock(device, shared=True):
        if pointer is not None and pointer.committed <= size:
            with contextlib.suppress(CorruptFileError):
                return load_commit(device.pread, header, pointer, name)
        wait_for_lock(device, place.path, time.monotonic() + place.timeout, place.timeout, shared=True)
    try:
        return _read_under_lock(device, name)
    finally:
        unlock(device)


def _stable_header(device: Device) -> bytes:
    """Read the header; one that is being written right now is read again."""
    raw = device.pread(HEADER_SIZE, 0)
    for _ in range(_TORN_READS):
        pointer = parse_pointer(raw)
        if not has_pointer(raw) or (pointer is not None and header_crc(raw) == pointer.header_crc):
            break
        before, raw = raw, device.pread(HEADER_SIZE, 0)
        if before == raw:
            break  # not torn: damaged, or changed by a plain Booklet
        time.sleep(_TORN_WAIT)
    return raw


def _read_under_lock(device: Device, name: str) -> Commit:
    finding = inspect(device, name)
    size = device.size()
    header = parse_header(finding.header, size, name)
    if finding.foreign or finding.pointer is None:
        return reindex(device.pread, header, size, finding.pointer, name).commit
    return load_commit(device.pread, header, finding.pointer, name)


def _check_not_empty(size: int, name: str) -> None:
    if not size:
        raise FileNotFoundError(errno.ENOENT, "the file is empty; flag 'c' or 'n' creates a database in it", name)


# -- writers ---------------------------------------------------------------------------------------------------------


def open_writer(place: Place, flag: str, template: Template) -> Opened:
    """Open a file for writing, or create it; the exclusive lock is held until the device is closed."""
    deadline = time.monotonic() + place.timeout
    while True:
        try:
            device = place.files.open(place.path, writable=True)
        except FileNotFoundError:
            if flag == "w":
                raise
            try:
                return _create(place, template, replacing=None)
            except FileExistsError:
                continue  # somebody else was faster
        try:
            if place.locking:
                wait_for_lock(device, place.path, deadline, place.timeout)
            if not is_current(device, place.path):
                device.close()
                continue
            opened = _open_locked(place, device, flag, template)
            if place.locking:
                leave_note(place.path)
            return opened
        except BaseException:
            device.close()
            raise


def _open_locked(place: Place, device: FileDevice, flag: str, template: Template) -> Opened:
    remove_leftovers(place.files, place.path)
    if flag == "n" or (flag == "c" and not device.size()):
        opened = _create(place, template, replacing=device)
        device.close()
        return opened
    name = str(place.path)
    _check_not_empty(device.size(), name)
    finding = inspect(device, name)
    check_header(parse_header(finding.header, device.size(), name), name)
    if finding.foreign or finding.pointer is None:
        size = device.size()
        found = reindex(device.pread, parse_header(finding.header, size, name), size, finding.pointer, name)
        check_writable(found.commit.record, name)
        return _adopt(device, found) if found.whole else _rewrite(place, device, found.commit)
    header = parse_header(finding.header, device.size(), name)
    commit = load_commit(device.pread, header, finding.pointer, name)
    check_writable(commit.record, name)
    recover(device, finding)
    return Opened(device, commit, transaction_on(device, commit))


def transaction_on(device: Device, commit: Commit) -> Transaction:
    """Begin a transaction after a commit."""
    return Transaction(device, commit.committed, commit.header.uuid, commit.header.timestamp_bytes)


def _adopt(device: FileDevice, found: Reindexed) -> Opened:
    """Give a file that a plain Booklet left whole a commit of ours."""
    commit = found.commit
    transaction = transaction_on(device, commit)
    if commit.header.keys != commit.record.live:
        transaction.write_at(KEYS_AT, commit.record.live.to_bytes(4, "little"))
    header = replace(commit.header, keys=commit.record.live)
    record = replace(commit.record, number=commit.record.number + 1)
    try:
        written = write_commit(transaction, header, commit.table, record)
    except BaseException:
        transaction.rollback()
        raise
    return Opened(device, written, transaction)


def _rewrite(place: Place, device: FileDevice, commit: Commit) -> Opened:
    """Write a file anew whose chains are broken, and let it take the path."""
    with new_file(place.files, place.path, locking=place.locking) as fresh:
        copy_commit(device, commit, fresh, str(place.path))
        publish(place.files, fresh, place.path, replacing=True)
    device.close()
    return _ready(fresh, place)


def _create(place: Place, template: Template, replacing: FileDevice | None) -> Opened:
    number = 1
    if replacing is not None:
        pointer = parse_pointer(replacing.pread(HEADER_SIZE, 0))
        number = pointer.commit + 1 if pointer else 1
    with new_file(place.files, place.path, locking=place.locking) as fresh:
        Builder(fresh, template.header()).finish(number, {})
        publish(place.files, fresh, place.path, replacing=replacing is not None)
    if place.locking:
        leave_note(place.path)
    return _ready(fresh, place)


def _ready(device: Device, place: Place) -> Opened:
    commit = pinned(device, str(place.path))
    return Opened(device, commit, transaction_on(device, commit))


def open_memory(template: Template) -> Opened:
    """Make a database in memory."""
    device = MemoryDevice()
    Builder(device, template.header()).finish(1, {})
    commit = pinned(device, device.name)
    return Opened(device, commit, transaction_on(device, commit))


def pinned(device: Device, name: str) -> Commit:
    """Return the commit of a file that was just written whole."""
    raw = device.pread(HEADER_SIZE, 0)
    pointer = parse_pointer(raw)
    assert pointer is not None, f"{name} has no commit"
    return load_commit(device.pread, parse_header(raw, device.size(), name), pointer, name)


# -- copies ----------------------------------------------------------------------------------------------------------


def copy_commit(
    source: Device, commit: Commit, target: Device, name: str, *, damaged: Callable[[str], None] | None = None
) -> None:
    """Write everything a commit holds into an empty file, every value verified.

    Parameters
    ----------
    damaged
        Called with the key of a value that fails its checksum, which is then left out; without it that is an error.
    """
    builder = Builder(target, replace(commit.header, buckets=buckets_for(commit.record.live)))
    for row in commit.table.rows():
        if row.deleted:
            builder.add_tombstone(row)
            continue
        value = source.pread(row.length + row.tail, row.offset)
        if len(value) == row.length + row.tail and crc32c(row.key.encode(), value[: row.length]) == row.crc:
            builder.add(row, value)
        elif damaged is None:
            raise CorruptFileError(f"{name}: the value of {row.key!r} is damaged; ebooklet.salvage copies the rest")
        else:
            damaged(row.key)
    states = {
        state: read_extent(source.pread, extent, source.size(), f"{name}: state {state!r}")
        for state, extent in commit.record.states.items()
    }
    slots = {slot.key: slot for slot in reserved_slots(source, commit.header)}
    slots.pop(METADATA_KEY, None)
    if commit.record.metadata is not None:
        value = read_extent(source.pread, commit.record.metadata, source.size(), f"{name}: the metadata block")
        slots[METADATA_KEY] = Reserved(METADATA_KEY, value, commit.record.metadata_timestamp)
    builder.finish(commit.record.number + 1, states, slots.values())


def reserved_slots(source: Device, header: Header) -> Iterator[Reserved]:
    """Yield what stands in Booklet's reserved slots."""
    for key in RESERVED_KEYS:
        block = find_block(source.pread, header, key, source.size())
        if block is not None:
            yield Reserved(key, source.pread(block.value_length, block.value_offset), block.timestamp)
