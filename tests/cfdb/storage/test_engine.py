"""The chunk engine against NumPy: reads, writes, growth; what it reads and decodes is counted."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfdb.errors import CorruptChunkError, EncodingError
from cfdb.format.codecs import CodecPipeline, default_chain, pipeline
from cfdb.format.dimension import Slots
from cfdb.format.dtypes import DataType, dtype
from cfdb.format.statistics import compute, unpack
from cfdb.plan.indexing import select
from cfdb.storage import engine, portions
from cfdb.storage.engine import ChunkedArray
from cfdb.storage.memory_store import MemoryStore
from cfdb.storage.protocol import ChunkWrite
from tests.support.oracle import DTYPES, keys_of, random_values, same


class Axis:
    def __init__(self, size: int) -> None:
        self.slots = Slots.of_size(size)


class CountingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.listed = 0

    def get(self, key: str) -> bytes | None:
        self.counts["get"] += 1
        return super().get(key)

    def set_many(self, items: Iterable[ChunkWrite]) -> None:
        listed = list(items)
        self.counts["set"] += len(listed)
        super().set_many(listed)

    def keys(self, prefix: str = "") -> Iterator[str]:
        self.listed += 1
        return super().keys(prefix)

    def prefetch(self, keys: Iterable[str]) -> None:
        self.counts["prefetched"] += len(list(keys))


def make(
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    kind: DataType | str = "float64",
    fill_value: Any = None,
    store: CountingStore | None = None,
) -> tuple[ChunkedArray, CountingStore, list[Axis]]:
    store, axes = store or CountingStore(), [Axis(size) for size in shape]
    described = dtype(kind)
    pipeline = CodecPipeline(described, chunks, default_chain(described), fill_value)
    return ChunkedArray(store, "abcdefgh", pipeline, axes, lambda: "temperature"), store, axes


shapes = st.lists(st.integers(0, 9), min_size=0, max_size=3).map(tuple)


@settings(max_examples=80, deadline=None)
@given(st.data(), shapes)
def test_reads_and_writes_agree_with_numpy(data: st.DataObject, shape: tuple[int, ...]) -> None:
    chunks = tuple(data.draw(st.integers(1, 5)) for _ in shape)
    kind = data.draw(st.sampled_from(DTYPES))
    array, _, _ = make(shape, chunks, kind)
    expected = np.full(shape, array.fill, array.dtype)
    seed = data.draw(st.integers(0, 2**16))
    for step in range(data.draw(st.integers(1, 4))):
        key = data.draw(keys_of(shape))
        selection = select(key, shape)
        values = random_values(dtype(kind), selection.full_shape, seed + step)
        array.write(selection, values)
        full = np.ix_(*(axis.positions() for axis in selection.axes)) if shape else ...
        expected[full] = values
        assert same(array.read(), expected)
    key = data.draw(keys_of(shape))
    selection = select(key, shape)
    full = np.ix_(*(axis.positions() for axis in selection.axes)) if shape else ...
    assert same(array.read(selection), expected[full])
    kept = [selection.full_shape[axis] for axis in selection.dims]
    pieces = np.full(kept, array.fill, array.dtype)
    seen = np.zeros(kept, int)
    for slices, values in array.iterate(selection):
        pieces[slices] = values
        seen[slices] += 1
    assert same(pieces, expected[full].reshape(kept))
    assert (seen == 1).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_statistics_follow_random_histories(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["float32", "int16", "uint64", "bool", "datetime64[s]", "str", "packed"]))
    described = dtype("float32", 1, -10, 10) if kind == "packed" else dtype(kind)
    array, _, axes = make((4, 5), (3, 2), described)
    expected = np.full((4, 5), array.fill, array.dtype)
    for step in range(data.draw(st.integers(1, 6))):
        what = data.draw(st.sampled_from(["write", "append", "prepend", "insert", "drop"]))
        number = data.draw(st.integers(0, 1))
        size = array.shape[number]
        if what == "write":
            key = data.draw(keys_of(array.shape))
            selection = select(key, array.shape)
            values = random_values(described, selection.full_shape, step)
            array.write(selection, values)
            expected[np.ix_(*(axis.positions() for axis in selection.axes))] = array.read(selection)
        elif what == "drop" and size > 1:
            start = data.draw(st.integers(0, size - 1))
            before = axes[number].slots
            axes[number].slots = before.drop(start, start + 1)
            array.forget_dropped(number, before)
            expected = np.delete(expected, start, number)
        elif what != "drop":
            at = {"append": size, "prepend": 0}.get(what, size // 2)
            axes[number].slots = axes[number].slots.insert(at, 2)
            new = np.full(tuple(2 if n == number else s for n, s in enumerate(expected.shape)), array.fill, array.dtype)
            expected = np.concatenate([np.take(expected, range(at), number), new,
                                       np.take(expected, range(at, size), number)], number)  # fmt: skip
    assert same(array.read(), expected)
    grid = array.grid
    cells: dict[tuple[int, ...], list[Any]] = {}
    for slices, index, _ in grid.boxes():
        cells.setdefault(index, []).append(expected[slices].ravel())
    found = array.statistics()
    assert set(found) == array.written() & set(cells)
    for index, statistics in found.items():
        oracle = compute(np.concatenate(cells[index]))
        assert (statistics.valid, statistics.missing) == (oracle.valid, oracle.missing)
        assert (statistics.minimum, statistics.maximum) == (oracle.minimum, oracle.maximum)
        assert (statistics.sum is None) == (oracle.sum is None)
        assert oracle.sum is None or statistics.sum == pytest.approx(oracle.sum, rel=1e-12)


def test_statistics_of_a_chunk_that_lost_and_won_a_cell_are_computed_anew() -> None:
    array, store, (axis,) = make((4,), (8,), "int64")
    array.write(array.everything(), np.array([1, 50, 3, 4]))
    before = axis.slots
    axis.slots = before.drop(1, 2)
    array.forget_dropped(0, before)
    axis.slots = axis.slots.append(1)
    found = array.statistics()[0,]
    assert (found.valid, found.minimum, found.maximum, found.sum) == (4, 0, 4, 8)
    store.counts.clear()
    array.write(select(3, (4,)), np.array([9]))
    store.counts.clear()
    assert array.statistics()[0,].sum == 17
    assert store.counts == {}


@pytest.mark.parametrize("most", [0, 100])
def test_dropped_positions_take_their_chunks_along(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_LOOKUPS", most)
    array, store, axes = make((12, 6), (3, 3))
    array.write(select((slice(0, 9),), (12, 6)), np.ones((9, 6)))
    before, axes[0].slots = axes[0].slots, axes[0].slots.drop(3, 8)
    store.counts.clear()
    array.forget_dropped(0, before)
    assert store.listed == (0 if most else 1)
    assert array.written() == {(0, 0), (0, 1), (2, 0), (2, 1)}
    assert [unpack(note or b"").stale for note in store.notes(["abcdefgh/0.0", "abcdefgh/2.0"])] == [False, True]


def test_asking_for_one_chunk_lists_none() -> None:
    array, store, _ = make((12,), (3,))
    array.write(select((slice(0, 3),), (12,)), np.ones(3))
    store.counts.clear()
    assert (array.is_written("abcdefgh/0"), array.is_written("abcdefgh/1")) == (True, False)
    assert (store.counts, store.listed) == ({}, 0)


def test_a_write_that_covers_chunks_reads_nothing() -> None:
    array, store, _ = make((10, 9), (4, 3))
    array.write(array.everything(), np.zeros((10, 9)))
    assert store.counts == {"set": 9}
    array.write(select((slice(4, 10),), (10, 9)), np.ones((6, 9)))
    assert store.counts == {"set": 15}
    array.write(select((slice(3, 5), slice(0, 3)), (10, 9)), np.ones((2, 3)))
    assert store.counts == {"set": 17, "get": 2, "prefetched": 2}


def test_one_cell_decodes_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    array, store, _ = make((100, 100), (10, 10))
    array.write(array.everything(), np.zeros((100, 100)))
    decoded: list[bytes] = []
    plain = pipeline.decode_boxes
    monkeypatch.setattr(
        pipeline, "decode_boxes", lambda codec, *given: decoded.extend(given[0]) or plain(codec, *given)
    )
    store.counts.clear()
    array.read(select((5, 5), (100, 100)))
    assert len(decoded) == 1
    assert store.counts == {"get": 1}


def test_untouched_cells_keep_every_bit() -> None:
    described = dtype("float64", 1, -100, 100)
    array, store, _ = make((4,), (4,), described)
    array.write(array.everything(), np.array([1.26, np.nan, -3.14, 100.0]))
    before = array.pipeline.decode_cells(store.get("abcdefgh/0") or b"")
    array.write(select(2, (4,)), np.array([7.0]))
    after = array.pipeline.decode_cells(store.get("abcdefgh/0") or b"")
    assert before[[0, 1, 3]].tolist() == after[[0, 1, 3]].tolist()
    plain, store, _ = make((3,), (3,), "float64")
    odd = np.array([0x7FF8_0000_DEAD_BEEF, 0x8000_0000_0000_0000, 1], "u8").view("f8")
    plain.write(plain.everything(), odd)
    plain.write(select(2, (3,)), np.array([1.0]))
    assert plain.read().view("u8")[:2].tolist() == odd.view("u8")[:2].tolist()


def test_a_value_that_cannot_be_held_leaves_everything_as_it_was() -> None:
    array, _, _ = make((10,), (2,), "int8")
    array.write(array.everything(), np.arange(10))
    values = np.arange(10) * 10
    values[-1] = 1000
    with pytest.raises(EncodingError, match="1000"):
        array.write(array.everything(), values)
    assert array.read().tolist() == list(range(10))


@pytest.mark.parametrize("threads", [False, True])
def test_a_damaged_chunk_is_named_and_never_fill(threads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "INLINE_BYTES", 0 if threads else 2**40)
    array, store, _ = make((8, 8), (4, 4))
    array.write(array.everything(), np.ones((8, 8)))
    payload = store.get("abcdefgh/1.0") or b""
    store.set_many([ChunkWrite("abcdefgh/1.0", b"\x00" + payload[1:])])
    store.set_many([ChunkWrite("abcdefgh/1.1", payload[:10])])
    for attempt in (
        array.read,
        lambda: list(array.iterate()),
        lambda: array.write(select((5, 0), (8, 8)), np.zeros((1, 1))),
        lambda: array.read_points([np.array([7]), np.array([7])]),
    ):
        with pytest.raises(CorruptChunkError, match=r"chunk 1\.[01] of variable 'temperature' in <memory>"):
            attempt()
    assert (array.read(select((slice(0, 4),), (8, 8))) == 1).all()


def test_threads_lose_no_partial_write_and_see_no_torn_chunk() -> None:
    array, _, _ = make((64,), (64,), "int64")
    array.write(array.everything(), np.zeros(64, int))
    torn: list[Any] = []

    def change(number: int) -> None:
        for round_ in range(1, 30):
            array.write(select(slice(number * 16, number * 16 + 16), (64,)), np.full(16, round_))
            found = array.read(select(slice(number * 16, number * 16 + 16), (64,)))
            if len(set(found.tolist())) != 1:
                torn.append(found)

    workers = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert torn == []
    assert array.read().tolist() == [29] * 64


def test_positions_beyond_32_bits() -> None:
    size, length = 2**33 + 5, 2**18
    array, store, _ = make((size,), (length,), "int16")
    key = slice(2**33 - 2, None)
    array.write(select(key, (size,)), np.arange(7))
    assert array.read(select(key, (size,))).tolist() == list(range(7))
    assert list(store.keys()) == [f"abcdefgh/{2**33 // length - 1}", f"abcdefgh/{2**33 // length}"]
    assert array.read(select([0, 2**32, 2**33 + 4], (size,))).tolist() == [0, 0, 6]


def test_points_are_read_and_written_one_by_one() -> None:
    array, _, _ = make((7, 6), (3, 2), "int32")
    values = np.arange(42).reshape(7, 6)
    array.write(array.everything(), values)
    rows, columns = np.array([6, 0, 6, 3]), np.array([5, 0, 0, 3])
    assert array.read_points([rows, columns]).tolist() == values[rows, columns].tolist()
    array.write_points([rows, columns], np.array([-1, -2, -3, -4]))
    values[rows, columns] = [-1, -2, -3, -4]
    assert (array.read() == values).all()


def test_reading_into_a_given_array_and_through_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "INLINE_BYTES", 0)
    monkeypatch.setattr(portions, "BATCH_BYTES", 1)
    array, _, _ = make((9, 9), (2, 4), "float32")
    values = np.arange(81, dtype="f4").reshape(9, 9)
    array.write(array.everything(), values)
    out = np.zeros((18, 9), "f4")[::2]
    assert array.read(out=out) is out
    assert (out == values).all()
    assert (np.concatenate([part for _, part in array.iterate(select((0,), (9, 9)))]) == values[0]).all()


def test_what_is_stored_is_counted() -> None:
    array, store, _ = make((4, 4), (2, 2))
    assert array.stored().chunks == 0
    array.write(select((0, 0), (4, 4)), np.ones((1, 1)))
    stored = array.stored()
    assert (stored.chunks, stored.local, stored.nbytes) == (
        1,
        1,
        sum(size or 0 for size in store.sizes(list(store.keys()))),
    )


class ArrivingStore(CountingStore):
    """Gives payloads in some other order, a few at a time, as a remote does."""

    def __init__(self) -> None:
        super().__init__()
        self.far = False
        self.arrived = 0

    def stream(self, keys: Iterable[str]) -> Any:
        return self._arriving(list(keys)) if self.far else None

    def _arriving(self, keys: list[str]) -> Iterator[tuple[list[int], Sequence[Any]]]:
        order = np.random.default_rng(len(keys)).permutation(len(keys)).tolist()
        for start in range(0, len(keys), 3):
            numbers = order[start : start + 3]
            self.arrived += len(numbers)
            yield numbers, [MemoryStore.get(self, keys[number]) for number in numbers]


@settings(max_examples=30, deadline=None)
@given(st.data(), shapes)
def test_chunks_are_decoded_in_whatever_order_they_arrive(data: st.DataObject, shape: tuple[int, ...]) -> None:
    chunks = tuple(data.draw(st.integers(1, 5)) for _ in shape)
    array, _, _ = make(shape, chunks, "float32", store=ArrivingStore())
    written = select(data.draw(keys_of(shape)), shape)
    array.write(written, random_values(dtype("float32"), written.full_shape, 1))
    expected = array.read()
    array.store.far = True  # type: ignore[attr-defined]
    assert same(array.read(), expected)
    selection = select(data.draw(keys_of(shape)), shape)
    full = np.ix_(*(axis.positions() for axis in selection.axes)) if shape else ...
    assert same(array.read(selection), expected[full])


def test_a_damaged_chunk_that_arrives_is_named() -> None:
    store = ArrivingStore()
    array, _, _ = make((8, 8), (2, 2), store=store)
    array.write(array.everything(), np.ones((8, 8)))
    store.set_many([ChunkWrite("abcdefgh/1.3", b"nothing")])
    store.far = True
    with pytest.raises(CorruptChunkError, match=r"chunk 1\.3 of variable 'temperature' in <memory>"):
        array.read()
    assert (array.read(select((slice(0, 2),), (8, 8))) == 1).all()


def test_views_of_a_portion_are_the_callers_own() -> None:
    array, _, _ = make((9, 5), (2, 5), "float32")
    values = np.arange(45, dtype="f4").reshape(9, 5)
    array.write(array.everything(), values)
    parts = [part for _, part in array.iterate()]
    for part in parts:
        part += 1
    assert same(np.concatenate(parts), values + 1)
    assert same(array.read(), values)
