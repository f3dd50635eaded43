"""Which values fulfil conditions, and in which chunks may there be any?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce_values import split
from cfdb.storage.summaries import ChunkSummary

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

_UFUNCS = {"gt": np.greater, "ge": np.greater_equal, "lt": np.less, "le": np.less_equal, "eq": np.equal}
#: Chunks looked at together.
_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Conditions:
    """Bounds that values must all fulfil.

    Attributes
    ----------
    bounds : tuple of (str, object)
        Each with ``gt``, ``ge``, ``lt``, ``le`` or ``eq``.
    dtype : numpy.dtype
        Of the values: bounds are compared as NumPy does with an array of this type.
    """

    bounds: tuple[tuple[str, Any], ...]
    dtype: np.dtype[Any]

    def may_hold(self, summaries: Iterable[ChunkSummary]) -> Iterator[tuple[ChunkSummary, bool]]:
        """Tell of every chunk whether it may hold a value that fulfils all."""
        left = iter(summaries)
        while batch := list(islice(left, _BATCH)):
            known = [each for each in batch if _has_ends(each)]
            answers = iter(self._between(known).tolist() if known else [])
            for each in batch:
                statistics = each.statistics
                yield each, next(answers) if _has_ends(each) else statistics is None or statistics.valid > 0

    def _between(self, summaries: list[ChunkSummary]) -> Mask:
        lows = self._values([each.statistics.minimum for each in summaries if each.statistics is not None])
        highs = self._values([each.statistics.maximum for each in summaries if each.statistics is not None])
        found = np.ones(len(summaries), np.bool_)
        for name, bound in self.bounds:
            if name in ("gt", "ge", "eq"):
                found &= _UFUNCS["gt" if name == "gt" else "ge"](highs, bound).astype(np.bool_)
            if name in ("lt", "le", "eq"):
                found &= _UFUNCS["lt" if name == "lt" else "le"](lows, bound).astype(np.bool_)
        return found

    def _values(self, ends: list[Any]) -> Array:
        if self.dtype.kind in "mM":
            return np.array(ends, np.int64).view(self.dtype)
        return np.array(ends, object if self.dtype.kind in "TSUO" else self.dtype)

    def places(self, values: Array) -> npt.NDArray[np.int64]:
        """Give the places, in the flattened array, of the values that fulfil all; missing ones do not."""
        data, valid = split(values)
        flat = data.reshape(-1)
        places = np.arange(flat.size) if valid is None else np.flatnonzero(valid)
        if valid is not None:
            flat = flat[places]
        if self.dtype.kind in "mM":
            flat = flat.view(self.dtype)
        found = np.ones(flat.size, np.bool_)
        for name, bound in self.bounds:
            found &= _UFUNCS[name](flat, bound).astype(np.bool_)
        chosen: npt.NDArray[np.int64] = places[found]
        return chosen


def _has_ends(summary: ChunkSummary) -> bool:
    return summary.statistics is not None and summary.statistics.minimum is not None
