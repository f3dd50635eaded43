"""How do values at stations get onto a grid, or to other points?"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.interpolating.fields import Layout, alongside
from cfdb.analysis.interpolating.interpolated import Interpolated, Labels, point_labels
from cfdb.analysis.interpolating.scattered import EXTRAPOLATIONS, METHODS, ScatteredInterpolator
from cfdb.analysis.interpolating.spatial import Change, SpatialInterp, check_choice
from cfdb.analysis.interpolating.targets import Target, circle_of, grid_target, moved, point_coordinates, points_target

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


class PointInterp(SpatialInterp):
    """Interpolates a variable at stations; made by ``var.interp()``.

    Stations are joined to triangles in the reference system of the targets. Those that miss a value are left out of a
    field, and the triangles belong to the others.

    Examples
    --------
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     ds["x"] = ("station", np.array([0.0, 4.0, 0.0, 4.0]))
    ...     ds["y"] = ("station", np.array([0.0, 0.0, 4.0, 4.0]))
    ...     ds["rain"] = ("station", np.array([0.0, 4.0, np.nan, 8.0]))
    ...     found = ds["rain"].interp(x="x", y="y")
    ...     print(found.to_points([(2.0, 1.0), (1.0, 3.0)]).load().values)
    [ 3. nan]
    """

    def __init__(self, layout: Layout, max_mem: int | str, coordinates: tuple[str, str] | None = None) -> None:
        super().__init__(layout, max_mem)
        self._coordinates = coordinates

    @cached_property
    def _points(self) -> Floats:
        """Places (x, y) of all stations, in the reference system of the dataset."""
        dim = self._layout.space["xy"]
        if self._coordinates is None:
            return point_coordinates(self._layout.label_values(dim), f"coordinate {dim!r}")[:, :2]
        found = [alongside(self._layout.part, name, axis) for name, axis in zip(self._coordinates, "xy", strict=True)]
        return np.stack([np.asarray(each, np.float64) for each in found], axis=1)

    def _places_in(self, target: Target) -> Floats:
        """Give x and y of the stations in the reference system of a target."""
        x, y = moved(self._layout.crs, target.crs, self._points[:, 0], self._points[:, 1])
        return np.stack([x, y], axis=1)

    def _own_target(self, z: Floats | None = None) -> Target:
        dim, places = self._layout.space["xy"], self._points
        labels = self._layout.label_values(dim) if self._coordinates is None else None
        system = self._layout.crs
        return Target("points", places[:, 0], places[:, 1], z, system, {"point": dim}, {}, labels)

    def target(self, grid_res: Any = None, to_crs: Any = None, bbox: Any = None) -> Target:
        """Give the grid that `to_grid` would make, without making it."""
        x, y = self._points.T
        if not np.isfinite(self._points).all(axis=1).any():
            raise ValueError(f"{self._layout.part.name!r} has no station with a place")
        extent = (float(np.nanmin(x)), float(np.nanmin(y)), float(np.nanmax(x)), float(np.nanmax(y)))
        return grid_target(self._layout, extent, grid_res, to_crs, bbox, None)

    def to_grid(
        self,
        grid_res: Any = None,
        to_crs: Any = None,
        bbox: Any = None,
        method: str = "linear",
        extrapolation: str = "constant",
        fill_val: float = np.nan,
        min_val: float | None = None,
    ) -> Interpolated:
        """Interpolate to a grid.

        Parameters
        ----------
        grid_res, to_crs, bbox
            As of `GridInterp.to_grid`; the spacing must be given.
        method : {'linear', 'nearest', 'cubic'}
            Plane through the three stations around a place, the nearest station, or a cubic surface of continuous
            slope.
        extrapolation : {'constant', 'nearest'}
            What lies outside the hull of the stations: `fill_val`, or the value of the nearest.
        fill_val : float
            Value outside.
        min_val : float, optional
            Smaller results become this.

        Returns
        -------
        Interpolated
            Fields of shape (..., y, x), both ascending unless a variable was given.
        """
        target = self.target(grid_res, to_crs, bbox)
        y, x = target.names["y"], target.names["x"]
        coords = {
            y: Labels((y,), target.y, target.attrs.get("y", {}), "y"),
            x: Labels((x,), target.x, target.attrs.get("x", {}), "x"),
        }
        dims = {**self._leading(), y: target.y.size, x: target.x.size}
        return self._found(target, dims, coords, method, extrapolation, fill_val, min_val)

    def to_points(
        self,
        target_points: Any,
        to_crs: Any = None,
        method: str = "linear",
        min_val: float | None = None,
        *,
        extrapolation: str = "constant",
        fill_val: float = np.nan,
    ) -> Interpolated:
        """Interpolate to other points.

        Parameters
        ----------
        target_points, to_crs
            As of `GridInterp.to_points`.
        method, min_val, extrapolation, fill_val
            As of `to_grid`.

        Returns
        -------
        Interpolated
            Fields of shape (..., m).
        """
        target = points_target(self._layout, target_points, to_crs)
        dims = {**self._leading(), target.names["point"]: target.x.size}
        coords = point_labels(target)
        return self._found(target, dims, coords, method, extrapolation, fill_val, min_val)

    def interp_na(
        self, method: str = "linear", min_val: float | None = None, *, extrapolation: str = "constant"
    ) -> Interpolated:
        """Give stations that miss a value one from their neighbours; the others keep theirs.

        Parameters
        ----------
        method, extrapolation
            As of `to_grid`.
        min_val : float, optional
            Smaller filled values become this.

        Returns
        -------
        Interpolated
            Fields at the same stations.
        """
        target = self._own_target()
        sizes = {dim: self._layout.part.sizes[dim] for dim in self._layout.field_dims}
        find = self._finder(target, method, extrapolation, np.nan, min_val)

        def change() -> Change:
            interpolator = find()
            return lambda field: np.where(np.isfinite(field), field, interpolator(field))

        return self._result(target, sizes, {}, change)

    def _found(
        self,
        target: Target,
        dims: Mapping[str, int],
        coords: Mapping[str, Labels],
        method: str,
        extrapolation: str,
        fill_val: float,
        min_val: float | None,
    ) -> Interpolated:
        find = self._finder(target, method, extrapolation, fill_val, min_val)

        def change() -> Change:
            interpolator = find()

            def apply(field: Array) -> Array:
                found = interpolator(field)
                return found.reshape(*found.shape[:-1], *target.shape)

            return apply

        return self._result(target, dims, coords, change)

    def _finder(
        self, target: Target, method: str, extrapolation: str, fill_val: float, min_val: float | None
    ) -> Callable[[], ScatteredInterpolator]:
        check_choice("method", method, METHODS)
        check_choice("extrapolation", extrapolation, EXTRAPOLATIONS)
        self._check_blending(method != "nearest", "method='nearest'")
        points = self._places_in(target)
        places = np.stack(target.places(), axis=1)
        circle = circle_of(target.crs, False)
        return lambda: ScatteredInterpolator(points, places, method, extrapolation, fill_val, min_val, circle)
