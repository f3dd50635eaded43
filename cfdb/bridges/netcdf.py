"""How does a netCDF-4 file come in?

`h5netcdf` reads it; nothing is decoded on the way in that cfdb can keep as it is. A file is first surveyed and planned
as a whole, so that what cannot be represented is refused by name before anything is written. Values are then streamed
in blocks of whole chunks.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.bridges.netcdf_plan import (
    Chunks,
    Names,
    SourceDimension,
    SourceVariable,
    Survey,
    block_shape,
    blocks,
    text_of,
)
from cfdb.bridges.netcdf_targets import Target, plan_targets
from cfdb.display.progress import Progress, Report, reporting
from cfdb.errors import FormatError, InvalidNameError, ShapeError
from cfdb.model.dataset import Dataset

Array = npt.NDArray[Any]
Source = str | os.PathLike[str]
Block = tuple[slice, ...]

#: Bytes read at a time, and of the chunk cache of HDF5.
BLOCK_BYTES = 2**25
CACHE_BYTES = 2**26


def import_netcdf(
    source: Source,
    dataset: Dataset,
    *,
    chunks: Chunks = None,
    include: Names = None,
    exclude: Names = None,
    compression: str | None = None,
    progress: Progress = False,
) -> None:
    """Copy a netCDF-4 file into an open dataset; parameters and errors as of `cfdb.from_netcdf`."""
    with opened(source) as file:
        found = survey(file)
        targets = plan_targets(found, chunks, include, exclude, lambda path: read_all(file, found.variables[path]))
        dims = {name: found.dims[name] for name in _dims_to_create(found, targets, include is None)}
        _check_room(dataset, dims, targets)
        with (
            _taken_back_after_errors(dataset) as made,
            reporting(progress, f"import {os.path.basename(source)}") as report,
        ):
            _create(file, dataset, dims, targets, compression, made, report)
        _set_attributes(dataset, found.attrs, everything=include is None)


def check_import(source: Source, *, chunks: Chunks = None, include: Names = None, exclude: Names = None) -> None:
    """Raise what `import_netcdf` would raise about source and choices, before anything is opened for writing."""
    with opened(source) as file:
        found = survey(file)
        plan_targets(found, chunks, include, exclude, lambda path: read_all(file, found.variables[path]))


@contextmanager
def opened(source: Source) -> Iterator[Any]:
    """Open a netCDF-4 file for reading.

    Raises
    ------
    ImportError
        If h5netcdf is not installed.
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no netCDF-4 file.
    """
    try:
        import h5netcdf
    except ImportError as error:
        raise ImportError("reading netCDF needs h5netcdf: pip install cfdb[netcdf4]") from error
    path = os.fspath(source)
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no netCDF file {path!r}")
    try:
        file = h5netcdf.File(path, "r", decode_vlen_strings=False, phony_dims="sort", rdcc_nbytes=CACHE_BYTES)
    except OSError as error:
        raise FormatError(f"{path!r} cannot be read as netCDF-4: {_reason(path, error)}") from error
    try:
        yield file
    finally:
        file.close()


def _reason(path: str, error: OSError) -> str:
    with open(path, "rb") as file:
        classic = file.read(3) == b"CDF"
    if classic:
        return "it is a netCDF-3 file (classic format); convert it once with `nccopy -k nc4 old.nc new.nc`"
    return str(error)


def survey(file: Any) -> Survey:
    """List dimensions, variables and attributes of an open file; attributes of groups get their path as a prefix."""
    dims: dict[str, SourceDimension] = {}
    variables: dict[str, SourceVariable] = {}
    attrs: dict[str, Any] = {}
    for prefix, group, scope in _groups(file, "", {}):
        for name, dim in group.dimensions.items():
            dims[prefix + name] = SourceDimension(prefix + name, int(dim.size), bool(dim.isunlimited()))
        for name, variable in group.variables.items():
            variables[prefix + name] = _variable(prefix + name, variable, scope)
        attrs.update({prefix + name: _attribute(value) for name, value in group.attrs.items()})
    return Survey(dims, variables, attrs)


def _groups(group: Any, prefix: str, outer: Mapping[str, str]) -> Iterator[tuple[str, Any, Mapping[str, str]]]:
    """Go through the groups, with the path of every dimension that is known there."""
    scope = {**outer, **{name: prefix + name for name in group.dimensions}}
    yield prefix, group, scope
    for name, inner in group.groups.items():
        yield from _groups(inner, f"{prefix}{name}/", scope)


def _variable(path: str, variable: Any, scope: Mapping[str, str]) -> SourceVariable:
    dtype = np.dtype(variable.dtype)
    return SourceVariable(
        path,
        tuple(scope[name] for name in variable.dimensions),
        tuple(int(size) for size in variable.shape),
        dtype,
        {name: _attribute(value) for name, value in variable.attrs.items()},
        variable.chunks,
        (dtype.metadata or {}).get("enum"),
    )


def _attribute(value: Any) -> Any:
    """Give an attribute as netCDF means it: all characters are text, also a single one."""
    if isinstance(value, bytes):
        return text_of(value)
    if isinstance(value, str):
        return text_of(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, list) and value and all(isinstance(item, bytes) for item in value):
        return text_of(b"".join(value))
    if isinstance(value, list):
        return [_attribute(item) for item in value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "OS" and not value.size:
        return ""
    return value


# reading


def read_all(file: Any, variable: SourceVariable) -> Array:
    """Read a whole variable as stored."""
    return _read(file, variable, tuple(slice(0, size) for size in variable.shape))


def _read(file: Any, variable: SourceVariable, block: Block) -> Array:
    """Read a block as stored; what lies behind the written part of an unlimited dimension is the file's fill."""
    found = file[variable.path]
    written = found._h5ds.shape
    inside = tuple(slice(part.start, min(part.stop, size)) for part, size in zip(block, written, strict=True))
    if inside == block:
        return np.asarray(found[block if block else ()], variable.dtype)
    values: Array = np.full([part.stop - part.start for part in block], found._h5ds.fillvalue, variable.dtype)
    if all(part.stop > part.start for part in inside):
        values[tuple(slice(0, part.stop - part.start) for part in inside)] = found[inside]
    return values


