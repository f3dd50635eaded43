"""Where do values fulfil a condition?

What the file knows of its chunks tells which of them need not be read.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.conditions import Conditions
from cfdb.compute.rechunk import check_budget
from cfdb.compute.reduce_blocks import positions_of
from cfdb.compute.reduce_totals import read_boxes
from cfdb.compute.source import Box, Source
from cfdb.conventions.calendars import encode_times, parse_period
from cfdb.errors import DataTypeError, MemoryLimitError
from cfdb.model.matches import Matches
from cfdb.model.numbers import numeric_source, seen_values
from cfdb.model.part import Part

Array = npt.NDArray[Any]


class Finding(Part):
    """A part of a variable in which values can be found."""

    __slots__ = ()

    def where_chunks(
        self, *array: Any, gt: Any = None, ge: Any = None, lt: Any = None, le: Any = None, eq: Any = None
    ) -> list[Box]:
        """Find the chunks that may hold values within bounds, without reading any.

        Parameters
        ----------
        gt, ge, lt, le, eq : optional
            Bounds, all of which must be fulfilled: greater, greater or equal, less, less or equal, equal. Times also as
            text. Missing values fulfil none.

        Returns
        -------
        list of tuple
            Where the cells of each chunk lie in this part: a slice per dimension (positions where they do not follow
            each other), as ``var[...]`` takes them. Chunks of which nothing is known are among them.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     t = ds.create.data_var.generic("t", "x", data=np.arange(6.0), chunk_shape=(2,))
        ...     t.where_chunks(gt=2, le=4)
        [(slice(2, 4, 1),), (slice(4, 6, 1),)]
        """
        conditions = self._conditions(array, {"gt": gt, "ge": ge, "lt": lt, "le": le, "eq": eq})
        summaries = self._array.summaries(self._selected())
        return [each.box for each, possible in conditions.may_hold(summaries) if possible]

    def where(
        self,
        *array: Any,
        gt: Any = None,
        ge: Any = None,
        lt: Any = None,
        le: Any = None,
        eq: Any = None,
        limit: int | None = None,
        max_mem: int | str = 2**29,
    ) -> Matches:
        """Find the cells whose values lie within bounds; only chunks that may hold such are read.

        Parameters
        ----------
        gt, ge, lt, le, eq : optional
            As of `where_chunks`.
        limit : int, optional
            Stop when so many are found: the first ones in the order of the chunks.
        max_mem : int or str
            Bytes that the search and what is found may take.

        Returns
        -------
        Matches
            With ``positions`` (as of `numpy.nonzero`), ``values`` and ``labels``.

        Raises
        ------
        MemoryLimitError
            If more is found than `max_mem` holds.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["x"] = ("x", np.array([10, 20, 30]))
        ...     ds["t"] = ("x", np.array([1.5, 9.5, 4.5]))
        ...     print(ds["t"].where(gt=4))
        <2 matches in 't': 1 chunk read, 0 skipped>
           x    t
          20  9.5
          30  4.5
        """
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | np.integer) or limit < 1):
            raise ValueError(f"limit={limit!r}: give the number of matches to stop at")
        conditions = self._conditions(array, {"gt": gt, "ge": ge, "lt": lt, "le": le, "eq": eq})
        return _Search(self, conditions, limit, check_budget(max_mem)).run()

    def _conditions(self, array: tuple[Any, ...], given: dict[str, Any]) -> Conditions:
        if array:
            raise TypeError(
                f"where() of {self.name!r} takes bounds, as in where(gt=0), and gives the cells within them; to keep "
                "or replace values by a mask, use .to_xarray().where(mask, other)"
            )
        bounds = tuple((name, self._bound(name, value)) for name, value in given.items() if value is not None)
        if not bounds:
            raise TypeError("give one bound at least: gt=, ge=, lt=, le= or eq=")
        if self.dtype.kind in "cG":
            raise DataTypeError(f"{self.name!r} holds {self.dtype}, which has no order")
        return Conditions(bounds, self._array.dtype)

    def _bound(self, name: str, value: Any) -> Any:
        """Turn what a user gives into what the values are compared with."""
        if np.ndim(value):
            raise TypeError(f"{name}= is one value, not an array of shape {np.shape(value)}")
        dtype, wrong = self.dtype, None
        try:
            if dtype.kind == "M":
                return np.datetime64(value)
            if dtype.kind == "m":
                return np.timedelta64(value)
            if dtype.kind == "t":
                date = parse_period(value, str(dtype.calendar))[0] if isinstance(value, str) else value
                return encode_times(np.array([date]), str(dtype.units), str(dtype.calendar), np.float64)[0]
        except (TypeError, ValueError) as error:
            wrong = error
        if dtype.kind == "S" and isinstance(value, str):
            return value.encode()
        if dtype.kind == "e" and isinstance(value, str) and value in dict(dtype.members):
            return dict(dtype.members)[value]
        texts = isinstance(value, str | bytes)
        if wrong is not None or texts != (dtype.kind in "TS"):
            raise DataTypeError(
                f"{name}={value!r} cannot be compared with {self.name!r}, which holds {dtype}"
            ) from wrong
        return value


class _Search:
    """Goes through the chunks that may hold something."""

    def __init__(self, part: Part, conditions: Conditions, limit: int | None, max_mem: int) -> None:
        self._part = part
        self._conditions = conditions
        self._limit = limit
        self._max_mem = max_mem
        self._source: Source = numeric_source(part, True)
        self._cost = 3 * (8 * max(1, part.ndim) + self._source.itemsize + 8)
        self._places: list[npt.NDArray[np.int64]] = []
        self._values: list[Array] = []
        self._count = self._read = self._skipped = 0

    def run(self) -> Matches:
        """Search."""
        part = self._part
        summaries = part._array.summaries(part._selected())
        for box, values in read_boxes(self._source, self._likely(summaries), self._max_mem):
            self._look(box, values)
            if self._limit is not None and self._count >= self._limit:
                break
        return self._matches(self._limit is None or self._count < self._limit)

    def _likely(self, summaries: Any) -> Any:
        for each, possible in self._conditions.may_hold(summaries):
            if possible:
                self._read += 1
                yield each.box
            else:
                self._skipped += 1

    def _look(self, box: Box, values: Array) -> None:
        found = self._conditions.places(values)
        if not found.size:
            return
        self._count += found.size
        if self._count * self._cost > self._max_mem:
            raise MemoryLimitError(
                f"more than {self._count - found.size:,} cells of {self._part.name!r} lie within the bounds, which is "
                f"more than max_mem={self._max_mem:,} bytes hold: narrow the bounds, select less, set limit=, or raise "
                "max_mem"
            )
        inner = np.unravel_index(found, values.shape) if values.shape else ()
        outer = [positions_of(axis)[place] for axis, place in zip(box, inner, strict=True)]
        flat = np.ravel_multi_index(outer, self._part.shape) if outer else np.zeros(found.size, np.int64)
        self._places.append(flat.astype(np.int64))
        self._values.append(np.ma.getdata(values).reshape(-1)[found])

    def _matches(self, complete: bool) -> Matches:
        part = self._part
        places = np.concatenate([np.empty(0, np.int64), *self._places])[: self._limit]
        values = np.concatenate([np.empty(0, self._source.dtype), *self._values])[: self._limit]
        order = np.argsort(places, kind="stable")
        positions = np.unravel_index(places[order], part.shape) if part.shape else ()
        labels = {dim: part._label_values(dim)[axis] for dim, axis in zip(part.dims, positions, strict=True) if dim}
        shown = seen_values(values[order], part.dtype)
        return Matches(part.name, part.dims, tuple(positions), shown, labels, self._read, self._skipped, complete)
