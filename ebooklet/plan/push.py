"""What does a push write?"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ebooklet.format.packing import HEADER_SIZE, Layout, entry_size, lay_out
from ebooklet.format.ranges import cuts
from ebooklet.format.table import Row
from ebooklet.sizes import counted

GROUP_BYTES = 16 << 20
LEAST_BYTES = 4 << 20  # packs are not made smaller than this to be sent at the same time
UPLOADS = 4  # packs that are sent at the same time; each is held in memory
MAX_GROUP_BYTES = 1 << 30  # a pack is sent in one request, from memory


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What will be written; printable.

    Attributes
    ----------
    layouts : tuple of Layout
        New packs; the pack number of their rows is an index into this, plus `first`.
    first : int
        Number of packs that are there already, from an attempt that was cut short.
    reused : tuple of Row
        Rows whose values stand in those.
    removed : tuple of str
        Keys to remove.
    """

    layouts: tuple[Layout, ...]
    first: int = 0
    reused: tuple[Row, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def rows(self) -> list[Row]:
        """All rows the push sets."""
        return [*self.reused, *(row for layout in self.layouts for row in layout.rows)]

    @property
    def nbytes(self) -> int:
        """Bytes of the new packs, without key table and snapshot."""
        return sum(layout.size for layout in self.layouts)

    @property
    def requests(self) -> int:
        """Requests of a push that wins its first race: packs, or one object for the new version, and the root."""
        return max(1, len(self.layouts)) + 1

    def __str__(self) -> str:
        values = sum(len(layout.rows) for layout in self.layouts)
        objects, requests = counted(len(self.layouts), "object"), counted(self.requests, "request")
        parts = [f"{counted(values, 'value')} in {objects}, {self.nbytes} bytes, {requests}"]
        if self.reused:
            parts.append(f"{counted(len(self.reused), 'value')} uploaded before")
        if self.removed:
            parts.append(f"{counted(len(self.removed), 'key')} removed")
        return "push " + "; ".join(parts)


def plan_push(
    pending: Iterable[Row],
    *,
    group_bytes: int | None = None,
    num_groups: int | None = None,
    order: Callable[[str], Any] | None = None,
    reused: Sequence[Row] = (),
    first: int = 0,
) -> PushPlan:
    """Plan a push of pending rows.

    Parameters
    ----------
    pending : iterable of Row
        Own edits and tombstones, as the local file has them: in the order of a key table, so that neighbours stay
        together.
    group_bytes : int, optional
        Size of a pack; by default 16 MiB at most, and less where more packs can be sent at the same time.
    num_groups : int, optional
        How many packs to make instead; more, if they would be larger than 1 GiB.
    order : callable, optional
        Sorts the keys within and across packs in another way.
    reused : sequence of Row
        Rows of packs that were uploaded before; those that still fit the pending ones are not written again.
    first : int
        Number of such packs.

    Examples
    --------
    >>> pending = [Row(f"t/{n}", 0, 1000, n) for n in range(8)] + [Row("old", 0, 0, 0, deleted=True)]
    >>> print(plan_push(pending, num_groups=4))
    push 8 values in 4 objects, ... bytes, 5 requests; 1 key removed
    """
    if num_groups is not None and num_groups < 1:
        raise ValueError(f"num_groups={num_groups}: at least one packed object is needed")
    if group_bytes is not None and group_bytes < 1:
        raise ValueError(f"group_bytes={group_bytes}: a packed object needs at least one byte")
    waiting = {row.key: row for row in pending}
    removed = tuple(key for key, row in waiting.items() if row.deleted)
    uploaded = [row for row in reused if row.key in waiting and _unedited(waiting[row.key], row)]
    done = {row.key for row in uploaded}
    new = [row for key, row in waiting.items() if not row.deleted and key not in done]
    if order is not None:
        new.sort(key=lambda row: order(row.key))
    sizes = [entry_size(row) for row in new]
    total = sum(sizes) + HEADER_SIZE
    parts = (
        num_groups if num_groups is not None else _shared(total) if group_bytes is None else -(-total // group_bytes)
    )
    parts = max(parts, -(-total // MAX_GROUP_BYTES))
    starts = cuts(sizes, parts) if new else []
    layouts = (
        tuple(
            lay_out(new[start:stop], first + number)
            for number, (start, stop) in enumerate(zip(starts, [*starts[1:], len(new)], strict=True))
        )
        if new
        else ()
    )
    return PushPlan(layouts, first, tuple(uploaded), removed)


def _shared(total: int) -> int:
    """How many packs to make of so many bytes: every upload at a time gets one, unless they would be small."""
    parts = -(-total // GROUP_BYTES)
    rounds = -(-parts // UPLOADS)
    return max(parts, min(rounds * UPLOADS, total // LEAST_BYTES))


def _unedited(waiting: Row, uploaded: Row) -> bool:
    """Whether a pending row is still the one that was uploaded: a checksum alone would not tell for sure."""
    same = same_value(waiting, uploaded)
    return same and (waiting.timestamp, waiting.note) == (uploaded.timestamp, uploaded.note)


def same_value(one: Row | None, other: Row | None) -> bool:
    """Tell whether two rows name equal values, or neither names one."""
    if one is None or other is None or one.deleted or other.deleted:
        return (one is None or one.deleted) and (other is None or other.deleted)
    return (one.crc, one.length, one.tail) == (other.crc, other.length, other.tail)
