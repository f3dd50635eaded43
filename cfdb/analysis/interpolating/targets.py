"""Where are values wanted: on which grid, at which points, in which reference system?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.interpolating.fields import Layout, layout_of
from cfdb.analysis.interpolating.grid_axes import SNAP
from cfdb.conventions import crs as reference_systems
from cfdb.conventions import geometries
from cfdb.errors import MemoryLimitError
from cfdb.model.part import Part
from cfdb.options import get_options

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]

#: Points by which each edge of a box is followed into another reference system.
_EDGE_POINTS = 33
_CIRCLE = 360.0


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Places where values are wanted.

    Attributes
    ----------
    kind : str
        ``'grid'`` or ``'points'``.
    x, y : ndarray of float64
        Labels along the axes of a grid, in its order; or the places of the points.
    z : ndarray of float64 or None
        Heights of the points, or levels of the grid; None keeps the levels there are.
    crs : pyproj.CRS or None
        What x and y mean; None where nothing says.
    names : mapping of str to str
        Names of the coordinates, by axis (``x``, ``y``, ``z``); of the dimension of points, as ``point``.
    attrs : mapping of str to dict
        Attributes of the coordinates, by axis.
    labels : ndarray of object or None
        Geometries of points that have some.
    """

    kind: str
    x: Floats
    y: Floats
    z: Floats | None = None
    crs: Any = None
    names: Mapping[str, str] = field(default_factory=dict)
    attrs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    labels: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a field at these places, without levels."""
        return (self.y.size, self.x.size) if self.kind == "grid" else (self.x.size,)

    def places(self) -> tuple[Floats, Floats]:
        """Give x and y of every place, as two flat arrays."""
        if self.kind == "points":
            return self.x, self.y
        y, x = np.meshgrid(self.y, self.x, indexing="ij")
        return x.ravel(), y.ravel()

    def __repr__(self) -> str:
        system = "no CRS" if self.crs is None else reference_systems.to_text(self.crs).partition("[")[0]
        size = " x ".join(map(str, self.shape))
        if not self.x.size or not self.y.size:
            return f"<Target {self.kind} {size}, {system}>"
        x, y = (f"{np.nanmin(part):.10g} ... {np.nanmax(part):.10g}" for part in (self.x, self.y))
        return f"<Target {self.kind} {size}, x {x}, y {y}, {system}>"


# reference systems


def chosen_system(layout: Layout, to_crs: Any) -> Any:
    """Give the reference system of the targets: the one wanted, or that of the source."""
    own = layout.crs
    if to_crs is None:
        return own
    if own is None:
        raise ValueError(
            f"to_crs={to_crs!r}: the dataset of {layout.part.name!r} has no reference system to come from; set it with "
            "ds.create.crs.from_user_input(4326), say"
        )
    return reference_systems.from_user_input(to_crs)


def same_system(one: Any, other: Any) -> bool:
    """Tell whether two reference systems mean the same by x and y."""
    if one is None or other is None:
        return one is other
    return bool(one == other or one.equals(other, ignore_axis_order=True))


def circle_of(system: Any, says_longitude: bool) -> float | None:
    """Give the length of the circle that x lies on: 360 for degrees of longitude, None where it is a line."""
    if system is None:
        return _CIRCLE if says_longitude else None
    degrees = system.is_geographic and system.axis_info and system.axis_info[0].unit_name == "degree"
    return _CIRCLE if degrees else None


def moved(source: Any, target: Any, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Bring places from one reference system into another; places that do not exist there are NaN."""
    if same_system(source, target):
        return x, y
    found = reference_systems.transform(source, target, x, y)
    finite = np.isfinite(found[0]) & np.isfinite(found[1])
    return np.where(finite, found[0], np.nan), np.where(finite, found[1], np.nan)


# grids


