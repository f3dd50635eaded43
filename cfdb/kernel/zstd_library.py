"""Where are libzstd's functions? In the wheel of `zstandard`, which carries the whole library, or in the system's.

The wheel comes first, because then the compiled and the NumPy kernel compress with the same release, byte for byte.
"""

import ctypes
import importlib.util
from collections.abc import Iterator

#: In the order of `Zstd` in ``kernel.h``.
FUNCTIONS = (
    "ZSTD_createCCtx",
    "ZSTD_freeCCtx",
    "ZSTD_sizeof_CCtx",
    "ZSTD_CCtx_setParameter",
    "ZSTD_compress2",
    "ZSTD_compressBound",
    "ZSTD_createDCtx",
    "ZSTD_freeDCtx",
    "ZSTD_decompressDCtx",
    "ZSTD_getFrameContentSize",
    "ZSTD_findFrameCompressedSize",
    "ZSTD_isError",
)


def addresses() -> tuple[int, ...]:
    """Find the functions.

    Raises
    ------
    ImportError
        If no library has them all.
    """
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
            found = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in FUNCTIONS]
        except (OSError, AttributeError):
            continue
        _LOADED.append(library)
        return tuple(address for address in found if address)
    raise ImportError("no libzstd was found, neither in the package zstandard nor in the system")


#: Libraries whose functions are in use; they must not be unloaded.
_LOADED: list[ctypes.CDLL] = []


def _candidates() -> Iterator[str]:
    for name in ("zstandard._cffi", "zstandard.backend_c"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            yield spec.origin
    from ctypes.util import find_library  # slow to import, and hardly ever needed

    system = find_library("zstd")
    if system:
        yield system
