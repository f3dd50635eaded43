"""What does every remote peer offer?"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data import Array
from benchmarks.peers.base import Box

LABELS = ("ours", "cfdb", "icechunk", "zarr-obstore")


@dataclass(frozen=True, slots=True)
class Place:
    """A key in a bucket, and a folder for local files."""

    endpoint: str
    access_key_id: str
    access_key: str
    bucket: str
    key: str
    folder: Path

    def at(self, key: str) -> "Place":
        """Give another key of the same bucket."""
        return Place(self.endpoint, self.access_key_id, self.access_key, self.bucket, key, self.folder)


class RemotePeer(ABC):
    """A library that keeps arrays in a bucket."""

    @abstractmethod
    def write(self, place: Place, values: Array, chunks: tuple[int, ...], coordinates: dict[str, Array]) -> None:
        """Write and commit everything."""

    @abstractmethod
    def open(self, place: Place, *, again: bool = False) -> Any:
        """Open for reading, without a local file, or again with the one there is; gives a `Handle`."""

    @abstractmethod
    def edit(self, place: Place, boxes: list[Box], values: list[Array]) -> None:
        """Open, change boxes, commit."""

    @abstractmethod
    def copy(self, place: Place, target: Place) -> None:
        """Copy to another key."""

    @abstractmethod
    def delete(self, place: Place) -> None:
        """Delete everything."""


def make(label: str) -> RemotePeer:
    """Import a peer."""
    if label == "ours":
        from benchmarks.peers.remote_ours import Ours

        return Ours()
    if label == "cfdb":
        from benchmarks.peers.remote_released import Released

        return Released()
    from benchmarks.peers.remote_zarr import Icechunk, ZarrObstore

    return Icechunk() if label == "icechunk" else ZarrObstore()
