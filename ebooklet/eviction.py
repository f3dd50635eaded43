"""Which copies of remote values leave a local file that has grown too large?

Those used least recently. Their rows are dropped and the file is written anew without them, which leaves room for a
quarter of the limit, so that the file is not rewritten for every value that arrives. Own edits and deletions that wait
for a push never leave.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ebooklet.format.table import Row, is_pending
from ebooklet.local.working_copy import WorkingCopy
from ebooklet.sizes import byte_size, counted

KEPT_SHARE = 0.75  # of the limit, after an eviction


@dataclass(frozen=True, slots=True)
class Evicted:
    """What left a file.

    Attributes
    ----------
    n_keys : int
        Values that were dropped.
    nbytes : int
        Their bytes.
    freed : int
        Bytes by which the file became smaller.
    """

    n_keys: int = 0
    nbytes: int = 0
    freed: int = 0

    def __str__(self) -> str:
        return f"{counted(self.n_keys, 'value')} dropped, {byte_size(self.freed)} freed"


def touch(local: WorkingCopy, used: Mapping[str, int]) -> None:
    """Note when copies were last used (microseconds since the epoch); takes effect with the next commit."""
    rows = [row for row in local.rows(list(used)) if row is not None and not is_pending(row)]
    local.update_rows(replace(row, timestamp=used[row.key]) for row in rows if row.timestamp < used[row.key])


def evict(local: WorkingCopy, target: int) -> Evicted:
    """Drop the copies used least recently until the file takes about `target` bytes, and give their room back.

    Parameters
    ----------
    local
        The file, open for writing, with nothing uncommitted.
    target
        Bytes; own edits stay even if they take more.
    """
    size, live = local.room()
    leaving = choose(local.iter_rows(), live - target)
    if not leaving and live >= size:
        return Evicted()
    local.evict(row.key for row in leaving)
    local.commit()
    local.compact()
    return Evicted(len(leaving), sum(row.length + row.tail for row in leaving), size - local.size)


def choose(rows: Iterable[Row], excess: int) -> list[Row]:
    """Choose copies to drop so that `excess` bytes of values and keys become free, the least recently used first.

    Examples
    --------
    >>> rows = [Row("a", 0, 50, 0, timestamp=3, version=1), Row("b", 0, 50, 0, timestamp=1, version=1),
    ...         Row("c", 0, 50, 0, timestamp=0), Row("d", 0, 50, 0, timestamp=2, version=1)]
    >>> [row.key for row in choose(rows, 60)]
    ['b', 'd']
    """
    leaving: list[Row] = []
    if excess <= 0:
        return leaving
    for row in sorted((row for row in rows if not is_pending(row)), key=lambda row: (row.timestamp, row.key)):
        leaving.append(row)
        excess -= row.length + row.tail + len(row.key.encode())
        if excess <= 0:
            break
    return leaving
