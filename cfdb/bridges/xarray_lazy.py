"""How does xarray read from a dataset, without copying it? The only module that imports xarray.

xarray gets variables whose values are read when they are asked for: those that were indexed, and no others. What it has
read it keeps, as it does with files; nothing it does changes the dataset.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.bridges.xarray_plan import appearance, values_of
from cfdb.conventions.crs import to_cf
from cfdb.errors import SelectionError
from cfdb.model.crs import crs_of
from cfdb.model.listing import HELPERS
from cfdb.model.reading import Reading
from cfdb.model.structure import Structure
from cfdb.model.values import unmasked
from cfdb.model.view import View

try:
    import xarray as xr
    from xarray.backends import BackendArray
    from xarray.core import indexing
except ImportError as error:
    raise ImportError("xarray is not installed: pip install cfdb[xarray]") from error

Array = npt.NDArray[Any]

#: Name of the variable that holds the coordinate reference system where the dataset has none for it.
CRS_VARIABLE = "spatial_ref"
_COORDINATE_ROLES = ("coordinate", "auxiliary", *HELPERS)


class LazyArray(BackendArray):
    """The values of a part of a variable, for xarray: read when they are indexed; picklable as the part is.

    Parameters
    ----------
    part : View
        The part.
    dtype : numpy.dtype
        Type of the values that xarray sees.
    """

    __slots__ = ("_part", "dtype", "shape")

    def __init__(self, part: View, dtype: np.dtype[Any]) -> None:
        self._part = part
        self.dtype = dtype
        self.shape = part.shape

    def __getitem__(self, key: "indexing.ExplicitIndexer") -> Array:
        part = self._part
        vectorized = isinstance(key, indexing.VectorizedIndexer)
        return self._presented(part.vindex.gather(key.tuple) if vectorized else part[key.tuple].read())

    def _presented(self, values: Array) -> Array:
        return values_of(self._part)[1](values)

    def __repr__(self) -> str:
        return f"LazyArray({self._part.name!r}, shape={self.shape}, dtype={self.dtype})"


def variable_to_xarray(part: View) -> "xr.DataArray":
    """Give a part of a variable as an `xarray.DataArray` that reads from it."""
    part._labels.check(part._member)
    roles = ("auxiliary", *HELPERS)
    coords = part._labels.coordinates(part._member, part._selected(), part.dims, roles)
    parts = {part.name: part, **coords}
    names = _leaves([*parts, *part.dims])
    chosen = {name for name, each in parts.items() if name != part.name or each.role in _COORDINATE_ROLES}
    dataset = _with_crs(_dataset(parts, names, chosen), part._labels.structure, names)
    found: xr.DataArray = dataset[names[part.name]]
    return found


def dataset_to_xarray(dataset: Reading) -> "xr.Dataset":
    """Give a dataset, a group or a part of one as an `xarray.Dataset` that reads from it; without the groups in it."""
    structure = dataset._labels.structure
    structure.check_open()
    members = {name: member for name, member in structure.members.items() if "/" not in name}
    own = set(members)
    # variables of a group lie along dimensions of the groups around it
    for dim in {dim.id: dim for member in members.values() for dim in member.dims}.values():
        index = structure.index_of(dim)
        if index is not None:
            members.setdefault(index.path, index)
    parts = {name: dataset._object(member) for name, member in members.items()}
    names = _leaves([*parts, *(dim for part in parts.values() for dim in part.dims)])
    attrs = dict(dataset.attrs.data)
    further = str(attrs.pop("coordinates", "")).split()  # as xarray writes coordinates that no variable names
    coords = {name for name, part in parts.items() if name not in own or part.role in _COORDINATE_ROLES}
    found = _dataset(parts, names, coords.union(name for name in further if name in parts))
    found.attrs = attrs
    unlimited = {names[name] for name, dim in structure.dims.items() if dim.record.unlimited and name in names}
    if unlimited:
        found.encoding["unlimited_dims"] = unlimited
    found.encoding["source"] = structure.store.name
    return _with_crs(found, structure, names)


def dataset_to_datatree(dataset: Reading) -> "xr.DataTree":
    """Give a dataset with its groups as an `xarray.DataTree` that reads from it."""
    nodes: dict[str, xr.Dataset] = {}

    def visit(reading: Any, path: str) -> None:
        nodes[path] = dataset_to_xarray(reading)
        for name, group in reading.groups.items():
            visit(group, f"{path.rstrip('/')}/{name}")

    visit(dataset, "/")
    found: xr.DataTree = xr.DataTree.from_dict(nodes)
    return found


def _dataset(parts: Mapping[str, View], names: Mapping[str, str], coords: Iterable[str]) -> "xr.Dataset":
    chosen = set(coords)
    variables = {name: _variable(part, names) for name, part in parts.items()}
    return xr.Dataset(
        {names[name]: variable for name, variable in variables.items() if name not in chosen},
        {names[name]: variable for name, variable in variables.items() if name in chosen},
    )


def _variable(part: View, names: Mapping[str, str]) -> "xr.Variable":
    if "" in part.dims:
        raise SelectionError(
            f"an axis of {part.name!r} was added by None and has no name, which xarray needs: leave it out, and add it "
            "with to_xarray().expand_dims(...)"
        )
    seen = appearance(part, _links(part))
    dims = [names[dim] for dim in part.dims]
    encoding = dict(seen.encoding)
    chunks = encoding.get("preferred_chunks", {})
    if chunks:
        encoding["preferred_chunks"] = {names[dim]: length for dim, length in chunks.items()}
    if part._member.is_index and part.dims:
        return xr.Variable(dims, seen.convert(part._label_values(part.dims[0])), dict(seen.attrs), encoding)
    # as xarray wraps what it reads from files
    data: Any = LazyArray(part, seen.dtype)
    for wrap in (indexing.LazilyIndexedArray, indexing.CopyOnWriteArray, indexing.MemoryCachedArray):
        data = wrap(data)
    return xr.Variable(dims, data, dict(seen.attrs), encoding)


def _links(part: View) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = part._labels.variable(part._member).links
    return found


def _leaves(paths: Iterable[str]) -> dict[str, str]:
    """Name variables and dimensions without their groups, where that is unambiguous."""
    wanted = {path: path.rpartition("/")[2] for path in dict.fromkeys(paths)}
    taken: dict[str, str] = {}
    for path in sorted(wanted, key=lambda path: path.count("/")):
        taken.setdefault(wanted[path], path)
    return {path: leaf if taken[leaf] == path else path for path, leaf in wanted.items()}


def _with_crs(found: "xr.Dataset", structure: Structure, names: Mapping[str, str]) -> "xr.Dataset":
    """Add the coordinate reference system as CF has it: a variable that the others name, and ``crs_wkt`` for all."""
    crs = crs_of(structure)
    if crs is None:
        return found
    found.attrs.setdefault("crs_wkt", crs.to_wkt())
    members = structure.members
    if CRS_VARIABLE in found or any(member.record.role == "grid_mapping" for member in members.values()):
        return found
    axes = {names.get(name, name) for name, member in members.items() if member.record.axis in ("x", "y", "xy")}
    for variable in found.data_vars.values():
        if axes and axes <= {*variable.dims, *variable.coords}:
            variable.encoding.setdefault("grid_mapping", CRS_VARIABLE)
    return found.assign_coords({CRS_VARIABLE: ((), np.int32(0), to_cf(crs))})


def labelled_to_xarray(labelled: Any) -> "xr.DataArray":
    """Give an array in memory as an `xarray.DataArray`; missing cells become NaN.

    Parameters
    ----------
    labelled : LabelledArray
        With name, dims, values, coords and attrs.

    Returns
    -------
    xarray.DataArray
    """
    coords = {name: (each.dims, _plain(each), dict(each.attrs)) for name, each in labelled.coords.items()}
    return xr.DataArray(_plain(labelled), coords, labelled.dims, labelled.name, dict(labelled.attrs))


def _plain(labelled: Any) -> Any:
    values = unmasked(labelled.values, f"{labelled.name!r}")
    return values.astype(object) if values.dtype.kind == "T" else values
