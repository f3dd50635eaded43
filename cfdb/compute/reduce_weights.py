"""How much does each value count in a weighted reduction?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.reduce_blocks import positions_of
from cfdb.compute.source import Box


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Weights that broadcast against an array.

    Attributes
    ----------
    values : ndarray of float64
        One axis per axis of the array, of the same length or of length 1.
    """

    values: npt.NDArray[np.float64]

    def of(self, box: Box) -> npt.NDArray[np.float64]:
        """Give the weights in a box."""
        found: npt.NDArray[Any] = self.values
        for axis, part in enumerate(box):
            if found.shape[axis] > 1:
                found = found[(slice(None),) * axis + (part if isinstance(part, slice) else positions_of(part),)]
        return found
