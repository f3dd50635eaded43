"""What we rely on in Booklet; run against every release that pyproject.toml admits."""

import io
from importlib.metadata import version
from pathlib import Path
from typing import Any

import booklet
from booklet import serializers, utils
from hypothesis import given
from hypothesis import strategies as st

from ebooklet.format import booklet_layout as layout
from ebooklet.format.booklet_chains import find_block, scan_chains
from ebooklet.local.device import MemoryDevice
from ebooklet.local.linking import Appended, link
from ebooklet.local.serializers import NAMES, code_of
from ebooklet.local.transaction import Transaction
from ebooklet.local.working_copy import WorkingCopy, Write


def made(keys: int = 20, buckets: int = 11) -> tuple[io.BytesIO, Any]:
    file = io.BytesIO()
    book = booklet.open(file, "n", key_serializer="str", value_serializer="bytes", n_buckets=buckets)
    book._finalizer.detach()
    book._defer_reindex = True
    for number in range(keys):
        book.set(f"k/{number}", bytes([number]) * number, timestamp=1000 + number)
    book.sync()
    return file, book


def reader(data: bytes) -> layout.Read:
    return lambda length, offset: data[offset : offset + length]


def test_the_release_is_in_the_tested_range() -> None:
    major, minor, *_ = map(int, version("booklet").split(".")[:2])
    assert (major, minor) == (0, 12)


def test_a_bytesio_is_accepted_in_place_of_a_path() -> None:
    file, book = made()
    again = booklet.open(file, "w")
    again._finalizer.detach()
    assert again["k/3"] == book["k/3"] == b"\3\3\3"


def test_the_header_is_where_we_think() -> None:
    file, book = made()
    data = file.getvalue()
    header = layout.parse_header(data[:200], len(data), "test")
    assert header.uuid.bytes == book.uuid.bytes
    assert (header.buckets, header.keys, header.has_timestamps) == (11, 20, True)
    assert (header.value_code, header.key_code) == (code_of("bytes"), code_of("str"))
    assert (header.index_offset, header.data_start, header.index_end) == (200, 266, 266)
    ours = layout.encode_header(header)
    assert (ours[:65], len(ours)) == (data[:65], 200)
    assert data[77:200] == bytes(123)
    assert utils.sub_index_init_pos == layout.HEADER_SIZE
    assert utils.metadata_key_bytes == layout.METADATA_KEY
    assert set(layout.RESERVED_KEYS) == set(utils.reserved_key_bytes)


def test_spare_bytes_of_the_header_survive_every_operation(tmp_path: Path) -> None:
    path = tmp_path / "x"
    book = booklet.open(path, "n", key_serializer="str", value_serializer="bytes", n_buckets=3)
    book.close()
    raw = bytearray(path.read_bytes())
    raw[77:200] = bytes(range(100, 223))
    path.write_bytes(raw)
    for operation in (
        lambda b: b.update({f"k{n}": b"1" for n in range(10)}),
        lambda b: b.__setitem__("k1", b"22"),
        lambda b: b.__delitem__("k2"),
        lambda b: b.set_metadata({"a": 1}),
        lambda b: b.set_timestamp("k3", 5),
        lambda b: b.prune(),
        lambda b: b.clear(),
    ):
        book = booklet.open(path, "w")
        operation(book)
        book.close()
        assert path.read_bytes()[77:200] == bytes(range(100, 223))


def test_blocks_and_chains_are_built_as_we_think() -> None:
    file, book = made()
    data = file.getvalue()
    header = layout.parse_header(data[:200], len(data), "test")
    scan = scan_chains(reader(data), header, len(data))
    assert not scan.faults
    expected = {(key, timestamp, offset, length) for key, timestamp, offset, length in book.locations()}
    assert {(b.key.decode(), b.timestamp, b.value_offset, b.value_length) for b in scan.blocks} == expected
    linear = list(layout.walk_data(reader(data), header, len(data)))
    assert {b.offset for b in linear} == {b.offset for b in scan.blocks}
    for block in linear:
        prefix = layout.encode_prefix(block.key, block.value_length, block.timestamp, block.next)
        assert data[block.offset : block.value_offset] == prefix
        assert layout.key_hash(block.key) == utils.hash_key(block.key)
        found = find_block(reader(data), header, block.key, len(data))
        assert found == block
    assert find_block(reader(data), header, b"none", len(data)) is None


