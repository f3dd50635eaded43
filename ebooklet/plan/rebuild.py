"""Which values belong to a database whose root is lost, and what is said about what nobody can know?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from ebooklet.format.snapshot import Snapshot, SnapshotRef
from ebooklet.format.table import Row
from ebooklet.plan.reachable import named_by_snapshot


@dataclass(frozen=True, slots=True)
class Standing:
    """A version that was found in an object.

    Attributes
    ----------
    snapshot : Snapshot
        The version.
    data : bytes
        The same as it was written.
    ref : SnapshotRef
        Where it stands.
    """

    snapshot: Snapshot
    data: bytes = field(repr=False)
    ref: SnapshotRef


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was put together.

    Attributes
    ----------
    uuid : UUID
        The database.
    version : str
        Id of the version that is the current one now; empty after a dry run that would make one.
    base : str
        Id of the newest version that was whole; empty if there was none.
    base_time : int
        When it was made, microseconds since the epoch.
    n_keys, n_versions : int
        Keys now, and versions that can be opened.
    recovered : tuple of str
        Keys whose values were taken from later objects, or from all if no version was whole.
    lost : tuple of str
        Keys of the base whose objects are gone.
    damaged : tuple of str
        What could not be read, a sentence each.
    ignored : tuple of str
        Objects that no version names and that were left alone.
    unknown : tuple of str
        What nobody can know any more, a sentence each.
    """

    uuid: UUID
    version: str
    base: str
    base_time: int
    n_keys: int
    n_versions: int
    recovered: tuple[str, ...]
    lost: tuple[str, ...]
    damaged: tuple[str, ...]
    ignored: tuple[str, ...]
    unknown: tuple[str, ...]


def ancestry(newest: Standing, found: Mapping[bytes, Standing]) -> list[Standing]:
    """Return a version and those before it, as far as they were found, the newest first."""
    chain = [newest]
    seen = {newest.snapshot.id}
    while True:
        before = found.get(chain[-1].snapshot.parent_id)
        if before is None or before.snapshot.id in seen:
            return chain
        seen.add(before.snapshot.id)
        chain.append(before)


def is_half_sent(standing: Standing, found: Mapping[bytes, Standing], there: Iterable[bytes]) -> bool:
    """Tell whether objects are missing that this version itself brought: its push ended before its commit."""
    before = found.get(standing.snapshot.parent_id)
    known = set(named_by_snapshot(before.snapshot)) if before else set()
    return not (set(named_by_snapshot(standing.snapshot)) - known).issubset(there)


def newest_values(packs: Iterable[Iterable[Row]], known: Mapping[str, int]) -> dict[str, Row]:
    """Choose the newest entry of every key.

    Parameters
    ----------
    packs : iterable of iterable of Row
        Entries, by object in the order in which these were written; `pack` of a row is the number of its object.
    known : mapping
        When values were written that are known already; an older entry does not replace them.

    Examples
    --------
    >>> rows = [[Row("a", 0, 1, 7, 0, 0, 20)], [Row("a", 9, 1, 8, 0, 1, 10), Row("b", 5, 1, 9, 0, 1, 10)]]
    >>> {key: (row.pack, row.timestamp) for key, row in newest_values(rows, {"b": 11}).items()}
    {'a': (0, 20)}
    """
    chosen: dict[str, Row] = {}
    for rows in packs:
        for row in rows:
            before = chosen.get(row.key)
            least = before.timestamp if before else known.get(row.key, -1)
            if row.timestamp >= least:
                chosen[row.key] = row
    return chosen
