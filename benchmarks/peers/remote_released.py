"""How is the released package cfdb used with a bucket? Its public names only."""

from pathlib import Path
from typing import Any

import cfdb
import ebooklet
from benchmarks.data import Array
from benchmarks.peers.base import Box
from benchmarks.peers.cfdb_released import DIMS, NAME, ReleasedHandle
from benchmarks.peers.remote_base import Place, RemotePeer


def connection(place: Place) -> Any:
    return ebooklet.S3Connection(
        place.access_key_id, place.access_key, place.key, place.bucket, endpoint_url=place.endpoint
    )


def local_file(place: Place, name: str = "") -> Path:
    return place.folder / (place.key.replace("/", "-") + name)


class RemoteHandle(ReleasedHandle):
    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.variable = dataset[NAME]
        self.shape, self.chunks = self.variable.shape, self.variable.chunk_shape

    def read(self) -> Array:
        self.variable.load()
        values: Array = self.variable.data
        return values


class Released(RemotePeer):
    def write(self, place: Place, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        with cfdb.open_edataset(connection(place), local_file(place), "n") as dataset:
            for name, labels in coordinates.items():
                dataset.create.coord.generic(name, data=labels.copy())
            variable = dataset.create.data_var.generic(NAME, DIMS, dtype=values.dtype.name, chunk_shape=chunks)
            variable[:] = values
            dataset.push()

    def open(self, place: Place, *, again: bool = False) -> RemoteHandle:
        if again:
            return RemoteHandle(cfdb.open_edataset(connection(place), local_file(place)))
        number = len(list(place.folder.glob("cold-*")))
        return RemoteHandle(cfdb.open_edataset(connection(place), place.folder / f"cold-{number}"))

    def edit(self, place: Place, boxes: list[Box], values: list[Array]) -> None:
        with cfdb.open_edataset(connection(place), local_file(place), "w") as dataset:
            variable = dataset[NAME]
            for box, part in zip(boxes, values, strict=True):
                variable[box] = part
            dataset.push()

    def copy(self, place: Place, target: Place) -> None:
        with cfdb.open_edataset(connection(place), local_file(place), "w") as dataset:
            dataset.copy_remote(connection(target))

    def delete(self, place: Place) -> None:
        with cfdb.open_edataset(connection(place), local_file(place), "w") as dataset:
            dataset.delete_remote()
