"""What does a person see who prints a dataset or a variable?

Structure, sizes and how much is local come from records and the table; of the values only coordinates are read, and of
long ones only both ends. Printing never loads data, and never raises because something cannot be read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cfdb.display.units import byte_size, columns, count, cut, part, terminal_width
from cfdb.model.dataset import Dataset
from cfdb.model.groups import Group
from cfdb.model.listing import COORDINATES, HELPERS
from cfdb.model.reading import Reading
from cfdb.model.view import View
from cfdb.storage.protocol import Stored

Ask = Callable[[View], Stored]

#: Coordinates of more bytes than this are read at both ends only.
SMALL_COORDINATE = 2**20
MOST_VARIABLES = 40
MOST_ATTRIBUTES = 12
_DIGITS = 7


def summarize_dataset(dataset: Reading) -> str:
    """Write a dataset, or a part of one, as text.

    Parameters
    ----------
    dataset : Dataset or DatasetView
        Open or closed.

    Returns
    -------
    str
        Lines that fit the terminal.

    Examples
    --------
    >>> import numpy as np
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     lat = ds.create.coord.generic("lat", data=np.array([60.0, 50.0, 40.0]))
    ...     ds["t"] = ("lat", np.array([3.0, 2.0, 1.0]), {"units": "K"})
    ...     print(ds)
    <cfdb Dataset> ..., open for writing
    Dimensions: lat 3
    Coordinates
      lat  float64  60 ... 40
    Data variables
      t  (lat)  float64  K  ... B in 1 chunk of (3)
    """
    width = terminal_width()
    if not dataset.is_open:
        return "\n".join(cut(line, width) for line in _closed(dataset))
    stored = _remembering()
    lines = [*_headline(dataset, stored), *_dimensions(dataset, width)]
    lines += _coordinates([dataset[name] for name in dataset.coord_names], width)
    lines += _section("Data variables", [dataset[name] for name in dataset.data_var_names], width, stored)
    others = [variable for variable in dataset.variables if variable.role in HELPERS]
    lines += _section("Other variables", others, width, stored)
    lines += _groups(dataset, width)
    lines += _files(dataset, width)
    lines += _attributes(dataset.attrs, width)
    return "\n".join(cut_end(line, width) for line in lines)


def summarize_variable(view: View) -> str:
    """Write a variable, or a part of one, as text.

    Parameters
    ----------
    view : View
        Open or closed.

    Returns
    -------
    str
        Lines that fit the terminal.

    Examples
    --------
    >>> import numpy as np
    >>> import cfdb
    >>> with cfdb.open_dataset(None, "n") as ds:
    ...     ds["t"] = (("y", "x"), np.zeros((2, 3), "float32"))
    ...     print(ds["t"])
    <cfdb data variable 't'>
    Dimensions: y 2, x 3
    Values:     float32, 24 B
    Chunks:     1 of shape (2, 3), 1 written, ...
    """
    width = terminal_width()
    title = f"<cfdb {view._kind} {view.name!r}>"
    if not view.is_open:
        return cut(f"{title} of a closed dataset, or deleted", width)
    lines = [title, *_wrapped("Dimensions: ", _sizes(view.sizes) or ["none (a single value)"], width)]
    lines.append(f"Values:     {', '.join(_facts(view))}")
    lines += _wrapped("Chunks:     ", list(_chunks_of(view)), width)
    missing = _missing(view)
    if missing:
        lines.append(f"Missing:    {missing}")
    if view.dtype.members:
        lines += _wrapped(
            "Meanings:   ", [f"{name} {code}" for name, code in view.dtype.members[:MOST_VARIABLES]], width
        )
    if view.role not in ("data", *COORDINATES):
        lines.append(f"Role:       {view.role}")
    lines += _coordinates([view] if view.role in COORDINATES else list(view.coords), width)
    lines += _attributes(view.attrs, width)
    return "\n".join(cut_end(line, width) for line in lines)


def cut_end(line: str, width: int) -> str:
    """Cut a line without touching the spaces that align it."""
    return line if len(line) <= width else line[: width - 3].rstrip() + "..."


# headline


def _closed(dataset: Reading) -> list[str]:
    structure = dataset._labels.structure
    names = ", ".join(structure.members) or "none"
    return [f"<cfdb Dataset, closed> {structure.store.name}", f"{count(len(structure.members), 'variable')}: {names}"]


def _remembering() -> Ask:
    """Ask every variable once what is stored of it: large ones take their time."""
    found: dict[str, Stored] = {}

    def ask(view: View) -> Stored:
        if view.id not in found:
            found[view.id] = view.stored()
        return found[view.id]

    return ask


def _headline(dataset: Reading, ask: Ask) -> list[str]:
    if isinstance(dataset, Group):
        mode = f"open for {'writing' if dataset.writable else 'reading'}"
        return [f"<cfdb group {dataset.path!r}> of {dataset._labels.structure.store.name}, {mode}"]
    if not isinstance(dataset, Dataset):
        return [f"<cfdb part of a dataset> {dataset._labels.structure.store.name}"]
    uri = getattr(dataset, "remote_uri", None)
    title = f"<cfdb {type(dataset).__name__}>"
    if uri is None:
        return [f"{title} {_place(dataset)}, {_mode(dataset)}"]
    return [f"{title} {uri}", f"Here:       {_local(dataset, ask)}, {_place(dataset)}, {_mode(dataset)}"]


def _mode(dataset: Dataset) -> str:
    return f"open for {'writing' if dataset.writable else 'reading'}"


def _place(dataset: Dataset) -> str:
    path = dataset.file_path
    if path is None:
        return "in memory"
    size = f" ({byte_size(path.stat().st_size)})" if path.exists() else ""
    return f"{path.name}{size}"


def _local(dataset: Dataset, ask: Ask) -> str:
    """Say how much of a dataset that lives elsewhere is here."""
    stored = [ask(variable) for variable in dataset.variables]
    return f"{part(sum(each.local for each in stored), sum(each.chunks for each in stored), 'chunk')} local"


# dimensions


def _dimensions(dataset: Reading, width: int) -> list[str]:
    unlimited = dataset.unlimited_dims if isinstance(dataset, Dataset) else ()
    return _wrapped("Dimensions: ", _sizes(dataset.sizes, unlimited) or ["none"], width)


def _groups(dataset: Reading, width: int) -> list[str]:
    groups = dataset._labels.structure.groups
    inside = {path: sum(name.startswith(f"{path}/") for name in dataset.var_names) for path in groups}
    items = [f"{path} ({count(number, 'variable')})" for path, number in inside.items()]
    more = [f"... and {len(items) - MOST_VARIABLES} more"] if len(items) > MOST_VARIABLES else []
    return _wrapped("Groups:     ", [*items[:MOST_VARIABLES], *more], width) if items else []


def _files(dataset: Reading, width: int) -> list[str]:
    if not isinstance(dataset, Dataset):
        return []
    items = [f"{name} ({byte_size(size)})" for name, size in dataset.files.sizes.items()]
    more = [f"... and {len(items) - MOST_VARIABLES} more"] if len(items) > MOST_VARIABLES else []
    return _wrapped("Files:      ", [*items[:MOST_VARIABLES], *more], width) if items else []


def _sizes(sizes: Mapping[str, int], unlimited: Sequence[str] = ()) -> list[str]:
    return [f"{name or 'new'} {size:,}{' (unlimited)' if name in unlimited else ''}" for name, size in sizes.items()]


def _wrapped(title: str, items: Sequence[str], width: int) -> list[str]:
    """Put items behind a title, on as many lines as they need."""
    lines = [title]
    for number, item in enumerate(items):
        text = item + ("," if number < len(items) - 1 else "")
        if len(lines[-1]) + len(text) > width and lines[-1].strip() != title.strip():
            lines.append(" " * len(title))
        lines[-1] += text + " "
    return [line.rstrip() for line in lines]


# variables


def _coordinates(coordinates: Sequence[View], width: int) -> list[str]:
    rows = [
        (cut(each.name, width // 3), _type(each), _ends(each), _units(each), _dims(each) if _has_dims(each) else "")
        for each in coordinates[:MOST_VARIABLES]
    ]
    return [*(["Coordinates"] if rows else []), *columns(rows), *_more(coordinates)]


def _section(title: str, variables: Sequence[View], width: int, ask: Ask) -> list[str]:
    shown = variables[:MOST_VARIABLES]
    rows = [(cut(v.name, width // 3), _dims(v), _type(v), _units(v), _stored(v, ask(v))) for v in shown]
    # dimensions give way so that what is stored fits
    others = [max((len(row[column]) + 2 for row in rows), default=0) for column in (0, 2, 3, 4)]
    room = max(16, width - sum(others) - 2)
    lines = columns((row[0], cut(row[1], room), *row[2:]) for row in rows)
    shapes = [f" of {_shape(v.chunk_shape)}" if v.chunk_shape else "" for v in shown]
    lines = [line + shape if len(line + shape) <= width else line for line, shape in zip(lines, shapes, strict=True)]
    return [*([title] if rows else []), *lines, *_more(variables)]


def _has_dims(coordinate: View) -> bool:
    """Tell whether the dimensions are worth writing: labels have the one of their own name."""
    return coordinate.dims not in ((), (coordinate.name,))


def _units(view: View) -> str:
    """Write the units; those of times say nothing once dates are shown."""
    return "" if view.dtype.calendar else view.units or ""


def _more(variables: Sequence[View]) -> list[str]:
    hidden = len(variables) - MOST_VARIABLES
    return [f"  ... and {count(hidden, 'more variable')}"] if hidden > 0 else []


def _dims(view: View) -> str:
    return f"({', '.join(name or 'new' for name in view.dims)})"


def _type(view: View) -> str:
    dtype = view.dtype
    if dtype.is_packed:
        return f"{dtype.name} as {dtype.dtype_encoded.name}"
    if dtype.keep_bits is not None:
        return f"{dtype.name} to {dtype.keep_bits} bits"
    if dtype.kind == "f" and dtype.precision is not None:
        return f"{dtype.name} to {dtype.precision} decimals"
    return f"time ({dtype.calendar})" if dtype.calendar else dtype.name


def _facts(view: View) -> Iterator[str]:
    yield _type(view)
    if view.units:
        yield view.units
    yield f"{byte_size(view.nbytes)}{'' if view._selection is None else ' selected'}"


def _missing(view: View) -> str:
    return "" if view.fill_value is None else f"fill_value {view.fill_value!s}"


def _chunks_of(view: View) -> Iterator[str]:
    stored = view.stored()
    yield f"{len(view._array.grid):,} of shape {_shape(view.chunk_shape)}"
    yield f"{stored.chunks:,} written"
    yield byte_size(stored.nbytes)
    if stored.local < stored.chunks:
        yield f"{part(stored.local, stored.chunks, 'chunk')} local ({byte_size(stored.local_bytes)})"
    if view._selection is not None:
        yield f"{count(view.n_chunks, 'chunk')} selected"


def _stored(view: View, stored: Stored) -> str:
    """Write what is stored, in short."""
    total = len(view._array.grid)
    size = byte_size(stored.nbytes)
    if stored.local < stored.chunks:
        return f"{size}, {part(stored.local, stored.chunks, 'chunk')} local"
    if stored.chunks < total:
        return f"{size}, {part(stored.chunks, total, 'chunk')} written"
    return f"{size} in {count(total, 'chunk')}"


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})"


# values of coordinates


def _ends(view: View) -> str:
    """Write the first and the last value; of scalars the value, of other shapes nothing."""
    if view.ndim > 1:
        return ""
    if not view.size:
        return "empty"
    if view.role != "coordinate" and not _is_here(view):
        return "not loaded"
    try:
        return _ends_of(view)
    except Exception as error:  # printing must work where reading does not: offline, damaged, of an unknown calendar
        return f"unreadable ({type(error).__name__})"


def _is_here(view: View) -> bool:
    stored = view.stored()
    return stored.local == stored.chunks


def _ends_of(view: View) -> str:
    if view.dtype.kind == "G":  # as text, which needs no other package
        ends = [view] if view.ndim == 0 else [view[:1], view[-1:]][: view.size]
        return " ... ".join(cut(_wkt(end), 24) for end in ends)
    if view.ndim == 0:
        return _text(view.read()[()])
    if view.nbytes <= SMALL_COORDINATE:
        values = view.values
        first, last = values[0], values[-1]
    else:
        first, last = view[:1].read()[0], view[-1:].read()[0]
    return _text(first) if view.size == 1 else f"{_text(first)} ... {_text(last)}"


def _wkt(view: View) -> str:
    """Write a single geometry as it is stored."""
    cell = view._array.read(view._selected()).item()
    return str(cell.decode()) if isinstance(cell, bytes) else str(cell)


def _text(value: Any) -> str:
    if isinstance(value, np.datetime64):
        text = str(value)
        return text.removesuffix("T00:00:00").removesuffix("T00:00")
    if hasattr(value, "isoformat"):
        return str(value.isoformat()).removesuffix("T00:00:00")
    if isinstance(value, float | np.floating):
        return f"{value:.{_DIGITS}g}"
    return cut(repr(value) if isinstance(value, str | bytes) else str(value), 24)


# attributes


def _attributes(attrs: Mapping[str, Any], width: int) -> list[str]:
    if not attrs:
        return []
    shown = list(attrs.items())[:MOST_ATTRIBUTES]
    lines = [cut_end(f"  {name}: {_value(value)}", width) for name, value in shown]
    hidden = len(attrs) - len(shown)
    return ["Attributes", *lines, *([f"  ... and {hidden} more"] if hidden else [])]


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else np.array2string(value, threshold=6) if _is_array(value) else str(value)
    return " ".join(text.split())


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)
