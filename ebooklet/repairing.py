"""How is a remote checked and repaired, without a local file?"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from ebooklet.connection import Connection, as_connection
from ebooklet.progress import Progress, reporting
from ebooklet.sizes import parse_duration
from ebooklet.stores.wrappers import CountingStore
from ebooklet.sync.fsck import FsckOptions, FsckReport, check_database


def fsck(
    remote_conn: Connection | str | Mapping[str, Any],
    delete_orphans: bool = False,
    min_age: timedelta | str | float = timedelta(hours=24),
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
    min_age : timedelta, str or float
        How old they must be by the server's clock: ``'24h'``, a timedelta, or seconds.
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
      1 versions in 1 objects, ...
      1 values verified, ... read
    """
    place = as_connection(remote_conn)
    store = CountingStore(place.store(writable=delete_orphans))
    age = min_age if isinstance(min_age, timedelta) else timedelta(seconds=parse_duration(min_age))
    with reporting(progress, f"check {place.uri}") as report:
        options = FsckOptions(delete_orphans, age, check_objects, alone, abandoned, report)
        found = check_database(store, place.db_key, options)
    return replace(found, uri=place.uri, n_requests=store.counts.total)
