"""What does the chunk engine need from the place where chunks live?

A `ChunkStore` keeps payloads under string keys. The same verbs serve memory, a local file and a local file in step with
a bucket: `prefetch` is part of the protocol, so that no caller asks whether a store is remote.
"""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Buffer = bytes | bytearray | memoryview
#: Numbers of keys among those asked for, and the payloads that arrived for them (None: never written).
Arrived = tuple[Sequence[int], Sequence[Buffer | None]]


@dataclass(frozen=True, slots=True)
class ChunkWrite:
    """One value on its way into a store.

    Attributes
    ----------
    key : str
        Where it goes.
    payload : bytes-like
        The value.
    tail : bytes
        Bytes kept right behind the payload in the file; `ChunkStore.get` does not return them.
    note : bytes
        A few bytes kept in the table beside the key (chunk statistics).
    """

    key: str
    payload: Buffer
    tail: bytes = b""
    note: bytes = b""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored under a prefix.

    Attributes
    ----------
    chunks : int
        Values that were written.
    nbytes : int
        Their size in bytes.
    local : int
        How many of them can be read without a request.
    local_bytes : int
        Their size.
    """

    chunks: int
    nbytes: int
    local: int
    local_bytes: int


@dataclass(frozen=True, slots=True)
class HowToLoad:
    """How chunks are brought near.

    Attributes
    ----------
    ordered : bool
        Whether they shall arrive about in the order of the keys, not in the order that takes the fewest requests.
    max_rate : float or str, optional
        Bytes per second, as a number or a text such as ``'5MB/s'``.
    report : callable, optional
        Called with how many chunks are near and how many there are, at the start and as they arrive.
    stop : threading.Event, optional
        Ends the load when it is set, with `concurrent.futures.CancelledError`.
    """

    ordered: bool = False
    max_rate: Any = None
    report: Callable[[int, int], object] | None = None
    stop: threading.Event | None = None


@dataclass(frozen=True, slots=True)
class Brought:
    """What was brought near.

    Attributes
    ----------
    fetched : int
        Chunks that came with a request.
    nbytes : int
        Their bytes.
    n_requests : int
        Requests they came with.
    failures : dict
        What failed, by key.
    """

    fetched: int = 0
    nbytes: int = 0
    n_requests: int = 0
    failures: Mapping[str, Exception] = field(default_factory=dict)


class ChunkStore(Protocol):
    """Payloads under keys, with commit and rollback.

    Every method may be called from several threads. Changes are visible to the store itself at once and to others
    after `commit`. Writing to a store with ``writable=False`` raises `cfdb.errors.ReadOnlyError`; any use after `close`
    raises `cfdb.errors.ClosedError`.
    """

    @property
    def writable(self) -> bool:
        """Whether writes are accepted."""

    @property
    def name(self) -> str:
        """Where the data live, for messages."""

    def get(self, key: str) -> bytes | None:
        """Give the payload; None when it was never written; `CorruptChunkError` when it was and cannot be read."""

    def get_many(self, keys: Sequence[str]) -> Sequence[Buffer | None]:
        """Give the payloads in the order of the keys."""

    def set_many(self, items: Iterable[ChunkWrite]) -> None:
        """Store values, replacing those of the same key."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys; those that do not exist are passed over."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys that start with `prefix`."""

    def has(self, keys: Sequence[str]) -> list[bool]:
        """Tell for every key whether it was written."""

    def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """Give payload sizes in bytes, None for keys never written."""

    def notes(self, keys: Sequence[str]) -> list[bytes | None]:
        """Give the notes, None for keys never written."""

    def set_notes(self, notes: Mapping[str, bytes]) -> None:
        """Replace notes of existing keys; their values stay where they are."""

    def stored(self, prefix: str) -> Stored:
        """Count what is stored under the keys that start with `prefix`."""

    def room(self) -> tuple[int, int] | None:
        """Give the size of the file and about what it would be if it were compacted; None where that is not known."""

    def prefetch(self, keys: Iterable[str]) -> None:
        """Bring these keys near, in as few requests as possible; where all are near, they are not looked at."""

    def load(self, keys: Sequence[str], how: HowToLoad) -> Brought:
        """Bring these keys near, so that a load that was cut short goes on where it stopped."""

    def estimate(self, keys: Sequence[str], ordered: bool = False) -> Any:
        """Tell what `load` would take: an `ebooklet.estimate.Estimate`."""

    def stream(self, keys: Iterable[str]) -> Generator[Arrived, None, None] | None:
        """Give payloads as they arrive, while others are on their way; None when all are near.

        Who does not go through all of them closes it.
        """

    def local(self, keys: Sequence[str]) -> list[bool]:
        """Tell for every key whether reading it needs no request."""

    def guard(self, prefix: str, keys: Sequence[str]) -> None:
        """Declare that changes under `prefix` rely on these keys being unchanged elsewhere."""

    def commit(self) -> None:
        """Make every change since the last commit durable, as one."""

    def rollback(self) -> int:
        """Drop every change since the last commit; give their number."""

    def savepoint(self) -> object:
        """Note where things stand, for `restore`."""

    def restore(self, savepoint: Any) -> None:
        """Drop every change since a savepoint that no commit followed."""

    def prune(self, timestamp: Any = None) -> int:
        """Give back the room of what was overwritten or deleted; tell how many bytes that are.

        What was not committed is committed by it, or it fails; a crash on the way leaves everything as it was or done.
        With a `timestamp`, copies of what lies elsewhere and came before it go as well; `ValueError` where there is no
        elsewhere.
        """

    def refresh(self) -> bool:
        """Move a reading handle to the newest commit; tell whether anything changed."""

    def close(self) -> None:
        """Release everything; changes that were not committed are dropped."""


def look_up(store: ChunkStore, prefix: str) -> Stored:
    """Count what is stored under a prefix key by key."""
    keys = list(store.keys(prefix))
    sizes = [size or 0 for size in store.sizes(keys)]
    near = store.local(keys)
    return Stored(len(keys), sum(sizes), sum(near), sum(size for size, here in zip(sizes, near, strict=True) if here))


def refuse_timestamp(name: str, timestamp: Any) -> None:
    """Refuse to drop old values of which there is no other copy."""
    if timestamp is not None:
        raise ValueError(
            f"timestamp={timestamp!r}: {name} has no remote to fetch older values from again; prune() without a "
            "timestamp gives back the room of what was overwritten, del, drop and truncate take values away"
        )
