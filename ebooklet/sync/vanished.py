"""Why is an object gone that a version refers to?

One look at the root as it is now tells: the database was deleted, or is another one; the version is not kept any more;
or the object is damaged, or was lost. The newer version's value is never given instead.
"""

from uuid import UUID

from ebooklet.errors import (
    EBookletError,
    ObjectNotFoundError,
    RemoteIntegrityError,
    RemoteMissingError,
    UUIDMismatchError,
    VersionExpiredError,
)
from ebooklet.format.checksum import digest
from ebooklet.format.names import object_text, objects_prefix
from ebooklet.format.snapshot import MAX_ROOT, Root, SnapshotRef
from ebooklet.stores.protocol import ObjectStore
from ebooklet.sync.listing import walk


def why_gone(store: ObjectStore, key: str, uuid: UUID, version: bytes, etag: str, gone: str) -> EBookletError:
    """Return the error to raise for an object that is gone.

    Parameters
    ----------
    store, key
        Where the database is.
    uuid : UUID
        Which it was.
    version : bytes
        Id of the version that refers to the object.
    etag : str
        ETag of the root object that version was read from.
    gone : str
        What is to be said about the object.
    """
    place = f"{store.uri}/{key}"
    try:
        root = Root.decode(store.get(key, if_none_match=etag, limit=MAX_ROOT).body)
    except ObjectNotFoundError:
        return RemoteMissingError(f"{place} was deleted: {gone}")
    except EBookletError:  # the root is the one that was read, or cannot be asked
        return RemoteIntegrityError(gone)
    if root.uuid != uuid:
        return UUIDMismatchError(f"{place} is another database now, {root.uuid}, it was {uuid}: {gone}")
    try:
        kept = _is_kept(store, objects_prefix(key, uuid), root, version)
    except EBookletError:
        kept = True
    if kept:
        return RemoteIntegrityError(gone)
    return VersionExpiredError(
        f"the version {version.hex()[:8]} of {place} is not kept any more: {gone}. refresh() moves on to the newest "
        "one; where changes are pending, pull(on_conflict='ours') puts them on top of it, whatever others changed"
    )


def _is_kept(store: ObjectStore, prefix: str, root: Root, version: bytes) -> bool:
    def read(ref: SnapshotRef) -> bytes:
        data = store.get_range(prefix + object_text(ref.object), ref.offset, ref.length)
        if digest(data) != ref.digest:
            raise RemoteIntegrityError(f"{store.uri}: a page of the history is damaged")
        return data

    return any(listed.entry.id == version for listed in walk(root, read))
