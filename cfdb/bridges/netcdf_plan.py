"""Which variables of a netCDF file become what? Pure: names, types and attributes in, a plan out.

Roles follow CF: a one-dimensional variable named like its dimension is a coordinate; others are what the attributes of
their neighbours call them (``bounds``, ``grid_mapping``, ``coordinates`` ...); the rest is data.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from cfdb.errors import VariableNotFoundError

#: Attributes that name other variables, and the role they give them; the first that applies wins.
LINKS = {
    "bounds": "bounds",
    "climatology": "bounds",
    "grid_mapping": "grid_mapping",
    "coordinates": "auxiliary",
    "cell_measures": "cell_measure",
    "formula_terms": "formula_term",
    "ancillary_variables": "ancillary",
}
#: Attributes written as ``key: name key: name``.
_KEYED = frozenset({"cell_measures", "formula_terms"})

Chunks = Mapping[str, Any] | None
Names = str | Iterable[str] | None


@dataclass(frozen=True, slots=True)
class SourceDimension:
    """A dimension of the file.

    Attributes
    ----------
    path : str
        Name with its groups.
    size : int
        Present length.
    unlimited : bool
        Whether it was made to grow.
    """

    path: str
    size: int
    unlimited: bool


@dataclass(frozen=True, slots=True)
class SourceVariable:
    """A variable of the file.

    Attributes
    ----------
    path : str
        Name with its groups.
    dims : tuple of str
        Paths of its dimensions.
    shape : tuple of int
        Present shape.
    dtype : np.dtype
        Type of the stored values.
    members : mapping of str to int, optional
        Names of an enumeration.
    attrs : mapping
        All attributes.
    chunks : tuple of int, optional
        Chunk shape in the file; None when it is contiguous.
    """

    path: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attrs: Mapping[str, Any]
    chunks: tuple[int, ...] | None = None
    members: Mapping[str, int] | None = None

    @property
    def group(self) -> str:
        """Path of its group; '' at the top."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Name without groups."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything a file holds but the values."""

    dims: Mapping[str, SourceDimension]
    variables: Mapping[str, SourceVariable]
    attrs: Mapping[str, Any]


def text_of(data: bytes) -> str:
    """Read text: UTF-8, or what older files use instead, Latin-1.

    Examples
    --------
    >>> text_of(b"K"), text_of("°C".encode("latin-1"))
    ('K', '°C')
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def links_of(variable: SourceVariable, known: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Find the variables that a variable's attributes name; names of nothing in the file are passed over.

    Examples
    --------
    >>> attrs = {"bounds": "time_bnds", "cell_measures": "area: cells volume: gone"}
    >>> links_of(SourceVariable("g/time", ("time",), (3,), np.dtype("f8"), attrs), {"g/time_bnds", "cells"})
    {'bounds': ('g/time_bnds',), 'cell_measures': ('cells',)}
    """
    found = {}
    for attribute in LINKS:
        text = variable.attrs.get(attribute)
        if not isinstance(text, str):
            continue
        names = re.findall(r"\S+", text)
        if attribute in _KEYED:
            names = [name for name in names if not name.endswith(":")]
        # the long form of grid_mapping is ``mapping: coordinate coordinate``
        elif attribute == "grid_mapping" and ":" in text:
            names = [name[:-1] for name in names if name.endswith(":")]
        paths = [_resolve(name, variable.group, known) for name in names]
        links = tuple(dict.fromkeys(path for path in paths if path is not None and path != variable.path))
        if links:
            found[attribute] = links
    return found


def _resolve(name: str, group: str, known: Collection[str]) -> str | None:
    """Find a name as netCDF does: absolute, or in the group and then in those around it."""
    if name.startswith("/"):
        return name[1:] if name[1:] in known else None
    while True:
        path = f"{group}/{name}" if group else name
        if path in known:
            return path
        if not group:
            return None
        group = group.rpartition("/")[0]


def roles_of(variables: Mapping[str, SourceVariable]) -> dict[str, str]:
    """Give every variable its role."""
    roles: dict[str, str] = {}
    for variable in variables.values():
        if variable.dims == (variable.path,):
            roles[variable.path] = "coordinate"
    named: dict[str, set[str]] = {attribute: set() for attribute in LINKS}
    for variable in variables.values():
        for attribute, paths in links_of(variable, variables).items():
            named[attribute].update(paths)
    for attribute, role in LINKS.items():
        for path in named[attribute]:
            roles.setdefault(path, role)
    return {path: roles.get(path, "data") for path in variables}


def choose(survey: Survey, include: Names, exclude: Names) -> dict[str, SourceVariable]:
    """Choose variables; those that are included bring what they refer to, and their coordinates.

    Raises
    ------
    VariableNotFoundError
        If a name is not in the file.
    """
    dropped = _known(survey, exclude)
    if include is None:
        return {path: variable for path, variable in survey.variables.items() if path not in dropped}
    wanted: set[str] = set()
    waiting = [path for path in _known(survey, include) if path not in dropped]
    while waiting:
        path = waiting.pop()
        if path in wanted:
            continue
        wanted.add(path)
        variable = survey.variables[path]
        linked = [name for names in links_of(variable, survey.variables).values() for name in names]
        waiting += [name for name in (*variable.dims, *linked) if name in survey.variables and name not in dropped]
    return {path: variable for path, variable in survey.variables.items() if path in wanted}


def _known(survey: Survey, names: Names) -> set[str]:
    listed = [names] if isinstance(names, str) else list(names or ())
    for name in listed:
        if name not in survey.variables:
            there = ", ".join(survey.variables) or "none"
            raise VariableNotFoundError(f"the file has no variable {name!r}; its variables are {there}")
    return set(listed)


def chunk_shape_of(variable: SourceVariable, chunks: Chunks, *, by_dimension: bool = True) -> tuple[int, ...] | None:
    """Find the chunk shape that was asked for.

    Parameters
    ----------
    variable : SourceVariable
        Which variable.
    chunks : mapping, optional
        Chunk lengths by dimension, and tuples or dicts by variable; -1 is the whole dimension.
    by_dimension : bool
        Whether lengths by dimension are meant for this variable too.

    Returns
    -------
    tuple of int or None
        None when nothing was said about this variable.

    Examples
    --------
    >>> t = SourceVariable("t", ("time", "x"), (240, 49), np.dtype("f4"), {})
    >>> chunk_shape_of(t, {"time": 12}), chunk_shape_of(t, {"t": (24, -1)}), chunk_shape_of(t, {"y": 5})
    ((12, 49), (24, 49), None)
    """
    if not chunks or not variable.dims:
        return None
    own = chunks.get(variable.path)
    if isinstance(own, Sequence):
        if len(own) != len(variable.dims):
            raise ValueError(f"chunks for {variable.path!r}: {tuple(own)} has {len(own)} lengths, {_takes(variable)}")
        return tuple(_length(n, size) for n, size in zip(own, variable.shape, strict=True))
    lengths = {name: length for name, length in chunks.items() if isinstance(length, int)} if by_dimension else {}
    by_dim = own if isinstance(own, Mapping) else lengths
    if isinstance(own, Mapping):
        unknown = [name for name in own if name not in variable.dims]
        if unknown:
            raise ValueError(f"chunks for {variable.path!r} name {unknown[0]!r}; {_takes(variable)}")
    if not any(dim in by_dim for dim in variable.dims):
        return None
    return tuple(_length(by_dim.get(dim, -1), size) for dim, size in zip(variable.dims, variable.shape, strict=True))


def check_chunks(survey: Survey, chunks: Chunks) -> None:
    """Refuse chunks for variables and dimensions that are not there."""
    if chunks is not None and not isinstance(chunks, Mapping):
        raise TypeError(f"chunks={chunks!r}: give lengths by dimension, as in chunks={{'time': 12}}, or by variable")
    for name, value in (chunks or {}).items():
        if name not in (survey.dims if isinstance(value, int) else survey.variables):
            kind, known = ("dimension", survey.dims) if isinstance(value, int) else ("variable", survey.variables)
            raise ValueError(f"chunks name the {kind} {name!r}; the file has {', '.join(known) or 'none'}")


def _length(asked: int, size: int) -> int:
    if asked == -1:
        return max(size, 1)
    if isinstance(asked, bool) or not isinstance(asked, int | np.integer) or asked < 1:
        raise ValueError(f"a chunk length is a positive whole number, or -1 for the whole dimension, not {asked!r}")
    return int(asked)


def _takes(variable: SourceVariable) -> str:
    return f"it has the dimensions {', '.join(variable.dims) or 'none'}"


def block_shape(
    shape: Sequence[int], target: Sequence[int], source: Sequence[int] | None, itemsize: int, budget: int
) -> tuple[int, ...]:
    """Choose how much is read at a time: whole target chunks, where possible whole source chunks too.

    Parameters
    ----------
    shape : sequence of int
        Shape of the variable.
    target, source : sequence of int
        Chunk shapes of the dataset and of the file.
    itemsize, budget : int
        Bytes of a cell and of a block; a single target chunk may be larger.

    Examples
    --------
    >>> block_shape((240, 37, 49), (12, 37, 49), (1, 37, 49), 4, 2**20)
    (144, 37, 49)
    """
    block = [min(length, max(size, 1)) for length, size in zip(target, shape, strict=True)]
    in_file = target if source is None else source
    for goals in (in_file, shape):
        for axis in reversed(range(len(block))):
            size = max(shape[axis], 1)
            others = itemsize * prod(block) // block[axis]
            affordable = max(budget // (others * target[axis]), 1)
            wanted = -(-min(goals[axis], size) // target[axis])
            block[axis] = max(block[axis], min(min(affordable, wanted) * target[axis], size))
    return tuple(block)


def blocks(shape: Sequence[int], block: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Cut an array into blocks, in the order of the cells.

    Examples
    --------
    >>> list(blocks((3,), (2,)))
    [(slice(0, 2, None),), (slice(2, 3, None),)]
    """
    steps = [range(0, size, length) for size, length in zip(shape, block, strict=True)]
    for starts in product(*steps):
        yield tuple(
            slice(start, min(start + length, size)) for start, length, size in zip(starts, block, shape, strict=True)
        )
