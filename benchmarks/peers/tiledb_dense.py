"""How is TileDB used, with a dense array in a folder?"""

from pathlib import Path

import numpy as np
import tiledb

from benchmarks.data import Array
from benchmarks.peers.base import Box, Handle, Peer

NAME = "t"
DIMS = ("time", "latitude", "longitude")


def _create(path: Path, values: Array, chunks: tuple[int, ...], room: int) -> None:
    """The domain has room to grow along the first axis; it cannot be extended later."""
    filters = tiledb.FilterList([tiledb.ZstdFilter(level=1)])
    sizes = (values.shape[0] + room, *values.shape[1:])
    dims = [
        tiledb.Dim(name=f"d{axis}", domain=(0, size - 1), tile=chunk, dtype=np.int64)
        for axis, (size, chunk) in enumerate(zip(sizes, chunks, strict=True))
    ]
    schema = tiledb.ArraySchema(
        tiledb.Domain(*dims), [tiledb.Attr("v", dtype=values.dtype, filters=filters)], sparse=False
    )
    tiledb.Array.create(str(path), schema)
    with tiledb.open(str(path), "w") as array:
        array[tuple(slice(0, size) for size in values.shape)] = values
        array.meta["length"] = values.shape[0]


class TileDBHandle(Handle):
    def __init__(self, path: Path) -> None:
        self.path = path
        self.array = tiledb.open(str(path / NAME))
        self.shape = (int(self.array.meta["length"]), *self.array.shape[1:])
        self.chunks = tuple(int(self.array.dim(axis).tile) for axis in range(3))

    def box(self, box: Box) -> Array:
        return np.asarray(self.array[box]["v"])

    def coordinates(self) -> dict[str, Array]:
        found = {}
        for name in DIMS:
            with tiledb.open(str(self.path / name)) as array:
                found[name] = np.asarray(array[0 : int(array.meta["length"])]["v"])
        return found

    def close(self) -> None:
        self.array.close()


class TileDB(Peer):
    packages = ("tiledb",)

    def write(self, path: Path, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        path.mkdir()
        for name, labels in coordinates.items():
            _create(path / name, labels, labels.shape, chunks[0] if name == "time" else 0)
        _create(path / NAME, values, chunks, chunks[0])

    def open(self, path: Path) -> TileDBHandle:
        return TileDBHandle(path)

    def append(self, path: Path, step: Array, label: int) -> None:
        for name, values in (("time", np.array([label])), (NAME, step[None])):
            with tiledb.open(str(path / name)) as array:
                length = int(array.meta["length"])
            with tiledb.open(str(path / name), "w") as array:
                box = (slice(length, length + 1), *(slice(0, size) for size in values.shape[1:]))
                array[box] = values
                array.meta["length"] = length + 1

    def overwrite(self, path: Path, boxes: list[Box], values: list[Array]) -> None:
        with tiledb.open(str(path / NAME), "w") as array:
            for box, part in zip(boxes, values, strict=True):
                array[box] = part
