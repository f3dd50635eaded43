"""How can a store be watched, slowed down or made to fail?"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Literal, TypeVar, cast

from ebooklet.errors import StoreError
from ebooklet.sizes import byte_size, counted
from ebooklet.stores.dialect import Dialect
from ebooklet.stores.protocol import OVERWRITE, Body, Object, ObjectMeta, ObjectStore, Overwrite, PutMode, nbytes_of

Verb = Literal["get", "get_range", "head", "put", "conditional_put", "copy", "delete", "delete_many", "list"]
T = TypeVar("T")

DELETE_PER_REQUEST = 1000
LIST_PER_REQUEST = 1000


class StoreWrapper:
    """A store that passes every call on, through one method, to another one.

    Derived classes override `_call`; `thunk` carries the call out, `size` is the number of body bytes it sends.
    """

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.inner!r})"

    @property
    def uri(self) -> str:
        """Where the wrapped store is."""
        return self.inner.uri

    @property
    def dialect(self) -> Dialect:
        """The dialect of the wrapped store."""
        return self.inner.dialect

    @property
    def supports_conditional_put(self) -> bool | None:
        """What the wrapped store says."""
        return self.inner.supports_conditional_put

    def get(self, key: str, *, if_none_match: str | None = None, limit: int | None = None) -> Object:
        """Read an object in full."""
        return self._call("get", key, lambda: self.inner.get(key, if_none_match=if_none_match, limit=limit))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read exactly `length` bytes at `start`."""
        return self._call("get_range", key, lambda: self.inner.get_range(key, start, length))

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges of one object; each is a request of its own."""
        return [self.get_range(key, start, length) for start, length in ranges]

    def head(self, key: str) -> ObjectMeta:
        """Describe an object."""
        return self._call("head", key, lambda: self.inner.head(key))

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        """Write an object."""
        verb: Verb = "put" if isinstance(mode, Overwrite) else "conditional_put"
        return self._call(verb, key, lambda: self.inner.put(key, body, mode), nbytes_of(body))

    def copy(self, source_key: str, target_key: str, *, target: ObjectStore | None = None) -> bool:
        """Copy an object; a wrapped target is unwrapped first."""
        while isinstance(target, StoreWrapper):
            target = target.inner
        return self._call("copy", source_key, lambda: self.inner.copy(source_key, target_key, target=target))

    def delete(self, key: str) -> None:
        """Delete an object."""
        return self._call("delete", key, lambda: self.inner.delete(key))

    def delete_many(self, keys: Sequence[str]) -> dict[str, StoreError]:
        """Delete objects, a request for every thousand."""
        failed: dict[str, StoreError] = {}
        for start in range(0, len(keys), DELETE_PER_REQUEST):
            failed |= self._delete_some(keys[start : start + DELETE_PER_REQUEST])
        return failed

    def list(self, prefix: str) -> Iterator[ObjectMeta]:
        """All objects whose key begins with `prefix`, a request for every thousand."""
        return self._paged(prefix, self.inner.list(prefix))

    def list_folder(self, prefix: str) -> Iterator[ObjectMeta | str]:
        """The objects of one folder, and its folders, a request for every thousand."""
        return self._paged(prefix, self.inner.list_folder(prefix))

    def _paged(self, prefix: str, found: Iterator[T]) -> Iterator[T]:
        following: list[T] = []
        while True:
            page = self._call("list", prefix, partial(_page, found, following))
            yield from page
            following = list(islice(found, 1))
            if not following:
                return

    def _delete_some(self, keys: Sequence[str]) -> dict[str, StoreError]:
        return self._call("delete_many", keys[0], lambda: self.inner.delete_many(keys))

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        return thunk()


def _page(found: Iterator[T], begun: list[T]) -> list[T]:
    return begun + list(islice(found, LIST_PER_REQUEST - len(begun)))


@dataclass(slots=True)
class Counts:
    """What went through a `CountingStore`.

    Attributes
    ----------
    requests : Counter
        Requests by verb.
    sent, received : int
        Bytes of bodies.
    log : list of (verb, key)
        Every request in order, if it is kept.
    """

    requests: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    received: int = 0
    log: list[tuple[str, str]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Number of requests."""
        return self.requests.total()

    def __repr__(self) -> str:
        kinds = ", ".join(f"{count} {verb}" for verb, count in sorted(self.requests.items()))
        moved = f"{byte_size(self.sent)} sent, {byte_size(self.received)} received"
        return f"{counted(self.total, 'request')}{f' ({kinds})' if kinds else ''}, {moved}"


