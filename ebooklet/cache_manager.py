"""What is in a cache folder, and what can leave it?

A cache folder holds the local files of remote databases that were opened without a path. A `CacheManager` stands for
one: the usual one, another one, or one that is gone when the program ends. What waits for a push is never deleted, nor
is a file that anybody has open.
"""

import contextlib
import os
import re
import shutil
import tempfile
import time
import warnings
import weakref
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ebooklet.cache import cache_folder
from ebooklet.cache_use import alone
from ebooklet.edits import Edits
from ebooklet.errors import FileFormatError
from ebooklet.eviction import evict
from ebooklet.local.working_copy import WorkingCopy
from ebooklet.sizes import byte_size, duration_text, parse_duration, parse_size

_NAME = re.compile(r".+-[0-9a-f]{16}")
_current: ContextVar["CacheManager | None"] = ContextVar("ebooklet_cache", default=None)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One local file of a cache folder.

    Attributes
    ----------
    path : Path
        The file.
    source : str
        The remote it is a copy of; '' when the file does not say.
    size : int
        Its bytes.
    n_keys : int
        Values in it.
    pending : int
        Edits that wait for a push.
    last_used : datetime
        When it was last opened, or something was fetched into it.
    """

    path: Path
    source: str
    size: int
    n_keys: int
    pending: int
    last_used: datetime


@dataclass(frozen=True, slots=True)
class CacheContents:
    """What is in a cache folder; prints as a table, the file used last first."""

    folder: Path
    entries: tuple[CacheEntry, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[CacheEntry]:
        return iter(self.entries)

    def __str__(self) -> str:
        lines = [f"{self.folder}: {len(self)} dataset{'s' * (len(self) != 1)}, {byte_size(self.nbytes)}"]
        for entry in self.entries:
            waits = f", {entry.pending} edits wait for a push" if entry.pending else ""
            lines.append(
                f"  {entry.source or entry.path.name}: {byte_size(entry.size)}, {entry.n_keys:,} values, last used "
                f"{entry.last_used:%Y-%m-%d %H:%M} UTC{waits}"
            )
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class CleanResult:
    """What a cleaning did, or would do; prints as text.

    Attributes
    ----------
    deleted : tuple of CacheEntry
        Files that were deleted.
    reduced : tuple of CacheEntry
        Files of which copies were dropped, as they were before.
    freed : int
        Bytes that became free; with `dry_run` about those that would.
    kept : tuple of CacheEntry
        Files that should have left and did not: somebody has them open.
    dry_run : bool
        Whether nothing was done.
    """

    deleted: tuple[CacheEntry, ...] = ()
    reduced: tuple[CacheEntry, ...] = ()
    freed: int = 0
    kept: tuple[CacheEntry, ...] = ()
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether everything that should have left did."""
        return not self.kept

    def __bool__(self) -> bool:
        return bool(self.deleted or self.reduced)

    def __str__(self) -> str:
        would = "would be " if self.dry_run else ""
        parts = [f"{len(self.deleted)} {would}deleted", f"{len(self.reduced)} {would}made smaller"]
        used = f"; {len(self.kept)} in use, left alone" if self.kept else ""
        return f"{', '.join(parts)}: {byte_size(self.freed)} {'would be ' if self.dry_run else ''}freed{used}"


