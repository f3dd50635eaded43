"""What does a push take, and what does it give?"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID, uuid4

from ebooklet.format.checksum import Buffer, fingerprint
from ebooklet.format.columns import column
from ebooklet.format.packing import versions_of
from ebooklet.format.snapshot import DEFAULT_GRACE
from ebooklet.format.table import Row
from ebooklet.format.uploaded import Uploaded
from ebooklet.plan.push import UPLOADS
from ebooklet.sync.fetch import Progress
from ebooklet.sync.version import RemoteVersion

OnConflict = Literal["raise", "ours", "theirs"]
ON_CONFLICT: tuple[OnConflict, ...] = ("raise", "ours", "theirs")


def check_on_conflict(on_conflict: str) -> None:
    """Raise `ValueError` for an answer to conflicts that does not exist."""
    if on_conflict not in ON_CONFLICT:
        raise ValueError(f"on_conflict={on_conflict!r}: choose {', '.join(map(repr, ON_CONFLICT))}")


class PushSource(Protocol):
    """The local side of a push."""

    def pending(self) -> Iterable[Row]:
        """Return own edits and tombstones, with times and notes, in the order of a key table."""

    def read(self, rows: Sequence[Row]) -> Iterable[Buffer]:
        """Return payload and tail of each row, in order; called from several threads."""

    def state(self, name: str) -> bytes | None:
        """Return what was kept under a name."""

    def set_state(self, name: str, data: bytes | None) -> None:
        """Keep something under a name, durably when it returns; None forgets it."""

    def settle(self, result: "PushResult") -> None:
        """Take over a commit, in one local commit of one's own.

        Marks as pushed the rows that still have the values of `result.versions()`, drops the tombstones of
        `result.removed`, and what was pending of `result.dropped` and `result.dropped_metadata`; clears the states
        ``push`` and ``push.acks``; keeps `result.version` as the version changes are based on.
        """


@dataclass(frozen=True, slots=True)
class PushOptions:
    """How to push.

    Attributes
    ----------
    uuid, kind, serializer, grace
        Of a database that is made by this push.
    message, tag : str
        What to say about the version, and a name for it.
    metadata : bytes or None
        The user's metadata (JSON) if it changed.
    summary : callable, optional
        Gives, as JSON, what is in the version then, for catalogues.
    replace : bool
        Whether the new version has nothing but what is pending.
    inline : sequence of str, or callable
        Keys of small values to keep in the root object, the most important first, or a function that gives them.
    group_bytes, num_groups
        Size or number of the packed objects.
    order : callable, optional
        Sorts the keys in the packs, instead of the order of the source.
    guards : mapping
        By prefix of pending keys, the keys of records they rely on.
    on_conflict : str
        ``'raise'``, ``'ours'`` (write over it) or ``'theirs'`` (give up the own changes of these keys).
    uploaded : Uploaded
        What workers have sent and this push publishes; the source has its rows among the pending ones.
    single_writer : bool
        The caller's word that nobody else writes, where the server has no conditional writes.
    verify_lease : callable, optional
        Makes sure that the caller holds the lease, called right before the commit; None when he has none.
    threads : int
        Uploads at the same time.
    attempts : int
        How many lost races to bear.
    progress : callable
        Called with the bytes uploaded and in all.
    """

    uuid: UUID = field(default_factory=uuid4)
    kind: str = "ebooklet"
    serializer: str = "bytes"
    grace: int = DEFAULT_GRACE
    message: str = ""
    tag: str | None = None
    metadata: bytes | None = None
    summary: Callable[[], bytes] | None = None
    replace: bool = False
    inline: Iterable[str] | Callable[[], Iterable[str]] = ()
    group_bytes: int | None = None
    num_groups: int | None = None
    order: Callable[[str], Any] | None = None
    guards: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    on_conflict: OnConflict = "raise"
    uploaded: Uploaded = field(default_factory=Uploaded)
    single_writer: bool = False
    verify_lease: Callable[[], None] | None = None
    threads: int = UPLOADS
    attempts: int = 200
    progress: Progress | None = None

    def __post_init__(self) -> None:
        check_on_conflict(self.on_conflict)

    def inline_keys(self) -> tuple[str, ...]:
        """Return the keys of small values to keep in the root object."""
        return tuple(self.inline() if callable(self.inline) else self.inline)


@dataclass(frozen=True, slots=True)
class PushResult:
    """What a push did.

    Attributes
    ----------
    version : RemoteVersion
        The version this push made, even if others have committed since.
    commit : bytes
        Id of the commit; empty when there was nothing to push.
    rows : tuple of Row
        Keys that were set, with the values' lengths and checksums.
    places : tuple of (bytes, int)
        Object and offset of each.
    removed : tuple of str
        Keys that were removed.
    dropped : tuple of str
        Pending keys that were given up for the remote's values (``on_conflict='theirs'``).
    metadata : bytes or None
        The metadata that was set.
    dropped_metadata : bytes or None
        Pending metadata that was given up likewise.
    replaced : bool
        Whether the version replaced everything.
    objects, nbytes : int
        Objects written and their bytes, the root included.
    attempts : int
        Commits tried; more than one if races were lost.
    merged : tuple of bytes
        Ids of the results of workers that it published.
    until : int
        Where no version was made: when the newest change was made that was given up, in microseconds since the epoch.
    """

    version: RemoteVersion
    commit: bytes = b""
    rows: tuple[Row, ...] = ()
    places: tuple[tuple[bytes, int], ...] = ()
    removed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    metadata: bytes | None = None
    replaced: bool = False
    objects: int = 0
    nbytes: int = 0
    attempts: int = 0
    dropped_metadata: bytes | None = None
    merged: tuple[bytes, ...] = ()
    until: int = 0

    def __bool__(self) -> bool:
        return bool(self.commit)

    def versions(self) -> Iterable[tuple[Row, int]]:
        """Iterate over the keys that were set: (row, the version a local copy of this value has now)."""
        marks = {name: fingerprint(name) for name in {name for name, _ in self.places}}
        packs = column((marks[name] for name, _ in self.places), len(self.places))
        offsets = column((offset for _, offset in self.places), len(self.places))
        return zip(self.rows, versions_of(packs, offsets).tolist(), strict=True)

    def __str__(self) -> str:
        if not self:
            return "nothing to push"
        values = f"{len(self.rows)} values" + (f", {len(self.removed)} removed" if self.removed else "")
        return f"pushed {values}: {self.objects} objects, {self.nbytes} bytes"
