"""How are chunks kept in a local file that is in step with a remote?"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from cfdb.storage.booklet_store import translated
from cfdb.storage.protocol import Arrived, Brought, Buffer, ChunkWrite, HowToLoad, Stored, look_up
from ebooklet.bringing import How
from ebooklet.errors import ConflictError, OfflineError, OverlapError
from ebooklet.forks import ForkWriter
from ebooklet.mapping import EBooklet
from ebooklet.offline import offline_error, worst_of
from ebooklet.plan.summary import read_summary
from ebooklet.sizes import parse_rate
from ebooklet.synced import Write


class EBookletStore:
    """Chunks in an `EBooklet`, which is closed with the store; what is read and not here is fetched.

    Parameters
    ----------
    db : EBooklet
        The open key-value file; `db` gives what only a store with a remote can do.
    """

    def __init__(self, db: EBooklet) -> None:
        self.db = db
        self.readable: Callable[[str], str] = repr

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Translate errors, and say of what is missing offline which chunk it is."""
        try:
            with translated():
                yield
        except OfflineError as error:
            if not error.keys:
                raise
            raise offline_error(self.db.name, error.keys, self.readable) from error

    def _streamed(self, arriving: Iterator[Arrived]) -> Generator[Arrived, None, None]:
        with self._reading():
            yield from arriving

    @property
    def writable(self) -> bool:
        """Whether writes are accepted."""
        return self.db.writable

    @property
    def name(self) -> str:
        """Path of the local file and place of the remote."""
        return f"{self.db.name} ({self.db.remote_uri})"

    def get(self, key: str) -> bytes | None:
        """Give the payload, or None."""
        with self._reading():
            return self.db.get_payload(key)

    def get_many(self, keys: Sequence[str]) -> Sequence[Buffer | None]:
        """Give the payloads in the order of the keys."""
        with self._reading():
            return self.db.get_views(keys)

    def set_many(self, items: Iterable[ChunkWrite]) -> None:
        """Store values, replacing those of the same key."""
        with translated():
            self.db.set_payloads(Write(item.key, item.payload, item.tail, item.note) for item in items)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys; the next push removes them from the remote."""
        with translated():
            self.db.delete_payloads(keys)

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Iterate over the keys that start with `prefix`, local or not."""
        with translated():
            return self.db.iter_keys(prefix)

    def has(self, keys: Sequence[str]) -> list[bool]:
        """Tell for every key whether it was written."""
        with translated():
            return self.db.has(keys)

    def sizes(self, keys: Sequence[str]) -> list[int | None]:
        """Give payload sizes in bytes, None for keys never written."""
        with translated():
            return self.db.sizes(keys)

    def notes(self, keys: Sequence[str]) -> list[bytes | None]:
        """Give the notes, None for keys never written; offline those that are not here are empty."""
        with translated():
            try:
                return self.db.notes(keys)
            except OfflineError:
                return [b"" if there else None for there in self.db.has(keys)]

    def set_notes(self, notes: Mapping[str, bytes]) -> None:
        """Replace notes of existing keys; a value that came from the remote becomes an own edit."""
        with translated():
            self.db.set_notes(notes)

    def stored(self, prefix: str) -> Stored:
        """Count what is stored under the keys that start with `prefix`."""
        return look_up(self, prefix)

    def room(self) -> None:
        """Give nothing: the file here comes and goes with what is fetched."""

    def prefetch(self, keys: Iterable[str]) -> None:
        """Fetch what is not here, in as few requests as possible."""
        with self._reading():
            self.db.prefetch(list(keys))

    def load(self, keys: Sequence[str], how: HowToLoad) -> Brought:
        """Bring these keys near, in as few requests as possible, committing on the way."""
        rate = None if how.max_rate is None else parse_rate(how.max_rate)
        with self._reading():
            loaded = self.db.bring(keys, How(counted=how.report, max_rate=rate, stop=how.stop), ordered=how.ordered)
            if any(isinstance(error, OfflineError) for error in loaded.failures.values()):
                raise worst_of(self.db.name, loaded.failures)
        return Brought(len(loaded.fetched), loaded.nbytes, loaded.n_requests, loaded.failures)

    def estimate(self, keys: Sequence[str], ordered: bool = False) -> Any:
        """Tell what `load` would take."""
        with translated():
            return self.db.estimate_load(keys, ordered=ordered).counted_as("chunk")

    def stream(self, keys: Iterable[str]) -> Generator[Arrived, None, None] | None:
        """Give payloads as they arrive, while others are on their way; None when all are here."""
        with self._reading():
            arriving = self.db.stream(list(keys))
        return None if arriving is None else self._streamed(arriving)

    def local(self, keys: Sequence[str]) -> list[bool]:
        """Tell for every key whether reading it needs no request."""
        with translated():
            return self.db.is_local(keys)

    def guard(self, prefix: str, keys: Sequence[str]) -> None:
        """Let changes under `prefix` conflict with commits that changed one of these keys."""
        with translated():
            self.db.guard(prefix, keys)

    def commit(self) -> None:
        """Make every change since the last commit durable in the local file, as one; nothing is sent."""
        with translated():
            self.db.sync()

    def rollback(self) -> int:
        """Drop every change since the last commit; give their number."""
        with translated():
            dropped: int = self.db.rollback()
        return dropped

    def prune(self, timestamp: Any = None) -> int:
        """Write the local file anew without what was overwritten, deleted, or fetched before a moment."""
        with translated():
            return self.db.prune(timestamp)

    def savepoint(self) -> object:
        """Note where things stand, for `restore`."""
        with translated():
            return self.db.savepoint()

    def restore(self, savepoint: Any) -> None:
        """Drop every change since a savepoint that no commit followed."""
        with translated():
            self.db.restore(savepoint)

    def refresh(self) -> bool:
        """Move a reading handle to the newest version; tell whether there was a newer one."""
        with translated():
            return self.db.pull()

    def close(self) -> None:
        """Close the file; changes that were not committed are dropped."""
        if self.db.closed:
            return
        try:
            if self.db.writable:
                self.db.rollback()
        finally:
            self.db.close()

    # what only a store with a remote can do

    def description(self) -> dict[str, Any]:
        """Give what the version of the remote that is read and edited says of itself; empty where it says nothing."""
        base = self.db.base
        return {} if base is None else read_summary(base.snapshot.summary)

    def push(self, readable: Callable[[str], str], **options: Any) -> Any:
        """Publish everything that is pending, as one commit; `readable` says what a key stands for, for conflicts."""
        with translated(), _named(readable):
            return self.db.push(**options)

    def pull(self, readable: Callable[[str], str], on_conflict: Any = "raise") -> bool:
        """Move to the newest version, own changes on top; tell whether there was a newer one."""
        with translated(), _named(readable):
            return self.db.pull(on_conflict)

    def fork(self) -> Any:
        """Give a record with which workers write."""
        with translated():
            return self.db.fork()

    def merge(self, results: Any) -> Any:
        """Take over what workers wrote; chunks that two of them wrote are named."""
        with translated():
            try:
                return self.db.merge(results)
            except OverlapError as error:
                raise self._overlap(error) from error

    def _overlap(self, error: OverlapError) -> OverlapError:
        twice = [self.readable(key) for key in error.keys]
        relied = [self.readable(key) for key in error.guards]
        parts = [f"written twice, by two workers or by a worker and here: {_some(twice)}"] if twice else []
        if relied:
            parts.append(f"changed here since the fork, while workers relied on it: {_some(relied)}")
        return OverlapError(
            f"the results of the workers do not fit together: {'; '.join(parts)}. Nothing was merged: let each chunk "
            "be written by one worker (chunk_shape tells which cells belong together), and pending changes here wait "
            "for the merge, or be given up by changes().discard()",
            error.keys,
            error.guards,
        )

    def result(self, progress: Any = None) -> Any:
        """Send what a worker wrote and give the record of it; closes the file."""
        with translated():
            return cast("ForkWriter", self.db).result(progress=progress)

    def plan_compaction(self, **options: Any) -> Any:
        """Plan which objects of the remote to rewrite."""
        with translated():
            return self.db.plan_compaction(**options)

    def compact(self, **options: Any) -> Any:
        """Rewrite objects of the remote, without changing a value."""
        with translated():
            return self.db.compact(**options)


@contextmanager
def _named(readable: Callable[[str], str]) -> Iterator[None]:
    """Let conflicts speak of variables and chunks instead of keys."""
    try:
        yield
    except ConflictError as error:
        both = [readable(key) for key in error.keys]
        relied = [readable(key) for key in error.guards]
        parts = [f"changed on both sides: {_some(both)}"] if both else []
        if relied:
            parts.append(f"own changes rely on what changed there: {_some(relied)}")
        if not parts:
            raise
        raise ConflictError(
            f"another commit stands against the pending changes: {'; '.join(parts)}. Nothing was published or lost: "
            "push(on_conflict='ours') writes over it, push(on_conflict='theirs') or changes().discard() gives up",
            error.keys,
            error.guards,
        ) from error


def _some(names: Sequence[str], most: int = 5) -> str:
    names = list(dict.fromkeys(names))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
