"""A byte-transparent HTTP proxy that counts, delays and breaks requests.

Requests reach the server as the client wrote them, `Host` and `Authorization` included, so that signatures stay valid.
The proxy reads only the framing of messages. Every connection of a client has one of its own to the server.
"""

import asyncio
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Action = Literal["status", "reset", "reset_mid", "truncate", "corrupt", "stall", "lost_ack"]

PIECE = 1 << 16
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)")
_CODES = {
    403: "AccessDenied",
    404: "NoSuchKey",
    409: "ConditionalRequestConflict",
    412: "PreconditionFailed",
    429: "TooManyRequests",
    500: "InternalError",
    501: "NotImplemented",
    503: "SlowDown",
}


@dataclass(slots=True)
class Rule:
    """What goes wrong, and when.

    Attributes
    ----------
    action : str
        ``status``: the proxy answers itself; ``reset``: the connection breaks before the server hears of the
        request; ``lost_ack``: after the server has carried it out; ``reset_mid``, ``truncate``: in the body of the
        answer, rudely or politely; ``corrupt``: one byte of that body differs; ``stall``: no answer for `seconds`.
    op : str
        Regular expression for the operation (see `operation`).
    path : str
        Regular expression searched in the target.
    skip, times : int
        How many such requests pass before, and how many are hit.
    status : int
        For ``status``.
    after : int
        Bytes of the body that still arrive, for ``reset_mid`` and ``truncate``.
    seconds : float
        For ``stall``.
    """

    action: Action
    op: str = ".*"
    path: str = ""
    skip: int = 0
    times: int = 1
    status: int = 503
    after: int = 100
    seconds: float = 30.0


