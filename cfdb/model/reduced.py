"""How does a reduction go along named dimensions, and how are its results labelled?"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.rechunk import check_budget
from cfdb.compute.reduce import Reduction
from cfdb.errors import SelectionError, ShapeError
from cfdb.model.labelled import LabelledArray
from cfdb.model.numbers import Wish, numeric_source, reduce_numbers
from cfdb.model.part import Part
from cfdb.model.weighing import weights_of
from cfdb.plan.periods import AxisGroups

Array = npt.NDArray[Any]

#: Operations whose results are no longer what the attributes tell of.
_OTHER_MEANING = ("count", "any", "all", "argmin", "argmax")
#: Operations that need at least one cell.
_NEEDS_CELLS = ("min", "max", "argmin", "argmax")


def axes_of(part: Part, dim: Any, axis: Any) -> tuple[int, ...]:
    """Find the axes to reduce: by names of dimensions, or by NumPy's numbers; None is all of them."""
    if dim is not None and axis is not None:
        raise TypeError("give dim= or axis=, not both")
    if dim is None or dim is ...:
        return _numbered(part, axis)
    names = (dim,) if isinstance(dim, str | int | np.integer) else tuple(dim)
    if names and all(isinstance(name, int | np.integer) for name in names):
        return _numbered(part, names)
    found = []
    for name in names:
        if name not in part.dims:
            raise SelectionError(
                f"{part.name!r} has no dimension {name!r}; its dimensions are {', '.join(map(repr, part.dims))}"
            )
        found.append(part.dims.index(name))
    return tuple(sorted(set(found)))


def _numbered(part: Part, axis: Any) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(part.ndim))
    numbers = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    for number in numbers:
        if not -part.ndim <= number < part.ndim:
            raise np.exceptions.AxisError(number, part.ndim)
    found = tuple(sorted(int(number) % part.ndim for number in numbers))
    if len(set(found)) < len(found):
        raise ValueError(f"axis={axis!r} names an axis twice")
    return found


def reduce_part(
    part: Part,
    wish: Wish,
    dim: Any = None,
    axis: Any = None,
    *,
    weights: Any = None,
    keepdims: bool = False,
    max_mem: int | str = 2**29,
    out: Array | None = None,
    groups: Sequence[AxisGroups] = (),
) -> Any:
    """Reduce a part along dimensions.

    Parameters
    ----------
    part : Part
        What is reduced.
    wish : Wish
        What is wanted; `weights` and `groups` are put in here.
    dim, axis : optional
        Dimensions by name, or by number as in NumPy.
    weights : optional
        As of `weights_of`.
    keepdims : bool
        Whether reduced dimensions stay, with length 1.
    max_mem : int or str
        Bytes it may take.
    out : ndarray, optional
        Where the result goes.
    groups : sequence of AxisGroups
        Along each grouped dimension.

    Returns
    -------
    LabelledArray, ndarray or scalar
        An ndarray where `axis` was given, a scalar where no dimension is left.
    """
    if not part.ndim:  # one cell, as an array that blocks can be made of
        axes_of(part, dim, axis)
        part, dim, axis, keepdims = part._at(part._taken(None)), None, None, False
    members = {part.dims.index(each.dim): [member.positions() for member in each.members] for each in groups}
    grouped = tuple(members)
    axes = tuple(sorted({*axes_of(part, dim, axis), *grouped}))
    _check_cells(part, wish, axes, grouped)
    found = weights_of(part, weights, axes, positive=wish.operation in ("std", "var"))
    task = Reduction(numeric_source(part, wish.skipna), axes, members, check_budget(max_mem), wish.skipna)
    values = reduce_numbers(part, task, replace(wish, weights=found))
    lead = values.shape[: values.ndim - len(task.shape)]
    left = [number for number in range(part.ndim) if number not in axes or number in grouped or keepdims]
    values = values.reshape((*lead, *(task.shape[number] for number in left)))
    if out is not None:
        return _into(out, values)
    if not left and not lead:
        return values[()]
    if axis is not None and not groups:
        return values
    dims = tuple(_dim(part, number, groups) for number in left)
    kept = [part.dims[number] for number in left if number not in axes]
    coords = {**_coordinates(part, kept), **{each.name: _labels(part, each) for each in groups}}
    return LabelledArray(part.name, ("quantile",) * len(lead) + dims, values, coords, _attributes(part, wish))


def _check_cells(part: Part, wish: Wish, axes: tuple[int, ...], grouped: tuple[int, ...]) -> None:
    """Refuse what NumPy refuses: the extreme of nothing."""
    if wish.operation not in _NEEDS_CELLS or grouped:
        return
    cells = prod(part.shape[axis] for axis in axes)
    results = prod(size for axis, size in enumerate(part.shape) if axis not in axes)
    if not cells and results:
        raise ValueError(f"{part.name!r} has no cells there (shape {part.shape}): {wish.operation}() of nothing")


def _into(out: Array, values: Array) -> Array:
    if out.shape != values.shape:
        raise ShapeError(f"out= has shape {out.shape}; the result has {values.shape}")
    out[...] = values
    return out


# labels


def _dim(part: Part, number: int, groups: Sequence[AxisGroups]) -> str:
    name = part.dims[number]
    return next((each.name for each in groups if each.dim == name), name)


def _coordinates(part: Part, kept: Sequence[str]) -> dict[str, LabelledArray]:
    """Give the coordinates that lie along what is kept."""
    found = {}
    for name, coordinate in part.coords.items():
        if set(coordinate.dims) <= set(kept):
            values = part._label_values(name) if name in kept else coordinate.read()
            found[name] = LabelledArray(name, coordinate.dims, values, {}, dict(coordinate.attrs))
    return found


def _labels(part: Part, groups: AxisGroups) -> LabelledArray:
    attrs = dict(part.coords[groups.dim].attrs) if groups.name == groups.dim and groups.dim in part.coord_names else {}
    return LabelledArray(groups.name, (groups.name,), groups.labels, {}, attrs)


def _attributes(part: Part, wish: Wish) -> dict[str, Any]:
    if wish.operation in _OTHER_MEANING:
        return {}
    return {name: value for name, value in part.attrs.items() if wish.operation != "var" or name != "units"}
