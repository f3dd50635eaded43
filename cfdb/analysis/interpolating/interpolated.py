"""What does an interpolation give, and how does it get into a dataset?

An `Interpolated` is a promise: it knows its dimensions and labels, and makes one field after the other when it is gone
through. Nothing is read before, and no more than is worked on is held.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.interpolating.targets import Target, same_system
from cfdb.compute.rechunk import check_budget
from cfdb.errors import CoordinateError, MemoryLimitError
from cfdb.format.wording import count
from cfdb.model.labelled import LabelledArray
from cfdb.options import get_options

Array = npt.NDArray[Any]
Index = tuple[int, ...]
#: Gives the field at an index of the dimensions that are gone through.
ReadField = Callable[[Index], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels along a dimension, or of another coordinate, with what describes them.

    Attributes
    ----------
    dims : tuple of str
        Dimensions they lie along.
    values : ndarray
        The labels.
    attrs : mapping
        Attributes.
    axis : str or None
        Axis of the coordinate.
    """

    dims: tuple[str, ...]
    values: Array
    attrs: Mapping[str, Any] = field(default_factory=dict)
    axis: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What an interpolation gives, as far as it is known before anything is read.

    Attributes
    ----------
    name : str
        Name of the variable.
    dtype : numpy.dtype
        Type of the results.
    attrs : mapping
        Attributes of the variable.
    iterated : mapping of str to int
        Dimensions that are gone through, and their lengths.
    dims : tuple of str
        Dimensions of a field.
    shape : tuple of int
        Shape of a field.
    coords : mapping of str to Labels
        Labels along all dimensions that have some, and further coordinates.
    """

    name: str
    dtype: np.dtype[Any]
    attrs: Mapping[str, Any]
    iterated: Mapping[str, int]
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    coords: Mapping[str, Labels]


def point_labels(target: Target, geometric: bool = True) -> dict[str, Labels]:
    """Give the coordinates of points: their geometries if there are some, or else x and y along their dimension."""
    dim = target.names["point"]
    if geometric and target.labels is not None:
        return {dim: Labels((dim,), target.labels, target.attrs.get("point", {}), "xy")}
    places = {"x": target.x, "y": target.y, "z": target.z}
    return {target.names[axis]: Labels((dim,), part) for axis, part in places.items() if part is not None}


class Interpolated:
    """Interpolated fields, made one after the other when they are gone through.

    Iterating gives pairs of a label and an array, of which the last axes are y and x, or the points. The label is that
    of the dimension gone through; None when there is none; a dict by dimension when there are several. Every loop
    begins anew; after ``next(result)`` a loop goes on where that stopped, as with a generator.

    Parameters
    ----------
    outcome : Outcome
        What is known before.
    target : Target
        Where values are given.
    start : callable
        Gives a function that makes the field of an index.
    """

    __slots__ = ("_outcome", "_running", "_start", "target")

    def __init__(self, outcome: Outcome, target: Target, start: Callable[[], ReadField]) -> None:
        self._outcome = outcome
        self._start = start
        self._running: Iterator[tuple[Any, Array]] | None = None
        self.target = target

    # what it is

    @property
    def name(self) -> str:
        """Name of the variable that was interpolated."""
        return self._outcome.name

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the fields."""
        return self._outcome.dtype

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions of a field."""
        return self._outcome.dims

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a field."""
        return self._outcome.shape

    @property
    def iter_dims(self) -> tuple[str, ...]:
        """Dimensions that are gone through."""
        return tuple(self._outcome.iterated)

    @property
    def coords(self) -> dict[str, Array]:
        """Labels along all dimensions, and further coordinates."""
        return {name: labels.values for name, labels in self._outcome.coords.items()}

    @property
    def x(self) -> Array:
        """Labels of x, or the x of every point."""
        return self.target.x

    @property
    def y(self) -> Array:
        """Labels of y, or the y of every point."""
        return self.target.y

    @property
    def crs(self) -> Any:
        """What x and y mean: a `pyproj.CRS`, or None where nothing says."""
        return self.target.crs

    @property
    def labels(self) -> list[Any]:
        """Labels of the fields, in order."""
        return [self._label(index) for index in self._indices()]

    def __len__(self) -> int:
        return prod(self._outcome.iterated.values())

    def __repr__(self) -> str:
        sizes = {**self._outcome.iterated, **dict(zip(self.dims, self.shape, strict=True))}
        shown = ", ".join(f"{dim}: {size}" for dim, size in sizes.items())
        return f"<Interpolated {self.name!r} ({shown}) {self.dtype}, {count(len(self), 'field')} at {self.target!r}>"

    # going through it

    def __iter__(self) -> Iterator[tuple[Any, Array]]:
        running, self._running = self._running, None
        return self._fields() if running is None else running

    def __next__(self) -> tuple[Any, Array]:
        if self._running is None:
            self._running = self._fields()
        return next(self._running)

    def _fields(self) -> Iterator[tuple[Any, Array]]:
        read = self._start()
        for index in self._indices():
            yield self._label(index), read(index)

    def _indices(self) -> Iterator[Index]:
        return np.ndindex(*self._outcome.iterated.values())

    def _label(self, index: Index) -> Any:
        found = {}
        for (dim, _), place in zip(self._outcome.iterated.items(), index, strict=True):
            labels = self._outcome.coords.get(dim)
            found[dim] = place if labels is None else labels.values[place]
        if len(found) > 1:
            return found
        return next(iter(found.values()), None)

    # keeping it

    def load(self) -> LabelledArray:
        """Make all fields and hold them, with their labels.

        Returns
        -------
        LabelledArray
            ``ds[name] = result.load()`` stores it.

        Raises
        ------
        MemoryLimitError
            If they take more than `max_load` bytes.
        """
        shape = (*self._outcome.iterated.values(), *self.shape)
        nbytes = prod(shape) * self.dtype.itemsize
        if nbytes > get_options().max_load:
            raise MemoryLimitError(
                f"the fields of {self.name!r} take {nbytes:,} bytes, more than max_load={get_options().max_load:,}: go "
                "through them one by one, or let .write(ds) do so"
            )
        values = np.empty(shape, self.dtype)
        read = self._start()
        for index in self._indices():
            values[index] = read(index)
        coords = {
            name: LabelledArray(name, labels.dims, labels.values, {}, labels.attrs)
            for name, labels in self._outcome.coords.items()
        }
        return LabelledArray(self.name, (*self.iter_dims, *self.dims), values, coords, self._outcome.attrs)

    def write(
        self,
        ds: Any,
        name: str | None = None,
        *,
        names: Mapping[str, str] | None = None,
        max_mem: int | str = 2**27,
        **options: Any,
    ) -> Any:
        """Write the fields into a dataset as a new variable, one after the other.

        Coordinates that the dataset lacks are created, and its reference system is set if it has none.

        Parameters
        ----------
        ds : Dataset
            Open for writing.
        name : str, optional
            Name of the variable; that of the source when left out.
        names : mapping of str to str, optional
            Other names for dimensions and coordinates, as in ``{'latitude': 'lat_coarse'}``.
        max_mem : int or str
            Bytes of fields that are held before they are written.
        **options
            As of ``ds.create.data_var.generic``: ``dtype``, ``chunk_shape``, ``attrs``, ``precision`` ...

        Returns
        -------
        DataVariable

        Raises
        ------
        CoordinateError
            If the dataset has a coordinate of the same name with other labels.
        ValueError
            If the dataset has another reference system.
        """
        budget, coords = check_budget(max_mem), self._coordinates_for(ds)
        renamed = {**{each: each for each in (*self.iter_dims, *self.dims, *coords)}, **(names or {})}
        present = ds.crs
        if present is not None and self.crs is not None and not same_system(present, self.crs):
            raise ValueError(f"{ds.name} has the reference system {present}, the result {self.crs}: write elsewhere")
        made: list[str] = []
        try:
            extra = _make_coordinates(ds, coords, renamed, made)
            variable = self._make_variable(ds, self.name if name is None else name, renamed, options, extra)
            made.append(variable.name)
            self._write_fields(variable, budget)
            if present is None and self.crs is not None:
                self._set_system(ds, renamed)
        except BaseException:
            for each in reversed(made):
                del ds[each]
            raise
        return variable

    def _set_system(self, ds: Any, renamed: Mapping[str, str]) -> None:
        """Give a dataset the reference system of the result, unless its x and y are other coordinates."""
        names = {axis: renamed.get(name, name) for axis, name in self.target.names.items()}
        geometric = self.target.labels is not None and not ds.dataset_type.startswith("grid")
        named = {"xy": names["point"]} if geometric else {"x": names["x"], "y": names["y"]}
        taken = {axis: name for axis, name in ds.axes.items() if axis in ("x", "y", "xy")}
        if all(named.get(axis) == name for axis, name in taken.items()):
            ds.create.crs.from_user_input(self.crs, **{f"{axis}_coord": name for axis, name in named.items()})

    def _coordinates_for(self, ds: Any) -> Mapping[str, Labels]:
        """Give the coordinates as a dataset can hold them: one of grids has no labels that are geometries."""
        if self.target.kind == "grid" or self.target.labels is None or not ds.dataset_type.startswith("grid"):
            return self._outcome.coords
        kept = {name: labels for name, labels in self._outcome.coords.items() if name != self.target.names["point"]}
        return {**kept, **point_labels(self.target, geometric=False)}

    def _make_variable(
        self, ds: Any, name: str, renamed: Mapping[str, str], options: Mapping[str, Any], extra: list[str]
    ) -> Any:
        sizes = {**self._outcome.iterated, **dict(zip(self.dims, self.shape, strict=True))}
        chosen = {"dtype": self.dtype, "attrs": self._outcome.attrs, **options}
        # fields come along the last dimension gone through: only there a chunk may hold several
        chosen.setdefault("chunk_shape", {renamed[dim]: 1 for dim in self.iter_dims[:-1]} or None)
        for dim, size in sizes.items():
            if renamed[dim] not in ds.sizes:
                ds.create.dimension(renamed[dim], size)
        if extra:
            chosen["links"] = {"coordinates": extra}
        return ds.create.data_var.generic(name, tuple(renamed[dim] for dim in sizes), **chosen)

    def _write_fields(self, variable: Any, max_mem: int) -> None:
        """Write field by field; those of a chunk together, as far as memory allows."""
        read = self._start()
        lengths = list(self._outcome.iterated.values())
        if not lengths:
            variable[...] = read(())
            return
        nbytes = max(1, prod(self.shape) * self.dtype.itemsize)
        run = int(max(1, min(variable.chunk_shape[len(lengths) - 1], max_mem // nbytes)))
        for outer in np.ndindex(*lengths[:-1]):
            for start in range(0, lengths[-1], run):
                stop = min(start + run, lengths[-1])
                variable[(*outer, slice(start, stop))] = np.stack(
                    [read((*outer, place)) for place in range(start, stop)]
                )


def _make_coordinates(ds: Any, coords: Mapping[str, Labels], renamed: Mapping[str, str], made: list[str]) -> list[str]:
    """Create what the dataset lacks; give the names of coordinates that are not along a dimension of their own."""
    taken = set(ds.axes)
    extra = []
    for name, labels in coords.items():
        own = labels.dims == (name,)
        called, dims = renamed[name], tuple(renamed[dim] for dim in labels.dims)
        if not own:
            extra.append(called)
        if called in ds:
            _check_same(ds, called, labels.values)
            continue
        axis = labels.axis if own and labels.axis not in taken else None
        if own:
            ds.create.coord.generic(called, data=labels.values, axis=axis, attrs=labels.attrs)
        else:
            ds.create.variable(called, dims, data=labels.values, role="auxiliary", attrs=labels.attrs)
        made.append(called)
    return extra


def _check_same(ds: Any, name: str, labels: Array) -> None:
    """Refuse a coordinate of the same name with other labels."""
    present = np.asarray(ds[name].values)
    same = present.shape == labels.shape
    if same and present.dtype.kind == "f" and labels.dtype.kind == "f":
        same = bool(np.allclose(present, labels, rtol=1e-9, atol=1e-9))
    elif same:
        same = bool(np.all(present == labels))
    if not same:
        raise CoordinateError(
            f"{ds.name} has a coordinate {name!r} with other labels: give the result's another name with "
            f"names={{{name!r}: ...}}, or write into another dataset"
        )
