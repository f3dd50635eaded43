"""How does a remote database disappear without leaving anything behind?"""

from collections.abc import Sequence
from uuid import UUID

from ebooklet.errors import StoreError, UUIDMismatchError
from ebooklet.format.names import check_database_key, objects_prefix
from ebooklet.stores.protocol import ObjectMeta, ObjectStore
from ebooklet.sync.version import RemoteVersion, find_version


def delete_database(store: ObjectStore, key: str, known: RemoteVersion | None = None) -> int:
    """Delete a database: its root first, so that nobody opens what is half gone, then all its objects.

    One listing tells root and objects, and by the root's ETag whether it is still the one that is known; only if it is
    not, the root is read to see whose it is.

    Parameters
    ----------
    store, key
        Where the database is.
    known : RemoteVersion, optional
        A version of it, if one is known; otherwise the root is read first.

    Returns
    -------
    int
        Number of objects deleted, the root included; 0 if there was none.

    Raises
    ------
    UUIDMismatchError
        If another database stands there now; nothing is deleted.
    StoreError
        If some objects could not be deleted; trying again goes on with them.
    """
    check_database_key(key)
    version = known or find_version(store, key)
    if version is None:
        return 0
    root, names = _listed(store, key, version.uuid)
    if root is None and known is not None:
        return _delete_all(store, key, version.uuid, names)
    if root is not None and root.etag != version.etag:
        now = find_version(store, key)
        if now is not None and now.uuid != version.uuid:
            raise UUIDMismatchError(
                f"{now.place} is another database now: {now.uuid}, it was {version.uuid}; nothing was deleted. Open it "
                "anew to delete it"
            )
    store.delete(key)
    return 1 + _delete_all(store, key, version.uuid, names)


def delete_objects(store: ObjectStore, key: str, uuid: UUID) -> int:
    """Delete all objects of a database but its root, and return how many there were."""
    return _delete_all(store, key, uuid, [meta.key for meta in store.list(objects_prefix(key, uuid))])


def _listed(store: ObjectStore, key: str, uuid: UUID) -> tuple[ObjectMeta | None, list[str]]:
    """Find root and objects of a database: neighbours in the order of their keys."""
    prefix = objects_prefix(key, uuid)
    root, names = None, []
    for meta in store.list(key):
        if meta.key == key:
            root = meta
        elif meta.key.startswith(prefix):
            names.append(meta.key)
        elif meta.key.encode() > prefix.encode():
            break
    return root, names


def _delete_all(store: ObjectStore, key: str, uuid: UUID, names: Sequence[str]) -> int:
    failed = store.delete_many(names) if names else {}
    if failed:
        name, error = next(iter(failed.items()))
        raise StoreError(
            f"{len(failed)} of {len(names)} objects of {store.uri}/{key} could not be deleted, "
            f"among them {name}: {error}; delete again to go on (the database has the uuid {uuid})"
        ) from error
    return len(names)
