"""How well does a local file serve as a cache, and how is it kept within a size?"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ebooklet.errors import FileFormatError
from ebooklet.eviction import KEPT_SHARE, Evicted, evict, touch
from ebooklet.format.checksum import Buffer
from ebooklet.format.table import Row
from ebooklet.local.working_copy import WorkingCopy
from ebooklet.sizes import byte_size
from ebooklet.unpublished import Version


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What a handle had from its local file and what from the remote, since it was opened; prints as text.

    Attributes
    ----------
    path : Path or None
        The local file; None in memory.
    source : str
        The remote.
    size : int
        Bytes of the local file.
    n_keys : int
        Values in it.
    hits, hit_bytes : int
        Values that were read and were here, and their bytes.
    misses, miss_bytes : int
        Values that were fetched, and their bytes; those that came with the root object do not count.
    validated : bool
        Whether the remote was asked, when the handle was opened, if the local file is up to date.
    """

    path: Path | None
    source: str
    size: int
    n_keys: int
    hits: int
    misses: int
    hit_bytes: int
    miss_bytes: int
    validated: bool

    @property
    def from_cache(self) -> bool:
        """Whether no value had to be fetched."""
        return self.misses == 0

    def __str__(self) -> str:
        place = "in memory" if self.path is None else str(self.path)
        checked = "asked when opened" if self.validated else "not asked"
        return (
            f"{place}: {byte_size(self.size)}, {self.n_keys:,} values of {self.source} ({checked})\n"
            f"  {self.hits:,} values from here ({byte_size(self.hit_bytes)}), "
            f"{self.misses:,} fetched ({byte_size(self.miss_bytes)})"
        )


class Keeping:
    """Counts what is read from a local file and what is fetched, and knows which copies to drop.

    Parameters
    ----------
    limit
        Bytes the file may take; None is no limit.
    release
        Called when the file was closed.
    validated
        Whether the remote was asked for its version when the file was opened.
    """

    def __init__(
        self, limit: int | None = None, release: Callable[[], object] = lambda: None, *, validated: bool = True
    ) -> None:
        self.limit = limit
        self.release = release
        self.validated = validated
        self.hits = self.misses = self.hit_bytes = self.miss_bytes = 0
        self._held = 0
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()

    def hit(self, keys: Sequence[str], payloads: Sequence[Buffer | None]) -> None:
        """Enter values that were read from here; None stands for one that could not be."""
        found = [key for key, payload in zip(keys, payloads, strict=True) if payload is not None]
        with self._lock:
            self.hits += len(found)
            self.hit_bytes += sum(len(payload) for payload in payloads if payload is not None)
            if self.limit is not None:
                self._used.update(dict.fromkeys(found, time.time_ns() // 1000))

    def missed(self, version: Version, batch: Sequence[tuple[Row, Buffer | Exception]]) -> None:
        """Enter values that arrived; those that stood in the root object came without a request."""
        came = [len(data) for row, data in batch if not isinstance(data, Exception) and version.inline(row) is None]
        with self._lock:
            self.misses += len(came)
            self.miss_bytes += sum(came)

    @property
    def room(self) -> int | None:
        """Bytes that may arrive in advance and stay until they are read; None is no limit."""
        return None if self.limit is None or self._held else int(self.limit * (1 - KEPT_SHARE))

    def at_most(self, nbytes: int) -> int:
        """Cut what may wait in memory to be written to the file to the room there is."""
        return nbytes if self.limit is None else min(nbytes, int(self.limit * (1 - KEPT_SHARE)))

    @contextmanager
    def everything(self) -> Iterator[None]:
        """Let nothing leave for a while."""
        with self._lock:
            self._held += 1
        try:
            yield
        finally:
            with self._lock:
                self._held -= 1

    def exceeded_by(self, local: WorkingCopy) -> bool:
        """Whether a file is larger than it may be."""
        return self.limit is not None and not self._held and local.size > self.limit

    def trim(self, writer: WorkingCopy) -> Evicted:
        """Drop what was not used for longest from a file that is too large; there is nothing uncommitted in it."""
        self.note_use(writer)
        return evict(writer, int((self.limit or 0) * KEPT_SHARE))

    @property
    def has_use_to_note(self) -> bool:
        """Whether copies were used since it was noted in the file."""
        return bool(self._used)

    def note_use(self, writer: WorkingCopy) -> None:
        """Note in the file what was used, and commit."""
        with self._lock:
            used, self._used = self._used, {}
        touch(writer, used)
        writer.commit()


def in_passing(local: WorkingCopy, work: Callable[[WorkingCopy], object]) -> None:
    """Do something with a file that ends with a commit, unless it is busy, gone, or holds what is not committed."""
    if not local.writable:
        with suppress(OSError, FileFormatError), WorkingCopy.open(local.path, "w", lock_timeout=0) as writer:
            work(writer)
    elif not local.changes:
        work(local)
