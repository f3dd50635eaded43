"""Which numbers sum every group of a variable up?

Chunks are read in their order, each once: what belongs to a group is gathered wherever it stands.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cfdb.model.numbers import KINDS, Wish
from cfdb.model.reduced import reduce_part
from cfdb.model.reducing import as_dtype, check_freedom, find_quantiles

if TYPE_CHECKING:
    from cfdb.model.part import Part
    from cfdb.plan.periods import AxisGroups

Dims = str | Sequence[str] | None


class GroupReductions:
    """Reductions group by group.

    Each gives a `LabelledArray` with one position per group in place of the grouped dimension, and the labels of the
    groups as its coordinate. ``dim`` names further dimensions to reduce, ``...`` means all of them. Missing cells are
    left out, as by the methods of the same name of a variable, which tell more of the parameters.
    """

    __slots__ = ()
    part: "Part"
    groups: "tuple[AxisGroups, ...]"
    max_mem: int

    def _reduce(self, wish: Wish, dim: Any, weights: Any = None) -> Any:
        along = () if dim is None else dim
        return reduce_part(self.part, wish, along, weights=weights, max_mem=self.max_mem, groups=self.groups)

    def count(self, dim: Dims = None) -> Any:
        """Count the cells that are not missing."""
        return self._reduce(Wish("count"), dim)

    def sum(self, dim: Dims = None, *, skipna: bool = True, weights: Any = None, dtype: Any = None) -> Any:
        """Sum up; 0 where all cells are missing."""
        return self._reduce(Wish("sum", skipna, as_dtype(dtype)), dim, weights)

    def mean(self, dim: Dims = None, *, skipna: bool = True, weights: Any = None, dtype: Any = None) -> Any:
        """Take the mean.

        Parameters
        ----------
        dim : str or sequence of str, optional
            Dimensions to reduce beside the grouped one.
        skipna : bool
            Whether missing cells are left out; otherwise they make the result missing.
        weights : array-like, optional
            Along the reduced dimensions, or an array that names its own.
        dtype : optional
            Type of the result.

        Examples
        --------
        >>> import numpy as np
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["time"] = ("time", np.array(["2020-01-01", "2020-02-01", "2021-01-01"], "M8[D]"))
        ...     ds["t"] = ("time", np.array([1.0, 5.0, 3.0]))
        ...     print(ds["t"].groupby("time.month").mean())
        <LabelledArray 't' (month: 2) float64>
        [2. 5.]
        Coordinates:
            month (month) [1 2]
        """
        return self._reduce(Wish("mean", skipna, as_dtype(dtype)), dim, weights)

    def min(self, dim: Dims = None, *, skipna: bool = True) -> Any:
        """Find the smallest value."""
        return self._reduce(Wish("min", skipna), dim)

    def max(self, dim: Dims = None, *, skipna: bool = True) -> Any:
        """Find the largest value."""
        return self._reduce(Wish("max", skipna), dim)

    def std(
        self, dim: Dims = None, *, skipna: bool = True, weights: Any = None, ddof: float = 0, dtype: Any = None
    ) -> Any:
        """Take the standard deviation."""
        return self._reduce(Wish("std", skipna, as_dtype(dtype), ddof=check_freedom(ddof, weights)), dim, weights)

    def var(
        self, dim: Dims = None, *, skipna: bool = True, weights: Any = None, ddof: float = 0, dtype: Any = None
    ) -> Any:
        """Take the variance."""
        return self._reduce(Wish("var", skipna, as_dtype(dtype), ddof=check_freedom(ddof, weights)), dim, weights)

    def any(self, dim: Dims = None) -> Any:
        """Tell whether any cell is true (not 0)."""
        return self._reduce(Wish("any"), dim)

    def all(self, dim: Dims = None) -> Any:
        """Tell whether all cells are true (not 0)."""
        return self._reduce(Wish("all"), dim)

    def quantile(
        self, q: float | Sequence[float], dim: Dims = None, *, method: str = "linear", skipna: bool = True
    ) -> Any:
        """Find quantiles; exact, also where the cells of a group do not fit in memory."""
        along = () if dim is None else dim
        return find_quantiles(self.part, q, along, None, method, skipna, max_mem=self.max_mem, groups=self.groups)

    def median(self, dim: Dims = None, *, skipna: bool = True) -> Any:
        """Find the median."""
        return self.quantile(0.5, dim, skipna=skipna)


class _Grouped(GroupReductions):
    """One of several variables that are grouped alike."""

    __slots__ = ("groups", "max_mem", "part")

    def __init__(self, part: "Part", groups: "tuple[AxisGroups, ...]", max_mem: int) -> None:
        self.part = part
        self.groups = tuple(each for each in groups if each.dim in part.dims)
        self.max_mem = max_mem


class DatasetGroupReductions:
    """Reductions of several variables, group by group.

    Each gives a dict of `LabelledArray` by the name of the variable, one variable after the other; those for which it
    has no meaning, and those that are not grouped, are left out. Parameters are those of the methods of the same name
    of a grouped variable.
    """

    __slots__ = ()
    parts: Mapping[str, "Part"]
    groups: "tuple[AxisGroups, ...]"
    max_mem: int

    def _each(self, operation: str, *args: Any, **options: Any) -> dict[str, Any]:
        found = {}
        kinds = KINDS["quantile" if operation == "median" else operation]
        for name, part in self.parts.items():
            grouped = _Grouped(part, self.groups, self.max_mem)
            if grouped.groups and part.dtype.kind in kinds:
                found[name] = getattr(grouped, operation)(*args, **options)
        return found

    def count(self, dim: Dims = None) -> dict[str, Any]:
        """Count the cells that are not missing."""
        return self._each("count", dim)

    def sum(self, dim: Dims = None, **options: Any) -> dict[str, Any]:
        """Sum up; 0 where all cells are missing."""
        return self._each("sum", dim, **options)

    def mean(self, dim: Dims = None, **options: Any) -> dict[str, Any]:
        """Take the mean."""
        return self._each("mean", dim, **options)

    def min(self, dim: Dims = None, **options: Any) -> dict[str, Any]:
        """Find the smallest value."""
        return self._each("min", dim, **options)

    def max(self, dim: Dims = None, **options: Any) -> dict[str, Any]:
        """Find the largest value."""
        return self._each("max", dim, **options)

    def std(self, dim: Dims = None, **options: Any) -> dict[str, Any]:
        """Take the standard deviation."""
        return self._each("std", dim, **options)

    def var(self, dim: Dims = None, **options: Any) -> dict[str, Any]:
        """Take the variance."""
        return self._each("var", dim, **options)

    def any(self, dim: Dims = None) -> dict[str, Any]:
        """Tell whether any cell is true (not 0)."""
        return self._each("any", dim)

    def all(self, dim: Dims = None) -> dict[str, Any]:
        """Tell whether all cells are true (not 0)."""
        return self._each("all", dim)

    def quantile(self, q: float | Sequence[float], dim: Dims = None, **options: Any) -> dict[str, Any]:
        """Find quantiles."""
        return self._each("quantile", q, dim, **options)

    def median(self, dim: Dims = None, **options: Any) -> dict[str, Any]:
        """Find the median."""
        return self._each("median", dim, **options)
