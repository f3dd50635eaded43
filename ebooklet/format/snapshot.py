"""What is a version of a remote database, and what does its root object say?"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ebooklet.errors import CorruptFileError
from ebooklet.format.checksum import Buffer, digest
from ebooklet.format.frame import Fields, seal, unseal
from ebooklet.format.names import NAME_BYTES

ROOT_MAGIC, SNAPSHOT_MAGIC = b"EBRT", b"EBSN"
HISTORY_FEATURE = "history"  # the root lists the versions that are kept
KNOWN_FEATURES: frozenset[str] = frozenset({HISTORY_FEATURE})

MAX_ROOT = 4 << 20  # bytes of a root object
MAX_COMMITS = 64
MAX_INLINE = 64 << 10  # bytes of all inline values
MAX_PACKS = 1 << 20
MAX_TAGS = 1 << 14
MAX_METADATA = 1 << 20
MAX_SUMMARY = 64 << 10
MAX_MESSAGE = 1 << 16
MAX_ENTRIES = 128  # versions listed in a root object, or in one page of the history
ENTRY_MESSAGE = 500  # characters of a message that the list keeps; the snapshot has all of it
DEFAULT_GRACE = 24 * 3600
MODES = ("cas", "lease", "single_writer")
INLINE = 0xFFFFFFFF  # the "object" of a page that stands in the snapshot itself

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TAG = re.compile(r"[^\x00-\x1f\x7f]{1,255}")


@dataclass(frozen=True, slots=True)
class SnapshotRef:
    """Where a snapshot stands.

    Attributes
    ----------
    object : bytes
        Name of the object.
    offset, length : int
        Its place in the object.
    digest : bytes
        Digest of the snapshot.
    """

    object: bytes
    offset: int
    length: int
    digest: bytes

    def plain(self) -> list[Any]:
        """Return a list for msgpack."""
        return [self.object, self.offset, self.length, self.digest]

    @classmethod
    def of(cls, plain: Any, what: str) -> "SnapshotRef":
        """Check a list from elsewhere."""
        match plain:
            case [bytes(name), int(offset), int(length), bytes(check)]:
                if len(name) == len(check) == NAME_BYTES and 0 <= offset < 1 << 62 and 0 < length <= MAX_ROOT:
                    return cls(name, offset, length, check)
        raise CorruptFileError(f"{what}: a reference to a snapshot is damaged")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the history of a database says about one version.

    Attributes
    ----------
    id : bytes
        Its id.
    time : int
        Microseconds since the epoch.
    ref : SnapshotRef or None
        Where its snapshot stands; None for one that stands nowhere but in the root object.
    keys, nbytes : int
        How many keys it set or removed, and the bytes of the objects it brought.
    message : str
        The beginning of what the user said about it.
    """

    id: bytes
    time: int
    ref: SnapshotRef | None
    keys: int = 0
    nbytes: int = 0
    message: str = ""

    def plain(self) -> list[Any]:
        """Return a list for msgpack."""
        message = self.message[:ENTRY_MESSAGE]
        return [self.id, self.time, self.ref.plain() if self.ref else None, self.keys, self.nbytes, message]

    @classmethod
    def of(cls, plain: Any, what: str) -> "Entry":
        """Check a list from elsewhere."""
        match plain:
            case [bytes(name), int(time), None | list() as ref, int(keys), int(nbytes), str(message)]:
                numbers_fit = all(0 <= number < 1 << 62 for number in (time, keys, nbytes))
                if len(name) == 16 and numbers_fit and len(message) <= ENTRY_MESSAGE:
                    found = None if ref is None else SnapshotRef.of(ref, what)
                    return cls(name, time, found, keys, nbytes, message)
        raise CorruptFileError(f"{what}: an entry of the history is damaged")


