"""Is a packed object whole, and what does it hold, read once in pieces of any size?"""

from dataclasses import dataclass
from uuid import UUID

from ebooklet.errors import CorruptFileError
from ebooklet.format.checksum import Buffer, Digest, crc32c, extend_crc32c, readable
from ebooklet.format.packing import (
    FOOTER_SIZE,
    HEADER_SIZE,
    EntryHead,
    check_header,
    entry_head,
    read_footer,
    starts_entry,
)
from ebooklet.format.table import Row

_MARK_SIZE = 2


@dataclass(frozen=True, slots=True)
class PackContents:
    """What a packed object holds.

    Attributes
    ----------
    uuid : UUID
        The database it was written for; in a copy, the one that was copied.
    name : bytes
        The name it was written under.
    rows : tuple of Row
        Its values in order, the damaged ones left out; without notes.
    damaged : tuple of str
        Keys of values whose checksum does not match.
    end : int
        Where the values end.
    size : int
        Bytes in all.
    snapshot : (int, int)
        Offset and length of the snapshot in it; length 0 = there is none.
    """

    uuid: UUID
    name: bytes
    rows: tuple[Row, ...]
    damaged: tuple[str, ...]
    end: int
    size: int
    snapshot: tuple[int, int]


class PackScanner:
    """Reads a packed object from front to back and verifies every byte that a checksum covers.

    Values pass through; only what they are called and where they stand is kept.

    Attributes
    ----------
    rows : list of Row
        The values found so far, of which the checksum matches.
    damaged : list of str
        Keys of the others.

    Examples
    --------
    >>> scanner = PackScanner()
    >>> scanner.feed(b"something else, and more of it than a header has")
    Traceback (most recent call last):
    ebooklet.errors.CorruptFileError: an object is no pack: its header is damaged or another's
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.damaged: list[str] = []
        self._identity: tuple[UUID, bytes] | None = None
        self._position = 0
        self._held = bytearray()
        self._needed = HEADER_SIZE
        self._head: EntryHead | None = None
        self._key = b""
        self._payload = self._tail = self._crc = 0
        self._end: int | None = None
        self._digest = Digest()

    def feed(self, piece: Buffer) -> None:
        """Read the next piece.

        Raises
        ------
        CorruptFileError
            If the object is no pack, or an entry is damaged so that the next one cannot be found.
        """
        view = memoryview(piece).cast("B")
        while len(view):
            if self._end is not None:
                self._rest(view)
                return
            if self._payload:
                view = self._pass_payload(view)
            elif self._tail:
                taken = min(len(view), self._tail)
                self._tail -= taken
                self._position += taken
                view = view[taken:]
                self._close_entry_if_done()
            else:
                view = self._gather(view)

    def finish(self) -> PackContents:
        """Return what the object holds, now that all of it was read.

        Raises
        ------
        CorruptFileError
            If it is cut short, or what follows its values is damaged.
        """
        if self._identity is None or self._end is None or len(self._held) != FOOTER_SIZE:
            raise CorruptFileError(f"a pack is cut short: it ends at {self._position}")
        entries, end, snapshot, check = read_footer(self._held)
        if end != self._end or entries != len(self.rows) + len(self.damaged):
            raise CorruptFileError("a pack is damaged: its footer announces other values than there are")
        if self._digest.digest() != check:
            raise CorruptFileError("a pack is damaged: the digest of what follows its values does not match")
        uuid, name = self._identity
        return PackContents(
            uuid, name, tuple(self.rows), tuple(self.damaged), end, self._position + FOOTER_SIZE, snapshot
        )

    @property
    def name(self) -> bytes:
        """The name the object was written under; empty before its header was read."""
        return self._identity[1] if self._identity else b""

    @property
    def end(self) -> int:
        """Where the last value ends that was found."""
        return self._position if self._end is None else self._end

    @property
    def reached_end(self) -> bool:
        """Whether all values were passed."""
        return self._end is not None

    # ---- steps -------------------------------------------------------------------------------------------------

    def _gather(self, view: memoryview) -> memoryview:
        """Collect what the next decision needs."""
        taken = min(len(view), self._needed - len(self._held))
        self._held += view[:taken]
        if len(self._held) == self._needed:
            self._decide(bytes(self._held))
        return view[taken:]

    def _decide(self, held: bytes) -> None:
        if self._identity is None:
            self._identity = check_header(held)
            self._took(HEADER_SIZE)
        elif self._head is not None:
            self._begin_payload(self._head, held[EntryHead.SIZE :])
        elif not starts_entry(held):
            self._end = self._position
            self._held.clear()
            self._rest(memoryview(held))
        elif len(held) == _MARK_SIZE:
            self._needed = EntryHead.SIZE
        else:
            self._head = entry_head(held)
            if self._head.key_size:
                self._needed = EntryHead.SIZE + self._head.key_size
            else:
                self._begin_payload(self._head, b"")

    def _begin_payload(self, head: EntryHead, key: bytes) -> None:
        head.check(bytes(self._held[: EntryHead.SIZE]), key, self._position)
        self._head, self._key = head, key
        self._crc = crc32c(key)
        self._payload, self._tail = head.length, head.tail
        self._took(EntryHead.SIZE + len(key))
        self._offset = self._position
        self._close_entry_if_done()

    def _took(self, size: int) -> None:
        self._position += size
        self._held.clear()
        self._needed = _MARK_SIZE

    def _pass_payload(self, view: memoryview) -> memoryview:
        taken = min(len(view), self._payload)
        self._crc = extend_crc32c(self._crc, readable(view[:taken]))
        self._payload -= taken
        self._position += taken
        self._close_entry_if_done()
        return view[taken:]

    def _close_entry_if_done(self) -> None:
        head = self._head
        if head is None or self._payload or self._tail:
            return
        try:
            key = self._key.decode()
        except UnicodeDecodeError as error:
            raise CorruptFileError(f"the key of the value at {self._offset} of a pack is no UTF-8 text") from error
        if self._crc == head.crc:
            self.rows.append(Row(key, self._offset, head.length, head.crc, head.tail, 0, head.timestamp))
        else:
            self.damaged.append(key)
        self._head = None

    def _rest(self, view: memoryview) -> None:
        """What follows the values; the last bytes are held back, as they may be the footer."""
        self._held += view
        ready = len(self._held) - FOOTER_SIZE
        if ready > 0:
            self._digest.update(self._held[:ready])
            self._position += ready
            del self._held[:ready]


def scan(data: Buffer) -> PackContents:
    """Verify a packed object that is in memory.

    Raises
    ------
    CorruptFileError
        If it is no pack, cut short, or damaged beyond single values.
    """
    scanner = PackScanner()
    scanner.feed(data)
    return scanner.finish()
