"""How does a variable get onto another grid, to points, or to other levels?

`interpolate` looks at the dimensions of a variable and gives what fits: `GridInterp` where there are x and y,
`PointInterp` where there are stations.
"""

from collections.abc import Sequence

from cfdb.analysis.interpolating.fields import check_numbers, layout_of
from cfdb.analysis.interpolating.grid_interp import GridInterp
from cfdb.analysis.interpolating.point_interp import PointInterp
from cfdb.model.part import Part

__all__ = ["GridInterp", "PointInterp", "interpolate"]


def interpolate(
    part: Part,
    x: str | None = None,
    y: str | None = None,
    z: str | None = None,
    iter_dim: str | Sequence[str] | None = None,
    xy: str | None = None,
    *,
    max_mem: int | str = 2**27,
) -> "GridInterp | PointInterp":
    """Prepare the interpolation of a variable.

    Parameters
    ----------
    part : Part
        A variable, or a part of one.
    x, y, z, xy : str, optional
        Dimensions of the axes, where neither `axis` nor CF attributes say so; x and y may also be two auxiliary
        coordinates of stations.
    iter_dim : str or sequence of str, optional
        Dimensions to go through; those left over stay in the fields. All that are not space when left out.
    max_mem : int or str
        Bytes of source values that are held at a time; at least one field is.

    Raises
    ------
    ValueError
        If no dimensions of space are found.
    """
    check_numbers(part)
    stations = _station_coordinates(part, x, y)
    if stations is not None:
        dim, places = stations
        return PointInterp(layout_of(part, {"z": z, "xy": dim}, iter_dim), max_mem, places)
    if xy is not None and (x is not None or y is not None):
        raise ValueError("xy= names the dimension of stations, x= and y= those of a grid: give one or the other")
    if xy is None:
        layout = layout_of(part, {"z": z, "y": y, "x": x}, iter_dim)
        if "x" in layout.space and "y" in layout.space:
            return GridInterp(layout, max_mem)
    points = layout_of(part, {"z": z, "xy": xy}, iter_dim)
    if "xy" in points.space:
        return PointInterp(points, max_mem)
    if "z" in points.space:
        return GridInterp(layout_of(part, {"z": z, "y": y, "x": x}, iter_dim), max_mem)
    raise ValueError(
        f"the dimensions of {part.name!r} ({', '.join(map(repr, part.dims)) or 'none'}) do not say which is x and "
        "which is y, or which holds stations: name them with interp(x=..., y=...) or interp(xy=...), or set the axes "
        "with ds[name].update_axis('x')"
    )


def _station_coordinates(part: Part, x: str | None, y: str | None) -> tuple[str, tuple[str, str]] | None:
    """Tell whether there are coordinates x and y of stations that lie along one dimension, and which."""
    members = part._labels.structure.members
    if x is None and y is None:
        axes = {member.record.axis: member.path for member in members.values() if not member.is_index}
        x, y = axes.get("x"), axes.get("y")
        declared = False
    else:
        declared = True
    if x is None or y is None or x in part.dims or y in part.dims or x not in members or y not in members:
        return None
    dims = {tuple(dim.path for dim in members[name].dims) for name in (x, y)}
    along = dims.pop()
    if not dims and len(along) == 1 and along[0] in part.dims:
        return along[0], (x, y)
    if not declared:
        return None
    raise ValueError(f"x={x!r} and y={y!r} are neither dimensions of {part.name!r} nor lie along one of them")
