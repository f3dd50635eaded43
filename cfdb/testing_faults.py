"""How does a server for tests become slow, count what it is asked, and fail when told to?"""

import random
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

Operation = Literal["GET", "HEAD", "PUT", "POST", "DELETE", "LIST"]
Kind = Literal["error", "slow_down", "denied", "cut", "reset", "lost", "timeout"]

#: Kinds of faults that are answers: status, code and reason.
ANSWERS = {
    "error": (500, "InternalError", "Internal Server Error"),
    "slow_down": (503, "SlowDown", "Slow Down"),
    "denied": (403, "AccessDenied", "Forbidden"),
}
KINDS = (*ANSWERS, "cut", "reset", "lost", "timeout")
OPERATIONS = ("GET", "HEAD", "PUT", "POST", "DELETE", "LIST")
Start = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong at a server for tests, and when.

    Attributes
    ----------
    kind : {'error', 'slow_down', 'denied', 'cut', 'reset', 'lost', 'timeout'}
        The server answers 500, 503 (``SlowDown``) or 403; the body of its answer ends in the middle; the connection
        breaks before the request is carried out, or (``'lost'``) after that; there is no answer for `seconds`.
    operation : str
        Which requests: ``'GET'``, ``'HEAD'``, ``'PUT'``, ``'POST'``, ``'DELETE'`` or ``'LIST'``; all of them if empty.
    key : str
        Only those whose path (``/bucket/key``) has a part that this regular expression matches.
    skip : int
        How many such requests are served before.
    times : int or None
        How many are hit; None is no end.
    rate : float
        Share of them that is hit, by chance (of a seed that is always the same).
    seconds : float
        For ``'timeout'``.
    """

    kind: Kind
    operation: str = ""
    key: str = ""
    skip: int = 0
    times: int | None = 1
    rate: float = 1.0
    seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r} of a fault: choose {', '.join(map(repr, KINDS))}")
        if self.operation and self.operation not in OPERATIONS:
            raise ValueError(f"operation={self.operation!r} of a fault: choose {', '.join(map(repr, OPERATIONS))}")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate={self.rate!r} of a fault: give a share, from 0 to 1")


def faults_of(wanted: Any) -> list[Fault]:
    """Give faults: one, several, or a mapping of kinds and their rates."""
    if wanted is None:
        return []
    if isinstance(wanted, Mapping):
        return [Fault(kind, rate=rate, times=None) for kind, rate in wanted.items()]
    found = [wanted] if isinstance(wanted, Fault) else list(wanted)
    for each in found:
        if not isinstance(each, Fault):
            raise TypeError(f"{each!r} is no cfdb.testing.Fault")
    return found


@dataclass(slots=True)
class Traffic:
    """What a server was asked.

    Attributes
    ----------
    requests : Counter
        Requests by operation.
    statuses : Counter
        Answers by status.
    faults : Counter
        Faults that happened, by kind.
    log : list of tuple
        Operation and path of every request.
    """

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    log: list[tuple[str, str]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All requests."""
        return self.requests.total()


@dataclass(slots=True)
class _Watched:
    """A fault, requests that it could hit, and those it did."""

    fault: Fault
    seen: int = 0
    done: int = 0


class Interference:
    """A WSGI application in front of another one, `app`, which it delays, counts and breaks.

    Parameters
    ----------
    latency : float
        Seconds before every request is carried out.
    faults : list of Fault
        What goes wrong; the first one that applies.
    """

    def __init__(self, latency: float = 0.0, faults: Iterable[Fault] = ()) -> None:
        if latency < 0:
            raise ValueError(f"latency={latency!r}: give seconds, 0 or more")
        self.app: Callable[..., Any] = lambda *_: []
        self.latency = latency
        self.traffic = Traffic()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._aside = 0
        self.inject(*faults)

    def inject(self, *faults: Fault) -> None:
        """Let these faults happen from now on, instead of those so far."""
        with self._lock:
            self._chance = random.Random(0)
            self._watched = [_Watched(fault) for fault in faults]

    def stop(self) -> None:
        """Let nobody wait any longer."""
        self._stopped.set()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Serve what the server itself asks, unharmed and not counted."""
        with self._lock:
            self._aside += 1
        try:
            yield
        finally:
            with self._lock:
                self._aside -= 1

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Carry out a request, or not."""
        if self._aside:
            found: Iterable[bytes] = self.app(environ, start)
            return found
        operation, path = operation_of(environ), environ["PATH_INFO"]
        with self._lock:
            self.traffic.requests[operation] += 1
            self.traffic.log.append((operation, path))
            fault = self._due(operation, path)
            if fault is not None:
                self.traffic.faults[fault.kind] += 1
        if self.latency:
            self._stopped.wait(self.latency)
        return self._answer(fault, environ, self._counted(start))

    def _counted(self, start: Start) -> Start:
        def counting(status: str, *rest: Any) -> Any:
            with self._lock:
                self.traffic.statuses[int(status[:3])] += 1
            return start(status, *rest)

        return counting

    def _due(self, operation: str, path: str) -> Fault | None:
        for watched in self._watched:
            fault = watched.fault
            if fault.operation not in ("", operation) or not re.search(fault.key, path):
                continue
            watched.seen += 1
            if watched.seen <= fault.skip or watched.done == fault.times or self._chance.random() >= fault.rate:
                continue
            watched.done += 1
            return fault
        return None

    def _answer(self, fault: Fault | None, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        if fault is None:
            found: Iterable[bytes] = self.app(environ, start)
            return found
        if fault.kind in ANSWERS:
            return _refusal(fault.kind, environ, start)
        if fault.kind == "cut":
            return _cut(b"".join(self.app(environ, start)), environ)
        if fault.kind == "timeout":
            self._stopped.wait(fault.seconds)
        elif fault.kind == "lost":
            list(self.app(environ, lambda *_: None))
        raise _broken(environ)


def operation_of(environ: Mapping[str, Any]) -> str:
    """What a request wants: its method, or ``'LIST'``."""
    method, query = str(environ["REQUEST_METHOD"]), environ.get("QUERY_STRING", "")
    is_list = method == "GET" and ("list-type=" in query or environ["PATH_INFO"].strip("/").count("/") == 0)
    return "LIST" if is_list else method


def _refusal(kind: str, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    status, code, reason = ANSWERS[kind]
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))  # or it would be taken for the next request
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>asked for</Message></Error>".encode()
    start(f"{status} {reason}", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _cut(body: bytes, environ: dict[str, Any]) -> Iterator[bytes]:
    """Give half a body, then break off."""
    yield body[: len(body) // 2]
    raise _broken(environ)


def _broken(environ: Mapping[str, Any]) -> ConnectionError:
    """Break the connection; the server takes the error for a client that hung up."""
    with suppress(OSError):
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return ConnectionResetError("asked for")
