"""How is a remote copied to another place, with a local file or without one?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ebooklet.connection import Connection, as_connection
from ebooklet.progress import Progress, reporting
from ebooklet.sizes import byte_size, counted
from ebooklet.stores.wrappers import CountingStore
from ebooklet.sync.copy import CopyOptions, copy_database
from ebooklet.sync.version import RemoteVersion, open_version


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a copy did; it succeeds as a whole or raises.

    A result counts as false, as the dictionary of failures did that scripts made for the released package look at; ask
    `ok`.

    Attributes
    ----------
    uri : str
        Where the copy is.
    uuid : str
        Its identity.
    version : str
        Id of its current version.
    n_objects, nbytes : int
        Objects of the copy, its root left out, and their bytes.
    n_reused : int
        Those that an attempt which was cut short had copied already.
    n_streamed : int
        Those that passed through this process and were verified; the server copied the others itself.
    n_requests : int
        Requests sent to both places.
    failures : dict
        Always empty.
    """

    uri: str
    uuid: str
    version: str
    n_objects: int
    nbytes: int
    n_reused: int
    n_streamed: int
    n_requests: int
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether all of it is there."""
        return not self.failures

    def __bool__(self) -> bool:
        return bool(self.failures)

    def __str__(self) -> str:
        by_server = self.n_objects - self.n_reused - self.n_streamed
        ways = [(by_server, "by the server"), (self.n_streamed, "through this process"), (self.n_reused, "before")]
        how = ", ".join(f"{number} {way}" for number, way in ways if number) or "none"
        return (
            f"copied to {self.uri}: {counted(self.n_objects, 'object')} ({how}), {byte_size(self.nbytes)}, "
            f"{counted(self.n_requests, 'request')}; uuid {self.uuid}"
        )


def copy_remote(
    source: Connection | str | Mapping[str, Any],
    target: Connection | str | Mapping[str, Any],
    history: bool = False,
    overwrite: bool = False,
    *,
    progress: Progress = None,
) -> CopyResult:
    """Copy a remote database to another place, without a local file.

    Parameters
    ----------
    source, target : S3Connection, str or dict
        From where to where: buckets, folders, for the source also a URL. Read access to the source is enough.
    history : bool
        Whether older versions and tags come along; otherwise the copy begins with the newest version.
    overwrite : bool
        Whether a database that is at the target may be replaced.
    progress : bool or callable, optional
        True for a bar, or a function called with the bytes done and in all.

    Returns
    -------
    CopyResult
        Prints as a sentence.

    Raises
    ------
    RemoteMissingError
        If there is nothing at `source`.
    RemoteExistsError
        If there is a database at `target`, and `overwrite` is false.
    RemoteIntegrityError
        If an object of the source is missing or damaged; the target is as it was.

    Examples
    --------
    >>> import tempfile
    >>> import ebooklet
    >>> folder = tempfile.mkdtemp()
    >>> with ebooklet.open(f"file://{folder}/a/x.blt", cache=None, flag="n") as db:
    ...     db["key"] = b"value"
    ...     pushed = db.push()
    >>> print(ebooklet.copy_remote(f"file://{folder}/a/x.blt", f"file://{folder}/b/y.blt"))
    copied to file:///.../b/y.blt: 1 object (1 by the server), 135 B, ... requests; uuid ...
    """
    place = as_connection(source)
    store = CountingStore(place.store())
    return copy_version(open_version(store, place.db_key), store, target, history, overwrite, progress)


def copy_version(
    version: RemoteVersion,
    counted: CountingStore,
    target: object,
    history: bool = False,
    overwrite: bool = False,
    progress: Progress = None,
) -> CopyResult:
    """Copy a version that is open; `counted` is the store it is read from."""
    place = as_connection(target)
    store = CountingStore(place.store(writable=True))
    before = counted.counts.total
    with reporting(progress, f"copy {version.place}") as report:
        copied = copy_database(
            version,
            store,
            place.db_key,
            CopyOptions(history, overwrite, place.single_writer, progress=report),
        )
    return CopyResult(
        place.uri,
        str(copied.version.uuid),
        copied.version.snapshot.id.hex(),
        copied.n_objects,
        copied.nbytes,
        copied.n_reused,
        copied.n_streamed,
        counted.counts.total - before + store.counts.total,
    )
