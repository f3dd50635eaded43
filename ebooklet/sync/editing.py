"""How does a root object come to say something else about the versions of a database, whose content stays?"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from ebooklet.errors import ConflictError
from ebooklet.format.checksum import digest
from ebooklet.format.names import fresh_name, object_text, objects_prefix
from ebooklet.format.packing import HEADER_SIZE, pack_parts
from ebooklet.format.snapshot import Root, SnapshotRef
from ebooklet.stores.protocol import ObjectStore
from ebooklet.sync.assemble import encode_root
from ebooklet.sync.commit import Committed, commit_mode, commit_root, pause_after_race
from ebooklet.sync.contract import PushResult
from ebooklet.sync.upload import NOTHING
from ebooklet.sync.version import RemoteVersion

ATTEMPTS = 200


def edit_root(
    base: RemoteVersion, edit: Callable[[RemoteVersion], Root | None], *, single_writer: bool = False
) -> PushResult:
    """Commit a root that differs from the current one in what it says about versions.

    It never conflicts with other commits: a race that was lost is run again on what came first.

    Parameters
    ----------
    base : RemoteVersion
        The version known as the current one.
    edit : callable
        Gives the new root for a current version, or None when there is nothing to change; called again for each race
        that was lost.
    single_writer : bool
        As for a push.
    """
    check_committable(base, single_writer=single_writer)
    current = base
    for attempt in range(ATTEMPTS):
        root = edit(current)
        if root is None:
            return PushResult(current)
        commit = secrets.token_bytes(16)
        root = replace(root, commits=(commit, *current.root.commits))
        body = encode_root(root, current.root.inline)
        outcome = commit_root(base.store, base.key, body, commit, current, single_writer=single_writer)
        if isinstance(outcome, Committed):
            return PushResult(outcome.version, commit, objects=1, nbytes=len(body), attempts=attempt + 1)
        current = outcome.version
        pause_after_race(attempt)
    raise too_many_races(base.store, base.key)


def check_committable(version: RemoteVersion, *, single_writer: bool) -> None:
    """Refuse commits that this release, or the server, cannot make safely."""
    version.check_writable()
    if not single_writer:
        commit_mode(version.store, version.key, objects_prefix(version.key, version.uuid), version)


def too_many_races(store: ObjectStore, key: str) -> ConflictError:
    """Return the error for a commit that other writers always came before."""
    return ConflictError(
        f"every attempt to commit to {store.uri}/{key} lost against other writers; "
        "every pending change is kept, push again"
    )


class Records:
    """An object that holds nothing but records: snapshots and pages of the history.

    Parameters
    ----------
    version : RemoteVersion
        The database.
    """

    def __init__(self, version: RemoteVersion) -> None:
        self._version = version
        self._name = fresh_name()
        self._blobs: list[bytes] = []

    def add(self, blob: bytes) -> SnapshotRef:
        """Let the object hold a record, and say where it will stand."""
        offset = HEADER_SIZE + sum(map(len, self._blobs))
        self._blobs.append(blob)
        return SnapshotRef(self._name, offset, len(blob), digest(blob))

    def send(self, snapshot: Sequence[int] = (0, 0)) -> int:
        """Write the object, if it holds anything, and return its bytes."""
        if not self._blobs:
            return 0
        version = self._version
        parts = list(
            pack_parts(version.uuid, self._name, NOTHING, lambda rows: (), self._blobs, (snapshot[0], snapshot[1]))
        )
        version.store.put(version.object_key(self._name), parts)
        return sum(map(len, parts))

    def __repr__(self) -> str:
        return f"<Records {object_text(self._name)}, {len(self._blobs)}>"
