"""What does computing need to know of an array that lies in chunks?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]
#: One entry per axis: a slice, or positions.
Box = tuple[slice | Integers, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """An array that is read box by box.

    Attributes
    ----------
    name : str
        What it is called, for messages.
    dims : tuple of str
        Names of its axes.
    shape : tuple of int
        Their lengths.
    dtype : numpy.dtype
        NumPy type of the values.
    itemsize : int
        Bytes of a decoded value, a guess where they differ.
    breaks : tuple of ndarray
        Along every axis the positions at which another chunk begins: ascending, the first is 0, none for length 0.
    chunk_nbytes : int
        Decoded size of a chunk.
    read : callable
        Gives the values of a box; lists select rows and columns.
    prefetch : callable
        Brings the chunks of a box near.
    owners : tuple of ndarray
        Along every axis the number of the chunk that holds each position. None given: a chunk per break.
    """

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    itemsize: int
    breaks: tuple[Integers, ...]
    chunk_nbytes: int
    read: Callable[[Box], Array]
    prefetch: Callable[[Box], object]
    owners: tuple[Integers, ...] = ()
