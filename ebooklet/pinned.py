"""How is an old version of a remote read?

Over nothing: a handle that is pinned to a version sees no pending edits and writes no file. Of the local file it takes
the copies of values that its version shares with what was fetched there, each known by the place it came from.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ebooklet.edits import Edits
from ebooklet.errors import FileFormatError
from ebooklet.keeping import Keeping
from ebooklet.loading import Loader
from ebooklet.local.working_copy import WorkingCopy, Write
from ebooklet.plan.history import Spec
from ebooklet.publishing import Place, Publisher
from ebooklet.sync.contract import OnConflict
from ebooklet.sync.history import find_ref, version_at
from ebooklet.sync.version import CachedRoot, RemoteVersion, open_version


class PinnedLoader(Loader):
    """Reads values of one version, and keeps the last ones in memory.

    Parameters
    ----------
    local
        An empty file in memory.
    version
        The version.
    threads
        Requests that may be in flight.
    shared : WorkingCopy, optional
        A local file whose copies can be used; it is closed with the loader.
    keeping : Keeping
        Counts; that file is neither written nor trimmed.
    """

    def __init__(
        self, local: WorkingCopy, version: RemoteVersion, threads: int, shared: WorkingCopy | None, keeping: Keeping
    ) -> None:
        super().__init__(local, version, threads, keeping)
        if shared is not None:
            self._cache = shared

    def flush(self) -> bool:
        """Let go of what was fetched first, when it becomes too much."""
        with self._lock:
            self._release(self._oldest())
        return False

    def _store(self, writes: list[Write]) -> bool:
        return False


class PinnedPublisher(Publisher):
    """The remote of a handle that stays where it is."""

    def pull(self, on_conflict: OnConflict = "raise") -> bool:
        """Stay at the version that was asked for."""
        return False


def open_pinned(
    place: Place, path: Path | None, wanted: Spec, released: Callable[[], object]
) -> tuple[PinnedLoader, Edits, PinnedPublisher, CachedRoot]:
    """Open a version with two requests, one of them if it is the newest.

    Parameters
    ----------
    place : Place
        The remote.
    path : Path or None
        The local file.
    wanted : str, int, datetime or date
        Which version.
    released : callable
        Called when the local file is not read any more.

    Returns
    -------
    PinnedLoader, Edits, PinnedPublisher, CachedRoot
        The last is the newest root object, which tells about the other versions.
    """
    shared = None
    if path is not None:
        with suppress(OSError, FileFormatError):
            shared = WorkingCopy.open(path, "r")
    try:
        known = None if shared is None else Edits(shared).base
        current = open_version(place.store, place.key, known)
        version = version_at(current, find_ref(current, wanted))
        if shared is not None and shared.uuid != version.uuid:
            shared.close()
            shared = None
        local = WorkingCopy.open(None, "n", value_serializer=version.root.serializer, uuid=version.uuid)
        Edits(local).begin(place.kind, version.cached)
    except BaseException:
        if shared is not None:
            shared.close()
        raise
    loader = PinnedLoader(local, version, place.connection.threads, shared, Keeping(None, released))
    edits = Edits(local, loader.writing, loader.pin)
    return loader, edits, PinnedPublisher(place, loader, edits, version), current.cached
