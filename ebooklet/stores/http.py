"""How are the objects of a database read from an ordinary web server?"""

import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from ebooklet.errors import (
    ObjectNotFoundError,
    ObjectTooLargeError,
    RemoteConnectionError,
    StoreError,
    UnsupportedOperationError,
)
from ebooklet.stores.body import (
    IncompleteBodyError,
    bare_etag,
    http_date,
    parse_content_range,
    quoted_etag,
    read_bounded,
    read_range,
)
from ebooklet.stores.dialect import Dialect
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
    threads, connect_timeout, read_timeout, retries, deadline, verify
        As in `S3Access`.
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
    ) -> None:
        self.uri = url
        self.key = key
        self.dialect = Dialect(conditional_put=False)
        self._threads = threads
        self._timeouts = (connect_timeout, read_timeout)
        self._verify = verify
        self._policy = RetryPolicy(retries, deadline)
        self._budget = RetryBudget()
        self._made: tuple[int, Any] | None = None
        self._lock = threading.Lock()

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
        from urllib3.exceptions import HTTPError, SSLError

        url = self._url(key)

        def attempt() -> T:
            try:
                reply = self._send(method, url, headers)
                try:
                    if reply.status >= 300 and reply.status not in allowed:
                        raise _failure(Answer(reply.status), url)
                    return use(reply)
                finally:
                    reply.close()
            except SSLError as error:
                raise RemoteConnectionError(f"{url}: the TLS connection failed: {error}") from error
            except (HTTPError, IncompleteBodyError, OSError) as error:
                if isinstance(error, StoreError):
                    raise
                raise TransientError(RemoteConnectionError(f"{url}: {error}")) from error

        return persist(attempt, self._policy, self._budget)

    def _send(self, method: str, url: str, headers: dict[str, str]) -> "BaseHTTPResponse":
        from urllib3 import Retry

        reply: BaseHTTPResponse = self._pool().request(
            method,
            url,
            headers={"Accept-Encoding": "identity", **headers},
            preload_content=False,
            decode_content=False,
            retries=Retry(total=None, connect=0, read=0, status=0, other=0, redirect=REDIRECTS),
        )
        return reply

    def _pool(self) -> Any:
        """The one pool of connections of this store; a forked process makes its own."""
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                self._made = (os.getpid(), self._new_pool())
            return self._made[1]

    def _new_pool(self) -> Any:
        try:
            import urllib3
        except ImportError as error:
            raise ImportError(f"{self.uri} needs urllib3: pip install 'cfdb[ebooklet]'") from error
        connect, read = self._timeouts
        options: dict[str, Any] = {
            "maxsize": max(10, self._threads + 2),
            "timeout": urllib3.Timeout(connect=connect, read=read),
            "cert_reqs": "CERT_REQUIRED" if self._verify else "CERT_NONE",
        }
        if isinstance(self._verify, str):
            options["ca_certs"] = self._verify
        parts = urlsplit(self.uri)
        proxy = getproxies().get(parts.scheme)
        if proxy and not proxy_bypass(parts.hostname or ""):
            return urllib3.ProxyManager(proxy, **options)
        return urllib3.PoolManager(**options)

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
    text = reply.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _meta(key: str, reply: "BaseHTTPResponse", size: int) -> ObjectMeta:
    headers = {name.lower(): value for name, value in reply.headers.items()}
    etag = bare_etag(headers.get("etag"))
    return ObjectMeta(key, size, etag, http_date(headers, "last-modified"), http_date(headers, "date"))


def _described_by_range(key: str, reply: "BaseHTTPResponse") -> ObjectMeta:
    text = reply.headers.get("Content-Range")
    sent = parse_content_range(text)
    if reply.status == 416:
        size: int | None = int(text.rpartition("/")[2]) if text and text.rpartition("/")[2].isdigit() else 0
    elif reply.status == 206:
        size = sent.total if sent else None
    else:
        size = _length(reply)
    if size is None:
        raise StoreError(f"{reply.geturl() or key}: the server does not tell the length of the object")
    return _meta(key, reply, size)
