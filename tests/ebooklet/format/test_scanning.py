"""A pack read in pieces: the same rows, wherever it is cut, and damage is named."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebooklet.errors import CorruptFileError
from ebooklet.format.checksum import crc32c
from ebooklet.format.packing import FOOTER_SIZE, HEADER_SIZE, lay_out, pack_parts, scan_pack
from ebooklet.format.scanning import PackContents, PackScanner, scan
from ebooklet.format.table import Row

UUID_OF, NAME = UUID(int=7), b"n" * 16


def packed(values: dict[str, tuple[bytes, bytes]], tail: list[bytes] | None = None) -> bytes:
    rows = [
        Row(key, 0, len(value), crc32c(key.encode(), value), len(end), timestamp=number + 1, note=b"n")
        for number, (key, (value, end)) in enumerate(values.items())
    ]
    layout = lay_out(rows, 0)
    blobs = tail or []
    place = (layout.size, len(blobs[0])) if blobs else (0, 0)
    return b"".join(
        pack_parts(UUID_OF, NAME, layout, lambda asked: [b"".join(values[row.key]) for row in asked], blobs, place)
    )


def in_pieces(data: bytes, size: int) -> PackContents:
    scanner = PackScanner()
    for start in range(0, len(data), size):
        scanner.feed(data[start : start + size])
    return scanner.finish()


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text(max_size=8), st.tuples(st.binary(max_size=60), st.binary(max_size=5)), max_size=8),
    st.lists(st.binary(min_size=1, max_size=200), max_size=2),
    st.integers(1, 400),
)
def test_wherever_it_is_cut_the_rows_are_those_of_the_whole(
    values: dict[str, tuple[bytes, bytes]], tail: list[bytes], size: int
) -> None:
    data = packed(values, tail)
    found = in_pieces(data, size)
    assert list(found.rows) == list(scan_pack(data))
    assert (found.uuid, found.name, found.size, found.damaged) == (UUID_OF, NAME, len(data), ())
    offset, length = found.snapshot
    assert not tail or data[offset : offset + length] == tail[0]
    assert found == scan(data)


VALUES = {f"key/{n}": (bytes([n]) * 50, b"T" * 4) for n in range(5)}


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_changed_byte_passes_unseen(data: st.DataObject) -> None:
    whole = packed(VALUES, [b"snapshot"])
    tails = {place for row in scan_pack(whole) for place in range(row.offset + row.length, row.offset + row.length + 4)}
    at = data.draw(st.sampled_from([place for place in range(len(whole)) if place not in tails]))
    body = bytearray(whole)
    body[at] ^= data.draw(st.integers(1, 255))
    try:
        found = scan(bytes(body))
    except CorruptFileError:
        return
    assert found.damaged


def test_a_damaged_value_is_named_and_the_others_are_found() -> None:
    whole = packed(VALUES)
    row = next(row for row in scan_pack(whole) if row.key == "key/2")
    body = bytearray(whole)
    body[row.offset + 3] ^= 1
    found = scan(bytes(body))
    assert found.damaged == ("key/2",)
    assert [row.key for row in found.rows] == ["key/0", "key/1", "key/3", "key/4"]


@pytest.mark.parametrize("cut", [0, 10, HEADER_SIZE, HEADER_SIZE + 1, 200, -FOOTER_SIZE, -1])
def test_a_pack_that_is_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(CorruptFileError):
        scan(packed(VALUES, [b"snapshot"])[:cut])


def test_what_follows_a_pack_is_refused() -> None:
    with pytest.raises(CorruptFileError):
        scan(packed(VALUES) + b"x")


def test_the_footer_guards_the_number_of_values() -> None:
    whole = packed(VALUES)
    first, second = list(scan_pack(whole))[:2]
    gone = second.offset - first.offset
    head = first.offset - HEADER_SIZE
    with pytest.raises(CorruptFileError, match="other values"):
        scan(whole[: first.offset - head] + whole[first.offset - head + gone :])
