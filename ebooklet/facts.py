"""What does the root object of a remote database tell about it, without a look at its values?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ebooklet.connection import Connection
from ebooklet.plan.summary import read_summary
from ebooklet.sync.version import RemoteVersion, open_version
from ebooklet.sync.workers import completed
from ebooklet.times import moment


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What one request for the root object tells.

    Attributes
    ----------
    uuid : str
        Identity of the database, 32 hexadecimal digits.
    kind : str
        What it holds: ``'cfdb'``, ``'ebooklet'``, ``'rcg'``.
    time : int
        When it was last pushed, microseconds since the epoch.
    version : str
        Id of the newest version.
    nbytes : int
        Bytes of the objects that this version needs, the root included.
    n_keys : int
        Number of keys.
    metadata
        What the user keeps with the database; None without any.
    summary : mapping
        What cfdb says about a dataset: ``attrs``, ``dims``, ``vars``, ``extents``; empty where nobody said.
    tags : tuple of str
        Names of versions.
    """

    uuid: str
    kind: str
    time: int
    version: str
    nbytes: int
    n_keys: int
    metadata: Any = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def last_push(self) -> datetime:
        """When it was last pushed (UTC)."""
        return moment(self.time)

    @classmethod
    def of(cls, version: RemoteVersion) -> "DatabaseFacts":
        """Take them from a version that was opened."""
        root, snapshot = version.root, version.snapshot
        return cls(
            uuid=version.uuid.hex,
            kind=root.kind,
            time=snapshot.time,
            version=snapshot.id.hex(),
            nbytes=len(version.cached.body) + sum(pack.size for pack in snapshot.packs if pack is not None),
            n_keys=len(version),
            metadata=_parsed(snapshot.metadata),
            summary=read_summary(snapshot.summary),
            tags=tuple(sorted(root.tags)),
        )


def read_facts(connection: Connection) -> DatabaseFacts:
    """Ask for the root object of a database: one request.

    Raises
    ------
    RemoteMissingError
        If there is no database.
    """
    return DatabaseFacts.of(open_version(connection.store(), connection.db_key))


def read_many(connections: Sequence[Connection], threads: int) -> list[DatabaseFacts | Exception]:
    """Ask for several, at the same time; an error in the place of what cannot be read."""
    jobs = [lambda one=connection: read_facts(one) for connection in connections]
    found: dict[int, DatabaseFacts | Exception] = dict(completed(jobs, threads))
    return [found[number] for number in range(len(connections))]


def _parsed(data: bytes) -> Any:
    """What others wrote; None for what is no JSON."""
    try:
        return json.loads(data) if data else None
    except ValueError:
        return None
