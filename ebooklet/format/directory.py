"""How is the list of a table's pages written down?"""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any, overload

import numpy as np

from ebooklet.errors import CorruptFileError, UnsupportedFormatError
from ebooklet.format.checksum import Buffer, digest
from ebooklet.format.columns import Column, Reader, pack_column, pack_keys, unpack_column, unpack_keys
from ebooklet.format.order import order_key
from ebooklet.format.pages import MAX_PAGE_ROWS, PageRef

_HEADER = struct.Struct("<3sB16s")
_COUNTS = struct.Struct("<III")
_MAGIC, _VERSION = b"EBD", 1
_DIGEST = 16
_CHECKED_PAGES = 256
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


class Entries(Sequence[PageEntry]):
    """The entries of a directory, column by column: one is made when somebody asks for it.

    Parameters
    ----------
    firsts : list of str
        The first key of each page.
    numbers : array of uint64, shape (pages, 8)
        The other fields of each page.
    digests : bytes
        The digests of each page, of 16 bytes: of its hot and of its cold columns.
    """

    __slots__ = ("digests", "firsts", "numbers")

    def __init__(self, firsts: list[str], numbers: Column, digests: bytes) -> None:
        self.firsts = firsts
        self.numbers = numbers
        self.digests = digests

    @classmethod
    def of(cls, entries: Sequence[PageEntry]) -> "Entries":
        """Write entries into columns."""
        numbers = np.array([_numbers(entry) for entry in entries], dtype=np.uint64).reshape(-1, len(_FIELDS))
        digests = b"".join([entry.hot.digest + entry.cold.digest for entry in entries])
        return cls([entry.first for entry in entries], numbers, digests)

    def __len__(self) -> int:
        return len(self.firsts)

    @overload
    def __getitem__(self, number: int) -> PageEntry: ...

    @overload
    def __getitem__(self, number: slice) -> list[PageEntry]: ...

    def __getitem__(self, number: int | slice) -> PageEntry | list[PageEntry]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        rows, pending, *at = self.numbers[number].tolist()
        start = 2 * _DIGEST * (number % len(self))
        hot, cold = self.digests[start : start + _DIGEST], self.digests[start + _DIGEST : start + 2 * _DIGEST]
        return PageEntry(
            self.firsts[number], rows, pending, PageRef(at[0], at[1], at[2], hot), PageRef(at[3], at[4], at[5], cold)
        )

    def rearranged(self, parts: Sequence[int | PageEntry]) -> "Entries":
        """Return a list of pages: new ones, and those of this list that have the numbers given."""
        new = Entries.of([part for part in parts if isinstance(part, PageEntry)])
        firsts = [*self.firsts, *new.firsts]
        digests = np.frombuffer(self.digests + new.digests, dtype=np.uint8).reshape(-1, 2 * _DIGEST)
        made = count(len(self))
        order = [part if isinstance(part, int) else next(made) for part in parts]
        numbers = np.concatenate([self.numbers, new.numbers])[order]
        return Entries([firsts[one] for one in order], numbers, digests[order].tobytes())

    @property
    def sizes(self) -> list[int]:
        """Number of rows of each page."""
        return list(map(int, self.numbers[:, 0]))

    @property
    def dirty(self) -> list[int]:
        """Numbers of the pages with rows that no remote knows."""
        return list(map(int, np.flatnonzero(self.numbers[:, 1])))


class Bounds(Sequence[bytes]):
    """The order keys at which pages begin, worked out when somebody asks for one."""

    __slots__ = ("_firsts", "_known")

    def __init__(self, firsts: Sequence[str]) -> None:
        self._firsts = firsts
        self._known: list[bytes | None] = [None] * len(firsts)

    def __len__(self) -> int:
        return len(self._known)

    def __getitem__(self, number: Any) -> Any:
        found = self._known[number]
        if found is None:
            found = self._known[number] = order_key(self._firsts[number])
        return found


@dataclass(frozen=True, slots=True)
class Directory:
    """The pages in order, and the order keys at which they begin."""

    page_rows: int
    single_rows: int
    entries: Entries
    bounds: Sequence[bytes]

    @classmethod
    def of(cls, page_rows: int, single_rows: int, entries: Entries) -> "Directory":
        """Make the directory of these pages."""
        bounds = Bounds(entries.firsts)
        # a large table is not checked whenever it is opened: pages are in order by the way they are made
        if len(bounds) <= _CHECKED_PAGES and any(one >= other for one, other in pairwise(bounds)):
            raise CorruptFileError("the pages of the key table are not in order")
        return cls(page_rows, single_rows, entries, bounds)

    def page_of(self, key: str) -> int:
        """Number of the page a key belongs to; -1 when it stands before the first page."""
        return bisect_right(self.bounds, order_key(key)) - 1 if self.entries else -1


def encode_directory(page_rows: int, single_rows: int, entries: Entries) -> bytes:
    """Write a directory, with its own digest in front."""
    body = b"".join(
        [
            _COUNTS.pack(page_rows, single_rows, len(entries)),
            entries.digests,
            pack_keys([first.encode() for first in entries.firsts]),
            *(pack_column(entries.numbers[:, field]) for field in range(len(_FIELDS))),
        ]
    )
    return _HEADER.pack(_MAGIC, _VERSION, digest(body)) + body


def decode_directory(data: Buffer) -> tuple[int, int, Entries]:
    """Read a directory: rows of a page, rows of a single page, entries."""
    reader = Reader(data)
    found: tuple[Any, ...] = reader.unpack(_HEADER)
    if found[0] != _MAGIC:
        raise CorruptFileError(f"{bytes(found[0])!r} where {_MAGIC!r} should begin the directory of the key table")
    if found[1] != _VERSION:
        raise UnsupportedFormatError(f"the key table has format {found[1]}, this release reads format {_VERSION}")
    if digest(memoryview(data)[_HEADER.size :]) != found[2]:
        raise CorruptFileError("the directory of the key table is damaged: its digest does not match")
    page_rows, single_rows, pages = reader.unpack(_COUNTS)
    digests = reader.take(2 * _DIGEST * pages)
    keys = unpack_keys(reader, pages)
    columns = [unpack_column(reader, pages) for _ in _FIELDS]
    reader.finish()
    if not 1 <= page_rows <= single_rows <= MAX_PAGE_ROWS:
        raise CorruptFileError(f"pages of {page_rows} and {single_rows} rows are impossible")
    return page_rows, single_rows, Entries(_texts(keys), _checked(np.stack(columns, axis=1)), bytes(digests))


def _numbers(entry: PageEntry) -> Sequence[int]:
    hot, cold = entry.hot, entry.cold
    return entry.rows, entry.pending, hot.object, hot.offset, hot.length, cold.object, cold.offset, cold.length


def _checked(numbers: Column) -> Column:
    rows, pending = numbers[:, 0], numbers[:, 1]
    for number in np.flatnonzero((rows < 1) | (rows > MAX_PAGE_ROWS) | (pending > rows)).tolist():
        raise CorruptFileError(f"a page announces {rows[number]} rows, {pending[number]} of them pending")
    return numbers


def _texts(keys: list[bytes]) -> list[str]:
    try:
        return [key.decode() for key in keys]
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"a key is no UTF-8 text: {error}") from error
