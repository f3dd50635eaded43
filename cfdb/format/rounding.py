"""How are floats rounded before they are stored, where that was asked for, and how far may that move them?

Rounded numbers compress several times better: decimals become small integers, and cut-off bits become zeros.
"""

from math import isfinite
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Words = npt.NDArray[np.unsignedinteger[Any]]

#: How sure it must be that a bit is no accident before its information counts.
_CONFIDENCE = 0.99
#: The most decimals a float is rounded to, by its size in bytes: with more, few floats are decimals.
MOST_DECIMALS = {2: 4, 4: 10, 8: 15}
#: That many values are judged, in stretches up to this long.
_MOST, _STRETCH = 2**22, 2**12


def mantissa_bits(dtype: np.dtype[Any]) -> int:
    """Count the explicit bits of a float's mantissa."""
    return int(np.finfo(dtype).nmant)


def round_decimals(values: Array, decimals: int) -> Array:
    """Round floats to a number of decimals.

    The error is at most half a unit of the last decimal plus one unit in the last place of the type. What the type
    cannot hold to so many decimals, NaN and infinities stay as they are; zeros lose their sign.

    Examples
    --------
    >>> round_decimals(np.array([1.2345, -0.001, np.nan]), 2).tolist()
    [1.23, 0.0, nan]
    """
    factor = 10.0 ** abs(decimals)
    with np.errstate(invalid="ignore", over="ignore"):
        wide = values.astype(np.float64)
        whole = np.rint(wide * factor if decimals >= 0 else wide / factor)
        near = (whole / factor if decimals >= 0 else whole * factor).astype(values.dtype) + values.dtype.type(0)
        fits = (np.abs(whole) <= 2.0 ** (mantissa_bits(values.dtype) + 1)) & np.isfinite(near)
    rounded: Array = np.where(fits, near, values)
    return rounded


def round_bits(values: Array, keep_bits: int) -> Array:
    """Round floats to a number of bits of their mantissa, ties to even.

    The error is at most ``2**-(keep_bits + 1)`` of the number (of the smallest normal number, for those below it).
    NaN and infinities stay as they are, as do numbers that would become infinite.

    References
    ----------
    Klöwer et al. 2021, Compressing atmospheric data into its real information content, doi:10.1038/s43588-021-00156-2

    Examples
    --------
    >>> round_bits(np.array([3.14159, 1.0], "f4"), 4).tolist()
    [3.125, 1.0]
    """
    drop = mantissa_bits(values.dtype) - keep_bits
    if drop <= 0:
        return values
    kind = np.dtype(f"u{values.itemsize}")
    bits = np.ascontiguousarray(values).view(kind).reshape(values.shape)
    half = kind.type((1 << (drop - 1)) - 1)
    odd = (bits >> kind.type(drop)) & kind.type(1)
    mask = kind.type((1 << (8 * values.itemsize)) - (1 << drop))
    with np.errstate(over="ignore"):
        near = np.asarray((bits + half + odd) & mask).view(values.dtype).reshape(values.shape)
    rounded: Array = np.where(np.isfinite(values) & np.isfinite(near), near, values)
    return rounded


def keep_bits(values: Any, information: float = 0.99, *, axis: int = -1) -> int:
    """Find how many bits of the mantissa hold the real information of floats.

    A bit holds information as far as it tells something about the same bit of the next value along an axis; bits of
    noise tell nothing. Bits are relative to the size of a number: values around zero (degrees Celsius instead of
    kelvin) are better rounded to decimals, with ``precision=``.

    Parameters
    ----------
    values : array-like of float
        A representative part of the data. NaN, infinities and masked cells are left out; of more than 4 million, evenly
        spaced stretches are judged.
    information : float
        Share of the information to be kept, above 0 and at most 1.
    axis : int
        The axis along which neighbours are compared: one along which the data are smooth.

    Returns
    -------
    int
        For ``keep_bits=`` of a new variable; all bits of the type when the values are too few to tell.

    References
    ----------
    Klöwer et al. 2021, Compressing atmospheric data into its real information content, doi:10.1038/s43588-021-00156-2

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> smooth = np.sin(np.linspace(0, 20, 100_000)) + 2
    >>> keep_bits((smooth + random.normal(0, 1e-3, smooth.size)).astype("f4"))
    8
    """
    check_share("information", information)
    array = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise ValueError(f"only float16, float32 and float64 are rounded to bits, not {array.dtype}")
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer):
        raise TypeError(f"axis={axis!r}: give the number of an axis, as in -1")
    if array.ndim == 0 or not -array.ndim <= axis < array.ndim:
        raise ValueError(f"axis={axis} of values with {array.ndim} dimensions: they have no such axis")
    mantissa = mantissa_bits(array.dtype)
    found = _information(*_neighbours(array, axis), 8 * array.dtype.itemsize)
    if not found.any():
        return mantissa
    needed = int(np.searchsorted(np.cumsum(found), information * found.sum() * (1 - 1e-12))) + 1
    return max(0, min(needed - (8 * array.dtype.itemsize - mantissa), mantissa))


def check_share(name: str, share: Any) -> None:
    """Refuse what is no share of the information."""
    if isinstance(share, bool) or not isinstance(share, int | float | np.integer | np.floating):
        raise TypeError(f"{name}={share!r}: give a number above 0 and at most 1, as in 0.99")
    if not 0 < share <= 1:
        raise ValueError(f"{name}={share!r}: give a share above 0 and at most 1, as in 0.99")


def _neighbours(array: Array, axis: int) -> tuple[Words, Words]:
    """Give the bits of values and of the next ones along an axis."""
    rows = np.moveaxis(array, axis, -1)
    if array.size > _MOST:
        length = min(rows.shape[-1], _STRETCH)
        rows = rows[..., : rows.shape[-1] // length * length].reshape(-1, length)
        rows = rows[:: -(-rows.size // _MOST)]
    values = np.asarray(np.ma.getdata(rows), array.dtype.newbyteorder("="))
    known = np.isfinite(values) & ~np.ma.getmaskarray(rows)
    pairs = known[..., 1:] & known[..., :-1]
    kind = np.dtype(f"u{array.dtype.itemsize}")
    return values[..., :-1][pairs].view(kind), values[..., 1:][pairs].view(kind)


def _information(left: Words, right: Words, width: int) -> npt.NDArray[np.float64]:
    """Give the mutual information of each bit and its neighbour, the highest bit first."""
    found = np.zeros(width)
    if left.size < 2:
        return found
    for number in range(width):
        place = left.dtype.type(width - 1 - number)
        one, other = (left >> place) & left.dtype.type(1), (right >> place) & left.dtype.type(1)
        both, first, second = int((one & other).sum()), int(one.sum()), int(other.sum())
        counts = np.array([[left.size - first - second + both, second - both], [first - both, both]], np.float64)
        joint = counts / left.size
        apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
        some = joint > 0
        found[number] = float(np.sum(joint[some] * np.log2(joint[some] / apart[some])))
    found[found <= _by_accident(left.size)] = 0.0
    return found


def _by_accident(pairs: int) -> float:
    """Give the information that bits of pure noise seem to have, in that many pairs."""
    share = min(0.5 + NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2) / (2 * pairs**0.5), 1.0)
    entropy = 0.0 if share >= 1 else -(share * np.log2(share) + (1 - share) * np.log2(1 - share))
    found = float(1 - entropy)
    return found if isfinite(found) else 1.0
