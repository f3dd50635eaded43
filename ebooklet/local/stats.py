"""How much work did a handle do? Counted where it happens: at the device."""

from collections.abc import Sequence
from dataclasses import dataclass

from ebooklet.format.checksum import Buffer
from ebooklet.local.device import Device


@dataclass(slots=True)
class Stats:
    """Counters of a handle; exact when one thread works."""

    reads: int = 0
    bytes_read: int = 0
    writes: int = 0
    bytes_written: int = 0
    fsyncs: int = 0
    commits: int = 0


class MeteredDevice:
    """A device that counts."""

    def __init__(self, device: Device, stats: Stats) -> None:
        self.inner = device
        self.stats = stats

    @property
    def name(self) -> str:
        """Name of the device behind it."""
        return self.inner.name

    def pread(self, length: int, offset: int) -> bytes:
        """Read and count."""
        data = self.inner.pread(length, offset)
        self.stats.reads += 1
        self.stats.bytes_read += len(data)
        return data

    def pwrite(self, parts: Sequence[Buffer], offset: int) -> int:
        """Write and count."""
        written = self.inner.pwrite(parts, offset)
        self.stats.writes += 1
        self.stats.bytes_written += written
        return written

    def truncate(self, size: int) -> None:
        """Cut."""
        self.inner.truncate(size)

    def sync(self) -> None:
        """Flush and count."""
        self.stats.fsyncs += 1
        self.inner.sync()

    def size(self) -> int:
        """Return the length in bytes."""
        return self.inner.size()

    def close(self) -> None:
        """Close the device behind it."""
        self.inner.close()

    def abandon(self) -> None:
        """Close the descriptor in a forked child."""
        self.inner.abandon()
