"""What stands in missing cells while a spline is computed, so that they do not spread?

A spline of order 2 or more belongs to all nodes together: one NaN makes a whole row NaN. Missing cells are therefore
bridged before: the cells next to valid ones continue the line through their two valid neighbours, ring by ring. What
was bridged never reaches a result directly: places whose surrounding nodes are missing are masked afterwards.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Where = tuple[npt.NDArray[Any], ...]

#: Rings of missing cells that are bridged; the twelfth moves a cubic spline at a valid cell by 1e-7 of its own error.
RINGS = 12
#: Rings at the end in which a cell without a line beside it copies its neighbour instead of waiting for one.
_COPYING = 3


def bridged(values: Floats, nodes: Sequence[Floats], rings: int = RINGS) -> Floats:
    """Replace missing cells by a continuation of the valid ones.

    Parameters
    ----------
    values : ndarray of float64
        Missing cells are NaN or infinite; at least one is valid.
    nodes : sequence of ndarray
        Ascending places of the cells along every axis.
    rings : int
        How many rings of cells around the valid ones continue these linearly; those farther off are the mean.

    Returns
    -------
    ndarray of float64
        Finite everywhere, equal to `values` where these are valid.

    Examples
    --------
    >>> bridged(np.array([1.0, 2.0, 3.0, np.nan, np.nan]), [np.arange(5.0)])
    array([1., 2., 3., 4., 5.])
    """
    known = np.isfinite(values)
    valid = values[known]
    low, high = float(valid.min()), float(valid.max())
    filled = np.where(known, values, float(valid.mean()))
    for number in range(rings):
        ring = np.nonzero(beside(known) & ~known)
        if not ring[0].size:
            break
        found, straight = _continued(filled, known, ring, nodes)
        if straight.any() and number < rings - _COPYING:
            found, ring = found[straight], tuple(part[straight] for part in ring)
        # a line continued over a ragged edge may swing up: it stays within one range of the values
        filled[ring] = np.clip(found, low - (high - low), high + (high - low))
        known[ring] = True
    return filled


def beside(known: Bools, diagonal: bool = False) -> Bools:
    """Tell which cells have a known neighbour along some axis, or (`diagonal`) also across."""
    found = known.copy()
    for axis in range(known.ndim):
        source = found.copy() if diagonal else known
        ahead, behind = [slice(None)] * known.ndim, [slice(None)] * known.ndim
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        found[tuple(ahead)] |= source[tuple(behind)]
        found[tuple(behind)] |= source[tuple(ahead)]
    return found


def _continued(filled: Floats, known: Bools, ring: Where, nodes: Sequence[Floats]) -> tuple[Floats, Bools]:
    """Continue the valid cells into their missing neighbours: the mean over all directions that have a line.

    The second array says which cells have one; the others get the mean of their neighbours.
    """
    lines, line_count = np.zeros(ring[0].size), np.zeros(ring[0].size)
    copies, copy_count = np.zeros(ring[0].size), np.zeros(ring[0].size)
    for axis, places in enumerate(nodes):
        for step in (-1, 1):
            near, has_near = _neighbour(known, ring, axis, step)
            far, has_far = _neighbour(known, ring, axis, 2 * step)
            first, second = filled[near], filled[far]
            run = places[near[axis]] - places[far[axis]]
            rise = places[ring[axis]] - places[near[axis]]
            straight = has_near & has_far & (run != 0)
            slope = (first - second) / np.where(straight, run, 1.0)
            lines += np.where(straight, first + slope * rise, 0.0)
            line_count += straight
            copies += np.where(has_near, first, 0.0)
            copy_count += has_near
    found = np.where(line_count > 0, lines / np.maximum(line_count, 1), copies / np.maximum(copy_count, 1))
    return found, line_count > 0


def _neighbour(known: Bools, ring: Where, axis: int, step: int) -> tuple[Where, Bools]:
    """Give the cells `step` further along an axis, and which of them exist and are known."""
    moved = ring[axis] + step
    exists = (moved >= 0) & (moved < known.shape[axis])
    places = tuple(np.where(exists, moved, part) if number == axis else part for number, part in enumerate(ring))
    return places, exists & known[places]
