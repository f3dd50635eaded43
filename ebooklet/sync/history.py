"""Which versions of a remote are kept, and how is an old one opened?

The root lists the newest versions, pages in the tails of packs the older ones. Databases whose root lists none are
followed from parent to parent, a request for each version.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ebooklet.errors import FileFormatError, RemoteIntegrityError, VersionNotFoundError
from ebooklet.format.history import HISTORY_MAGIC, HistoryPage
from ebooklet.format.snapshot import ENTRY_MESSAGE, INLINE, Entry, Root, Snapshot, SnapshotRef
from ebooklet.plan.history import Spec, choose
from ebooklet.sync.version import UNKNOWN_ETAG, CachedRoot, RemoteVersion, read_snapshot

MAX_VERSIONS = 1 << 20


@dataclass(frozen=True, slots=True)
class Listed:
    """A version, and the object in which the list names it; None is the root object.

    Attributes
    ----------
    entry : Entry
        The version.
    page : SnapshotRef or None
        The page of the history.
    """

    entry: Entry
    page: SnapshotRef | None = None


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
    root = version.root
    yield from map(Listed, root.history)
    older = root.older
    if not root.history:
        yield Listed(entry_of(version.snapshot, root.ref))
        older = version.snapshot.parent
    seen = 0
    while older is not None and seen < MAX_VERSIONS:
        data = read_snapshot(version, older)
        seen += 1
        try:
            if data.startswith(HISTORY_MAGIC):
                page = HistoryPage.decode(data)
                for entry in page.entries:
                    yield Listed(entry, older)
                older = page.older
            else:
                snapshot = Snapshot.decode(data)
                yield Listed(entry_of(snapshot, older))
                older = snapshot.parent
        except FileFormatError as error:
            raise RemoteIntegrityError(f"{version.place}: {error}") from error


def entry_of(snapshot: Snapshot, ref: SnapshotRef | None) -> Entry:
    """Make an entry of what a snapshot says about itself."""
    return Entry(snapshot.id, snapshot.time, ref, message=snapshot.message[:ENTRY_MESSAGE])


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
    root = replace(current.root, snapshot=data, ref=ref, inline={})
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
