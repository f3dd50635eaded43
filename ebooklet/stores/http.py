"""How are the objects of a database read from an ordinary web server?"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlsplit

from ebooklet.errors import (
    ObjectNotFoundError,
    ObjectTooLargeError,
    StoreError,
    UnsupportedOperationError,
)
from ebooklet.stores.access import verify_of
from ebooklet.stores.body import (
    bare_etag,
    check_whole,
    count_in,
    http_date,
    length_of_range,
    parse_content_range,
    quoted_etag,
    read_bounded,
    read_range,
)
from ebooklet.stores.dialect import Dialect
from ebooklet.stores.ledger import Ledger
from ebooklet.stores.per_process import PerProcess
from ebooklet.stores.pool import Pool, failure_of, finish, foreign_errors
from ebooklet.stores.protocol import OVERWRITE, Body, Object, ObjectMeta, ObjectStore, PutMode
from ebooklet.stores.retry import RetryBudget, RetryPolicy, TransientError, persist
from ebooklet.stores.translate import Answer, error_of, is_transient

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

T = TypeVar("T")

REDIRECTS = 5
# Servers and signed gateways that allow GET do not always allow HEAD.
HEAD_REFUSED = frozenset({403, 405, 501})


class HttpStore:
    """The objects of one database below its URL, for reading.

    Parameters
    ----------
    url : str
        URL of the root object.
    key : str
        Key that this URL stands for; objects of longer keys are looked for below it.
    threads, connect_timeout, read_timeout, retries, deadline, verify, proxies
        As in `S3Access`.
    ledger : Ledger, optional
        Where requests are entered, redirections not among them; one of its own without it.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        threads: int = 10,
        connect_timeout: float = 10,
        read_timeout: float = 60,
        retries: int = 3,
        deadline: float = 300,
        verify: bool | str = True,
        proxies: tuple[tuple[str, str], ...] = (),
        ledger: Ledger | None = None,
    ) -> None:
        self.ledger = Ledger() if ledger is None else ledger
        self.uri = url
        self.key = key
        self.dialect = Dialect(conditional_put=False)
        self._threads = threads
        self._timeouts = (connect_timeout, read_timeout)
        self._verify = verify
        self._proxies = proxies
        self._policy = RetryPolicy(retries, deadline)
        self._budget = RetryBudget()
        parts = urlsplit(url)
        self._server = f"{parts.scheme}://{parts.netloc}"
        self._pools = PerProcess(self._new_pool)

    def __repr__(self) -> str:
        return f"HttpStore({self.uri!r})"

    @property
    def supports_conditional_put(self) -> bool | None:
        """Never: there is no writing here."""
        return self.dialect.conditional_put

    def get(self, key: str, *, if_none_match: str | None = None, limit: int | None = None) -> Object:
        """Read an object in full."""
        headers = {} if if_none_match is None else {"If-None-Match": quoted_etag(if_none_match)}

        def read(reply: "BaseHTTPResponse") -> Object:
            check_whole(reply.status, self._url(key))
            body = read_bounded(reply.read, _length(reply), limit)
            if body is None:
                raise ObjectTooLargeError(f"{self._url(key)} has more than the {limit} bytes expected")
            return Object(_meta(key, reply, len(body)), body)

        return self._request("GET", key, headers, read)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read exactly `length` bytes at `start`."""
        if length == 0:
            return b""
        headers = {"Range": f"bytes={start}-{start + length - 1}"}

        def read(reply: "BaseHTTPResponse") -> bytes:
            return read_range(
                reply.read,
                start=start,
                length=length,
                status=reply.status,
                content_range=reply.headers.get("Content-Range"),
                size=_length(reply),
                place=self._url(key),
            )

        return self._request("GET", key, headers, read)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges of one object, a request for each."""
        return [self.get_range(key, start, length) for start, length in ranges]

    def head(self, key: str) -> ObjectMeta:
        """Describe an object."""
        return self._request("HEAD", key, {}, lambda reply: self._described(key, reply), allowed=HEAD_REFUSED)

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        """Refuse: a URL is read-only."""
        raise self._read_only()

    def copy(self, source_key: str, target_key: str, *, target: ObjectStore | None = None) -> bool:
        """Refuse to write here; elsewhere the bytes have to pass through this process."""
        if target is None or target is self:
            raise self._read_only()
        return False

    def delete(self, key: str) -> None:
        """Refuse: a URL is read-only."""
        raise self._read_only()

    def delete_many(self, keys: Sequence[str]) -> dict[str, StoreError]:
        """Refuse: a URL is read-only."""
        raise self._read_only()

    def list(self, prefix: str) -> Iterator[ObjectMeta]:
        """Refuse: web servers do not list."""
        raise UnsupportedOperationError(f"{self.uri}: a web server does not list objects; use S3Connection")

    def list_folder(self, prefix: str) -> Iterator[ObjectMeta | str]:
        """Refuse, as `list` does."""
        return self.list(prefix)

    def _described(self, key: str, reply: "BaseHTTPResponse") -> ObjectMeta:
        size = _length(reply)
        if reply.status in HEAD_REFUSED or size is None:
            return self._request("GET", key, {"Range": "bytes=0-0"}, lambda r: _described_by_range(key, r), {416})
        return _meta(key, reply, size)

    def _request(
        self,
        method: str,
        key: str,
        headers: dict[str, str],
        use: "Callable[[BaseHTTPResponse], T]",
        allowed: frozenset[int] | set[int] = frozenset(),
    ) -> T:
        """Send a request, body included as often as the policy allows, and translate what goes wrong."""
        url, span = self._url(key), headers.get("Range")
        operation = "head" if method == "HEAD" else "get_range" if span else "get"

        def attempt() -> T:
            with self.ledger.request(operation, expected=length_of_range(span)) as receipt:
                try:
                    reply = self._send(method, url, headers)
                    try:
                        if reply.status >= 300 and reply.status not in allowed:
                            raise _failure(Answer(reply.status), url)
                        if method != "HEAD":
                            receipt.expect(_length(reply))
                        return use(reply)
                    finally:
                        receipt.received(reply.tell())
                        finish(reply)
                except StoreError:
                    raise
                except foreign_errors() as error:
                    raise failure_of(error, url) from error

        return persist(attempt, self._policy, self._budget, self.ledger.retried)

    def _send(self, method: str, url: str, headers: dict[str, str]) -> "BaseHTTPResponse":
        return self._pools.get().send(method, self._server, url[len(self._server) :], headers, redirects=REDIRECTS)

    def close(self) -> None:
        """Close the connections to the server; the next request opens new ones."""
        made = self._pools.take()
        if made is not None:
            made.close()

    def _new_pool(self) -> Pool:
        return Pool(
            self.uri,
            threads=self._threads,
            connect_timeout=self._timeouts[0],
            read_timeout=self._timeouts[1],
            verify=verify_of(self._verify),
            proxies=self._proxies,
        )

    def _url(self, key: str) -> str:
        if not key.startswith(self.key):
            raise ObjectNotFoundError(f"{key!r} does not belong to the database at {self.uri}")
        return self.uri + quote(key[len(self.key) :])

    def _read_only(self) -> UnsupportedOperationError:
        return UnsupportedOperationError(f"{self.uri} is read-only; to write, use S3Connection with keys and bucket")


