"""How many chunks are handled at once, and by how many threads?

Everything follows from the number of chunks and what they take when decoded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from cfdb.options import get_options

T = TypeVar("T")

#: Work on less than this many decoded bytes stays in the calling thread.
INLINE_BYTES = 2**19
#: Decoded bytes of a portion: of one call to the store, and one to the codec.
BATCH_BYTES = 2**22
#: Decoded bytes of a portion while iterating.
STEP_BYTES = 2**21
#: Decoded bytes asked for in advance while iterating, and at a time while loading.
WINDOW_BYTES = 2**26
#: Most chunks of a portion, however small they are.
MOST_CHUNKS = 2**10
#: Most portions in the making while iterating.
MOST_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Portions:
    """How work is cut.

    Attributes
    ----------
    step : int
        Chunks of a portion.
    inline : bool
        Whether the calling thread does it all.
    """

    step: int
    inline: bool


def is_little(cost: int) -> bool:
    """Tell whether work is too little for several threads."""
    return cost < INLINE_BYTES


def shared(number: int, cost: int) -> Portions:
    """Cut work that threads share: every one gets something to do, and no portion is large.

    Examples
    --------
    >>> shared(1, 2**30), shared(1000, 1000)
    (Portions(step=1, inline=True), Portions(step=1000, inline=True))
    """
    inline = number < 2 or is_little(cost)
    threads = 1 if inline else get_options().threads
    return Portions(_fitting(number, cost, BATCH_BYTES, -(-number // threads)), inline)


def stepwise(number: int, cost: int) -> tuple[int, int]:
    """Cut work whose results are wanted one after the other: chunks of a portion, and portions to make in advance."""
    step = _fitting(number, cost, STEP_BYTES, number)
    if is_little(cost):
        return step, 0
    return step, max(1, min(MOST_AHEAD, WINDOW_BYTES * number // (step * cost)))


def window(number: int, cost: int) -> int:
    """Count the chunks to ask the store for at a time."""
    return max(1, WINDOW_BYTES * number // max(1, cost))


def sliced(items: Iterable[T], step: int) -> Iterator[list[T]]:
    """Give the items, `step` at a time."""
    left = iter(items)
    while part := list(islice(left, step)):
        yield part


def _fitting(number: int, cost: int, most_bytes: int, most: int) -> int:
    return max(1, min(most_bytes * number // max(1, cost), most, MOST_CHUNKS))