@dataclass(frozen=True, slots=True)
class Pack:
    """A packed object, as a snapshot sees it.

    Attributes
    ----------
    name : bytes
        Name of the object.
    size : int
        Bytes up to the end of its values and notes.
    cold_offset, cold_length, cold_digest
        Place of times and notes of its values in it; length 0 = there are none.
    live_rows, live_bytes : int
        Values that the snapshot still refers to.
    """

    name: bytes
    size: int
    cold_offset: int = 0
    cold_length: int = 0
    cold_digest: bytes = b""
    live_rows: int = 0
    live_bytes: int = 0

    def plain(self) -> list[Any]:
        """Return a list for msgpack."""
        return [
            self.name,
            self.size,
            self.cold_offset,
            self.cold_length,
            self.cold_digest,
            self.live_rows,
            self.live_bytes,
        ]

    @classmethod
    def of(cls, plain: Any, what: str) -> "Pack | None":
        """Check a list from elsewhere; None is a pack nothing refers to any more."""
        match plain:
            case None:
                return None
            case [bytes(name), int(size), int(start), int(length), bytes(check), int(rows), int(live)]:
                numbers_fit = all(0 <= number < 1 << 62 for number in (size, start, length, rows, live))
                if len(name) == NAME_BYTES and numbers_fit and len(check) in (0, 16) and start + length <= size:
                    return cls(name, size, start, length, check, rows, live)
        raise CorruptFileError(f"{what}: the description of a pack is damaged")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a database.

    Attributes
    ----------
    id : bytes
        16 random bytes, the id of the commit that made it.
    parent : SnapshotRef or None
        The version before.
    parent_id : bytes
        Its id; empty for the first version.
    time : int
        Microseconds since the epoch; later than the parent's.
    message : str
        What the user says about it.
    metadata : bytes
        The user's metadata as JSON; empty when there is none.
    metadata_time : int
        When it was set.
    summary : bytes
        What is in it, for catalogues, as JSON; empty when nobody said. It is no part of the content: a writer that does
        not know it leaves it out.
    packs : tuple
        Packs by index; None for one that is referred to no more.
    directory : bytes
        Directory of the key table.
    pages : mapping
        Pages of the table that stand in the snapshot itself, by digest.
    kind, serializer : str
        As in the root object, which may say something else since the database was replaced; empty = as it says.
    """

    id: bytes
    parent: SnapshotRef | None
    parent_id: bytes
    time: int
    message: str = ""
    metadata: bytes = b""
    metadata_time: int = 0
    summary: bytes = b""
    packs: tuple[Pack | None, ...] = ()
    directory: bytes = b""
    pages: Mapping[bytes, bytes] = field(default_factory=dict)
    kind: str = ""
    serializer: str = ""
    requires: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Write the snapshot."""
        if len(self.metadata) > MAX_METADATA:
            raise ValueError(f"the metadata has {len(self.metadata)} bytes, at most {MAX_METADATA} are possible")
        if len(self.message) > MAX_MESSAGE:
            raise ValueError(f"the message has {len(self.message)} characters, at most {MAX_MESSAGE} are possible")
        if len(self.summary) > MAX_SUMMARY:
            raise ValueError(f"the summary has {len(self.summary)} bytes, at most {MAX_SUMMARY} are possible")
        return seal(
            SNAPSHOT_MAGIC,
            {
                "requires": list(self.requires),
                "uses": list(self.uses),
                "id": self.id,
                "parent": self.parent.plain() if self.parent else None,
                "parent_id": self.parent_id,
                "time": self.time,
                "message": self.message,
                "metadata": self.metadata,
                "metadata_time": self.metadata_time,
                **({"summary": self.summary} if self.summary else {}),
                "packs": [pack.plain() if pack else None for pack in self.packs],
                "directory": self.directory,
                "pages": list(self.pages.values()),
                **{name: text for name, text in (("kind", self.kind), ("serializer", self.serializer)) if text},
            },
        )

    @classmethod
    def decode(cls, data: Buffer) -> "Snapshot":
        """Read a snapshot; typed errors for anything else."""
        what = "the snapshot"
        fields = unseal(SNAPSHOT_MAGIC, what, data, KNOWN_FEATURES)
        pages = fields.items("pages", 64)
        if not all(isinstance(page, bytes) for page in pages):
            raise fields.fault("a page of the key table is no bytes")
        return cls(
            id=fields.exactly("id", 16),
            parent=SnapshotRef.of(fields.items("parent", 4), what) if fields.has("parent") else None,
            parent_id=fields.blob("parent_id", 16),
            time=fields.number("time"),
            message=fields.text("message", MAX_MESSAGE),
            metadata=fields.blob("metadata", MAX_METADATA),
            metadata_time=fields.number("metadata_time"),
            summary=fields.blob("summary", MAX_SUMMARY) if fields.has("summary") else b"",
            packs=tuple(Pack.of(plain, what) for plain in fields.items("packs", MAX_PACKS)),
            directory=fields.blob("directory"),
            pages={digest(page): page for page in pages},
            kind=_word(fields, "kind") if fields.holds("kind") else "",
            serializer=_word(fields, "serializer") if fields.holds("serializer") else "",
            requires=fields.features("requires"),
            uses=fields.features("uses"),
        )


