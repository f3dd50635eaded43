"""Which of many remote databases have what somebody looks for, without downloading any of them?"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from ebooklet.connection import Connection, S3Connection, as_connection
from ebooklet.entries import CatalogEntry, Opener, find_in_record, unknown_field
from ebooklet.facts import DatabaseFacts, read_facts, read_many
from ebooklet.folders import Folders
from ebooklet.found import Found, sorted_by
from ebooklet.groups import RemoteConnGroup, check_entry, facts_of
from ebooklet.history import Log
from ebooklet.opening import open_ebooklet, open_rcg
from ebooklet.query import Condition, as_condition, fields_of
from ebooklet.results import PushResult
from ebooklet.sizes import counted
from ebooklet.territory import same_bucket, territory_of

if TYPE_CHECKING:
    from typing import Self

#: What is shown of entries unless somebody says.
SHOWN = ("key", "kind", "last_push", "nbytes", "title", "time.min", "time.max")


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """What became of the entries of a catalogue.

    Attributes
    ----------
    updated : tuple of str
        Keys of entries of which there is a newer version now.
    failures : mapping of str to Exception
        Keys of entries that could not be read; they are as they were.
    n_requests : int
        Requests sent.
    """

    updated: tuple[str, ...] = ()
    failures: Mapping[str, Exception] = field(default_factory=dict)
    n_requests: int = 0

    @property
    def ok(self) -> bool:
        """Whether all could be read."""
        return not self.failures

    def __str__(self) -> str:
        lines = [f"{counted(len(self.updated), 'entry', 'entries')} newer now, {counted(self.n_requests, 'request')}"]
        return "\n".join([*lines, *(f"  {key}: {error}" for key, error in self.failures.items())])


class Catalog(Mapping[str, CatalogEntry]):
    """Databases by key, searched by what they hold; nothing of them is downloaded.

    Made empty, by :meth:`open` over a connection group that others share, or by :meth:`from_prefix` from all databases
    below a folder of a bucket. What is known of a database is as of when it was added; :meth:`refresh` asks again.

    Examples
    --------
    >>> import ebooklet, tempfile
    >>> from ebooklet.query import Q
    >>> folder = tempfile.mkdtemp()
    >>> for year in (2023, 2024):
    ...     with ebooklet.open(f"file://{folder}/{year}.blt", cache=None, flag="n") as db:
    ...         db["a"] = b"1"
    ...         pushed = db.push()
    >>> catalog = Catalog()
    >>> for year in (2023, 2024):
    ...     entry = catalog.add(f"file://{folder}/{year}.blt", key=str(year), year=year)
    >>> [found.key for found in catalog.search(Q("year") > 2023)]
    ['2024']
    """

    #: How what a database holds is opened, by kind.
    openers: ClassVar[Mapping[str, Opener]] = {"ebooklet": open_ebooklet, "rcg": open_rcg}

    def __init__(self) -> None:
        self._entries: dict[str, CatalogEntry] = {}
        self._group: RemoteConnGroup | None = None

    # ---- made from something ---------------------------------------------------------------------------------------

    @classmethod
    def open(
        cls, remote_conn: Any, file_path: str | PathLike[str] | None = None, flag: str = "r", **options: Any
    ) -> "Self":
        """Open a catalogue that is kept in a bucket: a connection group.

        Parameters
        ----------
        remote_conn : S3Connection, str or dict
            Where it is kept.
        file_path, flag, **options
            As for `open_rcg`: ``'w'`` to add entries, ``'c'`` to make it if there is none.

        Returns
        -------
        Catalog
            All entries are read; searching sends nothing from then on.
        """
        connection = as_connection(remote_conn)
        made = cls()
        made._group = open_rcg(connection, file_path, flag, **options)  # type: ignore[arg-type]
        try:
            for key, entry in made._group.items():
                made._entries[key] = made._entry(key, _reached(connection, entry), facts_of(entry), entry["user_meta"])
        except BaseException:
            made._group.close()
            raise
        return made

    @classmethod
    def from_prefix(
        cls,
        remote_conn: Any,
        prefix: str | None = None,
        pattern: str = "**",
        *,
        kind: str | None = None,
        on_error: str = "raise",
    ) -> "Self":
        """Make a catalogue of all databases below a folder, by listing it.

        A request for each thousand objects of every folder, and one for each database; the objects of databases are not
        listed.

        Parameters
        ----------
        remote_conn : S3Connection, str or dict
            The bucket; the key of the connection does not matter.
        prefix : str, optional
            The folder: ``'data/2024/'``, or a whole URL ``'s3://bucket/data/2024/'``. Everything the connection may see
            by default.
        pattern : str
            Which of the databases there: ``'*.cfdb'``, ``'**/rain*'``.
        kind : str, optional
            Only those that hold this: ``'cfdb'``, ``'ebooklet'``, ``'rcg'``.
        on_error : {'raise', 'warn'}
            What to do when something that looks like a database cannot be read: raise, or warn and leave it out.

        Returns
        -------
        Catalog
            Keys are the keys of the databases below the folder.
        """
        if on_error not in ("raise", "warn"):
            raise ValueError(f"on_error={on_error!r}: choose 'raise' or 'warn'")
        place = territory_of(remote_conn, prefix)
        here, threads = place.connection, place.connection.threads
        folders = Folders(here.store(), threads=threads)
        keys = [one.key for one in folders.glob(place.prefix, pattern) if one.sort == "database"]
        connections = [here.at(key) for key in keys]
        made = cls()
        for key, connection, facts in zip(keys, connections, read_many(connections, threads), strict=True):
            if isinstance(facts, Exception):
                if on_error == "raise":
                    raise facts
                warnings.warn(f"{connection.uri} is left out of the catalogue: {facts}", UserWarning, stacklevel=2)
            elif kind in (None, facts.kind):
                name = key.removeprefix(place.prefix)
                made._entries[name] = made._entry(name, connection, facts, None)
        return made

    def _entry(self, key: str, connection: Connection, facts: DatabaseFacts, meta: Any) -> CatalogEntry:
        return CatalogEntry(key, connection, facts, meta, self.openers)

    # ---- what there is ---------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> CatalogEntry:
        if key not in self._entries:
            raise KeyError(f"{key!r}; there are {', '.join(list(self._entries)[:10]) or 'no entries'}")
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._entries)

    def __repr__(self) -> str:
        where = "" if self._group is None else f" at {self._group.remote_uri}"
        return f"<{type(self).__name__} of {len(self)} databases{where}>\n{self.search(limit=20)}"

    def versions(self, key: str) -> Log:
        """List the versions of a database, the newest first."""
        return self[key].versions()

    # ---- searching -------------------------------------------------------------------------------------------------

    def search(
        self,
        where: Condition | str | None = None,
        *,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
        fields: Sequence[str] = (),
    ) -> Found[CatalogEntry]:
        """Find databases by what is known of them; sends nothing.

        Fields are those of :attr:`CatalogEntry.record`: ``kind``, ``nbytes``, ``last_push``, ``tags`` ...,
        ``attrs.title``, ``dims.time``, ``vars.temp.units``, ``extents.time.max``, ``meta.department``. Names that are
        none of these are looked for among extents, what was said of an entry, and attributes: ``time.max``,
        ``department``, ``title``. ``*`` is any name: ``vars.*.standard_name``.

        Parameters
        ----------
        where : Condition or str, optional
            ``Q('time.max') > '2020'``, combined by ``&``, ``|`` and ``~``, or the same as a text:
            ``"department == 'Eng' and time.max > '2020'"``. A database without the field does not match.
        sort : str or sequence of str
            Fields to sort by; with ``-`` in front the other way round. Databases without the field come last.
        limit, offset : int
            How many to give, and how many to leave out first.
        fields : sequence of str
            What to show of them, and what `rows` has.

        Returns
        -------
        Found
            The entries, in order; prints as a table. Its notes tell fields of the condition that no entry has.

        Raises
        ------
        ValueError
            If a text is no condition.
        KeyError
            If no entry has the field to sort by.
        """
        condition = as_condition(where)
        if offset < 0 or (limit is not None and limit < 0):
            raise ValueError(f"limit={limit}, offset={offset}: neither can be negative")
        records = [(entry.record, entry) for entry in self._entries.values()]
        sorting = [sort] if isinstance(sort, str) else list(sort)
        known = [record for record, _ in records]
        for name in sorting:
            if (unknown := unknown_field(known, name.removeprefix("-"))) is not None:
                raise KeyError(f"sort={name!r}: {unknown}")
        asked = dict.fromkeys(() if condition is None else fields_of(condition))
        notes = tuple(note for name in asked if (note := unknown_field(known, name)) is not None)
        if condition is not None:
            records = [pair for pair in records if condition.matches(pair[0], find_in_record)]
        total = len(records)
        for name in reversed(sorting):
            records = sorted_by(records, name, find_in_record)
        chosen = records[offset:][:limit]
        shown = tuple(fields) or SHOWN
        rows = tuple({name: _one(find_in_record(record, name)) for name in shown} for record, _ in chosen)
        return Found(tuple(entry for _, entry in chosen), rows, total, notes)

    query = search

    # ---- changing --------------------------------------------------------------------------------------------------

    def add(self, remote_conn: Any, key: str | None = None, **meta: Any) -> CatalogEntry:
        """Add a database that exists, or renew its entry; one request.

        Parameters
        ----------
        remote_conn : S3Connection, str or dict
            Where it is. Its keys are not kept with the catalogue.
        key : str, optional
            What to call it; its uuid by default.
        **meta
            What to say about it, as JSON has it; searched for as ``meta.name`` or ``name``.

        Raises
        ------
        RemoteMissingError
            If there is no such database.
        """
        connection, said = as_connection(remote_conn), meta or None
        check_entry(key if self._group is not None else None, said)
        facts = read_facts(connection)
        name = facts.uuid if key is None else key
        if self._group is not None:
            self._group.enter(connection, facts, key, said)
        if name != facts.uuid:
            self._entries.pop(facts.uuid, None)
        self._entries[name] = self._entry(name, connection, facts, said)
        return self._entries[name]

    def remove(self, key: str) -> None:
        """Take an entry out; the database stays."""
        self[key]
        if self._group is not None:
            del self._group[key]
        del self._entries[key]

    def refresh(self) -> RefreshResult:
        """Ask every database again, with one request each; what cannot be read stays as it was.

        Returns
        -------
        RefreshResult
            Which are newer, and which could not be read.
        """
        entries = list(self._entries.values())
        threads = max((entry.connection.threads for entry in entries), default=1)
        updated, failures = [], {}
        found = read_many([entry.connection for entry in entries], threads)
        for entry, facts in zip(entries, found, strict=True):
            if isinstance(facts, Exception):
                failures[entry.key] = facts
            elif facts != entry.facts:
                updated.append(entry.key)
                if self._group is not None and self._group.writable:
                    self._group.enter(entry.connection, facts, entry.key, entry.meta)
                self._entries[entry.key] = self._entry(entry.key, entry.connection, facts, entry.meta)
        return RefreshResult(tuple(updated), failures, len(entries))

    def push(self, **options: Any) -> PushResult:
        """Publish the entries, for others to find; parameters as for `EBooklet.push`."""
        if self._group is None:
            raise ValueError("this catalogue is only here: Catalog.open(remote_conn, flag='c') makes one to be shared")
        return self._group.push(**options)

    def close(self) -> None:
        """Close the connection group; entries that were not pushed stay pending in its file."""
        if self._group is not None:
            self._group.close()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._group is not None:
            self._group.__exit__(kind, error, trace)


def _reached(connection: Connection, entry: Mapping[str, Any]) -> Connection:
    """The place of a member; one in the bucket of the catalogue is reached with the same keys."""
    member = as_connection(entry)
    if isinstance(member, S3Connection) and member.db_url is None and same_bucket(connection, member):
        inside = isinstance(connection, S3Connection) and member.db_key.startswith(connection.access.prefix)
        return connection.at(member.db_key) if inside else member
    return member


def _one(values: list[Any]) -> Any:
    """The value of a field, or all of several."""
    return values[0] if len(values) == 1 else values or None
