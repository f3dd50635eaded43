"""What does the journal of one commit look like, inside the file itself?

A dead block, invisible to Booklet, at the end of the file: for every change below the committed length its place, the
bytes before and the bytes after, then a footer. A block that is whole and stands where it says *is* the commit.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ebooklet.format.booklet_layout import HEADER_SIZE, Read, dead_prefix
from ebooklet.format.checksum import digest

_PATCH = struct.Struct("<QI")
_FOOTER = struct.Struct("<4s16sQQQI")
_MAGIC = b"EBJ1"
_DIGEST = 16
FOOTER_BYTES = _FOOTER.size + _DIGEST


@dataclass(frozen=True, slots=True)
class Patch:
    """A change below the committed length."""

    offset: int
    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class CommitBlock:
    """Everything needed to finish a commit, or to prove that it was finished."""

    uuid: UUID
    previous: int
    start: int
    patches: tuple[Patch, ...]

    @property
    def header(self) -> bytes:
        """The header of the file after this commit."""
        return next(patch.after for patch in self.patches if patch.offset == 0)


def encoded_length(lengths: Sequence[int], timestamp_bytes: int) -> int:
    """Return how long the block of patches with these lengths will be."""
    body = sum(_PATCH.size + 2 * length for length in lengths)
    return len(dead_prefix(0, timestamp_bytes)) + body + FOOTER_BYTES


def encode_commit_block(block: CommitBlock, timestamp_bytes: int) -> bytes:
    """Return the bytes of the block, to be written at ``block.start``."""
    body = b"".join(
        part
        for patch in block.patches
        for part in (_PATCH.pack(patch.offset, len(patch.after)), patch.before, patch.after)
    )
    prefix = dead_prefix(len(body) + FOOTER_BYTES, timestamp_bytes)
    end = block.start + len(prefix) + len(body) + FOOTER_BYTES
    footer = _FOOTER.pack(_MAGIC, block.uuid.bytes, block.previous, block.start, end, len(block.patches))
    whole = prefix + body + footer
    return whole + digest(whole)


def read_commit_block(read: Read, end: int, uuid: UUID, timestamp_bytes: int) -> CommitBlock | None:
    """Return the commit block that ends at `end`, None when there is no whole one of this file."""
    if end < HEADER_SIZE + FOOTER_BYTES:
        return None
    footer = read(FOOTER_BYTES, end - FOOTER_BYTES)
    if len(footer) < FOOTER_BYTES:
        return None
    magic, owner, previous, start, stated_end, count = _FOOTER.unpack_from(footer)
    if magic != _MAGIC or owner != uuid.bytes or stated_end != end:
        return None
    if not HEADER_SIZE <= previous <= start < end - FOOTER_BYTES:
        return None
    whole = read(end - start, start)
    prefix = dead_prefix(len(whole) - len(dead_prefix(0, timestamp_bytes)), timestamp_bytes)
    if digest(whole[:-_DIGEST]) != whole[-_DIGEST:] or not whole.startswith(prefix):
        return None
    patches = _parse_patches(whole[len(prefix) : -FOOTER_BYTES], count, previous)
    if patches is None or not any(patch.offset == 0 and len(patch.after) == HEADER_SIZE for patch in patches):
        return None
    return CommitBlock(uuid=uuid, previous=previous, start=start, patches=patches)


def _parse_patches(body: bytes, count: int, limit: int) -> tuple[Patch, ...] | None:
    patches = []
    position = 0
    for _ in range(count):
        if position + _PATCH.size > len(body):
            return None
        offset, length = _PATCH.unpack_from(body, position)
        position += _PATCH.size
        if position + 2 * length > len(body) or offset + length > limit:
            return None
        patches.append(
            Patch(offset, body[position : position + length], body[position + length : position + 2 * length])
        )
        position += 2 * length
    return tuple(patches) if position == len(body) else None
