"""As what is a part of a variable reduced, and what do the results become?

Every kind is reduced as numbers (or strings) as they stand in the chunks: times of a calendar as their counts, so that
no date objects are made on the way.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce import Reduction, reduce_blocks
from cfdb.compute.reduce_extremes import Extreme, Place, TextExtreme, Truth, Which
from cfdb.compute.reduce_fractions import Quantiles
from cfdb.compute.reduce_order import reduce_quantiles
from cfdb.compute.reduce_sums import Counted, FloatTotal, IntegerSum, Spread
from cfdb.compute.reduce_totals import all_true, known_by_result, total_of
from cfdb.compute.reduce_values import Reducer, with_missing
from cfdb.compute.reduce_weights import Weights
from cfdb.compute.source import Source
from cfdb.conventions.calendars import decode_times
from cfdb.errors import DataTypeError
from cfdb.format.dtypes import DataType
from cfdb.format.statistics import ChunkStatistics, FloatSum
from cfdb.model.part import Part

Array = npt.NDArray[Any]

#: Kinds that an operation makes sense for; kinds as of `DataType`.
KINDS = {
    "count": "fiubcMmtTSGe",
    "any": "fiubcme",
    "all": "fiubcme",
    "sum": "fiubcme",
    "mean": "fiubcMmte",
    "min": "fiubcMmtTSe",
    "max": "fiubcMmtTSe",
    "std": "fiubce",
    "var": "fiubce",
    "argmin": "fiubcMmte",
    "argmax": "fiubcMmte",
    "quantile": "fiubMmte",
}
#: What statistics of chunks tell: the kinds of values of which.
_STORED = {
    "count": "fiubcMmTSO",
    "sum": "fiubm",
    "mean": "fiubm",
    "min": "fiubMmTS",
    "max": "fiubMmTS",
    "any": "fiubm",
    "all": "fiubm",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """A reduction that is wanted.

    Attributes
    ----------
    operation : str
        Its name.
    skipna : bool
        Whether missing cells are left out.
    dtype : numpy.dtype or None
        Type of the result, where it can be chosen.
    weights : Weights or None
        What each value counts.
    ddof : float
        Of variances.
    quantiles : Quantiles or None
        Of quantiles.
    """

    operation: str
    skipna: bool = True
    dtype: np.dtype[Any] | None = None
    weights: Weights | None = None
    ddof: float = 0
    quantiles: Quantiles | None = None


def numeric_source(part: Part, skipna: bool) -> Source:
    """Describe a part by its numbers: a declared fill is masked where it counts as missing."""
    array, record, selection = part._array, part._member.record, part._selected()
    fill = array.fill if record.dtype.kind == "t" else record.fill_value
    declared = fill is not None and fill == fill and (skipna or part._labels.masked or record.dtype.kind == "t")

    def read(box: Any) -> Array:
        inner = selection.take(box)
        values = inner.to_result(array.read(inner))
        return np.ma.MaskedArray(values, mask=values == fill) if declared else values

    return replace(part._source(False), dtype=array.dtype, read=read)


def reduce_numbers(part: Part, task: Reduction, wish: Wish) -> Array:
    """Reduce a part.

    Parameters
    ----------
    part : Part
        What is reduced.
    task : Reduction
        Along which axes, of the part's `numeric_source`.
    wish : Wish
        What is wanted.

    Returns
    -------
    ndarray or MaskedArray
        Of shape ``task.shape``, quantiles before it; in the values a user sees.
    """
    dtype = part.dtype
    if dtype.kind not in KINDS[wish.operation]:
        raise DataTypeError(f"{part.name!r} holds {dtype}, which has no {wish.operation}()")
    if wish.weights is not None and dtype.kind not in "fiubc":
        raise DataTypeError(f"{part.name!r} holds {dtype}, which cannot be weighted")
    _check_result(part.name, task.source.dtype, wish)
    if wish.quantiles is not None:
        return _quantiles(task, wish.quantiles, dtype)
    found = _from_statistics(part, task, wish)
    if found is None:
        found = reduce_blocks(task, _reducer(part, task, wish))
    if isinstance(found, np.ma.MaskedArray) and part.fill_value is not None:
        found.fill_value = part.fill_value
    return _restored(found, task.source.dtype, dtype, wish.operation)


def _check_result(name: str, source: np.dtype[Any], wish: Wish) -> None:
    """Refuse a type that would cut digits or imaginary parts off."""
    if wish.dtype is None:
        return
    allowed = "c" if source.kind == "c" and wish.operation in ("sum", "mean") else "fc"
    if source.kind in "iub" and wish.operation == "sum" and wish.weights is None:
        allowed = "iufc"
    if source.kind in "mM" or wish.dtype.kind not in allowed:
        raise DataTypeError(f"dtype={wish.dtype} cannot hold the {wish.operation} of {name!r}, which holds {source}")


# from what is known of the chunks


def _from_statistics(part: Part, task: Reduction, wish: Wish) -> Array | None:
    """Reduce from what is known of the chunks; None where that does not tell."""
    kind, kept = task.source.dtype.kind, task.kept
    fill_counts = part.fill_value is not None and not (wish.skipna or part._labels.masked)
    if wish.weights is not None or fill_counts or kind not in _STORED.get(wish.operation, "") or not part.size:
        return None
    # every chunk must lie in one result alone
    apart = all(np.unique(task.source.owners[axis]).size == task.source.shape[axis] for axis in kept)
    if task.groups or not apart or not task.axes:
        return None
    summaries = part._array.summaries(part._selected())
    if wish.operation == "all":
        return None if kept else np.full(task.shape, all_true(task.source, summaries, task.max_mem))
    known = known_by_result(summaries, kept)
    if not any(each.statistics for each in known.values()):
        return None
    totals = [total_of(task.source, known[place], task.max_mem) for place in sorted(known)]
    return _of_totals([total for total in totals if total is not None], task, wish)


def _of_totals(totals: list[ChunkStatistics], task: Reduction, wish: Wish) -> Array | None:
    """Give the results that statistics tell, one each, in the order of the results."""
    source, operation = task.source.dtype, wish.operation
    valid = np.array([total.valid for total in totals], np.int64).reshape(task.shape)
    if operation == "count":
        return valid
    if operation == "any":
        return np.array([bool(total.minimum or total.maximum) for total in totals]).reshape(task.shape)
    missing = (valid == 0) & (operation != "sum")
    if not wish.skipna:
        missing = np.array([total.missing > 0 for total in totals]).reshape(task.shape)
    if operation in ("sum", "mean"):
        return _summed_totals(totals, task, wish, valid, missing)
    if any(total.valid and total.minimum is None for total in totals):
        return None  # strings too long to be noted
    ends = [total.minimum if operation == "min" else total.maximum for total in totals]
    dtype = np.dtype(object) if source.kind in "TSU" else np.dtype(np.int64) if source.kind in "mM" else source
    found = np.empty(len(ends), dtype)
    found[:] = [0 if end is None else end for end in ends]
    return with_missing(found.reshape(task.shape), missing)


def _summed_totals(
    totals: list[ChunkStatistics], task: Reduction, wish: Wish, valid: Array, missing: Any
) -> Array | None:
    result, sums = _summed(task.source.dtype, wish), [total.total for total in totals]
    if any(each is None for each in sums):
        return None
    if any(isinstance(each, FloatSum) for each in sums):
        values = np.array([float(each) for each in sums if each is not None]).reshape(task.shape)
        divided = values / np.maximum(valid, 1) if wish.operation == "mean" else values
        return with_missing(divided.astype(result), missing)
    whole = [each for each in sums if isinstance(each, int)]
    high, low = (
        np.array(half, np.int64).reshape(task.shape)
        for half in ([each >> 32 for each in whole], [each & (2**32 - 1) for each in whole])
    )
    values, _ = IntegerSum(task.source.name, result, wish.operation == "mean").finish((high, low, valid))
    return with_missing(values, missing)


# block by block


def _reducer(part: Part, task: Reduction, wish: Wish) -> Reducer:
    source, operation = task.source.dtype, wish.operation
    ticks = np.dtype(np.int64) if source.kind in "mM" else source
    if operation == "count":
        return Counted()
    if operation in ("any", "all"):
        return Truth(operation == "all")
    if operation in ("min", "max"):
        which: Which = "min" if operation == "min" else "max"
        return TextExtreme(which) if source.kind in "TSU" else Extreme(which, ticks)
    if operation in ("argmin", "argmax"):
        lengths = tuple(task.source.shape[axis] for axis in task.axes)
        return Place("min" if operation == "argmin" else "max", ticks, lengths, wish.skipna)
    if operation in ("std", "var"):
        real = np.dtype(f"f{source.itemsize // 2}") if source.kind == "c" else _floats(source)
        result = real if wish.dtype is None else wish.dtype
        return Spread(result, operation == "std", wish.ddof, wish.weights, source.kind == "c")
    result, mean = _summed(source, wish), operation == "mean"
    if source.kind in "iubmM" and wish.weights is None:
        return IntegerSum(part.name, result, mean)
    return FloatTotal(result, mean, wish.weights)


def _floats(source: np.dtype[Any]) -> np.dtype[Any]:
    return source if source.kind in "fc" else np.dtype(np.float64)


def _summed(source: np.dtype[Any], wish: Wish) -> np.dtype[Any]:
    """Give the type of a sum or mean, as NumPy does; times as their ticks."""
    if source.kind in "mM":
        return np.dtype(np.int64)
    if wish.dtype is not None:
        return wish.dtype
    if wish.operation == "mean" or wish.weights is not None:
        return _floats(source)
    wide = {"b": np.int64, "i": np.int64, "u": np.uint64}
    return np.dtype(wide[source.kind]) if source.kind in wide else source


# what a user sees


def _restored(values: Array, source: np.dtype[Any], dtype: DataType, operation: str) -> Array:
    """Turn results into the values a user sees."""
    if operation in ("count", "any", "all", "argmin", "argmax", "std", "var"):
        return values
    if source.kind in "mM":
        missing = np.ma.getmaskarray(values)
        times: Array = np.ma.getdata(values).astype(np.int64).view(source)
        return with_missing(times, missing)
    if dtype.kind == "t":
        return _dates(values, dtype)
    if dtype.kind in "TS" and not any(value is None for value in values.flat):
        return values.astype(dtype.dtype_decoded)
    return values


def seen_values(values: Array, dtype: DataType) -> Array:
    """Turn values as they stand in the chunks into those a user sees."""
    return _dates(values, dtype) if dtype.kind == "t" else values


def _dates(values: Array, dtype: DataType) -> Array:
    numbers = np.ma.getdata(values).astype(np.float64 if values.dtype.kind == "f" else np.int64)
    missing = np.ma.getmaskarray(values) | np.isnan(numbers)
    dates: Array = decode_times(np.where(missing, 0, numbers), str(dtype.units), str(dtype.calendar))
    return with_missing(dates, missing)


def _quantiles(task: Reduction, wanted: Quantiles, dtype: DataType) -> Array:
    found = reduce_quantiles(task, wanted)
    if task.source.dtype.kind in "mM":
        times: Array = found.view(task.source.dtype)  # the smallest integer is NaT
        return times
    if dtype.kind == "t":
        return _dates(found, dtype)
    return found.astype(_floats(task.source.dtype))
