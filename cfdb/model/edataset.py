"""What can a dataset do that is in step with a remote?"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

from cfdb.format.names import attributes_key, file_key
from cfdb.model.cataloguing import describe_for_catalogues
from cfdb.model.doors import door
from cfdb.model.history import History
from cfdb.model.labels import Reopen
from cfdb.model.pending import Changes
from cfdb.model.sharing import SharedDataset
from cfdb.model.structure import Structure
from cfdb.model.versions import RemoteVersions
from cfdb.storage.ebooklet_store import EBookletStore


class EDataset(SharedDataset, RemoteVersions):
    """A dataset in a local file, in step with S3, a folder or a URL.

    Opened by `cfdb.open_edataset`. Chunks are fetched when they are touched. Changes are local; leaving the ``with``
    block cleanly, `close` or `push` publishes them as one atomic commit.

    Examples
    --------
    >>> import tempfile
    >>> import cfdb
    >>> folder = tempfile.mkdtemp()
    >>> remote = f"file://{folder}/store/t.cfdb"
    >>> with cfdb.open_edataset(remote, f"{folder}/mine.cfdb", "n") as ds:
    ...     ds["t"] = ("x", [1.5, 2.5])
    >>> with cfdb.open_edataset(remote, f"{folder}/yours.cfdb") as ds:
    ...     print(ds["t"].values, ds.stats.total)
    [1.5 2.5] 2
    """

    _has_remote: ClassVar[bool] = True

    def __init__(
        self,
        structure: Structure,
        store: EBookletStore,
        *,
        file_path: Path | None = None,
        on_error: str = "rollback",
        masked: bool = True,
        reopen: Reopen | None = None,
        history: History | None = None,
        push_on_close: bool = True,
        check: Any = None,
    ) -> None:
        super().__init__(
            structure, file_path=file_path, on_error=on_error, masked=masked, reopen=reopen, history=history
        )
        self._store = store
        self._push_on_close = push_on_close
        self._check = check

    @property
    def remote_uri(self) -> str:
        """Where the remote is."""
        return self._store.db.remote_uri

    @property
    def stats(self) -> Any:
        """Requests and bytes that went to and came from the remote through this handle."""
        return self._store.db.stats

    def cache_info(self) -> Any:
        """Tell how many chunks came from the local file and how many were fetched, since this handle was opened.

        Returns
        -------
        CacheInfo
            With ``hits``, ``misses``, their bytes, ``from_cache``, ``source``, ``path`` and ``size``; prints as text.
        """
        self._structure.check_open()
        return self._store.db.cache_info()

    # changes

    def changes(self) -> Changes:
        """Tell what is not pushed yet, earlier sessions included; prints as a table by variable."""
        self._structure.check_open()
        if self._store.writable:
            self._structure.flush()
        names = {member.id: name for name, member in self._structure.members.items()}
        return Changes(
            self._store.db.changes(), names, self.remote_uri, push=self.push, pull=self.pull, discard=self.discard
        )

    def push(
        self,
        *,
        message: str = "",
        tag: str | None = None,
        on_conflict: str = "raise",
        progress: Any = None,
        check: Any = None,
        severity: str = "error",
        **options: Any,
    ) -> Any:
        """Publish everything that is pending, as one commit.

        Parameters
        ----------
        message : str
            What to say about the version.
        tag : str, optional
            A name for the version.
        on_conflict : {'raise', 'ours', 'theirs'}
            When another commit changed the same chunks or the structure they rely on: raise; write over it; give up
            the own changes concerned.
        progress : bool or callable, optional
            True for a bar, or a function called with the bytes done and in all.
        check : bool, str, callable or sequence of these, optional
            Rules the dataset has to follow to be published: names or groups, as `check` takes them, or functions; True
            is all rules, False none. By default what it was opened with.
        severity : {'error', 'warning', 'info'}
            The mildest finding that stops the push.
        **options
            Passed on: ``group_bytes``, ``num_groups``.

        Returns
        -------
        PushResult
            False when there was nothing to push.

        Raises
        ------
        CheckFailedError
            If the dataset breaks rules; the error lists what they found. Nothing was sent, every change is kept.
        ebooklet.ConflictError
            If another commit stands against this one. Nothing was published, every change is kept.
        ebooklet.PushError
            If the push failed. Every change is kept; push again.
        """
        chosen = self._check if check is None else check
        rules = () if chosen is None or chosen is False else door("find_gate")(chosen, severity)
        self.sync()
        if rules and self._store.db.has_pending:
            path = self.file_path
            where = f"every change is kept in {path}" if path is not None else "changes are in memory alone"
            door("refuse_unless")(self, rules, severity, where)
        result = self._store.push(
            self._structure.describe,
            message=message,
            tag=tag,
            inline=self._inline_keys(),
            summary=self._description(),
            on_conflict=on_conflict,
            progress=progress,
            **options,
        )
        self._reload()
        return result

    def pull(self, on_conflict: str = "raise") -> bool:
        """Move to the newest version of the remote, own changes on top; tell whether there was a newer one.

        Parameters
        ----------
        on_conflict : {'raise', 'ours', 'theirs'}
            When another commit changed the same chunks or the structure they rely on: as for `push`.

        Raises
        ------
        ebooklet.ConflictError
            If own changes stand against it; nothing moved.
        """
        with self._structure.lock:
            if self._store.writable:
                self.sync()
            moved = self._store.pull(self._structure.describe, on_conflict)
            if moved:
                self._structure.reload()
                self._settle()
        return moved

    def refresh(self) -> bool:
        """Do the same as `pull`."""
        return self.pull()

    def discard(self, names: Sequence[str] | None = None) -> int:
        """Give up pending changes and tell how many; the dataset reads again what the remote has.

        Parameters
        ----------
        names : sequence of str, optional
            Variables whose values and attributes to give up, or keys as `changes` lists them; everything by default.

        Raises
        ------
        VariableNotFoundError
            If there is neither a variable nor a pending key of that name.
        """
        with self._structure.lock:
            self.sync()
            dropped = self._store.db.discard(None if names is None else self._pending_keys(names))
            self._structure.reload()
            self._settle()
        return dropped

    def _pending_keys(self, names: Sequence[str]) -> list[str]:
        """Keys of pending changes to variables, or named themselves."""
        pending = [row.key for row in self._store.db.pending()]
        known = set(pending)
        found: list[str] = []
        for name in [names] if isinstance(names, str) else names:
            if name in known or (file := file_key(name)) in known:
                found.append(name if name in known else file)
                continue
            member = self._structure.find(name)
            found += [key for key in pending if key.startswith(f"{member.id}/") or key == attributes_key(member.id)]
        return found

    def _reload(self) -> None:
        """Read the records again; what other threads changed meanwhile is handed to the store first."""
        with self._structure.lock:
            self._structure.flush()
            self._structure.reload()
            self._settle()

    # the remote as a whole

    def delete_remote(self, *, load: bool = True, dry_run: bool = False) -> Any:
        """Delete the remote; the local file stays, and only an explicit `push` would publish it again.

        Parameters
        ----------
        load : bool
            Whether to fetch first what is not here, so that the local file is whole. Without, those chunks are lost.
        dry_run : bool
            Whether only to tell what would be deleted.

        Returns
        -------
        DeleteResult
            The objects with their sizes; prints as a list.

        Raises
        ------
        ebooklet.ConflictError
            If others have pushed what is not here, unless ``load=False``; nothing was deleted.
        """
        if not dry_run:
            self.sync()
        return self._store.db.delete_remote(load=load, dry_run=dry_run)

    def copy_remote(
        self, remote_conn: Any, history: bool = False, overwrite: bool = False, *, progress: Any = None
    ) -> Any:
        """Copy the remote, as it was last pushed, to another place; the copy gets an identity of its own.

        A copy that was cut short leaves nothing that can be opened; repeated within half a day it goes on.

        Parameters
        ----------
        remote_conn : S3Connection, str or dict
            The target.
        history : bool
            Whether older versions and tags come along.
        overwrite : bool
            Whether to replace a database that is there.
        progress : bool or callable, optional
            True for a bar, or a function called with the bytes done and in all.

        Returns
        -------
        CopyResult
            Prints as a sentence.

        Raises
        ------
        ebooklet.RemoteExistsError
            If there is a database at the target.
        ebooklet.RemoteIntegrityError
            If an object of the remote is missing or damaged; the target is as it was.
        """
        self._structure.check_open()
        return self._store.db.copy_remote(remote_conn, history, overwrite, progress=progress)

    def verify(self, remote: bool = True) -> Any:
        """Read every chunk that is here, and compare its checksum with what the remote says; no chunk is fetched.

        Whether the remote itself is whole tells :func:`ebooklet.fsck`.

        Parameters
        ----------
        remote : bool
            Whether to compare with the remote; otherwise only the checksums of the local file are verified.

        Returns
        -------
        ComparisonReport
            True when nothing is wrong; prints as text.
        """
        self._structure.check_open()
        return self._store.db.verify(remote, describe=self._store.readable)

    def plan_compaction(self, *, group_bytes: int | None = None) -> Any:
        """Tell which objects of the remote `compact` would rewrite, with what costs and gain; prints as a sentence.

        Parameters
        ----------
        group_bytes : int, optional
            Size of a new object, 16 MiB by default.
        """
        self._structure.check_open()
        return self._store.plan_compaction(group_bytes=group_bytes)

    def compact(self, *, message: str = "", group_bytes: int | None = None, progress: Any = None) -> Any:
        """Rewrite objects of the remote of which little is in use, or that are small and many, as one atomic commit.

        Worth it after many small pushes: readers then need fewer requests. No value changes, pending changes stay
        pending, and other readers and writers are not disturbed.

        Parameters
        ----------
        message : str
            What to say about the new version.
        group_bytes : int, optional
            Size of a new object, 16 MiB by default.
        progress : bool or callable, optional
            True for a bar, or a function called with the bytes done and in all.

        Returns
        -------
        CompactResult
            False when there was nothing to do.

        Examples
        --------
        >>> import tempfile
        >>> import cfdb
        >>> with cfdb.open_edataset(f"file://{tempfile.mkdtemp()}/t.cfdb", flag="n", cache=None) as ds:
        ...     for number in range(3):
        ...         ds[f"t{number}"] = ("x", [1.5, 2.5])
        ...         pushed = ds.push()
        ...     print(len(ds.compact().plan.packs), ds["t2"].values)
        3 [1.5 2.5]
        """
        self.sync()
        return self._store.compact(message=message, group_bytes=group_bytes, progress=progress)

    # closing

    def close(self) -> None:
        """Make every change permanent in the local file, push what is pending, and release the file.

        Offline nothing is pushed: changes wait in the local file.

        Raises
        ------
        ebooklet.PushError
            If the push failed: everything is kept in the local file. Open it again and `push`.
        CheckFailedError
            If the dataset breaks the rules it was opened with, with the same outcome.
        """
        if self._structure.closed:
            return
        try:
            if self._store.writable:
                self.sync()
                if self._push_on_close and not self._store.db.detached and self._store.db.has_pending:
                    self._push_at_last()
        finally:
            self._structure.close()

    def _push_at_last(self) -> None:
        """Push on closing; offline it has to wait."""
        if not self._store.db.offline:
            self.push()
        elif self._store.db.offline == "auto":
            warnings.warn(
                f"{self.remote_uri} cannot be reached: {len(self.changes())} changes wait in {self.file_path}; open it "
                "again and push()",
                stacklevel=4,
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._push_on_close = False  # what an exception left behind is never published
        super().__exit__(kind, error, trace)

    def _description(self) -> Callable[[], bytes] | None:
        """What catalogues are told, as it is now; None when nothing will be pushed."""
        if not self._store.db.has_pending:
            return None
        with self._structure.lock:
            described = describe_for_catalogues(self._labels, self._store)
        return lambda: described

    def _inline_keys(self) -> list[str]:
        """Keys whose values should come with the root object: structure, attributes, then coordinates, small first."""
        structure = self._structure
        records = structure.record_keys()
        chunks = [
            key
            for member in structure.members.values()
            if member.is_index or not member.dims
            for key in self._store.keys(f"{member.id}/")
        ]
        sizes = dict(zip(chunks, self._store.sizes(chunks), strict=True))
        return [*records, *sorted(chunks, key=lambda key: sizes[key] or 0)]
