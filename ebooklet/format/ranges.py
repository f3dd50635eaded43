"""Which ranged requests fetch given pieces of objects?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from itertools import pairwise

GAP = 64 << 10
SPLIT = 4 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an object that is wanted; `tag` is the caller's number for it."""

    object: int
    offset: int
    length: int
    tag: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Request:
    """One ranged request and the pieces that lie in it.

    Attributes
    ----------
    object, offset, length : int
        What is read.
    pieces : tuple of Piece
        The pieces in it. A piece longer than a request is read by several: then this holds that one piece alone.
    """

    object: int
    offset: int
    length: int
    pieces: tuple[Piece, ...]


def coalesce(pieces: Sequence[Piece], gap: int = GAP, split: int = SPLIT) -> list[Request]:
    """Join neighbouring pieces into requests.

    Parameters
    ----------
    pieces : sequence of Piece
        In any order; they may overlap.
    gap : int
        The most unwanted bytes read between two pieces.
    split : int
        Runs longer than this are cut into about equal requests, so that several connections share them: into as many
        altogether as all runs have such lengths, but each run into one at least.

    Examples
    --------
    >>> [(r.offset, r.length) for r in coalesce([Piece(0, 100, 50, 0), Piece(0, 0, 90, 1), Piece(0, 10**6, 5, 2)])]
    [(0, 150), (1000000, 5)]
    """
    runs = list(_runs(sorted(pieces, key=_place), gap))
    requests: list[Request] = []
    for run, parts in zip(runs, shares([_span(run) for run in runs], split), strict=True):
        requests += _cut(run, parts, split)
    return requests


def shares(spans: Sequence[int], split: int) -> list[int]:
    """Return into how many requests to cut each run: the longest requests are made shorter first.

    Examples
    --------
    >>> shares([9, 9, 1], 4)
    [2, 2, 1]
    >>> shares([9], 4)
    [3]
    """
    parts = [max(1, span // split) for span in spans]
    left = -(-sum(spans) // split) - sum(parts)
    longest = [(-span / part, number) for number, (span, part) in enumerate(zip(spans, parts, strict=True))]
    heapify(longest)
    for _ in range(left):
        number = longest[0][1]
        parts[number] += 1
        heapreplace(longest, (-spans[number] / parts[number], number))
    return parts


def cuts(sizes: Sequence[int], parts: int) -> list[int]:
    """Return where to cut a row of things into at most `parts` runs of about equal size: the index each begins at.

    Examples
    --------
    >>> cuts([5, 5, 5, 5, 5], 2)
    [0, 3]
    """
    total, done = sum(sizes), 0
    starts = [0]
    for number, size in enumerate(sizes):
        middle = done + size / 2
        if number > starts[-1] and len(starts) < parts and middle * parts > total * len(starts):
            starts.append(number)
        done += size
    return starts


def _place(piece: Piece) -> tuple[int, int, int]:
    return piece.object, piece.offset, piece.end


def _runs(ordered: list[Piece], gap: int) -> Iterator[list[Piece]]:
    run: list[Piece] = []
    end = 0
    for piece in ordered:
        if run and (piece.object != run[0].object or piece.offset - end > gap):
            yield run
            run = []
        end = max(end, piece.end) if run else piece.end
        run.append(piece)
    if run:
        yield run


def _cut(run: list[Piece], parts: int, split: int) -> Iterator[Request]:
    if all(piece.length <= 2 * split for piece in run):
        yield from _even(run, parts)
        return
    small: list[Piece] = []
    for piece in run:
        if piece.length <= 2 * split:
            small.append(piece)
            continue
        yield from _even(small, _parts(small, split))
        small = []
        parts = -(-piece.length // split)
        edges = [piece.offset + number * piece.length // parts for number in range(parts + 1)]
        for start, stop in pairwise(edges):
            yield Request(piece.object, start, stop - start, (piece,))
    yield from _even(small, _parts(small, split))


def _parts(run: list[Piece], split: int) -> int:
    return -(-_span(run) // split) if run else 0


def _even(run: list[Piece], parts: int) -> Iterator[Request]:
    if not run:
        return
    starts = cuts([piece.length for piece in run], parts)
    for start, stop in zip(starts, [*starts[1:], len(run)], strict=True):
        part = run[start:stop]
        yield Request(part[0].object, part[0].offset, _span(part), tuple(part))


def _span(run: Sequence[Piece]) -> int:
    return max(piece.end for piece in run) - run[0].offset
