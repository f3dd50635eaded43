"""How do variables and dimensions come into being?

Whatever is created is there completely or, after an error, not at all.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.conventions.calendars import calendar_of, resolution_of, uses_datetime64
from cfdb.errors import CoordinateError, DataTypeError, InvalidNameError, ShapeError
from cfdb.format.attributes import check_attribute
from cfdb.format.casting import to_cells
from cfdb.format.codecs import check_compression
from cfdb.format.dimension import Slots
from cfdb.format.dtypes import DataType, data_type_of, time_dtype
from cfdb.format.dtypes import dtype as as_data_type
from cfdb.format.metadata import DimensionRecord, VariableRecord
from cfdb.format.names import check_path, group_owner, new_id
from cfdb.model.axes import refuse_taken_axis
from cfdb.model.categories import categories_of
from cfdb.model.coordinate import Coordinate, chosen_step, stored_labels
from cfdb.model.dataset_types import check_coordinate
from cfdb.model.encodings import (
    as_declared,
    choose_chain,
    choose_rounding,
    declared_fill,
    describe_rounding,
    read_encoding,
    read_geometries,
)
from cfdb.model.growth import check_labels
from cfdb.model.labels import Labels
from cfdb.model.linking import give_roles, resolve_links
from cfdb.model.renaming import check_free
from cfdb.model.requests import Request, as_names, checked_request
from cfdb.model.structure import Dimension, Member, unknown_name
from cfdb.model.variable import Variable
from cfdb.model.view import View
from cfdb.plan.chunks import choose_chunk_shape

Array = npt.NDArray[Any]

__all__ = [
    "Request", "add_dimension", "add_group", "as_names", "assign", "create_bounds", "create_variable", "typed",
]  # fmt: skip

_UNITS_OF = {"D": "days", "h": "hours", "m": "minutes", "s": "seconds", "us": "microseconds"}


def _with_encoding(request: Request) -> Request:
    """Put what ``encoding=`` says into the parameters it stands for."""
    said = read_encoding(request.name, request.encoding)
    for option, value in said.items():
        given = None if option == "encoding" else getattr(request, option)
        if given is not None and given != value:
            raise ValueError(f"{option}={given!r} of {request.name!r}, and encoding= says {value!r}; leave one out")
    return replace(request, **{"encoding": None, **said})


def create_variable(labels: Labels, request: Request) -> Any:
    """Create a variable and write its values."""
    structure = labels.structure
    structure.check_writable()
    request = _categorised(_with_encoding(checked_request(request)))
    with structure.lock, _undone_after_errors(labels) as made:
        path = check_path(request.name)
        check_free(structure, path)
        refuse_taken_axis(structure, path, request.axis)
        dtype, data = typed(path, request)
        if request.role == "coordinate":
            check_coordinate(structure.dataset.dataset_type, path, dtype, request.axis)
        dims = tuple(_dimension(labels, request, number, data) for number in range(len(request.dims)))
        member = structure.add_member(_record(labels, request, path, dtype, dims))
        made.append(member)
        if request.attrs:
            checked = {name: check_attribute(name, value) for name, value in request.attrs.items()}
            structure.attributes(member.id).update(checked)
            structure.touch_attributes(member.id)
        variable = labels.variable(member)
        _write(variable, request, data)
        give_roles(structure, member.record.links)
        return variable


def create_bounds(labels: Labels, name: str, data: Any, bounds_name: str | None) -> Any:
    """Create the bounds of a coordinate's cells, in its type and along its dimensions, and link them."""
    structure = labels.structure
    structure.check_writable()
    with structure.lock:
        member = structure.find(name)
        record, values = member.record, _as_array(data)
        shape = tuple(dim.size for dim in member.dims)
        if values is None or values.shape[:-1] != shape or values.ndim != len(shape) + 1 or values.shape[-1] < 2:
            given = None if values is None else values.shape
            raise ShapeError(f"bounds of {name!r} need the shape ({', '.join(map(str, shape))}, 2), not {given}")
        corners = "nv" if values.shape[-1] == 2 else f"nv{values.shape[-1]}"
        dims = (*(dim.path for dim in member.dims), corners)
        path = f"{member.path}_bnds" if bounds_name is None else bounds_name
        bounds = create_variable(labels, Request(path, dims, record.dtype, values, role="bounds"))
        links = {**record.links, "bounds": (bounds.id,)}
        structure.set_member(member, replace(record, links=links))
        return bounds


