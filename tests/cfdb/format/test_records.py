"""Records come back as written, damage is refused, and what a release does not know is named."""

import random
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cfdb.errors import (
    CFDBError,
    DataTypeError,
    FormatError,
    InvalidNameError,
    NotACFDBFileError,
    UnsupportedFormatError,
)
from cfdb.format import framing
from cfdb.format.attributes import check_attribute, decode_attributes, encode_attributes
from cfdb.format.codecs import CodecSpec, default_chain
from cfdb.format.dimension import Slots
from cfdb.format.dtypes import dtype, enum_dtype, time_dtype
from cfdb.format.framing import Features
from cfdb.format.metadata import DatasetRecord, DimensionRecord, VariableRecord
from cfdb.format.names import (
    attributes_key,
    check_name,
    check_path,
    chunk_key,
    dimension_key,
    is_id,
    new_id,
    parse_chunk_key,
    variable_key,
)
from cfdb.format.trailer import Trailer, build_trailer, parse_trailer, read_trailer

TIME, LAT = "aaaaaaaa", "bbbbbbbb"
TEMPERATURE = VariableRecord(
    id="cccccccc",
    path="forecast/température",
    dims=(TIME, LAT),
    dtype=dtype("float32", 2, -60, 60),
    chunk_shape=(12, 40),
    codecs=default_chain(dtype("float32", 2, -60, 60)),
    order=3,
    fill_value=np.float32(-999),
    missing_value=[np.int16(-1), "none"],
    links={"grid_mapping": ("dddddddd",), "ancillary_variables": ("eeeeeeee", "ffffffff")},
    axis="z",
    step=0.25,
    units="K",
    encoding={"chunksizes": [1, 2], "dtype": "int16"},
)
RECORDS: list[Any] = [
    DatasetRecord(),
    DatasetRecord("ts_ortho", "none", 5, "EPSG:4326", {"portable": True}),
    DimensionRecord(TIME, "time", 1, Slots.of_size(5).prepend(2).insert(3, 4).drop(0, 1), True),
    DimensionRecord(LAT, "group/lat"),
    TEMPERATURE,
    replace(TEMPERATURE, dtype=time_dtype("days since 1850-01-01", "360_day"), role="coordinate", fill_value=None),
    replace(TEMPERATURE, dtype=enum_dtype("uint8", {"clear": 0, "cloudy": 1}), codecs=(CodecSpec("bytes"),)),
    replace(TEMPERATURE, dims=(), chunk_shape=(), dtype=dtype("str", nullable=True), role="grid_mapping"),
    replace(TEMPERATURE, features=Features((), ("bitmaps",))),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_records_come_back_as_written(record: Any) -> None:
    assert type(record).decode(record.encode()) == record


def test_a_record_builds_the_pipeline_of_its_chunks() -> None:
    pipeline = TEMPERATURE.pipeline()
    values = np.round(np.random.default_rng(0).uniform(-60, 60, (12, 40)), 2).astype("f4")
    assert np.array_equal(pipeline.decode(pipeline.encode(values)), values)
    assert (TEMPERATURE.name, RECORDS[3].name, RECORDS[2].size) == ("température", "lat", 10)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_an_unknown_required_feature_is_named_and_refused(record: Any) -> None:
    newer = replace(record, features=Features(("quantum-chunks",)))
    with pytest.raises(UnsupportedFormatError, match="'quantum-chunks', which this release does not know: upgrade"):
        type(record).decode(newer.encode())


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_an_unknown_used_feature_can_be_read_and_is_named(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "KNOWN_FEATURES", frozenset({"tiles"}))
    newer = replace(record, features=Features(("tiles",), ("tiles", "bitmaps")))
    assert type(record).decode(newer.encode()).features.unknown_uses == ("bitmaps",)
    assert record.features.unknown_uses in ((), ("bitmaps",))


def test_fields_of_a_newer_release_are_passed_over() -> None:
    data = RECORDS[3].encode()
    body = {**msgpack.unpackb(data[6:]), "colour": "blue"}
    assert DimensionRecord.decode(data[:6] + msgpack.packb(body)) == RECORDS[3]


def test_other_bytes_and_other_kinds_are_refused() -> None:
    with pytest.raises(NotACFDBFileError, match="not a record of cfdb"):
        DatasetRecord.decode(b"\x80\x04K\x01.")
    with pytest.raises(FormatError, match="kind"):
        DatasetRecord.decode(TEMPERATURE.encode())
    data = bytearray(DatasetRecord().encode())
    data[4] = 9
    with pytest.raises(UnsupportedFormatError, match="format 9"):
        DatasetRecord.decode(bytes(data))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../etc"),
        ("path", "a//b"),
        ("path", 3),
        ("dims", [TIME]),
        ("dims", ["short", LAT]),
        ("chunk_shape", [0, 1]),
        ("chunk_shape", [1]),
        ("chunk_shape", ["a", 1]),
        ("dtype", {"name": "object"}),
        ("dtype", None),
        ("codecs", None),
        ("order", "first"),
        ("step", "1"),
        ("links", {"bounds": "x"}),
        ("links", []),
        ("axis", 1),
        ("encoding", []),
        ("requires", "x"),
    ],
)
def test_damaged_fields_are_refused(field: str, value: Any) -> None:
    data = TEMPERATURE.encode()
    body = {**msgpack.unpackb(data[6:], strict_map_key=False), field: value}
    with pytest.raises(FormatError, match="damaged"):
        VariableRecord.decode(data[:6] + msgpack.packb(body))


