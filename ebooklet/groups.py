"""Which databases belong together, and how does one connect to them?"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ebooklet.batches import checked_pair
from ebooklet.connection import Connection, as_connection
from ebooklet.facts import DatabaseFacts, read_facts
from ebooklet.mapping import TYPES, EBooklet
from ebooklet.plan.summary import checked_summary

ENTRY_VERSION = 1
KEY = re.compile(r"[A-Za-z0-9._-]+")


class RemoteConnGroup(EBooklet):
    """A synced collection of connections to remote databases, without their credentials.

    Made by ``ebooklet.open(..., remote_conn_group=True)`` or :func:`ebooklet.open_rcg`. Keys are the uuids of the
    members unless another key is given; values are dicts with `entry_version`, `type`, `timestamp`, `remote_meta`,
    `user_meta` and `remote_conn`, and beside these what a catalogue is searched for: `uuid`, `kind`, `version`, `tags`,
    `nbytes`, `n_keys` and `summary`. A value may be passed wherever a connection is expected.
    """

    def add(
        self, remote_conn: Connection | str | Mapping[str, Any], key: str | None = None, user_meta: Any = None
    ) -> None:
        """Add a database that exists, or renew its entry.

        Parameters
        ----------
        remote_conn
            Where the database is.
        key
            Under which key; its uuid by default. An entry under the uuid gives way to one under a key.
        user_meta
            Anything that JSON can hold.

        Raises
        ------
        RemoteMissingError
            If there is no such database.
        """
        self._check_writable()
        check_entry(key, user_meta)
        connection = as_connection(remote_conn)
        facts = read_facts(connection)
        self.enter(connection, facts, key, user_meta)

    def enter(self, connection: Connection, facts: DatabaseFacts, key: str | None = None, user_meta: Any = None) -> str:
        """Write the entry of a database of which the facts are known; return its key."""
        chosen = facts.uuid if key is None else key
        super().set(chosen, entry_of(connection, facts, user_meta))
        if chosen != facts.uuid and facts.uuid in self:
            del self[facts.uuid]
        return chosen

    def set(
        self, key: str, value: Any, timestamp: int | str | datetime | None = None, encode_value: bool = True
    ) -> None:
        """Add the database at the connection `value` under `key`, like :meth:`add`."""
        self.add(value, key=key)

    def _put(self, pairs: Sequence[tuple[str, Any]]) -> int:
        """Add databases one after another."""
        for key, connection in map(checked_pair, pairs):
            self.add(connection, key=key)
        return sum(size or 0 for size in self.sizes([key for key, _ in pairs]))


def entry_of(connection: Connection, facts: DatabaseFacts, user_meta: Any) -> dict[str, Any]:
    """What a group keeps of a database."""
    return {
        "entry_version": ENTRY_VERSION,
        "type": TYPES.get(facts.kind, facts.kind),
        "timestamp": facts.time,
        "remote_meta": facts.metadata,
        "user_meta": user_meta,
        "remote_conn": connection.to_dict(),
        "uuid": facts.uuid,
        "kind": facts.kind,
        "version": facts.version,
        "tags": list(facts.tags),
        "nbytes": facts.nbytes,
        "n_keys": facts.n_keys,
        "summary": dict(facts.summary),
    }


def facts_of(entry: Mapping[str, Any]) -> DatabaseFacts:
    """What an entry tells of its database."""
    kinds = {name: kind for kind, name in TYPES.items()}
    return DatabaseFacts(
        uuid=entry.get("uuid", ""),
        kind=entry.get("kind") or kinds.get(entry["type"], entry["type"]),
        time=entry["timestamp"],
        version=entry.get("version", ""),
        nbytes=entry.get("nbytes", 0),
        n_keys=entry.get("n_keys", 0),
        metadata=entry.get("remote_meta"),
        summary=checked_summary(entry.get("summary")),
        tags=tuple(entry.get("tags", ())),
    )


def check_entry(key: object, user_meta: Any) -> None:
    """Refuse a key that cannot be one, and what JSON cannot hold."""
    if key is not None and not KEY.fullmatch(_text(key)):
        raise ValueError(f"key {key!r}: use letters, digits, '.', '_' and '-'")
    _check_json(user_meta)


def _text(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"key {key!r} is a {type(key).__name__}: keys are str")
    return key


def _check_json(user_meta: Any) -> None:
    try:
        json.dumps(user_meta, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"user_meta cannot be written as JSON: {error}") from None
