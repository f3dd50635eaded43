"""What does a store of S3 need from whoever sends its requests?

There are two senders: `PooledTransport`, which signs and sends itself, and `BotoTransport`. Both send each request once
and say in our errors what came of it; when it is sent again is decided above them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ebooklet.errors import StoreError
from ebooklet.stores.body import Read
from ebooklet.stores.protocol import ObjectMeta, name_of
from ebooklet.stores.translate import Answer, error_of

T = TypeVar("T")

Headers = Mapping[str, str]
Place = Callable[[str], str]
Heed = Callable[[Headers], None]


class BadRequestError(StoreError):
    """The server did not understand; another form of the request may do."""


@dataclass(frozen=True, slots=True)
class Download:
    """An answer whose body is still on its way.

    Attributes
    ----------
    status : int
        HTTP status.
    headers : mapping
        To be asked by lower-case name.
    length : int or None
        Length of the body, if the server tells.
    read : callable
        Reads up to so many bytes of the body.
    """

    status: int
    headers: Headers
    length: int | None
    read: Read


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing, with the folders that were not looked into; `truncated` with the token for the next one."""

    entries: Sequence[ObjectMeta]
    truncated: bool = False
    token: str = ""
    folders: Sequence[str] = ()

    def in_order(self) -> list[ObjectMeta | str]:
        """Objects and folders by the bytes of their keys."""
        return sorted((*self.entries, *self.folders), key=lambda one: name_of(one).encode())


@dataclass(frozen=True, slots=True)
class Refusal:
    """An object that a batch did not delete."""

    key: str
    code: str
    message: str


class Transport(Protocol):
    """Sends requests to one bucket.

    All methods raise `TransientError` for what may pass, else errors of :mod:`ebooklet.errors`. Headers have lower-case
    names.
    """

    @property
    def source(self) -> str:
        """Where the keys come from, for messages; empty when requests are unsigned."""

    def get(self, key: str, headers: Headers, use: Callable[[Download], T]) -> T:
        """Ask for an object and let `use` read it."""

    def head(self, key: str) -> Headers:
        """The headers of an object."""

    def put(self, key: str, data: bytes, headers: Headers) -> Headers:
        """Write an object, on the conditions in `headers`; returns the headers of the answer."""

    def copy(self, source_bucket: str, source_key: str, key: str) -> None:
        """Copy an object of a bucket of the same server into this one."""

    def create_upload(self, key: str) -> str:
        """Begin an object that is written in parts; returns the id of the upload."""

    def upload_part(self, key: str, upload: str, number: int, data: bytes) -> str:
        """Write a part, numbered from 1; returns its ETag as it is."""

    def copy_part(self, source_bucket: str, source_key: str, span: str, key: str, upload: str, number: int) -> str:
        """Take a part, ``'bytes=first-last'``, from an object of a bucket of the same server; returns its ETag."""

    def complete_upload(self, key: str, upload: str, etags: Sequence[str]) -> Headers:
        """Make the object of its parts; returns its ETag and the date of the answer, as the headers of a PUT."""

    def abort_upload(self, key: str, upload: str) -> None:
        """Drop the parts."""

    def restore(self, key: str, days: int, tier: str) -> bool:
        """Ask for a copy of an archived object for so many days; whether there is one already."""

    def delete(self, key: str) -> None:
        """Delete an object."""

    def delete_many(self, keys: Sequence[str]) -> Sequence[Refusal]:
        """Delete up to a thousand objects."""

    def list(self, prefix: str, size: int, token: str, delimiter: str = "") -> Page:
        """Up to `size` objects whose key begins with `prefix`, from `token` on; of those with a delimiter, folders."""

    def create_bucket(self) -> None:
        """Make the bucket."""

    def close(self) -> None:
        """Close all connections."""


def refused(answer: Answer, place: str) -> StoreError:
    """The error for an answer that will not change; a 400 of unknown meaning is a `BadRequestError`."""
    error = error_of(answer, place)
    return BadRequestError(*error.args) if answer.status == 400 and type(error) is StoreError else error
