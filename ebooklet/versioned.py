"""What can a user do with the versions of a synced file?"""

from datetime import timedelta
from typing import Any

from ebooklet.difference import Difference
from ebooklet.history import Log, Version
from ebooklet.results import PushResult
from ebooklet.sync.collect import CollectResult
from ebooklet.sync.version import CachedRoot
from ebooklet.synced import SyncedFile
from ebooklet.versions import Age, ExpireResult, Versions, Wanted


class VersionedFile(SyncedFile):
    """A synced file with the versions of its remote."""

    def __init__(self, *args: Any, newest_root: CachedRoot | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._versions = Versions(self._publisher, self._edits, newest_root)

    @property
    def version(self) -> str | None:
        """Id of the version this handle reads; None when nothing was published."""
        return None if self.base is None else self.base.snapshot.id.hex()

    def log(self, limit: int | None = None) -> Log:
        """List the versions of the remote that are kept, the newest first.

        Parameters
        ----------
        limit
            The most versions to give.

        Returns
        -------
        Log
            A sequence of `Version` that prints as a table. One request gives the last 64 versions at least, another
            one 64 older ones, when somebody comes to them.

        Examples
        --------
        >>> import ebooklet, tempfile
        >>> with ebooklet.open(f"file://{tempfile.mkdtemp()}/db.blt", flag="c", cache=None) as db:
        ...     for value in (b"1", b"2"):
        ...         db["a"] = value
        ...         pushed = db.push(message=f"value {value.decode()}")
        ...     [version.message for version in db.log()]
        ['value 2', 'value 1']
        """
        self._check_open()
        return self._versions.log(limit)

    def tags(self) -> dict[str, Version]:
        """Return the versions that have names, by name."""
        self._check_open()
        return self._versions.tags()

    def tag(self, name: str, version: Wanted | None = None) -> None:
        """Give a version a name; one that is in use moves.

        One conditional write of the root object, which never conflicts with pushes of others.

        Parameters
        ----------
        name
            1-255 characters that read neither as a date nor as the first digits of an id.
        version
            Which: as for `open`; by default the one this handle reads, without pending changes.

        Raises
        ------
        VersionNotFoundError
            If there is no such version.
        """
        self._check_writable()
        self.sync()
        self._versions.tag(name, version)

    def delete_tag(self, name: str) -> None:
        """Take a name from its version, which stays until it expires.

        Raises
        ------
        VersionNotFoundError
            If there is no such name.
        """
        self._check_writable()
        self.sync()
        self._versions.delete_tag(name)

    def diff(self, a: Wanted, b: Wanted | None = None) -> Difference:
        """Tell which keys differ between two versions, from their key tables; no value is read.

        Parameters
        ----------
        a, b
            Versions, as for `open`. Without `b`: what this handle sees, pending changes included.

        Returns
        -------
        Difference
            It prints as a table.

        Examples
        --------
        >>> import ebooklet, tempfile
        >>> with ebooklet.open(f"file://{tempfile.mkdtemp()}/db.blt", flag="c", cache=None) as db:
        ...     db.update(a=b"1", b=b"1")
        ...     pushed = db.push()
        ...     db.update(b=b"2", c=b"2")
        ...     difference = db.diff(0)
        >>> difference.added, difference.changed, difference.deleted
        (('c',), ('b',), ())
        """
        self._check_open()
        return self._versions.diff(a, b)

    def rollback(self, to: Wanted | None = None, *, message: str = "") -> Any:
        """Drop what was written since the last `sync`; or make the content of an old version the newest one.

        Parameters
        ----------
        to
            A version of the remote, as for `open`. Its content is committed as a new version: the ones in between stay
            in the history, nothing is sent but the commit.
        message
            What to say about the new version.

        Returns
        -------
        int, or with `to` PushResult
            How many changes were dropped; or what was done, false when that version is the newest one.

        Raises
        ------
        ValueError
            If changes are pending, with `to`.
        ConflictError
            If somebody pushed meanwhile, with `to`.
        """
        if to is None:
            return super().rollback()
        self._check_writable()
        self.sync()
        result: PushResult = self._versions.rollback(to, message)
        return result

    def expire(self, older_than: Age | None = None, *, keep: int | None = None, dry_run: bool = False) -> ExpireResult:
        """Forget old versions; the newest one and those with a tag stay.

        Parameters
        ----------
        older_than
            ``'30d'``, a timedelta, a moment, or 0: versions go that had been replaced by then, so that the data
            as they were at any later moment can still be opened.
        keep
            So many of the newest stay in any case; without `older_than` all others go.
        dry_run
            Only tell.

        Returns
        -------
        ExpireResult
            What went. Its objects stay in the bucket until `collect`.
        """
        if dry_run:
            self._check_open()
        else:
            self._check_writable()
            self.sync()
        return self._versions.expire(older_than, keep, dry_run)

    def collect(
        self, *, dry_run: bool = False, grace: str | int | timedelta | None = None, alone: bool = False
    ) -> CollectResult:
        """Delete the objects of the remote that no version refers to.

        What is younger than the grace (24 hours) by the server's clock stays, because a push that is under way may be
        about to refer to it.

        Parameters
        ----------
        dry_run
            Only tell.
        grace
            Another age, as ``'48h'``, a timedelta or 0; a shorter one than the database was made with needs `alone`.
        alone
            Your word that no push is under way anywhere.

        Returns
        -------
        CollectResult

        Raises
        ------
        RemoteIntegrityError
            If a version cannot be read: then nothing is deleted.
        """
        if dry_run:
            self._check_open()
        else:
            self._check_writable()
        return self._versions.collect(grace, dry_run, alone)
