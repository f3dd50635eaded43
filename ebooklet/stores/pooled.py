"""How are requests to S3 signed and sent through one pool of connections?"""

import hashlib
import logging
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from ebooklet.errors import RemoteConnectionError, StoreError
from ebooklet.stores.access import S3Access, Settings
from ebooklet.stores.addressing import LEARNED, Address, address_of, in_region, is_aws, is_region
from ebooklet.stores.answers import Fault, RefusedError, document_of, fault_of, length_of
from ebooklet.stores.body import http_date
from ebooklet.stores.pool import Pool, failure_of, finish, foreign_errors
from ebooklet.stores.retry import TransientError
from ebooklet.stores.s3_xml import NotXMLError, can_be_written, creation, deletion, listing, refusals
from ebooklet.stores.signing import EMPTY_HASH, Query, Signer, encoded_path, encoded_query
from ebooklet.stores.translate import is_transient
from ebooklet.stores.transport import BadRequestError, Download, Headers, Heed, Page, Place, Refusal, refused

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

T = TypeVar("T")
Correction = Literal["region", "clock"]

logger = logging.getLogger("ebooklet.stores")

# S3 refuses what is signed more than 15 minutes off its own clock; a clock that is less off is not the reason.
TOLERATED_SKEW = 240.0
_OF_THE_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired", ""})


@dataclass(frozen=True, slots=True)
class _Request:
    """A request before it is signed; `key` None = the bucket itself."""

    method: str
    key: str | None
    headers: Headers
    query: Query
    body: bytes | None


@dataclass(frozen=True, slots=True)
class _Site:
    """Where the bucket is, as far as is known."""

    region: str
    address: Address


