"""How are netCDF4-python (zstd) and h5netcdf (shuffle and gzip, which every reader has) used?"""

from pathlib import Path
from typing import Any

import h5netcdf
import netCDF4
import numpy as np

from benchmarks.data import Array
from benchmarks.peers.base import ANYTHING, NUMBERS, Box, Handle, Peer

NAME = "t"
DIMS = ("time", "latitude", "longitude")


class NetCDFHandle(Handle):
    def __init__(self, dataset: Any, chunks: tuple[int, ...]) -> None:
        self.dataset = dataset
        self.variable = dataset.variables[NAME]
        self.shape, self.chunks = tuple(self.variable.shape), tuple(chunks)

    def box(self, box: Box) -> Array:
        return np.asarray(self.variable[box])

    def coordinates(self) -> dict[str, Array]:
        return {name: np.asarray(self.dataset.variables[name][:]) for name in DIMS}

    def close(self) -> None:
        self.dataset.close()


class NetCDF(Peer):
    """Masks and scaling are off: plain values come back."""

    kinds = ANYTHING
    packages = ("netCDF4",)

    def _open(self, path: Path, mode: str) -> Any:
        dataset = netCDF4.Dataset(path, mode)
        dataset.set_auto_maskandscale(False)
        return dataset

    def write(self, path: Path, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        with self._open(path, "w") as dataset:
            for name, labels in coordinates.items():
                dataset.createDimension(name, None if name == "time" else labels.size)
                dataset.createVariable(name, labels.dtype, (name,))[:] = labels
            if values.dtype.kind == "O":
                variable = dataset.createVariable(NAME, str, DIMS, chunksizes=chunks)
            else:
                variable = dataset.createVariable(
                    NAME, values.dtype, DIMS, compression="zstd", complevel=1, shuffle=False, chunksizes=chunks
                )
            variable.set_auto_maskandscale(False)
            variable[:] = values

    def open(self, path: Path) -> NetCDFHandle:
        dataset = self._open(path, "r")
        return NetCDFHandle(dataset, dataset[NAME].chunking())

    def append(self, path: Path, step: Array, label: int) -> None:
        with self._open(path, "a") as dataset:
            length = dataset[NAME].shape[0]
            dataset["time"][length] = label
            dataset[NAME][length] = step

    def overwrite(self, path: Path, boxes: list[Box], values: list[Array]) -> None:
        with self._open(path, "a") as dataset:
            for box, part in zip(boxes, values, strict=True):
                dataset[NAME][box] = part


class H5NetCDF(Peer):
    kinds = NUMBERS
    packages = ("h5netcdf", "h5py")

    def write(self, path: Path, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        with h5netcdf.File(path, "w") as dataset:
            dataset.dimensions = {name: None if name == "time" else labels.size for name, labels in coordinates.items()}
            dataset.resize_dimension("time", values.shape[0])
            for name, labels in coordinates.items():
                dataset.create_variable(name, (name,), labels.dtype)[...] = labels
            variable = dataset.create_variable(
                NAME, DIMS, values.dtype, chunks=chunks, compression="gzip", compression_opts=1, shuffle=True
            )
            variable[...] = values

    def open(self, path: Path) -> NetCDFHandle:
        dataset = h5netcdf.File(path, "r")
        return NetCDFHandle(dataset, dataset.variables[NAME].chunks)

    def append(self, path: Path, step: Array, label: int) -> None:
        with h5netcdf.File(path, "a") as dataset:
            length = dataset.variables[NAME].shape[0]
            dataset.resize_dimension("time", length + 1)
            dataset.variables["time"][length] = label
            dataset.variables[NAME][length] = step

    def overwrite(self, path: Path, boxes: list[Box], values: list[Array]) -> None:
        with h5netcdf.File(path, "a") as dataset:
            for box, part in zip(boxes, values, strict=True):
                dataset.variables[NAME][box] = part
