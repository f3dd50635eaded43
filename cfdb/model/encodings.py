"""How are the values of a new variable encoded, by what its creator wants?"""

from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.format.codecs import CodecSpec, choose_block_shape, default_chain
from cfdb.format.dtypes import DataType
from cfdb.format.dtypes import dtype as as_data_type
from cfdb.format.rounding import keep_bits as find_keep_bits

#: How chunks are encoded: the best form of each, or codecs that every zarr reader knows.
ENCODINGS = ("auto", "portable")


def choose_chain(
    name: str, dtype: DataType, chunk_shape: tuple[int, ...], compression: str, level: int | None, encoding: Any
) -> tuple[CodecSpec, ...]:
    """Choose the codecs of a new variable.

    Parameters
    ----------
    name : str
        Its name, for messages.
    dtype : DataType
        Its type.
    chunk_shape : tuple of int
        Shape of its chunks.
    compression : str
        ``'zstd'``, ``'none'`` or ``'lz4'``.
    level : int or None
        Compression level.
    encoding : str or mapping
        One of `ENCODINGS`; a mapping (storage options of other formats) means the first.
    """
    wanted = encoding if isinstance(encoding, str) else ENCODINGS[0]
    if wanted not in ENCODINGS:
        raise ValueError(f"encoding={wanted!r} of {name!r}: choose {' or '.join(map(repr, ENCODINGS))}")
    block = None if dtype.is_variable_length else choose_block_shape(chunk_shape, dtype.itemsize)
    return default_chain(dtype, compression, level, block_shape=block, portable=wanted == "portable")


def choose_rounding(
    name: str,
    dtype: DataType,
    data: npt.NDArray[Any] | None,
    fill_value: Any,
    *,
    precision: int | None = None,
    keep_bits: int | None = None,
    bit_information: float | None = None,
) -> DataType:
    """Give the type with the rounding that is wanted of it; without one it stays as it is.

    Parameters
    ----------
    name : str
        Name of the variable, for messages.
    dtype : DataType
        Its type.
    data : ndarray or None
        Its values; `bit_information` is found from them.
    fill_value : optional
        Value that is none.
    precision, keep_bits, bit_information : optional
        Decimals to keep, or bits of the mantissa, or the share of the bits' information; one of them.
    """
    options = {"precision": precision, "keep_bits": keep_bits, "bit_information": bit_information}
    wanted = {option: value for option, value in options.items() if value is not None}
    if not wanted:
        return dtype
    said = " and ".join(f"{option}={value!r}" for option, value in wanted.items())
    if len(wanted) > 1:
        raise ValueError(f"{said} of {name!r}: choose one way of rounding")
    if dtype.kind != "f":
        raise ValueError(f"{said} of {name!r}: only floats are rounded, not {dtype}")
    if dtype.precision is not None or dtype.keep_bits is not None:
        raise ValueError(f"{said} of {name!r}: its dtype says how it is rounded; leave one of them out")
    if bit_information is None:
        return as_data_type(dtype.name, precision, keep_bits=keep_bits)
    if data is None:
        raise ValueError(f"{said} of {name!r}: needs data= to find the bits; or give keep_bits=, from cfdb.keep_bits")
    values = np.ma.asarray(data).astype(dtype.dtype_decoded)
    if fill_value is not None:
        values = np.ma.masked_where(np.ma.getdata(values) == fill_value, values)
    return as_data_type(dtype.name, keep_bits=find_keep_bits(values, bit_information))


def describe_rounding(dtype: DataType) -> dict[str, Any]:
    """Say how floats are rounded when they are written, and how far that may move them.

    Examples
    --------
    >>> describe_rounding(as_data_type("float32", 2))
    {'precision': 2, 'maximum_error': 0.005}
    >>> describe_rounding(as_data_type("float32", keep_bits=9))
    {'keep_bits': 9, 'maximum_relative_error': 0.0009765625}
    """
    if dtype.keep_bits is not None:
        return {"keep_bits": dtype.keep_bits, "maximum_relative_error": 2.0 ** -(dtype.keep_bits + 1)}
    if dtype.kind == "f" and dtype.precision is not None:
        return {"precision": dtype.precision, "maximum_error": 0.5 * 10.0**-dtype.precision}
    return {}
