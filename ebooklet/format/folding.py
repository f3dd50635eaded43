"""Which pages does a change of a table rewrite, and how are their rows cut into pages?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ebooklet.format.directory import PageEntry
from ebooklet.format.order import order_key
from ebooklet.format.pages import MAX_PAGE_ROWS, PageRef, Row, encode_cold, encode_hot

MAX_PAGE_BYTES = 8 << 20  # of keys and notes: what a page may unfold to


class Pages(Protocol):
    """A table as it was before the change."""

    @property
    def pages(self) -> Sequence[PageEntry]:
        """What is known about each page."""

    @property
    def page_rows(self) -> int:
        """The most rows of a page."""

    def page_of(self, key: str) -> int:
        """Number of the page a key belongs to."""

    def rows_of_page(self, number: int) -> list[Row]:
        """Read the rows of a page."""


@dataclass(slots=True)
class _Run:
    """Rows to be cut into pages; None = a page that stays as it is."""

    size: int
    number: int
    rows: list[Row] | None
    growing: bool = False  # rows were only added at the end: fill pages instead of halving them


Write = Callable[[bytes], PageRef]


def fold(
    table: Pages, changes: Mapping[str, Row | None], single_rows: int, write: Write, write_cold: Write
) -> list[PageEntry]:
    """Fold changes into the pages of a table and return the new list of pages."""
    runs = _touched(table, changes)
    if sum(run.size for run in runs) <= single_rows:
        runs, limit = _joined(table, runs), single_rows
    else:
        runs, limit = _merged(table, runs), table.page_rows
    entries: list[PageEntry] = []
    for run in runs:
        if run.rows is None:
            entries.append(table.pages[run.number])
            continue
        entries += (_stored(piece, write, write_cold) for piece in _pieces(run, min(limit, MAX_PAGE_ROWS)))
    return entries


def _touched(table: Pages, changes: Mapping[str, Row | None]) -> list[_Run]:
    """The pages in order, those that change as rows."""
    by_page: dict[int, list[str]] = {}
    for key in changes:
        by_page.setdefault(max(0, table.page_of(key)), []).append(key)
    runs = [_Run(entry.rows, number, None) for number, entry in enumerate(table.pages)] or [_Run(0, 0, [])]
    for number, keys in by_page.items():
        old = table.rows_of_page(number) if table.pages else []
        runs[number] = _changed(number, old, {key: changes[key] for key in keys})
        runs[number].growing &= number == len(runs) - 1
    return runs


def _changed(number: int, old: list[Row], changes: Mapping[str, Row | None]) -> _Run:
    there = {row.key for row in old}
    kept = [now for row in old if (now := changes.get(row.key, row)) is not None]
    new = [row for key, row in changes.items() if row is not None and key not in there]
    new.sort(key=lambda row: order_key(row.key))
    growing = not kept or not new or order_key(kept[-1].key) < order_key(new[0].key)
    rows = [*kept, *new] if growing else sorted([*kept, *new], key=lambda row: order_key(row.key))
    return _Run(len(rows), number, rows, growing and len(kept) == len(old))


def _joined(table: Pages, runs: list[_Run]) -> list[_Run]:
    rows = [row for run in runs for row in (table.rows_of_page(run.number) if run.rows is None else run.rows)]
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
    return table.rows_of_page(run.number) if run.rows is None else run.rows


def _pieces(run: _Run, most: int) -> Iterator[list[Row]]:
    rows = run.rows or []
    if not rows:
        return
    if run.growing:
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


def _stored(rows: Sequence[Row], write: Write, write_cold: Write) -> PageEntry:
    pending = sum(row.version == 0 or row.deleted for row in rows)
    return PageEntry(rows[0].key, len(rows), pending, write(encode_hot(rows)), write_cold(encode_cold(rows)))
