"""How is a body read that may be too long, cut short, or more than was asked for?"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ebooklet.errors import ShortObjectError, StoreError

PIECE = 1 << 20
# Memory that is asked for in one piece is filled without a copy; until bytes arrive it is only an address.
LARGEST_PIECE = 64 << 20
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_COUNT = re.compile(r"[0-9]{1,18}")

Read = Callable[[int], bytes]


class IncompleteBodyError(Exception):
    """A body ended before its announced length."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Where the body of an answer lies in its object; `total` is None when the server does not tell."""

    start: int
    length: int
    total: int | None


def count_in(text: str | None) -> int | None:
    """A number of bytes as a server wrote it, or None if it is none.

    Examples
    --------
    >>> count_in("12"), count_in("-1"), count_in("9" * 5000)
    (12, None, None)
    """
    return int(text) if text and _COUNT.fullmatch(text) else None


def parse_content_range(text: str | None) -> ByteRange | None:
    """Read a `Content-Range` header.

    Examples
    --------
    >>> parse_content_range("bytes 10-19/100")
    ByteRange(start=10, length=10, total=100)
    """
    match = _CONTENT_RANGE.fullmatch(text or "")
    if match is None:
        return None
    first, last, total = match.groups()
    return ByteRange(int(first), int(last) - int(first) + 1, None if total == "*" else int(total))


def length_of_range(text: str | None) -> int:
    """How many bytes a `Range` header asks for; 0 without one.

    Examples
    --------
    >>> length_of_range("bytes=10-19"), length_of_range(None)
    (10, 0)
    """
    first, _, last = (text or "").removeprefix("bytes=").partition("-")
    return int(last) - int(first) + 1 if first and last else 0


def read_exactly(read: Read, length: int) -> bytes:
    """Read `length` bytes, in pieces of bounded size, so that a false length cannot make us allocate it.

    Raises
    ------
    IncompleteBodyError
        If the body ends before.
    """
    pieces = []
    left = length
    while left:
        piece = read(min(left, LARGEST_PIECE))
        if not piece:
            raise IncompleteBodyError(f"the body ended after {length - left} of {length} bytes")
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def read_bounded(read: Read, length: int | None, limit: int | None) -> bytes | None:
    """Read a body of announced or unknown length; None, if possible without reading, when it exceeds `limit`."""
    if length is not None:
        return None if limit is not None and length > limit else read_exactly(read, length)
    pieces = []
    size = 0
    while piece := read(PIECE if limit is None else min(PIECE, limit + 1 - size)):
        pieces.append(piece)
        size += len(piece)
        if limit is not None and size > limit:
            return None
    return b"".join(pieces)


def read_range(
    read: Read, *, start: int, length: int, status: int, content_range: str | None, size: int | None, place: str
) -> bytes:
    """Read the range that was asked for out of an answer, also of a server that sends the whole object.

    Parameters
    ----------
    read : callable
        Reads up to so many bytes of the body.
    start, length : int
        The range that was asked for.
    status, content_range, size
        Status, `Content-Range` and length of the answer, as far as it tells.
    place : str
        Names the object, for messages.

    Raises
    ------
    ShortObjectError
        If the object ends before the range does.
    """
    sent = parse_content_range(content_range) if status == 206 else ByteRange(0, start + length, size)
    if sent is None:
        sent = ByteRange(start, length if size is None else size, None)
    if status == 206 and sent.start != start:
        raise StoreError(f"{place}: the server sent bytes from {sent.start}, not from {start}")
    end = start + length
    if sent.start + sent.length < end or (sent.total is not None and sent.total < end):
        raise ShortObjectError(f"{place} ends before byte {end}")
    skip(read, start - sent.start)
    return read_exactly(read, length)


def check_whole(status: int, place: str) -> None:
    """Refuse a part of an object where all of it was asked for."""
    if status == 206:
        raise StoreError(f"{place}: the server sent a part of the object, and was asked for all of it")


def skip(read: Read, length: int) -> None:
    """Pass over `length` bytes of a server that sends more than it was asked for."""
    while length:
        piece = read(min(length, PIECE))
        if not piece:
            raise IncompleteBodyError("the body ended before the range that was asked for")
        length -= len(piece)


def http_date(headers: Mapping[str, str], name: str) -> datetime | None:
    """The time in a header, or None if there is none.

    Examples
    --------
    >>> http_date({"date": "Thu, 01 Jan 1970 00:00:01 GMT"}, "date").isoformat()
    '1970-01-01T00:00:01+00:00'
    """
    text = headers.get(name)
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def bare_etag(text: str | None) -> str:
    """An ETag without its quotes.

    Examples
    --------
    >>> bare_etag('"abc"'), bare_etag("abc"), bare_etag('W/"abc"')
    ('abc', 'abc', 'W/"abc"')
    """
    return (text or "").strip('"') if not (text or "").startswith("W/") else str(text)


def quoted_etag(etag: str) -> str:
    """An ETag as RFC 9110 writes it."""
    return etag if etag.startswith("W/") else f'"{etag}"'
