"""How do appended and deleted blocks enter Booklet's chains?

As Booklet itself would do it, byte for byte (contract tests compare), but many at once: buckets are read and written in
runs, and each chain is followed once. Nothing is written before everything was found.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ebooklet.errors import CorruptFileError
from ebooklet.format.booklet_layout import (
    CHAIN_END,
    DEAD,
    HASH_BYTES,
    HEADER_SIZE,
    KEYS_AT,
    NEXT_AT,
    POINTER_BYTES,
    RESERVED_KEYS,
    Header,
    bucket_of,
    key_hash,
)
from ebooklet.format.columns import Column
from ebooklet.local.transaction import Transaction

_RUN_GAP = 4096 // POINTER_BYTES  # buckets that are read for nothing rather than with another read
_PATCH_GAP = 2  # buckets that a patch holds for nothing rather than another patch
_BLOCK_GAP = 2048  # bytes that are written once more rather than with another write
_BLOCK_RUN = 1 << 20
_LINK = HASH_BYTES + POINTER_BYTES
_OTHER_KEYS = 64  # that a chain may hold beside those we count: reserved ones, and a plain Booklet's


@dataclass(frozen=True, slots=True)
class Appended:
    """A block beyond the committed length that is not linked yet."""

    key: bytes
    block: int


def link(
    transaction: Transaction, header: Header, deleted: Iterable[bytes], appended: Sequence[Appended], *, keys: int
) -> int:
    """Delete keys, then link appended blocks, which take the place of others of the same key.

    Parameters
    ----------
    transaction
        What it works on.
    header
        The header as it is now.
    deleted, appended
        What to do.
    keys
        How many keys there are at most: no chain is longer.

    Returns
    -------
    int
        The number of keys now, which the header says too.
    """
    gone = [(key, key_hash(key)) for key in deleted]
    new = [(item, key_hash(item.key)) for item in appended]
    chains = _Chains(transaction, header, keys + _OTHER_KEYS)
    chains.read_heads([hashed for _, hashed in gone] + [hashed for _, hashed in new])
    live = header.keys
    for key, hashed in gone:
        live -= chains.remove(hashed) and key not in RESERVED_KEYS
    for item, hashed in new:
        live += chains.insert(hashed, item.block) and item.key not in RESERVED_KEYS
    chains.write()
    transaction.write_at(KEYS_AT, live.to_bytes(4, "little"))
    return live


class _Chains:
    """The buckets and blocks that a commit touches."""

    def __init__(self, transaction: Transaction, header: Header, longest: int) -> None:
        self._transaction = transaction
        self._header = header
        self._longest = longest
        self._runs: list[tuple[int, Column]] = []  # number of the first bucket, and heads of that and the next ones
        self._heads: dict[int, int] = {}
        self._changed_heads: set[int] = set()
        self._blocks: dict[int, tuple[bytes, int]] = {}  # hash of the key, next block
        self._changed_blocks: set[int] = set()

    def read_heads(self, hashes: Sequence[bytes]) -> None:
        """Read the buckets of these keys."""
        buckets = np.unique([bucket_of(hashed, self._header.buckets) for hashed in hashes])
        for first, last in _runs(buckets.tolist(), _RUN_GAP):
            data = self._transaction.read_at((last + 1 - first) * POINTER_BYTES, self._place_of(first))
            if len(data) != (last + 1 - first) * POINTER_BYTES:
                raise CorruptFileError(f"{self._transaction.device.name}: the array of buckets ends too early")
            heads = _numbers(data)
            inside = buckets[slice(*np.searchsorted(buckets, (first, last + 1)))]
            self._runs.append((first, heads))
            self._heads.update(zip(inside.tolist(), heads[inside - first].tolist(), strict=True))

    def insert(self, hashed: bytes, block: int) -> bool:
        """Link a new block; return whether there was none of its key."""
        bucket = bucket_of(hashed, self._header.buckets)
        before, found, following = self._find(bucket, hashed)
        if found:
            self._set_next(found, DEAD)
        self._blocks[block] = (hashed, following if found else CHAIN_END)
        self._changed_blocks.add(block)
        self._point(bucket, before, block)
        return not found

    def remove(self, hashed: bytes) -> bool:
        """Take a block out of its chain; return whether there was one."""
        bucket = bucket_of(hashed, self._header.buckets)
        before, found, following = self._find(bucket, hashed)
        if found:
            self._set_next(found, DEAD)
            self._point(bucket, before, following)
        return bool(found)

    def write(self) -> None:
        """Write what changed."""
        every = sorted(self._changed_heads)
        for first, heads in self._runs:
            changed = every[bisect_left(every, first) : bisect_left(every, first + len(heads))]
            for bucket in changed:
                heads[bucket - first] = self._heads[bucket]
            # beyond the committed length (after growth) there are no patches: one write does
            held_back = self._place_of(first) < self._transaction.committed
            for start, last in _runs(changed, _PATCH_GAP if held_back else len(heads)):
                self._transaction.write_at(self._place_of(start), _pointers(heads[start - first : last + 1 - first]))
        committed = self._transaction.committed
        old = [block for block in self._changed_blocks if block < committed]
        for block in old:
            self._transaction.write_at(block + NEXT_AT, self._blocks[block][1].to_bytes(POINTER_BYTES, "little"))
        self._write_new(sorted(self._changed_blocks.difference(old)))

    def _write_new(self, blocks: Sequence[int]) -> None:
        """Set the pointers of blocks beyond the committed length; between small ones everything is written again."""
        waiting = iter(blocks)
        for start, last in _runs(blocks, _BLOCK_GAP, _BLOCK_RUN):
            data = bytearray(self._transaction.read_at(last + _LINK - start, start) if last > start else _LINK)
            block = -1
            while block != last:
                block = next(waiting)
                at = block - start + NEXT_AT
                data[at : at + POINTER_BYTES] = self._blocks[block][1].to_bytes(POINTER_BYTES, "little")
            self._transaction.write_at(start + NEXT_AT, bytes(data[NEXT_AT:]))

    def _find(self, bucket: int, hashed: bytes) -> tuple[int, int, int]:
        """Return what leads to a key (a block, or 0 for the bucket), its block (0: none) and the block after that."""
        before, block = 0, self._heads[bucket]
        for _ in range(self._longest):
            if block <= CHAIN_END:
                return before, 0, CHAIN_END
            found, following = self._block(block)
            if following == DEAD:
                return before, 0, CHAIN_END
            if found == hashed:
                return before, block, following
            before, block = block, following
        name = self._transaction.device.name
        raise CorruptFileError(f"{name}: Booklet's chains go in circles; ebooklet.salvage copies what is whole")

    def _block(self, offset: int) -> tuple[bytes, int]:
        known = self._blocks.get(offset)
        if known is None:
            inside = HEADER_SIZE <= offset <= self._transaction.size - _LINK
            data = self._transaction.read_at(_LINK, offset) if inside else b""
            if len(data) != _LINK:
                name = self._transaction.device.name
                raise CorruptFileError(f"{name}: a chain leads to {offset}; ebooklet.salvage copies what is whole")
            known = self._blocks[offset] = data[:HASH_BYTES], int.from_bytes(data[HASH_BYTES:], "little")
        return known

    def _set_next(self, block: int, following: int) -> None:
        self._blocks[block] = self._blocks[block][0], following
        self._changed_blocks.add(block)

    def _point(self, bucket: int, before: int, block: int) -> None:
        if before:
            self._set_next(before, block)
        else:
            self._heads[bucket] = block
            self._changed_heads.add(bucket)

    def _place_of(self, bucket: int) -> int:
        return self._header.index_offset + bucket * POINTER_BYTES


def _runs(ordered: Sequence[int], gap: int, longest: int = 1 << 62) -> Iterator[tuple[int, int]]:
    """Yield first and last of the runs of numbers that lie at most `gap` apart.

    Examples
    --------
    >>> list(_runs([1, 2, 5, 90, 91], 3))
    [(1, 5), (90, 91)]
    """
    if not ordered:
        return
    start = ordered[0]
    for one, other in pairwise(ordered):
        if other - one > gap or other - start > longest:
            yield start, one
            start = other
    yield start, ordered[-1]


def _numbers(data: bytes) -> Column:
    """Read pointers of 6 bytes."""
    padded = np.zeros((len(data) // POINTER_BYTES, 8), dtype=np.uint8)
    padded[:, :POINTER_BYTES] = np.frombuffer(data, dtype=np.uint8).reshape(-1, POINTER_BYTES)
    return padded.view("<u8").reshape(-1).astype(np.uint64, copy=False)


def _pointers(numbers: Column) -> bytes:
    """Write pointers of 6 bytes."""
    return numbers.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :POINTER_BYTES].tobytes()
