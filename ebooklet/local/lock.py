"""Who may write to a file, and who is writing now?

The lock is Booklet's own (``flock`` on the file), so a plain ``booklet.open`` elsewhere is excluded too. Beside the
file a note ``<path>-writer`` says who holds it; it serves messages only, no decision rests on it.
"""

import contextlib
import errno
import json
import os
import random
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from ebooklet.errors import LockTimeoutError, LockUnavailableError
from ebooklet.local.device import FileDevice

if sys.platform != "win32":
    import fcntl

_POLL_SECONDS = 0.05
_UNAVAILABLE = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)


def note_path(path: Path) -> Path:
    """Where the note about the writer of `path` lies."""
    return path.with_name(path.name + "-writer")


def try_lock(device: FileDevice, *, shared: bool = False) -> bool:
    """Take the lock if that is possible without waiting.

    Raises
    ------
    LockUnavailableError
        If the file system has no working locks.
    """
    try:
        fcntl.flock(device.fileno(), (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNAVAILABLE:
            raise
        raise LockUnavailableError(
            error.errno,
            f"the file system of {device.name} has no working locks ({error.strerror}); "
            "copy the file to a local disk, or open it with locking=False if nobody else uses it",
            device.name,
        ) from error
    return True


def unlock(device: FileDevice) -> None:
    """Release the lock."""
    with contextlib.suppress(OSError):
        fcntl.flock(device.fileno(), fcntl.LOCK_UN)


def wait_for_lock(device: FileDevice, path: Path, deadline: float, timeout: float, *, shared: bool = False) -> None:
    """Take the lock, trying until `deadline` (on the monotonic clock).

    Raises
    ------
    LockTimeoutError
        If somebody else holds it all the time; the message says who.
    """
    while not try_lock(device, shared=shared):
        left = deadline - time.monotonic()
        if left <= 0:
            raise LockTimeoutError(
                errno.EWOULDBLOCK,
                f"{path} is open for writing by {describe_holder(path)}; waited {timeout:g} s. "
                "Close it there, or open with a longer lock_timeout",
            )
        time.sleep(min(left, _POLL_SECONDS * (0.5 + random.random())))


def is_current(device: FileDevice, path: Path) -> bool:
    """Whether `path` still names the file that is open."""
    try:
        named = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(device.fileno()), named)


def leave_note(path: Path) -> None:
    """Say in the note that this process is the writer; failing to is no error."""
    note = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "program": Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python",
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with contextlib.suppress(OSError):
        note_path(path).write_text(json.dumps(note))


def remove_note(path: Path) -> None:
    """Remove the note."""
    with contextlib.suppress(OSError):
        note_path(path).unlink(missing_ok=True)


def describe_holder(path: Path) -> str:
    """Say in words who holds the lock, as far as the note tells."""
    unknown = "another process (which left no note; perhaps plain Booklet)"
    try:
        note = json.loads(note_path(path).read_text()[:4096])
        pid, host, program, since = int(note["pid"]), str(note["host"]), str(note["program"]), str(note["since"])
    except (OSError, ValueError, KeyError, TypeError):
        return unknown
    if host != socket.gethostname():
        return f"{program} (process {pid} on {host}), since {since}"
    if pid == os.getpid():
        return f"another handle in this process ({program}, process {pid}), since {since}"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return unknown
    except OSError:
        pass
    return f"{program} (process {pid}), since {since}"
