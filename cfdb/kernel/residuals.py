"""What is left of codes when their neighbours foretell them?

Codes are unsigned integers of 1, 2, 4 or 8 bytes; all arithmetic is modulo their range. A block is seen as rows of its
last axis, and planes of its last two.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.unsignedinteger[Any]]
Bytes = npt.NDArray[np.uint8]

#: How neighbours foretell a code: not at all, by the one before it, by the plane through three neighbours.
NONE, ROW, PLANE = 0, 1, 2


def take_differences(codes: Codes, predictor: int) -> Codes:
    """Give the residuals of codes, zigzagged unless nothing was foretold.

    Parameters
    ----------
    codes : ndarray of unsigned integers, (planes, rows, columns)
    predictor : int
        `NONE`, `ROW` or `PLANE`.

    Examples
    --------
    >>> take_differences(np.array([[[5, 6, 4]]], "u1"), ROW).tolist()
    [[[10, 2, 3]]]
    """
    if predictor == NONE:
        return codes
    left = codes.copy()
    left[..., 1:] -= codes[..., :-1]
    found = left
    if predictor == PLANE:
        found = left.copy()
        found[:, 1:, 1:] -= left[:, :-1, 1:]
    first = codes[..., 0].reshape(-1)
    leading = first.copy()
    leading[1:] -= first[:-1]
    found[..., 0] = leading.reshape(found.shape[:2])
    signed = found.view(f"i{codes.itemsize}")
    zigzag: Codes = ((signed << 1) ^ (signed >> (8 * codes.itemsize - 1))).view(codes.dtype)
    return zigzag


def add_differences(residuals: Codes, predictor: int) -> Codes:
    """Undo `take_differences`.

    Examples
    --------
    >>> add_differences(np.array([[[10, 2, 3]]], "u1"), ROW).tolist()
    [[[5, 6, 4]]]
    """
    if predictor == NONE:
        return residuals
    kind = residuals.dtype
    found: Codes = (residuals >> kind.type(1)) ^ (kind.type(0) - (residuals & kind.type(1)))
    found[..., 0] = np.cumsum(found[..., 0], dtype=kind).reshape(found.shape[:2])
    if predictor == PLANE:
        np.cumsum(found[..., 1:], axis=1, dtype=kind, out=found[..., 1:])
    return np.cumsum(found, axis=2, dtype=kind, out=found)


def shuffle(data: Bytes, width: int) -> Bytes:
    """Put all first bytes of the elements first, then all second bytes, and so on.

    Examples
    --------
    >>> shuffle(np.array([1, 2, 3, 4], "u1"), 2).tolist()
    [1, 3, 2, 4]
    """
    _check_whole(data, width)
    return np.ascontiguousarray(data.reshape(-1, width).T).reshape(-1)


def unshuffle(data: Bytes, width: int) -> Bytes:
    """Undo `shuffle`."""
    _check_whole(data, width)
    out = np.empty((data.size // width, width), np.uint8)
    for place, plane in enumerate(data.reshape(width, -1)):
        out[:, place] = plane
    return out.reshape(-1)


def _check_whole(data: Bytes, width: int) -> None:
    if width < 1 or data.size % width:
        raise ValueError(f"{data.size} bytes are not whole elements of width={width}")
