"""As what type is a netCDF variable stored, and how do its values get there? Pure.

Stored numbers are kept bit for bit wherever a cfdb type can say the same: packed integers whose scale is a power of
ten, CF times with their units and calendar, enumerations, characters. Other packings are decoded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.bridges.netcdf_plan import SourceVariable, text_of
from cfdb.conventions.calendars import check_calendar, parse_units
from cfdb.errors import CFDBError, DataTypeError, EncodingError
from cfdb.format.dtypes import DataType, dtype, enum_dtype, time_dtype

Array = npt.NDArray[Any]
Convert = Callable[[Array], Array]

#: Attributes of netCDF's storage that become part of the type instead of staying attributes.
FILL, MISSING, SCALE, OFFSET, UNSIGNED = "_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned"
_MOST_DECIMALS = 15


@dataclass(frozen=True, slots=True)
class Interpretation:
    """How the values of a variable are kept.

    Attributes
    ----------
    dtype : DataType
        Their type.
    convert : callable
        Turns an array of the file into what is written.
    encoded : bool
        Whether `convert` gives stored codes instead of values.
    fill_value, missing_value : optional
        Values that mean missing, as a user sees them.
    encoding : mapping
        Attributes that do not apply to the stored values any more.
    """

    dtype: DataType
    convert: Convert
    encoded: bool = False
    fill_value: Any = None
    missing_value: Any = None
    encoding: Mapping[str, Any] = field(default_factory=dict)


def interpret(variable: SourceVariable, time: tuple[str, str] | None) -> Interpretation:
    """Decide how a variable is kept.

    Parameters
    ----------
    variable : SourceVariable
        The variable.
    time : tuple of str, optional
        Units and calendar when it holds CF times (its own, or those of the coordinate it bounds).

    Raises
    ------
    DataTypeError
        If its type cannot be kept; the message names the variable and the reason.
    """
    try:
        return _interpret(variable, time)
    except (CFDBError, ValueError, TypeError) as error:
        raise DataTypeError(f"variable {variable.path!r} cannot be imported: {error}") from error


def time_of(variable: SourceVariable) -> tuple[str, str] | None:
    """Give units and calendar of CF times; None for other variables.

    Examples
    --------
    >>> attrs = {"units": "hours since 1970-01-01", "calendar": "360_day"}
    >>> time_of(SourceVariable("time", ("time",), (3,), np.dtype("f8"), attrs))
    ('hours since 1970-01-01', '360_day')
    """
    units, calendar = variable.attrs.get("units"), variable.attrs.get("calendar", "standard")
    if variable.dtype.kind not in "iuf" or variable.members is not None:
        return None
    if not isinstance(units, str) or not isinstance(calendar, str):
        return None
    try:
        parse_units(units)
        check_calendar(calendar)
    except EncodingError:
        return None  # months, fantasy calendars: plain numbers with an attribute
    return units, calendar


def _interpret(variable: SourceVariable, time: tuple[str, str] | None) -> Interpretation:
    kind = variable.dtype.kind
    if kind == "O":
        return _strings(variable)
    if kind == "V" or variable.dtype.subdtype is not None:
        raise DataTypeError(f"its values are compounds or of no known type ({variable.dtype})")
    if variable.members is not None:
        return Interpretation(enum_dtype(variable.dtype, dict(variable.members)), _little, **_marks(variable))
    if SCALE in variable.attrs or OFFSET in variable.attrs:
        return _packed(variable, time)
    if time is not None:
        return _times(variable, *time)
    stored = _unsigned(variable)
    return Interpretation(dtype(stored), _caster(stored), **_marks(variable, stored))


def _strings(variable: SourceVariable) -> Interpretation:
    """Variable-length strings; h5netcdf gives them as objects."""
    metadata: Mapping[str, Any] = variable.dtype.metadata or {}
    if metadata.get("vlen") not in (str, bytes):
        raise DataTypeError("its values are sequences of varying length or references")
    return Interpretation(dtype("str"), _texts, **_marks(variable))


def _texts(values: Array) -> Array:
    flat = [text_of(value) if isinstance(value, bytes) else value or "" for value in values.flat]
    texts = np.empty(len(flat), object)
    texts[:] = flat
    return texts.reshape(values.shape)


def _times(variable: SourceVariable, units: str, calendar: str) -> Interpretation:
    """Numbers with units and calendar; the file's fill becomes NaN or the smallest integer."""
    marks = _marks(variable)
    missing = [value for value in (marks.get("fill_value"), marks.get("missing_value")) if value is not None]
    # unsigned numbers leave none for missing times
    stored = np.dtype("<i8") if missing and variable.dtype.kind == "u" else variable.dtype.newbyteorder("<")
    kept = time_dtype(units, calendar, stored.name)
    blank = np.nan if stored.kind == "f" else np.iinfo(stored).min

    def convert(values: Array) -> Array:
        numbers = values.astype(stored)
        numbers[_equals_any(values, missing)] = blank
        return numbers

    encoding = {name: variable.attrs[name] for name in (FILL, MISSING) if name in variable.attrs}
    return Interpretation(kept, convert, encoded=True, encoding=encoding)


