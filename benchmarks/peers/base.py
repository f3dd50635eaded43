"""What does every peer offer to the workloads?"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.data import Array

Box = tuple[slice, ...]

NUMBERS = ("f", "i", "u")
ANYTHING = ("f", "i", "u", "O")


def chunk_boxes(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[Box]:
    """Slices of every chunk, in the order of the cells."""
    axes = [
        [slice(start, min(start + chunk, size)) for start in range(0, size, chunk)]
        for size, chunk in zip(shape, chunks, strict=True)
    ]
    yield from product(*axes)


class Handle(ABC):
    """An array that is open for reading.

    A peer that can do better than these loops of box by box overrides them. The loops are aligned with the chunks, as a
    user would write them who knows the chunks; none reads a chunk twice.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]

    @abstractmethod
    def box(self, box: Box) -> Array:
        """Read a box."""

    @abstractmethod
    def coordinates(self) -> dict[str, Array]:
        """Read the labels of every dimension."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the files."""

    def read(self) -> Array:
        """Read everything."""
        return self.box(tuple(slice(0, size) for size in self.shape))

    def each_chunk(self) -> Iterator[tuple[Box, Array]]:
        """Go through the chunks."""
        for box in chunk_boxes(self.shape, self.chunks):
            yield box, self.box(box)

    def each_map(self) -> Iterator[tuple[int, Array]]:
        """Go through the maps: one step of time, all of space."""
        rest = tuple(slice(0, size) for size in self.shape[1:])
        for start in range(0, self.shape[0], self.chunks[0]):
            slab = self.box((slice(start, min(start + self.chunks[0], self.shape[0])), *rest))
            for offset in range(len(slab)):
                yield start + offset, slab[offset]

    def each_series_block(self) -> Iterator[tuple[Box, Array]]:
        """Go through columns: all of time, a chunk's extent in space."""
        for box in chunk_boxes(self.shape, (self.shape[0], *self.chunks[1:])):
            yield box, self.box(box)


class Peer(ABC):
    """A library, or a way to use one.

    Attributes
    ----------
    label : str
        What the tables call it.
    kinds : tuple of str
        Kinds of NumPy types it takes.
    compressed : bool
        Whether it competes: the limits and uncompressed files do not.
    only : frozenset of str or None
        Workloads it has; None: all.
    packages : tuple of str
        Whose versions to report.
    """

    label: str
    kinds: tuple[str, ...] = NUMBERS
    compressed = True
    only: frozenset[str] | None = None
    packages: tuple[str, ...] = ()

    def prepare(self) -> None:  # noqa: B027
        """Do what a user does once in a process, such as choosing options."""

    def stage(self, values: Array, chunks: tuple[int, ...]) -> None:  # noqa: B027
        """Take the data before the clock starts; only the limits have a use for it."""

    @abstractmethod
    def write(self, path: Path, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        """Make a file with everything, and close it."""

    @abstractmethod
    def open(self, path: Path) -> Any:
        """Open for reading; gives a `Handle`."""

    @abstractmethod
    def append(self, path: Path, step: Array, label: int) -> None:
        """Open, add one step of time at the end, close."""

    @abstractmethod
    def overwrite(self, path: Path, boxes: list[Box], values: list[Array]) -> None:
        """Open, change boxes, close."""
