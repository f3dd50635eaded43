"""Which codecs does a variable use, in words that can be written down?"""

from dataclasses import dataclass
from typing import Any

from cfdb.errors import FormatError
from cfdb.format.dtypes import DataType
from cfdb.kernel.codec import LEVELS

Option = str | int | bool | tuple[int, ...] | None

#: The codec that finds the form of each chunk by itself: see `cfdb.kernel`.
AUTO = "cfdb.auto"

COMPRESSIONS = ("zstd", "none", "lz4")
DEFAULT_LEVEL = 1


@dataclass(frozen=True, slots=True)
class CodecSpec:
    """One codec of a chain and its options.

    Attributes
    ----------
    name : str
        ``cfdb.auto``, ``bytes``, ``vlen-utf8`` or ``vlen-bytes`` (cells to bytes), ``shuffle``, ``zstd`` or ``lz4``
        (bytes to bytes).
    options : tuple of (str, value)
        Options in a fixed order.
    """

    name: str
    options: tuple[tuple[str, Option], ...] = ()

    def option(self, name: str) -> Option:
        """Give an option, None when it is not set."""
        return dict(self.options).get(name)


#: A chain of codecs: cells to bytes first, then bytes to bytes.
Chain = tuple[CodecSpec, ...]


def default_chain(
    dtype: DataType,
    compression: str = "zstd",
    level: int | None = None,
    *,
    block_shape: tuple[int, ...] | None = None,
    portable: bool = False,
) -> Chain:
    """Choose the codecs of a new variable.

    Parameters
    ----------
    dtype : DataType
        Type of the variable.
    compression : str
        ``'zstd'``, ``'none'`` or ``'lz4'``; upstream's ``'zstd_shuffle'`` means ``'zstd'``.
    level : int, optional
        Compression level.
    block_shape : tuple of int, optional
        Parts of a chunk that can be decoded apart from each other; a chunk is one part when left out.
    portable : bool
        Whether every zarr reader must know the codecs: ``bytes`` and ``zstd`` only.

    Examples
    --------
    >>> from cfdb.format.dtypes import dtype
    >>> [codec.name for codec in default_chain(dtype("float32"))]
    ['cfdb.auto']
    >>> [codec.name for codec in default_chain(dtype("float32"), portable=True)]
    ['bytes', 'zstd']
    """
    compression, level = check_compression(compression), _checked_level(level)
    if portable and compression == "lz4":
        raise ValueError("compression='lz4' is not portable: choose 'zstd' or 'none'")
    width = 1 if dtype.is_variable_length else _shuffled_width(dtype)
    if compression == "zstd" and not portable and not dtype.is_variable_length:
        options: list[tuple[str, Option]] = [("level", level), ("width", width)]
        if block_shape is not None:
            options.insert(1, ("block_shape", tuple(block_shape)))
        return (CodecSpec(AUTO, tuple(options)),)
    chain = [CodecSpec({"T": "vlen-utf8", "G": "vlen-bytes"}.get(dtype.kind, "bytes"))]
    if compression == "lz4" and width > 1:
        chain.append(CodecSpec("shuffle", (("elementsize", width),)))
    if compression != "none":
        chain.append(CodecSpec(compression, (("level", level),)))
    return tuple(chain)


def _shuffled_width(dtype: DataType) -> int:
    """Bytes of the numbers that cells are made of."""
    cell = dtype.dtype_encoded
    return 1 if cell.kind == "S" else cell.itemsize // (2 if cell.kind == "c" else 1)


def check_compression(compression: str) -> str:
    """Give the canonical name of a compression.

    Raises
    ------
    ValueError
        If there is no such compression.
    """
    name = str(compression).lower()
    name = {"zstd_shuffle": "zstd", "lz4_shuffle": "lz4"}.get(name, name)
    if name not in COMPRESSIONS:
        raise ValueError(f"compression={compression!r}: choose {', '.join(map(repr, COMPRESSIONS))}")
    return name


def _checked_level(level: int | None) -> int:
    if level is None:
        return DEFAULT_LEVEL
    if isinstance(level, bool) or not isinstance(level, int) or not LEVELS[0] <= level <= LEVELS[1]:
        raise ValueError(f"compression_level={level!r}: give a whole number from {LEVELS[0]} (fastest) to {LEVELS[1]}")
    return level


def chain_to_record(chain: Chain) -> list[Any]:
    """Write a chain as plain lists and dicts."""
    return [[codec.name, {name: _plain(value) for name, value in codec.options}] for codec in chain]


def chain_from_record(record: Any) -> Chain:
    """Read back what `chain_to_record` gave."""
    try:
        return tuple(
            CodecSpec(str(name), tuple((str(k), tuple(v) if isinstance(v, list) else v) for k, v in options.items()))
            for name, options in record
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"a codec record is damaged: {error}") from error


def _plain(value: Option) -> Any:
    return list(value) if isinstance(value, tuple) else value
