"""How are objects kept in an S3 bucket?

boto3 signs and sends; repeating is ours, because boto3 neither repeats a body that is cut short nor can tell a lost
answer to a conditional PUT from a lost race.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, TypeVar

from ebooklet.errors import (
    AccessDeniedError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    PreconditionFailedError,
    StoreError,
    UncertainOutcomeError,
    UnsupportedOperationError,
)
from ebooklet.stores.access import Credentials, S3Access
from ebooklet.stores.body import (
    bare_etag,
    http_date,
    quoted_etag,
    read_bounded,
    read_range,
)
from ebooklet.stores.boto import BadRequestError, failure_of, foreign_errors, make_client, was_never_sent
from ebooklet.stores.dialect import Dialect, dialect_of
from ebooklet.stores.protocol import OVERWRITE, Body, Create, Object, ObjectMeta, ObjectStore, PutMode, Update, joined
from ebooklet.stores.retry import RetryBudget, RetryPolicy, TransientError, persist
from ebooklet.stores.translate import Answer, error_of

T = TypeVar("T")
Reply = dict[str, Any]

DELETE_PER_REQUEST = 1000


class S3Store:
    """The objects of a bucket.

    Parameters
    ----------
    access : S3Access
        Bucket, server and options.
    credentials : Credentials, optional
        Keys given by hand; without them the chain of boto3 is asked.
    page_size : int
        Objects per request of a listing.
    """

    def __init__(self, access: S3Access, credentials: Credentials | None = None, *, page_size: int = 1000) -> None:
        self.access = access
        self.uri = f"s3://{access.bucket}"
        self.dialect: Dialect = dialect_of(access.endpoint_url or "", access.bucket)
        self.page_size = page_size
        self._credentials = credentials
        self._policy = RetryPolicy(access.retries, access.deadline)
        self._budget = RetryBudget()
        self._made: tuple[int, Any] | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"S3Store({self._place('')!r})"

    def __reduce__(self) -> str:
        raise TypeError(f"{self!r} cannot be pickled, it may hold keys; pickle its connection instead")

    @property
    def supports_conditional_put(self) -> bool | None:
        """Whether `Create` and `Update` are honoured; None while nobody knows."""
        return self.dialect.conditional_put

    # ------------------------------------------------------------------ reading

    def get(self, key: str, *, if_none_match: str | None = None, limit: int | None = None) -> Object:
        """Read an object in full."""
        condition = {} if if_none_match is None else {"IfNoneMatch": quoted_etag(if_none_match)}

        def read(client: Any) -> Object:
            reply = client.get_object(Bucket=self.access.bucket, Key=key, **condition)
            with closing(reply["Body"]) as stream:
                body = read_bounded(stream.read, reply.get("ContentLength"), limit)
            if body is None:
                raise ObjectTooLargeError(f"{self._place(key)} has more than the {limit} bytes expected")
            return Object(_meta(key, reply, len(body)), body)

        return self._persist(key, read)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read exactly `length` bytes at `start`."""
        if length == 0:
            return b""

        def read(client: Any) -> bytes:
            reply = client.get_object(Bucket=self.access.bucket, Key=key, Range=f"bytes={start}-{start + length - 1}")
            with closing(reply["Body"]) as stream:
                return read_range(
                    stream.read,
                    start=start,
                    length=length,
                    status=reply["ResponseMetadata"]["HTTPStatusCode"],
                    content_range=reply.get("ContentRange"),
                    size=reply.get("ContentLength"),
                    place=self._place(key),
                )

        return self._persist(key, read)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges of one object, a request for each."""
        return [self.get_range(key, start, length) for start, length in ranges]

    def head(self, key: str) -> ObjectMeta:
        """Describe an object."""
        return self._persist(
            key, lambda client: _described(key, client.head_object(Bucket=self.access.bucket, Key=key))
        )

    def list(self, prefix: str) -> Iterator[ObjectMeta]:
        """All objects whose key begins with `prefix`, in the server's order: by the bytes of their keys."""
        request: Reply = {"Bucket": self.access.bucket, "Prefix": prefix, "MaxKeys": self.page_size}
        while True:
            reply = self._persist(prefix, lambda client: client.list_objects_v2(**request))
            now = http_date(_headers(reply), "date")
            for found in reply.get("Contents", ()):
                yield ObjectMeta(found["Key"], found["Size"], bare_etag(found["ETag"]), found["LastModified"], now)
            if not reply.get("IsTruncated"):
                return
            token = reply.get("NextContinuationToken")
            if not token or token == request.get("ContinuationToken"):
                raise StoreError(f"{self._place(prefix)}: the server's listing does not go on after its first page")
            request["ContinuationToken"] = token

    # ------------------------------------------------------------------ writing

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        """Write an object."""
        data = joined(body)
        if isinstance(mode, Create):
            return self._put_if(key, data, IfNoneMatch="*")
        if isinstance(mode, Update):
            return self._update(key, data, mode.etag)
        return self._persist(
            key, lambda client: _written(key, data, client.put_object(Bucket=self.access.bucket, Key=key, Body=data))
        )

    def copy(self, source_key: str, target_key: str, *, target: ObjectStore | None = None) -> bool:
        """Copy an object on the server, which needs one server and one identity for both buckets."""
        there = self if target is None else target
        if not isinstance(there, S3Store) or not self._shares_identity_with(there):
            return False
        source = {"Bucket": self.access.bucket, "Key": source_key}
        bucket = there.access.bucket
        try:
            there._persist(
                source_key, lambda client: client.copy_object(Bucket=bucket, Key=target_key, CopySource=source)
            )
        except (UnsupportedOperationError, AccessDeniedError):
            return False
        return True

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""
        try:
            self._persist(key, lambda client: client.delete_object(Bucket=self.access.bucket, Key=key))
        except ObjectNotFoundError:
            return

    def delete_many(self, keys: Sequence[str]) -> dict[str, StoreError]:
        """Delete objects, a thousand in one request."""
        failed: dict[str, StoreError] = {}
        for begin in range(0, len(keys), DELETE_PER_REQUEST):
            part = keys[begin : begin + DELETE_PER_REQUEST]
            try:
                failed |= self._delete_batch(part)
            except (UnsupportedOperationError, BadRequestError):
                failed |= self._delete_singly(part)
            except StoreError as error:
                failed |= dict.fromkeys(part, error)
        return failed

    def _delete_batch(self, keys: Sequence[str]) -> dict[str, StoreError]:
        request = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        reply = self._persist("", lambda client: client.delete_objects(Bucket=self.access.bucket, Delete=request))
        return {
            fault["Key"]: error_of(
                Answer(0, fault.get("Code", ""), fault.get("Message", "")), self._place(fault["Key"])
            )
            for fault in reply.get("Errors", ())
            if fault.get("Code") != "NoSuchKey"
        }

    def _delete_singly(self, keys: Sequence[str]) -> dict[str, StoreError]:
        failed: dict[str, StoreError] = {}
        for key in keys:
            try:
                self.delete(key)
            except StoreError as error:
                failed[key] = error
        return failed

    # ------------------------------------------------------------------ conditional writes

    def _update(self, key: str, data: bytes, etag: str) -> ObjectMeta:
        """`If-Match` in the spelling of the server, which is learned from the first refusal that makes no sense."""
        quoted = self.dialect.quoted_if_match is not False
        try:
            meta = self._put_if(key, data, IfMatch=_if_match(etag, quoted))
        except PreconditionFailedError:
            if not self._still_has(key, etag):
                raise
            quoted = not quoted
            meta = self._put_if(key, data, IfMatch=_if_match(etag, quoted))
        self.dialect.quoted_if_match = quoted
        return meta

    def _still_has(self, key: str, etag: str) -> bool:
        try:
            return self.head(key).etag == etag
        except StoreError:
            return False

    def _put_if(self, key: str, data: bytes, **condition: str) -> ObjectMeta:
        """One conditional PUT, repeated only while nothing of it can have reached the server."""

        def write(client: Any) -> ObjectMeta:
            try:
                return _written(
                    key, data, client.put_object(Bucket=self.access.bucket, Key=key, Body=data, **condition)
                )
            except foreign_errors() as error:
                raise self._failure_of_conditional_put(key, error) from error

        return persist(lambda: write(self._client()), self._policy, self._budget)

    def _failure_of_conditional_put(self, key: str, error: Exception) -> Exception:
        failure = failure_of(error, self._place(key))
        if isinstance(failure, TransientError):
            if was_never_sent(error):
                return failure
            return UncertainOutcomeError(f"the conditional write may or may not have happened: {failure.error}")
        if isinstance(failure, PreconditionFailedError):
            self.dialect.conditional_put = True
        elif isinstance(failure, UnsupportedOperationError):
            self.dialect.conditional_put = False
        elif isinstance(failure, ObjectNotFoundError):
            return PreconditionFailedError(f"{self._place(key)}: the object is gone, or was never there")
        return failure

    # ------------------------------------------------------------------ requests

    def _persist(self, key: str, request: Callable[[Any], T]) -> T:
        """Send a request that may be sent again, body included, and translate what goes wrong."""

        def attempt() -> T:
            client = self._client()
            try:
                return request(client)
            except foreign_errors() as error:
                raise failure_of(error, self._place(key)) from error

        return persist(attempt, self._policy, self._budget)

    def _shares_identity_with(self, other: "S3Store") -> bool:
        mine, its = self.access, other.access
        return (mine.endpoint_url, mine.profile, mine.anonymous, self._credentials) == (
            its.endpoint_url,
            its.profile,
            its.anonymous,
            other._credentials,
        )

    def _place(self, key: str) -> str:
        at = f" at {self.access.endpoint_url}" if self.access.endpoint_url else ""
        return f"{self.uri}/{key}{at}"

    def _client(self) -> Any:
        """The one client of this store; a forked process makes its own."""
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                self._made = (os.getpid(), make_client(self.access, self._credentials))
            return self._made[1]


def _headers(reply: Reply) -> dict[str, str]:
    return dict(reply["ResponseMetadata"].get("HTTPHeaders", {}))


def _meta(key: str, reply: Reply, size: int) -> ObjectMeta:
    now = http_date(_headers(reply), "date")
    return ObjectMeta(key, size, bare_etag(reply.get("ETag")), reply.get("LastModified"), now)


def _described(key: str, reply: Reply) -> ObjectMeta:
    return _meta(key, reply, reply["ContentLength"])


def _written(key: str, data: bytes, reply: Reply) -> ObjectMeta:
    now = http_date(_headers(reply), "date")
    return ObjectMeta(key, len(data), bare_etag(reply.get("ETag")), now, now)


def _if_match(etag: str, quoted: bool) -> str:
    return quoted_etag(etag) if quoted else etag
