"""Arrays come out in blocks of any shape: all cells once, in order, decoding what was planned, within the budget."""

import tracemalloc
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
import rechunkit
from hypothesis import given, settings
from hypothesis import strategies as st

import cfdb
from cfdb.format.codecs import CodecPipeline
from cfdb.model.dataset import Dataset
from cfdb.plan.rechunk import AxisParts, plan_rechunk

MB = 2**20
Counter = list[int]


@pytest.fixture
def ds() -> Iterator[Dataset]:
    with cfdb.open_dataset(None, "n") as ds:
        yield ds


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return counting(monkeypatch)


def counting(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Count the chunks that are decoded."""
    count = [0]
    many, one = CodecPipeline.decode_boxes, CodecPipeline.decode_into

    def decode_boxes(self: CodecPipeline, payloads: Any, *others: Any) -> None:
        count[0] += len(payloads)
        many(self, payloads, *others)

    def decode_into(self: CodecPipeline, *others: Any) -> None:
        count[0] += 1
        one(self, *others)

    monkeypatch.setattr(CodecPipeline, "decode_boxes", decode_boxes)
    monkeypatch.setattr(CodecPipeline, "decode_into", decode_into)
    return count


def variable(ds: Dataset, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """Write a variable of different numbers, ``v<n>``, and give its values."""
    number = len(ds.data_var_names)
    dims = tuple(f"{name}{number}" for name in "abc"[: len(shape)])
    values = np.arange(prod(shape), dtype=dtype).reshape(shape)
    for dim, size in zip(dims, shape, strict=True):
        ds.create.coord.generic(dim, data=np.arange(size))
    ds.create.data_var.generic(f"v{number}", dims, dtype=dtype, chunk_shape=chunks)
    ds[f"v{number}"][...] = values
    return values


def blocks(shape: tuple[int, ...], lengths: tuple[int, ...]) -> list[tuple[slice, ...]]:
    cuts = [
        [slice(at, min(at + n, size), 1) for at in range(0, size, n)] for size, n in zip(shape, lengths, strict=True)
    ]
    return list(product(*cuts))


SHAPES = st.integers(1, 3).flatmap(
    lambda ndim: st.tuples(
        st.tuples(*[st.integers(1, 20)] * ndim),
        st.tuples(*[st.integers(1, 9)] * ndim),
        st.tuples(*[st.integers(1, 12)] * ndim),
    )
)


@settings(max_examples=80, deadline=None)
@given(SHAPES, st.sampled_from([1, 300, 3000, 10**6]))
def test_every_block_comes_once_in_order_and_decodes_what_was_planned(
    shapes: tuple[tuple[int, ...], ...], max_mem: int
) -> None:
    shape, chunks, lengths = shapes
    with cfdb.open_dataset(None, "n") as ds, pytest.MonkeyPatch.context() as patch:
        values = variable(ds, shape, chunks)
        count = counting(patch)
        found = list(ds["v0"].iter_chunks(lengths, max_mem=max_mem))
        n_reads, n_writes = ds["v0"].rechunker().calc_n_reads_rechunker(lengths, max_mem)
        assert count[0] == n_reads
        assert len(found) == n_writes
        assert [where for where, _ in found] == blocks(shape, lengths)
        for where, block in found:
            np.testing.assert_array_equal(block, values[where])


@settings(max_examples=80, deadline=None)
@given(SHAPES)
def test_with_room_for_all_every_chunk_is_decoded_once_as_rechunkit_counts(shapes: tuple[tuple[int, ...], ...]) -> None:
    shape, chunks, lengths = shapes
    parts = [
        AxisParts.regular(np.arange(0, size, chunk), size, length)
        for size, chunk, length in zip(shape, chunks, lengths, strict=True)
    ]
    plan = plan_rechunk(parts, 4, 2**29)
    clipped = [tuple(min(n, size) for n, size in zip(each, shape, strict=True)) for each in (chunks, lengths)]
    assert (plan.n_reads, plan.n_writes) == rechunkit.calc_n_reads_rechunker(shape, 4, *clipped, 2**29)
    assert plan.n_reads == rechunkit.calc_n_chunks(shape, chunks)


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.sampled_from([200, 2000]))
def test_more_memory_never_means_more_decoding(shapes: tuple[tuple[int, ...], ...], max_mem: int) -> None:
    parts = [
        AxisParts.regular(np.arange(0, size, chunk), size, length) for size, chunk, length in zip(*shapes, strict=True)
    ]
    assert plan_rechunk(parts, 4, 4 * max_mem).n_reads <= plan_rechunk(parts, 4, max_mem).n_reads
    assert plan_rechunk(parts, 4, 10**9).nbytes <= 10**9


JOBS: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    "pencils to maps": ((256, 128, 160), (256, 16, 16), (1, 128, 160)),
    "maps to pencils": ((256, 128, 160), (1, 128, 160), (256, 16, 16)),
    "misaligned": ((250, 130, 160), (30, 50, 41), (47, 33, 60)),
    "chunks to one cell": ((40, 30, 20), (10, 10, 10), (1, 1, 20)),
}


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("max_mem", [2 * MB, 6 * MB])
def test_memory_stays_within_the_budget(ds: Dataset, job: str, max_mem: int) -> None:
    shape, chunks, lengths = JOBS[job]
    variable(ds, shape, chunks)
    decoding = 3 * MB // 2  # beside the budget: payloads, and what threads decode
    total = 0.0
    with cfdb.set_options(threads=2):
        list(ds["v0"][:1, :1, :1].iter_chunks())  # threads and tables are there
        tracemalloc.start()
        try:
            for _, block in ds["v0"].iter_chunks(lengths, max_mem=max_mem):
                total += float(block.sum(dtype="f8"))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    floor = 4 * (2 * prod(lengths) + prod(chunks))
    assert peak <= max(max_mem, floor) + decoding
    assert total == sum(range(prod(shape)))


def test_where_the_slab_fits_no_chunk_is_decoded_twice(ds: Dataset, decoded: Counter) -> None:
    variable(ds, (60, 40, 30), (10, 10, 10))
    chunks = 6 * 4 * 3
    slab = 4 * (10 + 7 - 1) * 40 * 30  # a chunk of rows, and what is left of the one before
    decoded[0] = 0
    for _ in ds["v0"].iter_chunks({"a0": 7}, max_mem=slab + 2 * 4 * 7 * 40 * 30):
        pass
    assert decoded[0] == chunks


def test_with_too_little_memory_chunks_are_decoded_again_and_again_but_all_is_right(
    ds: Dataset, decoded: Counter
) -> None:
    values = variable(ds, (40, 30), (40, 3))
    decoded[0] = 0
    for where, block in ds["v0"].iter_chunks({"a0": 1}, max_mem=1):
        np.testing.assert_array_equal(block, values[where])
    assert 10 < decoded[0] == ds["v0"].rechunker().calc_n_reads_rechunker((1, 30), 1)[0]


@pytest.mark.parametrize(
    "key",
    [
        (slice(3, 25), slice(2, None)),
        (slice(None, None, -1), slice(None, None, 3)),
        ([20, 3, 3, 7, 25, 0], slice(None)),
        (slice(None), None, slice(4, 9)),
        (5, slice(None)),
        (slice(7, 7), slice(None)),
    ],
)
@pytest.mark.parametrize("max_mem", [1, 10**6])
def test_views_of_any_selection_are_cut_as_their_values_are(ds: Dataset, key: Any, max_mem: int) -> None:
    variable(ds, (28, 19), (6, 5))
    view = ds["v0"][key]
    expected = view.values
    lengths = (4, 1, 3)[-view.ndim :] if view.ndim == 3 else (4, 3)[-view.ndim :]
    found = list(view.iter_chunks(lengths, max_mem=max_mem))
    assert [where for where, _ in found] == blocks(expected.shape, lengths)
    for where, block in found:
        np.testing.assert_array_equal(block, expected[where])
    again = np.full_like(expected, -1)
    for where, block in view.iter_chunks():
        again[where] = block
    np.testing.assert_array_equal(again, expected)


def test_positions_that_were_inserted_and_prepended_come_in_their_place(ds: Dataset) -> None:
    variable(ds, (20, 4), (6, 4))
    ds["a0"].prepend(np.arange(-5, 0))
    ds["a0"].insert(9, np.array([100, 101, 102]))
    expected = ds["v0"].values
    for max_mem in (1, 10**6):
        for where, block in ds["v0"].iter_chunks({"a0": 5}, max_mem=max_mem):
            np.testing.assert_array_equal(block, expected[where])


def test_blocks_are_the_callers_own(ds: Dataset) -> None:
    values = variable(ds, (20, 10), (6, 5))
    for shape in (None, (4, 10), (6, 5), (20, 10), (7, 3)):
        kept = []
        for _, block in ds["v0"].iter_chunks(shape):
            assert block.flags.writeable
            assert not any(np.shares_memory(block, other) for other in kept)
            block[...] = -1
            kept.append(block)
        np.testing.assert_array_equal(ds["v0"].values, values)


IDEAL: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = [
    ((365, 360, 720), (61, 60, 66), (1, 360, 720)),
    ((31, 31), (5, 2), (3, 10)),
    ((100,), (7,), (30,)),
    ((40, 30, 20), (4, 6, 20), (40, 1, 5)),
]


@pytest.mark.parametrize(("shape", "chunks", "lengths"), IDEAL)
def test_the_planning_functions_give_what_rechunkit_gives(
    ds: Dataset, shape: tuple[int, ...], chunks: tuple[int, ...], lengths: tuple[int, ...]
) -> None:
    for dim, size in zip("xyz", shape, strict=False):
        ds.create.coord.generic(dim, data=np.arange(size))
    ds.create.data_var.generic("v", tuple("xyz"[: len(shape)]), dtype="float32", chunk_shape=chunks)
    rechunker = ds["v"].rechunker()
    ideal = rechunkit.calc_ideal_read_chunk_shape(chunks, lengths, shape)
    assert rechunker.calc_ideal_read_chunk_shape(lengths) == ideal
    assert rechunker.calc_ideal_read_chunk_mem(lengths) == rechunkit.calc_ideal_read_chunk_mem(ideal, 4)
    assert rechunker.calc_n_chunks() == rechunkit.calc_n_chunks(shape, chunks)
    reads, writes = rechunker.calc_n_reads_rechunker(lengths, 2**40)
    assert (reads, writes) == rechunkit.calc_n_reads_rechunker(shape, 4, chunks, lengths, 2**40)
    read = rechunker.calc_source_read_chunk_shape(lengths, 2**40)
    assert all(1 <= length <= size for length, size in zip(read, shape, strict=True))
    assert prod(rechunker.guess_chunk_shape(2**16)) * 4 <= 2**16


def test_rechunk_gives_what_iter_chunks_gives(ds: Dataset) -> None:
    values = variable(ds, (20, 10), (6, 5))
    for where, block in ds["v0"].rechunker().rechunk({"b0": 4}, max_mem=1000):
        np.testing.assert_array_equal(block, values[where])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=4), st.sampled_from([1, 2, 4, 8]), st.integers(8, 2**21))
def test_a_guessed_chunk_fits_the_array_and_the_bytes(shape: list[int], itemsize: int, size: int) -> None:
    found = cfdb.guess_chunk_shape(tuple(shape), itemsize, size)
    assert all(1 <= length <= most for length, most in zip(found, shape, strict=True))
    assert prod(found) * itemsize <= size
    if prod(shape) * itemsize <= size:
        assert found == tuple(shape)
    else:
        theirs = rechunkit.guess_chunk_shape(tuple(shape), itemsize, size)
        assert prod(found) * 32 > min(prod(theirs), size // itemsize), "not far smaller than theirs"
