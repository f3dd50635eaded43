"""Which dimensions of a variable are space, and how is one field after the other read?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.source import Source
from cfdb.conventions.cf import axis_of, is_longitude
from cfdb.conventions.crs import from_cf
from cfdb.errors import DataTypeError
from cfdb.model.attributes import Attributes
from cfdb.model.crs import crs_of
from cfdb.model.part import Part
from cfdb.model.structure import Member
from cfdb.model.values import unmasked
from cfdb.model.view import View

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

_NAMES = {"x": "x", "lon": "x", "longitude": "x", "y": "y", "lat": "y", "latitude": "y", "z": "z"}


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Dimensions of a part of a variable, by what interpolation does with them.

    Attributes
    ----------
    part : Part
        The part.
    space : dict of str to str
        Dimensions by axis: ``z``, ``y``, ``x``, or ``xy`` for stations.
    iterated : tuple of str
        Dimensions that are gone through, in order.
    kept : tuple of str
        Other dimensions of a field, before those of space.
    """

    part: Part
    space: dict[str, str]
    iterated: tuple[str, ...]
    kept: tuple[str, ...]

    @property
    def field_dims(self) -> tuple[str, ...]:
        """Dimensions of a field, in order."""
        return (*self.kept, *(self.space[axis] for axis in ("z", "y", "x", "xy") if axis in self.space))

    def label_values(self, dim: str) -> Array:
        """Give the labels along a dimension of the part."""
        return self.part._label_values(dim)

    def has_labels(self, dim: str) -> bool:
        """Tell whether a dimension has a coordinate."""
        return self.part._labels.has(dim)

    def attributes(self, dim: str) -> dict[str, Any]:
        """Give the attributes of a dimension's coordinate."""
        member = index_of(self.part, dim)
        return {} if member is None else dict(Attributes(self.part._labels.structure, member.id))

    @property
    def crs(self) -> Any:
        """What places mean, a `pyproj.CRS`: that of the dataset, or of the variable's grid mapping; None if unknown."""
        structure = self.part._labels.structure
        if structure.dataset.crs is None:
            for identity in self.part._member.record.links.get("grid_mapping", ()):
                mapping = structure.member_of(identity)
                found = None if mapping is None else from_cf(structure.attributes(mapping.id))
                if found is not None:
                    return found
        return crs_of(structure)

    @property
    def is_longitude(self) -> bool:
        """Whether the attributes of x are those of a longitude."""
        return "x" in self.space and is_longitude(self.attributes(self.space["x"]))


def index_of(part: Part, dim: str) -> Member | None:
    """Find the coordinate of a dimension."""
    structure = part._labels.structure
    return structure.index_of(structure.dims[dim])


def axis_along(part: Part, dim: str) -> str | None:
    """Tell the axis of a dimension: as declared, by CF attributes, or by its name."""
    member = index_of(part, dim)
    if member is None:
        return None
    if member.record.axis is not None:
        return member.record.axis
    if member.record.dtype.kind == "G":
        return "xy"
    found = axis_of(dict(Attributes(part._labels.structure, member.id)))
    return found if found is not None else _NAMES.get(member.record.name.lower())


def layout_of(part: Part, named: dict[str, str | None], iter_dim: str | Sequence[str] | None) -> Layout:
    """Sort the dimensions of a part.

    Parameters
    ----------
    part : Part
        What is interpolated.
    named : dict
        Dimensions a user gave for the axes ``x``, ``y``, ``z``, ``xy``; None where the part tells.
    iter_dim : str or sequence of str, optional
        Dimensions to go through; those left over stay in the field. None goes through all.

    Raises
    ------
    ValueError
        If a name is no dimension of the part, or is given twice.
    """
    if "" in part.dims:
        raise ValueError(f"{part.name!r} has an axis added by None: drop it before interpolating")
    space: dict[str, str] = {}
    for axis, dim in named.items():
        if dim is not None:
            check_dim(part, dim, f"{axis}=")
            if dim in space.values():
                raise ValueError(f"{axis}={dim!r}: this dimension is another axis already")
            space[axis] = dim
    for dim in part.dims:
        found = axis_along(part, dim)
        if found in named and named[found] is None and found not in space and dim not in space.values():
            space[found] = dim
    wanted = (iter_dim,) if isinstance(iter_dim, str) else tuple(iter_dim or ())
    for dim in wanted:
        check_dim(part, dim, "iter_dim=")
        space = {axis: other for axis, other in space.items() if other != dim}
    others = tuple(dim for dim in part.dims if dim not in space.values())
    if iter_dim is None:
        return Layout(part, space, others, ())
    return Layout(part, space, wanted, tuple(dim for dim in others if dim not in wanted))


def check_dim(part: Part, dim: Any, what: str) -> None:
    """Refuse what is no dimension of a part."""
    if dim not in part.dims:
        raise ValueError(
            f"{what}{dim!r} is no dimension of {part.name!r}; it has {', '.join(map(repr, part.dims)) or 'none'}"
        )