# writing


def _dims_to_create(found: Survey, targets: Sequence[Target], everything: bool) -> list[str]:
    used = {name for target in targets for name in target.source.dims}
    return [name for name in found.dims if everything or name in used]


def _check_room(dataset: Dataset, dims: Mapping[str, SourceDimension], targets: Sequence[Target]) -> None:
    """Refuse what would collide with what the dataset has."""
    taken = [target.source.path for target in targets if target.source.path in dataset]
    if taken:
        names = ", ".join(map(repr, taken[:5]))
        raise InvalidNameError(f"{dataset.name} has variables {names} already: delete them first, or use exclude=")
    sizes = dataset.sizes
    for name, dim in dims.items():
        if name in sizes and sizes[name] != dim.size:
            raise ShapeError(
                f"dimension {name!r} has length {dim.size} in the file and {sizes[name]} in {dataset.name}"
            )


def _create(
    file: Any,
    dataset: Dataset,
    dims: Mapping[str, SourceDimension],
    targets: Sequence[Target],
    compression: str | None,
    made: list[str],
    report: Report | None,
) -> None:
    for name, dim in dims.items():
        if name not in dataset.sizes:
            dataset.create.dimension(name, dim.size, unlimited=dim.unlimited)
    total, done = sum(_nbytes(target) for target in targets), 0
    for target in targets:
        # labels of a dimension are checked and written as one
        whole = target.kept.convert(read_all(file, target.source)) if target.role == "coordinate" else None
        variable = dataset.create.variable(
            target.source.path,
            target.source.dims,
            target.dtype,
            data=whole,
            encoded=target.kept.encoded,
            role=target.role,
            chunk_shape=target.chunk_shape,
            attrs=target.attrs,
            fill_value=target.kept.fill_value,
            missing_value=target.kept.missing_value,
            axis=None if target.axis in dataset.axes else target.axis,
            source_encoding=target.kept.encoding,
            compression=compression,
        )
        made.append(target.source.path)
        if whole is None:
            _stream(file, variable, target, done, total, report)
        done += _nbytes(target)
        if report is not None:
            report(done, total)
    for target in targets:
        if target.links:
            dataset[target.source.path].update_links(target.links)


def _set_attributes(dataset: Dataset, attrs: Mapping[str, Any], *, everything: bool) -> None:
    """Set the attributes of the dataset, and of its groups: of all, or of those that are there."""
    by_group: dict[str, dict[str, Any]] = {"": {}}
    for path, value in attrs.items():
        group, _, name = path.rpartition("/")
        by_group.setdefault(group, {})[name] = value
    dataset.attrs.update(by_group.pop(""))
    for group, own in by_group.items():
        if group in dataset.groups:
            dataset.groups[group].attrs.update(own)
        elif everything:
            dataset.create.group(group, own)


def _stream(file: Any, variable: Any, target: Target, before: int, total: int, report: Report | None) -> None:
    """Write the values block by block."""
    source = target.source
    itemsize = max(source.dtype.itemsize, target.dtype.itemsize)
    shape = block_shape(source.shape, variable.chunk_shape, source.chunks, itemsize, BLOCK_BYTES)
    done = before
    for block in blocks(source.shape, shape):
        values = target.kept.convert(_read(file, source, block))
        variable.set(block, values, decoded=not target.kept.encoded)
        done += prod(part.stop - part.start for part in block) * source.dtype.itemsize
        if report is not None:
            report(done, total)


def _nbytes(target: Target) -> int:
    return prod(target.source.shape) * target.source.dtype.itemsize


@contextmanager
def _taken_back_after_errors(dataset: Dataset) -> Iterator[list[str]]:
    """Delete the variables that were made when an error leaves the block."""
    made: list[str] = []
    try:
        yield made
    except BaseException:
        labelled = [name for name in made if dataset[name].dims == (name,)]
        for name in [*(name for name in made if name not in labelled), *labelled]:
            del dataset[name]
        raise