_warned: set[str] = set()


def warn_if_plain(url: str) -> None:
    """Warn, once, that anybody on the way can read and change what comes from an `http://` URL."""
    parts = urlsplit(url)
    if parts.scheme == "http" and url not in _warned and not _is_loopback(parts.hostname or ""):
        _warned.add(url)
        warnings.warn(f"{url} is read without encryption; use https:// if the server offers it", stacklevel=3)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _failure(answer: Answer, url: str) -> Exception:
    error = error_of(answer, url)
    return TransientError(error) if is_transient(answer) else error


def _length(reply: "BaseHTTPResponse") -> int | None:
    return count_in(reply.headers.get("Content-Length"))


def _meta(key: str, reply: "BaseHTTPResponse", size: int) -> ObjectMeta:
    headers = {name.lower(): value for name, value in reply.headers.items()}
    etag = bare_etag(headers.get("etag"))
    return ObjectMeta(key, size, etag, http_date(headers, "last-modified"), http_date(headers, "date"))


def _described_by_range(key: str, reply: "BaseHTTPResponse") -> ObjectMeta:
    text = reply.headers.get("Content-Range")
    sent = parse_content_range(text)
    if reply.status == 416:
        size: int | None = count_in((text or "").rpartition("/")[2]) or 0
    elif reply.status == 206:
        size = sent.total if sent else None
    else:
        size = _length(reply)
    if size is None:
        raise StoreError(f"{reply.geturl() or key}: the server does not tell the length of the object")
    return _meta(key, reply, size)
