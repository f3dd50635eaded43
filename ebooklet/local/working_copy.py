"""What can be done with a local file? One handle: values, rows, state blobs, commits.

A working copy is a real Booklet file, so ``booklet.open(path)`` reads it; beside Booklet's own structures it holds a
key table with checksums, small named state blobs, and commits that happen at once or not at all.
"""

import contextlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal
from uuid import UUID

from ebooklet.errors import CommitUncertainError, ReadOnlyError
from ebooklet.format.checksum import Buffer
from ebooklet.format.table import Row
from ebooklet.local.appending import Appender, batches
from ebooklet.local.building import new_file, publish
from ebooklet.local.changing import deletions, evictions, to_write_back
from ebooklet.local.committing import Metadata, Pending, Write, commit_changes, now
from ebooklet.local.device import Device, FileDevice, Files, MemoryDevice
from ebooklet.local.lock import is_current, remove_note, unlock
from ebooklet.local.opening import (
    Opened,
    Place,
    Template,
    copy_commit,
    open_memory,
    open_reader,
    open_writer,
    pinned,
    read_newest,
    real_path,
    transaction_on,
)
from ebooklet.local.reader import Reader
from ebooklet.local.transaction import Transaction

__all__ = ["Flag", "Row", "WorkingCopy", "Write"]

Flag = Literal["r", "w", "c", "n"]


