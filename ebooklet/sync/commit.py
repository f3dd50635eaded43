"""How does a new root object become the current one, exactly once?

One conditional PUT. Whatever else than success the server answers, or if it answers nothing, the root is read back: our
commit among its last ones means that it happened; an unchanged root means that it did not, and it is tried again;
anything else is a race that was lost.
"""

import logging
import random
import time
from dataclasses import dataclass

from ebooklet.errors import (
    AccessDeniedError,
    BucketMissingError,
    CommitModeError,
    NoCredentialsError,
    PreconditionFailedError,
    PushError,
    RemoteExistsError,
    RemoteMissingError,
    StoreError,
    UncertainOutcomeError,
    UnsupportedOperationError,
    UUIDMismatchError,
)
from ebooklet.format.names import fresh_name, object_text
from ebooklet.stores.probe import probe_conditional_put
from ebooklet.stores.protocol import CREATE, ObjectStore, Update
from ebooklet.sync.version import UNKNOWN_ETAG, CachedRoot, RemoteVersion, find_version

log = logging.getLogger("ebooklet")

ATTEMPTS = 6
SHORTEST, LONGEST = 0.01, 2.0
RACE = 0.2
_MODE_NAMES = {"cas": "conditional write", "lease": "lease", "single_writer": "a single writer"}
_RECORDED = {
    "cas": "by conditional writes, which this server does not honour: copy_remote() makes a database for this server",
    "lease": "under its lease: open it with lock=True",
    "single_writer": "by a single writer without protection: if that is you, say so by single_writer=True",
}


@dataclass(frozen=True, slots=True)
class Committed:
    """The commit happened; `version` is the one it made, even if there are later ones."""

    version: RemoteVersion


@dataclass(frozen=True, slots=True)
class Lost:
    """Another commit came first; `version` is the current one."""

    version: RemoteVersion


def commit_root(
    store: ObjectStore,
    key: str,
    body: bytes,
    commit: bytes,
    base: RemoteVersion | None,
    *,
    single_writer: bool = False,
) -> Committed | Lost:
    """Make `body` the root object.

    Parameters
    ----------
    store, key
        Where the database is.
    body : bytes
        The new root object.
    commit : bytes
        Its commit id, the first of `body`'s commits.
    base : RemoteVersion or None
        The version it replaces; None = there must be none.
    single_writer : bool
        Whether to do without conditional writes where the server has none, as nobody else writes or the lease is held.

    Raises
    ------
    PushError
        If the outcome cannot be found out; the next push will.
    """
    plainly = single_writer and not store.supports_conditional_put
    if base is not None and base.root.mode != "cas" and not single_writer:
        raise _wrong_mode(store, key, base.root.mode, "cas")
    for attempt in range(ATTEMPTS):
        try:
            return _put(store, key, body, base, plainly)
        except (AccessDeniedError, NoCredentialsError, BucketMissingError):
            raise
        except UnsupportedOperationError as error:
            if plainly:
                raise
            raise unsupported(store, key) from error
        except StoreError as error:
            problem = error
        current = _read_back(store, key, problem, base)
        if current is not None and commit in current.root.commits:
            return Committed(own_version(store, key, body, current))
        if not _unchanged(base, current):
            return Lost(_successor(store, key, base, current))
        log.debug("the root of %s is unchanged after %s: once more", key, problem)
        pause(attempt)
    raise PushError(
        f"{store.uri}/{key} does not accept a new version: {problem}. Every pending change is kept; push again later"
    ) from problem


def own_version(store: ObjectStore, key: str, body: bytes, current: RemoteVersion) -> RemoteVersion:
    """Return the version that a commit made, of which only its root object is known, and a version that followed it.

    What others have committed since must not slip in unseen: changes still pending are rebased on it by the next push.
    """
    if current.cached.body == body:
        return current
    return RemoteVersion(store, key, CachedRoot(UNKNOWN_ETAG, body), pages=current.pages)


