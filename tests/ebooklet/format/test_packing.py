"""A pack gives back its values, and all of them when only the pack is left."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebooklet.errors import CorruptFileError, EBookletError
from ebooklet.format.checksum import crc32c, fingerprint
from ebooklet.format.packing import (
    FOOTER_SIZE,
    check_header,
    decode_times_and_notes,
    lay_out,
    pack_parts,
    scan_pack,
    version_of,
    versions_of,
)
from ebooklet.format.table import Row

DATA = Path(__file__).parents[2] / "data" / "remote-1"
UUID7, NAME = UUID(int=7), bytes(range(16))


def source(values: dict[str, bytes], tail: bytes = b"") -> list[Row]:
    return [
        Row(key, 0, len(value), crc32c(key.encode(), value), len(tail), timestamp=1000 + n, note=key.encode()[:3])
        for n, (key, value) in enumerate(values.items())
    ]


def packed(values: dict[str, bytes], tail: bytes = b"") -> tuple[bytes, Sequence[Row]]:
    layout = lay_out(source(values, tail), 2)

    def read(rows: Sequence[Row]) -> Iterable[bytes]:
        return [values[row.key] + tail for row in rows]

    return b"".join(pack_parts(UUID7, NAME, layout, read, [b"page", b"snapshot"], (5, 8))), layout.rows


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.binary(), max_size=6), st.binary(max_size=3)
)
def test_values_stand_where_their_rows_say_and_can_be_found_without_them(values: dict[str, bytes], tail: bytes) -> None:
    data, rows = packed(values, tail)
    assert {row.key: data[row.offset : row.offset + row.length] for row in rows} == values
    assert all(data[row.offset + row.length :].startswith(tail) for row in rows)
    found = list(scan_pack(data))
    assert [(r.key, r.offset, r.length, r.crc, r.tail, r.timestamp) for r in found] == [
        (r.key, r.offset, r.length, r.crc, r.tail, r.timestamp) for r in rows
    ]
    assert check_header(data) == (UUID7, NAME)
    assert b"pagesnapshot" in data[-FOOTER_SIZE - 12 :]


def test_times_and_notes_come_back_by_offset() -> None:
    rows = lay_out(source({f"t/{n}": b"x" * n for n in range(70)}), 0)
    found = decode_times_and_notes(rows.cold)
    assert found == {row.offset: (row.timestamp, row.note) for row in rows.rows}
    assert decode_times_and_notes(b"") == {}
    with pytest.raises(CorruptFileError):
        decode_times_and_notes(b"EBX" + rows.cold[3:])


def test_a_value_that_changed_while_it_is_packed_is_refused_by_name() -> None:
    layout = lay_out(source({"t/1": b"before"}), 0)
    with pytest.raises(CorruptFileError, match="t/1"):
        list(pack_parts(UUID7, NAME, layout, lambda rows: [b"after!"]))
    with pytest.raises(CorruptFileError, match="t/1"):
        list(pack_parts(UUID7, NAME, layout, lambda rows: [b"longer than before"]))


def test_a_damaged_pack_gives_true_rows_or_an_error() -> None:
    values = {f"t/{n}": random.Random(n).randbytes(40) for n in range(10)}
    data, rows = packed(values)
    true = {(row.key, row.offset, row.length, row.crc) for row in rows}
    chance = random.Random(3)
    for _ in range(800):
        broken = bytearray(data)
        if chance.random() < 0.7:
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        else:
            del broken[chance.randrange(len(broken)) :]
        found = []
        try:
            for row in scan_pack(bytes(broken)):
                found.append((row.key, row.offset, row.length, row.crc))  # noqa: PERF401
        except EBookletError:
            pass
        assert set(found) <= true


def test_versions_tell_places_apart() -> None:
    places = {version_of(name, offset) for name in (NAME, b"x" * 16) for offset in range(50)}
    assert len(places) == 100
    assert 0 not in places


def test_the_pack_of_format_1_stays_readable() -> None:
    data, rows = packed({"ds": b"structure", "abcdefgh/0.1": b"chunk"}, b"tail")
    stored = (DATA / "pack").read_bytes()
    assert [(row.key, row.offset, row.length) for row in scan_pack(stored)] == [
        (row.key, row.offset, row.length) for row in rows
    ]
    assert stored[: rows[-1].offset] == data[: rows[-1].offset]


def test_fingerprints_of_places_are_the_same_one_by_one_and_many_at_once() -> None:
    offsets = np.array([0, 1, 2**32, 2**63 - 1, 2**64 - 1], dtype=np.uint64)
    for name in (NAME, b"x" * 16):
        packs = np.full(len(offsets), fingerprint(name), dtype=np.uint64)
        assert [version_of(name, int(offset)) for offset in offsets] == versions_of(packs, offsets).tolist()
