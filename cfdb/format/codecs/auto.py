"""How is the codec ``cfdb.auto`` set up for a variable, and which cells of a chunk does a selection need?"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from cfdb.errors import FormatError
from cfdb.format.codecs.spec import AUTO, Chain
from cfdb.format.dtypes import DataType
from cfdb.kernel import BlockCodec, Conversion

#: Chunks up to this many bytes are one block; blocks of larger ones take up to `_BLOCK`.
_WHOLE, _BLOCK = 128 * 1024, 96 * 1024
#: A last axis up to this long is not cut while another one can be.
_ROW = 512


def choose_block_shape(chunk_shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Choose the parts of a chunk that can be decoded apart from each other.

    Parameters
    ----------
    chunk_shape : sequence of int
        Shape of the chunk.
    itemsize : int
        Bytes of a cell.

    Returns
    -------
    tuple of int
        Shape of a block, of up to 96 KiB; the chunk itself when that takes 128 KiB or less.

    Examples
    --------
    >>> choose_block_shape((73, 60, 72), 4)
    (19, 15, 72)
    >>> choose_block_shape((14, 125, 125), 4)
    (4, 32, 125)
    >>> choose_block_shape((16, 16, 16), 4)
    (16, 16, 16)
    """
    block = list(chunk_shape)
    if prod(block) * itemsize <= _WHOLE:
        return tuple(block)
    cuts = [0] * len(block)
    while prod(block) * itemsize > _BLOCK and max(block) > 1:
        others = block[:-1] if block[-1] <= _ROW and max(block[:-1], default=1) > 1 else block
        axis = min((axis for axis, length in enumerate(others) if length > 1), key=cuts.__getitem__)
        block[axis] = -(-block[axis] // 2)
        cuts[axis] += 1
    return tuple(block)


def block_codec(dtype: DataType, shape: tuple[int, ...], chain: Chain) -> BlockCodec | None:
    """Give the parameters of a chain that is ``cfdb.auto``; None when it is another.

    Raises
    ------
    FormatError
        If they do not fit the variable.
    """
    if all(codec.name != AUTO for codec in chain):
        return None
    options = dict(chain[0].options)
    try:
        if len(chain) > 1 or dtype.is_variable_length:
            raise ValueError(f"it stands alone, for cells of fixed size, not {dtype}")
        block = tuple(map(int, options.get("block_shape") or shape))  # type: ignore[arg-type]
        return BlockCodec(dtype.dtype_encoded, shape, block, int(options["width"]), int(options["level"]))  # type: ignore[arg-type]
    except (ValueError, TypeError, KeyError) as error:
        raise FormatError(f"the codec {AUTO!r} cannot be used for chunks of shape {shape}: {error}") from error


def conversion_of(dtype: DataType) -> Conversion | None:
    """Say how stored codes become floats, where the kernel does that on its way."""
    packing = dtype.packing
    if packing is None or dtype.name not in ("float32", "float64"):
        return None
    return packing.conversion


def bounds(selection: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[list[int], list[int], tuple[Any, ...]]:
    """Give the smallest box of a chunk that holds a selection.

    Parameters
    ----------
    selection : tuple
        Slices, numbers and arrays of numbers, as NumPy takes them; axes left out are taken whole.
    shape : tuple of int
        Shape of the chunk.

    Returns
    -------
    starts, counts : list of int
        The box.
    inside : tuple
        The selection, as an index into the box.

    Examples
    --------
    >>> bounds((slice(2, 9, 3), 1), (10, 4, 5))
    ([2, 1, 0], [7, 1, 5], (slice(0, 7, 3), 0, slice(0, 5, 1)))
    """
    starts: list[int] = []
    counts: list[int] = []
    inside: list[Any] = []
    for axis, length in enumerate(shape):
        item = selection[axis] if axis < len(selection) else slice(None)
        if isinstance(item, slice):
            places = range(*item.indices(length))
            low, high = (min(places[0], places[-1]), max(places[0], places[-1]) + 1) if places else (0, 0)
            stop = places.stop - low
            inside.append(slice(places.start - low, stop if stop >= 0 else None, places.step))
        else:
            numbers = np.where(np.asarray(item) < 0, np.asarray(item) + length, item)
            low, high = (int(numbers.min()), int(numbers.max()) + 1) if numbers.size else (0, 0)
            inside.append(numbers - low if numbers.ndim else int(numbers) - low)
        starts.append(low)
        counts.append(high - low)
    return starts, counts, tuple(inside)
