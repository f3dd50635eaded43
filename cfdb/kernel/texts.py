"""How do strings of varying length come out of the bytes of a chunk, and back, without a compiler?

`cfdb.kernel.native_texts` gives the same answers. The layout is that of `cfdb.format.codecs.vlen`.
"""

import struct
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import CorruptChunkError

Array = npt.NDArray[Any]
Places = npt.NDArray[np.int64]

MISSING = b"\x00NA\x00"
_LENGTH = struct.Struct("<I")
LONGEST = 2**32 - 1


def find_cells(data: bytes, places: Places) -> None:
    """Write down where the length of every cell begins, and one more place: behind the last."""
    count = places.size - 1
    if len(data) < 4 or _LENGTH.unpack_from(data)[0] != count:
        raise CorruptChunkError("a chunk of strings is damaged: it does not hold the cells that belong to it")
    found = _short_cells(data, count)
    places[:] = _any_cells(data, count) if found is None else found


def _short_cells(data: bytes, count: int) -> list[int] | None:
    """Find cells of less than 256 bytes; None when there are others, or the data are damaged."""
    place, places = 4, []
    note = places.append
    try:
        for _ in range(count):
            note(place)
            place += 4 + data[place]
    except IndexError:
        return None
    if place > len(data):
        return None
    note(place)
    starts = np.array(places[:-1], np.int64)
    heads = np.frombuffer(data, np.uint8)
    return None if any(heads[starts + byte].any() for byte in (1, 2, 3)) else places


def _any_cells(data: bytes, count: int) -> list[int]:
    place, end, places = 4, len(data), []
    try:
        for _ in range(count):
            places.append(place)
            place += 4 + _LENGTH.unpack_from(data, place)[0]
    except struct.error as error:
        raise CorruptChunkError("a chunk of strings is damaged: it ends too early") from error
    if place > end:
        raise CorruptChunkError("a chunk of strings is damaged: a cell reaches beyond its end")
    return [*places, place]


def decode_texts(data: bytes, places: Places, marks: bytes, numbers: Places | None, out: Array) -> None:
    """Put strings into an array.

    Parameters
    ----------
    data : bytes
        All of the chunk.
    places : ndarray of int64
        What `find_cells` gave.
    marks : bytes
        A bit for every cell that is missing; or no bytes.
    numbers : ndarray of int64, optional
        Which cells; all when None.
    out : ndarray of StringDType
        Where they go, in C order. Missing ones are empty strings where its type knows no None.
    """
    starts, stops = places[:-1], places[1:]
    if numbers is not None:
        starts, stops = starts[numbers], stops[numbers]
    texts: list[Any] = _texts(data, (starts + 4).tolist(), stops.tolist(), int(places[-1]))
    if marks:
        missing = np.unpackbits(np.frombuffer(marks, np.uint8), bitorder="little", count=places.size - 1)
        nothing = None if hasattr(out.dtype, "na_object") else ""
        for number in np.flatnonzero(missing if numbers is None else missing[numbers]).tolist():
            texts[number] = nothing
    out[...] = np.array(texts, dtype=out.dtype).reshape(out.shape)


def _texts(data: bytes, starts: Sequence[int], stops: Sequence[int], end: int) -> list[str]:
    whole = data[:end]
    if whole.isascii():
        text = whole.decode("ascii")
        return [text[start:stop] for start, stop in zip(starts, stops, strict=True)]
    try:
        return [data[start:stop].decode() for start, stop in zip(starts, stops, strict=True)]
    except UnicodeDecodeError as error:
        raise CorruptChunkError("a chunk of strings is damaged: a cell is no UTF-8") from error


def encode_texts(values: Array) -> bytes:
    """Lay out strings as UTF-8.

    Raises
    ------
    UnicodeEncodeError
        If a string has no UTF-8.
    """
    texts = values.ravel().tolist()
    return join_cells([None if text is None else text.encode() for text in texts])


def join_cells(cells: Sequence[bytes | None]) -> bytes:
    """Lay out cells; None is missing.

    Raises
    ------
    ValueError
        If a cell is too long.
    """
    missing = None in cells
    filled: Sequence[bytes] = [cell or b"" for cell in cells] if missing else cells  # type: ignore[assignment]
    lengths = list(map(len, filled))
    if max(lengths, default=0) > LONGEST:
        raise ValueError(f"a cell of {max(lengths)} bytes is too long: 2**32 - 1 is the limit")
    heads = np.array(lengths, "<u4").tobytes()
    pieces = zip([heads[place : place + 4] for place in range(0, len(heads), 4)], filled, strict=True)
    parts = [_LENGTH.pack(len(cells)), *chain.from_iterable(pieces)]
    if missing:
        marks = np.array([cell is None for cell in cells], np.bool_)
        parts += [MISSING, np.packbits(marks, bitorder="little").tobytes()]
    return b"".join(parts)


def summarise_texts(
    values: Array, hidden: npt.NDArray[np.bool_] | None, fill: str | None
) -> tuple[int, str | None, str | None]:
    """Count strings and find the least and the greatest.

    Parameters
    ----------
    values : ndarray of StringDType
    hidden : ndarray of bool, optional
        Cells that are missing whatever they hold, beside None.
    fill : str, optional
        A string that means missing.

    Returns
    -------
    int, str or None, str or None
        Number of strings, the least, the greatest.
    """
    shown = (values if hidden is None else values[~hidden]).ravel().tolist()
    present = [text for text in shown if text is not None and text != fill]
    return (len(present), min(present), max(present)) if present else (0, None, None)
