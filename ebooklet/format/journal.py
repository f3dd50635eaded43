"""What must a client remember about a push in progress, so that a crash loses and repeats nothing?

Three entries of the local file's state: ``push`` is written before the first byte is sent and again for every attempt
to commit; ``push.acks`` lists the packs that arrived; ``guards`` says which records the pending keys rely on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from ebooklet.format.checksum import Buffer
from ebooklet.format.frame import Fields, seal, unseal
from ebooklet.format.names import NAME_BYTES
from ebooklet.format.pages import Row, decode_rows, encode_rows

PUSH_STATE, ACKS_STATE, GUARDS_STATE = "push", "push.acks", "guards"

_PUSH, _ACKS, _GUARDS = b"EBJP", b"EBJA", b"EBJG"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = 1 << 22


@dataclass(frozen=True, slots=True)
class Upload:
    """A pack of a push in progress.

    Attributes
    ----------
    name : bytes
        Name of the object.
    size, cold_offset, cold_length, cold_digest
        As in the snapshot's description of it.
    """

    name: bytes
    size: int
    cold_offset: int
    cold_length: int
    cold_digest: bytes


@dataclass(frozen=True, slots=True)
class PushJournal:
    """A push in progress.

    Attributes
    ----------
    uuid : UUID
        The database.
    commit : bytes
        Id of the commit; the same for every attempt.
    root : bytes
        The root object it puts in place.
    base_etag : str
        ETag of the root object it replaces; empty when it creates one.
    uploads : tuple of Upload
        The packs.
    rows : tuple of Row
        What is in them; `pack` is an index into `uploads`.
    removed : tuple of str
        Keys the commit removes.
    dropped : tuple of str
        Keys whose pending changes were given up.
    metadata : bytes or None
        The user's metadata it sets.
    replace : bool
        Whether it replaces everything.
    dropped_metadata : bytes or None
        The user's metadata if they were given up.
    merged : tuple of bytes
        Ids of the results of workers that it publishes.
    """

    uuid: UUID
    commit: bytes
    root: bytes
    base_etag: str
    uploads: tuple[Upload, ...]
    rows: tuple[Row, ...]
    removed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    metadata: bytes | None = None
    replace: bool = False
    dropped_metadata: bytes | None = None
    merged: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        """Write the journal."""
        return seal(
            _PUSH,
            {
                "requires": [],
                "uuid": self.uuid.bytes,
                "commit": self.commit,
                "root": self.root,
                "base_etag": self.base_etag,
                "uploads": encode_uploads(self.uploads),
                "rows": encode_rows(self.rows, self.removed),
                "dropped": encode_rows((), self.dropped),
                "metadata": self.metadata,
                "replace": self.replace,
                "dropped_metadata": self.dropped_metadata,
                "merged": list(self.merged),
            },
        )

    @classmethod
    def decode(cls, data: Buffer) -> "PushJournal":
        """Read a journal."""
        fields = unseal(_PUSH, "the journal of a push", data)
        uploads, rows, removed = decode_uploaded(fields)
        return cls(
            uuid=UUID(bytes=fields.exactly("uuid", 16)),
            commit=fields.exactly("commit", 16),
            root=fields.blob("root"),
            base_etag=fields.text("base_etag", 1024),
            uploads=uploads,
            rows=rows,
            removed=removed,
            dropped=tuple(decode_rows(fields.blob("dropped"))[1]),
            metadata=fields.blob("metadata") if fields.has("metadata") else None,
            replace=fields.flag("replace"),
            dropped_metadata=fields.blob("dropped_metadata") if fields.has("dropped_metadata") else None,
            merged=decode_ids(fields, "merged"),
        )


def encode_uploads(uploads: Iterable[Upload]) -> list[list[Any]]:
    """Write packs."""
    return [[u.name, u.size, u.cold_offset, u.cold_length, u.cold_digest] for u in uploads]


def decode_uploaded(fields: Fields) -> tuple[tuple[Upload, ...], tuple[Row, ...], tuple[str, ...]]:
    """Read packs, the rows in them, and removed keys."""
    uploads = tuple(_upload(fields, plain) for plain in fields.items("uploads", _MOST))
    rows, removed = decode_rows(fields.blob("rows"))
    if any(row.pack >= len(uploads) for row in rows):
        raise fields.fault("a row is in no pack")
    return uploads, tuple(rows), tuple(removed)


def decode_ids(fields: Fields, name: str) -> tuple[bytes, ...]:
    """Read a list of ids."""
    found = fields.items(name, _MOST)
    if not all(isinstance(one, bytes) and len(one) == 16 for one in found):
        raise fields.fault("an id is damaged")
    return tuple(found)


def encode_acks(acks: Mapping[bytes, datetime]) -> bytes:
    """Write which packs arrived, and when by the server's clock."""
    return seal(_ACKS, {"requires": [], "acks": [[name, _microseconds(when)] for name, when in acks.items()]})


def decode_acks(data: Buffer) -> dict[bytes, datetime]:
    """Read which packs arrived."""
    fields = unseal(_ACKS, "the list of uploads", data)
    found = {}
    for plain in fields.items("acks", _MOST):
        match plain:
            case [bytes(name), int(when)] if len(name) == NAME_BYTES and 0 <= when < 1 << 56:
                found[name] = _EPOCH + timedelta(microseconds=when)
            case _:
                raise fields.fault("an entry is damaged")
    return found


def encode_guards(guards: Mapping[str, tuple[str, ...]]) -> bytes:
    """Write which records guard the pending keys of each prefix.

    Examples
    --------
    >>> decode_guards(encode_guards({"abcdefgh/": ("v/t", "d/time")}))
    {'abcdefgh/': ('v/t', 'd/time')}
    """
    return seal(_GUARDS, {"requires": [], "guards": {prefix: list(keys) for prefix, keys in guards.items()}})


def decode_guards(data: Buffer) -> dict[str, tuple[str, ...]]:
    """Read which records guard the pending keys of each prefix."""
    fields = unseal(_GUARDS, "the guards of pending changes", data)
    found = {}
    for prefix, keys in fields.table("guards", _MOST).items():
        if not isinstance(prefix, str) or not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise fields.fault("an entry is damaged")
        found[prefix] = tuple(keys)
    return found


def _upload(fields: Fields, plain: Any) -> Upload:
    match plain:
        case [bytes(name), int(size), int(start), int(length), bytes(check)] if len(name) == NAME_BYTES:
            return Upload(name, size, start, length, check)
    raise fields.fault("an upload is damaged")


def _microseconds(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(microseconds=1)
