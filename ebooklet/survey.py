"""Where does a value stand, and where do those of many keys, told without an object for each?

What local file and remote know about the keys is laid side by side, column by column.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ebooklet.format.columns import Column
from ebooklet.format.pages import CRC, DELETED, LENGTH, OFFSET, PACK, TAIL, VERSION
from ebooklet.format.table import Row, is_pending
from ebooklet.local.working_copy import WorkingCopy
from ebooklet.unpublished import Version

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the value of a key stands; nowhere when the key does not exist.

    Attributes
    ----------
    own
        The local row of an edit that no remote knows.
    remote
        The row of the pinned version of the remote, unless an own edit hides it.
    copy
        The local row that holds a copy of the value `remote` names.
    """

    own: Row | None = None
    remote: Row | None = None
    copy: Row | None = None

    @property
    def row(self) -> Row | None:
        """The row that decides about the value."""
        return self.own or self.remote


NOWHERE = Place()


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Where the values of keys stand; as `Place`, for many keys at once.

    Attributes
    ----------
    version : Version
        The version of the remote this was found with.
    keys : sequence of str
        The keys.
    own : array of bool
        Keys with an own edit.
    remote : array of bool
        Keys whose value is the remote's, as no own edit or tombstone hides it.
    copy : array of bool
        Those of them with a copy here.
    local, cache, rows : array
        The columns of own edits, copies and rows of the remote.
    names : array of uint64
        What a copy of the remote's value carries as its version.
    """

    version: Version
    keys: Sequence[str]
    own: Mask
    remote: Mask
    copy: Mask
    local: Column
    cache: Column
    rows: Column
    names: Column

    def row(self, number: int) -> Row:
        """Return the remote's row of a key that has one."""
        one = self.rows[number].tolist()
        return Row(self.keys[number], one[OFFSET], one[LENGTH], one[CRC], one[TAIL], one[PACK])

    def sizes(self) -> Column:
        """Return the bytes of the values without their tails, zero where there is none."""
        return np.where(self.own, self.local[:, LENGTH], self.rows[:, LENGTH])

    def asked(self, numbers: Iterable[int]) -> list[tuple[Row, int]]:
        """Return rows of the remote and the versions that copies of them carry."""
        return [(self.row(number), int(self.names[number])) for number in numbers]


def survey(keys: Sequence[str], local: WorkingCopy, cache: WorkingCopy, current: Callable[[], Version]) -> Survey:
    """Look up keys.

    Parameters
    ----------
    keys
        The keys.
    local
        The local file with own edits.
    cache
        The same file, as the handle sees it that copies are written through.
    current
        Gives the version of the remote. It is asked after the local file, as a push moves on to its version before it
        marks the rows it published.
    """
    numbers, there = local.columns(keys)
    version = current()
    pending = _pending(numbers, there)
    if pending.any():  # what own edits hide is not looked up: that may take requests
        wanted = np.flatnonzero(~pending)
        rows, remote = np.zeros_like(numbers), np.zeros_like(there)
        rows[wanted], remote[wanted] = version.columns([keys[number] for number in wanted.tolist()])
    else:
        rows, remote = version.columns(keys)
    names = np.zeros(len(keys), np.uint64)
    names[remote] = version.versions_of(rows[remote])
    copies, copied = (numbers, there) if cache is local else cache.columns(keys)
    copy = remote & copied & ~_pending(copies, copied) & (copies[:, VERSION] == names)
    own = pending & (numbers[:, DELETED] == 0)
    return Survey(version, keys, own, remote, copy, numbers, copies, rows, names)


def _pending(numbers: Column, there: Mask) -> Mask:
    pending: Mask = there & ((numbers[:, VERSION] == 0) | (numbers[:, DELETED] != 0))
    return pending


def place_of(version: Version, local: Row | None, copy: Row | None, remote: Row | None) -> Place:
    """Tell where a value stands by its rows: in the local file, among the copies there, and on the remote."""
    if local is not None and is_pending(local):
        return NOWHERE if local.deleted else Place(own=local)
    if remote is None:
        return NOWHERE
    is_copy = copy is not None and not is_pending(copy) and copy.version == version.version_of(remote)
    return Place(remote=remote, copy=copy if is_copy else None)
