"""What of scipy does interpolation use?

The only module that imports scipy: splines along one axis, the triangles among scattered places, and the nearest of
them. Everything here is a function of arrays.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

try:
    from scipy.interpolate import BSpline, CloughTocher2DInterpolator, make_interp_spline
    from scipy.sparse import csr_array
    from scipy.spatial import Delaunay, QhullError, cKDTree
except ImportError as error:
    raise ImportError("interpolation needs the package scipy: pip install cfdb[interp]") from error

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: Share of the way to the middle of all places by which a target at the hull is moved to be inside.
_NUDGE = 1e-9


def spline_knots(nodes: Floats, degree: int) -> Floats:
    """Give the not-a-knot knots of an interpolating spline.

    Parameters
    ----------
    nodes : ndarray of float64, shape (n,)
        Ascending, more than `degree` of them.
    degree : int
        Of the spline.
    """
    knots: Floats = make_interp_spline(nodes, np.zeros(nodes.size), degree).t
    return knots


def spline_basis(knots: Floats, degree: int, places: Floats) -> tuple[Integers, Floats]:
    """Give the B-splines that are not 0 at each place between the first and the last node.

    Returns
    -------
    ndarray of int64, shape (m,)
        Number of the first of them.
    ndarray of float64, shape (m, degree + 1)
        Their values.
    """
    if not places.size:
        return np.zeros(0, np.int64), np.zeros((0, degree + 1))
    rows = BSpline.design_matrix(places, knots, degree)
    start = rows.indices.reshape(-1, degree + 1)[:, :1].reshape(-1).astype(np.int64)
    return start, rows.data.reshape(-1, degree + 1).copy()


def spline_coefficients(nodes: Floats, values: Floats, degree: int) -> Floats:
    """Give the coefficients of the spline through values along the first axis.

    Examples
    --------
    >>> nodes = np.array([0.0, 1.0, 3.0, 4.0, 6.0])
    >>> coefficients = spline_coefficients(nodes, nodes**3, 3)
    >>> start, weights = spline_basis(spline_knots(nodes, 3), 3, np.array([5.0]))
    >>> round(float(weights[0] @ coefficients[start[0] : start[0] + 4]), 9)
    125.0
    """
    coefficients: Floats = make_interp_spline(nodes, values, degree).c
    return coefficients


def sparse_rows(start: Integers, weights: Floats, values: Floats) -> Floats:
    """Sum `weights` times consecutive rows of `values`, from `start` on.

    Parameters
    ----------
    start : ndarray of int64, shape (m,)
        First row of each sum.
    weights : ndarray of float64, shape (m, k)
        Weights of k rows.
    values : ndarray of float64, shape (n, l)
        The rows.

    Returns
    -------
    ndarray of float64, shape (m, l)
    """
    width = weights.shape[1]
    columns = (start[:, None] + np.arange(width)).ravel()
    ends = np.arange(0, columns.size + 1, width)
    summed: Floats = csr_array((weights.ravel(), columns, ends), shape=(start.size, values.shape[0])) @ values
    return summed


class Triangles:
    """Triangles (tetrahedra) among scattered places.

    Parameters
    ----------
    points : ndarray of float64, shape (n, d)
        The places; every dimension is scaled to its extent before.
    """

    def __init__(self, points: Floats) -> None:
        self._low = points.min(axis=0)
        extent = points.max(axis=0) - self._low
        self._scale = np.where(extent > 0, extent, 1.0)
        places = (points - self._low) / self._scale
        self._middle = places.mean(axis=0)
        self._found = Delaunay(places)

    @classmethod
    def among(cls, points: Floats) -> "Triangles | None":
        """Give the triangles, or None where there are none: fewer than d + 1 places, or all on one line (plane)."""
        if points.shape[0] <= points.shape[1]:
            return None
        try:
            return cls(points)
        except QhullError:
            return None

    def weights(self, targets: Floats) -> tuple[Integers, Floats, Bools]:
        """Find the triangle around each target.

        Returns
        -------
        ndarray of int64, shape (m, d + 1)
            Its corners; 0 where there is none.
        ndarray of float64, shape (m, d + 1)
            Their weights, which sum to 1.
        ndarray of bool, shape (m,)
            Whether there is one.
        """
        places = (targets - self._low) / self._scale
        # a wider tolerance of find_simplex would make it search all triangles for many targets
        simplex = self._found.find_simplex(places)
        lost = np.flatnonzero(simplex < 0)
        simplex[lost] = self._found.find_simplex(places[lost] + (self._middle - places[lost]) * _NUDGE)
        inside = simplex >= 0
        simplex = np.where(inside, simplex, 0)
        transform = self._found.transform[simplex]
        size = places.shape[1]
        part = np.einsum("mij,mj->mi", transform[:, :size], places - transform[:, size])
        weights = np.concatenate([part, 1 - part.sum(axis=1, keepdims=True)], axis=1)
        usable = inside & np.isfinite(weights).all(axis=1)
        weights[~usable] = 0.0
        return self._found.simplices[simplex].astype(np.int64), weights, usable

    def smooth(self, values: Floats, targets: Floats) -> Floats:
        """Interpolate with piecewise cubic surfaces of continuous slope (Clough-Tocher), in two dimensions."""
        places = (targets - self._low) / self._scale
        found: Floats = CloughTocher2DInterpolator(self._found, values)(places)
        return found


def nearest(points: Floats, targets: Floats) -> tuple[Integers, Floats]:
    """Give the number of the nearest place for every target, and its distance."""
    distance, index = cKDTree(points).query(targets)
    return np.asarray(index, np.int64), np.asarray(distance, np.float64)
