"""How are sizes, counts, times and tables written for a person?"""

import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime

from cfdb.format.wording import count
from ebooklet.sizes import byte_size

__all__ = ["byte_size", "columns", "count", "cut", "part", "since", "terminal_width"]

SMALLEST_WIDTH = 60
WIDEST = 100


def terminal_width() -> int:
    """Give the number of columns to write into: those of the terminal, at least 60 and at most 100.

    Without a terminal (a pipe, a notebook) it is 100, or what the environment variable ``COLUMNS`` says.
    """
    return max(SMALLEST_WIDTH, min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST))


def part(done: int, total: int, noun: str) -> str:
    """Write how many of all.

    Examples
    --------
    >>> part(12, 20, "chunk"), part(1, 1, "chunk")
    ('12 of 20 chunks', '1 of 1 chunk')
    """
    return f"{done:,} of {count(total, noun)}"


def since(moment: datetime | None) -> str:
    """Write a moment in local time to the minute.

    Examples
    --------
    >>> since(None)
    ''
    """
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"


def cut(text: str, width: int) -> str:
    """Make text one line of at most `width` characters; ``...`` stands for what was cut.

    Examples
    --------
    >>> cut("Data from Met Office Unified Model", 16)
    'Data from Met...'
    """
    line = " ".join(text.split())
    if len(line) <= width:
        return line
    return line[: max(width - 3, 0)].rstrip() + "..."[: max(width, 0)]


def columns(rows: Iterable[Sequence[str]], *, indent: int = 2, right: Sequence[int] = (), gap: int = 2) -> list[str]:
    r"""Align cells in columns.

    Parameters
    ----------
    rows : iterable of sequences of str
        The cells; every row has the same number. A column without any text is left out.
    indent, gap : int
        Spaces before the first column and between two.
    right : sequence of int
        Columns that are aligned to the right.

    Returns
    -------
    list of str
        One line for each row, without trailing spaces.

    Examples
    --------
    >>> print("\n".join(columns([("t", "12"), ("pressure", "7")], right=[1])))
      t         12
      pressure   7
    """
    table = [tuple(row) for row in rows]
    if not table:
        return []
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            if width
        ]
        lines.append(" " * indent + (" " * gap).join(cells).rstrip())
    return lines
