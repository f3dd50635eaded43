"""Which pages of the remote's key table are already here?

A large table is read page by page. Pages are named by their digest and never change, so the local file keeps those in
use (as state ``pages``): opening again needs no request for them, and offline work finds its keys.
"""

from collections.abc import Iterator, MutableMapping
from contextlib import suppress

from ebooklet.errors import FileFormatError
from ebooklet.format.checksum import digest
from ebooklet.format.frame import seal, unseal
from ebooklet.local.working_copy import WorkingCopy
from ebooklet.sync.version import RemoteVersion

PAGES_STATE = "pages"
MOST = 16 << 20  # bytes kept
_MAGIC = b"EBKP"


class KeptPages(MutableMapping[bytes, bytes]):
    """Pages by digest: those of the local file, read when first asked for, and those that arrived since.

    Parameters
    ----------
    local
        The local file.
    """

    def __init__(self, local: WorkingCopy) -> None:
        self._local = local
        self._pages: dict[bytes, bytes] | None = None
        self._new = False

    def __getitem__(self, name: bytes) -> bytes:
        return self._known()[name]

    def __setitem__(self, name: bytes, page: bytes) -> None:
        self._known()[name] = page
        self._new = True

    def __delitem__(self, name: bytes) -> None:
        del self._known()[name]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def _known(self) -> dict[bytes, bytes]:
        if self._pages is None:
            self._pages = {}
            with suppress(FileFormatError):  # damaged ones are fetched again
                self._pages = _decode(self._local.state(PAGES_STATE))
        return self._pages

    def save(self, version: RemoteVersion) -> None:
        """Keep the pages that `version` uses in the local file, if there are new ones and it is not busy."""
        if not self._new:
            return
        data = self._encode(version)
        if self._local.writable:
            self._local.set_state(PAGES_STATE, data)
        elif self._local.path is not None:
            with (
                suppress(OSError, FileFormatError),
                WorkingCopy.open(self._local.path, "w", lock_timeout=0) as writer,
            ):
                writer.set_state(PAGES_STATE, data)
                writer.commit()
        self._new = False

    def _encode(self, version: RemoteVersion) -> bytes:
        used = {page.hot.digest for page in version.table.pages}
        used.update(pack.cold_digest for pack in version.snapshot.packs if pack is not None)
        kept: dict[bytes, bytes] = {}
        left = MOST
        for name, page in self._known().items():
            if name in used and len(page) <= left:
                kept[name] = page
                left -= len(page)
        return seal(_MAGIC, {"requires": [], "pages": kept})


def _decode(data: bytes | None) -> dict[bytes, bytes]:
    if data is None:
        return {}
    pages = unseal(_MAGIC, "the kept pages", data).table("pages", 1 << 20)
    return {name: page for name, page in pages.items() if isinstance(page, bytes) and digest(page) == name}
