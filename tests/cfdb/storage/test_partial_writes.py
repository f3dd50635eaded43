"""Chunks in blocks are changed box by box while the array grows; an array of NumPy says what must be there."""

from typing import Any

import numpy as np
import pytest

import cfdb
from cfdb.errors import CorruptChunkError
from cfdb.format.codecs import CodecPipeline, default_chain
from cfdb.format.dtypes import DataType, dtype
from cfdb.format.statistics import compute, unpack
from cfdb.plan.indexing import select
from cfdb.storage.engine import ChunkedArray
from cfdb.storage.memory_store import MemoryStore
from cfdb.storage.protocol import ChunkWrite
from tests.cfdb.storage.test_engine import Axis

CHUNK, BLOCK = (12, 10), (5, 4)
TYPES = [
    pytest.param(dtype("float32"), id="float32"),
    pytest.param(dtype("float64", precision=2, min_value=-500, max_value=500), id="packed"),
    pytest.param(dtype("int16"), id="int16"),
    pytest.param(dtype("bool"), id="bool"),
]


def array_of(described: DataType, shape: tuple[int, int]) -> ChunkedArray:
    pipeline = CodecPipeline(described, CHUNK, default_chain(described, block_shape=BLOCK))
    return ChunkedArray(MemoryStore(), "abcdefgh", pipeline, [Axis(size) for size in shape], lambda: "t")


def numbers(described: DataType, shape: tuple[int, ...], rng: Any) -> np.ndarray:
    made = np.round(rng.normal(0, 30, shape).cumsum(axis=-1) / 10, int(rng.integers(0, 3)))
    if described.kind == "f":
        made[rng.random(shape) < rng.choice([0, 0, 0.1])] = np.nan
    return made.astype(described.dtype_decoded)


def a_part(size: int, rng: Any) -> Any:
    start = int(rng.integers(size))
    stop = int(rng.integers(start, size)) + 1
    return slice(start, stop, int(rng.choice([1, 1, 1, 2])))


@pytest.mark.parametrize("described", TYPES)
@pytest.mark.parametrize("seed", range(12))
def test_growing_and_changing_is_that_of_numpy(described: DataType, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 30)), int(rng.integers(1, 25)))
    array = array_of(described, shape)
    wanted = np.full(shape, array.fill)
    for _ in range(12):
        axis = int(rng.integers(4))
        if axis < 2:  # grow at either end
            grown: Any = array._axes[axis]
            count, front = int(rng.integers(1, 4)), bool(rng.integers(2))
            grown.slots = grown.slots.prepend(count) if front else grown.slots.append(count)
            pad = [(0, 0), (0, 0)]
            pad[axis] = (count, 0) if front else (0, count)
            wanted = np.pad(wanted, pad, constant_values=array.fill)
        part = tuple(a_part(size, rng) for size in array.shape)
        values = numbers(described, wanted[part].shape, rng)
        array.write(select(part, array.shape), values)
        wanted[part] = values
        assert np.array_equal(array.read(), wanted, equal_nan=described.kind == "f")
    for index, found in array.statistics().items():
        note = unpack(array.store.notes([array.grid.key(index)])[0] or b"")
        cells = array.pipeline.decode(array.store.get(array.grid.key(index)) or b"")
        fresh = compute(cells[(*array.grid.logical(index), ...)])
        assert (found.valid, found.missing) == (fresh.valid, fresh.missing)
        assert (found.minimum, found.maximum) == (fresh.minimum, fresh.maximum)
        assert note is not None


def test_blocks_that_a_write_does_not_reach_keep_their_bytes() -> None:
    array = array_of(dtype("float32"), (12, 10))
    array.write(array.everything(), np.arange(120, dtype="f4").reshape(12, 10) / 4)
    before = array.store.get("abcdefgh/0.0") or b""
    array.write(select((slice(0, 2), slice(0, 3)), array.shape), np.zeros((2, 3), "f4"))
    after = array.store.get("abcdefgh/0.0") or b""
    assert before[0:8] == after[0:8]
    assert before != after
    lengths = np.frombuffer(before, "<u4", 9, 8)
    assert before[8 + 36 + lengths[0] :] == after[-int(lengths[1:].sum()) :]


def test_damage_names_the_chunk() -> None:
    array = array_of(dtype("float32"), (12, 10))
    array.write(array.everything(), np.arange(120, dtype="f4").reshape(12, 10) / 4)
    payload = bytearray(array.store.get("abcdefgh/0.0") or b"")
    payload[8 + 36] = 77  # the mode of the first block
    array.store.set_many([ChunkWrite("abcdefgh/0.0", bytes(payload))])
    with pytest.raises(CorruptChunkError, match=r"chunk 0\.0 of variable 't'"):
        array.write(select((slice(0, 2), slice(0, 3)), array.shape), np.zeros((2, 3), "f4"))


PACKED = [
    (dtype("float32", 1, 0, 4e8), [4_000_000_001, 3_999_999_999, 0, 7], 5.5),
    (dtype("int32", min_value=-5, max_value=200), [1, 206, 3, 255], 100),
    (dtype("datetime64[m]", min_value="1970-01-01", max_value="2100-01-01"), [0, 1, 9999999, 12], "2020-05-05"),
]


@pytest.mark.parametrize(("packed", "codes", "value"), PACKED, ids=["float", "int", "time"])
@pytest.mark.parametrize("chunk", [4, 3])
def test_codes_that_a_write_does_not_reach_keep_every_bit(packed: DataType, codes: Any, value: Any, chunk: int) -> None:
    """Also those that a decoded value would not lead back to: float32 has 24 bits, these codes have 32."""
    with cfdb.open_dataset(None, "n") as ds:
        ds.create.dimension("x", 5)
        ds.create.data_var.generic("v", ("x",), packed, (chunk,))
        stored = np.array([*codes, codes[0]], packed.dtype_encoded)
        ds["v"].set((), stored, decoded=False)
        ds["v"][2] = np.datetime64(value) if isinstance(value, str) else value
        found = ds["v"]._array.read_cells(ds["v"]._selected())
        assert found[[0, 1, 3, 4]].tolist() == stored[[0, 1, 3, 4]].tolist()
        assert found[2] == packed.encode(np.array([value]))[0] if not isinstance(value, str) else found[2] > 0
