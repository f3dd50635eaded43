"""How fast do values arrive from a server, and how are they kept from arriving faster than wanted?"""

import threading
import time
from collections.abc import Callable

RECENT = 64 << 20  # bytes after which what was measured before counts half

_paces: dict[str, "Pace"] = {}


class Pace:
    """The rate of earlier transfers, recent ones counting more.

    Examples
    --------
    >>> pace = Pace()
    >>> pace.rate is None
    True
    >>> pace.add(3000, 1.5)
    >>> pace.rate
    2000.0
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nbytes = 0.0
        self._seconds = 0.0

    def add(self, nbytes: int, seconds: float) -> None:
        """Enter a transfer."""
        with self._lock:
            kept = 0.5 ** (nbytes / RECENT)
            self._nbytes = self._nbytes * kept + nbytes
            self._seconds = self._seconds * kept + seconds

    @property
    def rate(self) -> float | None:
        """Bytes per second; None when nothing was transferred yet."""
        return self._nbytes / self._seconds if self._nbytes and self._seconds else None


def pace_of(uri: str) -> Pace:
    """The pace of a server of this process."""
    return _paces.setdefault(uri, Pace())


class RateLimit:
    """Lets bytes through at a rate: each request waits until those before it are paid for.

    Parameters
    ----------
    rate
        Bytes per second.
    clock, wait
        What tells the time in seconds, and what waits for so many; `wait` says whether to give up.

    Examples
    --------
    >>> waited = []
    >>> limit = RateLimit(1000, clock=lambda: 0.0, wait=lambda seconds: waited.append(seconds))
    >>> limit(500), limit(1000), limit(1)
    (None, None, None)
    >>> waited
    [0.5, 1.5]
    """

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._free = clock()  # when everything let through so far is paid for

    def __call__(self, nbytes: int) -> None:
        """Wait until a request of `nbytes` may be sent."""
        with self._lock:
            now = self._clock()
            due = max(self._free, now)
            self._free = due + nbytes / self._rate
        if due > now:
            self._wait(due - now)
