"""How are the values of a new variable encoded, by what its creator wants?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.conventions import geometries
from cfdb.format.codecs import CodecSpec, choose_block_shape, default_chain
from cfdb.format.dtypes import DataType
from cfdb.format.dtypes import dtype as as_data_type
from cfdb.format.rounding import check_share
from cfdb.format.rounding import keep_bits as find_keep_bits

Array = npt.NDArray[Any]

#: How chunks are encoded: the best form of each, or codecs that every zarr reader knows.
ENCODINGS = ("auto", "portable")

#: What a mapping may say, and the parameter that it stands for.
_OBEYED = {
    "precision": "precision",
    "keep_bits": "keep_bits",
    "bit_information": "bit_information",
    "compression": "compression",
    "compression_level": "compression_level",
    "level": "compression_level",
    "portable": "encoding",
}

#: What `describe_rounding` concludes from them.
_CONCLUDED = ("maximum_error", "plus_relative_error", "maximum_relative_error")


def read_encoding(name: str, encoding: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """Give the parameters that an ``encoding=`` stands for.

    Parameters
    ----------
    name : str
        Name of the variable, for messages.
    encoding : str, mapping or None
        One of `ENCODINGS`, or what ``encoding`` of another variable says; what follows from the rest is left out.

    Examples
    --------
    >>> read_encoding("t", {"precision": 2, "maximum_error": 0.005, "portable": True})
    {'precision': 2, 'encoding': 'portable'}
    """
    if encoding is None or isinstance(encoding, str):
        return {"encoding": encoding}
    if not isinstance(encoding, Mapping):
        raise TypeError(f"encoding={encoding!r} of {name!r}: give {' or '.join(map(repr, ENCODINGS))}, or a dict")
    found: dict[str, Any] = {}
    for key, value in encoding.items():
        if key in _CONCLUDED or value is None:
            continue
        if key not in _OBEYED:
            raise ValueError(
                f"encoding={{{key!r}: {value!r}}} of {name!r} means nothing here: it takes "
                f"{', '.join(map(repr, _OBEYED))}; integers to pack into are given by dtype=cfdb.dtypes.dtype(...)"
            )
        if key == "portable" and not isinstance(value, bool):
            raise ValueError(f"encoding={{'portable': {value!r}}} of {name!r}: give True or False")
        option, wanted = _OBEYED[key], ENCODINGS[value] if key == "portable" else value
        if found.setdefault(option, wanted) != wanted:
            raise ValueError(f"encoding= of {name!r} says {option} twice: {found[option]!r} and {wanted!r}")
    return found


def choose_chain(
    name: str, dtype: DataType, chunk_shape: tuple[int, ...], compression: str, level: int | None, encoding: str | None
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
    encoding : str or None
        One of `ENCODINGS`; by default the first.
    """
    wanted = ENCODINGS[0] if encoding is None else encoding
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
    own = {"precision": dtype.precision, "keep_bits": dtype.keep_bits}
    if any(value is not None and own.get(option) == value for option, value in wanted.items()):
        return dtype
    if dtype.precision is not None or dtype.keep_bits is not None:
        raise ValueError(f"{said} of {name!r}: {_own_rounding(dtype)}")
    if bit_information is None:
        return as_data_type(dtype.name, precision, keep_bits=keep_bits)
    check_share("bit_information", bit_information)
    if data is None:
        raise ValueError(f"{said} of {name!r}: needs data= to find the bits; or give keep_bits=, from cfdb.keep_bits")
    values = np.ma.asarray(data).astype(dtype.dtype_decoded)
    if fill_value is not None:
        values = np.ma.masked_where(np.ma.getdata(values) == fill_value, values)
    return as_data_type(dtype.name, keep_bits=find_keep_bits(values, bit_information))


def _own_rounding(dtype: DataType) -> str:
    """Say how a type rounds by itself, and what to do about it."""
    if not dtype.is_packed:
        return "its dtype says how it is rounded; leave one of them out"
    return (
        f"its dtype (given, or that of a template such as create.data_var.air_temp) packs {dtype.name} into "
        f"{dtype.encoded} with precision={dtype.precision}; to round otherwise give dtype={dtype.name!r}, or another "
        "packing, dtype=cfdb.dtypes.dtype(name, precision, min_value, max_value)"
    )


