"""How are columns of numbers, keys and small byte strings written down compactly, and read back within bounds?

A column of unsigned 64-bit numbers is cut into byte planes; each plane is a constant, raw bytes, or a zstd frame whose
content size is known before anything is allocated. Keys are front-coded: the length shared with the key before, and
the rest.
"""

import struct
import threading
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import zstandard

from ebooklet.errors import CorruptFileError
from ebooklet.format.checksum import Buffer

Column = npt.NDArray[np.uint64]

MAX_KEY_BYTES = 0xFFFF
MAX_BLOB = 32 << 20

_MOST_COMPARED = 1 << 20  # bytes of keys, padded to equal length, that are compared at once
_CONSTANT, _RAW, _ZSTD = 0, 1, 2
_LEVEL = 6
_BLOB = struct.Struct("<II")
_U32 = struct.Struct("<I")
_local = threading.local()


def compress(data: Buffer) -> bytes:
    """One zstd frame that tells its content size."""
    compressor = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)
    return bytes(compressor.compress(data))


def decompress(data: Buffer, limit: int) -> bytes:
    """Read one zstd frame, whose content size must be told and at most `limit`."""
    try:
        size = zstandard.frame_content_size(bytes(data[:18]))
        if not 0 <= size <= limit:
            raise CorruptFileError(f"a zstd frame announces {size} bytes, at most {limit} are possible here")
        found = bytes(zstandard.ZstdDecompressor().decompress(data, max_output_size=size, allow_extra_data=False))
    except zstandard.ZstdError as error:
        raise CorruptFileError(f"a zstd frame is damaged: {error}") from error
    if len(found) != size:
        raise CorruptFileError(f"a zstd frame holds {len(found)} bytes, announced were {size}")
    return found


