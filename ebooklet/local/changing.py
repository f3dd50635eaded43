"""Which rows change when keys are deleted, evicted or written back? Pure."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from ebooklet.format.table import Row
from ebooklet.local.committing import Write

Rows = Sequence[Row | None]


def deletions(
    keys: Sequence[str], rows: Rows, tombstone: Callable[[str], bool] | bool, timestamp: int = 0
) -> dict[str, Row | None]:
    """Return what takes the place of deleted rows: a mark where a remote still has the key, nothing elsewhere."""
    changed: dict[str, Row | None] = {}
    for key, row in zip(keys, rows, strict=True):
        marked = tombstone(key) if callable(tombstone) else tombstone
        if marked and (row is None or not row.deleted):
            place = row or Row(key, 0, 0, 0)
            changed[key] = replace(place, deleted=True, note=b"", timestamp=timestamp)
        elif not marked and row is not None:
            changed[key] = None
    return changed


def evictions(keys: Sequence[str], rows: Rows) -> dict[str, Row | None]:
    """Return the keys whose values can be fetched again."""
    return {key: None for key, row in zip(keys, rows, strict=True) if row and row.version and not row.deleted}


def to_write_back(items: Sequence[Write], rows: Callable[[Sequence[str]], Rows]) -> list[Write]:
    """Return the writes that replace no own edit, no deletion, and not the same copy."""
    known = rows([item.key for item in items])
    return [
        item
        for item, row in zip(items, known, strict=True)
        if item.version and (row is None or (row.version and not row.deleted and row.version != item.version))
    ]
