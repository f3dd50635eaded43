"""Where does a place lie along the nodes of a grid, whichever way they run and wherever the globe is cut?

A `GridAxis` turns the labels of one dimension, in any order, into ascending nodes, and says which value of the
dimension belongs to each. Longitudes that go round the globe get copies at both ends, so that what follows needs no
seam.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: Nodes that are copied beyond the seam of the globe: the influence of a node on a cubic spline falls by 3.7 per node.
_COPIES = 32
#: Share of a cell within which a place counts as lying on a node.
SNAP = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class GridAxis:
    """Ascending nodes along one dimension.

    Attributes
    ----------
    places : ndarray of float64
        Where the positions of the dimension lie, in its order.
    nodes : ndarray of float64
        The same, ascending; copies of both ends included when the axis goes round.
    index : ndarray of int64
        Position along the dimension of the value of each node.
    low, high : float
        The first and the last node without copies.
    tolerance : float
        Distance by which a place may lie beyond them and still be inside.
    period : float or None
        Length of the circle, 360 for longitudes.
    closed : bool
        Whether the nodes go all the way round.
    """

    places: Floats
    nodes: Floats
    index: Integers
    low: float
    high: float
    tolerance: float
    period: float | None
    closed: bool

    def rearranged(self, values: Array, axis: int) -> Array:
        """Bring values along a dimension into the order of the nodes."""
        if self.index.size == values.shape[axis] and bool(np.all(self.index == np.arange(self.index.size))):
            return values
        return np.take(values, self.index, axis)

    def wrapped(self, places: Array) -> Floats:
        """Move places by whole circles to where the nodes are; without a period nothing moves."""
        found = np.array(places, np.float64)
        if self.period is None:
            return found
        centre = (self.low + self.high) / 2
        away = np.isfinite(found) & ((found < self.low) | (found > self.high))
        moved = (found[away] - centre + self.period / 2) % self.period - self.period / 2 + centre
        found[away] = moved
        return found

    def outside(self, places: Floats) -> npt.NDArray[np.bool_]:
        """Tell which wrapped places lie beyond the nodes; places that are no number do."""
        finite = np.isfinite(places)
        if self.closed:
            return ~finite
        inside = (places >= self.low - self.tolerance) & (places <= self.high + self.tolerance)
        return ~(inside & finite)


def grid_axis(labels: Array, name: str, period: float | None = None) -> GridAxis:
    """Make the nodes of a dimension from its labels.

    Parameters
    ----------
    labels : ndarray, shape (n,)
        Numbers in any order, none twice.
    name : str
        What they are called, for messages.
    period : float, optional
        Length of the circle they lie on: 360 for longitudes in degrees.

    Examples
    --------
    >>> axis = grid_axis(np.array([30.0, 20.0, 0.0]), "y")
    >>> axis.nodes, axis.index
    (array([ 0., 20., 30.]), array([2, 1, 0]))
    >>> grid_axis(np.arange(0.0, 360.0, 90.0), "x", 360.0).wrapped(np.array([-90.0, 370.0]))
    array([270.,  10.])
    """
    given = np.asarray(labels)
    if given.dtype.kind not in "iuf":
        raise ValueError(f"coordinate {name!r} holds {given.dtype} values: interpolation in space needs numbers")
    if not given.size:
        raise ValueError(f"coordinate {name!r} is empty: there is nothing to interpolate from")
    values = given.astype(np.float64)
    index = np.argsort(values, kind="stable")
    nodes = values[index]
    if not np.all(np.isfinite(nodes)) or not np.all(np.diff(nodes) > 0):
        raise ValueError(f"the values of coordinate {name!r} are not all different numbers")
    spacing = float(np.min(np.diff(nodes))) if nodes.size > 1 else max(1.0, abs(float(nodes[0])))
    resolution = np.finfo(given.dtype).eps if given.dtype.kind == "f" else 0.0
    tolerance = SNAP * spacing + 4 * float(resolution) * float(np.max(np.abs(nodes)))
    nodes, index, closed = _closed(nodes, index, period, tolerance)
    low, high = float(nodes[0]), float(nodes[-1])
    if closed and period is not None:
        nodes, index = _with_copies(nodes, index, period)
    return GridAxis(values, nodes, index, low, high, tolerance, period, closed)


def _closed(nodes: Floats, index: Integers, period: float | None, tolerance: float) -> tuple[Floats, Integers, bool]:
    """Tell whether nodes go all the way round; a meridian that is there twice (0 and 360) loses its second place."""
    if period is None or nodes.size < 3:
        return nodes, index, False
    if abs(nodes[-1] - nodes[0] - period) <= tolerance:
        nodes, index = nodes[:-1], index[:-1]
    gap = period - (nodes[-1] - nodes[0])
    return nodes, index, bool(0 < gap <= 1.5 * np.max(np.diff(nodes)))


def _with_copies(nodes: Floats, index: Integers, period: float) -> tuple[Floats, Integers]:
    count = min(_COPIES, nodes.size)
    after, before = slice(0, count), slice(nodes.size - count, None)
    extended = np.concatenate([nodes[before] - period, nodes, nodes[after] + period])
    return extended, np.concatenate([index[before], index, index[after]])


def folded(axis: GridAxis, places: Floats, how: str) -> Floats:
    """Bring places beyond the nodes back among them, as `scipy.ndimage` does with its modes.

    Parameters
    ----------
    axis : GridAxis
        The nodes.
    places : ndarray of float64
        Wrapped places.
    how : {'mirror', 'reflect', 'wrap'}
        Folded at the last node; folded at the edge of the last cell; as if the grid went on with its first node.
    """
    margin = 0.0 if how == "mirror" or axis.nodes.size < 2 else float(np.diff(axis.nodes[-2:])[0])
    low, high = axis.low, axis.high
    if axis.closed or high <= low:
        return places
    if how == "wrap":
        return np.where(axis.outside(places), (places - low) % (high - low + margin) + low, places)
    edge = margin / 2
    length = high - low + 2 * edge
    turned = np.abs((places - low + edge + length) % (2 * length) - length) + low - edge
    return np.where(axis.outside(places), turned, places)