def test_random_damage_is_an_error_of_ours_or_another_record() -> None:
    rng = random.Random(0)
    for record in RECORDS:
        data = record.encode()
        for _ in range(400):
            damaged = bytearray(data)
            for _ in range(rng.randint(1, 3)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            cut = bytes(damaged[: rng.randint(0, len(damaged))]) if rng.random() < 0.2 else bytes(damaged)
            try:
                type(record).decode(cut)
            except CFDBError:
                pass


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_an_error_of_ours(data: bytes) -> None:
    for kind, record in ((1, DatasetRecord), (2, DimensionRecord), (3, VariableRecord)):
        with pytest.raises(CFDBError):
            record.decode(b"cfdb\x01" + bytes((kind,)) + data)
    try:
        decode_attributes(b"cfdb\x01\x04" + data)
    except CFDBError:
        pass


def test_deeply_nested_records_are_refused() -> None:
    with pytest.raises(FormatError, match="damaged"):
        DatasetRecord.decode(b"cfdb\x01\x01" + b"\x81\xa1a" * 5000)


# attributes

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.binary(max_size=20),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text("abc/é", max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("abcé /", min_size=1, max_size=5), VALUES, max_size=6))
def test_attributes_come_back_with_order_and_types(attributes: dict[str, Any]) -> None:
    found, features = decode_attributes(encode_attributes(attributes))
    assert list(found.items()) == list(attributes.items())
    assert [type(value) for value in found.values()] == [type(value) for value in attributes.values()]
    assert features == Features()


DTYPES = st.sampled_from(["?", "i1", "u2", "<i4", ">i4", "u8", "f2", "f4", ">f8", "c8", "M8[D]", "m8[ns]", "S4"])


@settings(max_examples=100, deadline=None)
@given(DTYPES.flatmap(lambda code: hnp.arrays(code, st.one_of(st.just(()), st.integers(0, 4).map(lambda n: (n,))))))
def test_numpy_values_keep_their_type_and_every_bit(array: np.ndarray) -> None:
    array = array[None] if array.dtype.kind == "S" and not array.ndim else array  # bytes scalars have no width
    value = array[()] if array.ndim == 0 else array
    found = decode_attributes(encode_attributes({"a": value}))[0]["a"]
    assert isinstance(found, np.ndarray) == bool(array.ndim)
    assert found.dtype == array.dtype.newbyteorder("<")
    assert np.asarray(found).tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()


def test_special_values_come_back() -> None:
    found = decode_attributes(
        encode_attributes({"nan": np.nan, "inf": -np.inf, "f4": np.float32("nan"), "t": (1, "a")})
    )[0]
    assert np.isnan(found["nan"])
    assert found["inf"] == -np.inf
    assert np.isnan(found["f4"])
    assert type(found["f4"]) is np.float32
    assert found["t"] == [1, "a"]
    assert check_attribute("names", np.array(["a", "b"])) == ["a", "b"]
    assert check_attribute("name", np.str_("a")) == "a"
    assert type(check_attribute("flag", np.bool_(True))) is np.bool_


@pytest.mark.parametrize(
    "value", [object(), {1: 2}, 2**64, -(2**63) - 1, np.zeros((2, 2)), "\ud800", {1, 2}, np.zeros(1, "V4"), [object()]]
)
def test_values_that_cannot_be_kept_name_the_attribute(value: Any) -> None:
    with pytest.raises(DataTypeError, match="'speed'"):
        check_attribute("speed", value)


