"""How does zarr read and write the chunks of cfdb? By the codec ``cfdb.auto``, which it finds by its entry point.

This is the only module that imports zarr.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from zarr.abc.codec import ArrayBytesCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer

from cfdb.format.trailer import SIZE, parse_trailer
from cfdb.kernel import BlockCodec, decode_boxes, encode_chunks

NAME = "cfdb.auto"


@dataclass(frozen=True)
class AutoCodec(ArrayBytesCodec):
    """Finds the smallest lossless form of each chunk: integers and their differences, shuffled bytes, or plain ones.

    Parameters
    ----------
    level : int
        Level of zstd.
    block_shape : sequence of int, optional
        Parts of a chunk that are compressed apart from each other; the whole chunk when left out.
    width : int, optional
        Bytes of the numbers that cells are made of; found from the type when left out.

    Examples
    --------
    >>> import warnings, zarr
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     array = zarr.create_array({}, shape=(9, 9), chunks=(5, 5), dtype="f4", serializer=AutoCodec())
    >>> array[2:4] = 0.25
    >>> float(array[3, 8])
    0.25
    """

    is_fixed_size = False

    level: int = 1
    block_shape: tuple[int, ...] | None = None
    width: int | None = None

    def __post_init__(self) -> None:
        if self.block_shape is not None:
            object.__setattr__(self, "block_shape", tuple(map(int, self.block_shape)))

    @classmethod
    def from_dict(cls, data: Any) -> "AutoCodec":
        """Read the configuration in an array's metadata."""
        if not isinstance(data, dict) or data.get("name") != NAME:
            raise ValueError(f"{data!r} is no configuration of the codec {NAME!r}")
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> dict[str, Any]:
        """Give the configuration for an array's metadata."""
        options: dict[str, Any] = {"level": self.level}
        if self.block_shape is not None:
            options["block_shape"] = list(self.block_shape)
        if self.width is not None:
            options["width"] = self.width
        return {"name": NAME, "configuration": options}

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> "AutoCodec":
        """Fill in the width that the type has."""
        return self if self.width is not None else replace(self, width=_width_of(_stored(array_spec)))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Say that the size is not known before."""
        raise NotImplementedError(f"the size of what {NAME!r} encodes is not known before")

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        return await asyncio.to_thread(self._encode_sync, chunk_data, chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        codec, shape = self._codec(chunk_spec), chunk_spec.shape
        payload = memoryview(chunk_data.to_bytes())
        if parse_trailer(payload[-SIZE:]) is not None:
            payload = payload[:-SIZE]
        cells = np.empty(shape, codec.dtype)
        start, count = np.zeros((1, len(shape)), np.int64), np.array([shape], np.int64)
        decode_boxes(codec, [payload], start, count, cells, start)
        native = chunk_spec.dtype.to_native_dtype()
        return chunk_spec.prototype.nd_buffer.from_numpy_array(cells.astype(native, copy=False))

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        codec = self._codec(chunk_spec)
        cells = np.asarray(chunk_data.as_numpy_array(), codec.dtype)
        return chunk_spec.prototype.buffer.from_bytes(encode_chunks(codec, [cells])[0])

    def _codec(self, spec: ArraySpec) -> BlockCodec:
        stored = _stored(spec)
        width = _width_of(stored) if self.width is None else self.width
        shape = tuple(spec.shape)
        return BlockCodec(stored, shape, shape if self.block_shape is None else self.block_shape, width, self.level)


def _stored(spec: ArraySpec) -> np.dtype[Any]:
    """Give the type of the cells, little-endian."""
    native = spec.dtype.to_native_dtype()
    if native.kind not in "biufcmMSV":
        raise ValueError(f"the codec {NAME!r} takes cells of fixed size, not {native}")
    return native.newbyteorder("<")


def _width_of(stored: np.dtype[Any]) -> int:
    return 1 if stored.kind in "SV" else stored.itemsize // (2 if stored.kind == "c" else 1)