class CacheManager:
    """A folder of local files of remote databases.

    As a context manager it is where databases are opened that have no path; or it is passed as ``cache=``.

    Parameters
    ----------
    dir
        The folder; by default ``$CFDB_CACHE``, or the user's cache folder of the platform.
    persistent
        Whether files stay. Otherwise a new folder is made, in `dir` if that is given, and deleted with everything in
        it when the manager is closed or the program ends, except what waits for a push.
    max_size
        Bytes the folder may take, as a number or as ``'50GB'``. No file becomes larger: the values used least recently
        leave it. What the folder holds beyond is cleaned away when the next database is opened, and on closing.
    max_age
        Files not used for so long are cleaned away at the same moments: seconds, or ``'30d'``.

    Examples
    --------
    >>> import ebooklet, tempfile
    >>> remote = f"file://{tempfile.mkdtemp()}/db.blt"
    >>> with ebooklet.open(remote, flag="n", value_serializer="str", cache=None) as db:
    ...     db["name"] = "value"
    ...     done = db.push()
    >>> with CacheManager(persistent=False) as cache:
    ...     with ebooklet.open(remote) as db:
    ...         value = db["name"]
    ...     len(cache.info()), cache.info().entries[0].n_keys
    (1, 1)
    >>> cache.folder.exists()
    False
    """

    def __init__(
        self,
        dir: str | os.PathLike[str] | None = None,
        persistent: bool = True,
        max_size: int | str | None = None,
        max_age: float | str | None = None,
    ) -> None:
        self.persistent = persistent
        self.max_size = None if max_size is None else parse_size(max_size)
        self.max_age = None if max_age is None else parse_duration(max_age)
        if self.max_size is not None and self.max_size < 1:
            raise ValueError(f"max_size={max_size!r}: a cache needs room")
        self._tokens: list[Any] = []
        if persistent:
            self.folder = cache_folder() if dir is None else Path(dir).expanduser()
            return
        if dir is not None:
            Path(dir).expanduser().mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="cfdb-cache-", dir=None if dir is None else Path(dir).expanduser()))
        self._finalizer = weakref.finalize(self, _remove, self.folder, spare_used=False)

    # ---- what is in it -----------------------------------------------------------------------------------------

    def info(self) -> CacheContents:
        """Tell which databases have a local file here, how large, when used, and whether edits wait for a push."""
        found = [entry for path in self._files() if (entry := _look(path)) is not None]
        found.sort(key=lambda entry: entry.last_used, reverse=True)
        return CacheContents(self.folder, tuple(found))

    def _files(self) -> list[Path]:
        try:
            with os.scandir(self.folder) as found:
                return [Path(each.path) for each in found if _NAME.fullmatch(each.name) and each.is_file()]
        except FileNotFoundError:
            return []

    # ---- cleaning ----------------------------------------------------------------------------------------------

    def clean(
        self, max_age: float | str | None = None, max_size: int | str | None = None, *, dry_run: bool = False
    ) -> CleanResult:
        """Delete what was not used for long, and as much more as does not fit, the least recently used first.

        Edits that wait for a push stay, with the file they are in, of which only the copies of the remote leave. A file
        that somebody has open is left alone.

        Parameters
        ----------
        max_age
            Seconds, or a text as ``'30d'``; by default that of the manager, and without that no file is too old.
        max_size
            Bytes the folder may take, or a text as ``'50GB'``; by default that of the manager, and without that no
            limit.
        dry_run
            Whether to tell only what would be done.

        Returns
        -------
        CleanResult
        """
        age = self.max_age if max_age is None else parse_duration(max_age)
        size = self.max_size if max_size is None else parse_size(max_size)
        work = _Cleaning(dry_run)
        left: list[CacheEntry] = []
        for entry in sorted(self.info(), key=lambda entry: entry.last_used):
            old = age is not None and time.time() - entry.last_used.timestamp() > age
            (left.append if not old else work.remove)(entry)
        if size is not None:
            work.fit(left, size)
        return work.result()

    def tidy(self) -> None:
        """Clean by the manager's own limits, if a look at the folder shows that there is something to do."""
        with contextlib.suppress(OSError):
            stats = [path.stat() for path in self._files()]
            too_large = self.max_size is not None and sum(each.st_size for each in stats) > self.max_size
            oldest = min((each.st_mtime for each in stats), default=time.time())
            if too_large or (self.max_age is not None and time.time() - oldest > self.max_age):
                self.clean()

    # ---- using it ----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._tokens.append(_current.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.reset(self._tokens.pop())
        self.close()

    def close(self) -> None:
        """Clean by the manager's own limits; delete a folder that was not to stay.

        What somebody has open then is deleted when the program ends.
        """
        if self.persistent:
            self.tidy()
        elif self._finalizer.alive and _remove(self.folder, spare_used=True):
            self._finalizer.detach()

    def __repr__(self) -> str:
        kind = "persistent" if self.persistent else "temporary"
        limits = [f"max_size={byte_size(self.max_size)}"] if self.max_size is not None else []
        limits += [f"max_age={duration_text(self.max_age)}"] if self.max_age is not None else []
        return f"<CacheManager {self.folder} ({', '.join([kind, *limits])})>"


