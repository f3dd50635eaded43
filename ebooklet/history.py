"""What does a user see of the versions of a remote?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import overload

from ebooklet.format.snapshot import Entry, SnapshotRef
from ebooklet.sizes import byte_size
from ebooklet.sync.listing import MAX_PAGES, Listed
from ebooklet.times import moment

SHOWN = 20
ID_DIGITS = 8
MESSAGE_WIDTH = 60


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a remote, made by one push.

    Attributes
    ----------
    id : str
        32 hexadecimal digits; any unique beginning of it opens the version.
    parent : str or None
        Id of the version before it, of those that are kept.
    time : datetime
        When it was made (UTC); later than its parent's.
    message : str
        What was said about it; of long messages the beginning.
    tags : tuple of str
        Its names.
    n_keys : int
        Keys it set or removed; none where values only moved, or came back from an old version.
    nbytes : int
        Bytes of the objects it brought.
    """

    id: str
    parent: str | None
    time: datetime
    message: str = ""
    tags: tuple[str, ...] = ()
    n_keys: int = 0
    nbytes: int = 0

    def __str__(self) -> str:
        names = f" ({', '.join(self.tags)})" if self.tags else ""
        said = f" {_short(self.message)}" if self.message else ""
        return f"{self.id[:ID_DIGITS]} {self.time:%Y-%m-%d %H:%M:%S}{names}{said}"


class Tags(dict[str, Version]):
    """Versions that have names, by name; prints as a table."""

    def __repr__(self) -> str:
        if not self:
            return "no version has a tag"
        rows = [
            (name, one.id[:ID_DIGITS], f"{one.time:%Y-%m-%d %H:%M:%S}", _short(one.message))
            for name, one in self.items()
        ]
        return "\n".join(_table(("tag", "id", "time (UTC)", "message"), rows))


class Log(Sequence[Version]):
    """Versions of a remote, the newest first; prints as a table.

    Older ones are fetched when somebody comes to them, 64 with one request.

    Parameters
    ----------
    place : str
        Where the remote is.
    listed : iterator of Listed
        The versions.
    tags : mapping
        Where the versions with names stand.
    limit : int, optional
        The most versions to give.
    """

    def __init__(
        self, place: str, listed: Iterator[Listed], tags: Mapping[str, SnapshotRef], limit: int | None = None
    ) -> None:
        self.place = place
        self._limit = MAX_PAGES if limit is None else limit
        self._rest = (one.entry for one in listed)
        self._seen: list[Entry] = []
        self._names: dict[SnapshotRef, tuple[str, ...]] = {}
        for name, ref in sorted(tags.items()):
            self._names[ref] = (*self._names.get(ref, ()), name)

    def _read(self, number: int | None) -> int:
        """Have this many versions, and one more, the parent of the last; tell how many there are."""
        wanted = self._limit + 1 if number is None else min(number, self._limit) + 1
        self._seen += islice(self._rest, max(0, wanted - len(self._seen)))
        return min(len(self._seen), self._limit)

    def _version(self, number: int) -> Version:
        entry = self._seen[number]
        parent = self._seen[number + 1].id.hex() if number + 1 < len(self._seen) else None
        names = self._names.get(entry.ref, ()) if entry.ref is not None else ()
        return Version(entry.id.hex(), parent, moment(entry.time), entry.message, names, entry.keys, entry.nbytes)

    def __iter__(self) -> Iterator[Version]:
        number = 0
        while number < self._read(number + 1):
            yield self._version(number)
            number += 1

    def __len__(self) -> int:
        return self._read(None)

    def __bool__(self) -> bool:
        return self._read(1) > 0

    @overload
    def __getitem__(self, number: int) -> Version: ...

    @overload
    def __getitem__(self, number: slice) -> list[Version]: ...

    def __getitem__(self, number: int | slice) -> Version | list[Version]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        there = self._read(None if number < 0 else number + 1)
        if not -there <= number < there:
            raise IndexError(f"version {number} of {self.place}: there are {there}")
        return self._version(number % there)

    def __repr__(self) -> str:
        return f"<Log of {self.place}>"

    def __str__(self) -> str:
        some = list(islice(self, SHOWN + 1))
        if not some:
            return f"{self.place} has no versions yet"
        rows = [
            (
                one.id[:ID_DIGITS],
                f"{one.time:%Y-%m-%d %H:%M:%S}",
                str(one.n_keys),
                byte_size(one.nbytes),
                ", ".join(one.tags),
                _short(one.message),
            )
            for one in some[:SHOWN]
        ]
        more = [f"... and older ones: log()[{SHOWN}:]"] if len(some) > SHOWN else []
        return "\n".join([*_table(("id", "time (UTC)", "keys", "size", "tags", "message"), rows), *more])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    numbers = {number for number, name in enumerate(head) if name in ("keys", "size")}
    return [
        "  ".join(
            cell.rjust(width) if number in numbers else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= MESSAGE_WIDTH else line[: MESSAGE_WIDTH - 3] + "..."
