"""What format 1 wrote is read for ever: see tests/data/records_format_1.json."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cfdb.format.attributes import decode_attributes, encode_attributes
from cfdb.format.codecs import CodecPipeline, CodecSpec, default_chain
from cfdb.format.dimension import Slots
from cfdb.format.dtypes import dtype, enum_dtype, time_dtype
from cfdb.format.metadata import DatasetRecord, DimensionRecord, VariableRecord
from cfdb.format.statistics import compute, unpack
from cfdb.format.trailer import build_trailer, read_trailer

GOLDEN = Path(__file__).parents[2] / "data" / "records_format_1.json"


def variable(name: str, kind: Any, **changes: Any) -> VariableRecord:
    codecs = default_chain(kind)
    fields = {
        "id": "cccccccc",
        "path": name,
        "dims": ("aaaaaaaa",),
        "dtype": kind,
        "chunk_shape": (4,),
        "codecs": codecs,
    }
    return VariableRecord(**{**fields, **changes})


RECORDS: dict[str, Any] = {
    "dataset": DatasetRecord("grid", "zstd", 3, "EPSG:4326", {"portable": True}),
    "dimension": DimensionRecord(
        "aaaaaaaa", "group/time", 2, Slots.of_size(9).prepend(2).insert(4, 3).drop(1, 2), True
    ),
    "packed": variable("t", dtype("float32", 2, -60, 60), order=1, fill_value=np.float32(-999), axis="z", step=0.5),
    "string": variable("station", dtype("str", nullable=True), role="coordinate", units="1", encoding={"a": [1, None]}),
    "cftime": variable("time", time_dtype("days since 1850-01-01", "360_day"), links={"bounds": ("dddddddd",)}),
    "enum": variable("sky", enum_dtype("uint8", {"clear": 0, "cloudy": 1}), missing_value=[np.uint8(255)]),
    "scalar": variable(
        "crs", dtype("int32"), dims=(), chunk_shape=(), codecs=(CodecSpec("bytes"),), role="grid_mapping"
    ),
}
RECORDS["blocks"] = variable(
    "w", dtype("float32", keep_bits=9), codecs=default_chain(dtype("float32", keep_bits=9), block_shape=(2,))
)
ATTRIBUTES = {
    "title": "é",
    "n": 3,
    "nothing": None,
    "flag": True,
    "raw": b"\x00",
    "range": np.array([0, 1], "i2"),
    "scale": np.float32(0.1),
    "tree": {"list": [1.5, "x"]},
}
VALUES = {
    "float32": np.array([1.5, np.nan, -0.0, 3e38], "f4"),
    "str": np.array(["a", None, "", "ü"], object),
    "datetime64[s]": np.array(["2000-01-01", "NaT", "1970-01-01", "1900-01-01"], "M8[s]"),
    "bool": np.array([True, False, True, True]),
}


def decimals() -> np.ndarray:
    """Decimals with a gap and a few cells that are none."""
    y, x = np.indices((20, 30))
    cells = (((y * y + 7 * x) % 97 - 40) / 100).astype("f4")
    cells[3:9, 4:20] = np.nan
    cells[15, ::9] = np.sqrt(np.float32(2))
    return cells


def steps() -> np.ndarray:
    """Integers that rows foretell best."""
    y, x = np.indices((20, 30))
    return np.cumsum((y * 7919 + x * x * 31) % 7 - 3, axis=1).astype("i8") * 1000


#: Of each form of a block: shape of the blocks, mode and predictor (with the flag of the bitmap), cells.
BLOCKS = {
    "plain": ((20,), (0, None), np.array([b"station %d" % (n % 7) for n in range(20)], "S10")),
    "shuffle": ((100,), (1, None), 1000 + np.sqrt(np.arange(1, 101))),
    "row": ((8, 30), (2, 1), steps()),
    "plane": ((8, 30), (2, 0x82), decimals()),
    "nothing but NaN": ((50,), (2, 0x80), np.full(50, np.nan)),
}


def block_pipeline(name: str) -> CodecPipeline:
    block, _, cells = BLOCKS[name]
    kind = dtype(cells.dtype)
    return CodecPipeline(kind, cells.shape, default_chain(kind, block_shape=block))


def pipeline(name: str) -> CodecPipeline:
    kind = dtype(name, nullable=name == "str")
    return CodecPipeline(kind, (4,), default_chain(kind))


def write() -> dict[str, str]:
    """Give the content of the golden file; only for a new format, under a new name."""
    written = {name: record.encode() for name, record in RECORDS.items()}
    written["attributes"] = encode_attributes(ATTRIBUTES)
    for name, values in VALUES.items():
        written[f"chunk {name}"] = pipeline(name).encode(values)
    for name, (_, _, cells) in BLOCKS.items():
        written[f"blocks {name}"] = block_pipeline(name).encode(cells)
    written["statistics"] = compute(VALUES["float32"]).pack()
    written["trailer"] = build_trailer("cccccccc/0", b"payload", codec="zstd", flags=1, raw_length=16)
    return {name: data.hex() for name, data in written.items()}


@pytest.fixture(scope="module")
def golden() -> dict[str, bytes]:
    return {name: bytes.fromhex(text) for name, text in json.loads(GOLDEN.read_text()).items()}


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_read_and_written_as_ever(name: str, golden: dict[str, bytes]) -> None:
    assert type(RECORDS[name]).decode(golden[name]) == RECORDS[name]
    assert RECORDS[name].encode() == golden[name]


def test_attributes_are_read_and_written_as_ever(golden: dict[str, bytes]) -> None:
    assert encode_attributes(ATTRIBUTES) == golden["attributes"]
    assert repr(decode_attributes(golden["attributes"])[0]) == repr(ATTRIBUTES)


@pytest.mark.parametrize("name", VALUES)
def test_chunks_are_read_as_ever(name: str, golden: dict[str, bytes]) -> None:
    found = pipeline(name).decode(golden[f"chunk {name}"])
    assert repr(found.tolist()) == repr(VALUES[name].tolist())


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_are_read_as_ever(name: str, golden: dict[str, bytes]) -> None:
    payload, (_, (mode, predictor), cells) = golden[f"blocks {name}"], BLOCKS[name]
    first = 8 + 4 * int.from_bytes(payload[4:8], "little")
    assert payload[first] == mode
    assert predictor is None or payload[first + 2] == predictor
    assert block_pipeline(name).decode(payload).tobytes() == cells.tobytes()


def test_statistics_and_trailers_are_read_and_written_as_ever(golden: dict[str, bytes]) -> None:
    assert compute(VALUES["float32"]).pack() == golden["statistics"]
    assert unpack(golden["statistics"]) == compute(VALUES["float32"])
    assert read_trailer("cccccccc/0", b"payload", golden["trailer"]).raw_length == 16
    assert set(write()) == set(golden)
