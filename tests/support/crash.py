"""Record every write, flush, truncation and change of a name; play any prefix of them back, torn or after a power loss.

A kill leaves the page cache: a prefix of the operations, the last one possibly torn. A power loss leaves what was
flushed and any subset of the sectors written since.
"""

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ebooklet.format.checksum import Buffer
from ebooklet.local.device import FileDevice, Files

SECTOR = 512
Op = tuple  # (kind, ...): see Image.apply


def scratch() -> Path:
    """A folder in memory where possible: thousands of small files are written."""
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    return Path(tempfile.mkdtemp(prefix="ebooklet-crash-", dir=base))


class RecordingFiles(Files):
    """A file system that writes down what is done to it, and calls `step` before and after each operation."""

    def __init__(self) -> None:
        self.log: list[Op] = []
        self.inodes: dict[int, int] = {}
        self.before: Callable[[Op], None] = lambda op: None
        self.after: Callable[[Op], None] = lambda op: None

    def note(self, *op: object, run: Callable[[], object] = lambda: None) -> object:
        self.before(op)
        result = run()
        self.log.append(op)
        self.after(op)
        return result

    def mark(self, *label: object) -> None:
        self.log.append(("mark", *label))

    def _number(self, fd: int) -> int:
        return self.inodes.setdefault(os.fstat(fd).st_ino, len(self.inodes) + 1)

    def open(self, path: Path, writable: bool) -> FileDevice:
        device = super().open(path, writable)
        return RecordingDevice(self, device, self._number(device.fileno()))

    def create(self, path: Path) -> FileDevice:
        self.before(("create", path.name))
        device = super().create(path)
        # a deleted file's inode number may be used again: a new file is a new one
        self.inodes[os.fstat(device.fileno()).st_ino] = number = len(self.inodes) + 1000 + len(self.log)
        self.log.append(("create", path.name, number))
        self.after(self.log[-1])
        return RecordingDevice(self, device, number)

    def replace(self, source: Path, target: Path) -> None:
        self.note("replace", source.name, target.name, run=lambda: super(RecordingFiles, self).replace(source, target))

    def link(self, source: Path, target: Path) -> None:
        self.note("link", source.name, target.name, run=lambda: super(RecordingFiles, self).link(source, target))

    def unlink(self, path: Path) -> None:
        self.note("unlink", path.name, run=lambda: super(RecordingFiles, self).unlink(path))

    def sync_folder(self, folder: Path) -> None:
        self.note("dirsync")


class RecordingDevice(FileDevice):
    def __init__(self, files: RecordingFiles, device: FileDevice, number: int) -> None:
        super().__init__(device._fd, device.name)
        self.files = files
        self.number = number

    def pwrite(self, parts: Sequence[Buffer], offset: int) -> int:
        data = b"".join(bytes(part) for part in parts)
        written = self.files.note("w", self.number, offset, data, run=lambda: os.pwrite(self._fd, data, offset))
        assert isinstance(written, int)
        return written

    def truncate(self, size: int) -> None:
        self.files.note("t", self.number, size, run=lambda: super(RecordingDevice, self).truncate(size))

    def sync(self) -> None:
        self.files.note("fsync", self.number)


