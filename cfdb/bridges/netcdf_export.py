"""How does a dataset go out as a netCDF-4 file?

`h5netcdf` writes it. What every variable becomes is planned first, so that what netCDF cannot hold is refused by name
before a file exists; values are then streamed in blocks of whole chunks. The file appears under its name when it is
complete.
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cfdb.analysis.moving.replica import Names, chosen_members
from cfdb.bridges.netcdf_outgoing import Outgoing, attribute_for_netcdf, kept_attributes, plan_outgoing
from cfdb.bridges.netcdf_plan import block_shape, blocks
from cfdb.conventions.crs import to_cf
from cfdb.display.progress import Progress, Report, reporting
from cfdb.model.listing import COORDINATES, HELPERS
from cfdb.model.reading import Reading
from cfdb.model.view import View

#: Bytes of a block of values.
BLOCK_BYTES = 2**25
CONVENTIONS = "CF-1.11"
#: Links that netCDF's attributes write as ``term: name``; without the terms they stay as the attribute says.
_KEYED = ("cell_measures", "formula_terms")


def export_netcdf(
    dataset: Reading,
    file_path: str | os.PathLike[str],
    compression: str | None = "gzip",
    include: Names = None,
    exclude: Names = None,
    progress: Progress = False,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write a dataset, or a part of it; parameters as of `Dataset.to_netcdf4`."""
    parts = {member.path: dataset[member.path] for member in chosen_members(dataset, include, exclude)}
    plans = {name: plan_outgoing(part) for name, part in parts.items()}
    path = Path(file_path)
    title = f"export {path.name}"
    with reporting(progress, title) as report, _created(path, dict(options or {})) as file:
        _write_structure(file, dataset, parts, plans, compression)
        total, done = sum(part.nbytes for part in parts.values()), 0
        for name, part in parts.items():
            done = _stream(file[name], part, plans[name], done, total, report)


@contextmanager
def _created(path: Path, options: dict[str, Any]) -> Iterator[Any]:
    """Give a new file that takes its name when the block is left cleanly, and is gone after an error."""
    try:
        import h5netcdf
    except ImportError as error:
        raise ImportError("writing netCDF needs h5netcdf: pip install cfdb[netcdf4]") from error
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with h5netcdf.File(part, "w", **options) as file:
            yield file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


# structure


def _write_structure(
    file: Any,
    dataset: Reading,
    parts: Mapping[str, View],
    plans: Mapping[str, Outgoing],
    compression: str | None,
) -> None:
    used = {dim for part in parts.values() for dim in part.dims}
    whole = set(parts) == set(dataset.var_names)
    dims = dataset._labels.structure.dims
    for name, size in dataset.sizes.items():
        if whole or name in used:
            group, dim = _placed(file, name)
            group.dimensions[dim] = None if dims[name].record.unlimited else size
            if dims[name].record.unlimited:
                group.resize_dimension(dim, size)
    for name, part in parts.items():
        variable = _create(file, name, part, plans[name], compression)
        variable.attrs.update(_attributes(name, part, plans[name], parts))
    file.attrs.update({name: attribute_for_netcdf(value) for name, value in dataset.attrs.items()})
    for path, own in _group_attributes(dataset, ""):
        group, _ = _placed(file, f"{path}/")
        group.attrs.update({name: attribute_for_netcdf(value) for name, value in own.items()})
    if "Conventions" not in file.attrs:
        file.attrs["Conventions"] = CONVENTIONS
    _write_crs(file, dataset, parts)


