"""How is the list of a table's pages written down?"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ebooklet.errors import CorruptFileError, UnsupportedFormatError
from ebooklet.format.checksum import Buffer, digest
from ebooklet.format.columns import Column, Reader, column, pack_column, pack_keys, unpack_column, unpack_keys
from ebooklet.format.pages import MAX_PAGE_ROWS, PageRef

_HEADER = struct.Struct("<3sB16s")
_COUNTS = struct.Struct("<III")
_MAGIC, _VERSION = b"EBD", 1
_DIGEST = 16
_FIELDS = ("rows", "pending", "hot_object", "hot_offset", "hot_length", "cold_object", "cold_offset", "cold_length")


@dataclass(frozen=True, slots=True)
class PageEntry:
    """What a table knows about a page without reading it.

    Attributes
    ----------
    first : str
        The first key.
    rows, pending : int
        Number of rows, and of those no remote knows.
    hot, cold : PageRef
        Where the columns stand.
    """

    first: str
    rows: int
    pending: int
    hot: PageRef
    cold: PageRef


def encode_directory(page_rows: int, single_rows: int, entries: Sequence[PageEntry]) -> bytes:
    """Write a directory, with its own digest in front."""
    numbers = zip(*(_numbers(entry) for entry in entries), strict=True) if entries else [()] * len(_FIELDS)
    body = b"".join(
        [
            _COUNTS.pack(page_rows, single_rows, len(entries)),
            *(entry.hot.digest + entry.cold.digest for entry in entries),
            pack_keys([entry.first.encode() for entry in entries]),
            *(pack_column(column(values, len(entries))) for values in numbers),
        ]
    )
    return _HEADER.pack(_MAGIC, _VERSION, digest(body)) + body


def decode_directory(data: Buffer) -> tuple[int, int, list[PageEntry]]:
    """Read a directory: rows of a page, rows of a single page, entries."""
    reader = Reader(data)
    found: tuple[Any, ...] = reader.unpack(_HEADER)
    if found[0] != _MAGIC:
        raise CorruptFileError(f"{bytes(found[0])!r} where {_MAGIC!r} should begin the directory of the key table")
    if found[1] != _VERSION:
        raise UnsupportedFormatError(f"the key table has format {found[1]}, this release reads format {_VERSION}")
    if digest(memoryview(data)[_HEADER.size :]) != found[2]:
        raise CorruptFileError("the directory of the key table is damaged: its digest does not match")
    page_rows, single_rows, count = reader.unpack(_COUNTS)
    digests = reader.take(2 * _DIGEST * count)
    keys = unpack_keys(reader, count)
    columns = [unpack_column(reader, count) for _ in _FIELDS]
    reader.finish()
    if not 1 <= page_rows <= single_rows <= MAX_PAGE_ROWS:
        raise CorruptFileError(f"pages of {page_rows} and {single_rows} rows are impossible")
    return page_rows, single_rows, list(_entries(keys, columns, bytes(digests)))


def _numbers(entry: PageEntry) -> Sequence[int]:
    hot, cold = entry.hot, entry.cold
    return entry.rows, entry.pending, hot.object, hot.offset, hot.length, cold.object, cold.offset, cold.length


def _entries(keys: list[bytes], columns: list[Column], digests: bytes) -> Iterable[PageEntry]:
    for number, (key, *values) in enumerate(zip(keys, *(found.tolist() for found in columns), strict=True)):
        rows, pending, *at = values
        if not 1 <= rows <= MAX_PAGE_ROWS or pending > rows:
            raise CorruptFileError(f"a page announces {rows} rows, {pending} of them pending")
        start = 2 * _DIGEST * number
        hot, cold = digests[start : start + _DIGEST], digests[start + _DIGEST : start + 2 * _DIGEST]
        try:
            first = key.decode()
        except UnicodeDecodeError as error:
            raise CorruptFileError(f"a key is no UTF-8 text: {error}") from error
        yield PageEntry(first, rows, pending, PageRef(at[0], at[1], at[2], hot), PageRef(at[3], at[4], at[5], cold))
