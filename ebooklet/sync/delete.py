"""How does a remote database disappear without leaving anything behind?"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ebooklet.errors import ConflictError, StoreError, UUIDMismatchError
from ebooklet.format.names import check_database_key, objects_prefix
from ebooklet.sizes import byte_size, counted
from ebooklet.stores.protocol import ObjectMeta, ObjectStore
from ebooklet.sync.version import RemoteVersion, find_version

SHOWN = 20


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """What was deleted, or would be; true when there was something.

    Attributes
    ----------
    uri : str
        The database.
    objects : tuple of (str, int)
        Key and bytes of each object, its root first.
    dry_run : bool
        Whether nothing was deleted.
    """

    uri: str
    objects: tuple[tuple[str, int], ...] = ()
    dry_run: bool = False

    @property
    def n_objects(self) -> int:
        """Number of objects, the root included."""
        return len(self.objects)

    @property
    def nbytes(self) -> int:
        """Bytes of all of them."""
        return sum(size for _, size in self.objects)

    @property
    def ok(self) -> bool:
        """Always: what cannot be deleted is an error."""
        return True

    def __bool__(self) -> bool:
        return bool(self.objects)

    def __str__(self) -> str:
        verb = "would delete" if self.dry_run else "deleted"
        if not self.objects:
            return f"there is nothing at {self.uri}"
        lines = [f"{verb} {self.uri}: {counted(self.n_objects, 'object')}, {byte_size(self.nbytes)}"]
        if self.dry_run:
            lines += [f"  {byte_size(size):>8}  {key}" for key, size in self.objects[:SHOWN]]
            left = self.objects[SHOWN:]
            lines += [f"  {byte_size(sum(size for _, size in left)):>8}  in {len(left)} more"] if left else []
        return "\n".join(lines)


def delete_database(
    store: ObjectStore,
    key: str,
    known: RemoteVersion | None = None,
    *,
    dry_run: bool = False,
    unchanged: bool = False,
) -> DeleteResult:
    """Delete a database: its root first, so that nobody opens what is half gone, then all its objects.

    One listing tells root and objects, and by the root's ETag whether it is still the one that is known; only if it is
    not, the root is read to see whose it is.

    Parameters
    ----------
    store, key
        Where the database is.
    known : RemoteVersion, optional
        A version of it, if one is known; otherwise the root is read first.
    dry_run : bool
        Whether only to tell what would go.
    unchanged : bool
        Whether to delete nothing if somebody has committed since `known`.

    Returns
    -------
    DeleteResult
        False if there was nothing.

    Raises
    ------
    ConflictError
        If it is not as it was, and has to be.
    UUIDMismatchError
        If another database stands there now; nothing is deleted.
    StoreError
        If some objects could not be deleted; trying again goes on with them.
    """
    check_database_key(key)
    place = f"{store.uri}/{key}"
    version = known or find_version(store, key)
    if version is None:
        return DeleteResult(place, dry_run=dry_run)
    root, objects = _listed(store, key, version.uuid)
    if root is not None and root.etag != version.etag:
        now = find_version(store, key)
        if now is not None and now.uuid != version.uuid:
            raise UUIDMismatchError(
                f"{now.place} is another database now: {now.uuid}, it was {version.uuid}; nothing was deleted. Open it "
                "anew to delete it"
            )
        if unchanged and now is not None and now.root.commits[:1] != version.root.commits[:1]:
            raise ConflictError(f"{now.place} was pushed to meanwhile; nothing was deleted")
    if root is None and known is None:
        root = ObjectMeta(key, len(version.cached.body), version.etag, None)  # a listing that is behind
    found = objects if root is None else [root, *objects]
    if not dry_run:
        if root is not None:
            store.delete(key)
        _delete_all(store, key, version.uuid, [meta.key for meta in objects])
    return DeleteResult(place, tuple((meta.key, meta.size) for meta in found), dry_run)


def delete_objects(store: ObjectStore, key: str, uuid: UUID) -> int:
    """Delete all objects of a database but its root, and return how many there were."""
    return _delete_all(store, key, uuid, [meta.key for meta in store.list(objects_prefix(key, uuid))])


def _listed(store: ObjectStore, key: str, uuid: UUID) -> tuple[ObjectMeta | None, list[ObjectMeta]]:
    """Find root and objects of a database: neighbours in the order of their keys."""
    prefix = objects_prefix(key, uuid)
    root, objects = None, []
    for meta in store.list(key):
        if meta.key == key:
            root = meta
        elif meta.key.startswith(prefix):
            objects.append(meta)
        elif meta.key.encode() > prefix.encode():
            break
    return root, objects


def _delete_all(store: ObjectStore, key: str, uuid: UUID, names: Sequence[str]) -> int:
    failed = store.delete_many(names) if names else {}
    if failed:
        name, error = next(iter(failed.items()))
        raise StoreError(
            f"{len(failed)} of {len(names)} objects of {store.uri}/{key} could not be deleted, "
            f"among them {name}: {error}; delete again to go on (the database has the uuid {uuid})"
        ) from error
    return len(names)