class WorkingCopy(Reader):
    """An open local file; make one with :meth:`open`.

    Readers (flag ``'r'``) take no lock, never wait for a writer, and stay with the commit they opened until `refresh`.
    There is one writer at a time; it sees its own changes at once, others after `commit`. Closing without a commit
    rolls back. Methods may be called from several threads.

    Examples
    --------
    >>> with WorkingCopy.open(None, "n") as copy:
    ...     copy.set("t/0", b"payload", note=b"min, max")
    ...     copy.commit()
    ...     copy.payload("t/0"), copy.row("t/0").note, len(copy)
    (b'payload', b'min, max', 1)
    """

    def __init__(self, opened: Opened, place: Place | None, *, trust_pickle: bool = False) -> None:
        super().__init__(opened, place, trust_pickle=trust_pickle)
        self._appender = Appender(self._lock)
        self._retired: Device | None = None

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None,
        flag: Flag = "r",
        *,
        lock_timeout: float = 300,
        value_serializer: str = "bytes",
        expected_keys: int | None = None,
        uuid: UUID | None = None,
        locking: bool = True,
        trust_pickle: bool = False,
        files: Files | None = None,
    ) -> "WorkingCopy":
        """Open a local file.

        Parameters
        ----------
        path
            Path of the file; None keeps everything in memory.
        flag
            ``'r'`` read an existing file, ``'w'`` write to an existing one, ``'c'`` write, creating it if there is
            none, ``'n'`` write to a new one that replaces what is there.
        lock_timeout
            Seconds to wait for another writer.
        value_serializer
            Name of Booklet's serializer that a new file's header shall carry.
        expected_keys
            About how many keys a new file will hold.
        uuid
            Identity of a new file; random, when not given.
        locking
            False on file systems without working locks, when nobody else uses the file.
        trust_pickle
            Whether `serializer` may unpickle objects.
        files
            The file system; tests bring their own.

        Raises
        ------
        FileNotFoundError
            With ``'r'`` and ``'w'``, if there is no file.
        LockTimeoutError
            If another writer holds it; the message says who.
        FileFormatError
            If the file is damaged, of another kind, or would execute code.
        """
        if flag not in ("r", "w", "c", "n"):
            raise ValueError(f"flag must be 'r', 'w', 'c' or 'n', not {flag!r}")
        template = Template(value_serializer, expected_keys or 0, uuid)
        if path is None:
            return cls(open_memory(template), None, trust_pickle=trust_pickle)
        place = Place(real_path(path), files or Files(), locking, lock_timeout)
        opened = open_reader(place) if flag == "r" else open_writer(place, flag, template)
        return cls(opened, place, trust_pickle=trust_pickle)

    # -- writing -----------------------------------------------------------------------------------------------------

    def _writing(self) -> Transaction:
        self._check_open()
        if self._transaction is None:
            raise ReadOnlyError(f"{self.name} was opened with flag 'r'; open it with 'w' to change it")
        return self._transaction

    def set(
        self,
        key: str,
        payload: Buffer,
        tail: bytes = b"",
        *,
        note: bytes = b"",
        timestamp: int | None = None,
        version: int = 0,
    ) -> None:
        """Store one value."""
        self.set_many([Write(key, payload, tail, note, timestamp, version)])

    def set_many(self, items: Iterable[Write]) -> None:
        """Store values; they are appended at once, and count from the next `commit` on for everybody else."""
        self._writing()
        stamp_bytes = self._commit.header.timestamp_bytes
        for batch in batches(items):
            self._appender.append(self._writing, batch, stamp_bytes, self._appended)

    def _appended(self, rows: list[Row]) -> None:
        self._pending.rows.update((row.key, row) for row in rows)

    def delete_many(self, keys: Iterable[str], *, tombstone: Callable[[str], bool] | bool = False) -> int:
        """Delete keys, and marks of deleted ones; return how many rows changed.

        Parameters
        ----------
        tombstone
            Whether (or for which keys) a mark stays behind, because a remote still has the key.
        """
        self._writing()
        keys = list(keys)
        with self._lock:
            changed = deletions(keys, self.rows(keys), tombstone, now())
            self._pending.rows.update(changed)
        return len(changed)

    def update_rows(self, rows: Iterable[Row]) -> None:
        """Change what rows say beside their value (version, note, timestamp); values stay where they are."""
        self._writing()
        rows = list(rows)
        with self._lock:
            for row, current in zip(rows, self._rows([row.key for row in rows], cold=False), strict=True):
                if current is None or (current.offset, current.deleted) != (row.offset, row.deleted):
                    raise ValueError(f"{self.name}: the row of {row.key!r} is out of date; read it again and repeat")
            self._pending.rows.update((row.key, row) for row in rows)

    def evict(self, keys: Iterable[str]) -> int:
        """Drop values that a remote has as well (own edits stay); return how many."""
        self._writing()
        keys = list(keys)
        with self._lock:
            changed = evictions(keys, self._rows(keys, cold=False))
            self._pending.rows.update(changed)
        return len(changed)

    # -- state and metadata ------------------------------------------------------------------------------------------

    def set_state(self, name: str, data: bytes | None) -> None:
        """Set a named blob, or remove it (None); it is committed together with the values."""
        self._writing()
        with self._lock:
            self._pending.states[name] = data

    def set_metadata(self, value: Any, timestamp: int | None = None) -> None:
        """Set Booklet's metadata to a JSON value."""
        self._writing()
        data = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        with self._lock:
            self._pending.metadata = Metadata(data, timestamp)

    # -- transactions ------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Make every change since the last commit visible and durable, all or nothing.

        Raises
        ------
        OSError
            If the disk is full or fails: the changes were rolled back.
        CommitUncertainError
            If it failed so late that the commit has happened, or may have: close and reopen.
        """
        with self._calm() as transaction:
            if not self._pending and not transaction.failure:
                return
            before = transaction.committed
            try:
                self._appender.fill(transaction, self._commit.header.timestamp_bytes)
                self._commit = commit_changes(transaction, self._commit, self._pending)
                self._pending = Pending()
                self.stats.commits += 1
            except BaseException as error:
                self._after_failure(transaction, before, error)
                raise

    def _after_failure(self, transaction: Transaction, before: int, error: BaseException) -> None:
        """Roll back what was not committed, and say so; what was, or may have been, leaves the handle unusable."""
        if transaction.committed != before:
            transaction.failure = f"a commit to {self.name} happened and was interrupted at its end; reopen the file"
        rolled_back = isinstance(error, OSError) and not isinstance(error, CommitUncertainError)
        if not transaction.failure or rolled_back:
            error.add_note(f"{self._roll_back()} changes to {self.name} were rolled back")
        elif transaction.failure not in getattr(error, "__notes__", []):
            error.add_note(transaction.failure)

    def rollback(self) -> int:
        """Drop every change since the last commit; return how many."""
        with self._calm():
            return self._roll_back()

    def savepoint(self) -> Pending:
        """Return what is pending now, for `restore`."""
        with self._calm():
            return self._pending.copy()

    def restore(self, savepoint: Pending) -> None:
        """Drop every change since a savepoint; what was committed since stays."""
        with self._calm():
            self._pending = savepoint.copy()

    @contextlib.contextmanager
    def _calm(self) -> Iterator[Transaction]:
        """Keep other threads from writing, and give the transaction, which is another one after a compaction."""
        self._writing()
        with self._lock:
            self._appender.wait()
            yield self._writing()

    def _roll_back(self) -> int:
        """Drop what is pending; the caller keeps others from writing."""
        self._appender.forget()
        dropped = len(self._pending)
        self._pending = Pending()
        if self._transaction is not None:
            self._transaction.rollback()
        return dropped

    def refresh(self) -> bool:
        """Let a reader move to the newest commit; return whether there was a newer one."""
        self._check_open()
        if self.writable or self._place is None:
            return False
        with self._lock:
            if not isinstance(self._device.inner, FileDevice) or not is_current(self._device.inner, self._place.path):
                return self._reopen(self._place)
            commit = read_newest(self._device.inner, self._place)
            moved = commit.record.number != self.commit_number or commit.committed != self._commit.committed
            if moved:
                self._use(self._device.inner, commit, None)
            return moved

    def _reopen(self, place: Place) -> bool:
        try:
            opened = open_reader(place)
        except FileNotFoundError:
            return False
        self._retire()
        self._use(opened.device, opened.commit, None)
        return True

    def _retire(self) -> None:
        """Keep the device in use for reads under way in other threads, close the one before."""
        if self._retired is not None:
            self._retired.close()
        self._retired = self._device.inner

    def write_back(self, items: Iterable[Write]) -> bool:
        """Add copies of remote values to the file a reader has open, if that is possible without waiting.

        Own edits and deletions that wait to be pushed are left alone. The handle moves to the commit this makes.

        Returns
        -------
        bool
            Whether they were added; False when the file is locked, gone or cannot be written.
        """
        self._check_open()
        if self.writable:
            self.set_many(to_write_back(list(items), self.rows))
            self.commit()
            return True
        if self._place is None:
            return False
        place = self._place
        try:
            with WorkingCopy.open(place.path, "w", lock_timeout=0, locking=place.locking, files=place.files) as writer:
                writer.write_back(items)
        except OSError:
            return False
        self.refresh()
        return True

    def compact(self, path: str | os.PathLike[str] | None = None) -> int:
        """Write the file anew without what was overwritten or deleted; return how many bytes that saves.

        Open readers keep the old file.

        Parameters
        ----------
        path
            Where to write a compacted copy, which must not exist; None replaces the file itself.
        """
        with self._calm() as transaction:
            if self._pending:
                raise ValueError(f"{self.name}: {len(self._pending)} changes are pending; commit or roll back first")
            before = self._device.size()
            if path is not None:
                return before - self._copy_to(path)
            if self._place is None:
                fresh: Device = MemoryDevice()
                copy_commit(self._device, self._commit, fresh, self.name)
            else:
                fresh = self._replace_file(self._place, transaction)
            self._retire()
            commit = pinned(fresh, self.name)
            self._use(fresh, commit, transaction_on(fresh, commit))
            return before - fresh.size()

    def _replace_file(self, place: Place, transaction: Transaction) -> FileDevice:
        old = self._device.inner
        assert isinstance(old, FileDevice)
        try:
            with new_file(place.files, place.path, locking=place.locking) as fresh:
                copy_commit(self._device, self._commit, fresh, self.name)
                publish(place.files, fresh, place.path, replacing=True)
        except BaseException:
            if not is_current(old, place.path):
                transaction.failure = f"{self.name} was replaced by its compacted copy; reopen the file"
            raise
        unlock(old)
        return fresh

    def _copy_to(self, path: str | os.PathLike[str]) -> int:
        files = self._place.files if self._place else Files()
        target = real_path(path)
        with new_file(files, target, locking=False) as fresh:
            copy_commit(self._device, self._commit, fresh, self.name)
            publish(files, fresh, target, replacing=False)
        size = fresh.size()
        fresh.close()
        return size

    def close(self) -> None:
        """Close the file; changes that were not committed are dropped."""
        if self.closed or self._forked:
            return
        with self._lock:
            try:
                if self._transaction is not None:
                    self._appender.wait()
                    self._roll_back()
            finally:
                self._closed = True
                if self.writable and self._place is not None and self._place.locking:
                    remove_note(self._place.path)
                self._device.close()
                if self._retired is not None:
                    self._retired.close()

    def __enter__(self) -> "WorkingCopy":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_closed", True) or self._forked:
            return
        lost = f", {len(self._pending)} changes were dropped" if self._pending else ""
        warnings.warn(f"{self.name} was not closed{lost}", ResourceWarning, source=self, stacklevel=2)
        with contextlib.suppress(OSError):
            self.close()

    def _abandon(self) -> None:
        self._device.abandon()
        if self._retired is not None:
            self._retired.abandon()
