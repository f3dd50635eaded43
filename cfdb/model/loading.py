"""What did a load bring?"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Outcome of a load.

    Attributes
    ----------
    fetched : int
        Chunks that were not local and are now.
    present : int
        Chunks that were local already, or never written.
    """

    fetched: int
    present: int

    def __add__(self, other: "LoadResult") -> "LoadResult":
        return LoadResult(self.fetched + other.fetched, self.present + other.present)
