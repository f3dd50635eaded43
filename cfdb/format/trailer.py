"""What stands behind a chunk's payload in the file, so that it can be recognised without any table?

32 bytes in the shape of a zstd skippable frame: readers of zstd, zarr and tensorstore pass over it.

====== ===== ====================================================================
offset bytes content (little-endian)
====== ===== ====================================================================
0      4     0x184D2A5C
4      4     24, the bytes that follow
8      1     version, 1
9      1     codec: 0 none, 1 zstd, 2 lz4, 3 cfdb.auto
10     2     flags: 1 shuffled, 2 cells of varying length, 4 packed
12     8     bytes of the payload when decompressed
20     8     BLAKE2b of the chunk's key
28     4     CRC-32C of key, payload and the 28 bytes before
====== ===== ====================================================================
"""

import hashlib
import struct
from dataclasses import dataclass

import google_crc32c

from cfdb.errors import CorruptChunkError

Buffer = bytes | bytearray | memoryview

MAGIC = 0x184D2A5C
VERSION = 1
SIZE = 32
_BODY = struct.Struct("<IIBBHQQ")
_CRC = struct.Struct("<I")

CODECS = {"none": 0, "zstd": 1, "lz4": 2, "cfdb.auto": 3}
SHUFFLED, VARIABLE_LENGTH, PACKED = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Trailer:
    """A trailer that was read.

    Attributes
    ----------
    codec : int
        See `CODECS`.
    flags : int
        `SHUFFLED`, `VARIABLE_LENGTH`, `PACKED`.
    raw_length : int
        Bytes of the payload when decompressed.
    key_hash : int
        Hash of the chunk's key.
    """

    codec: int
    flags: int
    raw_length: int
    key_hash: int


def build_trailer(key: str, payload: Buffer, *, codec: str, flags: int, raw_length: int) -> bytes:
    """Build the trailer of a chunk.

    Parameters
    ----------
    key : str
        The chunk's key.
    payload : bytes-like
        The encoded chunk.
    codec : str
        A key of `CODECS`.
    flags : int
        Sum of `SHUFFLED`, `VARIABLE_LENGTH`, `PACKED`.
    raw_length : int
        Bytes of the payload when decompressed.

    Examples
    --------
    >>> tail = build_trailer("abcdefgh/0", b"payload", codec="none", flags=0, raw_length=7)
    >>> len(tail), read_trailer("abcdefgh/0", b"payload", tail).raw_length
    (32, 7)
    """
    body = _BODY.pack(MAGIC, SIZE - 8, VERSION, CODECS[codec], flags, raw_length, key_hash(key))
    return body + _CRC.pack(_checksum(key, payload, body))


def read_trailer(key: str, payload: Buffer, tail: Buffer) -> Trailer:
    """Read the trailer of a chunk and check key and payload against it.

    Raises
    ------
    CorruptChunkError
        If it is no trailer, or belongs to another key or another payload.
    """
    data = bytes(tail)
    trailer = parse_trailer(data)
    if trailer is None:
        raise CorruptChunkError(f"chunk {key!r} is damaged: its trailer is not one of cfdb")
    if trailer.key_hash != key_hash(key):
        raise CorruptChunkError(f"chunk {key!r} is damaged: its trailer belongs to another key")
    if _CRC.unpack(data[-4:])[0] != _checksum(key, payload, data[:-4]):
        raise CorruptChunkError(f"chunk {key!r} is damaged: its checksum does not fit")
    return trailer


def parse_trailer(tail: Buffer) -> Trailer | None:
    """Read a trailer without checking what it stands behind; None when these bytes are none."""
    if len(tail) != SIZE:
        return None
    magic, size, version, codec, flags, raw_length, hashed = _BODY.unpack(bytes(tail[: _BODY.size]))
    if magic != MAGIC or size != SIZE - 8 or version != VERSION:
        return None
    return Trailer(codec, flags, raw_length, hashed)


def key_hash(key: str) -> int:
    """Hash a chunk's key into 64 bits."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")


def _checksum(key: str, payload: Buffer, body: bytes) -> int:
    value = google_crc32c.extend(0, key.encode())
    value = google_crc32c.extend(value, payload if isinstance(payload, bytes) else bytes(payload))
    checksum: int = google_crc32c.extend(value, body)
    return checksum
