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
        self._held: set[str] = set()

    @contextmanager
    def hold(self, keys: Collection[str]) -> Iterator[None]:
        """Hold all of these keys, at once or not at all."""
        mine = False
        try:
            with self._changed:
                while not self._held.isdisjoint(keys):
                    self._changed.wait()
                mine = True  # before they are added: an interrupt in between leaves none behind
                self._held.update(keys)
            yield
        finally:
            if mine:
                with self._changed:
                    self._held.difference_update(keys)
                    self._changed.notify_all()
