"""How are objects kept in a folder: on a network drive, on scratch, in a test?

An object is a file at the path its key spells, so that a folder looks like the bucket it stands for. Files appear by
`os.replace` after an fsync, one step at a time under a lock file, which makes conditional writes atomic between
processes. ``.ebooklet/`` in the folder holds the lock and unfinished files.
"""

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from ebooklet.errors import (
    AccessDeniedError,
    BucketMissingError,
    EBookletError,
    LockUnavailableError,
    NotModifiedError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    PreconditionFailedError,
    ShortObjectError,
    StoreError,
    UnsupportedOperationError,
)
from ebooklet.format.checksum import Digest, digest
from ebooklet.stores.dialect import Dialect
from ebooklet.stores.key_paths import CONTROL_FOLDER, displaced, key_of_path, path_of_key
from ebooklet.stores.protocol import (
    OVERWRITE,
    Body,
    Create,
    Object,
    ObjectMeta,
    ObjectStore,
    PutMode,
    Update,
    name_of,
    pieces_of,
)
from ebooklet.uri import is_windows_path

ABANDONED_AFTER = 86_400.0
PIECE = 1 << 20  # bytes read at once of a file that is only looked through


class FolderStore:
    """An object store in a folder, with atomic conditional writes.

    Parameters
    ----------
    folder : str or os.PathLike
        Absolute path; it is made by the first write if the folder above it exists.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = FolderStore(folder.name)
    >>> meta = store.put("a/b", b"hello")
    >>> store.get("a/b").body
    b'hello'
    >>> folder.cleanup()
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        if os.name == "nt" or is_windows_path(os.fspath(folder)):
            raise UnsupportedOperationError(f"{os.fspath(folder)!r}: folders of Windows are not supported yet")
        self.folder = Path(os.path.abspath(folder))
        self.uri = self.folder.as_uri()
        self.dialect = Dialect(conditional_put=True)
        self._swept = False

    def __repr__(self) -> str:
        return f"FolderStore({str(self.folder)!r})"

    @property
    def supports_conditional_put(self) -> bool | None:
        """Always true here."""
        return self.dialect.conditional_put

    # ------------------------------------------------------------------ reading

    def get(self, key: str, *, if_none_match: str | None = None, limit: int | None = None) -> Object:
        """Read an object in full."""
        with self._translated(key), self._open(key) as file:
            size = os.fstat(file.fileno()).st_size
            if limit is not None and size > limit:
                raise ObjectTooLargeError(f"{self._place(key)} has {size} bytes, more than the {limit} expected")
            body = file.read()
            meta = _meta(key, os.fstat(file.fileno()), digest(body).hex(), datetime.now(UTC))
        if if_none_match == meta.etag:
            raise NotModifiedError(f"{self._place(key)} still has the ETag {meta.etag}")
        return Object(meta, body)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read exactly `length` bytes at `start`."""
        return self.get_ranges(key, [(start, length)])[0]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Read several ranges of one object."""
        with self._translated(key), self._open(key) as file:
            size = os.fstat(file.fileno()).st_size
            pieces = []
            for start, length in ranges:
                if start + length > size:
                    raise ShortObjectError(
                        f"{self._place(key)} has {size} bytes: there are no {length} bytes at {start}"
                    )
                file.seek(start)
                pieces.append(file.read(length))
        return pieces

    def head(self, key: str) -> ObjectMeta:
        """Describe an object; its ETag is computed, so that the file is read, in pieces."""
        check = Digest()
        with self._translated(key), self._open(key) as file:
            while piece := file.read(PIECE):
                check.update(piece)
            return _meta(key, os.fstat(file.fileno()), check.hex(), datetime.now(UTC))

    def list(self, prefix: str) -> Iterator[ObjectMeta]:
        """All objects whose key begins with `prefix`, ordered; without ETags, as they would have to be computed."""
        above = prefix.rpartition("/")[0]
        begin = path_of_key(above) if above else Path()
        now = datetime.now(UTC)
        with self._translated(prefix):
            found = [
                _meta(key, status, "", now)
                for path, status in _files(self.folder / begin)
                if (key := key_of_path(path.relative_to(self.folder))).startswith(prefix)
                and path.relative_to(self.folder).parts[0] != CONTROL_FOLDER
            ]
        yield from sorted(found, key=lambda meta: meta.key.encode())

    def list_folder(self, prefix: str) -> Iterator[ObjectMeta | str]:
        """The objects of one folder, and its folders; those in which there is no object are none."""
        above = prefix.rpartition("/")[0]
        place = self.folder / (path_of_key(above) if above else Path())
        now = datetime.now(UTC)
        found: list[ObjectMeta | str] = []
        with self._translated(prefix), suppress(FileNotFoundError, NotADirectoryError), os.scandir(place) as entries:
            for entry in entries:
                key = key_of_path((place / entry.name).relative_to(self.folder))
                if place == self.folder and entry.name == CONTROL_FOLDER:
                    continue
                if entry.is_dir():
                    found += [f"{key}/"] if _holds_objects(entry.path) else []
                else:
                    with suppress(FileNotFoundError):
                        found.append(_meta(key, entry.stat(), "", now))
        yield from sorted(
            (one for one in found if name_of(one).startswith(prefix)), key=lambda one: name_of(one).encode()
        )

    # ------------------------------------------------------------------ writing

    def put(self, key: str, body: Body, mode: PutMode = OVERWRITE) -> ObjectMeta:
        """Write an object."""
        check = Digest()
        with self._translated(key):
            staged = self._stage(lambda path: _write(path, body, check))
            status = self._publish(staged, key, mode)
        written = _time(status.st_mtime)
        return ObjectMeta(key, status.st_size, check.hex(), written, written)

    def copy(self, source_key: str, target_key: str, *, target: ObjectStore | None = None) -> bool:
        """Copy an object to a key of this or another folder."""
        there = self if target is None else target
        if not isinstance(there, FolderStore):
            return False
        with self._translated(source_key), self._open(source_key) as source:
            staged = there._stage(lambda path: _copy(source.name, path))
        with there._translated(target_key):
            there._publish(staged, target_key, OVERWRITE)
        return True

    def delete(self, key: str) -> None:
        """Delete an object; a missing one is no error."""
        with self._translated(key):
            if not self.folder.is_dir():
                return
            with self._locked():
                path = self._path_of_file(key)
                if path is None:
                    return
                path.unlink()
                _drop_empty_folders(path.parent, self.folder)

    def delete_many(self, keys: Sequence[str]) -> dict[str, StoreError]:
        """Delete objects."""
        failed: dict[str, StoreError] = {}
        for key in keys:
            try:
                self.delete(key)
            except StoreError as error:
                failed[key] = error
        return failed

    # ------------------------------------------------------------------ files

    def _open(self, key: str) -> BinaryIO:
        # A file may be moved aside, by a writer that needs its name for a folder, between our two looks.
        for _ in range(3):
            path = self._path_of_file(key)
            if path is None:
                break
            with suppress(FileNotFoundError, IsADirectoryError):
                return open(path, "rb")
        raise ObjectNotFoundError(f"there is no object {self._place(key)}")

    def _path_of_file(self, key: str) -> Path | None:
        plain = self.folder / path_of_key(key)
        for path in (plain, displaced(plain)):
            if path.is_file():
                return path
        return None

    def _stage(self, fill: Callable[[Path], None]) -> Path:
        """Fill a file outside the objects and see it on the disk."""
        staging = self._control_folder() / "staged"
        staging.mkdir(exist_ok=True)
        if not self._swept:
            _drop_abandoned(staging)
            self._swept = True
        path = staging / secrets.token_hex(16)
        try:
            fill(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def _publish(self, staged: Path, key: str, mode: PutMode) -> os.stat_result:
        """Give a staged file its name, if `mode` allows it."""
        try:
            with self._locked():
                there = self._path_of_file(key)
                self._check(key, there, mode)
                path = there or self._make_room(key)
                os.replace(staged, path)
                _sync_folder(path.parent)
                return path.stat()
        except BaseException:
            staged.unlink(missing_ok=True)
            raise

    def _check(self, key: str, there: Path | None, mode: PutMode) -> None:
        if isinstance(mode, Create) and there is not None:
            raise PreconditionFailedError(f"{self._place(key)} exists already")
        if isinstance(mode, Update):
            if there is None:
                raise PreconditionFailedError(f"{self._place(key)} is gone, or was never there")
            etag = digest(there.read_bytes()).hex()
            if etag != mode.etag:
                raise PreconditionFailedError(f"{self._place(key)} has the ETag {etag}, expected {mode.etag}")

    def _make_room(self, key: str) -> Path:
        """The path for a new object; its folders are made, and files whose names they need are moved aside."""
        plain = self.folder / path_of_key(key)
        folder = self.folder
        for name in plain.relative_to(self.folder).parts[:-1]:
            above, folder = folder, folder / name
            if folder.is_file():
                os.replace(folder, displaced(folder))
            if not folder.is_dir():
                folder.mkdir()
                _sync_folder(above)
        return displaced(plain) if plain.is_dir() else plain

    def _control_folder(self) -> Path:
        folder = self.folder / CONTROL_FOLDER
        if not folder.is_dir():
            if not self.folder.parent.is_dir():
                raise BucketMissingError(f"the folder {str(self.folder.parent)!r} does not exist; create it first")
            self.folder.mkdir(exist_ok=True)
            folder.mkdir(exist_ok=True)
        return folder

    @contextmanager
    def _locked(self) -> Iterator[None]:
        import fcntl

        with open(self._control_folder() / "lock", "ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                raise LockUnavailableError(
                    f"the file system of {str(self.folder)!r} offers no locks ({error.strerror}); "
                    "keep the objects on another one"
                ) from error
            yield

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        """What the operating system says, in our errors."""
        try:
            yield
        except EBookletError:
            raise
        except PermissionError as error:
            raise AccessDeniedError(f"{self._place(key)}: {error.strerror}") from error
        except OSError as error:
            raise StoreError(f"{self._place(key)}: {error.strerror}") from error

    def _place(self, key: str) -> str:
        return f"{self.uri}/{key}"


def _holds_objects(folder: str) -> bool:
    """Whether there is a file below, apart from what stores in folders keep for themselves."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda one: one.is_dir()):
            if not entry.is_dir() or (entry.name != CONTROL_FOLDER and _holds_objects(entry.path)):
                return True
    return False


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All files below a folder; those that vanish meanwhile are passed over."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir():
            yield from _files(Path(entry.path))
        else:
            with suppress(FileNotFoundError):
                yield Path(entry.path), entry.stat()


def _write(path: Path, body: Body, check: Digest) -> None:
    with open(path, "xb") as file:
        for part in pieces_of(body):
            file.write(part)
            check.update(part)
        file.flush()
        os.fsync(file.fileno())


def _copy(source: str, target: Path) -> None:
    shutil.copyfile(source, target)
    with open(target, "rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _drop_empty_folders(folder: Path, root: Path) -> None:
    with suppress(OSError):
        while folder != root:
            folder.rmdir()
            folder = folder.parent


def _drop_abandoned(staging: Path) -> None:
    """Remove what processes that died left behind long ago."""
    for entry in os.scandir(staging):
        with suppress(OSError):
            if entry.stat().st_mtime < time.time() - ABANDONED_AFTER:
                os.unlink(entry.path)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _meta(key: str, status: os.stat_result, etag: str, now: datetime) -> ObjectMeta:
    return ObjectMeta(key, status.st_size, etag, _time(status.st_mtime), now)