class Reader:
    """Takes bytes off a blob from front to back; reading past its end is a `CorruptFileError`."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: Buffer) -> None:
        self._data = memoryview(data)
        self._position = 0

    @property
    def left(self) -> int:
        """Bytes not yet taken."""
        return len(self._data) - self._position

    def take(self, size: int) -> memoryview:
        """Take the next `size` bytes."""
        if size < 0 or size > self.left:
            raise CorruptFileError(f"{size} bytes expected where only {self.left} are left")
        self._position += size
        return self._data[self._position - size : self._position]

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """Take and unpack a struct."""
        return layout.unpack(self.take(layout.size))

    def finish(self) -> None:
        """Refuse bytes that nobody took."""
        if self.left:
            raise CorruptFileError(f"{self.left} bytes too many")


def pack_column(values: Column) -> bytes:
    """Write a column of unsigned 64-bit numbers.

    Examples
    --------
    >>> len(pack_column(np.full(1000, 7, dtype=np.uint64)))
    3
    """
    top = int(values.max()) if len(values) else 0
    planes = values.astype("<u8").view(np.uint8).reshape(-1, 8).T[: (top.bit_length() + 7) // 8]
    return bytes([len(planes)]) + b"".join(_pack_plane(plane) for plane in planes)


def unpack_column(reader: Reader, count: int) -> Column:
    """Read a column of `count` numbers."""
    width = reader.take(1)[0]
    if width > 8:
        raise CorruptFileError(f"a column is {width} bytes wide, at most 8 are possible")
    planes = np.zeros((count, 8), dtype=np.uint8)
    for number in range(width):
        _unpack_plane(reader, planes[:, number])
    return planes.view("<u8").reshape(count).astype(np.uint64, copy=False)


def _pack_plane(plane: npt.NDArray[np.uint8]) -> bytes:
    if (plane == plane[0]).all():
        return bytes([_CONSTANT, plane[0]])
    raw = plane.tobytes()
    packed = compress(raw)
    if len(packed) + _U32.size < len(raw):
        return bytes([_ZSTD]) + _U32.pack(len(packed)) + packed
    return bytes([_RAW]) + raw


def _unpack_plane(reader: Reader, out: npt.NDArray[np.uint8]) -> None:
    mode = reader.take(1)[0]
    if mode == _CONSTANT:
        out[:] = reader.take(1)[0]
        return
    if mode == _RAW:
        raw: Buffer = reader.take(len(out))
    elif mode == _ZSTD:
        raw = decompress(reader.take(reader.unpack(_U32)[0]), len(out))
    else:
        raise CorruptFileError(f"a column plane has the unknown mode {mode}")
    if len(raw) != len(out):
        raise CorruptFileError(f"a column plane holds {len(raw)} of {len(out)} bytes")
    out[:] = np.frombuffer(raw, dtype=np.uint8)


def pack_blob(data: bytes) -> bytes:
    """Write a byte string with its size, compressed when that helps."""
    packed = compress(data)
    if len(packed) >= len(data):
        packed = data
    return _BLOB.pack(len(data), len(packed)) + packed


def unpack_blob(reader: Reader, limit: int = MAX_BLOB) -> bytes:
    """Read a byte string of at most `limit` bytes."""
    size, stored = reader.unpack(_BLOB)
    if size > limit:
        raise CorruptFileError(f"a block announces {size} bytes, at most {limit} are possible here")
    data = reader.take(stored)
    if stored == size:
        return bytes(data)
    found = decompress(data, size)
    if len(found) != size:
        raise CorruptFileError(f"a block holds {len(found)} of {size} bytes")
    return found


def pack_bytes(items: Sequence[bytes]) -> bytes:
    """Write a column of byte strings; equally long ones are stored byte by byte across."""
    sizes = column(map(len, items), len(items))
    joined = b"".join(items)
    if joined and (sizes == sizes[0]).all():
        joined = np.frombuffer(joined, dtype=np.uint8).reshape(len(items), -1).T.tobytes()
    return pack_column(sizes) + pack_blob(joined)


def unpack_bytes(reader: Reader, count: int) -> list[bytes]:
    """Read a column of `count` byte strings."""
    sizes = unpack_column(reader, count)
    joined = unpack_blob(reader)
    _check_sum(sizes, len(joined))
    if joined and (sizes == sizes[0]).all():
        joined = np.frombuffer(joined, dtype=np.uint8).reshape(-1, count).T.tobytes()
    ends = np.cumsum(sizes).tolist()
    return [joined[end - size : end] for end, size in zip(ends, sizes.tolist(), strict=True)]


def pack_keys(keys: Sequence[bytes]) -> bytes:
    """Write a column of keys, which cost little where neighbours begin alike."""
    shared = _shared_with_the_one_before(keys)
    rests = [key[size:] for key, size in zip(keys, shared, strict=True)]
    return (
        pack_column(column(shared, len(keys)))
        + pack_column(column(map(len, rests), len(keys)))
        + pack_blob(b"".join(rests))
    )


def unpack_keys(reader: Reader, count: int) -> list[bytes]:
    """Read a column of `count` keys."""
    shared, sizes = unpack_column(reader, count), unpack_column(reader, count)
    joined = unpack_blob(reader)
    _check_sum(sizes, len(joined))
    lengths = np.minimum(shared, MAX_BLOB) + sizes
    if count and (int(lengths.max()) > MAX_KEY_BYTES or int(lengths.sum()) > MAX_BLOB):
        raise CorruptFileError(f"keys of {int(lengths.max())} bytes, {int(lengths.sum())} in all, are too long")
    keys = []
    key, position = b"", 0
    for size, rest in zip(shared.tolist(), sizes.tolist(), strict=True):
        if size > len(key):
            raise CorruptFileError(f"a key shares {size} bytes with one of {len(key)}")
        key = key[:size] + joined[position : position + rest]
        position += rest
        keys.append(key)
    return keys


def column(values: Iterable[int], count: int) -> Column:
    """Make a column of Python numbers."""
    return np.fromiter(values, dtype=np.uint64, count=count)


def zigzag(values: Column) -> Column:
    """Map signed numbers (in two's complement) to unsigned ones, small to small."""
    signed = values.view(np.int64)
    return ((signed << 1) ^ (signed >> 63)).view(np.uint64)


def unzigzag(values: Column) -> Column:
    """Undo `zigzag`."""
    one = np.uint64(1)
    return (values >> one) ^ (np.uint64(0) - (values & one))


def _check_sum(sizes: Column, total: int) -> None:
    if len(sizes) and (int(sizes.max()) > total or int(sizes.sum()) != total):
        raise CorruptFileError(f"lengths do not add up to the {total} bytes that are there")
    if not len(sizes) and total:
        raise CorruptFileError(f"{total} bytes belong to no row")


def _shared_with_the_one_before(keys: Sequence[bytes]) -> list[int]:
    """How many bytes each key has in common with the one before."""
    width = max(map(len, keys), default=0)
    if not 0 < width * len(keys) <= _MOST_COMPARED:
        return [_shared(before, key) for before, key in pairwise([b"", *keys])]
    padded = np.array(keys, dtype=f"S{width}").view(np.uint8).reshape(len(keys), width)
    differ = np.ones((len(keys), width + 1), dtype=np.bool_)
    np.not_equal(padded[1:], padded[:-1], out=differ[1:, :width])
    sizes = np.fromiter(map(len, keys), dtype=np.int64, count=len(keys))
    shared = np.minimum(differ.argmax(axis=1), sizes)
    shared[1:] = np.minimum(shared[1:], sizes[:-1])
    return list(map(int, shared))


def _shared(one: bytes, other: bytes) -> int:
    limit = min(len(one), len(other))
    if one[:limit] == other[:limit]:
        return limit
    low = 0
    while limit - low > 1:
        middle = (low + limit) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            limit = middle
    return low
