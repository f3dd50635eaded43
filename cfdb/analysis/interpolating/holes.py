"""How do the missing cells of a grid get values from the valid ones around them?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.interpolating.gaps import beside
from cfdb.analysis.interpolating.grid_axes import GridAxis
from cfdb.analysis.interpolating.scattered import join

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
#: Gives the values of some cells from a field in the order of the nodes.
Fill = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """How a field with certain missing cells is filled.

    Attributes
    ----------
    parts : tuple of (ndarray, callable)
        Which of the missing cells, and what gives their values.
    """

    parts: tuple[tuple[Bools, Fill], ...]


class HoleFiller:
    """Fills the missing cells of a grid from the valid cells around them, field by field.

    Parameters
    ----------
    axes : (GridAxis, GridAxis)
        Nodes along the last two axes of a field.
    method : {'linear', 'nearest', 'cubic'}
        Planes through triangles of valid cells (in a single cell the mean of its four neighbours, weighted by
        distance), the nearest valid cell, or cubic surfaces of continuous slope.
    extrapolation : {'constant', 'nearest'}
        Whether cells outside the hull of the valid cells stay missing, or take the nearest value.
    min_value : float, optional
        Smaller filled values become this; valid cells keep their value.

    Examples
    --------
    >>> from cfdb.analysis.interpolating.grid_axes import grid_axis
    >>> axes = [grid_axis(np.arange(3.0), "y"), grid_axis(np.arange(3.0), "x")]
    >>> field = np.array([[0.0, 1.0, 2.0], [3.0, np.nan, 5.0], [6.0, 7.0, np.nan]])
    >>> HoleFiller(axes, "linear")(field)
    array([[ 0.,  1.,  2.],
           [ 3.,  4.,  5.],
           [ 6.,  7., nan]])
    """

    def __init__(
        self,
        axes: Sequence[GridAxis],
        method: str = "linear",
        extrapolation: str = "constant",
        min_value: float | None = None,
    ) -> None:
        self._axes = tuple(axes)
        self._method = method
        self._extrapolation = extrapolation
        self._min_value = min_value
        self._last: tuple[bytes, _Plan] | None = None

    def __call__(self, field: Array) -> Floats:
        """Fill a field whose cells are missing where they are NaN or infinite."""
        result = np.array(field, np.float64)
        for place in np.ndindex(result.shape[:-2]):
            self._fill(result[place])
        return result

    def _fill(self, field: Floats) -> None:
        """Fill one field in place."""
        bad = ~np.isfinite(field)
        if not bad.any() or bad.all():
            return
        values = field
        for number, axis in enumerate(self._axes):
            values = axis.rearranged(values, number)
        key = np.packbits(bad).tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, self._planned(np.isfinite(values), bad)
        found = np.full(int(bad.sum()), np.nan)
        for chosen, fill in self._last[1].parts:
            found[chosen] = fill(values)
        field[bad] = found if self._min_value is None else np.maximum(found, self._min_value)

    def _planned(self, valid: Bools, bad: Bools) -> _Plan:
        """Sort the missing cells: single ones among valid ones, and holes that are filled from the cells around."""
        places = [axis.places[part] for axis, part in zip(self._axes, np.nonzero(bad), strict=True)]
        homes = [_home(axis, part) for axis, part in zip(self._axes, places, strict=True)]
        twin = valid[homes[0], homes[1]]  # a meridian that is there twice, and has a value once
        single = _single(valid) if self._method == "linear" else np.zeros(valid.shape, np.bool_)
        alone = single[homes[0], homes[1]]
        rest = ~(alone | twin)
        parts: list[tuple[Bools, Fill]] = []
        if twin.any():
            row, column = homes[0][twin], homes[1][twin]
            parts.append((twin, lambda values: values[row, column]))
        if alone.any():
            parts.append((alone, self._between(homes[0][alone], homes[1][alone])))
        if rest.any():
            parts.append((rest, self._from_around(valid, ~valid & ~single, [part[rest] for part in places])))
        return _Plan(tuple(parts))

    def _between(self, row: Integers, column: Integers) -> Fill:
        """Fill single cells from the four beside them: the mean of the lines along both axes."""
        shares = []
        for axis, place in zip(self._axes, (row, column), strict=True):
            before, after = axis.nodes[place] - axis.nodes[place - 1], axis.nodes[place + 1] - axis.nodes[place]
            shares.append(before / (before + after))
        along_y, along_x = shares

        def fill(values: Floats) -> Floats:
            upright = values[row - 1, column] * (1 - along_y) + values[row + 1, column] * along_y
            level = values[row, column - 1] * (1 - along_x) + values[row, column + 1] * along_x
            return np.asarray((upright + level) / 2)

        return fill

    def _from_around(self, valid: Bools, holes: Bools, places: list[Floats]) -> Fill:
        """Fill holes from the valid cells around them; their hull holds every hole that the hull of all cells holds."""
        around = beside(holes, diagonal=True)
        if self._method == "cubic":
            around = beside(around, diagonal=True)
        around &= valid
        rows, columns = np.nonzero(around)
        points = np.stack([self._axes[0].nodes[rows], self._axes[1].nodes[columns]], axis=1)
        targets = np.stack(places, axis=1)
        flat = [number for number in range(2) if np.ptp(points[:, number]) == 0]
        if flat and self._method != "nearest":
            along = _along_line(points, targets, flat, self._extrapolation)
            return lambda values: along(values[around])
        found = join(points, targets, self._method, self._extrapolation)
        return lambda values: np.where(found.outside, np.nan, found.apply(values[around]))


def _home(axis: GridAxis, places: Floats) -> Integers:
    """Give the node at each place."""
    return np.searchsorted(axis.nodes, places - axis.tolerance / 2).astype(np.int64)


def _single(valid: Bools) -> Bools:
    """Tell which missing cells have a valid one on all four sides."""
    found = np.zeros(valid.shape, np.bool_)
    sides = valid[:-2, 1:-1] & valid[2:, 1:-1] & valid[1:-1, :-2] & valid[1:-1, 2:]
    found[1:-1, 1:-1] = ~valid[1:-1, 1:-1] & sides
    return found


def _along_line(points: Floats, targets: Floats, flat: list[int], extrapolation: str) -> Callable[[Floats], Floats]:
    """Interpolate where all valid cells lie in one row or column: only along it."""
    along = 1 if flat[0] == 0 else 0
    order = np.argsort(points[:, along])
    places = points[order, along]
    beside_line = targets[:, flat[0]] != points[0, flat[0]]

    def fill(values: Floats) -> Floats:
        beyond = np.nan if extrapolation == "constant" else None
        found: Floats = np.interp(targets[:, along], places, values[order], left=beyond, right=beyond)
        if extrapolation == "constant":
            found[beside_line] = np.nan
        return found

    return fill
