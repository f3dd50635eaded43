"""How does a version get a name?"""

import secrets
from dataclasses import replace

from ebooklet.errors import ConflictError
from ebooklet.format.snapshot import SnapshotRef, check_tag
from ebooklet.stores.protocol import ObjectStore
from ebooklet.sync.assemble import encode_root
from ebooklet.sync.commit import Committed, commit_root, pause_after_race
from ebooklet.sync.contract import PushResult
from ebooklet.sync.version import RemoteVersion

ATTEMPTS = 200


def tag_version(base: RemoteVersion, tag: str, ref: SnapshotRef, *, single_writer: bool = False) -> PushResult:
    """Name a version: only the root object changes, and it never conflicts with other commits.

    Parameters
    ----------
    base : RemoteVersion
        The version known as the current one.
    tag : str
        The name; one that is in use moves.
    ref : SnapshotRef
        The version to name.
    """
    check_tag(tag)
    current = base
    for attempt in range(ATTEMPTS):
        commit = secrets.token_bytes(16)
        root = replace(current.root, tags={**current.root.tags, tag: ref}, commits=(commit, *current.root.commits))
        body = encode_root(root, current.root.inline)
        outcome = commit_root(base.store, base.key, body, commit, current, single_writer=single_writer)
        if isinstance(outcome, Committed):
            return PushResult(outcome.version, commit, objects=1, nbytes=len(body), attempts=attempt + 1)
        current = outcome.version
        pause_after_race(attempt)
    raise too_many_races(base.store, base.key)


def too_many_races(store: ObjectStore, key: str) -> ConflictError:
    """Return the error for a commit that other writers always came before."""
    return ConflictError(
        f"every attempt to commit to {store.uri}/{key} lost against other writers; "
        "every pending change is kept, push again"
    )
