"""How does a variable on a grid get onto another grid, or to points?"""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.interpolating.grid_axes import GridAxis, grid_axis
from cfdb.analysis.interpolating.grid_interpolator import EXTRAPOLATIONS, Crossing, GridInterpolator, Placed, Scattering
from cfdb.analysis.interpolating.holes import HoleFiller
from cfdb.analysis.interpolating.interpolated import Interpolated, Labels, point_labels
from cfdb.analysis.interpolating.scattered import EXTRAPOLATIONS as FILLINGS
from cfdb.analysis.interpolating.scattered import METHODS
from cfdb.analysis.interpolating.spatial import Change, SpatialInterp, check_choice
from cfdb.analysis.interpolating.targets import Box, Target, circle_of, grid_target, moved, points_target

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


class GridInterp(SpatialInterp):
    """Interpolates a variable on a grid; made by ``var.interp()``.

    Values lie at the labels of x and y. Splines of any order run through them, on any spacing; longitudes go round the
    globe. Missing cells (NaN, declared fill) reach no further than the cells beside them: a place has a value when the
    nodes around it have.

    Examples
    --------
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     lat = ds.create.coord.lat(data=[50.0, 49.0, 48.0], step=False)
    ...     lon = ds.create.coord.lon(data=[10.0, 11.0, 12.0], step=False)
    ...     ds["t"] = (("latitude", "longitude"), np.arange(9.0).reshape(3, 3))
    ...     for label, field in ds["t"].interp().to_grid(0.5, bbox=(10, 49, 11, 50), order=1):
    ...         print(label, field.tolist())
    None [[0.0, 0.5, 1.0], [1.5, 2.0, 2.5], [3.0, 3.5, 4.0]]
    """

    @cached_property
    def _circle(self) -> float | None:
        return circle_of(self._layout.crs, self._layout.is_longitude)

    @cached_property
    def _axes(self) -> tuple[GridAxis, GridAxis]:
        """Nodes along y and x."""
        self._require("x", "y")
        y, x = (self._layout.space[axis] for axis in ("y", "x"))
        return (
            grid_axis(self._layout.label_values(y), y),
            grid_axis(self._layout.label_values(x), x, self._circle),
        )

    @cached_property
    def _extent(self) -> Box:
        y, x = self._axes
        right = x.high
        if x.closed and self._circle is not None:
            right = x.low + self._circle
        return x.low, y.low, right, y.high

    def _own_target(self, z: Floats | None = None) -> Target:
        space = self._layout.space
        places = {a: np.asarray(self._layout.label_values(space[a]), np.float64) for a in ("x", "y") if a in space}
        none = np.zeros(0)
        return Target("grid", places.get("x", none), places.get("y", none), z, self._layout.crs, dict(space))

    def target(self, grid_res: Any = None, to_crs: Any = None, bbox: Any = None) -> Target:
        """Give the grid that `to_grid` would make, without making it."""
        y, x = self._axes
        return grid_target(self._layout, self._extent, grid_res, to_crs, bbox, (x.places, y.places))

    def to_grid(
        self,
        grid_res: Any = None,
        to_crs: Any = None,
        bbox: Any = None,
        order: int = 3,
        extrapolation: str = "constant",
        fill_val: float = np.nan,
        min_val: float | None = None,
        *,
        levels: Any = None,
    ) -> Interpolated:
        """Interpolate to another grid.

        Parameters
        ----------
        grid_res : number, (number, number) or variable, optional
            Spacing in the units of the target, of x and y apart if there are two; or a variable that lies on the wanted
            grid, whose labels (those of its z too) and reference system are taken. When left out: the labels of the
            source, or in another reference system about as many.
        to_crs : optional
            Reference system of the target, as ``4326`` or ``'EPSG:2193'``; that of the source when left out.
        bbox : (x_min, y_min, x_max, y_max), optional
            What is covered, in the units of the target; the whole source when left out. Labels begin at the minimum.
        order : int
            Of the splines: 0 nearest, 1 linear, 3 cubic, up to 5.
        extrapolation : {'constant', 'nearest', 'linear', 'reflect', 'mirror', 'wrap'}
            What lies beyond the source: `fill_val`, the last value, a line (the tangent at the edge), or the source
            again, as of `scipy.ndimage`.
        fill_val : float
            Value outside. Missing values of the source stay NaN.
        min_val : float, optional
            Smaller results become this: cubic splines swing below zero where rain begins.
        levels : array-like of float, optional
            Labels of z that are wanted; the levels of the source when left out.

        Returns
        -------
        Interpolated
            Fields of shape (..., y, x); y and x run as those of the source (of the variable given).
        """
        _check_order(order)
        check_choice("extrapolation", extrapolation, EXTRAPOLATIONS)
        self._check_blending(order != 0, "order=0")
        target = self.target(grid_res, to_crs, bbox)
        wanted = target.z if levels is None else np.atleast_1d(np.asarray(levels, np.float64))
        wanted = wanted if "z" in self._layout.space else None
        if levels is not None:
            self._require("z")
        placing = self._placing(target, order, extrapolation)
        vertical = None if wanted is None else self._vertical_placing(wanted, order, extrapolation)

        def change() -> Change:
            flat = GridInterpolator(self._axes, placing, order, fill_val, min_val)
            return flat if vertical is None else _stacked(vertical, flat, order, fill_val)

        leading = self._leading()
        coords = {}
        if wanted is not None:
            dim = self._layout.space["z"]
            leading[dim] = wanted.size
            coords[dim] = Labels((dim,), wanted, self._layout.attributes(dim), "z")
        y, x = target.names["y"], target.names["x"]
        coords[y] = Labels((y,), target.y, target.attrs.get("y", {}), "y")
        coords[x] = Labels((x,), target.x, target.attrs.get("x", {}), "x")
        return self._result(target, {**leading, y: target.y.size, x: target.x.size}, coords, change)

    def _placing(self, target: Target, order: int, extrapolation: str) -> Crossing | Scattering:
        """Find the places of a target among the nodes of the source."""
        y, x = self._axes
        places = target.places()
        found = moved(target.crs, self._layout.crs, *places)
        if target.kind == "grid" and found[0] is places[0]:
            return Crossing([Placed(y, target.y, order, extrapolation), Placed(x, target.x, order, extrapolation)])
        placed = [Placed(y, found[1], order, extrapolation), Placed(x, found[0], order, extrapolation)]
        return Scattering(placed, target.shape)

    def _z_axis(self) -> GridAxis:
        dim = self._layout.space["z"]
        return grid_axis(self._layout.label_values(dim), dim)

    def _vertical_placing(self, wanted: Floats, order: int, extrapolation: str) -> tuple[GridAxis, Crossing]:
        axis = self._z_axis()
        return axis, Crossing([Placed(axis, wanted, order, extrapolation)])

    def to_points(
        self,
        target_points: Any,
        to_crs: Any = None,
        order: int = 3,
        min_val: float | None = None,
        *,
        extrapolation: str = "constant",
        fill_val: float = np.nan,
    ) -> Interpolated:
        """Interpolate to points.

        Parameters
        ----------
        target_points : ndarray of shape (m, 2) or (m, 3), shapely points, or a variable at stations
            x and y (and z) of each point; heights of points with a z axis in the source are interpolated too.
        to_crs : optional
            Reference system of the points; that of the source, or of the variable's dataset, when left out.
        order, min_val, extrapolation, fill_val
            As of `to_grid`.

        Returns
        -------
        Interpolated
            Fields of shape (..., m): with a z axis and points without heights (z, m).
        """
        _check_order(order)
        check_choice("extrapolation", extrapolation, EXTRAPOLATIONS)
        self._check_blending(order != 0, "order=0")
        target = points_target(self._layout, target_points, to_crs)
        placing = self._placing(target, order, extrapolation)
        axes: tuple[GridAxis, ...] = self._axes
        leading = self._leading()
        if target.z is not None and "z" in self._layout.space:
            height = self._z_axis()
            placing = Scattering([Placed(height, target.z, order, extrapolation), *placing.placed], target.shape)
            axes = (height, *axes)
            del leading[self._layout.space["z"]]
        dims = {**leading, target.names["point"]: target.x.size}
        return self._result(
            target,
            dims,
            point_labels(target),
            lambda: GridInterpolator(axes, placing, order, fill_val, min_val),
        )

    def interp_na(
        self, method: str = "linear", min_val: float | None = None, *, extrapolation: str = "constant"
    ) -> Interpolated:
        """Fill missing cells from the valid cells around them, level by level; valid cells keep their value.

        Parameters
        ----------
        method : {'linear', 'nearest', 'cubic'}
            Planes through triangles of valid cells, the nearest valid cell, or cubic surfaces of continuous slope.
        min_val : float, optional
            Smaller filled values become this.
        extrapolation : {'constant', 'nearest'}
            Whether cells outside the hull of the valid cells stay missing, or take the nearest value.

        Returns
        -------
        Interpolated
            Fields on the grid of the source.
        """
        check_choice("method", method, METHODS)
        check_choice("extrapolation", extrapolation, FILLINGS)
        self._check_blending(method != "nearest", "method='nearest'")
        axes = self._axes
        sizes = {dim: self._layout.part.sizes[dim] for dim in self._layout.field_dims}
        return self._result(self._own_target(), sizes, {}, lambda: HoleFiller(axes, method, extrapolation, min_val))


def _stacked(vertical: tuple[GridAxis, Crossing], flat: GridInterpolator, order: int, fill_val: float) -> Change:
    """Interpolate between levels, then on each of them."""
    axis, placing = vertical
    upright = GridInterpolator([axis], placing, order)

    def apply(field: Array) -> Array:
        between = np.moveaxis(upright(np.moveaxis(field, -3, -1)), -1, -3)
        result = flat(between)
        result[..., placing.outside, :, :] = fill_val
        return result

    return apply


def _check_order(order: Any) -> None:
    if isinstance(order, bool) or not isinstance(order, int | np.integer) or not 0 <= order <= 5:
        raise ValueError(f"order={order!r}: give 0 (nearest), 1 (linear), 2, 3 (cubic), 4 or 5")
