"""Which positions along a dimension belong together: months, seasons, windows, equal values?

Everything is decided from the labels alone; a plan of groups can be printed and tested without reading an array.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.errors import GroupingError
from cfdb.plan.frequency import parse_frequency
from cfdb.plan.indexing import Axis, Positions, Range
from cfdb.plan.moments import COMPONENTS, SEASONS, moments_of

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AxisGroups:
    """Groups along one dimension: in the order of their labels, none empty.

    Attributes
    ----------
    dim : str
        The dimension that is grouped.
    name : str
        What the groups are called: the coordinate, the component of its dates, or the variable whose values decide.
    labels : ndarray
        One per group: the first moment of a period (of the coordinate's type), the value, or the component.
    members : tuple of Range or Positions
        The positions of each group, ascending.
    """

    dim: str
    name: str
    labels: Array
    members: tuple[Axis, ...]

    def __len__(self) -> int:
        return len(self.members)

    @property
    def positions(self) -> tuple[slice | Integers, ...]:
        """The members as indexes: slices where they follow each other."""
        return tuple(part.to_slice() if isinstance(part, Range) else part.values for part in self.members)


def plan_groups(dim: str, values: Array, spec: Any, *, by: Array | None = None, name: str | None = None) -> AxisGroups:
    """Group the positions along a dimension.

    Parameters
    ----------
    dim : str
        The dimension.
    values : ndarray
        Its labels, in any order; `cftime` objects for calendars other than the standard ones. NaT and None belong to no
        group.
    spec : int or str
        How many positions a group has; a period such as ``'M'``, ``'7D'``, ``'QS-DEC'`` or ``'season'`` (see
        `parse_frequency`); or ``'time.month'``: a component of the dates (`COMPONENTS`), where what is alike belongs
        together wherever it stands.
    by : ndarray, optional
        One value per position: positions with equal values form a group, and `spec` is the name of them.
    name : str, optional
        What the groups are called; by default the dimension.

    Returns
    -------
    AxisGroups

    Raises
    ------
    GroupingError
        If the positions cannot be grouped so.

    Examples
    --------
    >>> days = np.arange("2020-01-30", "2020-02-03", dtype="M8[D]")
    >>> groups = plan_groups("time", days, "M")
    >>> groups.labels, groups.positions
    (array(['2020-01-01', '2020-02-01'], dtype='datetime64[D]'), (slice(0, 2, 1), slice(2, 4, 1)))
    """
    called = dim if name is None else name
    if by is not None:
        return AxisGroups(dim, str(spec), *_alike(by))
    if isinstance(spec, bool) or not isinstance(spec, str | int | np.integer):
        raise GroupingError(
            f"{called!r} cannot be grouped by {spec!r}: give the number of positions, a period such as 'M' or '7D', or "
            f"a component such as '{called}.month'"
        )
    if not isinstance(spec, str):
        return AxisGroups(dim, called, *_counted(called, values, int(spec)))
    component = _component(called, spec)
    frequency = None if component is not None else parse_frequency(called, spec)
    present = _present(values)
    dates = moments_of(called, values, present, spec)
    if frequency is None:
        found, members = _split(dates.component(str(component)), present)
        labels = np.array(SEASONS)[found] if component == "season" else found
        return AxisGroups(dim, str(component), labels, members)
    found, members = _split(dates.windows(frequency), present)
    return AxisGroups(dim, called, dates.starts(frequency, found), members)


def _component(name: str, spec: str) -> str | None:
    prefix, point, component = spec.rpartition(".")
    if not point:
        return None
    if prefix != name:
        raise GroupingError(f"{name!r} cannot be grouped by {spec!r}: write '{name}.{component}'")
    if component not in COMPONENTS:
        raise GroupingError(f"{spec!r}: dates have no {component!r}; there are {', '.join(COMPONENTS)}")
    return component


# groups that are not of dates


def _counted(name: str, values: Array, size: int) -> tuple[Array, tuple[Axis, ...]]:
    if size < 1:
        raise GroupingError(f"{name!r} cannot be grouped by {size} positions: give 1 or more")
    starts = range(0, len(values), size)
    members = tuple(Range(start, min(size, len(values) - start)) for start in starts)
    return values[::size], members


def _alike(by: Array) -> tuple[Array, tuple[Axis, ...]]:
    present = _present(by)
    values = np.ma.getdata(by)[present]
    if values.dtype.kind in "OT":
        keys = values.tolist()
        try:
            order = sorted(dict.fromkeys(keys))
        except TypeError:
            order = list(dict.fromkeys(keys))  # what cannot be compared stays in order of appearance
        numbers = {key: number for number, key in enumerate(order)}
        _, members = _split(np.array([numbers[key] for key in keys], np.int64), present)
        firsts = [int(member.positions()[0]) for member in members]
        return np.ma.getdata(by)[firsts], members
    labels, numbers_of = np.unique(values, return_inverse=True)
    _, members = _split(numbers_of.astype(np.int64), present)
    return labels, members


def _present(values: Array) -> Integers:
    """Give the positions whose value is not missing."""
    data = np.ma.getdata(values)
    kind = data.dtype.kind
    if kind in "mM":
        missing = np.isnat(data)
    elif kind in "fc":
        missing = np.isnan(data)
    elif kind in "OT":
        missing = np.array([value is None or value != value for value in data.tolist()], np.bool_)
    else:
        missing = np.zeros(data.shape, np.bool_)
    return np.flatnonzero(~(missing | np.ma.getmaskarray(values)))


def _split(numbers: Integers, positions: Integers) -> tuple[Integers, tuple[Axis, ...]]:
    """Give the different numbers, ascending, and the positions of each."""
    if not numbers.size:
        return numbers, ()
    order = np.argsort(numbers, kind="stable")
    sorted_numbers = numbers[order]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(sorted_numbers)) + 1])
    members = tuple(_axis(part) for part in np.split(positions[order], starts[1:]))
    return sorted_numbers[starts], members


def _axis(positions: Integers) -> Axis:
    first, last = int(positions[0]), int(positions[-1])
    return Range(first, positions.size) if last - first == positions.size - 1 else Positions(positions)
