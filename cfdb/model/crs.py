"""How does a dataset get its coordinate reference system, and which one has it?"""

from dataclasses import replace
from typing import Any

from cfdb.conventions import crs as systems
from cfdb.conventions.cf import is_latitude, is_longitude
from cfdb.errors import CoordinateError, DataTypeError
from cfdb.model.axes import check_free_axis
from cfdb.model.labels import Labels
from cfdb.model.structure import Member, Structure


class CRSCreator:
    """Sets the coordinate reference system of a dataset: ``ds.create.crs``."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    def from_user_input(
        self, crs: Any, x_coord: str | None = None, y_coord: str | None = None, xy_coord: str | None = None
    ) -> Any:
        """Set the coordinate reference system, and which coordinates are measured in it.

        Parameters
        ----------
        crs : int, str, dict or pyproj.CRS
            As of ``pyproj.CRS.from_user_input``: ``4326``, ``'EPSG:2193'``, WKT ...
        x_coord, y_coord : str, optional
            Names of the coordinates along x (longitude, easting) and y (latitude, northing).
        xy_coord : str, optional
            Name of a coordinate of geometries, instead of these two. Where no coordinate is named, those count that
            have the axes already.

        Returns
        -------
        pyproj.CRS
            Now ``ds.crs`` too.

        Raises
        ------
        ValueError
            If the system is unknown, or coordinates are missing or have other axes. Nothing is changed then.
        TypeError
            If `xy_coord` holds no geometries.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     lat = ds.create.coord.lat([60.0, 50.0])
        ...     lon = ds.create.coord.lon([0.0, 10.0, 20.0])
        ...     crs = ds.create.crs.from_user_input(4326, x_coord="longitude", y_coord="latitude")
        ...     print(ds.crs.name, ds.axes)
        WGS 84 {'y': 'latitude', 'x': 'longitude'}
        """
        structure = self._labels.structure
        structure.check_writable()
        found = systems.from_user_input(crs)
        text = systems.to_text(found)
        with structure.lock:
            axes = self._axes(x_coord, y_coord, xy_coord)
            for axis, member in axes.items():
                _check_axis(structure, member, axis)
            for axis, member in axes.items():
                if member.record.axis != axis:
                    structure.set_member(member, replace(member.record, axis=axis))
            structure.set_dataset(replace(structure.dataset, crs=text))
        return found

    def remove(self) -> None:
        """Take the coordinate reference system away; axes stay."""
        structure = self._labels.structure
        structure.check_writable()
        with structure.lock:
            structure.set_dataset(replace(structure.dataset, crs=None))

    def _axes(self, x_coord: str | None, y_coord: str | None, xy_coord: str | None) -> dict[str, Member]:
        """Find the coordinates that are named, or that have the axes."""
        structure = self._labels.structure
        if xy_coord is not None:
            if x_coord is not None or y_coord is not None:
                raise CoordinateError("give either xy_coord, or x_coord and y_coord")
            member = structure.find(xy_coord)
            if member.record.dtype.kind != "G":
                raise DataTypeError(
                    f"xy_coord={xy_coord!r} holds {member.record.dtype}: name a coordinate of geometries, or x_coord= "
                    "and y_coord="
                )
            return {"xy": member}
        if x_coord is None and y_coord is None:
            present = {member.record.axis: member for member in structure.members.values()}
            if "xy" in present:
                return {"xy": present["xy"]}
            if "x" in present and "y" in present:
                return {"x": present["x"], "y": present["y"]}
        if x_coord is None or y_coord is None:
            raise CoordinateError(
                "a coordinate reference system needs the coordinates measured in it: name x_coord= and y_coord=, or "
                "xy_coord= of geometries"
            )
        return {"x": structure.find(x_coord), "y": structure.find(y_coord)}


def _check_axis(structure: Structure, member: Member, axis: str) -> None:
    """Refuse an axis that a coordinate cannot have."""
    if member.record.role not in ("coordinate", "auxiliary"):
        raise CoordinateError(f"{member.path!r} is no coordinate, so it cannot be the axis {axis!r}")
    attrs = structure.attributes(member.id)
    crossed = is_latitude(attrs) if axis == "x" else is_longitude(attrs) if axis == "y" else False
    if crossed or member.record.axis not in (None, axis):
        what = (
            f"has axis {member.record.axis!r}" if not crossed else f"is a {'latitude' if axis == 'x' else 'longitude'}"
        )
        raise CoordinateError(
            f"{axis}_coord={member.path!r}: this coordinate {what}; exchange the two, or change it with update_axis()"
        )
    if axis != "xy" and member.record.dtype.kind not in "iuf":
        raise DataTypeError(f"{axis}_coord={member.path!r} holds {member.record.dtype}, no numbers")
    check_free_axis(structure, member, axis)


def crs_of(structure: Structure) -> Any:
    """Give the coordinate reference system of a dataset: the one that was set, or that all its grid mappings name."""
    text = structure.dataset.crs
    if text is not None:
        return systems.from_text(text)
    found = None
    for member in structure.members.values():
        if member.record.role == "grid_mapping":
            named = systems.from_cf(structure.attributes(member.id))
            if named is not None and found is not None and named != found:
                return None
            found = found if named is None else named
    return found
