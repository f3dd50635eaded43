"""How does a file get more buckets when its chains grow long?

A new array of buckets is appended inside a dead block and every committed block is linked into it, in the transaction
at hand: values stay where they are, readers notice nothing. (Booklet's reindex does the same in place, unprotected.)
Blocks are linked in the order of the old chains, so that old and new links mixed, as a crash leaves them, make no cycle
in which a plain Booklet would be caught.
"""

from ebooklet.errors import CorruptFileError
from ebooklet.format.booklet_chains import scan_chains
from ebooklet.format.booklet_layout import (
    CHAIN_END,
    HEADER_SIZE,
    NEXT_AT,
    POINTER_BYTES,
    Header,
    bucket_of,
    dead_prefix,
    encode_header,
)
from ebooklet.local.transaction import Transaction

MIN_BUCKETS = 256
_SPACE = 4  # buckets per key after growing: chains stay short until there are four times as many keys


def buckets_for(keys: int) -> int:
    """Return how many buckets a file that will hold this many keys is made with."""
    return max(MIN_BUCKETS, keys)


def needs_growth(header: Header, keys: int) -> bool:
    """Whether this many keys crowd the buckets (beyond one key per bucket a plain Booklet would reindex)."""
    old_index_can_be_covered = header.index_offset == HEADER_SIZE or header.buckets >= MIN_BUCKETS
    return keys > header.buckets and old_index_can_be_covered


def grow(transaction: Transaction, header: Header, keys: int) -> None:
    """Link every committed block into a new array of buckets, made for `keys` keys."""
    scan = scan_chains(transaction.read_at, header, transaction.committed)
    if scan.faults:
        raise CorruptFileError(f"{transaction.device.name}: {scan.faults[0]}; ebooklet.salvage copies what is whole")
    buckets = _SPACE * keys
    heads: dict[int, int] = {}
    last: dict[int, int] = {}
    for block in scan.blocks:
        bucket = bucket_of(block.key_hash, buckets)
        if heads.setdefault(bucket, block.offset) != block.offset:
            _set_next(transaction, last[bucket], block.offset)
        last[bucket] = block.offset
    for offset in last.values():
        _set_next(transaction, offset, CHAIN_END)
    index = bytearray(CHAIN_END.to_bytes(POINTER_BYTES, "little")) * buckets
    for bucket, offset in heads.items():
        index[bucket * POINTER_BYTES : (bucket + 1) * POINTER_BYTES] = offset.to_bytes(POINTER_BYTES, "little")
    index_offset = transaction.append_dead(index)
    if header.index_offset != HEADER_SIZE:
        _cover_old_index(transaction, header)
    _repoint(transaction, header, buckets, index_offset)


def _set_next(transaction: Transaction, offset: int, following: int) -> None:
    transaction.write_at(offset + NEXT_AT, following.to_bytes(POINTER_BYTES, "little"))


def _cover_old_index(transaction: Transaction, header: Header) -> None:
    """Make a dead block of an array of buckets among the data."""
    size = header.buckets * POINTER_BYTES
    prefix = dead_prefix(size - len(dead_prefix(0, header.timestamp_bytes)), header.timestamp_bytes)
    transaction.write_at(header.index_offset, prefix)


def _repoint(transaction: Transaction, header: Header, buckets: int, index_offset: int) -> None:
    grown = Header(
        uuid=header.uuid,
        version=header.version,
        buckets=buckets,
        value_code=header.value_code,
        key_code=header.key_code,
        keys=header.keys,
        has_timestamps=header.has_timestamps,
        file_timestamp=header.file_timestamp,
        index_offset=index_offset,
        data_start=header.data_start,
    )
    transaction.write_at(0, encode_header(grown)[:77])
