"""How are the groups of an array read?"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy.typing as npt

from cfdb.compute.source import Box, Source
from cfdb.plan.periods import AxisGroups

Array = npt.NDArray[Any]


def iter_groups(source: Source, groups: Sequence[AxisGroups], max_mem: int) -> Iterator[tuple[Box, Array]]:
    """Read one group after the other; the last dimension varies fastest."""
    by_dim = {each.dim: each.positions for each in groups}
    whole = [(slice(0, size, 1),) for size in source.shape]
    parts = [by_dim.get(dim, rest) for dim, rest in zip(source.dims, whole, strict=True)]
    for box in product(*parts):
        yield box, source.read(box)