def test_attribute_names_are_any_non_empty_string() -> None:
    assert check_attribute(" /", 1) == 1
    for wrong in ("", 3):
        with pytest.raises(InvalidNameError):
            check_attribute(wrong, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        b"|O8\x00" + bytes(8),
        b"<f8\x00" + bytes(7),
        b"<f8" + bytes(16),
        b"<U4\x00" + bytes(16),
        b"<f8\x00",
        b"",
        b"<f99\x00" + bytes(99),
        b"<f4,<i4\x00" + bytes(8),
    ],
)
def test_damaged_numpy_values_are_refused(data: bytes) -> None:
    packed = msgpack.packb({"attrs": {"a": msgpack.ExtType(1, data)}})
    with pytest.raises(FormatError, match="damaged"):
        decode_attributes(b"cfdb\x01\x04" + packed)
    with pytest.raises(FormatError, match="damaged"):
        decode_attributes(b"cfdb\x01\x04" + msgpack.packb({"attrs": {"a": msgpack.ExtType(77, b"x")}}))


# names and keys


@pytest.mark.parametrize("name", ["t", "air temperature", "température", "2m", "a.b-c", "x" * 255, "名", "_"])
def test_names_of_netcdf_are_allowed(name: str) -> None:
    assert check_name(name) == name


def test_names_are_brought_into_normal_form() -> None:
    assert check_name("e\u0301") == "é"


@pytest.mark.parametrize(
    "name", ["", "a/b", "a\n", "tab\t", "trailing ", "x" * 256, "é" * 128, "\x7f", "\ud800", None, 3]
)
def test_other_names_are_refused_with_the_rule(name: Any) -> None:
    with pytest.raises(ValueError, match="name") as caught:
        check_name(name)
    assert isinstance(caught.value, InvalidNameError)


def test_paths_are_names_joined() -> None:
    assert check_path("/a/b c/d") == "a/b c/d"
    for wrong in ("", "a//b", "a/ /b", None):
        with pytest.raises(InvalidNameError):
            check_path(wrong)  # type: ignore[arg-type]


def test_identities_are_random_and_recognised() -> None:
    found = {new_id() for _ in range(200)}
    assert len(found) == 200
    assert all(is_id(identity) for identity in found)
    assert not any(is_id(text) for text in ("", "ABCDEFGH", "abcdefg1", "abcdefghi", "v/abcdef"))


def test_keys_of_chunks_can_be_told_from_all_others() -> None:
    for index in ((), (0,), (3, -1, 2**50)):
        assert parse_chunk_key(chunk_key("abcdefgh", index)) == ("abcdefgh", index)
    others = [
        "ds",
        "a/.",
        variable_key("abcdefgh/x"),
        dimension_key("time"),
        attributes_key("abcdefgh"),
        "abcdefgh/x",
        "abcdefgh",
    ]
    assert [parse_chunk_key(key) for key in others] == [None] * len(others)
    assert attributes_key(None) == "a/."


# trailer


def test_a_trailer_belongs_to_its_key_and_payload() -> None:
    tail = build_trailer("abcdefgh/0", b"payload", codec="zstd", flags=3, raw_length=99)
    trailer = read_trailer("abcdefgh/0", b"payload", tail)
    assert (len(tail), trailer.codec, trailer.flags, trailer.raw_length) == (32, 1, 3, 99)
    assert isinstance(parse_trailer(tail), Trailer)
    for key, payload in (("abcdefgh/1", b"payload"), ("abcdefgh/0", b"payloae")):
        with pytest.raises(FormatError, match="'abcdefgh/"):
            read_trailer(key, payload, tail)
    for place in range(32):
        damaged = bytearray(tail)
        damaged[place] ^= 1
        with pytest.raises(FormatError, match="damaged"):
            read_trailer("abcdefgh/0", b"payload", bytes(damaged))
    assert parse_trailer(b"x" * 31) is None


def test_readers_of_zstd_pass_over_a_trailer() -> None:
    import zstandard

    payload = zstandard.ZstdCompressor().compress(b"data")
    tail = build_trailer("abcdefgh/0", payload, codec="zstd", flags=0, raw_length=4)
    assert zstandard.ZstdDecompressor().decompress(payload + tail, read_across_frames=False) == b"data"
    assert zstandard.ZstdDecompressor().stream_reader(payload + tail, read_across_frames=True).read() == b"data"
