"""Which requests bring given rows of a remote here?"""

from collections.abc import Sequence
from dataclasses import dataclass

from ebooklet.format.ranges import GAP, SPLIT, Piece, Request, coalesce
from ebooklet.format.table import Row
from ebooklet.sizes import counted


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """What will be read; printable.

    Attributes
    ----------
    rows : tuple of Row
        What is wanted; the tag of a piece is an index into it.
    requests : tuple of Request
        Ranged requests; their object is an index into the list of packs.
    impossible : tuple of Row
        Rows that lie outside of their pack: the key table is damaged.
    """

    rows: tuple[Row, ...]
    requests: tuple[Request, ...]
    impossible: tuple[Row, ...] = ()

    @property
    def wanted(self) -> int:
        """Bytes of the values."""
        return sum(row.length + row.tail for row in self.rows)

    @property
    def transferred(self) -> int:
        """Bytes that will be read, gaps included."""
        return sum(request.length for request in self.requests)

    def __str__(self) -> str:
        packs = len({request.object for request in self.requests})
        return (
            f"fetch {counted(len(self.rows), 'value')} of {self.wanted} bytes: "
            f"{counted(len(self.requests), 'request')} to {counted(packs, 'object')}, {self.transferred} bytes"
        )


def plan_fetch(
    rows: Sequence[Row], pack_sizes: Sequence[int | None], *, gap: int = GAP, split: int = SPLIT
) -> FetchPlan:
    """Plan how to fetch rows.

    Parameters
    ----------
    rows : sequence of Row
        Rows of one version of a remote, in any order.
    pack_sizes : sequence of int
        Size of each pack; None for one that is gone.

    Examples
    --------
    >>> rows = [Row("a", 100, 900, 0), Row("b", 1100, 900, 0), Row("c", 9_000_000, 10, 0)]
    >>> print(plan_fetch(rows, [10_000_000]))
    fetch 3 values of 1810 bytes: 2 requests to 1 object, 1910 bytes
    """
    possible: list[Row] = []
    impossible: list[Row] = []
    for row in rows:
        size = pack_sizes[row.pack] if row.pack < len(pack_sizes) else None
        (possible if size is not None and row.offset + row.length + row.tail <= size else impossible).append(row)
    pieces = [Piece(row.pack, row.offset, row.length + row.tail, number) for number, row in enumerate(possible)]
    return FetchPlan(tuple(possible), tuple(coalesce(pieces, gap, split)), tuple(impossible))
