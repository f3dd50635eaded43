"""Which blocks can a Booklet find, and are its chains whole?

Chains are followed with bounds: pointers outside the data, blocks met twice and hashes that do not belong are recorded
as faults, never followed for ever.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ebooklet.format.booklet_layout import (
    CHAIN_END,
    DEAD,
    HEADER_SIZE,
    POINTER_BYTES,
    Block,
    Header,
    Read,
    block_at,
    bucket_of,
    key_hash,
)

_BUCKETS_PER_READ = 8192


@dataclass(slots=True)
class ChainScan:
    """What following every chain found."""

    blocks: list[Block] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def bucket_heads(read: Read, header: Header) -> Iterator[tuple[int, int]]:
    """Yield (bucket, offset of its first block) for every bucket that is not empty (an offset of 0 is damage)."""
    for first in range(0, header.buckets, _BUCKETS_PER_READ):
        count = min(_BUCKETS_PER_READ, header.buckets - first)
        data = read(count * POINTER_BYTES, header.index_offset + first * POINTER_BYTES)
        for number in range(len(data) // POINTER_BYTES):
            head = int.from_bytes(data[number * POINTER_BYTES : (number + 1) * POINTER_BYTES], "little")
            if head != CHAIN_END:
                yield first + number, head


def scan_chains(read: Read, header: Header, limit: int) -> ChainScan:
    """Follow every chain, within the first `limit` bytes of the file."""
    scan = ChainScan()
    seen: set[int] = set()
    for bucket, head in bucket_heads(read, header):
        offset = head
        while True:
            block = _step(read, header, limit, offset, bucket, seen, scan.faults)
            if block is None:
                break
            scan.blocks.append(block)
            if block.next == CHAIN_END:
                break
            offset = block.next
    return scan


def _step(
    read: Read, header: Header, limit: int, offset: int, bucket: int, seen: set[int], faults: list[str]
) -> Block | None:
    if offset < HEADER_SIZE:
        faults.append(f"bucket {bucket} points to {offset}")
        return None
    if offset in seen:
        faults.append(f"bucket {bucket} leads to the block at {offset} a second time")
        return None
    seen.add(offset)
    block = block_at(read, offset, limit, header.timestamp_bytes)
    if block is None:
        faults.append(f"bucket {bucket} points to {offset}, beyond the data")
        return None
    if block.next == DEAD:
        faults.append(f"bucket {bucket} leads to a deleted block at {offset}")
        return None
    if not block.is_sound or bucket_of(block.key_hash, header.buckets) != bucket:
        faults.append(f"bucket {bucket} leads to {offset}, which is no block of it")
        return None
    return block


def find_block(read: Read, header: Header, key: bytes, limit: int) -> Block | None:
    """Return the live block of one key, None when its chain does not lead to it."""
    hashed = key_hash(key)
    bucket = bucket_of(hashed, header.buckets)
    data = read(POINTER_BYTES, header.index_offset + bucket * POINTER_BYTES)
    offset = int.from_bytes(data, "little")
    seen: set[int] = set()
    while offset > CHAIN_END and offset not in seen:
        seen.add(offset)
        block = block_at(read, offset, limit, header.timestamp_bytes)
        if block is None or block.next == DEAD:
            return None
        if block.key_hash == hashed and block.key == key:
            return block
        offset = block.next
    return None