def _packed(variable: SourceVariable, time: tuple[str, str] | None) -> Interpretation:
    codes = _unsigned(variable)
    scale, offset = variable.attrs.get(SCALE, 1), variable.attrs.get(OFFSET, 0)
    if np.ndim(scale) or np.ndim(offset) or isinstance(scale, str) or isinstance(offset, str):
        raise DataTypeError(f"{SCALE} {scale!r} and {OFFSET} {offset!r} must be single numbers")
    marks = _marks(variable, codes)
    missing = [value for value in (marks.get("fill_value"), marks.get("missing_value")) if value is not None]
    decoded = _decoded_type(variable, codes)
    encoding = {n: variable.attrs[n] for n in (SCALE, OFFSET, FILL, MISSING, UNSIGNED) if n in variable.attrs}
    exact = _exact_packing(codes, decoded, scale, offset, missing) if time is None else None
    if exact is not None:
        return Interpretation(exact, _caster(codes), encoded=True, encoding=encoding)
    encoding["dtype"] = codes.name

    def convert(values: Array) -> Array:
        numbers = _as_unsigned(values, codes)
        result = numbers.astype(np.float64) * np.float64(scale) + np.float64(offset)
        result[_equals_any(numbers, missing)] = np.nan
        return result.astype(decoded)

    if time is not None:
        return Interpretation(time_dtype(*time, "float64"), convert, encoded=True, encoding=encoding)
    return Interpretation(dtype(decoded), convert, encoding=encoding)


def _exact_packing(
    codes: np.dtype[Any], decoded: np.dtype[Any], scale: Any, offset: Any, missing: list[Any]
) -> DataType | None:
    """Give the type that keeps the codes themselves; None when cfdb has none for this packing."""
    distinct = {int(value) for value in missing} if codes.kind in "iu" else set()
    if codes.kind not in "iu" or len(distinct) > 1:
        return None
    kind = np.asarray(scale).dtype
    for decimals in range(_MOST_DECIMALS + 1):
        power = np.float64(10.0) ** -decimals
        if (kind.type(power) if kind.kind == "f" else power) == scale:
            start = float(offset)
            whole = int(start) if start.is_integer() else start
            fill = next(iter(distinct), None)
            return dtype(decoded, precision=decimals, dtype_encoded=codes, offset=whole, fillvalue=fill)
    return None


def _decoded_type(variable: SourceVariable, codes: np.dtype[Any]) -> np.dtype[Any]:
    """Type of unpacked values by CF: that of the attributes, wide enough for the codes."""
    kinds = [np.asarray(variable.attrs[name]).dtype for name in (SCALE, OFFSET) if name in variable.attrs]
    narrow = all(kind == np.float32 for kind in kinds) and (codes.itemsize <= 2 or codes == np.float32)
    return np.dtype(np.float32 if narrow else np.float64)


def _marks(variable: SourceVariable, stored: np.dtype[Any] | None = None) -> dict[str, Any]:
    """Fill and missing values in the type of the variable."""
    kept = variable.dtype if stored is None else stored
    marks: dict[str, Any] = {}
    if FILL in variable.attrs:
        marks["fill_value"] = _mark(variable.attrs[FILL], kept)
    if MISSING in variable.attrs:
        marks["missing_value"] = _mark(variable.attrs[MISSING], kept)
        alone = np.ndim(marks["missing_value"]) == 0
        # CF gives both the same meaning; one of them has to be what readers mask
        if FILL not in variable.attrs and alone and kept.kind in "iuf":
            marks["fill_value"] = marks["missing_value"]
    return marks


def _mark(value: Any, kept: np.dtype[Any]) -> Any:
    if kept.kind in "OSUV" or isinstance(value, str | bytes):
        return value
    numbers = np.asarray(value)
    if kept.kind in "iu" and numbers.dtype.kind in "iu" and numbers.dtype.itemsize == kept.itemsize:
        cast = numbers.view(kept) if numbers.dtype.kind != kept.kind else numbers.astype(kept)
    else:
        cast = numbers.astype(kept)
    return cast[()] if cast.ndim == 0 else cast


def _equals_any(values: Array, missing: list[Any]) -> npt.NDArray[np.bool_]:
    found = np.zeros(values.shape, bool)
    for marks in missing:
        found |= np.isin(values, np.atleast_1d(marks))
    return found


def _unsigned(variable: SourceVariable) -> np.dtype[Any]:
    """Type of the numbers, honouring ``_Unsigned`` (netCDF-3 has no unsigned types)."""
    little = variable.dtype.newbyteorder("<") if variable.dtype.kind in "iufc" else variable.dtype
    marked = str(variable.attrs.get(UNSIGNED, "")).lower() == "true"
    return np.dtype(f"<u{little.itemsize}") if marked and little.kind == "i" else little


def _as_unsigned(values: Array, stored: np.dtype[Any]) -> Array:
    """Take the bits of signed numbers as unsigned ones where that is what they are."""
    if stored.kind == "u" and values.dtype.kind == "i":
        return values.astype(values.dtype.newbyteorder("<")).view(stored)
    return values.astype(stored, copy=False)


def _caster(stored: np.dtype[Any]) -> Convert:
    return lambda values: _as_unsigned(values, stored)


def _little(values: Array) -> Array:
    return values.astype(values.dtype.newbyteorder("<"), copy=False)
