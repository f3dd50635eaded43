"""Between which values of a sorted sample does a quantile lie?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce_values import Mask

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: Hyndman and Fan (1996), "Sample quantiles in statistical packages": alpha and beta of the continuous methods.
_CONTINUOUS = {
    "linear": (1.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
_DISCRETE = ("lower", "higher", "nearest", "midpoint")
METHODS = (*_CONTINUOUS, *_DISCRETE)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Which quantiles are wanted.

    Attributes
    ----------
    fractions : ndarray of float64
        Between 0 and 1.
    method : str
        One of `METHODS`, as of `numpy.quantile`.
    """

    fractions: Floats
    method: str = "linear"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method={self.method!r} of a quantile: choose one of {', '.join(METHODS)}")
        if self.fractions.ndim != 1 or not bool(((self.fractions >= 0) & (self.fractions <= 1)).all()):
            raise ValueError(f"quantiles lie between 0 and 1, not at {self.fractions.tolist()}")

    def of_rows(self, rows: Array, valid: Mask | None) -> Floats:
        """Give the quantiles of every row; NaN where a row has no values.

        Parameters
        ----------
        rows : ndarray, shape (..., N)
            Numbers; changed.
        valid : ndarray of bool or None
            Which of them count.

        Returns
        -------
        ndarray, shape (Q, ...)
        """
        count = np.full(rows.shape[:-1], rows.shape[-1], np.int64)
        if valid is not None:
            count = valid.sum(-1)
            rows[~valid] = np.nan  # sorts to the end
        rows.sort(axis=-1)
        found = np.full((self.fractions.size, *rows.shape[:-1]), np.nan)
        if rows.shape[-1]:
            for number, fraction in enumerate(self.fractions.tolist()):
                found[number] = np.where(count > 0, self._pick(rows, count, fraction), np.nan)
        return found

    def _pick(self, rows: Array, count: Array, fraction: float) -> Floats:
        low, high, share = self.ends(np.maximum(count, 1), fraction)
        left = np.take_along_axis(rows, low[..., None], -1)[..., 0].astype(np.float64)
        right = np.take_along_axis(rows, high[..., None], -1)[..., 0].astype(np.float64)
        return between(left, right, share)

    def ends(self, count: Array, fraction: float) -> tuple[Array, Array, Floats]:
        """Give the numbers of the two values between which a quantile lies, and how far from the first."""
        if self.method in _DISCRETE:
            exact = fraction * (count - 1)
            low, high = np.floor(exact), np.ceil(exact)
            if self.method == "nearest":
                low = high = np.rint(exact)
            chosen = {"lower": (low, low), "higher": (high, high)}.get(self.method, (low, high))
            return chosen[0].astype(np.int64), chosen[1].astype(np.int64), np.full(count.shape, 0.5)
        alpha, beta = _CONTINUOUS[self.method]
        exact = np.clip(count * fraction + (alpha + fraction * (1 - alpha - beta)) - 1, 0, count - 1)
        low = np.floor(exact)
        return low.astype(np.int64), np.minimum(low + 1, count - 1).astype(np.int64), exact - low


def between(left: Floats, right: Floats, share: Floats) -> Floats:
    """Interpolate between two values of the sample."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = right - left
        found = np.where(share < 0.5, left + apart * share, right - apart * (1 - share))
    return np.where((left == right) | (share == 0), left, np.where(share == 1, right, found))
