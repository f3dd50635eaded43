"""How is the list of versions kept that is too long for the root object?

In pages: a sealed record with the entries of older versions, and where still older ones are listed. A page never
changes; it stands in the tail of a pack, as snapshots do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ebooklet.format.checksum import Buffer
from ebooklet.format.frame import seal, unseal
from ebooklet.format.snapshot import KNOWN_FEATURES, MAX_ENTRIES, Entry, SnapshotRef, entries_of

HISTORY_MAGIC = b"EBHI"
PAGE_ENTRIES = 64
MAX_MESSAGES = 32 << 10  # characters of all messages in the root object


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Versions, the newest first.

    Attributes
    ----------
    entries : tuple of Entry
        The versions.
    older : SnapshotRef or None
        Where the list goes on.
    """

    entries: tuple[Entry, ...]
    older: SnapshotRef | None = None

    def encode(self) -> bytes:
        """Write the page."""
        return seal(
            HISTORY_MAGIC,
            {
                "requires": [],
                "entries": [entry.plain() for entry in self.entries],
                "older": self.older.plain() if self.older else None,
            },
        )

    @classmethod
    def decode(cls, data: Buffer) -> "HistoryPage":
        """Read a page; typed errors for anything else."""
        what = "a page of the history"
        fields = unseal(HISTORY_MAGIC, what, data, KNOWN_FEATURES)
        return cls(
            entries_of(fields, "entries", what),
            SnapshotRef.of(fields.items("older", 4), what) if fields.has("older") else None,
        )


def kept_in_root(entries: Sequence[Entry]) -> int:
    """Return how many of the newest versions the root object lists; the others go to a page.

    A page takes `PAGE_ENTRIES` versions when the root would list more than `MAX_ENTRIES`, so that it always lists the
    last `PAGE_ENTRIES` and their parent.

    Examples
    --------
    >>> entry = Entry(bytes(16), 0, None)
    >>> kept_in_root([entry] * 100), kept_in_root([entry] * 128), kept_in_root([entry] * 129)
    (100, 128, 65)
    """
    long = sum(len(entry.message) for entry in entries) > MAX_MESSAGES
    if len(entries) <= MAX_ENTRIES and not long:
        return len(entries)
    return max(1, min(PAGE_ENTRIES + 1, (len(entries) + 1) // 2))


def in_pages(entries: Sequence[Entry]) -> list[tuple[Entry, ...]]:
    """Divide versions into pages, the newest first; the oldest page is the one that may be short.

    Examples
    --------
    >>> [len(page) for page in in_pages([Entry(bytes(16), 0, None)] * 150)]
    [64, 64, 22]
    """
    return [tuple(entries[start : start + PAGE_ENTRIES]) for start in range(0, len(entries), PAGE_ENTRIES)]
