"""What does a remote look like while there is no network?

Like a store where nothing has changed since it was last seen and where nothing can be fetched: opening goes on with the
version that is cached, and whatever is not cached raises :class:`~ebooklet.errors.OfflineError` naming it.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar

from ebooklet.errors import NotModifiedError, OfflineError, RemoteConnectionError
from ebooklet.stores.protocol import Object, ObjectStore
from ebooklet.stores.wrappers import StoreWrapper, Verb

T = TypeVar("T")
SHOWN = 5  # keys that an error names


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


def is_offline(store: ObjectStore) -> bool | Literal["auto"]:
    """Tell whether a store, wrapped perhaps, is out of reach: True as asked for, ``'auto'`` as it turned out."""
    while isinstance(store, StoreWrapper):
        if isinstance(store, Offline):
            return True
        if isinstance(store, OfflineWhenUnreachable):
            return "auto" if store.offline else False
        store = store.inner
    return False


def offline_error(name: str, keys: Sequence[str], readable: Callable[[str], str] = repr) -> OfflineError:
    """Make the error that names what is not here.

    Parameters
    ----------
    name
        The local file.
    keys
        The values that are needed.
    readable
        Says what a key stands for.
    """
    shown = ", ".join(dict.fromkeys(readable(key) for key in keys[:SHOWN]))
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    error = OfflineError(
        f"offline: {shown}{more} {'is' if len(keys) == 1 else 'are'} not in {name}; open with offline=False to fetch "
        f"{'it' if len(keys) == 1 else 'them'}"
    )
    error.keys = tuple(keys)
    return error


def worst_of(name: str, failures: Mapping[str, Exception]) -> Exception:
    """Give the error to raise where several values failed: the first, or one that names all that are not here."""
    away = [key for key, error in failures.items() if isinstance(error, OfflineError)]
    return offline_error(name, away) if away else next(iter(failures.values()))


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
