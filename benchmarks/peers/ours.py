"""How is this package used?

As by default: statistics, checksums and journal are on, and a closed file is on the disk (`fsync`).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cfdb
from benchmarks.data import Array
from benchmarks.peers.base import ANYTHING, Box, Handle, Peer

NAME = "t"
DIMS = ("time", "latitude", "longitude")


class OurHandle(Handle):
    def __init__(self, path: Path) -> None:
        self.dataset = cfdb.open_dataset(path)
        self.variable = self.dataset[NAME]
        self.shape, self.chunks = self.variable.shape, self.variable.chunk_shape

    def box(self, box: Box) -> Array:
        values: Array = self.variable[box].values
        return values

    def coordinates(self) -> dict[str, Array]:
        return {name: self.dataset[name].values for name in DIMS}

    def each_chunk(self) -> Iterator[tuple[Box, Array]]:
        yield from self.variable.iter_chunks(include_data=True)

    def close(self) -> None:
        self.dataset.close()


class Ours(Peer):
    kinds = ANYTHING
    packages = ("numpy", "zstandard")

    def write(self, path: Path, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        with cfdb.open_dataset(path, "n") as dataset:
            for name, labels in coordinates.items():
                dataset.create.coord.generic(name, data=labels)
            dtype: Any = "str" if values.dtype.kind == "O" else values.dtype
            dataset.create.data_var.generic(NAME, DIMS, dtype, chunks)[...] = values

    def open(self, path: Path) -> OurHandle:
        return OurHandle(path)

    def append(self, path: Path, step: Array, label: int) -> None:
        with cfdb.open_dataset(path, "w") as dataset:
            dataset["time"].append([label])
            dataset[NAME][-1] = step

    def overwrite(self, path: Path, boxes: list[Box], values: list[Array]) -> None:
        with cfdb.open_dataset(path, "w") as dataset:
            variable = dataset[NAME]
            for box, part in zip(boxes, values, strict=True):
                variable[box] = part


class OursWithoutSync(Ours):
    """The same without waiting for the disk, as all peers work: `os.fsync` does nothing in this process.

    There is no such option; this shows what durability costs.
    """

    only = frozenset({"write", "append", "overwrite"})

    def prepare(self) -> None:
        os.fsync = lambda fd: None  # type: ignore[assignment]


class OursWithoutNative(OursWithoutSync):
    """The same without the native kernel: what a machine without a compiler and a wheel gets."""

    only = None

    def __init__(self) -> None:
        os.environ["CFDB_KERNEL"] = "numpy"
