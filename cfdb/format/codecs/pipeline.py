"""How does a chunk become bytes, and bytes a chunk again?

One law holds for every pipeline: ``decode(encode(x)) == x`` bit for bit, within the declared precision when packed.
Two steps are kept apart: *values* (what a user sees) <-> *cells* (what is stored: codes when packed), and cells <->
payload. A partial write decodes cells, replaces some, and encodes cells, so that untouched ones keep every bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import CorruptChunkError, UnsupportedFormatError
from cfdb.format.casting import blank_cell, from_cells, to_cells
from cfdb.format.codecs.auto import block_codec, bounds, conversion_of
from cfdb.format.codecs.compress import DECODERS, lz4_encode
from cfdb.format.codecs.spec import Chain, CodecSpec
from cfdb.format.codecs.vlen import CellBytes, encode_cells, encode_strings, find_cells
from cfdb.format.codecs.zarr import zarr_codecs
from cfdb.format.dtypes import DataType
from cfdb.kernel import BlockCodec, Buffer, Conversion, decode_boxes, encode_chunks, replace_boxes, shuffle, unshuffle
from cfdb.kernel.frames import zstd_encode

Array = npt.NDArray[Any]

#: Strings and geometries of one chunk may take up this many bytes when decoded.
MAX_VLEN_BYTES = 2**31

_KNOWN = ("cfdb.auto", "bytes", "vlen-utf8", "vlen-bytes", "shuffle", "zstd", "lz4")


@dataclass(frozen=True, slots=True)
class CodecPipeline:
    """Encoder and decoder of one variable's chunks; safe to share between threads.

    Attributes
    ----------
    dtype : DataType
        Type of the values.
    shape : tuple of int
        Shape of a chunk: every chunk is stored full size.
    chain : tuple of CodecSpec
        The codecs.
    fill_value : optional
        The variable's declared fill value.

    Examples
    --------
    >>> from cfdb.format.dtypes import dtype
    >>> from cfdb.format.codecs.spec import default_chain
    >>> pipeline = CodecPipeline(dtype("float32"), (2, 3), default_chain(dtype("float32")))
    >>> values = np.arange(6, dtype="float32").reshape(2, 3)
    >>> bool(np.all(pipeline.decode(pipeline.encode(values)) == values))
    True
    """

    dtype: DataType
    shape: tuple[int, ...]
    chain: Chain
    fill_value: Any = None
    _raw_size: int = field(init=False, repr=False, compare=False, default=0)
    _blocks: BlockCodec | None = field(init=False, repr=False, compare=False, default=None)
    _conversion: Conversion | None = field(init=False, repr=False, compare=False, default=None)
    _direct: np.dtype[Any] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        unknown = [codec.name for codec in self.chain if codec.name not in _KNOWN]
        if unknown:
            raise UnsupportedFormatError(f"this release does not know the codec {unknown[0]!r}: upgrade cfdb")
        if not self.dtype.is_variable_length:
            object.__setattr__(self, "_raw_size", prod(self.shape) * self.dtype.dtype_encoded.itemsize)
        object.__setattr__(self, "_blocks", block_codec(self.dtype, self.shape, self.chain))
        object.__setattr__(self, "_conversion", conversion_of(self.dtype))
        if self._blocks is not None and self._conversion is not None:
            object.__setattr__(self, "_direct", self.dtype.dtype_decoded)
        elif self._blocks is not None and self.dtype.packing is None:
            object.__setattr__(self, "_direct", self._blocks.dtype)

    # values <-> payload

    def encode(self, values: Any) -> bytes:
        """Encode a full chunk of values."""
        return self.encode_cells(self.to_cells(values))

    def decode(self, payload: Buffer) -> Array:
        """Decode a full chunk of values; the array is the caller's."""
        return self.from_cells(self.decode_cells(payload))

    def decode_into(self, payload: Buffer, out: Array, selection: tuple[Any, ...] = ()) -> None:
        """Decode selected cells of a chunk straight to their destination.

        Parameters
        ----------
        payload : bytes-like
            An encoded chunk.
        out : ndarray
            Where the values go: any strides, of the type of the values.
        selection : tuple
            NumPy index into the chunk that gives the shape of `out`; () is the whole chunk.
        """
        if self.dtype.is_variable_length:
            self._put_selected(payload, out, selection)
            return
        if self._blocks is None:
            cells = self.decode_cells(payload)
        else:
            starts, counts, selection = bounds(selection, self.shape)
            cells = self._decode_box(payload, starts, counts)
        from_cells(cells[(*selection, ...)], self.dtype, out, self.fill_value)

    def decode_boxes(
        self,
        payloads: Sequence[Buffer],
        starts: Array,
        counts: Array,
        out: Array,
        targets: Array,
    ) -> None:
        """Decode a box of every chunk straight to its place.

        Parameters
        ----------
        payloads : sequence of bytes-like
            Encoded chunks.
        starts, counts : ndarray of int64, (n, ndim)
            First cell and lengths of the box in its chunk.
        out : ndarray
            Where the values go: any strides, of the type of the values.
        targets : ndarray of int64, (n, ndim)
            First cell of the box in `out`.
        """
        if self._blocks is not None and out.dtype == self._direct:
            decode_boxes(self._blocks, payloads, starts, counts, out, targets, self._conversion)
            return
        rows = zip(payloads, starts.tolist(), counts.tolist(), targets.tolist(), strict=True)
        for payload, start, count, target in rows:
            places: tuple[Any, ...] = tuple(slice(t, t + c) for t, c in zip(target, count, strict=True))
            box = tuple(slice(s, s + c) for s, c in zip(start, count, strict=True))
            self.decode_into(payload, out[(*places, ...)], box)

    @property
    def block_shape(self) -> tuple[int, ...]:
        """Shape of the parts of a chunk that are decoded apart from each other."""
        return self.shape if self._blocks is None else self._blocks.block_shape

    # values <-> cells

    def to_cells(self, values: Any) -> Array:
        """Turn values into stored cells (codes when packed), whatever their shape."""
        return to_cells(values, self.dtype, self.fill_value)

    def from_cells(self, cells: Array) -> Array:
        """Turn stored cells into values."""
        return from_cells(cells, self.dtype, None, self.fill_value)

    def blank(self) -> Array:
        """Give the cells of a chunk that was never written."""
        return self.blank_cells(self.shape)

    def blank_cells(self, shape: Sequence[int]) -> Array:
        """Give cells that were never written."""
        return np.full(shape, blank_cell(self.dtype, self.fill_value), self.dtype.dtype_encoded)

    # cells <-> payload

    def encode_cells(self, cells: Array) -> bytes:
        """Encode a full chunk of cells."""
        return self.encode_cells_many([cells])[0]

    def encode_cells_many(self, cells: Sequence[Array]) -> list[bytes]:
        """Encode full chunks of cells."""
        wrong = next((chunk.shape for chunk in cells if chunk.shape != self.shape), None)
        if wrong is not None:
            raise ValueError(f"a chunk has shape {self.shape}, not {wrong}")
        if self._blocks is None:
            return [self._encode_one(chunk) for chunk in cells]
        stored = self._blocks.dtype
        encoded: list[bytes] = encode_chunks(self._blocks, [np.asarray(chunk, stored) for chunk in cells])
        return encoded

    def edits_blocks(self, payload: "Buffer | None") -> bool:
        """Whether `replace_cells_many` re-encodes the blocks that a box reaches, and no others (None: all are fill)."""
        return self._blocks is not None and (payload is None or (len(payload) > 1 and payload[1] == 1))

    def replace_cells_many(
        self, payloads: Sequence["Buffer | None"], boxes: Sequence[Array], starts: Array
    ) -> list[bytes]:
        """Encode full chunks of which a box of cells is new.

        Parameters
        ----------
        payloads : sequence of bytes-like or None
            The chunks so far; None for those that were never written.
        boxes : sequence of ndarray
            The new cells of each.
        starts : ndarray of int64, (n, ndim)
            First cell of the box in its chunk.
        """
        assert self._blocks is not None
        stored = self._blocks.dtype
        fill = self.blank_cells(())
        changed: list[bytes] = replace_boxes(
            self._blocks, payloads, [np.asarray(box, stored) for box in boxes], starts, np.asarray(fill, stored)
        )
        return changed

    def cells_of_box(self, payload: "Buffer | None", starts: Sequence[int], counts: Sequence[int]) -> Array:
        """Decode the cells of a box; those of a chunk that was never written (None) are blank."""
        if payload is None:
            return self.blank_cells(counts)
        return self._decode_box(payload, list(starts), list(counts))

    def decode_cells(self, payload: Buffer) -> Array:
        """Decode a full chunk of cells; the array is writable."""
        if self._blocks is not None:
            return self._decode_box(payload, [0] * len(self.shape), list(self.shape))
        if self.dtype.is_variable_length:
            cells = np.empty(self.shape, self.dtype.dtype_encoded)
            self._put_selected(payload, cells)
            return cells
        return self._deserialise(self._bytes_of(payload))

    def to_zarr(self) -> list[dict[str, Any]]:
        """Describe the codecs as zarr v3 does; `decode_cells` and zarr read the same."""
        return zarr_codecs(self.chain)

    def _decode_box(self, payload: Buffer, starts: list[int], counts: list[int]) -> Array:
        """Decode the cells of one box."""
        assert self._blocks is not None
        cells = np.empty(counts, self._blocks.dtype)
        start, count = np.array([starts], np.int64), np.array([counts], np.int64)
        decode_boxes(self._blocks, [payload], start, count, cells, np.zeros_like(start))
        return cells

    def _put_selected(self, payload: Buffer, out: Array, selection: tuple[Any, ...] = ()) -> None:
        """Put cells of varying length straight to their destination, the wanted ones alone."""
        if out.dtype != self.dtype.dtype_encoded:
            cells = np.empty(out.shape, self.dtype.dtype_encoded)
            self._put_selected(payload, cells, selection)
            np.copyto(out, cells, casting="unsafe")
            return
        found = self._find_cells(payload)
        numbers = None
        if selection:
            numbers = np.arange(prod(self.shape)).reshape(self.shape)[(*selection, ...)].ravel()
        if self.chain[0].name == "vlen-utf8":
            found.strings(out, numbers)
            return
        cells = np.empty(out.size, object)
        cells[:] = found.cells(numbers)
        out[...] = cells.reshape(out.shape)

    def _find_cells(self, payload: Buffer) -> CellBytes:
        data = self._bytes_of(payload)
        return find_cells(data if isinstance(data, bytes) else bytes(data), prod(self.shape))

    def _bytes_of(self, payload: Buffer) -> Any:
        """Undo the compressors and the shuffle, within bounds."""
        data: Any = self._decompress(payload)
        for codec in reversed(self.chain[1:]):
            if codec.name == "shuffle":
                data = unshuffle(np.frombuffer(data, np.uint8), _int(codec, "elementsize"))
        return data

    def _encode_one(self, cells: Array) -> bytes:
        data: Any = self._serialise(cells)
        for codec in self.chain[1:]:
            data = _apply(codec, data)
        return data if isinstance(data, bytes) else bytes(data)

    def _serialise(self, cells: Array) -> Any:
        if self.chain[0].name == "vlen-utf8":
            return encode_strings(cells)
        if self.chain[0].name == "vlen-bytes":
            return encode_cells(cells.ravel().tolist())
        ordered = np.ascontiguousarray(cells, self.dtype.dtype_encoded)
        return ordered.reshape(-1).view(np.uint8)

    def _deserialise(self, data: Any) -> Array:
        flat: Array = np.frombuffer(data, np.uint8) if isinstance(data, bytes | memoryview) else data
        if not flat.flags.writeable:
            flat = flat.copy()
        stored = self.dtype.dtype_encoded
        if stored.kind == "b":
            return np.not_equal(flat, 0).reshape(self.shape)
        found: Array = flat.view(stored).reshape(self.shape)
        return found

    def _decompress(self, payload: Buffer) -> Any:
        """Undo the compressors (not the shuffle), within bounds."""
        data: Any = payload
        vlen = self.dtype.is_variable_length
        limit = MAX_VLEN_BYTES if vlen else self._raw_size
        compressors = [codec for codec in self.chain if codec.name in DECODERS]
        for codec in reversed(compressors):
            data = DECODERS[codec.name](data, limit, not vlen)
        if not vlen:
            if len(data) < limit:
                raise CorruptChunkError(f"a chunk holds {len(data)} bytes where {limit} belong")
            data = memoryview(data)[:limit]
        return data


def _apply(codec: CodecSpec, data: Any) -> Any:
    if codec.name == "shuffle":
        return shuffle(np.frombuffer(data, np.uint8), _int(codec, "elementsize"))
    if codec.name == "zstd":
        return zstd_encode(data, _int(codec, "level"), bool(codec.option("checksum")))
    return lz4_encode(data, _int(codec, "level"))


def _int(codec: CodecSpec, name: str) -> int:
    value = codec.option(name)
    if not isinstance(value, int) or (name == "elementsize" and value < 1):
        raise UnsupportedFormatError(f"codec {codec.name!r} needs a number {name!r}, not {value!r}")
    return value
