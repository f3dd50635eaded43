"""How many numbers are there, how large, and what is their sum?"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.kernel.codec import Summary

Array = npt.NDArray[Any]

_BLOCK = 2**15


def summarise(values: Array) -> Summary:
    """Count, order and add up numbers.

    Parameters
    ----------
    values : ndarray
        Contiguous, of float32, float64 or integers; NaN counts as missing.

    Returns
    -------
    Summary
        Counts, minimum and maximum are exact. Sums of integers are exact, float32 is summed in float64, float64 with
        what the sum lacks beside it.

    Examples
    --------
    >>> summarise(np.array([1.5, np.nan, 2.5])).total
    4.0
    """
    if values.dtype.kind not in "fiu" or values.dtype.itemsize not in (1, 2, 4, 8) or values.dtype == np.float16:
        raise ValueError(f"there are no statistics of {values.dtype}")
    present = values.reshape(-1)
    floats = values.dtype.kind == "f"
    if floats and values.size and np.isnan(present.min()):
        present = present[~np.isnan(present)]
    missing = values.size - present.size
    if not present.size:
        return Summary(0, missing, None, None, 0.0 if floats else 0)
    low, high = present.min().item(), present.max().item()
    if not floats:
        return Summary(present.size, missing, low, high, exact_sum(present))
    value, rest = float_sum(present, max(-low, high))
    return Summary(present.size, missing, low, high, value, rest)


def exact_sum(numbers: Array) -> int:
    """Sum integers or bools without overflow."""
    if numbers.dtype.itemsize < 8:
        return int(numbers.sum(dtype=np.uint64 if numbers.dtype.kind in "ub" else np.int64))
    if max(abs(int(numbers.min())), abs(int(numbers.max()))) * numbers.size < 2**63:
        return int(numbers.sum())
    high = numbers >> np.array(32, numbers.dtype)
    low = numbers & np.array(2**32 - 1, numbers.dtype)
    return int(high.sum()) * 2**32 + int(low.sum())


def float_sum(numbers: Array, bound: float) -> tuple[float, float]:
    """Sum floats with an error of about 2**-105 of the largest at most, for each 32768 of them.

    Parameters
    ----------
    numbers : ndarray of float
        Without NaN, one axis.
    bound : float
        No number is larger than this, signs aside.

    Returns
    -------
    tuple of float
        The sum, and what it lacks.
    """
    if numbers.dtype.itemsize < 8 or not math.isfinite(bound):
        with np.errstate(invalid="ignore"):
            return float(numbers.sum(dtype=np.float64)), 0.0
    # Rump's extraction: what adding and subtracting this power of two leaves of the numbers adds up without rounding
    spare = (min(_BLOCK, numbers.size) + 2).bit_length()
    exponent = math.frexp(bound)[1] + spare
    if exponent > 1022:
        value, rest = float_sum(np.ldexp(numbers, -64), math.ldexp(bound, -64))
        value *= 2.0**64
        return value, rest * 2.0**64 if math.isfinite(value) else 0.0
    sigmas = [math.ldexp(1.0, exponent), math.ldexp(1.0, exponent - 53 + spare)]
    sums = []
    for start in range(0, numbers.size, _BLOCK):
        tails = numbers[start : start + _BLOCK]
        for sigma in sigmas:
            heads = tails + sigma
            heads -= sigma
            sums.append(float(heads.sum()))
            tails = tails - heads
        sums.append(float(tails.sum()))
    return joined_sum(sums)


def joined_sum(numbers: list[float]) -> tuple[float, float]:
    """Add up a few floats: the sum, and what it lacks."""
    try:
        value = math.fsum(numbers)
    except (OverflowError, ValueError):
        with np.errstate(all="ignore"):
            return float(np.sum(numbers)), 0.0
    return value, math.fsum([*numbers, -value]) if math.isfinite(value) else 0.0
