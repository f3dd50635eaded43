"""Is everything in a local file whole?"""

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ebooklet.errors import FileFormatError
from ebooklet.format.booklet_chains import scan_chains
from ebooklet.format.booklet_layout import (
    HEADER_SIZE,
    RESERVED_KEYS,
    parse_header,
    walk_data,
)
from ebooklet.local.device import Device, Files
from ebooklet.local.lock import try_lock, unlock
from ebooklet.local.opening import Place, open_reader, real_path
from ebooklet.local.record import Commit, Extent, read_extent
from ebooklet.local.recovery import inspect
from ebooklet.local.salvage import SalvageReport, matches, salvage

__all__ = ["SalvageReport", "VerifyReport", "salvage", "verify"]


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What reading a whole file found.

    Attributes
    ----------
    path : Path
        The file.
    keys, bytes_checked : int
        How much was read.
    problems : tuple of str
        What is damaged, one sentence each.
    remarks : tuple of str
        What is as it may be: a crash to be recovered from, edits by a plain Booklet.
    """

    path: Path
    keys: int
    bytes_checked: int
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.problems

    def __str__(self) -> str:
        state = "whole" if self.ok else f"{len(self.problems)} problems"
        lines = [f"{self.path}: {self.keys} keys, {self.bytes_checked} bytes read, {state}"]
        return "\n".join(lines + [f"  {line}" for line in (*self.problems, *self.remarks)])


@dataclass(slots=True)
class _Findings:
    keys: int = 0
    bytes_checked: int = 0
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def attempt(self, check: Callable[[], object]) -> None:
        """Run a check and keep its complaint."""
        try:
            check()
        except FileFormatError as error:
            self.problems.append(str(error))


def verify(path: str | os.PathLike[str], *, locking: bool = True) -> VerifyReport:
    """Read everything in a local file and report what is damaged; nothing is changed.

    Parameters
    ----------
    path
        The file.
    locking
        False on file systems without working locks.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    """
    place = Place(real_path(path), Files(), locking)
    findings = _Findings()
    try:
        opened = open_reader(place)
    except FileFormatError as error:
        return VerifyReport(place.path, 0, 0, (str(error),))
    device = opened.device
    try:
        findings.attempt(partial(_check_values, device, opened.commit, findings))
        for what, extent in _blobs(opened.commit):
            findings.attempt(partial(read_extent, device.pread, extent, device.size(), what))
        if not locking or try_lock(device, shared=True):  # type: ignore[arg-type]
            findings.attempt(partial(_check_structure, device, opened.commit, str(place.path), findings))
            unlock(device)  # type: ignore[arg-type]
        else:
            findings.remarks.append("a writer has the file open: Booklet's chains were not compared")
    finally:
        device.close()
    return VerifyReport(
        place.path, findings.keys, findings.bytes_checked, tuple(findings.problems), tuple(findings.remarks)
    )


def _blobs(commit: Commit) -> list[tuple[str, Extent]]:
    blobs = [(f"the state blob {name!r}", extent) for name, extent in commit.record.states.items()]
    return [*blobs, ("the metadata", commit.record.metadata)] if commit.record.metadata else blobs


def _check_values(device: Device, commit: Commit, findings: _Findings) -> None:
    for row in commit.table.rows():
        if row.deleted:
            continue
        findings.keys += 1
        data = device.pread(row.length + row.tail, row.offset)
        findings.bytes_checked += len(data)
        if not matches(row, data):
            findings.problems.append(f"the value of {row.key!r} is damaged: its checksum does not match")


def _check_structure(device: Device, commit: Commit, name: str, findings: _Findings) -> None:
    """Compare what Booklet would find with the table."""
    finding = inspect(device, name)
    if finding.foreign:
        findings.remarks.append("a plain Booklet wrote last: its entries have no checksums yet")
        return
    if not finding.clean:
        findings.remarks.append("a writer was killed: the next one will recover")
        return
    size = device.size()
    header = parse_header(device.pread(HEADER_SIZE, 0), size, name)
    scan = scan_chains(device.pread, header, size)
    findings.problems += scan.faults
    chained = {(block.key.decode(), block.value_offset) for block in scan.blocks if block.key not in RESERVED_KEYS}
    rows = {(row.key, row.offset) for row in commit.table.rows() if not row.deleted}
    findings.problems += [f"Booklet does not find {key!r} at {offset}" for key, offset in sorted(rows - chained)]
    findings.problems += [f"Booklet finds {key!r} at {offset}, the table does not" for key, offset in chained - rows]
    if header.keys != len(rows):
        findings.problems.append(f"the header counts {header.keys} keys, there are {len(rows)}")
    deque(walk_data(device.pread, header, size), maxlen=0)
