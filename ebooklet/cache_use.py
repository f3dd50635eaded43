"""Is a file of a cache folder in use?

Whoever opens one holds a shared lock on a small file beside it (``.<name>-use``), as readers of the file itself take no
lock; whoever wants to delete the file needs that lock for itself alone. The last one removes the small file.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class CacheUse:
    """Says that a file is in use, until `release`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a"
    >>> use = CacheUse(path)
    >>> with alone(path) as free:
    ...     print(free)
    False
    >>> use.release()
    >>> with alone(path) as free:
    ...     print(free)
    True
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pid = os.getpid()
        self._file: int | None = None
        with contextlib.suppress(
            OSError
        ):  # a folder that cannot be written, or without locks: nothing is deleted there
            self._file = _locked(path, shared=True)
        with contextlib.suppress(OSError):
            os.utime(path)  # the moment of the last use

    def release(self) -> None:
        """Say that it is not used any more."""
        if self._file is None:
            return
        if self._pid == os.getpid():  # a forked process has the parent's very lock
            with contextlib.suppress(OSError):  # where others use it too the small file stays
                _lock(self._file, shared=False)
                os.unlink(_place(self._path))
        os.close(self._file)
        self._file = None

    def __del__(self) -> None:
        self.release()


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Keep others from opening a file of a cache folder; gives False when somebody has it open."""
    try:
        lock = _locked(path, shared=False)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        with contextlib.suppress(OSError):
            os.unlink(_place(path))
        os.close(lock)


def _place(path: Path) -> Path:
    return path.with_name(f".{path.name}-use")


def _locked(path: Path, *, shared: bool) -> int:
    """Open and lock the small file; the one that is still there under its name when it is locked."""
    while True:
        lock = os.open(_place(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(lock, shared=shared)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(_place(path))):
                    return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


def _lock(lock: int, *, shared: bool) -> None:
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, "no shared locks")
    wait = 0 if shared else fcntl.LOCK_NB  # who deletes is soon done
    fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | wait)
