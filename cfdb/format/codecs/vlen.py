"""How are strings and other cells of varying length laid out?

The layout is zarr's ``vlen-utf8`` / ``vlen-bytes``: the number of cells, then each cell's length and bytes, lengths as
little-endian uint32. Missing cells are written as empty ones and marked in bits behind the last cell, where zarr does
not look.
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import CorruptChunkError, EncodingError

_MISSING = b"\x00NA\x00"
_LENGTH = struct.Struct("<I")


def encode_cells(cells: Sequence[bytes | None]) -> bytes:
    """Lay out cells; None is missing."""
    parts = [_LENGTH.pack(len(cells))]
    missing = []
    for number, cell in enumerate(cells):
        if cell is None:
            missing.append(number)
            parts.append(b"\x00\x00\x00\x00")
            continue
        if len(cell) >= 2**32:
            raise EncodingError(f"a cell of {len(cell)} bytes is too long: 2**32 - 1 is the limit")
        parts.append(_LENGTH.pack(len(cell)))
        parts.append(cell)
    if missing:
        marks = np.zeros(len(cells), np.bool_)
        marks[missing] = True
        parts += [_MISSING, np.packbits(marks, bitorder="little").tobytes()]
    return b"".join(parts)


def decode_cells(data: bytes, count: int) -> list[bytes | None]:
    """Read cells back.

    Raises
    ------
    CorruptChunkError
        If there are not exactly `count` of them, or one reaches beyond the data.
    """
    if len(data) < 4 or _LENGTH.unpack_from(data)[0] != count:
        raise CorruptChunkError(f"a chunk of strings is damaged: it does not hold {count} cells")
    cells: list[bytes | None] = []
    place, end = 4, len(data)
    unpack = _LENGTH.unpack_from
    try:
        for _ in range(count):
            (length,) = unpack(data, place)
            place += 4
            cells.append(data[place : place + length])
            place += length
    except struct.error as error:
        raise CorruptChunkError("a chunk of strings is damaged: it ends too early") from error
    if place > end:
        raise CorruptChunkError("a chunk of strings is damaged: a cell reaches beyond its end")
    if data[place : place + 4] == _MISSING:
        _drop_missing(cells, data[place + 4 :])
    return cells


def _drop_missing(cells: list[bytes | None], bits: bytes) -> None:
    if len(bits) < (len(cells) + 7) // 8:
        raise CorruptChunkError("a chunk of strings is damaged: its marks of missing cells end too early")
    marks = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little", count=len(cells))
    for number in np.flatnonzero(marks).tolist():
        cells[number] = None


def encode_strings(values: npt.NDArray[Any]) -> bytes:
    """Lay out strings as UTF-8."""
    try:
        return encode_cells([None if value is None else value.encode() for value in values.ravel().tolist()])
    except UnicodeEncodeError as error:
        raise EncodingError(f"{error.object!r} cannot be written as UTF-8: {error.reason}") from error


def decode_strings(data: bytes, count: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Read strings back into an array of NumPy's StringDType."""
    cells = decode_cells(data, count)
    missing = None if hasattr(dtype, "na_object") else ""
    try:
        texts = [missing if cell is None else cell.decode() for cell in cells]
    except UnicodeDecodeError as error:
        raise CorruptChunkError(f"a chunk of strings is damaged: {error}") from error
    return np.array(texts, dtype=dtype)
