"""How is a block stored as integers, with the cells that are none kept aside?

::

    u8 mode (2), u8 w: bytes of a code, u8 predictor (+ 0x80: there is a bitmap), u8 decimals, u32 exceptions,
    u64 base, u64 special; then one zstd frame, unless its content would be empty:
    w planes of bytes of the residuals, bitmap of the special cells, positions and bits of the exceptions
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import CorruptChunkError
from cfdb.kernel.choice import IntegerForm
from cfdb.kernel.codec import BlockCodec
from cfdb.kernel.decimals import FLOATS, INTEGERS, Marks, Words, bits_of, from_integers, is_candidate, to_integers
from cfdb.kernel.frames import zstd_decode, zstd_encode
from cfdb.kernel.residuals import PLANE, add_differences, shuffle, take_differences, unshuffle

Array = npt.NDArray[Any]

MODE = 2
BITMAP = 0x80
#: That many bad cells are kept one by one before a special value is looked for.
FEW = 16
_HEAD = struct.Struct("<BBBBIQQ")


@dataclass(frozen=True, slots=True)
class Oddities:
    """The cells of a block that have no integer.

    Attributes
    ----------
    special : int
        Bits that the cells of the bitmap have.
    bitmap : ndarray of bool or None
        The cells that have them; None when there is no bitmap.
    exceptions : ndarray of int
        Flat places of all others.
    """

    special: int
    bitmap: Marks | None
    exceptions: npt.NDArray[np.intp]

    def encode(self, cells: Array) -> bytes:
        """Write bitmap, positions and bits."""
        marks = b"" if self.bitmap is None else np.packbits(self.bitmap, bitorder="little").tobytes()
        return marks + self.exceptions.astype("<u4").tobytes() + cells[self.exceptions].tobytes()


def encode_integers(codec: BlockCodec, block: Array, form: IntegerForm) -> bytes | None:
    """Encode a block; None when too many of its cells have no integer."""
    cells = block.reshape(-1)
    numbers, good = to_integers(cells, form.decimals)
    oddities = Oddities(0, None, np.empty(0, np.intp)) if good is None else _sort_oddities(cells, good)
    if oddities is None:
        return None
    if good is not None:
        numbers = _mended(numbers, good)
    base, width = _range_of(numbers, codec.dtype.kind in "bu")
    body = b""
    if width:
        codes = (numbers - np.uint64(base)).astype(f"<u{width}").reshape(_planes(block.shape))
        residuals = take_differences(codes, form.predictor)
        body = shuffle(residuals.reshape(-1).view(np.uint8), width).tobytes()
    body += oddities.encode(cells)
    predictor = form.predictor | BITMAP * (oddities.bitmap is not None)
    head = _HEAD.pack(MODE, width, predictor, form.decimals, oddities.exceptions.size, base, oddities.special)
    return head + (zstd_encode(body, codec.level) if body else b"")


def _sort_oddities(cells: Array, good: Marks) -> Oddities | None:
    """Tell special cells from exceptions; None when there are too many of these."""
    places = np.flatnonzero(~good)
    if places.size <= FEW:
        return Oddities(0, None, places)
    limit = max(FEW, cells.size // 32)
    bits = bits_of(cells[places])
    others = np.ones(places.size, np.bool_)
    for _ in range(2):
        special = int(bits[others][0])
        others = bits != special
        if int(others.sum()) <= limit:
            bitmap = ~good
            bitmap[places[others]] = False
            return Oddities(special, bitmap, places[others])
    return None


def _mended(numbers: Words, good: Marks) -> Words:
    """Give cells without an integer that of the cell before them."""
    if not good.any():
        return np.zeros_like(numbers)
    source = np.maximum.accumulate(np.where(good, np.arange(numbers.size), 0))
    first = int(np.argmax(good))
    source[:first] = first
    return numbers[source]


def _range_of(numbers: Words, unsigned: bool) -> tuple[int, int]:
    """Give the base of codes, modulo 2**64, and the bytes they need."""
    ordered = numbers if unsigned else numbers.view(np.int64)
    low, high = int(ordered.min()), int(ordered.max())
    width = next(w for w in (0, 1, 2, 4, 8) if high - low < 256**w)
    return low % 2**64, width


def _planes(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return (-1, shape[-2] if len(shape) > 1 else 1, shape[-1])


def decode_integers(codec: BlockCodec, data: memoryview, shape: tuple[int, ...]) -> Array:
    """Decode a block of a shape; `CorruptChunkError` for whatever does not fit."""
    n = int(np.prod(shape, dtype=np.int64))
    if len(data) < _HEAD.size:
        raise CorruptChunkError("a block ends in its header")
    _, width, predictor, decimals, count, base, special = _HEAD.unpack_from(data)
    has_bitmap, predictor = bool(predictor & BITMAP), predictor & ~BITMAP
    _check_head(codec.dtype, n, width, predictor, decimals, count)
    marks = (n + 7) // 8 * has_bitmap
    size = width * n + marks + count * (4 + codec.dtype.itemsize)
    frame = data[_HEAD.size :]
    if not size and len(frame):
        raise CorruptChunkError("a block is longer than it says")
    body = np.frombuffer(zstd_decode(frame, size, exact=True, alone=True) if size else b"", np.uint8)
    numbers = np.full(n, base, np.uint64)
    if width:
        residuals = unshuffle(body[: width * n], width).view(f"<u{width}").reshape(_planes(shape))
        numbers += add_differences(residuals, predictor).reshape(-1)
    cells = from_integers(numbers, decimals, codec.dtype)
    if has_bitmap:
        marked = np.unpackbits(body[width * n :][:marks], bitorder="little", count=n).view(np.bool_)
        _put(cells, marked, np.array([special], "<u8").view(f"<u{codec.dtype.itemsize}")[:1])
    if count:
        rest = body[width * n + marks :]
        places = rest[: 4 * count].view("<u4").astype(np.int64)
        if places[-1] >= n or bool(np.any(places[1:] <= places[:-1])):
            raise CorruptChunkError("the exceptions of a block are out of order")
        _put(cells, places, rest[4 * count :].view(f"<u{codec.dtype.itemsize}"))
    return cells.reshape(shape)


def _put(cells: Array, where: Any, bits: Array) -> None:
    if cells.dtype.kind == "b":
        cells[where] = bits != 0
    else:
        bits_of(cells)[where] = bits


def _check_head(dtype: np.dtype[Any], n: int, width: int, predictor: int, decimals: int, count: int) -> None:
    if not is_candidate(dtype):
        raise CorruptChunkError(f"a block of integers holds cells of {dtype}, which are none")
    if width not in (0, 1, 2, 4, 8) or width > dtype.itemsize:
        raise CorruptChunkError(f"a block has codes of {width} bytes, which is no width for cells of {dtype}")
    if predictor > PLANE:
        raise CorruptChunkError(f"a block names the predictor {predictor}, which is unknown")
    if decimals > FLOATS[dtype.itemsize].decimals if dtype.kind == "f" else decimals != INTEGERS:
        raise CorruptChunkError(f"a block names {decimals} decimals, which cells of {dtype} cannot have")
    if count > n:
        raise CorruptChunkError(f"a block names {count} exceptions and holds {n} cells")
