"""At which positions of a coordinate do geometries lie?

A geometry selects the position that holds it: the same within the precision of the coordinate, whichever way a line
runs. Geometries have no order, so that a slice runs from one label to another by position, and ``'nearest'`` is the
nearest in the plane of the coordinates: in degrees where these are degrees.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.conventions.geometries import Finder, normalise
from cfdb.errors import DataTypeError, EncodingError, LabelNotFoundError, SelectionError
from cfdb.plan.indexing import Axis, Positions, Range

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class GeometryIndex:
    """Geometries of a coordinate, ready to be looked up.

    Attributes
    ----------
    values : ndarray of object
        shapely's geometries, 1-D, unique and none missing.
    name : str
        Name of the coordinate, for messages.
    kind : str
        ``'point'``, ``'line'`` or ``'polygon'``.
    precision : int or None
        Decimals of the coordinates: labels are rounded to them.

    Examples
    --------
    >>> import shapely
    >>> stations = GeometryIndex(shapely.points([[170.5, -45.9], [174.8, -41.3]]), "geom", "point", 5)
    >>> stations.locate("POINT (174.8 -41.3)"), stations.locate(shapely.Point(175, -41), "nearest", tolerance=1)
    (1, 1)
    """

    values: Array
    name: str
    kind: str
    precision: int | None
    _finder: Finder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_finder", Finder(self.values))

    def locate(self, label: Any, method: str | None = None, tolerance: Any = None) -> "int | Axis":
        """Find the positions of labels.

        Parameters
        ----------
        label : geometry, WKT, slice, list or array of these, mask, or coordinates of points
            What to find.
        method : {None, 'nearest'}
            What to take when a label is not there.
        tolerance : float, optional
            Largest distance `method` may bridge, in units of the coordinates.

        Returns
        -------
        int, Range or Positions
            An int drops the dimension, as in NumPy.

        Raises
        ------
        LabelNotFoundError
            If a label is missing; the message names the nearest.
        SelectionError
            If something cannot be a label of this coordinate.
        """
        if method not in (None, "nearest"):
            raise SelectionError(f"method={method!r}: the geometries of {self.name!r} have no order, only a 'nearest'")
        if isinstance(label, slice):
            if method is not None:
                raise SelectionError("method='nearest' cannot be used with a slice of geometries")
            return self._locate_slice(label)
        if isinstance(label, list | np.ndarray) and len(label) and np.asarray(label).dtype.kind == "b":
            return self._mask(np.asarray(label))
        wanted = self._read(label)
        if not wanted.ndim:
            return self._place(wanted[()], method, tolerance)
        if wanted.ndim > 1:
            raise SelectionError(f"{self.name!r}: labels in {wanted.ndim} dimensions cannot select along one axis")
        return Positions(np.array([self._place(each, method, tolerance) for each in wanted], np.int64))

    def _mask(self, mask: Array) -> Positions:
        if mask.shape != self.values.shape:
            raise SelectionError(f"the mask has {mask.size} entries; {self.name!r} has {self.values.size}")
        return Positions(np.flatnonzero(mask))

    def _locate_slice(self, key: slice) -> Range:
        step = 1 if key.step is None else key.step
        if isinstance(step, bool) or not isinstance(step, int | np.integer) or step == 0:
            raise SelectionError(f"{self.name!r}: the step of a slice of labels is a number of positions, not {step!r}")
        first, last = (key.stop, key.start) if step < 0 else (key.start, key.stop)
        low = 0 if first is None else self._place(self._read(first)[()])
        high = self.values.size if last is None else self._place(self._read(last)[()]) + 1
        count = len(range(low, high, abs(int(step))))
        return Range(high - 1 if step < 0 and count else low, count, int(step))

    def _read(self, label: Any) -> Array:
        """Bring a label, or several, into the form of the coordinate."""
        try:
            return normalise(label, self.kind, self.precision, f"a label of {self.name!r}")
        except (DataTypeError, EncodingError) as error:
            region = getattr(label, "geom_type", "") in ("Polygon", "MultiPolygon")
            hint = f"; what lies inside an area is selected with .within(area) of {self.name!r}" if region else ""
            raise SelectionError(f"{error}{hint}") from error

    def _place(self, label: Any, method: str | None = None, tolerance: Any = None) -> int:
        if label is None:
            raise LabelNotFoundError(f"None is not in {self.name!r}: a missing value is no label")
        place = self._finder.place(label)
        if place is not None:
            return place
        near = self._finder.nearest(label)
        if method is not None and near is not None and (tolerance is None or near[1] <= tolerance):
            return near[0]
        within = "" if method is None or tolerance is None else f" within {tolerance}"
        nearest = f"the nearest label is {self.values[near[0]]}, {near[1]:.6g} away" if near else "it has no labels"
        raise LabelNotFoundError(f"{label} is not in {self.name!r}{within}; {nearest}")
