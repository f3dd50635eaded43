"""What a push remembers comes back, and damage is noticed."""

import random
from datetime import UTC, datetime
from uuid import UUID

import pytest

from ebooklet.errors import EBookletError
from ebooklet.format.journal import (
    PushJournal,
    Upload,
    decode_acks,
    decode_guards,
    encode_acks,
    encode_guards,
)
from ebooklet.format.table import Row

JOURNAL = PushJournal(
    uuid=UUID(int=3),
    commit=b"c" * 16,
    root=b"root",
    base_etag="abc",
    uploads=(Upload(b"n" * 16, 100, 90, 10, b"d" * 16), Upload(b"m" * 16, 100, 90, 10, b"e" * 16)),
    rows=(Row("a", 5, 6, 7, pack=1, timestamp=9, note=b"n"),),
    removed=("gone",),
    dropped=("given up",),
    metadata=b"{}",
    replace=True,
)


def test_a_journal_comes_back() -> None:
    assert PushJournal.decode(JOURNAL.encode()) == JOURNAL
    acks = {b"n" * 16: datetime(2026, 1, 2, 3, 4, 5, 6, UTC)}
    assert decode_acks(encode_acks(acks)) == acks
    guards = {"abcdefgh/": ("v/t", "d/time"), "": ()}
    assert decode_guards(encode_guards(guards)) == guards


def test_mutated_journals_are_refused() -> None:
    chance = random.Random(1)
    acks = encode_acks({b"n" * 16: datetime(2026, 1, 2, tzinfo=UTC)})
    guards = encode_guards({"a": ("b",)})
    for whole, decode in [(JOURNAL.encode(), PushJournal.decode), (acks, decode_acks), (guards, decode_guards)]:
        for _ in range(300):
            data = bytearray(whole)
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            with pytest.raises(EBookletError):
                decode(bytes(data))  # type: ignore[operator]
