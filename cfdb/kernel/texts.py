"""How do strings of varying length come out of the bytes of a chunk, and back, without a compiler?

`cfdb.kernel.native_texts` gives the same answers. The layout is that of `cfdb.format.codecs.vlen`.
"""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from cfdb.errors import CorruptChunkError

Array = npt.NDArray[Any]
Places = npt.NDArray[np.int64]

MISSING = b"\x00NA\x00"
_LENGTH = struct.Struct("<I")
LONGEST = 2**32 - 1


def find_places(data: bytes, places: Places) -> None:
    """Write down where the length of every cell begins, and one more place: behind the last."""
    count = places.size - 1
    if len(data) < 4 or _LENGTH.unpack_from(data)[0] != count:
        raise CorruptChunkError("a chunk of strings is damaged: it does not hold the cells that belong to it")
    found = _short_cells(data, count)
    places[:] = _any_cells(data, count) if found is None else found


def _short_cells(data: bytes, count: int) -> list[int] | None:
    """Find cells of less than 256 bytes; None when there are others, or the data are damaged."""
    place, places = 4, list[int]()
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
    place, end, places = 4, len(data), list[int]()
    for _ in range(count):
        if end - place < 4:
            raise CorruptChunkError("a chunk of strings is damaged: it ends too early")
        places.append(place)
        place += 4 + _LENGTH.unpack_from(data, place)[0]
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
        What `find_places` gave.
    marks : bytes
        A bit for every cell that is missing; or no bytes.
    numbers : ndarray of int64, optional
        Which cells; all when None.
    out : ndarray of StringDType
        Where they go, in C order. Missing ones are empty strings where its type knows no None.
    """
    starts, stops = places[:-1] + 4, places[1:]
    if numbers is not None:
        starts, stops = starts[numbers], stops[numbers]
    if not out.size:
        return
    missing = None
    if marks:
        bits = np.unpackbits(np.frombuffer(marks, np.uint8), bitorder="little", count=places.size - 1).astype(np.bool_)
        missing = bits if numbers is None else bits[numbers]
        stops = np.where(missing, starts, stops)
    flat = _ascii_texts(data, starts, stops, int(places[-1]))
    if flat is None:
        flat = np.empty(out.size, object)
        flat[:] = _texts(data, starts.tolist(), stops.tolist())
    out[...] = flat.reshape(out.shape)
    if missing is not None and hasattr(out.dtype, "na_object"):
        out[missing.reshape(out.shape)] = None


def _ascii_texts(data: bytes, starts: Places, stops: Places, end: int) -> Array | None:
    """Give short texts as an array of bytes of one width; None when they are not all short and ASCII."""
    lengths = stops - starts
    width = max(1, int(lengths.max()))
    heads = np.frombuffer(data, np.uint8)
    if width * lengths.size > 4 * len(data) or width > end - 4 or not data[4:end].isascii():
        return None
    if not heads[stops[lengths > 0] - 1].all():
        return None  # NumPy takes zeros at the end of such texts for filling
    if int(starts.max()) > heads.size - width:
        heads = np.concatenate([heads, np.zeros(width, np.uint8)])
    rows: Array = sliding_window_view(heads, width)[starts]
    rows *= np.arange(width) < lengths[:, None]
    return rows.view(f"S{width}").ravel()


def _texts(data: bytes, starts: Sequence[int], stops: Sequence[int]) -> list[str]:
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
    missing = np.array([text is None for text in texts], np.bool_) if None in texts else None
    filled = texts if missing is None else [text or "" for text in texts]
    body = "".join(filled)
    if body.isascii():
        return _join(body.encode(), list(map(len, filled)), missing)
    return _join_all([text.encode() for text in filled], missing)


def join_cells(cells: Sequence[bytes | None]) -> bytes:
    """Lay out cells; None is missing.

    Raises
    ------
    ValueError
        If a cell is too long.
    """
    missing = np.array([cell is None for cell in cells], np.bool_)
    return _join_all([cell or b"" for cell in cells], missing if missing.any() else None)


def _join_all(cells: Sequence[bytes], missing: npt.NDArray[np.bool_] | None) -> bytes:
    return _join(b"".join(cells), list(map(len, cells)), missing)


def _join(body: bytes, lengths: Sequence[int], missing: npt.NDArray[np.bool_] | None) -> bytes:
    """Put the length of every cell before it."""
    if max(lengths, default=0) > LONGEST:
        raise ValueError(f"a cell of {max(lengths)} bytes is too long: 2**32 - 1 is the limit")
    count = len(lengths)
    sizes = np.array(lengths, np.int64)
    heads = np.cumsum(sizes) - sizes + 4 * np.arange(1, count + 1)
    joined = np.empty(4 + 4 * count + len(body), np.uint8)
    inside = np.ones(joined.size, np.bool_)
    inside[:4] = False
    joined[:4] = np.frombuffer(_LENGTH.pack(count), np.uint8)
    digits = sizes.astype("<u4").view(np.uint8).reshape(count, 4)
    for byte in range(4):
        inside[heads + byte] = False
        joined[heads + byte] = digits[:, byte]
    joined[inside] = np.frombuffer(body, np.uint8)
    if missing is None:
        return joined.tobytes()
    return joined.tobytes() + MISSING + np.packbits(missing, bitorder="little").tobytes()


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
