"""Which groups does a part of a variable fall into, and how does one go through them?"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cfdb.compute.groups import iter_groups
from cfdb.compute.lockstep import Arrays, Together, read_together
from cfdb.compute.source import Box, Source
from cfdb.errors import GroupingError, VariableNotFoundError
from cfdb.model.group_reductions import DatasetGroupReductions, GroupReductions
from cfdb.model.labels import pick
from cfdb.model.part import Part
from cfdb.plan.periods import AxisGroups, plan_groups

Array = npt.NDArray[Any]


class GroupBy(GroupReductions):
    """A part of a variable, cut into groups.

    Iterating gives the groups in order: where each lies (a slice per dimension, or positions where the members do not
    follow each other), and its values.

    Attributes
    ----------
    part : View
        What is grouped.
    groups : tuple of AxisGroups
        The groups along each grouped dimension.
    max_mem : int
        Bytes that going through them may take.
    """

    __slots__ = ("_itemsize", "groups", "max_mem", "part")

    def __init__(self, part: Part, groups: tuple[AxisGroups, ...], max_mem: int, itemsize: int) -> None:
        self.part = part
        self.groups = groups
        self.max_mem = max_mem
        self._itemsize = itemsize

    def source(self) -> Source:
        """Describe the part to what computes with it."""
        return replace(self.part._source(), itemsize=self._itemsize)

    def __len__(self) -> int:
        return prod(len(groups) for groups in self.groups)

    def __iter__(self) -> Iterator[tuple[Box, Array]]:
        return iter_groups(self.source(), self.groups, self.max_mem)

    def __repr__(self) -> str:
        return _summary(f"<GroupBy of {self.part.name!r}: {len(self)} groups>", self.groups)


class DatasetGroupBy(DatasetGroupReductions):
    """Several variables of a dataset, cut into the same groups.

    Iterating gives the groups in order: where each lies (by dimension: a slice, or positions where the members do not
    follow each other), and its values by variable; ``.mean()`` and others reduce every variable.

    Attributes
    ----------
    groups : tuple of AxisGroups
        The groups along each grouped dimension.
    max_mem : int
        Bytes that going through them may take.
    parts : mapping of str to View
        What is grouped, by name.
    """

    def __init__(self, arrays: Arrays, groups: tuple[AxisGroups, ...], max_mem: int, parts: Mapping[str, Part]) -> None:
        self.groups = groups
        self.max_mem = max_mem
        self.parts = parts
        self._arrays = arrays

    def __len__(self) -> int:
        return prod(len(groups) for groups in self.groups)

    def __iter__(self) -> Iterator[Together]:
        return read_together(self._arrays, self.max_mem)

    def __repr__(self) -> str:
        names = ", ".join(map(repr, self._arrays.sources))
        return _summary(f"<DatasetGroupBy of {names}: {len(self)} groups>", self.groups)


def _summary(head: str, every: tuple[AxisGroups, ...]) -> str:
    lines = [head]
    for groups in every:
        ends = f": {groups.labels[0]} ... {groups.labels[-1]}" if len(groups) else ""
        lines.append(f"  {groups.name}: {len(groups)} groups along {groups.dim!r}{ends}")
    return "\n".join(lines)


def group_axes(part: Part, spec: Any) -> tuple[AxisGroups, ...]:
    """Find the groups along the dimensions of a part.

    Parameters
    ----------
    part : Part
        What is grouped.
    spec : str, iterable of str, or dict
        As of `groupby`.
    """
    if isinstance(spec, str):
        wanted: dict[str, Any] = {spec: None}
    elif isinstance(spec, Mapping):
        wanted = dict(spec)
    elif isinstance(spec, Iterable):
        wanted = dict.fromkeys(spec)
    else:
        raise GroupingError(f"groupby takes a name, a list of names, or a dict of names and periods, not {spec!r}")
    if not wanted:
        raise GroupingError("groupby needs a name: that of a coordinate, such as 'time', or 'time.month'")
    found: dict[str, AxisGroups] = {}
    for name, how in wanted.items():
        groups = _groups(part, name, how)
        if groups.dim in found:
            raise GroupingError(f"{found[groups.dim].name!r} and {groups.name!r} both group {groups.dim!r}: give one")
        found[groups.dim] = groups
    return tuple(found.values())


def _groups(part: Part, name: Any, how: Any) -> AxisGroups:
    if isinstance(name, str) and name and name in part.dims:
        return plan_groups(name, part._label_values(name), 1 if how is None else how)
    base, point, _ = str(name).rpartition(".")
    if point and how is None and base in part.dims:
        return plan_groups(base, part._label_values(base), name)
    member = part._labels.structure.members.get(name) if isinstance(name, str) else None
    if member is None:
        raise VariableNotFoundError(
            f"{part.name!r} cannot be grouped by {name!r}, none of its dimensions ({', '.join(map(repr, part.dims))}) "
            "and no variable along one"
        )
    if len(member.dims) != 1 or member.dims[0].path not in part.dims:
        raise GroupingError(
            f"{part.name!r} cannot be grouped by {name!r}, whose dimensions are "
            f"{[dim.path for dim in member.dims]}: give a variable along one of {', '.join(map(repr, part.dims))}"
        )
    dim = member.dims[0].path
    axis = part._selected().axes[part._member.dims.index(member.dims[0])]
    values = pick(part._labels.values_of(member), axis)
    if how is None:
        return plan_groups(dim, np.arange(len(values)), name, by=values)
    return plan_groups(dim, values, how, name=name)
