"""Where does the value of each key stand? The table of keys, shared by local file and remote manifest.

A table is a value: a directory of immutable pages, and on top of it recent changes in memory. Folding the changes in
rewrites only the pages they touch; a lookup reads at most one page.
"""

import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from operator import attrgetter, itemgetter
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ebooklet.errors import CorruptFileError
from ebooklet.format.checksum import digest
from ebooklet.format.columns import Column
from ebooklet.format.directory import Directory, Entries, PageEntry, decode_directory, encode_directory
from ebooklet.format.folding import fold
from ebooklet.format.lookup import Lookup
from ebooklet.format.order import order_key, prefix_bounds
from ebooklet.format.pages import (
    DELETED,
    HOT_NUMBERS,
    NO_PAGE,
    ColdPage,
    HotPage,
    PageRef,
    Row,
    decode_cold,
    decode_hot,
    decode_rows,
    encode_rows,
    hot_numbers,
)
from ebooklet.format.totals import Totals, totals_of

__all__ = ["NO_PAGE", "PageEntry", "PageRef", "Row", "Table", "Totals", "decode_rows", "encode_rows", "order_key"]

Read = Callable[[PageRef], bytes]
Write = Callable[[bytes], PageRef]

PAGE_ROWS = 512
CACHED_ROWS = 1 << 14
CACHED_COLD = 4


class _Pages:
    """Reads pages, checks them against the digest that names them, and keeps the last ones used."""

    def __init__(self, read: Read) -> None:
        self.read = read
        self._lock = threading.RLock()
        self._kept: OrderedDict[bytes, HotPage] = OrderedDict()
        self._kept_cold: OrderedDict[bytes, ColdPage] = OrderedDict()
        self._rows = 0

    def hot(self, entry: PageEntry) -> HotPage:
        with self._lock:
            page = self._kept.get(entry.hot.digest)
            if page is not None:
                self._kept.move_to_end(entry.hot.digest)
                return page
            page = decode_hot(self._checked(entry.hot))
            if len(page) != entry.rows or page.keys[0] != entry.first:
                raise CorruptFileError(f"a page of the key table begins with {page.keys[:1]}, expected {entry.first!r}")
            self.keep(entry.hot.digest, page)
            return page

    def keep(self, name: bytes, page: HotPage) -> None:
        with self._lock:
            self._kept[name] = page
            self._rows += len(page)
            while self._rows > CACHED_ROWS and len(self._kept) > 1:
                self._rows -= len(self._kept.popitem(last=False)[1])

    def cold(self, entry: PageEntry) -> ColdPage:
        if entry.cold == NO_PAGE:
            return ColdPage([0] * entry.rows, [b""] * entry.rows)
        with self._lock:
            page = self._kept_cold.pop(entry.cold.digest, None)
            if page is None:
                page = decode_cold(self._checked(entry.cold), entry.rows)
            self._kept_cold[entry.cold.digest] = page
            while len(self._kept_cold) > CACHED_COLD:
                self._kept_cold.popitem(last=False)
            return page

    def _checked(self, ref: PageRef) -> bytes:
        data = self.read(ref)
        if len(data) != ref.length or digest(data) != ref.digest:
            raise CorruptFileError(f"a page of the key table at {ref.offset} is damaged: its digest does not match")
        return data


_T = TypeVar("_T")
_key = attrgetter("key")
_Layer = dict[str, Row | None]
_NO_CHANGES: Mapping[str, Row | None] = MappingProxyType({})


