"""How are requests to S3 sent by boto3?"""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, TypeVar

from ebooklet.stores.access import Keys, S3Access
from ebooklet.stores.addressing import is_aws
from ebooklet.stores.body import bare_etag, http_date
from ebooklet.stores.boto import failure_of, foreign_errors, make_client, source_of
from ebooklet.stores.protocol import ObjectMeta
from ebooklet.stores.transport import Download, Headers, Heed, Page, Place, Refusal

T = TypeVar("T")
Reply = dict[str, Any]

_PARAMETERS = {"if-match": "IfMatch", "if-none-match": "IfNoneMatch", "range": "Range"}


class BotoTransport:
    """Requests to one bucket through a client of boto3: slower, but with every rule of AWS.

    Parameters
    ----------
    access : S3Access
        Bucket, server and options.
    credentials : Credentials, Lender or None
        Who signs, given by hand; without it the chain of boto3 is asked.
    place : callable
        Names an object, for messages.
    heed : callable
        Given the headers of every answer, refusals included.
    """

    def __init__(self, access: S3Access, credentials: Keys | None, place: Place, heed: Heed) -> None:
        self._bucket = access.bucket
        self._place = place
        self._client = make_client(access, credentials)
        self.source = source_of(self._client, access, credentials)
        self._client.meta.events.register("after-call.s3", lambda http_response, **_: heed(http_response.headers))

    def __repr__(self) -> str:
        return f"BotoTransport({self._place('')!r})"

    def get(self, key: str, headers: Headers, use: Callable[[Download], T]) -> T:
        """Ask for an object and let `use` read it."""

        def read() -> T:
            reply = self._client.get_object(Bucket=self._bucket, Key=key, **_parameters(headers))
            with closing(reply["Body"]) as stream:
                status = reply["ResponseMetadata"]["HTTPStatusCode"]
                return use(Download(status, _headers(reply), reply.get("ContentLength"), stream.read))

        return self._translated(key, read)

    def head(self, key: str) -> Headers:
        """The headers of an object."""
        return self._translated(key, lambda: _headers(self._client.head_object(Bucket=self._bucket, Key=key)))

    def put(self, key: str, data: bytes, headers: Headers) -> Headers:
        """Write an object."""

        def write() -> Headers:
            return _headers(self._client.put_object(Bucket=self._bucket, Key=key, Body=data, **_parameters(headers)))

        return self._translated(key, write)

    def copy(self, source_bucket: str, source_key: str, key: str) -> None:
        """Copy an object of a bucket of the same server into this one."""
        source = {"Bucket": source_bucket, "Key": source_key}
        self._translated(source_key, lambda: self._client.copy_object(Bucket=self._bucket, Key=key, CopySource=source))

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._translated(key, lambda: self._client.delete_object(Bucket=self._bucket, Key=key))

    def delete_many(self, keys: Sequence[str]) -> Sequence[Refusal]:
        """Delete up to a thousand objects."""
        request = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        reply = self._translated("", lambda: self._client.delete_objects(Bucket=self._bucket, Delete=request))
        return [
            Refusal(fault["Key"], fault.get("Code", ""), fault.get("Message", "")) for fault in reply.get("Errors", ())
        ]

    def list(self, prefix: str, size: int, token: str) -> Page:
        """Up to `size` objects whose key begins with `prefix`, from `token` on."""
        request: Reply = {"Bucket": self._bucket, "Prefix": prefix, "MaxKeys": size}
        if token:
            request["ContinuationToken"] = token
        reply = self._translated(prefix, lambda: self._client.list_objects_v2(**request))
        now = http_date(_headers(reply), "date")
        entries = [
            ObjectMeta(found["Key"], found["Size"], bare_etag(found["ETag"]), found["LastModified"], now)
            for found in reply.get("Contents", ())
        ]
        return Page(entries, bool(reply.get("IsTruncated")), reply.get("NextContinuationToken", ""))

    def create_bucket(self) -> None:
        """Make the bucket of this transport."""
        meta = self._client.meta
        elsewhere = is_aws(meta.endpoint_url) and meta.region_name != "us-east-1"
        place = {"CreateBucketConfiguration": {"LocationConstraint": meta.region_name}} if elsewhere else {}
        self._translated("", lambda: self._client.create_bucket(Bucket=self._bucket, **place))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _translated(self, key: str, request: Callable[[], T]) -> T:
        try:
            return request()
        except foreign_errors() as error:
            raise failure_of(error, self._place(key)) from error


def _headers(reply: Reply) -> Headers:
    found: Headers = reply["ResponseMetadata"].get("HTTPHeaders", {})
    return found


def _parameters(headers: Headers) -> dict[str, str]:
    return {_PARAMETERS[name]: value for name, value in headers.items()}
