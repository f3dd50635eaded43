"""Which versions does a root object list, page by page?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ebooklet.format.history import HISTORY_MAGIC, HistoryPage
from ebooklet.format.snapshot import ENTRY_MESSAGE, Entry, Root, Snapshot, SnapshotRef

MAX_PAGES = 1 << 20


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


def walk(root: Root, read: Callable[[SnapshotRef], bytes]) -> Iterator[Listed]:
    """Iterate over the versions that a root lists, the newest first.

    Parameters
    ----------
    root : Root
        The root object. One without a list is followed from parent to parent.
    read : callable
        Reads a page or a snapshot, verified; called when the iteration comes to it.
    """
    yield from map(Listed, root.history)
    older = root.older
    if not root.history:
        snapshot = Snapshot.decode(root.snapshot)
        yield Listed(entry_of(snapshot, root.ref))
        older = snapshot.parent
    for _ in range(MAX_PAGES):
        if older is None:
            return
        data = read(older)
        if data.startswith(HISTORY_MAGIC):
            page = HistoryPage.decode(data)
            for entry in page.entries:
                yield Listed(entry, older)
            older = page.older
        else:
            snapshot = Snapshot.decode(data)
            yield Listed(entry_of(snapshot, older))
            older = snapshot.parent


def entry_of(snapshot: Snapshot, ref: SnapshotRef | None) -> Entry:
    """Make an entry of what a snapshot says about itself."""
    return Entry(snapshot.id, snapshot.time, ref, message=snapshot.message[:ENTRY_MESSAGE])
