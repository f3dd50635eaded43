"""What is measured, and is every result right?"""

import gc
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import Array, Field, coordinates
from benchmarks.peers.base import Box, Peer, chunk_boxes

#: Name of each workload and what the tables call it, in the order in which a process runs them.
WORKLOADS = {
    "write": "write all",
    "open": "open + coordinates",
    "read": "read all",
    "each_chunk": "iterate over chunks",
    "maps3": "3 maps (1, all, all)",
    "series10": "10 point series (all, 1, 1)",
    "windows100": "100 windows (1, 10, 10)",
    "each_map": "all maps one by one",
    "each_series_block": "series blocks over all",
    "append": "append one step",
    "overwrite": "overwrite 1 %",
}
#: Stop repeating a workload inside one process after so many seconds, or so many times.
BUDGET = 0.25
TIMES = 5
#: Chunks of an iteration that are compared with NumPy.
COMPARED = 300


class WrongResultError(Exception):
    """A peer gave other values than were written."""


@dataclass(slots=True)
class Case:
    """One peer with one field in one process."""

    peer: Peer
    field: Field
    values: Array
    folder: Path
    verify: bool = True
    times: int = TIMES
    path: Path = field(init=False)
    appended: int = 0
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path = self.folder / f"{self.field.name}.{self.peer.label}"

    def run(self, wanted: tuple[str, ...]) -> dict[str, Any]:
        """Measure the wanted workloads; a file is written first in any case."""
        self.peer.stage(self.values, self.field.chunks)
        names = [name for name in WORKLOADS if name == "write" or (name in wanted and self._has(name))]
        size = 0
        for name in names:
            for _ in self._rounds(name):
                sample = getattr(self, f"_{name}")()
                self.samples.setdefault(name, []).append(sample)
            if name == "write":
                size = size_of(self.path)
        remove(self.path)
        return {"samples": self.samples, "bytes": size, "raw": raw_bytes(self.values)}

    def _has(self, name: str) -> bool:
        return self.peer.only is None or name in self.peer.only

    def _rounds(self, name: str) -> Iterator[int]:
        started = time.perf_counter()
        for number in range(self.times):
            yield number
            if time.perf_counter() - started > BUDGET:
                return

    def _checking(self, name: str) -> bool:
        return self.verify and name not in self.samples

    def _write(self) -> tuple[float, float]:
        remove(self.path)
        labels = coordinates(self.field.shape)
        return timed(lambda: self.peer.write(self.path, self.values, self.field.chunks, labels), self.values.nbytes)[1]

    def _open(self) -> tuple[float, float]:
        def job() -> Any:
            handle = self.peer.open(self.path)
            return handle, handle.coordinates()

        (handle, found), sample = timed(job, self.values.nbytes)
        if self._checking("open"):
            for name, labels in coordinates(self.field.shape).items():
                check(found[name], labels, self.peer, name)
        handle.close()
        return sample

    def _reading(self, name: str, job: Callable[[Any], Any], expected: Callable[[], Array]) -> tuple[float, float]:
        handle = self.peer.open(self.path)
        result, sample = timed(lambda: job(handle), self.values.nbytes)
        if self._checking(name):
            check(result, expected(), self.peer, name)
        handle.close()
        return sample

    def _read(self) -> tuple[float, float]:
        return self._reading("read", lambda handle: handle.read(), lambda: self.values)

    def _boxes(self, name: str, boxes: list[Box]) -> tuple[float, float]:
        return self._reading(
            name,
            lambda handle: np.stack([handle.box(box) for box in boxes]),
            lambda: np.stack([self.values[box] for box in boxes]),
        )

    def _maps3(self) -> tuple[float, float]:
        return self._boxes("maps3", some_boxes(self.values.shape, (1, *self.values.shape[1:]), 3))

    def _series10(self) -> tuple[float, float]:
        return self._boxes("series10", some_boxes(self.values.shape, (self.values.shape[0], 1, 1), 10))

    def _windows100(self) -> tuple[float, float]:
        return self._boxes("windows100", some_boxes(self.values.shape, (1, 10, 10), 100))

    def _going(self, name: str) -> tuple[float, float]:
        """Go through everything; what comes is compared in a pass of its own, not to be timed."""
        handle = self.peer.open(self.path)
        cells, sample = timed(lambda: sum(values.size for _, values in getattr(handle, name)()), self.values.nbytes)
        if cells != self.values.size:
            raise WrongResultError(f"{self.peer.label}, {name}: {cells} cells instead of {self.values.size}")
        handle.close()
        if self._checking(name):
            handle = self.peer.open(self.path)
            for where, values in islice(getattr(handle, name)(), COMPARED):
                check(values, self.values[where], self.peer, name)
            handle.close()
        return sample

    def _each_chunk(self) -> tuple[float, float]:
        return self._going("each_chunk")

    def _each_map(self) -> tuple[float, float]:
        return self._going("each_map")

    def _each_series_block(self) -> tuple[float, float]:
        return self._going("each_series_block")

    def _append(self) -> tuple[float, float]:
        step, label = self.values[self.appended], len(self.values) + self.appended
        sample = timed(lambda: self.peer.append(self.path, step, label), self.values.nbytes)[1]
        self.appended += 1
        if self._checking("append"):
            handle = self.peer.open(self.path)
            whole = tuple(slice(0, size) for size in step.shape)
            check(handle.box((slice(label, label + 1), *whole)), step, self.peer, "append")
            check(handle.coordinates()["time"], np.arange(label + 1), self.peer, "append")
            handle.close()
        return sample

    def _overwrite(self) -> tuple[float, float]:
        every = list(chunk_boxes(self.values.shape, self.field.chunks))
        chosen = np.random.default_rng(2).choice(len(every), max(1, len(every) // 100), replace=False)
        boxes = [every[number] for number in sorted(chosen)]
        parts = [np.ascontiguousarray(self.values[box][::-1]) for box in boxes]
        sample = timed(lambda: self.peer.overwrite(self.path, boxes, parts), self.values.nbytes)[1]
        if self._checking("overwrite"):
            handle = self.peer.open(self.path)
            for box, part in zip(boxes, parts, strict=True):
                check(handle.box(box), part, self.peer, "overwrite")
            handle.close()
        return sample


def timed(job: Callable[[], Any], nbytes: int) -> tuple[Any, tuple[float, float]]:
    """Do something and give its result with wall seconds and CPU seconds of all threads.

    With fields of more than 100 MB, memory for twice `nbytes` is touched and given back before, as the files are in the
    page cache: a virtual machine that gets its memory from the host at first touch would otherwise be measured instead
    (up to thirty times the time of a warm page).
    """
    gc.collect()
    if nbytes > 1e8:
        np.empty(2 * nbytes, np.uint8).fill(1)
    cpu, wall = time.process_time(), time.perf_counter()
    result = job()
    return result, (time.perf_counter() - wall, time.process_time() - cpu)


def some_boxes(shape: tuple[int, ...], extent: tuple[int, ...], count: int) -> list[Box]:
    """Boxes at random places, the same for every peer."""
    random = np.random.default_rng(3)
    extent = tuple(min(want, size) for want, size in zip(extent, shape, strict=True))
    starts = [random.integers(0, size - want + 1, count) for size, want in zip(shape, extent, strict=True)]
    return [
        tuple(slice(int(start[number]), int(start[number]) + want) for start, want in zip(starts, extent, strict=True))
        for number in range(count)
    ]


def check(got: Any, expected: Array, peer: Peer, what: str) -> None:
    """Compare with NumPy, whatever length-one dimensions the peer keeps."""
    found = np.asarray(got)
    if expected.dtype.kind == "O":
        found = found.astype(object)
    same = found.size == expected.size and np.array_equal(
        found.reshape(expected.shape), expected, equal_nan=expected.dtype.kind == "f"
    )
    if not same:
        raise WrongResultError(f"{peer.label}, {what}: other values than were written")


def raw_bytes(values: Array) -> int:
    """Bytes of the values as they are; of strings their text."""
    if values.dtype.kind == "O":
        return sum(len(text.encode()) for text in values.flat)
    return values.nbytes


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_dir():
        return sum(part.stat().st_size for part in path.rglob("*") if part.is_file())
    return path.stat().st_size if path.exists() else 0


def remove(path: Path) -> None:
    """Remove what a peer made."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
