"""Which chunk shape costs least for some ways of reading?

Lengths that cut an axis evenly, powers of two and the lengths that are read are tried, one and two axes at a time, from
several first shapes; the best of all is never worse than any of these.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod

from cfdb.analysis.advising.chunk_costs import Layout, cost_of
from cfdb.plan.chunks import MAX_BYTES, MAX_ELEMENTS, choose_chunk_shape

Shape = tuple[int, ...]
Score = Callable[[Shape], float]

#: Chunks of fewer bytes are not suggested: their table would be large and every further way of reading slow.
LEAST_BYTES = 2**16
#: A shape must be so much better than the present one, or it is not worth a copy.
GAIN = 0.95


@dataclass(frozen=True, slots=True)
class Way:
    """A way of reading one array.

    Attributes
    ----------
    name : str
        For people.
    lengths : tuple of int
        Shape of what is read at once.
    weight : float
        How often, or how important.
    """

    name: str
    lengths: Shape
    weight: float = 1.0


def slowdown(layout: Layout, chunk_shape: Shape, ways: Sequence[Way]) -> float:
    """Give the weighted mean, over the ways, of how many times more is decoded than with chunks made for it alone."""
    total = sum(way.weight for way in ways)
    return sum(way.weight * cost_of(layout, chunk_shape, way.lengths).slowdown for way in ways) / total


def find_chunk_shape(layout: Layout, ways: Sequence[Way], present: Shape) -> Shape:
    """Find the chunk shape that suits some ways of reading.

    Parameters
    ----------
    layout : Layout
        The array.
    ways : sequence of Way
        How it is read; at least one.
    present : tuple of int
        The shape it has.

    Returns
    -------
    tuple of int
        Of at most 2^18 elements and 2 MiB; the present shape when no such shape is better by a twentieth.

    Examples
    --------
    >>> layout = Layout((365, 360, 720), 4, 4)
    >>> find_chunk_shape(layout, [Way("map", (1, 360, 720))], (61, 60, 66))
    (1, 360, 720)
    """
    if not all(layout.shape):
        return present

    def score(shape: Shape) -> float:
        return slowdown(layout, shape, ways)

    candidates = [
        _lengths(size, [present[axis], *(way.lengths[axis] for way in ways)]) for axis, size in enumerate(layout.shape)
    ]
    firsts = dict.fromkeys(_firsts(layout, ways, present))
    best = min((_descend(first, candidates, layout, score) for first in firsts), key=score)
    return best if score(best) < GAIN * score(present) else present


def fits(layout: Layout, shape: Shape) -> bool:
    """Tell whether chunks of a shape are neither too large nor too small."""
    cells = prod(shape)
    nbytes = cells * layout.itemsize
    if cells == 1:
        return nbytes >= min(LEAST_BYTES, prod(layout.shape) * layout.itemsize)
    least = min(LEAST_BYTES, prod(layout.shape) * layout.itemsize)
    return cells <= MAX_ELEMENTS and nbytes <= MAX_BYTES and nbytes >= least


def _firsts(layout: Layout, ways: Sequence[Way], present: Shape) -> Iterator[Shape]:
    """Give shapes to begin with: the present one, the usual one, and those made for each way."""
    usual = choose_chunk_shape(layout.shape, layout.itemsize)
    for wanted in (present, usual, *(way.lengths for way in ways)):
        yield _fitted(layout, tuple(min(a, b) for a, b in zip(wanted, layout.shape, strict=True)))


def _fitted(layout: Layout, shape: Shape) -> Shape:
    """Bring a shape within the limits: the longest axis is halved, or the others doubled."""
    lengths = list(shape)
    while not fits(layout, tuple(lengths)):
        small = prod(lengths) * layout.itemsize < LEAST_BYTES
        if small:
            axis = max(range(len(lengths)), key=lambda number: layout.shape[number] / lengths[number])
            lengths[axis] = min(layout.shape[axis], 2 * lengths[axis])
        else:
            axis = max(range(len(lengths)), key=lengths.__getitem__)
            lengths[axis] = -(-lengths[axis] // 2)
    return tuple(lengths)


def _lengths(size: int, wanted: Sequence[int]) -> list[int]:
    """Give lengths to try along one axis: even cuts near the powers of two, and those that are read."""
    found = {size, *(min(size, max(1, length)) for length in wanted)}
    power = 1
    while power < size:
        found.add(power)
        found.add(-(-size // (-(-size // power))))
        power *= 2
    return sorted(found)


def _descend(shape: Shape, candidates: Sequence[Sequence[int]], layout: Layout, score: Score) -> Shape:
    """Change one or two axes at a time as long as that makes a shape better."""
    axes = range(len(shape))
    moves = [*combinations(axes, 1), *combinations(axes, 2)]
    best, least = shape, score(shape)
    better = True
    while better:
        better = False
        for move in moves:
            for lengths in product(*(candidates[axis] for axis in move)):
                changed = list(best)
                for axis, length in zip(move, lengths, strict=True):
                    changed[axis] = length
                found = tuple(changed)
                if found != best and fits(layout, found) and score(found) < least:
                    best, least, better = found, score(found), True
    return best
