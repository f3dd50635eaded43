"""Which cells have a value, and how does a result say that there is none?"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cfdb.compute.source import Box

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
#: What a reducer has gathered: arrays that keep every axis, with length 1 where it is reduced.
State = tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Values that are reduced together.

    Attributes
    ----------
    values : ndarray
        Times as their ticks, strings as objects.
    valid : ndarray of bool or None
        Which of them count; None: all.
    axes : tuple of int
        Axes that are reduced.
    box : tuple of (slice or ndarray)
        Where the values lie.
    """

    values: Array
    valid: Mask | None
    axes: tuple[int, ...]
    box: Box

    def counts(self) -> Array:
        """Count the values that count."""
        if self.valid is not None:
            found: Array = self.valid.sum(axis=self.axes, keepdims=True, dtype=np.int64)
            return found
        shape = [1 if axis in self.axes else length for axis, length in enumerate(self.values.shape)]
        number = self.values.size // max(1, int(np.prod(shape, dtype=np.int64)))
        return np.full(shape, number, np.int64)

    @property
    def where(self) -> Any:
        """The values that count, as NumPy's reductions are told."""
        return True if self.valid is None else self.valid


class Reducer(Protocol):
    """Gathers what a reduction needs, block by block."""

    @property
    def state_bytes(self) -> int:
        """Bytes gathered for one value of the result."""

    @property
    def work_bytes(self) -> int:
        """Bytes taken in passing for one value of a block, beside the value itself."""

    def empty(self, shape: tuple[int, ...]) -> State:
        """Give what has been gathered before the first block."""

    def partial(self, block: Block) -> State:
        """Gather from one block; called from several threads."""

    def merge(self, before: State, added: State) -> State:
        """Join what was gathered from different blocks."""

    def finish(self, state: State) -> tuple[Array, Mask | None]:
        """Give the results, and which of them have no value."""


def split(values: Array) -> tuple[Array, Mask | None]:
    """Give plain values and which of them count (None: all); times as their ticks, strings as objects."""
    mask = np.ma.getmask(values)
    data = np.ma.getdata(values)
    kind = data.dtype.kind
    missing: Mask | None = None if mask is np.ma.nomask or not mask.any() else np.asarray(mask)
    found: Mask | None = None
    if kind in "mM":
        found = np.isnat(data)
        data = data.view(np.int64)
    elif kind == "c" or (kind == "f" and data.size and np.isnan(data.min())):
        found = np.isnan(data)
    elif kind in "OTUS":
        data = data.astype(object)
        found = np.asarray(np.frompyfunc(_is_missing, 1, 1)(data), np.bool_)
    if found is not None and found.any():
        missing = found if missing is None else missing | found
    return data, None if missing is None else ~missing


def _is_missing(value: Any) -> bool:
    return value is None or value != value


def with_missing(values: Array, missing: Mask | None) -> Array:
    """Say which results have no value: NaN, NaT or None where the type has them, else a mask."""
    if missing is None or not missing.any():
        return values
    kind = values.dtype.kind
    if kind in "iub" or isinstance(values, np.ma.MaskedArray):
        return np.ma.MaskedArray(values, mask=missing | np.ma.getmaskarray(values))
    blank: Any = {"M": np.datetime64("NaT"), "m": np.timedelta64("NaT"), "O": None}.get(kind, np.nan)
    blanked: Array = values.copy()
    blanked[missing] = blank
    return blanked
