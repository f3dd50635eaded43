"""Does a local file hold what its remote says, told without fetching a value?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ebooklet.errors import CorruptValueError
from ebooklet.format.table import Row, is_pending
from ebooklet.local.working_copy import WorkingCopy
from ebooklet.sizes import byte_size
from ebooklet.unpublished import Version

BATCH = 4096
SHOWN = 10


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """What reading a whole local file and the key table of its remote found; true when nothing is wrong.

    Attributes
    ----------
    path : Path or None
        The local file; None for one in memory.
    uri, version : str
        The remote, and the id of its version that the file was compared with; no id without a remote.
    copies, bytes_checked : int
        Copies whose bytes are those that the remote describes, and the bytes of all values that were read here.
    absent : int
        Values of the remote that are not here.
    outdated : tuple of str
        Keys of copies from other versions; they are fetched again when they are touched.
    pending : tuple of str
        Keys of own changes that wait for a push.
    problems : tuple of str
        What is wrong, a sentence each.
    """

    path: Path | None
    uri: str
    version: str
    copies: int
    bytes_checked: int
    absent: int
    outdated: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every copy is what the remote says, and every own change is whole."""
        return not self.problems

    @property
    def failures(self) -> tuple[str, ...]:
        """The same as `problems`."""
        return self.problems

    @property
    def nbytes(self) -> int:
        """The same as `bytes_checked`."""
        return self.bytes_checked

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        place = "memory" if self.path is None else str(self.path)
        state = "everything matches" if self.ok else f"{len(self.problems)} problems"
        lines = [
            f"{place} and {self.uri}: {state}",
            f"  {self.copies} values are here as the remote has them, {self.absent} are not here, "
            f"{len(self.outdated)} are of other versions, {len(self.pending)} wait for a push; "
            f"{byte_size(self.bytes_checked)} read",
        ]
        lines += [f"  {problem}" for problem in self.problems[:SHOWN]]
        lines += [f"  ... and {len(self.problems) - SHOWN} more"] if len(self.problems) > SHOWN else []
        return "\n".join(lines)


def compare_with_remote(
    local: WorkingCopy, remote: Version | None, uri: str, version: str = "", describe: Callable[[str], str] = repr
) -> ComparisonReport:
    """Read every value of a local file, and compare its checksum with what a version of the remote says of its key.

    Parameters
    ----------
    local
        The local file.
    remote
        The version; only its key table is read. None: only the checksums of the local file are verified.
    uri, version
        For the report.
    describe
        Names a key in messages.
    """
    found = _Comparison(local, describe)
    for rows in _batches(local.iter_rows(cold=False)):
        if remote is None:
            found.look_here(rows)
            continue
        for row, there in zip(rows, remote.rows([row.key for row in rows]), strict=True):
            found.look(row, there, None if there is None else remote.version_of(there))
    return ComparisonReport(
        local.path,
        uri,
        version,
        found.copies,
        found.nbytes,
        0 if remote is None else len(remote) - found.known,
        tuple(found.outdated),
        tuple(found.pending),
        tuple(found.problems),
    )


class _Comparison:
    """What was found so far."""

    def __init__(self, local: WorkingCopy, describe: Callable[[str], str]) -> None:
        self.copies = self.nbytes = self.known = 0
        self.outdated: list[str] = []
        self.pending: list[str] = []
        self.problems: list[str] = []
        self._local = local
        self._describe = describe

    def look_here(self, rows: list[Row]) -> None:
        """Judge rows of the local file by themselves."""
        for row in rows:
            whole = row.deleted or self._is_whole(row)
            if is_pending(row):
                self.pending.append(row.key)
            else:
                self.copies += whole

    def look(self, row: Row, there: Row | None, version: int | None) -> None:
        """Judge one row of the local file beside that of the remote."""
        self.known += there is not None
        whole = row.deleted or self._is_whole(row)
        if is_pending(row):
            self.pending.append(row.key)
        elif there is None or row.version != version:
            self.outdated.append(row.key)
        elif (row.crc, row.length, row.tail) != (there.crc, there.length, there.tail):
            self.problems.append(f"the value of {self._describe(row.key)} is another one than the remote's")
        elif whole:
            self.copies += 1

    def _is_whole(self, row: Row) -> bool:
        self.nbytes += row.length + row.tail
        try:
            self._local.value_of(row)
        except CorruptValueError:
            self.problems.append(f"the value of {self._describe(row.key)} is damaged here: its checksum does not match")
            return False
        return True


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH)):
        yield batch
