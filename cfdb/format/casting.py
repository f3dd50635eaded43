"""How do values a user gives become the cells a variable stores, and back?

`to_cells` never makes up a value: what the stored type cannot hold becomes missing where that exists, and is an
`EncodingError` where it does not. `from_cells` is its inverse within the declared precision.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import DataTypeError, EncodingError
from cfdb.format.rounding import round_bits, round_decimals

if TYPE_CHECKING:
    from cfdb.format.dtypes import DataType

Array = npt.NDArray[Any]


def blank_cell(dtype: "DataType", fill_value: Any = None) -> Any:
    """Give the stored cell of a place that was never written.

    Parameters
    ----------
    dtype : DataType
        Type of the variable.
    fill_value : optional
        The variable's declared fill value, as a user sees it.
    """
    packing = dtype.packing
    if packing is not None:
        if packing.fill is not None:
            return dtype.dtype_encoded.type(packing.fill)
        return to_cells(np.asarray([fill_value or 0], dtype.dtype_decoded), dtype)[0]
    if dtype.kind == "t":
        stored = dtype.dtype_encoded
        return stored.type(np.nan) if stored.kind == "f" else stored.type(np.iinfo(stored).min)
    if fill_value is None:
        return dtype.missing
    return to_cells(np.asarray([fill_value]), dtype, fill_value)[0]


def to_cells(values: Any, dtype: "DataType", fill_value: Any = None) -> Array:
    """Turn values into stored cells.

    Parameters
    ----------
    values : array-like
        Decoded values; cells masked in a masked array become missing.
    dtype : DataType
        Type of the variable.
    fill_value : optional
        The variable's declared fill value.

    Returns
    -------
    ndarray
        Of type ``dtype.dtype_encoded``; may share memory with the input.

    Raises
    ------
    EncodingError
        If a value cannot be held.
    """
    array = _unmasked(values, dtype, fill_value)
    # NumPy turns results without dimensions into scalars: give them one on the way
    return _encoded(np.atleast_1d(array), dtype, fill_value).reshape(array.shape)


def _encoded(array: Array, dtype: "DataType", fill_value: Any) -> Array:
    packing = dtype.packing
    if packing is None:
        return _rounded(_cast(array, dtype), dtype, fill_value)
    if dtype.kind == "f":
        return packing.pack_floats(_numbers(array, dtype))
    if dtype.kind == "M":
        return _pack_times(_cast_times(array, dtype.dtype_decoded), dtype)
    missing = None if fill_value is None else array == fill_value
    return packing.pack_integers(_cast_integers(array, dtype.dtype_decoded), missing)


def _rounded(cells: Array, dtype: "DataType", fill_value: Any) -> Array:
    """Round floats that are declared to be rounded; the fill value stays as it is, and no other value becomes it."""
    if dtype.kind == "f" and dtype.precision is not None:
        rounded = round_decimals(cells, dtype.precision)
    elif dtype.keep_bits is not None:
        rounded = round_bits(cells, dtype.keep_bits)
    else:
        return cells
    if fill_value is None:
        return rounded
    fill = cells.dtype.type(fill_value)
    exact: Array = np.where((cells == fill) | (rounded == fill), cells, rounded)
    return exact


def from_cells(cells: Array, dtype: "DataType", out: Array | None = None, fill_value: Any = None) -> Array:
    """Turn stored cells into values.

    Parameters
    ----------
    cells : ndarray
        Of type ``dtype.dtype_encoded``.
    dtype : DataType
        Type of the variable.
    out : ndarray, optional
        Where the values go.
    fill_value : optional
        The variable's declared fill value: what a reserved code of packed integers reads as.

    Returns
    -------
    ndarray
        `out`, or a new array, or `cells` itself when they are the values.
    """
    packing = dtype.packing
    if packing is None:
        if out is None:
            return cells
        np.copyto(out, cells, casting="unsafe")
        return out
    target = np.empty(cells.shape, dtype.dtype_decoded) if out is None else out
    if dtype.kind == "f":
        packing.unpack_floats(cells, target)
    elif dtype.kind == "M":
        ticks = np.empty(cells.shape, np.int64)
        packing.unpack_integers(cells, ticks, np.iinfo(np.int64).min)
        target[...] = ticks.view(dtype.dtype_decoded)
    else:
        packing.unpack_integers(cells, target, fill_value)
    return target


def _unmasked(values: Any, dtype: "DataType", fill_value: Any) -> Array:
    if not isinstance(values, np.ma.MaskedArray):
        return np.asarray(values)
    if not np.ma.is_masked(values):
        return np.asarray(values.data)
    filler = fill_value if fill_value is not None else dtype.missing
    if fill_value is None and dtype.kind not in "fcMmTtG":
        raise EncodingError(f"masked cells cannot be stored as {dtype}: declare a fill_value")
    return np.asarray(np.where(np.ma.getmaskarray(values), filler, values.data))


def _cast(array: Array, dtype: "DataType") -> Array:
    kind, target = dtype.kind, dtype.dtype_encoded
    if kind == "G":
        return _checked_geometries(array, dtype)
    if array.dtype == target and array.dtype.isnative:
        return array
    if kind in "iue":
        return _cast_integers(array, target)
    if kind in "fc":
        return _cast_floats(array, target)
    if kind in "Mm":
        return _cast_times(array, target)
    if kind == "T":
        return _cast_strings(array, dtype)
    if kind == "S":
        return _cast_bytes(array, target)
    if kind == "b":
        return _cast_bools(array, target)
    if kind == "t" and array.dtype.kind in "iuf":
        return _cast_time_numbers(array, target)
    raise DataTypeError(f"values of type {array.dtype} cannot be stored as {dtype}")


def _numbers(array: Array, dtype: "DataType") -> Array:
    if array.dtype.kind not in "iufb":
        return _cast_floats(array, np.dtype(np.float64))
    return array


def _cast_integers(array: Array, target: np.dtype[Any]) -> Array:
    if array.dtype.kind == "O":
        array = np.array(array.tolist()) if array.size else array.astype(target)
    if array.dtype.kind not in "iufb":
        raise DataTypeError(f"values of type {array.dtype} cannot be stored as {target}")
    if array.size and array.dtype.kind != "b" and not np.can_cast(array.dtype, target, "safe"):
        limits = np.iinfo(target)
        low, high = array.min(), array.max()
        if not (np.isfinite(low) and np.isfinite(high) and int(low) >= limits.min and int(high) <= limits.max):
            wrong = next(v for v in (low, high) if not np.isfinite(v) or not limits.min <= int(v) <= limits.max)
            way = "" if np.isfinite(wrong) else "; mask what is missing (a masked array), and declare a fill_value"
            raise EncodingError(f"{wrong} is no {target}, which holds {limits.min} to {limits.max}{way}")
    return array.astype(target)


def _cast_time_numbers(array: Array, target: np.dtype[Any]) -> Array:
    """Cast numbers of CF times; NaN is a missing time."""
    if target.kind == "f":
        return _cast_floats(array, target)
    missing = np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, np.bool_)
    numbers = np.where(missing, array.dtype.type(0), array)
    if array.dtype.kind == "f" and not bool(np.all(numbers == np.rint(numbers))):
        raise EncodingError(f"{numbers[numbers != np.rint(numbers)].flat[0]} is no whole number, as {target} holds")
    cells = _cast_integers(numbers, target)
    if missing.any():
        if target.kind == "u":
            raise EncodingError(f"{target} has no number for missing times")
        cells[missing] = np.iinfo(target).min
    return cells


def _cast_floats(array: Array, target: np.dtype[Any]) -> Array:
    if array.dtype.kind not in "iufcbO" or (array.dtype.kind == "c" and target.kind == "f"):
        raise DataTypeError(f"values of type {array.dtype} cannot be stored as {target}")
    try:
        with np.errstate(over="raise"):
            return array.astype(target)
    except FloatingPointError as error:
        raise EncodingError(f"a value of {array.dtype} is too large for {target}") from error
    except (TypeError, ValueError) as error:
        raise DataTypeError(f"values cannot be stored as {target}: {error}") from error


def _cast_times(array: Array, target: np.dtype[Any]) -> Array:
    if array.dtype.kind not in (target.kind, "O", "U", "T"):
        raise DataTypeError(f"values of type {array.dtype} cannot be stored as {target}; give {target} or ISO strings")
    try:
        source = array.astype(object) if array.dtype.kind == "T" else array
        cast = source.astype(target)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataTypeError(f"values cannot be stored as {target}: {error}") from error
    if array.dtype.kind == target.kind and not np.array_equal(np.isnat(cast), np.isnat(array)):
        raise EncodingError(f"a time of {array.dtype} is out of range for {target}")
    if array.dtype.kind == target.kind and not _same_times(cast, array):
        raise EncodingError(f"a time of {array.dtype} cannot be held by {target} (out of range or too fine)")
    return cast


def _same_times(cast: Array, original: Array) -> bool:
    back = cast.astype(original.dtype)
    return bool(np.all((back == original) | np.isnat(original)))


def _cast_strings(array: Array, dtype: "DataType") -> Array:
    if array.dtype.kind not in "UTO":
        raise DataTypeError(f"values of type {array.dtype} cannot be stored as strings")
    if array.dtype.kind == "O":
        wrong = next((v for v in array.flat if not isinstance(v, str) and not _is_none(v, dtype)), _NOTHING)
        if wrong is not _NOTHING:
            hint = "; make the variable nullable" if wrong is None else ""
            raise EncodingError(f"{wrong!r} is no string{hint}")
    try:
        return array.astype(dtype.dtype_decoded)
    except (TypeError, ValueError) as error:
        raise EncodingError(f"values cannot be stored as strings: {error}") from error


_NOTHING = object()


def _is_none(value: Any, dtype: "DataType") -> bool:
    return value is None and dtype.nullable


def _checked_geometries(array: Array, dtype: "DataType") -> Array:
    """Let WKT in bytes pass, and None; it is made and read by `cfdb.conventions.geometries`."""
    if array.dtype.kind != "O":
        raise DataTypeError(f"values of type {array.dtype} cannot be stored as {dtype}")
    wrong = next((value for value in array.flat if not isinstance(value, bytes | None)), None)
    if wrong is not None:
        raise DataTypeError(f"{wrong!r} of type {type(wrong).__name__} is no stored {dtype}: cells are WKT in bytes")
    return array


def _cast_bytes(array: Array, target: np.dtype[Any]) -> Array:
    if array.dtype.kind not in "SO":
        raise DataTypeError(f"values of type {array.dtype} cannot be stored as {target}; encode them to bytes first")
    cast = array.astype("S") if array.dtype.kind == "O" else array
    if cast.dtype.itemsize > target.itemsize:
        longest = max(cast.flat, key=len, default=b"")
        if len(longest) > target.itemsize:
            raise EncodingError(f"{longest!r} takes {len(longest)} bytes; {target} holds {target.itemsize}")
    return cast.astype(target)


def _cast_bools(array: Array, target: np.dtype[Any]) -> Array:
    if array.dtype.kind not in "iufb" or not bool(np.all((array == 0) | (array == 1))):
        raise EncodingError("a bool variable takes True, False, 0 and 1 only")
    return array.astype(target)


def _pack_times(times: Array, dtype: "DataType") -> Array:
    packing = dtype.packing
    assert packing is not None
    ticks = times.view(np.int64) if times.dtype.isnative else times.astype(dtype.dtype_decoded).view(np.int64)
    limits = np.iinfo(packing.codes)
    low, high = limits.min + int(packing.offset), limits.max + int(packing.offset)
    missing = np.isnat(times)
    if packing.fill is not None:
        missing |= (ticks < low) | (ticks > high) | (ticks == packing.fill + int(packing.offset))
    return packing.pack_integers(ticks, missing)
