"""How are single chunks encoded and decoded in tests?"""

from typing import Any

import numpy as np

from cfdb.kernel import BlockCodec, numpy_kernel
from tests.cfdb.kernel.cells import Recipe, codec_for


def decode(kernel: Any, codec: BlockCodec, payload: Any) -> np.ndarray:
    shape = codec.chunk_shape
    out = np.empty(shape, codec.dtype)
    start = np.zeros((1, len(shape)), np.int64)
    kernel.decode_boxes(codec, [payload], start, np.array([shape], np.int64).reshape(1, -1), out, start)
    return out


def decode_box(kernel: Any, codec: BlockCodec, payload: Any, box: tuple[slice, ...]) -> np.ndarray:
    counts = [part.stop - part.start for part in box]
    out = np.zeros(counts, codec.dtype)
    start = np.array([[part.start for part in box]], np.int64)
    kernel.decode_boxes(codec, [payload], start, np.array([counts], np.int64), out, np.zeros_like(start))
    return out


def a_payload_of_each_mode() -> dict[str, tuple[BlockCodec, bytes]]:
    """Payloads of plain bytes, shuffled bytes, and integers with all that can stand beside them."""
    ints = codec_for("i4", (40, 30), (16, 30))
    bytes5 = codec_for("S5", (200,))
    noise = codec_for("f8", (300,))
    floats = codec_for("f4", (60, 50), (60, 20))
    gaps = Recipe("walk", 7).cells("f4", (60, 50))
    gaps[10:30] = np.nan
    gaps[::7, 3] = 1e30
    made = {
        "plain": (bytes5, Recipe("any bits", 1).cells("S5", (200,))),
        "shuffled": (noise, Recipe("noise", 1).cells("f8", (300,))),
        "integers": (ints, Recipe("walk", 3).cells("i4", (40, 30))),
        "decimals": (floats, gaps),
    }
    found = {name: (codec, numpy_kernel.encode_chunks(codec, [cells])[0]) for name, (codec, cells) in made.items()}
    modes = [payload[8 + 4 * payload[4]] for _, payload in found.values()]
    assert modes == [0, 1, 2, 2]
    return found
