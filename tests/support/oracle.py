"""What tests compare with: NumPy's indexing, random values of every type, and equality that knows NaN."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from cfdb.format.dtypes import DataType

DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
    "complex64", "complex128", "datetime64[s]", "datetime64[D]", "timedelta64[ms]", "bytes5", "str",
)  # fmt: skip


@st.composite
def keys_of(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Draw one NumPy key per axis (orthogonal when there are several lists)."""
    return tuple(draw(_axis_key(size)) for size in shape)


def _axis_key(size: int) -> st.SearchStrategy[Any]:
    ends = st.one_of(st.none(), st.integers(-size - 2, size + 2))
    steps = st.one_of(st.none(), st.sampled_from([1, 2, 3, -1, -2]))
    slices = st.builds(slice, ends, ends, steps)
    if not size:
        return slices
    positions = st.integers(-size, size - 1)
    # positions once each: which of two values written to one cell stays is not promised
    lists = st.lists(positions, max_size=5, unique_by=lambda position: position % size)
    masks = st.lists(st.booleans(), min_size=size, max_size=size).map(np.array)
    return st.one_of(slices, slices, positions, lists, masks)


def random_values(dtype: DataType, shape: tuple[int, ...], seed: int) -> Any:
    """Draw values of a type, missing ones and extremes included."""
    random = np.random.default_rng(seed)
    target = dtype.dtype_decoded
    kind = dtype.kind
    if dtype.is_packed:
        values = random.integers(-99, 100, shape) / 10
        values[random.random(shape) < 0.2] = np.nan
        return values.astype(target)
    if kind == "b":
        return np.asarray(random.random(shape) < 0.5)
    if kind in "iu":
        limits = np.iinfo(target)
        values = random.integers(limits.min, limits.max, shape, target, endpoint=True)
        return np.where(random.random(shape) < 0.1, limits.max, values).astype(target)
    if kind == "f":
        values = random.normal(size=shape).astype(target)
        return np.where(random.random(shape) < 0.2, target.type(np.nan), values)
    if kind == "c":
        return (random.normal(size=shape) + 1j * random.normal(size=shape)).astype(target)
    if kind in "mM":
        values = random.integers(-(10**6), 10**6, shape).astype(target)
        return np.where(random.random(shape) < 0.2, target.type("NaT"), values)
    words = np.array(["", "a", "Größe", "x" * 40, "line\nbreak"], np.dtypes.StringDType())
    if kind == "T":
        return np.asarray(words[random.integers(0, 5, shape)], words.dtype)
    return np.asarray(np.array([b"", b"ab", b"\xff\x00\x01", b"12345"], "S5")[random.integers(0, 4, shape)])


def same(left: Any, right: Any) -> bool:
    """Whether two arrays have shape, type and values in common; NaN equals NaN."""
    left, right = np.asarray(left), np.asarray(right)
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if left.dtype.kind in "fcmM":
        return bool(np.array_equal(left, right, equal_nan=True))
    return bool(np.all(left == right))
