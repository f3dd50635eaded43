"""Which labels may a coordinate take, and which does an enforced step put into a gap?"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import CoordinateError
from cfdb.format.dtypes import DataType

Array = npt.NDArray[Any]
Step = int | float | None

#: A gap of more labels than these is a slip of the pen.
MOST_FILLED = 50_000_000
#: Labels of so many decimals are meant to be decimal.
_DECIMALS = 10


def check_labels(name: str, new: Array, present: Array | None = None) -> None:
    """Refuse labels that are missing, or that occur twice.

    Parameters
    ----------
    name : str
        Name of the coordinate.
    new : ndarray
        Labels to be added.
    present : ndarray, optional
        Labels it has.
    """
    if new.ndim != 1:
        raise CoordinateError(f"coordinate {name!r} takes labels in one dimension, not {new.ndim}")
    kind = new.dtype.kind
    if kind in "fc" and np.isnan(new).any():
        raise CoordinateError(f"coordinate {name!r} cannot hold NaN (position {int(np.argmax(np.isnan(new)))})")
    if kind in "mM" and np.isnat(new).any():
        raise CoordinateError(f"coordinate {name!r} cannot hold NaT (position {int(np.argmax(np.isnat(new)))})")
    if kind in "TUSO":
        _check_objects(name, new.tolist(), [] if present is None else present.tolist())
        return
    ordered = np.sort(new)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not twice.size and present is not None and present.size and not _apart(ordered, present):
        twice = new[np.isin(new, present)]
    if twice.size:
        raise CoordinateError(f"coordinate {name!r} would hold {twice[0]} twice; labels must be unique")


def _apart(ordered: Array, present: Array) -> bool:
    """Whether all new labels lie beyond one end of the present ones."""
    low, high = present.min(), present.max()
    return bool(ordered.size == 0 or ordered[0] > high or ordered[-1] < low)


def _check_objects(name: str, new: list[Any], present: list[Any]) -> None:
    if any(label is None for label in new):
        raise CoordinateError(f"coordinate {name!r} cannot hold None (position {new.index(None)})")
    seen = set(present)
    for label in new:
        if label in seen:
            raise CoordinateError(f"coordinate {name!r} would hold {label!r} twice; labels must be unique")
        seen.add(label)


def find_step(values: Array, dtype: DataType | None = None) -> Step:
    """Find the step of regular labels; None when they are not regular.

    Of floats it is the simplest number that all labels follow within the noise of their type: few decimals, or one
    part of a whole (1/12). Times give a whole number of their own unit.

    Parameters
    ----------
    values : ndarray
        The labels.
    dtype : DataType, optional
        Their type, which says how they are rounded.

    Examples
    --------
    >>> find_step(np.array([0.0, 0.5, 1.0])), find_step(np.array([1, 2, 4])), find_step(np.array([30, 20, 10]))
    (0.5, None, -10)
    >>> find_step(np.arange(-900, 901).astype("f4") / np.float32(10))
    0.1
    """
    numbers = as_numbers(values)
    if numbers is None or numbers.size < 2:
        return None
    if numbers.dtype.kind == "i":
        first = int(numbers[1]) - int(numbers[0])
        return first if first and misfit(values, first) is None else None
    mean = (numbers[-1].item() - numbers[0].item()) / (numbers.size - 1)
    if not mean or not math.isfinite(mean):
        return None
    part = round(1 / mean)
    candidates = [round(mean, decimals) for decimals in range(3)]
    candidates += [1 / part] if part else []
    candidates += [*(round(mean, decimals) for decimals in range(3, 13)), mean]
    return next((step for step in candidates if step and misfit(values, step, dtype) is None), None)


def as_numbers(values: Array) -> Array | None:
    """Give labels as numbers: int64 for integers and times, float64 for floats, None for others."""
    kind = values.dtype.kind
    if kind in "mM":
        return values.view(np.int64) if values.dtype.isnative else values.astype(np.int64)
    if kind in "iu":
        return values.astype(np.int64)
    return values.astype(np.float64) if kind == "f" else None


def misfit(values: Array, step: Step, dtype: DataType | None = None) -> int | None:
    """Give the first position whose label is not one step after the one before; None when all are."""
    numbers = as_numbers(values)
    if numbers is None or step is None or numbers.size < 2:
        return None
    if numbers.dtype.kind == "i":
        wrong = np.diff(numbers) != step
    else:
        wrong = np.abs(numbers - (numbers[0] + step * np.arange(numbers.size))) > _noise(values, step, dtype)
        wrong = wrong[1:]
    return int(np.argmax(wrong)) + 1 if wrong.any() else None


def _noise(values: Array, step: Any, dtype: DataType | None) -> float:
    """Give how far a label may lie from its place because of how it is stored; never near half a step."""
    if values.dtype.kind != "f":
        return 0.0
    largest = float(np.max(np.abs(values.astype(np.float64)))) if values.size else 0.0
    relative = 4 * float(np.finfo(values.dtype).eps)
    absolute = 0.0
    if dtype is not None and dtype.precision is not None:
        absolute = 10.0**-dtype.precision
    if dtype is not None and dtype.keep_bits is not None:
        relative += 2.0**-dtype.keep_bits
    return float(min(abs(step) * 1e-6 + relative * largest + absolute, abs(step) / 4))


def continued(name: str, edge: Any, new: Array, step: Step, *, before: bool, dtype: DataType | None = None) -> Array:
    """Give new labels together with those that close the gap to the present ones.

    Parameters
    ----------
    name : str
        Name of the coordinate.
    edge : scalar or None
        The present label next to the new ones.
    new : ndarray
        New labels, in the order in which they will stand.
    step : number or None
        Enforced step.
    before : bool
        Whether they go before the present ones.
    dtype : DataType, optional
        Type of the labels, which says how they are rounded.

    Raises
    ------
    CoordinateError
        If they do not fit the step.

    Examples
    --------
    >>> continued("x", np.int64(3), np.array([6, 7]), 1, before=False)
    array([4, 5, 6, 7])
    """
    if step is None or not new.size:
        return new
    place = misfit(new, step, dtype)
    if place is not None:
        raise CoordinateError(
            f"coordinate {name!r} has step {step}: {new[place]} does not follow {new[place - 1]} by it"
        )
    near = new[-1] if before else new[0]
    ends = None if edge is None else np.array([edge, near], new.dtype)
    numbers = None if ends is None else as_numbers(ends)
    if ends is None or numbers is None:
        return new
    distance = (numbers[1].item() - numbers[0].item()) / step
    count = round(distance)
    if abs(distance - count) * abs(step) > _noise(ends, step, dtype):
        raise CoordinateError(f"coordinate {name!r} has step {step}: {near} is no whole number of steps from {edge}")
    if count > -1 if before else count < 1:
        side = "before" if before else "behind"
        raise CoordinateError(f"coordinate {name!r} has step {step}: {near} does not lie {side} {edge}")
    if abs(count) > MOST_FILLED:
        raise CoordinateError(
            f"coordinate {name!r} has step {step}: between {edge} and {near} there would be {abs(count) - 1:,} labels"
        )
    if abs(count) == 1:
        return new
    labels = _between(ends, numbers, count)
    return np.concatenate([new, labels] if before else [labels, new])


def _between(ends: Array, numbers: Array, count: int) -> Array:
    """Give the labels between two that lie `count` steps apart (negative: the second comes first), in their order."""
    steps = np.arange(count + 1, 0) if count < 0 else np.arange(1, count)
    if numbers.dtype.kind == "i":
        step = (numbers[1].item() - numbers[0].item()) // count
        gap: Array = numbers[0] + steps * np.int64(step)
        return gap.view(ends.dtype) if ends.dtype.kind in "mM" else gap.astype(ends.dtype)
    gap = numbers[0] + steps * ((numbers[1] - numbers[0]) / count)
    if bool(np.all(np.round(numbers, _DECIMALS) == numbers)):  # 0.4, not 0.4000000000000001
        gap = np.round(gap, _DECIMALS)
    return gap.astype(ends.dtype)
