"""As what does a variable stand in a netCDF-4 file? Pure: a part of a variable in, a plan out.

The inverse of `netcdf_types`: packed values stay packed, times become CF numbers, missing values get ``_FillValue``.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.bridges.netcdf_types import FILL, OFFSET, SCALE, UNSIGNED
from cfdb.conventions.calendars import encode_times
from cfdb.errors import DataTypeError
from cfdb.format.dtypes import DataType
from cfdb.model.part import Part

Array = npt.NDArray[Any]
Convert = Callable[[Array], Array]

#: Names of NumPy's units of time in CF; years and months have no fixed length and become days.
_UNIT_NAMES = {
    "W": "days", "D": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds",
    "ns": "nanoseconds",
}  # fmt: skip
_STORED = frozenset({FILL, SCALE, OFFSET, UNSIGNED})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a variable becomes in a file.

    Attributes
    ----------
    dtype : numpy.dtype or str
        Type in the file; ``'text'`` for strings of any length, ``'enum'`` for integers with names.
    convert : callable
        Turns values, missing ones filled, into what is written.
    attrs : mapping
        Attributes that follow from the type: units, calendar, scale.
    fill : optional
        ``_FillValue``.
    members : mapping of str to int
        Names of an enumeration.
    letters : int
        Length of the added dimension of characters; 0 when there is none.
    """

    dtype: np.dtype[Any] | str
    convert: Convert
    attrs: Mapping[str, Any] = field(default_factory=dict)
    fill: Any = None
    members: Mapping[str, int] = field(default_factory=dict)
    letters: int = 0


def plan_outgoing(part: Part) -> Outgoing:
    """Decide how the values of a variable are written.

    Parameters
    ----------
    part : Part
        The variable, or a part of it.

    Raises
    ------
    DataTypeError
        If netCDF has no type for them; the message names the variable and the way out.
    """
    dtype, declared = part.dtype, part.fill_value
    kind = dtype.kind
    if kind == "t":
        return _calendar_times(dtype)
    if kind == "M":
        return _times(dtype)
    if kind == "m":
        return _durations(dtype)
    if dtype.is_packed:
        return _packed(dtype, declared)
    if kind == "c":
        raise DataTypeError(
            f"variable {part.name!r} is complex, which netCDF does not know: leave it out (exclude_data_vars=), or "
            "write real and imaginary part as variables of their own"
        )
    if kind in "TG":
        return Outgoing("text", _texts)
    if kind == "S":
        return _characters(dtype)
    if kind == "e" and dtype.name == "enum":
        return Outgoing("enum", _same, fill=declared, members=_with_missing(dict(dtype.members), declared))
    if kind == "e":
        return replace(_numbers(dtype, declared), attrs=part.flags.attrs)
    return _numbers(dtype, declared)


def _with_missing(members: dict[str, int], fill: Any) -> dict[str, int]:
    """Name the fill value too: netCDF wants it to be a member of the enumeration."""
    if fill is None or int(fill) in members.values():
        return members
    name = next(name for name in ("missing", *(f"missing_{n}" for n in range(1, 99))) if name not in members)
    return {**members, name: int(fill)}


def attribute_for_netcdf(value: Any) -> Any:
    """Give an attribute as netCDF can hold it; what it cannot becomes JSON text.

    Examples
    --------
    >>> attribute_for_netcdf(True), attribute_for_netcdf({"a": None}), attribute_for_netcdf([1, 2])
    (np.int8(1), '{"a": null}', array([1, 2]))
    """
    if isinstance(value, bool | np.bool_):
        return np.int8(value)
    if value is None or isinstance(value, Mapping):
        return json.dumps(_plain(value))
    if isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            return value
        array = np.asarray(value) if value and all(isinstance(item, int | float) for item in value) else None
        return json.dumps(_plain(value)) if array is None else attribute_for_netcdf(array)
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind == "M":
            return np.asarray(value).astype(str).tolist()
        if value.dtype.kind == "m":
            return value.astype(np.int64)
        if value.dtype.kind == "b":
            return value.astype(np.int8)
        if value.dtype.kind == "c":
            return json.dumps([[each.real, each.imag] for each in np.atleast_1d(value).tolist()])
        return value.astype(np.float32) if value.dtype == np.float16 else value
    return value


