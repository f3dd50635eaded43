"""How is a selection cut at chunk boundaries, in the order of its cells?"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from cfdb.plan.axis import AxisPlan, Picked, as_array, as_slice
from cfdb.plan.chunks import ChunkPlan, orthogonal


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a selection that lies in one chunk.

    Attributes
    ----------
    slices : tuple of slice
        Where it lies in the selection.
    key : str
        The chunk.
    places : tuple
        NumPy index of its cells in the chunk.
    shape : tuple of int
        Its shape.
    """

    slices: tuple[slice, ...]
    key: str
    places: tuple[Any, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of one axis that lies in one chunk."""

    outer: slice
    chunk: int
    inner: Picked


def cut(plan: ChunkPlan) -> Iterator[Box]:
    """Give the parts of a planned selection; the last axis varies fastest."""
    if not plan.axes:
        yield Box((), f"{plan.variable_id}/s", (), ())
        return
    for parts in product(*(_pieces(axis) for axis in plan.axes)):
        index = tuple(part.chunk for part in parts)
        yield Box(
            tuple(part.outer for part in parts),
            f"{plan.variable_id}/{'.'.join(map(str, index))}",
            orthogonal(tuple(part.inner for part in parts)),
            tuple(part.outer.stop - part.outer.start for part in parts),
        )


def _pieces(axis: AxisPlan) -> list[_Piece]:
    """Split an axis where the chunk changes, in the order of the selection."""
    pieces: list[_Piece] = []
    for chunk, inner, outer in zip(axis.chunks, axis.inner, axis.outer, strict=True):
        if isinstance(outer, slice) and outer.step == 1:
            pieces.append(_Piece(outer, chunk, inner))
        else:
            pieces += _split(chunk, as_array(inner), as_array(outer))
    return sorted(pieces, key=lambda piece: piece.outer.start)


def _split(chunk: int, inner: Any, outer: Any) -> Iterator[_Piece]:
    order = np.argsort(outer)
    inner, outer = inner[order], outer[order]
    breaks = np.flatnonzero(np.diff(outer) != 1) + 1
    for places, numbers in zip(np.split(inner, breaks), np.split(outer, breaks), strict=True):
        yield _Piece(slice(int(numbers[0]), int(numbers[-1]) + 1, 1), chunk, as_slice(places))