def _group_attributes(dataset: Reading, prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Go through the groups that have attributes."""
    for name, group in dataset.groups.items():
        if group.attrs:
            yield prefix + name, group.attrs
        yield from _group_attributes(group, f"{prefix}{name}/")


def _placed(file: Any, path: str) -> tuple[Any, str]:
    """Give the group of a path, made if needed, and the name in it."""
    place, _, name = path.rpartition("/")
    if not place:
        return file, name
    return (file[place] if place in file else file.create_group(place)), name


def _create(file: Any, path: str, part: View, plan: Outgoing, compression: str | None) -> Any:
    group, name = _placed(file, path)
    dims = [dim.rpartition("/")[2] for dim in part.dims]
    chunks: tuple[int, ...] | None = tuple(
        min(length, max(size, 1)) for length, size in zip(_chunk_shape(part), part.shape, strict=True)
    )
    if plan.letters:
        letters = f"string{plan.letters}"
        if letters not in group.dimensions:
            group.dimensions[letters] = plan.letters
        dims, chunks = [*dims, letters], (*(chunks or ()), plan.letters)
    if not dims:
        chunks = None
    options: dict[str, Any] = {"chunks": chunks if part.size else None}
    if compression is not None and part.size and dims:
        options |= {"compression": compression, "shuffle": plan.dtype not in ("text", "enum")}
    with warnings.catch_warnings():
        # an enumeration without a fill value has none in the file either, whatever HDF5 keeps as its default
        warnings.filterwarnings("ignore", "Creating variable with default fill_value")
        return group.create_variable(name, tuple(dims), _type_in(group, name, plan), fillvalue=plan.fill, **options)


def _type_in(group: Any, name: str, plan: Outgoing) -> Any:
    """Give the type as h5netcdf wants it."""
    if plan.dtype == "text":
        import h5py

        return h5py.string_dtype()
    if plan.dtype == "enum":
        codes = np.dtype(np.int64) if not plan.members else np.min_scalar_type(max(plan.members.values()))
        return group.create_enumtype(codes, f"{name}_t", dict(plan.members))
    return plan.dtype


def _chunk_shape(part: View) -> list[int]:
    """Give chunk lengths of the dimensions that a part has."""
    lengths = dict(zip((dim.path for dim in part._member.dims), part.chunk_shape, strict=True))
    return [lengths.get(dim, 1) for dim in part.dims]


# attributes


def _write_attributes(group: Any, dataset: Reading) -> None:
    """Write the attributes of a dataset or group, and of the groups in it."""
    group.attrs.update({name: attribute_for_netcdf(value) for name, value in dataset.attrs.items()})
    for name, inner in dataset.groups.items():
        _write_attributes(group[name] if name in group else group.create_group(name), inner)


def _attributes(name: str, part: View, plan: Outgoing, parts: Mapping[str, View]) -> dict[str, Any]:
    found = {**kept_attributes(part.attrs.data), **plan.attrs}
    if part.units is not None and "units" not in found:
        found["units"] = part.units
    axis = getattr(part, "axis", None)
    if axis in ("x", "y", "z", "t"):
        found["axis"] = axis.upper()
    for relation, paths in part.links.items():
        kept = [_named_from(name, path) for path in paths if path in parts]
        if relation in _KEYED and relation in found:
            continue
        if kept:
            found[relation] = " ".join(kept)
        else:
            found.pop(relation, None)
    if part.role == "bounds":
        for own in ("units", "calendar"):  # by CF they are those of what is bounded
            found.setdefault(own, plan.attrs.get(own))
    return {key: value for key, value in found.items() if value is not None}


def _named_from(path: str, other: str) -> str:
    """Name a variable as one of the same group, or from the top."""
    group, _, _ = path.rpartition("/")
    home, _, name = other.rpartition("/")
    return name if home == group else f"/{other}"


def _write_crs(file: Any, dataset: Reading, parts: Mapping[str, View]) -> None:
    """Write the reference system as a grid mapping that data variables in space refer to."""
    crs = dataset.crs
    if crs is None or any(part.role == "grid_mapping" for part in parts.values()):
        return
    name = next(
        name for name in ("spatial_ref", "crs", *(f"spatial_ref_{n}" for n in range(1, 99))) if name not in file
    )
    variable = file.create_variable(name, (), np.dtype(np.int32))
    variable[...] = 0
    variable.attrs.update({key: attribute_for_netcdf(value) for key, value in to_cf(crs).items()})
    located = [coordinate for axis, coordinate in dataset.axes.items() if axis in ("x", "y", "xy", "xyz")]
    for path, part in parts.items():
        if part.role not in (*COORDINATES, *HELPERS) and any(dim in located for dim in part.dims):
            file[path].attrs["grid_mapping"] = _named_from(path, name)


# values


def _stream(variable: Any, part: View, plan: Outgoing, done: int, total: int, report: Report | None) -> int:
    """Write the values block by block; give the bytes done."""
    if not part.shape:
        cell = plan.convert(np.atleast_1d(np.asarray(part.read(masked=False))))[0]
        variable[...] = cell
        return done + part.nbytes
    lengths = block_shape(part.shape, _chunk_shape(part), None, max(part._array.dtype.itemsize, 1), BLOCK_BYTES)
    for box in blocks(part.shape, lengths):
        piece = part[box]
        variable[box if not plan.letters else (*box, slice(0, plan.letters))] = plan.convert(piece.read(masked=False))
        done += piece.nbytes
        if report is not None:
            report(done, total)
    return done
