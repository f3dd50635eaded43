"""What does a catalogue know of one database, and how is it opened from there?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ebooklet.connection import Connection
from ebooklet.facts import DatabaseFacts
from ebooklet.history import Log
from ebooklet.mapping import TYPES
from ebooklet.query import find_fields
from ebooklet.sizes import byte_size
from ebooklet.sync.history import listed_versions
from ebooklet.sync.version import open_version

Opener = Callable[..., Any]
#: Where a field is looked for, in this order, unless it is one of the record itself.
SCOPES = ("extents", "meta", "attrs", "remote_meta")
EXAMINED = 100  # entries whose names are looked through for a near one


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A database of a catalogue.

    Attributes
    ----------
    key : str
        What the catalogue calls it.
    connection : Connection
        Where it is.
    facts : DatabaseFacts
        What is known of it.
    meta
        What was said of it when it was added.
    """

    key: str
    connection: Connection
    facts: DatabaseFacts
    meta: Any = None
    openers: Mapping[str, Opener] = field(default_factory=dict, repr=False, compare=False)

    @property
    def uri(self) -> str:
        """Where it is, for messages."""
        return self.connection.uri

    @property
    def kind(self) -> str:
        """What it holds: ``'cfdb'``, ``'ebooklet'``, ``'rcg'``."""
        return self.facts.kind

    @property
    def record(self) -> dict[str, Any]:
        """Everything that can be searched for, as a nested dict."""
        facts, summary = self.facts, self.facts.summary
        return {
            "key": self.key,
            "uri": self.uri,
            "uuid": facts.uuid,
            "kind": facts.kind,
            "type": TYPES.get(facts.kind, facts.kind),
            "last_push": facts.last_push.isoformat(),
            "version": facts.version,
            "tags": list(facts.tags),
            "nbytes": facts.nbytes,
            "n_keys": facts.n_keys,
            "dataset_type": summary.get("dataset_type"),
            **{name: summary.get(name, {}) for name in ("attrs", "dims", "vars", "extents")},
            "meta": self.meta if isinstance(self.meta, Mapping) else {},
            "remote_meta": facts.metadata if isinstance(facts.metadata, Mapping) else {},
        }

    def open(self, *args: Any, **options: Any) -> Any:
        """Open the database; parameters as of `open_edataset` or `open_ebooklet` after the connection."""
        if self.kind not in self.openers:
            raise TypeError(
                f"{self.uri} holds {self.kind!r}, which nobody here opens; datasets are opened by cfdb.Catalog"
            )
        return self.openers[self.kind](self.connection, *args, **options)

    def versions(self) -> Log:
        """List its versions, the newest first; one request, and one for every page of a long history."""
        return versions_of(self.connection)

    def __str__(self) -> str:
        pushed = f"{self.facts.last_push:%Y-%m-%d %H:%M}"
        return f"{self.key}: {self.kind}, {byte_size(self.facts.nbytes)}, pushed {pushed}, {self.uri}"


def find_in_record(record: Any, path: str) -> list[Any]:
    """Values of a field: of the record itself, else of extents, what was said of it, attributes, metadata."""
    for scope in (record, *(record.get(name) for name in SCOPES)):
        values = find_fields(scope, path)
        if values:
            return values
    return []


def unknown_field(records: Sequence[Any], path: str) -> str | None:
    """What to say of a field that none of the records has; None if one has it, or there is none.

    Examples
    --------
    >>> unknown_field([{"kind": "cfdb", "attrs": {"title": "Rain"}}], "tittle")
    "no entry has the field 'tittle'; did you mean 'title'?"
    """
    if not records or any(find_in_record(record, path) for record in records):
        return None
    known = dict.fromkeys(name for record in records[:EXAMINED] for name in _names(record))
    near = get_close_matches(path, known, 2, 0.7)
    meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"no entry has the field {path!r}{meant}"


def _names(record: Mapping[str, Any]) -> Iterator[str]:
    """Every name that a field of a record can be asked for by, without the asterisk."""
    yield from _paths(record, 3)
    for scope in SCOPES:
        yield from _paths(record.get(scope), 2)


def _paths(fields: Any, depth: int) -> Iterator[str]:
    for name, value in fields.items() if isinstance(fields, Mapping) and depth else ():
        yield str(name)
        yield from (f"{name}.{inner}" for inner in _paths(value, depth - 1))


def versions_of(connection: Connection) -> Log:
    """List the versions of a database."""
    version = open_version(connection.store(), connection.db_key)
    return Log(version.place, listed_versions(version), version.root.tags)
