"""Where do the positions of a dimension lie in storage, and how do they grow and shrink without moving anything?

A position along a dimension (its *index*) is stored at a *slot*, a signed 64-bit number. Chunks are cut in slots: along
an axis with chunk length ``c`` the cell of slot ``s`` lies in chunk ``s // c`` at place ``s % c``. A dimension is a
sequence of *runs*: consecutive indexes in consecutive slots. No slot is ever used twice, so that a dropped cell cannot
come back to life.

Two stretches of slots are taken into use from their middle outwards. The *main* one starts at slot 0: appends take the
slots above it and prepends those below (negative), so that both keep one run and full chunks however small the steps.
What is inserted between existing positions goes to the *side* stretch, far away, and grows at both of its ends as well.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import lcm
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import CoordinateError, FormatError

#: First slot of the side stretch: a multiple of every usual chunk length.
SIDE = 1575 * 2**40
#: Slots left unused at most so that chunks begin where a run does.
MOST_GAP = 2**32
#: Slots either stretch may reach on each side of its first one.
REACH = 2**49

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive indexes in consecutive slots.

    Attributes
    ----------
    slot : int
        Slot of the first index.
    length : int
        Number of indexes, at least 1.
    """

    slot: int
    length: int

    @property
    def end(self) -> int:
        """Slot behind the last one."""
        return self.slot + self.length


