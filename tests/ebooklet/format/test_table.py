"""A table answers as a dict does, whatever its history, and reads and writes few pages."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebooklet.errors import CorruptFileError, EBookletError
from ebooklet.format.checksum import digest
from ebooklet.format.columns import compress
from ebooklet.format.pages import ColdPage, HotPage, decode_cold, decode_hot, encode_cold, encode_hot
from ebooklet.format.table import PageRef, Row, Table, Totals, decode_rows, encode_rows, order_key


class Pages:
    """Pages in memory, with a record of what was read and written."""

    def __init__(self) -> None:
        self.blobs: list[bytes] = []
        self.reads: list[int] = []

    def write(self, blob: bytes) -> PageRef:
        self.blobs.append(blob)
        return PageRef(0, len(self.blobs) - 1, len(blob), digest(blob))

    def read(self, ref: PageRef) -> bytes:
        self.reads.append(ref.offset)
        return self.blobs[ref.offset]


ids = st.sampled_from(["abcdefgh", "v/t", "d", "", "x\x00y"])
slots = st.lists(st.one_of(st.integers(0, 12), st.integers(0, 2**64)), min_size=1, max_size=3)
grid_keys = st.builds(lambda prefix, slots: f"{prefix}/{'.'.join(map(str, slots))}", ids, slots)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
keys = st.one_of(grid_keys, texts, st.sampled_from(["ds", "v/t", "v/t/007", "d/1.", "d/.1", "d/1..2", "d/\x00\x01"]))
big = st.integers(0, 2**63 - 1)
rows = st.builds(
    Row,
    key=keys,
    offset=big,
    length=st.one_of(st.integers(0, 5000), st.integers(0, 2**40)),
    crc=st.integers(0, 2**32 - 1),
    tail=st.sampled_from([0, 32]),
    pack=st.integers(0, 3),
    timestamp=big,
    version=st.one_of(st.just(0), st.integers(0, 2**64 - 1)),
    deleted=st.booleans(),
    note=st.binary(max_size=8),
)
steps = st.one_of(
    st.tuples(st.just("update"), st.lists(rows, max_size=8)),
    st.tuples(st.just("remove"), st.lists(st.integers(0, 1000), max_size=6)),
    st.tuples(st.just("flush"), st.none()),
    st.tuples(st.just("load"), st.none()),
)


def cold_free(row: Row) -> Row:
    return Row(row.key, row.offset, row.length, row.crc, row.tail, row.pack, 0, row.version, row.deleted)


def check(table: Table, oracle: dict[str, Row]) -> None:
    expected = sorted(oracle.values(), key=lambda row: order_key(row.key))
    assert list(table.rows()) == expected
    assert list(table.rows(cold=False)) == [cold_free(row) for row in expected]
    assert len(table) == len(oracle)
    assert list(table.pending()) == [row for row in expected if row.version == 0 or row.deleted]
    asked = [*oracle, "nowhere", "abcdefgh/99.99"]
    assert table.get_many(asked) == [oracle.get(key) for key in asked]
    for prefix in ["", "abcdefgh/", "abcdefgh/1", "v/", "v", "d/", "x\x00", "é"]:
        assert list(table.rows(prefix)) == [row for row in expected if row.key.startswith(prefix)]


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=12), st.sampled_from([(2, 0), (3, 8), (512, 0)]))
def test_any_history_gives_what_a_dict_gives(history: list[tuple[str, object]], sizes: tuple[int, int]) -> None:
    pages = Pages()
    table = Table.empty(sizes[0], single_rows=sizes[1], read=pages.read)
    oracle: dict[str, Row] = {}
    for verb, what in history:
        if verb == "update":
            assert isinstance(what, list)
            oracle |= {row.key: row for row in what}
            table = table.updated(what)
        elif verb == "remove":
            assert isinstance(what, list)
            names = [*oracle, "nowhere"]
            gone = [names[number % len(names)] for number in what]
            oracle = {key: row for key, row in oracle.items() if key not in gone}
            table = table.updated((), gone)
        else:
            table, directory = table.flushed(pages.write)
            assert not table.overlay()
            assert all(page.rows <= max(sizes) for page in table.pages)
            if verb == "load":
                table = Table.load(directory, pages.read)
    check(table, oracle)


@settings(max_examples=300, deadline=None)
@given(keys, keys)
def test_the_order_of_keys_is_total(one: str, other: str) -> None:
    assert (order_key(one) == order_key(other)) == (one == other)


def test_a_text_with_zero_bytes_never_stands_among_the_chunks_of_a_grid() -> None:
    texts = ["d/\x00", "d/\x00\x00", "d/\x00\x01\x01", "d/\x00\x02"]
    assert max(order_key(f"d/{n}.{n}") for n in (0, 5, 2**62)) < min(map(order_key, texts))


def test_changes_do_not_reach_the_table_they_came_from() -> None:
    first = Table.empty().updated([Row("a", 0, 1, 1)])
    second = first.updated([Row("a", 5, 1, 1), Row("b", 6, 1, 1)], ["c"])
    assert [row.offset for row in first.rows()] == [0]
    assert [row.offset for row in second.rows()] == [5, 6]


def grid(*counts: int, start: tuple[int, ...] = ()) -> list[Row]:
    """Rows of a chunk grid, its slots from `start` up to `counts`."""
    offset = 1000
    made = []
    begin = start or (0,) * len(counts)
    axes = [range(low, high) for low, high in zip(begin, counts, strict=True)]
    for slot in sorted(itertools.product(*axes), key=lambda s: order_key("abcdefgh/" + ".".join(map(str, s)))):
        key = "abcdefgh/" + ".".join(map(str, slot))
        length = 19_000 + random.Random(key).randrange(-700, 700)
        crc = random.Random(key + "crc").getrandbits(32)
        made.append(Row(key, offset, length, crc, 32, 0, 1_700_000_000_000_000 + offset, 0, False, b"\x01" * 40))
        offset += length + 32 + 32 + len(key)
    return made


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_growth_along_any_axis_rewrites_few_pages(axis: int) -> None:
    pages = Pages()
    table, _ = Table.empty(read=pages.read).updated(grid(24, 24, 24)).flushed(pages.write)
    assert len(table.pages) == 27
    written = len(pages.blobs)
    stop, begin = [24, 24, 24], [0, 0, 0]
    stop[axis], begin[axis] = 25, 24
    new = grid(*stop, start=tuple(begin))
    grown, _ = table.updated(new).flushed(pages.write)
    assert len(grown) == 25 * 24 * 24
    # 9 tiles begin along the new face, next to 9 old ones: two blobs for each page
    assert (len(pages.blobs) - written) // 2 <= 3 * len(new) // 64
    assert len({page.hot.digest for page in table.pages} - {page.hot.digest for page in grown.pages}) <= 10


def test_a_commit_of_one_row_writes_one_page() -> None:
    pages = Pages()
    table, _ = Table.empty(read=pages.read).updated(grid(16, 16, 16)).flushed(pages.write)
    written = len(pages.blobs)
    table.updated([Row("abcdefgh/3.3.3", 1, 1, 1)]).flushed(pages.write)
    assert len(pages.blobs) == written + 2  # hot and cold


def test_a_lookup_reads_one_page_and_a_clean_page_is_not_searched_for_edits() -> None:
    pages = Pages()
    clean = [Row(row.key, row.offset, row.length, row.crc, version=5) for row in grid(16, 16, 16)]
    _, directory = Table.empty(read=pages.read).updated(clean).flushed(pages.write)
    table = Table.load(directory, pages.read)
    assert pages.reads == []
    assert table.get("abcdefgh/9.3.12", cold=False) is not None
    assert len(pages.reads) == 1
    assert table.get("abcdefgh/9.3.13", cold=False) is not None
    assert len(pages.reads) == 1
    assert list(Table.load(directory, pages.read).pending()) == []
    assert len(pages.reads) == 1
    assert len(Table.load(directory, pages.read)) == 4096
    assert len(pages.reads) == 1


def test_two_thousand_chunks_take_less_than_15_kb() -> None:
    for shape in [(2000,), (50, 40), (20, 10, 10)]:
        assert len(encode_hot(HotPage.of(grid(*shape)))) < 12_500
        assert len(encode_cold(ColdPage.of(grid(*shape)))) < 9_000


def test_a_small_table_stays_one_page_and_a_large_one_is_cut() -> None:
    pages = Pages()
    table = Table.empty(4096, single_rows=8192, read=pages.read)
    one, _ = table.updated(grid(8192)).flushed(pages.write)
    assert [page.rows for page in one.pages] == [8192]
    many, _ = one.updated(grid(8193, start=(8192,))).flushed(pages.write)
    assert [page.rows for page in many.pages] == [4096, 4097] or max(page.rows for page in many.pages) <= 4096
    again, _ = many.updated((), ["abcdefgh/5"]).flushed(pages.write)
    assert [page.rows for page in again.pages] == [8192]


def test_removals_leave_no_tiny_pages() -> None:
    pages = Pages()
    table, _ = Table.empty(64, read=pages.read).updated(grid(6400)).flushed(pages.write)
    gone = [f"abcdefgh/{number}" for number in range(6400) if number % 64]
    table, _ = table.updated((), gone).flushed(pages.write)
    assert len(table) == 100
    assert len(table.pages) <= 7


def test_inline_rows_come_back_whole() -> None:
    made = grid(3, 5)
    assert decode_rows(encode_rows(made, ["gone", "abcdefgh/7"])) == (made, ["gone", "abcdefgh/7"])
    assert decode_rows(encode_rows([], [])) == ([], [])
    many = grid(10_000)
    assert decode_rows(encode_rows(many)) == (many, [])


def test_what_cannot_be_written_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="kkkk"):
        encode_hot(HotPage.of([Row("k" * 70_000, 0, 0, 0)]))
    with pytest.raises(ValueError, match="offset"):
        HotPage.of([Row("k", -1, 0, 0)])
    with pytest.raises(ValueError, match="note of 'k'"):
        ColdPage.of([Row("k", 0, 0, 0, note=bytes(2 << 20))])


def mutations(blob: bytes, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    made = []
    for _ in range(400):
        data = bytearray(blob)
        match chance.randrange(4):
            case 0:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            case 1:
                start = chance.randrange(len(data))
                data[start : start + 4] = chance.choice([b"\xff" * 4, b"\x00" * 4, b"\xff\xff\xff\x7f"])
            case 2:
                del data[chance.randrange(len(data)) :]
            case _:
                data[chance.randrange(len(data)) : chance.randrange(len(data))] = chance.randbytes(9)
        made.append(bytes(data))
    return made


def test_mutated_pages_are_refused_or_harmless() -> None:
    rows = grid(4, 30)
    for number, blob in enumerate([encode_hot(HotPage.of(rows)), encode_cold(ColdPage.of(rows))]):
        for data in mutations(blob, number):
            try:
                decode_hot(data) if number == 0 else decode_cold(data, len(rows))
            except EBookletError:
                pass


def test_a_mutated_page_never_gives_other_rows() -> None:
    pages = Pages()
    _, directory = Table.empty(read=pages.read).updated(grid(6, 6)).flushed(pages.write)
    for number, whole in enumerate(list(pages.blobs)):
        for data in mutations(whole, number):
            pages.blobs[number] = data
            if data != whole:
                with pytest.raises(CorruptFileError):
                    list(Table.load(directory, pages.read).rows())
        pages.blobs[number] = whole


def test_a_mutated_directory_or_list_is_refused() -> None:
    pages = Pages()
    _, directory = Table.empty(8, read=pages.read).updated(grid(100)).flushed(pages.write)
    listed = encode_rows(grid(20), ["x"])
    for data in mutations(directory, 1):
        if data != directory:
            with pytest.raises(EBookletError):
                Table.load(data, pages.read)
    for data in mutations(listed, 2):
        if data != listed:
            with pytest.raises(EBookletError):
                decode_rows(data)


def test_bombs_are_refused_before_memory_is_taken() -> None:
    bomb = compress(bytes(200 << 20))
    planes = b"\x01\x02" + np.uint32(len(bomb)).tobytes() + bomb
    head = b"EBH\x01" + np.uint32(60_000).tobytes()
    with pytest.raises(CorruptFileError, match="announces"):
        decode_hot(head + planes)
    shared = b"\x02\x00\xff\x00\xff"  # every key shares 65535 bytes with the one before
    with pytest.raises(CorruptFileError, match="too long"):
        decode_hot(head + shared + b"\x00" + bytes(8))
    with pytest.raises(CorruptFileError, match="at most"):
        decode_hot(b"EBH\x01" + b"\xff\xff\xff\x7f")


def test_totals_and_keys_are_those_of_the_rows() -> None:
    rng = random.Random(5)
    keys = [f"{folder}/{n // 30}.{n % 30}" for folder in ("t", "t2", "u/v", "t/x") for n in range(700)] + [
        "t",
        "ta",
        "u",
    ]
    store = Pages()
    table = Table.empty(64, read=store.read)
    for _ in range(4):
        some = rng.sample(keys, 900)
        rows = [Row(key, 100, rng.randrange(10**6), 1, tail=3, deleted=rng.random() < 0.1) for key in some]
        table = table.updated(rows, rng.sample(keys, 200))
        for one in (table, table.flushed(store.write)[0]):
            for prefix in ("", "t", "t/", "t/1", "t/1.", "t/2.5", "u/", "u/v/", "u/v/7", "zz", "t2/"):
                live = [row for row in one.rows(prefix) if not row.deleted]
                assert list(one.keys(prefix)) == [row.key for row in live]
                assert sorted(one.keys(prefix), key=order_key) == list(one.keys(prefix))
                assert one.totals(prefix) == Totals(len(live), sum(row.length for row in live))
        table = table.flushed(store.write)[0]
