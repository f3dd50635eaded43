"""How are requests to S3 sent by boto3?"""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, TypeVar

from ebooklet.stores.access import Keys, S3Access
from ebooklet.stores.addressing import is_aws
from ebooklet.stores.body import bare_etag, count_in, http_date, length_of_range
from ebooklet.stores.boto import failure_of, foreign_errors, make_client, source_of
from ebooklet.stores.ledger import Ledger, Receipt
from ebooklet.stores.protocol import ObjectMeta
from ebooklet.stores.stamps import payer_of, written_with
from ebooklet.stores.transport import Download, Headers, Heed, Page, Place, Refusal

T = TypeVar("T")
Reply = dict[str, Any]

_PARAMETERS = {
    "if-match": "IfMatch",
    "if-none-match": "IfNoneMatch",
    "range": "Range",
    "x-amz-acl": "ACL",
    "x-amz-request-payer": "RequestPayer",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-storage-class": "StorageClass",
    "x-amz-tagging": "Tagging",
    "x-amz-tagging-directive": "TaggingDirective",
}


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
    ledger : Ledger
        Where requests are entered.
    """

    def __init__(self, access: S3Access, credentials: Keys | None, place: Place, heed: Heed, ledger: Ledger) -> None:
        self._bucket = access.bucket
        self._place = place
        self._ledger = ledger
        self._to_bucket = {"Bucket": access.bucket, **_parameters(payer_of(access))}
        self._stamp = _parameters(written_with(access))
        self._stamp_of_copies = _parameters(written_with(access, copied=True))
        self._client = make_client(access, credentials)
        self.source = source_of(self._client, access, credentials)
        self._client.meta.events.register("after-call.s3", lambda http_response, **_: heed(http_response.headers))

    def __repr__(self) -> str:
        return f"BotoTransport({self._place('')!r})"

    def get(self, key: str, headers: Headers, use: Callable[[Download], T]) -> T:
        """Ask for an object and let `use` read it."""

        def read(receipt: Receipt) -> T:
            reply = self._client.get_object(**self._to(key), **_parameters(headers))
            with closing(reply["Body"]) as stream:
                length = reply.get("ContentLength")
                receipt.expect(length)
                try:
                    status = reply["ResponseMetadata"]["HTTPStatusCode"]
                    return use(Download(status, _headers(reply), length, stream.read))
                finally:
                    receipt.received(stream.tell())

        operation = "get_range" if "range" in headers else "get"
        return self._translated(operation, key, read, expected=length_of_range(headers.get("range")))

    def head(self, key: str) -> Headers:
        """The headers of an object."""
        return self._translated("head", key, lambda _: _headers(self._client.head_object(**self._to(key))))

    def put(self, key: str, data: bytes, headers: Headers) -> Headers:
        """Write an object."""
        request = self._to(key) | self._stamp | _parameters(headers) | {"Body": data}
        operation = "conditional_put" if headers else "put"
        return self._translated(operation, key, lambda _: _headers(self._client.put_object(**request)), sent=len(data))

    def copy(self, source_bucket: str, source_key: str, key: str) -> None:
        """Copy an object of a bucket of the same server into this one."""
        request = self._to(key) | self._stamp_of_copies | {"CopySource": {"Bucket": source_bucket, "Key": source_key}}
        self._translated("copy", source_key, lambda _: self._client.copy_object(**request))

    def create_upload(self, key: str) -> str:
        """Begin an object that is written in parts."""
        request = self._to(key) | self._stamp
        reply = self._translated("create_upload", key, lambda _: self._client.create_multipart_upload(**request))
        return str(reply["UploadId"])

    def upload_part(self, key: str, upload: str, number: int, data: bytes) -> str:
        """Write a part."""
        request = self._to(key) | {"UploadId": upload, "PartNumber": number, "Body": data}
        reply = self._translated("upload_part", key, lambda _: self._client.upload_part(**request), sent=len(data))
        return str(reply.get("ETag", ""))

    def copy_part(self, source_bucket: str, source_key: str, span: str, key: str, upload: str, number: int) -> str:
        """Take a part from an object of a bucket of the same server."""
        source = {"CopySource": {"Bucket": source_bucket, "Key": source_key}, "CopySourceRange": span}
        request = self._to(key) | source | {"UploadId": upload, "PartNumber": number}
        reply = self._translated("copy_part", source_key, lambda _: self._client.upload_part_copy(**request))
        return str(reply["CopyPartResult"].get("ETag", ""))

    def complete_upload(self, key: str, upload: str, etags: Sequence[str]) -> Headers:
        """Make the object of its parts."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        request = self._to(key) | {"UploadId": upload, "MultipartUpload": {"Parts": parts}}
        reply = self._translated("complete_upload", key, lambda _: self._client.complete_multipart_upload(**request))
        return {"etag": reply.get("ETag", ""), "date": _headers(reply).get("date", "")}

    def abort_upload(self, key: str, upload: str) -> None:
        """Drop the parts."""
        request = self._to(key) | {"UploadId": upload}
        self._translated("abort_upload", key, lambda _: self._client.abort_multipart_upload(**request))

    def restore(self, key: str, days: int, tier: str) -> bool:
        """Ask for a copy of an archived object."""
        how = {"Days": days, "GlacierJobParameters": {"Tier": tier}}
        request = self._to(key) | {"RestoreRequest": how}
        reply = self._translated("restore", key, lambda _: self._client.restore_object(**request))
        return bool(reply["ResponseMetadata"]["HTTPStatusCode"] == 200)

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._translated("delete", key, lambda _: self._client.delete_object(**self._to(key)))

    def delete_many(self, keys: Sequence[str]) -> Sequence[Refusal]:
        """Delete up to a thousand objects."""
        request = self._to_bucket | {"Delete": {"Objects": [{"Key": key} for key in keys], "Quiet": True}}
        reply = self._translated("delete_many", "", lambda r: _read(r, self._client.delete_objects(**request)))
        return [
            Refusal(fault["Key"], fault.get("Code", ""), fault.get("Message", "")) for fault in reply.get("Errors", ())
        ]

    def list(self, prefix: str, size: int, token: str, delimiter: str = "") -> Page:
        """Up to `size` objects whose key begins with `prefix`, from `token` on; of those with a delimiter, folders."""
        request: Reply = self._to_bucket | {"Prefix": prefix, "MaxKeys": size}
        if delimiter:
            request["Delimiter"] = delimiter
        if token:
            request["ContinuationToken"] = token
        reply = self._translated("list", prefix, lambda r: _read(r, self._client.list_objects_v2(**request)))
        now = http_date(_headers(reply), "date")
        entries = [
            ObjectMeta(
                found["Key"],
                found["Size"],
                bare_etag(found["ETag"]),
                found["LastModified"],
                now,
                found.get("StorageClass", ""),
            )
            for found in reply.get("Contents", ())
        ]
        folders = [found["Prefix"] for found in reply.get("CommonPrefixes", ())]
        return Page(entries, bool(reply.get("IsTruncated")), reply.get("NextContinuationToken", ""), folders)

    def create_bucket(self) -> None:
        """Make the bucket of this transport."""
        meta = self._client.meta
        elsewhere = is_aws(meta.endpoint_url) and meta.region_name != "us-east-1"
        place = {"CreateBucketConfiguration": {"LocationConstraint": meta.region_name}} if elsewhere else {}
        self._translated("create_bucket", "", lambda _: self._client.create_bucket(Bucket=self._bucket, **place))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _to(self, key: str) -> Reply:
        return {**self._to_bucket, "Key": key}

    def _translated(
        self, operation: str, key: str, request: Callable[[Receipt], T], *, sent: int = 0, expected: int = 0
    ) -> T:
        with self._ledger.request(operation, sent=sent, expected=expected) as receipt:
            try:
                return request(receipt)
            except foreign_errors() as error:
                raise failure_of(error, self._place(key)) from error


def _read(receipt: Receipt, reply: Reply) -> Reply:
    """An answer that botocore has read in full, counted."""
    receipt.received(count_in(_headers(reply).get("content-length")) or 0)
    return reply


def _headers(reply: Reply) -> Headers:
    found: Headers = reply["ResponseMetadata"].get("HTTPHeaders", {})
    return found


def _parameters(headers: Headers) -> Reply:
    return {_PARAMETERS[name]: value for name, value in headers.items()}