def current_manager() -> CacheManager | None:
    """The manager whose ``with`` block this is."""
    return _current.get()


def _look(path: Path) -> CacheEntry | None:
    """Look into a file; None for what is no local file, or gone."""
    try:
        stat = path.stat()
        with WorkingCopy.open(path, "r") as local:
            edits = Edits(local)
            pending = sum(1 for _ in edits.pending()) + (edits.metadata is not None) + edits.replaces
            used = datetime.fromtimestamp(stat.st_mtime, UTC)
            return CacheEntry(path, edits.source or "", local.size, len(local), pending, used)
    except (OSError, FileFormatError):
        return None


@dataclass(slots=True)
class _Cleaning:
    """A cleaning under way."""

    dry_run: bool
    deleted: list[CacheEntry] = field(default_factory=list)
    reduced: list[CacheEntry] = field(default_factory=list)
    kept: list[CacheEntry] = field(default_factory=list)
    freed: int = 0

    def remove(self, entry: CacheEntry) -> int:
        """Delete a file, or what can be spared of it; return the bytes that became free."""
        return self._reduce(entry, 0) if entry.pending else self._delete(entry)

    def fit(self, entries: Sequence[CacheEntry], size: int) -> None:
        """Let files take no more than `size` together: the least recently used first, of the last one only a part."""
        excess = sum(entry.size for entry in entries) - size
        for entry in entries:
            if excess <= 0:
                return
            excess -= self.remove(entry) if entry.size <= excess else self._reduce(entry, entry.size - excess)

    def _delete(self, entry: CacheEntry) -> int:
        with alone(entry.path) as free:
            if free and not self.dry_run:
                free = _unlink(entry.path)
        return self._enter(entry, self.deleted, entry.size if free else None)

    def _reduce(self, entry: CacheEntry, target: int) -> int:
        """Drop copies from a file until it takes `target` bytes."""
        freed: int | None = None
        with alone(entry.path) as free, contextlib.suppress(OSError, FileFormatError):
            if free and self.dry_run:
                freed = entry.size - target
            elif free:
                stat = entry.path.stat()
                with WorkingCopy.open(entry.path, "w", lock_timeout=0) as local:
                    freed = evict(local, target).freed
                os.utime(entry.path, (stat.st_atime, stat.st_mtime))  # cleaning is no use
        return self._enter(entry, self.reduced, freed)

    def _enter(self, entry: CacheEntry, done: list[CacheEntry], freed: int | None) -> int:
        if freed is None:
            self.kept.append(entry)
        elif freed:
            done.append(entry)
        self.freed += freed or 0
        return freed or 0

    def result(self) -> CleanResult:
        """Sum up."""
        return CleanResult(tuple(self.deleted), tuple(self.reduced), self.freed, tuple(self.kept), self.dry_run)


def _unlink(path: Path) -> bool:
    """Delete a file that nobody writes to, unless edits came into it meanwhile."""
    try:
        with WorkingCopy.open(path, "w", lock_timeout=0) as local:
            if Edits(local):
                return False
            path.unlink()
    except (OSError, FileFormatError):
        return False
    return True


def _remove(folder: Path, *, spare_used: bool) -> bool:
    """Delete a temporary folder, but what waits for a push; return whether nothing is left to be done later."""
    found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)] if folder.exists() else []
    waiting = [entry for path in found if (entry := _look(path)) is not None and entry.pending]
    names = {entry.path.name for entry in waiting}
    used = False
    for path in found:
        with alone(path) as free:
            if path.name not in names and (free or not spare_used):
                path.unlink(missing_ok=True)
            used = used or not free
    if not waiting and not (used and spare_used):
        shutil.rmtree(folder, ignore_errors=True)
    if waiting and not (used and spare_used):
        edits = sum(entry.pending for entry in waiting)
        warnings.warn(
            f"{folder} was to be deleted and stays: {edits} edits wait in it for a push, of "
            f"{', '.join(entry.source or entry.path.name for entry in waiting)}",
            stacklevel=3,
        )
    return not (used and spare_used)
