"""How is a value found among scattered places?

Stations are joined to triangles, and a target gets the value of the plane through the three stations around it. The
triangles belong to the stations that have a value: they are kept until others have one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.analysis.interpolating.interpolators import Triangles, nearest

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

METHODS = ("linear", "nearest", "cubic")
#: What may happen to targets outside the triangles.
EXTRAPOLATIONS = ("constant", "nearest")
#: Distance to a station, as a share of the extent of all, within which a target takes its value.
_SAME_PLACE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Join:
    """How the values of some stations make those of all targets.

    `apply` takes the values of the valid stations; `outside` are the targets without a value.
    """

    apply: Callable[[Floats], Floats]
    outside: Bools


class ScatteredInterpolator:
    """Finds values among scattered places, field by field.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 2)
        Places of the values; one that is no number has no value.
    targets : ndarray of float64, shape (m, 2)
        Where values are wanted.
    method : {'linear', 'nearest', 'cubic'}
        Plane through the triangle around a target, the nearest place, or a cubic surface of continuous slope.
    extrapolation : {'constant', 'nearest'}
        What targets outside all triangles get: `fill_value`, or the value of the nearest place.
    fill_value : float
        The value outside.
    min_value : float, optional
        Smaller results become this.
    period : float, optional
        Length of the circle along the first dimension: 360 for longitudes in degrees.

    Examples
    --------
    >>> points = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    >>> find = ScatteredInterpolator(points, np.array([[1.0, 1.0], [9.0, 9.0]]), "linear")
    >>> find(points[:, 0] + 10 * points[:, 1])
    array([11., nan])
    """

    def __init__(
        self,
        points: Floats,
        targets: Floats,
        method: str = "linear",
        extrapolation: str = "constant",
        fill_value: float = np.nan,
        min_value: float | None = None,
        period: float | None = None,
    ) -> None:
        self._index, self._points, self._targets = _on_circle(points, targets, period)
        self._method = method
        self._extrapolation = extrapolation
        self._fill_value = fill_value
        self._min_value = min_value
        self._last: tuple[bytes, Join] | None = None

    def __call__(self, field: Array) -> Floats:
        """Interpolate values along the last axis; those before it are taken one after the other."""
        leading = field.shape[:-1]
        result = np.empty((*leading, self._targets.shape[0]))
        for place in np.ndindex(leading):
            result[place] = self._one(np.asarray(field[place], np.float64)[self._index])
        return result

    def _one(self, values: Floats) -> Floats:
        valid = np.isfinite(values)
        join = self._join(valid)
        result = join.apply(values[valid])
        if self._min_value is not None:
            np.maximum(result, self._min_value, out=result)
        result[join.outside] = self._fill_value
        return result

    def _join(self, valid: Bools) -> Join:
        """Give what belongs to the valid stations; worked out anew when others are valid."""
        key = np.packbits(valid).tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, join(self._points[valid], self._targets, self._method, self._extrapolation)
        return self._last[1]


def join(points: Floats, targets: Floats, method: str, extrapolation: str) -> Join:
    """Work out how values at some places make the values at targets."""
    lost: Bools = np.logical_not(np.isfinite(targets).all(axis=1))
    if not points.shape[0]:
        return Join(lambda values: np.full(lost.size, np.nan), np.ones(lost.size, np.bool_))
    places = np.where(lost[:, None], points[0], targets)
    closest, distance = nearest(points, places)
    if method == "nearest":
        return Join(lambda values: values[closest], lost)
    same = distance <= _SAME_PLACE * float(np.ptp(points, axis=0).max())
    triangles = Triangles.among(points)
    if triangles is None:
        inside, smooth = np.zeros(lost.size, np.bool_), None
        corners, weights = np.zeros((lost.size, 1), np.int64), np.zeros((lost.size, 1))
    else:
        corners, weights, inside = triangles.weights(places)
        smooth = triangles.smooth if method == "cubic" else None
    beyond = ~inside & ~same
    copied = same | (beyond if extrapolation == "nearest" else False)

    def apply(values: Floats) -> Floats:
        found = (weights * values[corners]).sum(axis=1) if smooth is None else smooth(values, places)
        found[copied] = values[closest[copied]]
        return found

    return Join(apply, lost if extrapolation == "nearest" else lost | beyond)


def _on_circle(points: Floats, targets: Floats, period: float | None) -> tuple[Integers, Floats, Floats]:
    """Give the usable places, with copies beyond the seam where they go round a circle, and the targets among them.

    The first array says which value belongs to each place.
    """
    index: Integers = np.flatnonzero(np.isfinite(points).all(axis=1)).astype(np.int64)
    usable = points[index]
    if period is None or not index.size:
        return index, usable, targets
    turned = np.sort(usable[:, 0] % period)
    gaps = np.diff(turned, append=turned[0] + period)
    widest = int(np.argmax(gaps))
    cut = turned[widest] + gaps[widest] / 2  # the circle is cut where the stations are farthest apart
    usable, aims = usable.copy(), targets.copy()
    for places in (usable, aims):
        places[:, 0] = (places[:, 0] - cut) % period + cut
    if gaps[widest] < period / 2:
        near_end, near_start = usable[:, 0] > cut + period / 2, usable[:, 0] <= cut + period / 2
        shift = np.array([period, 0.0])
        index = np.concatenate([index, index[near_end], index[near_start]])
        usable = np.concatenate([usable, usable[near_end] - shift, usable[near_start] + shift])
    return index, usable, aims
