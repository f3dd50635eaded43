"""What is the place of a remote database, and which places are there besides S3?"""

from typing import Any, Protocol, runtime_checkable

from ebooklet.checking import ConnectionReport, check_store
from ebooklet.metering import Metered
from ebooklet.stores.folder import FolderStore
from ebooklet.stores.memory import MemoryStore
from ebooklet.stores.metered import MeteredStore
from ebooklet.stores.protocol import ObjectStore
from ebooklet.uri import check_db_key, is_windows_path, join_uri


@runtime_checkable
class Connection(Protocol):
    """The place of one remote database; making one sends nothing."""

    @property
    def db_key(self) -> str:
        """Key of the database in its store."""

    @property
    def uri(self) -> str:
        """Where the database is, for messages; never with credentials."""

    @property
    def threads(self) -> int:
        """Requests that may be in flight."""

    @property
    def single_writer(self) -> bool:
        """Whether the user vouches for being the only writer, for servers without conditional writes."""

    def store(self, writable: bool = False) -> ObjectStore:
        """The store that holds the database; cheap to ask for, as connections to a server are kept open."""

    def to_dict(self) -> dict[str, Any]:
        """What makes this connection, without credentials; `as_connection` takes it back."""

    def at(self, db_key: str) -> "Connection":
        """The place of another database in the same store, reached with the same keys and counted together."""


class FolderConnection(Metered):
    """The place of a database in a folder used as an object store.

    Parameters
    ----------
    folder : str
        Absolute path.
    db_key : str
        Key of the database in it.
    threads : int
        Files that may be read or written at once.

    Examples
    --------
    >>> FolderConnection("/scratch/data", "x.cfdb").uri
    'file:///scratch/data/x.cfdb'
    """

    single_writer = False

    def __init__(self, folder: str, db_key: str, *, threads: int = 10) -> None:
        self.folder = folder
        self.db_key = check_db_key(db_key)
        self.threads = threads

    @property
    def uri(self) -> str:
        """Where the database is."""
        absolute = self.folder.startswith("/") or is_windows_path(self.folder)
        return join_uri(self.folder if absolute else f"/{self.folder}", self.db_key)

    def store(self, writable: bool = False) -> ObjectStore:
        """The folder."""
        return MeteredStore(FolderStore(self.folder), self.ledger)

    def check(self, write: bool = False) -> ConnectionReport:
        """Try what can be done in the folder; with `write`, also write and delete a small object.

        Returns
        -------
        ConnectionReport
            Prints as a text; nothing is raised for what does not work.
        """
        return check_store(self.store(writable=write), self.uri, self.db_key, write=write)

    def to_dict(self) -> dict[str, Any]:
        """What makes this connection."""
        return {"db_url": self.uri}

    def at(self, db_key: str) -> "FolderConnection":
        """The place of another database below the folder: that of its URL, so that its writers meet."""
        inner, _, name = check_db_key(db_key).rpartition("/")
        place = f"{self.folder.rstrip('/')}/{inner}" if inner else self.folder
        other = FolderConnection(place, name, threads=self.threads)
        other.share(self)
        return other

    def __repr__(self) -> str:
        return f"FolderConnection({self.uri!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FolderConnection):
            return NotImplemented
        return self.uri == other.uri

    def __hash__(self) -> int:
        return hash(self.uri)


class StoreConnection(Metered):
    """The place of a database in a store at hand: in memory, or wrapped to be counted or made to fail.

    Parameters
    ----------
    db_key : str
        Key of the database.
    store : ObjectStore, optional
        Where it lies; a new store in memory without it.
    threads : int
        Requests that may be in flight.
    single_writer : bool
        Vouches that nobody else writes.

    Examples
    --------
    >>> StoreConnection("x.cfdb")
    StoreConnection('memory://store/x.cfdb')
    """

    def __init__(
        self, db_key: str, store: ObjectStore | None = None, *, threads: int = 10, single_writer: bool = False
    ) -> None:
        self.db_key = check_db_key(db_key)
        self.threads = threads
        self.single_writer = single_writer
        self._store = MemoryStore() if store is None else store

    @property
    def uri(self) -> str:
        """Where the database is, for messages."""
        return f"{self._store.uri}/{self.db_key}"

    def store(self, writable: bool = False) -> ObjectStore:
        """The store at hand, its requests counted."""
        return MeteredStore(self._store, self.ledger)

    def to_dict(self) -> dict[str, Any]:
        """Refuse: a store at hand cannot be written down."""
        raise TypeError(f"{self!r} only lives in this process: there are no parameters to make it elsewhere")

    def at(self, db_key: str) -> "StoreConnection":
        """The place of another database in the store."""
        other = StoreConnection(db_key, self._store, threads=self.threads, single_writer=self.single_writer)
        other.share(self)
        return other

    def __repr__(self) -> str:
        return f"StoreConnection({self.uri!r})"
