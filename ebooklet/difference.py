"""Which keys differ between two versions of a remote, and how do they differ?"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ebooklet.format.table import Row
from ebooklet.plan.push import same_value
from ebooklet.plan.rebase import diff
from ebooklet.sizes import byte_size
from ebooklet.sync.moving import same_packs
from ebooklet.sync.version import RemoteVersion

Kind = Literal["added", "changed", "deleted"]
KINDS: tuple[Kind, ...] = ("added", "changed", "deleted")
SHOWN = 12
Pair = tuple[Row | None, Row | None]


@dataclass(frozen=True, slots=True)
class KeyDifference:
    """One key that differs.

    Attributes
    ----------
    key : str
        The key.
    kind : {'added', 'changed', 'deleted'}
        How.
    old_nbytes, nbytes : int
        Bytes of the value before and after; 0 where there is none.
    """

    key: str
    kind: Kind
    old_nbytes: int
    nbytes: int


@dataclass(frozen=True)
class Difference:
    """What differs between two versions; true when anything does, prints as a table.

    Attributes
    ----------
    old, new : str
        The versions, by id; ``'pending changes'`` for what is not pushed yet.
    keys : tuple of KeyDifference
        The keys that differ, in the order of their keys.
    metadata : bool
        Whether the metadata of the database differ.
    """

    old: str
    new: str
    keys: tuple[KeyDifference, ...] = ()
    metadata: bool = False

    def __bool__(self) -> bool:
        return bool(self.keys) or self.metadata

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[KeyDifference]:
        return iter(self.keys)

    @cached_property
    def added(self) -> tuple[str, ...]:
        """Keys that only the new version has."""
        return self._of("added")

    @cached_property
    def changed(self) -> tuple[str, ...]:
        """Keys with another value."""
        return self._of("changed")

    @cached_property
    def deleted(self) -> tuple[str, ...]:
        """Keys that only the old version has."""
        return self._of("deleted")

    def _of(self, kind: Kind) -> tuple[str, ...]:
        return tuple(one.key for one in self.keys if one.kind == kind)

    def __str__(self) -> str:
        old, new = (name[:8] if len(name) == 32 else name for name in (self.old, self.new))
        if not self:
            return f"no key differs between {old} and {new}"
        counts = [f"{len(self._of(kind))} {kind}" for kind in KINDS if self._of(kind)]
        lines = [f"from {old} to {new}: {', '.join(counts) or 'no key differs'}"]
        if self.metadata:
            lines.append("  metadata changed")
        width = min(48, max((len(one.key) for one in self.keys[:SHOWN]), default=0))
        for one in self.keys[:SHOWN]:
            key = one.key if len(one.key) <= width else one.key[: width - 3] + "..."
            sizes = [byte_size(size) for size in (one.old_nbytes, one.nbytes)]
            size = {"added": sizes[1], "deleted": sizes[0], "changed": " -> ".join(sizes)}[one.kind]
            lines.append(f"  {key:<{width}}  {one.kind:<7}  {size}")
        if len(self.keys) > SHOWN:
            lines.append(f"  ... and {len(self.keys) - SHOWN} more")
        return "\n".join(lines)


def differing_rows(old: RemoteVersion, new: RemoteVersion) -> Iterator[Pair]:
    """Iterate over the rows of keys whose values differ: (row before, row after), None where there is none.

    Only pages of the key tables are read that the two do not share, and no value.

    Parameters
    ----------
    old, new : RemoteVersion
        Two versions of one database.
    """
    skip = same_packs(old, new)
    pages = [{page.hot.digest for page in version.table.pages} for version in (old, new)]
    for version, others in ((old, pages[1]), (new, pages[0])):
        version.expect(
            number for number, page in enumerate(version.table.pages) if not skip or page.hot.digest not in others
        )
    with new.damage():
        yield from (pair for pair in diff(old.table, new.table, skip=skip) if not same_value(*pair))


def with_pending(old: RemoteVersion, pairs: Iterable[Pair], pending: Sequence[Row]) -> list[Pair]:
    """Lay pending edits over the difference of an old version and the one they are based on."""
    found = {_key(pair): pair for pair in pairs}
    for row, before in zip(pending, old.rows([row.key for row in pending]), strict=True):
        after = None if row.deleted else row
        if same_value(before, after):
            found.pop(row.key, None)
        else:
            found[row.key] = before, after
    return [found[key] for key in sorted(found)]


def key_differences(pairs: Iterable[Pair]) -> tuple[KeyDifference, ...]:
    """Return what a user sees of pairs of rows."""
    return tuple(
        KeyDifference(_key(pair), _kind(*pair), _size(pair[0]), _size(pair[1])) for pair in sorted(pairs, key=_key)
    )


def _key(pair: Pair) -> str:
    return next(row.key for row in pair if row is not None)


def _kind(before: Row | None, after: Row | None) -> Kind:
    if before is None:
        return "added"
    return "deleted" if after is None else "changed"


def _size(row: Row | None) -> int:
    return 0 if row is None else row.length + row.tail