@dataclass(frozen=True, slots=True)
class Root:
    """What the one object that is ever overwritten says.

    Attributes
    ----------
    uuid : UUID
        Identity of the database.
    kind : str
        What it holds: ``'ebooklet'``, ``'rcg'``, ``'cfdb'``...
    serializer : str
        Name of the serializer of its values.
    mode : str
        How commits are kept apart: ``'cas'`` (conditional writes), ``'lease'`` or ``'single_writer'``.
    grace : int
        Seconds for which an object nobody refers to is kept.
    commits : tuple of bytes
        Ids of the last 64 commits, the newest first.
    snapshot : bytes
        The current version, as `Snapshot.encode` wrote it.
    ref : SnapshotRef or None
        Where that stands as well; None after a copy, until the next push.
    tags : mapping
        Named versions.
    inline : mapping
        Small values by key, payload and tail, so that opening needs no second request.
    copied_from : UUID or None
        The database this one was copied from.
    history : tuple of Entry
        Versions that are kept, the newest first, the current one included; none in a database that lists none, whose
        versions are found by their parents.
    older : SnapshotRef or None
        Where the list goes on: a page of the history, or the snapshot of a version that is found by its parents.
    """

    uuid: UUID
    kind: str
    serializer: str
    snapshot: bytes
    ref: SnapshotRef | None
    commits: tuple[bytes, ...]
    mode: str = "cas"
    grace: int = DEFAULT_GRACE
    tags: Mapping[str, SnapshotRef] = field(default_factory=dict)
    inline: Mapping[str, bytes] = field(default_factory=dict)
    copied_from: UUID | None = None
    history: tuple[Entry, ...] = ()
    older: SnapshotRef | None = None
    requires: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    @property
    def unknown_uses(self) -> tuple[str, ...]:
        """Features in use that this release does not know: the database can be read, not written."""
        return tuple(sorted({*self.uses, *Snapshot.decode(self.snapshot).uses} - KNOWN_FEATURES))

    def encode(self) -> bytes:
        """Write the root object."""
        for name in self.tags:
            check_tag(name)
        for word in (self.kind, self.serializer):
            if not _WORD.fullmatch(word):
                raise ValueError(f"{word!r} is no name of a kind or serializer: letters, digits, '_', '.', '-'")
        return seal(
            ROOT_MAGIC,
            {
                "requires": list(self.requires),
                "uses": list(self.uses),
                "uuid": self.uuid.bytes,
                "kind": self.kind,
                "serializer": self.serializer,
                "mode": self.mode,
                "grace": self.grace,
                "commits": list(self.commits[:MAX_COMMITS]),
                "snapshot": self.snapshot,
                "ref": self.ref.plain() if self.ref else None,
                "tags": {name: ref.plain() for name, ref in self.tags.items()},
                "inline": dict(self.inline),
                "copied_from": self.copied_from.bytes if self.copied_from else None,
                "history": [entry.plain() for entry in self.history],
                "older": self.older.plain() if self.older else None,
            },
        )

    @classmethod
    def decode(cls, data: Buffer) -> "Root":
        """Read a root object; typed errors for anything else."""
        what = "the root of the database"
        if len(data) > MAX_ROOT:
            raise CorruptFileError(f"{what} has {len(data)} bytes, at most {MAX_ROOT} are possible")
        fields = unseal(ROOT_MAGIC, what, data, KNOWN_FEATURES)
        root = cls(
            uuid=UUID(bytes=fields.exactly("uuid", 16)),
            kind=_word(fields, "kind"),
            serializer=_word(fields, "serializer"),
            snapshot=fields.blob("snapshot"),
            ref=SnapshotRef.of(fields.items("ref", 4), what) if fields.has("ref") else None,
            commits=_commits(fields),
            mode=fields.text("mode", 32),
            grace=fields.number("grace", 1 << 40),
            tags={
                _tag(fields, name): SnapshotRef.of(ref, what) for name, ref in fields.table("tags", MAX_TAGS).items()
            },
            inline=_inline(fields),
            copied_from=UUID(bytes=fields.exactly("copied_from", 16)) if fields.has("copied_from") else None,
            history=entries_of(fields, "history", what) if fields.has("history") else (),
            older=SnapshotRef.of(fields.items("older", 4), what) if fields.has("older") else None,
            requires=fields.features("requires"),
            uses=fields.features("uses"),
        )
        if root.mode not in MODES:
            raise fields.fault(f"the commit mode {root.mode!r} is unknown")
        if root.ref is not None and digest(root.snapshot) != root.ref.digest:
            raise fields.fault("the snapshot is not the one the root refers to")
        return root


def entries_of(fields: Fields, name: str, what: str) -> tuple[Entry, ...]:
    """Check a list of versions from elsewhere."""
    return tuple(Entry.of(plain, what) for plain in fields.items(name, MAX_ENTRIES))


def check_tag(name: str) -> str:
    """Return the name of a tag if it can be one: 1-255 printable characters."""
    if not _TAG.fullmatch(name):
        raise ValueError(f"{name!r} cannot be a tag: 1-255 characters, none of them a control character")
    return name


def _tag(fields: Fields, name: Any) -> str:
    if not isinstance(name, str) or not _TAG.fullmatch(name):
        raise fields.fault(f"{name!r} is no tag")
    return name


def _word(fields: Fields, name: str) -> str:
    found = fields.text(name, 64)
    if not _WORD.fullmatch(found):
        raise fields.fault(f"{found!r} is no {name}")
    return found


def _commits(fields: Fields) -> tuple[bytes, ...]:
    found = fields.items("commits", MAX_COMMITS)
    if not all(isinstance(commit, bytes) and len(commit) == 16 for commit in found):
        raise fields.fault("an id of a commit is damaged")
    return tuple(found)


def _inline(fields: Fields) -> dict[str, bytes]:
    found = fields.table("inline", MAX_INLINE)
    if not all(isinstance(key, str) and isinstance(value, bytes) for key, value in found.items()):
        raise fields.fault("an inline value is damaged")
    return found
