"""How do many workers write one database, so that one commit publishes what all of them did?

The owner's handle gives a `Fork`, a small record. Whoever opens it, in whatever process, writes and sends packs of its
own to the remote, where no version refers to them, and gives a `ForkResult`, a small record as well. The owner merges
the results, and its next push publishes them with its own changes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ebooklet.connection import Connection
from ebooklet.errors import ForkError, OverlapError
from ebooklet.format.snapshot import SnapshotRef
from ebooklet.format.uploaded import Uploaded, joined
from ebooklet.results import MergeResult
from ebooklet.sizes import byte_size, counted
from ebooklet.versioned import VersionedFile

SHOWN = 5  # keys in a message


@dataclass(frozen=True, slots=True)
class Fork:
    """What a worker needs to write a part of a database; travels to other processes and computers.

    Made by `EBooklet.fork`. It holds the connection, with credentials only if that itself would be pickled with them.

    Attributes
    ----------
    connection : Connection
        Where the database is.
    uuid : UUID
        Which database it is.
    version : str
        Id of the version that workers see and build on.
    """

    connection: Connection
    uuid: UUID
    version: str
    ref: SnapshotRef | None = field(repr=False)
    kind: str = field(repr=False)
    group_bytes: int | None = field(repr=False)
    num_groups: int | None = field(repr=False)
    serializer: Any = field(repr=False)
    trust_pickle: bool = field(repr=False)
    opener: Callable[..., Any] = field(repr=False)

    def open(self, folder: Any = None) -> Any:
        """Open a handle that writes for the owner of the fork; leave its ``with`` block, then take its `result`.

        Parameters
        ----------
        folder : str or path, optional
            Where values wait until they are sent; a temporary folder by default.

        Returns
        -------
        ForkWriter
        """
        return self.opener(self, folder)


@dataclass(frozen=True, slots=True)
class ForkResult:
    """What a worker did; give it to the owner's `merge`.

    Attributes
    ----------
    uuid : UUID
        The database.
    version : str
        Id of the version the worker began with.
    record : bytes
        What it set and removed, and the objects it has sent; grows with the number of keys, not with the values.
    n_keys : int
        Keys set or removed.
    n_objects, nbytes : int
        Objects sent, and their bytes.
    n_requests : int
        Requests the worker sent in all.
    """

    uuid: UUID
    version: str
    record: bytes = field(repr=False)
    n_keys: int = 0
    n_objects: int = 0
    nbytes: int = 0
    n_requests: int = 0

    @property
    def ok(self) -> bool:
        """Always: a worker whose upload fails raises."""
        return True

    def uploaded(self) -> Uploaded:
        """Read the record."""
        return Uploaded.decode(self.record)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys that were set or removed."""
        return self.uploaded().keys

    def __str__(self) -> str:
        keys, objects = counted(self.n_keys, "key"), counted(self.n_objects, "object")
        return f"{keys} in {objects}, {byte_size(self.nbytes)}, {counted(self.n_requests, 'request')}"


