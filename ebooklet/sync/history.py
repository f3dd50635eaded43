"""Which versions of a remote are kept, and how is an old one opened?

The root lists the newest versions, pages in the tails of packs the older ones. Databases whose root lists none are
followed from parent to parent, a request for each version.
"""

from collections.abc import Iterator
from dataclasses import replace

from ebooklet.errors import FileFormatError, RemoteIntegrityError, VersionNotFoundError
from ebooklet.format.snapshot import INLINE, Entry, Root, Snapshot, SnapshotRef
from ebooklet.plan.history import Spec, choose
from ebooklet.sync.listing import Listed, walk
from ebooklet.sync.version import UNKNOWN_ETAG, CachedRoot, RemoteVersion, read_snapshot


def entries_of(version: RemoteVersion) -> Iterator[Entry]:
    """Iterate over the versions that are kept, the newest first; a request for every page of the history.

    Parameters
    ----------
    version : RemoteVersion
        The current version.
    """
    return (listed.entry for listed in listed_versions(version))


def listed_versions(version: RemoteVersion) -> Iterator[Listed]:
    """Iterate over the versions that are kept, and the pages that list them."""
    with version.damage():
        yield from walk(version.root, lambda ref: read_snapshot(version, ref))


def find_ref(version: RemoteVersion, wanted: Spec) -> SnapshotRef | None:
    """Find where the version stands that somebody means; None for one that stands nowhere but in the root.

    Raises
    ------
    VersionNotFoundError
        If no version that is kept has this name, id or time.
    """
    try:
        found = choose(wanted, version.root.tags, entries_of(version))
    except VersionNotFoundError as error:
        raise VersionNotFoundError(f"{version.place}: {error}") from None
    return found.ref if isinstance(found, Entry) else found


def version_at(current: RemoteVersion, ref: SnapshotRef | None) -> RemoteVersion:
    """Open an old version with one request.

    Parameters
    ----------
    current : RemoteVersion
        The current version.
    ref : SnapshotRef or None
        Where the wanted one stands.
    """
    if ref is None or ref == current.root.ref:
        return current
    data = read_snapshot(current, ref)
    try:
        snapshot = Snapshot.decode(data)
    except FileFormatError as error:
        raise RemoteIntegrityError(f"{current.place}: {error}") from error
    now = current.root
    kind, serializer = snapshot.kind or now.kind, snapshot.serializer or now.serializer
    root = replace(now, snapshot=data, ref=ref, inline={}, kind=kind, serializer=serializer)
    old = _version_of(current, root)
    inline = _still_inline(current, old)
    return _version_of(current, replace(root, inline=inline)) if inline else old


def _version_of(current: RemoteVersion, root: Root) -> RemoteVersion:
    cached = CachedRoot(UNKNOWN_ETAG, root.encode())
    return RemoteVersion(current.store, current.key, cached, server_date=current.server_date, pages=current.pages)


def _still_inline(current: RemoteVersion, old: RemoteVersion) -> dict[str, bytes]:
    """Values of the root object that the old version has as well, if that is known without a request."""
    if any(page.hot.object != INLINE for table in (current.table, old.table) for page in table.pages):
        return {}
    keys = list(current.root.inline)
    pairs = zip(keys, current.rows(keys), old.rows(keys), strict=True)
    same = [key for key, now, was in pairs if now and was and current.version_of(now) == old.version_of(was)]
    return {key: current.root.inline[key] for key in same}
