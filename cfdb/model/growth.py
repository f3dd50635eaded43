"""Which labels may a coordinate take, and which does an enforced step put into a gap?"""

from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import CoordinateError

Array = npt.NDArray[Any]
Step = int | float | None


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


def find_step(values: Array) -> Step:
    """Find the step of regular labels; None when they are not regular.

    Times give a whole number of their own unit.

    Examples
    --------
    >>> find_step(np.array([0.0, 0.5, 1.0])), find_step(np.array([1, 2, 4])), find_step(np.array([30, 20, 10]))
    (0.5, None, -10)
    """
    numbers = as_numbers(values)
    if numbers is None or numbers.size < 2:
        return None
    first: Any = numbers[1].item() - numbers[0].item()
    step = round(first, 9) if isinstance(first, float) else first
    return step if step and misfit(values, step) is None else None


def as_numbers(values: Array) -> Array | None:
    """Give labels as numbers: int64 for integers and times, float64 for floats, None for others."""
    kind = values.dtype.kind
    if kind in "mM":
        return values.view(np.int64) if values.dtype.isnative else values.astype(np.int64)
    if kind in "iu":
        return values.astype(np.int64)
    return values.astype(np.float64) if kind == "f" else None


def misfit(values: Array, step: Step) -> int | None:
    """Give the first position whose label is not one step after the one before; None when all are."""
    numbers = as_numbers(values)
    if numbers is None or step is None or numbers.size < 2:
        return None
    if numbers.dtype.kind == "i":
        wrong = np.diff(numbers) != step
    else:
        wrong = np.abs(numbers - (numbers[0] + step * np.arange(numbers.size))) > _tolerance(values, step)
        wrong = wrong[1:]
    return int(np.argmax(wrong)) + 1 if wrong.any() else None


def _tolerance(values: Array, step: Any) -> float:
    precision = np.finfo(values.dtype).eps if values.dtype.kind == "f" else 0.0
    largest = float(np.max(np.abs(values.astype(np.float64)))) if values.size else 0.0
    return float(max(abs(step) * 1e-6, float(precision) * 4 * largest))


def continued(name: str, edge: Any, new: Array, step: Step, *, before: bool) -> Array:
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
    place = misfit(new, step)
    if place is not None:
        raise CoordinateError(
            f"coordinate {name!r} has step {step}: {new[place]} does not follow {new[place - 1]} by it"
        )
    if edge is None:
        return new
    near = new[-1] if before else new[0]
    numbers = as_numbers(np.array([edge, near], new.dtype))
    if numbers is None:
        return new
    distance = (numbers[1].item() - numbers[0].item()) / step
    count = round(distance)
    off = abs(distance - count) * abs(step)
    if off > (0 if numbers.dtype.kind == "i" else _tolerance(np.array([edge, near], new.dtype), step)):
        raise CoordinateError(f"coordinate {name!r} has step {step}: {near} is no whole number of steps from {edge}")
    if count > -1 if before else count < 1:
        side = "before" if before else "behind"
        raise CoordinateError(f"coordinate {name!r} has step {step}: {near} does not lie {side} {edge}")
    steps = np.arange(count + 1, 0) if before else np.arange(1, count)
    gap = (numbers[0] + steps * np.asarray(step, numbers.dtype)).astype(numbers.dtype)
    labels = gap.view(new.dtype) if new.dtype.kind in "mM" else gap.astype(new.dtype)
    return np.concatenate([new, labels] if before else [labels, new])
