"""In what order are blocks read, and what is asked for together on the way?"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod

import numpy as np

from cfdb.compute.reduce_blocks import AxisCut, Picked, positions_of
from cfdb.compute.source import Box, Source
from cfdb.storage.portions import BATCH_BYTES, WINDOW_BYTES
from cfdb.storage.workers import iterate


def in_order(source: Source, cuts: Sequence[AxisCut], fixed: Mapping[int, Picked] | None = None) -> Iterator[Box]:
    """Give the blocks, the last axis varying fastest; of small ones, the chunks of many are asked for together.

    Parameters
    ----------
    source : Source
        What is read.
    cuts : sequence of AxisCut
        How every axis is cut.
    fixed : mapping of int to (slice or ndarray), optional
        Axes of which only one piece is read.
    """
    one = fixed or {}
    parts = [[one[axis]] if axis in one else list(cut.pieces()) for axis, cut in enumerate(cuts)]
    sizes = [sum(positions_of(part).size for part in pieces) for pieces in parts]
    number = prod(len(pieces) for pieces in parts)
    if number < 2 or prod(sizes) * source.itemsize >= number * BATCH_BYTES // 2:
        yield from product(*parts)  # a block is a request of its own
        return
    windows = _windows(parts, sizes, max(1, WINDOW_BYTES // source.itemsize))

    def fetch(window: list[list[Picked]]) -> list[list[Picked]]:
        source.prefetch(_around(window))
        return window

    for window in iterate(windows, fetch, ahead=1):
        yield from product(*window)


def _windows(parts: Sequence[list[Picked]], sizes: Sequence[int], most: int) -> Iterator[list[list[Picked]]]:
    """Give consecutive blocks of about so many cells together, as pieces per axis."""
    behind = [prod(sizes[axis + 1 :]) for axis in range(len(sizes))]
    longest = [max(positions_of(part).size for part in pieces) for pieces in parts]
    level = next((axis for axis in range(len(parts)) if longest[axis] * behind[axis] <= most), len(parts) - 1)
    step = max(1, most // (longest[level] * behind[level]))
    for lead in product(*parts[:level]):
        for start in range(0, len(parts[level]), step):
            yield [*([part] for part in lead), parts[level][start : start + step], *parts[level + 1 :]]


def _around(window: Sequence[list[Picked]]) -> Box:
    """Give one box around the pieces of a window."""
    found: list[Picked] = []
    for pieces in window:
        positions = np.unique(np.concatenate([positions_of(part) for part in pieces]))
        first, last = int(positions[0]), int(positions[-1])
        found.append(slice(first, last + 1, 1) if last - first == positions.size - 1 else positions)
    return tuple(found)
