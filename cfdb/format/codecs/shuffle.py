"""How are the bytes of numbers regrouped by significance, so that they compress better?

The layout is numcodecs' ``shuffle``: all first bytes, then all second bytes, ...; bytes beyond the last whole element
stay at the end.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
_WORDS = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def shuffle(data: Bytes, width: int) -> Bytes:
    """Group bytes by their place in elements of `width` bytes."""
    count = data.size // width
    body = data[: count * width]
    out = np.empty(data.size, np.uint8)
    planes = out[: count * width].reshape(width, count)
    columns = body.reshape(count, width)
    for place in range(width):
        planes[place] = columns[:, place]
    out[count * width :] = data[count * width :]
    return out


def unshuffle(data: Bytes, width: int) -> Bytes:
    """Undo `shuffle`."""
    count = data.size // width
    out = np.empty(data.size, np.uint8)
    columns = out[: count * width].reshape(count, width)
    planes = data[: count * width].reshape(width, count)
    for place in range(width):
        columns[:, place] = planes[place]
    out[count * width :] = data[count * width :]
    return out


def unshuffle_into(data: Bytes, out: npt.NDArray[Any], shape: tuple[int, ...], selection: tuple[Any, ...]) -> None:
    """Unshuffle only the selected cells, straight to their destination.

    Parameters
    ----------
    data : ndarray of uint8
        Shuffled bytes of a whole array.
    out : ndarray
        Destination; its last axis is contiguous.
    shape : tuple of int
        Shape of the whole array.
    selection : tuple
        Basic or orthogonal NumPy index into the whole array; gives the shape of `out`.
    """
    width = out.dtype.itemsize
    planes = data.reshape(width, *shape)
    places = out.view(np.uint8).reshape(*out.shape, width)
    for place in range(width):
        places[..., place] = planes[place][selection]
