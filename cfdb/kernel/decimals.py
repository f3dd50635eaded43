"""Which integers stand for cells, and which cells have none?

Floats that are ``k / 10**d`` are the integer k. The test is made on their bits: what decodes is the cell itself.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Marks = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

#: In place of decimals: the cells are integers themselves.
INTEGERS = 0xFF


@dataclass(frozen=True, slots=True)
class FloatKind:
    """Limits of one float type.

    Attributes
    ----------
    largest : float
        Largest integer up to which the type holds all.
    decimals : int
        Most decimals that are tried.
    minus_zero : unsigned integer
        Bits of -0.0.
    """

    largest: float
    decimals: int
    minus_zero: Any


FLOATS = {4: FloatKind(2.0**24, 10, np.uint32(1 << 31)), 8: FloatKind(2.0**53, 15, np.uint64(1 << 63))}


def is_candidate(dtype: np.dtype[Any]) -> bool:
    """Whether cells of a type may be stored as integers."""
    return dtype.kind in "biumM" or (dtype.kind == "f" and dtype.itemsize in FLOATS)


def bits_of(cells: Array) -> Array:
    """See cells of 1, 2, 4 or 8 bytes as unsigned integers."""
    return cells.view(f"<u{cells.itemsize}")


def are_odd(cells: Array) -> Marks:
    """Mark floats that no integer stands for: not finite, too large, or -0.0."""
    kind = FLOATS[cells.itemsize]
    with np.errstate(invalid="ignore"):
        irregular = ~(np.abs(cells) <= kind.largest)
    odd: Marks = irregular | (bits_of(cells) == kind.minus_zero)
    return odd


def to_integers(cells: Array, decimals: int) -> tuple[Words, Marks | None]:
    """Give the integers of cells, modulo 2**64, and mark the good ones.

    Parameters
    ----------
    cells : ndarray, one axis
    decimals : int
        Of floats; else `INTEGERS`.

    Returns
    -------
    ndarray of uint64, ndarray of bool or None
        The integers (0 for cells without one), and which cells have one; None when all have.

    Examples
    --------
    >>> numbers, good = to_integers(np.array([1.25, np.nan, -0.5]), 2)
    >>> numbers.view("i8").tolist(), good.tolist()
    ([125, 0, -50], [True, False, True])
    """
    if decimals == INTEGERS:
        kind = cells.dtype.kind
        numbers = cells.view(np.int64) if kind in "mM" else cells
        return (numbers.astype(np.uint64) if kind in "bu" else numbers.astype(np.int64).view(np.uint64)), None
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.rint(cells.astype(np.float64) * 10.0**decimals)
        good = ~are_odd(cells) & (np.abs(scaled) <= FLOATS[cells.itemsize].largest)
        scaled[~good] = 0.0
        good &= bits_of(_quotients(scaled, decimals, cells.dtype)) == bits_of(cells)
    scaled[~good] = 0.0
    return scaled.astype(np.int64).view(np.uint64), None if good.all() else good


def from_integers(numbers: Words, decimals: int, dtype: np.dtype[Any]) -> Array:
    """Undo `to_integers`."""
    if decimals != INTEGERS:
        return _quotients(numbers.view(np.int64), decimals, dtype)
    if dtype.kind == "b":
        return np.not_equal(numbers.astype(np.uint8), 0)
    cells: Array = numbers.astype(f"<u{dtype.itemsize}").view(dtype)
    return cells


def _quotients(numbers: Array, decimals: int, dtype: np.dtype[Any]) -> Array:
    cells: Array = numbers.astype(dtype) / dtype.type(10.0**decimals)
    return cells


def bit_lengths(numbers: Words) -> npt.NDArray[np.int64]:
    """Count the bits that numbers need.

    Examples
    --------
    >>> bit_lengths(np.array([0, 1, 255, 256, 2**64 - 1], "u8")).tolist()
    [0, 1, 8, 9, 64]
    """
    high = np.frexp((numbers >> np.uint64(32)).astype(np.float64))[1]
    low = np.frexp((numbers & np.uint64(2**32 - 1)).astype(np.float64))[1]
    return np.where(high > 0, high + 32, low).astype(np.int64)
