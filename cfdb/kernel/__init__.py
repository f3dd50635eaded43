"""How do the bytes of chunks become arrays, and back, as fast as this machine can?

Two kernels give the same answers: a compiled one, used wherever it can be loaded, and one of NumPy. The environment
variable ``CFDB_KERNEL`` (``native`` or ``numpy``) decides otherwise.
"""

import os
from importlib import import_module
from types import ModuleType

from cfdb.kernel import numpy_kernel, texts
from cfdb.kernel.codec import BlockCodec, Buffer, Conversion, Summary

__all__ = [
    "BlockCodec",
    "Buffer",
    "Conversion",
    "Summary",
    "decode_boxes",
    "decode_texts",
    "encode_chunks",
    "encode_texts",
    "find_places",
    "name",
    "pack_floats",
    "replace_boxes",
    "shuffle",
    "summarise",
    "summarise_texts",
    "unshuffle",
]


def _chosen() -> ModuleType:
    wanted = os.environ.get("CFDB_KERNEL", "")
    if wanted not in ("", "native", "numpy"):
        raise ValueError(f"CFDB_KERNEL={wanted!r}: choose 'native' or 'numpy', or leave it unset")
    if wanted == "numpy":
        return numpy_kernel
    try:
        return import_module("cfdb.kernel.native")
    except ImportError:
        if wanted == "native":
            raise
        return numpy_kernel


_kernel = _chosen()
encode_chunks = _kernel.encode_chunks
decode_boxes = _kernel.decode_boxes
replace_boxes = _kernel.replace_boxes
pack_floats = _kernel.pack_floats
summarise = _kernel.summarise
shuffle = _kernel.shuffle
unshuffle = _kernel.unshuffle


def _chosen_texts() -> ModuleType:
    if _kernel is numpy_kernel:
        return texts
    try:
        return import_module("cfdb.kernel.native_texts")
    except ImportError:
        return texts


_texts = _chosen_texts()
find_places = _texts.find_places
decode_texts = _texts.decode_texts
encode_texts = _texts.encode_texts
summarise_texts = _texts.summarise_texts


def name() -> str:
    """Name the kernel in use: ``'native'`` or ``'numpy'``."""
    return "numpy" if _kernel is numpy_kernel else "native"
