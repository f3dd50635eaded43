"""How is a dataset that lives in a bucket opened? It needs more than a local one, and is loaded when first used."""

import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cfdb.model.dataset import check_on_error
from cfdb.model.doors import door
from cfdb.model.edataset import EDataset
from cfdb.model.history import check_history, history_of
from cfdb.model.sharing import DatasetFork
from cfdb.model.structure import Structure
from cfdb.model.working import FixedStructure, WorkerDataset
from cfdb.opening import check_flag, checked_options, is_created, new_record, open_structure
from cfdb.options import get_options
from cfdb.storage.ebooklet_store import EBookletStore
from ebooklet.cache_manager import current_manager
from ebooklet.opening import DEFAULT_CACHE, open_ebooklet


def open_edataset(
    remote_conn: Any,
    file_path: str | os.PathLike[str] | None = None,
    flag: str = "r",
    dataset_type: str = "grid",
    compression: str = "zstd",
    compression_level: int | None = None,
    num_groups: int | None = None,
    lock_timeout: float = 300,
    force_lock: bool = False,
    *,
    group_bytes: int | None = None,
    push_on_close: bool = True,
    offline: bool | str = False,
    cache: Any = DEFAULT_CACHE,
    cache_bytes: int | str | None = None,
    validate: str | float = "etag",
    on_error: str = "rollback",
    masked: bool = True,
    track_history: bool | None = None,
    version: Any = None,
    lock: bool | str = False,
    check: Any = None,
    **options: Any,
) -> EDataset:
    """Open a dataset that lives in a bucket, with a local file in step.

    Parameters
    ----------
    remote_conn : S3Connection, str or dict
        The remote: a connection, its parameters, or ``'s3://...'``, ``'https://...'`` (reading only), ``'file:///...'``.
    file_path : str or path, optional
        The local file. Without it the dataset lives in the cache folder.
    flag : {'r', 'w', 'c', 'n'}
        Read; change; change, creating it if missing; start anew: the old remote stays readable until the push.
    dataset_type, compression, compression_level
        Of a new dataset, as in `open_dataset`.
    num_groups : int, optional
        How many packed objects a push of everything aims for.
    lock_timeout : float
        Seconds to wait for another writer of the local file, and for another holder of the lease.
    force_lock : bool
        With `lock`: take over at once a lease that is over by the server's clock. One that is not is only ended by
        `ebooklet.break_lock`.
    group_bytes : int, optional
        Size of the packed objects instead of their number; 16 MiB by default.
    push_on_close : bool
        Whether a clean close publishes what is pending.
    offline : bool or 'auto'
        True: use only what is local; ``'auto'``: when the remote cannot be reached.
    cache : str, path, CacheManager or None
        Folder of local files that have no path; None keeps the dataset in memory.
    cache_bytes : int or str, optional
        How large the local file, or what is kept in memory, may become (``'2GB'``): chunks of the remote that were used
        least recently leave it. Changes that are not pushed never leave.
    validate : str or float
        How often a reader asks the remote for its newest version: ``'etag'``, at every opening; ``'always'``, without
        trusting an answer that nothing changed; ``'never'``, only if nothing is here; ``'24h'``, if it was not asked
        for so long.
    on_error, masked, track_history
        As in `open_dataset`.
    lock : bool or str
        True: hold the lease on the remote until the dataset is closed, so that others who ask for it wait. A str says
        the same, and is what they are told about this holder.
    version : str, int, datetime or Version, optional
        Read an old version, with flag 'r': a tag, an id or its first digits, a date or moment (the version that was the
        newest then, in UTC), or how many versions to go back. The handle stays there, sees no pending changes, and
        writes no file.
    check : bool, str, callable or sequence of these, optional
        Rules the dataset has to follow to be published, when it is pushed or closed; see `EDataset.push`.
    **options
        ``timeout`` is `lock_timeout`; ``n_buckets``, ``buffer_size`` and ``push_packers`` are accepted and not needed.

    Returns
    -------
    EDataset

    Raises
    ------
    ImportError
        If the extra is not installed: ``pip install cfdb[ebooklet]``.
    ebooklet.RemoteMissingError
        If there is no remote, and no local file that could be read instead.
    NotACFDBFileError
        If the remote or the file holds something else.

    Examples
    --------
    >>> import tempfile
    >>> import cfdb
    >>> folder = tempfile.mkdtemp()
    >>> with cfdb.open_edataset(f"file://{folder}/store/t.cfdb", f"{folder}/t.cfdb", "n") as ds:
    ...     ds["t"] = ("x", [1, 2, 3])
    >>> with cfdb.open_edataset(f"file://{folder}/store/t.cfdb", cache=None) as ds:
    ...     print(ds["t"].values)
    [1 2 3]
    """
    check_flag(flag, options)
    lock_timeout = checked_options(options, lock_timeout, "open_edataset")
    check_on_error(on_error)
    check_history(track_history)
    if check is not None:
        door("find_gate")(check)
    record = new_record(dataset_type, compression, compression_level)
    path = None if file_path is None else Path(file_path)
    db = open_ebooklet(
        remote_conn,
        path,
        flag,  # type: ignore[arg-type]
        num_groups=num_groups,
        lock_timeout=lock_timeout,
        force_lock=force_lock,
        offline=offline,
        group_bytes=group_bytes,
        cache=_cache(cache),
        cache_bytes=cache_bytes,
        validate=validate,
        kind="cfdb",
        version=version,
        lock=lock,
    )
    store = EBookletStore(db)
    try:
        is_new = is_created(store, flag)
        structure = open_structure(store, flag, record)
        store.readable = _names_of(structure)
        history = history_of(structure, track_history, is_new=is_new)
    except BaseException:
        store.close()
        raise
    pinned = None if version is None else db.version
    reopen = (_open_remote_for_reading, (db.connection, db.file_path, masked, pinned))
    return EDataset(
        structure,
        store,
        file_path=db.file_path,
        on_error=on_error,
        masked=masked,
        reopen=reopen,
        history=history,
        push_on_close=push_on_close,
        check=check,
    )


def open_fork(fork: DatasetFork, folder: Any = None) -> WorkerDataset:
    """Open a dataset for a worker, as `DatasetFork.open` says."""
    store = EBookletStore(fork.db.open(folder))
    try:
        structure = FixedStructure.load(store)
        store.readable = _names_of(structure)
    except BaseException:
        store.close()
        raise
    return WorkerDataset(structure, store, masked=fork.masked, push_on_close=False)


def _names_of(structure: Structure) -> Callable[[str], str]:
    """Say what keys stand for; the structure is not held, as it is closed when it is forgotten."""
    weak = weakref.ref(structure)

    def readable(key: str) -> str:
        known = weak()
        return repr(key) if known is None else known.describe(key)

    return readable


def _cache(cache: Any) -> Any:
    """Let the option `cache_dir` stand for the usual folder, where no cache manager is in use."""
    chosen = get_options().cache_dir
    return chosen if cache is DEFAULT_CACHE and chosen is not None and current_manager() is None else cache


def open_version(connection: Any, path: Path | None, version: str | None, masked: bool) -> EDataset:
    """Open a version of a dataset for reading."""
    return _open_remote_for_reading(connection, path, masked, version)


def _open_remote_for_reading(connection: Any, path: Path | None, masked: bool, version: str | None = None) -> EDataset:
    """Open a dataset again that was handed over by pickle."""
    cache = None if path is None else DEFAULT_CACHE
    return open_edataset(connection, path, cache=cache, masked=masked, version=version)
