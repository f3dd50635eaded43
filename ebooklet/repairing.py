"""How is a remote checked and repaired, without a local file?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from ebooklet.connection import Connection, as_connection
from ebooklet.progress import Progress, reporting
from ebooklet.sizes import counted, parse_age
from ebooklet.stores.wrappers import CountingStore
from ebooklet.sync.fsck import FsckOptions, FsckReport, check_database
from ebooklet.sync.rebuild import RebuildOptions, rebuild_database
from ebooklet.times import moment

SHOWN = 10


def fsck(
    remote_conn: Connection | str | Mapping[str, Any],
    delete_orphans: bool = False,
    min_age: timedelta | str | int = timedelta(hours=24),
    check_objects: bool = False,
    lock_timeout: float = 60,
    *,
    alone: bool = False,
    abandoned: bool = False,
    progress: Progress = None,
) -> FsckReport:
    """Check a remote database: is everything there and whole, and what lies around that nobody needs?

    Readers and writers are not disturbed: nothing is deleted that a push under way may refer to.

    Parameters
    ----------
    remote_conn : S3Connection, str or dict
        The database. Keys that may list the bucket are needed, and to delete those that may write.
    delete_orphans : bool
        Whether to delete objects that no version refers to: of pushes and copies that were cut short, of compactions,
        of databases that stood here before.
    min_age : timedelta or str
        How old they must be by the server's clock: ``'24h'``, a timedelta, or 0.
    check_objects : bool
        Whether to read every object and verify every checksum, in bounded memory. Without it, a few requests tell
        whether all objects exist and are long enough.
    lock_timeout : float
        Accepted for scripts made for the released package; no lock is needed.
    alone : bool
        Your word that nobody writes meanwhile; only then may `min_age` be shorter than 24 hours.
    abandoned : bool
        Whether to delete objects even though there is no root, so that `rebuild` cannot bring them back.
    progress : bool or callable, optional
        True for a bar, or a function called with the bytes verified and in all.

    Returns
    -------
    FsckReport
        True when the database is whole; prints as text.

    Examples
    --------
    >>> import tempfile
    >>> import ebooklet
    >>> conn = f"file://{tempfile.mkdtemp()}/x.blt"
    >>> with ebooklet.open(conn, cache=None, flag="n") as db:
    ...     db["key"] = b"value"
    ...     pushed = db.push()
    >>> print(ebooklet.fsck(conn, check_objects=True))
    file:///...x.blt: whole
      1 version in 1 object, ...
      1 value verified, ... read
    """
    place = as_connection(remote_conn)
    store = CountingStore(place.store(writable=delete_orphans))
    age = parse_age(min_age, "min_age")
    with reporting(progress, f"check {place.uri}") as report:
        options = FsckOptions(delete_orphans, age, check_objects, alone, abandoned, report)
        found = check_database(store, place.db_key, options)
    return replace(found, uri=place.uri, n_requests=store.counts.total)


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """What was put together of the objects of a database; true when no value is known to be lost.

    Attributes
    ----------
    uri, uuid : str
        The database.
    dry_run : bool
        Whether nothing was written.
    version : str
        Id of the version that is the current one now.
    base : str
        Id of the newest version that was whole; empty if there was none.
    base_time : int
        When it was made, microseconds since the epoch.
    n_keys, n_versions : int
        Keys now, and versions that can be opened.
    recovered : tuple of str
        Keys whose values were taken from objects that no whole version names.
    lost : tuple of str
        Keys whose values are gone.
    damaged : tuple of str
        What could not be read, a sentence each.
    ignored : tuple of str
        Objects that no version names and that were left alone: of pushes that never ended, most likely.
    unknown : tuple of str
        What nobody can know any more, a sentence each.
    n_requests : int
        Requests sent.
    """

    uri: str
    uuid: str
    dry_run: bool
    version: str
    base: str
    base_time: int
    n_keys: int
    n_versions: int
    recovered: tuple[str, ...]
    lost: tuple[str, ...]
    damaged: tuple[str, ...]
    ignored: tuple[str, ...]
    unknown: tuple[str, ...]
    n_requests: int = 0

    @property
    def exact(self) -> bool:
        """Whether the current version is one that was found whole, nothing added and nothing taken away."""
        return bool(self.base) and self.version == self.base

    @property
    def ok(self) -> bool:
        """Whether no value is known to be lost, and nothing damaged was met."""
        return not self.lost and not self.damaged

    @property
    def failures(self) -> tuple[str, ...]:
        """What is lost or damaged."""
        return (*self.lost, *self.damaged)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        verb = "would rebuild" if self.dry_run else "rebuilt"
        if self.base:
            source = f"version {self.base[:8]} of {moment(self.base_time):%Y-%m-%d %H:%M} UTC"
        else:
            source = "single values, as no version is whole"
        keys, versions = counted(self.n_keys, "key"), counted(self.n_versions, "version")
        lines = [f"{verb} {self.uri} from {source}: {keys}, {versions}"]
        if self.base and self.recovered:
            lines.append(f"  {counted(len(self.recovered), 'value')} from later objects")
        for what, names in [("lost", self.lost), ("damaged", self.damaged), ("left alone", self.ignored)]:
            lines += [f"  {what}: {name}" for name in names[:SHOWN]]
            lines += [f"  ... and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
        return "\n".join(lines + [f"  not known: {sentence}" for sentence in self.unknown])


def rebuild(
    remote_conn: Connection | str | Mapping[str, Any],
    *,
    uuid: UUID | str | None = None,
    kind: str | None = None,
    value_serializer: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Progress = None,
) -> RebuildResult:
    """Make a new root for a remote whose root object was lost or damaged, from the objects that are still there.

    The newest version that is whole becomes the current one, with those before it. When the ends of later objects are
    damaged, the values in them are added, the newest one of each key. Objects are never changed or deleted.

    Parameters
    ----------
    remote_conn : S3Connection, str or dict
        The database; keys that may list and write are needed.
    uuid : UUID or str, optional
        Which database, where objects of several lie below the key.
    kind, value_serializer : str, optional
        What it holds, where no version can tell: ``'cfdb'`` and ``'bytes'`` for a dataset.
    overwrite : bool
        Whether to replace a root that can be read.
    dry_run : bool
        Whether only to tell what would be done.
    progress : bool or callable, optional
        True for a bar, or a function called with the objects looked at and in all.

    Returns
    -------
    RebuildResult
        What was found, what is lost and what nobody can know; prints as text.

    Raises
    ------
    RemoteExistsError
        If there is a root that can be read, and `overwrite` is false.
    RemoteMissingError
        If there are no objects.
    ValueError
        If it has to be said which database, or what it holds.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import ebooklet
    >>> folder = tempfile.mkdtemp()
    >>> with ebooklet.open(f"file://{folder}/x.blt", cache=None, flag="n") as db:
    ...     db["key"] = b"value"
    ...     pushed = db.push()
    >>> Path(folder, "x.blt").unlink()
    >>> result = ebooklet.rebuild(f"file://{folder}/x.blt")
    >>> result.ok, result.exact, result.n_keys
    (True, True, 1)
    """
    place = as_connection(remote_conn)
    store = CountingStore(place.store(writable=True))
    chosen = UUID(uuid) if isinstance(uuid, str) else uuid
    with reporting(progress, f"rebuild {place.uri}", unit="objects") as report:
        options = RebuildOptions(
            chosen, kind, value_serializer, overwrite, dry_run, place.single_writer, progress=report
        )
        made = rebuild_database(store, place.db_key, options)
    return RebuildResult(
        place.uri,
        str(made.uuid),
        dry_run,
        made.version,
        made.base,
        made.base_time,
        made.n_keys,
        made.n_versions,
        made.recovered,
        made.lost,
        made.damaged,
        made.ignored,
        made.unknown,
        store.counts.total,
    )
