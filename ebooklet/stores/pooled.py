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
from ebooklet.stores.body import http_date, length_of_range
from ebooklet.stores.ledger import Ledger, Receipt
from ebooklet.stores.pool import Pool, failure_of, finish, foreign_errors
from ebooklet.stores.retry import TransientError
from ebooklet.stores.s3_xml import (
    NotXMLError,
    can_be_written,
    completion,
    creation,
    deletion,
    listing,
    refusals,
    restoration,
)
from ebooklet.stores.signing import EMPTY_HASH, Query, Signer, encoded_path, encoded_query
from ebooklet.stores.stamps import payer_of, written_with
from ebooklet.stores.translate import is_transient
from ebooklet.stores.transport import BadRequestError, Download, Headers, Heed, Page, Place, Refusal, refused

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from urllib3 import BaseHTTPResponse

T = TypeVar("T")
Correction = Literal["region", "clock"]

logger = logging.getLogger("ebooklet.stores")

# S3 refuses what is signed more than 15 minutes off its own clock; a clock that is less off is not the reason.
TOLERATED_SKEW = 240.0
_WITHOUT_VALUE = frozenset({"delete=", "uploads=", "restore="})
_OF_THE_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired", ""})


@dataclass(frozen=True, slots=True)
class _Request:
    """A request before it is signed; `key` None = the bucket itself."""

    operation: str
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
    ledger : Ledger
        Where requests are entered.
    """

    def __init__(self, access: S3Access, settings: Settings, place: Place, heed: Heed, ledger: Ledger) -> None:
        self._bucket = access.bucket
        self._ledger = ledger
        self._payer = payer_of(access)
        self._stamp = written_with(access)
        self._stamp_of_copies = written_with(access, copied=True)
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

        def read(reply: "BaseHTTPResponse") -> T:
            return use(Download(reply.status, reply.headers, length_of(reply), reply.read))

        return self._exchange("get_range" if "range" in headers else "get", "GET", key, read, headers)

    def head(self, key: str) -> Headers:
        """The headers of an object."""
        return self._exchange("head", "HEAD", key, _headers)

    def put(self, key: str, data: bytes, headers: Headers) -> Headers:
        """Write an object."""
        operation = "conditional_put" if headers else "put"
        return self._exchange(operation, "PUT", key, _headers, {**self._stamp, **headers}, body=data)

    def copy(self, source_bucket: str, source_key: str, key: str) -> None:
        """Copy an object of a bucket of the same server into this one."""
        headers = {**self._stamp_of_copies, "x-amz-copy-source": f"/{source_bucket}/{encoded_path(source_key)}"}
        self._exchange("copy", "PUT", key, _document("CopyObjectResult"), headers, body=b"")

    def create_upload(self, key: str) -> str:
        """Begin an object that is written in parts."""
        kind = "InitiateMultipartUploadResult"
        found = self._exchange(
            "create_upload", "POST", key, _document(kind), self._stamp, query=[("uploads", "")], body=b""
        )
        return found.findtext("UploadId") or ""

    def upload_part(self, key: str, upload: str, number: int, data: bytes) -> str:
        """Write a part."""
        query = [("partNumber", str(number)), ("uploadId", upload)]
        return self._exchange("upload_part", "PUT", key, _headers, query=query, body=data).get("etag", "")

    def copy_part(self, source_bucket: str, source_key: str, span: str, key: str, upload: str, number: int) -> str:
        """Take a part from an object of a bucket of the same server."""
        source = f"/{source_bucket}/{encoded_path(source_key)}"
        headers = {"x-amz-copy-source": source, "x-amz-copy-source-range": span}
        query = [("partNumber", str(number)), ("uploadId", upload)]
        found = self._exchange("copy_part", "PUT", key, _document("CopyPartResult"), headers, query=query, body=b"")
        return found.findtext("ETag") or ""

    def complete_upload(self, key: str, upload: str, etags: Sequence[str]) -> Headers:
        """Make the object of its parts."""
        query, headers = [("uploadId", upload)], {"content-type": "application/xml"}

        def read(reply: "BaseHTTPResponse") -> Headers:
            etag = document_of(reply, "CompleteMultipartUploadResult").findtext("ETag") or ""
            return {"etag": etag, "date": reply.headers.get("date", "")}

        return self._exchange("complete_upload", "POST", key, read, headers, query=query, body=completion(etags))

    def abort_upload(self, key: str, upload: str) -> None:
        """Drop the parts."""
        self._exchange("abort_upload", "DELETE", key, _headers, query=[("uploadId", upload)])

    def restore(self, key: str, days: int, tier: str) -> bool:
        """Ask for a copy of an archived object."""
        body = restoration(days, tier)
        headers = {"content-md5": _md5(body), "content-type": "application/xml"}
        return self._exchange("restore", "POST", key, _status, headers, query=[("restore", "")], body=body) == 200

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._exchange("delete", "DELETE", key, _headers)

    def delete_many(self, keys: Sequence[str]) -> Sequence[Refusal]:
        """Delete up to a thousand objects."""
        if not all(map(can_be_written, keys)):
            raise BadRequestError(f"{self._place('')}: XML has no way to write some of these keys")
        body = deletion(keys)
        headers = {"content-md5": _md5(body), "content-type": "application/xml"}

        def read(reply: "BaseHTTPResponse") -> Sequence[Refusal]:
            return tuple(refusals(document_of(reply, "DeleteResult")))

        return self._exchange("delete_many", "POST", None, read, headers, query=[("delete", "")], body=body)

    def list(self, prefix: str, size: int, token: str, delimiter: str = "") -> Page:
        """Up to `size` objects whose key begins with `prefix`, from `token` on; of those with a delimiter, folders."""
        query = [("list-type", "2"), ("prefix", prefix), ("max-keys", str(size)), ("encoding-type", "url")]
        if delimiter:
            query.append(("delimiter", delimiter))
        if token:
            query.append(("continuation-token", token))

        def read(reply: "BaseHTTPResponse") -> Page:
            return listing(document_of(reply), http_date(reply.headers, "date"))

        return self._exchange("list", "GET", None, read, query=query, place=prefix)

    def create_bucket(self) -> None:
        """Make the bucket of this transport."""
        region = self._site.region
        elsewhere = is_aws(self._settings.endpoint) and region != "us-east-1"
        self._exchange("create_bucket", "PUT", None, _headers, body=creation(region) if elsewhere else b"")

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    # ------------------------------------------------------------------ requests

    def _exchange(
        self,
        operation: str,
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
        request = _Request(operation, method, key, {**self._payer, **(headers or {})}, query, body)
        where = self._place(place if key is None else key)
        expected = length_of_range(request.headers.get("range"))
        corrected: set[Correction] = set()
        while True:
            site, skew = self._site, self._skew
            with self._ledger.request(operation, sent=len(body or b""), expected=expected) as receipt:
                try:
                    return self._sent(request, site, skew, use, where, receipt)
                except RefusedError as error:
                    fault = error.fault
                    receipt.failed = fault.answer.status != 304
            correction = self._learn(fault, site, skew)
            if correction is None or correction in corrected:
                break
            corrected.add(correction)
            self._ledger.retried(operation)
        failure = refused(fault.answer, where)
        if is_transient(fault.answer):
            raise TransientError(failure, operation=operation, wait=fault.wait)
        raise failure

    def _sent(
        self,
        request: _Request,
        site: _Site,
        skew: float,
        use: "Callable[[BaseHTTPResponse], T]",
        where: str,
        receipt: Receipt,
    ) -> T:
        try:
            reply = self._send(request, site, skew)
            try:
                self._heed(reply.headers)
                if not 200 <= reply.status < 300:
                    raise RefusedError(fault_of(reply))
                if request.method != "HEAD":
                    receipt.expect(length_of(reply))
                return use(reply)
            finally:
                receipt.received(reply.tell())
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
            # Without a value it is signed with '=', and looked for without.
            path += f"?{query.removesuffix('=') if query in _WITHOUT_VALUE else query}"
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


def _status(reply: "BaseHTTPResponse") -> int:
    return reply.status


def _document(kind: str) -> "Callable[[BaseHTTPResponse], Element]":
    return lambda reply: document_of(reply, kind)


def _md5(body: bytes) -> str:
    # Every server verifies Content-MD5; newer checksums are unknown to many.
    return b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
