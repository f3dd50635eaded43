"""How does whatever writes through a file object become atomic and durable?

Writes beyond the committed length go straight to the device: nothing visible refers to them. Writes below it are held
back, and seen by reads. A commit is three barriers: everything appended; the commit block (**the commit**); the changes
themselves. Before the block every error can be rolled back, after it there is only forward.
"""

import errno
from collections.abc import Callable, Sequence
from uuid import UUID

from ebooklet.errors import CommitUncertainError
from ebooklet.format.booklet_layout import HEADER_SIZE, POINTER_AT, dead_prefix
from ebooklet.format.checksum import Buffer
from ebooklet.local.commit_block import CommitBlock, Patch, encode_commit_block, encoded_length
from ebooklet.local.device import Device, write_all
from ebooklet.local.patches import PatchMap

_UNCERTAIN = "a commit to {} may or may not have happened; reopen the file to know"
_UNFINISHED = "a commit to {} happened but could not be finished; reopen the file to finish it"
_FLUSH_FAILED = "a flush to {} failed and the commit was rolled back; reopen the file"


class Transaction:
    """Changes to a device that happen at `commit` or not at all.

    Parameters
    ----------
    device
        The file or memory behind it.
    committed
        Length up to which the device holds committed bytes.
    uuid
        Identity of the file, part of each commit block.
    timestamp_bytes
        Bytes of the timestamp in the blocks of this file.

    Attributes
    ----------
    size : int
        Length with what was appended since the last commit.
    failure : str
        Why nothing more can be written, empty while all is well.
    """

    def __init__(self, device: Device, committed: int, uuid: UUID, timestamp_bytes: int = 7) -> None:
        self.device = device
        self.committed = self.size = committed
        self.failure = ""
        self._uuid = uuid
        self._timestamp_bytes = timestamp_bytes
        self._patches = PatchMap()

    def read_at(self, length: int, offset: int) -> bytes:
        """Read at an offset, changes held back included."""
        data = self.device.pread(length, offset)
        if not self._patches or not data or offset >= self.committed:
            return data
        view = bytearray(data)
        self._patches.overlay(offset, view)
        return bytes(view)

    def write_at(self, offset: int, data: bytes) -> None:
        """Write at an offset: held back below the committed length, appended beyond it."""
        self._check_usable()
        below = max(0, min(len(data), self.committed - offset))
        if below:
            self._patches.write(offset, data[:below])
        if below < len(data):
            rest = data[below:]
            written = self.device.pwrite([rest], offset + below)
            if written < len(rest):
                write_all(self.device, offset + below + written, [rest[written:]])
            self.size = max(self.size, offset + len(data))

    def reserve(self, length: int) -> int:
        """Set aside `length` bytes at the end for the caller to write to the device himself; return their offset."""
        self._check_usable()
        offset = self.size
        self.size += length
        return offset

    def append_dead(self, *parts: Buffer) -> int:
        """Append a block that no Booklet sees; return the offset of its payload."""
        length = sum(len(part) for part in parts)
        prefix = dead_prefix(length, self._timestamp_bytes)
        offset = self.reserve(len(prefix) + length)
        write_all(self.device, offset, [prefix, *parts])
        return offset + len(prefix)

    def commit(self, pointer: Callable[[int, int], bytes]) -> None:
        """Make everything written since the last commit durable, all or nothing.

        Parameters
        ----------
        pointer
            Returns the bytes of the commit pointer, given the new committed length and the length of the commit block.

        Raises
        ------
        OSError
            Before the mark: nothing was committed; call `rollback`.
        CommitUncertainError
            From the mark on: the commit happened or may have; nothing more can be written, reopening recovers.
        """
        self._check_usable()
        self._patches.write(0, self.read_at(HEADER_SIZE, 0))
        start = self.size
        length = encoded_length([len(data) for _, data in self._patches.ranges(HEADER_SIZE)], self._timestamp_bytes)
        self._patches.write(POINTER_AT, pointer(start + length, length))
        patches = tuple(
            Patch(offset, self.device.pread(len(after), offset), after)
            for offset, after in self._patches.ranges(HEADER_SIZE)
        )
        block = CommitBlock(uuid=self._uuid, previous=self.committed, start=start, patches=patches)
        encoded = encode_commit_block(block, self._timestamp_bytes)
        self._check_length(start)
        self._sync_before_mark()
        # until the end is proven, whatever interrupts us leaves this object unusable
        self.failure = _UNCERTAIN.format(self.device.name)
        try:
            self._mark(encoded, start)
            self.failure = _UNFINISHED.format(self.device.name)
            self._apply(patches)
        except BaseException as error:
            self._explain(error)
            raise
        self._patches.clear()
        self.committed = self.size = start + length
        self.failure = ""

    def rollback(self) -> None:
        """Drop everything written since the last commit (what is past the mark stays)."""
        if self.failure:
            return
        self._patches.clear()
        self.size = self.committed
        if self.device.size() > self.committed:
            self.device.truncate(self.committed)

    def _check_usable(self) -> None:
        if self.failure:
            raise CommitUncertainError(errno.EIO, self.failure, self.device.name)

    def _check_length(self, expected: int) -> None:
        actual = self.device.size()
        if actual != expected:
            message = f"the file has {actual} bytes instead of {expected}: a write was lost"
            raise OSError(errno.ENOSPC, message, self.device.name)

    def _sync_before_mark(self) -> None:
        try:
            self.device.sync()
        except OSError:
            # what the kernel dropped is unknown: this object must not try again
            self.rollback()
            self.failure = _FLUSH_FAILED.format(self.device.name)
            raise

    def _mark(self, block: bytes, start: int) -> None:
        end = start + len(block)
        try:
            write_all(self.device, start, [block])
            self._check_length(end)
        except BaseException:
            if self.device.size() < end:
                self.failure = ""
            raise
        self.device.sync()

    def _apply(self, patches: Sequence[Patch]) -> None:
        for patch in patches:
            if patch.offset:
                write_all(self.device, patch.offset, [patch.after])
        write_all(self.device, 0, [next(patch.after for patch in patches if not patch.offset)])
        self.device.sync()

    def _explain(self, error: BaseException) -> None:
        if not self.failure:
            return
        if isinstance(error, Exception):
            number = getattr(error, "errno", None) or errno.EIO
            raise CommitUncertainError(number, self.failure, self.device.name) from error
        error.add_note(self.failure)