def assign(labels: Labels, name: str, value: Any) -> None:
    """Create or fill a variable from ``(dims, array[, attrs])``, a labelled array, or plain values."""
    structure, dtype, fill = labels.structure, None, None
    member = structure.member(name) if isinstance(name, str) else None
    if isinstance(value, tuple):
        if not 2 <= len(value) <= 3:
            raise ShapeError(f"ds[{name!r}] takes (dims, array) or (dims, array, attrs), not {len(value)} items")
        dims, data, attrs = as_names(value[0]), value[1], dict(value[2]) if len(value) == 3 else {}
        coords: Mapping[str, Any] = {}
    elif isinstance(getattr(value, "dims", None), tuple) and hasattr(value, "values"):
        named = isinstance(value, View) and value.dtype.kind == "e"  # numbers that mean nothing without their names
        dims, data, attrs = tuple(value.dims), value if named else value.values, dict(value.attrs)
        fill = None if named else declared_fill(np.asarray(data).dtype, getattr(value, "encoding", None))
        data = data if fill is None else as_declared(data, fill)
        dtype = value.dtype if named else None
        coords = {coord: value.coords[coord] for coord in value.coords.keys() if coord != name}  # noqa: SIM118
    elif member is not None:
        labels.variable(member)[...] = value
        return
    else:
        dims, data, attrs, coords = (), value, {}, {}
        if np.ndim(value):
            raise ShapeError(f"ds[{name!r}] = array: name the dimensions, as in ds[{name!r}] = (('y', 'x'), array)")
    if member is not None:
        for coord in (name for name in coords if name in dims and labels.has(name)):
            _check_same_labels(labels, coord, coords[coord])
        _refill(labels.variable(member), dims, data, attrs)
        return
    with structure.lock, _undone_after_errors(labels) as made:
        auxiliary = [coord for coord in coords if coord not in dims]
        for coord, given in coords.items():
            if coord in dims and labels.has(coord):
                _check_same_labels(labels, coord, given)
            elif coord not in structure.members:
                role = "auxiliary" if coord in auxiliary else "coordinate"
                request = Request(coord, tuple(given.dims), data=given.values, attrs=dict(given.attrs), role=role)
                made.append(create_variable(labels, request)._member)
        role = "coordinate" if dims == (name,) else "data"
        links = {"coordinates": auxiliary} if auxiliary else None
        fill_value = getattr(value, "fill_value", None)
        if isinstance(data, np.ma.MaskedArray) and fill is not None:
            fill_value = fill
        create_variable(
            labels, Request(name, dims, dtype, data, attrs=attrs, role=role, fill_value=fill_value, links=links)
        )


def _check_same_labels(labels: Labels, dim: str, coordinate: Any) -> None:
    present, given = labels.values(dim), np.asarray(coordinate.values)
    if present.shape != given.shape or not bool(np.all(present == given)):
        raise CoordinateError(f"the labels of dimension {dim!r} differ from those of the dataset; align them first")


def _refill(variable: Variable, dims: tuple[str, ...], data: Any, attrs: Mapping[str, Any]) -> None:
    """Assign to a variable that exists."""
    shape = np.shape(data)
    if variable.dims != dims or (shape and variable.shape != shape):
        raise ShapeError(
            f"there is a variable {variable.name!r} with dimensions {variable.sizes}; these values have dimensions "
            f"{dims} and shape {shape}: delete it first (del ds[{variable.name!r}]) to replace it"
        )
    checked = {name: check_attribute(name, value) for name, value in attrs.items()}
    variable[...] = data
    variable.attrs.update(checked)


@contextmanager
def _undone_after_errors(labels: Labels) -> Iterator[list[Member]]:
    """Take back what was made when an error leaves the block."""
    made: list[Member] = []
    structure = labels.structure
    root = structure.root
    before = set(root.dims.values())
    try:
        yield made
    except BaseException:
        for member in reversed(made):
            if member.exists:
                structure.remove_member(member)
        for dim in list(root.dims.values())[::-1]:
            if dim not in before and not root.users_of(dim):
                root.remove_dimension(dim)
        raise


def _as_array(data: Any) -> Array | None:
    if data is None:
        return None
    if isinstance(data, View):
        return data.read()
    return data if isinstance(data, np.ndarray) else np.asarray(data)


def _categorised(request: Request) -> Request:
    """Put the enumeration that holds categories, and their numbers, in place of the text."""
    found = categories_of(request.name, request.dtype, request.data)
    if found is None:
        return request
    fill_value = request.fill_value if request.fill_value is not None else found.fill_value
    return replace(request, dtype=found.dtype, data=found.data, fill_value=fill_value)


def typed(path: str, request: Request) -> tuple[DataType, Array | None]:
    """Give the type of a new variable, and its values."""
    request = _categorised(request)
    given = _as_array(request.data) if request.dtype is None or isinstance(request.data, View) else request.data
    geometric = read_geometries(path, request.dtype, given, request.precision)
    if geometric is not None:
        if request.fill_value is not None:
            raise ValueError(f"fill_value={request.fill_value!r} of {path!r}: missing geometries are None")
        return geometric
    data = _as_array(given)
    return choose_rounding(
        path, _data_type(path, request.dtype, data), data, request.fill_value, precision=request.precision,
        keep_bits=request.keep_bits, bit_information=request.bit_information,
    ), data  # fmt: skip


