"""Who carries out a fetch plan?"""

import logging
from collections.abc import Callable, Iterator

from ebooklet.errors import BudgetExceededError, RemoteIntegrityError
from ebooklet.format.checksum import Buffer, crc32c
from ebooklet.format.ranges import Request
from ebooklet.format.table import Row
from ebooklet.plan.fetch import FetchPlan
from ebooklet.sync.workers import completed

log = logging.getLogger("ebooklet")

Progress = Callable[[int, int], None]
ReadPack = Callable[[int, int, int], bytes]
Found = tuple[Row, Buffer | Exception]


def fetch(
    plan: FetchPlan, read: ReadPack, place: str, threads: int, progress: Progress | None = None
) -> Iterator[list[Found]]:
    """Carry out a plan and give verified values as they arrive, those of a request together.

    Parameters
    ----------
    plan : FetchPlan
        What to read.
    read : callable
        Reads `length` bytes at `offset` of a pack, given its number.
    place : str
        Where the database is, for messages.
    threads : int
        The most requests in flight.
    progress : callable, optional
        Called with the bytes done and in all.

    Yields
    ------
    list of (Row, bytes-like or Exception)
        Payload and tail, or what went wrong with this one. Values may be views of what a request brought.

    Raises
    ------
    BudgetExceededError
        If a budget ended it, after everything that was on its way has arrived.
    """
    if plan.impossible:
        yield [
            (row, RemoteIntegrityError(f"{place}: the value of {row.key!r} lies outside of its pack"))
            for row in plan.impossible
        ]
    job = _Job(plan, read, place)
    done, refused = 0, None
    for number, found in completed([job.of(request) for request in plan.requests], threads):
        if isinstance(found, BudgetExceededError):
            refused = found
            continue
        request = plan.requests[number]
        arrived = job.arrived(request, found)
        if not arrived:
            continue
        done += sum(row.length + row.tail for row, _ in arrived)
        yield arrived
        if progress is not None:
            progress(done, plan.wanted)
    if refused is not None:
        raise refused


class _Job:
    """Turns the bodies of requests into verified values."""

    def __init__(self, plan: FetchPlan, read: ReadPack, place: str) -> None:
        self._plan = plan
        self._read = read
        self._place = place
        self._parts: dict[int, list[tuple[int, bytes]]] = {}
        self._failed: set[int] = set()

    def of(self, request: Request) -> Callable[[], list[Found] | bytes]:
        """Return what a worker does: a part of a long value is handed on, other values are cut out and verified."""

        def work() -> list[Found] | bytes:
            body = self._read(request.object, request.offset, request.length)
            if _is_part(request):
                return body
            return self._verified(request, body)

        return work

    def arrived(self, request: Request, found: "list[Found] | bytes | Exception") -> list[Found]:
        """Return the values that are complete now."""
        if isinstance(found, list):
            return found
        rows = [self._plan.rows[piece.tag] for piece in request.pieces]
        tag = request.pieces[0].tag
        if isinstance(found, Exception):
            if _is_part(request) and tag in self._failed:
                return []
            self._failed.add(tag)
            return [(row, found) for row in rows]
        parts = self._parts.setdefault(tag, [])
        parts.append((request.offset, found))
        if tag in self._failed or sum(len(part) for _, part in parts) < request.pieces[0].length:
            return []
        return [self._checked(rows[0], b"".join(part for _, part in sorted(self._parts.pop(tag))))]

    def _verified(self, request: Request, body: bytes) -> list[Found]:
        """Cut a body into values: views of it, unless that would keep much alive that nobody asked for."""
        dense = 2 * sum(piece.length for piece in request.pieces) >= len(body)
        source: Buffer = memoryview(body) if dense and len(request.pieces) > 1 else body
        rows, base = self._plan.rows, request.offset
        return [
            self._checked(rows[piece.tag], source[piece.offset - base : piece.offset - base + piece.length])
            for piece in request.pieces
        ]

    def _checked(self, row: Row, value: Buffer) -> Found:
        if matches(row, value):
            return row, value
        log.warning("%s: the value of %r arrived damaged, it is fetched again", self._place, row.key)
        try:
            value = self._read(row.pack, row.offset, row.length + row.tail)
        except BudgetExceededError:
            raise
        except Exception as error:
            return row, error
        if matches(row, value):
            return row, value
        return row, RemoteIntegrityError(
            f"{self._place}: the value of {row.key!r} is damaged: its checksum does not match"
        )


def matches(row: Row, value: Buffer) -> bool:
    """Tell whether payload and tail are what a row describes."""
    payload = value[: row.length] if row.tail else value
    return len(value) == row.length + row.tail and crc32c(row.key.encode(), payload) == row.crc


def _is_part(request: Request) -> bool:
    return request.length < request.pieces[0].length
