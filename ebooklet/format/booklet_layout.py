"""What do the bytes of a Booklet file mean, and are they sane?

A Booklet is a header of 200 bytes, an array of buckets (6-byte offsets), and data blocks chained per bucket::

    key hash (13) | next (6) | key length (2) | value length (4) | timestamp (7, if the file has them) | key | value

`next` is 0 for a dead block (deleted or overwritten: skipped by every reader), 1 at the end of a chain, else the offset
of the next block. Bytes 77-199 of the header are spare: our commit pointer lives there. Everything here is pure;
whatever reads takes a function ``read(length, offset) -> bytes``.
"""

import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from ebooklet.errors import CorruptFileError, NotABookletError, UnsupportedFormatError
from ebooklet.format.checksum import crc32c

Read = Callable[[int, int], bytes]

HEADER_SIZE = 200
KEYS_AT = 33
POINTER_AT = 80
VARIABLE_TYPE = bytes.fromhex("4f7e8a3fe75c4750ad430a728fe31cfe")
FIXED_TYPE = bytes.fromhex("04d3b294f2104162958d0400738c9e0a")
VERSION = 5
STR_CODE = 2
LAST_CODE = 32
POINTER_BYTES = 6
HASH_BYTES = 13
DEAD, CHAIN_END = 0, 1
BLOCK_HEADER = HASH_BYTES + POINTER_BYTES + 2 + 4
NEXT_AT = HASH_BYTES
TIMESTAMP_AT = BLOCK_HEADER
MAX_KEY = 2**16 - 1
MAX_VALUE = 2**32 - 1
MAX_OFFSET = 2**48 - 1
CRASHED = 2**32 - 1
METADATA_KEY = b"adb01ebc1ba3433eb043527"
RESERVED_KEYS = (METADATA_KEY, b"7c40d2ea915b4f3a8e6d201", b"f19a5c3d7e2b48069ab34c5")

# versions before 5 padded the two offsets with zeros, some with the character "0"
_UNSET = (0, int.from_bytes(b"000000", "little"))
_HEADER = struct.Struct("<16sHBBBI4xHHIIB7s16s6s6s")
_POINTER = struct.Struct("<4sQQIQQI")
_BLOCK = struct.Struct("<13s6sHI")
_POINTER_MAGIC = b"EBL1"


@dataclass(frozen=True, slots=True)
class Header:
    """The first 77 bytes of a Booklet, checked."""

    uuid: UUID
    version: int
    buckets: int
    value_code: int
    key_code: int
    keys: int
    has_timestamps: bool
    file_timestamp: int
    index_offset: int
    data_start: int

    @property
    def timestamp_bytes(self) -> int:
        """Bytes of the timestamp in each block."""
        return 7 if self.has_timestamps else 0

    @property
    def index_end(self) -> int:
        """Where the array of buckets ends."""
        return self.index_offset + self.buckets * POINTER_BYTES

    @property
    def crashed(self) -> bool:
        """Whether a plain Booklet was not closed (it then leaves a mark in place of the number of keys)."""
        return self.keys == CRASHED


@dataclass(frozen=True, slots=True)
class Block:
    """A data block, where it stands."""

    offset: int
    next: int
    key_hash: bytes
    key: bytes
    timestamp: int
    value_offset: int
    value_length: int

    @property
    def end(self) -> int:
        """Offset of the byte after the block."""
        return self.value_offset + self.value_length

    @property
    def is_sound(self) -> bool:
        """Whether the stored hash is the key's."""
        return self.key_hash == key_hash(self.key)


@dataclass(frozen=True, slots=True)
class CommitPointer:
    """What the last commit was, in the spare bytes of the header."""

    commit: int
    record_offset: int
    record_length: int
    committed: int
    journal_length: int
    header_crc: int


def key_hash(key: bytes) -> bytes:
    """Booklet's hash of a key."""
    return hashlib.blake2s(key, digest_size=HASH_BYTES).digest()


def bucket_of(hashed: bytes, buckets: int) -> int:
    """Number of the bucket a hash belongs to."""
    return int.from_bytes(hashed, "little") % buckets


def encode_header(header: Header) -> bytes:
    """Return the 200 bytes of a header (spare bytes zero)."""
    packed = _HEADER.pack(
        VARIABLE_TYPE,
        header.version,
        POINTER_BYTES,
        2,
        4,
        header.buckets,
        header.value_code,
        header.key_code,
        header.keys,
        0,
        header.has_timestamps,
        header.file_timestamp.to_bytes(7, "little"),
        header.uuid.bytes,
        header.index_offset.to_bytes(POINTER_BYTES, "little"),
        header.data_start.to_bytes(POINTER_BYTES, "little"),
    )
    return packed.ljust(HEADER_SIZE, b"\0")


