"""How do many pages of a key table arrive with few requests?"""

from collections.abc import Callable, Iterable, MutableMapping

from ebooklet.format.checksum import digest
from ebooklet.format.ranges import Piece, Request, coalesce
from ebooklet.format.table import PageRef
from ebooklet.sync.workers import completed

ReadPack = Callable[[int, int, int], bytes]


def fetch_pages(
    refs: Iterable[PageRef], read: ReadPack, pages: MutableMapping[bytes, bytes], threads: int, limit: int
) -> None:
    """Bring pages here that will be needed together; what fails or is damaged is left to be read again on its own.

    Parameters
    ----------
    refs : iterable of PageRef
        Where they stand.
    read : callable
        Reads `length` bytes at `offset` of a pack, given its number.
    pages : mutable mapping
        Where to put them, by digest; those that are there are not fetched.
    threads : int
        The most requests in flight.
    limit : int
        The longest page to be believed.
    """
    wanted = [ref for ref in refs if ref.digest not in pages and ref.length <= limit]
    if len(wanted) < 2:
        return
    pieces = [Piece(ref.object, ref.offset, ref.length, number) for number, ref in enumerate(wanted)]
    requests = [request for request in coalesce(pieces) if request.length >= request.pieces[0].length]
    for number, body in completed([_job(request, read) for request in requests], threads):
        if isinstance(body, Exception):
            continue
        for piece in requests[number].pieces:
            start = piece.offset - requests[number].offset
            data = body[start : start + piece.length]
            if digest(data) == wanted[piece.tag].digest:
                pages[digest(data)] = data


def _job(request: Request, read: ReadPack) -> Callable[[], bytes]:
    return lambda: read(request.object, request.offset, request.length)
