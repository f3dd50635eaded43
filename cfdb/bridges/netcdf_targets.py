"""What does every variable of a netCDF file become? A whole plan, or an error that names a variable and the reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.bridges.netcdf_plan import (
    Chunks,
    Names,
    SourceVariable,
    Survey,
    check_chunks,
    choose,
    chunk_shape_of,
    links_of,
    roles_of,
)
from cfdb.bridges.netcdf_types import FILL, MISSING, OFFSET, SCALE, UNSIGNED, Interpretation, interpret, time_of
from cfdb.errors import CFDBError, ShapeError
from cfdb.format.attributes import check_attribute
from cfdb.format.dtypes import DataType
from cfdb.format.names import check_path

Array = npt.NDArray[Any]
ReadAll = Callable[[str], Array]

#: Attributes that the record of a variable holds instead.
_HELD = frozenset({FILL, MISSING, SCALE, OFFSET, UNSIGNED})
_AXES = frozenset("XYZT")


@dataclass(frozen=True, slots=True)
class Target:
    """What a variable becomes.

    Attributes
    ----------
    source : SourceVariable
        Where the values come from.
    role : str
        Its role in the dataset.
    kept : Interpretation
        Type of its values, and how they get there.
    attrs : mapping
        Attributes that stay attributes.
    chunk_shape : tuple of int, optional
        As asked for; None lets the dataset choose.
    axis : str, optional
        Axis it is the coordinate of.
    links : mapping of str to tuple of str
        Paths of related variables.
    """

    source: SourceVariable
    role: str
    kept: Interpretation
    attrs: Mapping[str, Any]
    chunk_shape: tuple[int, ...] | None = None
    axis: str | None = None
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def dtype(self) -> DataType:
        """Type of its values."""
        return self.kept.dtype


def plan_targets(found: Survey, chunks: Chunks, include: Names, exclude: Names, read_all: ReadAll) -> list[Target]:
    """Plan the import of a file.

    Parameters
    ----------
    found : Survey
        What is in the file.
    chunks, include, exclude
        As of `cfdb.from_netcdf`.
    read_all : callable
        Reads a variable by path; called for candidates of coordinates, whose labels have to be unique.

    Returns
    -------
    list of Target
        In the order of the file.

    Raises
    ------
    CFDBError
        If something cannot be represented; the message names the variable and the reason.
    """
    check_chunks(found, chunks)
    chosen = choose(found, include, exclude)
    roles = roles_of(found.variables)
    parents = _bounded(found.variables)
    axes: dict[str, str] = {}
    targets = []
    for path, source in chosen.items():
        _check(source)
        kept = interpret(source, time_of(source) or (time_of(parents[path]) if path in parents else None))
        role = roles[path]
        if role == "coordinate" and not _labels_fit(kept, read_all(path)):
            role = "auxiliary"  # values that repeat or are missing cannot be labels
        axis = _axis(source) if role == "coordinate" else None
        targets.append(
            Target(
                source,
                role,
                kept,
                {name: value for name, value in source.attrs.items() if name not in _HELD},
                chunk_shape_of(source, chunks, by_dimension=role == "data"),
                axis if axis is not None and axes.setdefault(axis, path) == path else None,
                _present(links_of(source, found.variables), chosen),
            )
        )
    for name, value in found.attrs.items():
        check_attribute(name, value)
    return targets


def _bounded(variables: Mapping[str, SourceVariable]) -> dict[str, SourceVariable]:
    """Find whose bounds a variable holds: by CF they are in the units of that variable."""
    found = {}
    for variable in variables.values():
        links = links_of(variable, variables)
        for path in (*links.get("bounds", ()), *links.get("climatology", ())):
            found[path] = variable
    return found


def _check(source: SourceVariable) -> None:
    """Refuse names, dimensions and attributes that a dataset cannot have."""
    try:
        check_path(source.path)
        for dim in source.dims:
            check_path(dim)
        if len(set(source.dims)) < len(source.dims):
            raise ShapeError(f"it has a dimension twice: {', '.join(source.dims)}")
        for name, value in source.attrs.items():
            check_attribute(name, value)
    except CFDBError as error:
        raise type(error)(f"variable {source.path!r} cannot be imported: {error}") from error


def _labels_fit(kept: Interpretation, values: Array) -> bool:
    """Tell whether values can label a dimension: unique, none missing."""
    cells = kept.convert(values)
    if cells.dtype.kind == "f" and bool(np.isnan(cells).any()):
        return False
    if kept.dtype.kind == "t" and cells.dtype.kind == "i" and bool((cells == np.iinfo(cells.dtype).min).any()):
        return False
    return len(np.unique(cells)) == cells.size


def _axis(source: SourceVariable) -> str | None:
    axis = source.attrs.get("axis")
    return axis.lower() if isinstance(axis, str) and axis.upper() in _AXES else None


def _present(links: Mapping[str, tuple[str, ...]], chosen: Mapping[str, SourceVariable]) -> dict[str, tuple[str, ...]]:
    kept = {relation: tuple(path for path in paths if path in chosen) for relation, paths in links.items()}
    return {relation: paths for relation, paths in kept.items() if paths}
