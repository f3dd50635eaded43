"""Which part of which store does somebody mean who names a bucket, a folder or a connection?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ebooklet.connection import Connection, FolderConnection, S3Connection, StoreConnection, as_connection
from ebooklet.errors import InvalidURLError
from ebooklet.uri import check_db_key, is_url

#: Stands for the databases that a connection to a whole bucket may reach.
ANY_KEY = "any"


@dataclass(frozen=True, slots=True)
class Territory:
    """A folder of a store and all below it.

    Attributes
    ----------
    connection : Connection
        Reaches the store; `connection.at(key)` is the place of a database.
    prefix : str
        The folder: empty, or with '/' at its end.
    """

    connection: Connection
    prefix: str = ""

    @property
    def uri(self) -> str:
        """Where it is, for messages."""
        store = self.connection.store().uri
        return f"{store}/{self.prefix}"


def territory_of(remote: Any, prefix: str | None = None) -> Territory:
    """Understand which folder is meant.

    Parameters
    ----------
    remote : S3Connection, str or dict
        A connection, whose own key does not matter; its parameters; or a URL of a bucket or folder:
        ``s3://bucket/folder``, ``file:///folder``.
    prefix : str, optional
        A folder in it, or a whole URL below it.

    Raises
    ------
    InvalidURLError
        If the prefix is a URL elsewhere, or cannot be a folder.

    Examples
    --------
    >>> found = territory_of("s3://lab/rain/2024")
    >>> found.connection.bucket, found.prefix
    ('lab', 'rain/2024/')
    """
    if prefix is not None and is_url(prefix):
        if isinstance(remote, str):
            raise InvalidURLError(f"{remote!r} and {prefix!r} are both URLs: give one of them")
        prefix = _below(_begun(remote)[0], prefix)
    connection, begin = _begun(remote)
    folder = begin + _folder(prefix or "")
    own = connection.access.prefix if isinstance(connection, S3Connection) else ""
    return Territory(connection, folder if folder.startswith(own) else own + folder)


def _begun(remote: Any) -> tuple[Connection, str]:
    """A connection to the store, and the folder that was named with it."""
    if isinstance(remote, str) and is_url(remote):
        scheme, _, rest = remote.partition("://")
        if scheme.lower() == "s3":
            bucket, _, key = rest.partition("/")
            if not bucket:
                raise InvalidURLError(f"{remote!r} names no bucket; use s3://bucket/folder")
            return S3Connection(bucket=bucket, db_key=ANY_KEY), _folder(key)
        if scheme.lower() == "file":
            found = as_connection(f"{remote.rstrip('/')}/{ANY_KEY}")
            return found, ""
    if isinstance(remote, Mapping) and "bucket" in remote and not {"db_key", "object_key", "db_url"} & set(remote):
        remote = {**remote, "db_key": ANY_KEY}
    return as_connection(remote), ""


def _below(connection: Connection, url: str) -> str:
    """The prefix of a URL in the store of a connection."""
    if isinstance(connection, S3Connection) and connection.bucket:
        store = f"s3://{connection.bucket}"
    else:
        store = connection.store().uri
    if url.rstrip("/") == store:
        return ""
    if not url.startswith(f"{store}/"):
        raise InvalidURLError(f"{url!r} does not lie in {store}")
    below = url[len(store) + 1 :]
    return below if store.startswith("s3:") else unquote(below)


def _folder(text: str) -> str:
    """A folder with '/' at its end; empty for all."""
    name = text.strip("/")
    return f"{check_db_key(name)}/" if name else ""


def same_bucket(one: Connection, other: Connection) -> bool:
    """Whether two connections lead to one bucket, so that the keys for one are good for the other."""
    if isinstance(one, S3Connection) and isinstance(other, S3Connection):
        return bool(one.bucket) and (one.bucket, one.endpoint_url) == (other.bucket, other.endpoint_url)
    return isinstance(one, FolderConnection | StoreConnection) and one.store().uri == other.store().uri
