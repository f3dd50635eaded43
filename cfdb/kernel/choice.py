"""In which form is a chunk stored? Decided from a sample of its cells, alike in both kernels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.kernel.codec import BlockCodec
from cfdb.kernel.decimals import FLOATS, INTEGERS, Marks, Words, are_odd, bit_lengths, is_candidate, to_integers
from cfdb.kernel.frames import zstd_encode
from cfdb.kernel.residuals import shuffle

Array = npt.NDArray[Any]
Places = npt.NDArray[np.int64]

SEGMENTS, SEGMENT = 16, 128
TRIAL_LEVEL = 3


@dataclass(frozen=True, slots=True)
class IntegerForm:
    """How cells become integers and residuals.

    Attributes
    ----------
    decimals : int
        Of floats; else `INTEGERS`.
    predictor : int
        See `cfdb.kernel.residuals`.
    """

    decimals: int
    predictor: int


def choose_form(codec: BlockCodec, cells: Array) -> IntegerForm | None:
    """Choose how the cells of a chunk become integers; None when they had better stay bytes.

    Parameters
    ----------
    codec : BlockCodec
    cells : ndarray
        All cells of the chunk in C order, one axis.
    """
    if not is_candidate(codec.dtype):
        return None
    places = _sampled(cells.size)
    decimals = INTEGERS
    if codec.dtype.kind == "f":
        found = _choose_decimals(cells[places])
        if found is None:
            return None
        decimals = found
    sums, counted = _costs(cells, places, codec.chunk_shape, decimals)
    predictor = int(np.argmin(sums))
    if 4 * sums[predictor] > 3 * 8 * codec.dtype.itemsize * counted:
        return None
    return IntegerForm(decimals, predictor)


def prefers_shuffle(codec: BlockCodec, cells: Array) -> bool:
    """Whether some cells from the middle compress better with their bytes shuffled."""
    if codec.width == 1:
        return False
    n = cells.size
    m = min(n, max(1024, n // 32), 8192)
    middle = cells[(n - m) // 2 :][:m].view(np.uint8)
    level = min(codec.level, TRIAL_LEVEL)
    return len(zstd_encode(shuffle(middle, codec.width), level)) < len(zstd_encode(middle, level))


def _sampled(n: int) -> Places:
    """Give the flat cells of the sample."""
    starts = [(2 * i + 1) * n // (2 * SEGMENTS) for i in range(SEGMENTS)]
    return np.concatenate([np.arange(start, min(start + SEGMENT, n)) for start in starts])


def _choose_decimals(sample: Array) -> int | None:
    """Give the fewest decimals that nearly all regular cells have."""
    regular = sample[~are_odd(sample)]
    if not regular.size:
        return 0
    for decimals in range(FLOATS[sample.itemsize].decimals + 1):
        good = to_integers(regular, decimals)[1]
        fails = 0 if good is None else regular.size - int(good.sum())
        if fails * 32 <= regular.size:
            return decimals
    return None


def _costs(cells: Array, places: Places, shape: tuple[int, ...], decimals: int) -> tuple[list[int], int]:
    """Sum up the bits that the sampled residuals need with each predictor; and how many cells were counted.

    A cell counts when it and all neighbours that any predictor looks at have an integer.
    """
    length = shape[-1] if shape else 1
    rows = shape[-2] if len(shape) > 1 else 1
    row = places // length
    left = places % length > 0
    over = (row > 0) & (~left | (row % rows > 0))

    def look(where: Places, exists: Marks) -> tuple[Words, Marks]:
        numbers, good = to_integers(cells[np.where(exists, where, 0)], decimals)
        return np.where(exists, numbers, np.uint64(0)), np.ones(
            where.size, np.bool_
        ) if good is None else ~exists | good

    here, counts = look(places, np.ones(places.size, np.bool_))
    before, before_good = look(places - 1, left)
    above, above_good = look(places - length, over)
    corner, corner_good = look(places - length - 1, left & over)
    counts &= before_good & above_good & corner_good
    step = here - np.where(left, before, above)
    plane = np.where(left & over, step - (above - corner), step)
    numbers = here[counts]
    signed = cells.dtype.kind not in "bu"
    base = numbers.view(np.int64).min().view(np.uint64) if signed and numbers.size else numbers.min(initial=2**64 - 1)
    sums = [bit_lengths(numbers - base), *(bit_lengths(_zigzag(found[counts])) for found in (step, plane))]
    return [int(lengths.sum()) for lengths in sums], numbers.size


def _zigzag(differences: Words) -> Words:
    return (differences << np.uint64(1)) ^ (np.uint64(0) - (differences >> np.uint64(63)))
