"""How are objects deleted that no version refers to, beside writers and readers who know nothing of it?

The root is read, then the objects are listed; what no version refers to goes, if it is older than the grace by the
server's clock. In turn a commit refers only to what the root it replaces refers to, or to objects younger than half the
grace: nothing that is deleted can come into use again.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from ebooklet.errors import StoreError, UnsupportedOperationError
from ebooklet.format.names import object_text
from ebooklet.plan.reachable import Judged, judge
from ebooklet.sizes import byte_size, counted, duration_text
from ebooklet.stores.protocol import ObjectStore
from ebooklet.sync.reachable import reachable, stored_objects
from ebooklet.sync.version import open_version


@dataclass(frozen=True, slots=True)
class CollectResult:
    """What a collection deleted, or would delete; true when there was something.

    Attributes
    ----------
    dry_run : bool
        Whether nothing was deleted.
    n_objects, nbytes : int
        Objects deleted and their bytes.
    n_young, young_bytes : int
        Objects no version refers to that are too young to be deleted.
    n_kept, kept_bytes : int
        Objects in use.
    n_versions : int
        Versions that are kept.
    grace : timedelta
        How old an object had to be.
    failures : dict
        Objects that could not be deleted, with the error.
    missing : tuple of str
        Objects that a version refers to and that are gone: values of it are lost.
    n_requests : int
        Requests sent.
    """

    dry_run: bool
    n_objects: int = 0
    nbytes: int = 0
    n_young: int = 0
    young_bytes: int = 0
    n_kept: int = 0
    kept_bytes: int = 0
    n_versions: int = 0
    grace: timedelta = timedelta(0)
    failures: dict[str, StoreError] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    n_requests: int = 0

    @property
    def ok(self) -> bool:
        """Whether everything that was to go is gone, and nothing is missing."""
        return not self.failures and not self.missing

    def __bool__(self) -> bool:
        return self.n_objects > 0

    def __str__(self) -> str:
        verb = "would delete" if self.dry_run else "deleted"
        text = (
            f"{verb} {counted(self.n_objects, 'object')}, {byte_size(self.nbytes)}; {counted(self.n_kept, 'object')}, "
            f"{byte_size(self.kept_bytes)}, of {counted(self.n_versions, 'version')} stay"
        )
        if self.n_young:
            age = duration_text(self.grace.total_seconds())
            text += (
                f"; {self.n_young} more, {byte_size(self.young_bytes)}, are in no version but younger than {age}: "
                "collect again later"
            )
        if self.failures:
            text += f"; {len(self.failures)} could not be deleted, collect again to go on"
        if self.missing:
            text += f"; {counted(len(self.missing), 'object')} that versions refer to missing"
        return text


def collect_garbage(
    store: ObjectStore, key: str, *, grace: timedelta | None = None, dry_run: bool = False, alone: bool = False
) -> CollectResult:
    """Delete the objects of a database that none of its versions refers to.

    Parameters
    ----------
    store, key
        Where the database is.
    grace : timedelta, optional
        How old they must be, by the server's clock; what the root says by default.
    dry_run : bool
        Whether only to tell.
    alone : bool
        The caller's word that nobody pushes meanwhile: only then may the grace be shorter than the root says.

    Raises
    ------
    RemoteMissingError
        If there is no database.
    RemoteIntegrityError
        If a version cannot be read, so that nobody knows what it refers to; nothing is deleted.
    UnsupportedOperationError
        If the server does not tell the time.
    """
    current = open_version(store, key)
    current.check_writable()
    agreed = timedelta(seconds=current.root.grace)
    grace = agreed if grace is None else grace
    if grace < agreed and not alone and not dry_run:
        raise ValueError(
            f"grace={duration_text(grace.total_seconds())!r} is shorter than the "
            f"{duration_text(agreed.total_seconds())} that writers of {current.place} rely on: what a push under way "
            "has sent could be deleted. If nobody pushes meanwhile, say so by alone=True"
        )
    if current.server_date is None:
        raise UnsupportedOperationError(f"{store.uri} does not tell the time, so that nobody knows how old objects are")
    known = reachable(current)
    found = judge(stored_objects(store, key, current.uuid), known.names, current.server_date, grace)
    garbage = [current.object_key(name) for name, _ in found.garbage]
    failures = store.delete_many(garbage) if garbage and not dry_run else {}
    gone = [thing.size for name, thing in found.garbage if current.object_key(name) not in failures]
    return CollectResult(
        dry_run,
        len(gone),
        sum(gone),
        *_summed(found),
        n_versions=known.versions,
        grace=grace,
        failures=dict(failures),
        missing=tuple(sorted(map(object_text, found.missing))),
    )


def _summed(found: Judged) -> tuple[int, int, int, int]:
    young, used = ([thing.size for _, thing in some] for some in (found.young, found.used))
    return len(young), sum(young), len(used), sum(used)
