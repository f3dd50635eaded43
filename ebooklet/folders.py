"""What lies in the folders of a bucket: databases, other objects, folders?

A database is known by its name alone: the objects of ``x.cfdb`` lie in ``x.cfdb.objects/``, which is not shown.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fnmatch import translate
from functools import partial
from typing import Literal

from ebooklet.stores.key_paths import CONTROL_FOLDER
from ebooklet.stores.protocol import ObjectMeta, ObjectStore
from ebooklet.sync.workers import completed
from ebooklet.uri import OBJECTS_SUFFIX

Sort = Literal["database", "object", "folder"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a listing.

    Attributes
    ----------
    key : str
        Key in the store; that of a folder ends in '/'.
    sort : str
        ``'database'``, ``'object'`` or ``'folder'``.
    size : int
        Bytes of the object itself; 0 of a folder.
    etag : str
        Of the object, where the listing tells.
    time : datetime or None
        When it was written.
    """

    key: str
    sort: Sort
    size: int = 0
    etag: str = ""
    time: datetime | None = None

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rstrip("/").rpartition("/")[2]


class Folders:
    """Listings of the folders of a store, each kept for some seconds.

    Parameters
    ----------
    store : ObjectStore
        What is listed.
    ttl : float
        Seconds for which a listing is good; 0 asks every time.
    threads : int
        Listings at the same time.
    clock : callable
        Tells the seconds.
    """

    def __init__(
        self, store: ObjectStore, ttl: float = 60.0, threads: int = 10, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.store = store
        self.ttl = ttl
        self.threads = threads
        self._clock = clock
        self._kept: dict[str, tuple[float, list[Listed]]] = {}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """List anew from now on."""
        with self._lock:
            self._kept.clear()

    def level(self, prefix: str) -> list[Listed]:
        """What lies right in a folder, by name; `prefix` is empty or ends in '/'."""
        with self._lock:
            kept = self._kept.get(prefix)
        if kept is not None and self._clock() - kept[0] < self.ttl:
            return kept[1]
        asked = self._clock()
        found = _sorted_out(list(self.store.list_folder(prefix)))
        with self._lock:
            self._kept[prefix] = asked, found
        return found

    def levels(self, prefixes: list[str]) -> list[list[Listed]]:
        """The same for several folders, at the same time."""
        found: dict[int, list[Listed]] = {}
        for number, level in completed([partial(self.level, prefix) for prefix in prefixes], self.threads):
            if isinstance(level, Exception):
                raise level
            found[number] = level
        return [found[number] for number in range(len(prefixes))]

    def walk(self, prefix: str, depth: int | None = None) -> Iterator[Listed]:
        """Everything below a folder, level by level; the objects of databases are never listed."""
        pending = [prefix]
        while pending and (depth is None or depth > 0):
            found = [listed for level in self.levels(pending) for listed in level]
            yield from found
            pending = [listed.key for listed in found if listed.sort == "folder"]
            depth = None if depth is None else depth - 1

    def glob(self, prefix: str, pattern: str) -> list[Listed]:
        """What a pattern finds below a folder; only folders that match are listed.

        ``*``, ``?`` and ``[...]`` stay within one part of a path, ``**`` is any number of parts.
        """
        parts = [part for part in pattern.split("/") if part]
        found: dict[str, Listed] = {}
        here = [(prefix, tuple(parts))] if parts else []
        while here:
            levels = self.levels([folder for folder, _ in here])
            following: dict[tuple[str, tuple[str, ...]], None] = {}
            for (_, left), level in zip(here, levels, strict=True):
                for listed in level:
                    for rest in _left_of(left, listed.name):
                        if not rest or set(rest) == {"**"}:
                            found[listed.key] = listed
                        if rest and listed.sort == "folder":
                            following[listed.key, rest] = None
            here = list(following)
        return [found[key] for key in sorted(found)]


def _left_of(parts: tuple[str, ...], name: str) -> list[tuple[str, ...]]:
    """What of a pattern is left for what lies inside of `name`."""
    if parts[0] == "**":
        inside = _left_of(parts[1:], name) if len(parts) > 1 else []
        return [parts, *inside]
    return [parts[1:]] if re.match(translate(parts[0]), name) else []


def _sorted_out(found: list[ObjectMeta | str]) -> list[Listed]:
    """Databases, objects and folders, without what only databases and stores see."""
    hidden = f"{OBJECTS_SUFFIX}/"
    databases = {one.removesuffix(hidden) for one in found if isinstance(one, str) and one.endswith(hidden)}
    listed = []
    for one in found:
        if isinstance(one, ObjectMeta):
            if not one.key.endswith("/"):  # what some consoles make to stand for a folder
                sort: Sort = "database" if one.key in databases else "object"
                listed.append(Listed(one.key, sort, one.size, one.etag, one.last_modified))
        elif not one.endswith((hidden, f"/{CONTROL_FOLDER}/")) and one != f"{CONTROL_FOLDER}/":
            listed.append(Listed(one, "folder"))
    return listed
