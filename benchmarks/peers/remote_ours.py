"""How is this package used with a bucket?"""

from pathlib import Path
from typing import Any

import cfdb
from benchmarks.data import Array
from benchmarks.peers.base import Box
from benchmarks.peers.ours import DIMS, NAME, OurHandle
from benchmarks.peers.remote_base import Place, RemotePeer


def connection(place: Place) -> Any:
    return cfdb.S3Connection(
        place.access_key_id, place.access_key, place.key, place.bucket, endpoint_url=place.endpoint
    )


def local_file(place: Place) -> Path:
    return place.folder / place.key.replace("/", "-")


class RemoteHandle(OurHandle):
    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.variable = dataset[NAME]
        self.shape, self.chunks = self.variable.shape, self.variable.chunk_shape


class Ours(RemotePeer):
    def write(self, place: Place, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        with cfdb.open_edataset(connection(place), local_file(place), "n") as dataset:
            for name, labels in coordinates.items():
                dataset.create.coord.generic(name, data=labels)
            dataset.create.data_var.generic(NAME, DIMS, values.dtype, chunks)[...] = values

    def open(self, place: Place, *, again: bool = False) -> RemoteHandle:
        if again:
            return RemoteHandle(cfdb.open_edataset(connection(place), local_file(place)))
        return RemoteHandle(cfdb.open_edataset(connection(place), cache=None))

    def edit(self, place: Place, boxes: list[Box], values: list[Array]) -> None:
        with cfdb.open_edataset(connection(place), local_file(place), "w") as dataset:
            for box, part in zip(boxes, values, strict=True):
                dataset[NAME][box] = part

    def copy(self, place: Place, target: Place) -> None:
        with cfdb.open_edataset(connection(place), local_file(place)) as dataset:
            dataset.copy_remote(connection(target))

    def delete(self, place: Place) -> None:
        with cfdb.open_edataset(connection(place), local_file(place), "w") as dataset:
            dataset.delete_remote(load=False)

    def compact(self, place: Place) -> bool:
        """Give back what many edits cost; False when there is no such function."""
        with cfdb.open_edataset(connection(place), local_file(place), "w") as dataset:
            if not hasattr(dataset, "compact"):
                return False
            dataset.compact()
            return True
