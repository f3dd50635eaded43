"""How are single cells of a variable taken, by position or by label: stations out of a grid, places along a track?"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import SelectionError
from cfdb.model.labelled import LabelledArray
from cfdb.model.labels import known_dims
from cfdb.model.part import Part
from cfdb.model.points import LabelPoints, Points
from cfdb.plan.indexing import Positions, select

Array = npt.NDArray[Any]


class Pointwise(Part):
    """A part of a variable whose cells can be taken one by one."""

    __slots__ = ()

    @property
    def vindex(self) -> Points:
        """Select and assign single cells, given by one array of positions per dimension (or a mask)."""
        return Points(self.name, self._selected(), self._read_points, self._write_points)

    @property
    def vloc(self) -> LabelPoints:
        """Select and assign single cells, given by one array of labels per dimension; `vindex` by label."""
        return LabelPoints(self.vindex, self.dims, self._positions_of)

    def isel_points(
        self, positions: Mapping[str, Any] | None = None, *, dim: str = "points", **named: Any
    ) -> LabelledArray:
        """Take points by position: one array of positions per dimension, of equal length, side by side.

        Parameters
        ----------
        positions : dict, optional
            Positions by dimension; also as keywords. Dimensions that are not named are taken whole.
        dim : str
            Name of the new dimension, which stands where the first of the named ones stood.

        Returns
        -------
        LabelledArray
            In memory, with the labels of the points along the new dimension.
        """
        chosen = {**(positions or {}), **named}
        return self._take(chosen, lambda name, key: _places(key, self.sizes[name]), dim)

    def sel_points(
        self,
        labels: Mapping[str, Any] | None = None,
        *,
        method: str | None = None,
        tolerance: Any = None,
        dim: str = "points",
        **named: Any,
    ) -> LabelledArray:
        """Take points by label: one array of labels per dimension, of equal length, side by side.

        Parameters
        ----------
        labels : dict, optional
            Labels by dimension; also as keywords. Dimensions that are not named are taken whole.
        method, tolerance : optional
            As of `sel`.
        dim : str
            Name of the new dimension, which stands where the first of the named ones stood; arrays of xarray bring
            their own.

        Returns
        -------
        LabelledArray
            In memory, with the labels that were found along the new dimension. Every chunk is read once or little more.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     lat = ds.create.coord.generic("lat", data=[60.0, 50.0, 40.0])
        ...     lon = ds.create.coord.generic("lon", data=[0.0, 10.0])
        ...     ds["t"] = (("time", "lat", "lon"), np.arange(12.0).reshape(2, 3, 2))
        ...     found = ds["t"].sel_points(lat=[59, 41], lon=[1, 9], method="nearest", dim="station")
        ...     print(found.dims, found.values.tolist(), found.coords["lat"].values)
        ('time', 'station') [[0.0, 5.0], [6.0, 11.0]] [60. 40.]
        """
        chosen = {**(labels or {}), **named}
        return self._take(chosen, lambda name, key: self._positions_of(name, key, method, tolerance), dim)

    def _take(self, chosen: dict[str, Any], find: Callable[[str, Any], Array], dim: str) -> LabelledArray:
        """Read points along some dimensions, all positions of the others."""
        if not chosen:
            raise SelectionError(f"name the dimensions of {self.name!r} along which points are given: {self.dims}")
        known_dims(self._labels, chosen, self.dims, self._what(), self._member.dims)
        dim = _shared_dim(chosen) or dim
        others = [name for name in self.dims if name not in chosen]
        if dim in others:
            raise SelectionError(f"dim={dim!r} is a dimension of {self.name!r} already: give the points another name")
        points = {name: np.atleast_1d(find(name, key)) for name, key in chosen.items()}
        lengths = {name: places.shape for name, places in points.items()}
        try:
            (count,) = np.broadcast_shapes(*lengths.values())
        except ValueError:
            text = f"points need as many places along every dimension, in one row, not {lengths}"
            raise SelectionError(text) from None
        first = min(self.dims.index(name) for name in chosen)
        kept = [name for name in self.dims[:first] if name in others]
        dims = (*kept, dim, *others[len(kept) :])
        values = self._gathered(points, dims, dim)
        return LabelledArray(self.name, dims, values, self._coords_of(points, dims, dim, count), dict(self.attrs.data))

    def _gathered(self, points: Mapping[str, Array], dims: tuple[str, ...], dim: str) -> Array:
        """Spread positions along the dimensions of the result, and read."""
        arrays = []
        for name, size in zip(self.dims, self.shape, strict=True):
            places = points.get(name, np.arange(size))
            place = dims.index(dim if name in points else name)
            arrays.append(places.reshape([-1 if number == place else 1 for number in range(len(dims))]))
        return self.vindex.gather(arrays)

    def _coords_of(
        self, points: Mapping[str, Array], dims: tuple[str, ...], dim: str, count: int
    ) -> dict[str, LabelledArray]:
        found = {}
        for name, coordinate in self.coords.items():
            if any(each in points for each in coordinate.dims):
                if len(coordinate.dims) > 1:
                    continue
                places = np.broadcast_to(points[coordinate.dims[0]], count)
                along: tuple[str, ...] = (dim,)
                values = np.asarray(coordinate.values)[places]
            else:
                along, values = coordinate.dims, coordinate.values
            found[name] = LabelledArray(name, along, values, {}, dict(coordinate.attrs.data))
        return found

    def _positions_of(self, name: str, labels: Any, method: str | None = None, tolerance: Any = None) -> Array:
        """Find one position for every label."""
        array = labels if isinstance(labels, np.ndarray) else np.asarray(getattr(labels, "values", labels))
        flat = array.reshape(-1)
        index = self._labels.index(name, self._label_axis(name))
        if flat.dtype.kind == "b" and index.values.dtype.kind != "b":
            raise SelectionError(f"{name!r}: points are given by labels, not by a mask")
        found = index.locate(flat, method, tolerance)
        places = np.zeros(0, np.int64) if isinstance(found, int) else found.positions()
        if places.size != flat.size:
            raise SelectionError(f"{name!r}: a label stands for several positions (a period?); points need one each")
        return places.reshape(array.shape)

    def _read_points(self, points: list[Array], shape: tuple[int, ...]) -> Array:
        return self._codec.present(self._array.read_points(points).reshape(shape), self._labels.masked)

    def _write_points(self, points: list[Array], shape: tuple[int, ...], value: Any) -> None:
        self._labels.check_writable(self._member)
        self._labels.guard(self._member)
        stored = self._codec.encode(value)
        self._array.write_points(points, np.broadcast_to(stored, shape, subok=True).reshape(-1))
        self._member.version += 1


def _places(key: Any, size: int) -> Array:
    """Check positions and count negative ones from the end."""
    found = select(Positions(np.atleast_1d(np.asarray(getattr(key, "values", key)))), (size,)).axes[0]
    return found.positions()


def _shared_dim(chosen: Mapping[str, Any]) -> str | None:
    """Give the dimension along which indexers of xarray lie."""
    dims = {tuple(getattr(key, "dims", ())) for key in chosen.values()} - {()}
    if len(dims) > 1 or any(len(each) > 1 for each in dims):
        raise SelectionError(f"points lie along one dimension; these arrays have {sorted(dims)}")
    return str(next(iter(dims))[0]) if dims else None
