"""How is everything summed up from what is known of the chunks, reading only the others?"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce_blocks import positions_of, split_box
from cfdb.compute.reduce_values import split
from cfdb.compute.source import Box, Source
from cfdb.format.statistics import ChunkStatistics, compute, merge
from cfdb.options import get_options
from cfdb.storage.summaries import ChunkSummary
from cfdb.storage.workers import iterate

Array = npt.NDArray[Any]

#: Statistics joined at a time.
_BATCH = 4096


@dataclass(slots=True)
class Known:
    """What the notes tell of the cells that go into one result.

    Attributes
    ----------
    statistics : list of ChunkStatistics
        Of the chunks whose cells all go there; many are joined.
    unread : list of Box
        Where the cells lie of which only reading can tell.
    """

    statistics: list[ChunkStatistics] = field(default_factory=list)
    unread: list[Box] = field(default_factory=list)

    def add(self, summary: ChunkSummary) -> None:
        """Take a chunk in: its statistics where they can be used."""
        if not summary.exact or summary.statistics is None:
            self.unread.append(summary.box)
            return
        self.statistics.append(summary.statistics)
        if len(self.statistics) >= _BATCH:
            self.statistics = _joined(self.statistics)


def known_by_result(summaries: Iterable[ChunkSummary], kept: Sequence[int]) -> dict[tuple[int, ...], Known]:
    """Sort chunks by the result that their cells go into; along the kept axes each has one position."""
    found: dict[tuple[int, ...], Known] = {}
    for each in summaries:
        place = tuple(int(positions_of(each.box[axis])[0]) for axis in kept)
        found.setdefault(place, Known()).add(each)
    return found


def _joined(statistics: list[ChunkStatistics]) -> list[ChunkStatistics]:
    found = merge(statistics)
    return [] if found is None else [found]


def total_of(source: Source, known: Known, max_mem: int) -> ChunkStatistics | None:
    """Give the statistics of a part; None when it has no cells.

    Parameters
    ----------
    source : Source
        The part, its times as numbers.
    known : Known
        What need not be read.
    max_mem : int
        Bytes that reading the rest may take.
    """
    found = known.statistics
    for _, values in read_boxes(source, known.unread, max_mem):
        found.append(statistics_of_values(values))
        if len(found) >= _BATCH:
            found = _joined(found)
    return found[0] if len(found) == 1 else merge(found)


def statistics_of_values(values: Array) -> ChunkStatistics:
    """Compute the statistics of values that were read."""
    mask = np.ma.getmask(values)
    return compute(np.ma.getdata(values), missing=None if mask is np.ma.nomask else np.asarray(mask))


def holds_zero(statistics: ChunkStatistics) -> bool | None:
    """Tell whether any value is zero; None where statistics cannot."""
    low, high = statistics.minimum, statistics.maximum
    if not statistics.valid:
        return False
    if low is None or high is None:
        return None
    if not low or not high:
        return True
    return None if low < 0 < high else False


def all_true(source: Source, summaries: Iterable[ChunkSummary], max_mem: int) -> bool:
    """Tell whether no value of a part is zero; reads no further than the first that is."""
    unread: list[Box] = []
    for each in summaries:
        zero = holds_zero(each.statistics) if each.exact and each.statistics is not None else None
        if zero:
            return False
        if zero is None:
            unread.append(each.box)
    return all(_all_true(values) for _, values in read_boxes(source, unread, max_mem))


def _all_true(values: Array) -> bool:
    data, valid = split(values)
    return bool(np.all(data, where=True if valid is None else valid))


def read_boxes(source: Source, boxes: Iterable[Box], max_mem: int) -> Iterator[tuple[Box, Array]]:
    """Read boxes in their order, in parts where they are large, the next ones while the caller works on one."""
    threads = get_options().threads
    most = max(1, max_mem // ((threads + 2) * (3 * source.itemsize + 2)))
    parts = (part for box in boxes for part in split_box(box, most))
    yield from iterate(parts, lambda box: (box, source.read(box)), ahead=threads)
