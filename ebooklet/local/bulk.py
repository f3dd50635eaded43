"""How are thousands of values read at once?

Neighbours are read together, in portions of a few MiB, and handed out as views of what was read; where most of that
would be bytes nobody asked for, copies are handed out instead, so that views never hold much more than their values.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ebooklet.format.booklet_layout import Read
from ebooklet.format.checksum import crc32c, extend_crc32c, readable
from ebooklet.format.columns import Column
from ebooklet.format.pages import CRC, DELETED, LENGTH, OFFSET

GAP = 8 << 10
PORTION = 2 << 20
_FEW = 4  # values that are read one by one

Damaged = Callable[[str, int | None], None]
_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Portion:
    """Neighbouring values that are read together.

    Attributes
    ----------
    offset, length : int
        What is read.
    positions : array
        Which of the keys asked for they belong to.
    starts, ends : array
        Where each value lies in what is read.
    """

    offset: int
    length: int
    positions: _Numbers
    starts: _Numbers
    ends: _Numbers


def portions(offsets: Column, lengths: Column, positions: _Numbers) -> Iterator[Portion]:
    """Cut values into portions, in the order in which they stand in the file; they may overlap.

    Examples
    --------
    >>> offsets, lengths = np.array([100, 0, 10**6], np.uint64), np.array([50, 90, 5], np.uint64)
    >>> [(part.offset, part.length, part.positions.tolist()) for part in portions(offsets, lengths, np.arange(3))]
    [(0, 150, [1, 0]), (1000000, 5, [2])]
    """
    if not len(offsets):
        return
    order = np.argsort(offsets, kind="stable")
    starts = offsets[order].astype(np.int64)
    ends = starts + lengths[order].astype(np.int64)
    reach = np.maximum.accumulate(ends)
    apart = np.flatnonzero(starts[1:] - reach[:-1] > GAP) + 1
    first = 0
    for stop in [*apart.tolist(), len(starts)]:
        while first < stop:
            # as many as fit, one at least
            last = max(
                first + 1, int(np.searchsorted(reach[first:stop], starts[first] + PORTION, side="right")) + first
            )
            offset = int(starts[first])
            yield Portion(
                offset,
                int(ends[first:last].max()) - offset,
                positions[order[first:last]],
                starts[first:last] - offset,
                ends[first:last] - offset,
            )
            first = last


def read_payloads(
    read: Read, size: int, keys: Sequence[str], numbers: Column, there: npt.NDArray[np.bool_], damaged: Damaged
) -> list[bytes | memoryview | None]:
    """Read the payloads of keys and check each against its checksum.

    Parameters
    ----------
    read
        Reads from the file.
    size
        Its length: what does not lie within it is damaged.
    keys, numbers, there
        The keys, and what `Table.columns` says about them.
    damaged
        Called with a key whose value is damaged and, if it is cut short, how many bytes are left of it; raises.

    Returns
    -------
    list
        Payloads, None where there is none.
    """
    if len(keys) <= _FEW:
        known = zip(keys, numbers.tolist(), there.tolist(), strict=True)
        return [
            _read_one(read, size, key, row, damaged) if has and not row[DELETED] else None for key, row, has in known
        ]
    found: list[bytes | memoryview | None] = [None] * len(keys)
    positions = np.flatnonzero(there & (numbers[:, DELETED] == 0))
    offsets, lengths = numbers[positions, OFFSET], numbers[positions, LENGTH]
    outside = np.flatnonzero((offsets > size) | (lengths > size - np.minimum(offsets, size)))
    for number in positions[outside].tolist():
        damaged(keys[number], max(0, size - int(numbers[number, OFFSET])))
    checksums = numbers[:, CRC].tolist()
    for portion in portions(offsets, lengths, positions):
        if len(portion.positions) == 1:
            number = int(portion.positions[0])
            found[number] = _read_one(read, size, keys[number], numbers[number].tolist(), damaged)
        else:
            _read_portion(read, portion, keys, checksums, found, damaged)
    return found


def _read_one(read: Read, size: int, key: str, row: Sequence[int], damaged: Damaged) -> bytes:
    offset, length = row[OFFSET], row[LENGTH]
    data = read(length, offset) if offset + length <= size else b""
    if len(data) != length or crc32c(key.encode(), data) != row[CRC]:
        left = len(data) if offset + length <= size else max(0, size - offset)
        damaged(key, left if left < length else None)
    return data


def _read_portion(
    read: Read,
    portion: Portion,
    keys: Sequence[str],
    checksums: Sequence[int],
    found: list[bytes | memoryview | None],
    damaged: Damaged,
) -> None:
    data = read(portion.length, portion.offset)
    view, cells = memoryview(data), readable(data)
    dense = 2 * int((portion.ends - portion.starts).sum()) >= len(data)
    places = zip(portion.positions.tolist(), portion.starts.tolist(), portion.ends.tolist(), strict=True)
    for number, start, end in places:
        key = keys[number].encode()
        if end > len(data) or extend_crc32c(extend_crc32c(0, key), cells[start:end]) != checksums[number]:
            damaged(keys[number], max(0, len(data) - start) if end > len(data) else None)
        found[number] = view[start:end] if dense else data[start:end]
