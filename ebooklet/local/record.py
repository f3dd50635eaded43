"""What does one commit of a local file say, and how is it read back?

A record is a dead block named by the commit pointer: the directory of the key table, the rows changed since that was
written, the places of the state blobs and of Booklet's metadata. It carries `requires` and `uses`: names of features
that a reader or a writer must know.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack

from ebooklet.errors import CorruptFileError, UnsupportedFormatError
from ebooklet.format.booklet_layout import BLOCK_HEADER, CommitPointer, Header, Read
from ebooklet.format.checksum import crc32c, digest
from ebooklet.format.table import PageRef, Row, Table, decode_rows

FORMAT = 1
KNOWN_FEATURES = frozenset[str]()
MAX_INLINE_ROWS = 256
_MAGIC = b"EBR1"
_DIGEST = 16


@dataclass(frozen=True, slots=True)
class Extent:
    """A piece of the file, with its checksum."""

    offset: int
    length: int
    crc: int


@dataclass(frozen=True, slots=True)
class Record:
    """A commit as it is written down."""

    number: int
    live: int
    directory: Extent | None = None
    rows: bytes = b""
    states: Mapping[str, Extent] = field(default_factory=dict)
    metadata: Extent | None = None
    metadata_timestamp: int = 0
    requires: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, opened: everything a reader is pinned to.

    Attributes
    ----------
    header : Header
        Booklet's header at that commit.
    committed : int
        Length of the file at that commit.
    record : Record
        What it says.
    table : Table
        Where each value stands.
    """

    header: Header
    committed: int
    record: Record
    table: Table


def encode_record(record: Record) -> bytes:
    """Return the bytes of a record."""
    body: bytes = msgpack.packb(
        {
            "format": FORMAT,
            "requires": list(record.requires),
            "uses": list(record.uses),
            "number": record.number,
            "live": record.live,
            "directory": _packed(record.directory),
            "rows": record.rows,
            "states": {name: _packed(extent) for name, extent in record.states.items()},
            "metadata": _packed(record.metadata),
            "metadata_timestamp": record.metadata_timestamp,
        }
    )
    return _MAGIC + digest(body) + body


def decode_record(data: bytes, name: str) -> Record:
    """Read a record of the file `name`.

    Raises
    ------
    CorruptFileError
        If it is damaged.
    UnsupportedFormatError
        If it needs a feature that this release does not know.
    """
    body = data[len(_MAGIC) + _DIGEST :]
    if not data.startswith(_MAGIC) or digest(body) != data[len(_MAGIC) : len(_MAGIC) + _DIGEST]:
        raise CorruptFileError(f"{name}: the commit record is damaged")
    try:
        fields: dict[str, Any] = msgpack.unpackb(body)
        _check_features(fields, name)
        return Record(
            number=int(fields["number"]),
            live=int(fields["live"]),
            directory=_extent(fields["directory"]),
            rows=bytes(fields["rows"]),
            states={str(state): Extent(*map(int, packed)) for state, packed in fields["states"].items()},
            metadata=_extent(fields["metadata"]),
            metadata_timestamp=int(fields["metadata_timestamp"]),
            requires=tuple(fields["requires"]),
            uses=tuple(fields["uses"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, UnsupportedFormatError):
            raise
        raise CorruptFileError(f"{name}: the commit record cannot be read ({error})") from error


def _check_features(fields: Mapping[str, Any], name: str) -> None:
    unknown = sorted(set(fields["requires"]) - KNOWN_FEATURES)
    if unknown or fields["format"] != FORMAT:
        what = f"features {', '.join(unknown)}" if unknown else f"format {fields['format']}"
        raise UnsupportedFormatError(f"{name}: needs {what}, which this release does not know; update to read it")


def check_writable(record: Record, name: str) -> None:
    """Refuse to write to a file that uses a feature this release does not know."""
    unknown = sorted(set(record.uses) - KNOWN_FEATURES)
    if unknown:
        raise UnsupportedFormatError(
            f"{name}: uses {', '.join(unknown)}, which this release does not know; it can be opened with flag 'r' only"
        )


def _packed(extent: Extent | None) -> list[int] | None:
    return None if extent is None else [extent.offset, extent.length, extent.crc]


def _extent(packed: list[int] | None) -> Extent | None:
    return None if packed is None else Extent(*map(int, packed))


def page_reader(read: Read) -> Any:
    """Return a function that reads the pages of a table from a file."""

    def read_page(ref: PageRef) -> bytes:
        return read(ref.length, ref.offset)

    return read_page


def read_extent(read: Read, extent: Extent, limit: int, what: str) -> bytes:
    """Read and check a piece of the file that must lie before `limit`."""
    inside = 0 <= extent.length <= limit and 0 <= extent.offset <= limit - extent.length
    data = read(extent.length, extent.offset) if inside else b""
    if not inside or len(data) != extent.length or crc32c(data) != extent.crc:
        raise CorruptFileError(f"{what} is damaged")
    return data


def load_commit(read: Read, header: Header, pointer: CommitPointer, name: str) -> Commit:
    """Open the commit a pointer names: two reads, three when the table has pages."""
    record = decode_record(read(pointer.record_length, pointer.record_offset), name)
    if record.number != pointer.commit:
        raise CorruptFileError(f"{name}: the commit record is number {record.number}, expected {pointer.commit}")
    table = Table.empty(read=page_reader(read))
    if record.directory is not None:
        directory = read_extent(read, record.directory, pointer.committed, f"{name}: the directory of the key table")
        table = Table.load(directory, page_reader(read))
    rows, removed = decode_rows(record.rows) if record.rows else ([], [])
    return Commit(header, pointer.committed, record, table.updated(rows, removed))


def block_offset(row: Row, header: Header) -> int:
    """Return where the block of a row begins."""
    return row.offset - len(row.key.encode()) - header.timestamp_bytes - BLOCK_HEADER
