"""Which pages does a change of a table rewrite, and how are their rows cut into pages?"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ebooklet.format.directory import Entries, PageEntry
from ebooklet.format.order import order_key
from ebooklet.format.pages import MAX_PAGE_ROWS, ColdPage, HotPage, PageRef, Row, encode_cold, encode_hot

MAX_PAGE_BYTES = 8 << 20  # of keys and notes: what a page may unfold to


Columns = tuple[HotPage, ColdPage]


class Pages(Protocol):
    """A table as it was before the change."""

    @property
    def pages(self) -> Entries:
        """What is known about each page."""

    @property
    def page_rows(self) -> int:
        """The most rows of a page."""

    def page_of(self, key: str) -> int:
        """Number of the page a key belongs to."""

    def columns_of_page(self, number: int) -> Columns:
        """Read a page."""


@dataclass(slots=True)
class _Run:
    """Rows to be cut into pages, a page in which rows were replaced, or (neither) one that stays as it is."""

    size: int
    number: int
    rows: list[Row] | None = None
    growing: bool = False  # rows were only added at the end: fill pages instead of halving them
    page: Columns | None = None


Write = Callable[[bytes], PageRef]


def fold(table: Pages, changes: Mapping[str, Row | None], single_rows: int, write: Write, write_cold: Write) -> Entries:
    """Fold changes into the pages of a table and return the new list of pages."""
    runs = _touched(table, changes)
    if sum(run.size for run in runs) <= single_rows:
        runs, limit = _joined(table, runs), single_rows
    else:
        runs, limit = _merged(table, runs), table.page_rows
    parts: list[int | PageEntry] = []
    for run in runs:
        if run.page is not None:
            parts.append(_stored(run.page, write, write_cold))
        elif run.rows is None:
            parts.append(run.number)
        else:
            pieces = _pieces(run.rows, min(limit, MAX_PAGE_ROWS), growing=run.growing)
            parts += (_stored((HotPage.of(rows), ColdPage.of(rows)), write, write_cold) for rows in pieces)
    return table.pages.rearranged(parts)


def _touched(table: Pages, changes: Mapping[str, Row | None]) -> list[_Run]:
    """The pages in order, those that change as rows."""
    by_page: dict[int, list[str]] = {}
    for key in changes:
        by_page.setdefault(max(0, table.page_of(key)), []).append(key)
    runs = [_Run(size, number) for number, size in enumerate(table.pages.sizes)] or [_Run(0, 0, [])]
    for number, keys in by_page.items():
        changed = {key: changes[key] for key in keys}
        old = table.columns_of_page(number) if table.pages else None
        replaced = _replaced(old, changed, table.page_rows) if old is not None else None
        if replaced is not None:
            runs[number].page = replaced
        else:
            runs[number] = _changed(number, old[0].rows(old[1]) if old is not None else [], changed)
            runs[number].growing &= number == len(runs) - 1
    return runs


def _replaced(old: Columns, changes: Mapping[str, Row | None], page_rows: int) -> Columns | None:
    """Return a page with rows replaced, None when that is not all there is to do."""
    hot, cold = old
    places = {key: place for place, key in enumerate(hot.keys)}
    rows = [row for key, row in changes.items() if row is not None and key in places]
    if len(rows) < len(changes) or len(hot) > page_rows:
        return None
    where = [places[row.key] for row in rows]
    new = hot.replaced(where, rows), cold.replaced(where, rows)
    # four bytes a character at most
    return new if 4 * sum(map(len, hot.keys)) + sum(map(len, new[1].notes)) <= MAX_PAGE_BYTES else None


def _changed(number: int, old: list[Row], changes: Mapping[str, Row | None]) -> _Run:
    there = {row.key for row in old}
    kept = [now for row in old if (now := changes.get(row.key, row)) is not None]
    new = [row for key, row in changes.items() if row is not None and key not in there]
    new.sort(key=lambda row: order_key(row.key))
    growing = not kept or not new or order_key(kept[-1].key) < order_key(new[0].key)
    rows = [*kept, *new] if growing else sorted([*kept, *new], key=lambda row: order_key(row.key))
    return _Run(len(rows), number, rows, growing and len(kept) == len(old))


def _joined(table: Pages, runs: list[_Run]) -> list[_Run]:
    rows = [row for run in runs for row in _rows(table, run)]
    return [_Run(len(rows), 0, rows)]


def _merged(table: Pages, runs: list[_Run]) -> list[_Run]:
    """Join pages that became small with a neighbour, so that removals do not leave many tiny pages."""
    small = table.page_rows // 4
    out: list[_Run] = []
    for run in runs:
        if run.rows is not None and not run.rows:
            continue
        before = out[-1] if out else None
        joins = (
            before is not None
            and (before.rows is not None or run.rows is not None)
            and min(before.size, run.size) < small
            and before.size + run.size <= table.page_rows // 2
        )
        if before is not None and joins:
            out[-1] = _Run(before.size + run.size, before.number, _rows(table, before) + _rows(table, run))
        else:
            out.append(run)
    return out


def _rows(table: Pages, run: _Run) -> list[Row]:
    if run.rows is not None:
        return run.rows
    hot, cold = run.page or table.columns_of_page(run.number)
    return hot.rows(cold)


def _pieces(rows: list[Row], most: int, *, growing: bool) -> Iterator[list[Row]]:
    if not rows:
        return
    if growing:
        cuts = list(range(0, len(rows), most))
    else:
        pages = -(-len(rows) // most)
        cuts = [number * len(rows) // pages for number in range(pages)]
    for start, stop in zip(cuts, [*cuts[1:], len(rows)], strict=True):
        yield from _light(rows[start:stop])


def _light(rows: list[Row]) -> Iterator[list[Row]]:
    """Halve rows until their keys and notes are within bounds."""
    if len(rows) > 1 and sum(len(row.key.encode()) + len(row.note) for row in rows) > MAX_PAGE_BYTES:
        middle = len(rows) // 2
        yield from _light(rows[:middle])
        yield from _light(rows[middle:])
    else:
        yield rows


def _stored(page: Columns, write: Write, write_cold: Write) -> PageEntry:
    hot, cold = page
    return PageEntry(hot.keys[0], len(hot), hot.pending, write(encode_hot(hot)), write_cold(encode_cold(cold)))