class ForkableFile(VersionedFile):
    """A synced file whose writing can be shared among workers."""

    def __init__(self, *args: Any, open_fork: Callable[..., Any] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open_fork = open_fork

    def fork(self) -> Fork:
        """Return a record with which workers in other threads, processes and computers write for this handle.

        Workers see what was pushed, whatever is pending here; so nothing may be pending.

        Raises
        ------
        ForkError
            If something is pending, or nothing was pushed yet.

        Examples
        --------
        >>> import ebooklet, tempfile
        >>> def work(fork, number):
        ...     with fork.open() as part:
        ...         part[f"square of {number}"] = number**2
        ...     return part.result()
        >>> remote = f"file://{tempfile.mkdtemp()}/db.blt"
        >>> with ebooklet.open(remote, flag="c", value_serializer="json", cache=None) as db:
        ...     db["name"] = "squares"
        ...     pushed = db.push()
        ...     fork = db.fork()
        ...     merged = db.merge([work(fork, number) for number in range(3)])
        ...     print(merged.n_keys, db["square of 2"], db.push().n_keys)
        3 4 3
        """
        self._check_writable()
        self.sync()
        base = self.base
        if base is None or self._edits or self._open_fork is None:
            raise ForkError(f"{self.name}: push() before fork(): workers see what was pushed, and build on it")
        place, local = self._publisher.place, self._local
        own: Any = getattr(self, "_serializer", None)
        is_custom = own is not None and local.value_serializer == "bytes" and own.dumps is not bytes
        return Fork(
            place.connection,
            self.uuid,
            base.snapshot.id.hex(),
            base.root.ref,
            place.kind,
            place.group_bytes,
            place.num_groups,
            own if is_custom else None,
            local.trusts_pickle,
            self._open_fork,
        )

    def merge(self, results: ForkResult | Iterable[ForkResult]) -> MergeResult:
        """Take over what workers did; the next push publishes it in one commit, with what is pending here.

        What workers wrote is read from the remote when it is touched, as anything else. A result that was merged
        before is passed over. All results are merged, or none.

        Parameters
        ----------
        results : ForkResult or iterable of ForkResult
            What the workers gave back.

        Returns
        -------
        MergeResult

        Raises
        ------
        OverlapError
            If two workers, or a worker and this handle, changed the same keys; it names them.
        ForkError
            If a result belongs to another database or another version.
        """
        self._check_writable()
        self.sync()
        merged = self._edits.merged
        fresh: dict[bytes, Uploaded] = {}
        known = 0
        for result in _checked(results):
            part = result.uploaded()
            if part.ids[0] in fresh or part.ids[0] in merged.ids or self._published(part):
                known += 1
                continue
            self._check_fits(result)
            fresh[part.ids[0]] = part
        self._check_apart([*fresh.values(), merged])
        both = joined(fresh.values())
        if both:
            self._publisher.merge(both)
        return MergeResult(len(fresh), known, len(both.keys), both.nbytes)

    def _published(self, part: Uploaded) -> bool:
        """Whether the version this handle is based on has the objects already."""
        packs = () if self.base is None else self.base.snapshot.packs
        names = {pack.name for pack in packs if pack is not None}
        return bool(part.uploads) and any(upload.name in names for upload in part.uploads)

    def _check_fits(self, result: ForkResult) -> None:
        base = self.base
        if result.uuid != self.uuid:
            raise ForkError(f"a result is of the database {result.uuid}, this one is {self.uuid}: nothing was merged")
        if base is None or self._edits.replaces or result.version != base.snapshot.id.hex():
            now = "nothing" if base is None else base.snapshot.id.hex()[:8]
            raise ForkError(
                f"a result was made on the version {result.version[:8]} of {self.remote_uri}, {self.name} is based on "
                f"{now}: nothing was merged. Merge before anything else is pushed or pulled, or fork() again"
            )

    def _check_apart(self, parts: Sequence[Uploaded]) -> None:
        """Refuse parts that change the same keys, or what others of them rely on."""
        own = {row.key for row in self._local.pending(cold=False)}
        counts = Counter(key for part in parts for key in part.keys)
        before = set(parts[-1].keys)
        new = counts.keys() - before
        twice = {key for key, number in counts.items() if number > 1} | (own & new)
        broken = {
            *_touched(own, (part.guards for part in parts[:-1])),
            *_touched(new, [self._edits.guards()]),
        }
        if twice or broken:
            keys, guards = sorted(twice), sorted(broken)
            what = [f"changed twice: {_some(keys)}"] if keys else []
            what += [f"changed while others relied on it: {_some(guards)}"] if guards else []
            raise OverlapError(
                f"workers, or a worker and {self.name}, stand against each other: {'; '.join(what)}. Nothing was "
                "merged: let each key be written by one of them",
                keys,
                guards,
            )


def _touched(changed: Iterable[str], guards: Iterable[Mapping[str, tuple[str, ...]]]) -> set[str]:
    """Keys among those that changed that guards stand for; one that ends in ``/`` stands for all below it."""
    wanted = {key for some in guards for keys in some.values() for key in keys}
    below = tuple(key for key in wanted if key.endswith("/"))
    return {key for key in changed if key in wanted or (below and key.startswith(below))}


def _checked(results: ForkResult | Iterable[ForkResult]) -> list[ForkResult]:
    given = [results] if isinstance(results, ForkResult) else list(results)
    for one in given:
        if not isinstance(one, ForkResult):
            raise TypeError(
                f"merge takes what result() of a worker gave, not {type(one).__name__}: let each worker return "
                "part.result()"
            )
    return given


def _some(keys: Sequence[str]) -> str:
    more = len(keys) - SHOWN
    return ", ".join(map(repr, keys[:SHOWN])) + (f" and {more} more" if more > 0 else "")
