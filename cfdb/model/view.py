"""What can be done with any part of a variable?

`View` puts together what `Part` is, what can be asked of it, and how parts of it are selected and assigned.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from cfdb.errors import SelectionError
from cfdb.model.asking import Asking
from cfdb.model.iterating import Iterating
from cfdb.model.labels import Loc, refuse_pointwise
from cfdb.model.points import Points
from cfdb.model.reducing import Reducing
from cfdb.plan.indexing import Selection

Array = npt.NDArray[Any]
Key = Any


class View(Iterating, Reducing, Asking):
    """A part of a variable, not read yet.

    NumPy's functions and operators read it and give arrays; assigning to it writes to the variable.
    """

    __slots__ = ()
    _kind: ClassVar[str] = "view"

    # selecting

    def __getitem__(self, key: Key) -> "View":
        return self._at(self._taken(key))

    def __setitem__(self, key: Key, value: Any) -> None:
        selection = self._taken(key)
        self._labels.check_writable(self._member)
        self._write(selection, value)

    @property
    def loc(self) -> Loc["View"]:
        """Select and assign by label; both ends of a slice are inclusive."""
        return Loc(self._labels, self.dims, self._label_values, self.__getitem__, self.__setitem__)

    @property
    def vindex(self) -> Points:
        """Select and assign single cells, given by one array of positions per dimension."""
        return Points(self.name, self._selected(), self._read_points, self._write_points)

    def isel(self, positions: Mapping[str, Any] | None = None, **named: Any) -> "View":
        """Select by position.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = (("y", "x"), np.arange(6.0).reshape(2, 3))
        ...     ds["t"].isel(x=-1).values
        array([2., 5.])
        """
        chosen = {**(positions or {}), **named}
        self._check_dims(chosen)
        refuse_pointwise(chosen)
        return self[tuple(chosen.get(name, slice(None)) for name in self.dims)]

    def sel(
        self, labels: Mapping[str, Any] | None = None, *, method: str | None = None, tolerance: Any = None, **named: Any
    ) -> "View":
        """Select by label.

        Parameters
        ----------
        labels : dict, optional
            Labels, lists or slices of labels by dimension; also as keywords.
        method : {None, 'nearest', 'pad', 'backfill'}
            What to take when a label is not there.
        tolerance : optional
            Largest distance accepted with a method.
        """
        chosen = {**(labels or {}), **named}
        self._check_dims(chosen)
        refuse_pointwise(chosen)
        key = tuple(
            self._labels.positions(name, self._label_values(name), chosen[name], method, tolerance)
            if name in chosen
            else slice(None)
            for name in self.dims
        )
        return self[key]

    select = isel
    select_loc = sel

    def _check_dims(self, chosen: Mapping[str, Any]) -> None:
        unknown = [name for name in chosen if name not in self.dims]
        if unknown:
            raise SelectionError(
                f"{self.name!r} has no dimension {unknown[0]!r}; its dimensions are {', '.join(map(repr, self.dims))}"
            )

    def _at(self, selection: Selection) -> "View":
        return View(self._member, self._array, self.attrs, self._labels, selection)

    # assigning

    def set(self, key: Key, data: Any, decoded: bool = True) -> None:
        """Assign values, or (`decoded=False`) stored codes."""
        selection = self._taken(key)
        self._labels.check_writable(self._member)
        self._write(selection, data, encoded=not decoded)

    def _write(self, selection: Selection, value: Any, *, encoded: bool = False) -> None:
        values = value.read() if isinstance(value, View) else value
        self._labels.guard(self._member)
        try:
            self._codec.write(selection, values, encoded=encoded)
        finally:
            self._member.version += 1  # also when a part was written

    def _read_points(self, points: list[Array], shape: tuple[int, ...]) -> Array:
        return self._codec.present(self._array.read_points(points).reshape(shape), self._labels.masked)

    def _write_points(self, points: list[Array], shape: tuple[int, ...], value: Any) -> None:
        self._labels.check_writable(self._member)
        self._labels.guard(self._member)
        stored = self._codec.encode(value)
        self._array.write_points(points, np.broadcast_to(stored, shape, subok=True).reshape(-1))
        self._member.version += 1
