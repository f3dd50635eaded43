"""What is the least that this machine needs? No peer: copying, a raw file, and the codec alone in two threads."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from benchmarks.data import Array
from benchmarks.peers.base import Box, Handle, Peer, chunk_boxes

WHOLE = frozenset({"write", "read", "each_chunk", "each_map", "each_series_block"})


class _Limit(Peer, Handle):
    """One object that is its own handle; what it needs stays in memory between the workloads."""

    compressed = False
    only = WHOLE

    def __init__(self) -> None:
        self.values: Array = np.empty(0)
        self.out: Array = np.empty(0)

    def box(self, box: Box) -> Array:
        values: Array = self.out[box]
        return values

    def coordinates(self) -> dict[str, Array]:
        return {}

    def close(self) -> None:
        pass

    def open(self, path: Path) -> Any:
        return self

    def append(self, path: Path, step: Array, label: int) -> None:
        raise NotImplementedError

    def overwrite(self, path: Path, boxes: list[Box], values: list[Array]) -> None:
        raise NotImplementedError


class Copy(_Limit):
    """Copy the array in memory."""

    only = frozenset({"read"})

    def write(self, path: Path, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        self.values, self.shape, self.chunks = values, values.shape, chunks

    def read(self) -> Array:
        return self.values.copy()


class RawFile(_Limit):
    """Write and read the bytes as they are."""

    only = frozenset({"write", "read"})

    def write(self, path: Path, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        self.path, self.values, self.shape, self.chunks = path, values, values.shape, chunks
        with path.open("wb") as file:
            file.write(memoryview(np.ascontiguousarray(values)).cast("B"))

    def read(self) -> Array:
        out = np.empty(self.values.shape, self.values.dtype)
        with self.path.open("rb", buffering=0) as file:
            target, done = memoryview(out).cast("B"), 0
            while done < len(target):
                done += file.readinto(target[done:]) or 0
        return out


class CodecAlone(_Limit):
    """zstd level 1 on the plain bytes of every chunk, in two threads: no files, no scattering, nothing around it."""

    packages = ("zstandard",)

    def stage(self, values: Array, chunks: tuple[int, ...]) -> None:
        self.values, self.shape, self.chunks = values, values.shape, chunks
        self.boxes = list(chunk_boxes(values.shape, chunks))
        self.raw = [np.ascontiguousarray(values[box]).reshape(-1).view(np.uint8) for box in self.boxes]

    def write(self, path: Path, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        half = [self.raw[number::2] for number in range(2)]
        with ThreadPoolExecutor(2) as pool:
            self.coded = list(pool.map(self._encode, half))

    def _encode(self, parts: list[Array]) -> list[bytes]:
        compressor = zstandard.ZstdCompressor(level=1)
        return [compressor.compress(part) for part in parts]

    def _decode(self, parts: list[bytes]) -> int:
        decompressor = zstandard.ZstdDecompressor()
        return sum(len(decompressor.decompress(part)) for part in parts)

    def _all(self) -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._decode, self.coded))

    def read(self) -> Array:
        self._all()
        return self.values

    def each_chunk(self) -> Iterator[tuple[Box, Array]]:
        self._all()
        for box in self.boxes:
            yield box, self.values[box]

    def each_map(self) -> Iterator[tuple[int, Array]]:
        self._all()
        yield from enumerate(self.values)

    def each_series_block(self) -> Iterator[tuple[Box, Array]]:
        self._all()
        for box in chunk_boxes(self.shape, (self.shape[0], *self.chunks[1:])):
            yield box, self.values[box]
