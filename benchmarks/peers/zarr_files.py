"""How is zarr 3 used, with a folder of files?"""

from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from benchmarks.data import Array
from benchmarks.peers.base import ANYTHING, Box, Handle, Peer

NAME = "t"
DIMS = ("time", "latitude", "longitude")


def fill(group: Any, values: Array, chunks: tuple[int, ...], shards: Any, coordinates: dict[str, Array]) -> None:
    """Put data and coordinates into a new group."""
    for name, labels in coordinates.items():
        array = group.create_array(name, shape=labels.shape, dtype=labels.dtype, chunks=(max(1, labels.size),))
        array[...] = labels
    dtype: Any = "str" if values.dtype.kind == "O" else values.dtype
    array = group.create_array(
        NAME, shape=values.shape, dtype=dtype, chunks=chunks, shards=shards, compressors=ZstdCodec(level=1),
        dimension_names=DIMS,
    )  # fmt: skip
    array[...] = values.astype(str) if values.dtype.kind == "O" else values


def grow(group: Any, step: Array, label: int) -> None:
    """Add one step of time."""
    array, time = group[NAME], group["time"]
    length = array.shape[0] + 1
    time.resize((length,))
    time[length - 1] = label
    array.resize((length, *array.shape[1:]))
    array[length - 1] = step.astype(str) if step.dtype.kind == "O" else step


class ZarrHandle(Handle):
    def __init__(self, group: Any) -> None:
        self.group = group
        self.array = group[NAME]
        self.shape, self.chunks = self.array.shape, self.array.chunks

    def box(self, box: Box) -> Array:
        return np.asarray(self.array[box])

    def coordinates(self) -> dict[str, Array]:
        return {name: np.asarray(self.group[name][:]) for name in DIMS}

    def close(self) -> None:
        pass


class Zarr(Peer):
    kinds = ANYTHING
    packages = ("zarr", "numcodecs")

    def shards(self, shape: tuple[int, ...], chunks: tuple[int, ...]) -> Any:
        return None

    def write(self, path: Path, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        fill(zarr.open_group(str(path), mode="w"), values, chunks, self.shards(values.shape, chunks), coordinates)

    def open(self, path: Path) -> ZarrHandle:
        return ZarrHandle(zarr.open_group(str(path), mode="r"))

    def append(self, path: Path, step: Array, label: int) -> None:
        grow(zarr.open_group(str(path), mode="r+"), step, label)

    def overwrite(self, path: Path, boxes: list[Box], values: list[Array]) -> None:
        array: Any = zarr.open_group(str(path), mode="r+")[NAME]
        for box, part in zip(boxes, values, strict=True):
            array[box] = part


class ZarrSharded(Zarr):
    """Many chunks a file: 64 of small ones, else one row of chunks in time."""

    kinds = ("f", "i", "u")

    def shards(self, shape: tuple[int, ...], chunks: tuple[int, ...]) -> Any:
        if np.prod(chunks) < 1e5:
            return tuple(4 * chunk for chunk in chunks)
        rest = [ceil(size / chunk) * chunk for size, chunk in zip(shape[1:], chunks[1:], strict=True)]
        return (chunks[0], *rest)
