"""How does a database come back from an archive?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, get_args

from ebooklet.connection import as_connection
from ebooklet.errors import EBookletError, ObjectArchivedError, RemoteMissingError, UnsupportedOperationError
from ebooklet.stores.s3 import S3Store
from ebooklet.sync.workers import completed
from ebooklet.uri import OBJECTS_SUFFIX

Tier = Literal["Expedited", "Standard", "Bulk"]
State = Literal["asked", "underway", "ready"]
#: Storage classes whose objects cannot be read as they are.
ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What was asked for; prints as a text.

    Attributes
    ----------
    uri : str
        The place of the database.
    asked, underway, ready : int
        Archived objects that were asked for now, that had been asked for before, and that can be read already.
    nbytes : int
        Bytes of the archived objects.
    failures : dict of str to Exception
        By key.
    n_requests : int
        Requests that were sent.
    """

    uri: str
    asked: int = 0
    underway: int = 0
    ready: int = 0
    nbytes: int = 0
    failures: Mapping[str, Exception] = field(default_factory=dict)
    n_requests: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def __str__(self) -> str:
        archived = self.asked + self.underway + self.ready + len(self.failures)
        if not archived:
            return f"{self.uri}: nothing is archived"
        states = f"{self.asked} asked for, {self.underway} underway, {self.ready} ready"
        failed = "".join(f"\n  {key}: {error}" for key, error in self.failures.items())
        return f"{self.uri}: {archived} archived objects: {states}, {len(self.failures)} failed{failed}"


def restore(
    remote_conn: object,
    *,
    days: int = 7,
    tier: Tier = "Standard",
    progress: Callable[[int, int], None] | None = None,
) -> RestoreResult:
    """Ask for readable copies of a database whose objects are in an archive (storage class GLACIER or DEEP_ARCHIVE).

    The copies come in minutes to hours; asking again tells how far it is. One request per archived object, and one per
    thousand objects to find them.

    Parameters
    ----------
    remote_conn : S3Connection, str or dict
        The place of the database, with keys that may write there.
    days : int
        How long the copies stay.
    tier : {'Expedited', 'Standard', 'Bulk'}
        How fast they come, and how dear that is.
    progress : callable, optional
        Called with the objects asked for and their number.

    Returns
    -------
    RestoreResult

    Raises
    ------
    RemoteMissingError
        If there is no database.
    UnsupportedOperationError
        If the store has no archives.
    """
    if days < 1:
        raise ValueError(f"days={days!r}: copies stay for at least one day")
    if tier not in get_args(Tier):
        raise ValueError(f"tier={tier!r}: use one of {get_args(Tier)}")
    conn = as_connection(remote_conn)
    store = conn.store(writable=True)
    if not isinstance(store, S3Store):
        raise UnsupportedOperationError(f"{conn.uri} is not in a bucket: there are no archives")
    before = store.ledger.stats()
    try:
        found = [store.head(conn.db_key), *store.list(f"{conn.db_key}{OBJECTS_SUFFIX}/")]
    except FileNotFoundError as error:
        raise RemoteMissingError(f"there is no database at {conn.uri}") from error
    archived = [meta for meta in found if meta.storage_class in ARCHIVES]
    states: dict[State, int] = {"asked": 0, "underway": 0, "ready": 0}
    failures: dict[str, Exception] = {}
    jobs = [partial(_ask, store, meta.key, days, tier) for meta in archived]
    for done, (number, state) in enumerate(completed(jobs, conn.threads), 1):
        if isinstance(state, EBookletError):
            failures[archived[number].key] = state
        elif isinstance(state, Exception):
            raise state
        else:
            states[state] += 1
        if progress is not None:
            progress(done, len(jobs))
    nbytes = sum(meta.size for meta in archived)
    return RestoreResult(
        conn.uri,
        **states,
        nbytes=nbytes,
        failures=failures,
        n_requests=(store.ledger.stats() - before).requests,
    )


def _ask(store: S3Store, key: str, days: int, tier: Tier) -> State:
    try:
        return "ready" if store.restore(key, days=days, tier=tier) else "asked"
    except ObjectArchivedError:
        return "underway"