def check_numbers(part: Part) -> np.dtype[Any]:
    """Give the type of the results: float32 where that holds the values, else float64."""
    given = np.dtype(part.dtype.dtype_decoded) if part.dtype.kind != "G" else np.dtype(object)
    if given.kind not in "biuf":
        raise DataTypeError(f"{part.name!r} holds {part.dtype}: interpolation needs real numbers")
    return np.result_type(given, np.float32)


class FieldReader:
    """Reads the fields of a part one after the other; the chunks they lie in are read once, as far as memory allows.

    Parameters
    ----------
    part : Part
        What is read.
    iterated : sequence of str
        Dimensions that an index stands for; those the part does not have are passed over.
    field_dims : sequence of str
        Dimensions of a field, in order; those the part does not have get length 1.
    max_mem : int
        Bytes that may be held; at least one field is.
    """

    def __init__(self, part: Part, iterated: Sequence[str], field_dims: Sequence[str], max_mem: int) -> None:
        self._source = part._source(masked=True)
        self._places = [place for place, dim in enumerate(iterated) if dim in part.dims]
        self._iterated = [iterated[place] for place in self._places]
        self._field_dims = tuple(field_dims)
        self._max_mem = max_mem
        self._box: tuple[tuple[int, int], ...] | None = None
        self._block: Array | None = None

    def __call__(self, index: Sequence[int]) -> Array:
        """Give a field as floats, NaN where it is missing."""
        own = [index[place] for place in self._places]
        if self._box is None or not all(a <= i < b for i, (a, b) in zip(own, self._box, strict=True)):
            self._block = None  # what was held goes before the next is read
            self._box = self._next_box(own)
            self._block = self._read(self._box)
        assert self._block is not None
        field = self._block[tuple(i - a for i, (a, _) in zip(own, self._box, strict=True))]
        floats: Array = unmasked(field, self._source.name)
        return floats if floats.dtype.kind == "f" else floats.astype(np.float64)

    def _next_box(self, own: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """Choose what is read at once: from an index to the end of its chunk along the first dimension, if it fits."""
        sizes = dict(zip(self._source.dims, self._source.shape, strict=True))
        rest = self._source.itemsize
        for dim, size in sizes.items():
            rest *= 1 if dim in self._iterated else size
        box: list[tuple[int, int]] = []
        for place, dim in enumerate(self._iterated):
            inner = [(0, sizes[name]) for name in self._iterated[place + 1 :]]
            stop = _end_of_chunk(self._source, dim, own[place])
            each = rest * int(np.prod([length for _, length in inner]))
            if (stop - own[place]) * each <= self._max_mem or not inner:
                count = min(stop - own[place], max(1, self._max_mem // max(each, 1)))
                return (*box, (own[place], own[place] + count), *inner)
            box.append((own[place], own[place] + 1))
        return tuple(box)

    def _read(self, box: Sequence[tuple[int, int]]) -> Array:
        chosen = dict(zip(self._iterated, box, strict=True))
        dims = self._source.dims
        values = self._source.read(tuple(slice(*chosen[dim]) if dim in chosen else slice(None) for dim in dims))
        present = [dim for dim in self._field_dims if dim in dims]
        order = [dims.index(dim) for dim in (*self._iterated, *present)]
        values = values.transpose(order)
        lost = [len(self._iterated) + place for place, dim in enumerate(self._field_dims) if dim not in dims]
        return values[tuple(None if place in lost else slice(None) for place in range(values.ndim + len(lost)))]


def _end_of_chunk(source: Source, dim: str, position: int) -> int:
    """Give the position along a dimension where the chunk of another one ends."""
    axis = source.dims.index(dim)
    breaks = source.breaks[axis]
    number = int(np.searchsorted(breaks, position, "right"))
    return int(breaks[number]) if number < breaks.size else source.shape[axis]


def alongside(part: Part, name: Any, what: str) -> View:
    """Give the same part of another variable of the dataset, whose dimensions this one has too.

    Raises
    ------
    TypeError
        If the name is no str.
    ValueError
        If there is no such variable, or it has a dimension of its own.
    """
    if not isinstance(name, str):
        raise TypeError(f"{what}={name!r}: give the name of a variable of the dataset, a str")
    structure, labels = part._labels.structure, part._labels
    member = structure.find(name)
    selection = part._selected()
    axes = dict(zip((dim.id for dim in part._member.dims), range(len(part._member.dims)), strict=True))
    alien = [dim.path for dim in member.dims if dim.id not in axes]
    if alien:
        raise ValueError(f"{what}={name!r} lies along {', '.join(map(repr, alien))}, which {part.name!r} does not have")
    key = []
    for dim in member.dims:
        axis = selection.axes[axes[dim.id]]
        dropped = axes[dim.id] not in selection.layout
        key.append(int(axis.positions()[0]) if dropped else axis)
    found: View = labels.variable(member)[tuple(key)]
    return found
