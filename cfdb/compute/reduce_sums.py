"""How are sums, means and variances gathered block by block without losing digits?

Sums of integers are exact: kept as a high and a low half. Sums of floats are taken in float64 within a block and
compensated between blocks (Neumaier 1974). Variances join counts, means and sums of squared deviations (Chan, Golub
and LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances").
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce_values import Array, Block, Mask, State
from cfdb.compute.reduce_weights import Weights
from cfdb.errors import SumOverflowError

_HALF = 2**32
_LOW = _HALF - 1


def _zeros(shape: tuple[int, ...], *dtypes: Any) -> State:
    return tuple(np.zeros(shape, dtype) for dtype in dtypes)


@dataclass(frozen=True, slots=True)
class Counted:
    """Number of values."""

    state_bytes = 8
    work_bytes = 1

    def empty(self, shape: tuple[int, ...]) -> State:
        """Nothing counted."""
        return _zeros(shape, np.int64)

    def partial(self, block: Block) -> State:
        """Count the values of a block."""
        return (block.counts(),)

    def merge(self, before: State, added: State) -> State:
        """Add counts."""
        return (before[0] + added[0],)

    def finish(self, state: State) -> tuple[Array, Mask | None]:
        """Give the counts."""
        return state[0], None


@dataclass(frozen=True, slots=True)
class IntegerSum:
    """Exact sum of integers.

    Attributes
    ----------
    name : str
        What is summed up, for messages.
    result : numpy.dtype
        Type of the result; floats where a mean is wanted.
    mean : bool
        Whether to divide by the number of values; into an integer type, to the nearest (ticks of times).
    """

    name: str
    result: np.dtype[Any]
    mean: bool = False

    state_bytes = 24
    work_bytes = 17

    def empty(self, shape: tuple[int, ...]) -> State:
        """Nothing gathered: high half, low half, count."""
        return _zeros(shape, np.int64, np.int64, np.int64)

    def partial(self, block: Block) -> State:
        """Sum a block up."""
        values = block.values.view(np.uint8) if block.values.dtype.kind == "b" else block.values
        options: Any = {"axis": block.axes, "keepdims": True, "where": block.where, "dtype": np.int64}
        if values.dtype.itemsize < 8 or _fits(values):
            total = values.sum(**options)
            high, low = total >> 32, total & _LOW
        else:
            high = (values >> np.array(32, values.dtype)).sum(**options)
            low = (values & np.array(_LOW, values.dtype)).sum(**options)
        return high, low, block.counts()

    def merge(self, before: State, added: State) -> State:
        """Add both halves, and carry."""
        low = before[1] + added[1]
        return before[0] + added[0] + (low >> 32), low & _LOW, before[2] + added[2]

    def finish(self, state: State) -> tuple[Array, Mask | None]:
        """Join the halves."""
        high, low, count = state
        high, low = high + (low >> 32), low & _LOW
        if not self.mean:
            return self._total(high, low), None
        empty = count == 0
        number = np.where(empty, 1, count)
        if self.result.kind in "iu":
            return nearest_quotient(high, low, number), empty
        return ((high * float(_HALF) + low) / number).astype(self.result), empty

    def _total(self, high: Array, low: Array) -> Array:
        if self.result.kind in "fc":
            floats: Array = (high * float(_HALF) + low).astype(self.result)
            return floats
        wide = np.dtype(np.uint64 if self.result.kind == "u" else np.int64)
        ends = (0, _LOW) if wide.kind == "u" else (-(2**31), 2**31 - 1)
        if bool(((high < ends[0]) | (high > ends[1])).any()):
            raise SumOverflowError(f"a sum of {self.name!r} does not fit {wide}: take sum(dtype=float)")
        total: Array = ((high << 32) | low).view(wide)
        narrow: Array = total.astype(self.result)
        if not np.array_equal(narrow, total):
            raise SumOverflowError(f"a sum of {self.name!r} does not fit {self.result}: leave dtype= out")
        return narrow


def _fits(values: Array) -> bool:
    """Tell whether 64-bit integers can be summed without overflow."""
    if not values.size:
        return True
    return max(abs(int(values.min())), abs(int(values.max()))) * values.size < 2**62


def nearest_quotient(high: Array, low: Array, count: Array) -> Array:
    """Divide ``high * 2**32 + low`` by counts below 2**31, to the nearest integer, halves to even."""
    quotient, rest = np.divmod(high, count)
    part, rest = np.divmod(rest * _HALF + low, count)
    whole: Array = quotient * _HALF + part
    twice = 2 * rest
    up: Array = (twice > count) | ((twice == count) & (whole % 2 == 1))
    return np.add(whole, up, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class FloatTotal:
    """Compensated sum of floats or complex numbers, weighted or not.

    Attributes
    ----------
    result : numpy.dtype
        Type of the result.
    mean : bool
        Whether to divide by the number or weight of the values.
    weights : Weights, optional
        What each value counts.
    """

    result: np.dtype[Any]
    mean: bool = False
    weights: Weights | None = None

    @property
    def state_bytes(self) -> int:
        """Bytes gathered for one value of the result."""
        return 2 * self._wide.itemsize + 8

    @property
    def work_bytes(self) -> int:
        """Bytes taken in passing for one value of a block."""
        return 2 if self.weights is None else 2 + 3 * self._wide.itemsize

    @property
    def _wide(self) -> np.dtype[Any]:
        return np.dtype(np.complex128 if self.result.kind == "c" else np.float64)

    def empty(self, shape: tuple[int, ...]) -> State:
        """Nothing gathered: sum, what it lacks, weight."""
        return _zeros(shape, self._wide, self._wide, np.float64)

    def partial(self, block: Block) -> State:
        """Sum a block up."""
        values: Array = block.values
        weight = block.counts().astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            if self.weights is not None:
                factors = np.broadcast_to(self.weights.of(block.box), values.shape)
                weight = factors.sum(axis=block.axes, keepdims=True, where=block.where)
                values = np.multiply(values, factors, dtype=self._wide)
            total = values.sum(axis=block.axes, keepdims=True, dtype=self._wide, where=block.where)
        return total, np.zeros_like(total), weight

    def merge(self, before: State, added: State) -> State:
        """Add, and keep what rounding takes away."""
        left, right = before[0], added[0]
        with np.errstate(invalid="ignore", over="ignore"):
            total = left + right
            shown = total - left
            lost = (left - (total - shown)) + (right - shown)
            return total, before[1] + added[1] + lost, before[2] + added[2]

    def finish(self, state: State) -> tuple[Array, Mask | None]:
        """Give sums, or means."""
        total, lost, weight = state
        with np.errstate(invalid="ignore", over="ignore"):
            total = np.where(np.isfinite(total + lost), total + lost, total)
            if not self.mean:
                return total.astype(self.result), None
            empty = weight == 0
            return (total / np.where(empty, 1.0, weight)).astype(self.result), empty


@dataclass(frozen=True, slots=True)
class Spread:
    """Variance or standard deviation, weighted or not.

    Attributes
    ----------
    result : numpy.dtype
        Type of the result.
    root : bool
        Whether the standard deviation is wanted.
    ddof : float
        Taken from the number of values.
    weights : Weights, optional
        What each value counts.
    """

    result: np.dtype[Any]
    root: bool = False
    ddof: float = 0
    weights: Weights | None = None
    complex_values: bool = False

    @property
    def state_bytes(self) -> int:
        """Bytes gathered for one value of the result."""
        return 32 if self.complex_values else 24

    @property
    def work_bytes(self) -> int:
        """Bytes taken in passing for one value of a block."""
        return 2 * self._wide.itemsize + 1 + (16 if self.weights is not None else 0)

    @property
    def _wide(self) -> np.dtype[Any]:
        return np.dtype(np.complex128 if self.complex_values else np.float64)

    def empty(self, shape: tuple[int, ...]) -> State:
        """Nothing gathered: weight, mean, sum of squared deviations."""
        return _zeros(shape, np.float64, self._wide, np.float64)

    def partial(self, block: Block) -> State:
        """Gather from one block: the mean first, then the deviations from it."""
        values, where, axes = block.values, block.where, block.axes
        factors: Any = 1.0
        weight: npt.NDArray[Any] = block.counts().astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            if self.weights is not None:
                factors = np.broadcast_to(self.weights.of(block.box), values.shape)
                weight = factors.sum(axis=axes, keepdims=True, where=where)
                total = np.multiply(values, factors, dtype=self._wide).sum(axis=axes, keepdims=True, where=where)
            else:
                total = values.sum(axis=axes, keepdims=True, dtype=self._wide, where=where)
            mean = total / np.where(weight == 0, 1.0, weight)
            apart = np.subtract(values, mean, dtype=self._wide)
            squares = apart.real**2 + apart.imag**2 if self.complex_values else np.square(apart, out=apart)
            if self.weights is not None:
                squares = squares * factors
            return weight, mean, squares.sum(axis=axes, keepdims=True, where=where)

    def merge(self, before: State, added: State) -> State:
        """Join counts, means and deviations."""
        weight = before[0] + added[0]
        share = added[0] / np.where(weight == 0, 1.0, weight)
        with np.errstate(invalid="ignore", over="ignore"):
            apart = added[1] - before[1]
            squares = apart.real**2 + apart.imag**2 if self.complex_values else apart**2
            # where one side has nothing, its mean says nothing
            between = np.where((before[0] == 0) | (added[0] == 0), 0.0, squares * before[0] * share)
            mean = np.where(before[0] == 0, added[1], before[1] + np.where(added[0] == 0, 0.0, apart * share))
            return weight, mean, before[2] + added[2] + between

    def finish(self, state: State) -> tuple[Array, Mask | None]:
        """Divide, and take the root."""
        weight, _, squares = state
        number = weight - self.ddof
        empty = number <= 0
        with np.errstate(invalid="ignore"):
            found = squares / np.where(empty, 1.0, number)
            return (np.sqrt(found) if self.root else found).astype(self.result), empty