def grid_target(
    layout: Layout, extent: Box, grid_res: Any, to_crs: Any, bbox: Any, own: tuple[Floats, Floats] | None
) -> Target:
    """Choose the grid that a user asks for.

    Parameters
    ----------
    layout : Layout
        Where the values come from.
    extent : tuple of float
        x_min, y_min, x_max, y_max of the source.
    grid_res : number, (number, number), Part or None
        Spacing of x and y in units of the target, a variable on the grid that is wanted, or None for a spacing like
        that of the source.
    to_crs, bbox
        As of `GridInterp.to_grid`.
    own : (ndarray, ndarray) or None
        Labels of x and y of a source that is a grid.
    """
    box = None if bbox is None else check_box(bbox)
    if isinstance(grid_res, Part):
        taken = _grid_of_variable(layout, grid_res, to_crs)
        return _checked(_cropped(taken, box, circle_of(taken.crs, layout.is_longitude)))
    system = chosen_system(layout, to_crs)
    stays = same_system(system, layout.crs)
    circle = circle_of(system, layout.is_longitude)
    names, attrs = _descriptions(layout, system, stays)
    if grid_res is None and stays and own is not None:
        kept = Target("grid", own[0], own[1], None, system, names, attrs)
        return _checked(_cropped(kept, box, circle))
    reached = extent if stays else moved_extent(layout.crs, system, extent)
    found = reached if box is None else box
    if box is not None:
        _check_overlap(box, reached, circle)
    spacing = _similar_spacing(found, own) if grid_res is None else _check_spacing(grid_res)
    _check_size(found, spacing)
    x, y = (steps(found[axis], found[axis + 2], spacing[axis]) for axis in (0, 1))
    if box is None and circle is not None and x[-1] - x[0] > circle - SNAP * spacing[0]:
        x = x[:-1]  # the first meridian again
    if own is not None and own[1].size > 1 and own[1][0] > own[1][-1]:
        y = y[::-1]
    if own is not None and own[0].size > 1 and own[0][0] > own[0][-1]:
        x = x[::-1]
    return _checked(Target("grid", x, y, None, system, names, attrs))


def steps(low: float, high: float, spacing: float) -> Floats:
    """Give labels from `low` in steps of `spacing`, up to `high` where the steps reach it.

    Examples
    --------
    >>> steps(0.0, 0.3, 0.1)
    array([0. , 0.1, 0.2, 0.3])
    """
    count = int(np.floor((high - low) / spacing + 1e-6)) + 1
    return np.round(low + spacing * np.arange(count), 12)


def check_box(bbox: Any) -> Box:
    """Refuse what is no box (x_min, y_min, x_max, y_max)."""
    try:
        x_min, y_min, x_max, y_max = (float(edge) for edge in bbox)
    except (TypeError, ValueError) as error:
        raise ValueError(f"bbox={bbox!r}: give four numbers, (x_min, y_min, x_max, y_max)") from error
    if not (x_min < x_max and y_min < y_max and all(map(isfinite, (x_min, y_min, x_max, y_max)))):
        raise ValueError(f"bbox={bbox!r}: the order is (x_min, y_min, x_max, y_max), each minimum below its maximum")
    return x_min, y_min, x_max, y_max


def moved_extent(source: Any, target: Any, extent: Box) -> Box:
    """Give the box around a box in another reference system; its edges are followed, for they may be curved."""
    x_min, y_min, x_max, y_max = extent
    share = np.linspace(0, 1, _EDGE_POINTS)
    x, y = x_min + (x_max - x_min) * share, y_min + (y_max - y_min) * share
    everywhere = np.meshgrid(x, y)
    found = moved(source, target, everywhere[0].ravel(), everywhere[1].ravel())
    if not np.isfinite(found[0]).any():
        raise ValueError(f"no part of the source, x {x_min:g} ... {x_max:g}, y {y_min:g} ... {y_max:g}, lies in to_crs")
    return tuple(float(edge(part)) for edge in (np.nanmin, np.nanmax) for part in found)  # type: ignore[return-value]


def _check_overlap(box: Box, extent: Box, circle: float | None) -> None:
    aside = (box[2] < extent[0] or box[0] > extent[2]) and circle is None
    if aside or box[3] < extent[1] or box[1] > extent[3]:
        raise ValueError(
            f"bbox={box} does not touch the source, which reaches from ({extent[0]:g}, {extent[1]:g}) to "
            f"({extent[2]:g}, {extent[3]:g}); the order is (x_min, y_min, x_max, y_max), in the units of to_crs"
        )


