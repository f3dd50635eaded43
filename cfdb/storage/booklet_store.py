"""How are chunks kept in a local file?"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from cfdb.errors import ClosedError, CorruptChunkError, ReadOnlyError
from cfdb.storage.near import estimate_near, load_near
from cfdb.storage.protocol import Brought, Buffer, ChunkWrite, HowToLoad, Stored, refuse_timestamp
from ebooklet import errors as foreign
from ebooklet.local.working_copy import Row, WorkingCopy, Write

#: Up to that many values are read one by one: reading neighbours together takes some preparation.
FEW = 8
#: What errors of the file are called here; others (locks, forks, uncertain commits) are the user's to know as they are.
TRANSLATIONS: tuple[tuple[type[Exception], Callable[[str], Exception]], ...] = (
    (foreign.CorruptValueError, CorruptChunkError),
    (foreign.ReadOnlyError, ReadOnlyError),
    (foreign.ClosedError, ClosedError),
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of ebooklet into those of cfdb."""
    try:
        yield
    except foreign.EBookletError as error:
        for kind, ours in TRANSLATIONS:
            if isinstance(error, kind):
                raise ours(str(error)) from error
        raise


class BookletStore:
    """Chunks in a `WorkingCopy`, which is closed with the store.

    Examples
    --------
    >>> store = BookletStore(WorkingCopy.open(None, "n"))
    >>> store.set_many([ChunkWrite("abcdefgh/0", b"payload", tail=b"behind it")])
    >>> store.get("abcdefgh/0")
    b'payload'
    >>> store.close()
    """

    def __init__(self, copy: WorkingCopy) -> None:
        self.copy = copy

    @property
    def writable(self) -> bool:
        """Whether writes are accepted."""
        return self.copy.writable

    @property
    def name(self) -> str:
        """Path of the file."""
        return self.copy.name

    def get(self, key: str) -> bytes | None:
        """Give the payload, or None."""
        with translated():
            return self.copy.payload(key)

    def get_many(self, keys: Sequence[str]) -> Sequence[Buffer | None]:
        """Give the payloads in the order of the keys."""
        with translated():
            if len(keys) <= FEW:
                return [self.copy.payload(key) for key in keys]
            return self.copy.payloads(keys)

    def set_many(self, items: Iterable[ChunkWrite]) -> None:
        """Store values, replacing those of the same key."""
        with translated():
            self.copy.set_many(Write(item.key, item.payload, item.tail, item.note) for item in items)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys; one that a remote has too leaves a mark for the next push."""
        wanted = list(keys)
        with translated():
            rows = {row.key: row for row in self._rows(wanted) if row is not None}
            self.copy.delete_many(rows, tombstone=lambda key: rows[key].version != 0)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys that start with `prefix`."""
        with translated():
            return self.copy.keys(prefix)

    def has(self, keys: Sequence[str]) -> list[bool]:
        """Tell for every key whether it was written."""
        with translated():
            return [row is not None for row in self._rows(keys)]

    def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """Give payload sizes in bytes, None for keys never written."""
        with translated():
            return [None if row is None else row.length for row in self._rows(keys)]

    def notes(self, keys: Sequence[str]) -> list[bytes | None]:
        """Give the notes, None for keys never written."""
        with translated():
            return [None if row is None else row.note for row in self._rows(keys, cold=True)]

    def set_notes(self, notes: Mapping[str, bytes]) -> None:
        """Replace notes of existing keys; no value is rewritten."""
        with translated():
            rows = self._rows(list(notes), cold=True)
            self.copy.update_rows(replace(row, note=notes[row.key]) for row in rows if row is not None)

    def stored(self, prefix: str) -> Stored:
        """Count what is stored under the keys that start with `prefix`."""
        with translated():
            totals = self.copy.totals(prefix)
        return Stored(totals.values, totals.nbytes, totals.values, totals.nbytes)

    def room(self) -> tuple[int, int]:
        """Give the size of the file, and about what it would be if it were compacted."""
        with translated():
            return self.copy.room()

    def prefetch(self, keys: Iterable[str]) -> None:
        """Do nothing: everything is near."""

    def load(self, keys: Sequence[str], how: HowToLoad) -> Brought:
        """Do nothing: everything is near."""
        return load_near(keys, how)

    def estimate(self, keys: Sequence[str], ordered: bool = False) -> Any:
        """Tell that nothing has to be fetched."""
        return estimate_near(self, keys)

    def stream(self, keys: Iterable[str]) -> None:
        """Give nothing: everything is near."""

    def local(self, keys: Sequence[str]) -> list[bool]:
        """Say yes for every key."""
        return [True] * len(keys)

    def guard(self, prefix: str, keys: Sequence[str]) -> None:
        """Do nothing: a local file has one writer."""

    def commit(self) -> None:
        """Make every change since the last commit durable, as one."""
        with translated():
            self.copy.commit()

    def rollback(self) -> int:
        """Drop every change since the last commit; give their number."""
        with translated():
            return self.copy.rollback()

    def prune(self, timestamp: Any = None) -> int:
        """Write the file anew without what was overwritten or deleted; tell how many bytes smaller it is."""
        refuse_timestamp(self.name, timestamp)
        with translated():
            self.copy.commit()
            return self.copy.compact()

    def savepoint(self) -> object:
        """Note where things stand, for `restore`."""
        with translated():
            return self.copy.savepoint()

    def restore(self, savepoint: Any) -> None:
        """Drop every change since a savepoint that no commit followed."""
        with translated():
            self.copy.restore(savepoint)

    def refresh(self) -> bool:
        """Move a reading handle to the newest commit; tell whether there was a newer one."""
        with translated():
            return self.copy.refresh()

    def close(self) -> None:
        """Close the file; changes that were not committed are dropped."""
        self.copy.close()

    def _rows(self, keys: Sequence[str], *, cold: bool = False) -> list[Row | None]:
        """Give the rows of values, None for keys that were never written or deleted."""
        return [None if row is None or row.deleted else row for row in self.copy.rows(keys, cold=cold)]
