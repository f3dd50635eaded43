"""How is everything summed up from what is known of the chunks, reading only the others?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce_blocks import split_box
from cfdb.compute.reduce_values import split
from cfdb.compute.source import Box, Source
from cfdb.format.statistics import ChunkStatistics, compute, merge
from cfdb.options import get_options
from cfdb.storage.summaries import ChunkSummary
from cfdb.storage.workers import iterate

Array = npt.NDArray[Any]

#: Statistics joined at a time.
_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Known:
    """What the notes tell of a part.

    Attributes
    ----------
    statistics : tuple of ChunkStatistics
        Of the chunks whose cells are all in the part.
    unread : tuple of Box
        Where the cells lie of which only reading can tell.
    """

    statistics: tuple[ChunkStatistics, ...]
    unread: tuple[Box, ...]


def known_of(summaries: Iterable[ChunkSummary]) -> Known:
    """Sort chunks into those whose statistics can be used, and those that must be read."""
    statistics: list[ChunkStatistics] = []
    unread: list[Box] = []
    for each in summaries:
        if each.exact and each.statistics is not None:
            statistics.append(each.statistics)
            if len(statistics) >= _BATCH:
                statistics = _joined(statistics)
        else:
            unread.append(each.box)
    return Known(tuple(statistics), tuple(unread))


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
    found = list(known.statistics)
    for _, values in read_boxes(source, known.unread, max_mem):
        found.append(statistics_of_values(values))
        if len(found) >= _BATCH:
            found = _joined(found)
    return merge(found)


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
