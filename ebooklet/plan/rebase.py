"""Do pending changes still hold on a newer version of the remote?"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ebooklet.format.table import Row, Table
from ebooklet.plan.push import same_value


@dataclass(frozen=True, slots=True)
class Rebase:
    """What stands against moving pending changes to a newer version.

    Attributes
    ----------
    keys : tuple of str
        Keys changed on both sides, to different values.
    guards : tuple of str
        Records that pending changes rely on and that changed on the remote.
    guarded : tuple of str
        The pending keys that rely on those.
    """

    keys: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    guarded: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.keys or self.guards)

    def __str__(self) -> str:
        if not self:
            return "nothing stands against it"
        parts = [f"changed on both sides: {_some(self.keys)}"] if self.keys else []
        if self.guards:
            parts.append(f"pending changes rely on what the remote changed: {_some(self.guards)}")
        return "; ".join(parts)


def diff(old: Table, new: Table, *, skip: bool = True) -> Iterator[tuple[Row | None, Row | None]]:
    """Iterate over the rows that differ between two tables: (row before, row after), None where there is none.

    Parameters
    ----------
    old, new : Table
        Tables without changes in memory.
    skip : bool
        Whether pages of equal digests are equal, which they are as long as pack numbers mean the same.

    Examples
    --------
    >>> [row.key for row, _ in diff(Table.empty(), Table.empty())]
    []
    """
    shared = {page.hot.digest for page in old.pages} & {page.hot.digest for page in new.pages} if skip else set()
    before = {row.key: row for row in _rows(old, shared)}
    for row in _rows(new, shared):
        there = before.pop(row.key, None)
        if there != row:
            yield there, row
    for row in before.values():
        yield row, None


def plan_rebase(
    pending: Sequence[Row],
    guards: Mapping[str, tuple[str, ...]],
    old: Table,
    new: Table,
    *,
    skip: bool = True,
) -> Rebase:
    """Compare pending changes with what changed between two versions of the remote.

    Parameters
    ----------
    pending : sequence of Row
        Own edits and tombstones.
    guards : mapping
        By pending key, the keys of records it relies on. On either side a key that ends in ``/`` stands for all keys
        below it.
    old, new : Table
        The version the changes were made on, and the one they shall go to.
    skip : bool
        As for `diff`.
    """
    changed: dict[str, Row | None] = {}
    for before, after in diff(old, new, skip=skip):
        row = after if after is not None else before
        if row is None or same_value(before, after):
            continue
        changed[row.key] = after
    keys = tuple(row.key for row in pending if row.key in changed and not same_value(row, changed[row.key]))
    broken = {prefix: _changed_guards(names, changed) for prefix, names in guards.items()}
    guarded = [row.key for row in pending if any(_stands_for(one, row.key) for one, names in broken.items() if names)]
    relied_on = {
        name for one, names in broken.items() if any(_stands_for(one, key) for key in guarded) for name in names
    }
    return Rebase(keys, tuple(sorted(relied_on)), tuple(guarded))


def _stands_for(guarded: str, key: str) -> bool:
    return key.startswith(guarded) if guarded.endswith("/") else key == guarded


def _changed_guards(guards: Iterable[str], changed: Collection[str]) -> list[str]:
    found = []
    for guard in guards:
        if guard.endswith("/"):
            found += [key for key in changed if key.startswith(guard)]
        elif guard in changed:
            found.append(guard)
    return found


def _rows(table: Table, shared: Collection[bytes]) -> Iterator[Row]:
    for number, page in enumerate(table.pages):
        if page.hot.digest not in shared:
            yield from table.rows_of_page(number, cold=False)


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
