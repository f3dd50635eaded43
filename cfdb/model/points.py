"""Which cells does a pointwise selection name?"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import SelectionError
from cfdb.plan.indexing import Positions, Selection, select

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


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