class Table:
    """Rows by key, in the order of :func:`order_key`; every change gives a new table.

    Times and notes are columns of their own: ``cold=False`` leaves them 0 and empty, and spares reading them.

    Examples
    --------
    >>> table = Table.empty().updated([Row("t/0.0", 200, 90, 7), Row("t/0.1", 320, 80, 8)])
    >>> table.get("t/0.1").length, table.get("t/0.2"), len(table)
    (80, None, 2)
    >>> blobs = []
    >>> def write(blob):
    ...     blobs.append(blob)
    ...     return PageRef(0, len(blobs) - 1, len(blob), digest(blob))
    >>> flushed, directory = table.flushed(write)
    >>> again = Table.load(directory, lambda ref: blobs[ref.offset])
    >>> [row.key for row in again.rows("t/")]
    ['t/0.0', 't/0.1']
    """

    __slots__ = ("_count", "_directory", "_layers", "_lookup", "_pages")

    def __init__(
        self, directory: Directory, pages: _Pages, layers: tuple[_Layer, ...] = (), lookup: Lookup | None = None
    ) -> None:
        self._directory = directory
        self._pages = pages
        self._layers = layers
        self._lookup = lookup or Lookup(directory.page_of, lambda number: pages.hot(directory.entries[number]))
        self._count: int | None = None

    @classmethod
    def empty(cls, page_rows: int = PAGE_ROWS, *, single_rows: int = 0, read: Read | None = None) -> "Table":
        """Make a table without rows.

        Parameters
        ----------
        page_rows : int
            The most rows of a page.
        single_rows : int
            Up to that many rows the table is kept as one page.
        read : callable, optional
            Reads the pages that `flushed` will write.
        """
        return cls(Directory.of(page_rows, max(single_rows, page_rows), Entries.of([])), _Pages(read or _no_reader))

    @classmethod
    def load(cls, directory: bytes, read: Read) -> "Table":
        """Open a table from its directory; pages are read when they are needed.

        Raises
        ------
        CorruptFileError
            If the directory is damaged; the same for a page, when it is read.
        """
        page_rows, single_rows, entries = decode_directory(directory)
        return cls(Directory.of(page_rows, single_rows, entries), _Pages(read))

    def with_reader(self, read: Read) -> "Table":
        """Return the same table, whose pages are read in another way."""
        return Table(self._directory, _Pages(read), self._layers)

    # ---- what is there -------------------------------------------------------------------------------------------

    def get(self, key: str, *, cold: bool = True) -> Row | None:
        """Return the row of a key."""
        return self.get_many([key], cold=cold)[0]

    def get_many(self, keys: Sequence[str], *, cold: bool = True) -> list[Row | None]:
        """Return the rows of keys, None where there is none."""
        found: list[Row | None] = [None] * len(keys)
        stored: dict[int, list[tuple[int, HotPage, int]]] = {}
        for position, key in enumerate(keys):
            for layer in reversed(self._layers):
                if key in layer:
                    row = layer[key]
                    found[position] = row if row is None or cold else _hot_only(row)
                    break
            else:
                place = self._lookup.find(key)
                if place is not None:
                    stored.setdefault(place[0], []).append((position, *place[1:]))
        for number, rows in stored.items():
            cold_page = self._pages.cold(self._directory.entries[number]) if cold else None
            for position, page, row_number in rows:
                found[position] = page.row(row_number, cold_page)
        return found

    def columns(
        self, keys: Sequence[str], above: Mapping[str, Row | None] = _NO_CHANGES
    ) -> tuple[Column, npt.NDArray[np.bool_]]:
        """Return what is known about keys without a `Row` for each.

        Parameters
        ----------
        keys : sequence of str
            The keys.
        above : mapping
            Changes that are not in this table yet: rows by key, None for a removed one.

        Returns
        -------
        array of uint64, array of bool
            The numbers named in `HOT_NUMBERS`, one row for each key, and which keys there are.
        """
        changes: dict[int, Row | None] = {}
        for layer in (*self._layers, above):
            if layer:
                changes.update((number, layer[key]) for number, key in enumerate(keys) if key in layer)
        if not changes:
            return self._lookup.columns(keys)
        numbers = np.zeros((len(keys), len(HOT_NUMBERS)), dtype=np.uint64)
        there = np.zeros(len(keys), dtype=np.bool_)
        rest = [number for number in range(len(keys)) if number not in changes]
        numbers[rest], there[rest] = self._lookup.columns([keys[number] for number in rest])
        for number, row in changes.items():
            if row is not None:
                numbers[number], there[number] = hot_numbers(row), True
        return numbers, there

    def __len__(self) -> int:
        if self._count is None:
            changes = self.overlay()
            total = sum(self.pages.sizes)
            replaced = int(self._lookup.columns(list(changes))[1].sum())
            self._count = total - replaced + sum(row is not None for row in changes.values())
        return self._count

    def rows(self, prefix: str = "", *, cold: bool = True) -> Iterator[Row]:
        """Iterate over the rows whose keys begin with `prefix`, in order."""
        changes = self.overlay()
        above = [(row.key, row if cold else _hot_only(row)) for row in changes.values() if row is not None]

        def stored(number: int) -> list[Row]:
            rows = self.rows_of_page(number, cold=cold)
            return [row for row in rows if row.key not in changes and row.key.startswith(prefix)]

        return self._merged([pair for pair in above if pair[0].startswith(prefix)], self.pages_of(prefix), stored, _key)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys that begin with `prefix`, in order, without those that are marked as deleted."""
        changes = self.overlay()
        above = [(key, key) for key, row in changes.items() if row and not row.deleted and key.startswith(prefix)]
        first, end = prefix_bounds(prefix)

        def stored(number: int) -> Sequence[str]:
            page = self._pages.hot(self.pages[number])
            start = bisect_left(page.keys, first, key=order_key)
            stop = len(page) if end is None else bisect_left(page.keys, end, start, key=order_key)
            keys: Iterable[str] = page.keys[start:stop]
            if page.numbers[start:stop, DELETED].any():
                keys = compress(keys, (page.numbers[start:stop, DELETED] == 0).tolist())
            return [key for key in keys if key not in changes and key.startswith(prefix)]

        return self._merged(above, self.pages_of(prefix), stored, str)

    def pending(self, *, cold: bool = True) -> Iterator[Row]:
        """Iterate over the rows that no remote knows: own edits and tombstones, in order; clean pages are not read."""
        changes = self.overlay()
        above = [
            (row.key, row if cold else _hot_only(row))
            for row in changes.values()
            if row is not None and is_pending(row)
        ]

        def stored(number: int) -> list[Row]:
            rows = self.rows_of_page(number, cold=cold)
            return [row for row in rows if is_pending(row) and row.key not in changes]

        return self._merged(above, self.pages.dirty, stored, _key)

    def totals(self, prefix: str = "") -> Totals:
        """Count the values whose keys begin with `prefix`, and their bytes; rows marked as deleted do not count."""
        changes = {key: row for key, row in self.overlay().items() if key.startswith(prefix)}
        found = Totals()
        for number in self.pages_of(prefix):
            page = self._pages.hot(self.pages[number])
            numbers = page.numbers
            if prefix and not (
                page.keys[0].startswith(prefix) and page.keys[-1].startswith(prefix) and prefix[-1] == "/"
            ):
                numbers = numbers[[key.startswith(prefix) for key in page.keys]]
            found += totals_of(numbers)
        if changes:
            numbers, there = self._lookup.columns(list(changes))
            found -= totals_of(numbers[there])
            for row in changes.values():
                if row is not None and not row.deleted:
                    found += Totals(1, row.length)
        return found

    def _merged(
        self,
        above: Iterable[tuple[str, _T]],
        numbers: Iterable[int],
        stored: Callable[[int], Sequence[_T]],
        key_of: Callable[[_T], str],
    ) -> Iterator[_T]:
        """Merge what was changed, with its keys, into what the pages of these numbers hold."""
        bounds = self._directory.bounds
        waiting = sorted(((order_key(key), item) for key, item in above), key=itemgetter(0), reverse=True)
        for number in numbers:
            items = stored(number)
            if not waiting or (number + 1 < len(bounds) and waiting[-1][0] >= bounds[number + 1]):
                yield from items
                continue
            for item in items:
                if waiting:
                    place = order_key(key_of(item))
                    while waiting and waiting[-1][0] < place:
                        yield waiting.pop()[1]
                yield item
        while waiting:
            yield waiting.pop()[1]

    # ---- pages ---------------------------------------------------------------------------------------------------

    @property
    def pages(self) -> Entries:
        """What the directory says about each page."""
        return self._directory.entries

    @property
    def page_rows(self) -> int:
        """The most rows of a page."""
        return self._directory.page_rows

    def page_of(self, key: str) -> int:
        """Number of the page a key belongs to; -1 when it stands before the first page."""
        return self._directory.page_of(key)

    def pages_of(self, prefix: str = "") -> range:
        """Numbers of the pages that can hold keys beginning with `prefix`."""
        first, end = prefix_bounds(prefix)
        start = max(0, bisect_right(self._directory.bounds, first) - 1)
        stop = len(self.pages) if end is None else bisect_left(self._directory.bounds, end)
        return range(start, stop)

    def rows_of_page(self, number: int, *, cold: bool = True) -> list[Row]:
        """Read all rows of a page, without recent changes."""
        entry = self.pages[number]
        return self._pages.hot(entry).rows(self._pages.cold(entry) if cold else None)

    def columns_of_page(self, number: int) -> tuple[HotPage, ColdPage]:
        """Read a page, without recent changes."""
        entry = self.pages[number]
        return self._pages.hot(entry), self._pages.cold(entry)

    # ---- changes -------------------------------------------------------------------------------------------------

    def overlay(self) -> Mapping[str, Row | None]:
        """Return the changes not yet in pages: rows by key, None for a removed one."""
        if len(self._layers) == 1:
            return self._layers[0]
        return {key: row for layer in self._layers for key, row in layer.items()}

    def updated(self, rows: Iterable[Row] = (), removed: Iterable[str] = ()) -> "Table":
        """Return a table with rows added or replaced, and others removed; pages are neither read nor written.

        Parameters
        ----------
        rows : iterable of Row
            Complete rows, with time and note; the last one of a key counts.
        removed : iterable of str
            Keys to remove; a missing one is no error.
        """
        layer: _Layer = {row.key: row for row in rows}
        layer.update(dict.fromkeys(removed))
        if not layer:
            return self
        layers = list(self._layers)
        while layers and len(layers[-1]) <= 2 * len(layer):
            layer = {**layers.pop(), **layer}
        return Table(self._directory, self._pages, (*layers, layer), self._lookup)

    def flushed(self, write: Write, write_cold: Write | None = None) -> tuple["Table", bytes]:
        """Fold the changes into pages.

        Parameters
        ----------
        write : callable
            Stores a page and returns its place; called only for pages that are new or changed.
        write_cold : callable, optional
            The same for the pages with times and notes; one that returns `NO_PAGE` leaves them out.

        Returns
        -------
        Table, bytes
            The table without changes in memory, and its directory.
        """
        directory = self._directory
        if self._layers:
            entries = fold(self, self.overlay(), directory.single_rows, write, write_cold or write)
            directory = Directory.of(directory.page_rows, directory.single_rows, entries)
        table = Table(directory, self._pages)
        return table, encode_directory(directory.page_rows, directory.single_rows, directory.entries)


def is_pending(row: Row) -> bool:
    """Tell whether a row of a local file is unknown to the remote."""
    return row.version == 0 or row.deleted


def _hot_only(row: Row) -> Row:
    if not row.timestamp and not row.note:
        return row
    return Row(row.key, row.offset, row.length, row.crc, row.tail, row.pack, 0, row.version, row.deleted)


def _no_reader(ref: PageRef) -> bytes:
    raise CorruptFileError(f"this table cannot read its pages: open it with a reader to reach the one at {ref.offset}")
