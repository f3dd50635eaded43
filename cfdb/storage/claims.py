"""How do two threads stay out of each other's way while they change the same chunk?"""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class Claims:
    """Keys that a thread reads, changes and stores; others who want one of them wait.

    Whoever holds keys must not claim more, nor wait for another thread.

    Examples
    --------
    >>> claims = Claims()
    >>> with claims.hold(["a/0", "a/1"]):
    ...     pass
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._held: dict[str, object] = {}

    @contextmanager
    def hold(self, keys: Collection[str]) -> Iterator[None]:
        """Hold all of these keys, at once or not at all."""
        owner = object()
        try:
            with self._changed:
                while not self._held.keys().isdisjoint(keys):
                    self._changed.wait()
                self._held.update(dict.fromkeys(keys, owner))
            yield
        finally:
            with self._changed:
                # only its own: an interrupt may have come before it held any, and another thread may hold them now
                for key in keys:
                    if self._held.get(key) is owner:
                        del self._held[key]
                self._changed.notify_all()
