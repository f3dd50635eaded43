"""What does a remote look like while there is no network?

Like a store where nothing has changed since it was last seen and where nothing can be fetched: opening goes on with the
version that is cached, and whatever is not cached raises :class:`~ebooklet.errors.OfflineError` naming it.
"""

import warnings
from collections.abc import Callable
from typing import TypeVar

from ebooklet.errors import NotModifiedError, OfflineError, RemoteConnectionError
from ebooklet.stores.protocol import Object, ObjectStore
from ebooklet.stores.wrappers import StoreWrapper, Verb

T = TypeVar("T")


class Offline(StoreWrapper):
    """A store that is out of reach.

    Examples
    --------
    >>> from ebooklet.errors import OfflineError
    >>> from ebooklet.stores.memory import MemoryStore
    >>> try:
    ...     Offline(MemoryStore()).head("db.blt")
    ... except OfflineError as error:
    ...     print(error)
    offline: 'db.blt' of memory://... is not here; open with offline=False to fetch it
    """

    def get(self, key: str, *, if_none_match: str | None = None, limit: int | None = None) -> Object:
        """Confirm what the caller has; raise when it has nothing."""
        if if_none_match:
            raise NotModifiedError(f"offline: taking the cached {key!r} of {self.uri} as current")
        return super().get(key, limit=limit)

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        raise OfflineError(f"offline: {key!r} of {self.uri} is not here; open with offline=False to fetch it")


class OfflineWhenUnreachable(StoreWrapper):
    """A store that goes offline, with one warning, when its server cannot be reached."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self._offline: Offline | None = None

    @property
    def offline(self) -> bool:
        """Whether the server could not be reached."""
        return self._offline is not None

    def get(self, key: str, *, if_none_match: str | None = None, limit: int | None = None) -> Object:
        """Read an object, or confirm what the caller has when the server cannot be reached."""
        try:
            return super().get(key, if_none_match=if_none_match, limit=limit)
        except OfflineError:
            return Offline(self.inner).get(key, if_none_match=if_none_match, limit=limit)

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        if self._offline is None:
            try:
                return thunk()
            except RemoteConnectionError as error:
                self._offline = Offline(self.inner)
                warnings.warn(f"{self.uri} cannot be reached, working offline: {error}", UserWarning, stacklevel=3)
        return self._offline._call(verb, key, thunk, size)


def offline_store(store: ObjectStore, mode: object) -> ObjectStore:
    """Wrap `store` as ``offline=`` asks for.

    Parameters
    ----------
    store
        The store of a remote.
    mode
        False: as it is; True: never reached; ``'auto'``: reached while the network is there.
    """
    if mode is False or mode is None:
        return store
    if mode is True:
        return Offline(store)
    if mode == "auto":
        return OfflineWhenUnreachable(store)
    raise ValueError(f"offline={mode!r}: choose False, True or 'auto'")
