"""How does a handle come by the lease on its remote, and who holds it?"""

from collections.abc import Mapping
from typing import Any

from ebooklet.assembly import Assembly, Parts
from ebooklet.connection import Connection, as_connection
from ebooklet.errors import RemoteMissingError
from ebooklet.local.working_copy import Flag
from ebooklet.sync.lease import Lease, LeaseObject, LockInfo, acquire, break_lease
from ebooklet.sync.version import find_version


def open_locked(assembly: Assembly, flag: Flag, lock: bool | str, timeout: float, force: bool) -> Parts:
    """Open a database and hold its lease until the handle is closed.

    The lease comes first, so that what is opened then is what its last holder left, and nothing here has been touched
    if it cannot be had. A database that is made here has no others who could wait for it.

    Parameters
    ----------
    assembly, flag
        What to open, and how.
    lock : bool or str
        True, or what to tell others about this holder.
    timeout : float
        Seconds to wait for another holder.
    force : bool
        Whether to take over at once a lease that is over by the server's clock.
    """
    place, label = assembly.place, lock if isinstance(lock, str) else ""
    version = find_version(place.store, place.key)

    def wait_for(uuid: Any) -> Lease:
        return acquire(LeaseObject(place.store, place.key, uuid), timeout, force=force, label=label)

    lease = None if version is None else wait_for(version.uuid)
    try:
        parts = assembly.open(flag)
        try:
            parts.publisher.lease = lease or wait_for(parts.loader.local.uuid)
        except BaseException:
            parts.loader.close()
            raise
    except BaseException:
        if lease is not None:
            lease.release()
        raise
    return parts


def lock_info(remote_conn: Connection | str | Mapping[str, Any]) -> LockInfo | None:
    """Tell who holds the lease on a database, without taking it; None when nobody does.

    Parameters
    ----------
    remote_conn
        The database, as for :func:`ebooklet.open`.

    Raises
    ------
    RemoteMissingError
        If there is none.

    Examples
    --------
    >>> import ebooklet, tempfile
    >>> remote = f"file://{tempfile.mkdtemp()}/db.blt"
    >>> with ebooklet.open(remote, flag="c", value_serializer="str", cache=None, lock="nightly import") as db:
    ...     db["name"] = "value"
    ...     pushed = db.push()
    ...     print(ebooklet.lock_info(remote).label)
    nightly import
    >>> print(ebooklet.lock_info(remote))
    None
    """
    return _lease_of(as_connection(remote_conn), writable=False).read().info


def break_lock(remote_conn: Connection | str | Mapping[str, Any]) -> LockInfo | None:
    """End the lease on a database whoever holds it, and tell who did; None when nobody did.

    The holder, if it still lives, learns of it with its next push, which raises `LockLostError` and keeps everything.
    On a server without conditional writes a push that is under way may still come through: make sure that the holder is
    gone.

    Parameters
    ----------
    remote_conn
        The database, as for :func:`ebooklet.open`.
    """
    return break_lease(_lease_of(as_connection(remote_conn), writable=True))


def _lease_of(connection: Connection, *, writable: bool) -> LeaseObject:
    store = connection.store(writable=writable)
    version = find_version(store, connection.db_key)
    if version is None:
        raise RemoteMissingError(f"there is no database at {connection.uri}")
    return LeaseObject(store, connection.db_key, version.uuid)