class PooledTransport:
    """Requests to one bucket, signed here and sent over connections that are kept.

    Parameters
    ----------
    access : S3Access
        Bucket and options.
    settings : Settings
        Server, region and keys.
    place : callable
        Names an object, for messages.
    heed : callable
        Given the headers of every answer, refusals included.
    """

    def __init__(self, access: S3Access, settings: Settings, place: Place, heed: Heed) -> None:
        self._bucket = access.bucket
        self.source = settings.source
        self._settings = settings
        self._place = place
        self._heed = heed
        self._signer = Signer()
        self._skew = 0.0
        self._site = self._site_in(LEARNED.get(settings.endpoint, access.bucket) or settings.region)
        self._pool = Pool(
            self._site.address.url,
            threads=access.threads,
            connect_timeout=access.connect_timeout,
            read_timeout=access.read_timeout,
            verify=settings.verify,
            proxies=access.proxies,
        )

    def __repr__(self) -> str:
        return f"PooledTransport({self._place('')!r})"

    # ------------------------------------------------------------------ verbs

    def get(self, key: str, headers: Headers, use: Callable[[Download], T]) -> T:
        """Ask for an object and let `use` read it."""
        return self._exchange(
            "GET", key, lambda reply: use(Download(reply.status, reply.headers, length_of(reply), reply.read)), headers
        )

    def head(self, key: str) -> Headers:
        """The headers of an object."""
        return self._exchange("HEAD", key, _headers)

    def put(self, key: str, data: bytes, headers: Headers) -> Headers:
        """Write an object."""
        return self._exchange("PUT", key, _headers, headers, body=data)

    def copy(self, source_bucket: str, source_key: str, key: str) -> None:
        """Copy an object of a bucket of the same server into this one."""
        source = {"x-amz-copy-source": f"/{source_bucket}/{encoded_path(source_key)}"}
        self._exchange("PUT", key, lambda reply: document_of(reply, "CopyObjectResult"), source, body=b"")

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._exchange("DELETE", key, _headers)

    def delete_many(self, keys: Sequence[str]) -> Sequence[Refusal]:
        """Delete up to a thousand objects."""
        if not all(map(can_be_written, keys)):
            raise BadRequestError(f"{self._place('')}: XML has no way to write some of these keys")
        body = deletion(keys)
        # Every server verifies Content-MD5; newer checksums are unknown to many.
        digest = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        headers = {"content-md5": digest, "content-type": "application/xml"}

        def read(reply: "BaseHTTPResponse") -> Sequence[Refusal]:
            return tuple(refusals(document_of(reply, "DeleteResult")))

        return self._exchange("POST", None, read, headers, query=[("delete", "")], body=body)

    def list(self, prefix: str, size: int, token: str) -> Page:
        """Up to `size` objects whose key begins with `prefix`, from `token` on."""
        query = [("list-type", "2"), ("prefix", prefix), ("max-keys", str(size)), ("encoding-type", "url")]
        if token:
            query.append(("continuation-token", token))

        def read(reply: "BaseHTTPResponse") -> Page:
            return listing(document_of(reply), http_date(reply.headers, "date"))

        return self._exchange("GET", None, read, query=query, place=prefix)

    def create_bucket(self) -> None:
        """Make the bucket of this transport."""
        region = self._site.region
        elsewhere = is_aws(self._settings.endpoint) and region != "us-east-1"
        self._exchange("PUT", None, _headers, body=creation(region) if elsewhere else b"")

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    # ------------------------------------------------------------------ requests

    def _exchange(
        self,
        method: str,
        key: str | None,
        use: "Callable[[BaseHTTPResponse], T]",
        headers: Headers | None = None,
        *,
        query: Query = (),
        body: bytes | None = None,
        place: str = "",
    ) -> T:
        """Send a request; once more each if the region or the time it was signed for is not the server's."""
        request = _Request(method, key, headers or {}, query, body)
        where = self._place(place if key is None else key)
        corrected: set[Correction] = set()
        while True:
            site, skew = self._site, self._skew
            try:
                return self._sent(request, site, skew, use, where)
            except RefusedError as error:
                fault = error.fault
            correction = self._learn(fault, site, skew)
            if correction is None or correction in corrected:
                break
            corrected.add(correction)
        failure = refused(fault.answer, where)
        raise TransientError(failure) if is_transient(fault.answer) else failure

    def _sent(
        self, request: _Request, site: _Site, skew: float, use: "Callable[[BaseHTTPResponse], T]", where: str
    ) -> T:
        try:
            reply = self._send(request, site, skew)
            try:
                self._heed(reply.headers)
                if not 200 <= reply.status < 300:
                    raise RefusedError(fault_of(reply))
                return use(reply)
            finally:
                finish(reply)
        except StoreError:
            raise
        except NotXMLError as error:
            unread = RemoteConnectionError(f"{where}: the answer of the server cannot be read: {error}")
            raise TransientError(unread) from error
        except foreign_errors() as error:
            raise failure_of(error, where) from error

    def _send(self, request: _Request, site: _Site, skew: float) -> "BaseHTTPResponse":
        address, body = site.address, request.body
        path = address.root if request.key is None else address.path + encoded_path(request.key)
        query = encoded_query(request.query)
        headers = {**request.headers, "host": address.authority}
        if body is not None:
            headers["content-length"] = str(len(body))
        keys = self._settings.keys
        if keys is not None:
            headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest() if body else EMPTY_HASH
            headers = self._signer.sign(
                request.method, path, query, headers, keys(), region=site.region, moment=time.time() + skew
            )
        if query:
            path += "?delete" if query == "delete=" else f"?{query}"  # signed with '=', and looked for without
        return self._pool.send(request.method, address.url, path, headers, body)

    # ------------------------------------------------------------------ what refusals teach

    def _learn(self, fault: Fault, site: _Site, skew: float) -> Correction | None:
        """What was wrong with a request that the server knows better; the next one is right."""
        if fault.answer.status in {301, 302, 307, 400, 403} and is_region(fault.region) and fault.region != site.region:
            logger.debug("%s is in %s, not in %s", self._place(""), fault.region, site.region)
            LEARNED.add(self._settings.endpoint, self._bucket, fault.region)
            self._site = self._site_in(fault.region)
            return "region"
        of_the_clock = fault.answer.status == 403 and fault.answer.code in _OF_THE_CLOCK
        if of_the_clock and fault.date is not None and self._settings.keys is not None:
            actual = fault.date - time.time()
            if abs(actual - skew) > TOLERATED_SKEW:
                logger.debug("%s: the clock here is %.0f s off", self._place(""), actual)
                self._skew = actual
                return "clock"
        return None

    def _site_in(self, region: str) -> _Site:
        known = self._settings
        endpoint = in_region(known.endpoint, known.region, region)
        return _Site(region, address_of(endpoint, self._bucket, virtual=known.virtual))


def _headers(reply: "BaseHTTPResponse") -> Headers:
    return reply.headers
