"""Which cells of a variable fulfil a condition?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.format.wording import count

Array = npt.NDArray[Any]

#: Rows that are printed.
_SHOWN = 10


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Matches:
    """Cells that fulfil a condition, in the order of the array.

    Attributes
    ----------
    name : str
        Of the variable.
    dims : tuple of str
        Its dimensions.
    positions : tuple of ndarray of int64
        One array per dimension, as `numpy.nonzero` gives them.
    values : ndarray
        The values there.
    labels : mapping of str to ndarray
        Their labels by dimension.
    chunks_read, chunks_skipped : int
        Chunks that had to be read, and those the file knows to hold nothing.
    complete : bool
        Whether these are all; not when a limit stopped the search.
    """

    name: str
    dims: tuple[str, ...]
    positions: tuple[npt.NDArray[np.int64], ...]
    values: Array
    labels: Mapping[str, Array]
    chunks_read: int
    chunks_skipped: int
    complete: bool = True

    def __len__(self) -> int:
        return int(self.values.size)

    def __iter__(self) -> Iterator[tuple[tuple[int, ...], Any]]:
        places: Any = (
            zip(*(axis.tolist() for axis in self.positions), strict=True) if self.positions else [()] * len(self)
        )
        return zip(places, self.values, strict=True)

    def __repr__(self) -> str:
        chunks = f"{count(self.chunks_read, 'chunk')} read, {self.chunks_skipped:,} skipped"
        more = "" if self.complete else "; there may be more"
        lines = [f"<{count(len(self), 'match', 'matches')} in {self.name!r}: {chunks}{more}>"]
        columns = [*((name, array[:_SHOWN]) for name, array in self.labels.items()), (self.name, self.values[:_SHOWN])]
        texts = [[name, *map(str, array)] for name, array in columns] if len(self) else []
        widths = [max(map(len, column)) for column in texts]
        rows = zip(*texts, strict=True)
        lines += ["".join("  " + text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
        if len(self) > _SHOWN:
            lines.append(f"  ... and {len(self) - _SHOWN} more")
        return "\n".join(lines)