def _check_spacing(grid_res: Any) -> tuple[float, float]:
    given = tuple(grid_res) if isinstance(grid_res, Sequence | np.ndarray) else (grid_res, grid_res)
    numbers = [value for value in given if isinstance(value, int | float | np.number) and not isinstance(value, bool)]
    if len(given) != 2 or len(numbers) != 2 or not all(0 < float(value) < np.inf for value in numbers):
        raise ValueError(
            f"grid_res={grid_res!r}: give a positive number, two of them (x, y), or a variable on the wanted grid"
        )
    return float(numbers[0]), float(numbers[1])


def _similar_spacing(box: Box, own: tuple[Floats, Floats] | None) -> tuple[float, float]:
    """Give a spacing, rounded to two digits, at which a box has about as many cells as the source."""
    if own is None:
        raise ValueError("grid_res=: stations do not say how fine a grid should be; give its spacing")
    cells = max(own[0].size - 1, 1) * max(own[1].size - 1, 1)
    width = ((box[2] - box[0]) * (box[3] - box[1]) / cells) ** 0.5
    rounded = float(f"{width:.1e}") if width > 0 else 1.0
    return rounded, rounded


def _check_size(box: Box, spacing: tuple[float, float]) -> None:
    cells = ((box[2] - box[0]) / spacing[0] + 1) * ((box[3] - box[1]) / spacing[1] + 1)
    if cells * 8 > get_options().max_load:
        raise MemoryLimitError(
            f"a grid of spacing {spacing} over {box} has {cells:.3g} cells, more than max_load="
            f"{get_options().max_load:,} bytes: grid_res= is in the units of the target's reference system; choose a "
            "coarser one or a smaller bbox="
        )


def _grid_of_variable(layout: Layout, other: Part, to_crs: Any) -> Target:
    """Take the grid that another variable lies on."""
    found = layout_of(other, {"x": None, "y": None, "z": None}, None)
    if "x" not in found.space or "y" not in found.space:
        raise ValueError(f"grid_res={other.name!r} does not lie on a grid: it has no x and y axes")
    system = _system_beside(layout, found, to_crs, "grid_res")
    places = {axis: np.asarray(found.label_values(dim), np.float64) for axis, dim in found.space.items()}
    attrs = {axis: found.attributes(dim) for axis, dim in found.space.items()}
    return Target("grid", places["x"], places["y"], places.get("z"), system, dict(found.space), attrs)


def _system_beside(layout: Layout, other: Layout, to_crs: Any, what: str) -> Any:
    """Give the reference system of targets that a variable of some dataset names."""
    named = other.crs
    if to_crs is not None:
        wanted = reference_systems.from_user_input(to_crs)
        if named is not None and not same_system(named, wanted):
            raise ValueError(f"to_crs={to_crs!r} differs from the reference system of {what}={other.part.name!r}")
        named = wanted
    if (named is None) != (layout.crs is None):
        lacking = layout.part.name if layout.crs is None else other.part.name
        raise ValueError(
            f"the dataset of {lacking!r} has no reference system, the other has one: set it with "
            "ds.create.crs.from_user_input(...)"
        )
    return named


def _cropped(target: Target, box: Box | None, circle: float | None) -> Target:
    """Keep the labels of a grid that lie in a box, longitudes of either convention."""
    if box is None:
        return target
    x = _on_box(target.x, box, circle)
    y = target.y[(target.y >= box[1]) & (target.y <= box[3])]
    if not x.size or not y.size:
        raise ValueError(f"bbox={box} holds no label of the grid; the order is (x_min, y_min, x_max, y_max)")
    return replace(target, x=x, y=y)


def _on_box(x: Floats, box: Box, circle: float | None) -> Floats:
    """Give the labels in a box; those that are there a circle later or earlier are moved."""
    inside = (x >= box[0]) & (x <= box[2])
    found, left = [x[inside]], x[~inside]
    for turn in () if circle is None else (circle, -circle):
        inside = (left + turn >= box[0]) & (left + turn <= box[2])
        found.append(left[inside] + turn)
        left = left[~inside]
    if len(found) == 1 or not any(part.size for part in found[1:]):
        return found[0]
    labels = np.unique(np.concatenate(found))
    return labels[::-1] if x[0] > x[-1] else labels


