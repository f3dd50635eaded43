"""How does a worker write for the owner of a fork?"""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from ebooklet.assembly import Assembly, Parts
from ebooklet.errors import ForkError, RemoteMissingError
from ebooklet.forking import Fork, ForkResult
from ebooklet.local.serializers import Serializer
from ebooklet.mapping import EBooklet
from ebooklet.publishing import Place
from ebooklet.stores.wrappers import CountingStore
from ebooklet.sync.forks import send_packs
from ebooklet.sync.history import version_at
from ebooklet.sync.version import RemoteVersion, find_version


def _refused(name: str) -> Any:
    def refuse(self: Any, *args: Any, **options: Any) -> NoReturn:
        raise ForkError(f"{name}() is the owner's: a part of {self.remote_uri} only sends what it writes, by result()")

    refuse.__doc__ = "Refuse: only the owner of the fork may do that."
    return refuse


class ForkWriter(EBooklet):
    """A handle that writes a part of a database for its owner; made by `Fork.open`.

    It reads the version of the fork and what it wrote itself. Leaving ``with`` sends what was written; `result` is what
    the owner has to be given. An exception that leaves ``with`` sends nothing.
    """

    push = _refused("push")
    pull = _refused("pull")
    compact = _refused("compact")
    set_metadata = _refused("set_metadata")
    tag = _refused("tag")
    delete_tag = _refused("delete_tag")
    expire = _refused("expire")
    collect = _refused("collect")
    delete_remote = _refused("delete_remote")
    fork = _refused("fork")
    merge = _refused("merge")
    break_lock = _refused("break_lock")

    def __init__(self, fork: Fork, folder: "tempfile.TemporaryDirectory[str]", *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._fork = fork
        self._folder = folder
        self._result: ForkResult | None = None

    def result(self, *, progress: Any = None) -> ForkResult:
        """Send what was written, if it was not yet, close the handle, and return the record for the owner's `merge`.

        Parameters
        ----------
        progress : callable, optional
            Called with the bytes sent and in all.

        Raises
        ------
        ForkError
            If the handle was closed by an exception, or by `close`.
        """
        if self._result is None:
            if self.closed:
                raise ForkError(f"the part of {self.remote_uri} was closed before it was sent: there is no result")
            self._result = self._send(progress)
            self.close()
        return self._result

    def rollback(self, to: Any = None, *, message: str = "") -> Any:
        """Drop what was written since the last `sync`; an old version is the owner's to bring back."""
        if to is not None:
            raise ForkError(f"rollback(to=...) is the owner's: a part of {self.remote_uri} only sends what it writes")
        return super().rollback()

    def _send(self, progress: Any) -> ForkResult:
        self.sync()
        fork, base = self._fork, self.base
        assert base is not None, "a fork is of a version"
        rows = list(self._edits.pending())
        sent = send_packs(
            base, rows, self._edits.read, group_bytes=fork.group_bytes, num_groups=fork.num_groups, progress=progress
        )
        record = replace(sent, guards=self._edits.guards())
        return ForkResult(
            fork.uuid, fork.version, record.encode(), len(rows), len(sent.uploads), sent.nbytes, self.stats.total
        )

    def close(self) -> None:
        """Close the handle; what was not sent is dropped."""
        try:
            super().close()
        finally:
            self._folder.cleanup()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self.closed:
                self.result()
        finally:
            self.close()


def open_fork(fork: Fork, folder: str | os.PathLike[str] | None = None) -> ForkWriter:
    """Open a handle that writes a part of a database, as `Fork.open` says."""
    place = Place(
        fork.connection,
        CountingStore(fork.connection.store(writable=True), log=False),
        fork.kind,
        fork.group_bytes,
        fork.num_groups,
    )
    version = _version_of(fork, place)
    scratch = tempfile.TemporaryDirectory(prefix="ebooklet-fork-", dir=folder, ignore_cleanup_errors=True)
    try:
        assembly = Assembly(place, Path(scratch.name) / "part.blt", None, trust_pickle=fork.trust_pickle)
        parts: Parts = assembly.for_worker(version)
        serializer: Serializer = fork.serializer or parts.loader.local.serializer
        return ForkWriter(fork, scratch, serializer, parts.loader, parts.edits, parts.publisher, writable=True)
    except BaseException:
        scratch.cleanup()
        raise


def _version_of(fork: Fork, place: Place) -> RemoteVersion:
    """Open the version of a fork with one request, two if others have committed since."""
    current = find_version(place.store, place.key)
    if current is None:
        raise RemoteMissingError(f"{place.uri} is gone: the fork is of no use any more")
    if current.uuid != fork.uuid:
        raise ForkError(f"{place.uri} is another database now, {current.uuid}: the fork is of {fork.uuid}")
    current.check_writable()
    if current.snapshot.id.hex() == fork.version:
        return current
    if fork.ref is None:
        raise ForkError(f"{place.uri} has moved on, and the version {fork.version[:8]} cannot be found: fork() again")
    return version_at(current, fork.ref)
