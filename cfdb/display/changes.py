"""What is not yet pushed, as a table for a person?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cfdb.display.units import byte_size, columns, count, cut, since, terminal_width

SHOWN = 20
HEADER = ("", "added", "changed", "deleted", "size", "since")


@dataclass(frozen=True, slots=True)
class VariableChanges:
    """How much of one variable (or of the structure) is not yet pushed.

    Attributes
    ----------
    name : str
        The variable.
    added, changed, deleted : int
        Chunks the remote does not have yet, has with other values, still has.
    nbytes : int
        Bytes of the new values.
    since : datetime, optional
        The earliest of these edits.
    """

    name: str
    added: int = 0
    changed: int = 0
    deleted: int = 0
    nbytes: int = 0
    since: datetime | None = None


def summarize_changes(
    variables: Sequence[VariableChanges],
    *,
    target: str,
    structure: VariableChanges | None = None,
    objects: int | None = None,
    replaced: int | None = None,
) -> str:
    """Write pending changes as text.

    Parameters
    ----------
    variables : sequence of VariableChanges
        Chunks by variable.
    target : str
        Where a push would go.
    structure : VariableChanges, optional
        Records of variables, dimensions and attributes.
    objects : int, optional
        How many objects a push would write.
    replaced : int, optional
        How many keys of the remote the push replaces as a whole (flag ``'n'``).

    Returns
    -------
    str
        A headline, one line for each variable, and what a push would do.

    Examples
    --------
    >>> pending = [VariableChanges("temperature", 2, 1, 0, 1_200_000)]
    >>> print(summarize_changes(pending, target="s3://b/t.cfdb", objects=2))
    Changes not yet pushed to s3://b/t.cfdb
                   added  changed  deleted     size
      temperature      2        1        0  1.20 MB
    push() would write 2 objects, 1.20 MB
    """
    rows = [*variables, *([structure] if structure is not None else [])]
    if not rows and replaced is None:
        return f"Nothing to push to {target}"
    width = terminal_width()
    lines = [cut(f"Changes not yet pushed to {target}", width)]
    if replaced is not None:
        lines.append(f"  the push replaces all {count(replaced, 'key')} of the remote")
    shown = rows if len(rows) <= SHOWN + 1 else rows[:SHOWN]
    lines += _table(shown, width)
    if len(shown) < len(rows):
        lines.append(f"  ... and {count(len(rows) - len(shown), 'more variable')}")
    lines.append(_outlook(rows, objects))
    return "\n".join(lines)


def _table(rows: Sequence[VariableChanges], width: int) -> list[str]:
    if not rows:
        return []
    last = 6 if any(row.since for row in rows) else 5
    cells = [HEADER[1:last]]
    for row in rows:
        numbers = (f"{row.added:,}", f"{row.changed:,}", f"{row.deleted:,}")
        cells.append((*numbers, byte_size(row.nbytes), since(row.since))[: last - 1])
    taken = sum(max(len(line[column]) for line in cells) + 2 for column in range(last - 1))
    names = ["", *(cut(row.name, max(width - taken - 2, 12)) for row in rows)]
    return columns([(name, *line) for name, line in zip(names, cells, strict=True)], right=(1, 2, 3, 4))


def _outlook(rows: Sequence[VariableChanges], objects: int | None) -> str:
    size = byte_size(sum(row.nbytes for row in rows))
    if objects is None:
        return f"push() would send {size}"
    return f"push() would write {count(objects, 'object')}, {size}"


def summarize_pending(changes: Any) -> str:
    """Write the pending changes of a dataset as text."""
    groups = changes.by_variable()
    structure = _grouped("structure and attributes", groups.pop(None, []))
    return summarize_changes(
        [row for name, records in groups.items() if (row := _grouped(name, records)) is not None],
        target=changes.target,
        structure=structure,
        objects=changes.objects,
        replaced=changes.replaced,
    )


def _grouped(name: str, records: Sequence[Any]) -> VariableChanges | None:
    if not records:
        return None
    kinds = Counter(record.kind for record in records)
    return VariableChanges(
        name,
        kinds["added"],
        kinds["changed"],
        kinds["deleted"],
        sum(record.nbytes for record in records),
        min(record.local_timestamp for record in records),
    )
