"""Which databases belong together, and how does one connect to them?"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ebooklet.connection import Connection, as_connection
from ebooklet.facts import DatabaseFacts, read_facts
from ebooklet.mapping import TYPES, EBooklet

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
        if key is not None and not KEY.fullmatch(_text(key)):
            raise ValueError(f"key {key!r}: use letters, digits, '.', '_' and '-'")
        _check_json(user_meta)
        connection = as_connection(remote_conn)
        facts = read_facts(connection)
        uuid = facts.uuid
        super().set(uuid if key is None else key, entry_of(connection, facts, user_meta))
        if key not in (None, uuid) and uuid in self:
            del self[uuid]

    def set(
        self, key: str, value: Any, timestamp: int | str | datetime | None = None, encode_value: bool = True
    ) -> None:
        """Add the database at the connection `value` under `key`, like :meth:`add`."""
        self.add(value, key=key)

    def update(self, other: Any = (), /, **kwargs: Any) -> None:
        """Add several databases: a mapping, pairs or keywords of keys and connections."""
        for key, value in dict(other, **kwargs).items():
            self.add(value, key=key)


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


def _text(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"key {key!r} is a {type(key).__name__}: keys are str")
    return key


def _check_json(user_meta: Any) -> None:
    try:
        json.dumps(user_meta, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"user_meta cannot be written as JSON: {error}") from None
