"""How are attributes written down so that every value comes back with its type?

Python's str, bytes, bool, int, float and None, lists and string-keyed dicts are msgpack's own; NumPy scalars and 1-D
arrays are an extension that keeps their dtype. Order is kept and nothing executes.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np

from cfdb.errors import DataTypeError, FormatError, InvalidNameError
from cfdb.format.framing import NO_FEATURES, Features, frame, unframe

_KIND = 4
_SCALAR, _ARRAY = 1, 2
_DTYPE = re.compile(r"[<|](?:[biufc]\d{1,2}|[mM]8(?:\[\d{0,4}[A-Za-z]{1,2}\])?|S\d{1,9})")
_MAX_INT, _MIN_INT = 2**64, -(2**63)


def encode_attributes(attributes: Mapping[str, Any], features: Features = NO_FEATURES) -> bytes:
    """Write attributes as a record.

    Parameters
    ----------
    attributes : mapping of str to value
        See `check_attribute` for what a value may be.
    features : Features
        Features the record needs, as read.

    Raises
    ------
    DataTypeError
        If a value is of another type; the message names the attribute.
    """
    return frame(_KIND, {"attrs": {name: _encode(value, name) for name, value in attributes.items()}}, features)


def decode_attributes(data: bytes, what: str = "the attributes") -> tuple[dict[str, Any], Features]:
    """Read attributes back; errors as of `cfdb.format.framing.unframe`."""
    body, features = unframe(_KIND, data, what)
    attributes = body.get("attrs")
    if not isinstance(attributes, dict):
        raise FormatError(f"{what} are damaged: no map of attributes")
    return {name: decode_value(value, what) for name, value in attributes.items()}, features


def check_attribute(name: str, value: Any) -> Any:
    """Check an attribute and give it as it will be read back.

    Parameters
    ----------
    name : str
        Any non-empty string.
    value : str, bytes, bool, int, float, None, NumPy scalar, 1-D array, or list or dict of these
        Tuples become lists, arrays of strings lists of str, big-endian arrays little-endian ones.

    Raises
    ------
    InvalidNameError
        If the name is empty or no string.
    DataTypeError
        If the value is of another type.

    Examples
    --------
    >>> check_attribute("valid_range", np.array([0, 1], ">i2"))
    array([0, 1], dtype=int16)
    """
    if not isinstance(name, str) or not name:
        raise InvalidNameError(f"{name!r} cannot be the name of an attribute: give a non-empty string")
    return decode_value(_encode(value, name), f"attribute {name!r}")


def encode_value(value: Any, name: str = "value") -> Any:
    """Turn a typed value into what msgpack holds (records use it for fill values)."""
    return _encode(value, name)


def decode_value(value: Any, what: str) -> Any:
    """Turn what msgpack gave into the typed value."""
    if isinstance(value, msgpack.ExtType):
        return _decode_extension(value, what)
    if isinstance(value, list):
        return [decode_value(item, what) for item in value]
    if isinstance(value, dict):
        return {key: decode_value(item, what) for key, item in value.items()}
    if isinstance(value, msgpack.Timestamp):
        raise FormatError(f"{what} is damaged: an unknown kind of value")
    return value


def _encode(value: Any, name: str) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return _encode_numpy(value, name)
    if value is None or isinstance(value, bool | float | bytes):
        return value
    if isinstance(value, str):
        _check_text(value, name)
        return str(value)
    if isinstance(value, int):
        if not _MIN_INT <= value < _MAX_INT:
            raise DataTypeError(f"attribute {name!r}: {value} does not fit in 64 bits")
        return int(value)
    if isinstance(value, list | tuple):
        return [_encode(item, name) for item in value]
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str)), None)
        if wrong is not None:
            raise DataTypeError(f"attribute {name!r}: the key {wrong!r} is no string")
        return {key: _encode(item, name) for key, item in value.items()}
    raise DataTypeError(
        f"attribute {name!r} cannot be a {type(value).__name__}: give str, bytes, bool, int, float, None, a NumPy "
        "scalar, a 1-D array, or a list or dict of these"
    )


def _check_text(value: str, name: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataTypeError(f"attribute {name!r}: {value!r} cannot be written as UTF-8") from error


def _encode_numpy(value: "np.generic | np.ndarray[Any, Any]", name: str) -> Any:
    array = np.asarray(value)
    if array.ndim > 1:
        raise DataTypeError(f"attribute {name!r} cannot have {array.ndim} dimensions: give a 1-D array or a list")
    if array.dtype.kind in "UTO":
        items = array.tolist()
        return _encode(items, name)
    if array.dtype.kind in "iufcbmM" or array.dtype.kind == "S":
        little = array.astype(array.dtype.newbyteorder("<"))
        code = _SCALAR if array.ndim == 0 else _ARRAY
        text = little.dtype.str.encode()
        if not _DTYPE.fullmatch(text.decode()):
            raise DataTypeError(f"attribute {name!r} cannot be of NumPy type {array.dtype}")
        return msgpack.ExtType(code, text + b"\x00" + little.tobytes())
    raise DataTypeError(f"attribute {name!r} cannot be of NumPy type {array.dtype}")


def _decode_extension(value: msgpack.ExtType, what: str) -> Any:
    text, _, data = value.data.partition(b"\x00")
    if value.code not in (_SCALAR, _ARRAY) or len(text) > 24 or not _DTYPE.fullmatch(text.decode("ascii", "replace")):
        raise FormatError(f"{what} is damaged: an unknown kind of value")
    try:
        dtype = np.dtype(text.decode())
        array = np.frombuffer(data, dtype).copy()
    except (TypeError, ValueError) as error:
        raise FormatError(f"{what} is damaged: {error}") from error
    if value.code == _ARRAY:
        return array
    if array.size != 1:
        raise FormatError(f"{what} is damaged: a scalar of {array.size} values")
    return array[0]
