"""Which errors can ebooklet raise?

::

    EBookletError
    ├── ReadOnlyError (ValueError)              write on a handle opened for reading
    ├── ClosedError (ValueError)                use of a closed handle
    ├── ForkedHandleError (RuntimeError)        use of a handle inherited by a forked process
    ├── InvalidURLError (ValueError, TypeError) not an address this package knows
    ├── LockTimeoutError (TimeoutError)         another writer holds the file
    ├── LockUnavailableError (OSError)          the file system has no working locks
    ├── CommitUncertainError (OSError)          the commit happened or may have happened, the handle is unusable
    ├── FileFormatError (ValueError)
    │   ├── NotABookletError (TypeError)        a file of another kind
    │   ├── CorruptFileError                    header, table or commit record damaged
    │   │   └── CorruptValueError             a stored value fails its checksum or is missing
    │   ├── UntrustedFileError                  reading would execute something (pickle)
    │   └── UnsupportedFormatError              written by a newer release: names the feature
    ├── StoreError
    │   ├── ObjectNotFoundError (FileNotFoundError)
    │   ├── ObjectTooLargeError (ValueError)    longer than the caller is ready to read
    │   ├── ShortObjectError (OSError)          an object ends before the range that was asked for
    │   ├── PreconditionFailedError             conditional PUT lost
    │   ├── NotModifiedError                    If-None-Match matched
    │   ├── AccessDeniedError (PermissionError)
    │   │   ├── CredentialsExpiredError         temporary keys are not valid any more
    │   │   └── ClockSkewError                  the clock of this computer is wrong
    │   ├── NoCredentialsError (PermissionError)
    │   ├── BucketMissingError (FileNotFoundError)
    │   ├── RemoteConnectionError (ConnectionError)
    │   ├── ObjectArchivedError (OSError)       an object has to be restored before it can be read
    │   ├── StorageFullError (OSError)          a quota is used up
    │   ├── GroupTooLargeError (ValueError)     larger than a store takes
    │   ├── UncertainOutcomeError               a PUT that may or may not have been applied
    │   └── UnsupportedOperationError (NotImplementedError)
    ├── RemoteError
    │   ├── RemoteMissingError (FileNotFoundError, ValueError)
    │   ├── RemoteExistsError (FileExistsError)
    │   ├── RemoteIntegrityError (OSError)      an object is damaged or gone
    │   │   └── VersionExpiredError             it belonged to a version that is not kept any more
    │   ├── VersionNotFoundError (LookupError, ValueError) no version has this name, id or time
    │   ├── UUIDMismatchError (ValueError)
    │   ├── ConflictError                       another commit touched the same keys or their guards
    │   │   └── OverlapError                    two workers, or a worker and the owner, changed the same keys
    │   ├── LockLostError                       the lease on a database was taken over by another writer
    │   ├── ForkError (ValueError)              a fork, or the result of one, that does not fit the database
    │   ├── CommitModeError (ValueError)        others commit to the database in another way
    │   └── PushError                           a push failed, every pending change is kept
    │       ├── UploadsTooOldError              what was sent waited too long for its commit, and is sent anew next time
    │       ├── PushInProgressError (RuntimeError)      another thread is pushing through the same handle
    │       └── ConcurrentCompactionError (RuntimeError) others compacted again and again meanwhile
    ├── BudgetExceededError (RuntimeError)      a request that `budget()` does not allow; it was not sent
    └── OfflineError (ConnectionError)
"""

from collections.abc import Sequence


class EBookletError(Exception):
    """Root of every error raised by ebooklet."""


class ReadOnlyError(EBookletError, ValueError):
    """A write on a handle opened for reading."""


class ClosedError(EBookletError, ValueError):
    """Use of a closed handle."""


class ForkedHandleError(EBookletError, RuntimeError):
    """Use of a handle in a forked process that did not open it."""


class InvalidURLError(EBookletError, ValueError, TypeError):
    """A URL, key or path that does not name a database."""


class LockTimeoutError(EBookletError, TimeoutError):
    """Another writer holds the lock; the message names the holder."""


class LockUnavailableError(EBookletError, OSError):
    """The file system offers no working locks."""


class CommitUncertainError(EBookletError, OSError):
    """A commit is done, or may be done, but could not be finished; the handle is unusable, reopening recovers."""


class FileFormatError(EBookletError, ValueError):
    """A local file that cannot be used as it is."""


class NotABookletError(FileFormatError, TypeError):
    """A file of another kind."""


