"""How is a record framed, so that a release can tell what it may read and what it may change?

``b"cfdb"``, format (one byte), kind of record (one byte), then a msgpack map that names under ``requires`` the features
without which the record cannot be understood, and under ``uses`` those without which it must not be changed.
"""

from dataclasses import dataclass
from typing import Any

import msgpack

from cfdb.errors import FormatError, NotACFDBFileError, UnsupportedFormatError

MAGIC = b"cfdb"
FORMAT = 1
_HEAD = len(MAGIC) + 2

#: Features beyond format 1 that this release knows; format 1 itself needs none.
KNOWN_FEATURES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Features:
    """Features a record needs.

    Attributes
    ----------
    requires : tuple of str
        Without these the record cannot be understood.
    uses : tuple of str
        Without these it can be read, and must not be changed.
    """

    requires: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    @property
    def unknown_uses(self) -> tuple[str, ...]:
        """Features in `uses` that this release does not know: what the record describes is read-only."""
        return tuple(name for name in self.uses if name not in KNOWN_FEATURES)


#: What most records need.
NO_FEATURES = Features()


def frame(kind: int, body: dict[str, Any], features: Features) -> bytes:
    """Frame the body of a record.

    Parameters
    ----------
    kind : int
        Kind of record, 0 to 255.
    body : dict
        What msgpack can hold.
    features : Features
        What a reader has to know.
    """
    content = {"requires": list(features.requires), "uses": list(features.uses), **body}
    packed: bytes = msgpack.packb(content, use_bin_type=True)
    return MAGIC + bytes((FORMAT, kind)) + packed


def unframe(kind: int, data: bytes, what: str) -> tuple[dict[str, Any], Features]:
    """Open a framed record.

    Parameters
    ----------
    kind : int
        Expected kind of record.
    data : bytes
        The stored value.
    what : str
        Names the record in messages.

    Raises
    ------
    NotACFDBFileError
        If these are not the bytes of a cfdb record.
    UnsupportedFormatError
        If it was written with a format or a required feature that this release does not know.
    FormatError
        If it is damaged.
    """
    if len(data) < _HEAD or data[: len(MAGIC)] != MAGIC:
        raise NotACFDBFileError(f"{what} is not a record of cfdb (it starts with {data[:8]!r})")
    if data[4] != FORMAT:
        raise UnsupportedFormatError(f"{what} has format {data[4]}; this release reads format {FORMAT}: upgrade cfdb")
    if data[5] != kind:
        raise FormatError(f"{what} is a record of kind {data[5]} where one of kind {kind} belongs")
    body = unpack_map(data[_HEAD:], what)
    features = Features(_names(body.pop("requires", []), what), _names(body.pop("uses", []), what))
    unknown = [name for name in features.requires if name not in KNOWN_FEATURES]
    if unknown:
        raise UnsupportedFormatError(
            f"{what} needs the feature {', '.join(map(repr, unknown))}, which this release does not know: upgrade cfdb"
        )
    return body, features


def unpack_map(data: bytes, what: str) -> dict[str, Any]:
    """Unpack a msgpack map with string keys; nothing in it executes."""
    try:
        body = msgpack.unpackb(data, raw=False, strict_map_key=True)
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise FormatError(f"{what} is damaged: {error}") from error
    if not isinstance(body, dict) or not all(isinstance(key, str) for key in body):
        raise FormatError(f"{what} is damaged: not a map with string keys")
    return body


def _names(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise FormatError(f"{what} is damaged: its features are not a list of names")
    return tuple(value)
