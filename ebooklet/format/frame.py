"""How is a record sealed, and which of its features must a reader know?

A sealed record is magic, format number, digest, and a zstd frame of a msgpack map. The map names the features the
record `requires` (an unknown one refuses to open) and `uses` (an unknown one makes it read-only).
"""

import re
import struct
from collections.abc import Iterable, Mapping
from typing import Any

import msgpack

from ebooklet.errors import CorruptFileError, UnsupportedFormatError
from ebooklet.format.checksum import Buffer, digest
from ebooklet.format.columns import compress, decompress

FORMAT = 1
MAX_RECORD = 32 << 20
MAX_NUMBER = (1 << 63) - 1
_HEADER = struct.Struct("<4sB16s")
_FEATURE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def seal(magic: bytes, fields: Mapping[str, Any]) -> bytes:
    """Write a record."""
    body = compress(msgpack.packb(dict(fields), use_bin_type=True))
    return _HEADER.pack(magic, FORMAT, digest(body)) + body


def unseal(magic: bytes, what: str, data: Buffer, known: frozenset[str] = frozenset()) -> "Fields":
    """Read a record that `seal` wrote.

    Parameters
    ----------
    magic : bytes
        Four bytes the record begins with.
    what : str
        Name of the record, for messages.
    data : bytes
        The sealed record.
    known : frozenset of str
        Features this release knows.

    Raises
    ------
    CorruptFileError
        If the bytes are no such record, or damaged.
    UnsupportedFormatError
        If the record requires a feature that is not known, by name.
    """
    if len(data) < _HEADER.size or bytes(data[:4]) != magic:
        raise CorruptFileError(f"{what}: {bytes(data[:4])!r} where {magic!r} should begin it")
    _, number, expected = _HEADER.unpack_from(data)
    if number != FORMAT:
        raise UnsupportedFormatError(f"{what} has format {number}, this release reads format {FORMAT}: update cfdb")
    body = memoryview(data)[_HEADER.size :]
    if digest(body) != expected:
        raise CorruptFileError(f"{what} is damaged: its digest does not match")
    try:
        found = msgpack.unpackb(decompress(body, MAX_RECORD), raw=False, strict_map_key=False, use_list=True)
    except (ValueError, msgpack.UnpackException) as error:
        raise CorruptFileError(f"{what} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise CorruptFileError(f"{what} is a {type(found).__name__}, not a map")
    fields = Fields(found, what)
    unknown = sorted(set(fields.features("requires")) - known)
    if unknown:
        raise UnsupportedFormatError(
            f"{what} requires {', '.join(unknown)}, which this release does not know: update cfdb"
        )
    return fields


class Fields:
    """The fields of a record from elsewhere; every access checks type and bounds."""

    __slots__ = ("_fields", "_what")

    def __init__(self, fields: Mapping[Any, Any], what: str) -> None:
        self._fields = fields
        self._what = what

    def _get(self, name: str, kind: type, bound: int) -> Any:
        value: Any = self._fields.get(name)
        found: type = type(value)
        if found is not kind:
            raise CorruptFileError(f"{self._what}: field {name!r} is a {found.__name__}, not a {kind.__name__}")
        size = int(value) if kind in (int, bool) else len(value)
        if not 0 <= size <= bound:
            raise CorruptFileError(f"{self._what}: field {name!r} is out of bounds")
        return value

    def number(self, name: str, bound: int = MAX_NUMBER) -> int:
        """Return a number from 0 to `bound`."""
        found: int = self._get(name, int, bound)
        return found

    def text(self, name: str, bound: int = 1 << 16) -> str:
        """Return a text of at most `bound` characters."""
        found: str = self._get(name, str, bound)
        return found

    def blob(self, name: str, bound: int = MAX_RECORD) -> bytes:
        """Return at most `bound` bytes."""
        found: bytes = self._get(name, bytes, bound)
        return found

    def flag(self, name: str) -> bool:
        """Return True or False."""
        found: bool = self._get(name, bool, 1)
        return found

    def exactly(self, name: str, size: int) -> bytes:
        """Return `size` bytes."""
        found = self.blob(name, size)
        if len(found) != size:
            raise CorruptFileError(f"{self._what}: field {name!r} has {len(found)} bytes, not {size}")
        return found

    def items(self, name: str, bound: int) -> list[Any]:
        """Return a list of at most `bound` items."""
        found: list[Any] = self._get(name, list, bound)
        return found

    def table(self, name: str, bound: int) -> dict[Any, Any]:
        """Return a map of at most `bound` entries."""
        found: dict[Any, Any] = self._get(name, dict, bound)
        return found

    def has(self, name: str) -> bool:
        """Tell whether there is a field that is not nil."""
        return self._fields.get(name) is not None

    def holds(self, name: str) -> bool:
        """Tell whether there is a field that is neither nil nor empty."""
        return bool(self._fields.get(name))

    def features(self, name: str) -> tuple[str, ...]:
        """Return a list of feature names."""
        return tuple(check_features(self.items(name, 256), self._what))

    def fault(self, message: str) -> CorruptFileError:
        """Return an error about this record."""
        return CorruptFileError(f"{self._what}: {message}")


def check_features(names: Iterable[Any], what: str) -> list[str]:
    """Refuse names of features that are not plain words."""
    found = list(names)
    for name in found:
        if not isinstance(name, str) or not _FEATURE.fullmatch(name):
            raise CorruptFileError(f"{what}: {name!r} is no name of a feature")
    return found
