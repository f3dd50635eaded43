"""What can a dataset do with the versions of its remote?"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from cfdb.errors import ClosedError
from cfdb.model.dataset import Dataset
from cfdb.model.doors import door
from cfdb.storage.booklet_store import translated
from cfdb.storage.ebooklet_store import EBookletStore


class RemoteVersions(Dataset):
    """A dataset whose remote keeps a version of every push.

    Versions are named by a tag, an id or its first digits, a date or moment (in UTC; the version that was the newest
    then), or by how many versions to go back from the newest.
    """

    _store: EBookletStore

    @property
    def version(self) -> str | None:
        """Id of the version this handle reads; None when nothing was pushed."""
        version: str | None = self._store.db.version
        return version

    def log(self, limit: int | None = None) -> Any:
        """List the versions that are kept, the newest first.

        Parameters
        ----------
        limit : int, optional
            The most versions to give.

        Returns
        -------
        Log
            A sequence of records with id, time, message, tags and sizes; prints as a table. One request gives the last
            64 versions at least.

        Examples
        --------
        >>> import tempfile
        >>> import cfdb
        >>> with cfdb.open_edataset(f"file://{tempfile.mkdtemp()}/t.cfdb", flag="n", cache=None) as ds:
        ...     ds["t"] = ("x", [1.5, 2.5])
        ...     pushed = ds.push(message="as measured", tag="v1")
        ...     ds["t"][0] = 1.4
        ...     pushed = ds.push(message="first value corrected")
        ...     [version.message for version in ds.log()]
        ['first value corrected', 'as measured']
        """
        self._structure.check_open()
        with translated():
            return self._store.db.log(limit)

    def tags(self) -> dict[str, Any]:
        """Give the versions that have names, by name."""
        self._structure.check_open()
        with translated():
            return self._store.db.tags()

    def tag(self, name: str, version: Any = None) -> None:
        """Give a version a name; one that is in use moves. What is pending stays pending.

        Parameters
        ----------
        name : str
            1-255 characters that read neither as a date nor as the first digits of an id.
        version : str, int, datetime or Version, optional
            Which; by default the one this handle reads.

        Raises
        ------
        ebooklet.VersionNotFoundError
            If there is no such version.
        """
        self.sync()
        with translated():
            self._store.db.tag(name, version)

    def delete_tag(self, name: str) -> None:
        """Take a name from its version, which stays until it expires.

        Raises
        ------
        ebooklet.VersionNotFoundError
            If there is no such name.
        """
        self.sync()
        with translated():
            self._store.db.delete_tag(name)

    def rollback(self, to: Any = None, *, message: str = "") -> Any:
        """Drop every change since the last `sync`; or make the content of an old version the newest one.

        Parameters
        ----------
        to : str, int, datetime or Version, optional
            A version of the remote. Its content is committed as a new version; those in between stay in the log, and
            no value is sent.
        message : str
            What to say about the new version.

        Returns
        -------
        int, or with `to` PushResult
            How many changes were dropped; or what was done, false when that version is the newest already.

        Raises
        ------
        ValueError
            If changes are pending, with `to`.
        ebooklet.ConflictError
            If somebody pushed meanwhile, with `to`.
        """
        if to is None:
            return super().rollback()
        self.sync()
        with translated():
            result = self._store.db.rollback(to, message=message)
        with self._structure.lock:
            self._structure.reload()
            self._settle()
        return result

    def expire(self, older_than: Any = None, *, keep: int | None = None, dry_run: bool = False) -> Any:
        """Forget old versions; the newest one and those with a tag stay.

        Parameters
        ----------
        older_than : str, timedelta or datetime, optional
            As ``'30d'``, or 0: versions go that had been replaced by then, so that every later moment
            keeps its version.
        keep : int, optional
            So many of the newest stay in any case; without `older_than` all others go.
        dry_run : bool
            Only tell.

        Returns
        -------
        ExpireResult
        """
        self._structure.check_open()
        if not dry_run:
            self.sync()
        with translated():
            return self._store.db.expire(older_than, keep=keep, dry_run=dry_run)

    def collect(self, *, dry_run: bool = False, grace: Any = None, alone: bool = False) -> Any:
        """Delete the objects of the remote that no version refers to.

        Parameters
        ----------
        dry_run : bool
            Only tell.
        grace : str or timedelta, optional
            How old they must be by the server's clock, as ``'48h'``, or 0; 24 hours. Less needs `alone`.
        alone : bool
            Your word that no push is under way anywhere.

        Returns
        -------
        CollectResult
        """
        self._structure.check_open()
        with translated():
            return self._store.db.collect(dry_run=dry_run, grace=grace, alone=alone)

    def diff(self, a: Any, b: Any = None, *, values: bool = False) -> Any:
        """Tell what differs between two versions: variables, dimensions, attributes, chunks, and values if asked for.

        Parameters
        ----------
        a, b : str, int, datetime or Version
            Versions. Without `b`: what this handle sees, pending changes included.
        values : bool
            Whether to compare the values of the chunks that differ: counts, largest and mean difference, histogram.
            These chunks are fetched, no others.

        Returns
        -------
        DatasetDifference
            By variable; prints as a table, and draws a picture with `plot`.

        Examples
        --------
        >>> import tempfile
        >>> import cfdb
        >>> with cfdb.open_edataset(f"file://{tempfile.mkdtemp()}/t.cfdb", flag="n", cache=None) as ds:
        ...     ds["t"] = ("x", [1.5, 2.5])
        ...     pushed = ds.push()
        ...     ds["t"][0] = 1.25
        ...     found = ds.diff(0, values=True)
        >>> found.changed, found["t"].values.changed, found["t"].values.max_abs
        (('t',), 1, 0.25)
        """
        self._structure.check_open()
        if self._store.writable:
            self._structure.flush()
        with translated():
            keys = self._store.db.diff(a, b)

        @contextmanager
        def opened() -> Iterator[tuple[Dataset, Dataset]]:
            with ExitStack() as stack:
                old = stack.enter_context(self._opened_at(keys.old))
                yield old, self if b is None else stack.enter_context(self._opened_at(keys.new))

        with opened() as (old, new):
            return door("diff_datasets")(old, new, keys, values=values, opened=opened)

    def _opened_at(self, version: str) -> Any:
        """Open a version of the same remote for reading."""
        if self._structure.closed:
            raise ClosedError("the dataset was closed: pictures and differences need it open")
        db = self._store.db
        return door("open_version")(db.connection, db.file_path, version, self._labels.masked)
