"""Which numbers sum a variable up?

Every method streams: chunks are read in their order, each once, and no more than `max_mem` bytes are taken. What the
file knows of its chunks already (`ChunkStatistics`) is not read again.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce_fractions import Quantiles
from cfdb.model.finding import Finding
from cfdb.model.labelled import LabelledArray
from cfdb.model.numbers import Wish
from cfdb.model.reduced import axes_of, reduce_part
from cfdb.storage.summaries import ChunkSummary

Array = npt.NDArray[Any]
Dims = str | Sequence[str] | None
Axes = int | Sequence[int] | None


class Reducing(Finding):
    """A part of a variable that can be reduced.

    Missing cells (NaN, NaT, None, a declared fill) are left out. Names of dimensions give a `LabelledArray`; NumPy's
    ``axis`` gives an array; without either everything is reduced, to a number. Integers are summed exactly, floats in
    float64 whatever their type.
    """

    __slots__ = ()

    def count(self, dim: Dims = None, *, keepdims: bool = False, max_mem: int | str = 2**29, axis: Axes = None) -> Any:
        """Count the cells that are not missing.

        Parameters
        ----------
        dim : str or sequence of str, optional
            Dimensions to count along; all by default.
        keepdims : bool
            Whether they stay, with length 1.
        max_mem : int or str
            Bytes it may take, or a text as ``'500MB'``.
        axis : int or sequence of int, optional
            As in NumPy.
        """
        return reduce_part(self, Wish("count"), dim, axis, keepdims=keepdims, max_mem=max_mem)

    def sum(
        self,
        dim: Dims = None,
        *,
        skipna: bool = True,
        weights: Any = None,
        keepdims: bool = False,
        max_mem: int | str = 2**29,
        axis: Axes = None,
        dtype: Any = None,
        out: Array | None = None,
    ) -> Any:
        """Sum up; 0 where all cells are missing.

        Parameters
        ----------
        dim : str or sequence of str, optional
            Dimensions to sum along; all by default.
        skipna : bool
            Whether missing cells are left out; otherwise they make the result missing.
        weights : array-like, optional
            What each cell counts: along the reduced dimensions, or an array that names its own.
        keepdims : bool
            Whether reduced dimensions stay, with length 1.
        max_mem : int or str
            Bytes it may take, or a text as ``'500MB'``.
        axis : int or sequence of int, optional
            As in NumPy; the result is an array then.
        dtype : optional
            Type of the result: by default int64 or uint64 for integers, that of the variable for others.
        out : ndarray, optional
            Where the result goes.

        Raises
        ------
        SumOverflowError
            If integers add up to more than 64 bits hold: ``dtype=float`` takes it.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["t"] = (("y", "x"), np.array([[1.0, np.nan], [2.0, 4.0]]))
        ...     print(ds["t"].sum(), ds["t"].sum("x").values, np.sum(ds["t"], axis=0))
        7.0 [1. 6.] [3. 4.]
        """
        wish = Wish("sum", skipna, as_dtype(dtype))
        return reduce_part(self, wish, dim, axis, weights=weights, keepdims=keepdims, max_mem=max_mem, out=out)

    def mean(
        self,
        dim: Dims = None,
        *,
        skipna: bool = True,
        weights: Any = None,
        keepdims: bool = False,
        max_mem: int | str = 2**29,
        axis: Axes = None,
        dtype: Any = None,
        out: Array | None = None,
    ) -> Any:
        """Take the mean; of times in their own unit, to the nearest.

        Parameters
        ----------
        dim, skipna, weights, keepdims, max_mem, axis, out
            As of `sum`.
        dtype : optional
            Type of the result: by default float64 for integers, that of the variable for others.

        Examples
        --------
        >>> import cfdb
        >>> with cfdb.open_dataset(None, "n") as ds:
        ...     ds["lat"] = ("lat", np.array([0.0, 60.0]))
        ...     ds["t"] = (("time", "lat"), np.array([[20.0, 5.0], [22.0, 4.0]]))
        ...     t = ds["t"]
        ...     print(t.mean("time").values, t.mean("lat", weights=np.cos(np.radians(ds["lat"]))).values)
        [21.   4.5] [15. 16.]
        """
        wish = Wish("mean", skipna, as_dtype(dtype))
        return reduce_part(self, wish, dim, axis, weights=weights, keepdims=keepdims, max_mem=max_mem, out=out)

    def min(
        self,
        dim: Dims = None,
        *,
        skipna: bool = True,
        keepdims: bool = False,
        max_mem: int | str = 2**29,
        axis: Axes = None,
        out: Array | None = None,
    ) -> Any:
        """Find the smallest value; of everything without reading a chunk where the file knows it.

        Parameters
        ----------
        dim, skipna, keepdims, max_mem, axis, out
            As of `sum`.
        """
        return reduce_part(self, Wish("min", skipna), dim, axis, keepdims=keepdims, max_mem=max_mem, out=out)

    def max(
        self,
        dim: Dims = None,
        *,
        skipna: bool = True,
        keepdims: bool = False,
        max_mem: int | str = 2**29,
        axis: Axes = None,
        out: Array | None = None,
    ) -> Any:
        """Find the largest value; of everything without reading a chunk where the file knows it.

        Parameters
        ----------
        dim, skipna, keepdims, max_mem, axis, out
            As of `sum`.
        """
        return reduce_part(self, Wish("max", skipna), dim, axis, keepdims=keepdims, max_mem=max_mem, out=out)

    def std(
        self,
        dim: Dims = None,
        *,
        skipna: bool = True,
        weights: Any = None,
        ddof: float = 0,
        keepdims: bool = False,
        max_mem: int | str = 2**29,
        axis: Axes = None,
        dtype: Any = None,
        out: Array | None = None,
    ) -> Any:
        """Take the standard deviation; parameters as of `var`."""
        wish = Wish("std", skipna, as_dtype(dtype), ddof=check_freedom(ddof, weights))
        return reduce_part(self, wish, dim, axis, weights=weights, keepdims=keepdims, max_mem=max_mem, out=out)

    def var(
        self,
        dim: Dims = None,
        *,
        skipna: bool = True,
        weights: Any = None,
        ddof: float = 0,
        keepdims: bool = False,
        max_mem: int | str = 2**29,
        axis: Axes = None,
        dtype: Any = None,
        out: Array | None = None,
    ) -> Any:
        """Take the variance, in one pass (Chan, Golub and LeVeque 1979).

        Parameters
        ----------
        dim, skipna, weights, keepdims, max_mem, axis, dtype, out
            As of `mean`; weights are not negative.
        ddof : float
            Taken from the number of cells: 1 for the variance of a sample. Not with weights.
        """
        wish = Wish("var", skipna, as_dtype(dtype), ddof=check_freedom(ddof, weights))
        return reduce_part(self, wish, dim, axis, weights=weights, keepdims=keepdims, max_mem=max_mem, out=out)

    def any(
        self,
        dim: Dims = None,
        *,
        keepdims: bool = False,
        max_mem: int | str = 2**29,
        axis: Axes = None,
        out: Array | None = None,
    ) -> Any:
        """Tell whether any cell is true (not 0); missing cells are left out. Parameters as of `sum`."""
        return reduce_part(self, Wish("any"), dim, axis, keepdims=keepdims, max_mem=max_mem, out=out)

    def all(
        self,
        dim: Dims = None,
        *,
        keepdims: bool = False,
        max_mem: int | str = 2**29,
        axis: Axes = None,
        out: Array | None = None,
    ) -> Any:
        """Tell whether all cells are true (not 0); missing cells are left out. Parameters as of `sum`."""
        return reduce_part(self, Wish("all"), dim, axis, keepdims=keepdims, max_mem=max_mem, out=out)

    def argmin(
        self,
        dim: Dims = None,
        *,
        skipna: bool = True,
        keepdims: bool = False,
        max_mem: int | str = 2**29,
        axis: Axes = None,
        out: Array | None = None,
    ) -> Any:
        """Find the position of the smallest value, the first of them.

        Parameters
        ----------
        dim : str or sequence of str, optional
            A name gives positions along that dimension, a sequence of names a dict of positions by name. By default
            the position in the flattened array, as in NumPy.
        skipna : bool
            Whether missing cells are passed over; otherwise the position is that of the first of them.
        keepdims, max_mem, axis, out
            As of `sum`.

        Raises
        ------
        ValueError
            If all cells are missing somewhere.
        """
        return self._found_at("argmin", skipna, dim, axis, keepdims, max_mem, out)

    def argmax(
        self,
        dim: Dims = None,
        *,
        skipna: bool = True,
        keepdims: bool = False,
        max_mem: int | str = 2**29,
        axis: Axes = None,
        out: Array | None = None,
    ) -> Any:
        """Find the position of the largest value, the first of them; parameters as of `argmin`."""
        return self._found_at("argmax", skipna, dim, axis, keepdims, max_mem, out)

    def _found_at(
        self, operation: str, skipna: bool, dim: Any, axis: Any, keepdims: bool, max_mem: Any, out: Array | None
    ) -> Any:
        found = reduce_part(self, Wish(operation, skipna), dim, axis, keepdims=keepdims, max_mem=max_mem, out=out)
        if dim is None or isinstance(dim, str | int | np.integer):
            return found
        axes = axes_of(self, dim, None)
        places = np.unravel_index(np.asarray(found), tuple(self.shape[number] for number in axes))
        names = [self.dims[number] for number in axes]
        if not isinstance(found, LabelledArray):
            return {name: place[()] for name, place in zip(names, places, strict=True)}
        return {
            name: LabelledArray(found.name, found.dims, place, found.coords)
            for name, place in zip(names, places, strict=True)
        }

    def quantile(
        self,
        q: float | Sequence[float],
        dim: Dims = None,
        *,
        method: str = "linear",
        skipna: bool = True,
        keepdims: bool = False,
        max_mem: int | str = 2**29,
        axis: Axes = None,
    ) -> Any:
        """Find quantiles; exact, also where the cells do not fit in memory: they are gone through several times then.

        Parameters
        ----------
        q : float or sequence of float
            Between 0 and 1; a sequence gives a result with a dimension ``quantile`` before the others.
        dim : str or sequence of str, optional
            Dimensions to reduce; all by default.
        method : str
            As of `numpy.quantile`: 'linear', 'lower', 'higher', 'nearest', 'midpoint', 'hazen', 'weibull',
            'interpolated_inverted_cdf', 'median_unbiased' or 'normal_unbiased'.
        skipna, keepdims, max_mem, axis
            As of `sum`.

        Raises
        ------
        MemoryLimitError
            If not even the counters for this fit in `max_mem`.
        """
        return find_quantiles(self, q, dim, axis, method, skipna, keepdims=keepdims, max_mem=max_mem)

    def median(
        self,
        dim: Dims = None,
        *,
        skipna: bool = True,
        keepdims: bool = False,
        max_mem: int | str = 2**29,
        axis: Axes = None,
    ) -> Any:
        """Find the median; parameters as of `quantile`."""
        return self.quantile(0.5, dim, skipna=skipna, keepdims=keepdims, max_mem=max_mem, axis=axis)

    def chunk_statistics(self) -> Iterator[ChunkSummary]:
        """Tell what the file knows of every chunk of this part, without reading any.

        Yields
        ------
        ChunkSummary
            With ``box``, ``statistics`` (None where only reading can tell), and whether they are ``exact``.
        """
        self._labels.check(self._member)
        return self._array.summaries(self._selected())


def find_quantiles(part: Any, q: Any, dim: Any, axis: Any, method: str, skipna: bool, **options: Any) -> Any:
    """Find one quantile, or several along a dimension of their own."""
    fractions = np.atleast_1d(np.asarray(q, np.float64))
    wish = Wish("quantile", skipna, quantiles=Quantiles(fractions, method))
    found = reduce_part(part, wish, dim, axis, **options)
    labels = LabelledArray(
        "quantile", ("quantile",) if np.ndim(q) else (), fractions if np.ndim(q) else fractions[0, ...]
    )
    if not isinstance(found, LabelledArray):
        return found if np.ndim(q) else found[0]
    if np.ndim(q):
        return LabelledArray(found.name, found.dims, found.values, {"quantile": labels, **found.coords}, found.attrs)
    if found.ndim == 1:
        return found.values[0]
    return LabelledArray(found.name, found.dims[1:], found.values[0], {**found.coords, "quantile": labels}, found.attrs)


def as_dtype(dtype: Any) -> "np.dtype[Any] | None":
    """Give a type as NumPy's; None stays."""
    return None if dtype is None else np.dtype(dtype)


def check_freedom(ddof: float, weights: Any) -> float:
    """Refuse what is taken from a number of cells where weights are counted."""
    if weights is not None and ddof:
        raise ValueError(f"ddof={ddof!r} has no meaning with weights: leave one of them out")
    return ddof
