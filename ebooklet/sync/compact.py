"""How is a remote compacted, beside readers and other writers?

Values in use of the packs that a plan gives up are read, packed anew, and put in place by one ordinary commit. Whoever
commits meanwhile wins: a value that was changed is not moved. The packs given up stay for older versions and for
readers of these, until they are collected.
"""

import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ebooklet.errors import UUIDMismatchError
from ebooklet.format.checksum import Buffer, digest
from ebooklet.format.packing import HEADER_SIZE
from ebooklet.format.table import Row
from ebooklet.plan.compact import GAP, CompactPlan, is_read_whole, plan_compaction
from ebooklet.plan.push import GROUP_BYTES, PushPlan
from ebooklet.sync.assemble import Change
from ebooklet.sync.contract import PushOptions, PushResult
from ebooklet.sync.fetch import Progress, matches
from ebooklet.sync.push import Pushing
from ebooklet.sync.resume import Reusable
from ebooklet.sync.version import THREADS, RemoteVersion
from ebooklet.sync.workers import completed

IN_MEMORY = 32 << 20  # bytes of values kept in memory on their way; more go through a temporary file


def plan_for(version: RemoteVersion, *, group_bytes: int | None = None) -> CompactPlan:
    """Plan the compaction of a version; the pages of its key table are read."""
    sizes = [
        None if pack is None else ((pack.cold_offset or pack.size) - HEADER_SIZE, pack.size)
        for pack in version.snapshot.packs
    ]
    return plan_compaction(version.iter_rows(), sizes, group_bytes=group_bytes)


def compact_database(version: RemoteVersion, plan: CompactPlan, options: PushOptions) -> PushResult:
    """Carry out a plan for a version.

    Parameters
    ----------
    version : RemoteVersion
        The version the plan was made for. There may be newer ones by now.
    plan : CompactPlan
        What to move.
    options : PushOptions
        How: message, size of packs, threads, progress.

    Returns
    -------
    PushResult
        Its rows are those that were moved; false when there was nothing to do.
    """
    version.check_writable()
    if not plan:
        return PushResult(version)
    with _Spool() as spool:
        _read(version, plan, spool, options.progress)
        cold = version.times_and_notes(plan.rows)
        rows = [replace(row, timestamp=time, note=note) for row, (time, note) in zip(plan.rows, cold, strict=True)]
        source = _Source(spool, rows)
        # the version that was planned for is the first to build on: what followed it is met as a lost race
        how = replace(options, group_bytes=options.group_bytes or GROUP_BYTES, num_groups=None, progress=None)
        return _Compacting(version.store, version.key, source, version, how).run()


class _Overtaken(Exception):
    """Everything that was to be moved was changed by others."""

    def __init__(self, version: RemoteVersion) -> None:
        self.version = version


class _Compacting(Pushing):
    """A commit that moves values and changes none."""

    def run(self) -> PushResult:
        try:
            return super().run()
        except _Overtaken as end:
            return PushResult(end.version, objects=self.objects, nbytes=self.nbytes)

    def _change(self, plan: PushPlan, reusable: Reusable) -> Change:
        return replace(super()._change(plan, reusable), moves=True)

    def moved(self, current: RemoteVersion, change: Change) -> Change:
        """Leave out what others have changed or moved since."""
        base = self.base
        assert base is not None, "a compaction has a version to begin with"
        if current.uuid != base.uuid:
            raise UUIDMismatchError(f"{current.place} is another database now: {current.uuid}, it was {base.uuid}")
        current.check_writable()
        keys = [row.key for row in change.rows]
        pairs = zip(keys, base.rows(keys), current.rows(keys), strict=True)
        same = {key for key, old, new in pairs if old and new and base.version_of(old) == current.version_of(new)}
        self.base = current
        if not same:
            raise _Overtaken(current)
        return replace(change, rows=tuple(row for row in change.rows if row.key in same))


@dataclass(slots=True)
class _Source:
    """What moves, as the local side of a push; nothing needs to be remembered, as nothing is lost with it."""

    spool: "_Spool"
    rows: Sequence[Row]
    states: dict[str, bytes] = field(default_factory=dict)

    def pending(self) -> Iterable[Row]:
        """Return the rows that move."""
        return self.rows

    def read(self, rows: Sequence[Row]) -> Iterator[Buffer]:
        """Return payload and tail of each row."""
        return map(self.spool.read, (row.key for row in rows))

    def state(self, name: str) -> bytes | None:
        """Return what was kept under a name."""
        return self.states.get(name)

    def set_state(self, name: str, data: bytes | None) -> None:
        """Keep something for as long as this takes."""
        self.states[name] = data or b""

    def settle(self, result: PushResult) -> None:
        """Nothing was pending."""


class _Spool:
    """Values on their way, in memory or in a temporary file; used by several threads."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        self._lock = threading.Lock()
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0

    def __enter__(self) -> "_Spool":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def put(self, key: str, value: Buffer) -> None:
        """Keep a value."""
        with self._lock:
            self._file.seek(self._end)
            self._file.write(value)
            self._places[key] = (self._end, len(value))
            self._end += len(value)

    def read(self, key: str) -> bytes:
        """Return a value."""
        with self._lock:
            start, length = self._places[key]
            self._file.seek(start)
            return self._file.read(length)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    @property
    def nbytes(self) -> int:
        """Bytes kept."""
        return self._end


def _read(version: RemoteVersion, plan: CompactPlan, spool: _Spool, progress: Progress | None) -> None:
    """Bring everything that moves here: small packs as a whole, values in use of the others."""
    packs = version.snapshot.packs
    by_pack: dict[int, list[Row]] = {}
    for row in plan.rows:
        by_pack.setdefault(row.pack, []).append(row)
    whole = [number for number in by_pack if (pack := packs[number]) is not None and is_read_whole(pack.size)]
    for _, found in completed([_reader(version, number, by_pack[number]) for number in whole], THREADS):
        for row, value in found if not isinstance(found, Exception) else ():
            spool.put(row.key, value)
        _report(progress, spool, plan)
    rest = [row for row in plan.rows if row.key not in spool]  # of large packs, and what arrived damaged
    for batch in version.fetch_parts(rest, gap=GAP):
        for row, found_value in batch:
            if isinstance(found_value, Exception):
                raise found_value
            spool.put(row.key, found_value)
        _report(progress, spool, plan)


def _report(progress: Progress | None, spool: _Spool, plan: CompactPlan) -> None:
    if progress is not None:
        progress(spool.nbytes, sum(row.length + row.tail for row in plan.rows))


def _reader(version: RemoteVersion, number: int, rows: Sequence[Row]) -> Callable[[], list[tuple[Row, bytes]]]:
    """Return what reads a small pack: values that are whole; times and notes are kept for later."""

    def read() -> list[tuple[Row, bytes]]:
        pack = version.snapshot.packs[number]
        assert pack is not None, "a pack that is in use"
        body = version.read_pack(number, 0, pack.size)
        cold = body[pack.cold_offset : pack.cold_offset + pack.cold_length]
        if cold and digest(cold) == pack.cold_digest:
            version.pages[pack.cold_digest] = cold
        values = [(row, body[row.offset : row.offset + row.length + row.tail]) for row in rows]
        return [(row, value) for row, value in values if matches(row, value)]

    return read
