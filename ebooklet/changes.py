"""What was changed here and is not yet on the remote, and what can be done about it?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from ebooklet.estimate import Estimate
from ebooklet.format.table import Row
from ebooklet.prices import Prices
from ebooklet.sizes import byte_size
from ebooklet.times import moment

if TYPE_CHECKING:
    from ebooklet.results import PushResult
    from ebooklet.synced import SyncedFile

Kind = Literal["added", "changed", "deleted"]
SHOWN = 12


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """One key that differs from the remote; also answers ``record['key']`` like a dict.

    Attributes
    ----------
    key
        The key.
    kind
        ``'added'``, ``'changed'`` or ``'deleted'``.
    local_timestamp
        When the value was written or deleted here.
    remote_timestamp
        When the value the remote has was written; None when the key is new.
    nbytes
        Bytes of the new value; 0 for a deleted key.
    """

    key: str
    kind: Kind
    local_timestamp: datetime
    remote_timestamp: datetime | None
    nbytes: int

    def __getitem__(self, name: str) -> Any:
        if name not in self.__slots__:
            raise KeyError(f"{name!r}: a change has {', '.join(self.__slots__)}")
        return getattr(self, name)

    def keys(self) -> tuple[str, ...]:
        """Names of the fields, so that ``dict(record)`` works."""
        return tuple(self.__slots__)


class Changes:
    """Everything that is not yet pushed, as it was when this object was made.

    Edits of earlier handles are included: they stay in the local file until they are pushed or discarded.

    Examples
    --------
    >>> import ebooklet, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with ebooklet.open(f"file://{folder}/store/db.blt", f"{folder}/db.blt", "c", value_serializer="json") as db:
    ...     db["a"] = [1, 2, 3]
    ...     changes = db.changes()
    ...     [(change["key"], change.kind) for change in changes.iter_changes()]
    ...     result = changes.push()
    ...     bool(result), len(db.changes())
    [('a', 'added')]
    (True, 0)
    """

    def __init__(self, file: "SyncedFile") -> None:
        self._file = file
        self.build_changelog()

    def build_changelog(self) -> None:
        """Look again at what is pending: what was changed after this object was made."""
        file = self._file
        self._rows: tuple[Row, ...] = tuple(file.pending())
        self._there: tuple[Row | None, ...] = tuple(file.base_rows([row.key for row in self._rows]))
        self._metadata = file.metadata_pending
        self._replaced = file.replaced_keys

    def __len__(self) -> int:
        return len(self._rows)

    def __bool__(self) -> bool:
        return bool(self._rows) or self._metadata or self._replaced is not None

    @property
    def pending_deletes(self) -> frozenset[str]:
        """Keys deleted here that the remote still has."""
        return frozenset(row.key for row in self._rows if row.deleted)

    @property
    def nbytes(self) -> int:
        """Bytes of all new values."""
        return sum(_size(row) for row in self._rows)

    @property
    def objects(self) -> int:
        """Objects that a push would write: packs, and the root that names them."""
        return self._file.objects_to_push(self._rows) if self else 0

    def estimate(self, prices: Any = None) -> Estimate:
        """Tell what a push takes, if nobody else pushes meanwhile: requests, bytes, time, money; sends nothing.

        Parameters
        ----------
        prices
            A price table: a dict, the path of a TOML file, or `Prices`; see :class:`ebooklet.prices.Prices`.

        Returns
        -------
        Estimate
            The bytes are those of the packed objects; the object that names them comes on top, as does the question,
            asked once for each bucket, whether the server honours conditional writes.
        """
        if not self:
            return Estimate("push", 0)
        nbytes = self._file.bytes_to_push(self._rows)
        return Estimate("push", len(self), n_requests=self.objects, nbytes=nbytes).priced(Prices.of(prices))

    @property
    def replaced(self) -> int | None:
        """How many keys of the remote the push replaces as a whole (flag ``'n'``); None when it adds to them."""
        return self._replaced

    def iter_changes(self) -> Iterator[ChangeRecord]:
        """Iterate over the changed keys, in the order of the table.

        Yields
        ------
        ChangeRecord
            Key, kind, timestamps and size.
        """
        there = [row for row in self._there if row is not None]
        times = dict(zip((row.key for row in there), self._file.base_times(there), strict=True)) if there else {}
        for row, base in zip(self._rows, self._there, strict=True):
            written = times.get(row.key)
            yield ChangeRecord(
                key=row.key,
                kind=_kind(row, base),
                local_timestamp=moment(row.timestamp),
                remote_timestamp=moment(written) if written else None,
                nbytes=_size(row),
            )

    __iter__ = iter_changes

    def push(self, force_push: bool = False, **options: Any) -> "PushResult":
        """Publish all pending changes as one commit.

        Parameters
        ----------
        force_push
            Accepted for scripts made for the released package.
        **options
            Those of :meth:`ebooklet.EBooklet.push`.

        Raises
        ------
        ConflictError
            If another commit changed the same keys; nothing was published.
        PushError
            If the push failed; every pending change is kept.
        """
        return self._file.push(force_push=force_push, **options)

    def pull(self) -> bool:
        """Move to the newest version of the remote and keep the pending changes on top; False when there is none."""
        return self._file.pull()

    def discard(self, keys: Sequence[str] | None = None) -> int:
        """Drop pending changes of `keys`, of everything (metadata too) by default, and return how many were dropped.

        The keys read again what the remote has.
        """
        return self._file.discard(keys)

    def __repr__(self) -> str:
        return f"<Changes: {self._headline()}>"

    def __str__(self) -> str:
        if not self:
            return self._headline()
        lines = [self._headline()]
        if self._replaced is not None:
            lines.append(f"  the push replaces all {self._replaced} keys of the remote")
        if self._metadata:
            lines.append("  metadata changed")
        if self._rows:
            lines += self._table()
        return "\n".join(lines)

    def _headline(self) -> str:
        if not self:
            return f"nothing to push to {self._file.remote_uri}"
        counts = dict.fromkeys(("added", "changed", "deleted"), 0)
        for row, there in zip(self._rows, self._there, strict=True):
            counts[_kind(row, there)] += 1
        parts = [f"{number} {kind}" for kind, number in counts.items() if number]
        what = f"{len(self._rows)} change{'s' * (len(self._rows) != 1)} to push to {self._file.remote_uri}"
        return what + (f": {', '.join(parts)}, {byte_size(self.nbytes)}" if parts else "")

    def _table(self) -> list[str]:
        shown = list(zip(self._rows, self._there, strict=True))[:SHOWN]
        width = min(48, max(3, *(len(row.key) for row, _ in shown)))
        lines = [f"  {'key':<{width}}  {'change':<7}  {'size':>9}  since (UTC)"]
        for row, there in shown:
            key = row.key if len(row.key) <= width else row.key[: width - 3] + "..."
            size = "" if row.deleted else byte_size(_size(row))
            since = moment(row.timestamp).strftime("%Y-%m-%d %H:%M:%S")
            lines.append(f"  {key:<{width}}  {_kind(row, there):<7}  {size:>9}  {since}")
        if len(self._rows) > SHOWN:
            lines.append(f"  ... and {len(self._rows) - SHOWN} more")
        return lines


def _kind(row: Row, there: Row | None) -> Kind:
    if row.deleted:
        return "deleted"
    return "added" if there is None else "changed"


def _size(row: Row) -> int:
    return 0 if row.deleted else row.length + row.tail
