"""How does a process get a value of its own, made once?"""

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """Makes a value when it is first asked for, in every process anew.

    A forked process must neither share sockets nor inherit a lock that a thread of its parent held.

    Parameters
    ----------
    make : callable
        Makes the value.

    Examples
    --------
    >>> numbers = PerProcess(lambda: object())
    >>> numbers.get() is numbers.get()
    True
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._made: T | None = None

    def get(self) -> T:
        """The value."""
        made = self._made
        if made is not None:
            return made
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def take(self) -> T | None:
        """The value, if there is one; the next `get` makes a new one."""
        with self._lock:
            made, self._made = self._made, None
            return made


_all: "weakref.WeakSet[PerProcess[Any]]" = weakref.WeakSet()


def _begin_anew() -> None:
    for one in list(_all):
        one._begin()


os.register_at_fork(after_in_child=_begin_anew)
