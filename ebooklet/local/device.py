"""Where do the bytes of a local file live? In a file or in memory, behind one small set of verbs."""

import errno
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ebooklet.format.checksum import Buffer

if sys.platform != "win32":
    import fcntl

_MAX_VECTORS = 512


class Device(Protocol):
    """Random access to bytes, with a barrier."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def pread(self, length: int, offset: int) -> bytes:
        """Return up to `length` bytes; less only at the end."""

    def pwrite(self, parts: Sequence[Buffer], offset: int) -> int:
        """Write the parts one after the other; return how many bytes were written, which may be less than all."""

    def truncate(self, size: int) -> None:
        """Cut everything from `size` on."""

    def sync(self) -> None:
        """Return when everything written is durable."""

    def size(self) -> int:
        """Return the length in bytes."""

    def close(self) -> None:
        """Release what is held, locks too."""

    def abandon(self) -> None:
        """Release what a forked child holds; locks stay with the parent."""


def write_all(device: Device, offset: int, parts: Sequence[Buffer]) -> int:
    """Write every byte of the parts, going on after short writes; return how many.

    Raises
    ------
    OSError
        If the device takes no more.
    """
    left = [part if isinstance(part, bytes) else memoryview(part).cast("B") for part in parts if len(part)]
    total = sum(map(len, left))
    first = done = 0
    while first < len(left):
        written = device.pwrite(left[first : first + _MAX_VECTORS], offset + done)
        if written <= 0:
            raise OSError(errno.ENOSPC, f"only {done} of {total} bytes could be written at {offset}", device.name)
        done += written
        while first < len(left) and written >= len(left[first]):
            written -= len(left[first])
            first += 1
        if written:
            left[first] = memoryview(left[first])[written:]
    return done


class FileDevice:
    """An open file."""

    def __init__(self, fd: int, name: str) -> None:
        self.name = name
        self._fd = fd

    def fileno(self) -> int:
        """Return the file descriptor."""
        if self._fd < 0:
            raise OSError(errno.EBADF, "the file is closed", self.name)
        return self._fd

    def pread(self, length: int, offset: int) -> bytes:
        """Return up to `length` bytes; less only at the end."""
        data = os.pread(self.fileno(), length, offset)
        if len(data) == length or not data:
            return data
        parts = [data]
        got = len(data)
        while got < length and (data := os.pread(self.fileno(), length - got, offset + got)):
            parts.append(data)
            got += len(data)
        return b"".join(parts)

    def pwrite(self, parts: Sequence[Buffer], offset: int) -> int:
        """Write the parts one after the other; may write less than all."""
        if len(parts) == 1:
            return os.pwrite(self.fileno(), parts[0], offset)
        return os.pwritev(self.fileno(), parts, offset)

    def truncate(self, size: int) -> None:
        """Cut everything from `size` on."""
        os.ftruncate(self.fileno(), size)

    def sync(self) -> None:
        """Return when everything written is durable."""
        if sys.platform == "darwin":
            fcntl.fcntl(self.fileno(), fcntl.F_FULLFSYNC)  # there fsync leaves data in the disk's cache
        else:
            os.fsync(self.fileno())

    def size(self) -> int:
        """Return the length in bytes."""
        return os.fstat(self.fileno()).st_size

    def close(self) -> None:
        """Close the descriptor; a lock on it is released, in forked children too."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_UN)
        except OSError:
            pass  # no lock was held, or the file system knows none
        finally:
            os.close(fd)

    def abandon(self) -> None:
        """Close the descriptor in a forked child: the parent keeps its lock."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class MemoryDevice:
    """Bytes in memory, for datasets without a file."""

    def __init__(self, name: str = "<memory>") -> None:
        self.name = name
        self._data = bytearray()
        self._lock = threading.Lock()

    def pread(self, length: int, offset: int) -> bytes:
        """Return up to `length` bytes; less only at the end."""
        with self._lock:
            return bytes(memoryview(self._data)[offset : offset + length])

    def pwrite(self, parts: Sequence[Buffer], offset: int) -> int:
        """Write the parts one after the other."""
        with self._lock:
            if offset > len(self._data):
                self._data.extend(bytes(offset - len(self._data)))
            position = offset
            for part in parts:
                if position == len(self._data):
                    self._data += part  # one copy; assigning to a slice makes two
                else:
                    self._data[position : position + len(part)] = part
                position += len(part)
            return position - offset

    def truncate(self, size: int) -> None:
        """Cut everything from `size` on."""
        with self._lock:
            del self._data[size:]

    def sync(self) -> None:
        """Nothing in memory outlives the process."""

    def size(self) -> int:
        """Return the length in bytes."""
        return len(self._data)

    def close(self) -> None:
        """Forget the bytes."""
        self._data = bytearray()

    def abandon(self) -> None:
        """Memory is copied by a fork: nothing is shared with the parent."""


class Files:
    """The few things we ask of a file system."""

    def open(self, path: Path, writable: bool) -> FileDevice:
        """Open an existing file."""
        return FileDevice(os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC), str(path))

    def create(self, path: Path) -> FileDevice:
        """Create a file that must not exist."""
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        return FileDevice(os.open(path, flags, 0o666), str(path))

    def replace(self, source: Path, target: Path) -> None:
        """Give `source` the name of `target`, whatever that was."""
        os.replace(source, target)

    def link(self, source: Path, target: Path) -> None:
        """Give `source` a second name, which must be free."""
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            if target.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
            os.replace(source, target)

    def unlink(self, path: Path) -> None:
        """Remove a name, if it is there."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in a folder are durable."""
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
