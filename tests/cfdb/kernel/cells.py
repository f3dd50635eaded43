"""Which cells are chunks made of, and how does the byte format read, word for word?"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import zstandard

from cfdb.kernel import BlockCodec

FLOATS = ["f4", "f8"]
INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "M8[s]", "m8[ns]"]
OPAQUE = ["f2", "c8", "c16", "S5"]
DTYPES = [*FLOATS, *INTEGERS, *OPAQUE]

#: Bits of floats that no arithmetic gives back: payloads of NaN, signalling ones, infinities, zeros, subnormals, fills.
ODD = {
    "f4": [0x7FC00000, 0xFFC01234, 0x7F800001, 0xFF8ABCDE, 0x7F800000, 0xFF800000, 0x80000000, 0, 1, 0x807FFFFF,
           0x7CF00000, 0x7F7FFFFF, 0x4B800001, 0x4B800000],
    "f8": [0x7FF8000000000000, 0xFFF8DEADBEEF0001, 0x7FF0000000000001, 0x7FF0000000000000, 0xFFF0000000000000, 1 << 63,
           0, 1, 0x800FFFFFFFFFFFFF, 0x479E000000000000, 0x4340000000000001, 0x4340000000000000],
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """How cells of a type are made; `share` of them are odd."""

    kind: str
    seed: int
    share: float = 0.0
    decimals: int = 2

    def cells(self, code: str, shape: tuple[int, ...]) -> np.ndarray:
        dtype = np.dtype(code).newbyteorder("<")
        rng = np.random.default_rng(self.seed)
        with np.errstate(all="ignore"):
            cells = _MAKERS[self.kind](self, dtype, shape, rng)
            if code in ODD and self.share:
                bits = cells.view(f"<u{dtype.itemsize}").reshape(-1)
                few = np.array(ODD[code], bits.dtype)[rng.integers(0, len(ODD[code]), 1 + self.seed % 4)]
                where = rng.random(bits.size) < self.share
                bits[where] = rng.choice(few, int(where.sum()))
        return cells


def _any_bits(recipe: Recipe, dtype: np.dtype, shape: tuple[int, ...], rng: Any) -> np.ndarray:
    count = int(np.prod(shape))
    return rng.integers(0, 2 if dtype.kind == "b" else 256, count * dtype.itemsize, np.uint8).view(dtype).reshape(shape)


def _walk(recipe: Recipe, dtype: np.dtype, shape: tuple[int, ...], rng: Any) -> np.ndarray:
    numbers = np.cumsum(rng.integers(-40, 41, shape), axis=-1 if shape else None).reshape(shape)
    if dtype.kind in "fc":
        return np.asarray(numbers / 10.0**recipe.decimals, dtype)
    return np.asarray(numbers.astype(dtype))


def _mixed(recipe: Recipe, dtype: np.dtype, shape: tuple[int, ...], rng: Any) -> np.ndarray:
    """Some cells with more decimals than the others."""
    cells = _walk(recipe, dtype, shape, rng)
    if dtype.kind == "f":
        cells = np.where(
            rng.random(shape) < rng.choice([0.02, 0.03, 0.04, 0.07]), cells + dtype.type(1) / 3, cells
        ).astype(dtype)
    return cells


def _constant(recipe: Recipe, dtype: np.dtype, shape: tuple[int, ...], rng: Any) -> np.ndarray:
    return np.broadcast_to(_any_bits(recipe, dtype, (), rng), shape).copy()


def _extremes(recipe: Recipe, dtype: np.dtype, shape: tuple[int, ...], rng: Any) -> np.ndarray:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return rng.choice(np.array([limits.min, limits.max, 0, 1], dtype), shape)
    if dtype.kind in "mM":
        ticks = rng.choice(np.array([np.iinfo("i8").min, np.iinfo("i8").max, 0, 7], "i8"), shape)
        return np.asarray(ticks, "i8").view(dtype).reshape(shape)
    return _any_bits(recipe, dtype, shape, rng)


def _noise(recipe: Recipe, dtype: np.dtype, shape: tuple[int, ...], rng: Any) -> np.ndarray:
    cells = rng.normal(size=shape)
    return np.asarray(cells * 100 if dtype.kind in "iumM" else cells).astype(dtype)


_MAKERS = {
    "any bits": _any_bits,
    "walk": _walk,
    "mixed": _mixed,
    "constant": _constant,
    "extremes": _extremes,
    "noise": _noise,
}


def codec_for(code: str, shape: tuple[int, ...], block: tuple[int, ...] | None = None, level: int = 1) -> BlockCodec:
    """Give the parameters that a variable of a type gets."""
    dtype = np.dtype(code).newbyteorder("<")
    width = 1 if dtype.kind == "S" else dtype.itemsize // (2 if dtype.kind == "c" else 1)
    return BlockCodec(dtype, shape, shape if block is None else block, width, level)


def smooth(shape: tuple[int, ...], whole: tuple[int, ...]) -> np.ndarray:
    """Eight travelling waves, colder towards the poles, and white noise of 0.03: a corner of a `whole` field."""
    rng = np.random.default_rng(0)
    t, y, x = (
        np.linspace(0, 1, size, endpoint=False)[:kept].reshape(form)
        for size, kept, form in zip(whole, shape, [(-1, 1, 1), (-1, 1), (-1,)], strict=True)
    )
    field = 15 - 40 * np.abs(2 * y - 1) ** 2 + np.zeros(shape)
    for _ in range(8):
        ky, kx, w = rng.integers(1, 6, 3)
        size, phase = rng.uniform(0.5, 3), rng.uniform(0, 2 * np.pi)
        field += size * np.cos(2 * np.pi * (ky * y + kx * x - w * t) + phase)
    return field + 0.03 * rng.standard_normal(shape)


def read_literally(codec: BlockCodec, payload: bytes) -> np.ndarray:
    """Decode a payload as docs/design/008-automatic-codec.md says it, one cell after the other."""
    shape, block = codec.chunk_shape or (1,), codec.block_shape or (1,)
    version, flags, zero, number = struct.unpack_from("<BBHI", payload)
    assert (version, zero) == (1, 0)
    block = block if flags == 1 else shape
    lengths = struct.unpack_from(f"<{number}I", payload, 8)
    place = 8 + 4 * number
    chunk = np.empty(shape, codec.dtype)
    grid = [range(0, length, step) for length, step in zip(shape, block, strict=True)]
    corners = np.array(np.meshgrid(*grid, indexing="ij")).reshape(len(shape), -1).T.tolist()
    assert len(corners) == number
    for corner, size in zip(corners, lengths, strict=True):
        where = tuple(slice(c, min(c + b, s)) for c, b, s in zip(corner, block, shape, strict=True))
        part = tuple(w.stop - w.start for w in where)
        chunk[where] = _read_block(codec, payload[place : place + size], part)
        place += size
    assert place == len(payload)
    return chunk.reshape(codec.chunk_shape)


def _read_block(codec: BlockCodec, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    n, size = int(np.prod(shape)), codec.dtype.itemsize
    if data[0] < 2:
        raw = zstandard.decompress(data[1:])
        assert len(raw) == n * size
        if data[0] == 1:
            each = len(raw) // codec.width
            raw = bytes(raw[plane * each + i] for i in range(each) for plane in range(codec.width))
        return np.frombuffer(raw, codec.dtype).reshape(shape)
    _, w, predictor, d, e, base, special = struct.unpack_from("<BBBBIQQ", data)
    body = zstandard.decompress(data[24:]) if len(data) > 24 else b""
    residuals = [sum(body[plane * n + i] << 8 * plane for plane in range(w)) for i in range(n)]
    codes = _add_up(residuals, predictor & 0x7F, w, shape)
    cells = [_bits_of(base + code, d, codec.dtype) for code in codes]
    rest = body[w * n :]
    if predictor & 0x80:
        for i in range(n):
            if rest[i // 8] >> i % 8 & 1:
                cells[i] = special
        rest = rest[(n + 7) // 8 :]
    for i, position in enumerate(struct.unpack_from(f"<{e}I", rest)):
        cells[position] = int.from_bytes(rest[4 * e + i * size :][:size], "little")
    assert len(rest) == e * (4 + size)
    return np.frombuffer(b"".join(cell.to_bytes(size, "little") for cell in cells), codec.dtype).reshape(shape)


def _add_up(residuals: list[int], predictor: int, w: int, shape: tuple[int, ...]) -> list[int]:
    if predictor == 0 or w == 0:
        return residuals
    length, rows = shape[-1], shape[-2] if len(shape) > 1 else 1
    codes: list[int] = []
    for t, residual in enumerate(residuals):
        row, column = divmod(t, length)
        found = (residual >> 1) ^ -(residual & 1)
        if column:
            found += codes[t - 1]
            if predictor == 2 and row % rows:
                found += codes[t - length] - codes[t - length - 1]
        elif row:
            found += codes[t - length]
        codes.append(found % 256**w)
    return codes


def _bits_of(integer: int, decimals: int, dtype: np.dtype) -> int:
    if decimals == 0xFF:
        return integer % 256**dtype.itemsize
    signed = (integer + 2**63) % 2**64 - 2**63
    cell = dtype.type(signed) / dtype.type(10**decimals)
    return int(np.array(cell, dtype).view(f"<u{dtype.itemsize}"))
