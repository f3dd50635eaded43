"""How do a connection and a local file become one handle?

====  ==============================================================================================
flag  meaning
====  ==============================================================================================
r     read; needs the remote, or a local file with something in it
w     write; needs the remote or a local file
c     write; made when there is neither
n     write; what is on the remote stays readable until the push that replaces it
====  ==============================================================================================
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ebooklet.edits import Edits
from ebooklet.errors import FileFormatError, LockTimeoutError, OfflineError, RemoteMissingError, UnsupportedFormatError
from ebooklet.keeping import Keeping
from ebooklet.kept_pages import KeptPages
from ebooklet.loading import Loader
from ebooklet.local.serializers import NAMES
from ebooklet.local.working_copy import Flag, WorkingCopy
from ebooklet.pinned import open_pinned
from ebooklet.plan.history import Spec
from ebooklet.publishing import Place, Publisher, check_identity, newest, shown
from ebooklet.sizes import byte_size
from ebooklet.sync.version import CachedRoot, RemoteVersion, find_version, open_version
from ebooklet.validation import ASKING, Validation

log = logging.getLogger("ebooklet")

OPENERS = {"ebooklet": "ebooklet.open", "rcg": "ebooklet.open_rcg", "cfdb": "cfdb.open_edataset"}
SECONDS_TO_CREATE = 10.0  # another reader making the same cache file needs less


@dataclass(frozen=True, slots=True)
class Parts:
    """What a handle is made of."""

    loader: Loader
    edits: Edits
    publisher: Publisher
    newest_root: CachedRoot | None = None  # of a handle that is pinned to an older version


@dataclass(frozen=True, slots=True)
class Assembly:
    """How a database is to be opened.

    Attributes
    ----------
    place : Place
        The remote.
    path : Path or None
        The local file; None keeps everything in memory.
    serializer : str or None
        Name of the serializer the caller asked for.
    new_serializer : str
        Name of the serializer of a database made here, when he did not.
    lock_timeout : float
        Seconds to wait for another local writer.
    expected_keys : int or None
        About how many keys a new file will hold.
    trust_pickle : bool
        Whether the caller asked for pickle.
    disposable : bool
        Whether the local file is a cache the user did not name.
    keeping : Keeping
        What keeps the local file within a size, and counts.
    validation : Validation
        How often readers ask the remote for its newest version.
    """

    place: Place
    path: Path | None
    serializer: str | None
    new_serializer: str = "bytes"
    lock_timeout: float = 300
    expected_keys: int | None = None
    trust_pickle: bool = False
    disposable: bool = False
    keeping: Keeping = field(default_factory=Keeping)
    validation: Validation = ASKING

    def open(self, flag: Flag) -> Parts:
        """Open or make local file and remote version as the flag says."""
        if flag == "n":
            return self._replace()
        return self._read() if flag == "r" else self._write(flag)

    def at(self, wanted: Spec) -> Parts:
        """Open an old version for reading, which neither sees nor changes what waits in the local file."""
        loader, edits, publisher, newest_root = open_pinned(self.place, self.path, wanted, self.keeping.release)
        with _closing_on_error(loader):
            assert publisher.base is not None, "a version was opened"
            self._check_kind(publisher.base.root.kind, self.place.uri)
            self._check_serializer(loader.local.value_serializer, self.place.uri)
        return Parts(loader, edits, publisher, newest_root)

    def for_worker(self, version: RemoteVersion) -> Parts:
        """Make a local file for a worker that writes a part on top of a version."""
        local = self._make("n", version, self.lock_timeout)
        with _closing_on_error(local):
            Edits(local).begin(self.place.kind, version.cached)
            return self._joined(local, version)

    # ---- reading -----------------------------------------------------------------------------------------------

    def _read(self) -> Parts:
        local = self._existing("r")
        if local is None:
            version = self._published("r")
            assert version is not None, "without a remote that has raised"
            return self._joined(self._new_cache(version), version)
        with _closing_on_error(local):
            edits = Edits(local)
            version = self._readable(local, edits)
            if version is not None and self._outdated(version, local, edits):
                local.close()
                local = self._renewed_cache(version)
            elif version is not None and self._worth_remembering(version, edits):
                self._remember(version)
            return self._joined(local, version)

    def _worth_remembering(self, version: RemoteVersion, edits: Edits) -> bool:
        return version.cached != edits.base or (self.keeping.validated and self.validation.remembers)

    def _readable(self, local: WorkingCopy, edits: Edits) -> RemoteVersion | None:
        """The version to read; the one the local file is a copy of, when the remote is gone or need not be asked."""
        known = edits.base
        if known is not None and not edits and self.validation.trusts(local):
            self.keeping.validated = False
            return RemoteVersion(self.place.store, self.place.key, known, pages=KeptPages(local))
        try:
            if self.validation.always and not edits:
                return open_version(self.place.store, self.place.key)
            return newest(self.place, edits)
        except RemoteMissingError:
            base = edits.base
            if base is None:
                raise
            warnings.warn(
                f"{self.place.uri} is gone: only what is in {local.name} can be read", UserWarning, stacklevel=2
            )
            return RemoteVersion(self.place.store, self.place.key, base, pages=KeptPages(local))

    def _outdated(self, version: RemoteVersion, local: WorkingCopy, edits: Edits) -> bool:
        """Whether the local file is a cache of a database that was replaced by another one, with nothing to lose."""
        return self.disposable and version.uuid != local.uuid and not edits

    def _renewed_cache(self, version: RemoteVersion) -> WorkingCopy:
        """Make the local file of a reader anew, unless it is busy, or came to hold something meanwhile."""
        assert self.path is not None, "a file was read"
        try:
            with WorkingCopy.open(self.path, "w", lock_timeout=0) as old:
                if self._outdated(version, old, Edits(old)):
                    Path(old.name).unlink()
        except FileNotFoundError:
            pass
        except OSError:
            return self._in_memory(version)
        return self._new_cache(version)

    def _new_cache(self, version: RemoteVersion) -> WorkingCopy:
        """Make the local file of a reader, in memory where no file can be made."""
        if self.path is None:
            return self._in_memory(version)
        try:
            with self._make("c", version, min(self.lock_timeout, SECONDS_TO_CREATE)) as made:
                edits = Edits(made)
                if edits.base is None and not edits:
                    self.validation.remember(made)
                    edits.begin(self.place.kind, version.cached, source=self.place.uri)
        except LockTimeoutError:
            pass  # somebody is writing it: then it can be read
        except PermissionError as error:
            log.warning("%s: no local file can be made (%s), values are kept in memory", version.place, error)
            return self._in_memory(version)
        return WorkingCopy.open(self.path, "r", trust_pickle=self.trust_pickle)

    def _in_memory(self, version: RemoteVersion) -> WorkingCopy:
        local = replace(self, path=None)._make("n", version, 0)
        Edits(local).begin(self.place.kind, version.cached)
        return local

    def _remember(self, version: RemoteVersion) -> None:
        """Keep the root object for the next opening, if the file is not busy."""
        if self.path is None:
            return
        with suppress(OSError, FileFormatError), WorkingCopy.open(self.path, "w", lock_timeout=0) as writer:
            edits = Edits(writer)
            if not edits and writer.uuid == version.uuid:
                self.validation.remember(writer)
                edits.rest_on(version.cached)
                writer.commit()

    # ---- writing -----------------------------------------------------------------------------------------------

    def _write(self, flag: Flag) -> Parts:
        local = self._existing("w")
        if local is None:
            version = self._published(flag)
            local = self._make("c", version, self.lock_timeout)
            with _closing_on_error(local):
                edits = Edits(local)
                if edits.base is None and not edits:
                    root = version.cached if version is not None else None
                    edits.begin(self.place.kind, root, source=self.place.uri)
                    return self._joined(local, version)
        with _closing_on_error(local):
            parts = self._joined(local, None)
            with suppress(OfflineError):
                parts.publisher.resolve()
            version = self._current(flag, local, parts.edits)
            if version is not None and self._outdated(version, local, parts.edits):
                Path(local.name).unlink()
                local.close()
                return self._write(flag)
            elif version is not None and version.cached != parts.edits.base:
                check_identity(version, local.name, local.uuid)
                parts.edits.belong_to(self.place.uri)
                parts.edits.rest_on(version.cached)
                local.commit()
            return self._joined(local, version)

    def _current(self, flag: Flag, local: WorkingCopy, edits: Edits) -> RemoteVersion | None:
        try:
            version = newest(self.place, edits)
            if version is None or flag != "c" or not edits or self._is_there():
                return version
            cause: RemoteMissingError | None = None
        except RemoteMissingError as error:
            cause = error
        self._check_owner(local, edits, cause)
        if flag != "c":
            raise RemoteMissingError(
                f"there is no database at {self.place.uri}: check db_key=, or it was deleted since {self.path} was "
                "last used; flag 'c' makes what is here a new one"
            ) from cause
        self._let_go(local, edits)
        return None

    def _is_there(self) -> bool:
        try:
            return find_version(self.place.store, self.place.key) is not None
        except OfflineError:
            return True

    def _check_owner(self, local: WorkingCopy, edits: Edits, cause: Exception | None) -> None:
        """Refuse a file of another remote: the key may be wrong, and a second database would be made of it."""
        if edits.source not in (None, self.place.uri):
            raise RemoteMissingError(
                f"there is no database at {self.place.uri}, and {local.name} belongs to {edits.source}: check the "
                f"address. copy_remote({edits.source!r}, {self.place.uri!r}) makes a second database there"
            ) from cause

    def _let_go(self, local: WorkingCopy, edits: Edits) -> None:
        """Make what is here pending, because the remote is gone; only if everything is here."""
        base = edits.base
        if base is None:
            return
        version = RemoteVersion(self.place.store, self.place.key, base, pages=KeptPages(local))
        copies, lost = Loader(local, version, self.place.connection.threads).copies()
        if lost:
            raise RemoteMissingError(
                f"{self.place.uri} is gone, and {self.path} holds {len(copies)} of its {len(copies) + lost} values; it "
                "is left as it is. Read what is here with flag 'r'; a new database needs another file or flag 'n'"
            )
        edits.detach(copies, edits.metadata or version.snapshot.metadata or None)

    def _replace(self) -> Parts:
        version = find_version(self.place.store, self.place.key)
        local = self._make("n", version, self.lock_timeout)
        with _closing_on_error(local):
            cached = version.cached if version is not None else None
            Edits(local).begin(self.place.kind, cached, replacing=version is not None, source=self.place.uri)
            if version is not None:
                nbytes = sum(pack.live_bytes for pack in version.snapshot.packs if pack is not None)
                log.info(
                    "%s: %d keys, %s, stay readable until the next push replaces them",
                    self.place.uri, len(version), byte_size(nbytes),
                )  # fmt: skip
            return self._joined(local, version, any_kind=True)

    # ---- both --------------------------------------------------------------------------------------------------

    def _existing(self, flag: Flag) -> WorkingCopy | None:
        if self.path is None:
            return None
        try:
            return WorkingCopy.open(self.path, flag, lock_timeout=self.lock_timeout, trust_pickle=self.trust_pickle)
        except FileNotFoundError:
            return None

    def _published(self, flag: Flag) -> RemoteVersion | None:
        """The remote that a new local file is for; None when there is none yet and there need not be."""
        file = "no local file was named" if self.path is None or self.disposable else f"{self.path} does not exist"
        try:
            version = find_version(self.place.store, self.place.key)
        except OfflineError as error:
            raise OfflineError(f"{error}; {file} either") from None
        if version is None and flag != "c":
            raise RemoteMissingError(f"there is no database at {self.place.uri} and {file}; flag 'c' makes a new one")
        if version is not None:
            self._check_serializer(version.root.serializer, self.place.uri)
        return version

    def _make(self, flag: Flag, version: RemoteVersion | None, lock_timeout: float) -> WorkingCopy:
        name = self.serializer or (version.root.serializer if version is not None else self.new_serializer)
        if name not in NAMES:
            raise UnsupportedFormatError(f"{self.place.uri}: unknown serializer {name!r}; update to read it")
        return WorkingCopy.open(
            self.path,
            flag,
            lock_timeout=lock_timeout,
            value_serializer=name,
            expected_keys=self.expected_keys or (len(version) if version is not None else None),
            uuid=version.uuid if version is not None else None,
            trust_pickle=self.trust_pickle,
        )

    def _check_serializer(self, found: str, where: str) -> None:
        if self.serializer is not None and self.serializer != found:
            raise ValueError(
                f"{where} was made with value_serializer={found!r}, not {self.serializer!r}; leave it out, or use flag "
                "'n' to begin anew"
            )

    def _check_kind(self, kind: str | None, where: str) -> None:
        if kind is not None and kind != self.place.kind:
            raise TypeError(f"{where} holds a database of kind {kind!r}: open it with {OPENERS.get(kind, kind)}")

    def _joined(self, local: WorkingCopy, version: RemoteVersion | None, *, any_kind: bool = False) -> Parts:
        with _closing_on_error(local):
            edits = Edits(local)
            if not any_kind:
                if version is not None:
                    check_identity(version, local.name, local.uuid)
                    self._check_kind(version.root.kind, self.place.uri)
                self._check_kind(edits.kind, local.name)
                self._check_serializer(local.value_serializer, local.name)
            seen = shown(version, edits)
            loader = Loader(local, seen, self.place.connection.threads, self.keeping)
            edits = Edits(local, loader.writing, loader.pin)
            return Parts(loader, edits, Publisher(self.place, loader, edits, version))


@contextmanager
def _closing_on_error(local: WorkingCopy | Loader) -> Iterator[None]:
    try:
        yield
    except BaseException:
        local.close()
        raise