@dataclass(slots=True)
class Traffic:
    """What went through."""

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    sent: int = 0
    received: int = 0
    connections: int = 0
    faults: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    log: list[tuple[str, str]] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.requests.total()


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request."""

    raw: bytes
    method: str
    target: str
    op: str

    @property
    def lower(self) -> bytes:
        return self.raw.lower()


def operation(method: str, target: str, head: bytes) -> str:
    """Name of an S3 operation: GET, RANGE, HEAD, LIST, PUT, CPUT (conditional), COPY, DELETE, BATCHDELETE, BUCKET."""
    path, _, query = target.partition("?")
    lower = head.lower()
    if method == "GET" and ("list-type=" in query or "prefix=" in query):
        return "LIST"
    if path.strip("/").count("/") == 0 and not (method == "POST" and "delete" in query):
        return "BUCKET"
    if method == "GET" and b"\r\nrange:" in lower:
        return "RANGE"
    if method == "PUT" and b"\r\nx-amz-copy-source:" in lower:
        return "COPY"
    if method == "PUT" and (b"\r\nif-match:" in lower or b"\r\nif-none-match:" in lower):
        return "CPUT"
    if method == "POST" and "delete" in query:
        return "BATCHDELETE"
    return method


class _BreakOffError(Exception):
    """The connection to the client ends here."""


class Proxy:
    """A running proxy.

    Attributes
    ----------
    port : int
        Its port on 127.0.0.1.
    traffic : Traffic
        What went through since the last `reset`.
    rules : list of Rule
        What goes wrong.
    latency : float
        Seconds before every answer, and for every new connection.
    bandwidth : float
        Bytes per second of one connection; 0 = unlimited.
    """

    def __init__(self, host: str, port: int) -> None:
        self.upstream = (host, port)
        self.port = 0
        self.traffic = Traffic()
        self.rules: list[Rule] = []
        self.latency = 0.0
        self.bandwidth = 0.0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._stop = asyncio.Event()

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reset(self) -> Traffic:
        """Count anew and forget all rules; returns what was counted before.

        A client may have its answer an instant before the request is counted as done: that is waited for.
        """
        for _ in range(200):
            if not self.traffic.in_flight:
                break
            time.sleep(0.005)
        before, self.traffic = self.traffic, Traffic()
        self.rules = []
        return before

    def run(self) -> None:
        """Serve until `stop`; the body of the proxy's thread."""
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    def wait_until_ready(self) -> None:
        self._ready.wait(10)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 18, backlog=256)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        up: asyncio.StreamWriter | None = None
        try:
            self.traffic.connections += 1
            await asyncio.sleep(self.latency)
            down, up = await asyncio.open_connection(*self.upstream, limit=1 << 18)
            pipe = _Pipe(reader, writer, down, up)
            while await self._exchange(pipe):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, _BreakOffError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for end in (writer, up):
                if end is not None:
                    end.close()
                    with suppress(ConnectionError):
                        await end.wait_closed()

    async def _exchange(self, pipe: "_Pipe") -> bool:
        """One request and its answer; whether the connection stays open."""
        try:
            head = _parse_head(await pipe.client.readuntil(b"\r\n\r\n"))
        except asyncio.IncompleteReadError:
            return False
        traffic = self.traffic
        traffic.requests[head.op] += 1
        traffic.log.append((head.op, head.target))
        traffic.sent += len(head.raw)
        traffic.in_flight += 1
        traffic.most_in_flight = max(traffic.most_in_flight, traffic.in_flight)
        try:
            return await self._answer(pipe, head, self._due(head))
        finally:
            traffic.in_flight -= 1

    async def _answer(self, pipe: "_Pipe", head: Head, rule: Rule | None) -> bool:
        action = rule.action if rule else None
        if rule and action == "stall":
            await asyncio.sleep(rule.seconds)
        if action in {"reset", "stall"}:
            pipe.reset()
        if rule and action == "status":
            return await self._answer_itself(pipe, head, rule.status)
        pipe.to_server.write(head.raw)
        body = asyncio.ensure_future(self._pass_on(pipe.client, pipe.to_server, head.lower, self._count_sent))
        try:
            answer, status = await self._answer_head(pipe)
            if status < 300:
                await body
        finally:
            complete = body.done()
            body.cancel()
            await asyncio.wait([body])
        if action == "lost_ack":
            pipe.reset()
        return await self._pass_answer_on(pipe, head, answer, status, rule) and complete

    async def _answer_head(self, pipe: "_Pipe") -> tuple[bytes, int]:
        while True:
            answer = await pipe.server.readuntil(b"\r\n\r\n")
            status = int(answer[9:12])
            await asyncio.sleep(self.latency)
            if status != 100:
                return answer, status
            self.traffic.statuses[status] += 1
            pipe.to_client.write(answer)
            await pipe.to_client.drain()

    async def _pass_answer_on(self, pipe: "_Pipe", head: Head, answer: bytes, status: int, rule: Rule | None) -> bool:
        traffic, lower = self.traffic, answer.lower()
        traffic.statuses[status] += 1
        traffic.received += len(answer)
        pipe.to_client.write(answer)
        if head.method != "HEAD" and status not in {204, 304}:
            await self._pass_on(pipe.server, pipe.to_client, lower, self._count_received, _damage(pipe, rule))
        await pipe.to_client.drain()
        return b"\r\nconnection: close" not in lower and b"\r\nconnection: close" not in head.lower

    async def _answer_itself(self, pipe: "_Pipe", head: Head, status: int) -> bool:
        if b"\r\nexpect: 100-continue" not in head.lower:
            await self._pass_on(pipe.client, None, head.lower, self._count_sent)
        body = (
            f"<?xml version='1.0'?><Error><Code>{_CODES.get(status, 'Error')}</Code><Message>injected</Message></Error>"
        )
        content = b"" if head.method == "HEAD" else body.encode()
        await asyncio.sleep(self.latency)
        self.traffic.statuses[status] += 1
        pipe.to_client.write(
            b"HTTP/1.1 %d Injected\r\nContent-Type: application/xml\r\n" % status
            + b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(content), content)
        )
        await pipe.to_client.drain()
        return False

    async def _pass_on(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter | None,
        head: bytes,
        count: Callable[[int], None],
        change: "Change | None" = None,
    ) -> None:
        """Pass the body of a message on, in its own framing."""
        if b"\r\ntransfer-encoding: chunked" in head:
            while True:
                line = await source.readuntil(b"\r\n")
                size = int(line.split(b";")[0], 16)
                await self._write(target, line + await source.readexactly(size + 2), count)
                if size == 0:
                    return
        match = _LENGTH.search(head)
        left = int(match.group(1)) if match else 0
        done = 0
        while left:
            piece = await source.read(min(left, PIECE))
            if not piece:
                raise ConnectionError("the body ended early")
            left -= len(piece)
            if change is not None:
                piece = await change(piece, done)
            done += len(piece)
            await self._write(target, piece, count)

    async def _write(self, target: asyncio.StreamWriter | None, piece: bytes, count: Callable[[int], None]) -> None:
        count(len(piece))
        if self.bandwidth:
            await asyncio.sleep(len(piece) / self.bandwidth)
        if target is not None:
            target.write(piece)
            await target.drain()

    def _count_sent(self, size: int) -> None:
        self.traffic.sent += size

    def _count_received(self, size: int) -> None:
        self.traffic.received += size

    def _due(self, head: Head) -> Rule | None:
        for rule in self.rules:
            if rule.times == 0 or not re.fullmatch(rule.op, head.op) or not re.search(rule.path, head.target):
                continue
            if rule.skip:
                rule.skip -= 1
                continue
            rule.times -= 1
            self.traffic.faults += 1
            return rule
        return None


Change = Callable[[bytes, int], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class _Pipe:
    client: asyncio.StreamReader
    to_client: asyncio.StreamWriter
    server: asyncio.StreamReader
    to_server: asyncio.StreamWriter

    def reset(self) -> None:
        """Break the connection to the client with an RST."""
        raw = self.to_client.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.to_client.transport.abort()
        raise _BreakOffError


def _damage(pipe: _Pipe, rule: Rule | None) -> Change | None:
    """How a rule changes the pieces of an answer's body."""
    if rule is None or rule.action not in {"reset_mid", "truncate", "corrupt"}:
        return None

    async def change(piece: bytes, done: int) -> bytes:
        if rule.action == "corrupt":
            return piece if done else bytes([piece[0] ^ 0xFF]) + piece[1:]
        if done + len(piece) <= rule.after:
            return piece
        pipe.to_client.write(piece[: rule.after - done])
        await pipe.to_client.drain()
        if rule.action == "reset_mid":
            pipe.reset()
        raise _BreakOffError

    return change


def _parse_head(raw: bytes) -> Head:
    method, target, _ = raw.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    return Head(raw, method, target, operation(method, target, raw))


@contextmanager
def proxy_to(host: str, port: int, kind: type[Proxy] = Proxy) -> Iterator[Proxy]:
    """Run a proxy (of some kind) in front of a server while the block lasts."""
    proxy = kind(host, port)
    thread = threading.Thread(target=proxy.run, name="cfdb-shared-proxy", daemon=True)
    thread.start()
    proxy.wait_until_ready()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(10)
