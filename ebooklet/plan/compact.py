"""Which packs of a remote are worth being rewritten?

Two kinds: those most of whose values were replaced since (they cost space), and small ones of which there are several
(each costs every reader a request). Only values that are still in use move; all other packs stay as they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ebooklet.format.packing import entry_size
from ebooklet.format.ranges import SPLIT
from ebooklet.format.table import Row
from ebooklet.plan.fetch import plan_fetch
from ebooklet.plan.push import GROUP_BYTES

SHARE = 0.5  # a pack with less than this of its bytes in use is rewritten
SMALL = 8  # so is one of less than an eighth of the size of a new pack, if that makes fewer of them
GAP = 1 << 20  # values of large packs are read together across so much that is not in use
WHOLE = SPLIT  # packs of up to so many bytes are read as a whole


@dataclass(frozen=True, slots=True)
class PackUse:
    """What of a pack is in use.

    Attributes
    ----------
    number : int
        Index into the snapshot's list of packs.
    rows, live : int
        Values in use and the bytes of their entries.
    size : int
        Bytes of all its entries.
    """

    number: int
    rows: int
    live: int
    size: int

    @property
    def share(self) -> float:
        """Which part of it is in use."""
        return self.live / self.size if self.size else 1.0


@dataclass(frozen=True, slots=True)
class CompactPlan:
    """What a compaction moves; printable.

    Attributes
    ----------
    packs : tuple of PackUse
        Packs that are given up.
    kept : int
        Packs that stay as they are.
    rows : tuple of Row
        Values to be moved, as they stand now.
    new_packs : int
        Objects that take them.
    reads, writes : int
        Requests, the commit included.
    reads_before, reads_after : int
        Requests of a reader who fetches everything, before and after.
    """

    packs: tuple[PackUse, ...] = ()
    kept: int = 0
    rows: tuple[Row, ...] = ()
    new_packs: int = 0
    reads: int = 0
    writes: int = 0
    reads_before: int = 0
    reads_after: int = 0

    def __bool__(self) -> bool:
        return bool(self.packs)

    @property
    def moved(self) -> int:
        """Bytes that are read and written again."""
        return sum(pack.live for pack in self.packs)

    @property
    def freed(self) -> int:
        """Bytes that no version to come needs any more, when old versions have expired."""
        return sum(pack.size - pack.live for pack in self.packs)

    def __str__(self) -> str:
        if not self:
            return f"nothing to compact: {self.kept} objects stay as they are"
        return (
            f"compact {len(self.packs)} of {len(self.packs) + self.kept} objects into {self.new_packs}: "
            f"{len(self.rows)} values of {self.moved} bytes move with {self.reads} requests to read and {self.writes} "
            f"to write, {self.freed} bytes are given up; reading everything takes {self.reads_after} requests instead "
            f"of {self.reads_before}"
        )


def plan_compaction(
    rows: Iterable[Row],
    pack_sizes: Sequence[tuple[int, int] | None],
    *,
    group_bytes: int | None = None,
    share: float = SHARE,
) -> CompactPlan:
    """Plan a compaction.

    Parameters
    ----------
    rows : iterable of Row
        All rows of a version.
    pack_sizes : sequence of (int, int) or None
        Of each pack the bytes of its entries, and of all that can be read of it; None for one that is gone.
    group_bytes : int, optional
        Size of a new pack, 16 MiB by default.
    share : float
        Packs of which less than this is in use are rewritten.

    Examples
    --------
    >>> rows = [Row("a", 100, 900, 0, pack=0), Row("b", 100, 900, 0, pack=1), Row("c", 100, 900, 0, pack=2)]
    >>> print(plan_compaction(rows, [(1000, 1100), (1000, 1100), (9_000_000, 9_000_100)]))
    compact 3 of 3 objects into 1: 3 values of 2799 bytes move with 4 requests to read and 2 to write, ...
    """
    group_bytes = GROUP_BYTES if group_bytes is None else _checked_size(group_bytes)
    everything = list(rows)
    uses = _uses(everything, pack_sizes)
    chosen = _choose(uses, group_bytes, share)
    numbers = {use.number for use in chosen}
    moved = tuple(row for row in everything if row.pack in numbers)
    live = sum(use.live for use in chosen)
    new_packs = -(-live // group_bytes)
    sizes = [None if size is None else size[1] for size in pack_sizes]
    whole = sum(is_read_whole(sizes[number]) for number in numbers)
    in_parts = [row for row in moved if not is_read_whole(sizes[row.pack])]
    stay = plan_fetch([row for row in everything if row.pack not in numbers], sizes)
    return CompactPlan(
        packs=chosen,
        kept=sum(size is not None for size in pack_sizes) - len(chosen),
        rows=moved,
        new_packs=new_packs,
        reads=whole + len(plan_fetch(in_parts, sizes, gap=GAP).requests) + len(chosen) - whole,
        writes=new_packs + 1 if chosen else 0,
        reads_before=len(plan_fetch(everything, sizes).requests),
        reads_after=len(stay.requests) + max(new_packs, -(-live // SPLIT)),
    )


def _checked_size(group_bytes: object) -> int:
    if isinstance(group_bytes, bool) or not isinstance(group_bytes, int):
        raise TypeError(f"group_bytes={group_bytes!r}: give a whole number of bytes, as in 16 << 20")
    if group_bytes < 1:
        raise ValueError(f"group_bytes={group_bytes}: a packed object needs at least one byte")
    return group_bytes


def is_read_whole(size: int | None) -> bool:
    """Tell whether a pack of this size is read as a whole, values, times and notes with one request."""
    return size is not None and size <= WHOLE


def _uses(rows: Sequence[Row], pack_sizes: Sequence[tuple[int, int] | None]) -> list[PackUse]:
    counts = [0] * len(pack_sizes)
    live = [0] * len(pack_sizes)
    for row in rows:
        if row.pack < len(pack_sizes):
            counts[row.pack] += 1
            live[row.pack] += entry_size(row)
    return [
        PackUse(number, counts[number], live[number], size[0])
        for number, size in enumerate(pack_sizes)
        if size is not None and counts[number]
    ]


def _choose(uses: Sequence[PackUse], group_bytes: int, share: float) -> tuple[PackUse, ...]:
    wasteful = [use for use in uses if use.share < share]
    small = [use for use in uses if use.share >= share and SMALL * use.live < group_bytes]
    together = sum(use.live for use in small)
    if not wasteful and -(-together // group_bytes) >= len(small):
        return ()
    return tuple(sorted([*wasteful, *small], key=lambda use: use.number))