def _data_type(name: str, wanted: Any, data: Array | None) -> DataType:
    if wanted is not None:
        return as_data_type(wanted)
    if data is None:
        raise DataTypeError(f"variable {name!r} needs data= or dtype=")
    calendar = calendar_of(data) if data.dtype.kind == "O" else None
    if calendar is None:
        return data_type_of(data)
    first = next(value for value in data.flat if value is not None)
    units = f"{_UNITS_OF.get(resolution_of(data), 'microseconds')} since {first.year:04d}-01-01"
    if uses_datetime64(calendar):
        units = units.replace(f"{first.year:04d}", "1970")
    return time_dtype(units, calendar)


def _dimension(labels: Labels, request: Request, number: int, data: Array | None) -> Dimension:
    """Find a dimension, or make it with the length of the data."""
    structure, name = labels.structure, check_path(request.dims[number])
    own, elsewhere = name == check_path(request.name), request.dims[number].startswith("/")
    found = structure.dimension(f"/{name}" if elsewhere else name, own=own)
    if request.dims.count(request.dims[number]) > 1:
        raise ShapeError(f"{request.name!r} names the dimension {name!r} twice")
    if data is not None and data.ndim != len(request.dims) and (data.ndim or own):
        raise ShapeError(
            f"data of {request.name!r} has {data.ndim} dimensions (shape {data.shape}); it is to have {request.dims}"
        )
    length = data.shape[number] if data is not None and data.ndim else None
    if found is None:
        if elsewhere or (length is None and not own):
            raise ShapeError(
                f"{unknown_name('dimension', name, structure.dims)}; create it (ds.create.coord..., "
                "ds.create.dimension), or give data= with its length"
            )
        found = add_dimension(labels, name, length or 0, request.unlimited)
    elif length is not None and length != found.size:
        raise ShapeError(
            f"dimension {name!r} has length {found.size}; the data of {request.name!r} has {length} there (shape "
            f"{data.shape if data is not None else ()})"
        )
    return found


def add_dimension(labels: Labels, name: str, size: int, unlimited: bool) -> Dimension:
    """Add a dimension."""
    path = check_path(name)
    if labels.structure.dimension(path, own=True) is not None:
        raise InvalidNameError(f"there is a dimension {path!r} already")
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 0:
        raise ValueError(f"size={size!r} of dimension {path!r}: give a whole number, 0 or more")
    record = DimensionRecord(new_id(), path, slots=Slots.of_size(int(size)), unlimited=unlimited)
    return labels.structure.add_dimension(record)


def add_group(labels: Labels, name: str, attrs: Mapping[str, Any]) -> str:
    """Declare a group with its attributes, and those around it; give its path."""
    path = check_path(name)
    check_free(labels.structure, path)
    checked = {attribute: check_attribute(attribute, value) for attribute, value in attrs.items()}
    labels.structure.add_group(path)
    labels.structure.attributes(group_owner(path)).update(checked)
    return path


def _record(
    labels: Labels, request: Request, path: str, dtype: DataType, dims: tuple[Dimension, ...]
) -> VariableRecord:
    dataset = labels.structure.dataset
    compression = dataset.compression if request.compression is None else check_compression(request.compression)
    level = request.compression_level if request.compression_level is not None else dataset.compression_level
    fill_value = request.fill_value
    if fill_value is not None:
        target = replace(dtype, fillvalue=None) if dtype.is_packed else dtype
        cells = to_cells(np.asarray([fill_value]), target, None if dtype.is_packed else fill_value)
        fill_value = fill_value if dtype.is_packed or dtype.kind in "tTG" else cells[0]
    wanted = request.encoding if isinstance(request.encoding, str) else None
    growing = [dim.record.unlimited or (dim.path == path and request.role == "coordinate") for dim in dims]
    shape = [dim.size for dim in dims]
    chunks = choose_chunk_shape(shape, dtype.itemsize, growing, request.chunk_shape, [dim.path for dim in dims])
    links = resolve_links(labels.structure, request.links, path)
    return VariableRecord(
        new_id(),
        path,
        tuple(dim.id for dim in dims),
        dtype,
        chunks,
        choose_chain(path, dtype, chunks, compression, level, wanted),
        role=request.role,
        fill_value=fill_value,
        missing_value=request.missing_value,
        links=links,
        axis=request.axis,
        units=request.units,
        encoding={**(request.source_encoding or {}), **describe_rounding(dtype)},
    )


def _write(variable: Variable, request: Request, data: Array | None) -> None:
    """Write the values of a new variable; labels are checked first."""
    member = variable._member
    if not isinstance(variable, Coordinate):
        if data is not None:
            variable.set((), data, decoded=not request.encoded)
        return
    if data is None:
        labels = np.empty(0, variable._array.dtype)
    else:
        labels = variable._array.pipeline.from_cells(data) if request.encoded else stored_labels(variable, data)
    if labels.shape != variable.shape:
        raise CoordinateError(f"coordinate {variable.name!r} needs {variable.shape[0]} labels, not {labels.size}")
    check_labels(variable.name, variable._codec.identities(labels))
    step = chosen_step(variable.name, labels, request.step, variable.dtype)
    if step is not None:
        variable._replace(step=step)
    if labels.size:
        variable._labels.guard(member)
        variable._array.write(variable._array.everything(), labels)
        member.version += 1
