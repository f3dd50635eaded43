"""How is the compiled code for strings called? The work happens in ``texts.h``; `cfdb.kernel.texts` says what is done.

Importing this module raises `ImportError` where `cfdb.kernel.native` does, or NumPy has another binary interface.
"""

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

import cfdb.kernel.native  # noqa: F401  (connects the extension)
from cfdb.kernel import _native  # type: ignore[attr-defined]

Array = npt.NDArray[Any]
Places = npt.NDArray[np.int64]

_native.connect_texts(import_module("numpy._core._multiarray_umath")._ARRAY_API)


def find_places(data: bytes, places: Places) -> None:
    """Write down where the length of every cell begins, and one more place: behind the last."""
    _native.find_places(data, places)


def decode_texts(data: bytes, places: Places, marks: bytes, numbers: Places | None, out: Array) -> None:
    """Put strings into an array; the GIL is released."""
    if not out.flags.writeable:
        raise ValueError("the destination is read-only")
    _native.decode_texts(data, places[:-1], marks, numbers, _walk(out), hasattr(out.dtype, "na_object"))


def encode_texts(values: Array) -> bytes:
    """Lay out strings as UTF-8; the GIL is released."""
    encoded: bytes = _native.encode_texts(_walk(values))
    return encoded


def summarise_texts(
    values: Array, hidden: npt.NDArray[np.bool_] | None, fill: str | None
) -> tuple[int, str | None, str | None]:
    """Count strings and find the least and the greatest; the GIL is released."""
    mask = None if hidden is None else np.ascontiguousarray(hidden, np.bool_)
    valid, least, most = _native.summarise_texts(_walk(values), mask, fill)
    return (valid, values.item(least), values.item(most)) if valid else (0, None, None)


def _walk(array: Array) -> tuple[Any, ...]:
    """Say where the cells of an array of strings are."""
    if array.dtype.kind != "T" or not array.flags.aligned:
        raise ValueError(f"strings are in arrays of StringDType, not of {array.dtype}")
    return array.dtype, array.__array_interface__["data"][0], array.shape, array.strides
