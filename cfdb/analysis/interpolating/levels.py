"""What are the values at given levels, where every column has levels of its own?

Model levels lie at a pressure or height that differs from column to column and moment to moment. All columns are
interpolated at once.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

METHODS = ("linear", "log", "nearest")


def regrid_columns(values: Array, levels: Array, targets: Floats, method: str, what: str = "levels") -> Floats:
    """Interpolate columns from their own levels to common ones.

    Parameters
    ----------
    values : ndarray, shape (l, ...)
        Columns along the first axis; NaN is missing, and is not bridged.
    levels : ndarray, shape (l, ...)
        Where the values lie: rising or falling along each column. Positions whose level is NaN are left out.
    targets : ndarray of float64, shape (t,)
        Levels that are wanted.
    method : {'linear', 'log', 'nearest'}
        Linear in the level, linear in its logarithm (pressure), or the nearest level.
    what : str
        Name of the levels, for messages.

    Returns
    -------
    ndarray of float64, shape (t, ...)
        NaN outside the levels of a column, and beside a missing value.

    Raises
    ------
    ValueError
        If the levels of a column turn back, or (`log`) are not positive.

    Examples
    --------
    >>> pressure = np.array([[1000.0, 990.0], [500.0, 490.0], [250.0, 240.0]])
    >>> regrid_columns(pressure / 10, pressure, np.array([750.0, 245.0]), "linear")
    array([[75. , 75. ],
           [ nan, 24.5]])
    """
    shape = (targets.size, *values.shape[1:])
    count = values.shape[0]
    columns = np.asarray(values, np.float64).reshape(count, -1)
    heights = np.broadcast_to(np.asarray(levels, np.float64), values.shape).reshape(count, -1)
    wanted = targets
    if method == "log":
        heights, wanted = _logarithms(heights, targets, what)
    heights, columns, known = _packed(heights, columns)
    sign = _direction(heights, known, what)
    rising = heights * sign
    result = np.full((targets.size, columns.shape[1]), np.nan)
    for number, target in enumerate(wanted):
        result[number] = _at(columns, rising, known, target * sign, method)
    return result.reshape(shape)


def _logarithms(heights: Floats, targets: Floats, what: str) -> tuple[Floats, Floats]:
    if bool(np.any(heights <= 0)) or bool(np.any(targets <= 0)):
        raise ValueError(f"method='log' needs positive levels; {what} or the target levels hold 0 or less")
    return np.log(heights), np.log(targets)


def _packed(heights: Floats, columns: Floats) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Bring the positions with a level to the front of each column, and count them."""
    lost = ~np.isfinite(heights)
    known = np.asarray(heights.shape[0] - lost.sum(axis=0), np.int64)
    if lost.any():
        order = np.argsort(lost, axis=0, kind="stable")
        heights, columns = np.take_along_axis(heights, order, 0), np.take_along_axis(columns, order, 0)
        heights = np.where(np.arange(heights.shape[0])[:, None] < known, heights, np.nan)
    return heights, columns, known


def _direction(heights: Floats, known: npt.NDArray[np.int64], what: str) -> Floats:
    """Give 1 for columns that rise and -1 for those that fall."""
    steps = np.diff(heights, axis=0)
    falls = (steps < 0).any(axis=0)
    turned = (falls & (steps > 0).any(axis=0)) | (steps == 0).any(axis=0)
    if turned.any():
        raise ValueError(
            f"{what} neither rise nor fall all the way in {int(turned.sum())} of {turned.size} columns: between such "
            "levels there is more than one value"
        )
    return np.where(falls, -1.0, 1.0)


def _at(columns: Floats, rising: Floats, known: npt.NDArray[np.int64], target: Floats, method: str) -> Floats:
    """Interpolate every column to one level."""
    with np.errstate(invalid="ignore"):
        below = (rising <= target).sum(axis=0)  # NaN counts as above
    last = np.maximum(known - 1, 0)
    lower = np.clip(below - 1, 0, last)
    upper = np.minimum(lower + 1, last)
    everything = np.arange(columns.shape[1])
    low, high = rising[lower, everything], rising[upper, everything]
    outside = (below < 1) | (target > rising[last, everything]) | (known < 1)
    share = np.where(upper > lower, (target - low) / np.where(upper > lower, high - low, 1.0), 0.0)
    first, second = columns[lower, everything], columns[upper, everything]
    if method == "nearest":
        found = np.where(share > 0.5, second, first)
    else:
        # on a level the value there counts, whatever the next one is
        found = np.where(share == 0, first, first + (second - first) * share)
    result: Floats = np.where(outside, np.nan, found)
    return result
