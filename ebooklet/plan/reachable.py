"""Which objects of a database does somebody refer to, and which of the others may be deleted?"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ebooklet.format.snapshot import Root, Snapshot, SnapshotRef


class Aged(Protocol):
    """What is known about an object: how large it is, and when it was written by the server's clock."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def last_modified(self) -> datetime | None:
        """When it was written; None where the server does not tell."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Objects by what may become of them.

    Attributes
    ----------
    used : tuple of (bytes, object)
        Objects that a version refers to.
    young : tuple of (bytes, object)
        Objects nobody refers to, which a push that is under way may be about to refer to.
    garbage : tuple of (bytes, object)
        Objects nobody refers to, and nobody ever will.
    missing : frozenset of bytes
        Objects that a version refers to and that do not exist.
    """

    used: tuple[tuple[bytes, Aged], ...]
    young: tuple[tuple[bytes, Aged], ...]
    garbage: tuple[tuple[bytes, Aged], ...]
    missing: frozenset[bytes]


def named_by_root(root: Root) -> Iterator[SnapshotRef]:
    """Iterate over the places that a root object itself refers to."""
    yield from (ref for ref in (root.ref, root.older) if ref is not None)
    yield from root.tags.values()
    yield from (entry.ref for entry in root.history if entry.ref is not None)


def named_by_snapshot(snapshot: Snapshot) -> Iterator[bytes]:
    """Iterate over the objects that a version reads its values and its key table from."""
    return (pack.name for pack in snapshot.packs if pack is not None)


def judge(
    objects: Iterable[tuple[bytes, Aged]], referred: Collection[bytes], now: datetime, grace: timedelta
) -> Judged:
    """Sort objects into those in use, those that may come into use, and garbage.

    An object without a time counts as young. Without a grace nothing is young, not even what a clock that counts whole
    seconds says is from the future.

    Parameters
    ----------
    objects : iterable of (bytes, object)
        All objects of a database by name.
    referred : collection of bytes
        Names of the objects that some version refers to.
    now : datetime
        The server's clock, before the objects were listed.
    grace : timedelta
        For how long an object nobody refers to is kept.
    """
    used, young, garbage = [], [], []
    for name, thing in objects:
        if name in referred:
            used.append((name, thing))
        elif grace > timedelta(0) and (thing.last_modified is None or now - thing.last_modified < grace):
            young.append((name, thing))
        else:
            garbage.append((name, thing))
    missing = frozenset(referred).difference(name for name, _ in used)
    return Judged(tuple(used), tuple(young), tuple(garbage), missing)
