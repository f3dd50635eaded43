"""Which cells does a pointwise selection name?"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import SelectionError
from cfdb.plan.indexing import Positions, Selection, select

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

#: Cells whose positions are spread out at a time.
MOST_POINTS = 2**19


class Points:
    """Pointwise selection: ``var.vindex[rows, columns]`` gives one value per pair, ``var.vindex[mask]`` those marked.

    Parameters
    ----------
    name : str
        Name of the variable, for messages.
    selection : Selection
        The part that is indexed.
    read, write : callable
        Take flat positions along every axis of the variable and the shape they came in.
    """

    __slots__ = ("_name", "_read", "_selection", "_write")

    def __init__(
        self,
        name: str,
        selection: Selection,
        read: Callable[[list[Array], Shape], Array],
        write: Callable[[list[Array], Shape, Any], None],
    ) -> None:
        self._name = name
        self._selection = selection
        self._read = read
        self._write = write

    def __getitem__(self, key: Any) -> Array:
        return self._read(*self._points(key))

    def gather(self, arrays: Sequence[Array]) -> Array:
        """Read cells whose positions broadcast to many, some of them at a time.

        Positions take several times the room of a value, so that they are spread out for a part of the result only: a
        stretch of the axis along which the largest of the arrays lies alone.
        """
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        count = prod(shape)
        if count <= MOST_POINTS:
            return self[tuple(arrays)]
        alone = [axis for axis in range(len(shape)) if sum(array.shape[axis] > 1 for array in arrays) == 1]
        axis = max(alone or range(len(shape)), key=lambda number: shape[number])
        step = max(1, MOST_POINTS * shape[axis] // count)
        parts = [
            self[tuple(_stretch(array, axis, start, start + step) for array in arrays)]
            for start in range(0, shape[axis], step)
        ]
        join = np.ma.concatenate if any(isinstance(part, np.ma.MaskedArray) for part in parts) else np.concatenate
        joined: Array = join(parts, axis)
        return joined

    def __setitem__(self, key: Any, value: Any) -> None:
        self._write(*self._points(key), value)

    def _points(self, key: Any) -> tuple[list[Array], Shape]:
        parts = key if isinstance(key, tuple) else (key,)
        selection = self._selection
        if len(parts) == 1 and np.ndim(parts[0]) and np.asarray(parts[0]).dtype.kind == "b":
            parts = self._marked(np.asarray(parts[0]))
        if len(parts) != len(selection.shape):
            raise SelectionError(
                f".vindex of {self._name!r} takes one array of positions per dimension: {len(selection.shape)}, not "
                f"{len(parts)}"
            )
        arrays = [np.asarray(part) for part in parts]
        if not arrays or any(array.dtype.kind not in "iu" for array in arrays):
            raise SelectionError(f".vindex of {self._name!r} takes arrays of whole numbers")
        try:
            together = np.broadcast_arrays(*arrays)
        except ValueError as error:
            raise SelectionError(f".vindex of {self._name!r}: {error}") from error
        flat = dict(zip(selection.layout, (array.reshape(-1) for array in together), strict=True))
        count = together[0].size
        points = []
        for number, axis in enumerate(selection.axes):
            chosen = select(flat.get(number, np.zeros(count, np.int64)), (len(axis),)).axes[0]
            points.append(axis.take(Positions(chosen.positions())).positions())
        return points, together[0].shape

    def _marked(self, mask: Array) -> tuple[Array, ...]:
        """Positions of the cells that a mask of the whole shape marks."""
        if mask.shape != self._selection.shape:
            raise SelectionError(
                f".vindex of {self._name!r}: the mask has shape {mask.shape}, the values have {self._selection.shape}"
            )
        return mask.nonzero()


class LabelPoints:
    """Pointwise selection by label: ``var.vloc[latitudes, longitudes]`` gives one value per pair.

    Parameters
    ----------
    points : Points
        The same by position.
    dims : tuple of str
        Dimensions, in the order in which labels are given.
    find : callable
        Gives one position for every label of a dimension.
    """

    __slots__ = ("_dims", "_find", "_points")

    def __init__(self, points: Points, dims: tuple[str, ...], find: Callable[[str, Any], Array]) -> None:
        self._points = points
        self._dims = dims
        self._find = find

    def __getitem__(self, key: Any) -> Array:
        return self._points[self._positions(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._points[self._positions(key)] = value

    def _positions(self, key: Any) -> tuple[Array, ...]:
        parts = key if isinstance(key, tuple) else (key,)
        if len(parts) != len(self._dims):
            raise SelectionError(
                f".vloc takes one array of labels per dimension ({', '.join(map(repr, self._dims))}), not {len(parts)}"
            )
        return tuple(self._find(name, part) for name, part in zip(self._dims, parts, strict=True))


def _stretch(array: Array, axis: int, start: int, stop: int) -> Array:
    if array.shape[axis] == 1:
        return array
    stretched: Array = array[(slice(None),) * axis + (slice(start, stop),)]
    return stretched
