"""Is a file as its last commit left it, and if not: was it us, or a plain Booklet?

Only a process that holds the lock asks. Ours are: an uncommitted tail (it is cut off) and a commit that was marked but
not finished (it is applied again). Both are proven first: every changed piece equals what it was before or after the
commit, and no chain of the committed part leads beyond it. Everything else was a plain Booklet, and nothing is thrown
away.
"""

import contextlib
from dataclasses import dataclass

from ebooklet.errors import CorruptFileError
from ebooklet.format.booklet_chains import scan_chains
from ebooklet.format.booklet_layout import (
    DEAD,
    HEADER_SIZE,
    CommitPointer,
    Header,
    has_pointer,
    header_crc,
    parse_header,
    parse_pointer,
    walk_blocks,
    walk_data,
)
from ebooklet.local.commit_block import CommitBlock, Patch, read_commit_block
from ebooklet.local.device import Device, write_all

_SECTOR = 512


@dataclass(frozen=True, slots=True)
class Finding:
    """What a file turned out to be.

    Attributes
    ----------
    header : bytes
        The header as it will be after recovery.
    pointer : CommitPointer or None
        The newest commit of ours, None when the file never had one.
    apply : CommitBlock or None
        A commit that has to be finished.
    cut : int or None
        Length to which an uncommitted tail has to be cut.
    foreign : bool
        Whether a plain Booklet wrote after our last commit (or the file is a plain Booklet's).
    """

    header: bytes
    pointer: CommitPointer | None
    apply: CommitBlock | None = None
    cut: int | None = None
    foreign: bool = False

    @property
    def clean(self) -> bool:
        """Whether there is nothing to do."""
        return self.apply is None and self.cut is None and not self.foreign


def inspect(device: Device, name: str) -> Finding:
    """Find out what happened to a file; the caller holds the lock, shared at least."""
    raw = device.pread(HEADER_SIZE, 0)
    size = device.size()
    header = parse_header(raw, size, name)
    pointer = parse_pointer(raw)
    if pointer is None and has_pointer(raw):
        pointer = _pointer_of_last_block(device, header, size, name)
        return Finding(raw, pointer, foreign=True)
    if pointer is None or pointer.committed > size:
        return Finding(raw, pointer, foreign=True)
    marked, at_end = _mark_in_tail(device, header, pointer, size)
    if marked is not None:
        if at_end and _is_provable(device, marked):
            return Finding(marked.header, parse_pointer(marked.header), apply=marked)
        return Finding(raw, parse_pointer(marked.header), foreign=True)
    last = _last_block(device, header, pointer)
    ours = header_crc(raw) == pointer.header_crc and (last is None or _is_provable(device, last))
    tail = size > pointer.committed
    if not ours or (tail and scan_chains(device.pread, header, pointer.committed).faults):
        return Finding(raw, pointer, foreign=True)
    unfinished = last if last is not None and not _is_applied(device, last) else None
    return Finding(raw, pointer, apply=unfinished, cut=pointer.committed if tail else None)


def recover(device: Device, finding: Finding) -> None:
    """Finish a commit or cut off what never was one; may be interrupted and repeated at any point."""
    if finding.apply is not None:
        for patch in finding.apply.patches:
            if patch.offset:
                write_all(device, patch.offset, [patch.after])
        write_all(device, 0, [finding.apply.header])
        device.sync()
    if finding.cut is not None:
        device.truncate(finding.cut)
        device.sync()


def _mark_in_tail(device: Device, header: Header, pointer: CommitPointer, size: int) -> tuple[CommitBlock | None, bool]:
    """Look for the commit block after the last commit: walked block by block, never taken from inside a value."""
    with contextlib.suppress(CorruptFileError):  # a tail may end anywhere
        for block in walk_blocks(device.pread, pointer.committed, size, header.timestamp_bytes):
            if block.next:
                continue
            marked = read_commit_block(device.pread, block.end, header.uuid, header.timestamp_bytes)
            if marked is not None and marked.start == block.offset and marked.previous == pointer.committed:
                return marked, block.end == size
    return None, False


def _pointer_of_last_block(device: Device, header: Header, size: int, name: str) -> CommitPointer:
    """Find the newest commit of a file whose commit pointer is damaged."""
    found = None
    with contextlib.suppress(CorruptFileError):
        for block in walk_data(device.pread, header, size):
            if block.next == DEAD and block.key == b"\0":
                marked = read_commit_block(device.pread, block.end, header.uuid, header.timestamp_bytes)
                found = parse_pointer(marked.header) if marked and marked.start == block.offset else found
    if found is None:
        raise CorruptFileError(f"{name}: the commit pointer is damaged; ebooklet.salvage copies what is whole")
    return found


def _last_block(device: Device, header: Header, pointer: CommitPointer) -> CommitBlock | None:
    if not pointer.journal_length:
        return None
    return read_commit_block(device.pread, pointer.committed, header.uuid, header.timestamp_bytes)


def _pieces(patch: Patch) -> list[tuple[int, bytes, bytes]]:
    """Cut a patch where a write may tear: at sectors."""
    pieces = []
    start = 0
    while start < len(patch.after):
        stop = min(len(patch.after), start + _SECTOR - (patch.offset + start) % _SECTOR)
        pieces.append((patch.offset + start, patch.before[start:stop], patch.after[start:stop]))
        start = stop
    return pieces


def _is_provable(device: Device, block: CommitBlock) -> bool:
    return all(
        device.pread(len(after), offset) in (before, after)
        for patch in block.patches
        for offset, before, after in _pieces(patch)
    )


def _is_applied(device: Device, block: CommitBlock) -> bool:
    return all(device.pread(len(patch.after), patch.offset) == patch.after for patch in block.patches)