def commit_mode(
    store: ObjectStore,
    key: str,
    prefix: str,
    base: RemoteVersion | None,
    *,
    single_writer: bool = False,
    leased: bool = False,
) -> str:
    """Tell how a commit is kept apart from those of others, as the next root says it.

    Parameters
    ----------
    store, key, prefix
        The database, and what the keys of its objects begin with.
    base : RemoteVersion or None
        The version to build on, whose root says how others commit.
    single_writer : bool
        The caller's word that nobody else writes.
    leased : bool
        Whether he holds the lease.

    Returns
    -------
    str
        ``'cas'`` wherever the server honours conditional writes, else ``'lease'`` or ``'single_writer'``.

    Raises
    ------
    CommitModeError
        If others commit in another way, against which this one does not protect.
    UnsupportedOperationError
        If nothing keeps commits apart.
    """
    recorded = base.root.mode if base else None
    honoured = store.supports_conditional_put
    if honoured is None and (leased or not single_writer or recorded == "cas"):
        honoured = probe_conditional_put(store, f"{prefix}{object_text(fresh_name())}")
    if not (honoured or leased or single_writer):
        raise unsupported(store, key)
    mode = "cas" if honoured else "lease" if leased else "single_writer"
    if recorded in (None, mode) or _may_change(recorded, single_writer=single_writer, leased=leased):
        return mode
    raise _wrong_mode(store, key, str(recorded), mode)


def _may_change(recorded: str | None, *, single_writer: bool, leased: bool) -> bool:
    """Whether nobody else can be committing in the old way meanwhile."""
    if recorded == "cas":
        return False
    return leased if recorded == "lease" else single_writer


def _wrong_mode(store: ObjectStore, key: str, recorded: str, mode: str) -> CommitModeError:
    return CommitModeError(
        f"{store.uri}/{key} is committed to {_RECORDED[recorded]}. A commit by {_MODE_NAMES[mode]} could overwrite "
        "another one, or be overwritten; nothing was sent, every pending change is kept"
    )


def check_conditional_put(store: ObjectStore, key: str, prefix: str, single_writer: bool) -> None:
    """Find out, once per bucket, whether the server honours conditional writes; without them one must be alone."""
    if single_writer:
        return
    if not probe_conditional_put(store, f"{prefix}{object_text(fresh_name())}"):
        raise unsupported(store, key)


def unsupported(store: ObjectStore, key: str) -> UnsupportedOperationError:
    """Return the error for a server without conditional writes."""
    return UnsupportedOperationError(
        f"{store.uri} has no conditional writes, so that two writers of {key} could overwrite each other's commits: "
        "if you are the only one who writes, say so by single_writer=True; writers who take turns give lock=True"
    )


def pause(attempt: int) -> None:
    """Wait before another attempt, longer each time, half of it by chance."""
    time.sleep(min(LONGEST, SHORTEST * 2.0**attempt) * random.uniform(0.5, 1.0))


def pause_after_race(lost: int) -> None:
    """Wait a random time after a lost race, shorter the more were lost: whoever waits longest goes first."""
    time.sleep(random.uniform(0.0, RACE / (1 + lost)))


def _put(store: ObjectStore, key: str, body: bytes, base: RemoteVersion | None, plainly: bool) -> Committed:
    if plainly:
        if not _unchanged(base, find_version(store, key)):
            raise PreconditionFailedError(f"{store.uri}/{key} was changed by another writer")
        meta = store.put(key, body)
    else:
        meta = store.put(key, body, CREATE if base is None else Update(base.etag))
    if not meta.etag:  # whether it happened, and as what, tells the root
        raise UncertainOutcomeError(f"{store.uri}/{key}: the server answered a write without an ETag")
    pages = base.pages if base else None
    return Committed(RemoteVersion(store, key, CachedRoot(meta.etag, body), server_date=meta.server_date, pages=pages))


def _read_back(store: ObjectStore, key: str, problem: StoreError, base: RemoteVersion | None) -> RemoteVersion | None:
    for attempt in range(ATTEMPTS):
        try:
            return find_version(store, key, pages=base.pages if base else None)
        except StoreError as error:
            log.debug("reading back %s after %s failed: %s", key, problem, error)
            last = error
            pause(attempt)
    raise PushError(
        f"whether the push to {store.uri}/{key} happened is not known ({problem}), the root cannot be read ({last}). "
        "Every pending change is kept, the next push finds out"
    ) from problem


def _unchanged(base: RemoteVersion | None, current: RemoteVersion | None) -> bool:
    if base is None or current is None:
        return base is None and current is None
    return base.etag == current.etag


def _successor(
    store: ObjectStore, key: str, base: RemoteVersion | None, current: RemoteVersion | None
) -> RemoteVersion:
    """The version that came first, if it belongs to the same database."""
    place = f"{store.uri}/{key}"
    if current is None:
        raise RemoteMissingError(f"{place} was deleted since it was opened; every pending change is kept")
    if base is None:
        raise RemoteExistsError(f"{place} was made by another writer since it was opened; every pending change is kept")
    if base.uuid != current.uuid:
        raise UUIDMismatchError(
            f"{place} is another database now ({current.uuid}, it was {base.uuid}); every pending change is kept"
        )
    return current
