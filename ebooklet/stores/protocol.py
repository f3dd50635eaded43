"""What can an object store do?"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from ebooklet.errors import StoreError
from ebooklet.stores.dialect import Dialect

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Streamed:
    """A body that is made piece by piece while it is sent, and once more when it has to be sent again.

    Attributes
    ----------
    nbytes : int
        Its length.
    make : callable
        Begins anew to give its pieces.
    """

    nbytes: int
    make: Callable[[], Iterator[Buffer]]

    def __iter__(self) -> Iterator[Buffer]:
        done = 0
        for piece in self.make():
            done += len(piece)
            yield piece
        if done != self.nbytes:
            raise StoreError(f"a body of {self.nbytes} bytes was announced, {done} came")


Body = Buffer | Sequence[Buffer] | Streamed


@dataclass(frozen=True, slots=True)
class ObjectMeta:
    """What a store says about an object.

    Attributes
    ----------
    key : str
        Name of the object in its store.
    size : int
        Length in bytes.
    etag : str
        Identity of the content, without quotes; empty where a listing does not tell.
    last_modified : datetime or None
        When it was written, by the server's clock (UTC).
    server_date : datetime or None
        The server's clock when it answered (UTC).
    storage_class : str
        Where a server with several kinds of storage keeps it; empty where it does not tell.
    """

    key: str
    size: int
    etag: str
    last_modified: datetime | None
    server_date: datetime | None = None
    storage_class: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Object:
    """An object read in full."""

    meta: ObjectMeta
    body: bytes


@dataclass(frozen=True, slots=True)
class Overwrite:
    """Write whatever is there now."""


@dataclass(frozen=True, slots=True)
class Create:
    """Write only if there is no object of this key."""


@dataclass(frozen=True, slots=True)
class Update:
    """Write only if the object still has this ETag."""

    etag: str


PutMode = Overwrite | Create | Update
NO_ETAG = "0" * 32  # of no object
OVERWRITE = Overwrite()
CREATE = Create()


@runtime_checkable
class ObjectStore(Protocol):
    """Objects by key; every method may be called from several threads.

    All methods raise the errors of :mod:`ebooklet.errors`: `ObjectNotFoundError`, `AccessDeniedError`,
    `NoCredentialsError`, `BucketMissingError` and `RemoteConnectionError` wherever they can happen.
    """

    @property
    def uri(self) -> str:
        """Where the store is, for messages; never with credentials."""

    @property
    def dialect(self) -> Dialect:
        """What has been learned about the server; shared by all stores of one bucket in the process."""

    @property
    def supports_conditional_put(self) -> bool | None:
        """Whether `Create` and `Update` are honoured; None while nobody knows."""

    def get(self, key: str, *, if_none_match: str | None = None, limit: int | None = None) -> Object:
        """Read an object in full.

        Parameters
        ----------
        key : str
            Name of the object.
        if_none_match : str, optional
            An ETag the caller knows; `NotModifiedError` is raised if the object still has it.
        limit : int, optional
            `ObjectTooLargeError` is raised, before the body is read, if the object is longer.
        """

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read exactly `length` bytes at `start`; `ShortObjectError` if the object ends before."""

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges `(start, length)` of one object, in the order asked."""

    def head(self, key: str) -> ObjectMeta:
        """Describe an object without reading it."""

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        """Write an object, all of it or nothing.

        Raises
        ------
        PreconditionFailedError
            `Create` met an object, or `Update` met another ETag or no object. Nothing was written.
        UncertainOutcomeError
            A conditional write may or may not have been applied.
        UnsupportedOperationError
            The store cannot write, or has no conditional writes.
        """

    def copy(self, source_key: str, target_key: str, *, target: "ObjectStore | None" = None) -> bool:
        """Copy an object without moving its bytes through this process.

        Returns
        -------
        bool
            False if these two stores cannot do that; nothing was written then.
        """

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""

    def delete_many(self, keys: Sequence[str]) -> dict[str, StoreError]:
        """Delete objects in as few requests as possible; returns those that failed, with their error."""

    def list(self, prefix: str) -> Iterator[ObjectMeta]:
        """All objects whose key begins with `prefix`, ordered by the UTF-8 bytes of their keys."""

    def list_folder(self, prefix: str) -> Iterator[ObjectMeta | str]:
        """The objects of one folder, and its folders, without looking into them.

        Parameters
        ----------
        prefix : str
            Empty, or the folder with '/' at its end.

        Returns
        -------
        iterator of ObjectMeta and str
            Objects whose key has no '/' after the prefix; of all others the key up to that '/', once. Ordered by their
            UTF-8 bytes.
        """


def joined(body: Body) -> bytes:
    """One bytes object from a body in one or several parts.

    Examples
    --------
    >>> joined([b"ab", memoryview(b"cd")])
    b'abcd'
    """
    if isinstance(body, bytes):
        return body
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    return b"".join(body)


def pieces_of(body: Body) -> Iterable[Buffer]:
    """The parts of a body, one after another.

    Examples
    --------
    >>> [*pieces_of(b"ab"), *pieces_of([b"c", b"d"])]
    [b'ab', b'c', b'd']
    """
    return [body] if isinstance(body, bytes | bytearray | memoryview) else body


def nbytes_of(body: Body) -> int:
    """Length of a body in one or several parts.

    Examples
    --------
    >>> nbytes_of([b"ab", memoryview(b"cd")])
    4
    """
    if isinstance(body, Streamed):
        return body.nbytes
    parts = [body] if isinstance(body, bytes | bytearray | memoryview) else body
    return sum(memoryview(part).nbytes for part in parts)


def folded(listed: Iterable[ObjectMeta], prefix: str) -> Iterator[ObjectMeta | str]:
    """What `list_folder` gives, from all objects below the prefix in their order.

    Examples
    --------
    >>> objects = [ObjectMeta(key, 1, "", None) for key in ["a/1", "a/b/2", "a/b/3", "a/c"]]
    >>> [one if isinstance(one, str) else one.key for one in folded(objects, "a/")]
    ['a/1', 'a/b/', 'a/c']
    """
    last = None
    for meta in listed:
        name, slash, _ = meta.key[len(prefix) :].partition("/")
        if not slash:
            yield meta
        elif name != last:
            last = name
            yield f"{prefix}{name}/"


def name_of(listed: ObjectMeta | str) -> str:
    """The key of what `list_folder` gives."""
    return listed if isinstance(listed, str) else listed.key
