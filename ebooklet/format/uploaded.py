"""What have workers sent that nobody has committed yet?

Packs stand beside those of the database, and no version refers to them: whoever commits what a worker did needs their
names, what is in them, and on which records the worker relied.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ebooklet.format.checksum import Buffer
from ebooklet.format.frame import seal, unseal
from ebooklet.format.journal import (
    Upload,
    decode_acks,
    decode_guards,
    decode_ids,
    decode_uploaded,
    encode_acks,
    encode_guards,
    encode_uploads,
)
from ebooklet.format.pages import Row, encode_rows

_MAGIC, _PARTS = b"EBFR", b"EBFP"
_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What one or several workers sent.

    Attributes
    ----------
    ids : tuple of bytes
        Ids of their results.
    uploads : tuple of Upload
        The packs.
    acks : mapping
        When each arrived, by the server's clock.
    rows : tuple of Row
        What is in them; `pack` is an index into `uploads`.
    removed : tuple of str
        Keys that were removed.
    guards : mapping
        By prefix of the keys, the keys of records they rely on.
    """

    ids: tuple[bytes, ...] = ()
    uploads: tuple[Upload, ...] = ()
    acks: Mapping[bytes, datetime] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    removed: tuple[str, ...] = ()
    guards: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.ids)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys that were set or removed."""
        return (*(row.key for row in self.rows), *self.removed)

    @property
    def nbytes(self) -> int:
        """Bytes of the packs."""
        return sum(upload.size for upload in self.uploads)

    def pending(self) -> Iterable[Row]:
        """Give rows and tombstones, as a local file has them."""
        yield from self.rows
        yield from (Row(key, 0, 0, 0, deleted=True) for key in self.removed)

    def without(self, keys: Collection[str]) -> "Uploaded":
        """Leave out some keys."""
        rows = tuple(row for row in self.rows if row.key not in keys)
        return replace(self, rows=rows, removed=tuple(key for key in self.removed if key not in keys))

    def encode(self) -> bytes:
        """Write it."""
        return seal(
            _MAGIC,
            {
                "requires": [],
                "ids": list(self.ids),
                "uploads": encode_uploads(self.uploads),
                "acks": encode_acks(self.acks),
                "rows": encode_rows(self.rows, self.removed),
                "guards": encode_guards(dict(self.guards)),
            },
        )

    @classmethod
    def decode(cls, data: Buffer) -> "Uploaded":
        """Read it."""
        fields = unseal(_MAGIC, "the record of a worker", data)
        uploads, rows, removed = decode_uploaded(fields)
        acks, guards = decode_acks(fields.blob("acks")), decode_guards(fields.blob("guards"))
        return cls(decode_ids(fields, "ids"), uploads, acks, rows, removed, guards)


def joined(parts: Iterable[Uploaded]) -> Uploaded:
    """Put the records of several workers together; a guard holds for all of them.

    Examples
    --------
    >>> one = Uploaded((b"1" * 16,), (Upload(b"p" * 16, 9, 9, 0, b"d" * 16),), {}, (Row("a", 0, 1, 7),))
    >>> other = Uploaded((b"2" * 16,), (Upload(b"q" * 16, 9, 9, 0, b"d" * 16),), {}, (Row("b", 0, 1, 7),), ("c",))
    >>> both = joined([one, other])
    >>> [(row.key, row.pack) for row in both.rows], both.keys
    ([('a', 0), ('b', 1)], ('a', 'b', 'c'))
    >>> Uploaded.decode(both.encode()) == both
    True
    """
    ids: list[bytes] = []
    uploads: list[Upload] = []
    acks: dict[bytes, datetime] = {}
    rows: list[Row] = []
    removed: list[str] = []
    guards: dict[str, tuple[str, ...]] = {}
    for part in parts:
        rows += (replace(row, pack=row.pack + len(uploads)) for row in part.rows)
        ids += part.ids
        uploads += part.uploads
        acks.update(part.acks)
        removed += part.removed
        for prefix, keys in part.guards.items():
            guards[prefix] = tuple(sorted({*guards.get(prefix, ()), *keys}))
    return Uploaded(tuple(ids), tuple(uploads), acks, tuple(rows), tuple(removed), guards)


def encode_parts(parts: Iterable[Uploaded]) -> bytes:
    """Write what was merged, part by part."""
    return seal(_PARTS, {"requires": [], "parts": [part.encode() for part in parts]})


class MergedParts:
    """Reads what `encode_parts` wrote, and remembers it."""

    def __init__(self) -> None:
        self._known: tuple[bytes | None, tuple[Uploaded, ...], Uploaded] = (None, (), Uploaded())

    def parts(self, data: bytes | None) -> tuple[Uploaded, ...]:
        """Give the parts."""
        self.joined(data)
        return self._known[1]

    def joined(self, data: bytes | None) -> Uploaded:
        """Give all of them together."""
        if data != self._known[0]:
            parts: tuple[Uploaded, ...] = ()
            if data is not None:
                found = unseal(_PARTS, "what was merged", data).items("parts", _MOST)
                parts = tuple(Uploaded.decode(part) for part in found if isinstance(part, bytes))
            self._known = data, parts, joined(parts)
        return self._known[2]
