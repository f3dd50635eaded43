"""Which checksums guard stored bytes?

`crc32c` guards each value (it covers the key too), `digest` guards metadata objects, `fingerprint` tells places apart.
"""

import hashlib
from collections.abc import Callable

import google_crc32c
import numpy as np
import numpy.typing as npt

Buffer = bytes | bytearray | memoryview
Readable = bytes | npt.NDArray[np.uint8]

extend_crc32c: Callable[[int, Readable], int] = google_crc32c.extend  # the CRC-32C of some bytes, and of what follows


def crc32c(*parts: Buffer) -> int:
    """CRC-32C (Castagnoli) of the parts, as if they were one string.

    Examples
    --------
    >>> crc32c(b"123456789") == crc32c(b"1234", b"56789") == 0xE3069283
    True
    """
    value = 0
    for part in parts:
        value = extend_crc32c(value, part if isinstance(part, bytes) else readable(part))
    return value


def readable(data: Buffer) -> Readable:
    """Return the same bytes in a form that `extend_crc32c` takes, and without a copy where that is possible.

    Examples
    --------
    >>> extend_crc32c(0, readable(memoryview(b"123456789"))) == crc32c(b"123456789")
    True
    """
    if google_crc32c.implementation != "c" or not len(data):
        return bytes(data)
    return np.frombuffer(data, dtype=np.uint8)


def digest(data: Buffer) -> bytes:
    """BLAKE2b digest of 16 bytes.

    Examples
    --------
    >>> len(digest(b"page"))
    16
    """
    return hashlib.blake2b(data, digest_size=16).digest()


class Digest:
    """The same of bytes that come piece by piece.

    Examples
    --------
    >>> growing = Digest()
    >>> growing.update(b"pa")
    >>> growing.update(b"ge")
    >>> growing.hex() == digest(b"page").hex()
    True
    """

    def __init__(self) -> None:
        self._state = hashlib.blake2b(digest_size=16)

    def update(self, data: Buffer) -> None:
        """Take in what follows."""
        self._state.update(data)

    def digest(self) -> bytes:
        """The digest of all so far."""
        return self._state.digest()

    def hex(self) -> str:
        """The same as 32 hexadecimal digits."""
        return self._state.hexdigest()


def fingerprint(data: Buffer) -> int:
    """64-bit fingerprint that is never zero.

    Examples
    --------
    >>> fingerprint(b"pack/0") != fingerprint(b"pack/1") != 0
    True
    """
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") or 1