def _checked(target: Target) -> Target:
    if not target.x.size or not target.y.size:
        raise ValueError("the target grid is empty")
    return target


def _descriptions(layout: Layout, system: Any, stays: bool) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Give names and attributes of the coordinates of a grid in a reference system."""
    if stays and "x" in layout.space and "y" in layout.space:
        kept = {axis: layout.space[axis] for axis in ("x", "y")}
        return kept, {axis: layout.attributes(dim) for axis, dim in kept.items()}
    if circle_of(system, layout.is_longitude) is not None:
        return {"x": "longitude", "y": "latitude"}, {
            "x": {"units": "degrees_east", "standard_name": "longitude", "axis": "X"},
            "y": {"units": "degrees_north", "standard_name": "latitude", "axis": "Y"},
        }
    unit = "" if system is None or not system.axis_info else system.axis_info[0].unit_name
    units = {"units": "m" if unit in ("metre", "meter") else unit} if unit else {}
    return {"x": "x", "y": "y"}, {
        axis: {**units, "standard_name": f"projection_{axis}_coordinate", "axis": axis.upper()} for axis in ("x", "y")
    }


# points


def points_target(layout: Layout, target_points: Any, to_crs: Any) -> Target:
    """Choose the points that a user names.

    Parameters
    ----------
    layout : Layout
        Where the values come from.
    target_points : ndarray of shape (m, 2) or (m, 3), sequence of shapely points, or Part
        Places, or a variable at stations.
    to_crs
        What the numbers mean; of the source when None.
    """
    if isinstance(target_points, Part):
        found = layout_of(target_points, {"xy": None}, None)
        if "xy" not in found.space:
            raise ValueError(f"target_points={target_points.name!r} has no dimension of points (axis 'xy')")
        dim = found.space["xy"]
        system = _system_beside(layout, found, to_crs, "target_points")
        geometric = point_coordinates(found.label_values(dim), f"coordinate {dim!r}")
        circle = circle_of(system, layout.is_longitude)
        return _points(geometric, system, circle, dim, found.label_values(dim), found.attributes(dim))
    system = chosen_system(layout, to_crs)
    numbers, labels = _numbers_of(target_points)
    if labels is None and numbers.shape[1] == 3 and "z" not in layout.space:
        raise ValueError(
            f"target_points of shape {numbers.shape} have heights, and {layout.part.name!r} has no z axis: give two "
            "columns, or name the axis with interp(z=...)"
        )
    return _points(numbers, system, circle_of(system, layout.is_longitude), "point", labels, {})


def point_coordinates(labels: Array, what: str) -> Floats:
    """Give the coordinates of shapely points."""
    if geometries.kind_of(labels) not in ("point", None) or labels.dtype.kind != "O":
        raise ValueError(f"{what} does not hold points: interpolation needs places")
    return geometries.coordinates(labels)


def _numbers_of(target_points: Any) -> tuple[Floats, Array | None]:
    if hasattr(target_points, "geom_type"):
        target_points = [target_points]
    elif not isinstance(target_points, np.ndarray):
        target_points = list(target_points)
    first = next((point for point in target_points if point is not None), None)
    if hasattr(first, "geom_type"):
        labels = np.empty(len(target_points), object)
        labels[:] = list(target_points)
        return point_coordinates(labels, "target_points"), labels
    numbers = np.asarray(target_points)
    if numbers.ndim != 2 or numbers.shape[1] not in (2, 3) or numbers.dtype.kind not in "iuf":
        raise ValueError(
            f"target_points of shape {numbers.shape} and type {numbers.dtype}: give x and y (and z) of every point, "
            "numbers of shape (m, 2) or (m, 3), or shapely points"
        )
    return numbers.astype(np.float64), None


def _points(
    places: Floats, system: Any, circle: float | None, dim: str, labels: Array | None, attrs: dict[str, Any]
) -> Target:
    z = places[:, 2] if places.shape[1] == 3 else None
    x, y = ("x", "y") if circle is None else ("longitude", "latitude")
    names = {"point": dim, "x": x, "y": y, "z": "z"}
    return Target("points", places[:, 0], places[:, 1], z, system, names, {"point": attrs}, labels)
