"""What do rules ask of a dataset: its variables by kind, what they refer to, and their extremes?"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.conventions.cf import axis_of, links_in
from cfdb.format.statistics import ChunkStatistics, merge
from cfdb.model.listing import COORDINATES, HELPERS
from cfdb.model.view import View

#: Parts and coordinates of more bytes than this are not read to be judged.
READABLE = 2**26

_memory: ContextVar[dict[Any, Any] | None] = ContextVar("_memory", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """Keep what is found out about variables while the block lasts."""
    token = _memory.set({})
    try:
        yield
    finally:
        _memory.reset(token)


def text(owner: Any, name: str) -> str:
    """Give an attribute that is text; '' when it is missing or of another type."""
    value = owner.attrs.get(name)
    return value if isinstance(value, str) else ""


def is_root(dataset: Any) -> bool:
    """Tell whether attributes of the dataset are those of a file: groups have none of these."""
    return not getattr(dataset, "path", "")


def by_name(dataset: Any) -> dict[str, View]:
    """Give the variables by name."""
    memory = _memory.get()
    if memory is None:
        return dict(dataset.variables.items())
    if "variables" not in memory:  # all at once: asking a dataset of many variables for each costs each time
        memory["variables"] = dict(dataset.variables.items())
    found: dict[str, View] = memory["variables"]
    return found


def variables(dataset: Any) -> list[tuple[str, View]]:
    """Give the variables with their names."""
    return list(by_name(dataset).items())


def described(dataset: Any) -> list[tuple[str, View]]:
    """Give data and coordinates: variables that stand for themselves, not those that describe others."""
    return [(name, variable) for name, variable in variables(dataset) if variable.role not in HELPERS]


def coordinates(dataset: Any) -> list[tuple[str, View]]:
    """Give the coordinates, auxiliary ones included."""
    return [(name, variable) for name, variable in variables(dataset) if variable.role in COORDINATES]


def indexes(dataset: Any) -> list[tuple[str, View]]:
    """Give the coordinates of one dimension that label it."""
    return [(name, variable) for name, variable in coordinates(dataset) if variable.dims == (name,)]


def is_number(variable: View) -> bool:
    """Tell whether values are numbers that measure something: no flags, no times, no truth values."""
    return variable.dtype.kind in "iuf"


def is_time(variable: View) -> bool:
    """Tell whether values are dates to the user."""
    return variable.dtype.kind in "Mt"


def is_flag(variable: View) -> bool:
    """Tell whether the values are categories."""
    named = any(name in variable.attrs for name in ("flag_values", "flag_masks", "flag_meanings"))
    return named or variable.dtype.kind == "e"


def axis(variable: View) -> str:
    """Tell along which axis a coordinate lies: x, y, z, t or ''."""
    if is_time(variable):
        return "t"
    return getattr(variable, "axis", None) or axis_of({**variable.attrs.data, "units": variable.units or ""}) or ""


def links(dataset: Any, variable: View) -> dict[str, tuple[str, ...]]:
    """Give the names of the variables that one refers to, by its attributes or by its links."""
    found = dict(links_in(variable.attrs.data))
    return {**variable.links, **found}


def resolve(dataset: Any, variable: View, name: str) -> View | None:
    """Find a variable that another one names: in its own group first, then in those around it."""
    path, _, _ = variable.name.rpartition("/")
    while True:
        found = by_name(dataset).get(f"{path}/{name}" if path else name)
        if found is not None or not path:
            return found
        path = path.rpartition("/")[0]


def statistics(variable: View) -> ChunkStatistics | None:
    """Give count and extremes of a variable, from its table; a part is read when it is small.

    Returns
    -------
    ChunkStatistics or None
        None when nothing is known without reading much.
    """
    memory = _memory.get()
    key = (variable.id, variable._selection)
    if memory is None:
        return _statistics(variable)
    if key not in memory:
        memory[key] = _statistics(variable)
    found: ChunkStatistics | None = memory[key]
    return found


def _statistics(variable: View) -> ChunkStatistics | None:
    found = [part for part in variable._array.summaries(variable._selection) if part.written]
    known = [part.statistics for part in found if part.statistics is not None and part.exact]
    if len(known) == len(found):
        return merge(known)
    # of a whole variable only chunks that lost cells are not known: these few are read
    return merge(variable._array.statistics().values()) if variable._selection is None else None


def extremes(variable: View) -> tuple[Any, Any] | None:
    """Give smallest and largest value of a variable; times as `datetime64` or dates of their calendar."""
    found = statistics(variable)
    if found is None or found.minimum is None:
        values = _small(variable) if variable._selection is not None else None
        return None if values is None else _ends(values)
    if variable.dtype.kind == "M":
        unit = variable.dtype.dtype_decoded
        return np.int64(found.minimum).astype(unit), np.int64(found.maximum).astype(unit)
    if variable.dtype.kind == "t":
        values = _small(variable)
        return None if values is None else _ends(values)
    return found.minimum, found.maximum


def values_of(variable: View) -> npt.NDArray[Any] | None:
    """Read a coordinate; None when it is large."""
    return _small(variable)


def _small(variable: View) -> npt.NDArray[Any] | None:
    return variable.read() if variable.nbytes <= READABLE else None


def _ends(values: Any) -> tuple[Any, Any] | None:
    """Find the extremes of values that were read."""
    cells = np.ma.compressed(values) if isinstance(values, np.ma.MaskedArray) else np.ravel(values)
    if cells.dtype.kind == "O":
        present: Any = [cell for cell in cells.tolist() if cell is not None]
        return (min(present), max(present)) if present else None
    missing = np.isnat(cells) if cells.dtype.kind in "mM" else cells != cells
    cells = cells[~missing]
    return (cells.min(), cells.max()) if cells.size else None
