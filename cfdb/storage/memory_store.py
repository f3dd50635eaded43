"""How are chunks kept in memory? (the `ChunkStore` of tests, and the simplest example of one)"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cfdb.errors import ClosedError, ReadOnlyError
from cfdb.storage.near import estimate_near, load_near
from cfdb.storage.protocol import Brought, ChunkWrite, HowToLoad, Stored, look_up, refuse_timestamp


@dataclass(frozen=True, slots=True)
class _Entry:
    payload: bytes
    note: bytes


class MemoryStore:
    """Chunks in a dict.

    Parameters
    ----------
    name : str
        Shown in messages.
    writable : bool
        Whether writes are accepted.

    Examples
    --------
    >>> store = MemoryStore()
    >>> store.set_many([ChunkWrite("a/0", b"payload", note=b"n")])
    >>> store.get("a/0"), store.get("a/1")
    (b'payload', None)
    >>> store.rollback(), store.get("a/0")
    (1, None)
    """

    def __init__(self, name: str = "<memory>", writable: bool = True) -> None:
        self.name = name
        self.writable = writable
        self._entries: dict[str, _Entry] = {}
        self._before: dict[str, _Entry | None] = {}
        self._lock = threading.RLock()
        self._closed = False

    def get(self, key: str) -> bytes | None:
        """Give the payload, or None."""
        self._check_open()
        entry = self._entries.get(key)
        return None if entry is None else entry.payload

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Give the payloads in the order of the keys."""
        return [self.get(key) for key in keys]

    def set_many(self, items: Iterable[ChunkWrite]) -> None:
        """Store values, replacing those of the same key."""
        self._check_writable()
        for item in items:
            self._replace(item.key, _Entry(bytes(item.payload), bytes(item.note)))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys; those that do not exist are passed over."""
        self._check_writable()
        for key in list(keys):
            self._replace(key, None)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys that start with `prefix`."""
        self._check_open()
        with self._lock:
            found = sorted(key for key in self._entries if key.startswith(prefix))
        return iter(found)

    def has(self, keys: Sequence[str]) -> list[bool]:
        """Tell for every key whether it was written."""
        self._check_open()
        return [key in self._entries for key in keys]

    def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """Give payload sizes in bytes, None for keys never written."""
        return [None if payload is None else len(payload) for payload in self.get_many(keys)]

    def notes(self, keys: Sequence[str]) -> list[bytes | None]:
        """Give the notes, None for keys never written."""
        self._check_open()
        found = (self._entries.get(key) for key in keys)
        return [None if entry is None else entry.note for entry in found]

    def set_notes(self, notes: Mapping[str, bytes]) -> None:
        """Replace notes of existing keys."""
        self._check_writable()
        with self._lock:
            for key, note in notes.items():
                entry = self._entries.get(key)
                if entry is not None:
                    self._replace(key, replace(entry, note=note))

    def stored(self, prefix: str) -> Stored:
        """Count what is stored under the keys that start with `prefix`."""
        return look_up(self, prefix)

    def room(self) -> None:
        """Give nothing: there is no file."""

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
        """Do nothing: nobody else can change a memory store."""

    def commit(self) -> None:
        """Make `rollback` return to here."""
        self._check_writable()
        self._before.clear()

    def rollback(self) -> int:
        """Drop every change since the last commit; give their number."""
        self._check_open()
        with self._lock:
            dropped = len(self._before)
            for key, entry in self._before.items():
                if entry is None:
                    self._entries.pop(key, None)
                else:
                    self._entries[key] = entry
            self._before.clear()
        return dropped

    def prune(self, timestamp: Any = None) -> int:
        """Do nothing: what was overwritten takes no room."""
        self._check_writable()
        refuse_timestamp(self.name, timestamp)
        self.commit()
        return 0

    def savepoint(self) -> object:
        """Note where things stand, for `restore`."""
        self._check_writable()
        with self._lock:
            return dict(self._entries), dict(self._before)

    def restore(self, savepoint: Any) -> None:
        """Drop every change since a savepoint that no commit followed."""
        self._check_writable()
        with self._lock:
            entries, before = savepoint
            self._entries, self._before = dict(entries), dict(before)

    def refresh(self) -> bool:
        """Say no: nobody else can change a memory store."""
        self._check_open()
        return False

    def close(self) -> None:
        """Forget everything."""
        self._closed = True
        self._entries = {}
        self._before = {}

    def _replace(self, key: str, entry: _Entry | None) -> None:
        with self._lock:
            before = self._entries.get(key)
            if before is None and entry is None:
                return
            self._before.setdefault(key, before)
            if entry is None:
                del self._entries[key]
            else:
                self._entries[key] = entry

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"{self.name} is closed; open it again")

    def _check_writable(self) -> None:
        self._check_open()
        if not self.writable:
            raise ReadOnlyError(f"{self.name} is open for reading only; open it with flag='w' to change it")
