"""How are the groups of an array read?"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy.typing as npt

from cfdb.compute.rechunk import read_blocks
from cfdb.compute.source import Box, Source
from cfdb.plan.indexing import Range
from cfdb.plan.periods import AxisGroups
from cfdb.plan.rechunk import AxisParts, plan_rechunk

Array = npt.NDArray[Any]


def iter_groups(source: Source, groups: Sequence[AxisGroups], max_mem: int) -> Iterator[tuple[Box, Array]]:
    """Read one group after the other; the last dimension varies fastest.

    Parameters
    ----------
    source : Source
        The array.
    groups : sequence of AxisGroups
        Along some of its dimensions.
    max_mem : int
        Bytes that may be held; the groups are read together as far as that allows.

    Yields
    ------
    tuple
        Where the group lies, and its values: an array of the caller's own.
    """
    by_dim = {each.dim: each.members for each in groups}
    parts = [
        AxisParts.of(breaks, size, by_dim.get(dim, (Range(0, size),)))
        for dim, size, breaks in zip(source.dims, source.shape, source.breaks, strict=True)
    ]
    return read_blocks(source, plan_rechunk(parts, source.itemsize, max_mem))