def test_values_are_append_only_and_dead_blocks_are_skipped() -> None:
    file, book = made()
    before = file.getvalue()
    book["k/5"] = b"other"
    del book["k/6"]
    book.sync()
    after = file.getvalue()
    for key, _, offset, length in [("k/5", 0, *_place(before, "k/5")), ("k/6", 0, *_place(before, "k/6"))]:
        assert after[offset : offset + length] == before[offset : offset + length], key
    dead = layout.dead_prefix(5) + b"hello"
    file.seek(0, 2)
    file.write(dead)
    again = booklet.open(file, "r")
    again._finalizer.detach()
    assert sorted(again) == sorted(f"k/{n}" for n in range(20) if n != 6)


def _place(data: bytes, key: str) -> tuple[int, int]:
    header = layout.parse_header(data[:200], len(data), "test")
    block = find_block(reader(data), header, key.encode(), len(data))
    assert block is not None
    return block.value_offset, block.value_length


@given(
    st.integers(0, 40),
    st.integers(1, 50),
    st.lists(
        st.tuples(
            st.sets(st.integers(0, 60), max_size=12),
            st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=9) | st.just(bytes(3000))), max_size=12),
        ),
        max_size=3,
    ),
)
def test_blocks_are_linked_byte_for_byte_as_booklet_does_it(
    keys: int, buckets: int, steps: list[tuple[set[int], list[tuple[int, bytes]]]]
) -> None:
    file, book = made(keys, buckets)
    device = MemoryDevice()
    device.pwrite([file.getvalue()], 0)
    transaction = Transaction(device, device.size(), book.uuid)
    for deleted, values in steps:
        header = layout.parse_header(transaction.read_at(200, 0), transaction.size, "test")
        appended = []
        for key, value in {f"k/{number}": value for number, value in values}.items():
            prefix = layout.encode_prefix(key.encode(), len(value), 7, layout.DEAD)
            appended.append(Appended(key.encode(), transaction.size))
            transaction.write_at(transaction.size, prefix + value)
        live = link(transaction, header, [f"k/{number}".encode() for number in deleted], appended, keys=101)

        for number in deleted:
            if f"k/{number}" in book:
                del book[f"k/{number}"]
        for key, value in {f"k/{number}": value for number, value in values}.items():
            book.set(key, value, timestamp=7)
        book.sync()
        assert live == len(book)
        assert transaction.read_at(transaction.size, 0) == file.getvalue()


def test_metadata_are_found_by_booklet(tmp_path: Path) -> None:
    path = tmp_path / "x"
    value = {"title": "Wärme", "numbers": [1, 2.5, 1e300, None, True], "nested": {"": []}}
    for metadata in (1, value):
        with WorkingCopy.open(path, "c") as copy:
            copy.set("a", b"1")
            copy.set_metadata(metadata, timestamp=12)
            copy.commit()
        book = booklet.open(path, "r")
        assert (book.get_metadata(include_timestamp=True), list(book)) == ((metadata, 12), ["a"])
        book.close()


def test_no_reindex_happens_while_it_is_deferred() -> None:
    file, book = made(keys=200, buckets=3)
    assert book._n_buckets == 3
    assert layout.parse_header(file.getvalue()[:200], len(file.getvalue()), "test").buckets == 3


def test_the_serializer_table_is_booklets() -> None:
    assert list(NAMES) == list(serializers.serial_dict)
    assert {name: code_of(name) for name in NAMES if name} == {
        name: code for name, code in serializers.serial_name_dict.items() if name
    }
    assert len(NAMES) == layout.LAST_CODE


def test_files_grown_and_replaced_by_us_go_on_in_plain_booklet(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with WorkingCopy.open(path, "n") as copy:
        for start, stop in ((0, 300), (200, 1300), (1300, 4300)):
            copy.set_many(Write(f"k/{n}", str(n).encode()) for n in range(start, stop))
            copy.commit()
        assert copy._commit.header.index_offset != 200
    book = booklet.open(path, "w")
    assert len(book) == 4300
    book.update({f"p/{n}": b"1" for n in range(100)})
    del book["k/7"]
    book.close()
    with WorkingCopy.open(path, "w") as copy:
        assert len(copy) == 4399
        assert copy.get("k/4299") == b"4299"
    book = booklet.open(path, "w")
    book.prune()
    assert len(book) == 4399
    book.close()
    with WorkingCopy.open(path, "r") as copy:
        assert len(copy) == 4399
        assert copy.get("k/4299") == b"4299"
