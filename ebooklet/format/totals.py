"""How many values are there, and how large are they together?"""

from dataclasses import dataclass

from ebooklet.format.columns import Column
from ebooklet.format.pages import DELETED, LENGTH


@dataclass(frozen=True, slots=True)
class Totals:
    """How many values there are, and how many bytes they have without their tails.

    Examples
    --------
    >>> Totals(2, 300) + Totals(1, 50) - Totals(2, 120)
    Totals(values=1, nbytes=230)
    """

    values: int = 0
    nbytes: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(self.values + other.values, self.nbytes + other.nbytes)

    def __sub__(self, other: "Totals") -> "Totals":
        return Totals(self.values - other.values, self.nbytes - other.nbytes)


def totals_of(numbers: Column) -> Totals:
    """Sum up rows of `HOT_NUMBERS`; those marked as deleted do not count."""
    live = numbers[:, DELETED] == 0
    return Totals(int(live.sum()), int(numbers[live, LENGTH].sum()))
