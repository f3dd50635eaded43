"""How is a value found between the nodes of a grid?

An interpolator is made once for its nodes and targets and then applied to one field after the other: where the targets
lie among the nodes is worked out once.

Interpolation is a product of B-splines, one axis after the other (order 0 nearest, 1 linear, 3 cubic with not-a-knot
ends), on nodes of any spacing: polynomials up to the order are reproduced. See docs/design/017-interpolation.md for
missing values and for longitudes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.interpolating.gaps import RINGS, bridged
from cfdb.analysis.interpolating.grid_axes import SNAP, GridAxis, folded
from cfdb.analysis.interpolating.interpolators import sparse_rows, spline_basis, spline_coefficients, spline_knots

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: What may happen to targets beyond the nodes of a grid.
EXTRAPOLATIONS = ("constant", "nearest", "linear", "reflect", "mirror", "wrap")


@dataclass(frozen=True, slots=True, eq=False)
class Stencil:
    """Which nodes along one axis make the value at each target, and with which weights.

    Attributes
    ----------
    start : ndarray of int64, shape (m,)
        The first node.
    weights : ndarray of float64, shape (m, k + 1)
        Weights of this node and the next ones.
    """

    start: npt.NDArray[np.int64]
    weights: Floats


def degree_of(axis: GridAxis, order: int) -> int:
    """Give the degree of the spline along an axis: the order, or what its number of nodes bears."""
    return min(order, axis.nodes.size - 1)


def place_nearest(nodes: Floats, targets: Floats) -> Stencil:
    """Take the nearest node; halfway, the first."""
    start = np.searchsorted((nodes[1:] + nodes[:-1]) / 2, targets)
    return Stencil(start.astype(np.int64), np.ones((targets.size, 1)))


def place_linear(nodes: Floats, targets: Floats) -> Stencil:
    """Take the two nodes around; targets beyond continue the line of the last two."""
    start = np.clip(np.searchsorted(nodes, targets, "right") - 1, 0, nodes.size - 2)
    share = (targets - nodes[start]) / (nodes[start + 1] - nodes[start])
    return Stencil(start.astype(np.int64), np.stack([1 - share, share], axis=1))


def place_spline(nodes: Floats, targets: Floats, degree: int) -> Stencil:
    """Take the B-splines that are not 0 at each target; targets beyond continue the tangent."""
    knots = spline_knots(nodes, degree)
    inside = np.clip(targets, nodes[0], nodes[-1])
    start, weights = spline_basis(knots, degree, inside)
    beyond = targets - inside
    # at both ends the spline is its first (last) coefficient, and its slope that of the first (last) two
    first, last = degree / (knots[degree + 1] - knots[1]), degree / (knots[-2] - knots[-2 - degree])
    below, above = beyond < 0, beyond > 0
    weights[below, 0] -= beyond[below] * first
    weights[below, 1] += beyond[below] * first
    weights[above, -1] += beyond[above] * last
    weights[above, -2] -= beyond[above] * last
    return Stencil(start, weights)


class Placed:
    """Targets along one axis of a grid: inside or not, and made of which nodes.

    Parameters
    ----------
    axis : GridAxis
        The nodes.
    targets : ndarray
        Places, in any number of circles.
    order : int
        Of the spline.
    extrapolation : str
        One of `EXTRAPOLATIONS`.
    """

    def __init__(self, axis: GridAxis, targets: Array, order: int, extrapolation: str) -> None:
        self.axis = axis
        self.degree = degree_of(axis, order)
        places = axis.wrapped(targets)
        if extrapolation in ("reflect", "mirror", "wrap"):
            places = folded(axis, places, extrapolation)
        finite = np.isfinite(places)
        #: targets whose value is the fill value
        self.outside = axis.outside(places) if extrapolation == "constant" else ~finite
        places = np.where(finite, places, axis.low)
        self._places = places if extrapolation == "linear" or axis.closed else np.clip(places, axis.low, axis.high)

    @cached_property
    def stencil(self) -> Stencil:
        """What makes the values."""
        if self.degree == 0:
            return place_nearest(self.axis.nodes, self._places)
        if self.degree == 1:
            return place_linear(self.axis.nodes, self._places)
        return place_spline(self.axis.nodes, self._places, self.degree)

    @cached_property
    def surroundings(self) -> Stencil:
        """The nodes around each target: weight 1 where one must be valid for the target to have a value."""
        if self.degree < 2:
            found = self.stencil
        else:
            found = place_linear(self.axis.nodes, self._places)
        return Stencil(found.start, (np.abs(found.weights) > SNAP).astype(np.float64))


class Crossing:
    """Targets that are the crossings of places along every axis: a grid.

    Parameters
    ----------
    placed : sequence of Placed
        One per axis.
    """

    def __init__(self, placed: Sequence[Placed]) -> None:
        self.placed = tuple(placed)
        self.shape = tuple(part.outside.size for part in placed)

    @cached_property
    def outside(self) -> Bools:
        """Targets whose value is the fill value."""
        result = np.zeros(self.shape, np.bool_)
        for axis, part in enumerate(self.placed):
            result |= np.expand_dims(part.outside, [other for other in range(len(self.shape)) if other != axis])
        return result

    def values(self, coefficients: Floats) -> Floats:
        """Give the values."""
        return self._applied(coefficients, [part.stencil for part in self.placed])

    def touched(self, bad: Bools) -> Bools:
        """Tell which targets have a bad cell around them."""
        found: Bools = self._applied(bad.astype(np.float64), [part.surroundings for part in self.placed]) > 0
        return found

    def _applied(self, field: Floats, stencils: Sequence[Stencil]) -> Floats:
        for axis, stencil in enumerate(stencils):
            moved = np.moveaxis(field, axis, 0)
            rows = sparse_rows(stencil.start, stencil.weights, moved.reshape(moved.shape[0], -1))
            field = np.moveaxis(rows.reshape(-1, *moved.shape[1:]), 0, axis)
        return field


class Scattering:
    """Targets anywhere: one place per axis and target.

    Parameters
    ----------
    placed : sequence of Placed
        One per axis, with equal numbers of targets.
    shape : tuple of int
        Shape of the result.
    """

    def __init__(self, placed: Sequence[Placed], shape: tuple[int, ...]) -> None:
        self.placed = tuple(placed)
        self.shape = shape

    @cached_property
    def outside(self) -> Bools:
        """Targets whose value is the fill value."""
        found: Bools = np.logical_or.reduce([part.outside for part in self.placed]).reshape(self.shape)
        return found

    def values(self, coefficients: Floats) -> Floats:
        """Give the values."""
        return self._applied(coefficients, [part.stencil for part in self.placed])

    def touched(self, bad: Bools) -> Bools:
        """Tell which targets have a bad cell around them."""
        found: Bools = self._applied(bad.astype(np.float64), [part.surroundings for part in self.placed]) > 0
        return found

    def _applied(self, field: Floats, stencils: Sequence[Stencil]) -> Floats:
        flat = np.ascontiguousarray(field).reshape(-1)
        strides = [int(np.prod(field.shape[axis + 1 :])) for axis in range(field.ndim)]
        base = sum(stencil.start * stride for stencil, stride in zip(stencils, strides, strict=True))
        result = np.zeros(stencils[0].start.size)
        for places in product(*(range(stencil.weights.shape[1]) for stencil in stencils)):
            weight = np.ones(result.size)
            for stencil, place in zip(stencils, places, strict=True):
                weight *= stencil.weights[:, place]
            offset = sum(place * stride for place, stride in zip(places, strides, strict=True))
            result += weight * flat[base + offset]
        return result.reshape(self.shape)


class GridInterpolator:
    """Finds values between the nodes of a grid, field by field.

    Parameters
    ----------
    axes : sequence of GridAxis
        Nodes along the last axes of a field; axes before them are taken one after the other.
    targets : Crossing or Scattering
        Where values are wanted.
    order : int
        Of the splines, 0 to 5.
    fill_value : float
        Value outside.
    min_value : float, optional
        Smaller results become this; the fill value stays.

    Examples
    --------
    >>> from cfdb.analysis.interpolating.grid_axes import grid_axis
    >>> y, x = grid_axis(np.array([2.0, 1.0, 0.0]), "y"), grid_axis(np.array([0.0, 1.0, 3.0]), "x")
    >>> field = np.array([[2.0, 3.0, 5.0], [1.0, 2.0, 4.0], [0.0, 1.0, 3.0]])           # y + x
    >>> targets = Scattering([Placed(y, np.array([0.5, 9.0]), 1, "constant"),
    ...                       Placed(x, np.array([2.0, 0.0]), 1, "constant")], (2,))
    >>> GridInterpolator([y, x], targets, 1)(field)
    array([2.5, nan])
    """

    def __init__(
        self,
        axes: Sequence[GridAxis],
        targets: Crossing | Scattering,
        order: int,
        fill_value: float = np.nan,
        min_value: float | None = None,
    ) -> None:
        self.axes = tuple(axes)
        self.targets = targets
        self.order = order
        self.fill_value = fill_value
        self.min_value = min_value

    def __call__(self, field: Array) -> Floats:
        """Interpolate a field whose cells are missing where they are NaN or infinite."""
        leading = field.shape[: field.ndim - len(self.axes)]
        result = np.empty(leading + self.targets.shape)
        for place in np.ndindex(leading):
            result[place] = self._one(field[place])
        return result

    def _one(self, field: Array) -> Floats:
        values = np.asarray(field, np.float64)
        for number, axis in enumerate(self.axes):
            values = axis.rearranged(values, number)
        bad = ~np.isfinite(values)
        holes = bool(bad.any())
        if holes and bool(bad.all()):
            result = np.full(self.targets.shape, np.nan)
        else:
            if holes:
                values = bridged(values, [axis.nodes for axis in self.axes], 0 if self.order < 2 else RINGS)
            result = self.targets.values(self._coefficients(values))
            if holes:
                result[self.targets.touched(bad)] = np.nan
        if self.min_value is not None:
            np.maximum(result, self.min_value, out=result)
        result[self.targets.outside] = self.fill_value
        return result

    def _coefficients(self, values: Floats) -> Floats:
        """Give the coefficients of the B-splines; for order 0 and 1 these are the values."""
        for number, axis in enumerate(self.axes):
            degree = degree_of(axis, self.order)
            if degree > 1:
                moved = spline_coefficients(axis.nodes, np.moveaxis(values, number, 0), degree)
                values = np.moveaxis(moved, 0, number)
        return values
