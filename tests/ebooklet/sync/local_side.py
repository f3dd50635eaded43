"""The local side of a push in memory: what a working copy does, in forty lines."""

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from ebooklet.format.checksum import crc32c
from ebooklet.format.table import Row, order_key
from ebooklet.stores.protocol import ObjectStore
from ebooklet.sync.contract import PushOptions, PushResult
from ebooklet.sync.push import push
from ebooklet.sync.version import RemoteVersion, find_version

KEY = "folder/data.cfdb"
_clock = itertools.count(1_700_000_000_000_000)


class Client:
    """Edits of one client over a version of the remote."""

    def __init__(self, store: ObjectStore, version: RemoteVersion | None = None) -> None:
        self.store = store
        self.version = version
        self.uuid = uuid4()
        self.rows: dict[str, Row] = {}
        self.values: dict[str, bytes] = {}
        self.states: dict[str, bytes] = {}

    @classmethod
    def opened(cls, store: ObjectStore) -> "Client":
        return cls(store, find_version(store, KEY))

    def __setitem__(self, key: str, payload: bytes) -> None:
        self.write(key, payload)

    def write(self, key: str, payload: bytes, tail: bytes = b"", note: bytes = b"") -> None:
        crc = crc32c(key.encode(), payload)
        self.rows[key] = Row(key, 0, len(payload), crc, len(tail), timestamp=next(_clock), note=note)
        self.values[key] = payload + tail

    def __delitem__(self, key: str) -> None:
        self.rows[key] = Row(key, 0, 0, 0, deleted=True)

    def pending(self) -> list[Row]:
        pending = [row for row in self.rows.values() if row.version == 0 or row.deleted]
        return sorted(pending, key=lambda row: order_key(row.key))

    def read(self, rows: Sequence[Row]) -> Iterable[bytes]:
        return [self.values[row.key] for row in rows]

    def state(self, name: str) -> bytes | None:
        return self.states.get(name)

    def set_state(self, name: str, data: bytes | None) -> None:
        if data is None:
            self.states.pop(name, None)
        else:
            self.states[name] = data

    def settle(self, result: PushResult) -> None:
        for row, version in result.versions():
            mine = self.rows.get(row.key)
            if mine is not None and (mine.crc, mine.timestamp) == (row.crc, row.timestamp):
                self.rows[row.key] = replace(mine, version=version)
        for key in (*result.removed, *result.dropped):
            if key in result.dropped or self.rows[key].deleted:
                self.rows.pop(key, None)
        self.states.clear()
        self.version = result.version

    def push(self, **options: Any) -> PushResult:
        return push(self.store, KEY, self, self.version, PushOptions(uuid=self.uuid, **options))


def chunk(size: int, seed: object) -> bytes:
    """Bytes that nothing compresses."""
    return random.Random(str(seed)).randbytes(size)


def filled(client: Client, count: int, size: int, seed: str = "") -> dict[str, bytes]:
    """Write a grid of chunks and return it."""
    made = {f"abcdefgh/{n // 40}.{n % 40}": chunk(size, f"{seed}{n}") for n in range(count)}
    for key, value in made.items():
        client.write(key, value, tail=b"T" * 32, note=b"statistics of " + key.encode())
    return made


def contents(version: RemoteVersion) -> dict[str, bytes]:
    """Read everything, payloads only."""
    found = {}
    for row, value in version.fetch(list(version.iter_rows())):
        if isinstance(value, Exception):
            raise value
        found[row.key] = value[: row.length]
    return found


def remote(store: ObjectStore) -> dict[str, bytes] | None:
    """What a new reader sees."""
    version = find_version(store, KEY)
    return None if version is None else contents(version)
