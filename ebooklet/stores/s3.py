"""How are objects kept in an S3 bucket?

Requests are sent by a `Transport`, each once; what is repeated, and what a conditional write without an answer means,
is decided here.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

from ebooklet.errors import (
    AccessDeniedError,
    BucketMissingError,
    CredentialsExpiredError,
    GroupTooLargeError,
    InvalidURLError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    PreconditionFailedError,
    StoreError,
    UncertainOutcomeError,
    UnsupportedOperationError,
)
from ebooklet.sizes import byte_size
from ebooklet.stores.access import Credentials, Keys, S3Access
from ebooklet.stores.body import bare_etag, check_whole, count_in, http_date, quoted_etag, read_bounded, read_range
from ebooklet.stores.boto import WAYS_OUT
from ebooklet.stores.boto_transport import BotoTransport
from ebooklet.stores.dialect import Dialect, dialect_of
from ebooklet.stores.ledger import Ledger
from ebooklet.stores.multipart import LARGEST_PUT, Upload
from ebooklet.stores.per_process import PerProcess
from ebooklet.stores.pooled import PooledTransport
from ebooklet.stores.protocol import (
    NO_ETAG,
    OVERWRITE,
    Body,
    Create,
    Object,
    ObjectMeta,
    ObjectStore,
    Overwrite,
    PutMode,
    Update,
    joined,
    nbytes_of,
)
from ebooklet.stores.retry import RetryBudget, RetryPolicy, TransientError, persist
from ebooklet.stores.sessions import needs_boto3
from ebooklet.stores.settings import settings_for
from ebooklet.stores.translate import Answer, error_of
from ebooklet.stores.transport import BadRequestError, Download, Headers, Page, Transport

T = TypeVar("T")

DELETE_PER_REQUEST = 1000


class S3Store:
    """The objects of a bucket.

    Parameters
    ----------
    access : S3Access
        Bucket, server and options.
    credentials : Credentials or Lender, optional
        Who signs, given by hand; without it the environment and the chain of boto3 are asked.
    page_size : int
        Objects per request of a listing.
    ledger : Ledger, optional
        Where requests are entered; one of its own without it.
    """

    def __init__(
        self,
        access: S3Access,
        credentials: Keys | None = None,
        *,
        page_size: int = 1000,
        ledger: Ledger | None = None,
    ) -> None:
        self.access = access
        self.ledger = Ledger() if ledger is None else ledger
        self.uri = f"s3://{access.bucket}"
        self.dialect: Dialect = dialect_of(access.endpoint_url or "", access.bucket)
        self.page_size = page_size
        self._credentials = credentials
        self._policy = RetryPolicy(access.retries, access.deadline)
        self._budget = RetryBudget()
        self.largest_copy = LARGEST_PUT
        self._transports: PerProcess[Transport] = PerProcess(self._new_transport)
        self._slots = PerProcess(lambda: threading.Semaphore(access.threads))

    def __repr__(self) -> str:
        return f"S3Store({self._place('')!r})"

    def __reduce__(self) -> str:
        raise TypeError(f"{self!r} cannot be pickled, it may hold keys; pickle its connection instead")

    @property
    def source(self) -> str:
        """Where the keys come from; empty when requests are unsigned."""
        return self._transport().source

    @property
    def supports_conditional_put(self) -> bool | None:
        """Whether `Create` and `Update` are honoured; None while nobody knows."""
        return self.dialect.conditional_put

    def close(self) -> None:
        """Close the connections to the server; the next request opens new ones."""
        made = self._transports.take()
        if made is not None:
            made.close()

    # ------------------------------------------------------------------ reading

    def get(self, key: str, *, if_none_match: str | None = None, limit: int | None = None) -> Object:
        """Read an object in full."""
        self._guard(key)
        condition = {} if if_none_match is None else {"if-none-match": quoted_etag(if_none_match)}

        def read(found: Download) -> Object:
            check_whole(found.status, self._place(key))
            body = read_bounded(found.read, found.length, limit)
            if body is None:
                raise ObjectTooLargeError(f"{self._place(key)} has more than the {limit} bytes expected")
            return Object(_meta(key, found.headers, len(body)), body)

        return self._read(key, lambda: self._transport().get(key, condition, read))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read exactly `length` bytes at `start`."""
        self._guard(key)
        if length == 0:
            return b""

        def read(found: Download) -> bytes:
            return read_range(
                found.read,
                start=start,
                length=length,
                status=found.status,
                content_range=found.headers.get("content-range"),
                size=found.length,
                place=self._place(key),
            )

        wanted = {"range": f"bytes={start}-{start + length - 1}"}
        return self._read(key, lambda: self._transport().get(key, wanted, read))

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges of one object, a request for each."""
        return [self.get_range(key, start, length) for start, length in ranges]

    def head(self, key: str) -> ObjectMeta:
        """Describe an object."""
        self._guard(key)
        headers = self._read(key, lambda: self._transport().head(key))
        size = count_in(headers.get("content-length"))
        if size is None:
            raise StoreError(f"{self._place(key)}: the server does not tell the length of the object")
        return _meta(key, headers, size)

    def list(self, prefix: str) -> Iterator[ObjectMeta]:
        """All objects whose key begins with `prefix`, in the server's order: by the bytes of their keys."""
        return (entry for page in self._pages(prefix) for entry in page.entries)

    def list_folder(self, prefix: str) -> Iterator[ObjectMeta | str]:
        """The objects of one folder, and its folders, a request for every thousand of both."""
        return (entry for page in self._pages(prefix, "/") for entry in page.in_order())

    def _pages(self, prefix: str, delimiter: str = "") -> Iterator[Page]:
        self._guard(prefix)
        token = ""
        while True:
            try:
                page = self._page(prefix, token, delimiter)
            except BucketMissingError:
                if self.access.create_bucket:
                    return
                raise
            yield page
            if not page.truncated:
                return
            if not page.token or page.token == token:
                raise StoreError(f"{self._place(prefix)}: the server's listing does not go on after its first page")
            token = page.token

    def _page(self, prefix: str, token: str, delimiter: str) -> Page:
        return self._persist(lambda: self._transport().list(prefix, self.page_size, token, delimiter))

    # ------------------------------------------------------------------ writing

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        """Write an object, into a new bucket if that is wanted."""
        self._guard(key)
        try:
            return self._put(key, body, mode)
        except BucketMissingError:
            if not self.access.create_bucket:
                raise
        self._create_bucket()
        return self._put(key, body, mode)

    def _put(self, key: str, body: Body, mode: PutMode) -> ObjectMeta:
        size = nbytes_of(body)
        if isinstance(mode, Overwrite) and size >= self.access.multipart_threshold:
            written = self._put_in_parts(key, body, size)
            if written is not None:
                return written
        if size > LARGEST_PUT:
            raise GroupTooLargeError(
                f"{self._place(key)}: {byte_size(size)} are more than the {byte_size(LARGEST_PUT)} of one request"
            )
        data = joined(body)
        if isinstance(mode, Create):
            return self._put_if(key, data, {"if-none-match": "*"})
        if isinstance(mode, Update):
            return self._update(key, data, mode.etag)
        return _written(key, size, self._persist(lambda: self._transport().put(key, data, {})))

    def _put_in_parts(self, key: str, body: Body, size: int) -> ObjectMeta | None:
        """None if the server does not know of parts."""
        try:
            return _written(key, size, self._upload(key).put(body, size, self.access.multipart_chunksize))
        except UnsupportedOperationError:
            return None

    def _upload(self, key: str) -> Upload:
        return Upload(self._transport, self._persist, self._slots.get(), self.access.threads, key, self._place(key))

    def _create_bucket(self) -> None:
        with suppress(PreconditionFailedError):  # somebody else was faster
            self._persist(lambda: self._transport().create_bucket())

    def copy(self, source_key: str, target_key: str, *, target: ObjectStore | None = None) -> bool:
        """Copy an object on the server, which needs one server and one identity for both buckets."""
        there = self if target is None else target
        if not isinstance(there, S3Store) or not self._shares_identity_with(there):
            return False
        self._guard(source_key)
        there._guard(target_key)
        try:
            there._persist(lambda: there._transport().copy(self.access.bucket, source_key, target_key))
        except (UnsupportedOperationError, AccessDeniedError):
            return False
        except (BadRequestError, GroupTooLargeError):
            size = self.head(source_key).size
            if size <= self.largest_copy:
                raise
            there._upload(target_key).copy(self.access.bucket, source_key, size)
        return True

    def restore(self, key: str, *, days: int = 7, tier: str = "Standard") -> bool:
        """Ask for a readable copy of an archived object.

        Parameters
        ----------
        key : str
            Name of the object.
        days : int
            How long the copy stays.
        tier : {'Expedited', 'Standard', 'Bulk'}
            How fast it is made, and how dear that is.

        Returns
        -------
        bool
            Whether there is a copy already; else it comes in minutes to hours.

        Raises
        ------
        ObjectArchivedError
            If the object is not archived, or being restored.
        """
        self._guard(key)
        return self._persist(lambda: self._transport().restore(key, days, tier))

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""
        self._guard(key)
        try:
            self._persist(lambda: self._transport().delete(key))
        except ObjectNotFoundError:
            return

    def delete_many(self, keys: Sequence[str]) -> dict[str, StoreError]:
        """Delete objects, a thousand in one request."""
        self._guard(*keys)
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
        return {
            fault.key: error_of(Answer(0, fault.code, fault.message), self._place(fault.key))
            for fault in self._persist(lambda: self._transport().delete_many(keys))
            if fault.code != "NoSuchKey"
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
        quoted = self.dialect.quotes_first
        try:
            meta = self._put_if(key, data, _if_match(etag, quoted))
        except PreconditionFailedError:
            if not self._still_has(key, etag):
                raise
            quoted = not quoted
            meta = self._put_if(key, data, _if_match(etag, quoted))
        self.dialect.quoted_if_match = quoted
        return meta

    def _still_has(self, key: str, etag: str) -> bool:
        if etag == NO_ETAG:
            return False
        try:
            return self.head(key).etag == etag
        except StoreError:
            return False

    def _put_if(self, key: str, data: bytes, condition: Headers) -> ObjectMeta:
        """One conditional PUT, repeated only while nothing of it can have reached the server."""

        def write() -> Headers:
            try:
                return self._transport().put(key, data, condition)
            except TransientError as failure:
                if failure.unsent:
                    raise
                raise UncertainOutcomeError(
                    f"the conditional write may or may not have happened: {failure.error}"
                ) from failure
            except PreconditionFailedError:
                self.dialect.conditional_put = True
                raise
            except UnsupportedOperationError:
                self.dialect.conditional_put = False
                raise
            except ObjectNotFoundError as error:
                raise PreconditionFailedError(f"{self._place(key)}: the object is gone, or was never there") from error

        return _written(key, len(data), self._persist(write))

    # ------------------------------------------------------------------ requests

    def _persist(self, request: Callable[[], T]) -> T:
        """Send a request that may be sent again, body included; also with newer keys if those at hand have expired."""
        used = self._transport()
        try:
            return persist(request, self._policy, self._budget, self.ledger.retried)
        except AccessDeniedError as error:
            if not isinstance(error, CredentialsExpiredError) or isinstance(self._credentials, Credentials):
                raise self._with_source(error, used.source) from error.__cause__
        if self._transport() is used:
            self._transports.take()  # the next one asks for the keys anew
        try:
            return persist(request, self._policy, self._budget, self.ledger.retried)
        except AccessDeniedError as error:
            raise self._with_source(error, self._transport().source) from error.__cause__

    def _read(self, key: str, request: Callable[[], T]) -> T:
        """Send a request for an object; none is in a bucket that is still to be made."""
        try:
            return self._persist(request)
        except BucketMissingError as error:
            if not self.access.create_bucket:
                raise
            raise ObjectNotFoundError(f"{self._place(key)}: there is no bucket yet") from error

    def _with_source(self, error: AccessDeniedError, source: str) -> AccessDeniedError:
        if source:
            how = f"the request was signed with the keys of {source}"
        elif self.access.anonymous:
            how = "the request was not signed, as anonymous=True says"
        else:
            how = f"the request was not signed, as no credentials were found; {WAYS_OUT}"
        error.args = (f"{error}; {how}",)
        return error

    def _guard(self, *keys: str) -> None:
        """Refuse to leave the prefix of the connection."""
        for key in keys:
            if not key.startswith(self.access.prefix):
                raise InvalidURLError(f"{self._place(key)} does not lie below prefix={self.access.prefix!r}")

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

    def _transport(self) -> Transport:
        """The one sender of this store; a forked process makes its own."""
        return self._transports.get()

    def _new_transport(self) -> Transport:
        chosen = self.access.transport
        is_special = _is_special(self.access.bucket) or needs_boto3(self.access.boto_options)
        if chosen == "boto3" or (chosen == "auto" and is_special):
            return BotoTransport(self.access, self._credentials, self._place, self.dialect.heed, self.ledger)
        settings = settings_for(self.access, self._credentials)
        return PooledTransport(self.access, settings, self._place, self.dialect.heed, self.ledger)


def _is_special(bucket: str) -> bool:
    """Whether a bucket is one of AWS's kinds that have rules of their own: access points, directories, lambdas."""
    return ":" in bucket or bucket.endswith(("--x-s3", "--ol-s3", ".mrap"))


def _meta(key: str, headers: Headers, size: int) -> ObjectMeta:
    etag, now = bare_etag(headers.get("etag")), http_date(headers, "date")
    kept = headers.get("x-amz-storage-class", "")
    return ObjectMeta(key, size, etag, http_date(headers, "last-modified"), now, kept)


def _written(key: str, size: int, headers: Headers) -> ObjectMeta:
    now = http_date(headers, "date")
    return ObjectMeta(key, size, bare_etag(headers.get("etag")), now, now)


def _if_match(etag: str, quoted: bool) -> Headers:
    return {"if-match": quoted_etag(etag) if quoted else etag}
