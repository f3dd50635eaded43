"""How is an object written, or copied on the server, that is too large for one request?

Its parts travel at the same time, each repeated by itself, and become an object at the end. After a failure they are
dropped, so that nothing is paid for that nobody can see.
"""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import md5
from threading import Event, Semaphore
from typing import Protocol, TypeVar

from ebooklet.errors import EBookletError, GroupTooLargeError, ObjectNotFoundError, StoreError
from ebooklet.sizes import byte_size
from ebooklet.stores.body import bare_etag
from ebooklet.stores.protocol import Body, pieces_of
from ebooklet.stores.transport import Headers, Transport

T = TypeVar("T")

MOST_PARTS = 10_000
LARGEST_OBJECT = 5 << 40
#: The most that one PUT, or one copy, takes.
LARGEST_PUT = 5 << 30
PART_OF_COPY = 256 << 20

_MD5 = re.compile(r"[0-9a-f]{32}")

logger = logging.getLogger("ebooklet.stores")


class Persist(Protocol):
    """Sends a request as often as needed."""

    def __call__(self, request: Callable[[], T], /) -> T:
        """Return what the request does."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An object that is about to be made of parts.

    Attributes
    ----------
    transport : callable
        Who sends the requests.
    persist : callable
        Repeats those that fail and may be repeated.
    slots : Semaphore
        One for each part that may be in memory and on its way, whatever object it is of.
    threads : int
        The most of them for this object.
    key, place : str
        Name of the object, and how messages show it.
    """

    transport: Callable[[], Transport]
    persist: Persist
    slots: Semaphore
    threads: int
    key: str
    place: str

    def put(self, body: Body, size: int, chunksize: int) -> Headers:
        """Write a body in parts; returns what the headers of a PUT say."""
        length = part_length(size, chunksize, self.place)

        def parts(upload: str) -> Iterator[Callable[[], str]]:
            for number, part in enumerate(cut(body, length), 1):
                yield partial(self._put_part, upload, number, part)

        return self._run(parts, size)

    def copy(self, source_bucket: str, source_key: str, size: int) -> Headers:
        """Copy an object of the same server in parts."""
        length = part_length(size, PART_OF_COPY, self.place)

        def parts(upload: str) -> Iterator[Callable[[], str]]:
            for number, start in enumerate(range(0, size, length), 1):
                span = f"bytes={start}-{min(size, start + length) - 1}"
                yield partial(self._copy_part, source_bucket, source_key, span, upload, number)

        return self._run(parts, size)

    def _put_part(self, upload: str, number: int, data: bytes) -> str:
        return self.persist(lambda: self.transport().upload_part(self.key, upload, number, data))

    def _copy_part(self, bucket: str, key: str, span: str, upload: str, number: int) -> str:
        return self.persist(lambda: self.transport().copy_part(bucket, key, span, self.key, upload, number))

    def _run(self, parts: Callable[[str], Iterator[Callable[[], str]]], size: int) -> Headers:
        upload = self.persist(lambda: self.transport().create_upload(self.key))
        if not upload:
            raise StoreError(f"{self.place}: the server began an upload in parts without giving it an id")
        try:
            etags = self._send(parts(upload))
            return self._complete(upload, etags, size)
        except BaseException:
            self._abort(upload)
            raise

    def _send(self, parts: Iterator[Callable[[], str]]) -> Sequence[str]:
        """Send parts; the first failure ends it, when those on their way have arrived.

        A part that arrived after its upload was dropped would stay.
        """
        found: list[Future[str]] = []
        failed = Event()

        def work(part: Callable[[], str]) -> str:
            try:
                return part()
            except BaseException:
                failed.set()
                raise
            finally:
                self.slots.release()

        with ThreadPoolExecutor(self.threads, thread_name_prefix="ebooklet-part") as crew:
            while True:
                self.slots.acquire()
                try:
                    part = None if failed.is_set() else next(parts, None)
                except BaseException:
                    self.slots.release()
                    raise
                if part is None:
                    self.slots.release()
                    break
                found.append(crew.submit(work, part))
        return [future.result() for future in found]

    def _complete(self, upload: str, etags: Sequence[str], size: int) -> Headers:
        try:
            headers = self.persist(lambda: self.transport().complete_upload(self.key, upload, etags))
            return headers if headers.get("etag") else {**headers, "etag": etag_of_parts(etags)}
        except ObjectNotFoundError:
            # An earlier attempt whose answer was lost may have completed it.
            headers = self.persist(lambda: self.transport().head(self.key))
            etag = bare_etag(headers.get("etag"))
            if headers.get("content-length") != str(size) or not etag.endswith(f"-{len(etags)}"):
                raise
            return headers

    def _abort(self, upload: str) -> None:
        try:
            self.persist(lambda: self.transport().abort_upload(self.key, upload))
        except ObjectNotFoundError:
            return
        except EBookletError as error:
            logger.warning("%s: the parts of an upload that failed could not be dropped: %s", self.place, error)


def etag_of_parts(etags: Sequence[str]) -> str:
    """What S3 makes the ETag of an object from those of its parts; some servers do not tell. Empty if it is not known.

    Examples
    --------
    >>> etag_of_parts(['"d41d8cd98f00b204e9800998ecf8427e"'])
    '59adb24ef3cdbe0297f05b395827453f-1'
    """
    bare = [bare_etag(etag) for etag in etags]
    if not all(map(_MD5.fullmatch, bare)):
        return ""
    return f"{md5(bytes.fromhex(''.join(bare)), usedforsecurity=False).hexdigest()}-{len(bare)}"


def part_length(size: int, chunksize: int, place: str) -> int:
    """Bytes of a part: `chunksize`, or more where there would be too many parts.

    Raises
    ------
    GroupTooLargeError
        If no store takes so large an object.

    Examples
    --------
    >>> part_length(50 << 20, 16 << 20, "x") >> 20, part_length(1 << 40, 16 << 20, "x") >> 20
    (16, 105)
    """
    if size > LARGEST_OBJECT:
        raise GroupTooLargeError(
            f"{place}: {byte_size(size)} are more than the {byte_size(LARGEST_OBJECT)} of the largest object"
        )
    mib = 1 << 20
    needed = -(-size // MOST_PARTS)
    return max(chunksize, -(-needed // mib) * mib if needed > chunksize else 0)


def cut(body: Body, length: int) -> Iterator[bytes]:
    """A body in pieces of `length` bytes, the last one shorter.

    Examples
    --------
    >>> list(cut([b"abc", b"", memoryview(b"defgh")], 4))
    [b'abcd', b'efgh']
    """
    piece = bytearray()
    for buffer in pieces_of(body):
        view = memoryview(buffer).cast("B")
        while view:
            taken = view[: length - len(piece)]
            piece += taken
            view = view[len(taken) :]
            if len(piece) == length:
                yield bytes(piece)
                piece = bytearray()
    if piece:
        yield bytes(piece)
