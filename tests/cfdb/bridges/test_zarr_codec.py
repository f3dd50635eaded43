"""zarr finds the codec by its name, writes with it, and reads what cfdb wrote."""

import json
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

import cfdb
from cfdb.bridges.zarr_codec import AutoCodec
from cfdb.format.codecs import CodecPipeline, choose_block_shape, default_chain
from cfdb.format.codecs.zarr import zarr_data_type
from cfdb.format.dtypes import dtype
from cfdb.format.trailer import build_trailer

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:zarr.errors.ZarrUserWarning"),
    pytest.mark.filterwarnings("ignore:.*:zarr.errors.UnstableSpecificationWarning"),
]

NAMES = [
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("bool", "float16", "float32", "float64", "complex64", "complex128"),
    *("datetime64[s]", "timedelta64[ms]", "bytes7"),
]
SHAPE, CHUNKS = (50, 60), (40, 64)


@pytest.fixture(scope="module", autouse=True)
def zarr_is_running() -> None:
    """Start zarr's threads once: they stay for the life of the process."""
    zarr.config.set({"threading.max_workers": 1})
    zarr.create_array({}, shape=(1,), dtype="i1")[...] = 1


def cells_of(name: str, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    stored = dtype(name).dtype_encoded
    rng = np.random.default_rng(0)
    numbers = np.cumsum(rng.integers(-9, 10, shape), axis=1)
    if stored.kind == "S":
        return (numbers % 100).astype(stored)
    if stored.kind in "fc":
        cells = (numbers / 10).astype(stored)
        cells[0, :3] = [np.nan, -np.inf, -0.0]
        return cells
    return np.asarray(numbers, "i8").view("M8[s]" if stored.kind == "M" else "i8").astype(stored)


def fill_of(name: str) -> Any:
    return {"S": b"", "b": False}.get(dtype(name).dtype_encoded.kind, 0)


@pytest.mark.parametrize("name", NAMES)
def test_arrays_of_zarr_come_back(name: str) -> None:
    cells, store = cells_of(name), zarr.storage.MemoryStore()
    array = zarr.create_array(
        store, shape=SHAPE, chunks=CHUNKS, dtype=cells.dtype, fill_value=fill_of(name), compressors=None,
        serializer=AutoCodec(block_shape=(16, 64)),
    )  # fmt: skip
    array[...] = cells
    array[3:5, 7] = cells[13:15, 2]
    cells[3:5, 7] = cells[13:15, 2]
    found = zarr.open_array(store, mode="r")
    assert found.metadata.to_dict()["codecs"][0]["name"] == "cfdb.auto"
    assert np.ascontiguousarray(found[...]).tobytes() == cells.tobytes()
    assert np.asarray(found[10:20:3, 5]).tobytes() == cells[10:20:3, 5].tobytes()


def read_by_zarr(pipeline: CodecPipeline, chunks: dict[str, bytes], shape: tuple[int, ...], fill: Any) -> np.ndarray:
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": zarr_data_type(pipeline.dtype),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": pipeline.shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": pipeline.to_zarr(),
        "attributes": {},
    }
    store, buffer = zarr.storage.MemoryStore(), default_buffer_prototype().buffer
    sync(store.set("zarr.json", buffer.from_bytes(json.dumps(metadata).encode())))
    for key, payload in chunks.items():
        sync(store.set(f"c/{key}", buffer.from_bytes(payload)))
    return np.asarray(zarr.open_array(store, mode="r")[...])


@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_zarr_reads_what_cfdb_wrote(name: str, portable: bool) -> None:
    kind, shape = dtype(name), (40, 60)
    block = choose_block_shape(shape, 64)
    assert block != shape
    pipeline = CodecPipeline(kind, shape, default_chain(kind, block_shape=block, portable=portable))
    assert {codec["name"] for codec in pipeline.to_zarr()} == ({"bytes", "zstd"} if portable else {"cfdb.auto"})
    cells = cells_of(name, (80, 60))
    chunks = {f"{i}/0": pipeline.encode(cells[40 * i : 40 * i + 40]) for i in range(2)}
    for number, (key, payload) in enumerate(chunks.items()):
        tail = build_trailer(key, payload, codec="cfdb.auto", flags=0, raw_length=cells.nbytes // 2)
        chunks[key] = payload + tail * number
    fill: Any = {"S": "", "b": False, "c": [0.0, 0.0]}.get(kind.dtype_encoded.kind, 0)
    found = read_by_zarr(pipeline, chunks, (80, 60), fill)
    assert np.ascontiguousarray(found).tobytes() == cells.tobytes()


def test_a_dataset_is_written_in_forms_that_zarr_reads() -> None:
    values = np.round(np.random.default_rng(1).normal(size=(30, 20)), 2).astype("f4")
    for encoding, codecs in (("auto", ["cfdb.auto"]), ("portable", ["bytes", "zstd"])):
        with cfdb.open_dataset(None, "n") as ds:
            ds.create.dimension("y", 30)
            ds.create.dimension("x", 20)
            made = ds.create.data_var.generic("t", ("y", "x"), "f4", (30, 20), data=values, encoding=encoding)
            pipeline = made._array.pipeline
            assert [codec["name"] for codec in pipeline.to_zarr()] == codecs
            (payload,) = pipeline.encode_cells_many([values])
            found = read_by_zarr(pipeline, {"0/0": payload}, (30, 20), 0)
            assert found.tobytes() == values.tobytes() == ds["t"].values.tobytes()


def test_unknown_encodings_are_refused() -> None:
    with cfdb.open_dataset(None, "n") as ds:
        with pytest.raises(ValueError, match="'auto' or 'portable'"):
            ds.create.data_var.generic("t", ("x",), "f4", data=[1.0], encoding="best")
        with pytest.raises(ValueError, match="lz4"):
            ds.create.data_var.generic("t", ("x",), "f4", data=[1.0], encoding="portable", compression="lz4")
        assert list(ds) == []


def test_the_configuration_is_read_back() -> None:
    for codec in (AutoCodec(), AutoCodec(3, (4, 5), 2)):
        assert AutoCodec.from_dict(json.loads(json.dumps(codec.to_dict()))) == codec
    with pytest.raises(ValueError, match="blosc"):
        AutoCodec.from_dict({"name": "blosc"})


def test_cells_of_varying_size_are_refused() -> None:
    with pytest.raises(ValueError, match="fixed size"):
        zarr.create_array({}, shape=(3,), dtype="str", serializer=AutoCodec(), compressors=None)
