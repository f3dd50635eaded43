"""What does HDF5 do without compression? No competitor: the files are two to seven times larger."""

from pathlib import Path

import h5py
import numpy as np

from benchmarks.data import Array
from benchmarks.peers.base import Box, Handle, Peer

NAME = "t"
DIMS = ("time", "latitude", "longitude")


class RawHandle(Handle):
    def __init__(self, path: Path) -> None:
        self.file = h5py.File(path, "r")
        self.array = self.file[NAME]
        self.shape, self.chunks = self.array.shape, self.array.chunks

    def box(self, box: Box) -> Array:
        return np.asarray(self.array[box])

    def coordinates(self) -> dict[str, Array]:
        return {name: self.file[name][:] for name in DIMS}

    def close(self) -> None:
        self.file.close()


class RawHDF5(Peer):
    compressed = False
    packages = ("h5py",)

    def write(self, path: Path, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        with h5py.File(path, "w") as file:
            for name, labels in coordinates.items():
                file.create_dataset(name, data=labels, maxshape=(None,))
            file.create_dataset(NAME, data=values, chunks=chunks, maxshape=(None, *values.shape[1:]))

    def open(self, path: Path) -> RawHandle:
        return RawHandle(path)

    def append(self, path: Path, step: Array, label: int) -> None:
        with h5py.File(path, "a") as file:
            length = file[NAME].shape[0] + 1
            file["time"].resize((length,))
            file["time"][length - 1] = label
            file[NAME].resize(length, axis=0)
            file[NAME][length - 1] = step

    def overwrite(self, path: Path, boxes: list[Box], values: list[Array]) -> None:
        with h5py.File(path, "a") as file:
            for box, part in zip(boxes, values, strict=True):
                file[NAME][box] = part
