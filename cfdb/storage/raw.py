"""How do stored chunks get into another store without being decoded?"""

from collections.abc import Callable, Iterator, Sequence

from cfdb.storage.access import ChunkAccess
from cfdb.storage.portions import MOST_CHUNKS
from cfdb.storage.protocol import ChunkStore, ChunkWrite
from cfdb.storage.values import trailers


def copy_chunks(
    access: ChunkAccess,
    keys: Sequence[str],
    target: ChunkStore,
    max_mem: int,
    report: Callable[[int], None] | None = None,
) -> int:
    """Copy payloads and statistics as they are.

    Parameters
    ----------
    access : ChunkAccess
        Where they come from.
    keys : sequence of str
        Which ones; they keep their names.
    target : ChunkStore
        Where they go.
    max_mem : int
        Bytes of payloads to hold at a time.
    report : callable, optional
        Called with the number of chunks done since the last call.

    Returns
    -------
    int
        Number of chunks copied.

    Raises
    ------
    CorruptChunkError
        If a chunk was written and cannot be read.
    """
    tail, done = trailers(access.pipeline), 0
    for some in _windows(keys, access.store.sizes(keys), max_mem):
        access.store.prefetch(some)
        rows = zip(some, access.payloads(some), access.store.notes(some), strict=True)
        target.set_many(
            ChunkWrite(key, payload, tail(key, payload), note or b"")
            for key, payload, note in rows
            if payload is not None
        )
        done += len(some)
        if report is not None:
            report(len(some))
    return done


def _windows(keys: Sequence[str], sizes: Sequence[int | None], most: int) -> Iterator[list[str]]:
    """Cut keys into portions whose payloads take at most so many bytes."""
    window: list[str] = []
    held = 0
    for key, size in zip(keys, sizes, strict=True):
        if window and (held + (size or 0) > most or len(window) >= MOST_CHUNKS):
            yield window
            window, held = [], 0
        window.append(key)
        held += size or 0
    if window:
        yield window