def kept_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Give the attributes of a variable that are its user's, not those of the storage."""
    return {name: attribute_for_netcdf(value) for name, value in attrs.items() if name not in _STORED}


def _plain(value: Any) -> Any:
    """Turn NumPy's values into Python's, for JSON."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _same(values: Array) -> Array:
    return values


def _numbers(dtype: DataType, declared: Any) -> Outgoing:
    stored = np.dtype(dtype.dtype_decoded)
    if stored.kind == "b":
        return Outgoing(np.dtype(np.int8), lambda values: values.astype(np.int8), {"dtype": "bool"})
    target = np.dtype(np.float32) if stored == np.float16 else stored
    fill = target.type(np.nan) if declared is None and target.kind == "f" else declared
    return Outgoing(
        target, lambda values: values.astype(target, copy=False), fill=None if fill is None else target.type(fill)
    )


def _packed(dtype: DataType, declared: Any) -> Outgoing:
    codes = np.dtype(dtype.dtype_encoded)
    packing = dtype.packing
    assert packing is not None
    scale = 10.0 ** -(dtype.precision or 0) if dtype.kind == "f" else 1
    offset = 0 if dtype.offset is None else dtype.offset
    # readers unpack into the type of these two
    narrow = dtype.dtype_decoded == np.float32 and codes.itemsize <= 2 and np.float32(offset) == offset
    real = np.float32 if narrow else np.float64
    attrs: dict[str, Any] = {SCALE: real(scale), OFFSET: real(offset)}
    if dtype.kind != "f":
        attrs = {SCALE: np.int64(1), OFFSET: np.int64(offset)}
    fill = None if packing.fill is None else codes.type(packing.fill)
    return Outgoing(codes, lambda values: dtype.encode(values, declared), attrs, fill)


def _times(dtype: DataType) -> Outgoing:
    unit, count = np.datetime_data(dtype.dtype_decoded)
    known = unit if unit in _UNIT_NAMES and count == 1 else "D" if unit in "YMW" else "us"
    target = np.dtype(f"datetime64[{'D' if known == 'W' else known}]")
    missing = np.iinfo(np.int64).min
    attrs = {"units": f"{_UNIT_NAMES[known]} since 1970-01-01", "calendar": "proleptic_gregorian"}
    return Outgoing(np.dtype(np.int64), lambda values: values.astype(target).astype(np.int64), attrs, np.int64(missing))


def _durations(dtype: DataType) -> Outgoing:
    unit, count = np.datetime_data(dtype.dtype_decoded)
    known = unit if unit in ("s", "ms", "us", "ns") and count == 1 else "s" if unit in "WDhm" else "us"
    target = np.dtype(f"timedelta64[{known}]")
    attrs = {"units": _UNIT_NAMES[known], "dtype": f"timedelta64[{known}]"}
    missing = np.int64(np.iinfo(np.int64).min)
    return Outgoing(np.dtype(np.int64), lambda values: values.astype(target).astype(np.int64), attrs, missing)


def _calendar_times(dtype: DataType) -> Outgoing:
    stored = np.dtype(dtype.dtype_encoded)
    units, calendar = str(dtype.units), str(dtype.calendar)
    fill = np.nan if stored.kind == "f" else np.iinfo(stored).min

    def convert(values: Array) -> Array:
        return encode_times(values, units, calendar, stored)

    return Outgoing(stored, convert, {"units": units, "calendar": calendar}, stored.type(fill))


def _characters(dtype: DataType) -> Outgoing:
    length = np.dtype(dtype.dtype_decoded).itemsize
    if length == 1:
        return Outgoing(np.dtype("S1"), _same)

    def convert(values: Array) -> Array:
        return np.ascontiguousarray(values).view("S1").reshape(*values.shape, length)

    return Outgoing(np.dtype("S1"), convert, letters=length)


def _texts(values: Array) -> Array:
    """Give strings as objects; a missing one is empty, a geometry its well-known text."""
    flat = [
        "" if value is None else value if isinstance(value, str) else value.wkt for value in values.ravel().tolist()
    ]
    texts = np.empty(len(flat), object)
    texts[:] = flat
    return texts.reshape(values.shape)
