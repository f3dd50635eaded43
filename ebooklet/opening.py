"""How is a synced file opened?"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from ebooklet.assembly import Assembly, Parts
from ebooklet.cache import cache_path
from ebooklet.cache_manager import CacheManager, current_manager
from ebooklet.cache_use import CacheUse
from ebooklet.connection import Connection, S3Connection, as_connection
from ebooklet.forks import open_fork
from ebooklet.groups import RemoteConnGroup
from ebooklet.history import Version
from ebooklet.keeping import Keeping
from ebooklet.lease import open_locked
from ebooklet.local.serializers import PICKLES, Serializer
from ebooklet.local.working_copy import Flag
from ebooklet.mapping import EBooklet
from ebooklet.offline import offline_store
from ebooklet.publishing import Place
from ebooklet.sizes import parse_size
from ebooklet.stores.wrappers import CountingStore
from ebooklet.synced import OnError
from ebooklet.validation import Validation
from ebooklet.versions import Wanted

B = TypeVar("B", bound=EBooklet)


class _Default:
    def __repr__(self) -> str:
        return "<the cache folder>"


DEFAULT_CACHE: Final = _Default()
Cache = str | os.PathLike[str] | CacheManager | None | _Default


def open_ebooklet(
    remote_conn: Connection | str | Mapping[str, Any],
    file_path: str | os.PathLike[str] | None = None,
    flag: Flag = "r",
    value_serializer: str | Any | None = None,
    n_buckets: int | None = None,
    buffer_size: int | None = None,
    num_groups: int | None = None,
    lock_timeout: float = 300,
    force_lock: bool = False,
    offline: bool | str = False,
    push_packers: int = 1,
    *,
    group_bytes: int | None = None,
    cache: Cache = DEFAULT_CACHE,
    cache_bytes: int | str | None = None,
    validate: str | float = "etag",
    on_error: OnError = "rollback",
    version: Wanted | None = None,
    kind: str = "ebooklet",
    lock: bool | str = False,
) -> EBooklet:
    """Open a key-value file that is in step with a remote.

    Parameters
    ----------
    remote_conn
        Where the remote is: an `S3Connection`, its parameters as a dict, a URL (``s3://bucket/key``, ``https://...``,
        ``file:///folder/key``), or an entry of a connection group.
    file_path
        The local file; without one it lives in the cache folder. A file made with plain Booklet will do.
    flag
        ``'r'`` read, ``'w'`` write, ``'c'`` write and make it if there is none, ``'n'`` write a new one, which
        replaces the remote with the next push.
    value_serializer
        How values become bytes, when the file is made: a name of Booklet's, or an object with `dumps` and `loads`.
        Pickled values of existing files are unpickled only if ``'pickle'`` is asked for here.
    n_buckets
        About how many keys there will be.
    buffer_size, push_packers
        Accepted for scripts made for the released package.
    num_groups, group_bytes
        Into how many objects, or objects of which size (16 MiB), a push packs its values.
    lock_timeout
        Seconds to wait for another process that writes to the same file, and for another holder of the lease.
    force_lock
        With `lock`: take over at once a lease that is over by the server's clock. One that is not is only ended by
        :func:`ebooklet.break_lock`.
    offline
        True: use what is in the local file only; ``'auto'``: do so when the remote cannot be reached.
    cache
        Another cache folder, or a `CacheManager`; None keeps everything in memory. Only without `file_path`.
    cache_bytes
        How large the local file, or what is kept in memory, may become, as a number or as ``'256MB'``: the copies of
        remote values used least recently leave it.
    validate
        How often a reader asks the remote for its newest version: ``'etag'``, at every opening; ``'always'``, and
        without trusting an answer that nothing changed; ``'never'``, only if nothing is here; ``'24h'``, if it was not
        asked for so long. A handle that is open is moved on by `pull`. Writers, and readers of a file with pending
        edits, are not concerned.
    on_error
        ``'rollback'``: an exception that leaves ``with`` drops what was written since the last `sync`;
        ``'keep'`` commits it to the local file.
    version
        Read an old version, with flag ``'r'``: a tag, an id or its first digits, a date (``'2024-05-31'``, until its
        end) or moment (the version that was the newest then, in UTC), or how many versions to go back. The handle stays
        there, sees no pending changes, and writes no file.
    kind
        What the database holds; other packages store theirs under names of their own.
    lock
        True: hold the lease on the remote until the handle is closed, so that others who ask for it wait. A str says
        the same, and is what they are told about this holder.

    Returns
    -------
    EBooklet

    Raises
    ------
    RemoteMissingError
        If the flag needs a remote, or a local file, and there is neither.
    UUIDMismatchError
        If local file and remote are different databases.
    TypeError
        If the remote holds something else.
    VersionNotFoundError
        If there is no such version.

    Examples
    --------
    >>> import ebooklet, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with ebooklet.open(f"file://{folder}/store/db.blt", f"{folder}/db.blt", "c", "str") as db:
    ...     db["name"] = "value"
    ...     db.push().updated
    True
    """
    wanted = _Wanted(
        kind, flag, on_error, value_serializer, n_buckets, num_groups, group_bytes, push_packers, lock_timeout, offline,
        cache_bytes, validate, lock, force_lock,
        version=version,
    )  # fmt: skip
    return wanted.open(EBooklet, remote_conn, file_path, cache)


def open_rcg(
    remote_conn: Connection | str | Mapping[str, Any],
    file_path: str | os.PathLike[str] | None = None,
    flag: Flag = "r",
    n_buckets: int | None = None,
    buffer_size: int | None = None,
    num_groups: int | None = None,
    lock_timeout: float = 300,
    force_lock: bool = False,
    offline: bool | str = False,
    push_packers: int = 1,
    *,
    group_bytes: int | None = None,
    cache: Cache = DEFAULT_CACHE,
    cache_bytes: int | str | None = None,
    validate: str | float = "etag",
    on_error: OnError = "rollback",
    version: Wanted | None = None,
    lock: bool | str = False,
) -> RemoteConnGroup:
    """Open a group of connections to remote databases; parameters as for :func:`open_ebooklet`.

    Examples
    --------
    >>> import ebooklet, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> member = f"file://{folder}/store/db.blt"
    >>> with ebooklet.open(member, f"{folder}/db.blt", "c", "str") as db:
    ...     pushed = db.push()
    >>> with ebooklet.open_rcg(f"file://{folder}/store/group.rcg", f"{folder}/group.rcg", "c") as group:
    ...     group.add(member, key="first")
    ...     list(group)
    ['first']
    """
    wanted = _Wanted(
        "rcg", flag, on_error, None, n_buckets, num_groups, group_bytes, push_packers, lock_timeout, offline,
        cache_bytes, validate, lock, force_lock,
        version=version,
    )  # fmt: skip
    return wanted.open(RemoteConnGroup, remote_conn, file_path, cache)


def open(  # noqa: A001
    remote_conn: Connection | str | Mapping[str, Any],
    file_path: str | os.PathLike[str] | None = None,
    flag: Flag = "r",
    *args: Any,
    remote_conn_group: bool = False,
    **options: Any,
) -> EBooklet:
    """Open a key-value file, or with ``remote_conn_group=True`` a group of connections.

    See :func:`open_ebooklet` and :func:`open_rcg` for the other parameters.
    """
    opener = open_rcg if remote_conn_group else open_ebooklet
    return opener(remote_conn, file_path, flag, *args, **options)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How a database is to be opened, in the words of the caller."""

    kind: str
    flag: Flag
    on_error: OnError
    value_serializer: str | Any | None
    n_buckets: int | None
    num_groups: int | None
    group_bytes: int | None
    push_packers: int
    lock_timeout: float
    offline: bool | str
    cache_bytes: int | str | None
    validate: str | float
    lock: bool | str
    force_lock: bool
    version: Wanted | None = None

    def __post_init__(self) -> None:
        if self.on_error not in ("rollback", "keep"):
            raise ValueError(f"on_error={self.on_error!r}: choose 'rollback' or 'keep'")
        _check_flag(self.flag)
        if self.lock and self.flag == "r":
            raise ValueError("lock=True is for handles that write: readers need no lease; open with flag 'w'")
        if self.version is not None and self.flag != "r":
            raise ValueError(f"version={self.version!r} with flag={self.flag!r}: old versions are read, with flag 'r'")
        for name in ("num_groups", "group_bytes", "push_packers"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name}={number}: at least 1 is needed")

    def open(
        self,
        handle: type[B],
        remote_conn: Connection | str | Mapping[str, Any],
        file_path: str | os.PathLike[str] | None,
        cache: Cache,
    ) -> B:
        """Open it."""
        connection, given = as_connection(remote_conn), self.value_serializer
        manager = _manager(cache) if file_path is None else None
        path = _local_path(connection, file_path, manager.folder if manager is not None else cache)
        use = CacheUse(path) if file_path is None and path is not None else None
        try:
            keeping = Keeping(self._limit(manager), lambda: None if use is None else use.release())
            parts = self._parts(self._assembly(connection, path, file_path is None, keeping))
        except BaseException:
            if use is not None:
                use.release()
            raise
        serializer = parts.loader.local.serializer
        if given is not None and not isinstance(given, str):
            serializer = Serializer("bytes", given.dumps, given.loads)
        return handle(
            serializer,
            parts.loader,
            parts.edits,
            parts.publisher,
            writable=self.flag != "r",
            on_error=self.on_error,
            newest_root=parts.newest_root,
            open_fork=open_fork,
        )

    def _parts(self, assembly: Assembly) -> Parts:
        if self.version is not None:
            return assembly.at(self.version.id if isinstance(self.version, Version) else self.version)
        if not self.lock:
            return assembly.open(self.flag)
        return open_locked(assembly, self.flag, self.lock, self.lock_timeout, self.force_lock)

    def _limit(self, manager: CacheManager | None) -> int | None:
        limits = [] if self.cache_bytes is None else [parse_size(self.cache_bytes)]
        if manager is not None:
            manager.tidy()
            limits += [] if manager.max_size is None else [manager.max_size]
        return min(limits, default=None)

    def _assembly(self, connection: Connection, path: Path | None, disposable: bool, keeping: Keeping) -> Assembly:
        store = offline_store(connection.store(writable=self.flag != "r"), self.offline)
        given = self.value_serializer
        return Assembly(
            place=Place(connection, CountingStore(store, log=False), self.kind, self.group_bytes, self.num_groups),
            path=path,
            serializer=_serializer_name(given),
            new_serializer="json" if self.kind == "rcg" else "bytes",
            lock_timeout=self.lock_timeout,
            expected_keys=self.n_buckets,
            trust_pickle=isinstance(given, str) and given in PICKLES,
            disposable=disposable,
            keeping=keeping,
            validation=Validation.of(self.validate),
        )


def _check_flag(flag: str) -> None:
    if flag not in ("r", "w", "c", "n"):
        raise ValueError(
            f"flag={flag!r}: choose 'r' (read), 'w' (write to an existing database; mode 'a' or 'r+' elsewhere), "
            "'c' (the same, made when missing), or 'n' (new, replaces what is there; mode 'w' elsewhere)"
        )


def _serializer_name(value_serializer: str | Any | None) -> str | None:
    if value_serializer is None or isinstance(value_serializer, str):
        return value_serializer
    if not (hasattr(value_serializer, "dumps") and hasattr(value_serializer, "loads")):
        raise TypeError(f"value_serializer={value_serializer!r}: give a name, or an object with dumps and loads")
    return "bytes"


def _manager(cache: Cache) -> CacheManager | None:
    """The manager that is meant: the one given, or that of the ``with`` block around."""
    if isinstance(cache, CacheManager):
        return cache
    return current_manager() if isinstance(cache, _Default) else None


def _local_path(
    connection: Connection,
    file_path: str | os.PathLike[str] | None,
    cache: Cache,
) -> Path | None:
    if file_path is not None:
        return Path(file_path).expanduser()
    if not isinstance(cache, _Default | CacheManager | str | os.PathLike | None):
        raise TypeError(f"cache={cache!r}: give a folder or a CacheManager, or None to keep everything in memory")
    if cache is None:
        return None
    if isinstance(connection, S3Connection) and connection.bucket:
        identity = (connection.endpoint_url or "", connection.bucket, connection.db_key)
    else:
        identity = (connection.uri, "", connection.db_key)
    return cache_path(*identity, folder=None if isinstance(cache, _Default | CacheManager) else cache)
