"""How is the released package cfdb used? Its public names only."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cfdb
from benchmarks.data import Array
from benchmarks.peers.base import NUMBERS, Box, Handle, Peer

NAME = "t"
DIMS = ("time", "latitude", "longitude")


class ReleasedHandle(Handle):
    def __init__(self, path: Path) -> None:
        self.dataset = cfdb.open_dataset(path)
        self.variable = self.dataset[NAME]
        self.shape, self.chunks = self.variable.shape, self.variable.chunk_shape

    def box(self, box: Box) -> Array:
        values: Array = self.variable[box].data
        return values

    def coordinates(self) -> dict[str, Array]:
        return {name: self.dataset[name].data for name in DIMS}

    def each_chunk(self) -> Iterator[tuple[Box, Array]]:
        yield from self.variable.iter_chunks()

    def each_map(self) -> Iterator[tuple[int, Array]]:
        for box, values in self.variable.iter_chunks(chunk_shape={"time": 1}):
            yield box[0].start, values

    def each_series_block(self) -> Iterator[tuple[Box, Array]]:
        shape = {"latitude": self.chunks[1], "longitude": self.chunks[2]}
        yield from self.variable.iter_chunks(chunk_shape=shape)

    def close(self) -> None:
        self.dataset.close()


class Released(Peer):
    """With its defaults: byte shuffle and zstd."""

    kinds = (*NUMBERS, "O")
    packages = ("cfdb", "booklet")
    options: dict[str, Any] = {}

    def prepare(self) -> None:
        if hasattr(cfdb, "set_options"):
            raise RuntimeError("this environment has not the released package cfdb")

    def write(self, path: Path, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        with cfdb.open_dataset(path, "n", **self.options) as dataset:
            for name, labels in coordinates.items():
                dataset.create.coord.generic(name, data=labels.copy())
            dtype = "str" if values.dtype.kind == "O" else values.dtype.name
            variable = dataset.create.data_var.generic(NAME, DIMS, dtype=dtype, chunk_shape=chunks)
            variable[:] = values

    def open(self, path: Path) -> ReleasedHandle:
        return ReleasedHandle(path)

    def append(self, path: Path, step: Array, label: int) -> None:
        with cfdb.open_dataset(path, "w") as dataset:
            dataset["time"].append([label])
            variable = dataset[NAME]
            variable[variable.shape[0] - 1] = step

    def overwrite(self, path: Path, boxes: list[Box], values: list[Array]) -> None:
        with cfdb.open_dataset(path, "w") as dataset:
            variable = dataset[NAME]
            for box, part in zip(boxes, values, strict=True):
                variable[box] = part


class ReleasedZstd(Released):
    """Plain zstd."""

    kinds = NUMBERS
    options = {"compression": "zstd"}
