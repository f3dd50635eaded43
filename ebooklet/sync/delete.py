"""How does a remote database disappear without leaving anything behind?"""

from uuid import UUID

from ebooklet.errors import StoreError
from ebooklet.format.names import check_database_key, objects_prefix
from ebooklet.stores.protocol import ObjectStore
from ebooklet.sync.version import find_version


def delete_database(store: ObjectStore, key: str, uuid: UUID | None = None) -> int:
    """Delete a database: its root first, so that nobody opens what is half gone, then all its objects.

    Parameters
    ----------
    store, key
        Where the database is.
    uuid : UUID, optional
        Its identity, if it is known; otherwise the root is read first.

    Returns
    -------
    int
        Number of objects deleted, the root included; 0 if there was none.

    Raises
    ------
    StoreError
        If some objects could not be deleted; trying again goes on with them.
    """
    check_database_key(key)
    if uuid is None:
        version = find_version(store, key)
        if version is None:
            return 0
        uuid = version.uuid
    store.delete(key)
    return 1 + delete_objects(store, key, uuid)


def delete_objects(store: ObjectStore, key: str, uuid: UUID) -> int:
    """Delete all objects of a database but its root, and return how many there were."""
    names = [meta.key for meta in store.list(objects_prefix(key, uuid))]
    failed = store.delete_many(names) if names else {}
    if failed:
        name, error = next(iter(failed.items()))
        raise StoreError(
            f"{len(failed)} of {len(names)} objects of {store.uri}/{key} could not be deleted, "
            f"among them {name}: {error}; delete again to go on (the database has the uuid {uuid})"
        ) from error
    return len(names)