@dataclass(frozen=True, slots=True)
class Stretch:
    """Slots taken into use so far: `low` up to, not including, `high`."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Slots:
    """Positions of a dimension in storage; a value: every change gives a new one.

    Attributes
    ----------
    runs : tuple of Run
        In the order of the indexes.
    main, side : Stretch
        Slots in use around 0 and around `SIDE`.

    Examples
    --------
    >>> days = Slots.of_size(5).prepend(2).insert(4, 1)
    >>> days.size, days.slots(range(8)).tolist()[:4]
    (8, [-2, -1, 0, 1])
    >>> [run.length for run in days.runs]
    [4, 1, 3]
    """

    runs: tuple[Run, ...] = ()
    main: Stretch = Stretch(0, 0)
    side: Stretch = Stretch(SIDE, SIDE)

    @classmethod
    def of_size(cls, size: int) -> "Slots":
        """Give `size` positions in one run from slot 0."""
        return cls().append(size)

    @property
    def size(self) -> int:
        """Number of positions."""
        return sum(run.length for run in self.runs)

    @property
    def starts(self) -> list[int]:
        """Index of the first position of every run."""
        return [0, *accumulate(run.length for run in self.runs)][: len(self.runs)]

    # growing

    def append(self, count: int) -> "Slots":
        """Add positions behind the last one."""
        _check_count(count)
        if not count:
            return self
        run = Run(self.main.high, count)
        grown = Stretch(self.main.low, run.end)
        return replace(self, runs=_joined((*self.runs, run)), main=_within_reach(grown, 0))

    def prepend(self, count: int) -> "Slots":
        """Add positions before the first one."""
        _check_count(count)
        if not count:
            return self
        if not self.runs and self.main == Stretch(0, 0):
            return self.append(count)
        run = Run(self.main.low - count, count)
        grown = Stretch(run.slot, self.main.high)
        return replace(self, runs=_joined((run, *self.runs)), main=_within_reach(grown, 0))

    def insert(self, at: int, count: int) -> "Slots":
        """Add positions so that the first of them gets index `at`.

        Parameters
        ----------
        at : int
            0 (as `prepend`) to `size` (as `append`).
        count : int
            How many.
        """
        size = self.size
        if not 0 <= at <= size:
            raise CoordinateError(f"cannot insert at {at}: the dimension has {size} positions")
        if at == size:
            return self.append(count)
        if at == 0:
            return self.prepend(count)
        _check_count(count)
        before, after = self._split(at)
        if count and after[0].slot == self.side.low < self.side.high:
            run = Run(self.side.low - count, count)
            grown = Stretch(run.slot, self.side.high)
        else:
            run = Run(self.side.high, count)
            grown = Stretch(self.side.low, run.end)
        if not count:
            return self
        return replace(self, runs=_joined((*before, run, *after)), side=_within_reach(grown, SIDE))

    def insert_many(self, inserts: Sequence[tuple[int, int]]) -> "Slots":
        """Add positions at several places with one pass.

        Parameters
        ----------
        inserts : sequence of (int, int)
            Before which of the present indexes (`size`: behind all), ascending, and how many.

        Examples
        --------
        >>> Slots.of_size(4).insert_many([(0, 1), (2, 3), (4, 1)]).size
        9
        """
        size, slot = self.size, self.side.high
        ends = {at: count for at, count in inserts if not 0 < at < size}
        unknown = [at for at in ends if at not in (0, size)]
        if unknown:
            raise CoordinateError(f"cannot insert at {unknown[0]}: the dimension has {size} positions")
        runs: list[Run] = []
        left = list(reversed(self.runs))
        done = 0
        for at, count in inserts:
            if at in ends:
                continue
            while done < at:
                run = left.pop()
                taken = min(run.length, at - done)
                runs.append(Run(run.slot, taken))
                if taken < run.length:
                    left.append(Run(run.slot + taken, run.length - taken))
                done += taken
            runs.append(Run(slot, count))
            slot += count
        side = _within_reach(Stretch(self.side.low, slot), SIDE)
        grown = replace(self, runs=_joined([*runs, *reversed(left)]), side=side)
        return (grown.append(ends.get(size, 0)) if size else grown).prepend(ends.get(0, 0))

    # shrinking

    def drop(self, start: int, stop: int) -> "Slots":
        """Remove the positions `start` up to, not including, `stop`; their slots stay unused for ever."""
        size = self.size
        if not 0 <= start <= stop <= size:
            raise CoordinateError(f"cannot drop {start}:{stop}: the dimension has {size} positions")
        before, _ = self._split(start)
        _, after = self._split(stop)
        return replace(self, runs=_joined((*before, *after)))

    def drop_positions(self, positions: Iterable[int]) -> "Slots":
        """Remove single positions, given by their present indexes."""
        wanted = np.unique(np.fromiter(positions, np.int64))
        size = self.size
        if wanted.size and (wanted[0] < 0 or wanted[-1] >= size):
            raise CoordinateError(f"cannot drop {wanted[0]} to {wanted[-1]}: the dimension has {size} positions")
        breaks = np.flatnonzero(np.diff(wanted) != 1) + 1
        groups = [group for group in np.split(wanted, breaks) if group.size]
        kept: list[Run] = []
        done = 0
        for group in groups:
            kept += self._between(done, int(group[0]))
            done = int(group[-1]) + 1
        return replace(self, runs=_joined((*kept, *self._between(done, size))))

    def truncate(self, start: int, stop: int) -> "Slots":
        """Keep the positions `start` up to, not including, `stop`."""
        return self.drop(stop, self.size).drop(0, start)

    # moving

    def in_one_run(self, lengths: Iterable[int] = ()) -> "Slots":
        """Give as many positions in fresh slots, in one run.

        Parameters
        ----------
        lengths : iterable of int
            Lengths of the chunks along the dimension: no chunk holds slots of both, and where they have a small common
            multiple the first chunk of each is full.

        Examples
        --------
        >>> Slots.of_size(5).insert(2, 2).in_one_run([4]).runs
        (Run(slot=8, length=7),)
        """
        if len(self.runs) < 2:
            return self
        chunks = list(lengths)
        common = lcm(*chunks)
        least = self.main.high if common <= MOST_GAP else self.main.high + max(chunks)
        start = -(-least // common) * common if common <= MOST_GAP else least
        run = Run(start, self.size)
        return replace(self, runs=(run,), main=_within_reach(Stretch(self.main.low, run.end), 0))

    # looking up

    def slots(self, indexes: Sequence[int] | Integers | range) -> Integers:
        """Give the slots of indexes within bounds.

        Examples
        --------
        >>> Slots.of_size(4).slots([3, 0]).tolist()
        [3, 0]
        """
        wanted = np.asarray(indexes, np.int64)
        if len(self.runs) == 1:
            return wanted + self.runs[0].slot
        if not wanted.size:
            return wanted
        starts = np.array(self.starts, np.int64)
        shift = np.array([run.slot for run in self.runs], np.int64) - starts
        found: Integers = wanted + shift[np.searchsorted(starts, wanted, "right") - 1]
        return found

    def slot(self, index: int) -> int:
        """Give the slot of one index."""
        starts = self.starts
        number = bisect_right(starts, index) - 1
        return self.runs[number].slot + index - starts[number]

    def indexes(self, slots: Sequence[int] | Integers) -> Integers:
        """Give the indexes of slots; -1 for slots that hold no position."""
        wanted = np.asarray(slots, np.int64)
        found = np.full(wanted.shape, -1, np.int64)
        if not self.runs:
            return found
        ordered = sorted(zip(self.runs, self.starts, strict=True), key=lambda pair: pair[0].slot)
        first = np.array([run.slot for run, _ in ordered], np.int64)
        lengths = np.array([run.length for run, _ in ordered], np.int64)
        starts = np.array([start for _, start in ordered], np.int64)
        number = np.searchsorted(first, wanted, "right") - 1
        place = wanted - first[number]
        inside = (number >= 0) & (place < lengths[number])
        found[inside] = (starts[number] + place)[inside]
        return found

    def parts(self, start: int, stop: int) -> Iterator[tuple[int, Run]]:
        """Give the runs of a range of indexes, clipped, each with the index of its first position."""
        for run in self._between(start, stop):
            yield start, run
            start += run.length

    def to_record(self) -> dict[str, Any]:
        """Write down as plain values: runs as a flat list of slot distances and lengths."""
        flat: list[int] = []
        previous = 0
        for run in self.runs:
            flat += [run.slot - previous, run.length]
            previous = run.end
        record: dict[str, Any] = {"runs": flat, "main": [self.main.low, self.main.high]}
        if self.side.high > self.side.low:
            record["side"] = [self.side.low - SIDE, self.side.high - SIDE]
        return record

    @classmethod
    def from_record(cls, record: Any) -> "Slots":
        """Read back and check what `to_record` gave."""
        try:
            flat = [_whole(number) for number in record["runs"]]
            low, high = (_whole(number) for number in record["main"])
            side_low, side_high = (_whole(number) + SIDE for number in record.get("side", (0, 0)))
            if len(flat) % 2:
                raise ValueError("a run has no length")
            runs, previous = [], 0
            for distance, length in zip(flat[::2], flat[1::2], strict=True):
                runs.append(Run(previous + distance, length))
                previous = runs[-1].end
            found = cls(tuple(runs), Stretch(low, high), Stretch(side_low, side_high))
            found._check()
        except (TypeError, ValueError, KeyError, AttributeError, CoordinateError) as error:
            raise FormatError(f"a dimension record is damaged: {error}") from error
        return found

    def _between(self, start: int, stop: int) -> list[Run]:
        """Runs of a range of indexes, clipped to it."""
        if stop <= start:
            return []
        starts = self.starts
        found = []
        for number in range(max(bisect_right(starts, start) - 1, 0), len(self.runs)):
            first, run = starts[number], self.runs[number]
            if first >= stop:
                break
            skip = max(start - first, 0)
            found.append(Run(run.slot + skip, min(stop - first, run.length) - skip))
        return found

    def _split(self, at: int) -> tuple[list[Run], list[Run]]:
        return self._between(0, at), self._between(at, self.size)

    def _check(self) -> None:
        """Refuse runs that overlap or lie outside the slots in use."""
        for stretch, centre in ((self.main, 0), (self.side, SIDE)):
            if not stretch.low <= centre <= stretch.high:
                raise ValueError("the slots in use do not include the first one")
            _within_reach(stretch, centre)
        previous: Run | None = None
        for run in sorted(self.runs, key=lambda run: run.slot):
            home = self.main if run.slot < SIDE - REACH else self.side
            if run.length < 1 or run.slot < home.low or run.end > home.high:
                raise ValueError(f"{run} lies outside the slots in use")
            if previous is not None and run.slot < previous.end:
                raise ValueError(f"{previous} and {run} overlap")
            previous = run


def _whole(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{number!r} is no whole number")
    return number


def _check_count(count: int) -> None:
    if count < 0:
        raise CoordinateError(f"cannot add {count} positions")


def _joined(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Merge runs that follow each other in slots as well."""
    merged: list[Run] = []
    for run in runs:
        if not run.length:
            continue
        if merged and merged[-1].end == run.slot:
            merged[-1] = Run(merged[-1].slot, merged[-1].length + run.length)
        else:
            merged.append(run)
    return tuple(merged)


def _within_reach(stretch: Stretch, centre: int) -> Stretch:
    if stretch.low < centre - REACH or stretch.high > centre + REACH:
        raise CoordinateError(f"a dimension cannot take more than {REACH} slots on either side")
    return stretch
