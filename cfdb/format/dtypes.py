"""What kinds of values does a variable hold, and how is each kind stored?"""

import re
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import DataTypeError, EncodingError, FormatError
from cfdb.format.casting import from_cells, to_cells
from cfdb.format.packing import Packing, compute_scale_and_offset, smallest_codes
from cfdb.format.rounding import MOST_DECIMALS, mantissa_bits

Array = npt.NDArray[Any]

__all__ = ["DataType", "compute_scale_and_offset", "data_type_of", "dtype", "enum_dtype", "time_dtype"]

_GEOMETRIES = {"point": "point", "line": "line", "linestring": "line", "polygon": "polygon"}
_NUMBERS = frozenset(
    ["bool", "float16", "float32", "float64", "complex64", "complex128"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
_TIMES = re.compile(r"(datetime64|timedelta64)\[(\d{0,4})(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\]")
_BYTES = re.compile(r"bytes([1-9]\d{0,8})")
_KINDS = {"str": "T", "cftime": "t", "point": "G", "line": "G", "polygon": "G", "enum": "e", "flags": "e"}


@dataclass(frozen=True, slots=True, eq=False)
class DataType:
    """Type of a variable's values, as seen by the user and as stored.

    It compares equal to the NumPy type of its values, and ``np.dtype(...)`` accepts it.

    Attributes
    ----------
    name : str
        NumPy name (``float32``, ``datetime64[m]``, ``bytes12``), ``str``, ``cftime``, ``enum``, ``flags``, ``point``,
        ``line`` or ``polygon``.
    precision : int or None
        Decimals kept.
    encoded : str or None
        NumPy name of the stored number, for packed values, ``cftime``, ``enum`` and ``flags``.
    offset : int or float or None
        Value of code 0 when packed.
    fillvalue : int or None
        Code reserved for missing values when packed.
    nullable : bool
        Strings: whether None is kept apart from the empty string.
    units, calendar : str or None
        CF units and calendar of ``cftime``.
    members : tuple of (str, int)
        Meanings of an ``enum`` or of ``flags``.
    keep_bits : int or None
        Bits of the mantissa kept.

    Examples
    --------
    >>> dtype("float32") == np.float32, np.dtype(dtype("float32"))
    (True, dtype('float32'))
    """

    name: str
    precision: int | None = None
    encoded: str | None = None
    offset: int | float | None = None
    fillvalue: int | None = None
    nullable: bool = False
    units: str | None = None
    calendar: str | None = None
    members: tuple[tuple[str, int], ...] = ()
    keep_bits: int | None = None

    @property
    def kind(self) -> str:
        """One letter: NumPy's for numbers, times and fixed bytes; T string, t CF time, G geometry, e enum or flags."""
        special = _KINDS.get(self.name)
        return special if special is not None else self.dtype_decoded.kind

    @property
    def dtype_decoded(self) -> np.dtype[Any]:
        """NumPy type of the values a user sees."""
        if self.name == "str":
            return np.dtypes.StringDType(na_object=None) if self.nullable else np.dtypes.StringDType()
        if self.name in _KINDS:
            return np.dtype(self.encoded) if self.kind == "e" else np.dtype(object)
        match = _BYTES.fullmatch(self.name)
        return np.dtype(f"S{match[1]}") if match else np.dtype(self.name)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Same as `dtype_decoded`; NumPy looks for it in ``np.dtype(...)``."""
        return self.dtype_decoded

    @property
    def dtype_encoded(self) -> np.dtype[Any]:
        """NumPy type of the stored cells, little-endian."""
        found = self.dtype_decoded if self.encoded is None else np.dtype(self.encoded)
        return np.dtype(found.newbyteorder("<").str) if found.kind in "iufcMm" else found

    @property
    def itemsize(self) -> int:
        """Bytes of a stored cell; for strings and geometries a guess for planning (32)."""
        return 32 if self.is_variable_length else self.dtype_encoded.itemsize

    @property
    def is_packed(self) -> bool:
        """Whether values are stored as integer codes with an offset."""
        return self.encoded is not None and self.offset is not None

    @property
    def is_variable_length(self) -> bool:
        """Whether cells differ in size (strings, geometries)."""
        return self.kind in "TG"

    @property
    def packing(self) -> Packing | None:
        """How values become codes, when they do."""
        if self.encoded is None or self.offset is None:
            return None
        return Packing(self.dtype_encoded, self.precision, self.offset, self.fillvalue)

    @property
    def missing(self) -> Any:
        """What a cell that was never written reads as, when the variable declares no fill value."""
        kind = self.kind
        if kind in "fc":
            return self.dtype_decoded.type(np.nan)
        if kind in "Mm":
            return self.dtype_decoded.type("NaT", np.datetime_data(self.dtype_decoded)[0])
        if kind == "T":
            return None if self.nullable else ""
        return {"S": b"", "G": None, "t": None, "b": np.False_}.get(
            kind, self.dtype_decoded.type(0) if kind in "iue" else None
        )

    def encode(self, values: Any, fill_value: Any = None) -> Array:
        """Turn values into stored cells; `EncodingError` for what they cannot hold, never another value.

        Examples
        --------
        >>> dtype("float32", precision=1, min_value=0, max_value=10).encode([0.5, np.nan])
        array([15,  0], dtype=uint8)
        """
        return to_cells(values, self, fill_value)

    def decode(self, cells: Array, fill_value: Any = None) -> Array:
        """Turn stored cells into values (CF times: into their numbers)."""
        return from_cells(np.asarray(cells), self, None, fill_value)

    def to_record(self) -> dict[str, Any]:
        """Give the fields that differ from their default."""
        record: dict[str, Any] = {"name": self.name}
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if value != field.default:
                record[field.name] = [list(member) for member in value] if field.name == "members" else value
        return record

    to_dict = to_record

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "DataType":
        """Read back what `to_record` gave; unknown fields are passed over."""
        try:
            known = {field.name: record[field.name] for field in fields(cls) if field.name in record}
            known["members"] = tuple((str(name), int(code)) for name, code in known.get("members", ()))
            return _checked(cls(**known))
        except (TypeError, ValueError, KeyError) as error:
            raise FormatError(f"a data type record is damaged: {error}") from error

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DataType):
            return self._fields() == other._fields()
        try:
            return bool(self.dtype_decoded == np.dtype(other))  # type: ignore[call-overload]
        except TypeError:
            return False

    def __hash__(self) -> int:
        return hash(self.dtype_decoded)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name


def dtype(
    name: "str | np.dtype[Any] | type | DataType",
    precision: int | None = None,
    min_value: Any = None,
    max_value: Any = None,
    dtype_encoded: Any = None,
    offset: Any = None,
    fillvalue: int | None = None,
    *,
    nullable: bool = False,
    keep_bits: int | None = None,
) -> DataType:
    """Describe the type of a variable's values, packed into small integers where that is wanted.

    Parameters
    ----------
    name : str, np.dtype or DataType
        A NumPy type, ``'str'``, or a geometry (``'point'``, ``'line'``, ``'polygon'``); a DataType comes back as is.
    precision : int, optional
        Decimals to keep (floats, geometries). Floats are rounded when they are written: the error is at most half a
        unit of the last decimal plus one unit in the last place of the type. Up to 4 decimals of float16, 10 of
        float32, 15 of float64; with a range they are packed as well.
    min_value, max_value : number or datetime, optional
        Range of the values: chooses the smallest integer that holds it at this precision. Values outside it that the
        integer still holds are kept; others become missing, never another value.
    dtype_encoded, offset, fillvalue : optional
        The packing itself instead of a range: integer type, value of code 0, code reserved for missing values.
    nullable : bool
        Strings: keep None apart from the empty string.
    keep_bits : int, optional
        Bits of the mantissa to keep, instead of decimals: floats are rounded when they are written, with an error of
        at most ``2**-(keep_bits + 1)`` of the number. `cfdb.keep_bits` finds out how many.

    Returns
    -------
    DataType

    Raises
    ------
    DataTypeError
        If cfdb does not store such values.
    ValueError
        If range, precision and type do not fit together.

    Examples
    --------
    >>> temperature = dtype("float32", precision=2, min_value=-60, max_value=60)
    >>> temperature.dtype_encoded, temperature.offset
    (dtype('uint16'), -61)
    """
    if isinstance(name, DataType):
        return name
    canonical = _canonical_name(name)
    if precision is not None and (isinstance(precision, bool) or not isinstance(precision, int | np.integer)):
        raise ValueError(f"precision={precision!r}: give a whole number of decimals")
    precision = None if precision is None else int(precision)
    if keep_bits is not None:
        given = (precision, min_value, max_value, dtype_encoded, offset, fillvalue)
        if any(option is not None for option in given):
            raise ValueError(f"keep_bits={keep_bits!r}: give a number of bits, or decimals and a packing, not both")
        return _checked(DataType(canonical, keep_bits=keep_bits))
    if canonical in _GEOMETRIES.values():
        if precision is None:
            raise DataTypeError(f"{canonical!r} needs precision=, the number of decimals of its coordinates")
        return DataType(canonical, precision)
    plain = DataType(canonical, precision, nullable=nullable and canonical == "str")
    if dtype_encoded is not None:
        return _explicit(plain, dtype_encoded, offset, fillvalue)
    if min_value is None and max_value is None:
        _check_decimals(plain)
        return plain if plain.kind == "f" else DataType(canonical, nullable=plain.nullable)
    if min_value is None or max_value is None:
        raise ValueError(f"min_value={min_value!r}, max_value={max_value!r}: give both")
    return _for_range(plain, min_value, max_value)


def time_dtype(units: str, calendar: str, encoded: str = "int64") -> DataType:
    """Describe CF times that are `cftime` objects to the user and numbers in the file.

    Parameters
    ----------
    units : str
        As in ``'days since 1850-01-01'``.
    calendar : str
        CF calendar, as in ``'360_day'``.
    encoded : str
        Type of the stored numbers: ``'int64'``, ``'int32'`` or ``'float64'``.
    """
    return _checked(DataType("cftime", encoded=encoded, units=units, calendar=calendar))


def enum_dtype(base: Any, members: dict[str, int], *, flags: bool = False) -> DataType:
    """Describe integers with names: an enumeration, or (`flags`) independent bits."""
    pairs = tuple((str(name), int(code)) for name, code in members.items())
    return _checked(DataType("flags" if flags else "enum", encoded=np.dtype(base).name, members=pairs))


def data_type_of(values: Array) -> DataType:
    """Give the type that holds an array as it is.

    Raises
    ------
    DataTypeError
        If cfdb does not store such values.

    Examples
    --------
    >>> data_type_of(np.array(["a", "b"])), data_type_of(np.arange(3, dtype=">i2"))
    (str, int16)
    """
    if values.dtype.kind == "O":
        return _of_objects(values)
    if values.dtype.kind == "T":
        return DataType("str", nullable=hasattr(values.dtype, "na_object"))
    return dtype(values.dtype)


def _of_objects(values: Array) -> DataType:
    kinds = {type(value) for value in values.flat}
    nullable = type(None) in kinds
    kinds.discard(type(None))
    if kinds and all(issubclass(kind, str) for kind in kinds):
        return DataType("str", nullable=nullable)
    if kinds and all(issubclass(kind, bytes) for kind in kinds):
        longest = max(len(value) for value in values.flat if value is not None)
        return DataType(f"bytes{max(longest, 1)}")
    names = ", ".join(sorted(kind.__name__ for kind in kinds)) or "nothing but None"
    raise DataTypeError(f"cannot tell the type of an object array that holds {names}; give dtype=")


def _canonical_name(name: Any) -> str:
    if isinstance(name, str):
        lowered = name.lower()
        if lowered in _GEOMETRIES:
            return _GEOMETRIES[lowered]
        if lowered in ("str", "string", "object_str", "<u", "u") or lowered.startswith("stringdtype"):
            return "str"
        if _BYTES.fullmatch(lowered):
            return lowered
    try:
        found = np.dtype(name)
    except TypeError as error:
        raise DataTypeError(f"{name!r} is no data type that cfdb stores") from error
    if found.kind in "UT":
        return "str"
    if found.kind == "S":
        return f"bytes{max(found.itemsize, 1)}"
    if found.name in _NUMBERS or _TIMES.fullmatch(found.name):
        return str(found.name)
    hint = "; give a unit, as in 'datetime64[s]'" if found.kind in "mM" else ""
    raise DataTypeError(f"cfdb does not store {found.name!r}{hint}")


def _explicit(plain: DataType, encoded: Any, offset: Any, fillvalue: Any) -> DataType:
    codes = np.dtype(encoded)
    if plain.kind not in "fiuM" or codes.kind not in "iu":
        raise ValueError(f"dtype_encoded={encoded!r}: only numbers and datetimes pack, and only into integers")
    if plain.kind == "f" and plain.precision is None:
        raise ValueError("packing floats needs precision=, the number of decimals to keep")
    start = 0 if offset is None else offset
    if plain.kind == "M":
        start, fillvalue = _tick(start, plain), 0 if fillvalue is None else fillvalue
    start = float(start) if plain.kind == "f" and float(start) != int(start) else int(start)
    precision = plain.precision if plain.kind == "f" else None
    return _checked(DataType(plain.name, precision, codes.name, start, None if fillvalue is None else int(fillvalue)))


def _for_range(plain: DataType, min_value: Any, max_value: Any) -> DataType:
    kind = plain.kind
    if kind not in "fiuM":
        raise ValueError(f"min_value and max_value mean nothing for {plain.name!r}")
    if kind == "f" and plain.precision is None:
        raise ValueError("min_value and max_value of floats need precision=, the number of decimals to keep")
    low, high = (_tick(min_value, plain), _tick(max_value, plain)) if kind == "M" else (min_value, max_value)
    if kind in "iu" and not (_is_whole(low) and _is_whole(high)):
        raise ValueError(f"min_value={min_value!r}, max_value={max_value!r}: integers need whole numbers")
    if not high >= low:
        raise ValueError(f"max_value={max_value!r} is below min_value={min_value!r}")
    factor = 10 ** (plain.precision or 0) if kind == "f" else 1
    codes = smallest_codes(int(np.ceil((high - low) * factor)), factor)
    if codes is None:
        raise ValueError(f"no integer holds {min_value!r} to {max_value!r} with {plain.precision} decimals")
    offset = low - 1
    whole = kind != "f" or float(offset).is_integer()
    precision = plain.precision if kind == "f" else None
    return DataType(plain.name, precision, codes, int(offset) if whole else float(offset), 0)


def _is_whole(value: Any) -> bool:
    return not isinstance(value, bool) and (isinstance(value, int | np.integer) or float(value).is_integer())


def _tick(value: Any, plain: DataType) -> int:
    """Count of the type's own units since 1970."""
    if isinstance(value, int):
        return int(value)
    return int(np.datetime64(value).astype(plain.dtype_decoded).astype(np.int64))


def _checked(found: DataType) -> DataType:
    """Refuse a type whose parts do not fit together."""
    if found.name not in _KINDS and not _BYTES.fullmatch(found.name):
        if found.name not in _NUMBERS and not _TIMES.fullmatch(found.name):
            raise DataTypeError(f"{found.name!r} is no data type that cfdb stores")
        np.dtype(found.name)
    if found.keep_bits is not None:
        _check_bits(found)
    if found.encoded is not None:
        codes = np.dtype(found.encoded)
        if codes.name not in _NUMBERS or codes.kind not in ("iuf" if found.name == "cftime" else "iu"):
            raise DataTypeError(f"{found.encoded!r} cannot be the stored type of {found.name!r}")
        limits = np.iinfo(codes) if codes.kind in "iu" else None
        if found.fillvalue is not None and limits and not limits.min <= found.fillvalue <= limits.max:
            raise EncodingError(f"fillvalue={found.fillvalue} is no {codes.name}")
    if found.name == "cftime" and not (found.units and found.calendar and found.encoded):
        raise DataTypeError("CF times need units, calendar and a stored type")
    if found.kind == "e" and found.encoded is None:
        raise DataTypeError(f"{found.name!r} needs the integer type it is stored as")
    return found


def _check_decimals(found: DataType) -> None:
    if found.kind == "f" and found.precision is not None:
        most = MOST_DECIMALS[found.dtype_decoded.itemsize]
        if abs(found.precision) > most:
            raise ValueError(f"precision={found.precision!r}: {found.name} is rounded to {-most} to {most} decimals")


def _check_bits(found: DataType) -> None:
    if found.kind != "f" or found.encoded is not None or found.precision is not None:
        raise ValueError(f"keep_bits={found.keep_bits!r}: only floats that are stored as such are rounded to bits")
    most = mantissa_bits(found.dtype_decoded)
    if isinstance(found.keep_bits, bool) or not isinstance(found.keep_bits, int) or not 0 <= found.keep_bits <= most:
        raise ValueError(f"keep_bits={found.keep_bits!r}: the mantissa of {found.name} has 0 to {most} bits")
