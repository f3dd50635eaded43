"""In which other ways could the values of a variable be stored, and how far would each move them at most?

The bounds hold for all values: they follow from the extremes in the statistics of the chunks, not from a sample.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfdb.format.dtypes import DataType, dtype
from cfdb.format.rounding import MOST_DECIMALS, mantissa_bits

#: Units of time, the coarsest first.
_TICKS = ("D", "h", "m", "s", "ms", "us", "ns")
_INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of all values of a variable.

    Attributes
    ----------
    dtype : DataType
        Their type.
    low, high : optional
        Smallest and largest value, times as counts of their units; None where there is no order or no value.
    fill_value : optional
        Declared fill value.
    """

    dtype: DataType
    low: Any
    high: Any
    fill_value: Any = None

    @property
    def largest(self) -> float:
        """Largest absolute value."""
        return max(abs(float(self.low)), abs(float(self.high)))


@dataclass(frozen=True, slots=True)
class Proposal:
    """A way of storing values.

    Attributes
    ----------
    label : str
        For people.
    dtype : DataType
        Type, packing and rounding.
    bound : float
        How far it may move a value; 0 when it is exact.
    sure : bool
        Whether that is known of all values, or must be tried.
    """

    label: str
    dtype: DataType
    bound: float = 0.0
    sure: bool = True


def proposals(facts: Facts, max_error: float) -> Iterator[Proposal]:
    """Give the ways of storing that may do, the simplest first.

    Parameters
    ----------
    facts : Facts
        What is known of the values.
    max_error : float
        How far a value may be moved; 0 for none.
    """
    kind = facts.dtype.kind
    known = facts.low is not None and facts.high is not None and math.isfinite(_number(facts.low, facts.high))
    if kind == "f" and known:
        yield from _of_floats(facts, max_error)
    elif kind in "iu" and known:
        yield from _of_integers(facts)
    elif kind in "mM":
        yield from _of_times(facts)


def _number(low: Any, high: Any) -> float:
    return abs(float(low)) + abs(float(high)) if not isinstance(low, str | bytes) else math.inf


def _of_floats(facts: Facts, max_error: float) -> Iterator[Proposal]:
    types = [facts.dtype.name]
    if facts.dtype.name == "float64" and facts.largest < 2.0**127:
        types.append("float32")
    for name in types:
        narrowed = name != facts.dtype.name
        cast = facts.largest * 2.0**-24 + 2.0**-149 if narrowed else 0.0
        if narrowed and _keeps_fill(facts, name):
            yield Proposal(name, dtype(name), cast, sure=cast <= max_error)
        if not narrowed or _keeps_fill(facts, name):
            yield from _rounded(facts, name, cast, max_error)
    yield from _packed_floats(facts, max_error)


def _keeps_fill(facts: Facts, name: str) -> bool:
    fill = facts.fill_value
    return fill is None or bool(np.isnan(fill)) or float(np.dtype(name).type(fill)) == float(fill)


def _rounded(facts: Facts, name: str, cast: float, max_error: float) -> Iterator[Proposal]:
    """Give the coarsest decimals and bits that keep within an error; values that are rounded already stay so."""
    if not max_error > cast:
        return
    target = np.dtype(name)
    left = max_error - cast
    precision = _decimals(left - facts.largest * float(np.finfo(target).eps), target)
    if precision is not None and not _is_coarser(facts.dtype.precision, precision):
        bound = cast + _decimal_error(precision) + facts.largest * float(np.finfo(target).eps)
        yield Proposal(f"{name}, precision={precision}", dtype(name, precision), bound)
    share = facts.largest / left
    if not share or facts.dtype.is_packed:
        return
    bits = max(0, math.ceil(math.log2(share)) - 1)
    if bits < mantissa_bits(target) and not _is_coarser(facts.dtype.keep_bits, bits):
        bound = cast + max(facts.largest, float(np.finfo(target).tiny)) * 2.0 ** -(bits + 1)
        yield Proposal(f"{name}, keep_bits={bits}", dtype(name, keep_bits=bits), bound)


def _is_coarser(present: int | None, found: int) -> bool:
    """Tell whether values are rounded at least as much already."""
    return present is not None and present <= found


def _decimals(error: float, target: np.dtype[Any]) -> int | None:
    """Give the fewest decimals whose rounding moves values by no more than an error."""
    most = MOST_DECIMALS[target.itemsize]
    return next((digits for digits in range(-most, most + 1) if _decimal_error(digits) <= error), None)


def _decimal_error(precision: int) -> float:
    return 0.5 * 10.0**-precision


def _packed_floats(facts: Facts, max_error: float) -> Iterator[Proposal]:
    """Give the packing into integers; a declared fill value would be read as NaN, so that it stays as it is."""
    if facts.fill_value is not None and not np.isnan(facts.fill_value):
        return
    name, place = facts.dtype.name, facts.largest * float(np.finfo(facts.dtype.dtype_decoded).eps)
    tried = []
    if facts.dtype.is_packed and facts.dtype.precision is not None:
        tried.append((facts.dtype.precision, 0.0))  # the same decimals in a range of their own
    coarse = _decimals(max_error - place, facts.dtype.dtype_decoded)
    if coarse is not None and not _is_coarser(facts.dtype.precision if tried else None, coarse):
        tried.append((coarse, _decimal_error(coarse) + place))
    for precision, bound in tried:
        if precision < 0:
            continue  # packing takes a factor of at least one
        factor = 10.0**precision
        low, high = math.floor(facts.low * factor) / factor, math.ceil(facts.high * factor) / factor
        try:
            found = dtype(name, precision, low, high)
        except (ValueError, OverflowError):
            continue
        whole = found.packing is not None and found.packing.base is not None
        if whole and found.itemsize < facts.dtype.dtype_decoded.itemsize and found != facts.dtype:
            yield Proposal(f"{found.encoded}, precision={precision}, {low:g} to {high:g}", found, bound)


def _of_integers(facts: Facts) -> Iterator[Proposal]:
    fill = facts.fill_value
    low, high = (facts.low, facts.high) if fill is None else (min(facts.low, int(fill)), max(facts.high, int(fill)))
    own = facts.dtype.dtype_decoded.itemsize
    narrow = next((name for name in _INTEGERS if np.iinfo(name).min <= low and high <= np.iinfo(name).max), None)
    if narrow is not None and np.dtype(narrow).itemsize < own:
        yield Proposal(narrow, dtype(narrow))
    try:
        packed = dtype(facts.dtype.name, min_value=int(facts.low), max_value=int(facts.high))
    except ValueError:
        return
    if packed.itemsize < own and packed != facts.dtype:
        yield Proposal(f"{packed.encoded}, {facts.low} to {facts.high}", packed)


def _of_times(facts: Facts) -> Iterator[Proposal]:
    own = facts.dtype.dtype_decoded
    unit, count = np.datetime_data(own)
    if facts.dtype.is_packed or unit not in _TICKS or count != 1 or facts.fill_value is not None:
        return
    word = facts.dtype.name.partition("[")[0]
    for coarser in _TICKS[: _TICKS.index(unit)]:
        yield Proposal(f"{word}[{coarser}]", dtype(f"{word}[{coarser}]"), sure=False)
    if facts.low is None or facts.dtype.kind != "M":
        return
    try:
        packed = dtype(facts.dtype.name, min_value=int(facts.low), max_value=int(facts.high))
    except ValueError:
        return
    if packed.itemsize < own.itemsize:
        span = " to ".join(str(np.int64(end).astype(own)) for end in (facts.low, facts.high))
        yield Proposal(f"{packed.encoded}, {span}", packed)
