"""What can be done with any part of a variable?

`View` puts together what `Part` is, what can be asked of it, and how parts of it are selected and assigned.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from cfdb.conventions import geometries
from cfdb.errors import DataTypeError, ShapeError
from cfdb.model.asking import Asking
from cfdb.model.flags import means_the_same, meant
from cfdb.model.hints import not_offered
from cfdb.model.iterating import Iterating
from cfdb.model.labels import SIMPLE, Loc, by_dimension, known_dims, refuse_pointwise
from cfdb.model.pointwise import Pointwise
from cfdb.model.reducing import Reducing
from cfdb.plan.indexing import Selection

Array = npt.NDArray[Any]
Key = Any


class View(Iterating, Reducing, Pointwise, Asking):
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
        get, put = self.__getitem__, self.__setitem__
        return Loc(self._labels, self.dims, self._label_axis, get, put, self._what, self._member.dims)

    def isel(self, positions: Mapping[str, Any] | None = None, *, missing_dims: str = "raise", **named: Any) -> "View":
        """Select by position.

        Parameters
        ----------
        positions : dict, optional
            Integers (which drop the dimension), slices, lists or masks by dimension; also as keywords.
        missing_dims : {'raise', 'warn', 'ignore'}
            What to do about dimensions that the variable does not have.

        Returns
        -------
        View
            Not read yet; several lists select rows and columns.

        Examples
        --------
        >>> import numpy as np
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = (("y", "x"), np.arange(6.0).reshape(2, 3))
        ...     ds["t"].isel(x=-1).values
        array([2., 5.])
        """
        dims = self.dims
        chosen = self._known(by_dimension(positions, named), dims, missing_dims)
        return self[tuple(chosen.get(name, slice(None)) for name in dims)]

    def sel(
        self, labels: Mapping[str, Any] | None = None, *, method: str | None = None, tolerance: Any = None, **named: Any
    ) -> "View":
        """Select by label.

        Parameters
        ----------
        labels : dict, optional
            Labels (which drop the dimension), slices, lists or masks by dimension; also as keywords. Both ends of a
            slice are inclusive; a date that leaves something open (``'2020-01'``) is a period.
        method : {None, 'nearest', 'pad', 'ffill', 'backfill', 'bfill'}
            What to take when a label is not there: the nearest, the one before, or the one behind.
        tolerance : number or timedelta, optional
            Largest distance accepted with a method.

        Returns
        -------
        View
            Not read yet; several lists select rows and columns.

        Raises
        ------
        LabelNotFoundError
            If a label is missing; the message names the nearest.

        Examples
        --------
        >>> import numpy as np
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     lat = ds.create.coord.generic("lat", data=[60.0, 50.0, 40.0])
        ...     ds["t"] = ("lat", np.array([3.0, 2.0, 1.0]))
        ...     ds["t"].sel(lat=slice(60, 50)).values, float(ds["t"].sel(lat=41, method="nearest"))
        (array([3., 2.]), 1.0)
        """
        dims = self.dims
        chosen = self._known(by_dimension(labels, named), dims)
        locate, axis = self._labels.locate, self._label_axis
        return self[
            tuple(
                locate(name, chosen[name], method, tolerance, axis(name)) if name in chosen else slice(None)
                for name in dims
            )
        ]

    select = isel
    select_loc = sel

    def within(self, region: Any, predicate: str = "covered_by") -> npt.NDArray[np.bool_]:
        """Tell which geometries lie in a region; the mask selects with `isel`.

        Parameters
        ----------
        region : geometry, str or sequence of 4 numbers
            A polygon or another geometry, its WKT, or a box (x_min, y_min, x_max, y_max), in the units of the
            coordinates.
        predicate : {'covered_by', 'within', 'intersects'}
            Wholly in the region or on its edge; wholly in it and not all on its edge; any part of it.

        Returns
        -------
        ndarray of bool
            As this variable is shaped; missing geometries lie nowhere.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n", "ts_ortho") as ds:
        ...     places = ds.create.coord.point([(170.5, -45.9), (174.8, -41.3)])
        ...     ds["rain"] = ("point", [7.0, 9.0])
        ...     ds["rain"].isel(point=places.within((174, -42, 176, -40))).values
        array([9.])
        """
        if self.dtype.kind != "G":
            raise DataTypeError(f"{self.name!r} holds {self.dtype}, no geometries: compare its values instead")
        return geometries.within(self._load_implicitly(), region, predicate)

    def squeeze(self, dim: str | Sequence[str] | None = None) -> "View":
        """Drop dimensions of length 1.

        Parameters
        ----------
        dim : str or sequence of str, optional
            Which; None is all of them.
        """
        wanted = None if dim is None else {dim} if isinstance(dim, str) else set(dim)
        self._known(dict.fromkeys(wanted or ()), self.dims)
        long = [name for name in wanted or () if self.sizes[name] != 1]
        if long:
            raise ShapeError(f"cannot squeeze {long[0]!r} of {self.name!r}: it has {self.sizes[long[0]]} positions")
        return self[
            tuple(
                0 if size == 1 and (wanted is None or name in wanted) else slice(None)
                for name, size in zip(self.dims, self.shape, strict=True)
            )
        ]

    def _known(self, chosen: dict[str, Any], dims: tuple[str, ...], missing_dims: str = "raise") -> dict[str, Any]:
        """Check what is chosen: dimensions that are there, and nothing that xarray would take point by point."""
        plain = missing_dims == "raise"
        for name, key in chosen.items():
            plain = plain and name in dims and isinstance(key, SIMPLE)
        if plain:
            return chosen
        chosen = known_dims(self._labels, chosen, dims, self._what(), self._member.dims, missing_dims)
        refuse_pointwise(chosen)
        return chosen

    def __getattr__(self, name: str) -> Any:
        if hasattr(type(self), name):
            return object.__getattribute__(self, name)  # raises again what the property raised
        raise not_offered(name, type(self), self._kind)

    def _at(self, selection: Selection) -> "View":
        return View(self._member, self._array, self.attrs, self._labels, selection)

    # meanings

    def __eq__(self, other: object) -> Any:
        found = meant(self, other)
        return super().__eq__(other) if found is None else found

    def __ne__(self, other: object) -> Any:
        found = meant(self, other)
        return super().__ne__(other) if found is None else ~found

    __hash__ = None  # type: ignore[assignment]

    # assigning

    def set(self, key: Key, data: Any, decoded: bool = True) -> None:
        """Assign values, or (`decoded=False`) stored codes."""
        selection = self._taken(key)
        self._labels.check_writable(self._member)
        self._write(selection, data, encoded=not decoded)

    def _write(self, selection: Selection, value: Any, *, encoded: bool = False) -> None:
        values = value.read() if isinstance(value, View) else value
        if isinstance(value, View) and not encoded and not means_the_same(value.dtype, self.dtype):
            values = value.flags.decode()
        self._labels.guard(self._member)
        try:
            self._codec.write(selection, values, encoded=encoded)
        finally:
            self._member.version += 1  # also when a part was written
