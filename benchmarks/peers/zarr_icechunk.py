"""How is icechunk used, in a folder?"""

from pathlib import Path
from typing import Any

import icechunk
import zarr

from benchmarks.data import Array
from benchmarks.peers.base import ANYTHING, Box, Peer
from benchmarks.peers.zarr_files import NAME, ZarrHandle, fill, grow


class Icechunk(Peer):
    kinds = ANYTHING
    packages = ("icechunk", "zarr")

    def storage(self, path: Path) -> Any:
        return icechunk.local_filesystem_storage(str(path))

    def write(self, path: Path, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        session = icechunk.Repository.create(self.storage(path)).writable_session("main")
        fill(zarr.open_group(session.store, mode="w"), values, chunks, None, coordinates)
        session.commit("all")

    def open(self, path: Path) -> ZarrHandle:
        session = icechunk.Repository.open(self.storage(path)).readonly_session("main")
        return ZarrHandle(zarr.open_group(session.store, mode="r"))

    def append(self, path: Path, step: Array, label: int) -> None:
        session = icechunk.Repository.open(self.storage(path)).writable_session("main")
        grow(zarr.open_group(session.store, mode="r+"), step, label)
        session.commit("one step")

    def overwrite(self, path: Path, boxes: list[Box], values: list[Array]) -> None:
        session = icechunk.Repository.open(self.storage(path)).writable_session("main")
        array: Any = zarr.open_group(session.store, mode="r+")[NAME]
        for box, part in zip(boxes, values, strict=True):
            array[box] = part
        session.commit("changes")
