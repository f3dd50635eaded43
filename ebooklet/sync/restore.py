"""How does an old version become the content of the newest one again?

By an ordinary commit that refers to what the old version refers to: its key table and its packs, which are still there
because the version is kept. No value is sent.
"""

import secrets
from dataclasses import replace

from ebooklet.errors import ConflictError, UnsupportedOperationError
from ebooklet.format.snapshot import ENTRY_MESSAGE, MAX_INLINE, Entry, Root, Snapshot
from ebooklet.plan.history import Spec
from ebooklet.sync.assemble import choose_inline, encode_root, with_entry
from ebooklet.sync.commit import Committed, commit_root, pause_after_race
from ebooklet.sync.contract import PushResult
from ebooklet.sync.editing import ATTEMPTS, Records, check_committable, too_many_races
from ebooklet.sync.history import find_ref, version_at
from ebooklet.sync.version import RemoteVersion


def restore_version(
    base: RemoteVersion, wanted: Spec, now: int, *, message: str = "", single_writer: bool = False
) -> PushResult:
    """Commit the content of an old version as the newest one.

    Parameters
    ----------
    base : RemoteVersion
        The version known as the current one.
    wanted : str, int, datetime or date
        The version that is to come back.
    now : int
        The time, in microseconds since the epoch.
    message : str
        What to say about the new version.
    single_writer : bool
        As for a push.

    Raises
    ------
    VersionNotFoundError
        If no version that is kept is the one wanted.
    ConflictError
        If somebody else pushed meanwhile: that would be undone unseen.
    """
    check_committable(base, single_writer=single_writer)
    current = base
    for attempt in range(ATTEMPTS):
        old = version_at(current, find_ref(current, wanted))
        if old.snapshot.id == current.snapshot.id:
            return PushResult(current)
        _check_same_kind(current, old)
        commit = secrets.token_bytes(16)
        snapshot = _snapshot(current, old, commit, now, message)
        root, nbytes = _rooted(current, snapshot, message)
        root = replace(root, commits=(commit, *current.root.commits))
        body = encode_root(root, _inline(current, old))
        outcome = commit_root(base.store, base.key, body, commit, current, single_writer=single_writer)
        if isinstance(outcome, Committed):
            return PushResult(outcome.version, commit, objects=2, nbytes=nbytes + len(body), attempts=attempt + 1)
        if outcome.version.snapshot.id != current.snapshot.id:
            raise ConflictError(
                f"another commit to {base.place} came first, and would be undone: look at log(), and roll back again"
            )
        current = outcome.version  # only tags, or the list of versions
        pause_after_race(attempt)
    raise too_many_races(base.store, base.key)


def _check_same_kind(current: RemoteVersion, old: RemoteVersion) -> None:
    was, now = ((one.root.kind, one.root.serializer) for one in (old, current))
    if was != now:
        raise UnsupportedOperationError(
            f"{current.place} was replaced since: it holds {now[0]} with serializer {now[1]!r}, that version "
            f"{was[0]} with {was[1]!r}. Open that version, and write its content to a new database"
        )


def _snapshot(current: RemoteVersion, old: RemoteVersion, commit: bytes, now: int, message: str) -> Snapshot:
    """The new version: numbers of packs mean what they mean in all others, and none is used twice."""
    packs = old.snapshot.packs
    return replace(
        old.snapshot,
        id=commit,
        parent=current.root.ref,
        parent_id=current.snapshot.id,
        time=max(now, current.snapshot.time + 1),
        message=message,
        packs=(*packs, *[None] * (len(current.snapshot.packs) - len(packs))),
    )


def _rooted(current: RemoteVersion, snapshot: Snapshot, message: str) -> tuple[Root, int]:
    """The root that names it; the snapshot is written."""
    records = Records(current)
    parent = current.root.ref
    if parent is None:  # a copy: its snapshot stands nowhere but in the root
        parent = records.add(current.root.snapshot)
        snapshot = replace(snapshot, parent=parent)
    data = snapshot.encode()
    ref = records.add(data)
    entry = Entry(snapshot.id, snapshot.time, ref, message=message[:ENTRY_MESSAGE])
    root = with_entry(replace(current.root, snapshot=data, ref=ref, inline={}), entry, current, parent, records.add)
    return root, records.send((ref.offset, ref.length))


def _inline(current: RemoteVersion, old: RemoteVersion) -> dict[str, bytes]:
    """The values that stand in the root object: those of the same keys, as they were."""
    keys = list(current.root.inline)
    rows = [row for row in old.rows(keys) if row is not None and row.length + row.tail <= MAX_INLINE]
    values = {row.key: bytes(value) for row, value in old.fetch(rows) if not isinstance(value, Exception)}
    return choose_inline({}, keys, values, keys)
