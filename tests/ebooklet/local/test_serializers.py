"""Values are Booklet's, byte for byte; decompression is bounded."""

import datetime

import pytest
import zstandard
from booklet import serializers as theirs

from ebooklet.errors import CorruptValueError, UnsupportedFormatError, UntrustedFileError
from ebooklet.local.serializers import NAMES, code_of, decompress, name_of, serializer

VALUES = {
    "str": "ä",
    "json": {"a": [1, None, 2.5]},
    "orjson": {"a": [1, None, 2.5]},
    "msgpack": [1, "a", b"b"],
    "pickle": {"a": (1, 2)},
    "bytes": b"\0\1",
    "zstd": b"a" * 500,
    "uint4": 7,
    "int8": -3,
    "pickle_zstd": ["x"] * 100,
    "orjson_zstd": {"k": 1},
    "msgpack_zstd": {"k": 2},
}


@pytest.mark.parametrize("name", VALUES)
def test_bytes_are_booklets(name: str) -> None:
    ours, booklets = serializer(name), theirs.serial_dict[name]
    value = VALUES[name]
    assert ours.dumps(value) == booklets.dumps(value)
    assert ours.loads(booklets.dumps(value)) == value
    assert name_of(code_of(name), "x") == name


def test_codes_of_a_header_name_a_serializer_or_are_refused() -> None:
    assert name_of(1, "x") == "bytes"
    assert [name_of(code, "x") for code in (2, 32)] == ["str", "bytes"]
    with pytest.raises(UntrustedFileError):
        name_of(0, "x")
    with pytest.raises(UnsupportedFormatError):
        name_of(len(NAMES) + 1, "x")
    with pytest.raises(ValueError, match="choose one of"):
        serializer("eval")


@pytest.mark.parametrize("name", ["pickle", "pickle_zstd"])
def test_pickles_that_name_something_are_read_only_when_trusted(name: str) -> None:
    data = theirs.serial_dict[name].dumps(datetime.date(2020, 1, 1))
    assert serializer(name, trusted=True).loads(data) == datetime.date(2020, 1, 1)
    with pytest.raises(UntrustedFileError, match=r"datetime\.date"):
        serializer(name).loads(data)


@pytest.mark.parametrize("name", ["zstd", "msgpack_zstd", "pickle_zstd", "orjson_zstd"])
def test_decompression_has_a_bound(name: str) -> None:
    bomb = zstandard.compress(bytes(50_000_000))
    assert len(bomb) < 10_000
    with pytest.raises(CorruptValueError, match="more than 1000000"):
        serializer(name, limit=1_000_000).loads(bomb)
    with pytest.raises(CorruptValueError, match="damaged"):
        serializer(name).loads(b"not zstd at all")
    assert decompress(zstandard.compress(b"a") + zstandard.compress(b"b")) == b"ab"
