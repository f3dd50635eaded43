"""How is TensorStore used, with zarr 3 in a folder of files?"""

from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts

from benchmarks.data import Array
from benchmarks.peers.base import Box, Handle, Peer

NAME = "t"
DIMS = ("time", "latitude", "longitude")


def _spec(path: Path, name: str) -> dict[str, Any]:
    return {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": f"{path}/{name}/", "file_io_sync": False},
    }


def _create(path: Path, name: str, values: Array, chunks: tuple[int, ...]) -> Any:
    metadata = {
        "shape": list(values.shape),
        "data_type": values.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunks)}},
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": 1}},
        ],
    }
    spec = _spec(path, name) | {"metadata": metadata, "create": True, "delete_existing": True}
    ts.open(spec).result().write(values).result()


def _open(path: Path, name: str) -> Any:
    return ts.open(_spec(path, name) | {"open": True}).result()


class TensorStoreHandle(Handle):
    def __init__(self, path: Path) -> None:
        self.path = path
        self.array = _open(path, NAME)
        self.shape, self.chunks = tuple(self.array.shape), tuple(self.array.chunk_layout.read_chunk.shape)

    def box(self, box: Box) -> Array:
        return np.asarray(self.array[box].read().result())

    def coordinates(self) -> dict[str, Array]:
        return {name: np.asarray(_open(self.path, name).read().result()) for name in DIMS}

    def close(self) -> None:
        pass


class TensorStore(Peer):
    packages = ("tensorstore",)

    def write(self, path: Path, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        for name, labels in coordinates.items():
            _create(path, name, labels, labels.shape)
        _create(path, NAME, values, chunks)

    def open(self, path: Path) -> TensorStoreHandle:
        return TensorStoreHandle(path)

    def append(self, path: Path, step: Array, label: int) -> None:
        array, time = _open(path, NAME), _open(path, "time")
        length = array.shape[0] + 1
        time = time.resize(exclusive_max=[length]).result()
        time[length - 1].write(label).result()
        array = array.resize(exclusive_max=[length, *array.shape[1:]]).result()
        array[length - 1].write(step).result()

    def overwrite(self, path: Path, boxes: list[Box], values: list[Array]) -> None:
        array = _open(path, NAME)
        pending = [array[box].write(part) for box, part in zip(boxes, values, strict=True)]
        for future in pending:
            future.result()
