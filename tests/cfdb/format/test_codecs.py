"""Chunks come back from their bytes, zarr reads the same bytes, and damage is refused."""

import struct
import threading
import warnings
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cfdb.errors import CorruptChunkError, DataTypeError, EncodingError, FormatError, UnsupportedFormatError
from cfdb.format.codecs import (
    CodecPipeline,
    CodecSpec,
    chain_from_record,
    chain_to_record,
    check_compression,
    default_chain,
)
from cfdb.format.codecs.zarr import cf_attributes, zarr_data_type
from cfdb.format.dtypes import DataType, dtype, enum_dtype, time_dtype
from cfdb.format.trailer import build_trailer
from cfdb.kernel import shuffle, unshuffle

NUMBERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
PLAIN = [
    *NUMBERS,
    *("float16", "float32", "float64", "complex64", "complex128", "bool"),
    *("datetime64[D]", "datetime64[ns]", "timedelta64[s]", "bytes7"),
]
COMPRESSIONS = ["zstd", "none", "lz4"]


def pipeline_for(kind: DataType, shape: tuple[int, ...], compression: str = "zstd") -> CodecPipeline:
    return CodecPipeline(kind, shape, default_chain(kind, compression))


def random_cells(kind: DataType, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Any bit pattern at all, NaN payloads and subnormals included."""
    stored = kind.dtype_encoded
    rng = np.random.default_rng(seed)
    count = int(np.prod(shape))
    raw = rng.integers(0, 2 if stored.kind == "b" else 256, count * stored.itemsize, np.uint8)
    return raw.view(stored).reshape(shape)


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    return left.shape == right.shape and left.tobytes() == right.tobytes()


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("name", PLAIN)
def test_every_bit_pattern_comes_back(name: str, compression: str) -> None:
    kind = dtype(name)
    for seed, shape in enumerate([(7,), (3, 4, 5), (1,), (64, 65), ()]):
        pipeline = pipeline_for(kind, shape, compression)
        cells = random_cells(kind, shape, seed)
        assert same_bits(pipeline.decode(pipeline.encode(cells)), cells)


@settings(max_examples=60, deadline=None)
@given(
    values=st.sampled_from(["f2", "f4", "f8", "i4", "u2", "?"]).flatmap(
        lambda code: hnp.arrays(code, hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=6))
    ),
    compression=st.sampled_from(COMPRESSIONS),
    order=st.sampled_from(["C", "F", "reversed", "big"]),
)
def test_input_of_any_layout_and_byte_order_comes_back(values: np.ndarray, compression: str, order: str) -> None:
    given_values = {
        "C": values,
        "F": values.copy("F"),
        "reversed": values[::-1] if values.ndim else values,
        "big": values.astype(values.dtype.newbyteorder(">")),
    }[order]
    pipeline = pipeline_for(dtype(values.dtype), values.shape, compression)
    payload = pipeline.encode(given_values)
    assert same_bits(pipeline.decode(payload), given_values.astype(values.dtype, order="C"))


def test_numbers_are_stored_little_endian() -> None:
    pipeline = pipeline_for(dtype("int32"), (1,), "none")
    assert pipeline.encode(np.array([1], ">i4")) == b"\x01\x00\x00\x00"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=12)), min_size=1, max_size=20), st.sampled_from(COMPRESSIONS))
def test_nullable_strings_come_back(texts: list[str | None], compression: str) -> None:
    pipeline = pipeline_for(dtype("str", nullable=True), (len(texts),), compression)
    assert pipeline.decode(pipeline.encode(np.array(texts, object))).tolist() == texts


def test_strings_that_are_not_nullable_refuse_none_and_name_the_way_out() -> None:
    pipeline = pipeline_for(dtype("str"), (2,))
    assert pipeline.decode(pipeline.encode(np.array(["", "ü"]))).tolist() == ["", "ü"]
    with pytest.raises(EncodingError, match="nullable"):
        pipeline.encode(np.array(["a", None], object))


@pytest.mark.parametrize("text", ["\x00NA\x00", "\x00", "a\x00b", "", "\U0001f30d"])
def test_a_string_that_looks_like_a_mark_is_a_string(text: str) -> None:
    pipeline = pipeline_for(dtype("str", nullable=True), (3,))
    assert pipeline.decode(pipeline.encode(np.array([text, None, text], object))).tolist() == [text, None, text]


@pytest.mark.parametrize("name", ["float32", "int16", "datetime64[s]", "bool", "complex64", "str"])
def test_a_chunk_decodes_straight_into_any_destination(name: str) -> None:
    kind = dtype(name)
    pipeline = pipeline_for(kind, (6, 5))
    cells = np.arange(30).reshape(6, 5).astype("U").astype(kind.dtype_encoded) if name == "str" else None
    cells = random_cells(kind, (6, 5), 1) if cells is None else cells
    payload = pipeline.encode_cells(cells)
    for selection in ((), (slice(1, 5, 2), slice(None)), (slice(None, None, -1), 3), (np.array([4, 0]), slice(1, 3))):
        expected = cells[selection]
        for out in (
            np.zeros(expected.shape, kind.dtype_decoded),
            np.zeros(expected.shape[::-1], kind.dtype_decoded).T,
            np.zeros((*expected.shape, 2), kind.dtype_decoded)[..., 1],
        ):
            pipeline.decode_into(payload, out, selection)
            assert out.tolist() == expected.tolist() or same_bits(np.ascontiguousarray(out), expected)


def test_blank_chunks_hold_what_unwritten_cells_read_as() -> None:
    assert np.isnan(pipeline_for(dtype("float32"), (2,)).blank()).all()
    assert np.isnat(pipeline_for(dtype("datetime64[s]"), (2,)).blank()).all()
    assert pipeline_for(dtype("int8"), (2,)).blank().tolist() == [0, 0]
    assert pipeline_for(dtype("str"), (2,)).blank().tolist() == ["", ""]
    assert pipeline_for(dtype("str", nullable=True), (2,)).blank().tolist() == [None, None]
    packed = dtype("float32", precision=1, min_value=0, max_value=10)
    assert pipeline_for(packed, (2,)).blank().tolist() == [0, 0]
    declared = CodecPipeline(dtype("int16"), (2,), default_chain(dtype("int16")), fill_value=np.int16(-9))
    assert declared.blank().tolist() == [-9, -9]


def test_cells_of_bytes_of_any_length_come_back() -> None:
    pipeline = pipeline_for(dtype("point", 5), (2, 2))
    cells = np.array([[b"\x01", None], [b"", b"\x00" * 300]], object)
    assert pipeline.decode_cells(pipeline.encode_cells(cells)).tolist() == cells.tolist()
    assert pipeline.blank().tolist() == [[None, None], [None, None]]


def test_stored_types_have_zarr_names_and_cf_attributes() -> None:
    assert zarr_data_type(dtype("str")) == "string"
    assert zarr_data_type(dtype("datetime64[m]", min_value="2000", max_value="2001")) == "uint32"
    assert zarr_data_type(dtype("timedelta64[s]"))["name"] == "numpy.timedelta64"
    with pytest.raises(DataTypeError, match="point"):
        zarr_data_type(dtype("point", 5))
    assert cf_attributes(dtype("float32", 2, -60, 60)) == {"scale_factor": 0.01, "add_offset": -61, "_FillValue": 0}
    assert cf_attributes(dtype("datetime64[m]", min_value="2000", max_value="2001")) == {"_FillValue": 0}
    assert cf_attributes(dtype("int8")) == {}
    assert cf_attributes(time_dtype("days since 2000-01-01", "noleap"))["calendar"] == "noleap"
    clouds = {"clear": 0, "cloudy": 1}
    assert cf_attributes(enum_dtype("uint8", clouds)) == {"flag_values": [0, 1], "flag_meanings": "clear cloudy"}
    assert "flag_masks" in cf_attributes(enum_dtype("uint8", clouds, flags=True))


def test_a_partial_write_keeps_untouched_codes_bit_for_bit() -> None:
    kind = dtype("float32", precision=2, min_value=-50, max_value=50)
    pipeline = pipeline_for(kind, (100,))
    before = np.arange(100, dtype=kind.dtype_encoded) * 7
    cells = pipeline.decode_cells(pipeline.encode_cells(before))
    cells[10:12] = pipeline.to_cells([1.5, np.nan])
    after = pipeline.decode_cells(pipeline.encode_cells(cells))
    assert after[:10].tolist() == before[:10].tolist()
    assert after[12:].tolist() == before[12:].tolist()
    assert np.isnan(pipeline.from_cells(after)[11])


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([2, 4, 8, 3]).flatmap(
        lambda w: st.tuples(hnp.arrays("u1", st.integers(0, 50).map(lambda n: n * w)), st.just(w))
    )
)
def test_shuffle_is_undone(given_data: tuple[np.ndarray, int]) -> None:
    data, width = given_data
    assert unshuffle(shuffle(data, width), width).tobytes() == data.tobytes()


def test_shuffle_is_that_of_numcodecs() -> None:
    from numcodecs import Shuffle

    data = np.random.default_rng(0).integers(0, 256, 4096, np.uint8)
    for width in (2, 4, 8):
        assert shuffle(data, width).tobytes() == bytes(Shuffle(width).encode(data))


def read_by_zarr(pipeline: CodecPipeline, stored: bytes) -> np.ndarray:
    import json

    import zarr

    fill: Any = {"S": "", "T": "", "b": False, "c": [0.0, 0.0]}.get(pipeline.dtype.dtype_encoded.kind, 0)
    metadata = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": pipeline.shape,
        "data_type": zarr_data_type(pipeline.dtype),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": pipeline.shape}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": pipeline.to_zarr(),
        "attributes": {},
    }
    store = zarr.storage.MemoryStore()
    buffer = zarr.core.buffer.default_buffer_prototype().buffer
    zarr.core.sync.sync(store.set("zarr.json", buffer.from_bytes(json.dumps(metadata).encode())))
    zarr.core.sync.sync(store.set("c" + "/0" * len(pipeline.shape), buffer.from_bytes(stored)))
    return np.asarray(zarr.open_array(store, mode="r")[...])


@pytest.fixture(scope="module")
def zarr_is_running() -> None:
    """Start zarr's threads once: they stay for the life of the process."""
    import zarr

    zarr.config.set({"threading.max_workers": 1})
    pipeline = pipeline_for(dtype("int16"), (4, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_by_zarr(pipeline, pipeline.encode(np.ones((4, 3), "i2")))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(
    "name", ["int16", "float32", "float64", "bool", "uint8", "complex64", "datetime64[s]", "bytes5", "str"]
)
@pytest.mark.usefixtures("zarr_is_running")
@pytest.mark.filterwarnings("ignore:.*:zarr.errors.ZarrUserWarning")
@pytest.mark.filterwarnings("ignore:.*:zarr.errors.UnstableSpecificationWarning")
@pytest.mark.filterwarnings("ignore:Numcodecs codecs:UserWarning")
def test_zarr_reads_our_payloads(name: str, compression: str) -> None:
    pipeline = pipeline_for(dtype(name), (4, 3), compression)
    values = random_cells(dtype(name), (4, 3), 3) if name != "str" else np.array([["a", "", "ü"]] * 4)
    payload = pipeline.encode(values)
    tail = build_trailer("abcdefgh/0.0", payload, codec="zstd", flags=0, raw_length=values.nbytes)
    for stored in [payload] + [payload + tail] * (compression == "zstd"):
        found = read_by_zarr(pipeline, stored)
        assert found.tolist() == values.tolist() if name == "str" else same_bits(np.ascontiguousarray(found), values)


def test_zarr_reads_missing_strings_as_empty() -> None:
    from numcodecs import VLenUTF8

    pipeline = pipeline_for(dtype("str", nullable=True), (3,), "none")
    payload = pipeline.encode(np.array(["a", None, "b"], object))
    assert VLenUTF8().decode(payload).tolist() == ["a", "", "b"]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("name", ["float32", "str", "bool"])
def test_damage_is_an_error_or_another_value_and_never_a_crash(name: str, compression: str) -> None:
    kind = dtype(name)
    pipeline = pipeline_for(kind, (16,), compression)
    values = np.array([f"text {n}" for n in range(16)]) if name == "str" else np.arange(16).astype(kind.dtype_encoded)
    payload = pipeline.encode(values)
    for place in range(len(payload)):
        for bit in range(8):
            damaged = bytearray(payload)
            damaged[place] ^= 1 << bit
            try:
                assert pipeline.decode(bytes(damaged)).shape == (16,)
            except FormatError as error:
                assert isinstance(error, CorruptChunkError)  # noqa: PT017
    for length in range(len(payload)):
        with pytest.raises(CorruptChunkError):
            pipeline.decode(payload[:length])


def test_a_checksummed_frame_notices_every_flipped_bit() -> None:
    kind = dtype("float32")
    chain = (CodecSpec("bytes"), CodecSpec("zstd", (("level", 1), ("checksum", True))))
    pipeline = CodecPipeline(kind, (64,), chain)
    payload = pipeline.encode(np.arange(64, dtype="f4"))
    original = pipeline.decode(payload).tobytes()
    for place in range(len(payload)):
        damaged = bytearray(payload)
        damaged[place] ^= 4
        try:
            assert pipeline.decode(bytes(damaged)).tobytes() == original
        except CorruptChunkError:
            pass


@pytest.mark.parametrize("size", [2**40, 2**62, 10_000_000])
def test_a_bomb_is_refused_before_memory_is_taken(size: int) -> None:
    pipeline = CodecPipeline(dtype("uint8"), (10,), default_chain(dtype("uint8"), portable=True))
    frame = struct.pack("<I", zstandard.MAGIC_NUMBER) + bytes([0xE0]) + struct.pack("<Q", size) + b"\x01\x00\x00"
    with pytest.raises(CorruptChunkError, match="claims"):
        pipeline.decode(frame)
    real = zstandard.ZstdCompressor().compress(bytes(1_000_000))
    with pytest.raises(CorruptChunkError, match="claims 1000000 bytes where 10 belong"):
        pipeline.decode(real)


def test_strings_that_claim_to_be_many_or_long_are_refused() -> None:
    pipeline = pipeline_for(dtype("str"), (2,), "none")
    for payload in (
        struct.pack("<I", 2**32 - 1),
        struct.pack("<III", 2, 2**32 - 1, 0),
        struct.pack("<II", 2, 0),
        b"",
        struct.pack("<II", 2, 1) + b"\xff" + struct.pack("<I", 0),
    ):
        with pytest.raises(CorruptChunkError):
            pipeline.decode(payload)


def test_pipelines_are_shared_by_threads() -> None:
    pipeline = pipeline_for(dtype("float64"), (1000,))
    failures: list[int] = []

    def work(seed: int) -> None:
        for _ in range(20):
            values = np.random.default_rng(seed).random(1000)
            if not same_bits(pipeline.decode(pipeline.encode(values)), values):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_chains_are_written_down_and_read_back() -> None:
    for name in PLAIN:
        for compression in COMPRESSIONS:
            chain = default_chain(dtype(name), compression, 5)
            assert chain_from_record(chain_to_record(chain)) == chain
    for damaged in (None, 3, [["bytes"]], [[1]], [["bytes", 3]]):
        with pytest.raises(FormatError):
            chain_from_record(damaged)


def test_an_unknown_codec_is_named() -> None:
    with pytest.raises(UnsupportedFormatError, match=r"cfdb\.next"):
        CodecPipeline(dtype("int8"), (1,), (CodecSpec("bytes"), CodecSpec("cfdb.next")))


def test_compressions_have_their_names_and_upstreams() -> None:
    assert [check_compression(name) for name in ("ZSTD", "zstd_shuffle", "none", "lz4")] == [
        "zstd",
        "zstd",
        "none",
        "lz4",
    ]
    with pytest.raises(ValueError, match="'zstd', 'none', 'lz4'"):
        check_compression("gzip")


@pytest.mark.parametrize("level", [23, -8, True, 1.0, "1"])
def test_levels_are_whole_numbers_in_range(level: Any) -> None:
    with pytest.raises(ValueError, match="compression_level"):
        default_chain(dtype("int16"), "zstd", level)


def test_pipelines_and_types_are_pickled() -> None:
    import pickle

    for name in (*PLAIN, "str"):
        pipeline = pipeline_for(dtype(name), (3,))
        assert pickle.loads(pickle.dumps(pipeline)) == pipeline


def test_a_chunk_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2,\), not \(3,\)"):
        pipeline_for(dtype("int8"), (2,)).encode(np.arange(3, dtype="i1"))