def parse_header(data: bytes, file_size: int, name: str) -> Header:
    """Check the first 200 bytes of a file of `file_size` bytes, before anything is allocated or trusted.

    Raises
    ------
    NotABookletError
        If this is a file of another kind.
    UnsupportedFormatError
        If it is a Booklet of a kind we do not read.
    CorruptFileError
        If a field is impossible.
    """
    kind = data[:16]
    if kind == FIXED_TYPE:
        raise UnsupportedFormatError(f"{name}: a fixed-length Booklet; only variable-length ones are supported")
    if kind != VARIABLE_TYPE:
        raise NotABookletError(f"{name}: not a Booklet (it begins with {data[:8]!r})")
    if len(data) < HEADER_SIZE:
        raise CorruptFileError(f"{name}: the header has {len(data)} of {HEADER_SIZE} bytes")
    fields = _HEADER.unpack_from(data)
    version, offset_bytes, key_bytes, value_bytes, buckets, value_code, key_code, keys = fields[1:9]
    if not 3 <= version <= VERSION:
        raise UnsupportedFormatError(f"{name}: Booklet version {version}; versions 3 to {VERSION} are supported")
    if (offset_bytes, key_bytes, value_bytes) != (POINTER_BYTES, 2, 4):
        raise CorruptFileError(f"{name}: field widths {offset_bytes}, {key_bytes}, {value_bytes} in the header")
    if value_code > LAST_CODE or key_code > LAST_CODE:
        raise UnsupportedFormatError(f"{name}: unknown serializer (key {key_code}, value {value_code})")
    index_offset = int.from_bytes(fields[13], "little")
    data_start = int.from_bytes(fields[14], "little")
    if index_offset in _UNSET:
        index_offset = HEADER_SIZE
    if data_start in _UNSET:
        data_start = HEADER_SIZE + buckets * POINTER_BYTES
    header = Header(
        uuid=UUID(bytes=fields[12]),
        version=version,
        buckets=buckets,
        value_code=value_code,
        key_code=key_code,
        keys=keys,
        has_timestamps=bool(fields[10]) and version > 3,
        file_timestamp=int.from_bytes(fields[11], "little"),
        index_offset=index_offset,
        data_start=data_start,
    )
    _check_places(header, file_size, name)
    return header


def _check_places(header: Header, file_size: int, name: str) -> None:
    if header.buckets == 0:
        raise CorruptFileError(f"{name}: the header says 0 buckets")
    if header.index_offset < HEADER_SIZE or header.index_end > file_size:
        raise CorruptFileError(
            f"{name}: {header.buckets} buckets at {header.index_offset} do not fit into a file of {file_size} bytes"
        )
    overlaps = header.index_offset == HEADER_SIZE and header.data_start < header.index_end
    if header.data_start < HEADER_SIZE or header.data_start > file_size or overlaps:
        raise CorruptFileError(f"{name}: data cannot begin at {header.data_start}")


def header_crc(data: bytes) -> int:
    """Checksum of what a plain Booklet changes in a header (bytes 16-76)."""
    return crc32c(bytes(data[16:77]))


def encode_pointer(pointer: CommitPointer) -> bytes:
    """Return the bytes of a commit pointer (at most 64)."""
    packed = _POINTER.pack(
        _POINTER_MAGIC,
        pointer.commit,
        pointer.record_offset,
        pointer.record_length,
        pointer.committed,
        pointer.journal_length,
        pointer.header_crc,
    )
    return packed + crc32c(packed).to_bytes(4, "little")


def has_pointer(header: bytes) -> bool:
    """Whether a header carries something that means to be our commit pointer, whole or not."""
    return not set(header[POINTER_AT : POINTER_AT + _POINTER.size + 4]) <= {0, ord("0")}


def parse_pointer(header: bytes) -> CommitPointer | None:
    """Return the commit pointer in the spare bytes of a header, None when there is none or it is torn."""
    packed = header[POINTER_AT : POINTER_AT + _POINTER.size]
    check = header[POINTER_AT + _POINTER.size : POINTER_AT + _POINTER.size + 4]
    if len(check) < 4 or packed[:4] != _POINTER_MAGIC or crc32c(packed) != int.from_bytes(check, "little"):
        return None
    pointer = CommitPointer(*_POINTER.unpack(packed)[1:])
    inside = HEADER_SIZE <= pointer.record_offset <= pointer.committed - pointer.record_length
    if not inside or pointer.journal_length > pointer.committed:
        return None
    return pointer


