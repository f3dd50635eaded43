"""Boxes of many chunks go to one array, whatever the chain, and blocks are cut as the policy says."""

from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfdb.errors import FormatError
from cfdb.format.codecs import (
    CodecPipeline,
    CodecSpec,
    chain_from_record,
    chain_to_record,
    choose_block_shape,
    default_chain,
)
from cfdb.format.codecs.auto import bounds
from cfdb.format.dtypes import DataType, dtype, enum_dtype, time_dtype

SHAPE, BLOCK = (9, 7, 8), (4, 7, 3)
KINDS = {
    "float32": dtype("float32"),
    "float64 packed": dtype("float64", 2, -100, 100),
    "float32 packed, odd offset": dtype("float32", 1, dtype_encoded="int16", offset=0.123, fillvalue=-1),
    "float16 packed": dtype("float16", 1, -100, 100),
    "int64 packed": dtype("int64", min_value=-500, max_value=500),
    "times packed": dtype("datetime64[h]", min_value="1969-12-01", max_value="1970-02-01"),
    "times": dtype("datetime64[s]"),
    "cftime": time_dtype("days since 1850-01-01", "360_day"),
    "enum": enum_dtype("uint8", {"clear": 0, "cloudy": 1}),
    "bool": dtype("bool"),
    "complex64": dtype("complex64"),
    "bytes4": dtype("bytes4"),
    "str": dtype("str", nullable=True),
    "point": dtype("point", 3),
}


def values_of(kind: DataType, seed: int) -> np.ndarray:
    numbers = np.random.default_rng(seed).integers(-90, 90, SHAPE)
    if kind.kind == "G":
        return np.vectorize(lambda n: None if n < -80 else bytes([n % 251] * (n % 5)), otypes=[object])(numbers)
    if kind.kind == "T":
        return np.where(numbers < -80, None, numbers.astype("U").astype(object))
    if kind.kind == "t":
        return numbers.astype("i8")
    stored = kind.dtype_decoded
    return {
        "f": lambda: (numbers / 10).astype(stored),
        "c": lambda: (numbers * (1 + 2j)).astype(stored),
        "M": lambda: numbers.astype("i8").view(stored),
        "b": lambda: numbers > 0,
        "e": lambda: (numbers > 0).astype(stored),
        "S": lambda: (numbers % 100).astype(stored),
    }.get(kind.kind, lambda: numbers.astype(stored))()


@pytest.mark.parametrize("compression", ["zstd", "none", "lz4", "portable"])
@pytest.mark.parametrize("name", KINDS)
def test_boxes_of_many_chunks_go_to_one_array(name: str, compression: str) -> None:
    kind = KINDS[name]
    portable = compression == "portable"
    chain = default_chain(kind, "zstd" if portable else compression, block_shape=BLOCK, portable=portable)
    pipeline = CodecPipeline(kind, SHAPE, chain)
    assert pipeline.block_shape == (BLOCK if chain[0].name == "cfdb.auto" else SHAPE)
    chunks = [pipeline.to_cells(values_of(kind, seed)) for seed in range(4)]
    payloads = pipeline.encode_cells_many(chunks)
    assert payloads == [pipeline.encode_cells(cells) for cells in chunks]
    decoded = [pipeline.from_cells(cells) for cells in chunks]
    starts = np.array([[0, 0, 0], [3, 1, 2], [8, 6, 7], [2, 0, 5]])
    counts = np.array([[9, 7, 8], [5, 4, 4], [1, 1, 1], [0, 7, 2]])
    targets = np.array([[0, 0, 0], [9, 1, 0], [14, 0, 7], [14, 0, 0]])
    blank = np.full((15, 7, 8), decoded[0].flat[0], decoded[0].dtype)
    out, expected = blank.copy("F"), blank.copy()
    for cells, s, c, t in zip(decoded, starts, counts, targets, strict=True):
        box, place = (tuple(slice(a, a + n) for a, n in zip(first, c, strict=True)) for first in (s, t))
        expected[place] = cells[box]
    pipeline.decode_boxes(payloads, starts, counts, out, targets)
    assert repr(out.tolist()) == repr(expected.tolist())


def test_a_scalar_has_a_box_too() -> None:
    for kind in (dtype("float64"), dtype("float32", 1, 0, 10), dtype("str")):
        pipeline = CodecPipeline(kind, (), default_chain(kind))
        payload = pipeline.encode(np.array("2" if kind.kind == "T" else 2.5))
        out = np.zeros((), kind.dtype_decoded)
        none = np.zeros((1, 0), np.int64)
        pipeline.decode_boxes([payload], none, none, out, none)
        assert out[()] == ("2" if kind.kind == "T" else 2.5)


places = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.one_of(
            st.slices(n),
            st.integers(-n, n - 1),
            st.lists(st.integers(-n, n - 1), max_size=5).map(lambda found: np.array(found, np.int64)),
        ),
    )
)


@settings(max_examples=200, deadline=None)
@given(st.lists(places, min_size=1, max_size=3), st.integers(0, 1))
def test_the_box_around_a_selection_holds_it(axes: list[Any], left_out: int) -> None:
    arrays = [number for number, (_, item) in enumerate(axes) if isinstance(item, np.ndarray)]
    shape = tuple(length for length, _ in axes)
    selection = tuple(
        item if number in arrays[:1] or number not in arrays else 0 for number, (_, item) in enumerate(axes)
    )
    selection = selection[: len(selection) - left_out]
    cells = np.arange(prod(shape)).reshape(shape)
    starts, counts, inside = bounds(selection, shape)
    box = cells[tuple(slice(s, s + c) for s, c in zip(starts, counts, strict=True))]
    assert box.shape == tuple(counts)
    assert np.array_equal(box[inside], cells[selection])


def test_a_selection_decompresses_only_the_blocks_it_needs() -> None:
    kind = dtype("int32")
    pipeline = CodecPipeline(kind, (100, 10), default_chain(kind, block_shape=(10, 10)))
    cells = np.arange(1000, dtype="i4").reshape(100, 10)
    damaged = bytearray(pipeline.encode(cells))
    lengths = np.frombuffer(damaged, "<u4", 10, 8)
    damaged[int(8 + 40 + lengths[:7].sum())] = 99
    out = np.zeros((4, 2), "i4")
    pipeline.decode_into(bytes(damaged), out, (slice(69, 30, -11), np.array([7, 2])))
    assert out.tolist() == cells[69:30:-11][:, [7, 2]].tolist()
    with pytest.raises(FormatError):
        pipeline.decode_into(bytes(damaged), out, (slice(79, 40, -11), np.array([7, 2])))


@given(st.lists(st.integers(1, 3000), max_size=4), st.sampled_from([1, 2, 4, 8, 16]))
def test_blocks_are_whole_chunks_or_of_a_fitting_size(shape: list[int], itemsize: int) -> None:
    block = choose_block_shape(shape, itemsize)
    assert len(block) == len(shape)
    assert all(1 <= b <= s for b, s in zip(block, shape, strict=True))
    if prod(shape) * itemsize <= 128 * 1024:
        assert block == tuple(shape)
    else:
        assert 24 * 1024 < prod(block) * itemsize <= 96 * 1024


@pytest.mark.parametrize(
    ("shape", "itemsize", "block"),
    [
        ((73, 60, 72), 4, (19, 15, 72)),
        ((14, 125, 125), 4, (4, 32, 125)),
        ((1, 720, 1440), 4, (1, 45, 360)),
        ((262144,), 8, (8192,)),
        ((), 8, ()),
        ((2000, 500), 4, (32, 500)),
    ],
)
def test_blocks_keep_rows_whole_where_they_are_short(shape: Any, itemsize: int, block: Any) -> None:
    assert choose_block_shape(shape, itemsize) == block


def test_a_damaged_record_of_the_codec_is_refused() -> None:
    kind = dtype("float32")
    good = chain_to_record(default_chain(kind, block_shape=(2, 3)))
    assert chain_from_record(good) == default_chain(kind, block_shape=(2, 3))
    for options in (
        {"level": 1, "width": 4, "block_shape": [2]},
        {"level": 1, "width": 4, "block_shape": [0, 3]},
        {"level": 1, "width": 4, "block_shape": "ab"},
        {"level": 1, "width": 3},
        {"level": 99, "width": 4},
        {"level": 1},
        {"width": 4},
        {"level": None, "width": 4},
    ):
        with pytest.raises(FormatError, match=r"cfdb\.auto"):
            CodecPipeline(kind, (5, 5), chain_from_record([["cfdb.auto", options]]))
    auto = default_chain(kind)[0]
    for chain in ((auto, CodecSpec("zstd", (("level", 1),))), (CodecSpec("bytes"), auto)):
        with pytest.raises(FormatError, match=r"cfdb\.auto"):
            CodecPipeline(kind, (5, 5), chain)
    with pytest.raises(FormatError, match="fixed size"):
        CodecPipeline(dtype("str"), (5, 5), (auto,))