class CountingStore(StoreWrapper):
    """Counts the requests another store would send, by verb, and the bytes of their bodies.

    Parameters
    ----------
    inner : ObjectStore
        The other store.
    log : bool
        Whether to keep a list of all requests as well.

    Examples
    --------
    >>> from ebooklet.stores.memory import MemoryStore
    >>> store = CountingStore(MemoryStore())
    >>> meta = store.put("a", b"1234")
    >>> store.get_range("a", 0, 2)
    b'12'
    >>> dict(store.counts.requests), store.counts.sent, store.counts.received
    ({'put': 1, 'get_range': 1}, 4, 2)
    """

    def __init__(self, inner: ObjectStore, *, log: bool = True) -> None:
        super().__init__(inner)
        self.counts = Counts()
        self._log = log
        self._lock = threading.Lock()

    def reset(self) -> Counts:
        """Start counting anew; returns what was counted before."""
        with self._lock:
            before, self.counts = self.counts, Counts()
        return before

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        with self._lock:
            self.counts.requests[verb] += 1
            self.counts.sent += size
            if self._log:
                self.counts.log.append((verb, key))
        result = thunk()
        body = result.body if isinstance(result, Object) else result
        if isinstance(body, bytes):
            with self._lock:
                self.counts.received += len(body)
        return result


class LatencyStore(StoreWrapper):
    """Waits before every request, as a distant server does.

    Parameters
    ----------
    inner : ObjectStore
        The store that answers.
    seconds : float
        Waiting time of a request.
    bandwidth : float, optional
        Bytes per second of one connection; every body waits for its length.
    """

    def __init__(self, inner: ObjectStore, seconds: float, bandwidth: float | None = None) -> None:
        super().__init__(inner)
        self.seconds = seconds
        self.bandwidth = bandwidth

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        time.sleep(self.seconds)
        result = thunk()
        body = result.body if isinstance(result, Object) else result
        moved = size + (len(body) if isinstance(body, bytes) else 0)
        if self.bandwidth:
            time.sleep(moved / self.bandwidth)
        return result


@dataclass(slots=True)
class Fault:
    """Something that goes wrong.

    Attributes
    ----------
    verb : str
        The verb it happens to.
    error : StoreError or None
        What is raised; None: the answer is damaged instead.
    applied : bool
        The store carries the request out before the error, as when an answer is lost.
    truncate : int or None
        The body that comes back ends after so many bytes.
    corrupt : bool
        The first byte of the body that comes back has another value.
    key : str
        Only requests whose key contains this.
    skip, times : int
        How many such requests pass before, and how many are hit.
    """

    verb: Verb
    error: StoreError | None = None
    applied: bool = False
    truncate: int | None = None
    corrupt: bool = False
    key: str = ""
    skip: int = 0
    times: int = 1


class FaultyStore(StoreWrapper):
    """Makes chosen requests fail.

    Parameters
    ----------
    inner : ObjectStore
        The store that works.
    *faults : Fault
        What goes wrong; more can be appended to `faults` later.

    Examples
    --------
    >>> from ebooklet.errors import UncertainOutcomeError
    >>> from ebooklet.stores.memory import MemoryStore
    >>> inner = MemoryStore()
    >>> store = FaultyStore(inner, Fault("put", UncertainOutcomeError("lost answer"), applied=True))
    >>> store.put("a", b"1234")
    Traceback (most recent call last):
    ebooklet.errors.UncertainOutcomeError: lost answer
    >>> inner.get("a").body
    b'1234'
    """

    def __init__(self, inner: ObjectStore, *faults: Fault) -> None:
        super().__init__(inner)
        self.faults = list(faults)
        self._lock = threading.Lock()

    def _call(self, verb: Verb, key: str, thunk: Callable[[], T], size: int = 0) -> T:
        fault = self._due(verb, key)
        if fault is None:
            return thunk()
        if fault.error is None:
            return _damaged(thunk(), fault)
        if fault.applied:
            thunk()
        raise fault.error

    def _due(self, verb: Verb, key: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.verb != verb or fault.key not in key or fault.times == 0:
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault
        return None


def _damaged(answer: T, fault: Fault) -> T:
    if isinstance(answer, Object):
        return cast(T, replace(answer, body=_damaged(answer.body, fault)))
    if not isinstance(answer, bytes):
        return answer
    body = answer if fault.truncate is None else answer[: fault.truncate]
    if fault.corrupt and body:
        body = bytes([body[0] ^ 0xFF]) + body[1:]
    return cast(T, body)
