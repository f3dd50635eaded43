"""A file system that fails on purpose: at the n-th operation, in one of several ways."""

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ebooklet.format.checksum import Buffer
from ebooklet.local.device import FileDevice, Files


class FaultyFiles(Files):
    """Calls `fault` with a running number and the kind of each operation, before it is done.

    `fault` may raise, or return how many bytes of a write shall be written (None: all).
    """

    def __init__(self, fault: Callable[[int, str], int | None]) -> None:
        self.fault = fault
        self.count = 0

    def strike(self, kind: str) -> int | None:
        number, self.count = self.count, self.count + 1
        return self.fault(number, kind)

    def open(self, path: Path, writable: bool) -> FileDevice:
        return FaultyDevice(self, super().open(path, writable))

    def create(self, path: Path) -> FileDevice:
        self.strike("create")
        return FaultyDevice(self, super().create(path))

    def replace(self, source: Path, target: Path) -> None:
        self.strike("replace")
        super().replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        self.strike("link")
        super().link(source, target)

    def sync_folder(self, folder: Path) -> None:
        self.strike("dirsync")
        super().sync_folder(folder)


class FaultyDevice(FileDevice):
    def __init__(self, files: FaultyFiles, device: FileDevice) -> None:
        super().__init__(device._fd, device.name)
        self.files = files

    def pwrite(self, parts: Sequence[Buffer], offset: int) -> int:
        short = self.files.strike("write")
        if short is None:
            return super().pwrite(parts, offset)
        data = b"".join(bytes(part) for part in parts)
        return os.pwrite(self._fd, data[: min(short, len(data))], offset)

    def truncate(self, size: int) -> None:
        self.files.strike("truncate")
        super().truncate(size)

    def sync(self) -> None:
        self.files.strike("fsync")
        super().sync()


def disk_full(at: int) -> Callable[[int, str], int | None]:
    """From the n-th operation on nothing more can be written."""

    def fault(number: int, kind: str) -> int | None:
        if number >= at and kind in ("write", "create"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return None

    return fault


def once(at: int, error: BaseException) -> Callable[[int, str], int | None]:
    """The n-th operation fails, whatever it is."""

    def fault(number: int, kind: str) -> int | None:
        if number == at:
            raise error
        return None

    return fault


def short_then_full(at: int, size: int) -> Callable[[int, str], int | None]:
    """The n-th write is cut short, and the rest of it fails, as on a full disk."""
    struck: list[int] = []

    def fault(number: int, kind: str) -> int | None:
        if kind != "write" or number < at:
            return None
        if not struck:
            struck.append(number)
            return size
        if number == struck[0] + 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return None

    return fault


def short_once(at: int, size: int) -> Callable[[int, str], int | None]:
    """The n-th write is cut short without an error; the caller has to go on."""
    return lambda number, kind: size if number == at and kind == "write" else None
