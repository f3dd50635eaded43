"""What does the difference of two versions of a dataset look like?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.comparing.diff_values import Matched, missing_cells
from cfdb.analysis.comparing.difference import DatasetDifference, Index, VariableDifference
from cfdb.errors import VariableNotFoundError

#: Cells of a picture along each axis; a larger field is drawn with a step.
MOST_PIXELS = 1000


def plot_difference(
    found: DatasetDifference, variable: str | None = None, path: Any = None, at: Sequence[int] | None = None
) -> Any:
    """Draw which chunks of a variable changed, and the difference of one of its fields.

    Parameters
    ----------
    found : DatasetDifference
        The difference.
    variable : str, optional
        The variable; by default the one with the most changed chunks.
    path : str or path, optional
        Where to save the picture.
    at : sequence of int, optional
        Positions along all but the last two dimensions, in the new version.

    Returns
    -------
    matplotlib.figure.Figure, or the path
    """
    figures = _matplotlib()
    one = found[variable] if variable is not None else _most_changed(found)
    if one.kind != "changed" or found.opened is None:
        raise ValueError(f"{one.name!r} was {one.kind}: there is nothing to compare it with")
    with found.opened() as (old, new):
        figure = figures.Figure(figsize=(11, 4.5), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_chunks(left, one, new[one.name], _chunk_numbers(new, one.name))
        _draw_field(figure, right, old, new, one, at)
    if path is None:
        return figure
    figure.savefig(path, dpi=120)
    return path


def _matplotlib() -> Any:
    try:
        from matplotlib import figure
    except ImportError as error:
        raise ImportError("pictures need the package matplotlib: pip install cfdb[demo]") from error
    return figure


def _most_changed(found: DatasetDifference) -> VariableDifference:
    changed = [one for one in found.variables.values() if one.kind == "changed" and one.chunks]
    if not changed:
        raise VariableNotFoundError("no variable has chunks that changed: there is nothing to draw")
    return max(changed, key=lambda one: one.chunks)


def chunk_counts(chunks: Sequence[Index], numbers: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
    """Count changed chunks along the last two axes.

    Parameters
    ----------
    chunks : sequence of tuple of int
        Numbers of the chunks along every axis.
    numbers : two sequences of int
        The chunk numbers along the last two axes, in the order of their positions.

    Returns
    -------
    array of int, shape (rows, columns)
        How many chunks changed, whatever their numbers along the other axes; long axes are drawn together.

    Examples
    --------
    >>> chunk_counts([(0, 1, 1), (5, 1, 1), (5, 2, 3)], ([0, 1, 2], [1, 3])).tolist()
    [[0, 0], [2, 0], [0, 1]]
    """
    steps = [max(1, -(-len(some) // MOST_PIXELS)) for some in numbers]
    axes = list(zip(numbers, steps, strict=True))
    places = [{number: place // step for place, number in enumerate(some)} for some, step in axes]
    counts = np.zeros([max(1, -(-len(some) // step)) for some, step in axes], np.int64)
    for index in chunks:
        row, line = (0, 0, *index)[-2:]
        if row in places[0] and line in places[1]:
            counts[places[0][row], places[1][line]] += 1
    return counts


def _chunk_numbers(dataset: Any, name: str) -> list[list[int]]:
    """Chunk numbers along the last two axes of a variable, in the order of their positions."""
    member = dataset._structure.member(name)
    found = [
        list(dict.fromkeys((dim.slots.slots(range(dim.size)) // length).tolist()))
        for dim, length in zip(member.dims, member.record.chunk_shape, strict=True)
    ]
    return [[0], [0], *found][-2:]


def _draw_chunks(axes: Any, one: VariableDifference, variable: Any, numbers: Sequence[Sequence[int]]) -> None:
    chunks = (*one.added, *one.changed, *one.deleted)
    names = ["", "", *variable.dims][-2:]
    axes.set(title=f"{one.name}: {len(chunks)} chunks differ", xlabel=f"chunks along {names[1]}", ylabel=names[0])
    counts = np.ma.masked_equal(chunk_counts(chunks, numbers), 0)
    image = axes.imshow(counts, aspect="auto", cmap="viridis", vmin=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_major_locator().set_params(integer=True)
    axes.figure.colorbar(image, ax=axes, label="chunks that differ")


def difference_field(
    old: Any, new: Any, one: VariableDifference, at: Sequence[int] | None
) -> tuple[npt.NDArray[np.float64], tuple[int, ...]]:
    """Give new minus old along the last two dimensions, in the cells that both versions have.

    Returns
    -------
    array of float64, shape (rows, columns)
        NaN where a cell is missing in either.
    tuple of int
        The position along the other dimensions, in the new version.
    """
    renamed = [field.old for field in one.fields if field.name == "name"]
    was, now = old[renamed[0] if renamed else one.name], new[one.name]
    members = old._structure.member(was.name), new._structure.member(now.name)
    matched = [Matched.of(*pair) for pair in zip(members[0].dims, members[1].dims, strict=True)]
    lead = max(0, len(matched) - 2)
    chosen = _chosen(matched, one, now, lead) if at is None else tuple(at)
    if len(chosen) != lead:
        raise ValueError(f"at={at!r}: {one.name!r} has {lead} dimensions beside the last two")
    select_old: list[Any] = []
    select_new: list[Any] = []
    for number, (axis, size) in enumerate(zip(matched, now.shape, strict=True)):
        positions = np.array([chosen[number]]) if number < lead else np.arange(0, size, -(-size // MOST_PIXELS) or 1)
        before = axis.old.indexes(axis.new.slots(positions)) if axis.by_slot else positions
        there = (before >= 0) & (before < axis.old.size)
        select_old.append(before[there].tolist())
        select_new.append(positions[there].tolist())
    if not all(select_new):
        raise ValueError(f"at={at!r}: the old version of {one.name!r} has nothing there")
    pair = [np.ma.asanyarray(v[tuple(s)].values) for v, s in ((was, select_old), (now, select_new))]
    return _subtracted(*pair), chosen


def _chosen(matched: Sequence[Matched], one: VariableDifference, now: Any, lead: int) -> tuple[int, ...]:
    """The first position in the first changed chunk that both versions have."""
    for index in (*one.changed, *one.added, *one.deleted):
        shared = [matched[n].of_chunk(index[n], now.chunk_shape[n]).new for n in range(lead)]
        if all(len(positions) for positions in shared):
            return tuple(int(positions[0]) for positions in shared)
    return (0,) * lead


def _subtracted(old: Any, new: Any) -> npt.NDArray[np.float64]:
    missing = missing_cells(old) | missing_cells(new)
    old, new = np.ma.getdata(old), np.ma.getdata(new)
    if new.dtype.kind in "mM":
        field = (new - old) / np.timedelta64(1, "s")
    elif new.dtype.kind in "biufc":
        field = new.astype(np.result_type(new, np.float64)) - old.astype(np.result_type(old, np.float64))
        field = np.abs(field) if field.dtype.kind == "c" else field
    else:
        field = (old != new).astype(np.float64)
    found = np.where(missing, np.nan, np.asarray(field, np.float64))
    return found.reshape((1, 1, *found.shape)[-2:])


def _draw_field(figure: Any, axes: Any, old: Any, new: Any, one: VariableDifference, at: Sequence[int] | None) -> None:
    field, chosen = difference_field(old, new, one, at)
    names = ["", "", *new[one.name].dims]
    where = ", ".join(f"{name}={number}" for name, number in zip(names[2:], chosen, strict=False))
    axes.set(title=f"new - old{f' at {where}' if where else ''}", xlabel=names[-1], ylabel=names[-2])
    limit = float(np.nanmax(np.abs(field))) if np.isfinite(field).any() else 0.0
    if field.shape[0] == 1:
        axes.plot(field[0], drawstyle="steps-mid")
        return
    image = axes.imshow(field, cmap="RdBu_r", vmin=-limit or None, vmax=limit or None, aspect="auto")
    figure.colorbar(image, ax=axes, label=getattr(new[one.name], "units", None) or "")