def describe_rounding(dtype: DataType) -> dict[str, Any]:
    """Say how floats are rounded when they are written, and how far that may move them.

    Decimals move a value by ``maximum_error + plus_relative_error * abs(value)`` at most: few decimals are a float, the
    nearest one is taken. Bits move it by ``maximum_relative_error * abs(value)``. The value is that of the variable's
    type: float64 given to float32 is cast first.

    Examples
    --------
    >>> describe_rounding(as_data_type("float32", 2))
    {'precision': 2, 'maximum_error': 0.005, 'plus_relative_error': 1.1920928955078125e-07}
    >>> describe_rounding(as_data_type("float32", keep_bits=9))
    {'keep_bits': 9, 'maximum_relative_error': 0.0009765625}
    """
    if dtype.keep_bits is not None:
        return {"keep_bits": dtype.keep_bits, "maximum_relative_error": 2.0 ** -(dtype.keep_bits + 1)}
    if dtype.kind == "f" and dtype.precision is not None:
        place = float(np.finfo(dtype.dtype_decoded).eps)
        return {
            "precision": dtype.precision,
            "maximum_error": 0.5 * 10.0**-dtype.precision,
            "plus_relative_error": place,
        }
    return {}


def read_geometries(
    name: str, wanted: Any, data: Any, precision: int | None
) -> tuple[DataType, npt.NDArray[Any] | None] | None:
    """Give type and values of a new variable of geometries; None when it holds something else.

    Parameters
    ----------
    name : str
        Name of the variable, for messages.
    wanted : optional
        Its type, as its creator says it.
    data : optional
        Its values, as `cfdb.conventions.geometries.normalise` takes them.
    precision : int or None
        Decimals of the coordinates.
    """
    found = wanted if isinstance(wanted, DataType) else None
    if found is None:
        kind = _geometry_kind(wanted, data)
        if kind is None:
            return None
        found = as_data_type(kind, geometries.DEFAULT_PRECISION if precision is None else precision)
    elif found.kind == "G" and precision not in (None, found.precision):
        raise ValueError(f"precision={precision!r} of {name!r}, and its dtype says {found.precision}; leave one out")
    if found.kind != "G":
        return None
    if data is None:
        return found, None
    return found, geometries.normalise(data, found.name, found.precision, repr(name))


def _geometry_kind(wanted: Any, data: Any) -> str | None:
    """Give the kind of geometry that a type names, or else that of the values."""
    if isinstance(wanted, str):
        return geometries.NAMES.get(wanted.lower())
    return geometries.kind_of(data) if wanted is None and isinstance(data, np.ndarray) else None


def declared_fill(dtype: Any, encoding: Any) -> Any:
    """Give the fill value of whole numbers that another library shows as floats; None when they are none.

    xarray decodes integers with a ``_FillValue`` to floats with NaN, and says in the encoding what they were.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of the values as they are shown.
    encoding : mapping, optional
        As of `xarray.DataArray`.

    Returns
    -------
    numpy.integer or None
        In the type that the numbers were.
    """
    if not isinstance(encoding, Mapping) or dtype.kind != "f" or "scale_factor" in encoding or "add_offset" in encoding:
        return None
    kind, fill = encoding.get("dtype"), encoding.get("_FillValue")
    if kind is None or fill is None:
        return None
    stored = np.dtype(kind)
    return stored.type(fill) if stored.kind in "iu" and not isinstance(fill, str) and fill == fill else None


def as_declared(values: Array, fill: np.integer[Any]) -> Array:
    """Give floats as the masked whole numbers that they were; as they are, when they are no whole numbers any more."""
    missing = np.isnan(values)
    numbers = np.where(missing, 0, values)
    whole = numbers.astype(fill.dtype)
    if not np.array_equal(whole, numbers):
        return values
    return np.ma.MaskedArray(np.where(missing, fill, whole), missing, fill_value=fill)
