"""How are things that were found put in order and shown?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, overload

from ebooklet.moments import moment_of
from ebooklet.sizes import byte_size

T = TypeVar("T")
P = TypeVar("P")
SHOWN = 60
WIDTH = 48


@dataclass(frozen=True, slots=True)
class Found(Sequence[T], Generic[T]):
    """What was found, in order; prints as a table.

    Attributes
    ----------
    items : tuple
        The things.
    rows : tuple of mapping
        The fields that are shown of each.
    total : int
        How many there are without `limit` and `offset`.
    notes : tuple of str
        What makes the result other than it may be taken for: fields that nothing has.
    """

    items: tuple[T, ...]
    rows: tuple[Mapping[str, Any], ...]
    total: int
    notes: tuple[str, ...] = ()

    @overload
    def __getitem__(self, number: int) -> T: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[T]: ...

    def __getitem__(self, number: int | slice) -> T | Sequence[T]:
        return self.items[number]

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def open(self, *args: Any, **options: Any) -> Any:
        """Open what was found, if it is one thing."""
        if len(self) != 1:
            way = "choose one, as found[0].open()" if len(self) else "there is nothing to open"
            raise ValueError(f"{len(self)} were found: {way}")
        only: Any = self.items[0]
        return only.open(*args, **options)

    def to_dataframe(self) -> Any:
        """The rows as a pandas DataFrame.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_dataframe() needs pandas: pip install pandas") from error
        return pandas.DataFrame(list(self.rows))

    def __str__(self) -> str:
        if not self.items:
            return "\n".join(["nothing found", *self.notes])
        lines = table(list(self.rows[0]), [list(row.values()) for row in self.rows[:SHOWN]])
        more = self.total - min(len(self), SHOWN)
        return "\n".join([*lines, *([f"... and {more} more"] if more else []), *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        names = list(self.rows[0]) if self.rows else []
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        cells = ("".join(f"<td>{escape(shown(n, v))}</td>" for n, v in row.items()) for row in self.rows[:SHOWN])
        body = "".join(f"<tr>{one}</tr>" for one in cells)
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    r"""Lines of a table with a header.

    Examples
    --------
    >>> print("\n".join(table(["key", "nbytes"], [["rain", 2_000_000], ["snow", 10]])))
    key   nbytes
    rain    2 MB
    snow    10 B
    """
    cells = [list(names), *([shown(name, value) for name, value in zip(names, row, strict=True)] for row in rows)]
    widths = [max(len(line[number]) for line in cells) for number in range(len(names))]
    right = [name in _SIZES for name in names]
    return ["  ".join(_padded(*each) for each in zip(line, widths, right, strict=True)).rstrip() for line in cells]


_SIZES = {"nbytes", "size"}


def _padded(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def shown(name: str, value: Any) -> str:
    """A value as a cell of a table."""
    if value is None:
        return ""
    if name in _SIZES and isinstance(value, int):
        text = byte_size(value)
        number, _, unit = text.partition(" ")
        return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if name == "last_push":
        return str(value)[:16].replace("T", " ")
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def sorted_by(pairs: Sequence[tuple[Any, P]], name: str, find: Callable[[Any, str], list[Any]]) -> list[tuple[Any, P]]:
    """Sort records, with what belongs to them, by a field; those without it come last.

    Examples
    --------
    >>> find = lambda record, name: [record[name]] if name in record else []
    >>> [tag for _, tag in sorted_by([({"n": 1}, "a"), ({}, "b"), ({"n": 3}, "c")], "-n", find)]
    ['c', 'a', 'b']
    """
    down = name.startswith("-")
    keyed = [(_rank(find(pair[0], name.removeprefix("-"))), pair) for pair in pairs]
    there = [(rank, pair) for rank, pair in keyed if rank is not None]
    there.sort(key=lambda one: one[0], reverse=down)
    return [pair for _, pair in there] + [pair for rank, pair in keyed if rank is None]


def _rank(values: list[Any]) -> tuple[int, Any] | None:
    """Numbers, then moments, then texts, then the rest."""
    value = next((one for one in values if one is not None), None)
    if value is None or value != value:
        return None
    if isinstance(value, int | float):
        return 0, value
    moment = moment_of(value) if not isinstance(value, str) or len(value) >= 10 else None
    if moment is not None:
        return 1, moment
    return (2, value) if isinstance(value, str) else (3, str(value))
