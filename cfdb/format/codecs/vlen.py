"""How are strings and other cells of varying length laid out?

The layout is zarr's ``vlen-utf8`` / ``vlen-bytes``: the number of cells, then each cell's length and bytes, lengths as
little-endian uint32. Missing cells are written as empty ones and marked in bits behind the last cell, where zarr does
not look.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import CorruptChunkError, EncodingError
from cfdb.kernel import decode_texts, encode_texts, find_places
from cfdb.kernel.texts import MISSING, join_cells

Array = npt.NDArray[Any]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CellBytes:
    """The bytes of a chunk, and where its cells are in them.

    Attributes
    ----------
    data : bytes
        All of them, decompressed.
    places : ndarray of int64
        Where the length of every cell begins; and the end of the last.
    marks : bytes
        A bit for every cell that is missing; no bytes when none is.
    """

    data: bytes
    places: Places
    marks: bytes

    def strings(self, out: Array, numbers: Places | None = None) -> None:
        """Put strings where they belong.

        Parameters
        ----------
        out : ndarray of StringDType
            Filled in C order; missing strings are empty where its type knows no None.
        numbers : ndarray of int64, optional
            Which cells, of as many as `out` has; all when None.

        Raises
        ------
        CorruptChunkError
            If one of them is no UTF-8.
        """
        decode_texts(self.data, self.places, self.marks, numbers, out)

    def cells(self, numbers: Places | None = None) -> list[bytes | None]:
        """Give the bytes of these cells (all when None); None for those that are missing."""
        starts, stops, data = self.places[:-1] + 4, self.places[1:], self.data
        if numbers is not None:
            starts, stops = starts[numbers], stops[numbers]
        cells: list[bytes | None] = [
            data[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
        ]
        if self.marks:
            missing = np.unpackbits(np.frombuffer(self.marks, np.uint8), bitorder="little", count=self.places.size - 1)
            for number in np.flatnonzero(missing if numbers is None else missing[numbers]).tolist():
                cells[number] = None
        return cells


def find_cells(data: bytes, count: int) -> CellBytes:
    """Find the cells of a chunk.

    Raises
    ------
    CorruptChunkError
        If there are not exactly `count` of them, or one reaches beyond the data.

    Examples
    --------
    >>> find_cells(encode_cells([b"one", None, b"three"]), 3).cells()
    [b'one', None, b'three']
    """
    places = np.empty(count + 1, np.int64)
    find_places(data, places)
    end = int(places[-1])
    marks = b""
    if data[end : end + 4] == MISSING:
        marks = data[end + 4 :]
        if len(marks) < (count + 7) // 8:
            raise CorruptChunkError("a chunk of strings is damaged: its marks of missing cells end too early")
    return CellBytes(data, places, marks)


def encode_cells(cells: Sequence[bytes | None]) -> bytes:
    """Lay out cells; None is missing."""
    try:
        return join_cells(cells)
    except ValueError as error:
        raise EncodingError(str(error)) from error


def encode_strings(values: Array) -> bytes:
    """Lay out an array of NumPy's StringDType as UTF-8."""
    try:
        encoded: bytes = encode_texts(values)
        return encoded
    except UnicodeEncodeError as error:
        raise EncodingError(f"{error.object!r} cannot be written as UTF-8: {error.reason}") from error
    except ValueError as error:
        raise EncodingError(str(error)) from error
