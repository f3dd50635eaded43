"""What do we ask of Booklet itself? Only this module imports it, when it is first needed.

Values are appended by ourselves; Booklet links them into its chains, deletes keys and keeps its metadata slot, all
through a `TransactionFile`. Handing it index work without the values takes three private attributes (held by contract
tests); where a release lacks them, values go through ``booklet.set`` a second time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ebooklet.format.booklet_chains import find_block
from ebooklet.format.booklet_layout import (
    CHAIN_END,
    HEADER_SIZE,
    NEXT_AT,
    POINTER_BYTES,
    block_at,
    key_hash,
    parse_header,
)
from ebooklet.local.transaction_file import Transaction, TransactionFile

_PRIVATE = ("_buffer_index", "_buffer_index_set", "_buffer_data", "_n_keys", "_defer_reindex", "_finalizer")
_OTHER_READS = 64
_LIVE = CHAIN_END.to_bytes(POINTER_BYTES, "little")


@dataclass(frozen=True, slots=True)
class Appended:
    """A value block that stands at the end of the file and is not linked yet."""

    key: str
    block: int


@dataclass(frozen=True, slots=True)
class Metadata:
    """A value of Booklet's metadata slot."""

    value: Any
    timestamp: int | None = None


def codec_of(name: str) -> Any:
    """Return Booklet's serializer class of this name (``dumps`` and ``loads``).

    Raises
    ------
    ValueError
        If Booklet has none of this name; the message lists them.
    """
    from booklet import serializers

    try:
        return serializers.serial_dict[name]
    except KeyError:
        names = ", ".join(sorted(filter(None, serializers.serial_dict)))
        raise ValueError(f"there is no serializer {name!r}; choose one of {names}") from None


def link(
    transaction: Transaction,
    deleted: Iterable[str] = (),
    appended: Sequence[Appended] = (),
    metadata: Metadata | None = None,
    *,
    keys: int,
) -> dict[str, int]:
    """Let Booklet delete keys, link appended blocks into its chains and set its metadata.

    Parameters
    ----------
    transaction
        What it works on.
    deleted, appended, metadata
        What it shall do.
    keys
        How many keys there are at most: no chain is longer.

    Returns
    -------
    dict
        New offsets of blocks that had to be written again (none with the releases we know).
    """
    import booklet

    file = TransactionFile(transaction, longest_chain=keys + _OTHER_READS)
    try:
        book = booklet.open(file, "w")
        book._finalizer.detach()
        book._defer_reindex = True
        for key in deleted:
            # a key that Booklet has lost already is what we want
            if key in book:
                del book[key]
        fast = all(hasattr(book, name) for name in _PRIVATE)
        moved = _link_fast(book, transaction, appended) if fast else _link_again(book, transaction, appended)
        if metadata is not None:
            book.set_metadata(metadata.value, metadata.timestamp)
        return moved
    finally:
        file.release()


def _link_fast(book: Any, transaction: Transaction, appended: Sequence[Appended]) -> dict[str, int]:
    for item in appended:
        transaction.write_at(item.block + NEXT_AT, _LIVE)
        hashed = key_hash(item.key.encode())
        book._buffer_index.extend(hashed + item.block.to_bytes(POINTER_BYTES, "little"))
        book._buffer_index_set.add(hashed)
    book.sync()
    return {}


def _link_again(book: Any, transaction: Transaction, appended: Sequence[Appended]) -> dict[str, int]:
    header = parse_header(transaction.read_at(HEADER_SIZE, 0), transaction.size, transaction.device.name)
    for item in appended:
        block = block_at(transaction.read_at, item.block, transaction.size, header.timestamp_bytes)
        assert block is not None, f"no block at {item.block}"
        value = transaction.read_at(block.value_length, block.value_offset)
        book.set(item.key, value, timestamp=block.timestamp, encode_value=False)
    book.sync()
    moved = {}
    for item in appended:
        found = find_block(transaction.read_at, header, item.key.encode(), transaction.size)
        assert found is not None, f"Booklet did not take {item.key!r}"
        moved[item.key] = found.offset
    return moved
