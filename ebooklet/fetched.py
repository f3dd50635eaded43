"""What arrived from a remote and is not yet in the local file?"""

from dataclasses import dataclass

from ebooklet.format.checksum import Buffer
from ebooklet.format.table import Row
from ebooklet.local.committing import Write


@dataclass(frozen=True, slots=True)
class Fetched:
    """A stored value that arrived from the remote and is not yet in the local file."""

    row: Row
    version: int
    data: Buffer

    @property
    def payload(self) -> Buffer:
        """The value without its tail."""
        return self.data[: self.row.length] if self.row.tail else self.data

    def as_write(self) -> Write:
        """What the local file has to store."""
        tail = bytes(self.data[self.row.length :]) if self.row.tail else b""
        return Write(self.row.key, self.payload, tail=tail, version=self.version)