class CorruptFileError(FileFormatError):
    """Header, table or commit record of a file is damaged."""


class CorruptValueError(CorruptFileError):
    """A value that was written is missing or fails its checksum."""


class UntrustedFileError(FileFormatError):
    """Reading would execute code that comes from the file."""


class UnsupportedFormatError(FileFormatError):
    """Written with a feature this release does not know; the message names it."""


class StoreError(EBookletError):
    """An object store refused or failed."""


class ObjectNotFoundError(StoreError, FileNotFoundError):
    """There is no object of this key."""


class ObjectTooLargeError(StoreError, ValueError):
    """An object is longer than the caller is ready to read; nothing was read."""


class ShortObjectError(StoreError, OSError):
    """An object ends before the range that was asked for."""


class PreconditionFailedError(StoreError):
    """A conditional PUT found another state than it asked for."""


class NotModifiedError(StoreError):
    """The object still has the ETag the caller knows."""


class AccessDeniedError(StoreError, PermissionError):
    """The store refused the credentials, or anonymous access."""


class CredentialsExpiredError(AccessDeniedError):
    """The keys were temporary and their time is over."""


class ClockSkewError(AccessDeniedError):
    """The clock of this computer differs too much from the server's for signatures to be valid."""


class ObjectArchivedError(StoreError, OSError):
    """An object is in an archive, and has to be restored before it can be read."""


class NoCredentialsError(StoreError, PermissionError):
    """No credentials were found where they are needed."""


class BucketMissingError(StoreError, FileNotFoundError):
    """There is no bucket of this name."""


class RemoteConnectionError(StoreError, ConnectionError):
    """The store could not be reached."""


class StorageFullError(StoreError, OSError):
    """The store takes no more: a quota is used up, or the disk of the server is full."""


class GroupTooLargeError(StoreError, ValueError):
    """An object is larger than the store takes; nothing was sent."""


class UncertainOutcomeError(StoreError):
    """A write may or may not have been applied."""


class UnsupportedOperationError(StoreError, NotImplementedError):
    """The store does not offer this operation."""


class RemoteError(EBookletError):
    """A remote database is not as it should be."""


class RemoteMissingError(RemoteError, FileNotFoundError, ValueError):
    """There is no database at this place."""


class RemoteExistsError(RemoteError, FileExistsError):
    """There already is a database at this place."""


class RemoteIntegrityError(RemoteError, OSError):
    """A referenced object is damaged or gone."""


class VersionExpiredError(RemoteIntegrityError):
    """A value is gone, because the version it belongs to is not kept any more."""


class VersionNotFoundError(RemoteError, LookupError, ValueError):
    """No version that is kept has this name, id or time."""


class UUIDMismatchError(RemoteError, ValueError):
    """Local file and remote are different databases."""


class ConflictError(RemoteError):
    """Another commit touched the same keys, or the records that guard them.

    Attributes
    ----------
    keys : tuple of str
        Keys changed on both sides.
    guards : tuple of str
        Records that pending changes rely on and that changed on the remote.
    """

    def __init__(self, message: str, keys: Sequence[str] = (), guards: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.keys = tuple(keys)
        self.guards = tuple(guards)


class OverlapError(ConflictError):
    """Two workers, or a worker and the owner of a fork, changed the same keys; nothing was merged."""


class ForkError(RemoteError, ValueError):
    """A fork, or the result of one, does not fit the database, or does something that only the owner may do."""


class LockLostError(RemoteError):
    """Another writer took the lease on a database over; nothing was committed since."""


class CommitModeError(RemoteError, ValueError):
    """Others commit to the database in another way, so that commits could overwrite each other; nothing was sent."""


class PushError(RemoteError):
    """A push failed; every pending change is kept."""


class UploadsTooOldError(PushError):
    """What was sent waited so long for its commit that it may be collected as garbage; the next push sends it anew."""


class PushInProgressError(PushError, RuntimeError):
    """Another thread is pushing through the same handle."""


class ConcurrentCompactionError(PushError, RuntimeError):
    """Others compacted the database again and again, so that a push found no moment for its commit."""


class BudgetExceededError(EBookletError, RuntimeError):
    """A request would exceed a budget; it was not sent."""


class OfflineError(EBookletError, ConnectionError):
    """Something is needed from the remote while working offline.

    Attributes
    ----------
    keys
        The values that are needed, as far as they are known.
    """

    keys: tuple[str, ...] = ()