def encode_prefix(
    key: bytes, value_length: int, timestamp: int, next_: int = CHAIN_END, timestamp_bytes: int = 7
) -> bytes:
    """Return what stands before a value: block header, timestamp and key.

    Raises
    ------
    ValueError
        If the key or the value is longer than Booklet's length fields can say.
    """
    check_key(key)
    if value_length > MAX_VALUE:
        name = key.decode(errors="replace")
        raise ValueError(f"the value of {name!r} has {value_length} bytes; at most {MAX_VALUE} can be stored")
    stamp = timestamp.to_bytes(timestamp_bytes, "little") if timestamp_bytes else b""
    head = _BLOCK.pack(key_hash(key), next_.to_bytes(POINTER_BYTES, "little"), len(key), value_length)
    return head + stamp + key


def check_key(key: bytes) -> None:
    """Refuse a key that is too long for Booklet's length field."""
    if len(key) > MAX_KEY:
        raise ValueError(f"the key {key[:40]!r}... has {len(key)} bytes; at most {MAX_KEY} can be stored")


def dead_prefix(payload_length: int, timestamp_bytes: int = 7) -> bytes:
    """Return what stands before a payload that no Booklet sees: the prefix of a dead block."""
    if payload_length > MAX_VALUE:
        raise ValueError(f"a record of {payload_length} bytes; at most {MAX_VALUE} can be stored")
    head = bytes(HASH_BYTES + POINTER_BYTES) + (1).to_bytes(2, "little") + payload_length.to_bytes(4, "little")
    return head + bytes(timestamp_bytes + 1)


def block_at(read: Read, offset: int, limit: int, timestamp_bytes: int = 7) -> Block | None:
    """Return the block at `offset`, None when it does not fit before `limit`."""
    start = read(min(BLOCK_HEADER + timestamp_bytes + 64, max(0, limit - offset)), offset)
    if len(start) < BLOCK_HEADER + timestamp_bytes:
        return None
    key_length = int.from_bytes(start[19:21], "little")
    value_length = int.from_bytes(start[21:25], "little")
    key_offset = offset + BLOCK_HEADER + timestamp_bytes
    if key_offset + key_length + value_length > limit:
        return None
    key = start[BLOCK_HEADER + timestamp_bytes :][:key_length]
    if len(key) < key_length:
        key = read(key_length, key_offset)
    return Block(
        offset=offset,
        next=int.from_bytes(start[NEXT_AT : NEXT_AT + POINTER_BYTES], "little"),
        key_hash=start[:HASH_BYTES],
        key=key,
        timestamp=int.from_bytes(start[TIMESTAMP_AT : TIMESTAMP_AT + timestamp_bytes], "little"),
        value_offset=key_offset + key_length,
        value_length=value_length,
    )


def walk_blocks(read: Read, start: int, end: int, timestamp_bytes: int = 7) -> Iterator[Block]:
    """Yield the blocks between two offsets, dead ones too.

    Raises
    ------
    CorruptFileError
        If the blocks do not fill the region exactly; what comes before is yielded first.
    """
    offset = start
    while offset < end:
        block = block_at(read, offset, end, timestamp_bytes)
        if block is None:
            raise CorruptFileError(f"the block at {offset} does not end before {end}")
        yield block
        offset = block.end


def walk_data(read: Read, header: Header, file_size: int) -> Iterator[Block]:
    """Yield every block of a file, dead ones too, going round an array of buckets that stands among them.

    Raises
    ------
    CorruptFileError
        If the blocks do not fill the file exactly; what comes before is yielded first.
    """
    offset = header.data_start
    while offset < file_size:
        if offset == header.index_offset:
            offset = header.index_end
            continue
        # an array of buckets that we made stands inside a dead block, one that a plain Booklet made stands bare
        limit = header.index_end if offset < header.index_offset else file_size
        block = block_at(read, offset, limit, header.timestamp_bytes)
        inside = block is not None and (
            offset > header.index_offset
            or block.end <= header.index_offset
            or (block.end == header.index_end and block.next == DEAD)
        )
        if block is None or not inside:
            raise CorruptFileError(f"the block at {offset} does not end before {limit}")
        yield block
        offset = block.end
