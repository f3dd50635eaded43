"""Which chunks are asked for together, while blocks are read one after the other?"""

from bisect import bisect_right
from collections.abc import Generator, Iterator
from itertools import product
from math import prod
from typing import cast

from cfdb.compute.source import Box, Source
from cfdb.plan.rechunk import Picked, RechunkPlan
from cfdb.storage.portions import WINDOW_BYTES
from cfdb.storage.workers import iterate

Group = tuple[int, int]


class Windows:
    """Brings near what the next blocks of a plan need, one window ahead of the one that is worked on.

    Parameters
    ----------
    source : Source
        The array.
    plan : RechunkPlan
        How it is read.
    nbytes : int, optional
        Decoded bytes of a window.
    """

    def __init__(self, source: Source, plan: RechunkPlan, nbytes: int | None = None) -> None:
        self._plan = plan
        self._level, self._groups = _levels(source, plan, WINDOW_BYTES if nbytes is None else nbytes)
        self._current: tuple[int, ...] | None = None
        self._firsts = [first for first, _ in self._groups]
        self._arriving = cast("Generator[object, None, None]", iterate(self._boxes(), source.prefetch, ahead=1))

    def enter(self, lead: tuple[int, ...], batch: int) -> None:
        """Wait for the window that some blocks lie in, and ask for the one behind it."""
        number = lead[self._level] if self._level < len(lead) else batch
        window = (*lead[: self._level], bisect_right(self._firsts, number))
        if window != self._current:
            self._current = window
            next(self._arriving, None)

    def close(self) -> None:
        """Ask for nothing more."""
        self._arriving.close()

    def _boxes(self) -> Iterator[Box]:
        plan = self._plan
        for lead in product(*(range(len(each)) for each in plan.parts[: self._level])):
            before: list[Picked] = [plan.parts[axis].cover(number, number + 1)[0] for axis, number in enumerate(lead)]
            for first, stop in self._groups:
                behind = [each.cover(0, len(each))[0] for each in plan.parts[self._level + 1 :]]
                yield (*before, self._along(first, stop), *behind)

    def _along(self, first: int, stop: int) -> Picked:
        plan = self._plan
        if self._level < plan.axis:
            return plan.parts[self._level].cover(first, stop)[0]
        batches = plan.batches[first:stop]
        if plan.carries:
            return slice(batches[0].begin, batches[-1].end, 1)
        return plan.parts[plan.axis].cover(batches[0].first, batches[-1].stop)[0]


def _levels(source: Source, plan: RechunkPlan, nbytes: int) -> tuple[int, list[Group]]:
    """Find the first axis along which windows fit, and group its blocks (or, along the plan's, its batches)."""
    for level in range(plan.axis + 1):
        before = prod(each.longest for each in plan.parts[:level])
        behind = prod(each.cells(0, len(each)) for each in plan.parts[level + 1 :])
        room = nbytes // max(1, before * behind * source.itemsize)
        along = plan.parts[level]
        if level < plan.axis:
            sizes = [len(member) for member in along.members]
        else:
            sizes = [along.cells(batch.first, batch.stop) for batch in plan.batches]
        if max(sizes) <= room or level == plan.axis:
            return level, _grouped(sizes, room)
    raise AssertionError("a plan has an axis")


def _grouped(sizes: list[int], room: int) -> list[Group]:
    groups, first, held = [], 0, 0
    for number, size in enumerate(sizes):
        if number > first and held + size > room:
            groups.append((first, number))
            first, held = number, 0
        held += size
    return [*groups, (first, len(sizes))]
