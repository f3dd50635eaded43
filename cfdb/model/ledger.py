"""Which records were changed and are not in the store yet?"""

from collections.abc import Callable

from cfdb.storage.protocol import ChunkStore, ChunkWrite


class Ledger:
    """Records on their way into the store; one that is changed again is written once.

    Attributes
    ----------
    touched : set of str
        Keys of everything that was changed since the last `settle`, in the store or not.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.mark("v/t", lambda: b"record")
    >>> ledger.forget("v/old")
    >>> len(ledger), sorted(ledger.keys())
    (2, ['v/old', 'v/t'])
    """

    def __init__(self) -> None:
        self._dirty: dict[str, Callable[[], bytes]] = {}
        self._removed: set[str] = set()
        self.touched: set[str] = set()

    def __len__(self) -> int:
        return len(self._dirty) + len(self._removed)

    def keys(self) -> set[str]:
        """Give the keys concerned."""
        return {*self._dirty, *self._removed}

    def mark(self, key: str, encode: Callable[[], bytes]) -> None:
        """Remember to write a record; `encode` gives it when the time comes."""
        self._removed.discard(key)
        self.touched.add(key)
        self._dirty[key] = encode

    def forget(self, key: str) -> None:
        """Remember to delete a record."""
        self._dirty.pop(key, None)
        self._removed.add(key)
        self.touched.add(key)

    def clear(self) -> None:
        """Drop everything."""
        self._dirty.clear()
        self._removed.clear()

    def flush(self, store: ChunkStore) -> None:
        """Hand everything to the store."""
        if self._removed:
            store.delete(sorted(self._removed))
            self._removed.clear()
        if self._dirty:
            store.set_many([ChunkWrite(key, encode()) for key, encode in self._dirty.items()])
            self._dirty.clear()
