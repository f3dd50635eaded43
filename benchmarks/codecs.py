"""How small and how fast is a pipeline alone, in one thread?"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import FIELDS, Array, load
from benchmarks.peers.base import chunk_boxes

ROUNDS = 3
CHUNKS = 60


def measure_all(name: str, folder: Path, ours: bool) -> dict[str, Any]:
    """Measure the pipelines this environment has, on some chunks of a field."""
    field = FIELDS[name]
    values = load(field, folder)
    boxes = list(chunk_boxes(field.shape, field.chunks))
    chosen = boxes[:: max(1, len(boxes) // CHUNKS)]
    chunks = [np.ascontiguousarray(values[box]) for box in chosen]
    if ours:
        return {"ours, default": _ours(chunks)}
    found = {}
    for label, (encode, decode) in _pipelines(values.dtype).items():
        found[label] = _pipeline(chunks, encode, decode)
    return found


def _pipelines(dtype: Any) -> dict[str, tuple[Callable[[Array], Any], Callable[[Any], Any]]]:
    import numcodecs

    zstd, shuffle = numcodecs.Zstd(level=1), numcodecs.Shuffle(dtype.itemsize)
    blosc = numcodecs.Blosc("zstd", clevel=1, shuffle=numcodecs.Blosc.SHUFFLE)
    found: dict[str, tuple[Callable[[Array], Any], Callable[[Any], Any]]] = {
        "zstd 1": (zstd.encode, zstd.decode),
        "shuffle, zstd 1": (
            lambda chunk: zstd.encode(shuffle.encode(chunk)),
            lambda coded: shuffle.decode(zstd.decode(coded)),
        ),
        "Blosc zstd 1, shuffle": (blosc.encode, blosc.decode),
    }
    try:
        from numcodecs.pcodec import PCodec
    except ImportError:
        return found
    pcodec = PCodec(level=4)
    found["pcodec, level 4"] = (pcodec.encode, pcodec.decode)
    return found


def _pipeline(chunks: list[Array], encode: Callable[[Array], Any], decode: Callable[[Any], Any]) -> dict[str, float]:
    coded = [encode(chunk) for chunk in chunks]
    return {
        "ratio": sum(chunk.nbytes for chunk in chunks) / sum(_length(part) for part in coded),
        "encode": _speed(chunks, lambda: [encode(chunk) for chunk in chunks]),
        "decode": _speed(chunks, lambda: [decode(part) for part in coded]),
    }


def _ours(chunks: list[Array]) -> dict[str, float]:
    """The whole way of a dataset in memory with one thread: planning, statistics, checksums and codec."""
    import cfdb

    values = np.stack(chunks)
    shape = (1, *chunks[0].shape)
    dims = tuple(f"d{axis}" for axis in range(values.ndim))
    with cfdb.set_options(threads=1), cfdb.open_dataset(None, "n") as dataset:
        for dim, size in zip(dims, values.shape, strict=True):
            dataset.create.dimension(dim, size)
        variable = dataset.create.data_var.generic("t", dims, values.dtype, shape)

        def write() -> None:
            variable[...] = values

        encode = _speed(chunks, write)
        dataset.sync()
        decode = _speed(chunks, lambda: variable.values)
        stored = variable.stored()
        if not np.array_equal(variable.values, values, equal_nan=True):
            raise AssertionError("other values than were written")
        return {"ratio": values.nbytes / stored.nbytes, "encode": encode, "decode": decode}


def _length(coded: Any) -> int:
    return memoryview(coded).nbytes


def _speed(chunks: list[Array], job: Callable[[], Any]) -> float:
    """MB of values a second of CPU time, the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        before = time.process_time()
        job()
        best = min(best, time.process_time() - before)
    return sum(chunk.nbytes for chunk in chunks) / 1e6 / best
