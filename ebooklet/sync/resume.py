"""What is left of a push that was cut short, and what of it can be used?"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from ebooklet.errors import FileFormatError, StoreError, UploadsTooOldError
from ebooklet.format.journal import ACKS_STATE, PUSH_STATE, PushJournal, Upload, decode_acks, encode_acks
from ebooklet.format.names import object_text
from ebooklet.format.table import Row
from ebooklet.format.uploaded import Uploaded
from ebooklet.sizes import duration_text
from ebooklet.stores.protocol import ObjectStore
from ebooklet.sync.commit import own_version
from ebooklet.sync.contract import PushResult
from ebooklet.sync.version import RemoteVersion

SECONDS_BETWEEN = 2.0


class State(Protocol):
    """Where a push keeps its journal."""

    def state(self, name: str) -> bytes | None:
        """Return what was kept under a name."""

    def set_state(self, name: str, data: bytes | None) -> None:
        """Keep something under a name."""


@dataclass(frozen=True, slots=True)
class Reusable:
    """Packs that arrived for a push that did not commit.

    Attributes
    ----------
    uploads : tuple of Upload
        The packs.
    rows : tuple of Row
        What is in them; `pack` is an index into `uploads`.
    acks : mapping
        When each arrived.
    """

    uploads: tuple[Upload, ...] = ()
    rows: tuple[Row, ...] = ()
    acks: Mapping[bytes, datetime] = field(default_factory=dict)

    def joined(self, uploaded: Uploaded) -> "Reusable":
        """Add the packs of workers; those of them that an earlier attempt listed are not listed again."""
        if not uploaded:
            return self
        theirs = {upload.name for upload in uploaded.uploads}
        numbers = [number for number, upload in enumerate(self.uploads) if upload.name not in theirs]
        place = {number: new for new, number in enumerate(numbers)}
        own = (replace(row, pack=place[row.pack]) for row in self.rows if row.pack in place)
        return Reusable(
            (*(self.uploads[number] for number in numbers), *uploaded.uploads),
            (*own, *(replace(row, pack=row.pack + len(numbers)) for row in uploaded.rows)),
            {**self.acks, **uploaded.acks},
        )


def read_journal(state: State) -> PushJournal | None:
    """Return the journal of the last push, None when there is none or it is damaged."""
    data = state.state(PUSH_STATE)
    try:
        return None if data is None else PushJournal.decode(data)
    except FileFormatError:
        return None


def resolve_push(state: State, current: RemoteVersion | None) -> PushResult | None:
    """Find out whether the push in the journal had committed: its result if so, to be settled.

    Parameters
    ----------
    state : State
        The local side.
    current : RemoteVersion or None
        The remote as it is now.
    """
    journal = read_journal(state)
    if journal is None or current is None or journal.commit not in current.root.commits:
        return None
    places = tuple((journal.uploads[row.pack].name, row.offset) for row in journal.rows)
    return PushResult(
        own_version(current.store, current.key, journal.root, current),
        journal.commit,
        journal.rows,
        places,
        journal.removed,
        journal.dropped,
        metadata=journal.metadata,
        replaced=journal.replace,
        dropped_metadata=journal.dropped_metadata,
        merged=journal.merged,
    )


def reusable_uploads(
    state: State, store: ObjectStore, prefix: str, uuid: UUID, current: RemoteVersion | None, grace: int
) -> Reusable:
    """Return the packs of the journal that may be used: those younger than half the grace by the server's clock."""
    journal = read_journal(state)
    acks = _read_acks(state)
    if journal is None or not acks or journal.uuid != uuid:
        return Reusable()
    now = _server_time(store, prefix, acks, current)
    if now is None:
        return Reusable()
    limit = timedelta(seconds=(current.root.grace if current else grace) / 2)
    young = {name: when for name, when in acks.items() if now - when < limit}
    numbers = [number for number, upload in enumerate(journal.uploads) if upload.name in young]
    place = {number: new for new, number in enumerate(numbers)}
    rows = tuple(replace(row, pack=place[row.pack]) for row in journal.rows if row.pack in place)
    return Reusable(tuple(journal.uploads[number] for number in numbers), rows, young)


class Acks:
    """Remembers which packs arrived: in memory at once, in the local file now and then, and when a push fails.

    A process that is killed uploads again what arrived in its last seconds, which is cheaper than to wait for the disk
    after every pack.
    """

    def __init__(self, state: State, known: Mapping[bytes, datetime]) -> None:
        self._state = state
        self._acks = dict(known)
        self._saved = len(self._acks)
        self._last = time.monotonic()
        self._clock: tuple[datetime, float] | None = None  # the server's, and what the wall clock here said then

    def note(self, when: datetime | None) -> None:
        """Note what the server's clock says now."""
        if when is not None and (self._clock is None or when > self._clock[0]):
            self._clock = when, time.time()

    def check_young(self, names: Sequence[bytes], grace: int, place: str) -> None:
        """Raise `PushError` unless all packs are younger than half the grace: others may be collected at any moment.

        The server's clock is taken on by the clock here, which also counts the time a computer sleeps.
        """
        times = [self._acks[name] for name in names if name in self._acks]
        if not times or not grace or self._clock is None:
            return
        server, here = self._clock
        now = server + timedelta(seconds=max(0.0, time.time() - here))
        if now - min(times) >= timedelta(seconds=grace / 2):
            raise UploadsTooOldError(
                f"what was sent to {place} has waited longer than {duration_text(grace / 2)} for its commit, and may "
                "be collected as garbage. Every pending change is kept; push again: what is too old is sent anew"
            )

    def add(self, name: bytes, when: datetime | None) -> None:
        """Note that a pack arrived; one without a time can never be reused."""
        if when is not None:
            self._acks[name] = when
            if time.monotonic() - self._last > SECONDS_BETWEEN:
                self.save()

    def save(self) -> None:
        """Keep what was noted."""
        if len(self._acks) > self._saved:
            self._state.set_state(ACKS_STATE, encode_acks(self._acks))
            self._saved, self._last = len(self._acks), time.monotonic()


def _read_acks(state: State) -> dict[bytes, datetime]:
    data = state.state(ACKS_STATE)
    try:
        return {} if data is None else decode_acks(data)
    except FileFormatError:
        return {}


def _server_time(
    store: ObjectStore, prefix: str, acks: Mapping[bytes, datetime], current: RemoteVersion | None
) -> datetime | None:
    """What the server's clock says; without a root object, one of the packs is asked for."""
    if current is not None and current.server_date is not None:
        return current.server_date
    try:
        return store.head(prefix + object_text(next(iter(acks)))).server_date
    except StoreError:
        return None