@dataclass
class Image:
    """Names and contents of a folder."""

    names: dict[str, int] = field(default_factory=dict)
    inodes: dict[int, bytearray] = field(default_factory=dict)

    def apply(self, op: Op) -> None:
        kind = op[0]
        if kind == "w":
            self.write(op[1], op[2], op[3])
        elif kind == "t":
            data = self.inodes[op[1]]
            del data[op[2] :]
            data.extend(bytes(op[2] - len(data)))
        elif kind == "create":
            self.inodes[op[2]] = bytearray()
            self.rename(op)
        else:
            self.rename(op)

    def rename(self, op: Op) -> None:
        kind = op[0]
        if kind == "create":
            self.names[op[1]] = op[2]
        elif kind == "unlink":
            self.names.pop(op[1], None)
        elif kind in ("replace", "link") and op[1] in self.names:
            self.names[op[2]] = self.names.pop(op[1]) if kind == "replace" else self.names[op[1]]

    def write(self, number: int, offset: int, data: bytes) -> None:
        content = self.inodes.setdefault(number, bytearray())
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data

    def copy(self) -> "Image":
        return Image(dict(self.names), {number: bytearray(data) for number, data in self.inodes.items()})

    def put(self, folder: Path) -> None:
        """Make the folder look like this."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, number in self.names.items():
            (folder / name).write_bytes(self.inodes[number])


def prefixes(
    log: Sequence[Op], tears: int, rng: random.Random, start: Image | None = None
) -> Iterator[tuple[int, Image]]:
    """Yield (operations done, image) for every prefix; writes also torn, in place only at sectors."""
    image = (start or Image()).copy()
    yield 0, image
    for number, op in enumerate(log):
        if op[0] == "mark":
            image.apply(op)
            continue
        if op[0] == "w":
            for cut in _cuts(op, len(image.inodes.get(op[1], b"")), tears, rng):
                torn = image.copy()
                torn.write(op[1], op[2], op[3][:cut])
                yield number, torn
        image.apply(op)
        yield number + 1, image


def _cuts(op: Op, length: int, tears: int, rng: random.Random) -> list[int]:
    _, _, offset, data = op
    if offset < length:
        edges = [edge - offset for edge in range(offset - offset % SECTOR + SECTOR, offset + len(data), SECTOR)]
        return rng.sample(edges, min(tears, len(edges)))
    return [rng.randrange(1, len(data)) for _ in range(tears) if len(data) > 1]


class PowerLoss:
    """Images after a power loss, for a growing prefix of operations."""

    def __init__(self, rng: random.Random, start: Image | None = None) -> None:
        self.rng = rng
        self.durable = (start or Image()).copy()
        self.unsynced: dict[int, list[Op]] = {}
        self.unnamed: list[Op] = []

    def step(self, op: Op) -> None:
        kind = op[0]
        if kind in ("w", "t"):
            self.unsynced.setdefault(op[1], []).append(op)
        elif kind == "fsync":
            for waiting in self.unsynced.pop(op[1], []):
                self.durable.apply(waiting)
        elif kind == "dirsync":
            for waiting in self.unnamed:
                self.durable.rename(waiting)
            self.unnamed.clear()
        elif kind != "mark":
            self.unnamed.append(op)
            if kind == "create":
                self.durable.inodes.setdefault(op[2], bytearray())

    def image(self) -> Image:
        """What might be found: names up to some point, any sectors of what was not flushed."""
        rng = self.rng
        image = self.durable.copy()
        for op in self.unnamed[: rng.randint(0, len(self.unnamed))]:
            image.rename(op)
        share = rng.choice([0.1, 0.5, 0.5, 0.9, 0.99])
        for number, ops in self.unsynced.items():
            for op in ops:
                if op[0] == "t":
                    if rng.random() < 0.5:
                        image.apply(op)
                    continue
                for offset, piece in _sectors(op[2], op[3]):
                    if rng.random() < share:
                        image.write(number, offset, piece)
            self._lengthen(image, number, ops)
        return image

    def _lengthen(self, image: Image, number: int, ops: Sequence[Op]) -> None:
        """Now and then the new length is on disk, the data are not."""
        end = max((op[2] + len(op[3]) for op in ops if op[0] == "w"), default=0)
        content = image.inodes.setdefault(number, bytearray())
        if end > len(content) and self.rng.random() < 0.2:
            content.extend(bytes(end - len(content)))


def _sectors(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start < len(data):
        stop = min(len(data), start + SECTOR - (offset + start) % SECTOR)
        yield offset + start, data[start:stop]
        start = stop
