"""How are chunks read from a local file that may hold only a part of its remote?"""

from collections.abc import Sequence

from cfdb.errors import CorruptChunkError
from cfdb.storage.booklet_store import BookletStore, translated
from cfdb.storage.protocol import Buffer
from ebooklet.edits import Edits
from ebooklet.kept_pages import KeptPages
from ebooklet.local.working_copy import WorkingCopy
from ebooklet.offline import Offline
from ebooklet.stores.memory import MemoryStore
from ebooklet.sync.version import RemoteVersion


class PartialStore(BookletStore):
    """Chunks in a local file that may hold only a part of its remote: what was not fetched is an error, never missing.

    Parameters
    ----------
    copy : WorkingCopy
        The local file, open for reading.
    remote : RemoteVersion
        The version of the remote it is a copy of; only its table of keys is used.
    """

    def __init__(self, copy: WorkingCopy, remote: RemoteVersion) -> None:
        super().__init__(copy)
        self.remote = remote

    def get(self, key: str) -> bytes | None:
        """Give the payload, or None."""
        found = self.get_many([key])[0]
        return None if found is None else bytes(found)

    def get_many(self, keys: Sequence[str]) -> Sequence[Buffer | None]:
        """Give the payloads in the order of the keys."""
        found = super().get_many(keys)
        lost = [key for key, payload in zip(keys, found, strict=True) if payload is None]
        deleted = {row.key for row in self.copy.rows(lost, cold=False) if row is not None and row.deleted}
        with translated():
            there = [row for row in self.remote.rows(lost) if row is not None and row.key not in deleted]
        if there:
            raise CorruptChunkError(
                f"{self.name} is the local copy of a remote and does not hold {there[0].key!r}, which was not fetched: "
                "open it with cfdb.open_edataset, or read it as missing with allow_partial=True"
            )
        return found


def remote_of(copy: WorkingCopy) -> RemoteVersion | None:
    """Give the version of the remote that a local file is a copy of, as far as it is known without asking."""
    edits = Edits(copy)
    base = edits.base
    if base is None or edits.replaces:
        return None
    return RemoteVersion(Offline(MemoryStore()), "its remote", base, pages=KeptPages(copy))
