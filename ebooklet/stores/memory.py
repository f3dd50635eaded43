"""How are objects kept in memory?"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ebooklet.errors import (
    NotModifiedError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    PreconditionFailedError,
    ShortObjectError,
    StoreError,
)
from ebooklet.format.checksum import digest
from ebooklet.stores.dialect import Dialect
from ebooklet.stores.protocol import (
    OVERWRITE,
    Body,
    Create,
    Object,
    ObjectMeta,
    ObjectStore,
    PutMode,
    Update,
    folded,
    joined,
)


class MemoryStore:
    """An object store in the memory of this process, with atomic conditional writes.

    Parameters
    ----------
    name : str
        Shown in messages.

    Examples
    --------
    >>> store = MemoryStore()
    >>> meta = store.put("a/b", b"hello")
    >>> store.get_range("a/b", 1, 3)
    b'ell'
    """

    def __init__(self, name: str = "store") -> None:
        self.uri = f"memory://{name}"
        self.dialect = Dialect(conditional_put=True)
        self._objects: dict[str, Object] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"MemoryStore({self.uri!r}, {len(self._objects)} objects)"

    @property
    def supports_conditional_put(self) -> bool | None:
        """Always true here."""
        return self.dialect.conditional_put

    def get(self, key: str, *, if_none_match: str | None = None, limit: int | None = None) -> Object:
        """Read an object in full."""
        found = self._find(key)
        if if_none_match is not None and found.meta.etag == if_none_match:
            raise NotModifiedError(f"{self.uri}/{key} still has the ETag {if_none_match}")
        if limit is not None and found.meta.size > limit:
            raise ObjectTooLargeError(f"{self.uri}/{key} has {found.meta.size} bytes, more than the {limit} expected")
        return replace(found, meta=replace(found.meta, server_date=datetime.now(UTC)))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read exactly `length` bytes at `start`."""
        body = self._find(key).body
        if start + length > len(body):
            raise ShortObjectError(
                f"{self.uri}/{key} has {len(body)} bytes: there are no {length} bytes at {start}",
            )
        return body[start : start + length]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges of one object."""
        return [self.get_range(key, start, length) for start, length in ranges]

    def head(self, key: str) -> ObjectMeta:
        """Describe an object."""
        return replace(self._find(key).meta, server_date=datetime.now(UTC))

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        """Write an object."""
        data = joined(body)
        now = datetime.now(UTC)
        meta = ObjectMeta(key, len(data), digest(data).hex(), now, now)
        with self._lock:
            there = self._objects.get(key)
            if isinstance(mode, Create) and there is not None:
                raise PreconditionFailedError(f"{self.uri}/{key} exists already")
            if isinstance(mode, Update) and (there is None or there.meta.etag != mode.etag):
                found = "is gone" if there is None else f"has the ETag {there.meta.etag}"
                raise PreconditionFailedError(f"{self.uri}/{key} {found}, expected {mode.etag}")
            self._objects[key] = Object(meta, data)
        return meta

    def copy(self, source_key: str, target_key: str, *, target: ObjectStore | None = None) -> bool:
        """Copy an object to a key of this or another memory store."""
        if target is not None and not isinstance(target, MemoryStore):
            return False
        (target or self).put(target_key, self._find(source_key).body)
        return True

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""
        with self._lock:
            self._objects.pop(key, None)

    def delete_many(self, keys: Sequence[str]) -> dict[str, StoreError]:
        """Delete objects."""
        for key in keys:
            self.delete(key)
        return {}

    def list(self, prefix: str) -> Iterator[ObjectMeta]:
        """All objects whose key begins with `prefix`, ordered."""
        with self._lock:
            found = [thing.meta for key, thing in self._objects.items() if key.startswith(prefix)]
        now = datetime.now(UTC)
        for meta in sorted(found, key=lambda meta: meta.key.encode()):
            yield replace(meta, server_date=now)

    def list_folder(self, prefix: str) -> Iterator[ObjectMeta | str]:
        """The objects of one folder, and its folders."""
        return folded(self.list(prefix), prefix)

    def _find(self, key: str) -> Object:
        with self._lock:
            found = self._objects.get(key)
        if found is None:
            raise ObjectNotFoundError(f"there is no object {self.uri}/{key}")
        return found
