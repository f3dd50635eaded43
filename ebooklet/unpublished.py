"""What does a remote hold before the first push, or while a replacement of it is prepared? Nothing."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ebooklet.format.checksum import Buffer
from ebooklet.format.columns import Column
from ebooklet.format.pages import HOT_NUMBERS
from ebooklet.format.table import Row
from ebooklet.plan.fetch import FetchPlan

Mask = npt.NDArray[np.bool_]


class Version(Protocol):
    """What reading needs of a version of a remote; :class:`~ebooklet.sync.version.RemoteVersion` is one."""

    def __len__(self) -> int: ...

    def rows(self, keys: Sequence[str]) -> list[Row | None]:
        """Return the rows of keys."""

    def columns(self, keys: Sequence[str]) -> tuple[Column, Mask]:
        """Return what the key table says about keys, a row of numbers for each, and which keys there are."""

    def versions_of(self, rows: Column) -> Column:
        """Return what local copies of the values of rows carry as their versions."""

    def iter_rows(self, prefix: str = "") -> Iterator[Row]:
        """Iterate over the rows of the keys that begin with `prefix`."""

    def times_and_notes(self, rows: Sequence[Row]) -> list[tuple[int, bytes]]:
        """Return time and note of rows."""

    def version_of(self, row: Row) -> int:
        """Return what a local copy of this row's value carries as its version."""

    def inline(self, row: Row) -> bytes | None:
        """Return payload and tail of a value that came with the root object."""

    def plan(self, rows: Sequence[Row]) -> FetchPlan:
        """Plan how to fetch rows whose values did not come with the root object."""

    def fetch_parts(
        self, rows: Sequence[Row], *, threads: int = ..., before: Callable[[int], None] | None = None
    ) -> Iterator[list[tuple[Row, Buffer | Exception]]]:
        """Fetch values, verified; those that arrive together are given together."""


class Unpublished:
    """A version without keys.

    Examples
    --------
    >>> len(Unpublished()), Unpublished().rows(["a"])
    (0, [None])
    """

    def __len__(self) -> int:
        return 0

    def rows(self, keys: Sequence[str]) -> list[Row | None]:
        """Return None for every key."""
        return [None] * len(keys)

    def columns(self, keys: Sequence[str]) -> tuple[Column, Mask]:
        """Return zeros, and that there is none of the keys."""
        return np.zeros((len(keys), len(HOT_NUMBERS)), np.uint64), np.zeros(len(keys), np.bool_)

    def versions_of(self, rows: Column) -> Column:
        """Return zeros."""
        return np.zeros(len(rows), np.uint64)

    def iter_rows(self, prefix: str = "") -> Iterator[Row]:
        """Iterate over nothing."""
        return iter(())

    def times_and_notes(self, rows: Sequence[Row]) -> list[tuple[int, bytes]]:
        """Return times and notes of no rows."""
        return [(0, b"") for _ in rows]

    def version_of(self, row: Row) -> int:
        """Return what no local copy carries."""
        return -1

    def inline(self, row: Row) -> bytes | None:
        """Return None."""
        return None

    def plan(self, rows: Sequence[Row]) -> FetchPlan:
        """Plan to fetch nothing."""
        return FetchPlan((), ())

    def fetch_parts(
        self, rows: Sequence[Row], *, threads: int = 1, before: Callable[[int], None] | None = None
    ) -> Iterator[list[tuple[Row, Buffer | Exception]]]:
        """Fetch nothing."""
        return iter(())
