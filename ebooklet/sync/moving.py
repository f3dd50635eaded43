"""May pending changes move to a newer version of the remote, and what becomes of those that may not?"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from ebooklet.errors import ConflictError, UUIDMismatchError
from ebooklet.format.table import Row
from ebooklet.plan.push import same_value
from ebooklet.plan.rebase import Rebase, diff, plan_rebase
from ebooklet.sync.contract import OnConflict, check_on_conflict
from ebooklet.sync.version import RemoteVersion

METADATA = "the metadata of the database"  # stands among the guards when it changed on both sides


@dataclass(frozen=True)
class Pending:
    """Changes that no remote knows.

    Attributes
    ----------
    rows : tuple of Row
        Own edits and tombstones.
    guards : mapping
        By prefix of their keys, the keys of records they rely on.
    metadata : bytes or None
        The user's metadata, if it was changed.
    replace : bool
        Whether they replace everything.
    dropped : tuple of str
        Keys whose changes were given up.
    dropped_metadata : bytes or None
        The user's metadata, if that change was given up.
    """

    rows: tuple[Row, ...]
    guards: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    metadata: bytes | None = None
    replace: bool = False
    dropped: tuple[str, ...] = ()
    dropped_metadata: bytes | None = None

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to publish."""
        return not self.rows and self.metadata is None and not self.replace

    @cached_property
    def by_key(self) -> dict[str, Row]:
        """The rows by key."""
        return {row.key: row for row in self.rows}


def move(
    pending: Pending, base: RemoteVersion | None, current: RemoteVersion, on_conflict: OnConflict = "raise"
) -> Pending:
    """Move pending changes from the version they were made on to a newer one.

    Parameters
    ----------
    pending : Pending
        The changes.
    base, current : RemoteVersion
        From where to where.
    on_conflict : str
        ``'raise'``; ``'ours'`` to keep all changes; ``'theirs'`` to give up those that cannot move.

    Returns
    -------
    Pending
        What is left of them.

    Raises
    ------
    ConflictError
        If both sides changed the same keys, or the remote changed records that pending changes rely on.
    UUIDMismatchError
        If it is another database.
    """
    check_on_conflict(on_conflict)
    current.check_writable()
    if base is None:
        return pending
    if base.uuid != current.uuid:
        raise UUIDMismatchError(f"{current.place} is another database now: {current.uuid}, it was {base.uuid}")
    if on_conflict == "ours":  # asks nothing of the old version, which may have expired
        return pending
    with current.damage():
        found = compare(pending, base, current)
    if not found:
        return pending
    if on_conflict == "raise" or pending.replace:
        raise ConflictError(
            f"another commit to {current.place} stands against the pending changes: {found}. They are kept: "
            "choose on_conflict='ours' or 'theirs', or look at what changed with pull() after discarding them",
            found.keys,
            found.guards,
        )
    given_up = {*found.keys, *found.guarded}
    keeps_metadata = METADATA not in found.guards
    return replace(
        pending,
        rows=tuple(row for row in pending.rows if row.key not in given_up),
        dropped=(*pending.dropped, *(row.key for row in pending.rows if row.key in given_up)),
        metadata=pending.metadata if keeps_metadata else None,
        dropped_metadata=pending.dropped_metadata if keeps_metadata else pending.metadata,
    )


def compare(pending: Pending, base: RemoteVersion, current: RemoteVersion) -> Rebase:
    """Find what stands against moving pending changes from one version to another."""
    skip = same_packs(base, current)
    if pending.replace:
        pairs = [pair for pair in diff(base.table, current.table, skip=skip) if not same_value(*pair)]
        return Rebase(keys=tuple(dict.fromkeys(row.key for pair in pairs for row in pair if row is not None)))
    found = plan_rebase(pending.rows, pending.guards, base.table, current.table, skip=skip)
    theirs = current.snapshot.metadata
    if pending.metadata is not None and theirs not in (base.snapshot.metadata, pending.metadata):
        found = replace(found, guards=(*found.guards, METADATA))
    return found


def same_packs(base: RemoteVersion, current: RemoteVersion) -> bool:
    """Whether pack numbers of both versions mean the same, which they do unless a root was put back by hand."""
    pairs = zip(base.snapshot.packs, current.snapshot.packs, strict=False)
    return all(one is None or other is None or one.name == other.name for one, other in pairs)
