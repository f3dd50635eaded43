"""How is the compiled kernel called? Arguments are brought into its form; the work happens in ``native.c``.

Importing this module raises `ImportError` where the extension was not built or no libzstd is found.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import CorruptChunkError
from cfdb.kernel import _native  # type: ignore[attr-defined]
from cfdb.kernel.codec import BlockCodec, Buffer, Conversion, Summary
from cfdb.kernel.zstd_library import addresses

Array = npt.NDArray[Any]

_native.connect(addresses(), CorruptChunkError)

_FLOAT, _SIGNED, _UNSIGNED, _OPAQUE, _TRUTH = range(5)
_KINDS = {"f": _FLOAT, "i": _SIGNED, "m": _SIGNED, "M": _SIGNED, "u": _UNSIGNED, "b": _TRUTH}


def encode_chunks(codec: BlockCodec, chunks: Sequence[Array]) -> list[bytes]:
    """Turn chunks into bytes; the GIL is released."""
    for chunk in chunks:
        if chunk.dtype != codec.dtype:
            raise ValueError(f"a chunk of {chunk.dtype} cannot be encoded as {codec.dtype}")
    encoded: list[bytes] = _native.encode_chunks(_spec(codec), tuple([_bare(chunk) for chunk in chunks]))
    return encoded


def decode_boxes(
    codec: BlockCodec,
    payloads: Sequence[Buffer],
    starts: Array,
    counts: Array,
    out: Array,
    targets: Array,
    conversion: Conversion | None = None,
) -> None:
    """Put a box of every chunk into its place of `out`; the GIL is released."""
    if conversion is None:
        how = None
        if out.dtype != codec.dtype:
            raise ValueError(f"cells of {codec.dtype} cannot go into an array of {out.dtype}")
    else:
        how = _conversion(codec, conversion, out.dtype)
    boxes = (np.ascontiguousarray(numbers, np.int64) for numbers in (starts, counts))
    _native.decode_boxes(
        _spec(codec), tuple(payloads), *boxes, _bare(out), np.ascontiguousarray(targets, np.int64), how
    )


def replace_boxes(
    codec: BlockCodec, payloads: Sequence["Buffer | None"], boxes: Sequence[Array], starts: Array, fill: Array
) -> list[bytes]:
    """Encode chunks of which a box is new; the GIL is released."""
    if any(box.dtype != codec.dtype for box in (*boxes, fill)):
        raise ValueError(f"boxes and fill are cells of {codec.dtype}")
    if any(payload is not None and not len(payload) for payload in payloads):
        raise CorruptChunkError("a chunk ends in its header")
    there = tuple([b"" if payload is None else payload for payload in payloads])
    changed: list[bytes] = _native.replace_boxes(
        _spec(codec), there, tuple(map(_bare, boxes)), np.ascontiguousarray(starts, np.int64), _bare(fill)
    )
    return changed


def summarise(values: Array) -> Summary:
    """Count, order and add up numbers; NaN counts as missing."""
    if values.dtype.kind not in "fiu" or values.dtype.itemsize not in (1, 2, 4, 8) or values.dtype == np.float16:
        raise ValueError(f"there are no statistics of {values.dtype}")
    floats = values.dtype.kind == "f"
    if not values.size:
        return Summary(0, 0, None, None, 0.0 if floats else 0)
    kind = _KINDS[values.dtype.kind]
    missing, low, high, parts = _native.summarise(kind, 1.0, values)
    valid = values.size - missing
    if not valid:
        return Summary(0, missing, None, None, 0.0)
    if not floats:
        return Summary(valid, 0, low, high, (parts[0] << 32) + parts[1])
    value, rest = _join(parts)
    if not math.isfinite(value) and math.isfinite(low) and math.isfinite(high):
        # the sum may be finite although a part of it is not
        parts = _native.summarise(kind, 2.0**-64, values)[3]
        value, rest = _join(parts)
        value, rest = value * 2.0**64, rest * 2.0**64
    return Summary(valid, missing, low, high, value, rest if math.isfinite(value) else 0.0)


def pack_floats(values: Array, codes: np.dtype[Any], conversion: Conversion) -> tuple[Array, int]:
    """Turn floats into codes in one pass; `cfdb.kernel.packing.pack_floats` does it in several."""
    if values.dtype.str not in ("<f4", "<f8") or codes.kind not in "iu":
        raise ValueError(f"values of {values.dtype} cannot be packed into {codes}")
    limits = np.iinfo(codes)
    low, high = float(limits.min), float(limits.max)
    if high > limits.max:
        high = float(np.nextafter(high, 0))
    fill = 0 if conversion.fill is None else conversion.fill
    far = conversion.base is not None and abs(conversion.base) >= 2**50
    out = np.empty(values.shape, np.int64 if far and codes.itemsize < 8 else codes)
    how = (conversion.base, conversion.factor, conversion.offset, fill % 2**64)
    misfits: int = _native.pack_floats(np.ascontiguousarray(values), out, *how, out.dtype.kind == "i", low, high)
    return out.astype(codes, copy=False), misfits


def shuffle(data: Array, width: int) -> Array:
    """Put all first bytes of the cells first, then all second bytes, and so on."""
    out = np.empty_like(data)
    _native.shuffle(data, out, width)
    return out


def unshuffle(data: Array, width: int) -> Array:
    """Undo `shuffle`."""
    out = np.empty_like(data)
    _native.unshuffle(data, out, width)
    return out


def _spec(codec: BlockCodec) -> tuple[Any, ...]:
    kind = _KINDS.get(codec.dtype.kind, _OPAQUE)
    if (codec.dtype.itemsize < 4 and kind == _FLOAT) or codec.dtype.itemsize > 8:
        kind = _OPAQUE
    return kind, codec.dtype.itemsize, codec.width, codec.level, codec.chunk_shape, codec.block_shape


def _bare(array: Array) -> Array:
    """Times as the integers they are: NumPy gives no buffer of them."""
    return array.view(np.int64) if array.dtype.kind in "mM" else array


def _conversion(codec: BlockCodec, conversion: Conversion, target: np.dtype[Any]) -> tuple[Any, ...]:
    if codec.dtype.kind not in "iu" or target.str not in ("<f4", "<f8"):
        raise ValueError(f"codes of {codec.dtype} cannot be converted to {target}")
    fill = conversion.fill
    limits = np.iinfo(codec.dtype)
    if fill is not None and not limits.min <= fill <= limits.max:
        fill = None
    return conversion.base, conversion.factor, conversion.offset, fill, target.itemsize


def _join(parts: tuple[float, ...]) -> tuple[float, float]:
    """Add up exactly: the sum as a float, and what it lacks."""
    if not all(map(math.isfinite, parts)):
        return sum(parts[::2]), 0.0
    try:
        value = math.fsum(parts)
    except OverflowError:
        return math.inf, 0.0
    return value, math.fsum([*parts, -value]) if math.isfinite(value) else 0.0
