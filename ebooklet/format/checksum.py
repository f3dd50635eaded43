"""Which checksums guard stored bytes?

`crc32c` guards each value (it covers the key too), `digest` guards metadata objects, `fingerprint` tells places apart.
"""

import hashlib

import google_crc32c

Buffer = bytes | bytearray | memoryview


def crc32c(*parts: Buffer) -> int:
    """CRC-32C (Castagnoli) of the parts, as if they were one string.

    Examples
    --------
    >>> crc32c(b"123456789") == crc32c(b"1234", b"56789") == 0xE3069283
    True
    """
    value = 0
    for part in parts:
        value = google_crc32c.extend(value, part if isinstance(part, bytes) else bytes(part))
    return value


def digest(data: Buffer) -> bytes:
    """BLAKE2b digest of 16 bytes.

    Examples
    --------
    >>> len(digest(b"page"))
    16
    """
    return hashlib.blake2b(data, digest_size=16).digest()


def fingerprint(data: Buffer) -> int:
    """64-bit fingerprint that is never zero.

    Examples
    --------
    >>> fingerprint(b"pack/0") != fingerprint(b"pack/1") != 0
    True
    """
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") or 1
