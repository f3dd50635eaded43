"""How do Booklet's serializers turn objects into bytes and back, without executing anything a file says?

A header carries the *code* of a serializer. It may name one, never bring one: pickles are read as plain data unless the
caller asked for pickle, custom classes are refused, and what is decompressed has a bound.
"""

import io
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zstandard

from ebooklet.errors import CorruptValueError, UnsupportedFormatError, UntrustedFileError
from ebooklet.local.booklet_adapter import codec_of

# Booklet's numbering: its own table, append-only by its own rule (a contract test compares)
NAMES: tuple[str | None, ...] = (
    None, "str", "pickle", "json", "orjson", "uint1", "int1", "uint2", "int2", "uint4", "int4", "uint5", "int5",
    "uint8", "int8", "pickle_zstd", "orjson_zstd", "numpy_int1", "numpy_int2", "numpy_int4", "numpy_int8",
    "numpy_int2_zstd", "numpy_int4_zstd", "numpy_int8_zstd", "pd_zstd", "gpd_zstd", "zstd", "wkb", "wkb_zstd",
    "msgpack", "msgpack_zstd", "bytes",
)  # fmt: skip
PICKLES = frozenset({"pickle", "pickle_zstd"})
MAX_DECOMPRESSED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Serializer:
    """A named pair of functions between objects and bytes."""

    name: str
    dumps: Callable[[Any], bytes]
    loads: Callable[[bytes], Any]


def code_of(name: str) -> int:
    """Return the code that a header carries for a serializer.

    Examples
    --------
    >>> code_of("str"), code_of("bytes")
    (2, 32)
    """
    if name not in NAMES:
        raise ValueError(f"there is no serializer {name!r}; choose one of {', '.join(sorted(filter(None, NAMES)))}")
    return NAMES.index(name) + 1


def name_of(code: int, file: str) -> str:
    """Return the name of the serializer with this code.

    Raises
    ------
    UntrustedFileError
        If the file was written with a class of its author's own.
    UnsupportedFormatError
        If the code is unknown.
    """
    if code == 0:
        raise UntrustedFileError(f"{file}: values were written with a custom class, which only its author can supply")
    if code > len(NAMES):
        raise UnsupportedFormatError(f"{file}: unknown serializer with code {code}")
    return NAMES[code - 1] or "bytes"


class _PlainUnpickler(pickle.Unpickler):
    """Reads lists, dicts, numbers, strings; refuses every name of a class or function."""

    def find_class(self, module: str, name: str) -> Any:
        raise UntrustedFileError(
            f"a pickled value refers to {module}.{name}, which would be executed; "
            "open with value_serializer='pickle' if you trust whoever wrote it"
        )


def plain_pickle_loads(data: bytes) -> Any:
    """Read a pickle that holds nothing but plain data.

    Examples
    --------
    >>> plain_pickle_loads(pickle.dumps({"a": [1, None]}))
    {'a': [1, None]}
    """
    return _PlainUnpickler(io.BytesIO(data)).load()


def decompress(data: bytes, limit: int = MAX_DECOMPRESSED) -> bytes:
    """Decompress zstd frames, at most `limit` bytes.

    Raises
    ------
    CorruptValueError
        If the data are damaged, or longer.
    """
    parts: list[bytes] = []
    total = 0
    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as stream:
            while part := stream.read(2**20):
                total += len(part)
                if total > limit:
                    raise CorruptValueError(f"a compressed value expands to more than {limit} bytes")
                parts.append(part)
    except zstandard.ZstdError as error:
        raise CorruptValueError(f"a compressed value is damaged: {error}") from error
    return b"".join(parts)


def serializer(name: str, *, trusted: bool = False, limit: int = MAX_DECOMPRESSED) -> Serializer:
    """Return Booklet's serializer of this name.

    Parameters
    ----------
    name
        A name of Booklet's table.
    trusted
        Whether the caller himself asked for pickle; otherwise pickles are read as plain data only.
    limit
        Bytes a compressed value may expand to.

    Examples
    --------
    >>> serializer("msgpack").loads(serializer("msgpack").dumps([1, "a"]))
    [1, 'a']
    """
    code_of(name)
    if name in ("bytes", "str", "json"):
        return _SIMPLE[name]
    codec = codec_of(name)
    inner = name.removesuffix("_zstd")
    loads: Callable[[bytes], Any] = plain_pickle_loads if inner == "pickle" and not trusted else codec.loads
    if name == "zstd":
        return Serializer(name, codec.dumps, lambda data: decompress(data, limit))
    if name.endswith("_zstd") and name not in ("pd_zstd", "gpd_zstd"):
        plain = loads if loads is plain_pickle_loads else _loads_of(inner)
        return Serializer(name, codec.dumps, lambda data: plain(decompress(data, limit)))
    return Serializer(name, codec.dumps, loads)


def _loads_of(name: str) -> Callable[[bytes], Any]:
    loads: Callable[[bytes], Any] = codec_of(name).loads
    return loads


_SIMPLE = {
    "bytes": Serializer("bytes", bytes, bytes),
    "str": Serializer("str", str.encode, bytes.decode),
    "json": Serializer("json", lambda value: json.dumps(value).encode(), json.loads),
}
